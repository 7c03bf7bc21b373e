/*
 * The managed server: it accepts, reads, dispatches and answers, in threads or in a loop of the
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

/** For drpc_server_register. */
enum drpc_server_flags {
        /**
         * Calls of one session may be served at the same time, and answered in any order. Otherwise the next one waits
         * until the answer to the one before has been sent.
         */
        DRPC_SERVER_CONCURRENT = 1,
};

/** What can be set with drpc_server_set. Times are in milliseconds, sizes in bytes. Of the limits 0 means no limit. */
enum drpc_server_option {
        /** Threads. Unless set as many as there are CPUs, but two at least. */
        DRPC_SERVER_THREADS = 1,
        /**
         * What to do when there is a file at the path: 0 fails, 1 removes a socket that no server listens on any more.
         * That is found out under a lock on the file `<path>.lock`, which is held as long as the server is there, and
         * stays. It is made for the owner of the socket, with mode 0600. One that this user may not open is replaced if no
         * server listens. A file that is no socket is never removed. Unless set 0.
         */
        DRPC_SERVER_REPLACE_STALE = 2,
        /**
         * 1 takes over the listening socket at the path that the service manager hands to the process (LISTEN_FDS). The path
         * may lead there through links. One is made if none was handed over; if others were, which no server of the process has
         * taken over, it is an error that names them: -DER_NONEXIST. Unless set 0.
         */
        DRPC_SERVER_INHERIT = 3,
        /**
         * Mode of the socket file, whatever the umask. Unless set 0600. It is an error, -DER_NO_PERM, if the umask changes it, other
         * users can change the path, and the kernel does not tell that the file is the server's.
         */
        DRPC_SERVER_MODE = 4,
        /** Owner of the socket file. Where that user may not make files in the directory, it is an error as with the mode. */
        DRPC_SERVER_OWNER = 5,
        /** Group of the socket file. */
        DRPC_SERVER_GROUP = 6,
        /**
         * Sessions at once; more are accepted when others have ended. Unless set 4096. In any case at least 128 less than the
         * process may have descriptors (RLIMIT_NOFILE) when the server begins to listen, if that leaves one.
         */
        DRPC_SERVER_MAX_SESSIONS = 7,
        /**
         * Sessions at once of one user other than root, who leaves an eighth of all to others; the call of another one is
         * refused. Unless set 256.
         */
        DRPC_SERVER_MAX_SESSIONS_PER_UID = 8,
        /** Size of a message, sent or received. Unless set 128 MiB. */
        DRPC_SERVER_MAX_MESSAGE = 9,
        /**
         * Memory for messages of which only a part has come, all sessions together. One message comes in, however large, while
         * there is no other. Unless set 256 MiB.
         */
        DRPC_SERVER_MAX_PARTIAL = 10,
        /** Time for a message to arrive whole once it has begun. Unless set 30 s. */
        DRPC_SERVER_MESSAGE_TIME = 11,
        /** Time for a client to take a reply. Unless set 30 s. */
        DRPC_SERVER_REPLY_TIME = 12,
        /** Calls of one session being served at once. Unless set 64. */
        DRPC_SERVER_MAX_CALLS = 13,
        /** Memory for replies that clients have not taken yet, all sessions together. Unless set 256 MiB. */
        DRPC_SERVER_MAX_UNSENT = 14,
        /** Time without a call after which a session is closed. Unless set there is none. */
        DRPC_SERVER_IDLE_TIME = 15,
        /** Time for what is going on when drpc_server_stop is called, of which 0 is none. Unless set 30 s. */
        DRPC_SERVER_GRACE_TIME = 16,
        /**
         * Size of a reply that is sent as one datagram: what the clients can receive, for longer ones they cut without a
         * word. DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB. Unless set what the releases of this library's
         * line receive: libdrpc-0.8 16 KiB, libdrpc-2.8 128 KiB.
         */
        DRPC_SERVER_MAX_DATAGRAM = 17,
        /**
         * How the clients send messages, one of enum drpc_framing. Unless set DRPC_FRAMING_AUTO: found out from the first
         * call of each.
         */
        DRPC_SERVER_FRAMING = 18,
        /**
         * 1 leaves the threads the signal mask of the thread that starts them, which programs that handlers start inherit.
         * Handlers of the program's own for signals may run in them then. Unless set 0: they block all signals.
         */
        DRPC_SERVER_SIGNALS = 19,
        /**
         * Size of the stack of each thread of the library's, from 64 KiB to 1 GiB; only what is used of it takes memory.
         * Unless set 8 MiB.
         */
        DRPC_SERVER_STACK = 20,
        /**
         * What one user other than root may have of the memory for messages of which only a part has come. A user can also
         * have no more than four times what is left, and an eighth is root's alone. Unless set half.
         */
        DRPC_SERVER_MAX_PARTIAL_PER_UID = 21,
        /**
         * What one user other than root may have of the memory for replies that clients have not taken yet. Beyond it the
         * user's calls fail before they are handled; so do those of a user who holds more than a little while not much is left,
         * and of all but root while twice the limit is held. A reply to a call that has been handled is replaced by a
         * failure only if its own user has too much. Unless set half.
         */
        DRPC_SERVER_MAX_UNSENT_PER_UID = 22,
};

