/* The shared client and servers that go, or say what they should not. */
#include "abi.h"

#include <stdlib.h>
#include <unistd.h>

#include "support/body.h"
#include "support/caller.h"
#include "support/descriptors.h"
#include "support/peer.h"
#include "support/shared.h"

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

/*
 * A reply with the number -1 is for a call that the server could not decode: clear which one if there is one only. A
 * server in C closes the connection then, so that the next call has to have another one.
 */
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
	shared_accept(&shared);
	shared_expect(&shared, 10);
	caller_start(&callers[1], shared.client, 11, NULL);
	shared_expect(&shared, 11);
	assert_true(peer_send_response(shared.peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, NULL, 0));
	assert_int_equal(caller_error(&callers[0]), -DER_PROTO);
	assert_int_equal(caller_error(&callers[1]), -DER_PROTO);
	shared_is_usable_again(&shared);
	shared_end(&shared);
}

/* It may as well be for a call that has been given up, so that the one that waits cannot be sure. */
static void
a_reply_without_a_number_after_a_deadline(void **state)
{
	struct shared shared;
	struct caller caller;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	shared_call_in_vain(&shared, 10);
	shared_expect(&shared, 10);
	caller_start(&caller, shared.client, 11, NULL);
	shared_expect(&shared, 11);
	assert_true(peer_send_response(shared.peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, NULL, 0));
	assert_int_equal(caller_error(&caller), -DER_PROTO);
	shared_is_usable_again(&shared);
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
	shared_is_usable(&shared);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_call_that_was_sent_is_not_sent_again),
		unit(an_idempotent_call_is_sent_again),
		unit(retries_are_limited),
		unit(the_connection_is_made_anew),
		unit(a_reply_without_a_number),
		unit(a_reply_without_a_number_after_a_deadline),
		unit(messages_are_limited),
	};

	return cmocka_run_group_tests_name("shared failures " ABI_NAME, tests, NULL, NULL);
}
