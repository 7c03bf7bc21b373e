/* A progress loop around a listener of its own, and the raw clients that it serves. A failure fails the test. */
#ifndef C_TESTS_LOOP_H
#define C_TESTS_LOOP_H

#include "../abi.h"
#include "dir.h"

#include <daos/drpc_progress.h>

struct server {
	struct dir                    dir;
	struct drpc_progress_context *loop;
};

/* Listens in a new directory, with that handler. */
void loop_serve(struct server *server, drpc_handler_t handler);
/* Closes the loop and removes the directory. */
void loop_stop(struct server *server);
/* A raw client, whose connection the loop has taken. */
int loop_join(struct server *server);
/* Cycles until nothing more is to be done. */
void loop_settle(struct drpc_progress_context *loop);
/* How many sessions the loop has. */
int loop_sessions(struct drpc_progress_context *loop);
/* The session with that index. */
struct drpc *loop_session_at(struct drpc_progress_context *loop, int index);
/* A handler that answers with the body of the call. */
void loop_echo(Drpc__Call *call, Drpc__Response *resp);

#endif
