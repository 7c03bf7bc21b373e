/*
 * Peers that are just in time, again and again: each wait for a record is
 * short, and a timeout holds for all of them all the same. How much is dropped
 * on the way to a reply has an end also without one.
 */
#include "abi.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/peer.h"

/* What a peer gives or takes takes several times as long as the timeout, and each record of it a tenth. */
#define TIMEOUT_MS 100
#define PAUSE_US   10000
#define RECORDS    40

/* Calls without R_SYNC: more than the library can count. */
#define UNANSWERED 50

struct slow_peer {
	int       fd;
	/* A message in chunks to be given; if there is none, replies to call 1 and then one to this call. */
	uint8_t  *message;
	size_t    len;
	int64_t   sequence;
	pthread_t thread;
};

/* Waits until what has been sent has been taken, and some time longer. */
static void
pause_after_record(int fd)
{
	int unread;

	while (ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0)
		usleep(1000);
	usleep(PAUSE_US);
}

static void *
give_replies(void *arg)
{
	struct slow_peer *peer = arg;
	int               i;

	for (i = 0; i < RECORDS && peer_send_response(peer->fd, 1, DRPC__STATUS__FAILURE, NULL, 0); i++)
		pause_after_record(peer->fd);
	peer_send_response(peer->fd, peer->sequence, DRPC__STATUS__SUCCESS, NULL, 0);
	return NULL;
}

static void
start(struct slow_peer *peer, int fd, void *(*run)(void *))
{
	peer->fd = fd;
	assert_int_equal(pthread_create(&peer->thread, NULL, run, peer), 0);
}

/* Closes both ends, which the peer takes for the end. */
static void
stop(struct slow_peer *peer, struct pair *pair)
{
	assert_int_equal(drpc_close(pair->ctx), 0);
	assert_int_equal(pthread_join(peer->thread, NULL), 0);
	close(pair->peer);
	free(peer->message);
}

static int
call_number(struct drpc *ctx, int flags, Drpc__Response **resp)
{
	Drpc__Call call = DRPC__CALL__INIT;

	*resp = NULL;
	return drpc_call(ctx, flags, &call, resp);
}

/* A client that has so many calls behind it. */
static struct pair
pair_with_calls(int unanswered)
{
	struct pair     pair = pair_new(NULL);
	Drpc__Response *resp;

	context_tell(pair.ctx);
	while (unanswered-- > 0) {
		assert_int_equal(call_number(pair.ctx, 0, &resp), 0);
		drpc_response_free(resp);
	}
	return pair;
}

static void
replies_to_earlier_calls_take_no_longer(void **state)
{
	struct pair      pair = pair_with_calls(UNANSWERED);
	struct slow_peer peer = {.sequence = UNANSWERED + 1};
	Drpc__Response  *resp;

	(void)state;
	assert_int_equal(drpc_set_timeout(pair.ctx, TIMEOUT_MS), 0);
	start(&peer, pair.peer, give_replies);
	assert_int_equal(call_number(pair.ctx, R_SYNC, &resp), -DER_TIMEDOUT);
	assert_null(resp);
	stop(&peer, &pair);
}

/* Of replies to call 1 there is one for each number before this call's; the next one is taken for this call's. */
static void
replies_are_dropped_for_earlier_calls_only(void **state)
{
	struct pair     pair = pair_with_calls(UNANSWERED);
	Drpc__Response *resp;
	int             i;

	(void)state;
	for (i = 0; i <= UNANSWERED + 2; i++)
		assert_true(peer_send_response(pair.peer, 1, i, NULL, 0));
	shutdown(pair.peer, SHUT_WR);
	assert_int_equal(call_number(pair.ctx, R_SYNC, &resp), 0);
	assert_int_equal(resp->status, UNANSWERED + 1);
	drpc_response_free(resp);
	/* None are owed any more. */
	assert_int_equal(call_number(pair.ctx, R_SYNC, &resp), 0);
	assert_int_equal(resp->status, UNANSWERED + 2);
	drpc_response_free(resp);
	pair_free(&pair);
}

#if ABI_CHUNKED

static void *
give_message(void *arg)
{
	struct slow_peer  *peer   = arg;
	struct wire_header header = {.total = peer->len, .chunks = wire_chunks(peer->len)};
	size_t             at     = 0;

	for (; header.index < header.chunks; header.index++) {
		header.size = peer->len - at < WIRE_CHUNK_MAX ? peer->len - at : WIRE_CHUNK_MAX;
		if (!peer_send_chunk(peer->fd, &header, peer->message + at, header.size))
			break;
		at += header.size;
		pause_after_record(peer->fd);
	}
	return NULL;
}

