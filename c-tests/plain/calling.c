/* Calls of the plain API and the replies to them. */
#include "abi.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/calling.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/patience.h"
#include "support/peer.h"

/* --- one call ---------------------------------------------------------------- */

static void
call_sends_exactly_these_bytes(void **state)
{
	static const uint8_t message[] = {0x08, 0x01, 0x10, 0x65, 0x18, 0x01, 0x22,
					  0x05, 'h',  'e',  'l',  'l',  'o'};
	static const uint8_t header[24] = {13, [8] = 13, [20] = 1};
	struct pair     pair = pair_told();
	uint8_t         got[64];
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	ssize_t         n;

	(void)state;
	call.module    = 1;
	call.method    = 101;
	call.body.data = (uint8_t *)"hello";
	call.body.len  = 5;
	assert_int_equal(drpc_call(pair.ctx, 0, &call, &resp), 0);
	expect_response(resp, 1, DRPC__STATUS__SUBMITTED, 0);
	n = peer_recv_record(pair.peer, got, sizeof(got));
#if ABI_CHUNKED
	assert_int_equal(n, sizeof(header) + sizeof(message));
	assert_memory_equal(got, header, sizeof(header));
	assert_memory_equal(got + sizeof(header), message, sizeof(message));
#else
	(void)header;
	assert_int_equal(n, sizeof(message));
	assert_memory_equal(got, message, sizeof(message));
#endif
	/* The call stays the caller's. */
	assert_int_equal(call.body.len, 5);
	assert_int_equal(call.sequence, 1);
	pair_free(&pair);
}

static void
call_gives_the_reply(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	reply(pair.peer, 1, DRPC__STATUS__SUCCESS, 300);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 1, DRPC__STATUS__SUCCESS, 300);
	assert_int_equal(pair.ctx->sequence, 2);
	expect_call(pair.peer, 1);
	pair_free(&pair);
}

/* Upstream's tests and simple servers answer with any sequence. */
static void
call_takes_any_sequence_when_nothing_is_owed(void **state)
{
	static const int64_t sequences[] = {12345, 0, -1, 1, INT64_MAX, INT64_MIN};
	struct pair          pair        = pair_new(NULL);
	size_t               i;

	(void)state;
	for (i = 0; i < sizeof(sequences) / sizeof(*sequences); i++) {
		reply(pair.peer, sequences[i], DRPC__STATUS__UNKNOWN_MODULE, 0);
		expect_response(do_call(pair.ctx, R_SYNC, 0), sequences[i], DRPC__STATUS__UNKNOWN_MODULE, 0);
		expect_call(pair.peer, (int64_t)i + 1);
	}
	pair_free(&pair);
}

static void
call_keeps_any_status(void **state)
{
	static const int statuses[] = {0, 1, 2, 3, 4, 5, 6, 7, 99, -1, INT_MAX};
	struct pair      pair       = pair_new(NULL);
	size_t           i;

	(void)state;
	for (i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		reply(pair.peer, (int64_t)i + 1, statuses[i], 1);
		expect_response(do_call(pair.ctx, R_SYNC, 0), (int64_t)i + 1, statuses[i], 1);
	}
	pair_free(&pair);
}

static void
call_without_sync_does_not_wait(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	expect_response(do_call(pair.ctx, 0, 0), 1, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, 1);
	/* Bits other than R_SYNC say nothing. */
	expect_response(do_call(pair.ctx, ~R_SYNC, 0), 2, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, 2);
	reply(pair.peer, 3, DRPC__STATUS__SUCCESS, 0);
	expect_response(do_call(pair.ctx, ~0, 0), 3, DRPC__STATUS__SUCCESS, 0);
	pair_free(&pair);
}

static void
call_on_a_stack_with_every_field_at_its_default(void **state)
{
	struct pair      pair = pair_new(NULL);
	Drpc__Call       call = DRPC__CALL__INIT;
	Drpc__Response  *resp = NULL;
	struct peer_call in;

	(void)state;
	reply(pair.peer, 1, 0, 0);
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), 0);
	expect_response(resp, 1, DRPC__STATUS__SUCCESS, 0);
	assert_true(peer_recv_call(pair.peer, &in));
	assert_int_equal(in.call.module, 0);
	assert_int_equal(in.call.method, 0);
	assert_int_equal(in.call.sequence, 1);
	assert_int_equal(in.call.len, 0);
	free(in.msg);
	pair_free(&pair);
}

