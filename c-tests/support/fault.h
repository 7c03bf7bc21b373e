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
