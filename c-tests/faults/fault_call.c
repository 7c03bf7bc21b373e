/*
 * Failing system calls of clients that call: each fails in each way that the
 * release tells apart. And the shape of these calls, which the test suites of
 * the original pin down.
 */
#include "abi.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/fault.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/syscalls.h"

/* --- calling -------------------------------------------------------------------------------- */

/* A call that works, and whose own reply comes back. */
static void
call_works(struct pair *pair, int64_t sequence)
{
	Drpc__Response *resp;

	syscalls_reset();
	assert_true(peer_send_response(pair->peer, sequence, 0, (const uint8_t *)"yes", 3));
	assert_int_equal(try_call(pair->ctx, R_SYNC, &resp), 0);
	assert_int_equal(resp->sequence, sequence);
	assert_int_equal(resp->body.len, 3);
	assert_memory_equal(resp->body.data, "yes", 3);
	drpc_response_free(resp);
}

/* Of a server like those met before nothing is asked. */
static void
another_connection_costs_its_calls_only(void **state)
{
	struct dir      dir;
	struct drpc    *ctx;
	Drpc__Response *resp;
	int             listener;
	int             peer;
	int             i;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	for (i = 0; i < 2; i++) {
		syscalls_reset();
		assert_int_equal(LIBRARY(abi_connect(dir.sock, &ctx)), 0);
		peer = accept(listener, NULL, NULL);
		assert_true(peer_send_response(peer, 1, 0, (const uint8_t *)"yes", 3));
		assert_int_equal(try_call(ctx, R_SYNC, &resp), 0);
		drpc_response_free(resp);
		assert_int_equal(LIBRARY(drpc_close(ctx)), 0);
		close(peer);
	}
	assert_int_equal(calls.count[CALL_FCNTL], 2);
	assert_int_equal(calls.count[CALL_FCHMOD], ABI_CHUNKED);
	assert_int_equal(calls.count[CALL_SENDMSG], 1);
	assert_int_equal(calls.count[CALL_RECVMSG], 1);
	assert_int_equal(calls.count[CALL_GETSOCKOPT], 0);
	close(listener);
	dir_remove(&dir);
}

static void
call_tells_every_failure_to_send(void **state)
{
	struct pair     pair = fresh_pair(NULL);
	Drpc__Response *resp;
	int             sequence = 1;
	int             flags;
	size_t          i;

	(void)state;
	for (i = 0; i < ERRNOS; i++) {
		for (flags = 0; flags <= R_SYNC; flags++) {
			syscalls_reset();
			syscalls_fail(CALL_SENDMSG, 1, errnos[i].error);
			assert_int_equal(try_call(pair.ctx, flags, &resp), -errnos[i].der);
			assert_null(resp);
			assert_int_equal(calls.count[CALL_SENDMSG], 1);
			assert_int_equal(calls.count[CALL_RECVMSG], 0);
			assert_string_not_equal(drpc_last_error(), "");
			assert_int_equal(pair.ctx->sequence, ++sequence);
		}
	}
	call_works(&pair, sequence);
	spent_pair(&pair);
}

/* A client looks for its answer while calls follow one another quickly, and then sleeps as it would have. */
static void
call_looks_while_that_pays(void **state)
{
	struct pair      pair = fresh_pair(NULL);
	bool		 told = syscalls_can_pretend_cpus();
	Drpc__Response	*resp;
	struct peer_call seen;
	int		 i;

	(void)state;
	assert_int_equal(drpc_set_spin(DRPC_SPIN_AUTO), 0);
	assert_int_equal(drpc_set_timeout(pair.ctx, 1), 0);
	syscalls_pretend_cpus(2, 10000 * SECOND);
	for (i = 1; i <= 170; i++) {
		if (i <= 100)
			calls.clock += SECOND;
		memset(calls.count, 0, sizeof(calls.count));
		assert_true(peer_send_response(pair.peer, i, 0, NULL, 0));
		assert_int_equal(try_call(pair.ctx, R_SYNC, &resp), 0);
		drpc_response_free(resp);
		assert_true(peer_recv_call(pair.peer, &seen));
		free(seen.msg);
		assert_int_equal(calls.count[CALL_RECVMSG], 1);
		if (calls.received_flags == MSG_DONTWAIT)
			break;
	}
	assert_in_range(i, told ? 120 : 171, told ? 140 : 171);
	/* 25 microseconds are five steps of this clock. */
	memset(calls.count, 0, sizeof(calls.count));
	assert_int_equal(try_call(pair.ctx, R_SYNC, &resp), -DER_TIMEDOUT);
	assert_int_equal(calls.count[CALL_RECVMSG], told ? 7 : 1);
	assert_int_equal(calls.received_flags, 0);
	assert_int_equal(drpc_set_spin(UINT_MAX), 0);
	spent_pair(&pair);
}

