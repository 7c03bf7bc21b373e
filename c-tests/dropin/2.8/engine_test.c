/*
 * Test client of 2.8.0's engine: it writes the context's sequence itself and
 * checks what comes back, one status after the other; a call or a response that
 * was never made is freed all the same.
 */
#include <daos/drpc.h>

#include <stdlib.h>
#include <string.h>

#include "../expect.h"

static void
call_and_free(struct drpc *ctx, int module, int method, Drpc__Status expected)
{
	Drpc__Call     *call = NULL;
	Drpc__Response *response = NULL;
	int		sequence = ctx->sequence;

	EXPECT(drpc_call_create(ctx, module, method, &call) == 0);
	EXPECT(call->sequence == sequence);
	call->body.data = (uint8_t *)strdup("hello");
	call->body.len = 5;
	EXPECT(drpc_call(ctx, R_SYNC, call, &response) == 0);
	EXPECT(ctx->sequence == sequence + 1);
	EXPECT(response->sequence == sequence);
	EXPECT(response->status == expected);
	EXPECT(response->body.len == 0);
	drpc_response_free(response);
	drpc_call_free(call);
}

int
main(int argc, char **argv)
{
	struct drpc *ctx;

	EXPECT(argc >= 2);
	drpc_call_free(NULL);
	drpc_response_free(NULL);
	EXPECT(drpc_connect(argv[1], &ctx) == 0);
	EXPECT(ctx != NULL);
	ctx->sequence = 25;
	call_and_free(ctx, 0, 101, DRPC__STATUS__SUCCESS);
	call_and_free(ctx, 1, 0, DRPC__STATUS__UNKNOWN_METHOD);
	call_and_free(ctx, 1, 101, DRPC__STATUS__UNKNOWN_MODULE);
	EXPECT(drpc_close(ctx) == 0);
	return 0;
}
