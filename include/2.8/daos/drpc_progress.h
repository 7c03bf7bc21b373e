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

/** A listener and the sessions it has accepted. Made by drpc_progress_context_create. */
struct drpc_progress_context {
        /** The listener. */
        struct drpc *listener_ctx;
        /** Its sessions: the links of `struct drpc_list`. */
        d_list_t session_ctx_list;
};

/** A session in the list of a progress context. */
struct drpc_list {
        /** The session. */
        struct drpc *ctx;
        /** Its place in the list. */
        d_list_t link;
};

/** A call being served: what a spawned function is given. */
struct drpc_call_ctx {
        /** The session that the call came on, with a reference of its own. */
        struct drpc *session;
        /** The call. */
        Drpc__Call *call;
        /** The response to it. */
        Drpc__Response *resp;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a progress context for a listener, which belongs to it from then on.
 *
 * Returns the context, to be given back with drpc_progress_context_close; NULL if `listener` is no listener or
 * memory is out: the listener stays the caller's then.
 *
 * (DAOS: src/engine/drpc_progress.c.)
 */
struct drpc_progress_context *drpc_progress_context_create(struct drpc *listener);

/**
 * Closes the sessions and the listener of a progress context and frees it; NULL has no effect. A handler that still runs keeps its
 * session until it has answered. From within a handler that drpc_progress runs, this is carried out before that
 * returns, which serves no further session; the context must not be used after that. Another thread must not close a
 * context while drpc_progress may be at work on it: end the loop first.
 *
 * (DAOS: src/engine/drpc_progress.c.)
 */
void drpc_progress_context_close(struct drpc_progress_context *ctx);

/**
 * Waits up to `timeout` milliseconds (negative: for ever) until there is something to do, then does it once for
 * every session and for the listener: receives, runs handlers, sends their responses, accepts, closes. One thread at
 * a time for each context. A session whose peer sends only part of a message does not delay the others.
 *
 * Returns 0 when something was done. A session in trouble is closed, and nothing else happens.
 * * -DER_TIMEDOUT: there was nothing to do.
 * * -DER_INVAL: `ctx` or something in it is NULL. -DER_BUSY: called from a handler that it runs.
 * * -DER_AGAIN: a session was ready and had nothing after all.
 * * -DER_MISC: the listener is broken; or a signal came. If accepting a connection fails, what that error translates
 *   to.
 * * -DER_NOMEM: there is no memory for another session, whose client waits until there is; the others are served. Else
 *   what the error of poll translates to.
 *
 * (DAOS: src/engine/drpc_progress.c.)
 */
int drpc_progress(struct drpc_progress_context *ctx,
                  int timeout);

/**
 * Sets how handlers are run, in the whole process. `spawn` starts `fn(arg)` in another thread of execution, once, and
 * returns 0; or it returns something else and never runs it, which closes the session. `arg` is a struct
 * drpc_call_ctx, which `fn` consumes: it runs the handler, sends the response, and frees everything. NULL, as at the
 * beginning: drpc_progress runs handlers itself.
 *
 * (DAOS: src/engine/drpc_progress.c creates Argobots threads.)
 */
void drpc_progress_set_spawner(int (*spawn)(void (*fn)(void*), void *arg));

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* LIBDRPC_DAOS_DRPC_PROGRESS_H */
