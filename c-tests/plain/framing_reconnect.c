/*
 * The connection that a client makes anew once its server has rejected the
 * first call, and the framing that it remembers of a server.
 */
#include "abi.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/framing_server.h"
#include "support/patience.h"
#include "support/peer.h"

/* --- an answer that does not come in time ----------------------------------------------------- */

/* A connection whose first call, of len bytes, has given rc without an answer. */
struct unanswered {
	struct dir   dir;
	struct drpc *ctx;
	int          listener;
	int          peer;
};

static void
leave_unanswered(struct unanswered *left, int flags, size_t len, int rc)
{
	struct wire_call call;
	uint8_t         *msg;
	size_t           got;
	bool             chunked;

	dir_make(&left->dir);
	left->listener = peer_listen(left->dir.sock);
	left->ctx      = client_of(left->dir.sock);
	left->peer     = accept(left->listener, NULL, NULL);
	assert_int_equal(fcntl(left->ctx->comm->fd, F_SETFL, flags), 0);
	assert_int_equal(drpc_set_timeout(left->ctx, 30), 0);
	call_fails(left->ctx, len, rc);
	/* Nothing but the one record goes out before its answer is there. */
	call_fails(left->ctx, len, rc);
	msg = hear(left->peer, &got, &chunked);
	assert_non_null(msg);
	assert_true(chunked);
	if (len > WIRE_CHUNK_MAX) {
		assert_int_equal(got, 7);
		assert_memory_equal(msg, PROBE_BYTES, 7);
	} else {
		assert_true(wire_read_call(msg, got, &call));
		assert_int_equal(call.sequence, 1);
	}
	free(msg);
	assert_true(peer_is_quiet(left->peer));
	assert_int_equal(drpc_set_timeout(left->ctx, 0), 0);
}

static void
leave(struct unanswered *left)
{
	assert_int_equal(drpc_close(left->ctx), 0);
	dir_remove(&left->dir);
}

static const struct {
	int flags;
	int rc;
} waits[] = {{0, -DER_TIMEDOUT}, {O_NONBLOCK, -DER_AGAIN}};

