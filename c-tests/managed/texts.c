/* What the managed server says when it cannot listen as the program wants. */
#include "abi.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/descriptors.h"
#include "support/managed.h"
#include "support/peer.h"
#include "support/said.h"

static void
cannot_listen(const char *path, bool replace, int rc)
{
	struct drpc_server *server;

	assert_int_equal(drpc_server_create(path, &server), 0);
	if (replace)
		assert_int_equal(drpc_server_set(server, DRPC_SERVER_REPLACE_STALE, 1), 0);
	assert_int_equal(drpc_server_start(server), rc);
	assert_true(SAYS("listen ", path));
	drpc_server_destroy(server);
}

static void
what_is_in_the_way_is_told(void **state)
{
	struct managed managed;
	char           path[128];
	char           pid[32];
	FILE          *file;

	(void)state;
	managed_make(&managed);
	cannot_listen(managed.dir.path, false, -DER_MISC);
	assert_true(SAYS("address already in use: the path is a directory: choose another path"));
	cannot_listen(managed.dir.path, true, -DER_EXIST);
	assert_true(SAYS("the path is a directory: choose another path"));
	snprintf(path, sizeof(path), "%s.lock", managed.dir.path);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/file", managed.dir.path);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	cannot_listen(path, false, -DER_MISC);
	assert_true(SAYS("address already in use: the path is a regular file: choose another path"));
	cannot_listen(path, true, -DER_EXIST);
	assert_true(SAYS("the path is a regular file: choose another path"));
	close(peer_listen(managed.dir.sock));
	cannot_listen(managed.dir.sock, false, -DER_MISC);
	assert_true(SAYS("no server listens on the socket, which is there since 2", "set DRPC_SERVER_REPLACE_STALE to 1"));
	assert_int_equal(unlink(managed.dir.sock), 0);
	managed_start(&managed);
	snprintf(pid, sizeof(pid), "(pid %d, ", (int)getpid());
	for (int replace = 0; replace < 2; replace++) {
		cannot_listen(managed.dir.sock, replace, -DER_MISC);
		assert_true(SAYS("another server ", pid, "listens on the socket: stop that server"));
	}
	snprintf(path, sizeof(path), "%s/none/sock", managed.dir.path);
	cannot_listen(path, false, -DER_NONEXIST);
	assert_true(SAYS("there is no directory ", managed.dir.path, "/none: make it"));
	managed_end(&managed);
}

static int
is_refused(const struct dir *dir)
{
	static const struct {
		int         option;
		const char *words[3];
	} cases[] = {
	    {DRPC_SERVER_OWNER, {"operation not permitted: DRPC_SERVER_OWNER is 12345", "start the server as root"}},
	    {DRPC_SERVER_GROUP, {"operation not permitted: DRPC_SERVER_GROUP is 12345", "has to be in the group"}},
	};
	struct drpc_server *server;
	char                user[32];

	user_name(user);
	for (int i = 0; i < 2; i++) {
		if (drpc_server_create(dir->sock, &server) != 0 ||
		    drpc_server_set(server, cases[i].option, 12345) != 0 || drpc_server_listen(server) != -DER_NO_PERM)
			return 10 + i;
		if (!said_all(cases[i].words))
			return 20 + i;
		drpc_server_destroy(server);
	}
	if (chmod(dir->path, 0500) != 0 || drpc_server_create(dir->sock, &server) != 0 ||
	    drpc_server_listen(server) != -DER_NO_PERM)
		return 30;
	if (!SAYS("permission denied: ", dir->path, "(mode 0500, uid ", "does not let ", user, " make a file in it"))
		return 31;
	drpc_server_destroy(server);
	return chmod(dir->path, 0700);
}

static void
what_a_user_may_not_do_is_told(void **state)
{
	(void)state;
	as_user(is_refused);
}

static void
a_bad_option_is_named(void **state)
{
	struct managed managed;

	(void)state;
	managed_make(&managed);
	assert_int_equal(drpc_server_set(managed.server, 999, 1), -DER_INVAL);
	assert_true(SAYS("configure ", "the option 999 is none of DRPC_SERVER_"));
	assert_int_equal(drpc_server_set(managed.server, DRPC_SERVER_THREADS, 0), -DER_INVAL);
	assert_true(SAYS("DRPC_SERVER_THREADS cannot be 0: it can be 1 to 4096"));
	assert_int_equal(drpc_server_set(managed.server, DRPC_SERVER_INHERIT, 5), -DER_INVAL);
	assert_true(SAYS("DRPC_SERVER_INHERIT cannot be 5: it can be 0 or 1"));
	managed_end(&managed);
}

static void
keep_warning(int level, const char *line, void *arg)
{
	if (level == DRPC_LOG_WARN)
		snprintf(arg, 512, "%s", line);
}

/* What a service manager has handed over is descriptor 3. */
static int
makes_a_socket_of_its_own(const struct dir *dir)
{
	struct drpc_server *server;
	char                other[128];
	char                pid[16];
	char                line[512] = "";
	int                 listener;

	snprintf(other, sizeof(other), "%s/other", dir->path);
	listener = peer_listen(other);
	if (dup2(listener, 3) != 3)
		return 1;
	/* What the test has opened itself is not handed over. */
	if (listener != 3)
		close(listener);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (setenv("LISTEN_PID", pid, 1) != 0 || setenv("LISTEN_FDS", "1", 1) != 0)
		return 2;
	drpc_set_log(keep_warning, line);
	if (drpc_server_create(dir->sock, &server) != 0 || drpc_server_listen(server) != 0)
		return 3;
	if (strstr(line, dir->sock) == NULL || strstr(line, "LISTEN_FDS has handed over ") == NULL ||
	    strstr(line, other) == NULL || strstr(line, "(descriptor 3)") == NULL) {
		fprintf(stderr, "\"%s\"\n", line);
		return 4;
	}
	drpc_server_destroy(server);
	/* Taken over, it is the wrong one. */
	if (drpc_server_create(dir->sock, &server) != 0 || drpc_server_set(server, DRPC_SERVER_INHERIT, 1) != 0 ||
	    drpc_server_listen(server) != -DER_NONEXIST)
		return 5;
	if (!SAYS("listen ", dir->sock, "no such socket was handed to the process, but ", other, "(descriptor 3)"))
		return 6;
	drpc_server_destroy(server);
	return 0;
}

static void
a_socket_that_is_handed_over_is_not_overlooked(void **state)
{
	(void)state;
	as_user(makes_a_socket_of_its_own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(what_is_in_the_way_is_told),
	    unit(what_a_user_may_not_do_is_told),
	    unit(a_bad_option_is_named),
	    unit(a_socket_that_is_handed_over_is_not_overlooked),
	};

	return cmocka_run_group_tests_name("managed texts " ABI_NAME, tests, NULL, NULL);
}
