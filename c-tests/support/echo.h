/* A peer on a thread of its own that answers each call with the call's body. */
#ifndef C_TESTS_ECHO_H
#define C_TESTS_ECHO_H

#include <pthread.h>

struct echo {
	int       fd;
	int       served;
	pthread_t thread;
};

/* Serves fd until the other side closes. */
void echo_start(struct echo *echo, int fd);
/* Waits for that, closes fd and returns the number of calls served. */
int echo_stop(struct echo *echo);

#endif
