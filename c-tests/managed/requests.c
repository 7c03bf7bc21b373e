/* Calls that a handler of the managed server takes, to have them answered later. */
#include "abi.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/body.h"
#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/taken.h"

enum { MANY = 50 };

/* A server whose module ECHO takes its calls; OTHER answers at once. */
static void
make(struct managed *managed, struct taken *taken, unsigned int flags)
{
	managed_make(managed);
	assert_int_equal(drpc_server_register(managed->server, ECHO, taken_handler, taken, flags), 0);
	managed_register(managed, OTHER, managed_echo, NULL);
	managed_start(managed);
}

/* The first call of a new connection, taken. */
static int
send_one(const struct managed *managed, struct taken *taken)
{
	int peer = peer_connect(managed->dir.sock);

	exchange_send(peer, ECHO, 7, 1, 10);
	UNTIL(taken_count(taken) == 1);
	return peer;
}

static int
answer(struct drpc_request *request, int status)
{
	Drpc__Response resp = DRPC__RESPONSE__INIT;

	resp.status = (Drpc__Status)status;
	return drpc_request_respond(request, &resp);
}

/* --- answering -------------------------------------------------------------------------- */

static void
a_request_is_answered_later(void **state)
{
	struct taken      taken = TAKEN_NONE;
	const Drpc__Call *call;
	struct managed    managed;
	int               peer;

	(void)state;
	make(&managed, &taken, 0);
	peer = send_one(&managed, &taken);
	assert_non_null(taken.requests[0]);
	/* Taken once only. */
	assert_false(taken.twice);

	call = drpc_request_call(taken.requests[0]);
	assert_int_equal(call->module, ECHO);
	assert_int_equal(call->method, 7);
	assert_int_equal(call->sequence, 1);
	assert_int_equal(call->body.len, 10);
	assert_true(body_is(call->body.data, 10));
	assert_int_equal(drpc_session_peer(drpc_request_session(taken.requests[0])).pid, getpid());
	assert_int_not_equal(drpc_session_id(drpc_request_session(taken.requests[0])), 0);

	assert_true(peer_is_quiet(peer));
	assert_int_equal(taken_echo(taken.requests[0]), 0);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	exchange_echo(peer, OTHER, 2);
	close(peer);
	managed_end(&managed);
}

/* The session of the handler and that of the request are the same one. */
static void
take_and_answer(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	uint64_t             id      = drpc_session_id(session);
	struct drpc_request *request = drpc_session_defer(session);

	(void)call;
	(void)resp;
	*(bool *)arg = id == drpc_session_id(drpc_request_session(request));
	taken_echo(request);
}

static void
a_handler_may_answer_its_request_itself(void **state)
{
	struct managed managed;
	bool           same = false;
	int            peer;
	int            i;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, take_and_answer, &same);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	for (i = 1; i <= 5; i++)
		exchange_echo(peer, ECHO, i);
	assert_true(same);
	close(peer);
	managed_end(&managed);
}

static void
a_body_goes_with_success_only(void **state)
{
	struct taken   taken = TAKEN_NONE;
	Drpc__Response resp  = DRPC__RESPONSE__INIT;
	struct managed managed;
	int            peer;

	(void)state;
	make(&managed, &taken, 0);
	peer           = send_one(&managed, &taken);
	resp.status    = DRPC__STATUS__FAILED_MARSHAL;
	resp.sequence  = 99;
	resp.body.len  = 100;
	resp.body.data = body_new(100);
	assert_int_equal(drpc_request_respond(taken.requests[0], &resp), 0);
	/* The body is still the caller's, and the sequence that of the call. */
	assert_true(body_is(resp.body.data, 100));
	free(resp.body.data);
	exchange_expect(peer, 1, DRPC__STATUS__FAILED_MARSHAL, 0);
	close(peer);
	managed_end(&managed);
}

static void
what_is_not_answered_has_failed(void **state)
{
	struct taken   taken = TAKEN_NONE;
	struct managed managed;
	int            peer;

	(void)state;
	make(&managed, &taken, 0);
	peer = send_one(&managed, &taken);
	drpc_request_drop(taken.requests[0]);
	exchange_expect(peer, 1, DRPC__STATUS__FAILURE, 0);
	/* Without a response there is nothing to send. */
	exchange_send(peer, ECHO, 0, 2, 10);
	UNTIL(taken_count(&taken) == 2);
	assert_int_equal(drpc_request_respond(taken.requests[1], NULL), -DER_INVAL);
	exchange_expect(peer, 2, DRPC__STATUS__FAILURE, 0);
	exchange_echo(peer, OTHER, 3);
	close(peer);
	managed_end(&managed);
}

