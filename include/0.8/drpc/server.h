/*
 * The managed server, which accepts, reads, dispatches and answers, in threads or in a loop of the
 * program's.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef LIBDRPC_DRPC_SERVER_H
#define LIBDRPC_DRPC_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <daos/drpc.h>
#include <drpc/library.h>

/** The flags of drpc_server_register. */
enum drpc_server_flags {
        /**
         * Calls of one session are served at the same time, and answered in any order. Without the flag the next call
         * waits until the answer to the previous one has been sent.
         */
        DRPC_SERVER_CONCURRENT = 1,
};

/** The options of drpc_server_set. Times are in milliseconds, sizes in bytes. A limit of 0 means no limit. */
enum drpc_server_option {
        /** The number of threads. Default: the number of CPUs, but at least two. */
        DRPC_SERVER_THREADS = 1,
        /**
         * The treatment of an existing file at the path: 0 fails; 1 removes a socket without a listening server, but never
         * another file. Default: 0. The check holds a lock on the file `<path>.lock` as long as the server exists; the
         * file stays. It is made for the owner of the socket, with mode 0600. A lock file that this user may not open is
         * replaced if no server listens.
         */
        DRPC_SERVER_REPLACE_STALE = 2,
        /**
         * 1 takes over the listening socket at the path that the service manager passes to the process (LISTEN_FDS). The
         * path may lead there through links. Without any passed socket a new one is made. If there are only other passed
         * sockets, taken over by no server of the process, listening fails with -DER_NONEXIST and names them. Default: 0.
         */
        DRPC_SERVER_INHERIT = 3,
        /**
         * The mode of the socket file, whatever the umask. Default: 0600. Where the umask would change the mode, the
         * server must be sure that the file is its own. Either the kernel tells, or other users cannot change the path.
         * Otherwise listening fails with -DER_NO_PERM.
         */
        DRPC_SERVER_MODE = 4,
        /**
         * The owner of the socket file. If that user may not make files in the directory, the same condition holds as for
         * the mode.
         */
        DRPC_SERVER_OWNER = 5,
        /** The group of the socket file. */
        DRPC_SERVER_GROUP = 6,
        /**
         * The number of sessions at once; more are accepted when others have ended. Default: 4096. At most 128 less than
         * the process's descriptor limit (RLIMIT_NOFILE) when the server begins to listen, but at least one.
         */
        DRPC_SERVER_MAX_SESSIONS = 7,
        /**
         * The number of sessions at once of one user other than root, at most seven eighths of all. The first call of a
         * further session is refused. Default: 256.
         */
        DRPC_SERVER_MAX_SESSIONS_PER_UID = 8,
        /** The size limit of a message, sent or received. Default: 128 MiB. */
        DRPC_SERVER_MAX_MESSAGE = 9,
        /**
         * The memory for partly received messages of all sessions together. A message is received whatever its size while
         * there is no other. The memory counts here, too, that requests of services (drpc/service.h) unpack to beyond 64 KiB.
         * Default: 256 MiB.
         */
        DRPC_SERVER_MAX_PARTIAL = 10,
        /** The time for the whole of a message to arrive once it has begun. Default: 30 s. */
        DRPC_SERVER_MESSAGE_TIME = 11,
        /** The time for a client to take a reply. Default: 30 s. */
        DRPC_SERVER_REPLY_TIME = 12,
        /** The number of calls of one session handled at once. Default: 64. */
        DRPC_SERVER_MAX_CALLS = 13,
        /** The memory for untaken replies of all sessions together. Default: 256 MiB. */
        DRPC_SERVER_MAX_UNSENT = 14,
        /** The time without a call after which a session is closed. Default: no limit. */
        DRPC_SERVER_IDLE_TIME = 15,
        /** The time for running calls to finish after drpc_server_stop; here 0 means no time. Default: 30 s. */
        DRPC_SERVER_GRACE_TIME = 16,
        /**
         * The size limit of a reply that is sent as one datagram. A client silently cuts a longer one than it can receive:
         * DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB. Default: as this library's line receives, 16 KiB in
         * libdrpc-0.8, 128 KiB in libdrpc-2.8.
         */
        DRPC_SERVER_MAX_DATAGRAM = 17,
        /**
         * The framing of the clients' messages, one of enum drpc_framing. Default: DRPC_FRAMING_AUTO, detected from each
         * client's first call.
         */
        DRPC_SERVER_FRAMING = 18,
        /**
         * 1 leaves the threads the signal mask of the thread that starts them. Programs that handlers start inherit it,
         * and the program's signal handlers may run in the threads. Default: 0, the threads block all signals.
         */
        DRPC_SERVER_SIGNALS = 19,
        /**
         * The size of the stack of each library thread, from 64 KiB to 1 GiB. Only the used part takes memory. A server
         * with services (drpc/service.h) needs 256 KiB, for what libprotobuf-c unpacks, or does not listen: -DER_INVAL.
         * Default: 8 MiB.
         */
        DRPC_SERVER_STACK = 20,
        /**
         * The share of DRPC_SERVER_MAX_PARTIAL that one user other than root may hold. A user may also hold at most four
         * times the memory that is left. An eighth is reserved for root. Default: half.
         */
        DRPC_SERVER_MAX_PARTIAL_PER_UID = 21,
        /**
         * The share of DRPC_SERVER_MAX_UNSENT that one user other than root may hold. Beyond it the user's calls fail
         * before they are handled. While not much memory is left, calls also fail of users that hold more than a little.
         * While twice the limit is held, all calls but root's fail. The reply to a handled call is replaced by a failure
         * only if its own user has too much. Default: half.
         */
        DRPC_SERVER_MAX_UNSENT_PER_UID = 22,
        /**
         * The longest time in microseconds that a thread polls for a call before it sleeps; 0 is no polling, DRPC_SPIN_AUTO
         * polls only while that pays (see drpc_set_spin). drpc_server_dispatch with timeout 0 never polls. Default:
         * drpc_set_spin's value, or else the environment variable DRPC_SPIN_US, or else DRPC_SPIN_AUTO.
         */
        DRPC_SERVER_SPIN = 23,
        /**
         * 1 lets a response with another status than DRPC__STATUS__SUCCESS say why: which limit or rule of the server the call
         * met, or the text of drpc_session_fail. Clients of DAOS skip the text. 0 sends none. Default: 1.
         */
        DRPC_SERVER_DETAIL = 24,
};

