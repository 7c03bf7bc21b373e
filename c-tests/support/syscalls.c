/* struct ucred */
#define _GNU_SOURCE

#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

struct syscalls calls;

int     __real_socket(int domain, int type, int protocol);
int     __real_fcntl(int fd, int cmd, long arg);
int     __real_fchmod(int fd, mode_t mode);
int     __real_bind(int fd, const struct sockaddr *addr, socklen_t len);
int     __real_listen(int fd, int backlog);
int     __real_connect(int fd, const struct sockaddr *addr, socklen_t len);
int     __real_accept(int fd, struct sockaddr *addr, socklen_t *len);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
int     __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int     __real_close(int fd);
int     __real_dup3(int from, int to, int flags);
int     __real_getsockopt(int fd, int level, int option, void *value, socklen_t *len);
int     __real_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
int     __real_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int     __real_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
ssize_t __real_recv(int fd, void *buffer, size_t len, int flags);
int     __real_shutdown(int fd, int how);
int     __real_stat(const char *path, struct stat *into);
int     __real_unlinkat(int dir, const char *path, int flags);
int     __real_openat(int dir, const char *path, int flags, mode_t mode);
int     __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
char   *__real_getcwd(char *into, size_t size);
int     __real_clock_gettime(clockid_t clock, struct timespec *into);
long    __real_syscall(long number, ...);
int     __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *into);
int     __real_madvise(void *from, size_t len, int advice);

int     __wrap_socket(int domain, int type, int protocol);
int     __wrap_fcntl(int fd, int cmd, ...);
int     __wrap_fchmod(int fd, mode_t mode);
int     __wrap_bind(int fd, const struct sockaddr *addr, socklen_t len);
int     __wrap_listen(int fd, int backlog);
int     __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len);
int     __wrap_accept(int fd, struct sockaddr *addr, socklen_t *len);
int     __wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int     __real_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
int     __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int     __wrap_close(int fd);
int     __wrap_dup3(int from, int to, int flags);
int     __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len);
int     __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
int     __wrap_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int     __wrap_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
ssize_t __wrap_recv(int fd, void *buffer, size_t len, int flags);
int     __wrap_shutdown(int fd, int how);
int     __wrap_stat(const char *path, struct stat *into);
int     __wrap_unlinkat(int dir, const char *path, int flags);
int     __wrap_openat(int dir, const char *path, int flags, ...);
int     __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
char   *__wrap_getcwd(char *into, size_t size);
int     __wrap_clock_gettime(clockid_t clock, struct timespec *into);
long    __wrap_syscall(long number, ...);
int     __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *into);
int     __wrap_madvise(void *from, size_t len, int advice);

void
syscalls_reset(void)
{
	memset(&calls, 0, sizeof(calls));
}

void
syscalls_fail(enum call call, int nth, int error)
{
	calls.fail_at[call]    = nth;
	calls.fail_times[call] = 1;
	calls.fail_errno[call] = error;
}

void
syscalls_pretend_cpus(int cpus, int64_t clock)
{
	syscalls_reset();
	calls.cpus	 = cpus;
	calls.clock	 = clock;
	calls.clock_step = 5000;
	/* The first file is the list of control groups, and the others are their quotas. */
	syscalls_fail(CALL_OPENAT, 2, ENOENT);
	calls.fail_times[CALL_OPENAT] = 1000;
}

static bool
is_mounted(const char *path, long magic)
{
	struct statfs system;

	return statfs(path, &system) == 0 && (long)system.f_type == magic;
}

