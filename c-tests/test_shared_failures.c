/* Calls of the shared client that end before their reply: deadlines, cancelling, servers that go, locks, forks. */
#include "abi.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/body.h"
#include "support/caller.h"
#include "support/descriptors.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/shared.h"

/* A call that is answered. */
static void
is_usable(struct shared *shared)
{
	struct caller caller;

	caller_start(&caller, shared->client, 30, NULL);
	shared_answer(shared, shared_expect(shared, 30), 31);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 31);
}

/* --- deadlines ---------------------------------------------------------------------------------- */

/* The reply that comes too late is nobody's. */
static void
a_late_reply_is_dropped(struct shared *shared, const struct drpc_call_options *options)
{
	struct caller caller;
	int64_t       sequence;

	caller_start(&caller, shared->client, 10, options);
	sequence = shared_expect(shared, 10);
	assert_int_equal(caller_error(&caller), -DER_TIMEDOUT);
	shared_answer(shared, sequence, 99);
	assert_true(drpc_client_is_connected(shared->client));
	is_usable(shared);
	assert_false(shared_is_knocking(shared));
}

static void
a_call_has_a_deadline(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = 30);
	struct shared            shared;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	a_late_reply_is_dropped(&shared, &options);
	shared_end(&shared);
}

static void
a_client_has_a_deadline(void **state)
{
	struct drpc_call_options standard  = CALL_OPTIONS(.timeout_ms = 0);
	struct drpc_call_options unlimited = CALL_OPTIONS(.timeout_ms = -1);
	struct shared            shared;
	struct caller            caller;
	int64_t                  sequence;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_TIMEOUT, 100);
	shared_connect(&shared);
	a_late_reply_is_dropped(&shared, NULL);
	a_late_reply_is_dropped(&shared, &standard);
	/* A call's own goes before it. */
	caller_start(&caller, shared.client, 10, &unlimited);
	sequence = shared_expect(&shared, 10);
	usleep(200000);
	shared_answer(&shared, sequence, 20);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 20);
	shared_end(&shared);
}

/* Waiting for the turn, too; the call is not sent then. */
static void
the_deadline_covers_the_turn(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = 30);
	struct shared            shared;
	struct caller            first;
	struct caller            second;
	int64_t                  sequence;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	caller_start(&first, shared.client, 10, NULL);
	sequence = shared_expect(&shared, 10);
	caller_start(&second, shared.client, 11, &options);
	assert_int_equal(caller_error(&second), -DER_TIMEDOUT);
	assert_true(peer_is_quiet(shared.peer));
	shared_answer(&shared, sequence, 20);
	caller_answered(&first, DRPC__STATUS__SUCCESS, 20);
	is_usable(&shared);
	shared_end(&shared);
}

#ifdef DRPC_ABI_28
/* The server does not read, and the socket is full: what has been begun is finished when it does. */
static void
a_half_sent_call_is_finished_later(void **state)
{
	enum { LARGE = 4000000 };
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = 50);
	struct shared            shared;
	struct caller            caller;
	int64_t                  sequence;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	caller_start(&caller, shared.client, LARGE, &options);
	assert_int_equal(caller_error(&caller), -DER_TIMEDOUT);
	caller_start(&caller, shared.client, 30, NULL);
	sequence = shared_expect(&shared, LARGE);
	shared_answer(&shared, sequence, 99);
	shared_answer(&shared, shared_expect(&shared, 30), 31);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 31);
	assert_false(shared_is_knocking(&shared));
	shared_end(&shared);
}

/* The rest of a reply that nobody waits for any more is not taken for the next one. */
static void
a_half_read_reply_is_dropped(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = 50);
	uint8_t                 *body    = body_new(WIRE_CHUNK_MAX);
	struct wire_response     resp    = {.body = body, .len = WIRE_CHUNK_MAX};
	struct wire_header       header  = {.size = WIRE_CHUNK_MAX, .chunks = 2};
	struct shared            shared;
	struct caller            caller;
	uint8_t                 *msg;
	size_t                   len;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	caller_start(&caller, shared.client, 10, &options);
	resp.sequence = shared_expect(&shared, 10);
	msg           = wire_pack_response(&resp, &len);
	header.total  = len;
	assert_true(peer_send_chunk(shared.peer, &header, msg, WIRE_CHUNK_MAX));
	assert_int_equal(caller_error(&caller), -DER_TIMEDOUT);
	header.index = 1;
	header.size  = len - WIRE_CHUNK_MAX;
	assert_true(peer_send_chunk(shared.peer, &header, msg + WIRE_CHUNK_MAX, header.size));
	is_usable(&shared);
	assert_false(shared_is_knocking(&shared));
	free(msg);
	free(body);
	shared_end(&shared);
}
#endif

/* --- cancelling --------------------------------------------------------------------------------- */

