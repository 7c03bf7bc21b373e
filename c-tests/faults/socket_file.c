/*
 * The mode and the owner of a socket file are those of no other file, whatever others do with the path meanwhile; and what is
 * needed for that may be denied. Others are played by this process, in a directory that everybody can change.
 */
#include "abi.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/context.h"
#include "support/descriptors.h"
#include "support/managed.h"
#include "support/peer.h"
#include "support/syscalls.h"

/* Only root can give a file to another. */
#define OWNER (geteuid() == 0 ? 12345 : geteuid())
#define GROUP (geteuid() == 0 ? 54321 : getegid())

/* What listens at the path, and how its socket file is to be. drpc_listen has no other error than errno. */
struct way {
	const char *name;
	int (*listen)(const char *path);
	mode_t mode;
	bool   has_errno;
};

/* The two numbers of a failure. */
struct failure {
	int error;
	int der;
};

static const struct failure none	= {0, 0};
static const struct failure no_socket	= {ENOTSOCK, DER_EXIST};
static const struct failure not_proved	= {EPERM, DER_NO_PERM};
static const struct failure no_way	= {EOPNOTSUPP, ABI_CHUNKED ? DER_NOTSUPPORTED : DER_MISC};

static int
result_of(const struct way *way, struct failure failure)
{
	return -(way->has_errno ? failure.error : failure.der);
}

/* The file of drpc_listen stays when it is closed. */
static int
listen_plainly(const char *path)
{
	struct drpc *listener;

	assert_int_equal(drpc_set_socket_mode(0666), 0);
	errno	 = 0;
	listener = LIBRARY(abi_listen(path, context_no_handler));
	assert_int_equal(drpc_set_socket_mode((mode_t)-1), 0);
	if (listener == NULL)
		return -errno;
	assert_int_equal(drpc_close(listener), 0);
	return 0;
}

static struct drpc_server *listening;

static void
stop_listening(void)
{
	if (listening != NULL)
		drpc_server_destroy(listening);
	listening = NULL;
}

static int
listen_managed(const char *path)
{
	int rc;

	assert_int_equal(drpc_server_create(path, &listening), 0);
	assert_int_equal(drpc_server_set(listening, DRPC_SERVER_MODE, 0666), 0);
	rc = LIBRARY(drpc_server_listen(listening));
	if (rc != 0)
		stop_listening();
	return rc;
}

static int
listen_for_another(const char *path)
{
	int rc;

	assert_int_equal(drpc_server_create(path, &listening), 0);
	assert_int_equal(drpc_server_set(listening, DRPC_SERVER_MODE, 0660), 0);
	assert_int_equal(drpc_server_set(listening, DRPC_SERVER_OWNER, OWNER), 0);
	assert_int_equal(drpc_server_set(listening, DRPC_SERVER_GROUP, GROUP), 0);
	rc = LIBRARY(drpc_server_listen(listening));
	if (rc != 0)
		stop_listening();
	return rc;
}

static const struct way ways[] = {
    {"drpc_listen", listen_plainly, 0666, true},
    {"drpc_server_listen", listen_managed, 0666, false},
    {"drpc_server_listen for another", listen_for_another, 0660, false},
};

#define WAYS (sizeof(ways) / sizeof(*ways))

static struct stat
file_at(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st;
}

/* --- swapped -------------------------------------------------------------------------------- */

/* A directory that everybody can change, with a file and a socket beside, and what they are. */
static struct {
	struct dir dir;
	char	   file[96], socket[96], home[96], moved[96], inner[128], inner_moved[128];
	struct stat before;
	int	   peer;
} beside;

