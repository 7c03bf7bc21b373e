/*
 * How a client finds out what its server speaks: what is sent first, what each
 * answer makes of it, and that no call is executed twice or as another. The
 * servers are made of plain system calls.
 */
#include "abi.h"

#include <fcntl.h>
#include <pthread.h>
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
#include "support/peer.h"

/* How servers that read datagrams say that a chunk is no call. */
#define NO_CALL   "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05"
#define NO_MODULE "\x10\x03"

/* How a server takes what it hears. */
enum manner {
	GO,        /* datagrams; rejects a chunk and stays */
	C,         /* datagrams; rejects a chunk and closes */
	OLD_C,     /* datagrams; takes a chunk for a call of nothing and closes */
	CREDULOUS, /* datagrams; takes a chunk for a call, and executes it */
	CLOSING,   /* closes without an answer */
	NEW,       /* chunks */
};

struct server {
	enum manner manner;
	int         listener;
	int         connections;
	int         probes;   /* calls of no module */
	int         rejected; /* chunks that were no call */
	int         executed;
	int64_t     last; /* sequence of the call executed last */
	pthread_t   thread;
};

#define LARGE 300000

/* A message of one record or more, as its first record says. */
static uint8_t *
hear(int fd, size_t *len, bool *chunked)
{
	uint8_t           *msg = malloc(2 * LARGE);
	uint8_t           *record = malloc(2 * LARGE);
	struct wire_header header;
	ssize_t            n = recv(fd, record, 2 * LARGE, 0);

	if (msg == NULL || record == NULL)
		abort();
	*len     = 0;
	*chunked = false;
	if (n >= WIRE_HEADER) {
		wire_get_header(record, &header);
		*chunked = header.index == 0 && header.chunks == wire_chunks(header.total) &&
			   (uint64_t)n == WIRE_HEADER + header.size;
	}
	for (; *chunked && n > WIRE_HEADER; n = recv(fd, record, 2 * LARGE, 0)) {
		memcpy(msg + *len, record + WIRE_HEADER, (size_t)n - WIRE_HEADER);
		*len += (size_t)n - WIRE_HEADER;
		if (*len == header.total)
			break;
	}
	if (!*chunked && n > 0) {
		memcpy(msg, record, (size_t)n);
		*len = (size_t)n;
	}
	free(record);
	if (n <= 0) {
		free(msg);
		return NULL;
	}
	return msg;
}

static bool
say(int fd, const uint8_t *msg, size_t len, bool chunked)
{
	struct wire_header header = {.total = len, .chunks = wire_chunks(len)};
	size_t             done   = 0;

	if (!chunked)
		return peer_send_record(fd, msg, len);
	for (; header.index < header.chunks; header.index++) {
		header.size = len - done < WIRE_CHUNK_MAX ? len - done : WIRE_CHUNK_MAX;
		if (!peer_send_chunk(fd, &header, msg + done, header.size))
			return false;
		done += header.size;
	}
	return true;
}

/* Executes a call: the answer has its body. One of no module is a probe. */
static bool
execute(struct server *server, int fd, const uint8_t *msg, size_t len, bool chunked)
{
	struct wire_response resp = {.status = DRPC__STATUS__SUCCESS};
	struct wire_call     call;
	uint8_t             *packed;
	bool                 said;

	if (!wire_read_call(msg, len, &call))
		return false;
	resp.sequence = call.sequence;
	if (call.module == INT32_MAX) {
		server->probes++;
		resp.status = DRPC__STATUS__UNKNOWN_MODULE;
	} else {
		server->executed++;
		server->last = call.sequence;
		resp.body    = call.body;
		resp.len     = call.len;
	}
	packed = wire_pack_response(&resp, &len);
	said   = say(fd, packed, len, chunked);
	free(packed);
	return said;
}