/** A call that its handler has taken, to be answered later. */
struct drpc_request;

/** A managed server with its socket, its modules and its sessions. */
struct drpc_server;

/** The session of a call. */
struct drpc_session;

/**
 * The program's function that serves a call. The response comes with DRPC__STATUS__SUCCESS and without a body. The
 * function sets the status and, if there is a result, the body, which is sent only with DRPC__STATUS__SUCCESS. The
 * body's data comes from `malloc` and then belongs to the library; the data of `call->body` may be moved there if
 * `call->body` is emptied.
 *
 * `session` and `call` are valid until the function returns. After drpc_session_defer they are valid until the call is
 * answered or dropped, which another thread may do before the function returns. Any thread of the server runs the
 * function, several at once for different sessions.
 *
 * The threads block all signals. A program that the function starts inherits the mask and would not end on SIGTERM.
 * Set DRPC_SERVER_SIGNALS, or start it with another mask, `none` being an empty set:
 * `posix_spawnattr_setsigmask(&attr, &none);`
 * `posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);`
 */
typedef void (*drpc_server_handler_t)(struct drpc_session *session,
                                      Drpc__Call *call,
                                      Drpc__Response *resp,
                                      void *arg);

/**
 * The program's function that decides whether a client may call at all. The function runs for each session before the
 * first call. It must not wait, for example for a name service: no other client is accepted meanwhile.
 */
typedef bool (*drpc_server_authorise_t)(struct drpc_session *session, void *arg);

