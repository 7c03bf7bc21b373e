/* What the managed server makes of calls: modules, statuses, order, threads. */
#include "abi.h"

#include <stdlib.h>
#include <unistd.h>

#include "support/body.h"
#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/gate.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"

/* --- calls and replies ------------------------------------------------------------------ */

/* What a handler has seen of its call. */
struct seen {
	int32_t       module;
	int32_t       method;
	int64_t       sequence;
	size_t        len;
	bool          body_right;
	Drpc__Status  status;
	size_t        resp_len;
	uint8_t      *resp_data;
};

static void
look(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct seen *seen = arg;

	(void)session;
	seen->module     = call->module;
	seen->method     = call->method;
	seen->sequence   = call->sequence;
	seen->len        = call->body.len;
	seen->body_right = body_is(call->body.data, call->body.len);
	seen->status     = resp->status;
	seen->resp_len   = resp->body.len;
	seen->resp_data  = resp->body.data;
}

/* A handler gets the call as it was sent and a response that says SUCCESS without a body. */
static void
handlers_see_the_call(void **state)
{
	struct managed managed;
	struct seen    seen[2] = {{.resp_len = 1}, {.resp_len = 1}};
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, look, &seen[0]);
	managed_register(&managed, OTHER, look, &seen[1]);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 7, 41, 1000);
	exchange_expect(peer, 41, DRPC__STATUS__SUCCESS, 0);
	exchange_send(peer, OTHER, -8, INT64_MAX, 0);
	exchange_expect(peer, INT64_MAX, DRPC__STATUS__SUCCESS, 0);
	close(peer);
	managed_end(&managed);

	assert_int_equal(seen[0].module, ECHO);
	assert_int_equal(seen[0].method, 7);
	assert_int_equal(seen[0].sequence, 41);
	assert_int_equal(seen[0].len, 1000);
	assert_true(seen[0].body_right);
	assert_int_equal(seen[1].module, OTHER);
	assert_int_equal(seen[1].method, -8);
	assert_int_equal(seen[1].len, 0);
	assert_int_equal(seen[0].status, DRPC__STATUS__SUCCESS);
	assert_int_equal(seen[0].resp_len, 0);
	assert_null(seen[0].resp_data);
}

/* Answers with the method as the status, and with a body always. */
static void
answer_method(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	resp->status    = (Drpc__Status)call->method;
	resp->body.len  = 100;
	resp->body.data = body_new(100);
}

static void
a_body_goes_with_success_only(void **state)
{
	struct managed managed;
	int            status;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, answer_method, NULL);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	for (status = DRPC__STATUS__SUCCESS; status <= DRPC__STATUS__FAILED_MARSHAL; status++) {
		exchange_send(peer, OTHER, status, status + 1, 0);
		exchange_expect(peer, status + 1, status, status == DRPC__STATUS__SUCCESS ? 100 : 0);
	}
	close(peer);
	managed_end(&managed);
}

static void
large_bodies_go_both_ways(void **state)
{
	size_t         len = ABI_CHUNKED ? 3 * WIRE_CHUNK_MAX : 16000;
	struct managed managed;
	int            peer;

	(void)state;
	managed_serve_echo(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 0, 1, len);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, len);
	close(peer);
	managed_end(&managed);
}