/* Answers one message; false when the connection is over. */
static bool
answer(struct server *server, int fd, const uint8_t *msg, size_t len, bool chunked)
{
	enum manner manner = __atomic_load_n(&server->manner, __ATOMIC_ACQUIRE);

	switch (manner) {
	case CLOSING:
		return false;
	case NEW:
		return chunked && execute(server, fd, msg, len, true);
	case CREDULOUS:
		return execute(server, fd, msg, len, false);
	default:
		if (!chunked)
			return execute(server, fd, msg, len, false);
		server->rejected++;
		if (manner == OLD_C)
			peer_send_record(fd, NO_MODULE, 2);
		else
			peer_send_record(fd, NO_CALL, 13);
		return manner == GO;
	}
}

static void *
serve(void *arg)
{
	struct server *server = arg;
	uint8_t       *msg;
	size_t         len;
	bool           chunked;
	bool           goes_on;
	int            fd;

	while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
		server->connections++;
		do {
			msg     = hear(fd, &len, &chunked);
			goes_on = msg != NULL && answer(server, fd, msg, len, chunked);
			free(msg);
		} while (goes_on);
		close(fd);
	}
	return NULL;
}

static void
server_start(struct server *server, int listener, enum manner manner)
{
	*server = (struct server){.manner = manner, .listener = listener};
	if (pthread_create(&server->thread, NULL, serve, server) != 0)
		abort();
}

/* Once its connections are closed. Then its figures may be looked at. */
static void
server_stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
}

/* A context connected to path that is to find out what its server speaks. */
static struct drpc *
client_of(const char *path)
{
	struct drpc *ctx;

	assert_int_equal(abi_connect(path, &ctx), 0);
#ifdef DRPC_ABI_08
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
#endif
	return ctx;
}

static int
try_call(struct drpc *ctx, int flags, size_t len, Drpc__Response **resp)
{
	Drpc__Call call = DRPC__CALL__INIT;
	int        rc;

	call.module    = 2;
	call.method    = 206;
	call.body.data = body_new(len);
	call.body.len  = len;
	*resp          = NULL;
	rc             = drpc_call(ctx, flags, &call, resp);
	free(call.body.data);
	return rc;
}

/* A call that gives its own reply; without R_SYNC none. */
static void
call_works(struct drpc *ctx, int flags, size_t len)
{
	int             sequence = ctx->sequence == 0 ? 1 : ctx->sequence;
	Drpc__Response *resp;

	assert_int_equal(try_call(ctx, flags, len, &resp), 0);
	assert_int_equal(resp->sequence, sequence);
	if (flags & R_SYNC) {
		assert_int_equal((int)resp->status, DRPC__STATUS__SUCCESS);
		assert_int_equal(resp->body.len, len);
		assert_true(len == 0 || body_is(resp->body.data, len));
	} else {
		assert_int_equal((int)resp->status, DRPC__STATUS__SUBMITTED);
	}
	drpc_response_free(resp);
}

static void
call_fails(struct drpc *ctx, size_t len, int rc)
{
	Drpc__Response *resp;

	assert_int_equal(try_call(ctx, R_SYNC, len, &resp), rc);
	assert_null(resp);
	assert_string_not_equal(drpc_last_error(), "");
}

/* --- the first call ------------------------------------------------------------------------- */

static const struct first {
	int    flags;
	size_t len;
	bool   probed;
} firsts[] = {
    {R_SYNC, 0, false},
    {R_SYNC, 100, false},
    /* The largest record that is tried, and the one after it. */
    {R_SYNC, 221, false},
    {R_SYNC, 222, true},
    {R_SYNC, 8000, true},
    {0, 0, true},
};

#define FIRSTS (sizeof(firsts) / sizeof(*firsts))