static void
call_tells_every_failure_to_receive(void **state)
{
	struct pair     pair = fresh_pair(NULL);
	Drpc__Response *resp;
	int             sequence = 1;
	size_t          i;

	(void)state;
	for (i = 0; i < ERRNOS; i++) {
		syscalls_reset();
		syscalls_fail(CALL_RECVMSG, 1, errnos[i].error);
		assert_int_equal(try_call(pair.ctx, R_SYNC, &resp), -errnos[i].der);
		assert_null(resp);
		assert_int_equal(calls.count[CALL_RECVMSG], 1);
		assert_string_not_equal(drpc_last_error(), "");
		/* What answers the call that failed is not taken for the next one's. */
		assert_true(peer_send_response(pair.peer, sequence++, DRPC__STATUS__FAILURE, NULL, 0));
		call_works(&pair, sequence++);
	}
	spent_pair(&pair);
}

static void
call_goes_on_after_a_signal(void **state)
{
	struct pair     pair = fresh_pair(NULL);
	Drpc__Response *resp;

	(void)state;
	assert_true(peer_send_response(pair.peer, 1, 0, NULL, 0));
	syscalls_fail(CALL_SENDMSG, 1, EINTR);
	calls.fail_times[CALL_SENDMSG] = 3;
	syscalls_fail(CALL_RECVMSG, 1, EINTR);
	calls.fail_times[CALL_RECVMSG] = 5;
	assert_int_equal(try_call(pair.ctx, R_SYNC, &resp), 0);
	assert_int_equal(resp->sequence, 1);
	drpc_response_free(resp);
	assert_int_equal(calls.count[CALL_SENDMSG], 4);
	assert_int_equal(calls.count[CALL_RECVMSG], 6);
	spent_pair(&pair);
}

static void
call_calls_as_the_original_does(void **state)
{
	static const uint8_t message[] = {0x08, 0x02, 0x10, 0xce, 0x01, 0x18, 0x01};
	struct pair          pair      = fresh_pair(NULL);
	Drpc__Response      *resp;
	int                  fd = pair.ctx->comm->fd;

	(void)state;
	assert_true(peer_send_response(pair.peer, 1, 0, NULL, 0));
	assert_int_equal(try_call(pair.ctx, R_SYNC, &resp), 0);
	drpc_response_free(resp);
	assert_int_equal(calls.count[CALL_SENDMSG], 1);
	assert_int_equal(calls.sent_fd, fd);
	assert_int_equal(calls.sent_flags, 0);
	assert_false(calls.sent_named);
	/* A small record lies in the first part as a whole. */
	assert_int_equal(calls.sent_first, calls.sent_all);
	assert_int_equal(calls.sent_all, sizeof(message) + (ABI_CHUNKED ? WIRE_HEADER : 0));
	assert_memory_equal(calls.sent + (ABI_CHUNKED ? WIRE_HEADER : 0), message, sizeof(message));
	assert_int_equal(calls.count[CALL_RECVMSG], 1);
	assert_int_equal(calls.received_fd, fd);
	assert_int_equal(calls.received_flags, 0);
	assert_int_equal(calls.received_first, UNIXCOMM_MAXMSGSIZE);
	assert_false(calls.received_named);
	/* Two system calls are a call, and nothing else. */
	assert_int_equal(calls.count[CALL_FCNTL], 0);
	assert_int_equal(calls.count[CALL_POLL], 0);
	spent_pair(&pair);
}

static ssize_t
take_all(int fd, const struct msghdr *msg, int flags)
{
	(void)fd;
	(void)flags;
	return (ssize_t)(msg->msg_iov[0].iov_len + (msg->msg_iovlen > 1 ? msg->msg_iov[1].iov_len : 0));
}

