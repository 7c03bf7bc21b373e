/*
 * A server with a registry and a loop of its own under DAOS's names, as DAOS's engine has them, over the library's
 * sockets and messages; a thread of it is the client. argv[1] is the path of the socket.
 */
#include "../abi.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <daos/drpc_handler.h>
#include <daos/drpc_progress.h>

#include "../dropin/expect.h"

#define CALLS 3

static drpc_handler_t	registered;
static int		looked_up, progressed;
static struct drpc     *session;

int drpc_hdlr_init(void) { registered = NULL; return 0; }
int drpc_hdlr_fini(void) { return drpc_hdlr_init(); }
int drpc_hdlr_register(int module_id, drpc_handler_t handler) { registered = handler; return module_id == 9 ? 0 : -1; }
int drpc_hdlr_unregister(int module_id) { (void)module_id; return drpc_hdlr_init(); }
drpc_handler_t drpc_hdlr_get_handler(int module_id) { looked_up++; return module_id == 9 ? registered : NULL; }

int
drpc_hdlr_register_all(struct dss_drpc_handler *handlers)
{
	for (; handlers->handler != NULL; handlers++)
		EXPECT(drpc_hdlr_register(handlers->module_id, handlers->handler) == 0);
	return 0;
}

int drpc_hdlr_unregister_all(struct dss_drpc_handler *handlers) { (void)handlers; return drpc_hdlr_init(); }

void
drpc_hdlr_process_msg(Drpc__Call *request, Drpc__Response *resp)
{
	drpc_handler_t handler = drpc_hdlr_get_handler(request->module);

	if (handler != NULL)
		handler(request, resp);
	else
		resp->status = DRPC__STATUS__UNKNOWN_MODULE;
}

struct drpc_progress_context *
drpc_progress_context_create(struct drpc *listener)
{
	struct drpc_progress_context *ctx = calloc(1, sizeof(*ctx));

	EXPECT(ctx != NULL);
	ctx->listener_ctx = listener;
	return ctx;
}

void
drpc_progress_context_close(struct drpc_progress_context *ctx)
{
	EXPECT(drpc_close(session) == 0);
	EXPECT(drpc_close(ctx->listener_ctx) == 0);
	free(ctx);
}

/* Serves one call of the one client. */
int
drpc_progress(struct drpc_progress_context *ctx, int timeout)
{
	struct pollfd	fd = {.events = POLLIN};
	Drpc__Call     *call;
	Drpc__Response *resp;

	progressed++;
	fd.fd = session == NULL ? ctx->listener_ctx->comm->fd : session->comm->fd;
	EXPECT(poll(&fd, 1, timeout) == 1);
	if (session == NULL) {
		EXPECT(abi_accept(ctx->listener_ctx, &session) == 0);
		return 0;
	}
	EXPECT(drpc_recv_call(session, &call) == 0);
	resp = drpc_response_create(call);
	EXPECT(resp != NULL);
	session->handler(call, resp);
	EXPECT(drpc_send_response(session, resp) == 0);
	drpc_response_free(resp);
	drpc_call_free(call);
	return 0;
}

static void
answer(Drpc__Call *call, Drpc__Response *resp)
{
	resp->status = DRPC__STATUS__FAILURE + call->method;
}

static void *
client(void *path)
{
	struct drpc    *ctx;
	Drpc__Call     *call;
	Drpc__Response *resp;

	EXPECT(abi_connect(path, &ctx) == 0);
	for (int i = 0; i < CALLS; i++) {
		EXPECT(abi_call_create(ctx, i == 2 ? 8 : 9, 0, &call) == 0);
		EXPECT(drpc_call(ctx, R_SYNC, call, &resp) == 0);
		EXPECT(resp->status == (i == 2 ? DRPC__STATUS__UNKNOWN_MODULE : DRPC__STATUS__FAILURE));
		drpc_response_free(resp);
		drpc_call_free(call);
	}
	EXPECT(drpc_close(ctx) == 0);
	return NULL;
}

int
main(int argc, char **argv)
{
	struct dss_drpc_handler	      handlers[] = {{9, answer}, {0, NULL}};
	struct drpc_progress_context *loop;
	struct drpc		     *listener;
	pthread_t		      thread;

	EXPECT(argc == 2);
	EXPECT(drpc_hdlr_init() == 0 && drpc_hdlr_register_all(handlers) == 0);
	listener = abi_listen(argv[1], drpc_hdlr_process_msg);
	EXPECT(listener != NULL);
	loop = drpc_progress_context_create(listener);
	EXPECT(pthread_create(&thread, NULL, client, argv[1]) == 0);
	for (int i = 0; i < 1 + CALLS; i++)
		EXPECT(drpc_progress(loop, 10000) == 0);
	EXPECT(pthread_join(thread, NULL) == 0);
	drpc_progress_context_close(loop);
	EXPECT(progressed == 1 + CALLS && looked_up == CALLS);
	return drpc_hdlr_unregister_all(handlers) + drpc_hdlr_unregister(9) + drpc_hdlr_fini();
}
