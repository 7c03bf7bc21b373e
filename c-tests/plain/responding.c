/* Responses that a session of the plain API sends. */
#include "abi.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/peer.h"

static void
send_response_sends_exactly_these_bytes(void **state)
{
	static const uint8_t message[]  = {0x08, 0x07, 0x10, 0x02, 0x1a, 0x02, 'o', 'k'};
	static const uint8_t header[24] = {8, [8] = 8, [20] = 1};
	struct pair          pair       = pair_new(context_no_handler);
	Drpc__Response       resp       = DRPC__RESPONSE__INIT;
	uint8_t              got[64];
	ssize_t              n;

	(void)state;
	resp.sequence  = 7;
	resp.status    = DRPC__STATUS__FAILURE;
	resp.body.data = (uint8_t *)"ok";
	resp.body.len  = 2;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), 0);
	n = peer_recv_record(pair.peer, got, sizeof(got));
#if ABI_CHUNKED
	assert_int_equal(n, 32);
	assert_memory_equal(got, header, 24);
	assert_memory_equal(got + 24, message, 8);
#else
	(void)header;
	assert_int_equal(n, 8);
	assert_memory_equal(got, message, 8);
#endif
	/* The response stays the caller's. */
	assert_int_equal(resp.body.len, 2);
	assert_int_equal(resp.sequence, 7);
	pair_free(&pair);
}

static void
an_empty_response_is_sent(void **state)
{
	static const uint8_t header[24] = {[20] = 1};
	struct pair          pair       = pair_new(context_no_handler);
	Drpc__Response       resp       = DRPC__RESPONSE__INIT;
	uint8_t              got[64];
	uint8_t              byte       = 1;
	int                  i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(drpc_send_response(pair.ctx, &resp), 0);
		assert_false(peer_is_quiet(pair.peer));
		assert_int_equal(peer_recv_record(pair.peer, got, sizeof(got)), ABI_CHUNKED ? 24 : 0);
		if (ABI_CHUNKED)
			assert_memory_equal(got, header, 24);
		/* No bytes are no bytes, wherever they are said to be. */
		resp.body.data = &byte;
	}
	pair_free(&pair);
}

static void
send_response_takes_any_fields(void **state)
{
	static const int64_t sequences[] = {-1, 1, INT64_MIN, INT64_MAX};
	static const int     statuses[]  = {0, 7, 99, -1, INT_MIN};
	struct pair          pair        = pair_new(context_no_handler);
	Drpc__Response       resp        = DRPC__RESPONSE__INIT;
	struct peer_response out;
	size_t               i;
	size_t               j;

	(void)state;
	for (i = 0; i < 4; i++) {
		for (j = 0; j < 5; j++) {
			resp.sequence = sequences[i];
			resp.status   = (Drpc__Status)statuses[j];
			assert_int_equal(drpc_send_response(pair.ctx, &resp), 0);
			assert_true(peer_recv_response(pair.peer, &out));
			assert_int_equal(out.resp.sequence, sequences[i]);
			assert_int_equal(out.resp.status, statuses[j]);
			assert_int_equal(out.resp.len, 0);
			free(out.msg);
		}
	}
	pair_free(&pair);
}

static void
send_response_refuses_null(void **state)
{
	struct pair    pair  = pair_new(context_no_handler);
	struct drpc    naked = {.comm = NULL, .ref_count = 1, .handler = context_no_handler};
	Drpc__Response resp  = DRPC__RESPONSE__INIT;

	(void)state;
	assert_int_equal(drpc_send_response(NULL, &resp), -DER_INVAL);
	assert_int_equal(drpc_send_response(&naked, &resp), -DER_INVAL);
	assert_int_equal(drpc_send_response(pair.ctx, NULL), -DER_INVAL);
	assert_int_equal(drpc_send_response(NULL, NULL), -DER_INVAL);
	pair.ctx->handler = NULL;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_INVAL);
	pair.ctx->handler = context_no_handler;
	resp.body.len     = 1;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_INVAL);
	resp.body.len        = 0;
	resp.base.descriptor = &drpc__call__descriptor;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_INVAL);
	resp.base.descriptor = NULL;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_INVAL);
	assert_true(peer_is_quiet(pair.peer));
	pair_free(&pair);
}

static void
send_response_to_a_peer_that_is_gone(void **state)
{
	struct pair    pair = pair_new(context_no_handler);
	Drpc__Response resp = DRPC__RESPONSE__INIT;

	(void)state;
	close(pair.peer);
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_MISC);
	assert_string_not_equal(drpc_last_error(), "");
	assert_int_equal(drpc_close(pair.ctx), 0);
}

/* The client of one that is too large is told so. */
static void
expect_replaced(int peer, int64_t sequence)
{
	struct peer_response out;

	assert_true(peer_recv_response(peer, &out));
	assert_int_equal(out.resp.sequence, sequence);
	assert_int_equal(out.resp.status, DRPC__STATUS__FAILED_MARSHAL);
	assert_int_equal(out.resp.len, 0);
	free(out.msg);
}

