/*
 * The main function of the counted clients: PROGRAM SOCKET [CALLS LENGTH]… connects
 * for each length anew. It makes twice that many synchronous calls with a body of that
 * length, and marks after either half. The last call of all ends the server. The body is
 * touched once and the same in all calls, so that what is counted around a call is the
 * library's own.
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
static void disconnect(void);
#ifdef CALLS_WITH_MESSAGES
/* Makes a call whose message takes `len` bytes. Ends the program unless one of the same size comes back. */
static void call_once(int32_t method, uint8_t *body, size_t len);
#else
static int call(int32_t method, uint8_t *body, size_t len, Drpc__Response **resp);

static void
call_once(int32_t method, uint8_t *body, size_t len)
{
	Drpc__Response *resp = NULL;
	int		rc = call(method, body, len, &resp);

	if (rc != 0 || resp->status != DRPC__STATUS__SUCCESS || resp->body.len != len) {
		fprintf(stderr, "method %d, %zu bytes: rc %d\n", method, len, rc);
		exit(1);
	}
	drpc_response_free(resp);
}
#endif

int
main(int argc, char **argv)
{
	for (int i = 2; i + 1 < argc; i += 2) {
		int	 calls = atoi(argv[i]);
		size_t	 len = strtoul(argv[i + 1], NULL, 10);
		uint8_t *body = len > 0 ? malloc(len) : NULL;

		if (len > 0 && body == NULL)
			return 1;
		if (len > 0)
			memset(body, 'x', len);
		if (connect_to(argv[1], len) != 0)
			return 1;
		for (int half = 0; half < 2; half++) {
			for (int made = 1; made < calls; made++)
				call_once(METHOD_ECHO, body, len);
			call_once(METHOD_MARK, body, len);
			getppid();
		}
		disconnect();
		free(body);
	}
	if (connect_to(argv[1], 0) != 0)
		return 1;
	call_once(METHOD_END, NULL, 0);
	disconnect();
	return 0;
}

#endif