/* --- sequences ------------------------------------------------------------------ */

static void
sequence_starts_at_one(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	pair.ctx->sequence = 0;
	reply(pair.peer, 1, 0, 0);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 1, DRPC__STATUS__SUCCESS, 0);
	expect_call(pair.peer, 1);
	assert_int_equal(pair.ctx->sequence, 2);
	pair_free(&pair);
}

static void
sequence_may_be_set_by_the_caller(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	pair.ctx->sequence = 25;
	expect_response(do_call(pair.ctx, 0, 0), 25, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, 25);
	assert_int_equal(pair.ctx->sequence, 26);
	pair.ctx->sequence = -7;
	expect_response(do_call(pair.ctx, 0, 0), 1, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, 1);
	pair_free(&pair);
}

static void
sequence_wraps_to_one(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	pair.ctx->sequence = INT_MAX;
	expect_response(do_call(pair.ctx, 0, 0), INT_MAX, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, INT_MAX);
	expect_response(do_call(pair.ctx, 0, 0), 1, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, 1);
	pair_free(&pair);
}

static void *
call_many(void *arg)
{
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp;
	int             i;

	for (i = 0; i < 500; i++) {
		resp = NULL;
		if (drpc_call(arg, 0, &call, &resp) != 0)
			return arg;
		drpc_response_free(resp);
	}
	return NULL;
}

static void *
drain_calls(void *arg)
{
	static int       seen[1001];
	int              peer = *(int *)arg;
	struct peer_call in;
	int              i;

	for (i = 0; i < 1000; i++) {
		if (!peer_recv_call(peer, &in))
			return arg;
		free(in.msg);
		if (in.call.sequence < 1 || in.call.sequence > 1000 || seen[in.call.sequence]++)
			return arg;
	}
	return NULL;
}

static void
sequences_are_never_given_twice(void **state)
{
	struct pair pair = pair_told();
	pthread_t   reader;
	pthread_t   other;
	void       *failed;

	(void)state;
	assert_int_equal(pthread_create(&reader, NULL, drain_calls, &pair.peer), 0);
	assert_int_equal(pthread_create(&other, NULL, call_many, pair.ctx), 0);
	assert_null(call_many(pair.ctx));
	assert_int_equal(pthread_join(other, &failed), 0);
	assert_null(failed);
	assert_int_equal(pthread_join(reader, &failed), 0);
	assert_null(failed);
	pair_free(&pair);
}

/* --- replies that are owed --------------------------------------------------------- */

static void
replies_to_async_calls_are_discarded(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	drpc_response_free(do_call(pair.ctx, 0, 0));
	drpc_response_free(do_call(pair.ctx, 0, 0));
	reply(pair.peer, 1, DRPC__STATUS__FAILURE, 1);
	reply(pair.peer, 2, DRPC__STATUS__FAILURE, 2);
	reply(pair.peer, 3, DRPC__STATUS__SUCCESS, 3);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 3, DRPC__STATUS__SUCCESS, 3);
	/* Nothing is owed any more: an old sequence is delivered again. */
	reply(pair.peer, 1, DRPC__STATUS__FAILURE, 4);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 1, DRPC__STATUS__FAILURE, 4);
	pair_free(&pair);
}

static void
owed_replies_may_come_late(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	drpc_response_free(do_call(pair.ctx, 0, 0));
	reply(pair.peer, 2, DRPC__STATUS__SUCCESS, 2);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 2, DRPC__STATUS__SUCCESS, 2);
	reply(pair.peer, 1, DRPC__STATUS__FAILURE, 1);
	reply(pair.peer, 3, DRPC__STATUS__SUCCESS, 3);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 3, DRPC__STATUS__SUCCESS, 3);
	pair_free(&pair);
}