static void
too_large_a_response_is_replaced(void **state)
{
	struct pair          pair = pair_new(context_no_handler);
	Drpc__Response       resp = DRPC__RESPONSE__INIT;
	struct peer_response out;
	size_t               limit = ABI_CHUNKED ? 1000 : UNIXCOMM_MAXMSGSIZE;

	(void)state;
	if (ABI_CHUNKED)
		assert_int_equal(drpc_set_max_message(limit), 0);
	/* Before the body stand the sequence with its key, and key and length of the body: five bytes, or six for more. */
	resp.sequence  = 7;
	resp.body.data = body_new(limit);
	resp.body.len  = limit - 4;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_OVERFLOW);
	assert_string_not_equal(drpc_last_error(), "");
	expect_replaced(pair.peer, 7);
	resp.body.len = limit - 5;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), 0);
	assert_true(peer_recv_response(pair.peer, &out));
	assert_int_equal(out.resp.len, limit - 5);
	free(out.msg);
	assert_int_equal(drpc_set_max_message(0), 0);
	/* Nor is one that no int could count. */
	resp.body.len = PTRDIFF_MAX;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_OVERFLOW);
	expect_replaced(pair.peer, 7);
	resp.body.len = SIZE_MAX;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_OVERFLOW);
	expect_replaced(pair.peer, 7);
	free(resp.body.data);
	pair_free(&pair);
}

struct sender {
	struct drpc *ctx;
	int64_t      first;
	size_t       len;
	int          rc;
};

#define EACH 10

static void *
send_responses(void *arg)
{
	struct sender *sender = arg;
	Drpc__Response resp   = DRPC__RESPONSE__INIT;
	int            i;

	resp.body.data = body_new(sender->len);
	resp.body.len  = sender->len;
	for (i = 0; i < EACH && sender->rc == 0; i++) {
		resp.sequence = sender->first + i;
		sender->rc    = drpc_send_response(sender->ctx, &resp);
	}
	free(resp.body.data);
	return NULL;
}

/* Reads what two senders sent; each response must be whole, each sender's in order. */
static void
read_responses(int peer, size_t len)
{
	struct peer_response out;
	int64_t              next[2] = {1000, 2000};
	int                  i;

	for (i = 0; i < 2 * EACH; i++) {
		assert_true(peer_recv_response(peer, &out));
		assert_int_equal(out.resp.len, len);
		assert_true(body_is(out.resp.body, len));
		assert_int_equal(out.resp.sequence, next[out.resp.sequence / 2000]++);
		free(out.msg);
	}
}

/* However large they are: one message at a time goes through a session. */
static void
two_threads_respond(struct pair pair, int flags)
{
	size_t        len = ABI_CHUNKED ? 500000 : 10000;
	struct sender one = {pair.ctx, 1000, len, 0};
	struct sender two = {pair.ctx, 2000, len, 0};
	pthread_t     threads[2];

	assert_int_equal(fcntl(pair.ctx->comm->fd, F_SETFL, flags), 0);
	assert_int_equal(pthread_create(&threads[0], NULL, send_responses, &one), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, send_responses, &two), 0);
	read_responses(pair.peer, len);
	assert_int_equal(pthread_join(threads[0], NULL), 0);
	assert_int_equal(pthread_join(threads[1], NULL), 0);
	assert_int_equal(one.rc, 0);
	assert_int_equal(two.rc, 0);
	pair_free(&pair);
}

static void
responses_of_two_threads_do_not_mix(void **state)
{
	(void)state;
	two_threads_respond(pair_new(context_no_handler), 0);
	two_threads_respond(pair_new(context_no_handler), O_NONBLOCK);
}

#ifdef DRPC_ABI_28
static int
yield_thread(void)
{
	return sched_yield();
}

/* Who has to wait for his turn lets others run meanwhile. */
static void
responses_of_two_yielding_threads_do_not_mix(void **state)
{
	struct pair pair = pair_new(context_no_handler);

	(void)state;
	pair.ctx->yield = yield_thread;
	two_threads_respond(pair, 0);
	pair            = pair_new(context_no_handler);
	pair.ctx->yield = yield_thread;
	two_threads_respond(pair, O_NONBLOCK);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(send_response_sends_exactly_these_bytes),
	    unit(an_empty_response_is_sent),
	    unit(send_response_takes_any_fields),
	    unit(send_response_refuses_null),
	    unit(send_response_to_a_peer_that_is_gone),
	    unit(too_large_a_response_is_replaced),
	    unit(responses_of_two_threads_do_not_mix),
#ifdef DRPC_ABI_28
	    unit(responses_of_two_yielding_threads_do_not_mix),
#endif
	};

	return cmocka_run_group_tests_name("responding " ABI_NAME, tests, NULL, NULL);
}
