/* The shared client without waiting: submitted calls, and the event loop that they end in. */
#include "abi.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/body.h"
#include "support/caller.h"
#include "support/descriptors.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/shared.h"
#include "support/tasks.h"

/* What has become of a submitted call. */
struct outcome {
	atomic_int ended; /* how often it was told */
	int        rc;
	int        status;
	size_t     len;
	bool       right; /* the body holds the pattern */
	pthread_t  thread;
	int        place; /* among all that ended */
};

static int ended_in_all;

static void
note(int rc, Drpc__Response *resp, void *arg)
{
	struct outcome *outcome = arg;

	outcome->rc     = rc;
	outcome->thread = pthread_self();
	outcome->place  = ++ended_in_all;
	if (resp != NULL) {
		outcome->status = resp->status;
		outcome->len    = resp->body.len;
		outcome->right  = body_is(resp->body.data, resp->body.len);
	}
	drpc_response_free(resp);
	outcome->ended++;
}

/* Submits a call of a method with a body of as many bytes, which is gone when this returns. */
static void
submit(struct shared *shared, int method, const struct drpc_call_options *options, struct outcome *outcome)
{
	uint8_t *body = body_new((size_t)method);

	memset(outcome, 0, sizeof(*outcome));
	assert_int_equal(drpc_client_submit(shared->client, 100, method, body, (size_t)method, options, note, outcome),
			 0);
	if (body != NULL)
		memset(body, 0, (size_t)method);
	free(body);
}

/* Dispatches, as an event loop does, until a call has ended or somebody has something to read. */
static void
dispatch_until(struct shared *shared, const struct outcome *outcome, int fd)
{
	struct pollfd fds[] = {{.fd = drpc_client_get_fd(shared->client), .events = POLLIN},
			       {.fd = fd, .events = POLLIN}};

	assert_true(fds[0].fd >= 0);
	while (outcome == NULL || outcome->ended == 0) {
		assert_true(poll(fds, 2, PATIENCE_MS) > 0);
		if (fds[1].revents != 0)
			return;
		assert_int_equal(drpc_client_dispatch(shared->client, 0), 0);
	}
}

/* Dispatches until the server has a call to read, and reads it. */
static int64_t
expect(struct shared *shared, int method)
{
	dispatch_until(shared, NULL, shared->peer);
	return shared_expect(shared, method);
}

static void
ended_with(struct shared *shared, struct outcome *outcome, int rc)
{
	dispatch_until(shared, outcome, -1);
	assert_int_equal(outcome->rc, rc);
	assert_int_equal(outcome->ended, 1);
}

static void
was_answered(struct shared *shared, struct outcome *outcome, size_t len)
{
	ended_with(shared, outcome, 0);
	assert_int_equal(outcome->status, DRPC__STATUS__SUCCESS);
	assert_int_equal(outcome->len, len);
	assert_true(outcome->right);
}

/* --- results ------------------------------------------------------------------------------------ */

/* The function is called by dispatch, once, and not before. */
static void
the_result_is_told_by_dispatch(void **state)
{
	struct outcome outcome;
	struct shared  shared;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	submit(&shared, 10, NULL, &outcome);
	shared_answer(&shared, expect(&shared, 10), 20);
	usleep(10000);
	assert_int_equal(outcome.ended, 0);
	was_answered(&shared, &outcome, 20);
	assert_true(pthread_equal(outcome.thread, pthread_self()));
	assert_true(tasks_are(1));
	assert_int_equal(drpc_client_dispatch(shared.client, 0), 0);
	assert_int_equal(outcome.ended, 1);
	shared_end(&shared);
}

