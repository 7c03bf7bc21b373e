/*
 * A client library of 2.8.0 asking its agent where to attach, and taking its
 * leave: bodies malloc'ed and owned by the call, a response pointer that is not
 * initialised and not looked at unless the call succeeded, and "no such socket"
 * told apart from every other failure.
 */
#include <daos/drpc.h>
#include <daos/drpc_modules.h>

#include <stdlib.h>

#include "../expect.h"

#define LARGE_CALL     131038
#define LARGE_RESPONSE 131043

static void
get_attach_info(char *path)
{
	struct drpc    *ctx;
	Drpc__Call     *dreq;
	Drpc__Response *dresp;
	size_t		i;

	EXPECT(drpc_connect(path, &ctx) == 0);
	EXPECT(drpc_call_create(ctx, DRPC_MODULE_MGMT, 207, &dreq) == 0);
	dreq->body.len = LARGE_CALL;
	dreq->body.data = malloc(LARGE_CALL);
	EXPECT(dreq->body.data != NULL);
	fill_pattern(dreq->body.data, LARGE_CALL);
	EXPECT(drpc_call(ctx, R_SYNC, dreq, &dresp) == 0);
	EXPECT(dresp->status == DRPC__STATUS__SUCCESS);
	EXPECT(dresp->sequence == 1);
	EXPECT(dresp->body.len == LARGE_RESPONSE);
	for (i = 0; i < LARGE_RESPONSE; i++)
		EXPECT(dresp->body.data[i] == (uint8_t)(i * 31 + 7));
	drpc_response_free(dresp);
	drpc_call_free(dreq);
	EXPECT(drpc_close(ctx) == 0);
}

static void
notify_exit(char *path)
{
	struct drpc    *ctx;
	Drpc__Call     *dreq;
	Drpc__Response *dresp;

	EXPECT(drpc_connect(path, &ctx) == 0);
	EXPECT(drpc_call_create(ctx, DRPC_MODULE_MGMT, DRPC_METHOD_MGMT_NOTIFY_EXIT, &dreq) == 0);
	EXPECT(dreq->body.len == 0);
	EXPECT(drpc_call(ctx, R_SYNC, dreq, &dresp) == 0);
	EXPECT(dresp->status == DRPC__STATUS__SUCCESS);
	drpc_response_free(dresp);
	drpc_call_free(dreq);
	EXPECT(drpc_close(ctx) == 0);
}

int
main(int argc, char **argv)
{
	char	     missing[] = "/nonexistent/agent.sock";
	struct drpc *ctx;

	EXPECT(argc >= 2);
	EXPECT(drpc_connect(missing, &ctx) == -DER_NONEXIST);
	EXPECT(ctx == NULL);
	get_attach_info(argv[1]);
	notify_exit(argv[1]);
	return 0;
}
