/*
 * dRPC: connections, calls and responses. As in DAOS 2.6 and 2.8.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef __DAOS_DRPC_H__
#define __DAOS_DRPC_H__

#include <daos/drpc_types.h>
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

/** Flags of drpc_call. */
enum rpcflags {
        /** Wait for the reply. */
        R_SYNC = 1,
};

/** The socket of a context. A block of its own: callers may free it apart from the context. */
struct unixcomm {
        /** Descriptor of the socket. */
        int fd;
        /** Flags set on the socket. The highest 11 bits belong to the library: 0 in a struct made by hand. */
        int flags;
};

/**
 * Serves a call. It sets `resp->status` and, if there is a result, `resp->body`, whose data comes from `malloc` and
 * is the library's then. `call` is not the handler's to keep or free.
 */
typedef void (*drpc_handler_t)(Drpc__Call *call, Drpc__Response *resp);

/** Lets other threads of execution run, for example ABT_thread_yield. Its result is not looked at. */
typedef int (*drpc_thread_yielder_t)(void);

/**
 * A connection or a listener. Made by drpc_connect, drpc_listen or drpc_accept, or by hand; given back with
 * drpc_close.
 */
struct drpc {
        /** The socket. */
        struct unixcomm *comm;
        /** Number of the next call. */
        int sequence;
        /** References to this struct; drpc_close gives one back. */
        uint32_t ref_count;
        /** Of a listener and its sessions: what serves calls. */
        drpc_handler_t handler;
        /** Called after every record sent or received, and while waiting to send; NULL if not needed. */
        drpc_thread_yielder_t yield;
};

/**
 * An allocator for the functions of protobuf-c that remembers whether memory ran out. Initialise it with
 * PROTO_ALLOCATOR_INIT.
 */