static void
dispatch_waits_no_longer_than_told(void **state)
{
	struct outcome outcome;
	struct shared  shared;

	(void)state;
	shared_make(&shared);
	assert_int_equal(drpc_client_dispatch(shared.client, 0), 0);
	assert_int_equal(drpc_client_dispatch(shared.client, 20), 0);
	shared_connect(&shared);
	assert_int_equal(drpc_client_dispatch(shared.client, 20), 0);
	submit(&shared, 10, NULL, &outcome);
	shared_answer(&shared, expect(&shared, 10), 20);
	/* -1 is for ever, but there is something to do. */
	while (outcome.ended == 0)
		assert_int_equal(drpc_client_dispatch(shared.client, -1), 0);
	shared_end(&shared);
}

static void
replies_come_in_any_order(void **state)
{
	struct outcome outcomes[3];
	int64_t        sequences[3];
	struct shared  shared;
	int            i;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_PIPELINING, 1);
	shared_connect(&shared);
	for (i = 0; i < 3; i++)
		submit(&shared, 10 + i, NULL, &outcomes[i]);
	for (i = 0; i < 3; i++)
		sequences[i] = expect(&shared, 10 + i);
	ended_in_all = 0;
	for (i = 2; i >= 0; i--) {
		shared_answer(&shared, sequences[i], 20 + (size_t)i);
		was_answered(&shared, &outcomes[i], 20 + (size_t)i);
		assert_int_equal(outcomes[i].place, 3 - i);
	}
	shared_end(&shared);
}

/* Without the option one is out at a time, in the order in which they were submitted. */
static void
calls_go_out_one_by_one(void **state)
{
	struct outcome outcomes[3];
	struct shared  shared;
	int64_t        sequence;
	int            i;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	for (i = 0; i < 3; i++)
		submit(&shared, 10 + i, NULL, &outcomes[i]);
	for (i = 0; i < 3; i++) {
		sequence = expect(&shared, 10 + i);
		assert_int_equal(drpc_client_dispatch(shared.client, 10), 0);
		assert_true(peer_is_quiet(shared.peer));
		shared_answer(&shared, sequence, 20);
		was_answered(&shared, &outcomes[i], 20);
	}
	shared_end(&shared);
}

struct chain {
	struct shared *shared;
	int            left;
	int            failed;
	struct outcome last;
};

static void
submit_the_next(int rc, Drpc__Response *resp, void *arg)
{
	struct chain *chain = arg;

	chain->failed += rc != 0;
	drpc_response_free(resp);
	if (--chain->left > 0)
		rc = drpc_client_submit(chain->shared->client, 100, 0, NULL, 0, NULL, submit_the_next, chain);
	else
		rc = drpc_client_submit(chain->shared->client, 100, 0, NULL, 0, NULL, note, &chain->last);
	chain->failed += rc != 0;
}

static void
a_completion_may_submit(void **state)
{
	struct shared shared;
	struct chain  chain = {.shared = &shared, .left = 10};
	int           i;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	assert_int_equal(drpc_client_submit(shared.client, 100, 0, NULL, 0, NULL, submit_the_next, &chain), 0);
	for (i = 0; i < 11; i++)
		shared_answer(&shared, expect(&shared, 0), 0);
	was_answered(&shared, &chain.last, 0);
	assert_int_equal(chain.failed, 0);
	shared_end(&shared);
}

/* A thread that waits for its own reply reads that of a submitted call, too: dispatch is woken for it. */
static void
submitted_and_waiting_calls_share_a_connection(void **state)
{
	struct outcome outcome;
	struct shared  shared;
	struct caller  caller;
	int64_t        sequences[2];

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_PIPELINING, 1);
	shared_connect(&shared);
	submit(&shared, 10, NULL, &outcome);
	sequences[0] = expect(&shared, 10);
	caller_start(&caller, shared.client, 11, NULL);
	sequences[1] = shared_expect(&shared, 11);
	shared_answer(&shared, sequences[0], 20);
	shared_answer(&shared, sequences[1], 21);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 21);
	assert_int_equal(outcome.ended, 0);
	was_answered(&shared, &outcome, 20);
	shared_end(&shared);
}

/* --- the descriptor ------------------------------------------------------------------------------- */