/* --- order ---------------------------------------------------------------------------------- */

static void
the_next_call_waits_for_the_answer(void **state)
{
	struct taken   taken = TAKEN_NONE;
	struct managed managed;
	int            other;
	int            peer;
	int            i;

	(void)state;
	make(&managed, &taken, 0);
	peer = send_one(&managed, &taken);
	exchange_send(peer, ECHO, 7, 2, 20);
	other = peer_connect(managed.dir.sock);
	for (i = 1; i <= 20; i++)
		exchange_echo(other, OTHER, i);
	assert_int_equal(taken_count(&taken), 1);
	assert_int_equal(taken_echo(taken.requests[0]), 0);
	UNTIL(taken_count(&taken) == 2);
	assert_int_equal(taken_echo(taken.requests[1]), 0);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	exchange_expect(peer, 2, DRPC__STATUS__SUCCESS, 20);
	close(peer);
	close(other);
	managed_end(&managed);
}

static void *
answer_half(void *arg)
{
	struct taken *taken = arg;
	int           i;

	for (i = MANY - 1; i >= 0; i -= 2)
		taken_echo(taken->requests[i]);
	return NULL;
}

/* Of a concurrent module many are out at once, and are answered from two threads, the last ones first. */
static void
concurrent_requests_are_answered_in_any_order(void **state)
{
	struct taken   taken = TAKEN_NONE;
	bool           answered[MANY + 1] = {false};
	struct managed managed;
	pthread_t      thread;
	int64_t        sequence;
	int            peer;
	int            i;

	(void)state;
	make(&managed, &taken, DRPC_SERVER_CONCURRENT);
	peer = peer_connect(managed.dir.sock);
	for (i = 1; i <= MANY; i++) {
		exchange_send(peer, ECHO, 0, i, (size_t)i);
		UNTIL(taken_count(&taken) == i);
	}
	exchange_echo(peer, OTHER, 1000);
	assert_int_equal(pthread_create(&thread, NULL, answer_half, &taken), 0);
	for (i = MANY - 2; i >= 0; i -= 2)
		assert_int_equal(taken_echo(taken.requests[i]), 0);
	pthread_join(thread, NULL);
	for (i = 1; i <= MANY; i++) {
		struct peer_response out;

		assert_true(peer_recv_response(peer, &out));
		sequence = out.resp.sequence;
		assert_in_range(sequence, 1, MANY);
		assert_false(answered[sequence]);
		answered[sequence] = true;
		assert_int_equal(out.resp.status, DRPC__STATUS__SUCCESS);
		assert_int_equal(out.resp.len, sequence);
		assert_true(body_is(out.resp.body, out.resp.len));
		free(out.msg);
	}
	close(peer);
	managed_end(&managed);
}

/* A reply that fills the socket is taken off the hands of whoever gives it, and waits for nobody but its client. */
static void
a_reply_waits_for_its_client(void **state)
{
	enum { LARGE = 4000000 };
	Drpc__Response resp  = DRPC__RESPONSE__INIT;
	struct taken   taken = TAKEN_NONE;
	struct managed managed;
	int            peer;
	int            other;
	int            i;

	(void)state;
	make(&managed, &taken, DRPC_SERVER_CONCURRENT);
	peer = peer_connect(managed.dir.sock);
	if (ABI_CHUNKED) {
		exchange_send(peer, ECHO, 0, 1, 0);
		UNTIL(taken_count(&taken) == 1);
		resp.body.len  = LARGE;
		resp.body.data = body_new(LARGE);
		assert_int_equal(drpc_request_respond(taken.requests[0], &resp), 0);
		free(resp.body.data);
	} else {
		for (i = 1; i <= 60; i++) {
			exchange_send(peer, ECHO, 0, i, 15000);
			UNTIL(taken_count(&taken) == i);
		}
		for (i = 1; i <= 60; i++)
			assert_int_equal(taken_echo(taken.requests[i - 1]), 0);
	}
	other = peer_connect(managed.dir.sock);
	exchange_echo(other, OTHER, 1);
	if (ABI_CHUNKED)
		exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, LARGE);
	for (i = 1; i <= 60 && !ABI_CHUNKED; i++)
		exchange_expect(peer, i, DRPC__STATUS__SUCCESS, 15000);
	exchange_echo(peer, OTHER, 1000);
	close(peer);
	close(other);
	managed_end(&managed);
}