static void
an_old_server_gets_the_call_again(void **state)
{
	static const enum manner manners[] = {GO, C, OLD_C};
	struct server            server;
	struct drpc             *ctx;
	struct dir               dir;
	size_t                   i;
	int                      fd;

	(void)state;
	for (i = 0; i < 3 * FIRSTS; i++) {
		const struct first *first = &firsts[i / 3];

		dir_make(&dir);
		server_start(&server, peer_listen(dir.sock), manners[i % 3]);
		ctx = client_of(dir.sock);
		fd  = ctx->comm->fd;
		call_works(ctx, first->flags, first->len);
		call_works(ctx, R_SYNC, 10);
		call_works(ctx, R_SYNC, 16000);
		assert_int_equal(ctx->comm->fd, fd);
		assert_int_equal(drpc_close(ctx), 0);
		server_stop(&server);
		assert_int_equal(server.connections, 2);
		assert_int_equal(server.rejected, 1);
		assert_int_equal(server.probes, 0);
		assert_int_equal(server.executed, 3);
		assert_int_equal(server.last, 3);
		dir_remove(&dir);
	}
}

static void
a_new_server_gets_the_call_once(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;
	size_t        i;

	(void)state;
	for (i = 0; i < FIRSTS; i++) {
		dir_make(&dir);
		server_start(&server, peer_listen(dir.sock), NEW);
		ctx = client_of(dir.sock);
		call_works(ctx, firsts[i].flags, firsts[i].len);
		call_works(ctx, R_SYNC, 10);
		call_works(ctx, R_SYNC, LARGE);
		assert_int_equal(drpc_close(ctx), 0);
		server_stop(&server);
		assert_int_equal(server.connections, 1);
		assert_int_equal(server.probes, firsts[i].probed);
		assert_int_equal(server.executed, 3);
		dir_remove(&dir);
	}
}

/* Unless told otherwise, the 0.8 library speaks datagrams, and the other one finds out. */
static void
the_default_is_that_of_the_release(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), GO);
	assert_int_equal(abi_connect(dir.sock, &ctx), 0);
	call_works(ctx, R_SYNC, 10);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.rejected, ABI_CHUNKED);
	assert_int_equal(server.connections, 1 + ABI_CHUNKED);
	assert_int_equal(server.executed, 1);
	dir_remove(&dir);
}

/* What may have been executed is not sent again. */
static void
an_unclear_answer_is_an_error(void **state)
{
	static const struct {
		const char *answer;
		size_t      len;
		int         rc;
	} answers[] = {
	    {"\x08\x01", 2, -DER_TRUNC},                  /* SUCCESS */
	    {"\x08\x01\x10\x03", 4, -DER_TRUNC},          /* UNKNOWN_MODULE to this very call */
	    {"\x10\x04", 2, -DER_TRUNC},                  /* UNKNOWN_METHOD */
	    {NO_CALL "\x1a\x01!", 16, -DER_TRUNC},        /* the rejection, and more */
	    {"\x08\xff\xff", 3, -DER_TRUNC},              /* no message */
	    {"", 0, -DER_NOREPLY},                        /* SUCCESS to a call of sequence 0 */
	};
	struct drpc *ctx;
	struct dir   dir;
	char         record[64];
	size_t       i;
	int          listener;
	int          peer;

	(void)state;
	for (i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		dir_make(&dir);
		listener = peer_listen(dir.sock);
		ctx      = client_of(dir.sock);
		peer     = accept(listener, NULL, NULL);
		assert_true(peer_send_record(peer, answers[i].answer, answers[i].len));
		call_fails(ctx, 10, answers[i].rc);
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), WIRE_HEADER + 10 + 9);
		assert_int_equal(drpc_close(ctx), 0);
		assert_true(peer_is_closed(peer));
		assert_true(peer_is_quiet(listener));
		close(peer);
		close(listener);
		dir_remove(&dir);
	}
}