static bool
is_readable(int fd, int timeout_ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	return poll(&ready, 1, timeout_ms) == 1;
}

static void
the_descriptor_stays_the_same(void **state)
{
	struct outcome outcome;
	struct shared  shared;
	int            fd;

	(void)state;
	shared_make(&shared);
	fd = drpc_client_get_fd(shared.client);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_false(is_readable(fd, 0));
	shared_connect(&shared);
	assert_int_equal(drpc_client_get_fd(shared.client), fd);
	submit(&shared, 10, NULL, &outcome);
	shared_answer(&shared, expect(&shared, 10), 20);
	assert_true(is_readable(fd, PATIENCE_MS));
	was_answered(&shared, &outcome, 20);
	/* When everything has been done it says so. */
	while (is_readable(fd, 0))
		assert_int_equal(drpc_client_dispatch(shared.client, 0), 0);

	assert_int_equal(drpc_client_close(shared.client), 0);
	shared_connect(&shared);
	assert_int_equal(drpc_client_get_fd(shared.client), fd);
	submit(&shared, 11, NULL, &outcome);
	shared_answer(&shared, expect(&shared, 11), 21);
	was_answered(&shared, &outcome, 21);
	shared_end(&shared);
}

/* Nothing comes from the server: it is the clock that makes the descriptor readable. */
static void
deadlines_pass_in_a_foreign_loop(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = 0);
	struct outcome           outcome;
	struct shared            shared;
	bool                     sent = false;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	LONGER_TIMES (ms) {
		options.timeout_ms = ms;
		submit(&shared, 10, &options, &outcome);
		/* Else the time was over too soon. */
		sent = !peer_is_quiet(shared.peer);
		ended_with(&shared, &outcome, -DER_TIMEDOUT);
		if (sent)
			break;
	}
	assert_true(sent);
	/* The late reply is nobody's. */
	shared_answer(&shared, shared_expect(&shared, 10), 99);
	submit(&shared, 11, NULL, &outcome);
	shared_answer(&shared, expect(&shared, 11), 21);
	was_answered(&shared, &outcome, 21);
	assert_false(shared_is_knocking(&shared));
	shared_end(&shared);
}

/* --- failures ---------------------------------------------------------------------------------------- */

static void *
trigger(void *arg)
{
	usleep(20000);
	drpc_cancel_trigger(arg);
	return NULL;
}

static void
a_token_gives_submitted_calls_up(void **state)
{
	struct drpc_cancel      *cancel  = drpc_cancel_create();
	struct drpc_call_options options = CALL_OPTIONS(.cancel = cancel);
	struct outcome           outcomes[2];
	struct shared            shared;
	pthread_t                thread;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	submit(&shared, 10, &options, &outcomes[0]);
	submit(&shared, 11, &options, &outcomes[1]);
	expect(&shared, 10);
	/* Wakes a loop that waits. */
	assert_int_equal(pthread_create(&thread, NULL, trigger, cancel), 0);
	ended_with(&shared, &outcomes[0], -DER_CANCELED);
	ended_with(&shared, &outcomes[1], -DER_CANCELED);
	pthread_join(thread, NULL);
	assert_true(peer_is_quiet(shared.peer));
	/* With one that was triggered before there is nothing to begin. */
	assert_int_equal(drpc_client_submit(shared.client, 100, 0, NULL, 0, &options, note, &outcomes[0]), -DER_CANCELED);
	assert_int_equal(drpc_client_dispatch(shared.client, 10), 0);
	assert_int_equal(outcomes[0].ended, 1);
	assert_true(peer_is_quiet(shared.peer));
	drpc_cancel_destroy(cancel);
	shared_end(&shared);
}