/* --- outliving ---------------------------------------------------------------------------------- */

/* The call can be read as before, but there is nobody to answer. */
static void
cannot_be_answered(struct drpc_request *request)
{
	assert_int_equal(drpc_request_call(request)->sequence, 1);
	assert_true(body_is(drpc_request_call(request)->body.data, 10));
	assert_int_not_equal(drpc_session_id(drpc_request_session(request)), 0);
	assert_int_equal(taken_echo(request), -DER_UNREACH);
}

static void
a_request_outlives_its_session(void **state)
{
	struct taken   taken = TAKEN_NONE;
	struct managed managed;
	int            peer;

	(void)state;
	make(&managed, &taken, 0);
	peer = send_one(&managed, &taken);
	drpc_session_close(drpc_request_session(taken.requests[0]));
	assert_true(peer_is_closed(peer));
	cannot_be_answered(taken.requests[0]);
	close(peer);

	/* The same when the client goes; nothing tells of that but the first attempt to answer it. */
	taken.count = 0;
	peer        = send_one(&managed, &taken);
	close(peer);
	cannot_be_answered(taken.requests[0]);

	/* Dropping it is no error. */
	taken.count = 0;
	peer        = send_one(&managed, &taken);
	close(peer);
	drpc_request_drop(taken.requests[0]);
	managed_end(&managed);
}

static void
a_request_outlives_its_server(void **state)
{
	struct taken   taken = TAKEN_NONE;
	struct managed managed;
	int            peers[2];

	(void)state;
	make(&managed, &taken, 0);
	peers[0] = send_one(&managed, &taken);
	peers[1] = peer_connect(managed.dir.sock);
	exchange_send(peers[1], ECHO, 0, 1, 10);
	UNTIL(taken_count(&taken) == 2);
	managed_end(&managed);
	cannot_be_answered(taken.requests[0]);
	drpc_request_drop(taken.requests[1]);
	/* No call is lost without a word. */
	exchange_expect(peers[0], 1, DRPC__STATUS__FAILURE, 0);
	exchange_expect(peers[1], 1, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peers[0]));
	close(peers[0]);
	close(peers[1]);
}

/* --- shutdown -------------------------------------------------------------------------------------- */

struct shutdown {
	pthread_t           thread;
	struct drpc_server *server;
	int                 rc;
};

static void *
shut_down(void *arg)
{
	struct shutdown *shutdown = arg;

	shutdown->rc = drpc_server_shutdown(shutdown->server, PATIENCE_MS);
	return NULL;
}

static void
shutdown_waits_for_requests(void **state)
{
	struct taken    taken = TAKEN_NONE;
	struct managed  managed;
	struct shutdown shutdown;
	int             peer;

	(void)state;
	make(&managed, &taken, 0);
	peer            = send_one(&managed, &taken);
	shutdown.server = managed.server;
	assert_int_equal(pthread_create(&shutdown.thread, NULL, shut_down, &shutdown), 0);
	/* The socket goes when it has begun. */
	UNTIL(access(managed.dir.sock, F_OK) != 0);
	assert_true(peer_is_quiet(peer));
	assert_int_equal(taken_echo(taken.requests[0]), 0);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	pthread_join(shutdown.thread, NULL);
	assert_int_equal(shutdown.rc, 0);
	assert_true(peer_is_closed(peer));
	close(peer);
	managed_end(&managed);
}

static void
shutdown_cuts_requests_off(void **state)
{
	struct taken   taken = TAKEN_NONE;
	struct managed managed;
	int            peer;

	(void)state;
	make(&managed, &taken, 0);
	peer = send_one(&managed, &taken);
	assert_int_equal(drpc_server_shutdown(managed.server, 50), -DER_TIMEDOUT);
	exchange_expect(peer, 1, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(answer(taken.requests[0], DRPC__STATUS__SUCCESS), -DER_UNREACH);
	close(peer);
	managed_end(&managed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_request_is_answered_later),
		unit(a_handler_may_answer_its_request_itself),
		unit(a_body_goes_with_success_only),
		unit(what_is_not_answered_has_failed),
		unit(the_next_call_waits_for_the_answer),
		unit(concurrent_requests_are_answered_in_any_order),
		unit(a_reply_waits_for_its_client),
		unit(a_request_outlives_its_session),
		unit(a_request_outlives_its_server),
		unit(shutdown_waits_for_requests),
		unit(shutdown_cuts_requests_off),
	};

	return cmocka_run_group_tests_name("managed requests " ABI_NAME, tests, NULL, NULL);
}