/* On what is no socket somebody plays the kernel, as upstream's mocks do: nothing goes before the call. */
static void
no_socket_is_asked_what_it_speaks(void **state)
{
	static const uint8_t message[] = {0x08, 0x02, 0x10, 0xce, 0x01, 0x18, 0x01};
	struct drpc         *ctx       = context_by_hand(876, NULL);
	Drpc__Response      *resp;

	(void)state;
	syscalls_reset();
	calls.pretend_fd = 876;
	calls.sendmsg    = take_all;
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
	assert_int_equal(try_call(ctx, 0, &resp), 0);
	drpc_response_free(resp);
	assert_int_equal(calls.count[CALL_SENDMSG], 1);
	assert_int_equal(calls.sent_all, sizeof(message) + (ABI_CHUNKED ? WIRE_HEADER : 0));
	assert_memory_equal(calls.sent + (ABI_CHUNKED ? WIRE_HEADER : 0), message, sizeof(message));
	assert_int_equal(calls.count[CALL_RECVMSG], 0);
	assert_int_equal(LIBRARY(drpc_close(ctx)), 0);
}

/* --- kernels played by a test --------------------------------------------------------------- */

/* The next record that recvmsg gives, and the length that it claims for it. */
static uint8_t next_record[8192];
static size_t  next_len;
static ssize_t next_claim;

static ssize_t
play_recvmsg(int fd, struct msghdr *msg, int flags)
{
	(void)fd;
	(void)flags;
	assert_true(msg->msg_iov[0].iov_len >= next_len);
	memcpy(msg->msg_iov[0].iov_base, next_record, next_len);
	return next_claim;
}

static ssize_t
play_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	(void)fd;
	(void)flags;
	return (ssize_t)msg->msg_iov[0].iov_len;
}

/* Puts a message into the played kernel as the release's mocks would. */
static void
next_message(const uint8_t *msg, size_t len)
{
	const struct wire_header header = {len, len, 0, 1};

	if (!ABI_CHUNKED) {
		memcpy(next_record, msg, len);
		next_len   = len;
		next_claim = (ssize_t)len;
		return;
	}
	wire_put_header(next_record, &header);
	memcpy(next_record + WIRE_HEADER, msg, len);
	next_len = WIRE_HEADER + len;
	/* Whatever the record's length, the mock of 2.8 gives that of the buffer. */
	next_claim = UNIXCOMM_MAXMSGSIZE;
}

static void
a_mocked_call_works(void **state)
{
	struct drpc    *ctx = context_by_hand(12, NULL);
	Drpc__Response *resp;

	(void)state;
	syscalls_reset();
	calls.pretend_fd = 12;
	calls.sendmsg    = play_sendmsg;
	calls.recvmsg    = play_recvmsg;
	/* Sequence 12345, status FAILURE, body "ok". */
	next_message((const uint8_t *)"\x08\xb9\x60\x10\x02\x1a\x02ok", 9);
	assert_int_equal(try_call(ctx, R_SYNC, &resp), 0);
	assert_int_equal(resp->sequence, 12345);
	assert_int_equal(resp->status, DRPC__STATUS__FAILURE);
	assert_int_equal(resp->body.len, 2);
	assert_memory_equal(resp->body.data, "ok", 2);
	drpc_response_free(resp);
	assert_int_equal(calls.count[CALL_RECVMSG], 1);
	/* An empty response: no bytes in the old releases, a bare header in the new. */
	next_message((const uint8_t *)"", 0);
	assert_int_equal(try_call(ctx, R_SYNC, &resp), 0);
	assert_int_equal(resp->sequence, 0);
	assert_int_equal(resp->status, DRPC__STATUS__SUCCESS);
	drpc_response_free(resp);
	assert_int_equal(LIBRARY(drpc_close(ctx)), 0);
}

/* Who stands in for recvmsg need not know of more places than the first. */
static void
mocked_large_replies_come_in_one_piece(void **state)
{
	struct drpc    *ctx = context_by_hand(12, NULL);
	Drpc__Response *resp;
	uint8_t		msg[3 + 5000] = {0x1a, 0x88, 0x27};
	int		i;

	(void)state;
	syscalls_reset();
	calls.pretend_fd = 12;
	calls.sendmsg    = play_sendmsg;
	calls.recvmsg    = play_recvmsg;
	for (i = 0; i < 3; i++) {
		memset(msg + 3, 'a' + i, 5000);
		next_message(msg, sizeof(msg));
		/* As the kernel tells it. */
		next_claim = (ssize_t)next_len;
		assert_int_equal(try_call(ctx, R_SYNC, &resp), 0);
		assert_int_equal(resp->body.len, 5000);
		assert_memory_equal(resp->body.data, msg + 3, 5000);
		drpc_response_free(resp);
		assert_int_equal(calls.received_first, UNIXCOMM_MAXMSGSIZE);
	}
	assert_int_equal(LIBRARY(drpc_close(ctx)), 0);
}

