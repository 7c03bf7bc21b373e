/* Every errno that a system call may fail with, and the pair whose system calls are counted. */
#ifndef C_TESTS_FAULT_H
#define C_TESTS_FAULT_H

#include "../abi.h"
#include "context.h"
#include "syscalls.h"

/* Each errno that the release tells apart, and its error number. */
static const struct {
	int error;
	int der;
} errnos[] = {
#define MAP(error, der) {error, der},
#include "errnos.h"
#undef MAP
};

#define ERRNOS (sizeof(errnos) / sizeof(*errnos))

/*
 * The socket has been closed after this failure, if there was one. A look at
 * the path follows some failures, and closes what it has opened.
 */
static inline void
socket_is_closed(int error, int sockets)
{
	switch (error) {
	case ECONNREFUSED:
	case EADDRINUSE:
	case EACCES:
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
		assert_true(calls.count[CALL_CLOSE] > sockets);
		return;
	default:
		assert_int_equal(calls.count[CALL_CLOSE], sockets);
	}
}

/* A pair, with counting begun anew. */
static inline struct pair
fresh_pair(drpc_handler_t handler)
{
	syscalls_reset();
	return pair_new(handler);
}

/* Closes both. No call fails any more. */
static inline void
spent_pair(struct pair *pair)
{
	syscalls_reset();
	pair_free(pair);
}

/* A call with an empty body; gives its rc. */
static inline int
try_call(struct drpc *ctx, int flags, Drpc__Response **resp)
{
	Drpc__Call call = DRPC__CALL__INIT;

	call.module = 2;
	call.method = 206;
	*resp       = NULL;
	return LIBRARY(drpc_call(ctx, flags, &call, resp));
}

#endif
