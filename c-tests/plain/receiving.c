/* Calls that a session of the plain API receives. */
#include "abi.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/peer.h"

static void
expect_call(struct drpc *ctx, int32_t module, int32_t method, int64_t sequence, size_t len)
{
	Drpc__Call *call = NULL;

	assert_int_equal(drpc_recv_call(ctx, &call), 0);
	assert_non_null(call);
	assert_ptr_equal(call->base.descriptor, &drpc__call__descriptor);
	assert_int_equal(call->module, module);
	assert_int_equal(call->method, method);
	assert_int_equal(call->sequence, sequence);
	assert_int_equal(call->body.len, len);
	if (len == 0)
		assert_null(call->body.data);
	else
		assert_true(body_is(call->body.data, len));
	drpc_call_free(call);
}

static void
send_call(int peer, int32_t module, int32_t method, int64_t sequence, size_t len)
{
	uint8_t *body = body_new(len);

	assert_true(peer_send_call(peer, module, method, sequence, body, len));
	free(body);
}

/* Expects rc instead of a call, and an explanation. */
static void
no_call(struct drpc *ctx, int rc)
{
	Drpc__Call *call = NULL;

	assert_int_equal(drpc_recv_call(ctx, &call), rc);
	assert_null(call);
	assert_string_not_equal(drpc_last_error(), "");
}

static void
recv_call_gives_the_call(void **state)
{
	struct pair pair = pair_new(context_no_handler);

	(void)state;
	send_call(pair.peer, 2, 201, 77, 5);
	expect_call(pair.ctx, 2, 201, 77, 5);
	send_call(pair.peer, INT32_MIN, INT32_MAX, INT64_MIN, 0);
	expect_call(pair.ctx, INT32_MIN, INT32_MAX, INT64_MIN, 0);
	send_call(pair.peer, -1, -1, -1, 1000);
	expect_call(pair.ctx, -1, -1, -1, 1000);
	/* All defaults: an empty record, or a chunk without data. */
	send_call(pair.peer, 0, 0, 0, 0);
	expect_call(pair.ctx, 0, 0, 0, 0);
	assert_int_equal(pair.ctx->sequence, 1);
	assert_int_equal(pair.ctx->ref_count, 1);
	pair_free(&pair);
}

static void
recv_call_takes_calls_in_turn(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	int         i;

	(void)state;
	for (i = 1; i <= 20; i++)
		send_call(pair.peer, i, i, i, (size_t)i * 10);
	for (i = 1; i <= 20; i++)
		expect_call(pair.ctx, i, i, i, (size_t)i * 10);
	pair_free(&pair);
}

static void
recv_call_takes_many_sizes(void **state)
{
	static const size_t sizes[] = {1, 127, 128, 4088, 4096, 4097, 16380, 16384, 16385, 50000, 131000, 131036};
	struct pair         pair    = pair_new(context_no_handler);
	size_t              i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		send_call(pair.peer, 1, 2, 3, sizes[i]);
		expect_call(pair.ctx, 1, 2, 3, sizes[i]);
	}
	pair_free(&pair);
}

static void
recv_call_refuses_null(void **state)
{
	struct pair     pair  = pair_new(context_no_handler);
	struct drpc     naked = {.comm = NULL, .ref_count = 1, .handler = context_no_handler};
	Drpc__Call     *call  = NULL;

	(void)state;
	send_call(pair.peer, 1, 2, 3, 0);
	assert_int_equal(drpc_recv_call(NULL, &call), -DER_INVAL);
	assert_int_equal(drpc_recv_call(&naked, &call), -DER_INVAL);
	assert_int_equal(drpc_recv_call(pair.ctx, NULL), -DER_INVAL);
	assert_int_equal(drpc_recv_call(NULL, NULL), -DER_INVAL);
	/* A client's context receives no calls. */
	pair.ctx->handler = NULL;
	assert_int_equal(drpc_recv_call(pair.ctx, &call), -DER_INVAL);
	assert_null(call);
	pair.ctx->handler = context_no_handler;
	expect_call(pair.ctx, 1, 2, 3, 0);
	pair_free(&pair);
}

