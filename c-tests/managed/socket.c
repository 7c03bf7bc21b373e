/* The socket file of the managed server: what it may replace, how it is made, and when it goes. */
#include "abi.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"

/* What an errno of a socket translates to when it has no number of its own, as EADDRINUSE. */
#define ADDRESS_IN_USE (-DER_MISC)

/* A server that answers calls of ECHO once it is started. */
static void
make(struct managed *managed)
{
	managed_make(managed);
	managed_register(managed, ECHO, managed_echo, NULL);
}

/* Another server for the same path. */
static struct drpc_server *
rival(const struct managed *managed)
{
	struct drpc_server *server;

	assert_int_equal(drpc_server_create(managed->dir.sock, &server), 0);
	assert_int_equal(drpc_server_register(server, ECHO, managed_echo, NULL, 0), 0);
	return server;
}

/* A call over a new connection. */
static void
is_served(const struct managed *managed)
{
	int peer = peer_connect(managed->dir.sock);

	exchange_echo(peer, ECHO, 1);
	close(peer);
}

static ino_t
inode(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_ino;
}

static uid_t
socket_owner(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_uid;
}

static void
write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "kept", 4), 4);
	close(fd);
}

static bool
is_kept(const char *path)
{
	char text[8] = {0};
	int  fd      = open(path, O_RDONLY);
	bool kept    = fd >= 0 && read(fd, text, sizeof(text)) == 4 && strcmp(text, "kept") == 0;

	close(fd);
	return kept;
}

/* --- paths ----------------------------------------------------------------------------- */

static void
cannot_be_a_path(const char *path)
{
	struct drpc_server *server;

	assert_int_equal(drpc_server_create(path, &server), 0);
	assert_int_equal(drpc_server_listen(server), -DER_BADPATH);
	assert_int_equal(drpc_server_start(server), -DER_BADPATH);
	assert_int_equal(drpc_server_run(server), -DER_BADPATH);
	assert_int_equal(drpc_server_dispatch(server, 0), -DER_BADPATH);
	assert_int_equal(drpc_server_get_fd(server), -DER_BADPATH);
	drpc_server_destroy(server);
}

static void
listen_refuses_bad_paths(void **state)
{
	char path[109];

	(void)state;
	cannot_be_a_path("");
	memset(path, 'x', 108);
	path[108] = '\0';
	cannot_be_a_path(path);
}

static void
listen_can_be_tried_again(void **state)
{
	struct managed managed;

	(void)state;
	make(&managed);
	assert_int_equal(rmdir(managed.dir.path), 0);
	assert_int_equal(drpc_server_listen(managed.server), -DER_NONEXIST);
	assert_non_null(strstr(drpc_last_error(), managed.dir.sock));
	assert_int_equal(drpc_server_start(managed.server), -DER_NONEXIST);
	assert_int_equal(mkdir(managed.dir.path, 0700), 0);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	managed_start(&managed);
	is_served(&managed);
	managed_end(&managed);
}

/* A call that came before anybody served is answered when somebody does. */
static void
clients_may_come_once_it_listens(void **state)
{
	struct managed managed;
	int            peer;

	(void)state;
	make(&managed);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 0, 1, 10);
	assert_true(peer_is_quiet(peer));
	managed_start(&managed);
	exchange_expect(peer, 1, 0, 10);
	close(peer);
	managed_end(&managed);
}

/* --- mode and owner -------------------------------------------------------------------- */

