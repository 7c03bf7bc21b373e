/*
 * The shared client: one connection, any number of threads.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef LIBDRPC_DRPC_CLIENT_H
#define LIBDRPC_DRPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <daos/drpc.h>
#include <drpc/library.h>

/** What can be set with drpc_client_set. */
enum drpc_client_option {
        /** Time for a call, from connecting to the reply, in milliseconds; 0 is for ever. Unless set 0. */
        DRPC_CLIENT_TIMEOUT = 1,
        /**
         * 1 sends calls without waiting for the replies to others. Not for engines of DAOS 2.8, which may mix the
         * records of two large replies. When a server cannot read one of several calls and does not say which, all that are out
         * fail with -DER_PROTO (-1014), and any of them may have been executed. Unless set 0: one call is out at a time.
         */
        DRPC_CLIENT_PIPELINING = 2,
        /** How often a call may connect anew when the server has gone. Unless set 3. */
        DRPC_CLIENT_RETRIES = 3,
        /** Size of a message in bytes, sent or received. Unless set 128 MiB. */
        DRPC_CLIENT_MAX_MESSAGE = 4,
        /** 1 starts a thread that does what drpc_client_dispatch does. Unless set 0: the library has no thread. */
        DRPC_CLIENT_THREAD = 5,
        /**
         * Size in bytes of a call that is sent as one datagram: what the server can receive, for longer ones it cuts without
         * a word. DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB. Unless set what the releases of this library's
         * line receive: libdrpc-0.8 16 KiB, libdrpc-2.8 128 KiB.
         */
        DRPC_CLIENT_MAX_DATAGRAM = 6,
        /**
         * How the server expects messages, one of enum drpc_framing. Unless set what the environment variable DRPC_FRAMING
         * says ("datagram", "chunked" or "auto"), or else DRPC_FRAMING_AUTO in libdrpc-2.8, DRPC_FRAMING_DATAGRAM in
         * libdrpc-0.8.
         */
        DRPC_CLIENT_FRAMING = 7,
};

/** A token that calls can be given, to be given up from another thread. */
struct drpc_cancel;

/** A client, for any number of threads. */
struct drpc_client;

/** Options of one call. Set `size` to sizeof(struct drpc_call_options) and what is not used to 0. */
struct drpc_call_options {
        /** Size of the struct. */
        size_t size;
        /** Time for the call in milliseconds; 0 stands for that of the client, -1 is for ever. */
        int timeout_ms;
        /** Not 0: the call may be executed twice, so that it is sent again when the server goes after it was sent. */
        int idempotent;
        /** Gives the call up, or NULL. */
        const struct drpc_cancel *cancel;
};

/**
 * Takes the result of a call: `rc` is 0 and `resp` the response, which is the function's to free, or `rc` says what
 * went wrong and `resp` is NULL. It may submit calls and must not wait for any.
 */
typedef void (*drpc_client_done_t)(int rc, Drpc__Response *resp, void *arg);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a client for the server at `path`, which is copied; a relative one is meant in the directory
 * in which the process works now. Nothing happens yet: see drpc_client_connect.
 *
 * The functions of this header may be called by any thread, but for drpc_client_destroy. In the child of a fork those
 * that use the connection give -DER_NO_HDL: make a client of its own there.
 *
 * Returns 0 and the client in `*client`, to be freed with drpc_client_destroy. Otherwise `*client` is NULL and the
 * result -DER_INVAL if an argument is NULL, or -DER_NOMEM.
 */
int drpc_client_create(const char *path,
                       struct drpc_client **client);

/**
 * Sets an option, one of enum drpc_client_option, before the client is used.
 *
 * Returns 0; -DER_INVAL if the client is NULL, the option unknown or the value impossible; -DER_BUSY once the client
 * has been used.
 */
int drpc_client_set(struct drpc_client *client,
                    int option,
                    uint64_t value);

/**
 * Connects, unless the client is connected. Calls do that too when the connection has been lost, but not before the
 * first drpc_client_connect nor after drpc_client_close.
 *
 * Returns 0; -DER_INVAL if the client is NULL; -DER_BADPATH if the path cannot be one; -DER_NO_HDL in the child of a
 * fork; -DER_NOMEM; else what the error of the socket translates to.
 */
int drpc_client_connect(struct drpc_client *client);

/**
 * Connects to a server that may still be starting: tries again and again, at most for so many milliseconds; -1 is
 * for ever. It also waits while the file does not let this user connect, as its mode and owner may be set last.
 *
 * Returns 0; -DER_TIMEDOUT; else as drpc_client_connect.
 */