static void
a_late_rejection_is_heard_first(void **state)
{
	struct unanswered left;
	struct server     server;
	size_t            i;

	(void)state;
	for (i = 0; i < 4; i++) {
		leave_unanswered(&left, waits[i / 2].flags, i % 2 == 0 ? 10 : 140000, waits[i / 2].rc);
		assert_true(peer_send_record(left.peer, NO_CALL, 13));
		close(left.peer);
		if (waits[i / 2].flags == O_NONBLOCK) {
			/* The call goes out over the new connection, which does not wait either. */
			call_fails(left.ctx, 10, -DER_AGAIN);
			assert_int_equal(fcntl(left.ctx->comm->fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
			assert_int_equal(fcntl(left.ctx->comm->fd, F_SETFL, 0), 0);
		}
		server_start(&server, left.listener, C);
		call_works(left.ctx, R_SYNC, 20);
		leave(&left);
		server_stop(&server);
		assert_int_equal(server.rejected, 0);
		assert_int_equal(server.executed, 1 + (waits[i / 2].flags == O_NONBLOCK));
	}
}

/* The reply to a call that nobody waits for any more, in two records. */
static void
send_half_a_reply(int peer, bool second)
{
	static const struct wire_header halves[] = {{WIRE_CHUNK_MAX + 5, WIRE_CHUNK_MAX, 0, 2}, {WIRE_CHUNK_MAX + 5, 5, 1, 2}};
	/* Its body has three bytes of length. */
	uint8_t *data = calloc(1, WIRE_CHUNK_MAX);

	if (data == NULL)
		abort();
	if (!second)
		memcpy(data, "\x08\x01\x1a\xe7\xff\x07", 6);
	assert_true(peer_send_chunk(peer, &halves[second], data, halves[second].size));
	free(data);
}

static void
a_late_reply_is_heard_first(void **state)
{
	struct unanswered left;
	struct server     server = {.manner = NEW_C};
	uint8_t          *msg;
	size_t            len;
	size_t            i;
	bool              chunked;
	Drpc__Response   *resp;

	(void)state;
	for (i = 0; i < 2; i++) {
		leave_unanswered(&left, waits[i].flags, 10, waits[i].rc);
		assert_int_equal(fcntl(left.ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
		/* Half of it tells what the server speaks, so that the next call is out. */
		send_half_a_reply(left.peer, false);
		call_fails(left.ctx, 20, -DER_AGAIN);
		msg = hear(left.peer, &len, &chunked);
		assert_non_null(msg);
		assert_true(chunked);
		send_half_a_reply(left.peer, true);
		assert_true(execute(&server, left.peer, msg, len, true));
		assert_int_equal(server.last, 3);
		free(msg);
		/* Neither is taken for the reply to a later call. */
		call_fails(left.ctx, 20, -DER_AGAIN);
		assert_int_equal(fcntl(left.ctx->comm->fd, F_SETFL, 0), 0);
		assert_true(say(left.peer, (const uint8_t *)"\x08\x05\x1a\x03yes", 7, true));
		assert_int_equal(try_call(left.ctx, R_SYNC, 30, &resp), 0);
		assert_int_equal(resp->sequence, 5);
		drpc_response_free(resp);
		close(left.peer);
		close(left.listener);
		leave(&left);
	}
}

/* --- the new connection -------------------------------------------------------------------------- */

static void
the_new_connection_is_like_the_old_one(void **state)
{
	static const struct timeval times[] = {{1, 500000}, {2, 0}};
	struct server               server;
	struct drpc                *ctx;
	struct dir                  dir;
	struct timeval              time;
	socklen_t                   len;
	size_t                      i;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), GO);
	for (i = 0; i < 2; i++) {
		ctx = client_of(dir.sock);
		assert_int_equal(fcntl(ctx->comm->fd, F_SETFD, i == 0 ? FD_CLOEXEC : 0), 0);
		assert_int_equal(setsockopt(ctx->comm->fd, SOL_SOCKET, SO_RCVTIMEO, &times[i], sizeof(*times)), 0);
		assert_int_equal(setsockopt(ctx->comm->fd, SOL_SOCKET, SO_SNDTIMEO, &times[!i], sizeof(*times)), 0);
		call_works(ctx, R_SYNC, 10);
		assert_int_equal(fcntl(ctx->comm->fd, F_GETFD), i == 0 ? FD_CLOEXEC : 0);
		assert_int_equal(fcntl(ctx->comm->fd, F_GETFL) & O_NONBLOCK, 0);
		len = sizeof(time);
		assert_int_equal(getsockopt(ctx->comm->fd, SOL_SOCKET, SO_RCVTIMEO, &time, &len), 0);
		assert_int_equal(time.tv_sec, times[i].tv_sec);
		assert_int_equal(getsockopt(ctx->comm->fd, SOL_SOCKET, SO_SNDTIMEO, &time, &len), 0);
		assert_int_equal(time.tv_sec, times[!i].tv_sec);
		assert_int_equal(drpc_close(ctx), 0);
		/* So that the next one is not told. */
		server_stop(&server);
		dir_remove(&dir);
		dir_make(&dir);
		server_start(&server, peer_listen(dir.sock), GO);
	}
	server_stop(&server);
	dir_remove(&dir);
}

static void
contexts_made_by_hand_find_their_server(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), C);
	ctx = context_by_hand(peer_connect(dir.sock), NULL);
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
	call_works(ctx, R_SYNC, 10);
	context_free_parts(ctx);
	server_stop(&server);
	assert_int_equal(server.executed, 1);
	dir_remove(&dir);
}

/* A rejected call on a connection that cannot be replaced: rc, with this text. */
static void
call_is_rejected(struct drpc *ctx, int peer, int rc, const char *text)
{
	char record[64];

	assert_true(peer_send_record(peer, NO_CALL, 13));
	call_fails(ctx, 10, rc);
	assert_non_null(strstr(drpc_last_error(), text));
	assert_int_equal(peer_recv_record(peer, record, sizeof(record)), TRIAL_OF_10);
	assert_true(peer_is_quiet(peer));
}

/* The first call goes out as those of the release do, byte by byte, and no question before it. */
static void
nothing_is_asked(struct drpc *ctx, int peer)
{
	static const char call[] = "\x08\x02\x10\xce\x01\x18\x01\x22\x0a";
	Drpc__Response   *resp   = NULL;
	uint8_t           record[64];
	size_t            header = ABI_CHUNKED ? WIRE_HEADER : 0;

	assert_true(peer_send_response(peer, 1, DRPC__STATUS__SUCCESS, NULL, 0));
	assert_int_equal(try_call(ctx, R_SYNC, 10, &resp), 0);
	drpc_response_free(resp);
	assert_int_equal(peer_recv_record(peer, record, sizeof(record)), header + 19);
	assert_memory_equal(record + header, call, 9);
	assert_true(body_is(record + header + 9, 10));
	/* Nor is one without R_SYNC kept. */
	assert_int_equal(try_call(ctx, 0, 10, &resp), 0);
	drpc_response_free(resp);
	assert_int_equal(peer_recv_record(peer, record, sizeof(record)), header + 19);
	assert_int_equal(drpc_close(ctx), 0);
	assert_true(peer_is_closed(peer));
	close(peer);
}

