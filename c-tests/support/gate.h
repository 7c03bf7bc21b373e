/* A gate that threads wait at until the test opens it. */
#ifndef C_TESTS_GATE_H
#define C_TESTS_GATE_H

#include <pthread.h>
#include <stdbool.h>

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t  changed;
	bool            open;
	int             came; /* who has come so far, and gone perhaps */
};

#define GATE_CLOSED {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0}

/* Comes, and waits until the gate is open. */
void gate_pass(struct gate *gate);
/* Lets everybody through from now on. */
void gate_open(struct gate *gate);
/* Waits until so many have come; false after some seconds. */
bool gate_await(struct gate *gate, int came);
/* How many have come by now. */
int gate_came(struct gate *gate);

#endif
