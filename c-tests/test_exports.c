/*
 * Every function that the library exports, in a thread that is being cancelled, in the child of a fork, and with NULL.
 *
 * The list is made from the export map. A function that is new there needs a try_<function> here, or this file does not
 * compile. Each runs in a process of its own, so that one that ends the process is found out by name.
 */
#include "abi.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <daos/drpc_handler.h>
#include <daos/drpc_modules.h>
#include <daos/drpc_progress.h>
#include <drpc/client.h>
#include <drpc/library.h>
#include <drpc/server.h>

#include "support/context.h"
#include "support/dir.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/taken.h"

/* What the functions are given. With `null` it is nothing at all. */
struct world {
	bool        null;
	struct dir  dir;
	const char *path;       /* of the managed server */
	const char *other_path; /* of a listener of the plain API */
	const char *free_path;  /* where nothing is */

	struct drpc_server *server; /* is being called */
	struct drpc_server *fresh;  /* has done nothing yet */
	struct drpc_client *client; /* has a thread, and submitted the call that is the request */
	struct drpc_cancel *cancel; /* gives that up */
	struct taken        taken;
	struct drpc_request *request;
	struct drpc_session *caller; /* of the request */

	struct drpc                  *ctx;     /* a client whose reply is there already */
	struct drpc                  *session; /* a session whose call is */
	struct drpc                  *listener;
	struct drpc_progress_context *progress; /* of another listener */
	int                           peers[4];

	Drpc__Call            call;
	Drpc__Response        resp;
	uint8_t               packed[64];
	size_t                packed_len;
	ProtobufCBuffer       buffer;
	struct dss_drpc_handler handlers[2];
};

/* In a child, where a failed assertion would have the child go on with the tests of its parent. */
#define NEED(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, #condition);                              \
			_exit(90);                                                                                     \
		}                                                                                                      \
	} while (0)

/* What a function that has been given NULL must return. */
#define NUMBER(rc)    refused(w, (rc) == -DER_INVAL)
#define POINTER(made) refused(w, (made) == NULL)
#define NOTHING(rc)   refused(w, (rc) == 0)
/* A place for a result. */
#define PLACE(place) (w->null ? NULL : (place))

static void
refused(const struct world *w, bool as_documented)
{
	NEED(!w->null || as_documented);
}

static void
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

static void
done(int rc, Drpc__Response *resp, void *arg)
{
	(void)rc;
	(void)arg;
	drpc_response_free(resp);
}

static bool
allow(struct drpc_session *session, void *arg)
{
	(void)session;
	(void)arg;
	return true;
}

/* --- daos/drpc.h -------------------------------------------------------------------------------- */

static void
try_drpc_call_create(struct world *w)
{
	Drpc__Call *call = NULL;

#ifdef DRPC_ABI_08
	POINTER(call = drpc_call_create(w->ctx, 0, 0));
#else
	NUMBER(drpc_call_create(w->ctx, 0, 0, PLACE(&call)));
#endif
}

static void
try_drpc_call_free(struct world *w)
{
	Drpc__Call *call = NULL;

	if (!w->null)
		abi_call_create(w->ctx, 0, 0, &call);
	drpc_call_free(call);
}

static void
try_drpc_response_create(struct world *w)
{
	drpc_response_create(PLACE(&w->call));
}

static void
try_drpc_response_free(struct world *w)
{
	drpc_response_free(w->null ? NULL : drpc_response_create(&w->call));
}

static void
try_drpc_call(struct world *w)
{
	Drpc__Response *resp = NULL;

	NUMBER(drpc_call(w->ctx, R_SYNC, PLACE(&w->call), PLACE(&resp)));
}

static void
try_drpc_connect(struct world *w)
{
	struct drpc *ctx = NULL;

#ifdef DRPC_ABI_08
	POINTER(ctx = drpc_connect((char *)w->other_path));
#else
	NUMBER(drpc_connect((char *)w->other_path, PLACE(&ctx)));
#endif
	/* What fails closes what it has opened. */
	if (!w->null)
		abi_connect(w->free_path, &ctx);
}

static void
try_drpc_listen(struct world *w)
{
	POINTER(abi_listen(w->free_path, w->null ? NULL : answer_nothing));
	if (!w->null)
		abi_listen(w->other_path, answer_nothing);
}

