/* Failing system calls of sessions that receive, respond and close. */
#include "abi.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/context.h"
#include "support/descriptors.h"
#include "support/fault.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/syscalls.h"

/* --- receiving and responding ---------------------------------------------------------------- */

static void
recv_call_tells_every_failure(void **state)
{
	struct pair pair = fresh_pair(context_no_handler);
	Drpc__Call *call = NULL;
	size_t      i;

	(void)state;
	for (i = 0; i < ERRNOS; i++) {
		syscalls_reset();
		syscalls_fail(CALL_RECVMSG, 1, errnos[i].error);
		assert_int_equal(LIBRARY(drpc_recv_call(pair.ctx, &call)), -errnos[i].der);
		assert_null(call);
		assert_int_equal(calls.count[CALL_RECVMSG], 1);
		assert_string_not_equal(drpc_last_error(), "");
	}
	syscalls_reset();
	syscalls_fail(CALL_RECVMSG, 1, EAGAIN);
	assert_int_equal(LIBRARY(drpc_recv_call(pair.ctx, &call)), -DER_AGAIN);
	syscalls_reset();
	syscalls_fail(CALL_RECVMSG, 1, EINTR);
	assert_true(peer_send_call(pair.peer, 1, 2, 3, NULL, 0));
	assert_int_equal(LIBRARY(drpc_recv_call(pair.ctx, &call)), 0);
	assert_int_equal(calls.count[CALL_RECVMSG], 2);
	drpc_call_free(call);
	spent_pair(&pair);
}

static void
send_response_tells_every_failure(void **state)
{
	struct pair    pair = fresh_pair(context_no_handler);
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	size_t         i;

	(void)state;
	resp.sequence = 9;
	for (i = 0; i < ERRNOS; i++) {
		syscalls_reset();
		syscalls_fail(CALL_SENDMSG, 1, errnos[i].error);
		assert_int_equal(LIBRARY(drpc_send_response(pair.ctx, &resp)), -errnos[i].der);
		/* What is too large is replaced by what says so. */
		assert_int_equal(calls.count[CALL_SENDMSG], errnos[i].error == EMSGSIZE ? 2 : 1);
		assert_string_not_equal(drpc_last_error(), "");
	}
	syscalls_reset();
	syscalls_fail(CALL_SENDMSG, 1, EINTR);
	assert_int_equal(LIBRARY(drpc_send_response(pair.ctx, &resp)), 0);
	assert_int_equal(calls.count[CALL_SENDMSG], 2);
	assert_int_equal(calls.sent_fd, pair.ctx->comm->fd);
	assert_int_equal(calls.sent_flags, 0);
	assert_int_equal(calls.sent_first, calls.sent_all);
	assert_false(calls.sent_named);
	spent_pair(&pair);
}

