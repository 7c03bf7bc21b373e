/*
 * dRPC: connections, calls and responses. As in DAOS 0.8 to 1.0.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef __DAOS_DRPC_H__
#define __DAOS_DRPC_H__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daos/drpc.pb-c.h>
#include <daos/drpc_errno.h>

/* In the source tree of DAOS its programs expect this header, too. */
#if defined(__has_include)
#if __has_include(<daos/common.h>)
#include <daos/common.h>
#endif
#endif

/** The size in bytes of the largest message that a peer of this line receives. */
#define UNIXCOMM_MAXMSGSIZE 16384

/** Flags of drpc_call. */
enum rpcflags {
        /** The call waits for the reply. */
        R_SYNC = 1,
};

/** The socket of a context, in a block of its own. Callers may free the block apart from the context. */
struct unixcomm {
        /** Descriptor of the socket. */
        int fd;
        /** Flags set on the socket. The highest 11 bits belong to the library; they are 0 in a struct made by hand. */
        int flags;
};

/**
 * A function that serves a call: sets `resp->status` and, if there is a result, `resp->body`. The body's data comes
 * from `malloc` and then belongs to the library. The handler neither keeps nor frees `call`.
 */
typedef void (*drpc_handler_t)(Drpc__Call *call, Drpc__Response *resp);

/**
 * A connection or a listener, made by drpc_connect, drpc_listen or drpc_accept, or by hand. Give it back with
 * drpc_close.
 */