static void
try_drpc_is_valid_listener(struct world *w)
{
	NOTHING(drpc_is_valid_listener(w->listener));
}

static void
try_drpc_accept(struct world *w)
{
	struct drpc *session = NULL;

#ifdef DRPC_ABI_08
	POINTER(session = drpc_accept(w->listener));
#else
	NUMBER(drpc_accept(w->listener, PLACE(&session)));
#endif
	/* There is none any more. */
	if (!w->null)
		abi_accept(w->listener, &session);
}

static void
try_drpc_recv_call(struct world *w)
{
	Drpc__Call *call = NULL;

	NUMBER(drpc_recv_call(w->session, PLACE(&call)));
}

static void
try_drpc_send_response(struct world *w)
{
	NUMBER(drpc_send_response(w->session, PLACE(&w->resp)));
}

static void
try_drpc_close(struct world *w)
{
	NUMBER(drpc_close(w->session));
	NUMBER(drpc_close(w->ctx));
	NUMBER(drpc_close(w->listener));
}

static void
try_drpc_add_ref(struct world *w)
{
	NUMBER(drpc_add_ref(w->ctx));
}

#ifndef DRPC_ABI_08
static void
try_daos_drpc_alloc(struct world *w)
{
	struct drpc_alloc alloc = PROTO_ALLOCATOR_INIT(alloc);

	(void)alloc;
	free(daos_drpc_alloc(PLACE(&alloc), 1));
}

static void
try_daos_drpc_free(struct world *w)
{
	daos_drpc_free(NULL, w->null ? NULL : malloc(1));
}
#endif

/* --- daos/drpc.pb-c.h --------------------------------------------------------------------------- */

static void
try_drpc__call__init(struct world *w)
{
	if (!w->null)
		drpc__call__init(&w->call);
}

static void
try_drpc__call__get_packed_size(struct world *w)
{
	NOTHING(drpc__call__get_packed_size(PLACE(&w->call)));
}

static void
try_drpc__call__pack(struct world *w)
{
	NOTHING(drpc__call__pack(PLACE(&w->call), PLACE(w->packed)));
}

static void
try_drpc__call__pack_to_buffer(struct world *w)
{
	NOTHING(drpc__call__pack_to_buffer(PLACE(&w->call), PLACE(&w->buffer)));
}

static void
try_drpc__call__unpack(struct world *w)
{
	Drpc__Call *call = drpc__call__unpack(NULL, w->packed_len, PLACE(w->packed));

	drpc__call__free_unpacked(call, NULL);
}

static void
try_drpc__call__free_unpacked(struct world *w)
{
	drpc__call__free_unpacked(w->null ? NULL : drpc__call__unpack(NULL, w->packed_len, w->packed), NULL);
}

static void
try_drpc__response__init(struct world *w)
{
	if (!w->null)
		drpc__response__init(&w->resp);
}

static void
try_drpc__response__get_packed_size(struct world *w)
{
	NOTHING(drpc__response__get_packed_size(PLACE(&w->resp)));
}

static void
try_drpc__response__pack(struct world *w)
{
	NOTHING(drpc__response__pack(PLACE(&w->resp), PLACE(w->packed)));
}

static void
try_drpc__response__pack_to_buffer(struct world *w)
{
	NOTHING(drpc__response__pack_to_buffer(PLACE(&w->resp), PLACE(&w->buffer)));
}

static void
try_drpc__response__unpack(struct world *w)
{
	Drpc__Response *resp = drpc__response__unpack(NULL, w->packed_len, PLACE(w->packed));

	drpc__response__free_unpacked(resp, NULL);
}

static void
try_drpc__response__free_unpacked(struct world *w)
{
	drpc__response__free_unpacked(w->null ? NULL : drpc__response__unpack(NULL, w->packed_len, w->packed), NULL);
}

static void
try_drpc__status__descriptor(struct world *w)
{
	(void)w;
	NEED(drpc__status__descriptor.n_values > 0);
}

static void
try_drpc__call__descriptor(struct world *w)
{
	(void)w;
	NEED(drpc__call__descriptor.n_fields > 0);
}

static void
try_drpc__response__descriptor(struct world *w)
{
	(void)w;
	NEED(drpc__response__descriptor.n_fields > 0);
}