bool
syscalls_can_pretend_cpus(void)
{
	return is_mounted("/sys/fs/cgroup/cpu", CGROUP_SUPER_MAGIC) ||
	       is_mounted("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC) ||
	       is_mounted("/sys/fs/cgroup/unified", CGROUP2_SUPER_MAGIC);
}

/* Counts a call; true when it has to fail, with errno set. */
static bool
fails(enum call call)
{
	int nth = ++calls.count[call];

	if (calls.fail_at[call] == 0 || nth < calls.fail_at[call] ||
	    nth - calls.fail_at[call] >= calls.fail_times[call])
		return false;
	errno = calls.fail_errno[call];
	return true;
}

int
__wrap_socket(int domain, int type, int protocol)
{
	if (!calls.armed)
		return __real_socket(domain, type, protocol);
	/* The kernel is asked by way of another kind, which is no connection. */
	if (domain != AF_NETLINK) {
		calls.domain   = domain;
		calls.type     = type;
		calls.protocol = protocol;
	}
	if (fails(CALL_SOCKET))
		return -1;
	return calls.pretend_fd != 0 ? calls.pretend_fd : __real_socket(domain, type, protocol);
}

int
__wrap_fcntl(int fd, int cmd, ...)
{
	va_list args;
	long    arg;

	/* As the C library does: a command without argument does not look at what it gets. */
	va_start(args, cmd);
	arg = va_arg(args, long);
	va_end(args);
	if (!calls.armed)
		return __real_fcntl(fd, cmd, arg);
	calls.fcntl_fd  = fd;
	calls.fcntl_cmd = cmd;
	calls.fcntl_arg = (int)arg;
	if (fails(CALL_FCNTL))
		return -1;
	return calls.pretend_fd != 0 ? 0 : __real_fcntl(fd, cmd, arg);
}

int
__wrap_fchmod(int fd, mode_t mode)
{
	if (!calls.armed)
		return __real_fchmod(fd, mode);
	calls.fchmod_fd   = fd;
	calls.fchmod_mode = mode;
	if (fails(CALL_FCHMOD))
		return -1;
	return calls.pretend_fd != 0 ? 0 : __real_fchmod(fd, mode);
}

static void
keep_address(const struct sockaddr *addr, socklen_t len)
{
	calls.address_len = len;
	memcpy(&calls.address, addr, len < sizeof(calls.address) ? len : sizeof(calls.address));
}

int
__wrap_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (!calls.armed)
		return __real_bind(fd, addr, len);
	calls.bound_fd = fd;
	keep_address(addr, len);
	if (fails(CALL_BIND))
		return -1;
	if (calls.pretend_fd != 0)
		return 0;
	if (__real_bind(fd, addr, len) != 0)
		return -1;
	if (lstat(calls.address.sun_path, &calls.bound_file) != 0)
		return -1;
	if (calls.bound != NULL)
		calls.bound(calls.address.sun_path);
	return 0;
}

int
__wrap_listen(int fd, int backlog)
{
	if (!calls.armed)
		return __real_listen(fd, backlog);
	calls.listening_fd = fd;
	calls.backlog      = backlog;
	if (fails(CALL_LISTEN))
		return -1;
	return calls.pretend_fd != 0 ? 0 : __real_listen(fd, backlog);
}

int
__wrap_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	int rc, error;

	if (!calls.armed)
		return __real_connect(fd, addr, len);
	calls.connected_fd = fd;
	keep_address(addr, len);
	if (fails(CALL_CONNECT))
		return -1;
	if (calls.pretend_fd != 0)
		return 0;
	rc    = __real_connect(fd, addr, len);
	error = errno;
	if (calls.connected != NULL)
		calls.connected();
	errno = error;
	return rc;
}

int
__wrap_accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	if (!calls.armed)
		return __real_accept(fd, addr, len);
	calls.accept_fd    = fd;
	calls.accept_named = addr != NULL || len != NULL;
	if (fails(CALL_ACCEPT))
		return -1;
	return calls.pretend_fd != 0 ? calls.pretend_fd : __real_accept(fd, addr, len);
}

int
__wrap_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	if (!calls.armed)
		return __real_accept4(fd, addr, len, flags);
	calls.accept_fd    = fd;
	calls.accept_named = addr != NULL || len != NULL;
	calls.accept_flags = flags;
	if (fails(CALL_ACCEPT4))
		return -1;
	return calls.pretend_fd != 0 ? calls.pretend_fd : __real_accept4(fd, addr, len, flags);
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	size_t i;

	if (!calls.armed)
		return __real_sendmsg(fd, msg, flags);
	calls.sent_fd    = fd;
	calls.sent_flags = flags;
	calls.sent_parts = msg->msg_iovlen;
	calls.sent_first = msg->msg_iov[0].iov_len;
	calls.sent_named = msg->msg_name != NULL || msg->msg_namelen != 0 || msg->msg_control != NULL ||
			   msg->msg_controllen != 0;
	calls.sent_all   = 0;
	for (i = 0; i < msg->msg_iovlen; i++)
		calls.sent_all += msg->msg_iov[i].iov_len;
	memcpy(calls.sent, msg->msg_iov[0].iov_base,
	       calls.sent_first < sizeof(calls.sent) ? calls.sent_first : sizeof(calls.sent));
	if (fails(CALL_SENDMSG))
		return -1;
	return calls.sendmsg != NULL ? calls.sendmsg(fd, msg, flags) : __real_sendmsg(fd, msg, flags);
}

ssize_t
__wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	if (!calls.armed)
		return __real_recvmsg(fd, msg, flags);
	calls.received_fd    = fd;
	calls.received_flags = flags;
	calls.received_first = msg->msg_iov[0].iov_len;
	calls.received_named = msg->msg_name != NULL || msg->msg_control != NULL;
	if (fails(CALL_RECVMSG))
		return -1;
	return calls.recvmsg != NULL ? calls.recvmsg(fd, msg, flags) : __real_recvmsg(fd, msg, flags);
}

