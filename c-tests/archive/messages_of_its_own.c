/*
 * A program that has compiled drpc.pb-c.c itself, descriptors included, as DAOS's programs do: the library's functions
 * know its messages, and its functions those of the library. argv[1] is the path of the socket.
 */
#include "../abi.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <daos/drpc_handler.h>
#include <daos/drpc_progress.h>

#include "../dropin/expect.h"

static void
echo(Drpc__Call *call, Drpc__Response *resp)
{
	Drpc__Response own = DRPC__RESPONSE__INIT;

	/* One descriptor, whoever looks at it. */
	EXPECT(call->base.descriptor == &drpc__call__descriptor);
	EXPECT(resp->base.descriptor == own.base.descriptor);
	resp->body = call->body;
	call->body = (ProtobufCBinaryData){0};
}

static void *
serve(void *loop)
{
	/* The client, then its call (2.8 asks what the server reads only before a call that is larger). */
	for (int i = 0; i < 2; i++)
		EXPECT(drpc_progress(loop, 10000) == 0);
	return NULL;
}

int
main(int argc, char **argv)
{
	struct drpc_progress_context *loop;
	struct drpc		     *listener;
	struct drpc		     *ctx;
	Drpc__Call		      call = DRPC__CALL__INIT;
	Drpc__Response		     *resp = NULL;
	pthread_t		      thread;

	EXPECT(argc == 2);
	EXPECT(drpc_hdlr_init() == 0 && drpc_hdlr_register(2, echo) == 0);
	listener = abi_listen(argv[1], drpc_hdlr_process_msg);
	loop = drpc_progress_context_create(listener);
	EXPECT(loop != NULL);
	EXPECT(abi_connect(argv[1], &ctx) == 0);
	EXPECT(pthread_create(&thread, NULL, serve, loop) == 0);
	call.module = 2;
	call.body.data = (uint8_t *)"hello";
	call.body.len = 5;
	EXPECT(drpc_call(ctx, R_SYNC, &call, &resp) == 0);
	EXPECT(pthread_join(thread, NULL) == 0);
	EXPECT(resp->base.descriptor == &drpc__response__descriptor);
	EXPECT(resp->body.len == 5 && memcmp(resp->body.data, "hello", 5) == 0);
	drpc__response__free_unpacked(resp, NULL);
	EXPECT(drpc_close(ctx) == 0);
	drpc_progress_context_close(loop);
	return drpc_hdlr_fini();
}
