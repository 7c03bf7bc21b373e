/* The loop that serves a listener and its sessions. */
#include "abi.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/patience.h"
#include "support/peer.h"

/* A listener in a directory of its own, and the loop around it. */
struct server {
	struct dir                    dir;
	struct drpc_progress_context *loop;
};

static void
serve(struct server *server, drpc_handler_t handler)
{
	struct drpc *listener;

	dir_make(&server->dir);
	listener = abi_listen(server->dir.sock, handler);
	assert_non_null(listener);
	server->loop = drpc_progress_context_create(listener);
	assert_non_null(server->loop);
}

static void
stop(struct server *server)
{
	drpc_progress_context_close(server->loop);
	dir_remove(&server->dir);
}

static int
sessions(struct drpc_progress_context *loop)
{
	d_list_t *at;
	int       n = 0;

	for (at = loop->session_ctx_list.next; at != &loop->session_ctx_list; at = at->next) {
		assert_ptr_equal(at->next->prev, at);
		n++;
	}
	return n;
}

static struct drpc *
session_at(struct drpc_progress_context *loop, int index)
{
	d_list_t *at = loop->session_ctx_list.next;

	while (index-- > 0)
		at = at->next;
	return ((struct drpc_list *)((char *)at - offsetof(struct drpc_list, link)))->ctx;
}

/* A client whose connection the loop has taken. */
static int
join(struct server *server)
{
	int before = sessions(server->loop);
	int peer   = peer_connect(server->dir.sock);

	assert_int_equal(drpc_progress(server->loop, PATIENCE_MS), 0);
	assert_int_equal(sessions(server->loop), before + 1);
	return peer;
}

/* Cycles until nothing more is to be done; -DER_AGAIN tells of a message that is not whole. */
static void
settle(struct drpc_progress_context *loop)
{
	int rc;
	int i;

	for (i = 0; i < 1000; i++) {
		rc = drpc_progress(loop, 0);
		if (rc == -DER_TIMEDOUT)
			return;
		assert_true(rc == 0 || rc == -DER_AGAIN);
	}
	fail_msg("the loop finds something to do for ever");
}

/* Answers with the body of the call. */
static void
echo(Drpc__Call *call, Drpc__Response *resp)
{
	resp->body.len  = call->body.len;
	resp->body.data = call->body.data;
	call->body.len  = 0;
	call->body.data = NULL;
}

static void
send_call(int peer, int64_t sequence, size_t len)
{
	uint8_t *body = body_new(len);

	assert_true(peer_send_call(peer, 2, 206, sequence, body, len));
	free(body);
}

static void
expect_reply(int peer, int64_t sequence, int status, size_t len)
{
	struct peer_response out;

	assert_true(peer_recv_response(peer, &out));
	assert_int_equal(out.resp.sequence, sequence);
	assert_int_equal(out.resp.status, status);
	assert_int_equal(out.resp.len, len);
	assert_true(body_is(out.resp.body, len));
	free(out.msg);
}

static long
ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

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
	serve(&server, echo);
	assert_int_equal(server.loop->listener_ctx->ref_count, 1);
	assert_ptr_equal(server.loop->session_ctx_list.next, &server.loop->session_ctx_list);
	assert_ptr_equal(server.loop->session_ctx_list.prev, &server.loop->session_ctx_list);
	fd = server.loop->listener_ctx->comm->fd;
	stop(&server);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void
