/* Calls and replies of every size, and the faults of their records in each framing. */
#include "abi.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <drpc/library.h>

#include "support/body.h"
#include "support/calling.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/echo.h"
#include "support/patience.h"
#include "support/peer.h"

/* --- sizes ------------------------------------------------------------------------------- */

static void
echo_one(struct drpc *ctx, size_t len)
{
	Drpc__Call     *call = call_new(ctx, 2, 206, len);
	Drpc__Response *resp = NULL;

	assert_int_equal(drpc_call(ctx, R_SYNC, call, &resp), 0);
	expect_response(resp, call->sequence, DRPC__STATUS__SUCCESS, len);
	drpc_call_free(call);
}

static void
bodies_of_many_sizes_come_back(void **state)
{
	/* Around each place where a length or a buffer takes another shape. */
	static const size_t sizes[] = {
	    0, 1, 2, 127, 128, 129, 255, 256, 4000, 4095, 4096, 4097, 8192, 16300, 16368,
#if ABI_CHUNKED
	    16383, 16384, 16385, 65535, 131030, 131036, 131037, 131038, 131039, 131040, 131041, 131048, 131049,
	    131072, 262084, 262085, 262086, 262087, 262096, 262144, 400000, 1 << 20, 5 << 20,
#endif
	};
	struct pair pair = pair_new(NULL);
	struct echo echo;
	size_t      i;

	(void)state;
	echo_start(&echo, pair.peer);
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		echo_one(pair.ctx, sizes[i]);
	assert_int_equal(drpc_close(pair.ctx), 0);
	assert_int_equal(echo_stop(&echo), (int)i);
}

/* The length of a call as it is sent, body of len bytes, module 2, method 206. */
static size_t
packed_call(size_t len, int64_t sequence)
{
	uint8_t         *body = body_new(len);
	struct wire_call call = {2, 206, sequence, body, len};
	size_t           size;

	free(wire_pack_call(&call, &size));
	free(body);
	return size;
}

/* Sends a call of this packed size; true when it went out, false on overflow. */
static bool
send_packed(struct drpc *ctx, size_t size)
{
	size_t          len  = size - (packed_call(size, 1) - size);
	Drpc__Call     *call;
	Drpc__Response *resp = NULL;
	int             rc;

	/* A little less body may need a byte less for its length. */
	while (packed_call(len, 1) < size)
		len++;
	assert_int_equal(packed_call(len, 1), size);
	call          = call_new(ctx, 2, 206, len);
	ctx->sequence = 1;
	rc            = drpc_call(ctx, 0, call, &resp);
	drpc_call_free(call);
	if (rc == 0) {
		drpc_response_free(resp);
		return true;
	}
	assert_int_equal(rc, -DER_OVERFLOW);
	assert_null(resp);
	assert_string_not_equal(drpc_last_error(), "");
	return false;
}

static void
too_large_a_call_is_not_sent(void **state)
{
	struct pair pair = pair_told();
	uint8_t    *msg;
	size_t      len;

	(void)state;
	assert_int_equal(drpc_set_max_message(1000), 0);
	assert_false(send_packed(pair.ctx, 1001));
	assert_true(peer_is_quiet(pair.peer));
	assert_true(send_packed(pair.ctx, 1000));
	msg = peer_recv_message(pair.peer, &len);
	assert_int_equal(len, 1000);
	free(msg);
	assert_int_equal(drpc_set_max_message(0), 0);
	assert_true(send_packed(pair.ctx, 1001));
	free(peer_recv_message(pair.peer, &len));
#if !ABI_CHUNKED
	assert_true(send_packed(pair.ctx, UNIXCOMM_MAXMSGSIZE));
	msg = peer_recv_message(pair.peer, &len);
	assert_int_equal(len, UNIXCOMM_MAXMSGSIZE);
	free(msg);
	assert_false(send_packed(pair.ctx, UNIXCOMM_MAXMSGSIZE + 1));
	assert_true(peer_is_quiet(pair.peer));
#endif
	pair_free(&pair);
}