int
__wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	nfds_t i;

	if (!calls.armed)
		return __real_poll(fds, n, timeout);
	calls.polled_count   = n;
	calls.polled_timeout = timeout;
	for (i = 0; i < n && i < sizeof(calls.polled) / sizeof(*calls.polled); i++)
		calls.polled[i] = fds[i];
	if (fails(CALL_POLL))
		return -1;
	return calls.poll != NULL ? calls.poll(fds, n, timeout) : __real_poll(fds, n, timeout);
}

int
__wrap_close(int fd)
{
	if (!calls.armed)
		return __real_close(fd);
	calls.closed_fd = fd;
	if (calls.pretend_fd == 0)
		__real_close(fd);
	/* The descriptor is gone also when close fails. */
	return fails(CALL_CLOSE) ? -1 : 0;
}

int
__wrap_dup3(int from, int to, int flags)
{
	if (!calls.armed)
		return __real_dup3(from, to, flags);
	return fails(CALL_DUP3) ? -1 : __real_dup3(from, to, flags);
}

int
__wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
	int rc;

	if (!calls.armed)
		return __real_getsockopt(fd, level, option, value, len);
	if (fails(CALL_GETSOCKOPT))
		return -1;
	rc = __real_getsockopt(fd, level, option, value, len);
	if (rc == 0 && level == SOL_SOCKET && option == SO_PEERCRED && calls.peer_uid != 0)
		((struct ucred *)value)->uid = calls.peer_uid;
	return rc;
}

int
__wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	return calls.armed && fails(CALL_SETSOCKOPT) ? -1 : __real_setsockopt(fd, level, option, value, len);
}

int
__wrap_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return calls.armed && fails(CALL_GETPEERNAME) ? -1 : __real_getpeername(fd, addr, len);
}

int
__wrap_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return calls.armed && fails(CALL_GETSOCKNAME) ? -1 : __real_getsockname(fd, addr, len);
}

ssize_t
__wrap_recv(int fd, void *buffer, size_t len, int flags)
{
	return calls.armed && fails(CALL_RECV) ? -1 : __real_recv(fd, buffer, len, flags);
}

int
__wrap_shutdown(int fd, int how)
{
	return calls.armed && fails(CALL_SHUTDOWN) ? -1 : __real_shutdown(fd, how);
}

int
__wrap_stat(const char *path, struct stat *into)
{
	return calls.armed && fails(CALL_STAT) ? -1 : __real_stat(path, into);
}

int
__wrap_unlinkat(int dir, const char *path, int flags)
{
	return calls.armed && fails(CALL_UNLINKAT) ? -1 : __real_unlinkat(dir, path, flags);
}

int
__wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t  mode;

	/* The library gives one in any case. */
	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	return calls.armed && fails(CALL_OPENAT) ? -1 : __real_openat(dir, path, flags, mode);
}

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	/* It leaves errno alone. */
	int error = errno;
	int failed = calls.armed && fails(CALL_PTHREAD_CREATE) ? calls.fail_errno[CALL_PTHREAD_CREATE] : 0;

	errno = error;
	return failed != 0 ? failed : __real_pthread_create(thread, attr, start, arg);
}

char *
__wrap_getcwd(char *into, size_t size)
{
	return calls.armed && fails(CALL_GETCWD) ? NULL : __real_getcwd(into, size);
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *into)
{
	if (!calls.armed || calls.clock == 0)
		return __real_clock_gettime(clock, into);
	calls.count[CALL_CLOCK_GETTIME]++;
	calls.clock += calls.clock_step;
	into->tv_sec  = calls.clock / 1000000000;
	into->tv_nsec = calls.clock % 1000000000;
	return 0;
}

int
__wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *into)
{
	int i;

	if (!calls.armed)
		return __real_sched_getaffinity(pid, size, into);
	if (fails(CALL_SCHED_GETAFFINITY))
		return -1;
	if (calls.cpus == 0)
		return __real_sched_getaffinity(pid, size, into);
	CPU_ZERO(into);
	for (i = 0; i < calls.cpus; i++)
		CPU_SET(i, into);
	return 0;
}

long
__wrap_syscall(long number, ...)
{
	va_list args;
	long    arg[6];
	int     i;

	/* As the C library does: a call with fewer arguments does not look at the rest. */
	va_start(args, number);
	for (i = 0; i < 6; i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	calls.received += calls.armed && number == SYS_recvfrom;
	return __real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

int
__wrap_madvise(void *from, size_t len, int advice)
{
	return calls.armed && fails(CALL_MADVISE) ? -1 : __real_madvise(from, len, advice);
}