int drpc_client_wait_ready(struct drpc_client *client,
                           int timeout_ms);

/** Whether the client is connected, as far as it knows. False for NULL. */
bool drpc_client_is_connected(const struct drpc_client *client);

/**
 * Closes the connection. Calls that are not done end with -DER_UNREACH. The client can be connected again.
 *
 * Returns 0, also if it is not connected; -DER_INVAL if the client is NULL.
 */
int drpc_client_close(struct drpc_client *client);

/**
 * Frees a client, and closes its connection. Submitted calls that are not done end with -DER_UNREACH before this
 * returns. The functions that take these results may use the client, which does not connect any more: -DER_UNREACH. NULL
 * is ignored. In the child of a fork it frees the client there, and the parent's connection goes on.
 */
void drpc_client_destroy(struct drpc_client *client);

/**
 * Keeps calls of other threads waiting, until drpc_client_unlock is called by the same thread: for several calls that
 * belong together. A thread that ends without unlocking leaves the client locked for good.
 *
 * Returns 0; -DER_TIMEDOUT after the client's timeout; -DER_BUSY if this thread has locked the client; -DER_INVAL if
 * the client is NULL.
 */
int drpc_client_lock(struct drpc_client *client);

/**
 * Lets other threads call again.
 *
 * Returns 0, also if this thread has not locked the client; -DER_INVAL if the client is NULL.
 */
int drpc_client_unlock(struct drpc_client *client);

/**
 * Calls a method and waits for the response, which is put into `*resp` and is the caller's, to be freed with
 * drpc_response_free. `body` stays the caller's. `options` may be NULL. Any number of threads may call at once.
 *
 * Returns 0 when there is a response: see its status. Otherwise `*resp` is NULL and the result -DER_INVAL for a wrong
 * argument; -DER_TIMEDOUT; -DER_CANCELED; -DER_UNREACH if the client has not been connected; -DER_NOREPLY if the
 * server has gone after the call was sent, which may have been executed; -DER_OVERFLOW if a message is too large;
 * -DER_PROTO if the server could not decode one of several calls that were out; -DER_NOMEM; else what the error of
 * the socket translates to.
 */
int drpc_client_call(struct drpc_client *client,
                     int32_t module,
                     int32_t method,
                     const void *body,
                     size_t len,
                     const struct drpc_call_options *options,
                     Drpc__Response **resp);

/**
 * Sends a call, or puts it in line where others have to come first, and returns at once; `body` can be reused then.
 * `done` is called once with the result, by drpc_client_dispatch or by the client's own thread (DRPC_CLIENT_THREAD).
 *
 * Returns 0; -DER_INVAL for a wrong argument; -DER_OVERFLOW if the message is too large; -DER_CANCELED if the token has
 * been triggered before; -DER_UNREACH if the client has not been connected; -DER_NOMEM. Then `done` is not called.
 * Whatever goes wrong later it is told.
 */
int drpc_client_submit(struct drpc_client *client,
                       int32_t module,
                       int32_t method,
                       const void *body,
                       size_t len,
                       const struct drpc_call_options *options,
                       drpc_client_done_t done,
                       void *arg);

/**
 * Does what is to be done for submitted calls: sends, receives, lets deadlines pass, calls back. If there is nothing
 * to do it waits, at most so many milliseconds; -1 is for ever.
 *
 * Returns 0; -DER_INVAL if the client is NULL; -DER_NOMEM if there is something to receive, and no memory for that yet.
 */
int drpc_client_dispatch(struct drpc_client *client,
                         int timeout_ms);

/**
 * The descriptor to wait for in an event loop: when it is readable, call drpc_client_dispatch(client, 0). It stays
 * the library's, and is the same as long as the client is there, whatever becomes of the connection.
 *
 * Returns the descriptor; -DER_INVAL if the client is NULL; else what the error of the system translates to.
 */
int drpc_client_get_fd(struct drpc_client *client);

/**
 * Makes a token. It may be given to any number of calls, one after the other or at once.
 *
 * Returns NULL without memory. Free it with drpc_cancel_destroy.
 */
struct drpc_cancel *drpc_cancel_create(void);

/**
 * Gives up the calls that have been given the token, and those that will be: they end with -DER_CANCELED. May be
 * called by any thread, but by no signal handler. NULL is ignored.
 */
void drpc_cancel_trigger(struct drpc_cancel *cancel);

/** Frees a token. Calls that were given it go on. NULL is ignored. */
void drpc_cancel_destroy(struct drpc_cancel *cancel);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* LIBDRPC_DRPC_CLIENT_H */
