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
#include <sys/wait.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/patience.h"
#include "support/peer.h"

/* How servers say that a message is no call: those that read datagrams of every chunk, the others of the probe. */
#define NO_CALL "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05"
/* A field by which a later release of this library may mark its answer to the probe. */
#define MARK    "\xf8\x7f\x01"
/* The message of the probe. */
#define PROBE_BYTES "\7\7\7\7\7\7\7"

/* How a server takes what it hears. */
enum manner {
	GO,        /* datagrams; rejects a chunk and stays */
	C,         /* datagrams; rejects a chunk and closes */
	CREDULOUS, /* datagrams; takes a chunk for a call, and executes it */
	CLOSING,   /* closes without an answer */
	NEW_C,     /* chunks; says that the probe is no call and closes */
	NEW_GO,    /* chunks; says so and stays */
	MARKING,   /* chunks; marks its answer to the probe and closes */
};

struct server {
	enum manner manner;
	int         listener;
	int         connections;
	int         probes;   /* messages in chunks that were no call */
	int         rejected; /* chunks that were no call */
	int         executed;
	int64_t     last; /* sequence of the call executed last */
	pthread_t   thread;
};

#define LARGE 300000

/* The record of a first call with a body of 10 bytes: 19 bytes, and one more. */
#define TRIAL_OF_10 (WIRE_HEADER + 20)

/* A message of one record or more, as its first record says. */
static uint8_t *
hear(int fd, size_t *len, bool *chunked)
{
	uint8_t           *msg = malloc(2 * LARGE);
	uint8_t           *record = malloc(2 * LARGE);
	struct wire_header header;
	ssize_t            n = recv(fd, record, 2 * LARGE, 0);

	/* A client that has gone without reading its replies; what it has sent before is still there. */
	if (n < 0 && errno == ECONNRESET)
		n = recv(fd, record, 2 * LARGE, 0);
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

/* Executes a call: the answer has its body. */
static bool
execute(struct server *server, int fd, const uint8_t *msg, size_t len, bool chunked)
{
	struct wire_response resp = {.status = DRPC__STATUS__SUCCESS};
	struct wire_call     call;
	uint8_t             *packed;

	if (!wire_read_call(msg, len, &call))
		return false;
	resp.sequence = call.sequence;
	server->executed++;
	server->last = call.sequence;
	resp.body    = call.body;
	resp.len     = call.len;
	packed       = wire_pack_response(&resp, &len);
	/* The client may have gone, and may have sent more before. */
	say(fd, packed, len, chunked);
	free(packed);
	return true;
}

/* Answers a message in chunks; false when the connection is over. */
static bool
answer_chunked(struct server *server, int fd, const uint8_t *msg, size_t len)
{
	bool marks = server->manner == MARKING;

	if (len != 7 || memcmp(msg, PROBE_BYTES, 7) != 0)
		return execute(server, fd, msg, len, true);
	server->probes++;
	say(fd, (const uint8_t *)NO_CALL MARK, marks ? 16 : 13, true);
	return server->manner == NEW_GO;
}

/* Answers one message; false when the connection is over. */
static bool
answer(struct server *server, int fd, const uint8_t *msg, size_t len, bool chunked)
{
	enum manner manner = __atomic_load_n(&server->manner, __ATOMIC_ACQUIRE);

	switch (manner) {
	case CLOSING:
		return false;
	case NEW_C:
	case NEW_GO:
	case MARKING:
		return chunked && answer_chunked(server, fd, msg, len);
	case CREDULOUS:
		return execute(server, fd, msg, len, false);
	default:
		if (!chunked)
			return execute(server, fd, msg, len, false);
		server->rejected++;
		peer_send_record(fd, NO_CALL, 13);
		return manner == GO;
	}
}

static void
serve_connection(struct server *server, int fd)
{
	uint8_t *msg;
	size_t   len;
	bool     chunked;
	bool     goes_on;

	server->connections++;
	do {
		msg     = hear(fd, &len, &chunked);
		goes_on = msg != NULL && answer(server, fd, msg, len, chunked);
		free(msg);
	} while (goes_on);
	close(fd);
}

static void *
serve(void *arg)
{
	struct server *server = arg;
	int            fd;

	while ((fd = accept(server->listener, NULL, NULL)) >= 0)
		serve_connection(server, fd);
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
    {R_SYNC, 8000, false},
    {0, 0, false},
    {0, 8000, false},
    /* The largest call that is tried, and the one after it. */
    {R_SYNC, 131036, false},
    {R_SYNC, 131037, true},
    {0, 131036, false},
    {0, 131037, true},
};

#define FIRSTS (sizeof(firsts) / sizeof(*firsts))

static void
an_old_server_gets_the_call_again(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;
	size_t        i;
	int           fd;

	(void)state;
	assert_int_equal(drpc_set_max_datagram(LARGE), 0);
	for (i = 0; i < 2 * FIRSTS; i++) {
		const struct first *first = &firsts[i / 2];

		dir_make(&dir);
		server_start(&server, peer_listen(dir.sock), i % 2 == 0 ? GO : C);
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
	assert_int_equal(drpc_set_max_datagram(0), 0);
}

/* After the probe it gets the call over a new connection, whether it has closed the other one or not. */
static void
a_new_server_gets_the_call_once(void **state)
{
	static const enum manner manners[] = {NEW_C, NEW_GO, MARKING};
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
		call_works(ctx, R_SYNC, LARGE);
		assert_int_equal(ctx->comm->fd, fd);
		assert_int_equal(drpc_close(ctx), 0);
		server_stop(&server);
		assert_int_equal(server.connections, 1 + first->probed);
		assert_int_equal(server.probes, first->probed);
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
	    {"\x08\x01", 2, -DER_PROTO},                  /* SUCCESS */
	    {"\x08\x01\x10\x03", 4, -DER_PROTO},          /* UNKNOWN_MODULE to this very call */
	    {"\x10\x03", 2, -DER_PROTO},                  /* UNKNOWN_MODULE to a call of sequence 0 */
	    {"\x10\x04", 2, -DER_PROTO},                  /* UNKNOWN_METHOD */
	    {NO_CALL "\x1a\x01!", 16, -DER_PROTO},        /* the rejection, and more */
	    {"\x08\xff\xff", 3, -DER_PROTO},              /* no message */
	    {"\x08\x01\x1a\x24 a body that is long enough for a header", 40, -DER_PROTO},
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
		assert_non_null(strstr(drpc_last_error(), "DRPC_FRAMING=datagram"));
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), TRIAL_OF_10);
		assert_int_equal(drpc_close(ctx), 0);
		assert_true(peer_is_closed(peer));
		assert_true(peer_is_quiet(listener));
		close(peer);
		close(listener);
		dir_remove(&dir);
	}
}