static void
a_reply_of_minus_one_is_never_stale(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	drpc_response_free(do_call(pair.ctx, 0, 0));
	reply(pair.peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
	expect_response(do_call(pair.ctx, R_SYNC, 0), -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
	pair_free(&pair);
}

static void
the_reply_to_a_call_that_failed_is_discarded(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	assert_int_equal(drpc_set_timeout(pair.ctx, 30), 0);
	do_call(pair.ctx, R_SYNC, -DER_TIMEDOUT);
	reply(pair.peer, 1, DRPC__STATUS__FAILURE, 1);
	reply(pair.peer, 2, DRPC__STATUS__SUCCESS, 2);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 2, DRPC__STATUS__SUCCESS, 2);
	pair_free(&pair);
}

/* More of them than the library cares to count. */
#define MANY 300

static void *
answer_many(void *arg)
{
	int              peer = *(int *)arg;
	struct peer_call in;
	int              i;

	for (i = 1; i <= MANY + 1; i++) {
		if (!peer_recv_call(peer, &in))
			return arg;
		free(in.msg);
	}
	for (i = 1; i <= MANY + 1; i++)
		if (!peer_send_response(peer, i, DRPC__STATUS__SUCCESS, NULL, 0))
			return arg;
	return NULL;
}

static void
many_replies_may_be_owed(void **state)
{
	struct pair pair = pair_told();
	pthread_t   peer;
	void       *failed;
	int         i;

	(void)state;
	assert_int_equal(pthread_create(&peer, NULL, answer_many, &pair.peer), 0);
	for (i = 1; i <= MANY; i++)
		expect_response(do_call(pair.ctx, 0, 0), i, DRPC__STATUS__SUBMITTED, 0);
	expect_response(do_call(pair.ctx, R_SYNC, 0), MANY + 1, DRPC__STATUS__SUCCESS, 0);
	assert_int_equal(pthread_join(peer, &failed), 0);
	assert_null(failed);
	pair_free(&pair);
}

/* --- arguments ------------------------------------------------------------------------ */

static void
call_refuses_null(void **state)
{
	struct pair     pair  = pair_new(NULL);
	struct drpc     naked = {.comm = NULL, .sequence = 1, .ref_count = 1};
	Drpc__Call     *call  = call_new(pair.ctx, 2, 206, 5);
	Drpc__Response *resp  = NULL;
	int             flags;

	(void)state;
	for (flags = 0; flags <= R_SYNC; flags++) {
		assert_int_equal(drpc_call(NULL, flags, call, &resp), -DER_INVAL);
		assert_int_equal(drpc_call(&naked, flags, call, &resp), -DER_INVAL);
		assert_int_equal(drpc_call(pair.ctx, flags, NULL, &resp), -DER_INVAL);
		assert_int_equal(drpc_call(pair.ctx, flags, call, NULL), -DER_INVAL);
		assert_int_equal(drpc_call(NULL, flags, NULL, NULL), -DER_INVAL);
	}
	assert_null(resp);
	assert_true(peer_is_quiet(pair.peer));
	drpc_call_free(call);
	pair_free(&pair);
}

static void
call_judges_the_body(void **state)
{
	struct pair      pair = pair_told();
	Drpc__Call       call = DRPC__CALL__INIT;
	Drpc__Response  *resp = NULL;
	uint8_t          byte = 7;
	struct peer_call in;

	(void)state;
	call.body.len = 1;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_INVAL);
	assert_int_equal(drpc_call(pair.ctx, 0, &call, &resp), -DER_INVAL);
	assert_null(resp);
	assert_true(peer_is_quiet(pair.peer));
	/* No bytes are no bytes, wherever they are said to be. */
	call.body.len  = 0;
	call.body.data = &byte;
	assert_int_equal(drpc_call(pair.ctx, 0, &call, &resp), 0);
	drpc_response_free(resp);
	assert_true(peer_recv_call(pair.peer, &in));
	assert_int_equal(in.call.len, 0);
	free(in.msg);
	pair_free(&pair);
}