/** A call that its handler has taken, to answer it later. */
struct drpc_request;

/** A server: its socket, its modules, its sessions. */
struct drpc_server;

/** The session that a call came on. */
struct drpc_session;

/**
 * Serves a call. The response comes with DRPC__STATUS__SUCCESS and without a body; the function sets the status and, if
 * there is a result, the body, whose data comes from `malloc` and is the library's then (that of `call->body` does,
 * if `call->body` is emptied). The body is sent only with DRPC__STATUS__SUCCESS. `session` and `call` are valid until
 * the function returns; once it takes the call with drpc_session_defer, until that is answered or dropped, which another
 * thread may do before the function returns. Any thread of the server runs it, several at once for different sessions.
 *
 * The threads block all signals, which a program that the function starts inherits: it would not end on SIGTERM. Set
 * DRPC_SERVER_SIGNALS, or start it with a mask of its own, `none` being an empty set:
 * `posix_spawnattr_setsigmask(&attr, &none);`
 * `posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);`
 */
typedef void (*drpc_server_handler_t)(struct drpc_session *session,
                                      Drpc__Call *call,
                                      Drpc__Response *resp,
                                      void *arg);

/**
 * Says whether a client may call at all. Run for each session, before its first call. It must not wait for anything, as a
 * name service on the network: meanwhile no other client is taken in.
 */
typedef bool (*drpc_server_authorise_t)(struct drpc_session *session, void *arg);

