/* The loop with peers that leave, and with peers that send no calls. */
#include "abi.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/loop.h"
#include "support/patience.h"
#include "support/peer.h"

/* --- peers that leave -------------------------------------------------------------------- */

static void
a_session_ends_with_its_peer(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	loop_serve(&server, context_no_handler);
	peer = loop_join(&server);
	close(peer);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(loop_sessions(server.loop), 0);
	/* Also when the peer only says that it will not speak again. */
	peer = loop_join(&server);
	shutdown(peer, SHUT_WR);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(loop_sessions(server.loop), 0);
	assert_true(peer_is_closed(peer));
	close(peer);
	loop_stop(&server);
}

static int calls_seen;

static void
count_call(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
	calls_seen++;
}

static void
calls_of_a_peer_that_left_are_served(void **state)
{
	struct server server;
	int           peer;
	int           i;

	(void)state;
	loop_serve(&server, count_call);
	peer = loop_join(&server);
	for (i = 1; i <= 3; i++)
		exchange_send(peer, 2, 206, i, 10);
	close(peer);
	calls_seen = 0;
	loop_settle(server.loop);
	assert_int_equal(calls_seen, 3);
	assert_int_equal(loop_sessions(server.loop), 0);
	loop_stop(&server);
}

static void
a_descriptor_that_is_none_drops_the_session(void **state)
{
	struct server server;
	int           peer;
	int           other;
	int           fd;

	(void)state;
	loop_serve(&server, loop_echo);
	peer  = loop_join(&server);
	fd    = loop_session_at(server.loop, 0)->comm->fd;
	other = loop_join(&server);
	close(fd);
	exchange_send(other, 2, 206, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(loop_sessions(server.loop), 1);
	exchange_expect(other, 1, DRPC__STATUS__SUCCESS, 4);
	assert_true(peer_is_closed(peer));
	close(peer);
	close(other);
	loop_stop(&server);
}

static void
a_listener_that_hangs_up_is_an_error(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	loop_serve(&server, loop_echo);
	peer = loop_join(&server);
	shutdown(server.loop->listener_ctx->comm->fd, SHUT_RDWR);
	exchange_send(peer, 2, 206, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), ABI_CHUNKED ? -DER_MISC : -DER_UNKNOWN);
	/* The sessions are none the worse for it. */
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 4);
	assert_int_equal(loop_sessions(server.loop), 1);
	close(peer);
	loop_stop(&server);
}

/* --- peers that talk nonsense ---------------------------------------------------------------- */