/* A server that cannot be connected to again is not asked: its answer would be of no use. */
static void
a_server_without_a_path_is_not_asked(void **state)
{
	char         here[256];
	struct drpc *ctx;
	struct dir   dir;
	int          listener;
	int          peer;
	int          fds[2];
	int          tells;

	(void)state;
	for (tells = 0; tells < 2; tells++) {
		peer_pair(fds);
		ctx = context_by_hand(fds[0], NULL);
		if (tells)
			assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
		nothing_is_asked(ctx, fds[1]);
	}

	/* Bound to a name that means something only where the server has bound it. */
	dir_make(&dir);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(dir.path), 0);
	listener = peer_listen("drpc.sock");
	ctx      = context_by_hand(peer_connect("drpc.sock"), NULL);
	peer     = accept(listener, NULL, NULL);
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
	nothing_is_asked(ctx, peer);
	assert_int_equal(chdir(here), 0);
	close(listener);
	dir_remove(&dir);
}

static void
a_server_that_has_been_moved_is_found_where_it_was_met(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;
	char          moved[128];
	int           listener;

	(void)state;
	dir_make(&dir);
	snprintf(moved, sizeof(moved), "%s/moved", dir.path);
	listener = peer_listen(dir.sock);
	assert_int_equal(rename(dir.sock, moved), 0);
	server_start(&server, listener, GO);
	ctx = client_of(moved);
	call_works(ctx, R_SYNC, 10);
	assert_int_equal(drpc_close(ctx), 0);
	/* Where it has bound its name there is nothing. */
	ctx = context_by_hand(peer_connect(moved), NULL);
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
	call_fails(ctx, 10, -DER_NONEXIST);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.executed, 1);
	dir_remove(&dir);
}

static void
another_server_does_not_get_the_call(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;
	char          other[128];
	int           listeners[2];
	int           peer;
	int           fds[2];

	(void)state;
	dir_make(&dir);
	snprintf(other, sizeof(other), "%s/other", dir.path);
	listeners[0] = peer_listen(dir.sock);
	ctx          = client_of(dir.sock);
	peer         = accept(listeners[0], NULL, NULL);
	listeners[1] = peer_listen(other);
	assert_int_equal(rename(other, dir.sock), 0);
	server_start(&server, listeners[1], GO);
	call_is_rejected(ctx, peer, -DER_PROTO, "another one");
	assert_int_equal(drpc_close(ctx), 0);
	close(peer);
	close(listeners[0]);

	/* The same where a context has got another socket since it was connected. */
	ctx = client_of(dir.sock);
	peer_pair(fds);
	assert_int_equal(dup2(fds[0], ctx->comm->fd), ctx->comm->fd);
	close(fds[0]);
	call_is_rejected(ctx, fds[1], -DER_PROTO, "another one");
	assert_int_equal(drpc_close(ctx), 0);
	close(fds[1]);
	server_stop(&server);
	assert_int_equal(server.executed, 0);
	assert_int_equal(server.rejected, 0);
	dir_remove(&dir);
}

/* A relative path is meant in the directory of drpc_connect. The server's own is no help: it is relative, too. */
static void
a_client_that_has_moved_connects_again(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;
	int           before;

	(void)state;
	dir_make(&dir);
	before = open(".", O_RDONLY | O_DIRECTORY);
	assert_true(before >= 0);
	assert_int_equal(chdir(dir.path), 0);
	server_start(&server, peer_listen("drpc.sock"), GO);
	ctx = client_of("drpc.sock");
	assert_int_equal(chdir("/"), 0);
	call_works(ctx, R_SYNC, 10);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.rejected, 1);
	assert_int_equal(server.executed, 1);
	assert_int_equal(fchdir(before), 0);
	close(before);
	dir_remove(&dir);
}