/** Counters of a server since it was made. */
struct drpc_server_stats {
        /** Size of the struct: to be set to sizeof(struct drpc_server_stats) before drpc_server_get_stats is called. */
        size_t size;
        /** Sessions that there are. */
        uint64_t sessions;
        /** Sessions that there have been. */
        uint64_t accepted;
        /** Sessions refused by the function given to drpc_server_authorise. */
        uint64_t refused;
        /** Calls answered, by the number of the status; the last place is for numbers that have no name. */
        uint64_t answered[9];
        /** Bytes of calls received. */
        uint64_t bytes_in;
        /** Bytes of responses sent, or to be sent. */
        uint64_t bytes_out;
        /** How often no client could be accepted, so that it was tried again later. */
        uint64_t accept_errors;
        /** Messages that were no calls. */
        uint64_t unparsable;
        /** Sessions whose records made no sense. */
        uint64_t out_of_step;
        /** Sessions that ended in the middle of a call. */
        uint64_t cut;
        /** Responses that could not be sent. */
        uint64_t unsendable;
        /** Calls of users that may not call the module. */
        uint64_t forbidden;
        /** Calls for which there was no memory. */
        uint64_t no_memory;
        /** Requests that had to wait because all threads were busy. */
        uint64_t saturated;
        /** How often DRPC_SERVER_MAX_SESSIONS was met. */
        uint64_t limit_sessions;
        /** How often DRPC_SERVER_MAX_SESSIONS_PER_UID was met. */
        uint64_t limit_sessions_per_uid;
        /** How often DRPC_SERVER_MAX_MESSAGE was met. */
        uint64_t limit_message;
        /** How often DRPC_SERVER_MAX_PARTIAL was met. */
        uint64_t limit_partial;
        /** How often DRPC_SERVER_MESSAGE_TIME was met. */
        uint64_t limit_message_time;
        /** How often DRPC_SERVER_REPLY_TIME was met. */
        uint64_t limit_reply_time;
        /** How often DRPC_SERVER_MAX_CALLS was met. */
        uint64_t limit_calls;
        /** How often DRPC_SERVER_MAX_UNSENT was met. */
        uint64_t limit_unsent;
        /** How often DRPC_SERVER_IDLE_TIME was met. */
        uint64_t limit_idle_time;
        /** Handlers that have returned, which may be after their clients have the response. */
        uint64_t handled;
        /** Time spent in handlers, in nanoseconds. */
        uint64_t handling_ns;
        /** The longest time spent in one, in nanoseconds. */
        uint64_t longest_ns;
};

