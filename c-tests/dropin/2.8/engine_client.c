/*
 * An engine of 2.8.0 calling its server: a connection a call, the context's
 * yield set to the engine's own, the body in the caller's memory and taken out
 * of the call before it is freed; and a notice nobody answers, whose SUBMITTED
 * response is freed and whose connection is closed at once.
 */
#include <daos/drpc.h>
#include <daos/drpc_modules.h>

#include "../expect.h"

static int yields;

static int
count_yield(void)
{
	yields++;
	return 0;
}

static void
engine_call(char *path, int method, void *body, size_t len, int flags, Drpc__Response **resp)
{
	struct drpc *ctx;
	Drpc__Call  *call;

	EXPECT(drpc_connect(path, &ctx) == 0);
	EXPECT(ctx->yield == NULL);
	ctx->yield = count_yield;
	EXPECT(drpc_call_create(ctx, DRPC_MODULE_SRV, method, &call) == 0);
	call->body.data = body;
	call->body.len = len;
	EXPECT(drpc_call(ctx, flags, call, resp) == 0);
	EXPECT(call->body.data == body && call->body.len == len);
	call->body.data = NULL;
	call->body.len = 0;
	drpc_call_free(call);
	EXPECT(drpc_close(ctx) == 0);
}

int
main(int argc, char **argv)
{
	unsigned char	body[1024];
	Drpc__Response *resp;

	EXPECT(argc >= 2);
	fill_pattern(body, sizeof(body));
	engine_call(argv[1], DRPC_METHOD_SRV_NOTIFY_READY, body, sizeof(body), R_SYNC, &resp);
	EXPECT(yields > 0);
	EXPECT(resp->status == DRPC__STATUS__SUCCESS);
	EXPECT(resp->body.len == 0);
	drpc_response_free(resp);

	yields = 0;
	engine_call(argv[1], DRPC_METHOD_SRV_NOTIFY_READY, body, sizeof(body), 0, &resp);
	EXPECT(yields > 0);
	EXPECT(resp->status == DRPC__STATUS__SUBMITTED);
	EXPECT(resp->sequence == 1);
	drpc_response_free(resp);
	return 0;
}
