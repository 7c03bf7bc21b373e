/* A call of the shared client in a thread of its own, while the test plays the server. */
#ifndef C_TESTS_CALLER_H
#define C_TESTS_CALLER_H

#include <pthread.h>
#include <stdatomic.h>

#include "../abi.h"

#include <drpc/client.h>

/* Options of a call; what is not named is not used. */
#define CALL_OPTIONS(...) {.size = sizeof(struct drpc_call_options), __VA_ARGS__}

struct caller {
	pthread_t                       thread;
	struct drpc_client             *client;
	int32_t                         method;
	const struct drpc_call_options *options;
	int                             rc;
	Drpc__Response                 *resp;
	atomic_bool                     over;
};

/* Calls a method of module 100 with a body of `method` bytes of the pattern. */
void caller_start(struct caller *caller, struct drpc_client *client, int32_t method,
		  const struct drpc_call_options *options);
/* Waits for the call to end, which has failed; gives the error. */
int caller_error(struct caller *caller);
/* Waits for the call to end, which has been answered with the status and a body of so many bytes of the pattern. */
void caller_answered(struct caller *caller, int status, size_t len);

#endif
