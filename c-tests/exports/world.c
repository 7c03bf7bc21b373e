/* The world of the exported functions: a server and a client of each kind. */
#include "world.h"

#include <stdlib.h>

#include <daos/drpc_modules.h>
#include <drpc/library.h>

#include "support/context.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/typed.h"

void
refused(const struct world *w, bool as_documented)
{
	NEED(!w->null || as_documented);
}

void
answer_nothing(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
}

static void
append_nothing(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
	(void)buffer;
	(void)len;
	(void)data;
}

void
done(int rc, Drpc__Response *resp, void *arg)
{
	(void)rc;
	(void)arg;
	drpc_response_free(resp);
}

static char *
in_dir(const struct dir *dir, const char *name)
{
	char *path = NULL;

	NEED(asprintf(&path, "%s/%s", dir->path, name) > 0);
	return path;
}

static void
make_managed(struct world *w)
{
	struct drpc_call_options options = {.size = sizeof(options), .timeout_ms = -1};
	int                      ms;

	NEED(drpc_server_create(w->path, &w->server) == 0);
	NEED(drpc_server_register(w->server, ECHO, managed_echo, NULL, 0) == 0);
	NEED(drpc_server_register(w->server, OTHER, taken_handler, &w->taken, DRPC_SERVER_CONCURRENT) == 0);
	NEED(drpc_server_add_service(w->server, TREE, &typed_service.base, NULL, DRPC_SERVER_CONCURRENT) == 0);
	NEED(drpc_server_start(w->server) == 0);
	NEED(drpc_server_create(w->free_path, &w->fresh) == 0);
	options.cancel = w->cancel = drpc_cancel_create();
	NEED(w->cancel != NULL);
	NEED(drpc_client_create(w->path, &w->client) == 0);
	NEED(drpc_client_set(w->client, DRPC_CLIENT_THREAD, 1) == 0);
	NEED(drpc_client_set(w->client, DRPC_CLIENT_PIPELINING, 1) == 0);
	NEED(drpc_client_set(w->client, DRPC_CLIENT_TIMEOUT, 100) == 0);
	NEED(drpc_client_set(w->client, DRPC_CLIENT_FRAMING, DRPC_FRAMING_CHUNKED) == 0);
	NEED(drpc_client_wait_ready(w->client, PATIENCE_MS) == 0);
	NEED(drpc_client_submit(w->client, OTHER, 0, "x", 1, &options, done, NULL) == 0);
	NEED(drpc_client_submit(w->client, TREE, METHOD_LATER, "", 0, &options, done, NULL) == 0);
	for (ms = 0; taken_count(&w->taken) < 1 || typed_kept_count() < 1; ms++) {
		NEED(ms < PATIENCE_MS);
		usleep(1000);
	}
	w->request = w->taken.requests[0];
	w->caller  = drpc_request_session(w->request);
	w->closure_data = typed_kept.data[0];
}

static void
make_plain(struct world *w, bool yielding)
{
	struct drpc *loop;
	int          fds[2];

	peer_pair(fds);
	w->ctx      = context_by_hand(fds[0], NULL);
	w->peers[0] = fds[1];
	context_tell(w->ctx);
	NEED(peer_send_response(w->peers[0], 1, 0, NULL, 0));
	peer_pair(fds);
	w->session  = context_by_hand(fds[0], answer_nothing);
	w->peers[1] = fds[1];
	NEED(peer_send_call(w->peers[1], 0, 0, 1, NULL, 0));
	w->listener = abi_listen(w->other_path, answer_nothing);
	NEED(w->listener != NULL);
	w->peers[2] = peer_connect(w->other_path);
	NEED(w->peers[2] >= 0);
	loop = abi_listen(in_dir(&w->dir, "loop"), answer_nothing);
	NEED(loop != NULL);
	w->progress = drpc_progress_context_create(loop);
	NEED(w->progress != NULL);
	w->peers[3] = peer_connect(in_dir(&w->dir, "loop"));
	NEED(w->peers[3] >= 0);
	NEED(peer_send_call(w->peers[3], 0, 0, 1, NULL, 0));
#ifndef DRPC_ABI_08
	if (yielding)
		w->ctx->yield = w->session->yield = w->listener->yield = loop->yield = sched_yield;
#else
	(void)yielding;
#endif
}

struct world *
make_world(bool yielding)
{
	struct world *w = calloc(1, sizeof(*w));

	NEED(w != NULL);
	dir_make(&w->dir);
	w->path       = w->dir.sock;
	w->other_path = in_dir(&w->dir, "other");
	w->free_path  = in_dir(&w->dir, "free");
	w->taken      = (struct taken)TAKEN_NONE;
	w->call       = (Drpc__Call)DRPC__CALL__INIT;
	w->resp       = (Drpc__Response)DRPC__RESPONSE__INIT;
	w->call.method    = 1;
	w->packed_len     = drpc__call__pack(&w->call, w->packed);
	w->buffer.append  = append_nothing;
	w->handlers[0]    = (struct dss_drpc_handler){.module_id = DRPC_MODULE_SEC_AGENT, .handler = answer_nothing};
	make_plain(w, yielding);
	make_managed(w);
	return w;
}