/* --- daos/drpc_handler.h ------------------------------------------------------------------------ */

static void
try_drpc_hdlr_init(struct world *w)
{
	(void)w;
	drpc_hdlr_init();
}

static void
try_drpc_hdlr_fini(struct world *w)
{
	(void)w;
	drpc_hdlr_fini();
}

static void
try_drpc_hdlr_register(struct world *w)
{
	drpc_hdlr_init();
	NUMBER(drpc_hdlr_register(DRPC_MODULE_SEC_AGENT, w->null ? NULL : answer_nothing));
	/* There is one. */
	drpc_hdlr_register(DRPC_MODULE_SEC_AGENT, answer_nothing);
}

static void
try_drpc_hdlr_register_all(struct world *w)
{
	drpc_hdlr_init();
	NOTHING(drpc_hdlr_register_all(PLACE(w->handlers)));
}

static void
try_drpc_hdlr_get_handler(struct world *w)
{
	(void)w;
	drpc_hdlr_get_handler(DRPC_MODULE_SEC_AGENT);
}

static void
try_drpc_hdlr_unregister(struct world *w)
{
	(void)w;
	drpc_hdlr_unregister(DRPC_MODULE_SEC_AGENT);
}

static void
try_drpc_hdlr_unregister_all(struct world *w)
{
	drpc_hdlr_init();
	NOTHING(drpc_hdlr_unregister_all(PLACE(w->handlers)));
}

static void
try_drpc_hdlr_process_msg(struct world *w)
{
	drpc_hdlr_init();
	drpc_hdlr_register(DRPC_MODULE_SEC_AGENT, answer_nothing);
	drpc_hdlr_process_msg(PLACE(&w->call), PLACE(&w->resp));
}

/* --- daos/drpc_progress.h ----------------------------------------------------------------------- */

static void
try_drpc_progress_context_create(struct world *w)
{
	POINTER(drpc_progress_context_create(w->listener));
}

static void
try_drpc_progress_context_close(struct world *w)
{
	drpc_progress_context_close(w->progress);
}

static void
try_drpc_progress(struct world *w)
{
	NUMBER(drpc_progress(w->progress, 0));
	/* Now there is a session, with a call. */
	drpc_progress(w->progress, 0);
}

static void
try_drpc_progress_set_spawner(struct world *w)
{
	(void)w;
	drpc_progress_set_spawner(NULL);
}

/* --- drpc/library.h ----------------------------------------------------------------------------- */

static void
try_drpc_last_error(struct world *w)
{
	(void)w;
	NEED(drpc_last_error() != NULL);
}

static void
try_drpc_strerror(struct world *w)
{
	(void)w;
	NEED(drpc_strerror(-DER_INVAL) != NULL);
}

static void
try_drpc_status_name(struct world *w)
{
	(void)w;
	NEED(drpc_status_name(0) != NULL);
}

static void
try_drpc_status_value(struct world *w)
{
	NUMBER(drpc_status_value(w->null ? NULL : "SUCCESS"));
}

static void
try_drpc_file_descriptor_set(struct world *w)
{
	size_t len;

	POINTER(drpc_file_descriptor_set(PLACE(&len)));
}

static void
try_drpc_version(struct world *w)
{
	(void)w;
	NEED(drpc_version() != NULL);
}

static void
take_line(int level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
	/* A log function may be a point where a thread is cancelled. */
	pthread_testcancel();
}

static void
try_drpc_set_log(struct world *w)
{
	drpc_set_log(w->null ? NULL : take_line, NULL);
	if (!w->null)
		drpc_close(NULL);
}

static void
try_drpc_set_timeout(struct world *w)
{
	NUMBER(drpc_set_timeout(w->ctx, PATIENCE_MS));
}

static void
try_drpc_set_connect_timeout(struct world *w)
{
	(void)w;
	drpc_set_connect_timeout(0);
}

static void
try_drpc_set_socket_mode(struct world *w)
{
	(void)w;
	drpc_set_socket_mode(0600);
}

static void
try_drpc_set_spin(struct world *w)
{
	(void)w;
	drpc_set_spin(0);
}

static void
try_drpc_set_max_message(struct world *w)
{
	(void)w;
	drpc_set_max_message(0);
}

static void
try_drpc_set_max_datagram(struct world *w)
{
	(void)w;
	drpc_set_max_datagram(0);
}

