/* Calls of the shared client that end before their reply: deadlines and cancelling. */
#include "abi.h"

#include <stdlib.h>
#include <unistd.h>

#include "support/body.h"
#include "support/caller.h"
#include "support/descriptors.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/shared.h"

/* --- deadlines ---------------------------------------------------------------------------------- */

/* The reply that comes too late is nobody's. */
static void
a_late_reply_is_dropped(struct shared *shared)
{
	shared_answer(shared, shared_expect(shared, 10), 99);
	assert_true(drpc_client_is_connected(shared->client));
	shared_is_usable(shared);
	assert_false(shared_is_knocking(shared));
}

static void
a_call_has_a_deadline(void **state)
{
	struct shared shared;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	shared_call_in_vain(&shared, 10);
	a_late_reply_is_dropped(&shared);
	shared_end(&shared);
}

/* Calls of a client that allows so much time; false if that is over before they are sent. */
static bool
calls_have_the_deadline_of_their_client(int ms)
{
	const struct drpc_call_options standard  = CALL_OPTIONS(.timeout_ms = 0);
	const struct drpc_call_options unlimited = CALL_OPTIONS(.timeout_ms = -1);
	const struct drpc_call_options *options[] = {NULL, &standard};
	struct shared                   shared;
	struct caller                   caller;
	int64_t                         sequence;
	bool                            sent = true;
	size_t                          i;

	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_TIMEOUT, (uint64_t)ms);
	shared_connect(&shared);
	for (i = 0; i < 2 && sent; i++) {
		caller_start(&caller, shared.client, 10, options[i]);
		assert_int_equal(caller_error(&caller), -DER_TIMEDOUT);
		sent = !peer_is_quiet(shared.peer);
		if (sent)
			a_late_reply_is_dropped(&shared);
	}
	if (sent) {
		/* A call's own goes before it. */
		caller_start(&caller, shared.client, 10, &unlimited);
		sequence = shared_expect(&shared, 10);
		usleep(2000 * (useconds_t)ms);
		shared_answer(&shared, sequence, 20);
		caller_answered(&caller, DRPC__STATUS__SUCCESS, 20);
	}
	shared_end(&shared);
	return sent;
}

static void
a_client_has_a_deadline(void **state)
{
	(void)state;
	LONGER_TIMES (ms)
		if (calls_have_the_deadline_of_their_client(ms))
			return;
	fail_msg("a call is not sent");
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
	shared_is_usable(&shared);
	shared_end(&shared);
}

#ifdef DRPC_ABI_28
/* The server does not read, and the socket is full: what has been begun is finished when it does. */
static void
a_half_sent_call_is_finished_later(void **state)
{
	enum { LARGE = 4000000 };
	struct shared shared;
	struct caller caller;
	int64_t       sequence;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	shared_call_in_vain(&shared, LARGE);
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
	uint8_t             *body   = body_new(WIRE_CHUNK_MAX);
	struct wire_response resp   = {.sequence = 1, .body = body, .len = WIRE_CHUNK_MAX};
	struct wire_header   header = {.size = WIRE_CHUNK_MAX, .chunks = 2};
	struct shared        shared;
	uint8_t             *msg;
	size_t               len;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	msg          = wire_pack_response(&resp, &len);
	header.total = len;
	/* It is there when the call begins to wait. */
	assert_true(peer_send_chunk(shared.peer, &header, msg, WIRE_CHUNK_MAX));
	shared_call_in_vain(&shared, 10);
	assert_int_equal(shared_expect(&shared, 10), resp.sequence);
	header.index = 1;
	header.size  = len - WIRE_CHUNK_MAX;
	assert_true(peer_send_chunk(shared.peer, &header, msg + WIRE_CHUNK_MAX, header.size));
	shared_is_usable(&shared);
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
	shared_is_usable(&shared);
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
	shared_is_usable(&shared);
	shared_end(&shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		/* The first, as the process has one thread when the client connects. */
		unit(another_thread_cancels_a_call),
		unit(a_call_has_a_deadline),
		unit(a_client_has_a_deadline),
		unit(the_deadline_covers_the_turn),
#ifdef DRPC_ABI_28
		unit(a_half_sent_call_is_finished_later),
		unit(a_half_read_reply_is_dropped),
#endif
		unit(calls_go_on_without_their_token),
		unit(one_token_for_many_calls),
		unit(close_gives_calls_up),
	};

	return cmocka_run_group_tests_name("shared deadlines " ABI_NAME, tests, NULL, NULL);
}