static void
a_call_that_was_executed_is_not_sent_again(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), CLOSING);
	ctx = client_of(dir.sock);
	call_fails(ctx, 10, -DER_NOREPLY);
	assert_int_equal(drpc_close(ctx), 0);
	ctx = client_of(dir.sock);
	call_fails(ctx, 8000, -DER_NOREPLY);
	assert_int_equal(drpc_close(ctx), 0);
	/* As servers do with some large calls; what is preceded by a probe is none. */
	__atomic_store_n(&server.manner, CREDULOUS, __ATOMIC_RELEASE);
	ctx = client_of(dir.sock);
	call_fails(ctx, 10, -DER_TRUNC);
	assert_int_equal(drpc_close(ctx), 0);
	ctx = client_of(dir.sock);
	call_fails(ctx, 8000, -DER_TRUNC);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.connections, 4);
	assert_int_equal(server.executed, 1);
	assert_int_equal(server.probes, 1);
	dir_remove(&dir);
}

/* Refused before anybody hears of it, or once it is known that it cannot go in one datagram. */
static void
too_large_a_first_call(void **state)
{
	struct server   server;
	struct drpc    *ctx;
	struct dir      dir;
	Drpc__Response *resp;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), GO);
	ctx = client_of(dir.sock);
	assert_int_equal(drpc_set_max_message(1000), 0);
	call_fails(ctx, 1000, -DER_OVERFLOW);
	assert_int_equal(try_call(ctx, 0, 1000, &resp), -DER_OVERFLOW);
	assert_int_equal(drpc_set_max_message(0), 0);
	call_fails(ctx, LARGE, -DER_OVERFLOW);
	assert_non_null(strstr(drpc_last_error(), "drpc_set_max_datagram"));
	call_works(ctx, R_SYNC, 10);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.rejected, 1);
	assert_int_equal(server.executed, 1);
	dir_remove(&dir);
}

static void *
call_many(void *arg)
{
	Drpc__Response *resp;
	int             i;

	for (i = 0; i < 20; i++) {
		if (try_call(arg, 0, 10, &resp) != 0)
			return arg;
		drpc_response_free(resp);
	}
	return NULL;
}