/* 128 MiB is the most that either framing sends; what no memory could hold is too much as well. */
static void
the_default_limit_stops_a_call(void **state)
{
	struct pair     pair = pair_new(NULL);
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	uint8_t         byte = 1;

	(void)state;
	call.body.data = &byte;
	for (call.body.len = 128 << 20; call.body.len <= PTRDIFF_MAX; call.body.len <<= 1) {
		assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_OVERFLOW);
		assert_null(resp);
	}
	call.body.len = PTRDIFF_MAX;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_OVERFLOW);
	call.body.len = (size_t)PTRDIFF_MAX + 1;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_OVERFLOW);
	call.body.len = SIZE_MAX;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_OVERFLOW);
	assert_null(resp);
	assert_true(peer_is_quiet(pair.peer));
	pair_free(&pair);
}

static void
too_large_a_reply_is_refused(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	assert_int_equal(drpc_set_max_message(1000), 0);
	reply(pair.peer, 1, 0, 1000);
	do_call(pair.ctx, R_SYNC, -DER_OVERFLOW);
	assert_int_equal(drpc_set_max_message(0), 0);
	pair_free(&pair);
}

#if !ABI_CHUNKED

/* --- the datagram framing ------------------------------------------------------------------ */

static void
an_empty_record_is_an_empty_reply(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	assert_true(peer_send_record(pair.peer, "", 0));
	expect_response(do_call(pair.ctx, R_SYNC, 0), 0, DRPC__STATUS__SUCCESS, 0);
	/* Also with the next reply behind it. */
	assert_true(peer_send_record(pair.peer, "", 0));
	reply(pair.peer, 3, 0, 4);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 0, DRPC__STATUS__SUCCESS, 0);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 3, DRPC__STATUS__SUCCESS, 4);
	pair_free(&pair);
}

static void
replies_over_the_sending_limit_are_read_whole(void **state)
{
	static const size_t sizes[] = {16384, 16385, 100000, 131072, 200000};
	struct pair         pair    = pair_new(NULL);
	size_t              i;

	(void)state;
	for (i = 0; i < 5; i++) {
		reply(pair.peer, (int64_t)i + 1, 0, sizes[i]);
		expect_response(do_call(pair.ctx, R_SYNC, 0), (int64_t)i + 1, DRPC__STATUS__SUCCESS, sizes[i]);
	}
	pair_free(&pair);
}