/* The probe has one answer that means chunks. After any other nothing is known, and the call has not been sent. */
static void
another_answer_to_the_probe_is_an_error(void **state)
{
	static const struct {
		const char *answer;
		size_t      len;
	} answers[] = {
	    {"\x08\x01", 2},              /* SUCCESS */
	    {"\x08\x01\x10\x03", 4},      /* UNKNOWN_MODULE */
	    {NO_CALL "\x1a\x01!", 16},    /* with a body */
	    {NO_CALL MARK MARK, 19},      /* marked twice */
	    {NO_CALL "\xf0\x7f\x01", 16}, /* with another field */
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
		assert_true(say(peer, (const uint8_t *)answers[i].answer, answers[i].len, true));
		call_fails(ctx, 140000, -DER_PROTO);
		assert_non_null(strstr(drpc_last_error(), "DRPC_FRAMING=datagram"));
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), 31);
		assert_memory_equal(record + WIRE_HEADER, PROBE_BYTES, 7);
		assert_true(peer_is_closed(peer));
		assert_int_equal(drpc_close(ctx), 0);
		assert_true(peer_is_quiet(listener));
		close(peer);
		close(listener);
		dir_remove(&dir);
	}
}

/* What is sent first is the call with a longer sequence, in one chunk; the next one is as short as can be. */
static void
only_the_first_call_is_longer(void **state)
{
	static const struct {
		size_t      len;
		const char *first;
		size_t      first_len;
	} calls[] = {
	    {0, "\x08\x02\x10\xce\x01\x18\x01", 7},
	    {1, "\x08\x02\x10\xce\x01\x18\x81\x80\x00\x22\x01", 12},
	    {2, "\x08\x02\x10\xce\x01\x18\x81\x00\x22\x02", 12},
	    {7, "\x08\x02\x10\xce\x01\x18\x81\x80\x80\x80\x00\x22\x07", 20},
	};
	struct wire_header header;
	struct drpc       *ctx;
	struct dir         dir;
	Drpc__Response    *resp;
	uint8_t            record[64];
	size_t             i;
	int                listener;
	int                peer;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		size_t head = calls[i].first_len - calls[i].len;

		dir_make(&dir);
		listener = peer_listen(dir.sock);
		ctx      = client_of(dir.sock);
		peer     = accept(listener, NULL, NULL);
		assert_true(say(peer, (const uint8_t *)"\x08\x01", 2, true));
		assert_int_equal(try_call(ctx, R_SYNC, calls[i].len, &resp), 0);
		drpc_response_free(resp);
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), WIRE_HEADER + calls[i].first_len);
		wire_get_header(record, &header);
		assert_int_equal(header.total, calls[i].first_len);
		assert_memory_equal(record + WIRE_HEADER, calls[i].first, head);
		assert_true(body_is(record + WIRE_HEADER + head, calls[i].len));
		assert_true(say(peer, (const uint8_t *)"\x08\x02", 2, true));
		assert_int_equal(try_call(ctx, R_SYNC, calls[i].len, &resp), 0);
		drpc_response_free(resp);
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)),
				 WIRE_HEADER + 7 + (calls[i].len == 0 ? 0 : 2) + calls[i].len);
		assert_memory_equal(record + WIRE_HEADER, "\x08\x02\x10\xce\x01\x18\x02", 7);
		assert_int_equal(drpc_close(ctx), 0);
		close(peer);
		close(listener);
		dir_remove(&dir);
	}
}

