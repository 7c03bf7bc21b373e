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

/** The options of drpc_client_set. */
enum drpc_client_option {
        /** The time for a call in milliseconds, from connecting to the reply; 0 is for ever. Default: 0. */
        DRPC_CLIENT_TIMEOUT = 1,
        /**
         * 1 sends calls without waiting for the replies to others. Default: 0, one call at a time. Not for engines of DAOS
         * 2.8, which may mix the records of two large replies. A server may fail to read one of several calls without
         * telling which. Then all unanswered calls fail with -DER_PROTO (-1014), and any of them may have been executed.
         */
        DRPC_CLIENT_PIPELINING = 2,
        /** The number of times that a call may reconnect when the server has gone. Default: 3. */
        DRPC_CLIENT_RETRIES = 3,
        /** The size limit of a message in bytes, sent or received. Default: 128 MiB. */
        DRPC_CLIENT_MAX_MESSAGE = 4,
        /** 1 starts a thread that does the work of drpc_client_dispatch. Default: 0, no thread. */
        DRPC_CLIENT_THREAD = 5,
        /**
         * The size limit in bytes of a call that is sent as one datagram. A server silently cuts a longer one than it can
         * receive: DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB. Default: as this library's line receives,
         * 16 KiB in libdrpc-0.8, 128 KiB in libdrpc-2.8.
         */
        DRPC_CLIENT_MAX_DATAGRAM = 6,
        /**
         * The framing that the server reads, one of enum drpc_framing. Default: the environment variable DRPC_FRAMING
         * ("datagram", "chunked" or "auto"), or else DRPC_FRAMING_AUTO in libdrpc-2.8, DRPC_FRAMING_DATAGRAM in
         * libdrpc-0.8.
         */
        DRPC_CLIENT_FRAMING = 7,
        /**
         * The longest time in microseconds that a thread polls for a reply before it sleeps; 0 is no polling, DRPC_SPIN_AUTO
         * polls only while that pays (see drpc_set_spin). Default: drpc_set_spin's value, or else the environment variable
         * DRPC_SPIN_US, or else DRPC_SPIN_AUTO.
         */
        DRPC_CLIENT_SPIN = 8,
};

/** A cancel token. Calls that are given it can be cancelled from another thread. */
struct drpc_cancel;

/** A shared client, for any number of threads. */
struct drpc_client;

/** The options of one call. Set `size` to sizeof(struct drpc_call_options) and unused fields to 0. */
struct drpc_call_options {
        /** The size of the struct. */
        size_t size;
        /** The time for the call in milliseconds; 0 stands for that of the client, -1 is for ever. */
        int timeout_ms;
        /** Not 0: the call may be executed twice. It is sent again if the server goes after it was sent. */
        int idempotent;
        /** The token that cancels the call, or NULL. */
        const struct drpc_cancel *cancel;
};

/**
 * The program's function for the result of a call. Either `rc` is 0 and `resp` is the response, which the function
 * owns; or `rc` is the error and `resp` is NULL. drpc_last_error() says more, as after drpc_client_call. The function may
 * submit calls, and must not wait for any.
 */
typedef void (*drpc_client_done_t)(int rc, Drpc__Response *resp, void *arg);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a client for the server at `path`, which is copied. A relative path is resolved in the current directory of
 * this call. Nothing happens yet: see drpc_client_connect.
 *
 * Any thread may call the functions of this header, except drpc_client_destroy. In the child of a fork those that use
 * the connection return -DER_NO_HDL: make another client there.
 *
 * Returns 0 and the client in `*client`, to be freed with drpc_client_destroy. After an error `*client` is NULL:
 * -DER_INVAL if an argument is NULL, or -DER_NOMEM.
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
 * Connects, unless the client is connected. Later calls reconnect by themselves when the connection has been lost.
 * They do not connect before the first drpc_client_connect, nor after drpc_client_close.
 *
 * Returns 0; -DER_INVAL if the client is NULL; -DER_BADPATH if the path cannot be one; -DER_NO_HDL in the child of a
 * fork; -DER_NOMEM; else the number of the socket's error.
 */
int drpc_client_connect(struct drpc_client *client);

/**
 * Connects to a server that may still be starting: tries again until it works, for at most `timeout_ms` milliseconds;
 * -1 is for ever. Missing permission on the socket file counts as starting, because mode and owner may be set last.
 *
 * Returns 0; -DER_TIMEDOUT; else as drpc_client_connect.
 */
