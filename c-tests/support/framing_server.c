#include "framing_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <drpc/library.h>

#include "body.h"
#include "peer.h"

uint8_t *
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

bool
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

bool
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

void
server_start(struct server *server, int listener, enum manner manner)
{
	*server = (struct server){.manner = manner, .listener = listener};
	if (pthread_create(&server->thread, NULL, serve, server) != 0)
		abort();
}

void
server_stop(struct server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->listener);
}

struct drpc *
client_of(const char *path)
{
	struct drpc *ctx;

	assert_int_equal(abi_connect(path, &ctx), 0);
#ifdef DRPC_ABI_08
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
#endif
	return ctx;
}

int
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

void
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

void
call_fails(struct drpc *ctx, size_t len, int rc)
{
	Drpc__Response *resp;

	assert_int_equal(try_call(ctx, R_SYNC, len, &resp), rc);
	assert_null(resp);
	assert_string_not_equal(drpc_last_error(), "");
}
