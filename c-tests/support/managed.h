/* A managed server under test, with a socket in a directory of its own, and what handlers do in the tests. */
#ifndef C_TESTS_MANAGED_H
#define C_TESTS_MANAGED_H

#include "../abi.h"

#include <drpc/server.h>

#include "dir.h"

/* Modules of the tests. */
enum { ECHO = 100, OTHER = 101, NOBODY = 102 };

struct managed {
	struct dir          dir;
	struct drpc_server *server;
};

/* A server that does not listen yet and has no modules. */
void managed_make(struct managed *managed);
/* A server whose module ECHO is managed_echo, served by threads. */
void managed_serve_echo(struct managed *managed);
/* Sets an option, which has to be possible. */
void managed_set(struct managed *managed, int option, uint64_t value);
/* Registers a handler, which has to be possible. */
void managed_register(struct managed *managed, int32_t module, drpc_server_handler_t handler, void *arg);
/* Starts the threads. */
void managed_start(struct managed *managed);
/* What the server has counted. */
struct drpc_server_stats managed_stats(const struct managed *managed);
/* Destroys the server and removes the directory. */
void managed_end(struct managed *managed);

/* A handler that answers with the body of the call. */
void managed_echo(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg);
/* The same, but it waits at the struct gate that its argument points to. */
void managed_wait(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg);

#endif