static void
beside_make(void)
{
	int fd;

	dir_make(&beside.dir);
	assert_int_equal(chmod(beside.dir.path, 0777), 0);
	snprintf(beside.file, sizeof(beside.file), "%s/file", beside.dir.path);
	snprintf(beside.socket, sizeof(beside.socket), "%s/socket", beside.dir.path);
	snprintf(beside.home, sizeof(beside.home), "%s/home", beside.dir.path);
	snprintf(beside.moved, sizeof(beside.moved), "%s/moved", beside.dir.path);
	snprintf(beside.inner, sizeof(beside.inner), "%s/drpc.sock", beside.home);
	snprintf(beside.inner_moved, sizeof(beside.inner_moved), "%s/drpc.sock", beside.moved);
	fd = open(beside.file, O_CREAT | O_EXCL | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	beside.peer = peer_listen(beside.socket);
	assert_int_equal(chmod(beside.socket, 0600), 0);
}

static void
beside_remove(void)
{
	close(beside.peer);
	dir_remove(&beside.dir);
}

/* The thread makes the socket file for its owner meanwhile, who may not do all of this. */
static void
put(int (*make)(const char *old, const char *path), const char *old, const char *path)
{
	int maker = setfsuid(geteuid());

	assert_int_equal(unlink(path), 0);
	assert_int_equal(make(old, path), 0);
	setfsuid((uid_t)maker);
}

static void
put_a_link(const char *path)
{
	put(symlink, beside.file, path);
}

static void
put_a_file(const char *path)
{
	put(link, beside.file, path);
}

static void
put_a_socket(const char *path)
{
	put(link, beside.socket, path);
}

static const struct swap {
	const char *name;
	void (*swap)(const char *path);
	const struct failure *failure;
} swaps[] = {
    {"a link", put_a_link, &no_socket},
    {"a file", put_a_file, &no_socket},
    {"a socket", put_a_socket, &not_proved},
};

#define SWAPS (sizeof(swaps) / sizeof(*swaps))

static void
is_untouched(const char *path, struct stat before)
{
	struct stat now = file_at(path);

	assert_int_equal(now.st_mode, before.st_mode);
	assert_int_equal(now.st_uid, before.st_uid);
	assert_int_equal(now.st_gid, before.st_gid);
}

static void
what_is_put_in_its_place_is_left_alone(void **state)
{
	mode_t mask = umask(077);

	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		for (size_t j = 0; j < SWAPS; j++) {
			struct stat file;
			struct stat socket;
			int	    rc, expected = result_of(&ways[i], *swaps[j].failure);

			beside_make();
			file   = file_at(beside.file);
			socket = file_at(beside.socket);
			syscalls_reset();
			calls.bound = swaps[j].swap;
			rc	    = ways[i].listen(beside.dir.sock);
			if (rc != expected)
				fail_msg("%s, %s: %d, not %d: %s", ways[i].name, swaps[j].name, rc, expected,
					 drpc_last_error());
			is_untouched(beside.file, file);
			is_untouched(beside.socket, socket);
			/* It is another's, and not removed. */
			file_at(beside.dir.sock);
			beside_remove();
		}
	}
	umask(mask);
}

/* The directory of the socket is moved away, and there is another one with a socket of that name. */
static void
swap_directories(const char *path)
{
	int maker = setfsuid(geteuid());

	assert_int_equal(rename(beside.home, beside.moved), 0);
	assert_int_equal(mkdir(beside.home, 0777), 0);
	assert_int_equal(link(beside.socket, path), 0);
	setfsuid((uid_t)maker);
}

static void
another_directory_is_left_alone(void **state)
{
	mode_t mask = umask(077);

	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct stat socket;

		beside_make();
		assert_int_equal(mkdir(beside.home, 0777), 0);
		assert_int_equal(chmod(beside.home, 0777), 0);
		socket = file_at(beside.socket);
		syscalls_reset();
		calls.bound = swap_directories;
		assert_int_equal(ways[i].listen(beside.inner), 0);
		is_untouched(beside.socket, socket);
		assert_int_equal(file_at(beside.inner_moved).st_mode & 07777, ways[i].mode);
		/* At the end, too, where a managed server removes its own file. */
		stop_listening();
		assert_int_equal(unlink(beside.inner), 0);
		assert_int_equal(unlink(beside.inner_moved), ways[i].has_errno ? 0 : -1);
		assert_int_equal(rmdir(beside.home), 0);
		assert_int_equal(rmdir(beside.moved), 0);
		beside_remove();
	}
	umask(mask);
}

/* The socket of another server, which is as this one's is to be. */
static void
put_one_that_is_right(const char *path)
{
	put_a_socket(path);
	assert_int_equal(chmod(path, 0666), 0);
}

static void
the_socket_of_another_is_not_removed_at_the_end(void **state)
{
	(void)state;
	beside_make();
	syscalls_reset();
	calls.bound = put_one_that_is_right;
	assert_int_equal(listen_managed(beside.dir.sock), 0);
	stop_listening();
	assert_int_equal(access(beside.dir.sock, F_OK), 0);
	beside_remove();
}

