/* Calls of the shared client, of one and of several threads. */
#include "abi.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <daos/drpc_progress.h>

#include "support/caller.h"
#include "support/descriptors.h"
#include "support/managed.h"
#include "support/peer.h"
#include "support/shared.h"

static void
a_call_gets_its_response(void **state)
{
	struct shared shared;
	struct caller caller;
	int64_t       first;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	caller_start(&caller, shared.client, 10, NULL);
	first = shared_expect(&shared, 10);
	shared_answer(&shared, first, 20);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 20);
	assert_true(first > 0);
	/* The client counts its calls. */
	caller_start(&caller, shared.client, 0, NULL);
	assert_int_equal(shared_expect(&shared, 0), first + 1);
	assert_true(peer_send_response(shared.peer, first + 1, DRPC__STATUS__UNKNOWN_METHOD, NULL, 0));
	caller_answered(&caller, DRPC__STATUS__UNKNOWN_METHOD, 0);
	shared_end(&shared);
}

enum { THREADS = 4 };

struct worker {
	pthread_t           thread;
	struct drpc_client *client;
	int                 number;
	int                 calls;
	int                 right;
};

/* Calls with a body of its own each, and counts those that come back. */
static void *
work(void *arg)
{
	struct worker  *worker = arg;
	Drpc__Response *resp;
	char            body[32] = {0};
	int             i;

	for (i = 0; i < worker->calls; i++) {
		snprintf(body, sizeof(body), "thread %d, call %d", worker->number, i);
		if (drpc_client_call(worker->client, ECHO, i, body, sizeof(body), NULL, &resp) != 0)
			continue;
		if (resp->status == DRPC__STATUS__SUCCESS && resp->body.len == sizeof(body) &&
		    memcmp(resp->body.data, body, sizeof(body)) == 0)
			worker->right++;
		drpc_response_free(resp);
	}
	return NULL;
}

static void
work_in_threads(struct drpc_client *client, int calls)
{
	struct worker workers[THREADS];
	int           i;

	for (i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.client = client, .number = i, .calls = calls};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].right, calls);
	}
}

/* Has threads call a managed server whose module may be concurrent. */
static void
share(int pipelining, unsigned int flags, int thread)
{
	struct drpc_client *client;
	struct managed      managed;

	managed_make(&managed);
	assert_int_equal(drpc_server_register(managed.server, ECHO, managed_echo, NULL, flags), 0);
	managed_start(&managed);
	assert_int_equal(drpc_client_create(managed.dir.sock, &client), 0);
	assert_int_equal(drpc_client_set(client, DRPC_CLIENT_PIPELINING, pipelining), 0);
	assert_int_equal(drpc_client_set(client, DRPC_CLIENT_THREAD, thread), 0);
	assert_int_equal(drpc_client_connect(client), 0);
	work_in_threads(client, 300);
	drpc_client_destroy(client);
	managed_end(&managed);
}

static void
every_thread_gets_its_own_replies(void **state)
{
	(void)state;
	share(0, 0, 0);
	share(1, 0, 0);
	share(1, DRPC_SERVER_CONCURRENT, 0);
	share(1, DRPC_SERVER_CONCURRENT, 1);
}

static void
plain_echo(Drpc__Call *call, Drpc__Response *resp)
{
	resp->body = call->body;
	call->body = (ProtobufCBinaryData){0};
}

struct loop {
	struct drpc_progress_context *context;
	atomic_bool                   over;
};

static void *
progress(void *arg)
{
	struct loop *loop = arg;

	while (!loop->over)
		drpc_progress(loop->context, 20);
	return NULL;
}

/* The loop of the plain API serves them, too. */
static void
a_progress_loop_serves_threads(void **state)
{
	struct drpc_client *client;
	struct loop         loop = {.over = false};
	struct drpc        *listener;
	struct dir          dir;
	pthread_t           thread;

	(void)state;
	dir_make(&dir);
	listener = abi_listen(dir.sock, plain_echo);
	assert_non_null(listener);
	loop.context = drpc_progress_context_create(listener);
	assert_non_null(loop.context);
	assert_int_equal(pthread_create(&thread, NULL, progress, &loop), 0);
	assert_int_equal(drpc_client_create(dir.sock, &client), 0);
	assert_int_equal(drpc_client_connect(client), 0);
	work_in_threads(client, 100);
	drpc_client_destroy(client);
	loop.over = true;
	pthread_join(thread, NULL);
	drpc_progress_context_close(loop.context);
	dir_remove(&dir);
}

/* Without the option the second call is sent when the first has its reply, with it at once. */
static void
pipelining_sends_without_waiting(void **state)
{
	struct shared shared;
	struct caller callers[2];
	int64_t       sequences[2];
	int           pipelining;

	(void)state;
	for (pipelining = 0; pipelining < 2; pipelining++) {
		shared_make(&shared);
		shared_set(&shared, DRPC_CLIENT_PIPELINING, (uint64_t)pipelining);
		shared_connect(&shared);
		caller_start(&callers[0], shared.client, 10, NULL);
		sequences[0] = shared_expect(&shared, 10);
		caller_start(&callers[1], shared.client, 11, NULL);
		if (pipelining) {
			/* The replies come in the other order. */
			sequences[1] = shared_expect(&shared, 11);
			shared_answer(&shared, sequences[1], 21);
			caller_answered(&callers[1], DRPC__STATUS__SUCCESS, 21);
			assert_false(callers[0].over);
			shared_answer(&shared, sequences[0], 20);
			caller_answered(&callers[0], DRPC__STATUS__SUCCESS, 20);
		} else {
			usleep(20000);
			assert_true(peer_is_quiet(shared.peer));
			shared_answer(&shared, sequences[0], 20);
			caller_answered(&callers[0], DRPC__STATUS__SUCCESS, 20);
			sequences[1] = shared_expect(&shared, 11);
			shared_answer(&shared, sequences[1], 21);
			caller_answered(&callers[1], DRPC__STATUS__SUCCESS, 21);
		}
		shared_end(&shared);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_call_gets_its_response),
		unit(every_thread_gets_its_own_replies),
		unit(a_progress_loop_serves_threads),
		unit(pipelining_sends_without_waiting),
	};

	return cmocka_run_group_tests_name("shared calls " ABI_NAME, tests, NULL, NULL);
}