/* Only one of them finds out; the others wait for that. */
static void
threads_begin_together(void **state)
{
	static const enum manner manners[] = {GO, C, NEW};
	struct server            server;
	struct drpc             *ctx;
	struct dir               dir;
	pthread_t                threads[4];
	void                    *failed;
	size_t                   i;
	size_t                   j;

	(void)state;
	for (i = 0; i < 3; i++) {
		dir_make(&dir);
		server_start(&server, peer_listen(dir.sock), manners[i]);
		ctx = client_of(dir.sock);
		for (j = 0; j < 4; j++)
			assert_int_equal(pthread_create(&threads[j], NULL, call_many, ctx), 0);
		for (j = 0; j < 4; j++) {
			assert_int_equal(pthread_join(threads[j], &failed), 0);
			assert_null(failed);
		}
		call_works(ctx, R_SYNC, 10);
		assert_int_equal(drpc_close(ctx), 0);
		server_stop(&server);
		assert_int_equal(server.rejected + server.probes, 1);
		assert_int_equal(server.executed, 81);
		dir_remove(&dir);
	}
}

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
	assert_true(wire_read_call(msg, got, &call));
	assert_int_equal(call.module == INT32_MAX, len > 200);
	assert_int_equal(call.sequence, 1);
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
		leave_unanswered(&left, waits[i / 2].flags, i % 2 == 0 ? 10 : 8000, waits[i / 2].rc);
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
	struct server     server = {.manner = NEW};
	uint8_t          *msg;
	size_t            len;
	size_t            i;
	bool              chunked;
	Drpc__Response   *resp;

	(void)state;
	for (i = 0; i < 4; i++) {
		leave_unanswered(&left, waits[i / 2].flags, i % 2 == 0 ? 10 : 8000, waits[i / 2].rc);
		assert_int_equal(fcntl(left.ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
		send_half_a_reply(left.peer, false);
		call_fails(left.ctx, 20, -DER_AGAIN);
		assert_true(peer_is_quiet(left.peer));
		send_half_a_reply(left.peer, true);
		call_fails(left.ctx, 20, -DER_AGAIN);
		/* Now the call is out, and its reply is not taken for that of the next one. */
		msg = hear(left.peer, &len, &chunked);
		assert_non_null(msg);
		assert_true(chunked);
		assert_true(execute(&server, left.peer, msg, len, true));
		assert_int_equal(server.last, 4);
		free(msg);
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
	assert_int_equal(peer_recv_record(peer, record, sizeof(record)), WIRE_HEADER + 10 + 9);
	assert_true(peer_is_quiet(peer));
}

static void
a_server_without_a_path_cannot_be_found_again(void **state)
{
	char         here[256];
	struct drpc *ctx;
	struct dir   dir;
	int          listener;
	int          peer;
	int          fds[2];

	(void)state;
	peer_pair(fds);
	ctx = context_by_hand(fds[0], NULL);
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
	call_is_rejected(ctx, fds[1], -DER_PROTO, "no path");
	assert_int_equal(drpc_close(ctx), 0);
	close(fds[1]);

	/* Bound to a name that means something only where the server has bound it. */
	dir_make(&dir);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(dir.path), 0);
	listener = peer_listen("drpc.sock");
	ctx      = context_by_hand(peer_connect("drpc.sock"), NULL);
	peer     = accept(listener, NULL, NULL);
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
	call_is_rejected(ctx, peer, -DER_PROTO, "no path");
	assert_true(peer_is_quiet(listener));
	assert_int_equal(drpc_close(ctx), 0);
	assert_int_equal(chdir(here), 0);
	close(peer);
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
	call_is_rejected(ctx, peer, -DER_MISC, "nobody listens");
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
	for (chunked = 0; chunked <= 1; chunked++) {
		dir_make(&dir);
		server_start(&server, peer_listen(dir.sock), chunked ? NEW : C);
		call_once(dir.sock, 8000);
		call_once(dir.sock, 8000);
		call_once(dir.sock, 10);
		server_stop(&server);
		assert_int_equal(server.executed, 3);
		assert_int_equal(server.probes + server.rejected, 1);
		assert_int_equal(server.connections, chunked ? 3 : 4);
		dir_remove(&dir);
	}
}

static void
an_error_makes_it_forget(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), NEW);
	call_once(dir.sock, 8000);
	ctx = client_of(dir.sock);
	__atomic_store_n(&server.manner, CLOSING, __ATOMIC_RELEASE);
	call_fails(ctx, 8000, -DER_NOREPLY);
	assert_int_equal(drpc_close(ctx), 0);
	__atomic_store_n(&server.manner, NEW, __ATOMIC_RELEASE);
	call_once(dir.sock, 8000);
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

/* --- what is chosen --------------------------------------------------------------------------------- */

static void
set_framing_refuses_what_is_none(void **state)
{
	struct drpc naked = {.comm = NULL, .ref_count = 1};
	int         fds[2];
	struct drpc *ctx;

	(void)state;
	peer_pair(fds);
	ctx = context_by_hand(fds[0], NULL);
	assert_int_equal(drpc_set_framing(NULL, DRPC_FRAMING_AUTO), -DER_INVAL);
	assert_int_equal(drpc_set_framing(&naked, DRPC_FRAMING_AUTO), -DER_INVAL);
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_CHUNKED + 1), -DER_INVAL);
	assert_int_equal(drpc_set_framing(ctx, -1), -DER_INVAL);
	assert_string_not_equal(drpc_last_error(), "");
	assert_int_equal(drpc_close(ctx), 0);
	close(fds[1]);
}

/* What a client sends first: its call bare or in a chunk, or the probe. */
enum opening { BARE, CHUNK, PROBE };

