/* The server's half of the plain API: listeners, sessions, calls and responses. */
#include "abi.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/peer.h"

/* --- listening ---------------------------------------------------------------- */

static void
listen_fails(const char *path, drpc_handler_t handler, int error)
{
	errno = 0;
	assert_null(abi_listen(path, handler));
	assert_int_equal(errno, error);
	assert_string_not_equal(drpc_last_error(), "");
}

static void
listen_refuses_null(void **state)
{
	struct dir dir;

	(void)state;
	dir_make(&dir);
	listen_fails(NULL, context_no_handler, EINVAL);
	listen_fails(dir.sock, NULL, EINVAL);
	listen_fails(NULL, NULL, EINVAL);
	assert_int_not_equal(access(dir.sock, F_OK), 0);
	dir_remove(&dir);
}

static void
listen_refuses_bad_paths(void **state)
{
	char path[256];

	(void)state;
	listen_fails("", context_no_handler, EINVAL);
	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	listen_fails(path, context_no_handler, ENAMETOOLONG);
	path[108] = 'x';
	path[255] = '\0';
	listen_fails(path, context_no_handler, ENAMETOOLONG);
}

static void
listen_makes_a_listener(void **state)
{
	struct dir   dir;
	struct drpc *ctx;
	struct stat  st;

	(void)state;
	dir_make(&dir);
	ctx = abi_listen(dir.sock, context_no_handler);
	assert_non_null(ctx);
	assert_true(drpc_is_valid_listener(ctx));
	assert_int_equal(ctx->comm->flags, O_NONBLOCK);
	assert_int_equal(ctx->sequence, 0);
	assert_int_equal(ctx->ref_count, 1);
	assert_ptr_equal(ctx->handler, context_no_handler);
#ifdef DRPC_ABI_28
	assert_null(ctx->yield);
#endif
	assert_int_equal(fcntl(ctx->comm->fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(ctx->comm->fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(stat(dir.sock, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));

	/* The name is taken while it listens, and the file stays afterwards. */
	listen_fails(dir.sock, context_no_handler, EADDRINUSE);
	assert_non_null(strstr(drpc_last_error(), dir.sock));
	assert_int_equal(drpc_close(ctx), 0);
	assert_int_equal(stat(dir.sock, &st), 0);
	listen_fails(dir.sock, context_no_handler, EADDRINUSE);
	dir_remove(&dir);
	listen_fails(dir.sock, context_no_handler, ENOENT);
}

static void
listen_takes_the_longest_path(void **state)
{
	struct dir   dir;
	char         path[128];
	struct drpc *ctx;
	struct stat  st;
	size_t       len;

	(void)state;
	dir_make(&dir);
	len = (size_t)snprintf(path, sizeof(path), "%s/@", dir.path);
	memset(path + len, 'x', 107 - len);
	path[107] = '\0';
	ctx       = abi_listen(path, context_no_handler);
	assert_non_null(ctx);
	assert_int_equal(stat(path, &st), 0);
	close(peer_connect(path));
	assert_int_equal(drpc_close(ctx), 0);
	dir_remove(&dir);
}

/* Mode of the socket file that drpc_listen makes under this umask. */
static mode_t
mode_under(mode_t mask)
{
	mode_t       before = umask(mask);
	struct dir   dir;
	struct drpc *ctx;
	struct stat  st;

	dir_make(&dir);
	ctx = abi_listen(dir.sock, context_no_handler);
	assert_non_null(ctx);
	assert_int_equal(stat(dir.sock, &st), 0);
	assert_int_equal(drpc_close(ctx), 0);
	dir_remove(&dir);
	umask(before);
	return st.st_mode & 07777;
}

static void
the_socket_file_has_the_mode_of_the_release(void **state)
{
	(void)state;
#ifdef DRPC_ABI_08
	assert_int_equal(mode_under(0), 0777);
	assert_int_equal(mode_under(022), 0755);
	assert_int_equal(mode_under(077), 0700);
#else
	assert_int_equal(mode_under(0), 0600);
	assert_int_equal(mode_under(022), 0600);
	assert_int_equal(mode_under(077), 0600);
#endif
}

static void
the_socket_file_has_the_mode_chosen(void **state)
{
	(void)state;
	assert_int_equal(drpc_set_socket_mode(0660), 0);
	assert_int_equal(mode_under(0), 0660);
	assert_int_equal(drpc_set_socket_mode(0777), 0);
	assert_int_equal(mode_under(0), 0777);
	assert_int_equal(drpc_set_socket_mode(0), 0);
	assert_int_equal(mode_under(0), 0);
	/* The umask takes nothing away from it. */
	assert_int_equal(drpc_set_socket_mode(0666), 0);
	assert_int_equal(mode_under(077), 0666);
	assert_int_equal(drpc_set_socket_mode(0600), 0);
	assert_int_equal(mode_under(022), 0600);
	/* What is no mode changes nothing. */
	assert_int_equal(drpc_set_socket_mode(01000), -DER_INVAL);
	assert_int_equal(drpc_set_socket_mode(04755), -DER_INVAL);
	assert_int_equal(mode_under(0), 0600);
	assert_int_equal(drpc_set_socket_mode((mode_t)-1), 0);
	the_socket_file_has_the_mode_of_the_release(state);
}

static void
is_valid_listener_looks_at_three_pointers(void **state)
{
	struct unixcomm comm = {.fd = -1};
	struct drpc     ctx  = {.comm = &comm, .handler = context_no_handler};

	(void)state;
	assert_true(drpc_is_valid_listener(&ctx));
	assert_false(drpc_is_valid_listener(NULL));
	ctx.comm = NULL;
	assert_false(drpc_is_valid_listener(&ctx));
	ctx.comm    = &comm;
	ctx.handler = NULL;
	assert_false(drpc_is_valid_listener(&ctx));
}

/* --- accepting ------------------------------------------------------------------ */

static void
accept_gives_a_session(void **state)
{
	struct dir   dir;
	struct drpc *listener;
	struct drpc *session;
	int          peer;

	(void)state;
	dir_make(&dir);
	listener = abi_listen(dir.sock, context_no_handler);
	assert_non_null(listener);
	peer = peer_connect(dir.sock);
	assert_int_equal(abi_accept(listener, &session), 0);
	assert_true(drpc_is_valid_listener(session));
	assert_ptr_not_equal(session->comm, listener->comm);
	assert_int_equal(session->comm->flags, 0);
	assert_int_equal(session->sequence, 0);
	assert_int_equal(session->ref_count, 1);
	assert_ptr_equal(session->handler, context_no_handler);
	assert_int_equal(fcntl(session->comm->fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(session->comm->fd, F_GETFD), FD_CLOEXEC);
#ifdef DRPC_ABI_28
	assert_null(session->yield);
#endif
	context_free_parts(session);
	assert_true(peer_is_closed(peer));
	close(peer);
	assert_int_equal(drpc_close(listener), 0);
	dir_remove(&dir);
}

static void
accept_with_nobody_there(void **state)
{
	struct dir   dir;
	struct drpc *listener;
	struct drpc *session;

	(void)state;
	dir_make(&dir);
	listener = abi_listen(dir.sock, context_no_handler);
	errno    = 0;
	assert_int_equal(abi_accept(listener, &session), abi_failed(DER_AGAIN));
#ifdef DRPC_ABI_08
	assert_int_equal(errno, EAGAIN);
#endif
	assert_int_equal(drpc_close(listener), 0);
	dir_remove(&dir);
}

static void
accept_refuses_what_does_not_listen(void **state)
{
	struct unixcomm comm    = {.fd = -1};
	struct drpc     ctx     = {.comm = &comm, .ref_count = 1};
	struct drpc    *session = NULL;

	(void)state;
	assert_int_equal(abi_accept(NULL, &session), abi_failed(DER_INVAL));
	assert_int_equal(abi_accept(&ctx, &session), abi_failed(DER_INVAL));
	ctx.handler = context_no_handler;
	assert_int_equal(abi_accept(&ctx, &session), abi_failed(DER_NO_HDL));
	ctx.comm = NULL;
	assert_int_equal(abi_accept(&ctx, &session), abi_failed(DER_INVAL));
	assert_null(session);
#ifdef DRPC_ABI_28
	assert_int_equal(drpc_accept(NULL, NULL), -DER_INVAL);
	assert_int_equal(drpc_accept(&ctx, NULL), -DER_INVAL);
#endif
}

#ifdef DRPC_ABI_28
static void
accept_without_a_place_for_the_session(void **state)
{
	struct dir   dir;
	struct drpc *listener;
	int          peer;

	(void)state;
	dir_make(&dir);
	listener = abi_listen(dir.sock, context_no_handler);
	assert_int_equal(drpc_accept(listener, NULL), -DER_AGAIN);
	peer = peer_connect(dir.sock);
	assert_int_equal(drpc_accept(listener, NULL), -DER_INVAL);
	assert_true(peer_is_closed(peer));
	close(peer);
	assert_int_equal(drpc_close(listener), 0);
	dir_remove(&dir);
}

static int
no_yield(void)
{
	return 0;
}

static void
a_session_inherits_yield(void **state)
{
	struct dir   dir;
	struct drpc *listener;
	struct drpc *session;
	int          peer;

	(void)state;
	dir_make(&dir);
	listener        = abi_listen(dir.sock, context_no_handler);
	listener->yield = no_yield;
	peer            = peer_connect(dir.sock);
	assert_int_equal(drpc_accept(listener, &session), 0);
	assert_ptr_equal(session->yield, no_yield);
	assert_int_equal(drpc_close(session), 0);
	assert_int_equal(drpc_close(listener), 0);
	close(peer);
	dir_remove(&dir);
}
#endif

/* --- receiving ------------------------------------------------------------------------ */

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

/* --- responding ------------------------------------------------------------------- */

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
	    unit(listen_refuses_null),
	    unit(listen_refuses_bad_paths),
	    unit(listen_makes_a_listener),
	    unit(listen_takes_the_longest_path),
	    unit(the_socket_file_has_the_mode_of_the_release),
	    unit(the_socket_file_has_the_mode_chosen),
	    unit(is_valid_listener_looks_at_three_pointers),
	    unit(accept_gives_a_session),
	    unit(accept_with_nobody_there),
	    unit(accept_refuses_what_does_not_listen),
#ifdef DRPC_ABI_28
	    unit(accept_without_a_place_for_the_session),
	    unit(a_session_inherits_yield),
#endif
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
	    unit(send_response_sends_exactly_these_bytes),
	    unit(an_empty_response_is_sent),
	    unit(send_response_takes_any_fields),
	    unit(send_response_refuses_null),
	    unit(send_response_to_a_peer_that_is_gone),
	    unit(too_large_a_response_is_replaced),
	    unit(responses_of_two_threads_do_not_mix),
#ifdef DRPC_ABI_28
	    unit(responses_of_two_yielding_threads_do_not_mix),
	    unit(receiving_within_receiving_is_refused),
#endif
	};

	return cmocka_run_group_tests_name("server " ABI_NAME, tests, NULL, NULL);
}
