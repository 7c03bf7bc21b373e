/* A service under test, on a managed server, and the calls that it keeps. A failure fails the test. */
#ifndef C_TESTS_TYPED_H
#define C_TESTS_TYPED_H

#include "../abi.h"

#include <pthread.h>

#include <drpc/service.h>

#include "managed.h"
#include "tree.pb-c.h"

/* The module of the service. */
enum { TREE = 7, METHOD_ECHO = 701, METHOD_LATER = 702, METHOD_ODD = 703 };

enum { KEPT_MAX = 16 };

/* Calls of Later that have not been ended. */
struct kept {
	pthread_mutex_t    lock;
	int                count;
	Tree__Node_Closure closures[KEPT_MAX];
	void              *data[KEPT_MAX];
	const Tree__Node  *inputs[KEPT_MAX];
};

struct typed {
	struct managed      managed;
	struct drpc_client *client; /* waits for each call some seconds at most */
};

extern struct kept typed_kept;
/* What Odd does with a call. */
extern void (*typed_odd)(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data);
/* How many calls have reached a method. */
extern int typed_runs;
/* The implementation: Echo answers with its request, Later keeps the call. */
extern Tree__Tree_Service typed_service;

/* A server that serves the service, and a client that is connected to it. */
void typed_make(struct typed *typed);
/* The same in steps: the server can be given options before it starts. */
void typed_prepare(struct typed *typed);
void typed_start(struct typed *typed);
void typed_end(struct typed *typed);

/* Calls a method with these bytes; the status, and the length of the body in *len unless NULL. */
int typed_call_bytes(struct typed *typed, int32_t method, const void *body, size_t len, size_t *reply_len);
/* Messages inside one another, `depth` of them: malloc'ed bytes. */
uint8_t *typed_nested(size_t depth, size_t *len);
/* `count` empty messages: malloc'ed bytes. */
uint8_t *typed_empties(size_t count, size_t *len);
/* How many calls are kept. */
int typed_kept_count(void);

#endif