static void
try_drpc_set_framing(struct world *w)
{
	NUMBER(drpc_set_framing(w->ctx, DRPC_FRAMING_CHUNKED));
}

/* --- drpc/server.h ------------------------------------------------------------------------------ */

static void
try_drpc_server_create(struct world *w)
{
	struct drpc_server *server = NULL;

	NUMBER(drpc_server_create(w->free_path, PLACE(&server)));
}

static void
try_drpc_server_set(struct world *w)
{
	NUMBER(drpc_server_set(w->fresh, DRPC_SERVER_THREADS, 2));
}

static void
try_drpc_server_register(struct world *w)
{
	NUMBER(drpc_server_register(w->fresh, ECHO, managed_echo, NULL, 0));
}

static void
try_drpc_server_get_handler(struct world *w)
{
	POINTER(drpc_server_get_handler(w->server, ECHO));
}

static void
try_drpc_server_allow(struct world *w)
{
	NUMBER(drpc_server_allow(w->fresh, ECHO, NULL, 0));
}

static void
try_drpc_server_authorise(struct world *w)
{
	NUMBER(drpc_server_authorise(w->fresh, w->null ? NULL : allow, NULL));
}

static void
try_drpc_server_listen(struct world *w)
{
	NUMBER(drpc_server_listen(w->fresh));
}

static void
try_drpc_server_start(struct world *w)
{
	NUMBER(drpc_server_start(w->server));
	NUMBER(drpc_server_start(w->fresh));
}

static void
try_drpc_server_run(struct world *w)
{
	NUMBER(drpc_server_run(w->server));
	drpc_server_stop(w->fresh);
	NUMBER(drpc_server_run(w->fresh));
}

static void
try_drpc_server_dispatch(struct world *w)
{
	NUMBER(drpc_server_dispatch(w->server, 0));
	NUMBER(drpc_server_dispatch(w->fresh, 0));
}

static void
try_drpc_server_get_fd(struct world *w)
{
	NUMBER(drpc_server_get_fd(w->fresh));
}

static void
try_drpc_server_stop(struct world *w)
{
	drpc_server_stop(w->server);
}

static void
try_drpc_server_shutdown(struct world *w)
{
	NUMBER(drpc_server_shutdown(w->server, 0));
}

static void
try_drpc_server_destroy(struct world *w)
{
	drpc_server_destroy(w->server);
	drpc_server_destroy(w->fresh);
}

static void
try_drpc_server_get_stats(struct world *w)
{
	struct drpc_server_stats stats = {.size = sizeof(stats)};

	NUMBER(drpc_server_get_stats(w->server, PLACE(&stats)));
}

static void
try_drpc_server_get_module_stats(struct world *w)
{
	uint64_t answered[9];

	NUMBER(drpc_server_get_module_stats(w->server, ECHO, PLACE(answered)));
}

static void
try_drpc_session_id(struct world *w)
{
	NOTHING(drpc_session_id(w->caller));
}

static void
try_drpc_session_peer(struct world *w)
{
	NOTHING(drpc_session_peer(w->caller).pid);
}

static void
try_drpc_session_get_fd(struct world *w)
{
	NOTHING(drpc_session_get_fd(w->caller) + 1);
}

static void
try_drpc_session_close(struct world *w)
{
	drpc_session_close(w->caller);
}

static void
try_drpc_session_defer(struct world *w)
{
	POINTER(drpc_session_defer(w->caller));
}

static void
try_drpc_request_session(struct world *w)
{
	POINTER(drpc_request_session(w->request));
}

static void
try_drpc_request_call(struct world *w)
{
	POINTER(drpc_request_call(w->request));
}

static void
try_drpc_request_respond(struct world *w)
{
	NUMBER(drpc_request_respond(w->request, PLACE(&w->resp)));
}

static void
try_drpc_request_drop(struct world *w)
{
	drpc_request_drop(w->request);
}

/* --- drpc/client.h ------------------------------------------------------------------------------ */

static void
try_drpc_client_create(struct world *w)
{
	struct drpc_client *client = NULL;

	NUMBER(drpc_client_create(w->path, PLACE(&client)));
}

static void
try_drpc_client_set(struct world *w)
{
	NUMBER(drpc_client_set(w->client, DRPC_CLIENT_RETRIES, 1));
}