static void
a_server_that_has_gone_is_told(void **state)
{
	struct drpc *ctx;
	struct dir   dir;
	int          listener;
	int          peer;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	ctx      = client_of(dir.sock);
	peer     = accept(listener, NULL, NULL);
	close(listener);
	call_is_rejected(ctx, peer, -DER_MISC, "no server listens on the socket");
	assert_int_equal(drpc_close(ctx), 0);
	close(peer);
	dir_remove(&dir);
}

/* --- what is remembered ---------------------------------------------------------------------------- */

static void
call_once(const char *path, size_t len)
{
	struct drpc *ctx = client_of(path);

	call_works(ctx, R_SYNC, len);
	assert_int_equal(drpc_close(ctx), 0);
}

static void
the_next_connection_knows(void **state)
{
	struct server server;
	struct dir    dir;
	int           chunked;

	(void)state;
	assert_int_equal(drpc_set_max_datagram(LARGE), 0);
	for (chunked = 0; chunked <= 1; chunked++) {
		dir_make(&dir);
		server_start(&server, peer_listen(dir.sock), chunked ? NEW_C : C);
		call_once(dir.sock, 140000);
		call_once(dir.sock, 140000);
		call_once(dir.sock, 10);
		server_stop(&server);
		assert_int_equal(server.executed, 3);
		assert_int_equal(server.probes + server.rejected, 1);
		assert_int_equal(server.connections, 4);
		dir_remove(&dir);
	}
	assert_int_equal(drpc_set_max_datagram(0), 0);
}

static void
an_error_makes_it_forget(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), NEW_C);
	call_once(dir.sock, 140000);
	ctx = client_of(dir.sock);
	__atomic_store_n(&server.manner, CLOSING, __ATOMIC_RELEASE);
	call_fails(ctx, 140000, -DER_NOREPLY);
	assert_int_equal(drpc_close(ctx), 0);
	__atomic_store_n(&server.manner, NEW_C, __ATOMIC_RELEASE);
	call_once(dir.sock, 140000);
	server_stop(&server);
	assert_int_equal(server.probes, 2);
	assert_int_equal(server.executed, 2);
	dir_remove(&dir);
}

/* Where a context has been connected to is kept for 256 of them; for others the server's own name has to do. */
static void
many_contexts_may_wait_for_their_first_call(void **state)
{
	struct drpc    *contexts[300];
	int             peers[300];
	int             found = 0;
	struct dir      dir;
	char            moved[128];
	Drpc__Response *resp;
	int             listener;
	size_t          i;

	(void)state;
	dir_make(&dir);
	snprintf(moved, sizeof(moved), "%s/moved", dir.path);
	listener = peer_listen(dir.sock);
	assert_int_equal(rename(dir.sock, moved), 0);
	for (i = 0; i < 300; i++) {
		contexts[i] = client_of(moved);
		peers[i]    = accept(listener, NULL, NULL);
		assert_true(peer_send_record(peers[i], NO_CALL, 13));
		assert_int_equal(fcntl(contexts[i]->comm->fd, F_SETFL, O_NONBLOCK), 0);
	}
	for (i = 0; i < 300; i++) {
		int rc = try_call(contexts[i], R_SYNC, 10, &resp);

		/* Nobody answers on the new connection. */
		assert_int_equal(rc, peer_is_quiet(listener) ? -DER_NONEXIST : -DER_AGAIN);
		if (rc == -DER_AGAIN) {
			close(accept(listener, NULL, NULL));
			/* Fails, so that the others are not told. */
			call_fails(contexts[i], 10, -DER_MISC);
			found++;
		}
		assert_int_equal(drpc_close(contexts[i]), 0);
		close(peers[i]);
	}
	assert_int_equal(found, 256);
	close(listener);
	dir_remove(&dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(a_late_rejection_is_heard_first),
	    unit(a_late_reply_is_heard_first),
	    unit(the_new_connection_is_like_the_old_one),
	    unit(contexts_made_by_hand_find_their_server),
	    unit(a_server_without_a_path_is_not_asked),
	    unit(a_server_that_has_been_moved_is_found_where_it_was_met),
	    unit(another_server_does_not_get_the_call),
	    unit(a_client_that_has_moved_connects_again),
	    unit(a_server_that_has_gone_is_told),
	    unit(the_next_connection_knows),
	    unit(an_error_makes_it_forget),
	    unit(many_contexts_may_wait_for_their_first_call),
	};

	return cmocka_run_group_tests_name("framing reconnect " ABI_NAME, tests, NULL, NULL);
}
