/* The pages that responses take in a process with shared clients. Their server is a process of its own. */
#include "abi.h"

#include <drpc/client.h>
#include <drpc/server.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/descriptors.h"
#include "support/managed.h"
#include "support/pages.h"
#include "support/patience.h"

enum { MIB = 1 << 20, CLIENTS = 30 };

static uint8_t           body[8 * MIB];
static pthread_barrier_t together;

static void *
call(void *path)
{
	struct drpc_client *client;
	Drpc__Response     *resp = NULL;

	if (drpc_client_create(path, &client) != 0 || drpc_client_set(client, DRPC_CLIENT_FRAMING, DRPC_FRAMING_CHUNKED) != 0 ||
	    drpc_client_wait_ready(client, PATIENCE_MS) != 0 ||
	    drpc_client_call(client, ECHO, 0, body, sizeof(body), NULL, &resp) != 0)
		return NULL;
	/* All responses are there at the same time. */
	pthread_barrier_wait(&together);
	drpc_response_free(resp);
	drpc_client_destroy(client);
	return path;
}

static void
memory_of_responses_goes_back(void **state)
{
	pthread_t      threads[CLIENTS];
	struct managed managed;
	long           before;
	long           after;
	int            status;
	pid_t          server;

	(void)state;
	dir_make(&managed.dir);
	server = fork();
	if (server == 0) {
		if (drpc_server_create(managed.dir.sock, &managed.server) != 0)
			_exit(1);
		managed_set(&managed, DRPC_SERVER_MAX_SESSIONS_PER_UID, 0);
		managed_register(&managed, ECHO, managed_echo, NULL);
		managed_start(&managed);
		for (;;)
			pause();
	}
	memset(body, 1, sizeof(body));
	before = pages_mib();
	assert_int_equal(pthread_barrier_init(&together, NULL, CLIENTS), 0);
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call, managed.dir.sock), 0);
	for (int i = 0; i < CLIENTS; i++) {
		void *called;

		assert_int_equal(pthread_join(threads[i], &called), 0);
		assert_non_null(called);
	}
	after = pages_mib();
	kill(server, SIGKILL);
	assert_int_equal(waitpid(server, &status, 0), server);
	print_message("# %ld MiB, and %ld after the load\n", before, after);
	/* 33 MiB of free blocks, and the arenas of the threads. */
	assert_true(after - before < 33 + 8);
	pthread_barrier_destroy(&together);
	unlink(managed.dir.sock);
	dir_remove(&managed.dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(memory_of_responses_goes_back),
	};

	return cmocka_run_group_tests_name("shared large blocks " ABI_NAME, tests, NULL, NULL);
}