static void
recv_call_when_there_is_none(void **state)
{
	struct pair pair = pair_new(context_no_handler);

	(void)state;
	assert_int_equal(fcntl(pair.ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
	no_call(pair.ctx, -DER_AGAIN);
	send_call(pair.peer, 1, 2, 3, 4);
	expect_call(pair.ctx, 1, 2, 3, 4);
	no_call(pair.ctx, -DER_AGAIN);
	pair_free(&pair);
}

static void
recv_call_at_the_end(void **state)
{
	struct pair pair = pair_new(context_no_handler);

	(void)state;
	send_call(pair.peer, 1, 2, 3, 4);
	shutdown(pair.peer, SHUT_WR);
	expect_call(pair.ctx, 1, 2, 3, 4);
	no_call(pair.ctx, -DER_TRUNC);
	assert_non_null(strstr(drpc_last_error(), "closed"));
	no_call(pair.ctx, -DER_TRUNC);
	close(pair.peer);
	no_call(pair.ctx, -DER_TRUNC);
	assert_int_equal(drpc_close(pair.ctx), 0);
}

/* The peer leaves with a response unread, which resets the connection. */
static void
a_call_before_a_reset_is_read(void **state)
{
	struct pair    pair = pair_new(context_no_handler);
	Drpc__Response resp = DRPC__RESPONSE__INIT;

	(void)state;
	send_call(pair.peer, 1, 2, 3, 4);
	send_call(pair.peer, 1, 2, 4, 5);
	assert_int_equal(drpc_send_response(pair.ctx, &resp), 0);
	close(pair.peer);
	expect_call(pair.ctx, 1, 2, 3, 4);
	expect_call(pair.ctx, 1, 2, 4, 5);
	no_call(pair.ctx, -DER_TRUNC);
	assert_int_equal(drpc_close(pair.ctx), 0);
}

static void
recv_call_on_a_bad_descriptor(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	int         fd   = pair.ctx->comm->fd;

	(void)state;
	pair.ctx->comm->fd = -1;
	no_call(pair.ctx, -DER_NO_HDL);
	pair.ctx->comm->fd = fd;
	pair_free(&pair);
}

static void
malformed_calls_are_named_and_passed_over(void **state)
{
	static const struct {
		const char *bytes;
		size_t      len;
	} junk[] = {
	    {"\xff\xff\xff\xff", 4},                                     /* endless varint */
	    {"\x08", 1},                                                 /* key without value */
	    {"\x22\x05" "ab", 4},                                        /* body cut short */
	    {"\x22\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10},            /* body of 2^63 */
	    {"\x0b\x0c", 2},                                             /* groups */
	    {"\x07\x01", 2},                                             /* wire type 7 */
	    {"\x7d\x01\x02", 3},                                         /* four bytes cut short */
	    {"\x79\x01\x02", 3},                                         /* eight bytes cut short */
	};
	struct pair pair = pair_new(context_no_handler);
	size_t      i;

	(void)state;
	for (i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
		assert_true(peer_send_message(pair.peer, (const uint8_t *)junk[i].bytes, junk[i].len));
		no_call(pair.ctx, -DER_PROTO);
		send_call(pair.peer, 1, 2, 3, 4);
		expect_call(pair.ctx, 1, 2, 3, 4);
	}
	pair_free(&pair);
}

static void
recv_call_as_protobuf_allows_it(void **state)
{
	static const uint8_t message[] = {0x22, 0x01, 'x', 0x78, 0x05, 0x10, 0x03, 0x08, 0x09, 0x08, 0x02,
					  0x22, 0x02, 'o', 'k',  0x18, 0x04};
	struct pair pair = pair_new(context_no_handler);
	Drpc__Call *call = NULL;

	(void)state;
	assert_true(peer_send_message(pair.peer, message, sizeof(message)));
	assert_int_equal(drpc_recv_call(pair.ctx, &call), 0);
	assert_int_equal(call->module, 2);
	assert_int_equal(call->method, 3);
	assert_int_equal(call->sequence, 4);
	assert_int_equal(call->body.len, 2);
	assert_memory_equal(call->body.data, "ok", 2);
	assert_int_equal(call->base.n_unknown_fields, 1);
	assert_int_equal(call->base.unknown_fields[0].tag, 15);
	drpc_call_free(call);
	pair_free(&pair);
}

static void
too_large_a_call_is_refused(void **state)
{
	struct pair pair = pair_new(context_no_handler);

	(void)state;
	assert_int_equal(drpc_set_max_message(1000), 0);
	send_call(pair.peer, 1, 2, 3, 980);
	expect_call(pair.ctx, 1, 2, 3, 980);
	send_call(pair.peer, 1, 2, 3, 1000);
	no_call(pair.ctx, -DER_OVERFLOW);
	assert_int_equal(drpc_set_max_message(0), 0);
	pair_free(&pair);
}

/* What a call costs to read grows with its fields. */
static void
a_call_has_at_most_1024_fields(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	Drpc__Call *call = NULL;
	uint8_t     message[2 * 1025];
	size_t      i;

	(void)state;
	for (i = 0; i < sizeof(message); i += 2)
		memcpy(message + i, "\x78\x05", 2);
	assert_true(peer_send_message(pair.peer, message, sizeof(message) - 2));
	assert_int_equal(drpc_recv_call(pair.ctx, &call), 0);
	assert_int_equal(call->base.n_unknown_fields, 1024);
	drpc_call_free(call);
	assert_true(peer_send_message(pair.peer, message, sizeof(message)));
	no_call(pair.ctx, -DER_PROTO);
	send_call(pair.peer, 1, 2, 3, 4);
	expect_call(pair.ctx, 1, 2, 3, 4);
	pair_free(&pair);
}

/* Two bytes on the wire, a block and an entry of a table in memory. */
static void
unknown_fields_count_towards_the_limit(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	Drpc__Call *call = NULL;
	uint8_t     message[800];
	size_t      i;

	(void)state;
	for (i = 0; i < sizeof(message); i += 2)
		memcpy(message + i, "\x78\x05", 2);
	assert_true(peer_send_message(pair.peer, message, sizeof(message)));
	assert_int_equal(drpc_recv_call(pair.ctx, &call), 0);
	assert_int_equal(call->base.n_unknown_fields, 400);
	drpc_call_free(call);
	assert_int_equal(drpc_set_max_message(1000), 0);
	assert_true(peer_send_message(pair.peer, message, sizeof(message)));
	no_call(pair.ctx, -DER_OVERFLOW);
	assert_int_equal(drpc_set_max_message(0), 0);
	send_call(pair.peer, 1, 2, 3, 4);
	expect_call(pair.ctx, 1, 2, 3, 4);
	pair_free(&pair);
}

#if !ABI_CHUNKED

static void
a_cut_record_is_no_call(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	int         size = 400000;

	(void)state;
	assert_int_equal(setsockopt(pair.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	send_call(pair.peer, 1, 2, 3, 260000);
	expect_call(pair.ctx, 1, 2, 3, 260000);
	send_call(pair.peer, 1, 2, 3, 262144);
	no_call(pair.ctx, -DER_TRUNC);
	send_call(pair.peer, 1, 2, 3, 4);
	expect_call(pair.ctx, 1, 2, 3, 4);
	pair_free(&pair);
}

static void
an_empty_record_is_an_empty_call(void **state)
{
	struct pair pair = pair_new(context_no_handler);

	(void)state;
	assert_true(peer_send_record(pair.peer, "", 0));
	expect_call(pair.ctx, 0, 0, 0, 0);
	assert_true(peer_send_record(pair.peer, "", 0));
	send_call(pair.peer, 1, 2, 3, 4);
	expect_call(pair.ctx, 0, 0, 0, 0);
	expect_call(pair.ctx, 1, 2, 3, 4);
	/* Nobody can tell the last of these from the end. */
	assert_true(peer_send_record(pair.peer, "", 0));
	shutdown(pair.peer, SHUT_WR);
	no_call(pair.ctx, -DER_TRUNC);
	pair_free(&pair);
}

#else

/* A call of three chunks, sent by a thread: it is more than a socket holds. */
static void *
send_large(void *arg)
{
	uint8_t *body = body_new(300000);
	bool     ok   = peer_send_call(*(int *)arg, 1, 2, 3, body, 300000);

	free(body);
	return ok ? NULL : arg;
}

static void
recv_call_puts_chunks_together(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	pthread_t   sender;
	void       *failed;

	(void)state;
	assert_int_equal(pthread_create(&sender, NULL, send_large, &pair.peer), 0);
	expect_call(pair.ctx, 1, 2, 3, 300000);
	assert_int_equal(pthread_join(sender, &failed), 0);
	assert_null(failed);
	pair_free(&pair);
}

#define TWO (WIRE_CHUNK_MAX + 5)

/* A message of two chunks that is a call, for the tests that need its parts. */
static uint8_t *
two_chunks(void)
{
	uint8_t         *body = body_new(TWO - 10);
	struct wire_call call = {1, 2, 3, body, TWO - 10};
	size_t           len;
	uint8_t         *msg  = wire_pack_call(&call, &len);

	free(body);
	assert_int_equal(len, TWO);
	return msg;
}

static const struct wire_header half_one = {TWO, WIRE_CHUNK_MAX, 0, 2};
static const struct wire_header half_two = {TWO, 5, 1, 2};

static void
half_a_call_waits_for_the_other_half(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	uint8_t    *msg  = two_chunks();
	int         i;

	(void)state;
	assert_int_equal(fcntl(pair.ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
	for (i = 0; i < 3; i++) {
		assert_true(peer_send_chunk(pair.peer, &half_one, msg, WIRE_CHUNK_MAX));
		no_call(pair.ctx, -DER_AGAIN);
		no_call(pair.ctx, -DER_AGAIN);
		assert_true(peer_send_chunk(pair.peer, &half_two, msg + WIRE_CHUNK_MAX, 5));
		expect_call(pair.ctx, 1, 2, 3, TWO - 10);
	}
	/* What is half there when the session is closed goes with it. */
	assert_true(peer_send_chunk(pair.peer, &half_one, msg, WIRE_CHUNK_MAX));
	no_call(pair.ctx, -DER_AGAIN);
	free(msg);
	pair_free(&pair);
}

static void
eof_in_the_middle_of_a_call(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	uint8_t    *msg  = two_chunks();

	(void)state;
	assert_true(peer_send_chunk(pair.peer, &half_one, msg, WIRE_CHUNK_MAX));
	shutdown(pair.peer, SHUT_WR);
	no_call(pair.ctx, -DER_TRUNC);
	assert_non_null(strstr(drpc_last_error(), "closed"));
	free(msg);
	pair_free(&pair);
}

static void
every_header_fault_has_its_code(void **state)
{
	static const struct {
		struct wire_header header;
		size_t             data;
		int                rc;
	} faults[] = {
	    {{4, 4, 0, 0}, 4, -DER_PROTO},
	    {{131049, 131049, 0, 1}, 8, -DER_TRUNC},
	    {{4, 5, 0, 1}, 5, -DER_TRUNC},
	    {{5, 5, 0, 1}, 4, -DER_TRUNC},
	    {{4, 4, 0, 2}, 4, -DER_PROTO},
	    {{0, 0, 0, 2}, 0, -DER_PROTO},
	    {{8, 4, 0, 1}, 4, -DER_PROTO},
	    {{4, 4, 1, 1}, 4, -DER_PROTO},
	    {{TWO, 5, 1, 2}, 5, -DER_MISMATCH},
	    {{TWO, 100, 0, 2}, 100, -DER_PROTO},
	};
	static const struct {
		struct wire_header header;
		size_t             data;
		int                rc;
	} second[] = {
	    {{TWO, 5, 0, 2}, 5, -DER_MISMATCH},  {{TWO, 5, 2, 2}, 5, -DER_PROTO},
	    {{TWO, 5, 1, 3}, 5, -DER_PROTO},     {{TWO - 1, 5, 1, 2}, 5, -DER_PROTO},
	    {{TWO, 6, 1, 2}, 6, -DER_TRUNC},     {{TWO, 4, 1, 2}, 4, -DER_PROTO},
	    {{TWO, 5, 1, 2}, 4, -DER_TRUNC},     {{TWO, UINT64_MAX, 1, 2}, 5, -DER_TRUNC},
	};
	uint8_t    *msg = two_chunks();
	struct pair pair;
	size_t      i;

	(void)state;
	for (i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		pair = pair_new(context_no_handler);
		assert_true(peer_send_chunk(pair.peer, &faults[i].header, msg, faults[i].data));
		no_call(pair.ctx, faults[i].rc);
		pair_free(&pair);
	}
	for (i = 0; i < sizeof(second) / sizeof(*second); i++) {
		pair = pair_new(context_no_handler);
		assert_true(peer_send_chunk(pair.peer, &half_one, msg, WIRE_CHUNK_MAX));
		assert_true(peer_send_chunk(pair.peer, &second[i].header, msg, second[i].data));
		no_call(pair.ctx, second[i].rc);
		pair_free(&pair);
	}
	free(msg);
}

static void
records_shorter_than_a_header(void **state)
{
	struct pair pair;
	size_t      len;

	(void)state;
	for (len = 1; len < 24; len++) {
		pair = pair_new(context_no_handler);
		assert_true(peer_send_record(pair.peer, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
							"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", len));
		no_call(pair.ctx, -DER_TRUNC);
		pair_free(&pair);
	}
}

static int yields;

static int
count_yield(void)
{
	yields++;
	return 0;
}

static void
yield_is_called_for_each_chunk(void **state)
{
	struct pair    pair = pair_new(context_no_handler);
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	uint8_t       *msg  = two_chunks();
	size_t         len;

	(void)state;
	pair.ctx->yield = count_yield;
	yields          = 0;
	assert_true(peer_send_chunk(pair.peer, &half_one, msg, WIRE_CHUNK_MAX));
	assert_true(peer_send_chunk(pair.peer, &half_two, msg + WIRE_CHUNK_MAX, 5));
	expect_call(pair.ctx, 1, 2, 3, TWO - 10);
	assert_int_equal(yields, 2);
	yields         = 0;
	resp.body.data = msg;
	resp.body.len  = TWO;
	assert_int_equal(drpc_send_response(pair.ctx, &resp), 0);
	assert_int_equal(yields, 2);
	free(msg);
	free(peer_recv_message(pair.peer, &len));
	pair_free(&pair);
}

static struct drpc *re_entered;

static int
receive_within(void)
{
	static bool     inside;
	struct drpc    *session = re_entered;
	Drpc__Call      own     = DRPC__CALL__INIT;
	Drpc__Call     *call    = NULL;
	Drpc__Response  answer  = DRPC__RESPONSE__INIT;
	Drpc__Response *resp    = NULL;

	if (inside)
		return 0;
	inside = true;
	yields++;
	assert_int_equal(drpc_recv_call(session, &call), -DER_BUSY);
	assert_null(call);
	assert_int_equal(drpc_call(session, R_SYNC, &own, &resp), -DER_BUSY);
	assert_null(resp);
	/* Another call may be answered meanwhile. */
	assert_int_equal(drpc_send_response(session, &answer), 0);
	inside = false;
	return 0;
}

static void
receiving_within_receiving_is_refused(void **state)
{
	struct pair pair = pair_new(context_no_handler);
	uint8_t    *msg  = two_chunks();

	(void)state;
	re_entered      = pair.ctx;
	pair.ctx->yield = receive_within;
	yields          = 0;
	assert_true(peer_send_chunk(pair.peer, &half_one, msg, WIRE_CHUNK_MAX));
	assert_true(peer_send_chunk(pair.peer, &half_two, msg + WIRE_CHUNK_MAX, 5));
	expect_call(pair.ctx, 1, 2, 3, TWO - 10);
	assert_int_equal(yields, 2);
	assert_true(peer_send_call(pair.peer, 1, 2, 4, NULL, 0));
	expect_call(pair.ctx, 1, 2, 4, 0);
	assert_int_equal(yields, 3);
	re_entered = NULL;
	free(msg);
	pair_free(&pair);
}

#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(recv_call_gives_the_call),
	    unit(recv_call_takes_calls_in_turn),
	    unit(recv_call_takes_many_sizes),
	    unit(recv_call_refuses_null),
	    unit(recv_call_when_there_is_none),
	    unit(recv_call_at_the_end),
	    unit(a_call_before_a_reset_is_read),
	    unit(recv_call_on_a_bad_descriptor),
	    unit(malformed_calls_are_named_and_passed_over),
	    unit(recv_call_as_protobuf_allows_it),
	    unit(a_call_has_at_most_1024_fields),
	    unit(too_large_a_call_is_refused),
	    unit(unknown_fields_count_towards_the_limit),
#if !ABI_CHUNKED
	    unit(a_cut_record_is_no_call),
	    unit(an_empty_record_is_an_empty_call),
#else
	    unit(recv_call_puts_chunks_together),
	    unit(half_a_call_waits_for_the_other_half),
	    unit(eof_in_the_middle_of_a_call),
	    unit(every_header_fault_has_its_code),
	    unit(records_shorter_than_a_header),
	    unit(yield_is_called_for_each_chunk),
#endif
#ifdef DRPC_ABI_28
	    unit(receiving_within_receiving_is_refused),
#endif
	};

	return cmocka_run_group_tests_name("receiving " ABI_NAME, tests, NULL, NULL);
}