static void
call_refuses_other_messages(void **state)
{
	struct pair     pair = pair_new(NULL);
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	(void)state;
	call.base.descriptor = &drpc__response__descriptor;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_INVAL);
	call.base.descriptor = NULL;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_INVAL);
	assert_null(resp);
	assert_true(peer_is_quiet(pair.peer));
	pair_free(&pair);
}

static void
call_on_a_bad_descriptor(void **state)
{
	struct pair pair = pair_new(NULL);
	int         fd   = pair.ctx->comm->fd;

	(void)state;
	pair.ctx->comm->fd = -1;
	do_call(pair.ctx, R_SYNC, -DER_NO_HDL);
	assert_string_not_equal(drpc_last_error(), "");
	pair.ctx->comm->fd = fd;
	/* Also a call that fails takes its number. */
	assert_int_equal(pair.ctx->sequence, 2);
	pair_free(&pair);
}

/* --- bad ends -------------------------------------------------------------------------- */

static void
eof_before_the_reply(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	shutdown(pair.peer, SHUT_WR);
	do_call(pair.ctx, R_SYNC, -DER_NOREPLY);
	assert_non_null(strstr(drpc_last_error(), "closed"));
	pair_free(&pair);
}

static void
call_to_a_peer_that_is_gone(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	close(pair.peer);
	/* EPIPE, and no signal kills us. */
	do_call(pair.ctx, R_SYNC, -DER_MISC);
	do_call(pair.ctx, 0, -DER_MISC);
	assert_int_equal(drpc_close(pair.ctx), 0);
}

/* Answers without having read, and closes: that resets the connection. */
static void *
answer_unread(void *arg)
{
	int           peer  = *(int *)arg;
	struct pollfd ready = {.fd = peer, .events = POLLIN};
	bool          ok    = poll(&ready, 1, PATIENCE_MS) == 1 && peer_send_response(peer, 1, 0, (const uint8_t *)"yes", 3);

	close(peer);
	return ok ? NULL : arg;
}

/* Whether the reset or the reply is there first when the client wakes up is chance; faults/fault_progress.c leaves none. */
static void
a_reply_before_a_reset_is_read(void **state)
{
	struct pair     pair;
	Drpc__Response *resp;
	pthread_t       peer;
	void           *failed;
	int             i;

	(void)state;
	for (i = 0; i < 50; i++) {
		pair = pair_new(NULL);
		assert_int_equal(pthread_create(&peer, NULL, answer_unread, &pair.peer), 0);
		resp = do_call(pair.ctx, R_SYNC, 0);
		assert_int_equal(resp->body.len, 3);
		drpc_response_free(resp);
		assert_int_equal(pthread_join(peer, &failed), 0);
		assert_null(failed);
		assert_int_equal(drpc_close(pair.ctx), 0);
	}
}

static void
an_unparsable_reply_spoils_one_call_only(void **state)
{
	static const uint8_t junk[][4] = {{0xff, 0xff, 0xff, 0xff}, {0x1a, 0x7f, 1, 2}, {0x08, 0x80, 0x80, 0x80}};
	struct pair          pair      = pair_new(NULL);
	size_t               i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_true(peer_send_message(pair.peer, junk[i], sizeof(junk[i])));
		do_call(pair.ctx, R_SYNC, -DER_PROTO);
		assert_string_not_equal(drpc_last_error(), "");
		reply(pair.peer, 2 * (int64_t)i + 2, 0, 2);
		expect_response(do_call(pair.ctx, R_SYNC, 0), 2 * (int64_t)i + 2, DRPC__STATUS__SUCCESS, 2);
	}
	pair_free(&pair);
}