/* As for a program that has given up its rights since it connected. */
static void
a_call_after_the_probe_goes_out_on_the_old_connection(void **state)
{
	struct server server;
	struct drpc  *ctx;
	struct dir    dir;

	(void)state;
	dir_make(&dir);
	server_start(&server, peer_listen(dir.sock), NEW_GO);
	ctx = client_of(dir.sock);
	assert_int_equal(unlink(dir.sock), 0);
	call_works(ctx, R_SYNC, LARGE);
	call_works(ctx, R_SYNC, 10);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.connections, 1);
	assert_int_equal(server.probes, 1);
	assert_int_equal(server.executed, 2);
	dir_remove(&dir);
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
	assert_non_null(strstr(drpc_last_error(), "DRPC_FRAMING=datagram"));
	assert_int_equal(drpc_close(ctx), 0);
	ctx = client_of(dir.sock);
	call_fails(ctx, 140000, -DER_NOREPLY);
	assert_non_null(strstr(drpc_last_error(), "DRPC_FRAMING=datagram"));
	assert_int_equal(drpc_close(ctx), 0);
	/* A server that takes a chunk for a call; none is known. */
	__atomic_store_n(&server.manner, CREDULOUS, __ATOMIC_RELEASE);
	ctx = client_of(dir.sock);
	call_fails(ctx, 10, -DER_PROTO);
	assert_int_equal(drpc_close(ctx), 0);
	server_stop(&server);
	assert_int_equal(server.connections, 3);
	assert_int_equal(server.executed, 1);
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

/* Only so many calls are kept until the server has answered. */
static void *
call_many(void *arg)
{
	Drpc__Response *resp;
	int             i;
	int             rc;

	for (i = 0; i < 20; i++) {
		while ((rc = try_call(arg, 0, 10, &resp)) == -DER_AGAIN)
			usleep(100);
		if (rc != 0) {
			print_error("%d: %s\n", rc, drpc_last_error());
			return arg;
		}
		drpc_response_free(resp);
	}
	return NULL;
}