/* A response that finds no room waits in poll, whoever made the socket non-blocking. */
static void
send_response_waits_for_room(void **state)
{
	struct pair    pair = fresh_pair(context_no_handler);
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	size_t         i;

	(void)state;
	assert_int_equal(fcntl(pair.ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
	syscalls_fail(CALL_SENDMSG, 1, EAGAIN);
	calls.fail_times[CALL_SENDMSG] = 2;
	assert_int_equal(LIBRARY(drpc_send_response(pair.ctx, &resp)), 0);
	assert_int_equal(calls.count[CALL_SENDMSG], 3);
	assert_int_equal(calls.count[CALL_POLL], 2);
	assert_int_equal(calls.polled_count, 1);
	assert_int_equal(calls.polled[0].fd, pair.ctx->comm->fd);
	assert_int_equal(calls.polled[0].events, POLLOUT);
	for (i = 0; i < ERRNOS; i++) {
		syscalls_reset();
		syscalls_fail(CALL_SENDMSG, 1, EAGAIN);
		syscalls_fail(CALL_POLL, 1, errnos[i].error);
		assert_int_equal(LIBRARY(drpc_send_response(pair.ctx, &resp)), -errnos[i].der);
	}
	syscalls_reset();
	syscalls_fail(CALL_SENDMSG, 1, EAGAIN);
	syscalls_fail(CALL_POLL, 1, EINTR);
	assert_int_equal(LIBRARY(drpc_send_response(pair.ctx, &resp)), 0);
	assert_int_equal(calls.count[CALL_POLL], 2);
	spent_pair(&pair);
}

/* A call does not: who made the socket non-blocking wants to know. */
static void
call_without_room(void **state)
{
	struct pair     pair = fresh_pair(NULL);
	Drpc__Response *resp;

	(void)state;
	assert_int_equal(fcntl(pair.ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
	syscalls_fail(CALL_SENDMSG, 1, EAGAIN);
	assert_int_equal(try_call(pair.ctx, R_SYNC, &resp), -DER_AGAIN);
	assert_null(resp);
	assert_int_equal(calls.count[CALL_POLL], 0);
	syscalls_reset();
	syscalls_fail(CALL_RECVMSG, 1, EAGAIN);
	assert_int_equal(try_call(pair.ctx, R_SYNC, &resp), -DER_AGAIN);
	assert_null(resp);
	spent_pair(&pair);
}

#if ABI_CHUNKED
/* The second record of a message fails: nobody may take what follows for its rest. */
static void
half_a_message_ends_the_connection(void **state)
{
	struct pair     pair = fresh_pair(context_no_handler);
	Drpc__Response  sent = DRPC__RESPONSE__INIT;
	Drpc__Response *resp;
	uint8_t        *record = malloc(WIRE_RECORD_MAX);

	(void)state;
	sent.body.len  = WIRE_CHUNK_MAX + 100;
	sent.body.data = calloc(1, sent.body.len);
	syscalls_fail(CALL_SENDMSG, 2, EIO);
	assert_int_equal(LIBRARY(drpc_send_response(pair.ctx, &sent)), -DER_IO);
	assert_int_equal(peer_recv_record(pair.peer, record, WIRE_RECORD_MAX), WIRE_RECORD_MAX);
	assert_true(peer_is_closed(pair.peer));
	syscalls_reset();
	assert_true(LIBRARY(drpc_send_response(pair.ctx, &sent)) < 0);
	assert_true(try_call(pair.ctx, R_SYNC, &resp) < 0);
	assert_null(resp);
	free(sent.body.data);
	free(record);
	spent_pair(&pair);
}
#endif

static void
large_records_are_sent_by_one_call_each(void **state)
{
	struct pair          pair = fresh_pair(context_no_handler);
	Drpc__Response       sent = DRPC__RESPONSE__INIT;
	struct peer_response got;
	size_t               max = ABI_CHUNKED ? WIRE_CHUNK_MAX - 4 : UNIXCOMM_MAXMSGSIZE - 3;

	(void)state;
	sent.body.data = calloc(1, max);
	for (sent.body.len = max; sent.body.len > 1000; sent.body.len /= 2) {
		syscalls_reset();
		assert_int_equal(LIBRARY(drpc_send_response(pair.ctx, &sent)), 0);
		assert_int_equal(calls.count[CALL_SENDMSG], 1);
		assert_int_equal(calls.sent_flags, 0);
		assert_true(peer_recv_response(pair.peer, &got));
		assert_int_equal(got.resp.len, sent.body.len);
		free(got.msg);
	}
	free(sent.body.data);
	spent_pair(&pair);
}

/* --- closing ------------------------------------------------------------------------------------ */

static void
close_never_fails_and_never_repeats(void **state)
{
	struct pair pair;
	size_t      i;

	(void)state;
	for (i = 0; i <= ERRNOS; i++) {
		pair = fresh_pair(NULL);
		syscalls_fail(CALL_CLOSE, 1, i < ERRNOS ? errnos[i].error : EINTR);
		assert_int_equal(LIBRARY(drpc_close(pair.ctx)), 0);
		assert_int_equal(calls.count[CALL_CLOSE], 1);
		assert_true(peer_is_closed(pair.peer));
		close(pair.peer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(recv_call_tells_every_failure),
	    unit(send_response_tells_every_failure),
	    unit(send_response_waits_for_room),
	    unit(call_without_room),
#if ABI_CHUNKED
	    unit(half_a_message_ends_the_connection),
#endif
	    unit(large_records_are_sent_by_one_call_each),
	    unit(close_never_fails_and_never_repeats),
	};

	/* Each call of the library is expected, so that a look before it sleeps would be one too many. */
	unsetenv("DRPC_SPIN_US");
	return cmocka_run_group_tests_name("fault session " ABI_NAME, tests, NULL, NULL);
}