static void
an_unparsable_call_is_answered_and_the_session_closed(void **state)
{
	struct server server;
	int           peer;
	int           other;

	(void)state;
	loop_serve(&server, loop_echo);
	other = loop_join(&server);
	peer  = loop_join(&server);
	assert_true(peer_send_message(peer, (const uint8_t *)"\xff\xff\xff", 3));
	exchange_send(other, 2, 206, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(loop_sessions(server.loop), 1);
	exchange_expect(other, 1, DRPC__STATUS__SUCCESS, 4);
	close(peer);
	close(other);
	loop_stop(&server);
}

/* Sends a peer that does not read as much as it takes. */
static void
fill_up(struct drpc *session)
{
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	int            rc   = 0;
	int            i;

	resp.sequence  = 1;
	resp.body.len  = 8000;
	resp.body.data = body_new(resp.body.len);
	assert_int_equal(drpc_set_timeout(session, 20), 0);
	for (i = 0; i < 1000 && rc == 0; i++)
		rc = drpc_send_response(session, &resp);
	assert_int_equal(rc, -DER_TIMEDOUT);
	/* Small ones find no room either. */
	free(resp.body.data);
	resp.body.len  = 0;
	resp.body.data = NULL;
	for (i = 0, rc = 0; i < 10000 && rc == 0; i++)
		rc = drpc_send_response(session, &resp);
	assert_int_equal(rc, -DER_TIMEDOUT);
	assert_int_equal(drpc_set_timeout(session, 0), 0);
}

static void
an_answer_that_finds_no_room_delays_nobody(void **state)
{
	struct server server;
	int           peer;
	int           other;

	(void)state;
	loop_serve(&server, loop_echo);
	other = loop_join(&server);
	peer  = loop_join(&server);
	fill_up(loop_session_at(server.loop, 0));
	assert_true(peer_send_message(peer, (const uint8_t *)"\xff\xff\xff", 3));
	exchange_send(other, 2, 206, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(loop_sessions(server.loop), 1);
	exchange_expect(other, 1, DRPC__STATUS__SUCCESS, 4);
	close(peer);
	close(other);
	loop_stop(&server);
}

static void
a_reply_waits_no_longer_than_the_listener_allows(void **state)
{
	struct server   server;
	struct timespec start;
	int             peer;
	int             other;
	int             i;
	uint8_t        *body;

	(void)state;
	loop_serve(&server, loop_echo);
	assert_int_equal(drpc_set_timeout(server.loop->listener_ctx, 50), 0);
	other = loop_join(&server);
	peer  = loop_join(&server);
	clock_gettime(CLOCK_MONOTONIC, &start);
	/* More answers than a socket holds, and nobody reads them. */
	body = body_new(8000);
	for (i = 1; i <= 40 && peer_send_call(peer, 2, 206, i, body, 8000); i++)
		loop_settle(server.loop);
	free(body);
	assert_true(ms_since(&start) >= 45);
	/* An answer is lost: a client of 2.8 is told by the end of the connection, an older one would misread that. */
	assert_int_equal(i > 40, !ABI_CHUNKED);
	loop_settle(server.loop);
	assert_int_equal(loop_sessions(server.loop), ABI_CHUNKED ? 1 : 2);
	exchange_send(other, 2, 206, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(other, 1, DRPC__STATUS__SUCCESS, 4);
	close(peer);
	close(other);
	loop_stop(&server);
}

#if !ABI_CHUNKED

/* Each of some twenty answers that are lost would take a second. */
static void
a_client_that_never_reads_is_waited_for_once(void **state)
{
	struct server   server;
	struct timespec start;
	int             peer;
	int             i;
	uint8_t        *body;

	(void)state;
	loop_serve(&server, loop_echo);
	assert_int_equal(drpc_set_timeout(server.loop->listener_ctx, 1000), 0);
	peer = loop_join(&server);
	body = body_new(8000);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 1; i <= 50; i++) {
		assert_true(peer_send_call(peer, 2, 206, i, body, 8000));
		loop_settle(server.loop);
	}
	free(body);
	assert_in_range(ms_since(&start), 950, 10000);
	assert_int_equal(loop_sessions(server.loop), 1);
	close(peer);
	loop_stop(&server);
}

static void
a_cut_call_is_answered_and_the_session_closed(void **state)
{
	struct server server;
	int           size = 400000;
	int           peer;

	(void)state;
	loop_serve(&server, context_no_handler);
	peer = loop_join(&server);
	assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	exchange_send(peer, 2, 206, 3, 300000);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(loop_sessions(server.loop), 0);
	close(peer);
	loop_stop(&server);
}

static void
a_call_over_the_limit_is_answered_and_the_session_closed(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	assert_int_equal(drpc_set_max_message(1000), 0);
	loop_serve(&server, context_no_handler);
	peer = loop_join(&server);
	exchange_send(peer, 2, 206, 3, 1000);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(drpc_set_max_message(0), 0);
	exchange_expect(peer, 3, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(loop_sessions(server.loop), 0);
	close(peer);
	loop_stop(&server);
}

static void
an_empty_record_is_an_empty_call(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	loop_serve(&server, count_call);
	peer       = loop_join(&server);
	calls_seen = 0;
	assert_true(peer_send_record(peer, "", 0));
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(calls_seen, 1);
	exchange_expect(peer, 0, DRPC__STATUS__SUCCESS, 0);
	assert_int_equal(loop_sessions(server.loop), 1);
	close(peer);
	loop_stop(&server);
}

#else

#define TWO (WIRE_CHUNK_MAX + 5)

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
header_faults_end_the_session(void **state)
{
	static const struct {
		struct wire_header header;
		size_t             data;
		bool               in_chunks;
	} faults[] = {
	    {{4, 4, 0, 0}, 4, true},       {{4, 4, 0, 2}, 4, true},    {{4, 4, 1, 1}, 4, true},
	    {{4, 5, 0, 1}, 5, false},      {{5, 5, 0, 1}, 4, false},   {{TWO, 5, 1, 2}, 5, false},
	    {{131049, 131049, 0, 1}, 4, false},
	};
	struct server server;
	int           other;
	int           peer;
	size_t        i;

	(void)state;
	loop_serve(&server, loop_echo);
	other = loop_join(&server);
	for (i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		peer = loop_join(&server);
		assert_true(peer_send_chunk(peer, &faults[i].header, "\0\0\0\0\0", faults[i].data));
		assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
		assert_int_equal(loop_sessions(server.loop), 1);
		/* What may have been a datagram is answered in one, as to an older client the end would be a success. */
		peer_chunked = faults[i].in_chunks;
		exchange_expect(peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
		peer_chunked = true;
		assert_true(peer_is_closed(peer));
		close(peer);
	}
	exchange_send(other, 2, 206, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(other, 1, DRPC__STATUS__SUCCESS, 4);
	close(other);
	loop_stop(&server);
}

static void
half_a_call_does_not_stop_the_others(void **state)
{
	struct server   server;
	uint8_t        *msg = two_chunks();
	struct timespec start;
	int             slow;
	int             other;
	int             i;

	(void)state;
	loop_serve(&server, loop_echo);
	slow  = loop_join(&server);
	other = loop_join(&server);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 1; i <= 3; i++) {
		assert_true(peer_send_chunk(slow, &half_one, msg, WIRE_CHUNK_MAX));
		loop_settle(server.loop);
		exchange_send(other, 2, 206, i, 4);
		loop_settle(server.loop);
		exchange_expect(other, i, DRPC__STATUS__SUCCESS, 4);
		assert_true(peer_is_quiet(slow));
		assert_true(peer_send_chunk(slow, &half_two, msg + WIRE_CHUNK_MAX, 5));
		loop_settle(server.loop);
		exchange_expect(slow, 3, DRPC__STATUS__SUCCESS, TWO - 10);
	}
	assert_true(ms_since(&start) < 15000);
	/* A third half, and it leaves. */
	assert_true(peer_send_chunk(slow, &half_one, msg, WIRE_CHUNK_MAX));
	loop_settle(server.loop);
	assert_int_equal(loop_sessions(server.loop), 2);
	close(slow);
	loop_settle(server.loop);
	assert_int_equal(loop_sessions(server.loop), 1);
	/* And one that is there with half a call when the loop is closed. */
	assert_true(peer_send_chunk(other, &half_one, msg, WIRE_CHUNK_MAX));
	loop_settle(server.loop);
	free(msg);
	close(other);
	loop_stop(&server);
}

static void
one_record_a_session_and_cycle(void **state)
{
	struct server server;
	uint8_t      *msg = two_chunks();
	int           peer;

	(void)state;
	loop_serve(&server, loop_echo);
	peer = loop_join(&server);
	assert_true(peer_send_chunk(peer, &half_one, msg, WIRE_CHUNK_MAX));
	assert_true(peer_send_chunk(peer, &half_two, msg + WIRE_CHUNK_MAX, 5));
	drpc_progress(server.loop, PATIENCE_MS);
	assert_true(peer_is_quiet(peer));
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(peer, 3, DRPC__STATUS__SUCCESS, TWO - 10);
	free(msg);
	close(peer);
	loop_stop(&server);
}

#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(a_session_ends_with_its_peer),
	    unit(calls_of_a_peer_that_left_are_served),
	    unit(a_descriptor_that_is_none_drops_the_session),
	    unit(a_listener_that_hangs_up_is_an_error),
	    unit(an_unparsable_call_is_answered_and_the_session_closed),
	    unit(an_answer_that_finds_no_room_delays_nobody),
	    unit(a_reply_waits_no_longer_than_the_listener_allows),
#if !ABI_CHUNKED
	    unit(a_client_that_never_reads_is_waited_for_once),
	    unit(a_cut_call_is_answered_and_the_session_closed),
	    unit(a_call_over_the_limit_is_answered_and_the_session_closed),
	    unit(an_empty_record_is_an_empty_call),
#else
	    unit(header_faults_end_the_session),
	    unit(half_a_call_does_not_stop_the_others),
	    unit(one_record_a_session_and_cycle),
#endif
	};

	return cmocka_run_group_tests_name("progress peers " ABI_NAME, tests, NULL, NULL);
}