/* The socket goes when it cannot be used; nothing else goes. */
static void
only_the_socket_is_removed_when_listening_fails(void **state)
{
	(void)state;
	for (int swapped = 0; swapped < 2; swapped++) {
		beside_make();
		syscalls_reset();
		calls.bound = swapped ? put_a_socket : NULL;
		syscalls_fail(CALL_LISTEN, 1, EPERM);
		assert_null(LIBRARY(abi_listen(beside.dir.sock, context_no_handler)));
		assert_int_equal(access(beside.dir.sock, F_OK), swapped ? 0 : -1);
		beside_remove();
	}
}

static void
swap_after_the_question(void)
{
	calls.connected = NULL;
	swap_directories(beside.inner);
}

/* A dead socket is to be removed, and when that is known its directory is swapped for one with a live socket. */
static void
a_live_socket_is_not_removed_for_a_dead_one(void **state)
{
	struct drpc_server *server;
	char		    lock[160];

	(void)state;
	beside_make();
	assert_int_equal(mkdir(beside.home, 0777), 0);
	close(peer_listen(beside.inner));
	assert_int_equal(drpc_server_create(beside.inner, &server), 0);
	assert_int_equal(drpc_server_set(server, DRPC_SERVER_REPLACE_STALE, 1), 0);
	syscalls_reset();
	calls.connected = swap_after_the_question;
	assert_int_equal(LIBRARY(drpc_server_listen(server)), -DER_MISC);
	assert_int_equal(access(beside.inner, F_OK), 0);
	assert_int_equal(access(beside.inner_moved, F_OK), -1);
	drpc_server_destroy(server);
	snprintf(lock, sizeof(lock), "%s.lock", beside.inner_moved);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(unlink(beside.inner), 0);
	assert_int_equal(rmdir(beside.home), 0);
	assert_int_equal(rmdir(beside.moved), 0);
	beside_remove();
}

static int late;

static void
listen_late(void)
{
	calls.connected = NULL;
	assert_int_equal(listen(late, 1), 0);
}

