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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_client_has_no_standard_descriptor),
		unit(a_listener_has_no_standard_descriptor),
		unit(a_server_has_no_standard_descriptor),
		unit(a_shared_client_has_no_standard_descriptor),
	};

	return cmocka_run_group_tests_name("surroundings " ABI_NAME, tests, NULL, NULL);
}
