/* Contexts made by hand, as DAOS's own code and tests make them. */
#ifndef C_TESTS_CONTEXT_H
#define C_TESTS_CONTEXT_H

#include "../abi.h"

/* ctx and comm in two malloc'ed blocks; flags R_SYNC, sequence 1, ref_count 1. */
struct drpc *context_by_hand(int fd, drpc_handler_t handler);
/* Says how the peer expects messages, so that the first call is like any other. */
void context_tell(struct drpc *ctx);
/* Frees both blocks as a caller may, and closes the descriptor. */
void context_free_parts(struct drpc *ctx);
/* A handler that is never meant to run. */
void context_no_handler(Drpc__Call *call, Drpc__Response *resp);

/* A context by hand and the raw other end of its socket; with a handler it is a session, else a client. */
struct pair {
	struct drpc *ctx;
	int          peer;
};
struct pair pair_new(drpc_handler_t handler);
/* A client that need not find out how its server expects messages, and the raw other end. */
struct pair pair_told(void);
/* Closes both. */
void pair_free(struct pair *pair);

#endif
