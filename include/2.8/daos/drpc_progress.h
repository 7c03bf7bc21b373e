/*
 * A listener and its sessions, served from a loop of the program's. As in DAOS 2.6 and 2.8.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef LIBDRPC_DAOS_DRPC_PROGRESS_H
#define LIBDRPC_DAOS_DRPC_PROGRESS_H

#include <daos/drpc.h>

/* The list of gurt where that is installed, else one of the same layout. */
#if defined(__has_include)
#if __has_include(<gurt/list.h>)
#include <gurt/list.h>
#define DRPC_HAVE_GURT_LIST_H
#endif
#endif
#ifndef DRPC_HAVE_GURT_LIST_H
typedef struct d_list_head {
	struct d_list_head *next;
	struct d_list_head *prev;
} d_list_t;
#endif

/** A listener and the sessions it has accepted, made by drpc_progress_context_create. */
struct drpc_progress_context {
        /** The listener. */
        struct drpc *listener_ctx;
        /** The sessions, by their links in `struct drpc_list`. */
        d_list_t session_ctx_list;
};

/** A session in the list of a progress context. */
struct drpc_list {
        /** The session. */
        struct drpc *ctx;
        /** The link in the list. */
        d_list_t link;
};

/** A call being served: the argument of a spawned function. */
struct drpc_call_ctx {
        /** The session of the call; the struct holds a reference to it. */
        struct drpc *session;
        /** The call. */
        Drpc__Call *call;
        /** The response to the call. */
        Drpc__Response *resp;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a progress context for a listener, and takes the listener over.
 *
 * Returns the context, to be closed with drpc_progress_context_close. NULL if `listener` is no listener or memory is
 * out; the listener then stays the caller's.
 *
 * (DAOS: src/engine/drpc_progress.c.)
 */
struct drpc_progress_context *drpc_progress_context_create(struct drpc *listener);

/**
 * Closes the sessions and the listener of a progress context, and frees it. A handler that still runs keeps its
 * session until it has answered. NULL is ignored.
 *
 * A call from a handler that drpc_progress runs takes effect before drpc_progress returns, which serves no further
 * session. The context must not be used after that. Another thread must not close a context while drpc_progress may
 * run on it: end the loop first.
 *
 * (DAOS: src/engine/drpc_progress.c.)
 */
void drpc_progress_context_close(struct drpc_progress_context *ctx);

/**
 * Runs one cycle of the loop. Waits up to `timeout` milliseconds (negative: for ever) for events, then handles each
 * ready session and the listener once: receives, runs handlers, sends their responses, accepts, closes. Only one
 * thread at a time may run a context. A session whose peer sends only part of a message does not delay the others.
 *
 * Returns 0 when something was done. A session with an error is closed, and the result is not affected by it.
 * * -DER_TIMEDOUT: nothing happened in that time.
 * * -DER_INVAL: `ctx` or something in it is NULL. -DER_BUSY: the caller is a handler that drpc_progress runs on this
 *   context.
 * * -DER_AGAIN: a session was reported ready, but had no message.
 * * -DER_MISC: the listener is broken, or a signal came. If accepting a connection fails, the number of that error.
 * * -DER_NOMEM: there is no memory for another session, whose client waits until there is. The other sessions are
 *   served. Otherwise the number of poll's error.
 *
 * (DAOS: src/engine/drpc_progress.c.)
 */
int drpc_progress(struct drpc_progress_context *ctx,
                  int timeout);

/**
 * Sets the way in which handlers are run, in the whole process. `spawn` either starts `fn(arg)` in another thread of
 * execution, once, and returns 0. Or it returns another number and never runs `fn`, which closes the session. `arg` is
 * a struct drpc_call_ctx, which `fn` consumes: it runs the handler, sends the response, and frees everything. With
 * NULL, the default, drpc_progress runs handlers itself.
 *
 * (DAOS: src/engine/drpc_progress.c creates Argobots threads.)
 */
void drpc_progress_set_spawner(int (*spawn)(void (*fn)(void*), void *arg));

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* LIBDRPC_DAOS_DRPC_PROGRESS_H */
