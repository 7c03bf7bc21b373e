/* Whose the shared client is: the thread that has locked it, and the process that has made it. */
#include "abi.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/caller.h"
#include "support/descriptors.h"
#include "support/peer.h"
#include "support/shared.h"

/* --- locking ---------------------------------------------------------------------------------------------- */

static void *
unlock(void *arg)
{
	return (void *)(intptr_t)drpc_client_unlock(arg);
}

static void *
lock(void *arg)
{
	return (void *)(intptr_t)drpc_client_lock(arg);
}

static int
in_thread(void *(*what)(void *), struct drpc_client *client)
{
	pthread_t thread;
	void     *rc;

	assert_int_equal(pthread_create(&thread, NULL, what, client), 0);
	pthread_join(thread, &rc);
	return (int)(intptr_t)rc;
}

/* Answers two calls, of the thread that holds the lock. */
static void *
answer_two(void *arg)
{
	struct shared   *shared = arg;
	struct peer_call in;
	int              i;

	for (i = 0; i < 2; i++) {
		if (!peer_recv_call(shared->peer, &in))
			return NULL;
		peer_send_response(shared->peer, in.call.sequence, in.call.method, NULL, 0);
		free(in.msg);
	}
	return shared;
}

static void
a_lock_keeps_others_waiting(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = 30);
	Drpc__Response          *resp;
	struct shared            shared;
	struct caller            caller;
	pthread_t                thread;
	void                    *answered;
	int                      i;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	assert_int_equal(drpc_client_lock(shared.client), 0);
	assert_int_equal(drpc_client_lock(shared.client), -DER_BUSY);
	/* Only who has locked it unlocks it; to others this is nothing to do. */
	assert_int_equal(in_thread(unlock, shared.client), 0);

	caller_start(&caller, shared.client, 11, &options);
	assert_int_equal(caller_error(&caller), -DER_TIMEDOUT);
	assert_true(peer_is_quiet(shared.peer));

	/* Calls of this thread go through, while that of another one waits. */
	caller_start(&caller, shared.client, 30, NULL);
	assert_int_equal(pthread_create(&thread, NULL, answer_two, &shared), 0);
	for (i = 1; i <= 2; i++) {
		assert_int_equal(drpc_client_call(shared.client, 100, i, NULL, 0, NULL, &resp), 0);
		assert_int_equal(resp->status, i);
		drpc_response_free(resp);
	}
	pthread_join(thread, &answered);
	assert_non_null(answered);
	assert_true(peer_is_quiet(shared.peer));
	assert_false(caller.over);
	assert_int_equal(drpc_client_unlock(shared.client), 0);
	shared_answer(&shared, shared_expect(&shared, 30), 31);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 31);
	assert_int_equal(drpc_client_unlock(shared.client), 0);
	shared_end(&shared);
}

static void
waiting_for_the_lock_ends_with_the_timeout(void **state)
{
	struct shared shared;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_TIMEOUT, 30);
	shared_connect(&shared);
	assert_int_equal(drpc_client_lock(shared.client), 0);
	assert_int_equal(in_thread(lock, shared.client), -DER_TIMEDOUT);
	assert_int_equal(drpc_client_unlock(shared.client), 0);
	shared_end(&shared);
}

/* --- fork ---------------------------------------------------------------------------------------------------- */

static void
no_result(int rc, Drpc__Response *resp, void *arg)
{
	(void)rc;
	(void)resp;
	(void)arg;
	abort();
}

/* Every function in a child of a fork: the number of the first that does not say so, or 0. */
static int
first_that_works(struct drpc_client *client)
{
	Drpc__Response *resp;
	const int       results[] = {
		drpc_client_connect(client),
		drpc_client_wait_ready(client, 0),
		drpc_client_close(client),
		drpc_client_lock(client),
		drpc_client_unlock(client),
		drpc_client_call(client, 100, 0, NULL, 0, NULL, &resp),
		drpc_client_submit(client, 100, 0, NULL, 0, NULL, no_result, NULL),
		drpc_client_dispatch(client, 0),
		drpc_client_get_fd(client),
	};
	size_t i;

	for (i = 0; i < sizeof(results) / sizeof(*results); i++)
		if (results[i] != -DER_NO_HDL)
			return (int)i + 1;
	if (drpc_client_is_connected(client))
		return (int)i + 1;
	/* Must not end the connection of the parent. */
	drpc_client_destroy(client);
	return 0;
}

static void
a_client_stays_with_its_process(void **state)
{
	struct shared shared;
	struct caller caller;
	int64_t       sequence;
	pid_t         child;
	int           status;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	/* Also when a call of the parent is out. */
	caller_start(&caller, shared.client, 10, NULL);
	sequence = shared_expect(&shared, 10);
	child    = fork();
	if (child == 0)
		_exit(first_that_works(shared.client));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(peer_is_quiet(shared.peer));
	shared_answer(&shared, sequence, 20);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 20);
	shared_is_usable(&shared);
	shared_end(&shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_lock_keeps_others_waiting),
		unit(waiting_for_the_lock_ends_with_the_timeout),
		unit(a_client_stays_with_its_process),
	};

	return cmocka_run_group_tests_name("shared lock " ABI_NAME, tests, NULL, NULL);
}