/* It has been bound, and refuses connections until it listens. */
static void
a_socket_that_does_not_listen_yet_is_not_dead(void **state)
{
	struct drpc_server *server;
	struct sockaddr_un  address = {.sun_family = AF_UNIX};
	struct dir	    dir;
	char		    lock[160];

	(void)state;
	dir_make(&dir);
	late = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	strcpy(address.sun_path, dir.sock);
	assert_int_equal(bind(late, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(drpc_server_create(dir.sock, &server), 0);
	assert_int_equal(drpc_server_set(server, DRPC_SERVER_REPLACE_STALE, 1), 0);
	syscalls_reset();
	calls.connected = listen_late;
	assert_int_equal(LIBRARY(drpc_server_listen(server)), -DER_MISC);
	assert_int_equal(access(dir.sock, F_OK), 0);
	drpc_server_destroy(server);
	close(late);
	snprintf(lock, sizeof(lock), "%s.lock", dir.sock);
	assert_int_equal(unlink(lock), 0);
	dir_remove(&dir);
}

/* The file cannot be looked at once it has been made. */
static void
a_file_that_cannot_be_opened_is_an_error(void **state)
{
	static const struct failure failure = {ENOMEM, DER_NOMEM};
	struct dir		    dir;

	(void)state;
	dir_make(&dir);
	for (size_t i = 0; i < WAYS; i++) {
		syscalls_reset();
		syscalls_fail(CALL_OPENAT, 1, ENOMEM);
		assert_int_equal(ways[i].listen(dir.sock), result_of(&ways[i], failure));
		assert_int_equal(access(dir.sock, F_OK), -1);
	}
	dir_remove(&dir);
}

/* The kernel is asked by way of another socket. */
static void
what_there_is_nothing_to_ask_with_for_is_told(void **state)
{
	static const struct failure failures[] = {{EMFILE, DER_MISC}, {ENFILE, DER_MISC}, {ENOMEM, DER_NOMEM}};
	struct dir		    dir;
	mode_t			    mask = umask(077);

	(void)state;
	dir_make(&dir);
	for (size_t i = 0; i < WAYS; i++) {
		for (size_t j = 0; j < sizeof(failures) / sizeof(*failures); j++) {
			syscalls_reset();
			syscalls_fail(CALL_SOCKET, 2, failures[j].error);
			assert_int_equal(ways[i].listen(dir.sock), result_of(&ways[i], failures[j]));
			assert_int_equal(access(dir.sock, F_OK), -1);
		}
	}
	umask(mask);
	dir_remove(&dir);
}

/* However many are left. */
static void
no_file_is_left_when_descriptors_run_out(void **state)
{
	struct dir    dir;
	struct rlimit before;
	struct rlimit few;
	mode_t	      mask = umask(077);
	size_t	      failed[WAYS] = {0};
	int	      result;

	(void)state;
	dir_make(&dir);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (size_t i = 0; i < WAYS; i++) {
		syscalls_reset();
		few	     = before;
		few.rlim_cur = dup(0);
		close(few.rlim_cur);
		for (result = -1; result != 0; few.rlim_cur++) {
			assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
			result = ways[i].listen(dir.sock);
			assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
			failed[i] += result != 0;
			if (result != 0)
				assert_int_equal(access(dir.sock, F_OK), -1);
			assert_true(failed[i] < 20);
		}
		assert_true(failed[i] > 0);
		stop_listening();
		unlink(dir.sock);
	}
	umask(mask);
	dir_remove(&dir);
}

/* --- denied --------------------------------------------------------------------------------- */

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* What a child may not do; the number is what it gets instead. */
static void
deny(int call, unsigned int first_argument, int error)
{
	struct sock_filter filter[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
	    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first_argument, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(*filter), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(90);
}

/* The kernel may still open the file of a socket. Domains of sockets are denied from this one on. */
static void
without_netlink(void)
{
	deny(SYS_socket, AF_NETLINK, EAFNOSUPPORT);
}

/* The kernel does not tell which file was bound. */
static void
without_an_answer(void)
{
	without_netlink();
	deny(SYS_ioctl, 0, EPERM);
}

static void
without_fchmodat2(void)
{
	static const int errors[] = {EPERM, EACCES, EINVAL, ENOSYS};

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		deny(SYS_fchmodat2, 0, errors[i]);
}

static const char *root;

/* Where there is no /proc. */
static void
without_proc(void)
{
	if (chroot(root) != 0)
		_exit(91);
}

static void
without_any_way(void)
{
	without_proc();
	without_fchmodat2();
}

static const char *const false_directories[] = {"proc", "proc/self", "proc/self/fd", "proc/thread-self",
						"proc/thread-self/fd"};

#define FALSE_DIRECTORIES (sizeof(false_directories) / sizeof(*false_directories))

/* Another file system is where /proc is to be, and has every descriptor lead to a file. */
static void
with_a_false_proc(void)
{
	char path[64];

	without_proc();
	for (size_t i = 0; i < FALSE_DIRECTORIES; i++) {
		snprintf(path, sizeof(path), "/%s", false_directories[i]);
		if (mkdir(path, 0755) != 0)
			_exit(92);
	}
	for (int fd = 0; fd < 64; fd++) {
		for (size_t i = 2; i < FALSE_DIRECTORIES; i += 2) {
			snprintf(path, sizeof(path), "/%s/%d", false_directories[i], fd);
			if (symlink("/victim", path) != 0)
				_exit(93);
		}
	}
}

/* It leads to the true one as long as that suits its owner. */
static void
with_a_leading_proc(void)
{
	char at[160];

	snprintf(at, sizeof(at), "%s/true", root);
	if (syscall(SYS_unshare, CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mkdir(at, 0755) != 0 || mount("proc", at, "proc", 0, NULL) != 0)
		_exit(94);
	without_proc();
	if (mkdir("/proc", 0755) != 0 || mkdir("/proc/thread-self", 0755) != 0 ||
	    symlink("/true/self/fd", "/proc/thread-self/fd") != 0)
		_exit(95);
	without_fchmodat2();
}

static void
leading_proc_remove(const char *directory)
{
	static const char *const names[] = {"proc/thread-self/fd", "proc/thread-self", "proc", "true"};
	char			 path[160];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		remove(path);
	}
}

static bool
may_mount(void)
{
	struct dir dir;
	int	   status;
	pid_t	   child;

	dir_make(&dir);
	child = fork();
	if (child == 0) {
		root = dir.path;
		with_a_leading_proc();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	leading_proc_remove(dir.path);
	dir_remove(&dir);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
false_proc_remove(const char *directory)
{
	char path[160];

	for (size_t i = FALSE_DIRECTORIES; i-- > 0;) {
		for (int fd = 0; fd < 64; fd++) {
			snprintf(path, sizeof(path), "%s/%s/%d", directory, false_directories[i], fd);
			unlink(path);
		}
		snprintf(path, sizeof(path), "%s/%s", directory, false_directories[i]);
		assert_int_equal(rmdir(path), 0);
	}
}

static void
with_everything(void)
{
}

/* Listens in a child that has been denied something, and ends it if so asked. */
static void
listen_in_a_child(const struct way *way, void (*without)(void), const char *directory, mode_t mask, int expected,
		  bool end)
{
	char   path[128];
	int    status;
	pid_t  child;

	snprintf(path, sizeof(path), "%s/drpc.sock", directory);
	child = fork();
	if (child == 0) {
		umask(mask);
		root = directory;
		without();
		if (without == without_proc || without == without_any_way || without == with_a_false_proc ||
		    without == with_a_leading_proc)
			strcpy(path, "/drpc.sock");
		syscalls_reset();
		if (way->listen(path) != expected)
			_exit(1);
		if (end)
			stop_listening();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s, umask %03o, expecting %d: status %d", way->name, mask, expected, status);
}

/* It gives what is expected, and leaves no file of another mode. */
static void
listens(const struct way *way, void (*without)(void), const char *directory, mode_t mask,
	struct failure failure)
{
	int  expected = result_of(way, failure);
	char path[128];

	snprintf(path, sizeof(path), "%s/drpc.sock", directory);
	listen_in_a_child(way, without, directory, mask, expected, false);
	if (expected != 0) {
		assert_int_equal(access(path, F_OK), -1);
	} else {
		assert_int_equal(file_at(path).st_mode & 07777, way->mode);
		assert_int_equal(unlink(path), 0);
	}
}

/* Only root can leave /proc behind; and a kernel before 6.6, or memcheck, needs it. */
static bool
needs_no_proc(void)
{
	return geteuid() == 0 && syscall(SYS_fchmodat2, -1, "", 0, 0) != 0 && errno != ENOSYS;
}

/* Where nobody else can change the directory, nothing has to be asked. */
static void
a_sandbox_does_not_stop_a_listener(void **state)
{
	void (*const sandboxes[])(void) = {with_everything, without_netlink, without_an_answer, without_fchmodat2, without_proc,
					   without_any_way};
	struct dir dir;

	(void)state;
	dir_make(&dir);
	for (size_t i = 0; i < WAYS; i++) {
		for (size_t j = 0; j < sizeof(sandboxes) / sizeof(*sandboxes); j++) {
			if ((sandboxes[j] == without_proc && !needs_no_proc()) ||
			    (sandboxes[j] == without_any_way && geteuid() != 0))
				continue;
			listens(&ways[i], sandboxes[j], dir.path, 022, none);
		}
	}
	dir_remove(&dir);
}

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE 0x89E0
#endif

/* The kernel does that for a process with CAP_NET_ADMIN. */
static bool
opens_files_of_sockets(void)
{
	struct dir dir;
	int	   socket, file;

	dir_make(&dir);
	socket = peer_listen(dir.sock);
	file   = ioctl(socket, SIOCUNIXFILE);
	if (file >= 0)
		close(file);
	close(socket);
	dir_remove(&dir);
	return file >= 0;
}

static void
in_a_directory_of_others_there_has_to_be_a_proof(void **state)
{
	struct dir dir;

	(void)state;
	dir_make(&dir);
	if (geteuid() == 0)
		assert_int_equal(chown(dir.path, 65534, 65534), 0);
	assert_int_equal(chmod(dir.path, 0777), 0);
	for (size_t i = 0; i < WAYS; i++) {
		listens(&ways[i], with_everything, dir.path, 077, none);
		listens(&ways[i], without_fchmodat2, dir.path, 077, none);
		listens(&ways[i], without_netlink, dir.path, 077, opens_files_of_sockets() ? none : not_proved);
		listens(&ways[i], without_an_answer, dir.path, 077, not_proved);
		/* Nothing has to be changed. */
		listens(&ways[i], without_an_answer, dir.path, 0, none);
	}
	dir_remove(&dir);
}

/* Where nothing proves which file was bound, a connection to it tells at the end. */
static void
the_file_goes_at_the_end_without_a_proof(void **state)
{
	struct dir dir;

	(void)state;
	dir_make(&dir);
	assert_int_equal(chmod(dir.path, 0777), 0);
	for (size_t i = 0; i < WAYS; i++) {
		if (ways[i].has_errno)
			continue;
		listen_in_a_child(&ways[i], without_an_answer, dir.path, 0, 0, true);
		assert_int_equal(access(dir.sock, F_OK), -1);
	}
	dir_remove(&dir);
}

static void
without_a_way_to_change_it_the_mode_is_an_error(void **state)
{
	struct dir dir;

	(void)state;
	if (geteuid() != 0)
		skip();
	dir_make(&dir);
	assert_int_equal(chmod(dir.path, 0777), 0);
	for (size_t i = 0; i < WAYS; i++)
		listens(&ways[i], without_any_way, dir.path, 077, no_way);
	dir_remove(&dir);
}

static void
a_false_proc_does_not_divert_the_mode(void **state)
{
	struct dir dir;
	char	   victim[128];

	(void)state;
	if (geteuid() != 0)
		skip();
	dir_make(&dir);
	snprintf(victim, sizeof(victim), "%s/victim", dir.path);
	close(open(victim, O_CREAT | O_EXCL | O_WRONLY, 0600));
	for (size_t i = 0; i < WAYS; i++) {
		listens(&ways[i], with_a_false_proc, dir.path, 077, none);
		assert_int_equal(file_at(victim).st_mode & 07777, 0600);
		false_proc_remove(dir.path);
	}
	dir_remove(&dir);
}

static void
a_proc_that_leads_to_the_true_one_is_none(void **state)
{
	struct dir dir;

	(void)state;
	if (geteuid() != 0 || !may_mount())
		skip();
	dir_make(&dir);
	assert_int_equal(chmod(dir.path, 0777), 0);
	for (size_t i = 0; i < WAYS; i++) {
		listens(&ways[i], with_a_leading_proc, dir.path, 077, no_way);
		leading_proc_remove(dir.path);
	}
	dir_remove(&dir);
}

static int
listen_where_one_is_dead(const char *path)
{
	int rc;

	close(peer_listen(path));
	assert_int_equal(drpc_server_create(path, &listening), 0);
	assert_int_equal(drpc_server_set(listening, DRPC_SERVER_REPLACE_STALE, 1), 0);
	rc = LIBRARY(drpc_server_listen(listening));
	if (rc != 0)
		stop_listening();
	return rc;
}

/* Without /proc the path is asked, which others must not be able to change. */
static void
a_dead_socket_is_not_replaced_without_a_proof(void **state)
{
	static const struct way way = {"drpc_server_listen", listen_where_one_is_dead, 0600, false};
	struct dir		dir;
	char			lock[128];

	(void)state;
	if (geteuid() != 0)
		skip();
	for (int trusted = 0; trusted < 2; trusted++) {
		dir_make(&dir);
		assert_int_equal(chmod(dir.path, trusted ? 0755 : 0777), 0);
		listen_in_a_child(&way, without_proc, dir.path, 022, trusted ? 0 : -DER_MISC, false);
		assert_int_equal(unlink(dir.sock), 0);
		snprintf(lock, sizeof(lock), "%s.lock", dir.sock);
		assert_int_equal(unlink(lock), 0);
		dir_remove(&dir);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(what_is_put_in_its_place_is_left_alone),
	    unit(another_directory_is_left_alone),
	    unit(the_socket_of_another_is_not_removed_at_the_end),
	    unit(only_the_socket_is_removed_when_listening_fails),
	    unit(a_live_socket_is_not_removed_for_a_dead_one),
	    unit(a_socket_that_does_not_listen_yet_is_not_dead),
	    unit(a_file_that_cannot_be_opened_is_an_error),
	    unit(what_there_is_nothing_to_ask_with_for_is_told),
	    unit(no_file_is_left_when_descriptors_run_out),
	    unit(a_sandbox_does_not_stop_a_listener),
	    unit(in_a_directory_of_others_there_has_to_be_a_proof),
	    unit(the_file_goes_at_the_end_without_a_proof),
	    unit(without_a_way_to_change_it_the_mode_is_an_error),
	    unit(a_false_proc_does_not_divert_the_mode),
	    unit(a_dead_socket_is_not_replaced_without_a_proof),
	    unit(a_proc_that_leads_to_the_true_one_is_none),
	};

	return cmocka_run_group_tests_name("socket file " ABI_NAME, tests, NULL, NULL);
}