static void
close_and_destroy_give_submitted_calls_up(void **state)
{
	struct outcome outcomes[2];
	struct shared  shared;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	submit(&shared, 10, NULL, &outcomes[0]);
	expect(&shared, 10);
	assert_int_equal(drpc_client_close(shared.client), 0);
	ended_with(&shared, &outcomes[0], -DER_UNREACH);
	shared_connect(&shared);
	submit(&shared, 11, NULL, &outcomes[0]);
	submit(&shared, 12, NULL, &outcomes[1]);
	expect(&shared, 11);
	shared_end(&shared);
	assert_int_equal(outcomes[0].ended, 1);
	assert_int_equal(outcomes[0].rc, -DER_UNREACH);
	assert_int_equal(outcomes[1].ended, 1);
	assert_int_equal(outcomes[1].rc, -DER_UNREACH);
}

/* Submits again, whatever became of the first attempt. */
static void
submit_again(int rc, Drpc__Response *resp, void *arg)
{
	struct shared *shared = arg;

	assert_int_equal(rc, -DER_UNREACH);
	assert_null(resp);
	ended_in_all++;
	assert_int_equal(drpc_client_submit(shared->client, 100, 0, NULL, 0, NULL, submit_again, shared), -DER_UNREACH);
}

/* The client is there as long as it tells of calls. */
static void
a_client_that_is_destroyed_can_be_used_by_what_it_calls(void **state)
{
	int           before = ended_in_all;
	struct shared shared;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	assert_int_equal(drpc_client_submit(shared.client, 100, 0, NULL, 0, NULL, submit_again, &shared), 0);
	shared_end(&shared);
	assert_int_equal(ended_in_all, before + 1);
}

/* What a completion does that does not give up: connects anew, and submits again. */
struct stubborn {
	struct shared *shared;
	atomic_int     told;
	int            connected;
	int            submitted;
};

static void
connect_and_submit(int rc, Drpc__Response *resp, void *arg)
{
	struct stubborn *stubborn = arg;

	(void)rc;
	drpc_response_free(resp);
	stubborn->told++;
	stubborn->connected = drpc_client_connect(stubborn->shared->client);
	stubborn->submitted =
		drpc_client_submit(stubborn->shared->client, 100, 0, NULL, 0, NULL, connect_and_submit, stubborn);
}

/* Nothing that a completion does has another one run when the client is not there any more. */
static void
a_client_that_is_destroyed_does_not_connect(bool own_thread)
{
	struct shared   shared;
	struct stubborn stubborn = {.shared = &shared};

	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_THREAD, own_thread);
	shared_connect(&shared);
	assert_int_equal(
		drpc_client_submit(shared.client, 100, 0, NULL, 0, NULL, connect_and_submit, &stubborn), 0);
	shared_end(&shared);
	assert_int_equal(stubborn.told, 1);
	assert_int_equal(stubborn.connected, -DER_UNREACH);
	assert_int_equal(stubborn.submitted, -DER_UNREACH);
	assert_true(tasks_are(1));
}

static void
a_completion_does_not_revive_a_client_that_is_destroyed(void **state)
{
	(void)state;
	a_client_that_is_destroyed_does_not_connect(false);
	a_client_that_is_destroyed_does_not_connect(true);
}

static void
a_server_that_goes_is_told(void **state)
{
	struct drpc_call_options options = CALL_OPTIONS(.idempotent = 1);
	struct outcome           outcomes[2];
	struct shared            shared;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_PIPELINING, 1);
	shared_connect(&shared);
	submit(&shared, 10, NULL, &outcomes[0]);
	submit(&shared, 11, &options, &outcomes[1]);
	expect(&shared, 10);
	expect(&shared, 11);
	close(shared.peer);
	shared.peer = -1;
	ended_with(&shared, &outcomes[0], -DER_NOREPLY);
	/* The one that may be executed twice is sent again. */
	dispatch_until(&shared, NULL, shared.listener);
	shared_accept(&shared);
	shared_answer(&shared, expect(&shared, 11), 21);
	was_answered(&shared, &outcomes[1], 21);
	shared_end(&shared);
}