close_ends_every_session(void **state)
{
	struct server server;
	int           peers[5];
	int           i;

	(void)state;
	serve(&server, echo);
	for (i = 0; i < 5; i++)
		peers[i] = join(&server);
	stop(&server);
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
	serve(&server, context_no_handler);
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
	send_call(peers[1], 1, 0);
	assert_int_equal(drpc_progress(server.loop, 0), -DER_INVAL);
	assert_true(peer_is_quiet(peers[1]));

	server.loop->session_ctx_list.next = &server.loop->session_ctx_list;
	server.loop->session_ctx_list.prev = &server.loop->session_ctx_list;
	context_free_parts(good.ctx);
	close(peers[1]);
	stop(&server);
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
	loop->listener_ctx          = abi_listen(dir.sock, echo);
	loop->session_ctx_list.next = &loop->session_ctx_list;
	loop->session_ctx_list.prev = &loop->session_ctx_list;
	peer_pair(first);
	peer_pair(second);
	node      = calloc(1, sizeof(*node));
	node->ctx = context_by_hand(first[0], echo);
	link_at_tail(loop, node);
	node      = calloc(1, sizeof(*node));
	node->ctx = context_by_hand(second[0], echo);
	link_at_tail(loop, node);

	send_call(second[1], 7, 40);
	send_call(first[1], 8, 50);
	assert_int_equal(drpc_progress(loop, PATIENCE_MS), 0);
	expect_reply(first[1], 8, DRPC__STATUS__SUCCESS, 50);
	expect_reply(second[1], 7, DRPC__STATUS__SUCCESS, 40);
	close(first[1]);
	settle(loop);
	assert_int_equal(sessions(loop), 1);
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
	serve(&server, echo);
	assert_int_equal(drpc_progress(server.loop, 0), -DER_TIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(drpc_progress(server.loop, 60), -DER_TIMEDOUT);
	assert_true(ms_since(&start) >= 59);
	stop(&server);
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
	serve(&server, echo);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(pthread_create(&client, NULL, connect_later, server.dir.sock), 0);
	assert_int_equal(drpc_progress(server.loop, -1), 0);
	assert_true(ms_since(&start) >= 50);
	assert_int_equal(sessions(server.loop), 1);
	pthread_join(client, NULL);
	stop(&server);
}

/* --- serving ---------------------------------------------------------------------------- */

static void
connections_become_sessions(void **state)
{
	struct server server;
	struct drpc  *first;
	int           peers[2];

	(void)state;
	serve(&server, echo);
	peers[0] = join(&server);
	first    = session_at(server.loop, 0);
	assert_int_equal(first->ref_count, 1);
	assert_ptr_equal(first->handler, echo);
	/* One slow peer must not stop the others. */
	assert_int_equal(fcntl(first->comm->fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	peers[1] = join(&server);
	/* New ones come first. */
	assert_ptr_equal(session_at(server.loop, 1), first);
	close(peers[0]);
	close(peers[1]);
	stop(&server);
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
	serve(&server, echo);
	server.loop->listener_ctx->yield = no_yield;
	peer                             = join(&server);
	assert_ptr_equal(session_at(server.loop, 0)->yield, no_yield);
	close(peer);
	stop(&server);
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
	echo(call, resp);
}

/* Other work that a yield function does in the thread is not for the library to protect, whose else it would be. */
static void
cancelling_is_left_to_yield_functions(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	serve(&server, echo_uncancelled);
	peer = join(&server);
	send_call(peer, 1, 10);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(peer, 1, DRPC__STATUS__SUCCESS, 10);
	assert_true(is_cancelable());
	/* The session alone has one, its listener has not. */
	session_at(server.loop, 0)->handler = echo;
	session_at(server.loop, 0)->yield   = count_cancelable;
	cancelable_yields                   = 0;
	send_call(peer, 2, 10);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(peer, 2, DRPC__STATUS__SUCCESS, 10);
	assert_int_equal(cancelable_yields, 2);
	assert_true(is_cancelable());
	close(peer);
	stop(&server);
}
#endif

static void
calls_are_answered(void **state)
{
	struct server server;
	int           peer;
	int           i;

	(void)state;
	serve(&server, echo);
	peer = join(&server);
	for (i = 0; i < 50; i++) {
		send_call(peer, i, (size_t)i * 100);
		assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
		expect_reply(peer, i, DRPC__STATUS__SUCCESS, (size_t)i * 100);
		assert_int_equal(session_at(server.loop, 0)->ref_count, 1);
	}
	assert_int_equal(sessions(server.loop), 1);
	close(peer);
	stop(&server);
}

static void
calls_sent_ahead_are_answered_in_turn(void **state)
{
	struct server server;
	int           peer;
	int           i;

	(void)state;
	serve(&server, echo);
	peer = join(&server);
	for (i = 1; i <= 10; i++)
		send_call(peer, i, (size_t)i);
	settle(server.loop);
	for (i = 1; i <= 10; i++)
		expect_reply(peer, i, DRPC__STATUS__SUCCESS, (size_t)i);
	close(peer);
	stop(&server);
}

static void
many_sessions_are_served_in_one_cycle(void **state)
{
	struct server server;
	int           peers[100];
	int           i;

	(void)state;
	serve(&server, echo);
	for (i = 0; i < 100; i++)
		peers[i] = join(&server);
	for (i = 0; i < 100; i++)
		send_call(peers[i], i + 1, (size_t)i);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	for (i = 0; i < 100; i++)
		expect_reply(peers[i], i + 1, DRPC__STATUS__SUCCESS, (size_t)i);
	/* Half of them leave, in any order. */
	for (i = 0; i < 100; i += 2)
		close(peers[i]);
	settle(server.loop);
	assert_int_equal(sessions(server.loop), 50);
	for (i = 1; i < 100; i += 2)
		close(peers[i]);
	settle(server.loop);
	assert_int_equal(sessions(server.loop), 0);
	stop(&server);
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
	serve(&server, echo);
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
	settle(server.loop);
	assert_int_equal(sessions(server.loop), 0);
	stop(&server);
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
	serve(&server, fail_call);
	peer = join(&server);
	for (decision = DRPC__STATUS__SUCCESS; decision <= DRPC__STATUS__FAILED_MARSHAL; decision++) {
		send_call(peer, INT64_MAX, 0);
		assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
		expect_reply(peer, INT64_MAX, decision, 9);
	}
	close(peer);
	stop(&server);
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
	serve(&server, large_reply);
	peer = join(&server);
	assert_true(peer_send_call(peer, 2, 1, 5, NULL, 0));
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(peer, 5, DRPC__STATUS__FAILED_MARSHAL, 0);
	assert_true(peer_send_call(peer, 2, 2, 6, NULL, 0));
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(peer, 6, DRPC__STATUS__SUCCESS, 100);
	assert_int_equal(drpc_set_max_message(0), 0);
	close(peer);
	stop(&server);
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
	serve(&server, huge_reply);
	peer = join(&server);
	assert_true(peer_send_call(peer, 2, 1, 5, NULL, 0));
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(peer, 5, DRPC__STATUS__FAILED_MARSHAL, 0);
	assert_int_equal(sessions(server.loop), 1);
	assert_int_equal(drpc_set_max_message(0), 0);
	close(peer);
	stop(&server);
}

#endif

/* --- peers that leave -------------------------------------------------------------------- */

static void
a_session_ends_with_its_peer(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	serve(&server, context_no_handler);
	peer = join(&server);
	close(peer);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(sessions(server.loop), 0);
	/* Also when the peer only says that it will not speak again. */
	peer = join(&server);
	shutdown(peer, SHUT_WR);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(sessions(server.loop), 0);
	assert_true(peer_is_closed(peer));
	close(peer);
	stop(&server);
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
	serve(&server, count_call);
	peer = join(&server);
	for (i = 1; i <= 3; i++)
		send_call(peer, i, 10);
	close(peer);
	calls_seen = 0;
	settle(server.loop);
	assert_int_equal(calls_seen, 3);
	assert_int_equal(sessions(server.loop), 0);
	stop(&server);
}

static void
a_descriptor_that_is_none_drops_the_session(void **state)
{
	struct server server;
	int           peer;
	int           other;
	int           fd;

	(void)state;
	serve(&server, echo);
	peer  = join(&server);
	fd    = session_at(server.loop, 0)->comm->fd;
	other = join(&server);
	close(fd);
	send_call(other, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(sessions(server.loop), 1);
	expect_reply(other, 1, DRPC__STATUS__SUCCESS, 4);
	assert_true(peer_is_closed(peer));
	close(peer);
	close(other);
	stop(&server);
}

static void
a_listener_that_hangs_up_is_an_error(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	serve(&server, echo);
	peer = join(&server);
	shutdown(server.loop->listener_ctx->comm->fd, SHUT_RDWR);
	send_call(peer, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), ABI_CHUNKED ? -DER_MISC : -DER_UNKNOWN);
	/* The sessions are none the worse for it. */
	expect_reply(peer, 1, DRPC__STATUS__SUCCESS, 4);
	assert_int_equal(sessions(server.loop), 1);
	close(peer);
	stop(&server);
}

/* --- peers that talk nonsense ---------------------------------------------------------------- */

static void
an_unparsable_call_is_answered_and_the_session_closed(void **state)
{
	struct server server;
	int           peer;
	int           other;

	(void)state;
	serve(&server, echo);
	other = join(&server);
	peer  = join(&server);
	assert_true(peer_send_message(peer, (const uint8_t *)"\xff\xff\xff", 3));
	send_call(other, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(sessions(server.loop), 1);
	expect_reply(other, 1, DRPC__STATUS__SUCCESS, 4);
	close(peer);
	close(other);
	stop(&server);
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
	serve(&server, echo);
	other = join(&server);
	peer  = join(&server);
	fill_up(session_at(server.loop, 0));
	assert_true(peer_send_message(peer, (const uint8_t *)"\xff\xff\xff", 3));
	send_call(other, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(sessions(server.loop), 1);
	expect_reply(other, 1, DRPC__STATUS__SUCCESS, 4);
	close(peer);
	close(other);
	stop(&server);
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
	serve(&server, echo);
	assert_int_equal(drpc_set_timeout(server.loop->listener_ctx, 50), 0);
	other = join(&server);
	peer  = join(&server);
	clock_gettime(CLOCK_MONOTONIC, &start);
	/* More answers than a socket holds, and nobody reads them. */
	body = body_new(8000);
	for (i = 1; i <= 40 && peer_send_call(peer, 2, 206, i, body, 8000); i++)
		settle(server.loop);
	free(body);
	assert_true(ms_since(&start) >= 45);
	/* An answer is lost: a client of 2.8 is told by the end of the connection, an older one would misread that. */
	assert_int_equal(i > 40, !ABI_CHUNKED);
	settle(server.loop);
	assert_int_equal(sessions(server.loop), ABI_CHUNKED ? 1 : 2);
	send_call(other, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(other, 1, DRPC__STATUS__SUCCESS, 4);
	close(peer);
	close(other);
	stop(&server);
}

#if !ABI_CHUNKED

static void
a_cut_call_is_answered_and_the_session_closed(void **state)
{
	struct server server;
	int           size = 400000;
	int           peer;

	(void)state;
	serve(&server, context_no_handler);
	peer = join(&server);
	assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	send_call(peer, 3, 300000);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(sessions(server.loop), 0);
	close(peer);
	stop(&server);
}

static void
a_call_over_the_limit_is_answered_and_the_session_closed(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	assert_int_equal(drpc_set_max_message(1000), 0);
	serve(&server, context_no_handler);
	peer = join(&server);
	send_call(peer, 3, 1000);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(drpc_set_max_message(0), 0);
	expect_reply(peer, 3, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(sessions(server.loop), 0);
	close(peer);
	stop(&server);
}

static void
an_empty_record_is_an_empty_call(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	serve(&server, count_call);
	peer       = join(&server);
	calls_seen = 0;
	assert_true(peer_send_record(peer, "", 0));
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(calls_seen, 1);
	expect_reply(peer, 0, DRPC__STATUS__SUCCESS, 0);
	assert_int_equal(sessions(server.loop), 1);
	close(peer);
	stop(&server);
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
	serve(&server, echo);
	other = join(&server);
	for (i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		peer = join(&server);
		assert_true(peer_send_chunk(peer, &faults[i].header, "\0\0\0\0\0", faults[i].data));
		assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
		assert_int_equal(sessions(server.loop), 1);
		/* What may have been a datagram is answered in one, as to an older client the end would be a success. */
		peer_chunked = faults[i].in_chunks;
		expect_reply(peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
		peer_chunked = true;
		assert_true(peer_is_closed(peer));
		close(peer);
	}
	send_call(other, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(other, 1, DRPC__STATUS__SUCCESS, 4);
	close(other);
	stop(&server);
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
	serve(&server, echo);
	slow  = join(&server);
	other = join(&server);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 1; i <= 3; i++) {
		assert_true(peer_send_chunk(slow, &half_one, msg, WIRE_CHUNK_MAX));
		settle(server.loop);
		send_call(other, i, 4);
		settle(server.loop);
		expect_reply(other, i, DRPC__STATUS__SUCCESS, 4);
		assert_true(peer_is_quiet(slow));
		assert_true(peer_send_chunk(slow, &half_two, msg + WIRE_CHUNK_MAX, 5));
		settle(server.loop);
		expect_reply(slow, 3, DRPC__STATUS__SUCCESS, TWO - 10);
	}
	assert_true(ms_since(&start) < 15000);
	/* A third half, and it leaves. */
	assert_true(peer_send_chunk(slow, &half_one, msg, WIRE_CHUNK_MAX));
	settle(server.loop);
	assert_int_equal(sessions(server.loop), 2);
	close(slow);
	settle(server.loop);
	assert_int_equal(sessions(server.loop), 1);
	/* And one that is there with half a call when the loop is closed. */
	assert_true(peer_send_chunk(other, &half_one, msg, WIRE_CHUNK_MAX));
	settle(server.loop);
	free(msg);
	close(other);
	stop(&server);
}

static void
one_record_a_session_and_cycle(void **state)
{
	struct server server;
	uint8_t      *msg = two_chunks();
	int           peer;

	(void)state;
	serve(&server, echo);
	peer = join(&server);
	assert_true(peer_send_chunk(peer, &half_one, msg, WIRE_CHUNK_MAX));
	assert_true(peer_send_chunk(peer, &half_two, msg + WIRE_CHUNK_MAX, 5));
	drpc_progress(server.loop, PATIENCE_MS);
	assert_true(peer_is_quiet(peer));
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(peer, 3, DRPC__STATUS__SUCCESS, TWO - 10);
	free(msg);
	close(peer);
	stop(&server);
}

#endif

/* --- handlers that come back --------------------------------------------------------------- */

static struct server *around;
static int            inner_rc;

static void
progress_inside(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
	inner_rc = drpc_progress(around->loop, 0);
}

static void
the_loop_is_not_entered_twice(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	serve(&server, progress_inside);
	around   = &server;
	inner_rc = 0;
	peer     = join(&server);
	send_call(peer, 1, 0);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	assert_int_equal(inner_rc, -DER_BUSY);
	expect_reply(peer, 1, DRPC__STATUS__SUCCESS, 0);
	close(peer);
	stop(&server);
}

static void
progress_elsewhere(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
	inner_rc = drpc_progress(around->loop, PATIENCE_MS);
}

static void
another_loop_may_be_entered(void **state)
{
	struct server outer;
	struct server inner;
	int           peers[2];

	(void)state;
	serve(&outer, progress_elsewhere);
	serve(&inner, echo);
	around   = &inner;
	inner_rc = -1;
	peers[0] = join(&outer);
	peers[1] = join(&inner);
	send_call(peers[0], 1, 0);
	send_call(peers[1], 2, 10);
	assert_int_equal(drpc_progress(outer.loop, PATIENCE_MS), 0);
	assert_int_equal(inner_rc, 0);
	expect_reply(peers[0], 1, DRPC__STATUS__SUCCESS, 0);
	expect_reply(peers[1], 2, DRPC__STATUS__SUCCESS, 10);
	close(peers[0]);
	close(peers[1]);
	stop(&outer);
	stop(&inner);
}

static void
close_inside(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
	drpc_progress_context_close(around->loop);
}

static void
closing_from_a_handler_waits_for_the_cycle(void **state)
{
	struct server server;
	int           peers[3];
	int           i;

	(void)state;
	serve(&server, close_inside);
	around = &server;
	for (i = 0; i < 3; i++)
		peers[i] = join(&server);
	send_call(peers[1], 1, 0);
	drpc_progress(server.loop, PATIENCE_MS);
	/* The reply is out, and everything is closed; the loop is gone. */
	expect_reply(peers[1], 1, DRPC__STATUS__SUCCESS, 0);
	for (i = 0; i < 3; i++) {
		assert_true(peer_is_closed(peers[i]));
		close(peers[i]);
	}
	dir_remove(&server.dir);
}

/* --- spawned handlers ------------------------------------------------------------------------- */

struct job {
	void (*fn)(void *);
	void *arg;
};

static struct job jobs[8];
static int        job_count;

static int
keep_job(void (*fn)(void *), void *arg)
{
	jobs[job_count++] = (struct job){fn, arg};
	return 0;
}

static void
run_job(int index)
{
	jobs[index].fn(jobs[index].arg);
}

static int
refuse_job(void (*fn)(void *), void *arg)
{
	(void)fn;
	(void)arg;
	return -DER_NOMEM;
}

static int
restore_spawner(void **state)
{
	drpc_progress_set_spawner(NULL);
	return descriptors_check(state);
}

static void
spawned_handlers_run_when_they_please(void **state)
{
	struct server         server;
	struct drpc_call_ctx *given;
	int                   peer;

	(void)state;
	serve(&server, echo);
	drpc_progress_set_spawner(keep_job);
	job_count = 0;
	peer      = join(&server);
	send_call(peer, 1, 10);
	send_call(peer, 2, 20);
	settle(server.loop);
	assert_int_equal(job_count, 2);
	assert_true(peer_is_quiet(peer));
	given = jobs[0].arg;
	assert_ptr_equal(given->session, session_at(server.loop, 0));
	assert_int_equal(given->session->ref_count, 3);
	assert_int_equal(given->call->sequence, 1);
	assert_int_equal(given->call->body.len, 10);
	assert_int_equal(given->resp->sequence, 1);
	assert_int_equal(given->resp->status, DRPC__STATUS__SUCCESS);
	/* Replies go out in the order in which the handlers run. */
	run_job(1);
	expect_reply(peer, 2, DRPC__STATUS__SUCCESS, 20);
	run_job(0);
	expect_reply(peer, 1, DRPC__STATUS__SUCCESS, 10);
	assert_int_equal(session_at(server.loop, 0)->ref_count, 1);

	drpc_progress_set_spawner(NULL);
	send_call(peer, 3, 30);
	settle(server.loop);
	expect_reply(peer, 3, DRPC__STATUS__SUCCESS, 30);
	assert_int_equal(job_count, 2);
	close(peer);
	stop(&server);
}

static void
a_spawned_handler_keeps_its_session(void **state)
{
	struct server server;
	int           peers[2];

	(void)state;
	serve(&server, echo);
	drpc_progress_set_spawner(keep_job);
	job_count = 0;
	peers[0]  = join(&server);
	peers[1]  = join(&server);
	send_call(peers[0], 1, 10);
	send_call(peers[1], 2, 20);
	settle(server.loop);
	assert_int_equal(job_count, 2);
	/* One peer leaves, then the loop goes; both handlers still have what they need. */
	close(peers[0]);
	settle(server.loop);
	assert_int_equal(sessions(server.loop), 1);
	stop(&server);
	assert_true(peer_is_quiet(peers[1]));
	run_job(0);
	run_job(1);
	expect_reply(peers[1], 2, DRPC__STATUS__SUCCESS, 20);
	assert_true(peer_is_closed(peers[1]));
	close(peers[1]);
}

static void
a_spawner_that_fails_ends_the_session(void **state)
{
	struct server server;
	int           peer;
	int           other;

	(void)state;
	serve(&server, echo);
	other = join(&server);
	peer  = join(&server);
	drpc_progress_set_spawner(refuse_job);
	send_call(peer, 9, 10);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	if (!ABI_CHUNKED)
		/* Clients of the datagram dialect take an end for success. */
		expect_reply(peer, 9, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(sessions(server.loop), 1);
	drpc_progress_set_spawner(NULL);
	send_call(other, 1, 4);
	assert_int_equal(drpc_progress(server.loop, PATIENCE_MS), 0);
	expect_reply(other, 1, DRPC__STATUS__SUCCESS, 4);
	close(peer);
	close(other);
	stop(&server);
}

static void *
run_thread(void *arg)
{
	struct job job = *(struct job *)arg;

	free(arg);
	job.fn(job.arg);
	return NULL;
}

static pthread_t threads[64];
static int       thread_count;

static int
spawn_thread(void (*fn)(void *), void *arg)
{
	struct job *job = malloc(sizeof(*job));

	*job = (struct job){fn, arg};
	return pthread_create(&threads[thread_count++], NULL, run_thread, job);
}

/* The sizes differ, so that replies overtake one another; none may end up inside another. */
static void
sized_reply(Drpc__Call *call, Drpc__Response *resp)
{
	resp->body.len  = (size_t)call->method;
	resp->body.data = body_new(resp->body.len);
}

#define PIPELINED 24

static void *
loop_thread(void *arg)
{
	struct drpc_progress_context *loop = arg;

	while (thread_count < PIPELINED)
		drpc_progress(loop, 100);
	return NULL;
}

static void
replies_of_two_threads_do_not_mix(void **state)
{
	size_t               size = ABI_CHUNKED ? 150000 : 600;
	struct server        server;
	struct peer_response out;
	bool                 seen[PIPELINED + 1] = {false};
	pthread_t            loop;
	int                  peer;
	int                  i;

	(void)state;
	serve(&server, sized_reply);
	drpc_progress_set_spawner(spawn_thread);
	thread_count = 0;
	peer         = join(&server);
	for (i = 1; i <= PIPELINED; i++)
		assert_true(peer_send_call(peer, 2, (int32_t)(size * (size_t)(i % 4 + 1)), i, NULL, 0));
	assert_int_equal(pthread_create(&loop, NULL, loop_thread, server.loop), 0);
	for (i = 1; i <= PIPELINED; i++) {
		assert_true(peer_recv_response(peer, &out));
		assert_in_range(out.resp.sequence, 1, PIPELINED);
		assert_false(seen[out.resp.sequence]);
		seen[out.resp.sequence] = true;
		assert_int_equal(out.resp.len, size * (size_t)(out.resp.sequence % 4 + 1));
		assert_true(body_is(out.resp.body, out.resp.len));
		free(out.msg);
	}
	assert_int_equal(pthread_join(loop, NULL), 0);
	for (i = 0; i < PIPELINED; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	close(peer);
	stop(&server);
}

#define spawning(test) cmocka_unit_test_setup_teardown(test, descriptors_note, restore_spawner)

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
	    unit(a_session_ends_with_its_peer),
	    unit(calls_of_a_peer_that_left_are_served),
	    unit(a_descriptor_that_is_none_drops_the_session),
	    unit(a_listener_that_hangs_up_is_an_error),
	    unit(an_unparsable_call_is_answered_and_the_session_closed),
	    unit(an_answer_that_finds_no_room_delays_nobody),
	    unit(a_reply_waits_no_longer_than_the_listener_allows),
#if !ABI_CHUNKED
	    unit(a_cut_call_is_answered_and_the_session_closed),
	    unit(a_call_over_the_limit_is_answered_and_the_session_closed),
	    unit(an_empty_record_is_an_empty_call),
#else
	    unit(header_faults_end_the_session),
	    unit(half_a_call_does_not_stop_the_others),
	    unit(one_record_a_session_and_cycle),
#endif
	    unit(the_loop_is_not_entered_twice),
	    unit(another_loop_may_be_entered),
	    unit(closing_from_a_handler_waits_for_the_cycle),
	    spawning(spawned_handlers_run_when_they_please),
	    spawning(a_spawned_handler_keeps_its_session),
	    spawning(a_spawner_that_fails_ends_the_session),
	    spawning(replies_of_two_threads_do_not_mix),
	};

	return cmocka_run_group_tests_name("progress " ABI_NAME, tests, NULL, NULL);
}