static void
nobody_serves_an_unknown_module(void **state)
{
	struct managed managed;
	int            peer;

	(void)state;
	managed_serve_echo(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_refused(peer, OTHER, 1, DRPC__STATUS__UNKNOWN_MODULE);
	exchange_echo(peer, ECHO, 2);
	close(peer);
	managed_end(&managed);
}

static void
what_is_no_call_is_answered(void **state)
{
	static const uint8_t garbage[] = {0xff, 0xff, 0xff, 0xff};
	struct managed       managed;
	int                  peer;

	(void)state;
	managed_serve_echo(&managed);
	peer = peer_connect(managed.dir.sock);
	assert_true(peer_send_message(peer, garbage, sizeof(garbage)));
	exchange_expect(peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
	exchange_echo(peer, ECHO, 2);
	close(peer);
	managed_end(&managed);
}

/* A client of the plain API. */
static void
plain_clients_are_served(void **state)
{
	struct managed  managed;
	struct drpc    *ctx;
	Drpc__Call     *call;
	Drpc__Response *resp;
	int             i;

	(void)state;
	managed_serve_echo(&managed);
	assert_int_equal(abi_connect(managed.dir.sock, &ctx), 0);
	for (i = 0; i < 10; i++) {
		assert_int_equal(abi_call_create(ctx, ECHO, i, &call), 0);
		call->body.len  = (size_t)i * 1000;
		call->body.data = body_new(call->body.len);
		assert_int_equal(drpc_call(ctx, R_SYNC, call, &resp), 0);
		assert_int_equal(resp->status, DRPC__STATUS__SUCCESS);
		assert_int_equal(resp->body.len, i * 1000);
		assert_true(body_is(resp->body.data, resp->body.len));
		drpc_response_free(resp);
		drpc_call_free(call);
	}
	assert_int_equal(drpc_close(ctx), 0);
	managed_end(&managed);
}

/* --- order and threads --------------------------------------------------------------------- */

/* Three calls at once on one connection, while the handler waits. */
static int
send_three(const struct managed *managed)
{
	int peer = peer_connect(managed->dir.sock);
	int i;

	for (i = 1; i <= 3; i++)
		exchange_send(peer, ECHO, 0, i, 10);
	return peer;
}

/* The second call of a session is given to nobody while the first has no reply: another session is served meanwhile. */
static void
calls_of_a_session_are_served_in_order(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	int            other;
	int            peer;
	int            i;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_THREADS, 4);
	managed_register(&managed, ECHO, managed_wait, &gate);
	managed_register(&managed, OTHER, managed_echo, NULL);
	managed_start(&managed);
	peer = send_three(&managed);
	assert_true(gate_await(&gate, 1));
	other = peer_connect(managed.dir.sock);
	for (i = 1; i <= 20; i++)
		exchange_echo(other, OTHER, i);
	assert_int_equal(gate_came(&gate), 1);
	gate_open(&gate);
	for (i = 1; i <= 3; i++)
		exchange_expect(peer, i, DRPC__STATUS__SUCCESS, 10);
	close(peer);
	close(other);
	managed_end(&managed);
}

static void
a_concurrent_module_serves_them_at_once(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	int            peer;
	int64_t        sum = 0;
	int            i;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_THREADS, 4);
	assert_int_equal(drpc_server_register(managed.server, ECHO, managed_wait, &gate, DRPC_SERVER_CONCURRENT), 0);
	managed_register(&managed, OTHER, managed_echo, NULL);
	managed_start(&managed);
	peer = send_three(&managed);
	assert_true(gate_await(&gate, 3));
	gate_open(&gate);
	for (i = 1; i <= 3; i++)
		sum += exchange_any(peer, DRPC__STATUS__SUCCESS);
	assert_int_equal(sum, 1 + 2 + 3);
	close(peer);
	managed_end(&managed);
}

/* So many handlers run at once as there are threads, and not one more. */
static void
threads_serve_sessions_at_once(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	int            peers[4];
	int            i;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_THREADS, 3);
	managed_register(&managed, ECHO, managed_wait, &gate);
	managed_start(&managed);
	for (i = 0; i < 4; i++) {
		peers[i] = peer_connect(managed.dir.sock);
		exchange_send(peers[i], ECHO, 0, 1, 10);
	}
	assert_true(gate_await(&gate, 3));
	assert_int_equal(gate_came(&gate), 3);
	gate_open(&gate);
	for (i = 0; i < 4; i++) {
		exchange_expect(peers[i], 1, DRPC__STATUS__SUCCESS, 10);
		close(peers[i]);
	}
	managed_end(&managed);
}

/* Two threads at least, on any machine, so that one slow handler stops nobody. */
static void
there_are_two_threads_at_least(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	int            slow;
	int            quick;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_wait, &gate);
	managed_register(&managed, OTHER, managed_echo, NULL);
	managed_start(&managed);
	slow = peer_connect(managed.dir.sock);
	exchange_send(slow, ECHO, 0, 1, 10);
	assert_true(gate_await(&gate, 1));
	quick = peer_connect(managed.dir.sock);
	exchange_echo(quick, OTHER, 1);
	gate_open(&gate);
	exchange_expect(slow, 1, DRPC__STATUS__SUCCESS, 10);
	close(slow);
	close(quick);
	managed_end(&managed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(handlers_see_the_call),
		unit(a_body_goes_with_success_only),
		unit(large_bodies_go_both_ways),
		unit(nobody_serves_an_unknown_module),
		unit(what_is_no_call_is_answered),
		unit(plain_clients_are_served),
		unit(calls_of_a_session_are_served_in_order),
		unit(a_concurrent_module_serves_them_at_once),
		unit(threads_serve_sessions_at_once),
		unit(there_are_two_threads_at_least),
	};

	return cmocka_run_group_tests_name("managed server " ABI_NAME, tests, NULL, NULL);
}
