/*
 * Errors and statuses in words, log lines, and limits, which DAOS's libraries do not have.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef LIBDRPC_DRPC_LIBRARY_H
#define LIBDRPC_DRPC_LIBRARY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <daos/drpc.pb-c.h>

struct drpc;

/** The version of these headers. That of the library which the program has loaded is drpc_version(). */
#define DRPC_VERSION_MAJOR 0
#define DRPC_VERSION_MINOR 2
#define DRPC_VERSION_PATCH 0

/** The same as one number, as in #if DRPC_VERSION_NUMBER >= 0x000200 for 0.2.0. */
#define DRPC_VERSION_NUMBER ((DRPC_VERSION_MAJOR << 16) | (DRPC_VERSION_MINOR << 8) | DRPC_VERSION_PATCH)

/** The value with which threads poll only while that pays. */
#define DRPC_SPIN_AUTO (UINT32_MAX - 1)

/** The framing of messages, which DAOS changed with 2.8. */
enum drpc_framing {
        /** The peer's framing, which is detected. */
        DRPC_FRAMING_AUTO = 0,
        /** One datagram for each message, as in DAOS 0.8 to 2.6. */
        DRPC_FRAMING_DATAGRAM = 1,
        /** One or more records with a header, as in DAOS 2.8. */
        DRPC_FRAMING_CHUNKED = 2,
};

/** The importance of a log line. */
enum drpc_log_level {
        /** An operation failed. */
        DRPC_LOG_ERROR = 1,
        /** A state that needs attention. */
        DRPC_LOG_WARN = 2,
        /** A server begins to listen, refuses a client, meets a limit or ends; a client has connected again. */
        DRPC_LOG_INFO = 3,
        /** A session begins or ends, its wire format is found out, or a call has another status than SUCCESS. */
        DRPC_LOG_DEBUG = 4,
        /** A call was made or answered. */
        DRPC_LOG_TRACE = 5,
};

/**
 * The program's function for log lines. `line` has no line break at its end and is valid during the call only. Any
 * thread that uses the library may call the function, from inside the library's functions.
 */
typedef void (*drpc_log_fn)(int level, const char *line, void *arg);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Returns the text of this thread's last error, "" before the first: the operation, the socket, the cause and a
 * remedy, as in "connect /run/x.sock: no such file or directory: the server is not running, or uses another path".
 *
 * A call that was answered with another status than SUCCESS has a text, too, although the function returns 0: the status
 * by its name, or its number where it has none, and the call, as in "reply /run/x.sock: the server answered UNKNOWN_METHOD
 * to mgmt.get_attach_info: it does not serve this method".
 *
 * The text is the library's, and stays until the thread's next call of a function that fails, or is answered so. errno is
 * not changed.
 */
const char *drpc_last_error(void);

/**
 * Returns the name and the meaning of a DER_... number, as in "DER_NOREPLY: no reply from the peer". The number may be
 * negative, as functions return it.
 *
 * The text is constant.
 */
const char *drpc_strerror(int rc);

/**
 * Returns the name of a status, as in "UNKNOWN_MODULE", or "unknown status", whose number drpc_last_error() has.
 *
 * The text is constant.
 */
const char *drpc_status_name(int status);

/**
 * Finds the number of a status by its name.
 *
 * Returns the number; -DER_INVAL if `name` is NULL; -DER_NONEXIST if no status has that name.
 */
int drpc_status_value(const char *name);

/**
 * Returns a description of calls, responses and statuses for tools that work by reflection: an encoded
 * google.protobuf.FileDescriptorSet. Its size in bytes goes to `*len`.
 *
 * The bytes are constant. NULL is returned if `len` is NULL.
 */
const uint8_t *drpc_file_descriptor_set(size_t *len);

/**
 * Passes log lines to a function of the program, with `arg` as its last argument; NULL ends that. The function gets lines up
 * to the level of drpc_set_log_level. When this returns, another thread may still be running the previous function.
 *
 * Without such a function lines go to standard error if the environment variable DRPC_LOG names a level: "error", "warn",
 * "info", "debug" or "trace", in small or capital letters. A terminal or a file gets the time with each line, and systemd's
 * journal the priority. A line that standard error does not take is counted, and the next one that it takes tells the number.
 *
 * A line is a sentence, and then what it is about as key=value. What a peer has chosen, such as the name of its program, is
 * escaped. Of lines that peers can provoke, ten of a second are written, and then how many were left out; those of
 * DRPC_LOG_DEBUG and DRPC_LOG_TRACE are all written.
 */