static void
reply_as_protobuf_allows_it(void **state)
{
	/* Sequence twice, body twice, an unknown field of each wire type. */
	static const uint8_t message[] = {0x08, 0x09, 0x08, 0x01, 0x1a, 0x01, 'x', 0x1a, 0x02, 'o',  'k',
					  0x78, 0x05, 0x7a, 0x01, 'u',  0x7d, 1,   2,    3,    4,    0x79,
					  1,    2,    3,    4,    5,    6,    7,   8,    0x10, 0x02};
	struct pair     pair = pair_new(NULL);
	Drpc__Response *resp;

	(void)state;
	assert_true(peer_send_message(pair.peer, message, sizeof(message)));
	resp = do_call(pair.ctx, R_SYNC, 0);
	assert_int_equal(resp->sequence, 1);
	assert_int_equal(resp->status, 2);
	assert_int_equal(resp->body.len, 2);
	assert_memory_equal(resp->body.data, "ok", 2);
	assert_int_equal(resp->base.n_unknown_fields, 4);
	assert_int_equal(resp->base.unknown_fields[0].tag, 15);
	drpc_response_free(resp);
	pair_free(&pair);
}

/* What a reply costs to read grows with its fields; the program's own unpacking knows no bound. */
static void
a_reply_has_at_most_1024_fields(void **state)
{
	struct pair     pair = pair_new(NULL);
	uint8_t         message[2 * 1025];
	Drpc__Response *resp;
	size_t          i;

	(void)state;
	for (i = 0; i < sizeof(message); i += 2) {
		message[i]     = 0x78;
		message[i + 1] = 1;
	}
	assert_true(peer_send_message(pair.peer, message, sizeof(message) - 2));
	resp = do_call(pair.ctx, R_SYNC, 0);
	assert_int_equal(resp->base.n_unknown_fields, 1024);
	drpc_response_free(resp);
	assert_true(peer_send_message(pair.peer, message, sizeof(message)));
	do_call(pair.ctx, R_SYNC, -DER_PROTO);
	resp = drpc__response__unpack(NULL, sizeof(message), message);
	assert_non_null(resp);
	assert_int_equal(resp->base.n_unknown_fields, 1025);
	drpc__response__free_unpacked(resp, NULL);
	pair_free(&pair);
}

static void
unknown_fields_of_a_call_are_sent(void **state)
{
	static const uint8_t message[] = {0x08, 0x02, 0x10, 0x03, 0x78, 0x05};
	struct pair     pair = pair_told();
	Drpc__Call     *call = drpc__call__unpack(NULL, sizeof(message), message);
	Drpc__Response *resp = NULL;
	uint8_t        *sent;
	size_t          len;

	(void)state;
	assert_non_null(call);
	assert_int_equal(drpc_call(pair.ctx, 0, call, &resp), 0);
	drpc_response_free(resp);
	drpc_call_free(call);
	sent = peer_recv_message(pair.peer, &len);
	assert_non_null(sent);
	assert_int_equal(len, 8);
	assert_memory_equal(sent, "\x08\x02\x10\x03\x18\x01\x78\x05", 8);
	free(sent);
	pair_free(&pair);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(call_sends_exactly_these_bytes),
	    unit(call_gives_the_reply),
	    unit(call_takes_any_sequence_when_nothing_is_owed),
	    unit(call_keeps_any_status),
	    unit(call_without_sync_does_not_wait),
	    unit(call_on_a_stack_with_every_field_at_its_default),
	    unit(sequence_starts_at_one),
	    unit(sequence_may_be_set_by_the_caller),
	    unit(sequence_wraps_to_one),
	    unit(sequences_are_never_given_twice),
	    unit(replies_to_async_calls_are_discarded),
	    unit(owed_replies_may_come_late),
	    unit(a_reply_of_minus_one_is_never_stale),
	    unit(the_reply_to_a_call_that_failed_is_discarded),
	    unit(many_replies_may_be_owed),
	    unit(call_refuses_null),
	    unit(call_judges_the_body),
	    unit(call_refuses_other_messages),
	    unit(call_on_a_bad_descriptor),
	    unit(eof_before_the_reply),
	    unit(call_to_a_peer_that_is_gone),
	    unit(a_reply_before_a_reset_is_read),
	    unit(an_unparsable_reply_spoils_one_call_only),
	    unit(reply_as_protobuf_allows_it),
	    unit(a_reply_has_at_most_1024_fields),
	    unit(unknown_fields_of_a_call_are_sent),
	};

	return cmocka_run_group_tests_name("calling " ABI_NAME, tests, NULL, NULL);
}