static void
a_mocked_receive_works(void **state)
{
	struct drpc *ctx  = context_by_hand(12, context_no_handler);
	Drpc__Call  *call = NULL;

	(void)state;
	syscalls_reset();
	calls.pretend_fd = 12;
	calls.recvmsg    = play_recvmsg;
	next_message((const uint8_t *)"\x08\x02\x10\x03\x18\x04\x22\x02ok", 10);
	assert_int_equal(LIBRARY(drpc_recv_call(ctx, &call)), 0);
	assert_int_equal(call->module, 2);
	assert_int_equal(call->method, 3);
	assert_int_equal(call->sequence, 4);
	assert_int_equal(call->body.len, 2);
	drpc_call_free(call);
	assert_int_equal(calls.count[CALL_RECVMSG], 1);
	assert_int_equal(calls.received_fd, 12);
	assert_int_equal(calls.received_flags, 0);
	assert_int_equal(calls.received_first, UNIXCOMM_MAXMSGSIZE);
	call = NULL;
	next_message((const uint8_t *)"\xff\xff\xff", 3);
	assert_int_equal(LIBRARY(drpc_recv_call(ctx, &call)), -DER_PROTO);
	assert_null(call);
#if ABI_CHUNKED
	const struct wire_header none  = {3, 3, 0, 0};
	const struct wire_header large = {WIRE_CHUNK_MAX + 1, WIRE_CHUNK_MAX + 1, 0, 1};

	wire_put_header(next_record, &none);
	assert_int_equal(LIBRARY(drpc_recv_call(ctx, &call)), -DER_PROTO);
	wire_put_header(next_record, &large);
	assert_int_equal(LIBRARY(drpc_recv_call(ctx, &call)), -DER_TRUNC);
	assert_null(call);
#endif
	assert_int_equal(LIBRARY(drpc_close(ctx)), 0);
}

static ssize_t
send_five(int fd, const struct msghdr *msg, int flags)
{
	(void)fd;
	(void)msg;
	(void)flags;
	return 5;
}

static void
the_count_that_sendmsg_gives(void **state)
{
	struct pair     pair = fresh_pair(context_no_handler);
	Drpc__Response  sent = DRPC__RESPONSE__INIT;
	Drpc__Response *resp;

	(void)state;
	calls.sendmsg = send_five;
	sent.sequence = 1;
#if ABI_CHUNKED
	/* A chunk that went out in part is an error. */
	assert_int_equal(try_call(pair.ctx, 0, &resp), -DER_TRUNC);
	assert_int_equal(LIBRARY(drpc_send_response(pair.ctx, &sent)), -DER_TRUNC);
#else
	/* Upstream's old mock gives 5 for anything, and nobody minds. */
	assert_int_equal(try_call(pair.ctx, 0, &resp), 0);
	drpc_response_free(resp);
	assert_int_equal(LIBRARY(drpc_send_response(pair.ctx, &sent)), 0);
#endif
	spent_pair(&pair);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(another_connection_costs_its_calls_only),
	    unit(call_tells_every_failure_to_send),
	    unit(call_looks_while_that_pays),
	    unit(call_tells_every_failure_to_receive),
	    unit(call_goes_on_after_a_signal),
	    unit(call_calls_as_the_original_does),
	    unit(no_socket_is_asked_what_it_speaks),
	    unit(a_mocked_call_works),
	    unit(mocked_large_replies_come_in_one_piece),
	    unit(a_mocked_receive_works),
	    unit(the_count_that_sendmsg_gives),
	};

	/* Each call of the library is expected, so that a look before it sleeps would be one too many. */
	unsetenv("DRPC_SPIN_US");
	return cmocka_run_group_tests_name("fault call " ABI_NAME, tests, NULL, NULL);
}