void drpc_set_log(drpc_log_fn log,
                  void *arg);

/**
 * Sets the last level of enum drpc_log_level whose lines are written, for the function of drpc_set_log and for standard
 * error. 0, the default, is the level that DRPC_LOG names, and without one DRPC_LOG_INFO for a function and no line for standard
 * error.
 *
 * Returns 0, or -DER_INVAL if the level is none of these.
 */
int drpc_set_log_level(int level);

/**
 * Sets the mode of the socket files that drpc_listen makes from now on, in the whole process, whatever the umask.
 * (mode_t)-1 restores the mode of the release. Where the umask would change the mode, drpc_listen must be sure that
 * the file is the new one. Either the kernel tells, or other users cannot change the directory. Otherwise drpc_listen
 * fails with the errno EPERM.
 *
 * Returns 0, or -DER_INVAL if the mode has bits beyond 0777.
 */
int drpc_set_socket_mode(mode_t mode);

/**
 * Limits the time in milliseconds that drpc_connect waits for a busy server, whose queue of new clients is full. The
 * limit holds from now on, in the whole process; 0, the default, is no limit. After that time drpc_connect fails with
 * -DER_TIMEDOUT, in libdrpc-0.8 with NULL and the errno ETIMEDOUT. The time of calls is limited by drpc_set_timeout.
 *
 * Returns 0, or -DER_INVAL if `ms` is negative.
 */
int drpc_set_connect_timeout(int ms);

/**
 * Limits the size in bytes of messages sent or accepted from now on, in the whole process; 0 restores the default, 128
 * MiB. A larger call is not sent: -DER_OVERFLOW. In place of a larger response the client gets
 * DRPC__STATUS__FAILED_MARSHAL. A larger message that arrives is not stored: -DER_OVERFLOW. One datagram, the wire
 * format of DAOS 0.8 to 2.6, cannot be received beyond 256 KiB whatever the limit: -DER_TRUNC. See
 * drpc_set_max_datagram, too.
 *
 * Returns 0.
 */
int drpc_set_max_message(size_t bytes);

/**
 * Limits the size in bytes of messages sent as one datagram from now on, in the whole process. A peer silently cuts a
 * longer one than it can receive: DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB. 0 restores the default,
 * as this library's line receives: 16 KiB in libdrpc-0.8, 128 KiB in libdrpc-2.8. A larger call is not sent:
 * -DER_OVERFLOW. In place of a larger response the client gets DRPC__STATUS__FAILED_MARSHAL.
 *
 * Returns 0.
 */
int drpc_set_max_datagram(size_t bytes);

/**
 * Sets the longest time in microseconds that each thread of the process polls before it sleeps, when it waits for a
 * message or a client. Polling occupies a CPU and saves the time of waking up, which is most of the time of a small call
 * between two CPUs. After polling in vain a thread sleeps at once for a while: 0.2 ms, doubling to 26 ms, or to 0.2 s where
 * both ends share a CPU.
 *
 * 0 is no polling. With DRPC_SPIN_AUTO a thread polls only while messages follow one another within 100 microseconds: a
 * client for 25 microseconds, a server for 20. With a number a thread polls before each sleep: use that in processes with
 * CPUs of their own. The limit is a second. UINT_MAX, the default, is the value of the environment variable DRPC_SPIN_US,
 * a number or "auto". Without one it is DRPC_SPIN_AUTO for a drpc_server and a shared drpc_client, and 0 for all else.
 * DRPC_SERVER_SPIN and DRPC_CLIENT_SPIN take precedence.
 *
 * At most as many threads poll at a time as the process has pairs of CPUs, which the affinity mask of its first thread and
 * the quotas of its control groups say. With less than one pair none does with DRPC_SPIN_AUTO, and one does with a number,
 * but for a machine with one CPU. A timeout of a blocking socket (drpc_set_timeout) begins after the polling. A signal
 * during the polling does not end drpc_progress.
 *
 * Returns 0.
 */