/* Only one of them finds out; the others wait for that. */
static void
threads_begin_together(void **state)
{
	static const enum manner manners[] = {GO, C, NEW_C};
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
		assert_int_equal(server.rejected + server.probes, manners[i] != NEW_C);
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

/* --- calls without R_SYNC -------------------------------------------------------------------------- */

#define ASYNC 0

/* A server that does not run yet, and a client connected to it. */
struct asleep {
	struct dir   dir;
	struct drpc *ctx;
	int          listener;
};

static void
asleep_make(struct asleep *asleep)
{
	dir_make(&asleep->dir);
	asleep->listener = peer_listen(asleep->dir.sock);
	asleep->ctx      = client_of(asleep->dir.sock);
}

static const enum manner manners_awake[] = {GO, C, NEW_C, NEW_GO};
#define AWAKE (sizeof(manners_awake) / sizeof(*manners_awake))

/* However long the server takes, calls return at once; the next one that waits finds out what has become of them. */
static void
calls_do_not_wait_for_the_first_answer(void **state)
{
	struct server   server;
	struct asleep   asleep;
	Drpc__Response *resp;
	size_t          i;
	int             call;

	(void)state;
	for (i = 0; i < AWAKE; i++) {
		asleep_make(&asleep);
		for (call = 1; call <= 17; call++)
			call_works(asleep.ctx, ASYNC, 10 * call);
		/* 16 may wait behind the first one. What is not kept has not been sent. */
		assert_int_equal(try_call(asleep.ctx, ASYNC, 10, &resp), -DER_AGAIN);
		assert_null(resp);
		server_start(&server, asleep.listener, manners_awake[i]);
		call_works(asleep.ctx, R_SYNC, 100);
		assert_int_equal(drpc_close(asleep.ctx), 0);
		server_stop(&server);
		assert_int_equal(server.executed, 18);
		assert_int_equal(server.last, 19);
		assert_int_equal(server.rejected, manners_awake[i] == GO || manners_awake[i] == C);
		dir_remove(&asleep.dir);
	}
}

/* The answer is looked for by each of them, and what waits goes out when it is there. */
static void
calls_find_the_answer_without_waiting(void **state)
{
	struct asleep   asleep;
	struct peer_call in;
	uint8_t         record[64];
	int             peer;
	int             chunked;
	int             call;

	(void)state;
	for (chunked = 0; chunked < 2; chunked++) {
		asleep_make(&asleep);
		peer = accept(asleep.listener, NULL, NULL);
		call_works(asleep.ctx, ASYNC, 10);
		call_works(asleep.ctx, ASYNC, 11);
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), TRIAL_OF_10);
		assert_true(peer_is_quiet(peer));
		if (chunked) {
			assert_true(say(peer, (const uint8_t *)"\x08\x01", 2, true));
		} else {
			assert_true(peer_send_record(peer, NO_CALL, 13));
			close(peer);
		}
		call_works(asleep.ctx, ASYNC, 12);
		if (!chunked)
			peer = accept(asleep.listener, NULL, NULL);
		peer_chunked = chunked;
		for (call = chunked ? 2 : 1; call <= 3; call++) {
			assert_true(peer_recv_call(peer, &in));
			assert_int_equal(in.call.sequence, call);
			assert_int_equal(in.call.len, 9 + call);
			free(in.msg);
		}
		peer_chunked = ABI_CHUNKED;
		assert_true(peer_is_quiet(peer));
		assert_int_equal(drpc_close(asleep.ctx), 0);
		close(peer);
		close(asleep.listener);
		dir_remove(&asleep.dir);
	}
}

static void
so_many_bytes_are_kept(void **state)
{
	struct asleep   asleep;
	Drpc__Response *resp;
	size_t          mib = 1 << 20;

	(void)state;
	asleep_make(&asleep);
	call_works(asleep.ctx, ASYNC, 100000);
	assert_int_equal(try_call(asleep.ctx, ASYNC, mib, &resp), -DER_AGAIN);
	call_works(asleep.ctx, ASYNC, mib - 20);
	assert_int_equal(try_call(asleep.ctx, ASYNC, 10, &resp), -DER_AGAIN);
	assert_int_equal(drpc_set_timeout(asleep.ctx, 1), 0);
	assert_int_equal(drpc_close(asleep.ctx), 0);
	close(asleep.listener);
	dir_remove(&asleep.dir);
}