static enum opening
opening_of(struct drpc *ctx, int peer)
{
	struct wire_call call;
	Drpc__Response  *resp;
	enum opening     opening;
	uint8_t         *msg;
	size_t           len;
	bool             chunked;

	assert_int_equal(fcntl(ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(try_call(ctx, R_SYNC, 8000, &resp), -DER_AGAIN);
	msg = hear(peer, &len, &chunked);
	assert_non_null(msg);
	assert_true(wire_read_call(msg, len, &call));
	opening = call.module == INT32_MAX ? PROBE : chunked ? CHUNK : BARE;
	free(msg);
	assert_int_equal(drpc_close(ctx), 0);
	close(peer);
	return opening;
}

static enum opening
opening_by_default(void)
{
	int fds[2];

	peer_pair(fds);
	return opening_of(context_by_hand(fds[0], NULL), fds[1]);
}

static enum opening
opening_when_set(int framing)
{
	struct drpc *ctx;
	int          fds[2];

	peer_pair(fds);
	ctx = context_by_hand(fds[0], NULL);
	assert_int_equal(drpc_set_framing(ctx, framing), 0);
	return opening_of(ctx, fds[1]);
}

static void
log_line(int level, const char *line, void *arg)
{
	assert_int_equal(level, DRPC_LOG_WARN);
	assert_non_null(strstr(line, "DRPC_FRAMING=Chunked"));
	++*(int *)arg;
}

static void
the_program_or_its_user_may_choose(void **state)
{
	const enum opening own   = ABI_CHUNKED ? PROBE : BARE;
	int                lines = 0;

	(void)state;
	assert_int_equal(opening_by_default(), own);
	assert_int_equal(opening_when_set(DRPC_FRAMING_DATAGRAM), BARE);
	assert_int_equal(opening_when_set(DRPC_FRAMING_CHUNKED), CHUNK);
	assert_int_equal(opening_when_set(DRPC_FRAMING_AUTO), PROBE);
	setenv("DRPC_FRAMING", "datagram", 1);
	assert_int_equal(opening_by_default(), BARE);
	assert_int_equal(opening_when_set(DRPC_FRAMING_CHUNKED), CHUNK);
	setenv("DRPC_FRAMING", "chunked", 1);
	assert_int_equal(opening_by_default(), CHUNK);
	assert_int_equal(opening_when_set(DRPC_FRAMING_AUTO), PROBE);
	setenv("DRPC_FRAMING", "auto", 1);
	assert_int_equal(opening_by_default(), PROBE);
	assert_int_equal(opening_when_set(DRPC_FRAMING_DATAGRAM), BARE);
	drpc_set_log(log_line, &lines);
	setenv("DRPC_FRAMING", "Chunked", 1);
	assert_int_equal(opening_by_default(), own);
	assert_int_equal(opening_by_default(), own);
	drpc_set_log(NULL, NULL);
	unsetenv("DRPC_FRAMING");
	assert_int_equal(lines, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(an_old_server_gets_the_call_again),
	    unit(a_new_server_gets_the_call_once),
	    unit(the_default_is_that_of_the_release),
	    unit(an_unclear_answer_is_an_error),
	    unit(a_call_that_was_executed_is_not_sent_again),
	    unit(too_large_a_first_call),
	    unit(threads_begin_together),
	    unit(a_late_rejection_is_heard_first),
	    unit(a_late_reply_is_heard_first),
	    unit(the_new_connection_is_like_the_old_one),
	    unit(contexts_made_by_hand_find_their_server),
	    unit(a_server_without_a_path_cannot_be_found_again),
	    unit(a_server_that_has_been_moved_is_found_where_it_was_met),
	    unit(another_server_does_not_get_the_call),
	    unit(a_server_that_has_gone_is_told),
	    unit(the_next_connection_knows),
	    unit(an_error_makes_it_forget),
	    unit(many_contexts_may_wait_for_their_first_call),
	    unit(set_framing_refuses_what_is_none),
	    unit(the_program_or_its_user_may_choose),
	};

	return cmocka_run_group_tests_name("framing " ABI_NAME, tests, NULL, NULL);
}
