/*
 * Errors and statuses in words, log lines, and limits: what this library has beyond DAOS's.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef LIBDRPC_DRPC_LIBRARY_H
#define LIBDRPC_DRPC_LIBRARY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct drpc;

/** How messages are sent and read: DAOS changed that with 2.8. */
enum drpc_framing {
        /** As the peer does it, which is found out. */
        DRPC_FRAMING_AUTO = 0,
        /** One datagram for each message: DAOS 0.8 to 2.6. */
        DRPC_FRAMING_DATAGRAM = 1,
        /** One or more records with a header: DAOS 2.8. */
        DRPC_FRAMING_CHUNKED = 2,
};

/** How much a log line matters. */
enum drpc_log_level {
        /** Something failed. */
        DRPC_LOG_ERROR = 1,
        /** Something is not as it should be. */
        DRPC_LOG_WARN = 2,
        /** Sessions of the progress loop that come and go. */
        DRPC_LOG_INFO = 3,
        /** Everything else. */
        DRPC_LOG_DEBUG = 4,
};

/**
 * Takes a log line, which has no line break at its end and is valid during the call only. It is called in any thread
 * that uses the library, from inside its functions.
 */
typedef void (*drpc_log_fn)(int level, const char *line, void *arg);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * What went wrong in this thread last: what was being done, on which socket, why, and what can be done about it, as
 * in "connect /run/x.sock: connection refused: the socket exists but nobody listens". "" if nothing has.
 *
 * The text is the library's. It stays as it is until the thread's next call of a function that fails. errno stays
 * as it is.
 */
const char *drpc_last_error(void);

/**
 * The name of a DER_... number and what it means, as in "DER_NOREPLY: no reply from the peer". The number may be
 * negative, as functions return it.
 *
 * The text is constant.
 */
const char *drpc_strerror(int rc);

/**
 * The name of a status, as in "UNKNOWN_MODULE", or "unknown status".
 *
 * The text is constant.
 */
const char *drpc_status_name(int status);

/**
 * The number of the status with this name.
 *
 * Returns it; -DER_INVAL if `name` is NULL; -DER_NONEXIST if no status has that name.
 */
int drpc_status_value(const char *name);

/**
 * Describes calls, responses and statuses in terms of Protocol Buffers, for tools that work by reflection: an encoded
 * google.protobuf.FileDescriptorSet. Its size in bytes goes to `*len`.
 *
 * The bytes are constant. NULL if `len` is NULL.
 */
const uint8_t *drpc_file_descriptor_set(size_t *len);

/**
 * Sends log lines to a function of the program, with `arg` as its last argument. NULL ends that. Lines about peers
 * are limited to some a second.
 *
 * Without this function lines go to standard error if the environment variable DRPC_LOG is "error", "warn", "info"
 * or "debug", and nowhere otherwise. A call to the function before may still be running in another thread when this
 * returns.
 */
void drpc_set_log(drpc_log_fn log,
                  void *arg);

/**
 * Sets the mode of the socket files that drpc_listen makes from now on, in the whole process, whatever the umask.
 * (mode_t)-1 goes back to what the release does. drpc_listen fails with the errno EPERM if the umask changes the mode, other
 * users can change the directory, and the kernel does not tell that the file there is the new one.
 *
 * Returns 0, or -DER_INVAL if the mode has bits beyond 0777.
 */
int drpc_set_socket_mode(mode_t mode);

/**
 * Limits how long drpc_connect may wait for a server that is busy, with more clients to accept than it has room for, from
 * now on, in the whole process, in milliseconds; 0 takes the limit away: the default. What takes longer gives
 * -DER_TIMEDOUT, in libdrpc-0.8 NULL and the errno ETIMEDOUT. Calls wait as long as drpc_set_timeout says.
 *
 * Returns 0, or -DER_INVAL if `ms` is negative.
 */
int drpc_set_connect_timeout(int ms);

