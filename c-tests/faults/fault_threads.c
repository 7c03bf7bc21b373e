/*
 * Threads of the managed server and the shared client that cannot be started,
 * and their descriptors, which are close-on-exec from the first.
 */
#include "abi.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drpc/client.h>
#include <drpc/library.h>
#include <drpc/server.h>

#include "support/descriptors.h"
#include "support/dir.h"
#include "support/exchange.h"
#include "support/fault.h"
#include "support/loop.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/syscalls.h"
#include "support/tasks.h"

static void
no_thread_is_named(int rc)
{
	assert_int_equal(rc, -DER_AGAIN);
	assert_int_equal(errno, EAGAIN);
	assert_non_null(strstr(drpc_last_error(), "no thread could be started: "));
	assert_non_null(strstr(drpc_last_error(), "RLIMIT_NPROC"));
}

/* Those that have been started end. The server listens, and is served once there are threads. */
static void
a_start_without_threads_can_be_tried_again(void **state)
{
	struct managed managed;
	int            peer;
	int            nth;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_THREADS, 3);
	managed_register(&managed, ECHO, managed_echo, NULL);
	for (nth = 3; nth > 0; nth--) {
		syscalls_reset();
		syscalls_fail(CALL_PTHREAD_CREATE, nth, EAGAIN);
		no_thread_is_named(LIBRARY(drpc_server_start(managed.server)));
		assert_int_equal(calls.count[CALL_PTHREAD_CREATE], nth);
		assert_true(tasks_are(1));
	}
	syscalls_reset();
	syscalls_fail(CALL_PTHREAD_CREATE, 2, EAGAIN);
	no_thread_is_named(LIBRARY(drpc_server_run(managed.server)));
	peer = peer_connect(managed.dir.sock);
	assert_true(peer >= 0);
	managed_start(&managed);
	assert_true(tasks_are(4));
	exchange_echo(peer, ECHO, 1);
	assert_int_equal(drpc_server_start(managed.server), -DER_BUSY);
	close(peer);
	managed_end(&managed);
	assert_true(tasks_are(1));
}

/* The parent may have threads for it. */
static void
a_child_without_threads_leaves_the_server_to_its_parent(void **state)
{
	struct managed managed;
	pid_t          child;
	int            status = -1;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		syscalls_reset();
		syscalls_fail(CALL_PTHREAD_CREATE, 1, EAGAIN);
		status = LIBRARY(drpc_server_start(managed.server)) != -DER_AGAIN;
		drpc_server_destroy(managed.server);
		_exit(status);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(access(managed.dir.sock, F_OK), 0);
	managed_start(&managed);
	managed_end(&managed);
}

/* It is shut down, and its file removed, as any other. */
static void
a_server_without_threads_is_shut_down(void **state)
{
	struct managed managed;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_THREADS, 2);
	syscalls_reset();
	syscalls_fail(CALL_PTHREAD_CREATE, 2, EAGAIN);
	no_thread_is_named(LIBRARY(drpc_server_start(managed.server)));
	assert_int_equal(access(managed.dir.sock, F_OK), 0);
	assert_int_equal(drpc_server_shutdown(managed.server, PATIENCE_MS), 0);
	assert_int_not_equal(access(managed.dir.sock, F_OK), 0);
	assert_int_equal(drpc_server_start(managed.server), -DER_SHUTDOWN);
	managed_end(&managed);
}

static void
a_client_without_its_thread_can_connect_later(void **state)
{
	struct drpc_client *client;
	struct managed      managed;

	(void)state;
	managed_serve_echo(&managed);
	assert_int_equal(drpc_client_create(managed.dir.sock, &client), 0);
	assert_int_equal(drpc_client_set(client, DRPC_CLIENT_THREAD, 1), 0);
	syscalls_reset();
	syscalls_fail(CALL_PTHREAD_CREATE, 1, EAGAIN);
	no_thread_is_named(LIBRARY(drpc_client_connect(client)));
	assert_int_equal(drpc_client_connect(client), 0);
	drpc_client_destroy(client);
	managed_end(&managed);
}

/* A program that another thread starts just then would inherit what is marked later. */
static void
managed_and_shared_are_born_closed_at_exec(void **state)
{
	struct managed      managed;
	struct drpc_client *client;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	syscalls_reset();
	assert_int_equal(LIBRARY(drpc_server_listen(managed.server)), 0);
	assert_int_equal(calls.type, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_int_equal(drpc_client_create(managed.dir.sock, &client), 0);
	calls.type = 0;
	assert_int_equal(LIBRARY(drpc_client_connect(client)), 0);
	assert_int_equal(calls.type, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_int_equal(LIBRARY(drpc_server_dispatch(managed.server, PATIENCE_MS)), 0);
	/* A client that comes alone: to look for another one would cost as much. */
	assert_int_equal(calls.count[CALL_ACCEPT4], 1);
	assert_int_equal(calls.accept_flags, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_false(calls.accept_named);
	assert_int_equal(calls.count[CALL_ACCEPT], 0);
	assert_int_equal(calls.count[CALL_FCNTL], 0);
	drpc_client_destroy(client);
	managed_end(&managed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(managed_and_shared_are_born_closed_at_exec),
	    unit(a_start_without_threads_can_be_tried_again),
	    unit(a_child_without_threads_leaves_the_server_to_its_parent),
	    unit(a_server_without_threads_is_shut_down),
	    unit(a_client_without_its_thread_can_connect_later),
	};

	return cmocka_run_group_tests_name("fault threads " ABI_NAME, tests, NULL, NULL);
}
