/*
 * The main function of the counted clients: PROGRAM SOCKET CALLS LENGTH makes
 * that many synchronous calls with a body of that length, and one to end the
 * server. The body is touched once and the same in all calls, so that what is
 * counted around a call is the library's own.
 */
#ifndef C_TESTS_COUNTS_CALLER_H
#define C_TESTS_COUNTS_CALLER_H

#include "hand_back.h"

#include <drpc/library.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bodies that the datagrams of libdrpc-0.8 cannot carry go out in chunks. */
static inline int
framing_for(size_t len)
{
	return !ABI_CHUNKED && len > 14 * 1024 ? DRPC_FRAMING_CHUNKED : DRPC_FRAMING_AUTO;
}

/* What a client is to define. */
static int connect_to(const char *path, size_t len);
static int call(int32_t module, uint8_t *body, size_t len, Drpc__Response **resp);
static void disconnect(void);

int
main(int argc, char **argv)
{
	size_t	 len = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	uint8_t *body = len > 0 ? malloc(len) : NULL;
	int	 calls;
	int	 i;

	if (argc != 4 || (len > 0 && body == NULL))
		return 2;
	if (len > 0)
		memset(body, 'x', len);
	if (connect_to(argv[1], len) != 0)
		return 1;
	calls = atoi(argv[2]);
	for (i = 0; i <= calls; i++) {
		Drpc__Response *resp = NULL;
		int		rc = call(i < calls ? MODULE_ECHO : MODULE_END, body, len, &resp);

		if (rc != 0 || resp->status != DRPC__STATUS__SUCCESS || resp->body.len != len) {
			fprintf(stderr, "call %d: rc %d\n", i, rc);
			return 1;
		}
		drpc_response_free(resp);
	}
	disconnect();
	free(body);
	return 0;
}

#endif