static struct stat
socket_made_under(mode_t mask, int option, uint64_t value)
{
	mode_t         before = umask(mask);
	struct managed managed;
	struct stat    st;

	managed_make(&managed);
	if (option != 0)
		managed_set(&managed, option, value);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	assert_int_equal(lstat(managed.dir.sock, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	managed_end(&managed);
	umask(before);
	return st;
}

static void
the_mode_does_not_depend_on_the_umask(void **state)
{
	(void)state;
	assert_int_equal(socket_made_under(0, 0, 0).st_mode & 07777, 0600);
	assert_int_equal(socket_made_under(077, 0, 0).st_mode & 07777, 0600);
	assert_int_equal(socket_made_under(077, DRPC_SERVER_MODE, 0666).st_mode & 07777, 0666);
	assert_int_equal(socket_made_under(0, DRPC_SERVER_MODE, 0).st_mode & 07777, 0);
}

/* Only root can give a file away; to others it is possible to name themselves. */
static void
owner_and_group_are_those_chosen(void **state)
{
	uid_t owner = geteuid() == 0 ? 12345 : geteuid();
	gid_t group = geteuid() == 0 ? 54321 : getegid();

	(void)state;
	assert_int_equal(socket_made_under(022, DRPC_SERVER_OWNER, owner).st_uid, owner);
	assert_int_equal(socket_made_under(022, DRPC_SERVER_OWNER, owner).st_gid, getegid());
	assert_int_equal(socket_made_under(022, DRPC_SERVER_GROUP, group).st_gid, group);
	assert_int_equal(socket_made_under(022, DRPC_SERVER_GROUP, group).st_uid, geteuid());
}

/* --- what is at the path already ---------------------------------------------------------- */

static void
an_existing_file_is_an_error(void **state)
{
	struct managed managed;

	(void)state;
	make(&managed);
	/* A dead socket. */
	close(peer_listen(managed.dir.sock));
	assert_int_equal(drpc_server_listen(managed.server), ADDRESS_IN_USE);
	assert_int_equal(access(managed.dir.sock, F_OK), 0);
	assert_int_equal(unlink(managed.dir.sock), 0);
	write_file(managed.dir.sock);
	assert_int_equal(drpc_server_listen(managed.server), ADDRESS_IN_USE);
	assert_true(is_kept(managed.dir.sock));
	managed_end(&managed);
}

static void
a_dead_socket_is_replaced(void **state)
{
	struct managed managed;
	char           kept[128];
	ino_t          dead;

	(void)state;
	make(&managed);
	managed_set(&managed, DRPC_SERVER_REPLACE_STALE, 1);
	close(peer_listen(managed.dir.sock));
	dead = inode(managed.dir.sock);
	/* Keeps the old inode, so that the new socket cannot have its number. */
	snprintf(kept, sizeof(kept), "%s/kept", managed.dir.path);
	assert_int_equal(link(managed.dir.sock, kept), 0);
	managed_start(&managed);
	assert_int_not_equal(inode(managed.dir.sock), dead);
	is_served(&managed);
	managed_end(&managed);
}

static void
a_live_socket_is_left_alone(void **state)
{
	struct managed managed;
	int            listener;

	(void)state;
	make(&managed);
	managed_set(&managed, DRPC_SERVER_REPLACE_STALE, 1);
	listener = peer_listen(managed.dir.sock);
	assert_int_equal(drpc_server_listen(managed.server), ADDRESS_IN_USE);
	close(peer_connect(managed.dir.sock));
	/* When it has died there is nothing in the way any more. */
	close(listener);
	managed_start(&managed);
	is_served(&managed);
	managed_end(&managed);
}

static void
what_is_no_socket_is_left_alone(void **state)
{
	struct managed managed;

	(void)state;
	make(&managed);
	managed_set(&managed, DRPC_SERVER_REPLACE_STALE, 1);
	write_file(managed.dir.sock);
	assert_int_equal(drpc_server_listen(managed.server), -DER_EXIST);
	assert_true(is_kept(managed.dir.sock));
	managed_end(&managed);
}

static void
the_lock_file_keeps_others_out(void **state)
{
	struct managed      managed;
	struct drpc_server *other;
	char                lock[128];

	(void)state;
	make(&managed);
	snprintf(lock, sizeof(lock), "%s.lock", managed.dir.sock);
	managed_set(&managed, DRPC_SERVER_REPLACE_STALE, 1);
	managed_start(&managed);
	assert_int_equal(access(lock, F_OK), 0);

	other = rival(&managed);
	assert_int_equal(drpc_server_set(other, DRPC_SERVER_REPLACE_STALE, 1), 0);
	assert_int_equal(drpc_server_listen(other), -DER_BUSY);
	/* Even when its socket looks dead, or is not there. */
	assert_int_equal(unlink(managed.dir.sock), 0);
	assert_int_equal(drpc_server_listen(other), -DER_BUSY);

	/* The lock ends with the server, the file stays. */
	drpc_server_destroy(managed.server);
	assert_int_equal(access(lock, F_OK), 0);
	managed.server = other;
	managed_start(&managed);
	is_served(&managed);
	managed_end(&managed);
}

static void
a_lock_that_is_held_is_named(void **state)
{
	struct managed      managed;
	struct drpc_server *other;
	char                held[320];
	char                comm[16] = {0};
	int                 fd       = open("/proc/self/comm", O_RDONLY);

	(void)state;
	make(&managed);
	managed_set(&managed, DRPC_SERVER_REPLACE_STALE, 1);
	managed_start(&managed);
	other = rival(&managed);
	assert_int_equal(drpc_server_set(other, DRPC_SERVER_REPLACE_STALE, 1), 0);
	assert_int_equal(drpc_server_listen(other), -DER_BUSY);
	assert_true(read(fd, comm, sizeof(comm) - 1) > 0);
	close(fd);
	comm[strcspn(comm, "\n")] = '\0';
	snprintf(held, sizeof(held), "listen %s: another server (pid %d, %s) has the lock file %s.lock",
		 managed.dir.sock, (int)getpid(), comm, managed.dir.sock);
	assert_string_equal(drpc_last_error(), held);
	drpc_server_destroy(other);
	managed_end(&managed);
}

/* The lock file of a server under this umask that is to own its socket. */
static struct stat
lock_made_under(mode_t mask, uid_t directory, uid_t owner)
{
	struct managed managed;
	struct stat    st;
	mode_t         before;
	char           lock[128];

	managed_make(&managed);
	before = umask(mask);
	if (geteuid() == 0)
		assert_int_equal(chown(managed.dir.path, directory, (gid_t)-1), 0);
	snprintf(lock, sizeof(lock), "%s.lock", managed.dir.sock);
	managed_set(&managed, DRPC_SERVER_REPLACE_STALE, 1);
	managed_set(&managed, DRPC_SERVER_OWNER, owner);
	managed_start(&managed);
	assert_int_equal(lstat(lock, &st), 0);
	assert_int_equal(socket_owner(managed.dir.sock), owner);
	managed_end(&managed);
	umask(before);
	return st;
}

static void
the_lock_file_is_the_owners(void **state)
{
	uid_t owner = geteuid() == 0 ? 12345 : geteuid();

	(void)state;
	for (mode_t mask = 0; mask < 0400; mask += 0377) {
		assert_int_equal(lock_made_under(mask, owner, owner).st_mode & 07777, 0600);
		assert_int_equal(lock_made_under(mask, owner, owner).st_uid, owner);
		/* In a directory where the owner may not make it. */
		assert_int_equal(lock_made_under(mask, geteuid(), owner).st_mode & 07777, 0600);
		assert_int_equal(lock_made_under(mask, geteuid(), owner).st_uid, geteuid());
	}
}

/* In a child without rights: a server that replaces what is stale; the result of listening. */
static int
listens_as_nobody(const char *path)
{
	struct drpc_server *server;
	int                 rc;

	if (setuid(65534) != 0 || drpc_server_create(path, &server) != 0 ||
	    drpc_server_set(server, DRPC_SERVER_REPLACE_STALE, 1) != 0)
		return 1;
	rc = drpc_server_listen(server);
	drpc_server_destroy(server);
	return rc;
}

static void
listening_as_nobody_gives(const char *path, int expected)
{
	pid_t child = fork();
	int   status;

	if (child == 0)
		_exit(listens_as_nobody(path) == expected ? 0 : 10);
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Root alone can show this. What it has left behind cannot be opened by the user whose directory it is in. */
static void
a_lock_file_of_root_is_no_hindrance(void **state)
{
	struct managed managed;
	struct stat    st;
	char           lock[128];
	ino_t          left;
	int            listener;

	(void)state;
	if (geteuid() != 0)
		skip();
	make(&managed);
	snprintf(lock, sizeof(lock), "%s.lock", managed.dir.sock);
	write_file(lock);
	left = inode(lock);
	assert_int_equal(chown(managed.dir.path, 65534, (gid_t)-1), 0);

	/* A server listens: it may be the one that has the lock. */
	listener = peer_listen(managed.dir.sock);
	assert_int_equal(chmod(managed.dir.sock, 0666), 0);
	listening_as_nobody_gives(managed.dir.sock, -DER_NO_PERM);
	assert_int_equal(inode(lock), left);
	/* It cannot be told whether one does. */
	assert_int_equal(chmod(managed.dir.sock, 0), 0);
	listening_as_nobody_gives(managed.dir.sock, -DER_NO_PERM);
	assert_int_equal(inode(lock), left);
	assert_int_equal(chmod(managed.dir.sock, 0666), 0);
	close(listener);

	listening_as_nobody_gives(managed.dir.sock, 0);
	assert_int_equal(lstat(lock, &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_mode & 07777, 0600);

	/* The directory is root's: the file stays. */
	assert_int_equal(unlink(lock), 0);
	write_file(lock);
	assert_int_equal(chown(managed.dir.path, 0, (gid_t)-1), 0);
	assert_int_equal(chmod(managed.dir.path, 0755), 0);
	listening_as_nobody_gives(managed.dir.sock, -DER_NO_PERM);
	assert_true(is_kept(lock));
	managed_end(&managed);
}

static void
there_is_no_lock_file_unless_asked_for(void **state)
{
	struct managed managed;
	char           lock[128];

	(void)state;
	managed_make(&managed);
	snprintf(lock, sizeof(lock), "%s.lock", managed.dir.sock);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	assert_int_not_equal(access(lock, F_OK), 0);
	managed_end(&managed);
}

/* --- its end --------------------------------------------------------------------------------- */

static void
the_socket_goes_with_the_server(void **state)
{
	struct managed managed;

	(void)state;
	make(&managed);
	managed_start(&managed);
	assert_int_equal(drpc_server_shutdown(managed.server, PATIENCE_MS), 0);
	assert_int_not_equal(access(managed.dir.sock, F_OK), 0);
	/* Its place may be taken by then. */
	write_file(managed.dir.sock);
	drpc_server_destroy(managed.server);
	assert_true(is_kept(managed.dir.sock));
	dir_remove(&managed.dir);
	make(&managed);
	managed_start(&managed);
	drpc_server_destroy(managed.server);
	assert_int_not_equal(access(managed.dir.sock, F_OK), 0);
	dir_remove(&managed.dir);
}

static void
the_file_of_another_stays(void **state)
{
	struct managed managed;

	(void)state;
	make(&managed);
	managed_start(&managed);
	assert_int_equal(unlink(managed.dir.sock), 0);
	write_file(managed.dir.sock);
	assert_int_equal(drpc_server_shutdown(managed.server, PATIENCE_MS), 0);
	assert_true(is_kept(managed.dir.sock));
	managed_end(&managed);
}

/* --- an inherited socket ------------------------------------------------------------------------ */

/* LISTEN_FDS speaks of descriptor 3 and on. */
enum { INHERITED = 3 };

static void
echo_once(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	*(int *)arg = 1;
	managed_echo(session, call, resp, NULL);
}

/* In a child: serves a socket that a service manager has handed over, until a call has been answered. */
static int
serve_inherited(struct managed *managed, int listener)
{
	char text[16];
	int  served = 0;

	if (listener != INHERITED && dup2(listener, INHERITED) < 0)
		return 10;
	fcntl(INHERITED, F_SETFD, 0);
	if (drpc_server_register(managed->server, ECHO, echo_once, &served, 0) != 0 ||
	    drpc_server_set(managed->server, DRPC_SERVER_INHERIT, 1) != 0)
		return 11;
	/* Meant for another process, it is a socket in the way. */
	if (setenv("LISTEN_PID", "1", 1) != 0 || setenv("LISTEN_FDS", "1", 1) != 0 ||
	    drpc_server_listen(managed->server) != ADDRESS_IN_USE)
		return 12;
	snprintf(text, sizeof(text), "%d", (int)getpid());
	if (setenv("LISTEN_PID", text, 1) != 0 || drpc_server_listen(managed->server) != 0)
		return 13;
	if (fcntl(INHERITED, F_GETFD) != FD_CLOEXEC)
		return 14;
	while (!served)
		if (drpc_server_dispatch(managed->server, PATIENCE_MS) != 0)
			return 15;
	if (drpc_server_shutdown(managed->server, PATIENCE_MS) != 0)
		return 16;
	drpc_server_destroy(managed->server);
	/* Not ours, so that it stays. */
	return access(managed->dir.sock, F_OK) == 0 ? 0 : 17;
}

static void
an_inherited_socket_is_taken_over(void **state)
{
	struct managed managed;
	int            listener;
	int            status;
	pid_t          child;
	int            peer;

	(void)state;
	managed_make(&managed);
	listener = peer_listen(managed.dir.sock);
	peer     = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 0, 1, 10);
	child = fork();
	if (child == 0)
		_exit(serve_inherited(&managed, listener));
	assert_true(child > 0);
	exchange_expect(peer, 1, 0, 10);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(peer);
	/* Nor has it ended for the others who have it. */
	peer = peer_connect(managed.dir.sock);
	assert_true(peer >= 0);
	close(peer);
	close(listener);
	managed_end(&managed);
}

/* In a child: the listeners are what a service manager has handed over, a zero behind the last. */
static void
hand_over(const char *count, const int *listeners)
{
	char text[16];
	int  kept[4];
	int  i;

	for (i = 0; listeners[i] != 0; i++)
		kept[i] = fcntl(listeners[i], F_DUPFD, 100);
	for (i = 0; listeners[i] != 0; i++) {
		dup2(kept[i], INHERITED + i);
		close(kept[i]);
	}
	/* What the test has opened itself is not handed over. */
	for (i += INHERITED; i < 64; i++)
		close(i);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDS", count, 1);
}

/* A server for this path that takes over what has been handed over; the result of listening. */
static int
take_over(const char *path, struct drpc_server **server)
{
	if (drpc_server_create(path, server) != 0 || drpc_server_set(*server, DRPC_SERVER_INHERIT, 1) != 0)
		return 1;
	return drpc_server_listen(*server);
}

static void
child_is_content(pid_t child)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* As /var/run is a link to /run. The socket may have no file any more, and others may have been taken over before. */
static void
an_inherited_socket_may_have_another_name(void **state)
{
	struct managed managed;
	char           link[128];
	char           other[128];
	char           linked[160];
	int            listeners[3] = {0};
	pid_t          child;

	(void)state;
	managed_make(&managed);
	snprintf(link, sizeof(link), "%s/link", managed.dir.path);
	snprintf(linked, sizeof(linked), "%s/drpc.sock", link);
	snprintf(other, sizeof(other), "%s/other.sock", managed.dir.path);
	assert_int_equal(symlink(managed.dir.path, link), 0);
	listeners[0] = peer_listen(other);
	listeners[1] = peer_listen(managed.dir.sock);
	for (int gone = 0; gone < 2; gone++) {
		child = fork();
		if (child == 0) {
			struct drpc_server *first;
			struct drpc_server *server;

			hand_over("2", listeners);
			if (take_over(other, &first) != 0)
				_exit(10);
			drpc_server_destroy(first);
			if (take_over(linked, &server) != 0)
				_exit(11);
			_exit(fcntl(INHERITED + 1, F_GETFD) == FD_CLOEXEC ? 0 : 12);
		}
		child_is_content(child);
		unlink(managed.dir.sock);
	}
	close(listeners[0]);
	close(listeners[1]);
	managed_end(&managed);
}

/* Another user may have led the path of one socket to another one. */
static void
an_inherited_socket_is_the_one_of_the_name(void **state)
{
	struct managed managed;
	char           other[128];
	int            listeners[3] = {0};
	pid_t          child;

	(void)state;
	managed_make(&managed);
	snprintf(other, sizeof(other), "%s/other.sock", managed.dir.path);
	listeners[0] = peer_listen(other);
	listeners[1] = peer_listen(managed.dir.sock);
	assert_int_equal(unlink(managed.dir.sock), 0);
	assert_int_equal(symlink(other, managed.dir.sock), 0);
	child = fork();
	if (child == 0) {
		struct drpc_server *server;

		hand_over("2", listeners);
		if (take_over(managed.dir.sock, &server) != 0)
			_exit(10);
		_exit(fcntl(INHERITED + 1, F_GETFD) == FD_CLOEXEC ? 0 : 11);
	}
	child_is_content(child);
	close(listeners[0]);
	close(listeners[1]);
	managed_end(&managed);
}

static void
another_socket_that_was_handed_over_is_named(void **state)
{
	struct managed managed;
	char           other[128];
	int            listeners[3] = {0};
	pid_t          child;

	(void)state;
	managed_make(&managed);
	snprintf(other, sizeof(other), "%s/other.sock", managed.dir.path);
	listeners[0] = peer_listen(other);
	child        = fork();
	if (child == 0) {
		struct drpc_server *server;
		struct drpc_server *first;
		const char         *text;
		char                named[160];

		hand_over("1", listeners);
		if (take_over(managed.dir.sock, &server) != -DER_NONEXIST)
			_exit(10);
		text = drpc_last_error();
		snprintf(named, sizeof(named), "%s (descriptor 3)", other);
		if (strstr(text, managed.dir.sock) == NULL || strstr(text, named) == NULL)
			_exit(11);
		if (access(managed.dir.sock, F_OK) == 0)
			_exit(12);
		/* Once that one has a server it is none that could have been meant. */
		if (take_over(other, &first) != 0)
			_exit(13);
		_exit(drpc_server_listen(server) == 0 ? 0 : 14);
	}
	child_is_content(child);
	close(listeners[0]);
	managed_end(&managed);
}

/* The number in the environment may be any. */
static void
not_all_descriptors_are_looked_at(void **state)
{
	struct managed managed;
	int            listeners[2] = {0};
	pid_t          child;

	(void)state;
	managed_make(&managed);
	listeners[0] = peer_listen(managed.dir.sock);
	child        = fork();
	if (child == 0) {
		struct drpc_server *server;
		char                none[128];

		alarm(10);
		hand_over("10000000", listeners);
		snprintf(none, sizeof(none), "%s/none.sock", managed.dir.path);
		if (take_over(none, &server) != -DER_NONEXIST)
			_exit(10);
		setenv("LISTEN_FDS", "18446744073709551615", 1);
		_exit(take_over(managed.dir.sock, &server) == 0 ? 0 : 11);
	}
	child_is_content(child);
	close(listeners[0]);
	managed_end(&managed);
}

/* Without a service manager there is nothing to take over. */
static void
a_socket_is_made_if_none_is_inherited(void **state)
{
	struct managed managed;

	(void)state;
	make(&managed);
	managed_set(&managed, DRPC_SERVER_INHERIT, 1);
	managed_start(&managed);
	is_served(&managed);
	managed_end(&managed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(listen_refuses_bad_paths),
		unit(listen_can_be_tried_again),
		unit(clients_may_come_once_it_listens),
		unit(the_mode_does_not_depend_on_the_umask),
		unit(owner_and_group_are_those_chosen),
		unit(an_existing_file_is_an_error),
		unit(a_dead_socket_is_replaced),
		unit(a_live_socket_is_left_alone),
		unit(what_is_no_socket_is_left_alone),
		unit(the_lock_file_keeps_others_out),
		unit(a_lock_that_is_held_is_named),
		unit(the_lock_file_is_the_owners),
		unit(a_lock_file_of_root_is_no_hindrance),
		unit(there_is_no_lock_file_unless_asked_for),
		unit(the_socket_goes_with_the_server),
		unit(the_file_of_another_stays),
		unit(an_inherited_socket_is_taken_over),
		unit(an_inherited_socket_may_have_another_name),
		unit(an_inherited_socket_is_the_one_of_the_name),
		unit(another_socket_that_was_handed_over_is_named),
		unit(not_all_descriptors_are_looked_at),
		unit(a_socket_is_made_if_none_is_inherited),
	};

	return cmocka_run_group_tests_name("managed socket " ABI_NAME, tests, NULL, NULL);
}