/* Closing waits for what has become of the calls, and sends them again if they have been refused. */
static void
closing_loses_no_call(void **state)
{
	struct server server;
	struct asleep asleep;
	size_t        i;
	int           calls;
	int           call;

	(void)state;
	for (i = 0; i < AWAKE; i++) {
		for (calls = 1; calls <= 3; calls += 2) {
			asleep_make(&asleep);
			assert_int_equal(drpc_set_timeout(asleep.ctx, PATIENCE_MS), 0);
			for (call = 1; call <= calls; call++)
				call_works(asleep.ctx, ASYNC, 10);
			server_start(&server, asleep.listener, manners_awake[i]);
			assert_int_equal(drpc_close(asleep.ctx), 0);
			server_stop(&server);
			assert_int_equal(server.executed, calls);
			assert_int_equal(server.last, calls);
			dir_remove(&asleep.dir);
		}
	}
}

static void
keep_line(int level, const char *line, void *arg)
{
	assert_int_equal(level, DRPC_LOG_WARN);
	snprintf(arg, 256, "%s", line);
}

/* A server that does not answer does not keep a program from ending; the log says what may be lost. */
static void
closing_does_not_wait_for_ever(void **state)
{
	struct asleep asleep;
	char          line[256];
	int           timeout;

	(void)state;
	for (timeout = 0; timeout <= 20; timeout += 20) {
		line[0] = '\0';
		asleep_make(&asleep);
		assert_int_equal(drpc_set_timeout(asleep.ctx, timeout), 0);
		call_works(asleep.ctx, ASYNC, 10);
		call_works(asleep.ctx, ASYNC, 10);
		drpc_set_log(keep_line, line);
		assert_int_equal(drpc_close(asleep.ctx), 0);
		drpc_set_log(NULL, NULL);
		assert_non_null(strstr(line, asleep.dir.sock));
		assert_non_null(strstr(line, "2 without R_SYNC may be lost: timed out"));
		close(asleep.listener);
		dir_remove(&asleep.dir);
	}
}

/* The calls are the process's that has made them. */
static void
a_forked_child_has_nothing_to_do_with_them(void **state)
{
	struct server   server;
	struct asleep   asleep;
	Drpc__Response *resp;
	pid_t           child;
	int             status;
	int             peer;

	(void)state;
	asleep_make(&asleep);
	peer = accept(asleep.listener, NULL, NULL);
	call_works(asleep.ctx, ASYNC, 10);
	assert_true(peer_send_record(peer, NO_CALL, 13));
	child = fork();
	if (child == 0) {
		if (try_call(asleep.ctx, R_SYNC, 10, &resp) != -DER_NO_HDL)
			_exit(1);
		if (try_call(asleep.ctx, ASYNC, 10, &resp) != -DER_NO_HDL)
			_exit(2);
		_exit(drpc_close(asleep.ctx) == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(peer_is_quiet(asleep.listener));
	close(peer);
	server_start(&server, asleep.listener, C);
	call_works(asleep.ctx, R_SYNC, 10);
	assert_int_equal(drpc_close(asleep.ctx), 0);
	server_stop(&server);
	assert_int_equal(server.executed, 2);
	dir_remove(&asleep.dir);
}

/* Blocks freed by hand may be those of the next context: what waits is the other one's, and so is the answer to it. */
static void
a_context_inherits_nothing(void **state)
{
	struct peer_call in;
	struct asleep    asleep;
	Drpc__Response  *resp;
	int              fds[2];

	(void)state;
	asleep_make(&asleep);
	call_works(asleep.ctx, ASYNC, 10);
	call_works(asleep.ctx, ASYNC, 10);
	close(asleep.ctx->comm->fd);
	peer_pair(fds);
	*asleep.ctx->comm = (struct unixcomm){.fd = fds[0]};
	assert_int_equal(drpc_set_framing(asleep.ctx, DRPC_FRAMING_CHUNKED), 0);
	assert_true(say(fds[1], (const uint8_t *)"\x08\x03", 2, true));
	assert_int_equal(try_call(asleep.ctx, R_SYNC, 20, &resp), 0);
	assert_int_equal(resp->sequence, 3);
	drpc_response_free(resp);
	assert_int_equal(drpc_close(asleep.ctx), 0);
	peer_chunked = true;
	assert_true(peer_recv_call(fds[1], &in));
	peer_chunked = ABI_CHUNKED;
	assert_int_equal(in.call.len, 20);
	free(in.msg);
	assert_true(peer_is_closed(fds[1]));
	close(fds[1]);
	close(asleep.listener);
	dir_remove(&asleep.dir);
}

/* A call of several chunks cannot be sent to find out, and its probe is not waited for without end. */
static void
a_large_call_is_not_sent_to_a_silent_server(void **state)
{
	struct server   server;
	struct asleep   asleep;
	Drpc__Response *resp;
	uint8_t         record[64];
	size_t          i;
	int             peer;

	(void)state;
	assert_int_equal(drpc_set_max_datagram(LARGE), 0);
	for (i = 0; i < AWAKE; i++) {
		asleep_make(&asleep);
		peer = accept(asleep.listener, NULL, NULL);
		assert_int_equal(drpc_set_timeout(asleep.ctx, 20), 0);
		assert_int_equal(try_call(asleep.ctx, ASYNC, 140000, &resp), -DER_TIMEDOUT);
		assert_null(resp);
		/* Later calls are kept. */
		call_works(asleep.ctx, ASYNC, 140000);
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), 31);
		assert_true(peer_is_quiet(peer));
		assert_int_equal(drpc_set_timeout(asleep.ctx, 0), 0);
		say(peer, (const uint8_t *)NO_CALL, 13, manners_awake[i] >= NEW_C);
		close(peer);
		server_start(&server, asleep.listener, manners_awake[i]);
		call_works(asleep.ctx, R_SYNC, 10);
		assert_int_equal(drpc_close(asleep.ctx), 0);
		server_stop(&server);
		assert_int_equal(server.executed, 2);
		assert_int_equal(server.last, 3);
		assert_int_equal(server.rejected + server.probes, 0);
		dir_remove(&asleep.dir);
	}
	assert_int_equal(drpc_set_max_datagram(0), 0);
}