int drpc_client_wait_ready(struct drpc_client *client,
                           int timeout_ms);

/** Returns true if the client is connected, as far as it knows; false for NULL. */
bool drpc_client_is_connected(const struct drpc_client *client);

/**
 * Closes the connection. Unfinished calls end with -DER_UNREACH. The client can be connected again.
 *
 * Returns 0, also if the client is not connected; -DER_INVAL if the client is NULL.
 */
int drpc_client_close(struct drpc_client *client);

/**
 * Frees a client, and closes its connection. Unfinished submitted calls end with -DER_UNREACH before this returns.
 * Their result functions may still use the client, whose new calls get -DER_UNREACH. In the child of a fork only the
 * child's copy is freed, and the parent's connection goes on. NULL is ignored.
 */
void drpc_client_destroy(struct drpc_client *client);

/**
 * Locks the client for several calls that belong together: calls of other threads wait until the same thread calls
 * drpc_client_unlock. A thread that ends without unlocking leaves the client locked for good.
 *
 * Returns 0; -DER_TIMEDOUT after the client's timeout; -DER_BUSY if this thread has locked the client; -DER_INVAL if
 * the client is NULL.
 */
int drpc_client_lock(struct drpc_client *client);

/**
 * Unlocks the client, so that other threads can call again.
 *
 * Returns 0, also if this thread has not locked the client; -DER_INVAL if the client is NULL.
 */
int drpc_client_unlock(struct drpc_client *client);

/**
 * Calls a method and waits for the response, stored in `*resp`. The response is the caller's, to be freed with
 * drpc_response_free. `body` stays the caller's. `options` may be NULL. Any number of threads may call at once.
 *
 * Returns 0 when there is a response, whose status tells the result of the method. After an error `*resp` is NULL:
 * * -DER_INVAL: an argument is wrong.
 * * -DER_TIMEDOUT, -DER_CANCELED.
 * * -DER_UNREACH: the client has not been connected.
 * * -DER_NOREPLY: the server has gone after the call was sent. The call may have been executed.
 * * -DER_OVERFLOW: a message is too large.
 * * -DER_PROTO: the server could not decode one of several calls that were out.
 * * -DER_NOMEM, or the number of the socket's error.
 */
int drpc_client_call(struct drpc_client *client,
                     int32_t module,
                     int32_t method,
                     const void *body,
                     size_t len,
                     const struct drpc_call_options *options,
                     Drpc__Response **resp);

/**
 * Sends a call, or queues it behind others, and returns at once. `body` can be reused then. `done` is called once with
 * the result, by drpc_client_dispatch or by the client's own thread (DRPC_CLIENT_THREAD).
 *
 * Returns 0; a later error goes to `done`. Otherwise `done` is not called: -DER_INVAL for a wrong argument;
 * -DER_OVERFLOW if the message is too large; -DER_CANCELED if the token has been triggered before; -DER_UNREACH if the
 * client has not been connected; -DER_NOMEM.
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
 * Advances submitted calls: sends, receives, checks deadlines, calls the result functions. With nothing to do the
 * function waits for at most `timeout_ms` milliseconds; -1 is for ever.
 *
 * Returns 0; -DER_INVAL if the client is NULL; -DER_NOMEM if there is something to receive, but no memory for it yet.
 */
int drpc_client_dispatch(struct drpc_client *client,
                         int timeout_ms);

/**
 * Returns the descriptor to wait for in an event loop. Once it is readable, call drpc_client_dispatch(client, 0). The
 * descriptor is the library's, and stays the same as long as the client exists, also without a connection.
 *
 * Errors: -DER_INVAL if the client is NULL; else the number of the system's error.
 */
int drpc_client_get_fd(struct drpc_client *client);

/**
 * Makes a cancel token. It may be given to any number of calls, one after the other or at once.
 *
 * Returns the token, to be freed with drpc_cancel_destroy; NULL without memory.
 */
struct drpc_cancel *drpc_cancel_create(void);

/**
 * Cancels all calls that have been or will be given the token: they end with -DER_CANCELED. Any thread may call this,
 * but no signal handler. NULL is ignored.
 */
void drpc_cancel_trigger(struct drpc_cancel *cancel);

/** Frees a token. Calls that were given the token go on. NULL is ignored. */
void drpc_cancel_destroy(struct drpc_cancel *cancel);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* LIBDRPC_DRPC_CLIENT_H */