int drpc_set_spin(unsigned int microseconds);

/**
 * Returns why a call has failed, in the words of a server of this library that says so: at most 200 bytes of printable
 * UTF-8, as in "closed: a call of 2000000 bytes is too large: DRPC_SERVER_MAX_MESSAGE is 1048576". drpc_last_error() has the
 * text, too, until the thread's next failure. The server's handlers give texts with drpc_session_fail and drpc_request_fail.
 *
 * The words are the peer's: show them, but do not act on them. Other characters than printable ones, which a peer may have
 * sent, are replaced by "?".
 *
 * Returns NULL if the response has no text, which is so with every server of DAOS, or if its status is
 * DRPC__STATUS__SUCCESS, or if `resp` is NULL. The text is the library's, and stays until the thread's next call of this
 * function.
 */
const char *drpc_response_detail(const Drpc__Response *resp);

/**
 * Returns the version of the library as pkg-config has it, three numbers with dots between. The text is constant.
 * DRPC_VERSION_MAJOR, DRPC_VERSION_MINOR and DRPC_VERSION_PATCH are those of the headers.
 */
const char *drpc_version(void);

/**
 * Returns the name of a module in DAOS 1.2 to 2.8, as in "mgmt" for DRPC_MODULE_MGMT: what DAOS's constant says behind its
 * prefix, in small letters. NULL if DAOS has no such module.
 *
 * The text is constant.
 */
const char *drpc_module_name(int32_t module);

/**
 * Returns the name of a method in DAOS 1.2 to 2.8, as in "get_attach_info" for DRPC_METHOD_MGMT_GET_ATTACH_INFO. A method that DAOS has renamed has
 * its last name. NULL if
 * the module has no such method. drpc_last_error() joins the two with a dot: "mgmt.get_attach_info".
 *
 * The text is constant.
 */
const char *drpc_method_name(int32_t module,
                             int32_t method);

/**
 * Limits the time in milliseconds that sending or receiving on a context may wait; 0 is no limit. After that time
 * functions return -DER_TIMEDOUT. A late reply is dropped by the next call. The next drpc_recv_call continues a call
 * received in part.
 *
 * The limit holds for the first record of a message. After that record it counts once more for all the rest: the other
 * records of a large message, and the reply behind others that are dropped. No wait begins after that, so that a peer
 * cannot stretch the waits beyond three times the limit. While signals arrive a wait may take twice as long. Choose
 * the limit for the largest message: a response sent in part costs the connection.
 *
 * On a listener the limit holds for responses of sessions accepted from then on. drpc_progress, or the function that
 * it passed to the spawner, waits no longer for a client to take its response.
 *
 * Returns 0; -DER_INVAL if `ctx` or its socket is NULL or `ms` is negative; else the number of the socket's error.
 */
int drpc_set_timeout(struct drpc *ctx,
                     int ms);

/**
 * Chooses the framing of a context: one of enum drpc_framing. Set a client's framing before its first call. The
 * default of a client is the environment variable DRPC_FRAMING ("datagram", "chunked" or "auto"), or else
 * DRPC_FRAMING_AUTO. A listener passes its framing to the sessions accepted from then on. By default each session
 * detects the framing from its client's first call, and answers alike.
 *
 * A client detects the framing with its first call. A call of up to 131 KB is sent as DAOS 2.8 expects it, in a way
 * that no older server takes for a call. Before a larger call goes a probe, which is no call to any server. A server
 * of DAOS 0.8 to 2.6 rejects both, so that nothing is executed.
 *
 * After a rejection the client reconnects. The socket keeps its descriptor, file descriptor flags, status flags and
 * timeouts, but leaves an epoll set. The detected framing holds for the process's next connections to that server,
 * until one of them fails. A server that cannot be reconnected to, as at the other end of a socketpair, is not asked:
 * it gets the framing of this library's line.
 *
 * Returns 0; -DER_INVAL if `ctx` or its socket is NULL or `framing` is not in the enum; -DER_BUSY while the server has
 * not answered the first call.
 */
int drpc_set_framing(struct drpc *ctx,
                     int framing);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* LIBDRPC_DRPC_LIBRARY_H */