struct drpc_alloc {
        /** The allocator: daos_drpc_alloc and daos_drpc_free, with this struct as their first argument. */
        ProtobufCAllocator alloc;
        /** Memory ran out. */
        bool oom;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/** Initialiser of a struct drpc_alloc named `self`. */
#define PROTO_ALLOCATOR_INIT(self)                                                                 \
	{                                                                                          \
		.alloc.alloc = daos_drpc_alloc, .alloc.free = daos_drpc_free,                      \
		.alloc.allocator_data = &self                                                      \
	}

/**
 * Allocates zeroed memory with calloc, for a protobuf-c allocator whose data is a struct drpc_alloc.
 *
 * Returns NULL when there is none, and sets `oom` in the struct.
 *
 * (DAOS: src/common/drpc.c, since 1.2.)
 */
void *daos_drpc_alloc(void *arg,
                      size_t size);

/**
 * Frees memory that came from daos_drpc_alloc. The first argument is not used; NULL is freed without effect.
 *
 * (DAOS: src/common/drpc.c, since 1.2.)
 */
void daos_drpc_free(void *allocater_data,
                    void *pointer);

/**
 * Makes a call to a method of a module, to be sent on `ctx`, with the context's next number and an empty body. What
 * is put into the body comes from malloc and belongs to the call.
 *
 * Returns 0 and the call in `*callp`, to be freed with drpc_call_free; -DER_INVAL if `ctx` or `callp` is NULL;
 * -DER_NOMEM. `*callp` is NULL then.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
int drpc_call_create(struct drpc *ctx,
                     int32_t module,
                     int32_t method,
                     Drpc__Call **callp);

/**
 * Frees a call with its body. NULL is fine.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
void drpc_call_free(Drpc__Call *call);

/**
 * Makes the response to a call: its number, DRPC__STATUS__SUCCESS, an empty body. Without a call the number is -1.
 * What is put into the body comes from malloc and belongs to the response.
 *
 * Returns the response, to be freed with drpc_response_free; NULL if memory is out.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
Drpc__Response *drpc_response_create(Drpc__Call *call);

/**
 * Frees a response with its body. NULL is fine.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
void drpc_response_free(Drpc__Response *resp);

/**
 * Sends a call and, with R_SYNC in `flags`, waits for the reply. The number of the call is set here: that of the
 * context, but not below 1. Without R_SYNC the response has the status DRPC__STATUS__SUBMITTED, and the reply is
 * dropped when it comes. One call at a time on a context.
 *
 * Where the context finds out how its server expects messages (drpc_set_framing), a call without R_SYNC does not wait for
 * the answer to that either. The first one goes out at once. Up to 16 later ones, of 1 MiB together, are kept until the
 * server has answered; further ones give -DER_AGAIN. The next call with R_SYNC, or drpc_close, waits for the answer. A
 * call of more than 131 KB cannot go out first: it waits for as long as the context's timeout, or a second.
 *
 * Returns 0 and the response in `*resp`, to be freed with drpc_response_free; `msg` stays the caller's. On an error
 * `*resp` is left as it was.
 * * Nothing is sent: -DER_INVAL, an argument is NULL or a body has a length but no data; -DER_OVERFLOW, the call is
 *   too large.
 * * Nothing is sent: -DER_BUSY, a call is being made or received on `ctx`, whose yield function calls this.
 * * No reply came in time, and is dropped by the next call should it come: -DER_TIMEDOUT (drpc_set_timeout),
 *   -DER_AGAIN (a socket made non-blocking). Without R_SYNC both mean that the call has not been sent.
 * * The peer closed the connection instead of replying: -DER_NOREPLY. A server that closes the connection over the first
 *   call may be of DAOS 2.6 or before, with a loop of its own: set DRPC_FRAMING=datagram, or drpc_set_framing.
 * * In the child of a fork, while calls of its parent wait for the server's first answer: -DER_NO_HDL.
 * * The server does not expect messages as the client has sent the first one, and no new connection to it can be made:
 *   -DER_PROTO, or what the error of connecting translates to. See drpc_set_framing.
 * * What came is no response: -DER_PROTO, -DER_TRUNC, -DER_MISMATCH; or it is too large: -DER_OVERFLOW. If records
 *   are missing or do not fit together, the connection is ended, and later calls fail.
 * * -DER_NOMEM, or what the error of the socket translates to.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
int drpc_call(struct drpc *ctx,
              int flags,
              Drpc__Call *msg,
              Drpc__Response **resp);

/**
 * Connects to the server that listens at the path `sockaddr`. The socket is blocking. The first call may connect again,
 * see drpc_set_framing.
 *
 * Returns 0 and the context in `*drpcp`, to be given back with drpc_close; or close its descriptor and free its two
 * parts. On an error `*drpcp` is NULL: -DER_INVAL for an argument that is NULL, -DER_BADPATH for a path that is
 * empty or longer than 107 bytes, -DER_NOMEM, -DER_NONEXIST if there is no such file, -DER_NO_PERM, -DER_MISC if
 * nobody listens, else what the error of the socket translates to.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
int drpc_connect(char *sockaddr,
                 struct drpc **drpcp);

/**
 * Listens at the path `sockaddr`, where the socket file is made; there must be no file yet, and it is not removed
 * later. Its mode is 0600 without what the umask takes away, unless drpc_set_socket_mode says otherwise. The socket is
 * non-blocking. `handler` is given to every session.
 *
 * Returns the context, to be given back with drpc_close. NULL if that fails: errno and drpc_last_error say why.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
struct drpc *drpc_listen(char *sockaddr,
                         drpc_handler_t handler);

/**
 * Whether a context can accept connections or receive calls: it, its socket and its handler are not NULL.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
bool drpc_is_valid_listener(struct drpc *ctx);

/**
 * Takes the next connection of a listener. The session has the listener's handler and yield function; its socket
 * is blocking.
 *
 * Returns 0 and the session in `*drpc`, to be given back with drpc_close. On an error `*drpc` is left as it was:
 * -DER_INVAL if `listener_ctx` is no listener or `drpc` is NULL, -DER_NOMEM, -DER_AGAIN if no connection is there,
 * else what the error of the socket translates to.
 *
 * (DAOS: src/common/drpc.c, since 2.6.)
 */
int drpc_accept(struct drpc *listener_ctx,
                struct drpc **drpc);

/**
 * Waits for the next call of a session.
 *
 * Returns 0 and the call in `*call`, to be freed with drpc_call_free. On an error `*call` is NULL or as it was.
 * * -DER_INVAL: `call` is NULL or `ctx` is no session. -DER_BUSY: a call is being received or made on `ctx`, whose yield
 *   function calls this.
 * * -DER_AGAIN: the socket is non-blocking, and no whole call is there yet. -DER_TIMEDOUT: none came in time
 *   (drpc_set_timeout).
 * * -DER_TRUNC: the peer has closed the connection, or is about to, as it has only asked how messages are read here
 *   (which has been answered); or a record is cut short.
 * * -DER_PROTO, -DER_MISMATCH: what came is no call. -DER_OVERFLOW: it is too large.
 * * -DER_NOMEM, or what the error of the socket translates to.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
int drpc_recv_call(struct drpc *ctx,
                   Drpc__Call **call);

/**
 * Sends the response to a call. Several threads may do so on one session: the messages do not mix. Where the socket
 * has no room, this waits for it, also on a socket made non-blocking. It goes out as the client speaks, which its first
 * call has told (drpc_set_framing).
 *
 * Returns 0; `resp` stays the caller's. Otherwise -DER_INVAL if `resp` is NULL, `ctx` is no session, or the body has
 * a length but no data; -DER_OVERFLOW if the message is too large (drpc_set_max_message, drpc_set_max_datagram), and the
 * client is sent DRPC__STATUS__FAILED_MARSHAL in its place; -DER_NOMEM; -DER_TIMEDOUT (drpc_set_timeout); else what
 * the error of the socket translates to.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
int drpc_send_response(struct drpc *ctx,
                       Drpc__Response *resp);

/**
 * Gives a reference to a context back. The last one closes the socket and frees the context. A socket file stays.
 * References may be given back by any thread. A client up to DAOS 2.6, which takes the end of a session for a success, is
 * sent DRPC__STATUS__FAILURE for each call, up to 15, that drpc_recv_call has received and nobody has answered.
 *
 * Calls without R_SYNC that wait for the server's first answer (drpc_call) are seen to before the socket is closed, in the
 * context's yield function if it has one. That takes no longer than the context's timeout, or 100 ms; then they may be
 * lost, which is logged. In a forked child nothing is done about them.
 *
 * Returns 0, also if closing the socket fails; -DER_INVAL if `ctx` or its socket is NULL or it has no references.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
int drpc_close(struct drpc *ctx);

/**
 * Takes another reference to a context, to be given back with drpc_close. Any thread that has one may do so.
 *
 * Returns 0; -DER_INVAL if `ctx` is NULL or has UINT32_MAX references.
 *
 * (DAOS: src/common/drpc.c, 2.6 and 2.8.)
 */
int drpc_add_ref(struct drpc *ctx);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* __DAOS_DRPC_H__ */