/** The counters of a server since it was made. */
struct drpc_server_stats {
        /** The size of the struct. Set it to sizeof(struct drpc_server_stats) before drpc_server_get_stats is called. */
        size_t size;
        /** Sessions that exist now. */
        uint64_t sessions;
        /** Sessions accepted. */
        uint64_t accepted;
        /** Sessions refused by the function given to drpc_server_authorise. */
        uint64_t refused;
        /** Calls answered, by the number of the status. The last place counts unnamed numbers. */
        uint64_t answered[9];
        /** Bytes of calls received. */
        uint64_t bytes_in;
        /** Bytes of responses sent or queued. */
        uint64_t bytes_out;
        /** Failures to accept a client, each followed by a later attempt. */
        uint64_t accept_errors;
        /** Messages that could not be decoded as calls. */
        uint64_t unparsable;
        /** Sessions whose records did not fit together. */
        uint64_t out_of_step;
        /** Sessions that ended in the middle of a call. */
        uint64_t cut;
        /** Responses that could not be sent. */
        uint64_t unsendable;
        /** Calls of users without permission for the module. */
        uint64_t forbidden;
        /** Calls refused for lack of memory. */
        uint64_t no_memory;
        /** Calls that waited because all threads were busy, one of them for 50 microseconds or more. */
        uint64_t saturated;
        /** Times that DRPC_SERVER_MAX_SESSIONS was reached. */
        uint64_t limit_sessions;
        /** Times that DRPC_SERVER_MAX_SESSIONS_PER_UID was reached. */
        uint64_t limit_sessions_per_uid;
        /** Times that DRPC_SERVER_MAX_MESSAGE was reached. */
        uint64_t limit_message;
        /** Times that DRPC_SERVER_MAX_PARTIAL was reached. */
        uint64_t limit_partial;
        /** Times that DRPC_SERVER_MESSAGE_TIME was reached. */
        uint64_t limit_message_time;
        /** Times that DRPC_SERVER_REPLY_TIME was reached. */
        uint64_t limit_reply_time;
        /** Times that DRPC_SERVER_MAX_CALLS was reached. */
        uint64_t limit_calls;
        /** Times that DRPC_SERVER_MAX_UNSENT was reached. */
        uint64_t limit_unsent;
        /** Times that DRPC_SERVER_IDLE_TIME was reached. */
        uint64_t limit_idle_time;
        /** Handler runs that have ended, possibly after their clients got the response. */
        uint64_t handled;
        /** Time spent in handlers, in nanoseconds. */
        uint64_t handling_ns;
        /** The longest run of a handler, in nanoseconds. */
        uint64_t longest_ns;
        /** Times that a thread polled for a call before it slept: see DRPC_SERVER_SPIN. */
        uint64_t spins;
        /** Times that it found one. */
        uint64_t spin_hits;
        /** Time that threads polled, in nanoseconds. */
        uint64_t spinning_ns;
};

