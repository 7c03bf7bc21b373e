/*
 * client SOCKET CALLS LENGTH: that many synchronous calls with a body of that
 * length, the call on the stack and the body in static memory, so that what is
 * counted around a call is the library's own.
 */
#include "../abi.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t body[4096];

int
main(int argc, char **argv)
{
	struct drpc *ctx = NULL;
	size_t	     len;
	int	     calls;
	int	     i;

	if (argc != 4)
		return 2;
	calls = atoi(argv[2]);
	len = (size_t)atoi(argv[3]);
	if (len > sizeof(body) || abi_connect(argv[1], &ctx) != 0)
		return 1;
	for (i = 0; i < calls; i++) {
		Drpc__Call	call = DRPC__CALL__INIT;
		Drpc__Response *resp = NULL;
		int		rc;

		call.module = 1;
		call.method = 101;
		call.body.len = len;
		call.body.data = len > 0 ? body : NULL;
		rc = drpc_call(ctx, R_SYNC, &call, &resp);
		if (rc != 0 || resp->status != DRPC__STATUS__SUCCESS || resp->body.len != len) {
			fprintf(stderr, "call %d: rc %d\n", i, rc);
			return 1;
		}
		drpc_response_free(resp);
	}
	return drpc_close(ctx) == 0 ? 0 : 1;
}
