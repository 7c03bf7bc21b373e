/* Calls that a handler of the managed server has taken, to have them answered later. */
#ifndef C_TESTS_TAKEN_H
#define C_TESTS_TAKEN_H

#include <pthread.h>
#include <stdbool.h>

#include "../abi.h"

#include <drpc/server.h>

enum { TAKEN_MAX = 100 };

struct taken {
	pthread_mutex_t      lock;
	int                  count;
	struct drpc_request *requests[TAKEN_MAX]; /* in the order in which they came */
	bool                 twice;               /* one was given out a second time */
};

#define TAKEN_NONE {.lock = PTHREAD_MUTEX_INITIALIZER}

/* A handler that takes its call, and leaves a response behind that nobody is to see. Its argument is a struct taken. */
void taken_handler(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg);
/* How many have been taken by now. */
int taken_count(struct taken *taken);
/* Answers with the body of the call. */
int taken_echo(struct drpc_request *request);

#endif