static void
another_thread_cancels_a_call(void **state)
{
	struct drpc_cancel      *cancel  = drpc_cancel_create();
	struct drpc_call_options options = CALL_OPTIONS(.cancel = cancel);
	struct shared            shared;
	struct caller            callers[2];
	int64_t                  sequences[2];

	(void)state;
	assert_non_null(cancel);
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_PIPELINING, 1);
	shared_connect(&shared);
	caller_start(&callers[0], shared.client, 10, &options);
	sequences[0] = shared_expect(&shared, 10);
	caller_start(&callers[1], shared.client, 11, NULL);
	sequences[1] = shared_expect(&shared, 11);
	drpc_cancel_trigger(cancel);
	/* Twice is once. */
	drpc_cancel_trigger(cancel);
	assert_int_equal(caller_error(&callers[0]), -DER_CANCELED);
	assert_false(callers[1].over);
	shared_answer(&shared, sequences[0], 20);
	shared_answer(&shared, sequences[1], 21);
	caller_answered(&callers[1], DRPC__STATUS__SUCCESS, 21);
	/* Those that are given it from now on are given up at once. */
	caller_start(&callers[0], shared.client, 12, &options);
	assert_int_equal(caller_error(&callers[0]), -DER_CANCELED);
	assert_true(peer_is_quiet(shared.peer));
	is_usable(&shared);
	drpc_cancel_destroy(cancel);
	shared_end(&shared);
}

static void
calls_go_on_without_their_token(void **state)
{
	struct drpc_cancel      *cancel  = drpc_cancel_create();
	struct drpc_call_options options = CALL_OPTIONS(.cancel = cancel);
	struct shared            shared;
	struct caller            caller;
	int64_t                  sequence;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	caller_start(&caller, shared.client, 10, &options);
	sequence = shared_expect(&shared, 10);
	drpc_cancel_destroy(cancel);
	shared_answer(&shared, sequence, 20);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 20);
	shared_end(&shared);
}

/* A token is for many calls, of several clients. */
static void
one_token_for_many_calls(void **state)
{
	struct drpc_cancel      *cancel  = drpc_cancel_create();
	struct drpc_call_options options = CALL_OPTIONS(.cancel = cancel);
	struct shared            shared[2];
	struct caller            callers[2];
	int                      i;

	(void)state;
	for (i = 0; i < 2; i++) {
		shared_make(&shared[i]);
		shared_connect(&shared[i]);
		caller_start(&callers[i], shared[i].client, 10, &options);
		shared_answer(&shared[i], shared_expect(&shared[i], 10), 20);
		caller_answered(&callers[i], DRPC__STATUS__SUCCESS, 20);
		caller_start(&callers[i], shared[i].client, 10, &options);
		shared_expect(&shared[i], 10);
	}
	drpc_cancel_trigger(cancel);
	for (i = 0; i < 2; i++) {
		assert_int_equal(caller_error(&callers[i]), -DER_CANCELED);
		shared_end(&shared[i]);
	}
	drpc_cancel_destroy(cancel);
}

static void
close_gives_calls_up(void **state)
{
	struct shared shared;
	struct caller callers[2];

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	caller_start(&callers[0], shared.client, 10, NULL);
	shared_expect(&shared, 10);
	/* Waits for its turn. */
	caller_start(&callers[1], shared.client, 11, NULL);
	usleep(20000);
	assert_int_equal(drpc_client_close(shared.client), 0);
	assert_int_equal(caller_error(&callers[0]), -DER_UNREACH);
	assert_int_equal(caller_error(&callers[1]), -DER_UNREACH);
	assert_true(peer_is_closed(shared.peer));
	shared_connect(&shared);
	is_usable(&shared);
	shared_end(&shared);
}

/* --- servers that go -------------------------------------------------------------------------------- */

static void
a_call_that_was_sent_is_not_sent_again(void **state)
{
	struct shared shared;
	struct caller caller;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	caller_start(&caller, shared.client, 10, NULL);
	shared_expect(&shared, 10);
	close(shared.peer);
	shared.peer = -1;
	assert_int_equal(caller_error(&caller), -DER_NOREPLY);
	/* The next one connects anew. */
	caller_start(&caller, shared.client, 11, NULL);
	shared_accept(&shared);
	shared_answer(&shared, shared_expect(&shared, 11), 21);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 21);
	shared_end(&shared);
}

static void
an_idempotent_call_is_sent_again(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.idempotent = 1);
	struct shared            shared;
	struct caller            caller;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	caller_start(&caller, shared.client, 10, &options);
	shared_expect(&shared, 10);
	shared_accept(&shared);
	shared_answer(&shared, shared_expect(&shared, 10), 20);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 20);
	shared_end(&shared);
}

/* As often as the budget allows: with 0 it is as if it were not idempotent. */
static void
retries_are_limited(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.idempotent = 1);
	struct shared            shared;
	struct caller            caller;
	int                      retries;
	int                      i;

	(void)state;
	for (retries = 0; retries < 3; retries++) {
		shared_make(&shared);
		shared_set(&shared, DRPC_CLIENT_RETRIES, (uint64_t)retries);
		shared_connect(&shared);
		caller_start(&caller, shared.client, 10, &options);
		for (i = 0; i < retries; i++) {
			shared_expect(&shared, 10);
			shared_accept(&shared);
		}
		shared_expect(&shared, 10);
		close(shared.peer);
		shared.peer = -1;
		assert_int_equal(caller_error(&caller), -DER_NOREPLY);
		assert_false(shared_is_knocking(&shared));
		shared_end(&shared);
	}
}