static void
try_drpc_client_connect(struct world *w)
{
	NUMBER(drpc_client_connect(w->client));
}

static void
try_drpc_client_wait_ready(struct world *w)
{
	NUMBER(drpc_client_wait_ready(w->client, 100));
}

static void
try_drpc_client_is_connected(struct world *w)
{
	NOTHING(drpc_client_is_connected(w->client));
}

static void
try_drpc_client_close(struct world *w)
{
	NUMBER(drpc_client_close(w->client));
}

static void
try_drpc_client_destroy(struct world *w)
{
	drpc_client_destroy(w->client);
}

/* Whether it is locked in time does not matter: a call is out. */
static void
try_drpc_client_lock(struct world *w)
{
	NUMBER(drpc_client_lock(w->client));
}

static void
try_drpc_client_unlock(struct world *w)
{
	NUMBER(drpc_client_unlock(w->client));
}

static void
try_drpc_client_call(struct world *w)
{
	Drpc__Response *resp = NULL;

	NUMBER(drpc_client_call(w->client, ECHO, 0, "x", 1, NULL, PLACE(&resp)));
}

static void
try_drpc_client_submit(struct world *w)
{
	NUMBER(drpc_client_submit(w->client, ECHO, 0, "x", 1, NULL, w->null ? NULL : done, NULL));
}

static void
try_drpc_client_dispatch(struct world *w)
{
	NUMBER(drpc_client_dispatch(w->client, 0));
}

static void
try_drpc_client_get_fd(struct world *w)
{
	NUMBER(drpc_client_get_fd(w->client));
}

static void
try_drpc_cancel_create(struct world *w)
{
	(void)w;
	NEED(drpc_cancel_create() != NULL);
}

static void
try_drpc_cancel_trigger(struct world *w)
{
	drpc_cancel_trigger(w->cancel);
}

static void
try_drpc_cancel_destroy(struct world *w)
{
	drpc_cancel_destroy(w->cancel);
}

/* --- the list ------------------------------------------------------------------------------------- */

struct export {
	const char *name;
	void (*attempt)(struct world *w);
};

#define EXPORT(name) {#name, try_##name},
static const struct export exports[] = {
/* Made from the export map. */
#include "exports.h"
};
#undef EXPORT

#define EXPORTS (sizeof(exports) / sizeof(exports[0]))

/* --- the world ------------------------------------------------------------------------------------ */

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
	for (ms = 0; taken_count(&w->taken) < 1; ms++) {
		NEED(ms < PATIENCE_MS);
		usleep(1000);
	}
	w->request = w->taken.requests[0];
	w->caller  = drpc_request_session(w->request);
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

/* Everything there is, which the end of the process gives back. */
static struct world *
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

/* --- the columns ---------------------------------------------------------------------------------- */

struct attempt {
	const struct export *export;
	struct world        *world;
	volatile bool        returned;
};

static void *
attempt_while_cancelled(void *arg)
{
	struct attempt *attempt = arg;

	/* From here on every cancellation point ends the thread. */
	pthread_cancel(pthread_self());
	attempt->export->attempt(attempt->world);
	attempt->returned = true;
	pthread_testcancel();
	return NULL;
}

/* Returns, and leaves the thread as it was: to be cancelled. */
static int
cancelled_in(const struct export *export, bool yielding)
{
	struct attempt attempt = {.export = export, .world = make_world(yielding)};
	void          *result  = NULL;
	pthread_t      thread;

	NEED(pthread_create(&thread, NULL, attempt_while_cancelled, &attempt) == 0);
	NEED(pthread_join(thread, &result) == 0);
	dir_remove(&attempt.world->dir);
	NEED(attempt.returned);
	NEED(result == PTHREAD_CANCELED);
	return 0;
}

static int
cancelled(const struct export *export)
{
	return cancelled_in(export, false);
}

/* Waits for the end of a process; its status, or -1 after it has been killed for taking too long. */
static int
end_of(pid_t child)
{
	int status;
	int ms;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		usleep(1000);
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return -1;
}

/* The letter for what a thread is doing: S if it sleeps. */
static char
state_of(const char *thread)
{
	char  path[64];
	char  state = '?';
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", thread);
	stat = fopen(path, "r");
	if (stat == NULL)
		return 'X';
	if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	fclose(stat);
	return state;
}

