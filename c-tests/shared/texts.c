/* What the shared client says of connections that cannot be made, and of servers that are gone. */
#include "abi.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/caller.h"
#include "support/descriptors.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/said.h"
#include "support/shared.h"

static int
call(struct drpc_client *client, size_t len)
{
	static char     body[20000];
	Drpc__Response *resp;

	return drpc_client_call(client, 100, 1, body, len, NULL, &resp);
}

/* A client of its own for another path. */
static void
cannot_connect(const char *path, int rc)
{
	struct drpc_client *client;

	assert_int_equal(drpc_client_create(path, &client), 0);
	assert_int_equal(drpc_client_connect(client), rc);
	drpc_client_destroy(client);
}

static void
what_is_at_the_path_is_told(void **state)
{
	struct dir dir;
	char       path[128];
	FILE      *file;

	(void)state;
	dir_make(&dir);
	cannot_connect(dir.path, -DER_MISC);
	assert_true(SAYS("connect ", "connection refused: the path is a directory: use the path of the server's socket"));
	file = fopen(dir.sock, "w");
	assert_non_null(file);
	fclose(file);
	cannot_connect(dir.sock, -DER_MISC);
	assert_true(SAYS("connection refused: the path is a regular file: use the path of the server's socket"));
	snprintf(path, sizeof(path), "%s/x", dir.sock);
	cannot_connect(path, -DER_NOTDIR);
	assert_true(SAYS("not a directory: ", dir.sock, " is no directory"));
	assert_int_equal(unlink(dir.sock), 0);
	cannot_connect(dir.sock, -DER_NONEXIST);
	assert_true(SAYS("no such file or directory: the server is not running, or uses another path"));
	assert_int_equal(symlink("target", dir.sock), 0);
	cannot_connect(dir.sock, -DER_NONEXIST);
	assert_true(SAYS("links lead to ", dir.path, "/target, which does not exist"));
	assert_int_equal(unlink(dir.sock), 0);
	assert_int_equal(symlink(dir.sock, dir.sock), 0);
	cannot_connect(dir.sock, -DER_MISC);
	assert_true(SAYS("too many levels of symbolic links: the link ", dir.sock));
	dir_remove(&dir);
}

static int
is_refused(const struct dir *dir)
{
	struct drpc_client *client;
	int                 listener = peer_listen(dir->sock);
	char                user[32];

	user_name(user);
	if (chmod(dir->sock, 0400) != 0 || drpc_client_create(dir->sock, &client) != 0 ||
	    drpc_client_connect(client) != -DER_NO_PERM)
		return 1;
	if (!SAYS("permission denied: ", dir->sock, "(mode 0400, uid ", "does not let ", user, " connect to it"))
		return 2;
	if (drpc_client_wait_ready(client, 30) != -DER_TIMEDOUT)
		return 3;
	if (!SAYS("timed out after 30 ms: permission denied: ", "(mode 0400, uid ", " connect to it"))
		return 4;
	if (chmod(dir->path, 0600) != 0 || drpc_client_connect(client) != -DER_NO_PERM)
		return 5;
	if (!SAYS("permission denied: ", dir->path, "(mode 0600, uid ", "does not let ", user, " go through it"))
		return 6;
	drpc_client_destroy(client);
	close(listener);
	return chmod(dir->path, 0700);
}

static void
what_refuses_is_named(void **state)
{
	(void)state;
	as_user(is_refused);
}

static void
a_wait_in_vain_keeps_the_cause(void **state)
{
	struct shared shared;
	struct dir    dir;

	(void)state;
	shared_make(&shared);
	close(shared.listener);
	assert_int_equal(drpc_client_wait_ready(shared.client, 40), -DER_TIMEDOUT);
	assert_true(SAYS("connect ", "timed out after 40 ms: connection refused: no server listens on the socket"));
	assert_int_equal(unlink(shared.dir.sock), 0);
	assert_int_equal(drpc_client_wait_ready(shared.client, 50), -DER_TIMEDOUT);
	assert_true(SAYS("timed out after 50 ms: no such file or directory: the server is not running"));
	dir = shared.dir;
	shared.listener = peer_listen(dir.sock);
	shared_end(&shared);
}

static void
a_full_queue_is_told(void **state)
{
	struct shared shared;
	int           first;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_TIMEOUT, 60);
	assert_int_equal(listen(shared.listener, 0), 0);
	assert_int_equal(chmod(shared.dir.sock, 0640), 0);
	first = peer_connect(shared.dir.sock);
	assert_int_equal(drpc_client_connect(shared.client), -DER_TIMEDOUT);
	assert_true(SAYS("connect ", "timed out after 60 ms: the server runs but does not accept", "(mode 0640, uid "));
	close(first);
	shared_end(&shared);
}

static void
a_server_that_closes_is_told(void **state)
{
	struct shared shared;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	/* It has the call. */
	assert_int_equal(shutdown(shared.peer, SHUT_WR), 0);
	assert_int_equal(call(shared.client, 1), -DER_NOREPLY);
	assert_true(SAYS("reply ", "the server closed the connection after the call was sent, without a reply"));
	/* It has gone, and its file is still there. */
	close(shared.listener);
	assert_int_equal(call(shared.client, 1), -DER_MISC);
	assert_true(SAYS("connect ", "connection refused: no server listens on the socket", "start the server"));
	shared.listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	shared_end(&shared);
}

static void
the_limit_of_a_message_is_named(void **state)
{
	struct shared shared;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_MAX_MESSAGE, 1000);
	shared_set(&shared, DRPC_CLIENT_FRAMING, DRPC_FRAMING_CHUNKED);
	shared_connect(&shared);
	assert_int_equal(call(shared.client, 2000), -DER_OVERFLOW);
	assert_true(SAYS("the limit is 1000: DRPC_CLIENT_MAX_MESSAGE raises it"));
	shared_end(&shared);

	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_MAX_DATAGRAM, 16384);
	shared_set(&shared, DRPC_CLIENT_FRAMING, DRPC_FRAMING_DATAGRAM);
	shared_connect(&shared);
	assert_int_equal(call(shared.client, 20000), -DER_OVERFLOW);
	assert_true(SAYS("the limit is 16384 for a datagram, which is what this peer is sent: "
			 "DRPC_CLIENT_MAX_DATAGRAM raises it"));
	shared_end(&shared);
}

static void
a_bad_option_is_named(void **state)
{
	struct shared shared;

	(void)state;
	shared_make(&shared);
	assert_int_equal(drpc_client_set(shared.client, 999, 1), -DER_INVAL);
	assert_true(SAYS("configure ", "the option 999 is none of DRPC_CLIENT_"));
	assert_int_equal(drpc_client_set(shared.client, DRPC_CLIENT_THREAD, 2), -DER_INVAL);
	assert_true(SAYS("DRPC_CLIENT_THREAD cannot be 2: it can be 0 or 1"));
	assert_int_equal(drpc_client_set(shared.client, DRPC_CLIENT_FRAMING, 77), -DER_INVAL);
	assert_true(SAYS("DRPC_CLIENT_FRAMING cannot be 77: it can be 0, 1 or 2"));
	shared_end(&shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(what_is_at_the_path_is_told),
	    unit(what_refuses_is_named),
	    unit(a_wait_in_vain_keeps_the_cause),
	    unit(a_full_queue_is_told),
	    unit(a_server_that_closes_is_told),
	    unit(the_limit_of_a_message_is_named),
	    unit(a_bad_option_is_named),
	};

	return cmocka_run_group_tests_name("shared texts " ABI_NAME, tests, NULL, NULL);
}