/** Who is at the other end of a session, as of when the connection was made. */
struct drpc_peer {
        /** Its process; 0 if that cannot be seen from here. */
        pid_t pid;
        /** Its user. */
        uid_t uid;
        /** Its group. */
        gid_t gid;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a server that is to listen at `path`, which is copied; a relative one is
 * meant in the directory in which the process works now. Nothing happens yet: register modules, then call
 * drpc_server_run, drpc_server_start or drpc_server_dispatch. The functions of this header may be called by any
 * thread.
 *
 * Returns 0 and the server in `*server`, to be freed with drpc_server_destroy. Otherwise `*server` is NULL and the
 * result -DER_INVAL if an argument is NULL, or -DER_NOMEM.
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
 * Registers what serves the calls of a module, before the server listens. `arg` is passed to each call; `flags` is 0
 * or DRPC_SERVER_CONCURRENT.
 *
 * Returns 0; -DER_INVAL if the server or the handler is NULL or a flag unknown; -DER_EXIST if the module has a
 * handler, which it keeps; -DER_BUSY once the server listens.
 */
int drpc_server_register(struct drpc_server *server,
                         int32_t module,
                         drpc_server_handler_t handler,
                         void *arg,
                         unsigned int flags);

/** The handler registered for a module; NULL if it has none, or the server is NULL. */
drpc_server_handler_t drpc_server_get_handler(struct drpc_server *server, int32_t module);

/**
 * Lets only some users call a module, which may be registered later, before the server listens. Others get
 * DRPC__STATUS__FAILURE. Nobody is allowed if `count` is 0; root is allowed only if it is listed. The last list given
 * for a module counts.
 *
 * Returns 0; -DER_INVAL if the server is NULL, or `uids` is while `count` is not 0; -DER_BUSY once the server listens.
 */
int drpc_server_allow(struct drpc_server *server,
                      int32_t module,
                      const uid_t *uids,
                      size_t count);

/**
 * Has a function decide for each session whether it may call at all, before the server listens. A session that may
 * not gets DRPC__STATUS__FAILURE for its first call, and is closed. The function must not wait for anything: meanwhile no
 * other client is taken in, and in a program that calls drpc_server_dispatch in one thread nobody is served.
 *
 * Returns 0; -DER_INVAL if the server or the function is NULL; -DER_BUSY once the server listens.
 */
int drpc_server_authorise(struct drpc_server *server,
                          drpc_server_authorise_t authorise,
                          void *arg);

/**
 * Makes the socket and listens. Clients can connect from now on; they are served once drpc_server_start,
 * drpc_server_run or drpc_server_dispatch is called, which listen themselves if need be, in this process or in one that is
 * forked from it.
 *
 * Returns 0, also if the server listens already; -DER_INVAL if it is NULL; -DER_BADPATH if the path cannot be one;
 * with DRPC_SERVER_INHERIT -DER_NONEXIST if other sockets were handed over; with DRPC_SERVER_REPLACE_STALE -DER_EXIST if
 * what is at the path is no socket, -DER_BUSY if another server has the lock file, which drpc_last_error names, and its
 * process; -DER_NO_HDL if the server belongs to another process; -DER_SHUTDOWN after drpc_server_stop or
 * drpc_server_shutdown; -DER_NO_PERM or -DER_EXIST if another file has been put in the place of the new one, or may have
 * been, so that it is not given the mode or the owner; else what the error of the socket translates to: that of EADDRINUSE
 * if there is a file at the path, or a live server. After an error it may be tried again.
 */
int drpc_server_listen(struct drpc_server *server);

/**
 * Serves in threads of the library's from now on, and returns at once. They have stacks of 8 MiB, or as
 * DRPC_SERVER_STACK says, and take no signals unless DRPC_SERVER_SIGNALS says so.
 * The server belongs to this process from now on, as it does to the one that first calls drpc_server_run or
 * drpc_server_dispatch. What is forked from it later can do nothing with the server but destroy its copy. Where a process
 * has forked after drpc_server_listen, one of the two may run the server: that it runs in both is not noticed.
 *
 * Returns 0; -DER_INVAL if the server is NULL; -DER_BUSY if it has been started; -DER_NO_HDL if it belongs to another
 * process; -DER_AGAIN or -DER_NOMEM if the system starts no more threads; else as drpc_server_listen. After an error no
 * thread serves, and it may be tried again.
 */
int drpc_server_start(struct drpc_server *server);

/**
 * Serves in threads of the library's until the server has been shut down, at once if it has been. The calling thread
 * only waits.
 *
 * Returns 0; -DER_TIMEDOUT if a call had to be cut off; else as drpc_server_start.
 */
int drpc_server_run(struct drpc_server *server);

/**
 * Serves what has come, in the calling thread: for a program with an event loop of its own, or with a thread library
 * such as Argobots. If nothing has come it waits, at most so many milliseconds; -1 is for ever. Handlers are run
 * from here; they may call it again. Any number of threads may do this, also beside those of the library.
 *
 * Returns 0, whether something came or not; -DER_SHUTDOWN once the server has been shut down; else as
 * drpc_server_listen.
 */
int drpc_server_dispatch(struct drpc_server *server,
                         int timeout_ms);

/**
 * The descriptor to wait for in an event loop: when it is readable, call drpc_server_dispatch(server, 0). It stays the
 * library's, and is the same as long as the server is there.
 *
 * Returns the descriptor, or a negative number as drpc_server_listen does.
 */
int drpc_server_get_fd(struct drpc_server *server);

/**
 * Begins a shutdown and returns at once: as drpc_server_shutdown with the time of DRPC_SERVER_GRACE_TIME. When it is
 * done drpc_server_run returns, and drpc_server_dispatch, which is to be called until then, says so. May be called by a
 * signal handler. A server that does not listen yet never will. NULL is ignored, and so is a server that belongs to another
 * process: a helper that a daemon has forked may have its signal handler.
 */
void drpc_server_stop(struct drpc_server *server);

/**
 * Shuts the server down: no more connections, no more calls; handlers that run may finish and their replies go out
 * until so many milliseconds have passed (-1 is for ever), then everything is closed. Calls that are not answered by
 * then are answered with DRPC__STATUS__FAILURE. The socket file is removed if it is still the one that the server made; a
 * process that has never run the server leaves it alone if it was forked after drpc_server_listen, or has forked since.
 *
 * May be called by any thread, also several times; from a handler it does not wait. Where the program has an event
 * loop of its own, this serves meanwhile.
 *
 * Returns 0; -DER_TIMEDOUT if a call had to be cut off; -DER_INVAL if the server is NULL; -DER_NO_HDL if it belongs to
 * another process.
 */
int drpc_server_shutdown(struct drpc_server *server,
                         int timeout_ms);

/**
 * Frees a server, which is shut down at once if that has not been done. Returns when no thread of the library runs a
 * handler any more, so that what the handlers use can be freed; until then they may use the server. Not to be called
 * from a handler, nor while another function of the server runs elsewhere. Requests that have been taken stay valid, and
 * have to be answered or dropped. NULL is ignored. If the server belongs to another process, this one's copy is freed,
 * and the server goes on.
 */
void drpc_server_destroy(struct drpc_server *server);

/**
 * Counts what the server has done so far. Set `stats->size` before. Each number is right; they are not all of the same
 * instant.
 *
 * Returns 0; -DER_INVAL if an argument is NULL or the size is none of this library's; -DER_NO_HDL if the server belongs to
 * another process.
 */
int drpc_server_get_stats(struct drpc_server *server,
                          struct drpc_server_stats *stats);

/**
 * Counts the calls of one module that have been answered, by the number of the status; the last of the nine places is
 * for numbers that have no name.
 *
 * Returns 0; -DER_INVAL if an argument is NULL; -DER_NONEXIST if the module has no handler; -DER_NO_HDL if the server
 * belongs to another process.
 */
int drpc_server_get_module_stats(struct drpc_server *server,
                                 int32_t module,
                                 uint64_t *answered);

/** A number that no other session of this process has, or has had. 0 for NULL. */
uint64_t drpc_session_id(const struct drpc_session *session);

/** Who is at the other end. For NULL the user and the group are those that nobody has, -1. */
struct drpc_peer drpc_session_peer(const struct drpc_session *session);

/**
 * The descriptor of the connection, to look at: it stays the library's, which alone reads, writes and closes it. -1
 * for NULL.
 */
int drpc_session_get_fd(const struct drpc_session *session);

/**
 * Ends the session: what has not been sent is lost, and the client sees the end of the connection. NULL is ignored, and so
 * is the session of a server that belongs to another process.
 */
void drpc_session_close(const struct drpc_session *session);

/**
 * Takes the call that a handler is being run for: what the handler leaves in its response is not sent, and the call
 * and its body stay until drpc_request_respond or drpc_request_drop is called, by any thread.
 *
 * A session whose client has gone stays, with its descriptor, until the call is answered or dropped.
 *
 * Returns NULL if the call has been taken, or if there is none because the session is being authorised.
 */
struct drpc_request *drpc_session_defer(struct drpc_session *session);

/** The session that the call came on; valid as long as the request. NULL for NULL. */
struct drpc_session *drpc_request_session(struct drpc_request *request);

/** The call, which is the request's. NULL for NULL. */
const Drpc__Call *drpc_request_call(const struct drpc_request *request);

/**
 * Answers a call with the status and, if that is DRPC__STATUS__SUCCESS, the body of a response, which stays the
 * caller's. Nobody is waited for: what the client does not take at once is copied. The request is gone, whatever is
 * returned.
 *
 * Returns 0; -DER_UNREACH if the session has ended, which no request prevents; -DER_NO_HDL in the child of a fork, where
 * the call is not answered; -DER_INVAL if an argument is NULL, and
 * if it is the response the call is answered with DRPC__STATUS__FAILURE.
 */
int drpc_request_respond(struct drpc_request *request,
                         const Drpc__Response *response);

/** Answers a call with DRPC__STATUS__FAILURE, if its session is still there. NULL is ignored. */
void drpc_request_drop(struct drpc_request *request);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* LIBDRPC_DRPC_SERVER_H */