/* What waits has been promised to be sent as the server reads it, and the answer would be taken for another call's. */
static void
the_framing_is_not_changed_before_the_answer(void **state)
{
	struct asleep asleep;
	int           flags;

	(void)state;
	for (flags = ASYNC; flags <= R_SYNC; flags++) {
		Drpc__Response *resp;

		asleep_make(&asleep);
		assert_int_equal(drpc_set_timeout(asleep.ctx, 1), 0);
		assert_int_equal(try_call(asleep.ctx, flags, 10, &resp), flags == ASYNC ? 0 : -DER_TIMEDOUT);
		drpc_response_free(resp);
		assert_int_equal(drpc_set_framing(asleep.ctx, DRPC_FRAMING_DATAGRAM), -DER_BUSY);
		assert_int_equal(drpc_close(asleep.ctx), 0);
		close(asleep.listener);
		dir_remove(&asleep.dir);
	}
}

/* If the answer is no good, the program hears of it with its next call. */
static void
calls_that_were_not_understood_are_told(void **state)
{
	struct asleep asleep;
	int           peer;

	(void)state;
	asleep_make(&asleep);
	call_works(asleep.ctx, ASYNC, 10);
	peer = accept(asleep.listener, NULL, NULL);
	close(peer);
	call_fails(asleep.ctx, 10, -DER_NOREPLY);
	assert_non_null(strstr(drpc_last_error(), "DRPC_FRAMING=datagram"));
	assert_int_equal(drpc_close(asleep.ctx), 0);
	close(asleep.listener);
	dir_remove(&asleep.dir);
}

#ifdef DRPC_ABI_28
static int yields;

static int
count_yields(void)
{
	yields++;
	return 0;
}

