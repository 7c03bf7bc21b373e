/* What the process is surrounded by: which descriptors it has closed, and which directory it works in. */
#include "abi.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/context.h"
#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/shared.h"

/* --- standard descriptors ------------------------------------------------------------------ */

/* Which of the descriptors 0 to 2 are open, each as a bit. */
static int
standard_open(void)
{
	int open = 0;

	for (int fd = 0; fd < 3; fd++)
		open |= (fcntl(fd, F_GETFD) >= 0) << fd;
	return open;
}

/*
 * In children that have closed the descriptors in `closed`, each a bit: whether what the library opens has other numbers.
 * A child has as its result what went wrong: 16 times the bits that are open and should not be.
 */
static void
leaves_standard_descriptors(int (*use)(const char *path), const char *path)
{
	for (int closed = 1; closed < 8; closed++) {
		pid_t child = fork();
		int   status;

		if (child == 0) {
			for (int fd = 0; fd < 3; fd++)
				if (closed & 1 << fd)
					close(fd);
			_exit(use(path) | 16 * (standard_open() & closed));
		}
		assert_true(child > 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

static int
use_client(const char *path)
{
	struct drpc *ctx;

	return abi_connect(path, &ctx) == 0 ? 0 : 1;
}

static int
use_listener(const char *path)
{
	struct drpc *listener;
	struct drpc *session;
	char         own[128];

	snprintf(own, sizeof(own), "%s.%d", path, (int)getpid());
	listener = abi_listen(own, context_no_handler);
	if (listener == NULL)
		return 1;
	/* The peer's socket takes a low number; it is ours to close. */
	close(peer_connect(own));
	return abi_accept(listener, &session) == 0 ? 0 : 2;
}

static int
use_server(const char *path)
{
	struct drpc_server *server;
	char                own[128];
	int                 peer;

	snprintf(own, sizeof(own), "%s.%d", path, (int)getpid());
	if (drpc_server_create(own, &server) != 0 || drpc_server_register(server, ECHO, managed_echo, NULL, 0) != 0 ||
	    drpc_server_set(server, DRPC_SERVER_REPLACE_STALE, 1) != 0 || drpc_server_listen(server) != 0)
		return 1;
	peer = peer_connect(own);
	for (int i = 0; i < 3; i++)
		if (drpc_server_dispatch(server, 0) != 0)
			return 2;
	close(peer);
	return 0;
}

static int
use_shared_client(const char *path)
{
	struct drpc_client *client;

	if (drpc_client_create(path, &client) != 0 || drpc_client_connect(client) != 0)
		return 1;
	return drpc_client_get_fd(client) > 2 ? 0 : 2;
}

static void
with_a_listener(int (*use)(const char *path))
{
	struct dir dir;
	int        listener;

	dir_make(&dir);
	listener = peer_listen(dir.sock);
	leaves_standard_descriptors(use, dir.sock);
	close(listener);
	dir_remove(&dir);
}

static void
a_client_has_no_standard_descriptor(void **state)
{
	(void)state;
	with_a_listener(use_client);
}

static void
a_listener_has_no_standard_descriptor(void **state)
{
	(void)state;
	with_a_listener(use_listener);
}

static void
a_server_has_no_standard_descriptor(void **state)
{
	(void)state;
	with_a_listener(use_server);
}

static void
a_shared_client_has_no_standard_descriptor(void **state)
{
	(void)state;
	with_a_listener(use_shared_client);
}

/* --- the working directory ------------------------------------------------------------------- */

/* Works in a directory until the result is given to go_back. */
static int
go_to(const char *path)
{
	int before = open(".", O_RDONLY | O_DIRECTORY);

	assert_true(before >= 0);
	assert_int_equal(chdir(path), 0);
	return before;
}

static void
go_back(int before)
{
	assert_int_equal(fchdir(before), 0);
	close(before);
}

static struct drpc_server *
relative_server(const char *path)
{
	struct drpc_server *server;

	assert_int_equal(drpc_server_create(path, &server), 0);
	assert_int_equal(drpc_server_register(server, ECHO, managed_echo, NULL, 0), 0);
	assert_int_equal(drpc_server_set(server, DRPC_SERVER_REPLACE_STALE, 1), 0);
	return server;
}

static void
is_served_at(const char *path)
{
	int peer = peer_connect(path);

	exchange_echo(peer, ECHO, 1);
	close(peer);
}

static void
a_server_that_has_moved_removes_its_file(void **state)
{
	struct drpc_server *server;
	struct dir          dir;
	int                 before;

	(void)state;
	dir_make(&dir);
	before = go_to(dir.path);
	server = relative_server("./drpc.sock");
	assert_int_equal(drpc_server_start(server), 0);
	assert_int_equal(chdir("/"), 0);
	is_served_at(dir.sock);
	assert_int_equal(drpc_server_shutdown(server, PATIENCE_MS), 0);
	assert_int_not_equal(access(dir.sock, F_OK), 0);
	drpc_server_destroy(server);
	go_back(before);
	dir_remove(&dir);
}

/* As with daemon() between the two. What is in the other directory is no concern of the server's. */
static void
a_server_listens_where_it_was_made(void **state)
{
	struct drpc_server *server;
	struct dir          dir;
	struct dir          other;
	int                 before;
	int                 foreign;

	(void)state;
	dir_make(&dir);
	dir_make(&other);
	foreign = peer_listen(other.sock);
	before  = go_to(dir.path);
	/* A dead one, to be replaced. */
	close(peer_listen("drpc.sock"));
	server = relative_server("drpc.sock");
	assert_int_equal(chdir(other.path), 0);
	assert_int_equal(drpc_server_start(server), 0);
	is_served_at(dir.sock);
	drpc_server_destroy(server);
	assert_int_not_equal(access(dir.sock, F_OK), 0);
	assert_int_equal(access("drpc.sock", F_OK), 0);
	assert_int_not_equal(access("drpc.sock.lock", F_OK), 0);
	go_back(before);
	close(foreign);
	dir_remove(&other);
	dir_remove(&dir);
}

static void
errors_have_the_path_of_the_program(void **state)
{
	struct drpc_server *server;
	struct drpc_client *client;
	struct dir          dir;
	int                 before;

	(void)state;
	dir_make(&dir);
	before = go_to(dir.path);
	server = relative_server("none/x");
	assert_int_equal(drpc_client_create("none/x", &client), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(drpc_server_listen(server), -DER_NONEXIST);
	assert_string_equal(drpc_last_error(),
			    "listen none/x: no such file or directory: there is no directory none: make it");
	assert_int_equal(drpc_client_connect(client), -DER_NONEXIST);
	assert_non_null(strstr(drpc_last_error(), "connect none/x: no such file"));
	drpc_client_destroy(client);
	drpc_server_destroy(server);
	go_back(before);
	dir_remove(&dir);
}

/* Connects at once, and again from elsewhere. */
static void
a_client_finds_its_server(const char *path, const char *directory)
{
	struct drpc_client *client;
	struct drpc_server *server;
	Drpc__Response     *resp;
	int                 before = go_to(directory);

	server = relative_server(path);
	assert_int_equal(drpc_server_start(server), 0);
	assert_int_equal(drpc_client_create(path, &client), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(drpc_client_connect(client), 0);
	drpc_server_destroy(server);
	go_back(before);

	before = go_to(directory);
	server = relative_server(path);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(drpc_server_start(server), 0);
	assert_int_equal(drpc_client_call(client, ECHO, 0, "x", 1, NULL, &resp), 0);
	assert_int_equal(resp->body.len, 1);
	drpc_response_free(resp);
	drpc_client_destroy(client);
	drpc_server_destroy(server);
	go_back(before);
}

static void
a_client_that_has_moved_finds_its_server(void **state)
{
	struct dir dir;

	(void)state;
	dir_make(&dir);
	a_client_finds_its_server("drpc.sock", dir.path);
	assert_int_not_equal(access(dir.sock, F_OK), 0);
	dir_remove(&dir);
}

/* The absolute path does not fit an address, the relative one does: also where it is as long as an address allows. */
static void
the_way_there_may_be_longer_than_an_address(void **state)
{
	struct dir dir;
	char       deep[256];
	char       name[80];
	char       longest[108];

	(void)state;
	dir_make(&dir);
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	snprintf(deep, sizeof(deep), "%s/%s", dir.path, name);
	assert_int_equal(mkdir(deep, 0700), 0);
	a_client_finds_its_server("drpc.sock", deep);
	snprintf(longest, sizeof(longest), "%s/%.*s", name, 107 - (int)strlen(name) - 1, name);
	assert_int_equal(strlen(longest), 107);
	a_client_finds_its_server(longest, dir.path);

	/* The lock files stay. */
	snprintf(deep + strlen(deep), sizeof(deep) - strlen(deep), "/drpc.sock.lock");
	assert_int_equal(unlink(deep), 0);
	snprintf(deep, sizeof(deep), "%s/%s.lock", dir.path, longest);
	assert_int_equal(unlink(deep), 0);
	snprintf(deep, sizeof(deep), "%s/%s", dir.path, name);
	assert_int_equal(rmdir(deep), 0);
	dir_remove(&dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_client_has_no_standard_descriptor),
		unit(a_listener_has_no_standard_descriptor),
		unit(a_server_has_no_standard_descriptor),
		unit(a_shared_client_has_no_standard_descriptor),
		unit(a_server_that_has_moved_removes_its_file),
		unit(a_server_listens_where_it_was_made),
		unit(errors_have_the_path_of_the_program),
		unit(a_client_that_has_moved_finds_its_server),
		unit(the_way_there_may_be_longer_than_an_address),
	};

	return cmocka_run_group_tests_name("surroundings " ABI_NAME, tests, NULL, NULL);
}