static void
the_connection_is_made_anew(void **state)
{
	struct shared shared;
	struct caller caller;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	close(shared.peer);
	shared.peer = -1;
	/* Nobody has noticed yet; the call has not been sent, and is not lost. */
	caller_start(&caller, shared.client, 10, NULL);
	shared_accept(&shared);
	shared_answer(&shared, shared_expect(&shared, 10), 20);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 20);
	assert_true(drpc_client_is_connected(shared.client));
	shared_end(&shared);
}

/* --- wrong replies ------------------------------------------------------------------------------------- */

/* A reply with the number -1 is for a call that the server could not decode: clear which one if there is one only. */
static void
a_reply_without_a_number(void **state)
{
	struct shared shared;
	struct caller callers[2];

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_PIPELINING, 1);
	shared_connect(&shared);
	caller_start(&callers[0], shared.client, 10, NULL);
	shared_expect(&shared, 10);
	assert_true(peer_send_response(shared.peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, NULL, 0));
	caller_answered(&callers[0], DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
	caller_start(&callers[0], shared.client, 10, NULL);
	shared_expect(&shared, 10);
	caller_start(&callers[1], shared.client, 11, NULL);
	shared_expect(&shared, 11);
	assert_true(peer_send_response(shared.peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, NULL, 0));
	assert_int_equal(caller_error(&callers[0]), -DER_PROTO);
	assert_int_equal(caller_error(&callers[1]), -DER_PROTO);
	is_usable(&shared);
	shared_end(&shared);
}

/* It may as well be for a call that has been given up, so that the one that waits cannot be sure. */
static void
a_reply_without_a_number_after_a_deadline(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = 30);
	struct shared            shared;
	struct caller            caller;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	caller_start(&caller, shared.client, 10, &options);
	shared_expect(&shared, 10);
	assert_int_equal(caller_error(&caller), -DER_TIMEDOUT);
	caller_start(&caller, shared.client, 11, NULL);
	shared_expect(&shared, 11);
	assert_true(peer_send_response(shared.peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, NULL, 0));
	assert_int_equal(caller_error(&caller), -DER_PROTO);
	is_usable(&shared);
	shared_end(&shared);
}

static void
messages_are_limited(void **state)
{
	uint8_t        *body = body_new(20000);
	Drpc__Response *resp;
	struct shared   shared;
	struct caller   caller;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_MAX_MESSAGE, 1000);
	shared_connect(&shared);
	assert_int_equal(drpc_client_call(shared.client, 100, 0, body, 1000, NULL, &resp), -DER_OVERFLOW);
	assert_null(resp);
	assert_true(peer_is_quiet(shared.peer));
	is_usable(&shared);
	caller_start(&caller, shared.client, 900, NULL);
	shared_answer(&shared, shared_expect(&shared, 900), 1000);
	assert_int_equal(caller_error(&caller), -DER_OVERFLOW);
	shared_end(&shared);

	/* 16 KiB is what receivers of DAOS 0.8 have room for. */
	shared_make(&shared);
	shared_connect(&shared);
	if (!ABI_CHUNKED) {
		assert_int_equal(drpc_client_call(shared.client, 100, 0, body, 20000, NULL, &resp), -DER_OVERFLOW);
	} else {
		caller_start(&caller, shared.client, 20000, NULL);
		shared_answer(&shared, shared_expect(&shared, 20000), 300000);
		caller_answered(&caller, DRPC__STATUS__SUCCESS, 300000);
	}
	shared_end(&shared);
	free(body);
}

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
	is_usable(&shared);
	shared_end(&shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_call_has_a_deadline),
		unit(a_client_has_a_deadline),
		unit(the_deadline_covers_the_turn),
#ifdef DRPC_ABI_28
		unit(a_half_sent_call_is_finished_later),
		unit(a_half_read_reply_is_dropped),
#endif
		unit(another_thread_cancels_a_call),
		unit(calls_go_on_without_their_token),
		unit(one_token_for_many_calls),
		unit(close_gives_calls_up),
		unit(a_call_that_was_sent_is_not_sent_again),
		unit(an_idempotent_call_is_sent_again),
		unit(retries_are_limited),
		unit(the_connection_is_made_anew),
		unit(a_reply_without_a_number),
		unit(a_reply_without_a_number_after_a_deadline),
		unit(messages_are_limited),
		unit(a_lock_keeps_others_waiting),
		unit(waiting_for_the_lock_ends_with_the_timeout),
		unit(a_client_stays_with_its_process),
	};

	return cmocka_run_group_tests_name("shared failures " ABI_NAME, tests, NULL, NULL);
}