/** The peer of a session, as it was when the connection was made. */
struct drpc_peer {
        /** The peer's process; 0 if it is not visible from this one. */
        pid_t pid;
        /** The peer's user. */
        uid_t uid;
        /** The peer's group. */
        gid_t gid;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a server that is to listen at `path`, which is copied. A relative path is resolved in the current directory of
 * this call. Nothing happens yet: register modules, then call drpc_server_run, drpc_server_start or
 * drpc_server_dispatch. Any thread may call the functions of this header.
 *
 * Returns 0 and the server in `*server`, to be freed with drpc_server_destroy. After an error `*server` is NULL:
 * -DER_INVAL if an argument is NULL, or -DER_NOMEM.
 */
int drpc_server_create(const char *path,
                       struct drpc_server **server);

/**
 * Sets an option, one of enum drpc_server_option, before the server listens.
 *
 * Returns 0; -DER_INVAL if the server is NULL, the option unknown or the value impossible; -DER_BUSY once it listens.
 */
int drpc_server_set(struct drpc_server *server,
                    int option,
                    uint64_t value);

/**
 * Registers the handler of a module, before the server listens. `arg` is passed to each call; `flags` is 0 or
 * DRPC_SERVER_CONCURRENT.
 *
 * Returns 0; -DER_INVAL if the server or the handler is NULL or a flag unknown; -DER_EXIST if the module has a
 * handler, which it keeps; -DER_BUSY once the server listens.
 */
int drpc_server_register(struct drpc_server *server,
                         int32_t module,
                         drpc_server_handler_t handler,
                         void *arg,
                         unsigned int flags);

/** Returns the handler of a module; NULL if it has none, or the server is NULL. */
drpc_server_handler_t drpc_server_get_handler(struct drpc_server *server, int32_t module);

/**
 * Limits a module to some users, before the server listens. The module may be registered later. Other users get
 * DRPC__STATUS__FAILURE, as does root unless it is listed. With `count` 0 no user is allowed. The last list for a
 * module counts.
 *
 * Returns 0; -DER_INVAL if the server is NULL, or `uids` is while `count` is not 0; -DER_BUSY once the server listens.
 */
int drpc_server_allow(struct drpc_server *server,
                      int32_t module,
                      const uid_t *uids,
                      size_t count);

/**
 * Sets a function that decides for each session whether it may call at all, before the server listens. A refused
 * session gets DRPC__STATUS__FAILURE for its first call, and is closed. The function must not wait: no other client is
 * accepted meanwhile. In a program that calls drpc_server_dispatch in one thread no client is served meanwhile.
 *
 * Returns 0; -DER_INVAL if the server or the function is NULL; -DER_BUSY once the server listens.
 */
int drpc_server_authorise(struct drpc_server *server,
                          drpc_server_authorise_t authorise,
                          void *arg);

/**
 * Makes the socket and listens. Clients can connect from now on. They are served once drpc_server_start,
 * drpc_server_run or drpc_server_dispatch is called, in this process or a forked one. These functions listen by
 * themselves if needed.
 *
 * Returns 0, also if the server listens already. After an error listening may be tried again:
 * * -DER_INVAL: the server is NULL. -DER_BADPATH: the path cannot be one.
 * * -DER_NONEXIST, with DRPC_SERVER_INHERIT: only other sockets were passed.
 * * -DER_EXIST, with DRPC_SERVER_REPLACE_STALE: the file at the path is no socket.
 * * -DER_BUSY, with DRPC_SERVER_REPLACE_STALE: another server holds the lock file. drpc_last_error names the file and
 *   the process.
 * * -DER_NO_HDL: the server belongs to another process.
 * * -DER_SHUTDOWN: after drpc_server_stop or drpc_server_shutdown.
 * * -DER_NO_PERM or -DER_EXIST: another file has replaced the new one, or may have. It is not given the mode or the
 *   owner.
 * * Otherwise the number of the socket's error: that of EADDRINUSE if there is a file at the path, or a live server.
 */
int drpc_server_listen(struct drpc_server *server);

/**
 * Starts threads of the library that serve, and returns at once. Their stacks have 8 MiB, or as DRPC_SERVER_STACK
 * says. They take no signals unless DRPC_SERVER_SIGNALS says so.
 *
 * The server belongs to this process from now on, as it does to the process that first calls drpc_server_run or
 * drpc_server_dispatch. A process forked later can only destroy its copy of the server. If a process forks between
 * drpc_server_listen and this, one of the two may run the server; running it in both is not noticed.
 *
 * Returns 0; -DER_INVAL if the server is NULL; -DER_BUSY if it has been started; -DER_NO_HDL if it belongs to another
 * process; -DER_AGAIN or -DER_NOMEM if the system starts no more threads; else as drpc_server_listen. After an error
 * no thread serves, and starting may be tried again.
 */
int drpc_server_start(struct drpc_server *server);

/**
 * Serves in threads of the library until the server has been shut down; returns at once if that has been done before.
 * The calling thread only waits.
 *
 * Returns 0; -DER_TIMEDOUT if a call had to be cut off; else as drpc_server_start.
 */
int drpc_server_run(struct drpc_server *server);

/**
 * Serves ready clients and runs handlers in the calling thread. For a program with an event loop of its own, or with a
 * thread library such as Argobots. With nothing ready the function waits for at most `timeout_ms` milliseconds; -1 is
 * for ever. Handlers may call it again. Any number of threads may call it, also beside those of the library.
 *
 * Returns 0, also if nothing was ready; -DER_SHUTDOWN once the server has been shut down; else as drpc_server_listen.
 */
int drpc_server_dispatch(struct drpc_server *server,
                         int timeout_ms);

/**
 * Returns the descriptor to wait for in an event loop. Once it is readable, call drpc_server_dispatch(server, 0). The
 * descriptor is the library's, and stays the same as long as the server exists.
 *
 * Errors: a negative number as of drpc_server_listen.
 */
int drpc_server_get_fd(struct drpc_server *server);

/**
 * Begins a shutdown with the time of DRPC_SERVER_GRACE_TIME, and returns at once. At the end drpc_server_run returns,
 * and drpc_server_dispatch, to be called until then, returns -DER_SHUTDOWN. A signal handler may call this. A server
 * that does not listen yet never will.
 *
 * NULL is ignored, as is a server that belongs to another process: a helper forked from a daemon may have inherited
 * its signal handler.
 */
void drpc_server_stop(struct drpc_server *server);

/**
 * Shuts the server down: accepts no more connections and no more calls. Running handlers may finish, and their replies
 * go out, for `timeout_ms` milliseconds; -1 is for ever. Then calls without an answer get DRPC__STATUS__FAILURE, and
 * everything is closed.
 *
 * The socket file is removed if it is still the server's. A process that never ran the server leaves the file alone if
 * it was forked after drpc_server_listen, or has forked since.
 *
 * Any thread may call this, also several times; from a handler it does not wait. In a program with an event loop of
 * its own, the function serves meanwhile.
 *
 * Returns 0; -DER_TIMEDOUT if a call had to be cut off; -DER_INVAL if the server is NULL; -DER_NO_HDL if it belongs to
 * another process.
 */
int drpc_server_shutdown(struct drpc_server *server,
                         int timeout_ms);

/**
 * Frees a server, after shutting it down at once if that has not been done. Waits until no thread of the library runs
 * a handler any more; until then handlers may use the server. After that everything that the handlers use can be
 * freed. Not to be called from a handler, nor while another function of the server runs elsewhere.
 *
 * Requests that have been taken stay valid, and have to be answered or dropped. NULL is ignored. If the server belongs
 * to another process, only this process's copy is freed, and the server goes on.
 */
void drpc_server_destroy(struct drpc_server *server);

/**
 * Copies the server's counters to `*stats`, whose `size` must be set before. Each number is right, but they are not
 * all of the same instant.
 *
 * Returns 0; -DER_INVAL if an argument is NULL or the size is none that the struct has or had; -DER_NO_HDL if the server belongs to
 * another process.
 */
int drpc_server_get_stats(struct drpc_server *server,
                          struct drpc_server_stats *stats);

/**
 * Counts the answered calls of one module, by the number of the status. The last of the nine places counts unnamed
 * numbers.
 *
 * Returns 0; -DER_INVAL if an argument is NULL; -DER_NONEXIST if the module has no handler; -DER_NO_HDL if the server
 * belongs to another process.
 */
int drpc_server_get_module_stats(struct drpc_server *server,
                                 int32_t module,
                                 uint64_t *answered);

/** Returns a number that no other session of this process has or has had; 0 for NULL. */
uint64_t drpc_session_id(const struct drpc_session *session);

/** Returns the peer of a session. For NULL user and group are -1, which no user or group has. */
struct drpc_peer drpc_session_peer(const struct drpc_session *session);

/**
 * Returns the descriptor of the connection, for inspection only: the library alone reads, writes and closes it. -1 for
 * NULL.
 */
int drpc_session_get_fd(const struct drpc_session *session);

/**
 * Ends the session. Unsent bytes are lost, and the client sees the end of the connection. NULL is ignored, as is the
 * session of a server that belongs to another process.
 */
void drpc_session_close(const struct drpc_session *session);

/**
 * Fails the call of the running handler: sets the status of its response, which is sent when the handler returns, and the
 * text that goes with it. The client gets the first 200 bytes (drpc_response_detail), and a client of DAOS nothing but the
 * status. Say nothing that the client may not know. `text` is copied; with NULL there is none, and nor is there without
 * memory, or with DRPC_SERVER_DETAIL 0. The last call of this function counts.
 *
 * Returns 0; -DER_INVAL if the status is DRPC__STATUS__SUCCESS, or if there is no call: the session is NULL or being
 * authorised, or the call has been taken by drpc_session_defer, and is for drpc_request_fail.
 */
int drpc_session_fail(struct drpc_session *session,
                      int status,
                      const char *text);

/**
 * Takes the call of the running handler, whose response is then not sent. Call and body stay valid until
 * drpc_request_respond or drpc_request_drop is called, by any thread.
 *
 * The session stays, with its descriptor, until the call is answered or dropped, even if its client has gone.
 *
 * Returns the request. NULL if the call has been taken already, or if there is no call because the session is being
 * authorised.
 */
struct drpc_request *drpc_session_defer(struct drpc_session *session);

/** Returns the session of the call, valid as long as the request; NULL for NULL. */
struct drpc_session *drpc_request_session(struct drpc_request *request);

/** Returns the call, which belongs to the request; NULL for NULL. */
const Drpc__Call *drpc_request_call(const struct drpc_request *request);

/**
 * Answers a call with the status of a response and, if that is DRPC__STATUS__SUCCESS, with its body. The response
 * stays the caller's. A text that the response has (drpc_response_detail) goes with another status. The function does not
 * wait: bytes that the client does not take at once are copied. The request is freed, also after an error.
 *
 * Returns 0; -DER_UNREACH if the session has ended, which a request does not prevent; -DER_NO_HDL in the child of a
 * fork, where the call is not answered; -DER_INVAL if an argument is NULL. If the response is NULL the call is
 * answered with DRPC__STATUS__FAILURE.
 */
int drpc_request_respond(struct drpc_request *request,
                         const Drpc__Response *response);

/**
 * Answers a call with another status than DRPC__STATUS__SUCCESS and a text for the client, as drpc_session_fail does. The
 * text may be NULL. The request is freed, also after an error.
 *
 * Returns 0; -DER_INVAL if the request is NULL, or if the status is DRPC__STATUS__SUCCESS, in whose place
 * DRPC__STATUS__FAILURE is sent; else as drpc_request_respond.
 */
int drpc_request_fail(struct drpc_request *request,
                      int status,
                      const char *text);

/** Answers a call with DRPC__STATUS__FAILURE, if its session still exists, and frees the request. NULL is ignored. */
void drpc_request_drop(struct drpc_request *request);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* LIBDRPC_DRPC_SERVER_H */
