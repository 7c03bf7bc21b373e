/*
 * The hello client of 2.8.0's own test programs: the call lies on the stack,
 * initialised by the macro, its body is the caller's and nothing frees it.
 */
#include <daos/drpc.h>

#include "../expect.h"

int
main(int argc, char **argv)
{
	Drpc__Call	call = DRPC__CALL__INIT;
	Drpc__Response *response = NULL;
	struct drpc    *ctx;
	unsigned char	greeting[100];
	int		rc;

	EXPECT(argc >= 2);
	EXPECT(drpc_connect(argv[1], &ctx) == 0);
	EXPECT(ctx != NULL);
	fill_pattern(greeting, sizeof(greeting));
	call.module = 0;
	call.method = 0;
	call.body.data = greeting;
	call.body.len = sizeof(greeting);
	rc = drpc_call(ctx, R_SYNC, &call, &response);
	if (rc < 0)
		return 1;
	EXPECT(call.sequence == 1);
	EXPECT(response->body.len == sizeof(greeting));
	EXPECT(response->body.data != greeting);
	EXPECT(response->body.data[99] == greeting[99]);
	drpc_response_free(response);
	EXPECT(drpc_close(ctx) == 0);
	return 0;
}
