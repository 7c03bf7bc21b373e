/* The loop that serves a listener and its sessions. */
#include "abi.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/exchange.h"
#include "support/loop.h"
#include "support/patience.h"
#include "support/peer.h"

/* --- making and closing ----------------------------------------------------------- */

static void
create_wants_a_listener(void **state)
{
	struct unixcomm comm = {.fd = -1};
	struct drpc     ctx  = {.comm = &comm, .ref_count = 1};

	(void)state;
	assert_null(drpc_progress_context_create(NULL));
	assert_null(drpc_progress_context_create(&ctx));
	ctx.comm    = NULL;
	ctx.handler = context_no_handler;
	assert_null(drpc_progress_context_create(&ctx));
	drpc_progress_context_close(NULL);
}

static void
create_takes_the_listener(void **state)
{
	struct server server;
	int           fd;

	(void)state;
	loop_serve(&server, loop_echo);
	assert_int_equal(server.loop->listener_ctx->ref_count, 1);
	assert_ptr_equal(server.loop->session_ctx_list.next, &server.loop->session_ctx_list);
	assert_ptr_equal(server.loop->session_ctx_list.prev, &server.loop->session_ctx_list);
	fd = server.loop->listener_ctx->comm->fd;
	loop_stop(&server);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void
close_ends_every_session(void **state)
{
	struct server server;
	int           peers[5];
	int           i;

	(void)state;
	loop_serve(&server, loop_echo);
	for (i = 0; i < 5; i++)
		peers[i] = loop_join(&server);
	loop_stop(&server);
	for (i = 0; i < 5; i++) {
		assert_true(peer_is_closed(peers[i]));
		close(peers[i]);
	}
}

/* --- what it is given -------------------------------------------------------------- */

static void
link_at_tail(struct drpc_progress_context *loop, struct drpc_list *node)
{
	node->link.next                   = &loop->session_ctx_list;
	node->link.prev                   = loop->session_ctx_list.prev;
	loop->session_ctx_list.prev->next = &node->link;
	loop->session_ctx_list.prev       = &node->link;
}

static void
progress_refuses_a_loop_without_listener(void **state)
{
	struct unixcomm              comm     = {.fd = -1};
	struct drpc                  listener = {.comm = &comm, .ref_count = 1};
	struct drpc_progress_context loop     = {.listener_ctx = NULL};

	(void)state;
	loop.session_ctx_list.next = &loop.session_ctx_list;
	loop.session_ctx_list.prev = &loop.session_ctx_list;
	assert_int_equal(drpc_progress(NULL, 0), -DER_INVAL);
	assert_int_equal(drpc_progress(&loop, 0), -DER_INVAL);
	loop.listener_ctx = &listener;
	assert_int_equal(drpc_progress(&loop, 0), -DER_INVAL);
	listener.handler = context_no_handler;
	listener.comm    = NULL;
	assert_int_equal(drpc_progress(&loop, 0), -DER_INVAL);
}

static void
progress_refuses_sessions_that_are_none(void **state)
{
	struct server    server;
	struct unixcomm  comm  = {.fd = -1};
	struct drpc      bad   = {.comm = &comm, .ref_count = 1};
	struct drpc_list good  = {.ctx = NULL};
	struct drpc_list node  = {.ctx = NULL};
	int              peers[2];

	(void)state;
	loop_serve(&server, context_no_handler);
	peer_pair(peers);
	/* First alone, then behind a good one that has something to say. */
	link_at_tail(server.loop, &node);
	assert_int_equal(drpc_progress(server.loop, 0), -DER_INVAL);
	node.ctx = &bad;
	assert_int_equal(drpc_progress(server.loop, 0), -DER_INVAL);
	bad.handler = context_no_handler;
	bad.comm    = NULL;
	assert_int_equal(drpc_progress(server.loop, 0), -DER_INVAL);

	good.ctx                           = context_by_hand(peers[0], context_no_handler);
	server.loop->session_ctx_list.next = &server.loop->session_ctx_list;
	server.loop->session_ctx_list.prev = &server.loop->session_ctx_list;
	link_at_tail(server.loop, &good);
	link_at_tail(server.loop, &node);
	exchange_send(peers[1], 2, 206, 1, 0);
	assert_int_equal(drpc_progress(server.loop, 0), -DER_INVAL);
	assert_true(peer_is_quiet(peers[1]));

	server.loop->session_ctx_list.next = &server.loop->session_ctx_list;
	server.loop->session_ctx_list.prev = &server.loop->session_ctx_list;
	context_free_parts(good.ctx);
	close(peers[1]);
	loop_stop(&server);
}

static void
a_loop_made_by_hand_works(void **state)
{
	struct drpc_progress_context *loop = calloc(1, sizeof(*loop));
	struct drpc_list             *node;
	struct dir                    dir;
	int                           first[2];
	int                           second[2];

	(void)state;
	dir_make(&dir);
	loop->listener_ctx          = abi_listen(dir.sock, loop_echo);
	loop->session_ctx_list.next = &loop->session_ctx_list;
	loop->session_ctx_list.prev = &loop->session_ctx_list;
	peer_pair(first);
	peer_pair(second);
	node      = calloc(1, sizeof(*node));
	node->ctx = context_by_hand(first[0], loop_echo);
	link_at_tail(loop, node);
	node      = calloc(1, sizeof(*node));
	node->ctx = context_by_hand(second[0], loop_echo);
	link_at_tail(loop, node);

	exchange_send(second[1], 2, 206, 7, 40);
	exchange_send(first[1], 2, 206, 8, 50);
	assert_int_equal(drpc_progress(loop, PATIENCE_MS), 0);
	exchange_expect(first[1], 8, DRPC__STATUS__SUCCESS, 50);
	exchange_expect(second[1], 7, DRPC__STATUS__SUCCESS, 40);
	close(first[1]);
	loop_settle(loop);
	assert_int_equal(loop_sessions(loop), 1);
	drpc_progress_context_close(loop);
	assert_true(peer_is_closed(second[1]));
	close(second[1]);
	dir_remove(&dir);
}

/* --- waiting -------------------------------------------------------------------------- */

static void
the_time_runs_out(void **state)
{
	struct server   server;
	struct timespec start;

	(void)state;
	loop_serve(&server, loop_echo);
	assert_int_equal(drpc_progress(server.loop, 0), -DER_TIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(drpc_progress(server.loop, 60), -DER_TIMEDOUT);
	assert_true(ms_since(&start) >= 59);
	loop_stop(&server);
}

static void *
connect_later(void *arg)
{
	struct timespec nap = {.tv_nsec = 60000000};

	nanosleep(&nap, NULL);
	close(peer_connect(arg));
	return NULL;
}

static void
a_negative_timeout_waits_for_ever(void **state)
{
	struct server   server;
	pthread_t       client;
	struct timespec start;

	(void)state;
	loop_serve(&server, loop_echo);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(pthread_create(&client, NULL, connect_later, server.dir.sock), 0);
	assert_int_equal(drpc_progress(server.loop, -1), 0);
	assert_true(ms_since(&start) >= 50);
	assert_int_equal(loop_sessions(server.loop), 1);
	pthread_join(client, NULL);
	loop_stop(&server);
}

/* --- serving ---------------------------------------------------------------------------- */

static void
connections_become_sessions(void **state)
{
	struct server server;
	struct drpc  *first;
	int           peers[2];

	(void)state;
	loop_serve(&server, loop_echo);
	peers[0] = loop_join(&server);
	first    = loop_session_at(server.loop, 0);
	assert_int_equal(first->ref_count, 1);
	assert_ptr_equal(first->handler, loop_echo);
	/* One slow peer must not stop the others. */
	assert_int_equal(fcntl(first->comm->fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	peers[1] = loop_join(&server);
	/* New ones come first. */
	assert_ptr_equal(loop_session_at(server.loop, 1), first);
	close(peers[0]);
	close(peers[1]);
	loop_stop(&server);
}

#ifdef DRPC_ABI_28
static int
no_yield(void)
{
	return 0;
}

static void
sessions_inherit_yield(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	loop_serve(&server, loop_echo);
	server.loop->listener_ctx->yield = no_yield;
	peer                             = loop_join(&server);
	assert_ptr_equal(loop_session_at(server.loop, 0)->yield, no_yield);
	close(peer);
	loop_stop(&server);
}

static int cancelable_yields;

static int
is_cancelable(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_setcancelstate(state, NULL);
	return state == PTHREAD_CANCEL_ENABLE;
}

static int
count_cancelable(void)
{
	cancelable_yields += is_cancelable();
	return 0;
}

static void
echo_uncancelled(Drpc__Call *call, Drpc__Response *resp)
{
	assert_false(is_cancelable());
	loop_echo(call, resp);
}

/* Other work that a yield function does in the thread is not for the library to protect, whose else it would be. */
static void
cancelling_is_left_to_yield_functions(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	loop_serve(&server, echo_uncancelled);
	peer = loop_join(&server);
	exchange_send(peer, 2, 206, 1, 10);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	assert_true(is_cancelable());
	/* The session alone has one, its listener has not. */
	loop_session_at(server.loop, 0)->handler = loop_echo;
	loop_session_at(server.loop, 0)->yield   = count_cancelable;
	cancelable_yields                   = 0;
	exchange_send(peer, 2, 206, 2, 10);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(peer, 2, DRPC__STATUS__SUCCESS, 10);
	assert_int_equal(cancelable_yields, 2);
	assert_true(is_cancelable());
	close(peer);
	loop_stop(&server);
}
#endif

static void
calls_are_answered(void **state)
{
	struct server server;
	int           peer;
	int           i;

	(void)state;
	loop_serve(&server, loop_echo);
	peer = loop_join(&server);
	for (i = 0; i < 50; i++) {
		exchange_send(peer, 2, 206, i, (size_t)i * 100);
		assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
		exchange_expect(peer, i, DRPC__STATUS__SUCCESS, (size_t)i * 100);
		assert_int_equal(loop_session_at(server.loop, 0)->ref_count, 1);
	}
	assert_int_equal(loop_sessions(server.loop), 1);
	close(peer);
	loop_stop(&server);
}

static void
calls_sent_ahead_are_answered_in_turn(void **state)
{
	struct server server;
	int           peer;
	int           i;

	(void)state;
	loop_serve(&server, loop_echo);
	peer = loop_join(&server);
	for (i = 1; i <= 10; i++)
		exchange_send(peer, 2, 206, i, (size_t)i);
	loop_settle(server.loop);
	for (i = 1; i <= 10; i++)
		exchange_expect(peer, i, DRPC__STATUS__SUCCESS, (size_t)i);
	close(peer);
	loop_stop(&server);
}

static void
many_sessions_are_served_in_one_cycle(void **state)
{
	struct server server;
	int           peers[100];
	int           i;

	(void)state;
	loop_serve(&server, loop_echo);
	for (i = 0; i < 100; i++)
		peers[i] = loop_join(&server);
	for (i = 0; i < 100; i++)
		exchange_send(peers[i], 2, 206, i + 1, (size_t)i);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	for (i = 0; i < 100; i++)
		exchange_expect(peers[i], i + 1, DRPC__STATUS__SUCCESS, (size_t)i);
	/* Half of them leave, in any order. */
	for (i = 0; i < 100; i += 2)
		close(peers[i]);
	loop_settle(server.loop);
	assert_int_equal(loop_sessions(server.loop), 50);
	for (i = 1; i < 100; i += 2)
		close(peers[i]);
	loop_settle(server.loop);
	assert_int_equal(loop_sessions(server.loop), 0);
	loop_stop(&server);
}

/* Clients of the library itself, several at a time, with bodies of all sizes. */
#define CLIENTS 4

static int clients_left;

static const char *
call_often(const char *path)
{
	static const size_t sizes[] = {0, 5, 1000, 16000, ABI_CHUNKED ? 65535 : 100, ABI_CHUNKED ? 131071 : 8000,
				       ABI_CHUNKED ? 500000 : 16368};
	Drpc__Response     *resp    = NULL;
	Drpc__Call         *call;
	struct drpc        *ctx;
	int                 i;

	if (abi_connect(path, &ctx) != 0)
		return "connect";
	for (i = 0; i < 70; i++) {
		if (abi_call_create(ctx, 2, 206, &call) != 0)
			return "create";
		call->body.len  = sizes[i % 7];
		call->body.data = body_new(call->body.len);
		if (drpc_call(ctx, R_SYNC, call, &resp) != 0)
			return "call";
		if (resp->sequence != i + 1 || resp->status != DRPC__STATUS__SUCCESS ||
		    resp->body.len != call->body.len || !body_is(resp->body.data, resp->body.len))
			return "response";
		drpc_call_free(call);
		drpc_response_free(resp);
	}
	return drpc_close(ctx) == 0 ? NULL : "close";
}

static void *
client_thread(void *arg)
{
	const char *problem = call_often(arg);

	__atomic_sub_fetch(&clients_left, 1, __ATOMIC_RELEASE);
	return (void *)problem;
}

static void
clients_of_the_library_are_served(void **state)
{
	struct server server;
	pthread_t     clients[CLIENTS];
	void         *problem;
	int           rc;
	int           i;

	(void)state;
	loop_serve(&server, loop_echo);
	clients_left = CLIENTS;
	for (i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&clients[i], NULL, client_thread, server.dir.sock), 0);
	while (__atomic_load_n(&clients_left, __ATOMIC_ACQUIRE) > 0) {
		rc = drpc_progress(server.loop, 100);
		assert_true(rc == 0 || rc == -DER_TIMEDOUT || rc == -DER_AGAIN);
	}
	for (i = 0; i < CLIENTS; i++) {
		assert_int_equal(pthread_join(clients[i], &problem), 0);
		if (problem != NULL)
			fail_msg("%s", (char *)problem);
	}
	loop_settle(server.loop);
	assert_int_equal(loop_sessions(server.loop), 0);
	loop_stop(&server);
}

/* What fail_call answers with. */
static int decision;

static void
fail_call(Drpc__Call *call, Drpc__Response *resp)
{
	assert_int_equal(resp->sequence, call->sequence);
	assert_int_equal(resp->status, DRPC__STATUS__SUCCESS);
	assert_int_equal(resp->body.len, 0);
	resp->status    = decision;
	resp->body.data = body_new(9);
	resp->body.len  = 9;
}

static void
the_handler_decides(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	loop_serve(&server, fail_call);
	peer = loop_join(&server);
	for (decision = DRPC__STATUS__SUCCESS; decision <= DRPC__STATUS__FAILED_MARSHAL; decision++) {
		exchange_send(peer, 2, 206, INT64_MAX, 0);
		assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
		exchange_expect(peer, INT64_MAX, decision, 9);
	}
	close(peer);
	loop_stop(&server);
}

static void
large_reply(Drpc__Call *call, Drpc__Response *resp)
{
	size_t limit = ABI_CHUNKED ? 2000 : UNIXCOMM_MAXMSGSIZE;

	resp->body.len  = call->method == 1 ? limit : 100;
	resp->body.data = body_new(resp->body.len);
}

static void
a_reply_that_is_too_large_says_so(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	if (ABI_CHUNKED)
		assert_int_equal(drpc_set_max_message(2000), 0);
	loop_serve(&server, large_reply);
	peer = loop_join(&server);
	assert_true(peer_send_call(peer, 2, 1, 5, NULL, 0));
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(peer, 5, DRPC__STATUS__FAILED_MARSHAL, 0);
	assert_true(peer_send_call(peer, 2, 2, 6, NULL, 0));
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(peer, 6, DRPC__STATUS__SUCCESS, 100);
	assert_int_equal(drpc_set_max_message(0), 0);
	close(peer);
	loop_stop(&server);
}

#if !ABI_CHUNKED

static void
huge_reply(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	resp->body.len  = 4 << 20;
	resp->body.data = body_new(resp->body.len);
}

/* The program allows it, the kernel does not: the caller is told all the same. */
static void
a_reply_that_the_kernel_refuses_says_so(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	assert_int_equal(drpc_set_max_message(8 << 20), 0);
	loop_serve(&server, huge_reply);
	peer = loop_join(&server);
	assert_true(peer_send_call(peer, 2, 1, 5, NULL, 0));
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	exchange_expect(peer, 5, DRPC__STATUS__FAILED_MARSHAL, 0);
	assert_int_equal(loop_sessions(server.loop), 1);
	assert_int_equal(drpc_set_max_message(0), 0);
	close(peer);
	loop_stop(&server);
}

#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(create_wants_a_listener),
	    unit(create_takes_the_listener),
	    unit(close_ends_every_session),
	    unit(progress_refuses_a_loop_without_listener),
	    unit(progress_refuses_sessions_that_are_none),
	    unit(a_loop_made_by_hand_works),
	    unit(the_time_runs_out),
	    unit(a_negative_timeout_waits_for_ever),
	    unit(connections_become_sessions),
#ifdef DRPC_ABI_28
	    unit(sessions_inherit_yield),
	    unit(cancelling_is_left_to_yield_functions),
#endif
	    unit(calls_are_answered),
	    unit(calls_sent_ahead_are_answered_in_turn),
	    unit(many_sessions_are_served_in_one_cycle),
	    unit(clients_of_the_library_are_served),
	    unit(the_handler_decides),
	    unit(a_reply_that_is_too_large_says_so),
#if !ABI_CHUNKED
	    unit(a_reply_that_the_kernel_refuses_says_so),
#endif
	};

	return cmocka_run_group_tests_name("progress " ABI_NAME, tests, NULL, NULL);
}