/* An engine goes on with other work meanwhile. */
static void
waiting_yields(void **state)
{
	struct server server;
	struct asleep asleep;

	(void)state;
	asleep_make(&asleep);
	assert_int_equal(drpc_set_timeout(asleep.ctx, 20), 0);
	asleep.ctx->yield = count_yields;
	call_works(asleep.ctx, ASYNC, 10);
	yields = 0;
	assert_int_equal(drpc_close(asleep.ctx), 0);
	assert_true(yields > 1);
	asleep.ctx = client_of(asleep.dir.sock);
	asleep.ctx->yield = count_yields;
	call_works(asleep.ctx, ASYNC, 10);
	yields = 0;
	server_start(&server, asleep.listener, C);
	call_works(asleep.ctx, R_SYNC, 10);
	assert_true(yields > 0);
	assert_int_equal(drpc_close(asleep.ctx), 0);
	server_stop(&server);
	dir_remove(&asleep.dir);
}
#endif

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

/* What a client sends first: its call bare, in a chunk, or as a trial. */
enum opening { BARE, CHUNK, TRIAL };

/* What a client sends that has just been connected, and has been told so much. */
static enum opening
opening_when_set(int framing)
{
	struct drpc    *ctx;
	Drpc__Response *resp;
	struct dir      dir;
	char            record[64];
	ssize_t         len;
	int             listener;
	int             peer;

	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(abi_connect(dir.sock, &ctx), 0);
	peer = accept(listener, NULL, NULL);
	if (framing >= 0)
		assert_int_equal(drpc_set_framing(ctx, framing), 0);
	assert_int_equal(fcntl(ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(try_call(ctx, R_SYNC, 10, &resp), -DER_AGAIN);
	len = peer_recv_record(peer, record, sizeof(record));
	assert_int_equal(drpc_close(ctx), 0);
	close(peer);
	close(listener);
	dir_remove(&dir);
	if (len == 19)
		return BARE;
	assert_true(len == WIRE_HEADER + 19 || len == TRIAL_OF_10);
	return len == TRIAL_OF_10 ? TRIAL : CHUNK;
}

static enum opening
opening_by_default(void)
{
	return opening_when_set(-1);
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
	const enum opening own   = ABI_CHUNKED ? TRIAL : BARE;
	int                lines = 0;

	(void)state;
	assert_int_equal(opening_by_default(), own);
	assert_int_equal(opening_when_set(DRPC_FRAMING_DATAGRAM), BARE);
	assert_int_equal(opening_when_set(DRPC_FRAMING_CHUNKED), CHUNK);
	assert_int_equal(opening_when_set(DRPC_FRAMING_AUTO), TRIAL);
	setenv("DRPC_FRAMING", "datagram", 1);
	assert_int_equal(opening_by_default(), BARE);
	assert_int_equal(opening_when_set(DRPC_FRAMING_CHUNKED), CHUNK);
	setenv("DRPC_FRAMING", "chunked", 1);
	assert_int_equal(opening_by_default(), CHUNK);
	assert_int_equal(opening_when_set(DRPC_FRAMING_AUTO), TRIAL);
	setenv("DRPC_FRAMING", "auto", 1);
	assert_int_equal(opening_by_default(), TRIAL);
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
	    unit(only_the_first_call_is_longer),
	    unit(the_default_is_that_of_the_release),
	    unit(an_unclear_answer_is_an_error),
	    unit(another_answer_to_the_probe_is_an_error),
	    unit(a_call_after_the_probe_goes_out_on_the_old_connection),
	    unit(a_call_that_was_executed_is_not_sent_again),
	    unit(too_large_a_first_call),
	    unit(threads_begin_together),
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
	    unit(calls_do_not_wait_for_the_first_answer),
	    unit(calls_find_the_answer_without_waiting),
	    unit(so_many_bytes_are_kept),
	    unit(closing_loses_no_call),
	    unit(closing_does_not_wait_for_ever),
	    unit(a_forked_child_has_nothing_to_do_with_them),
	    unit(a_context_inherits_nothing),
	    unit(a_large_call_is_not_sent_to_a_silent_server),
	    unit(the_framing_is_not_changed_before_the_answer),
	    unit(calls_that_were_not_understood_are_told),
#ifdef DRPC_ABI_28
	    unit(waiting_yields),
#endif
	    unit(set_framing_refuses_what_is_none),
	    unit(the_program_or_its_user_may_choose),
	};

	return cmocka_run_group_tests_name("framing " ABI_NAME, tests, NULL, NULL);
}
