/*
 * A program that takes everything from the library: the progress loop and the registry serve a client that is a thread of
 * it. argv[1] is the path of the socket.
 */
#include "../abi.h"

#include <pthread.h>
#include <string.h>

#include <daos/drpc_handler.h>
#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include "../dropin/expect.h"

static void
fail(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	resp->status = DRPC__STATUS__FAILURE;
}

static void *
client(void *path)
{
	struct drpc    *ctx;
	Drpc__Call     *call;
	Drpc__Response *resp;

	EXPECT(abi_connect(path, &ctx) == 0);
	EXPECT(abi_call_create(ctx, 2, 7, &call) == 0);
	EXPECT(drpc_call(ctx, R_SYNC, call, &resp) == 0);
	EXPECT(strcmp(drpc_status_name(resp->status), "FAILURE") == 0);
	drpc_response_free(resp);
	drpc_call_free(call);
	EXPECT(drpc_close(ctx) == 0);
	return NULL;
}

int
main(int argc, char **argv)
{
	struct drpc_progress_context *loop;
	struct drpc		     *listener;
	pthread_t		      thread;

	EXPECT(argc == 2);
	EXPECT(drpc_hdlr_init() == 0 && drpc_hdlr_register(2, fail) == 0);
	listener = abi_listen(argv[1], drpc_hdlr_process_msg);
	loop = drpc_progress_context_create(listener);
	EXPECT(loop != NULL);
	EXPECT(pthread_create(&thread, NULL, client, argv[1]) == 0);
	/* The client, its call, its end. */
	for (int i = 0; i < 3; i++)
		EXPECT(drpc_progress(loop, 10000) == 0);
	EXPECT(pthread_join(thread, NULL) == 0);
	drpc_progress_context_close(loop);
	return drpc_hdlr_fini();
}