static void
a_record_over_256_kib_is_cut(void **state)
{
	struct pair pair = pair_new(NULL);
	int         size = 400000;

	(void)state;
	assert_int_equal(setsockopt(pair.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	reply(pair.peer, 1, 0, 300000);
	do_call(pair.ctx, R_SYNC, -DER_TRUNC);
	reply(pair.peer, 2, 0, 3);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 2, DRPC__STATUS__SUCCESS, 3);
	pair_free(&pair);
}

#else

/* --- the chunked framing --------------------------------------------------------------------- */

static void
a_chunk_without_data_is_an_empty_reply(void **state)
{
	static const struct wire_header empty = {.chunks = 1};
	struct pair                     pair  = pair_new(NULL);

	(void)state;
	assert_true(peer_send_chunk(pair.peer, &empty, NULL, 0));
	expect_response(do_call(pair.ctx, R_SYNC, 0), 0, DRPC__STATUS__SUCCESS, 0);
	pair_free(&pair);
}

static void
surplus_bytes_of_a_record_are_ignored(void **state)
{
	static const struct wire_header header = {.total = 4, .size = 4, .chunks = 1};
	struct pair                     pair   = pair_new(NULL);

	(void)state;
	assert_true(peer_send_chunk(pair.peer, &header, "\x08\x01\x10\x02 and more", 13));
	expect_response(do_call(pair.ctx, R_SYNC, 0), 1, DRPC__STATUS__FAILURE, 0);
	pair_free(&pair);
}

static void
a_record_that_the_kernel_cut_is_refused(void **state)
{
	static const struct wire_header header = {.total = 4, .size = 4, .chunks = 1};
	struct pair                     pair   = pair_new(NULL);
	uint8_t                        *data   = calloc(1, 300000);
	int                             size   = 400000;

	(void)state;
	assert_int_equal(setsockopt(pair.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_true(peer_send_chunk(pair.peer, &header, data, 300000));
	do_call(pair.ctx, R_SYNC, -DER_TRUNC);
	free(data);
	pair_free(&pair);
}

struct fault {
	struct wire_header header;
	size_t             data;
	int                rc;
};

/* Faults of a first record. */
static const struct fault first_faults[] = {
    {{4, 4, 0, 0}, 4, -DER_PROTO},
    {{0, 0, 0, 0}, 0, -DER_PROTO},
    {{WIRE_CHUNK_MAX + 1, WIRE_CHUNK_MAX + 1, 0, 1}, 8, -DER_TRUNC},
    {{4, UINT64_MAX, 0, 1}, 4, -DER_TRUNC},
    {{4, 5, 0, 1}, 5, -DER_TRUNC},
    {{5, 5, 0, 1}, 4, -DER_TRUNC},
    {{4, 4, 0, 2}, 4, -DER_PROTO},
    {{0, 0, 0, 2}, 0, -DER_PROTO},
    {{4, 4, 0, UINT32_MAX}, 4, -DER_PROTO},
    {{WIRE_CHUNK_MAX + 1, 100, 0, 2}, 100, -DER_PROTO},
    {{WIRE_CHUNK_MAX + 1, 0, 0, 2}, 0, -DER_PROTO},
    {{8, 4, 0, 1}, 4, -DER_PROTO},
    {{4, 4, 1, 1}, 4, -DER_PROTO},
    {{4, 4, UINT32_MAX, 1}, 4, -DER_PROTO},
    {{WIRE_CHUNK_MAX + 1, 1, 1, 2}, 1, -DER_MISMATCH},
    {{(uint64_t)1 << 62, 4, 0, 1}, 4, -DER_PROTO},
};

/* Faults of a second record, after a good first one of two (total 131053). */
#define TWO (WIRE_CHUNK_MAX + 5)
static const struct fault second_faults[] = {
    {{TWO, 5, 0, 2}, 5, -DER_MISMATCH},
    {{TWO, 5, 2, 2}, 5, -DER_PROTO},
    {{TWO, 5, 1, 3}, 5, -DER_PROTO},
    {{TWO, 5, 1, 0}, 5, -DER_PROTO},
    {{TWO + 1, 5, 1, 2}, 5, -DER_PROTO},
    {{TWO, 6, 1, 2}, 6, -DER_TRUNC},
    {{TWO, 4, 1, 2}, 4, -DER_PROTO},
    {{TWO, 0, 1, 2}, 0, -DER_PROTO},
    {{TWO, 5, 1, 2}, 4, -DER_TRUNC},
    {{TWO, WIRE_CHUNK_MAX + 1, 1, 2}, 5, -DER_TRUNC},
};

/* After half a message there is no knowing where the next begins. */
static void
fails_from_now_on(struct pair *pair)
{
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	assert_true(drpc_call(pair->ctx, R_SYNC, &call, &resp) < 0);
	assert_null(resp);
	pair_free(pair);
}

static void
every_header_fault_has_its_code(void **state)
{
	static const struct wire_header good = {TWO, WIRE_CHUNK_MAX, 0, 2};
	uint8_t                        *data = calloc(1, TWO);
	struct pair                     pair;
	size_t                          i;

	(void)state;
	for (i = 0; i < sizeof(first_faults) / sizeof(*first_faults); i++) {
		pair = pair_new(NULL);
		assert_true(peer_send_chunk(pair.peer, &first_faults[i].header, data, first_faults[i].data));
		do_call(pair.ctx, R_SYNC, first_faults[i].rc);
		assert_string_not_equal(drpc_last_error(), "");
		fails_from_now_on(&pair);
	}
	for (i = 0; i < sizeof(second_faults) / sizeof(*second_faults); i++) {
		pair = pair_new(NULL);
		assert_true(peer_send_chunk(pair.peer, &good, data, WIRE_CHUNK_MAX));
		assert_true(peer_send_chunk(pair.peer, &second_faults[i].header, data, second_faults[i].data));
		do_call(pair.ctx, R_SYNC, second_faults[i].rc);
		fails_from_now_on(&pair);
	}
	free(data);
}

static void
a_record_without_a_whole_header(void **state)
{
	static const uint8_t header[24] = {4, [8] = 4, [20] = 1};
	struct pair          pair;
	size_t               len;

	(void)state;
	for (len = 1; len < 24; len++) {
		pair = pair_new(NULL);
		assert_true(peer_send_record(pair.peer, header, len));
		do_call(pair.ctx, R_SYNC, -DER_TRUNC);
		fails_from_now_on(&pair);
	}
}

static void
eof_in_the_middle_of_a_reply(void **state)
{
	static const struct wire_header good = {TWO, WIRE_CHUNK_MAX, 0, 2};
	uint8_t                        *data = calloc(1, TWO);
	struct pair                     pair = pair_new(NULL);

	(void)state;
	assert_true(peer_send_chunk(pair.peer, &good, data, WIRE_CHUNK_MAX));
	shutdown(pair.peer, SHUT_WR);
	do_call(pair.ctx, R_SYNC, -DER_TRUNC);
	assert_non_null(strstr(drpc_last_error(), "closed"));
	fails_from_now_on(&pair);
	free(data);
}

static void
a_total_over_the_limit_is_refused_at_once(void **state)
{
	/* A whole chunk of 129 MiB, and the largest total whose count fits. */
	static const struct wire_header headers[] = {
	    {(uint64_t)129 << 20, WIRE_CHUNK_MAX, 0, ((129 << 20) + WIRE_CHUNK_MAX - 1) / WIRE_CHUNK_MAX},
	    {(uint64_t)UINT32_MAX * WIRE_CHUNK_MAX, WIRE_CHUNK_MAX, 0, UINT32_MAX},
	};
	uint8_t    *data = calloc(1, WIRE_CHUNK_MAX);
	struct pair pair;
	size_t      i;

	(void)state;
	for (i = 0; i < 2; i++) {
		pair = pair_new(NULL);
		assert_true(peer_send_chunk(pair.peer, &headers[i], data, WIRE_CHUNK_MAX));
		do_call(pair.ctx, R_SYNC, -DER_OVERFLOW);
		fails_from_now_on(&pair);
	}
	free(data);
}

static int yields;
static int cancelable_yields;

static int
count_yield(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_setcancelstate(state, NULL);
	cancelable_yields += state == PTHREAD_CANCEL_ENABLE;
	yields++;
	return -1;
}

static void
yield_is_called_for_each_chunk(void **state)
{
	struct pair pair = pair_new(NULL);
	struct echo echo;

	(void)state;
	pair.ctx->yield = count_yield;
	echo_start(&echo, pair.peer);
	yields = 0;
	echo_one(pair.ctx, 10);
	assert_int_equal(yields, 2);
	yields = 0;
	echo_one(pair.ctx, 2 * WIRE_CHUNK_MAX);
	assert_int_equal(yields, 6);
	/* Whether other work in the thread may be cancelled is not for the library to say. */
	assert_int_equal(cancelable_yields, 8);
	assert_int_equal(drpc_close(pair.ctx), 0);
	echo_stop(&echo);
}

static struct drpc *re_entered;

static int
call_from_yield(void)
{
	struct drpc *ctx = re_entered;

	/* Once, on another connection, while the first call is under way. */
	re_entered = NULL;
	if (ctx != NULL)
		echo_one(ctx, 300000);
	return 0;
}

static void
yield_may_call(void **state)
{
	struct pair one = pair_told();
	struct pair two = pair_told();
	struct echo echo_one_;
	struct echo echo_two;

	(void)state;
	echo_start(&echo_one_, one.peer);
	echo_start(&echo_two, two.peer);
	one.ctx->yield = call_from_yield;
	re_entered     = two.ctx;
	echo_one(one.ctx, 400000);
	assert_null(re_entered);
	assert_int_equal(drpc_close(one.ctx), 0);
	assert_int_equal(drpc_close(two.ctx), 0);
	assert_int_equal(echo_stop(&echo_one_), 1);
	assert_int_equal(echo_stop(&echo_two), 1);
}

static int refusals;

static int
call_within(void)
{
	static bool     inside;
	struct drpc    *ctx  = re_entered;
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	/* Who waits for a turn yields, too. */
	if (inside)
		return 0;
	inside = true;
	assert_int_equal(drpc_call(ctx, R_SYNC, &call, &resp), -DER_BUSY);
	assert_int_equal(errno, EBUSY);
	assert_null(resp);
	assert_int_equal(drpc_call(ctx, 0, &call, &resp), -DER_BUSY);
	assert_int_equal(call.sequence, 0);
	refusals++;
	inside = false;
	return 0;
}

/* Whether the first call is being sent or waits for its reply. */
static void
a_call_within_a_call_is_refused(void **state)
{
	struct pair pair = pair_told();
	struct echo echo;

	(void)state;
	echo_start(&echo, pair.peer);
	re_entered      = pair.ctx;
	pair.ctx->yield = call_within;
	refusals        = 0;
	echo_one(pair.ctx, 10);
	assert_int_equal(refusals, 2);
	echo_one(pair.ctx, 2 * WIRE_CHUNK_MAX);
	assert_int_equal(refusals, 8);
	pair.ctx->yield = NULL;
	echo_one(pair.ctx, 10);
	re_entered = NULL;
	assert_int_equal(drpc_close(pair.ctx), 0);
	assert_int_equal(echo_stop(&echo), 3);
}

/* The next call is made, and finds none under way. */
static void
a_call_that_failed_is_not_under_way(void **state)
{
	struct pair     pair = pair_told();
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	(void)state;
	re_entered      = pair.ctx;
	pair.ctx->yield = call_within;
	refusals        = 0;
	assert_int_equal(drpc_set_timeout(pair.ctx, 10), 0);
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_TIMEDOUT);
	assert_int_equal(refusals, 1);
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_TIMEDOUT);
	assert_int_equal(refusals, 2);
	re_entered = NULL;
	pair_free(&pair);
}

#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(bodies_of_many_sizes_come_back),
	    unit(too_large_a_call_is_not_sent),
	    unit(the_default_limit_stops_a_call),
	    unit(too_large_a_reply_is_refused),
#if !ABI_CHUNKED
	    unit(an_empty_record_is_an_empty_reply),
	    unit(replies_over_the_sending_limit_are_read_whole),
	    unit(a_record_over_256_kib_is_cut),
#else
	    unit(a_chunk_without_data_is_an_empty_reply),
	    unit(surplus_bytes_of_a_record_are_ignored),
	    unit(a_record_that_the_kernel_cut_is_refused),
	    unit(every_header_fault_has_its_code),
	    unit(a_record_without_a_whole_header),
	    unit(eof_in_the_middle_of_a_reply),
	    unit(a_total_over_the_limit_is_refused_at_once),
	    unit(yield_is_called_for_each_chunk),
	    unit(yield_may_call),
	    unit(a_call_within_a_call_is_refused),
	    unit(a_call_that_failed_is_not_under_way),
#endif
	};

	return cmocka_run_group_tests_name("call sizes " ABI_NAME, tests, NULL, NULL);
}