/**
 * Sets the size in bytes of the largest message that is sent or accepted from now on, in the whole process. 0 goes
 * back to the default, 128 MiB. A larger call to be sent gives -DER_OVERFLOW before anything is sent (in place of a
 * larger response its client is sent DRPC__STATUS__FAILED_MARSHAL), a larger one that arrives gives it before it is stored. As one datagram, the wire format of DAOS 0.8 to 2.6, more than 256 KiB cannot be
 * received whatever the limit: -DER_TRUNC. See drpc_set_max_datagram, too.
 *
 * Returns 0.
 */
int drpc_set_max_message(size_t bytes);

/**
 * Sets the size in bytes of the largest message that is sent as one datagram from now on, in the whole process: what the
 * peers can receive, for longer ones they cut without a word. DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB.
 * 0 goes back to the default, what the releases of this library's line receive: libdrpc-0.8 16 KiB, libdrpc-2.8 128 KiB.
 * A larger call to be sent gives -DER_OVERFLOW before anything is sent; in place of a larger response its client is sent
 * DRPC__STATUS__FAILED_MARSHAL.
 *
 * Returns 0.
 */
int drpc_set_max_datagram(size_t bytes);

/**
 * Has every thread of the process look again and again, for so many microseconds, before it goes to sleep when it waits
 * for a message or for a client. It takes a CPU for that time, and saves the time that waking up takes, which is most of
 * that of a small call: for processes that have CPUs of their own. 0 is not to, UINT_MAX what the environment variable
 * DRPC_SPIN_US says: the default. At most a second; on a machine with one CPU it has no effect. A
 * timeout of a blocking socket (drpc_set_timeout) begins after it, and a signal that comes meanwhile does not end
 * drpc_progress.
 *
 * Returns 0.
 */
int drpc_set_spin(unsigned int microseconds);

/** Version of the library, as pkg-config has it: "0.1.0". The text is constant. */
const char *drpc_version(void);

/**
 * Limits how long sending or receiving on a context may wait, in milliseconds; 0 takes the limit away. What takes longer
 * gives -DER_TIMEDOUT. A reply that comes later is dropped by the next call, and the next drpc_recv_call goes on with a call
 * that has come in part.
 *
 * It holds for the first record. When that is there or out, it counts anew, once, for everything else: the other
 * records of a large message, and the reply that is behind others that are dropped. No wait begins after that, so that a
 * peer cannot stretch them to more than three times this. While signals arrive a wait may take twice as long. Choose it for
 * the largest message: a response that is out in part costs the connection.
 *
 * On a listener it is how long drpc_progress, or the function that it gave to the spawner, may wait for a client to take its
 * response, for the sessions accepted from then on.
 *
 * Returns 0; -DER_INVAL if `ctx` or its socket is NULL or `ms` is negative; else what the error of the socket
 * translates to.
 */
int drpc_set_timeout(struct drpc *ctx,
                     int ms);

/**
 * Chooses how messages are sent and read on a context: one of enum drpc_framing. A client is told before its first call;
 * unless it is, it does what the environment variable DRPC_FRAMING says ("datagram", "chunked" or "auto"), or else
 * DRPC_FRAMING_AUTO. A listener hands it on to the sessions that are accepted from then on; unless told otherwise each
 * finds out from its client's first call, and answers alike.
 *
 * A client finds out with its first call. One of up to 131 KB is sent as DAOS 2.8 expects it, and in a way that no older
 * server takes for a call; before a larger one goes a message that is no call to any server. A server of DAOS 0.8 to 2.6
 * rejects both, so that nothing is executed. After a rejection the client connects anew: the socket has the same
 * descriptor, file descriptor flags, status flags and timeouts, but leaves an epoll set. What has been learnt holds for the
 * next connections of the process to that server, until one of them fails. A server that cannot be connected to again, as
 * at the other end of a socketpair, is not asked: it is sent what the releases of this library's line expect.
 *
 * Returns 0; -DER_INVAL if `ctx` or its socket is NULL or `framing` is none of the enum; -DER_BUSY while the server has not answered
 * the first call.
 */
int drpc_set_framing(struct drpc *ctx,
                     int framing);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* LIBDRPC_DRPC_LIBRARY_H */