struct drpc {
        /** The socket. */
        struct unixcomm *comm;
        /** The number of the next call. */
        int sequence;
        /** The number of references to this struct; drpc_close gives one back. */
        uint32_t ref_count;
        /** The function that serves calls, for a listener and its sessions. */
        drpc_handler_t handler;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a call to a method of a module, to be sent on `ctx`. The call has the context's next number and an empty body.
 * Data put into the body must come from malloc, and belongs to the call.
 *
 * Returns the call, to be freed with drpc_call_free; NULL if `ctx` is NULL or memory is out.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
Drpc__Call *drpc_call_create(struct drpc *ctx,
                             int32_t module,
                             int32_t method);

/**
 * Frees a call with its body. NULL is ignored.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
void drpc_call_free(Drpc__Call *call);

/**
 * Makes the response to a call, with the call's number, DRPC__STATUS__SUCCESS and an empty body. Without a call the
 * number is -1. Data put into the body must come from malloc, and belongs to the response.
 *
 * Returns the response, to be freed with drpc_response_free; NULL if memory is out.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
Drpc__Response *drpc_response_create(Drpc__Call *call);

/**
 * Frees a response with its body. NULL is ignored.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
void drpc_response_free(Drpc__Response *resp);

/**
 * Sends a call and, with R_SYNC in `flags`, waits for the reply. The function sets the number of the call: that of the
 * context, but at least 1. Without R_SYNC the response has the status DRPC__STATUS__SUBMITTED, and a later call drops
 * the reply when it comes. One call at a time on a context.
 *
 * While the context detects its server's framing (drpc_set_framing), the first call without R_SYNC goes out at once.
 * Up to 16 later ones, of 1 MiB together, are queued until the server has answered; further ones return -DER_AGAIN.
 * The next call with R_SYNC, or drpc_close, waits for the answer. A first call of more than 131 KB waits for the
 * answer to a probe, for as long as the context's timeout, or a second.
 *
 * Returns 0 and the response in `*resp`, to be freed with drpc_response_free; `msg` stays the caller's. After an error
 * `*resp` is unchanged.
 * * Nothing is sent: -DER_INVAL, an argument is NULL or a body has a length but no data; -DER_OVERFLOW, the call is
 *   too large.
 * * No reply came in time: -DER_TIMEDOUT (drpc_set_timeout), -DER_AGAIN (a socket made non-blocking). The next call
 *   drops a late reply. Without R_SYNC both mean that the call has not been sent.
 * * The peer closed the connection instead of replying: -DER_NOREPLY. If a server closes the connection at the first
 *   call, it may be of DAOS 2.6 or before, with a loop of its own. Then set DRPC_FRAMING=datagram, or call
 *   drpc_set_framing.
 * * The context is used in the child of a fork, while calls of the parent wait for the server's first answer:
 *   -DER_NO_HDL.
 * * The server does not read the framing of the first call, and a new connection to it cannot be made: -DER_PROTO, or
 *   the number of the connection's error. See drpc_set_framing.
 * * The received message is no response: -DER_PROTO, -DER_TRUNC, -DER_MISMATCH; or it is too large: -DER_OVERFLOW. If
 *   records are missing or do not fit together, the connection is ended, and later calls fail.
 * * -DER_NOMEM, or the number of the socket's error.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
int drpc_call(struct drpc *ctx,
              int flags,
              Drpc__Call *msg,
              Drpc__Response **resp);

/**
 * Connects to the server that listens at the path `sockaddr`. The socket is blocking. The first call may reconnect,
 * see drpc_set_framing.
 *
 * Returns the context. Give it back with drpc_close, or close its descriptor and free its two parts. NULL after an
 * error, which errno and drpc_last_error tell.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
struct drpc *drpc_connect(char *sockaddr);

/**
 * Listens at the path `sockaddr`, where it makes the socket file. There must be no file at the path yet, and the
 * socket file is not removed later. Its mode is 0777 minus the umask, unless drpc_set_socket_mode sets another. The
 * socket is non-blocking. Every session gets `handler`.
 *
 * Returns the context, to be given back with drpc_close. NULL after an error, which errno and drpc_last_error tell.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
struct drpc *drpc_listen(char *sockaddr,
                         drpc_handler_t handler);

/**
 * Returns true if a context can accept connections or receive calls: the context, its socket and its handler are not
 * NULL.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
bool drpc_is_valid_listener(struct drpc *ctx);

/**
 * Accepts the next connection of a listener. The session has the listener's handler; its socket is blocking.
 *
 * Returns the session, to be given back with drpc_close. NULL after an error, which errno and drpc_last_error tell;
 * errno is EAGAIN if no connection is there.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 2.4.)
 */
struct drpc *drpc_accept(struct drpc *listener_ctx);

/**
 * Waits for the next call of a session.
 *
 * Returns 0 and the call in `*call`, to be freed with drpc_call_free. After an error `*call` is NULL or unchanged.
 * * -DER_INVAL: `call` is NULL or `ctx` is no session.
 * * -DER_AGAIN: the socket is non-blocking, and no whole call has come yet. -DER_TIMEDOUT: no whole call came in time
 *   (drpc_set_timeout).
 * * -DER_TRUNC: the peer has closed the connection, or a record is cut short. Or the peer has sent a probe for the
 *   framing, which has been answered, and is about to close the connection.
 * * -DER_PROTO, -DER_MISMATCH: the received message is no call. -DER_OVERFLOW: it is too large.
 * * -DER_NOMEM, or the number of the socket's error.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
int drpc_recv_call(struct drpc *ctx,
                   Drpc__Call **call);

/**
 * Sends the response to a call, in the framing of the client's first call (drpc_set_framing). Several threads may send
 * on one session: the messages do not mix. Where the socket has no room the function waits, even if the socket was
 * made non-blocking.
 *
 * Returns 0; `resp` stays the caller's. Errors:
 * * -DER_INVAL: `resp` is NULL, `ctx` is no session, or the body has a length but no data.
 * * -DER_OVERFLOW: the message is too large (drpc_set_max_message, drpc_set_max_datagram). The client is sent
 *   DRPC__STATUS__FAILED_MARSHAL in its place.
 * * -DER_TIMEDOUT (drpc_set_timeout), -DER_NOMEM, or the number of the socket's error.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
int drpc_send_response(struct drpc *ctx,
                       Drpc__Response *resp);

/**
 * Gives a reference to a context back; any thread may do so. The last one closes the socket and frees the context. A
 * socket file stays. A client up to DAOS 2.6 takes the end of a session for success. Such a client is sent
 * DRPC__STATUS__FAILURE for each received call without an answer, up to 15.
 *
 * Queued calls without R_SYNC (drpc_call) are sent before the socket is closed. Sending takes no longer than the
 * context's timeout, or 100 ms; after that the calls may be lost, which is logged. A forked child does not send them.
 *
 * Returns 0, also if closing the socket fails; -DER_INVAL if `ctx` or its socket is NULL or the context has no
 * references.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
int drpc_close(struct drpc *ctx);

/**
 * Takes another reference to a context, to be given back with drpc_close. Any thread that has a reference may do so.
 *
 * Returns 0; -DER_INVAL if `ctx` is NULL or has UINT32_MAX references.
 *
 * (DAOS: src/common/drpc.c, 0.8 to 1.0.)
 */
int drpc_add_ref(struct drpc *ctx);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* __DAOS_DRPC_H__ */