/* How many other threads are at work, which may hold a lock. */
static int
threads_at_work(void)
{
	DIR           *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int            busy = 0;

	NEED(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		busy += atoi(entry->d_name) != 0 && atoi(entry->d_name) != gettid() && state_of(entry->d_name) != 'S';
	closedir(dir);
	return busy;
}

/* A call of a client is answered. */
static bool
is_served(struct drpc_client *client)
{
	struct drpc_call_options options = {.size = sizeof(options), .timeout_ms = PATIENCE_MS};
	Drpc__Response          *resp    = NULL;
	bool                     served;

	served = drpc_client_call(client, ECHO, 0, "x", 1, &options, &resp) == 0 && resp->body.len == 1;
	drpc_response_free(resp);
	return served;
}

/* What the parent has goes on, and can be ended. */
static void
assert_alive(struct world *w)
{
	struct drpc_client *client = NULL;

	NEED(is_served(w->client));
	NEED(access(w->path, F_OK) == 0);
	NEED(drpc_client_create(w->path, &client) == 0);
	NEED(drpc_client_set(client, DRPC_CLIENT_FRAMING, DRPC_FRAMING_CHUNKED) == 0);
	NEED(drpc_client_wait_ready(client, PATIENCE_MS) == 0);
	NEED(is_served(client));
	drpc_client_destroy(client);
	NEED(drpc_request_respond(w->request, &w->resp) == 0);
	drpc_client_destroy(w->client);
	drpc_server_destroy(w->server);
	NEED(access(w->path, F_OK) != 0);
	drpc_server_destroy(w->fresh);
	drpc_cancel_destroy(w->cancel);
}

/* What a child of a fork does with what it has from its parent returns, and its parent does not notice. */
static int
in_forked_child(const struct export *export)
{
	struct world *w;
	pid_t         child;
	int           ms;

	w = make_world(false);
	/* It is the parent's before the fork, and there is nothing left to do. */
	NEED(is_served(w->client));
	for (ms = 0; threads_at_work() != 0; ms++) {
		NEED(ms < PATIENCE_MS);
		usleep(1000);
	}
	child = fork();
	NEED(child >= 0);
	if (child == 0) {
		alarm(2 * PATIENCE_MS / 1000);
		export->attempt(w);
		_exit(0);
	}
	NEED(end_of(child) == 0);
	assert_alive(w);
	dir_remove(&w->dir);
	return 0;
}

static int
with_null(const struct export *export)
{
	struct world w = {.null = true};

	export->attempt(&w);
	return 0;
}

/* What becomes of a process of its own, in which a function is tried: 0 if all was well. */
static int
in_child(int (*column)(const struct export *), const struct export *export)
{
	int   status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		alarm(3 * PATIENCE_MS / 1000);
		_exit(column(export));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
every_export(int (*column)(const struct export *))
{
	int    failed = 0;
	size_t i;

	assert_true(EXPORTS > 70);
	for (i = 0; i < EXPORTS; i++) {
		int status = in_child(column, &exports[i]);

		if (status == 0)
			continue;
		failed++;
		print_message("# %s: %s %d\n", exports[i].name, WIFSIGNALED(status) ? "signal" : "status",
			      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	assert_int_equal(failed, 0);
}

static void
no_function_is_cancelled(void **state)
{
	(void)state;
	every_export(cancelled);
}

#ifndef DRPC_ABI_08
static int
cancelled_while_yielding(const struct export *export)
{
	return cancelled_in(export, true);
}

/* The thread is not kept from being cancelled for a whole function then. */
static void
no_function_is_cancelled_that_yields(void **state)
{
	(void)state;
	every_export(cancelled_while_yielding);
}
#endif

static void
a_forked_child_does_no_harm(void **state)
{
	(void)state;
	every_export(in_forked_child);
}

static void
null_is_refused(void **state)
{
	(void)state;
	every_export(with_null);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_function_is_cancelled),
#ifndef DRPC_ABI_08
		cmocka_unit_test(no_function_is_cancelled_that_yields),
#endif
		cmocka_unit_test(a_forked_child_does_no_harm),
		cmocka_unit_test(null_is_refused),
	};

	return cmocka_run_group_tests_name("exports " ABI_NAME, tests, NULL, NULL);
}
