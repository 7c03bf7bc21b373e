/*
 * Stands between the library and the kernel in a program linked with
 * -Wl,--wrap: counts the library's system calls, keeps their arguments, makes
 * one fail or lets a test play the kernel.
 */
#ifndef C_TESTS_SYSCALLS_H
#define C_TESTS_SYSCALLS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

enum call {
	CALL_SOCKET,
	CALL_FCNTL,
	CALL_FCHMOD,
	CALL_BIND,
	CALL_LISTEN,
	CALL_CONNECT,
	CALL_ACCEPT,
	CALL_ACCEPT4,
	CALL_SENDMSG,
	CALL_RECVMSG,
	CALL_POLL,
	CALL_CLOSE,
	CALL_DUP3,
	CALL_GETSOCKOPT,
	CALL_SETSOCKOPT,
	CALL_GETPEERNAME,
	CALL_GETSOCKNAME,
	CALL_RECV,
	CALL_SHUTDOWN,
	CALL_STAT,
	CALL_UNLINKAT,
	CALL_OPENAT,
	CALL_PTHREAD_CREATE,
	CALL_GETCWD,
	CALL_CLOCK_GETTIME,
	CALL_SCHED_GETAFFINITY,
	CALL_MADVISE,
	CALLS
};

struct syscalls {
	/* Only calls made while this is set are seen at all: see LIBRARY. */
	bool armed;
	int  count[CALLS];
	/* The calls from the fail_at'th on, fail_times of them, give fail_errno; 0 for none. */
	int  fail_at[CALLS];
	int  fail_times[CALLS];
	int  fail_errno[CALLS];
	/* Played instead of the kernel where set. */
	ssize_t (*sendmsg)(int, const struct msghdr *, int);
	ssize_t (*recvmsg)(int, struct msghdr *, int);
	int (*poll)(struct pollfd *, nfds_t, int);
	/* The time in nanoseconds instead of the clock's, and how far each look at it takes the clock. 0 for the clock. */
	int64_t clock, clock_step;
	/* The number of processors that the process may use; 0 for what the kernel tells. */
	int cpus;
	/* Called as soon as a socket has been bound to a path, as another process may be there first. */
	void (*bound)(const char *path);
	/* The same, once it is known whether a connection can be made. */
	void (*connected)(void);
	/* The user at the other end of a connection, instead of the one that the kernel tells; 0 for none. */
	uid_t peer_uid;
	/* Every call that makes or names a descriptor succeeds with this one; 0 for none. */
	int  pretend_fd;

	/* Calls of recvfrom that do not go by the C library. */
	int received;

	/* Arguments of the latest call of each kind. */
	int                domain, type, protocol;
	int                fcntl_fd, fcntl_cmd, fcntl_arg;
	int                fchmod_fd;
	mode_t             fchmod_mode;
	struct sockaddr_un address;
	socklen_t          address_len;
	int                bound_fd, connected_fd, listening_fd, backlog;
	struct stat        bound_file; /* as bind has made it */
	int                accept_fd;
	bool               accept_named;
	int                accept_flags;
	int                sent_fd, sent_flags;
	size_t             sent_parts, sent_first, sent_all;
	bool               sent_named;
	unsigned char      sent[256];
	int                received_fd, received_flags;
	size_t             received_first;
	bool               received_named;
	struct pollfd      polled[8];
	nfds_t             polled_count;
	int                polled_timeout;
	int                closed_fd;
};

extern struct syscalls calls;

/* Forgets all of it. */
void syscalls_reset(void);
/* The nth of these calls fails, and only that. */
void syscalls_fail(enum call call, int nth, int error);

#define SECOND INT64_C(1000000000)

/*
 * Forgets all of it. From then on the process has so many processors and no quota on them, and each look at the clock takes
 * it on by 5 microseconds.
 */
void syscalls_pretend_cpus(int cpus, int64_t clock);

/* True where control groups are mounted. Where they are not, as in some chroots, the library takes it that there is one processor. */
bool syscalls_can_pretend_cpus(void);

/* Evaluates an expression with the calls that it makes watched. */
#define LIBRARY(expression)                                                                        \
	__extension__({                                                                            \
		calls.armed                     = true;                                            \
		__typeof__(expression) result__ = (expression);                                    \
		calls.armed                     = false;                                           \
		result__;                                                                          \
	})

#endif