static void *
take_message(void *arg)
{
	struct slow_peer *peer   = arg;
	uint8_t          *record = malloc(WIRE_RECORD_MAX);

	do
		usleep(PAUSE_US);
	while (peer_recv_record(peer->fd, record, WIRE_RECORD_MAX) > 0);
	free(record);
	return NULL;
}

/* A body that takes so many records. */
static uint8_t *
large_body(size_t *len)
{
	*len = (size_t)WIRE_CHUNK_MAX * RECORDS - 100;
	return body_new(*len);
}

static void
a_reply_in_pieces_takes_no_longer(void **state)
{
	struct pair          pair  = pair_new(NULL);
	struct slow_peer     peer  = {0};
	struct wire_response reply = {.sequence = 1};
	Drpc__Response      *resp;
	uint8_t             *body = large_body(&reply.len);

	(void)state;
	reply.body   = body;
	peer.message = wire_pack_response(&reply, &peer.len);
	free(body);
	assert_int_equal(drpc_set_timeout(pair.ctx, TIMEOUT_MS), 0);
	start(&peer, pair.peer, give_message);
	assert_int_equal(call_number(pair.ctx, R_SYNC, &resp), -DER_TIMEDOUT);
	assert_null(resp);
	stop(&peer, &pair);
}

/* It is received all the same, by a function that is called again. */
static void
a_call_in_pieces_takes_several_waits(void **state)
{
	struct pair      pair = pair_new(context_no_handler);
	struct slow_peer peer = {0};
	struct wire_call sent = {.sequence = 1};
	Drpc__Call      *call = NULL;
	uint8_t         *body = large_body(&sent.len);
	int              rc;

	(void)state;
	sent.body    = body;
	peer.message = wire_pack_call(&sent, &peer.len);
	free(body);
	assert_int_equal(drpc_set_timeout(pair.ctx, TIMEOUT_MS), 0);
	start(&peer, pair.peer, give_message);
	assert_int_equal(drpc_recv_call(pair.ctx, &call), -DER_TIMEDOUT);
	do
		rc = drpc_recv_call(pair.ctx, &call);
	while (rc == -DER_TIMEDOUT);
	assert_int_equal(rc, 0);
	assert_int_equal(call->body.len, sent.len);
	assert_true(body_is(call->body.data, sent.len));
	drpc_call_free(call);
	stop(&peer, &pair);
}

/* Whether the socket waits or the library. */
static void
a_message_taken_in_pieces_takes_no_longer(void **state)
{
	int nonblocking;

	(void)state;
	for (nonblocking = 0; nonblocking < 2; nonblocking++) {
		struct pair      pair = pair_new(context_no_handler);
		struct slow_peer peer = {0};
		Drpc__Response   resp = DRPC__RESPONSE__INIT;

		resp.body.data = large_body(&resp.body.len);
		assert_int_equal(drpc_set_timeout(pair.ctx, TIMEOUT_MS), 0);
		assert_int_equal(fcntl(pair.ctx->comm->fd, F_SETFL, nonblocking ? O_NONBLOCK : 0), 0);
		start(&peer, pair.peer, take_message);
		assert_int_equal(drpc_send_response(pair.ctx, &resp), -DER_TIMEDOUT);
		free(resp.body.data);
		stop(&peer, &pair);
	}
}

static void
a_call_taken_in_pieces_takes_no_longer(void **state)
{
	struct pair      pair = pair_new(NULL);
	struct slow_peer peer = {0};
	Drpc__Response  *resp = NULL;
	Drpc__Call       call = DRPC__CALL__INIT;

	(void)state;
	context_tell(pair.ctx);
	call.body.data = large_body(&call.body.len);
	assert_int_equal(drpc_set_timeout(pair.ctx, TIMEOUT_MS), 0);
	start(&peer, pair.peer, take_message);
	assert_int_equal(drpc_call(pair.ctx, 0, &call, &resp), -DER_TIMEDOUT);
	assert_null(resp);
	free(call.body.data);
	stop(&peer, &pair);
}

#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(replies_to_earlier_calls_take_no_longer),
	    unit(replies_are_dropped_for_earlier_calls_only),
#if ABI_CHUNKED
	    unit(a_reply_in_pieces_takes_no_longer),
	    unit(a_call_in_pieces_takes_several_waits),
	    unit(a_message_taken_in_pieces_takes_no_longer),
	    unit(a_call_taken_in_pieces_takes_no_longer),
#endif
	};

	return cmocka_run_group_tests_name("slow peers " ABI_NAME, tests, NULL, NULL);
}