static void
too_large_a_call_is_not_submitted(void **state)
{
	struct outcome outcome = {0};
	uint8_t       *body    = body_new(1000);
	struct shared  shared;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_MAX_MESSAGE, 1000);
	shared_connect(&shared);
	assert_int_equal(drpc_client_submit(shared.client, 100, 0, body, 1000, NULL, note, &outcome), -DER_OVERFLOW);
	assert_int_equal(drpc_client_dispatch(shared.client, 10), 0);
	assert_int_equal(outcome.ended, 0);
	assert_true(peer_is_quiet(shared.peer));
	free(body);
	shared_end(&shared);
}

/* --- a thread of the library's ---------------------------------------------------------------------------- */

static void
the_own_thread_dispatches(void **state)
{
	struct outcome outcomes[2];
	struct shared  shared;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_THREAD, 1);
	shared_connect(&shared);
	assert_true(tasks_are(2));
	submit(&shared, 10, NULL, &outcomes[0]);
	shared_answer(&shared, shared_expect(&shared, 10), 20);
	UNTIL(outcomes[0].ended == 1);
	assert_int_equal(outcomes[0].rc, 0);
	assert_int_equal(outcomes[0].len, 20);
	assert_false(pthread_equal(outcomes[0].thread, pthread_self()));
	/* Destroying ends the thread, and what it had to do. */
	submit(&shared, 11, NULL, &outcomes[1]);
	shared_expect(&shared, 11);
	shared_end(&shared);
	assert_true(tasks_are(1));
	assert_int_equal(outcomes[1].ended, 1);
	assert_int_equal(outcomes[1].rc, -DER_UNREACH);
}

/* The last value of an option counts. */
static void
the_own_thread_can_be_done_without(void **state)
{
	struct shared shared;

	(void)state;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_THREAD, 1);
	shared_set(&shared, DRPC_CLIENT_THREAD, 0);
	shared_connect(&shared);
	assert_true(tasks_are(1));
	shared_end(&shared);
}

/* Hundreds at once, to a server that answers in any order. */
static void
many_calls_at_once(void **state)
{
	enum { MANY = 300 };
	struct outcome *outcomes = calloc(MANY, sizeof(*outcomes));
	struct managed  managed;
	struct shared   shared = {.peer = -1};
	int             i;

	(void)state;
	managed_make(&managed);
	assert_int_equal(drpc_server_register(managed.server, ECHO, managed_echo, NULL, DRPC_SERVER_CONCURRENT), 0);
	managed_start(&managed);
	assert_int_equal(drpc_client_create(managed.dir.sock, &shared.client), 0);
	shared_set(&shared, DRPC_CLIENT_PIPELINING, 1);
	assert_int_equal(drpc_client_connect(shared.client), 0);
	for (i = 0; i < MANY; i++)
		submit(&shared, i, NULL, &outcomes[i]);
	for (i = 0; i < MANY; i++)
		was_answered(&shared, &outcomes[i], (size_t)i);
	drpc_client_destroy(shared.client);
	managed_end(&managed);
	free(outcomes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(the_result_is_told_by_dispatch),
		unit(dispatch_waits_no_longer_than_told),
		unit(replies_come_in_any_order),
		unit(calls_go_out_one_by_one),
		unit(a_completion_may_submit),
		unit(submitted_and_waiting_calls_share_a_connection),
		unit(the_descriptor_stays_the_same),
		unit(deadlines_pass_in_a_foreign_loop),
		unit(a_token_gives_submitted_calls_up),
		unit(close_and_destroy_give_submitted_calls_up),
		unit(a_client_that_is_destroyed_can_be_used_by_what_it_calls),
		unit(a_completion_does_not_revive_a_client_that_is_destroyed),
		unit(a_server_that_goes_is_told),
		unit(too_large_a_call_is_not_submitted),
		unit(the_own_thread_dispatches),
		unit(the_own_thread_can_be_done_without),
		unit(many_calls_at_once),
	};

	return cmocka_run_group_tests_name("shared submit " ABI_NAME, tests, NULL, NULL);
}
