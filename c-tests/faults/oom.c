/*
 * Memory runs out: each scenario is played with its first allocation failing,
 * with its second, and so on until it makes no more, and again with all of
 * them failing from each on. It must end in success, where the allocation was
 * not needed, or in the error for it; nothing may leak, and what was connected
 * must work again or be at its end.
 */
#include "abi.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <daos/drpc_handler.h>
#include <daos/drpc_progress.h>
#include <drpc/client.h>
#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/dir.h"
#include "support/echo.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/scenario.h"

/* The same for the functions that give NULL in the old ABI, and say why in errno. */
static bool
fits_pointer(int rc)
{
#ifdef DRPC_ABI_08
	return rc == 0 || (memory_denied() > 0 && errno == ENOMEM);
#else
	return fits(rc);
#endif
}

static int
close_context(struct drpc *ctx)
{
	return LIBRARY(drpc_close(ctx));
}

/* --- objects ---------------------------------------------------------------------------- */

static const char *
making_calls_and_responses(void)
{
	struct drpc     ctx  = {.comm = NULL, .sequence = 1};
	Drpc__Call     *call = NULL;
	Drpc__Response *resp;
	int             rc   = LIBRARY(abi_call_create(&ctx, 1, 2, &call));

	CHECK(fits_pointer(rc));
	CHECK((rc == 0) == (call != NULL));
	resp = LIBRARY(drpc_response_create(call));
	CHECK(resp != NULL || memory_denied() > 0);
	LIBRARY_VOID(drpc_call_free(call));
	LIBRARY_VOID(drpc_response_free(resp));
	return NULL;
}

static const uint8_t full_call[] = {0x08, 0x01, 0x10, 0x65, 0x18, 0x01, 0x22, 0x02, 'o', 'k',
				    0x78, 0x05, 0x7a, 0x01, 'u',  0x22, 0x03, 'n',  'e', 'w'};

static const char *
unpacking(void)
{
	/* What they give when memory is there, and nothing half done when it is not. */
	Drpc__Call     *call = LIBRARY(drpc__call__unpack(NULL, sizeof(full_call), full_call));
	int             was  = memory_denied();
	Drpc__Response *resp = LIBRARY(drpc__response__unpack(NULL, 6, (const uint8_t *)"\x08\x01\x1a\x02ok"));
	uint8_t         packed[64];

	CHECK(call != NULL || was > 0);
	CHECK(resp != NULL || memory_denied() > was);
	if (call != NULL) {
		CHECK(call->base.n_unknown_fields == 2);
		CHECK(call->body.len == 3 && memcmp(call->body.data, "new", 3) == 0);
		CHECK(LIBRARY(drpc__call__get_packed_size(call)) == 16);
		CHECK(LIBRARY(drpc__call__pack(call, packed)) == 16);
	}
	LIBRARY_VOID(drpc__call__free_unpacked(call, NULL));
	LIBRARY_VOID(drpc__response__free_unpacked(resp, NULL));
	/* Bytes that are no message give NULL, whatever the memory. */
	CHECK(LIBRARY(drpc__call__unpack(NULL, 7, full_call)) == NULL);
	return NULL;
}

#ifdef DRPC_ABI_28
static const char *
the_allocator(void)
{
	struct drpc_alloc self = PROTO_ALLOCATOR_INIT(self);
	Drpc__Call       *call = LIBRARY(drpc__call__unpack(&self.alloc, sizeof(full_call), full_call));

	CHECK((call == NULL) == self.oom);
	CHECK(self.oom == (memory_denied() > 0));
	LIBRARY_VOID(drpc__call__free_unpacked(call, &self.alloc));
	return NULL;
}
#endif

/* --- connections -------------------------------------------------------------------------- */

static const char *
connecting(void)
{
	struct drpc *ctx = NULL;
	struct dir   dir;
	int          listener;
	int          rc;

	dir_make(&dir);
	listener = peer_listen(dir.sock);
	rc       = LIBRARY(abi_connect(dir.sock, &ctx));
	CHECK(fits_pointer(rc));
	CHECK((rc == 0) == (ctx != NULL));
	CHECK(explained(rc));
	if (rc == 0)
		CHECK(close_context(ctx) == 0);
	/* A failure keeps its reason. */
	close(listener);
	rc = LIBRARY(abi_connect(dir.sock, &ctx));
	CHECK(rc == abi_failed(DER_MISC) || (memory_denied() > 0 && rc == abi_failed(DER_NOMEM)));
	CHECK(explained(rc));
	dir_remove(&dir);
	return NULL;
}

static const char *
listening_and_accepting(void)
{
	struct drpc *listener;
	struct drpc *session = NULL;
	struct dir   dir;
	int          peer;
	int          rc;

	dir_make(&dir);
	listener = LIBRARY(abi_listen(dir.sock, context_no_handler));
	if (listener == NULL) {
		CHECK(memory_denied() > 0 && errno == ENOMEM);
		CHECK(explained(-1));
		dir_remove(&dir);
		return NULL;
	}
	peer = peer_connect(dir.sock);
	rc   = LIBRARY(abi_accept(listener, &session));
	CHECK(fits_pointer(rc));
	CHECK(explained(rc));
	CHECK((rc == 0) == (session != NULL));
	if (rc == 0)
		CHECK(close_context(session) == 0);
	/* Accepted or not, nobody is left hanging but in the backlog. */
	CHECK(close_context(listener) == 0);
	CHECK(peer_is_closed(peer));
	close(peer);
	dir_remove(&dir);
	return NULL;
}

/* --- calls ------------------------------------------------------------------------------------ */

static const char *
an_async_call(void)
{
	struct pair     pair = pair_new(NULL);
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	int             rc;

	context_tell(pair.ctx);
	rc = LIBRARY(drpc_call(pair.ctx, 0, &call, &resp));
	CHECK(fits(rc));
	CHECK((rc == 0) == (resp != NULL));
	/* What is allocated is allocated first: a call that fails was not sent. */
	CHECK((rc == 0) == !peer_is_quiet(pair.peer));
	LIBRARY_VOID(drpc_response_free(resp));
	CHECK(close_context(pair.ctx) == 0);
	close(pair.peer);
	return NULL;
}

#define LARGE (ABI_CHUNKED ? 600000 : 16000)

static const char *
call_once(struct drpc *ctx, Drpc__Call *call)
{
	Drpc__Response *resp = NULL;
	int             rc   = LIBRARY(drpc_call(ctx, R_SYNC, call, &resp));

	CHECK(fits(rc));
	CHECK(explained(rc));
	CHECK((rc == 0) == (resp != NULL));
	if (rc == 0) {
		CHECK(resp->sequence == call->sequence);
		CHECK(resp->body.len == call->body.len && body_is(resp->body.data, resp->body.len));
	}
	LIBRARY_VOID(drpc_response_free(resp));
	return NULL;
}

/* Two calls in need and one in plenty, which must get its own answer whatever became of the others. */
static const char *
calling(size_t len)
{
	struct pair pair = pair_new(NULL);
	Drpc__Call  call = DRPC__CALL__INIT;
	struct echo echo;
	const char *problem;

	call.body.len  = len;
	call.body.data = body_new(len);
	echo_start(&echo, pair.peer);
	problem = call_once(pair.ctx, &call);
	if (problem == NULL)
		problem = call_once(pair.ctx, &call);
	memory_relieve();
	if (problem == NULL)
		problem = call_once(pair.ctx, &call);
	CHECK(close_context(pair.ctx) == 0);
	echo_stop(&echo);
	free(call.body.data);
	return problem;
}

static const char *
a_small_call(void)
{
	return calling(5);
}

static const char *
a_large_call(void)
{
	return calling(LARGE);
}

/* A first call that the server rejects, as it reads datagrams: the new connection is made in need. */
static const char *
going_over_to_datagrams(size_t len)
{
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	struct drpc    *ctx  = NULL;
	struct dir      dir;
	int             sent = 0;
	int             again;
	int             listener;
	int             peer;
	int             rc;

	dir_make(&dir);
	listener = peer_listen(dir.sock);
	rc       = LIBRARY(abi_connect(dir.sock, &ctx));
	CHECK(fits_pointer(rc));
	if (rc == 0) {
		peer = accept(listener, NULL, NULL);
		CHECK(LIBRARY(drpc_set_framing(ctx, DRPC_FRAMING_AUTO)) == 0);
		CHECK(fcntl(ctx->comm->fd, F_SETFL, O_NONBLOCK) == 0);
		CHECK(peer_send_record(peer, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05", 13));
		call.body.data = body_new(len);
		call.body.len  = len;
		rc             = LIBRARY(drpc_call(ctx, R_SYNC, &call, &resp));
		CHECK(rc == -DER_AGAIN || (memory_denied() > 0 && rc == -DER_NOMEM));
		CHECK(explained(rc));
		sent += rc == -DER_AGAIN;
		memory_relieve();
		/* What has failed has not been sent, and the next call is. */
		CHECK(LIBRARY(drpc_call(ctx, R_SYNC, &call, &resp)) == -DER_AGAIN);
		CHECK(resp == NULL);
		again = accept(listener, NULL, NULL);
		for (sent++; sent > 0; sent--) {
			static uint8_t   record[WIRE_RECORD_MAX * 2];
			struct wire_call got;
			ssize_t          n = peer_recv_record(again, record, sizeof(record));

			CHECK(n > 0 && wire_read_call(record, (size_t)n, &got));
			CHECK(got.len == len && body_is(got.body, len));
		}
		CHECK(peer_is_quiet(again));
		CHECK(close_context(ctx) == 0);
		free(call.body.data);
		close(again);
		close(peer);
	}
	close(listener);
	dir_remove(&dir);
	return NULL;
}

static const char *
a_trial_that_is_rejected(void)
{
	return going_over_to_datagrams(8);
}

static const char *
a_probe_that_is_rejected(void)
{
	const char *fault;

	CHECK(drpc_set_max_datagram(200000) == 0);
	fault = going_over_to_datagrams(140000);
	CHECK(drpc_set_max_datagram(0) == 0);
	return fault;
}

/* Calls that do not wait: what could not be kept has not been sent, and the others go out when there is an answer. */
static const char *
async_calls_that_are_rejected(void)
{
	static const int sizes[] = {8, 9, 10};
	Drpc__Call       call    = DRPC__CALL__INIT;
	Drpc__Response  *resp    = NULL;
	struct drpc     *ctx     = NULL;
	uint8_t          record[64];
	struct dir       dir;
	bool             kept[3];
	int              again;
	int              listener;
	int              peer;
	size_t           i;
	int              rc;

	dir_make(&dir);
	listener = peer_listen(dir.sock);
	rc       = LIBRARY(abi_connect(dir.sock, &ctx));
	CHECK(fits_pointer(rc));
	if (rc == 0) {
		peer = accept(listener, NULL, NULL);
		CHECK(LIBRARY(drpc_set_framing(ctx, DRPC_FRAMING_AUTO)) == 0);
		call.body.data = body_new(10);
		for (i = 0; i < 3; i++) {
			call.body.len = sizes[i];
			rc            = LIBRARY(drpc_call(ctx, 0, &call, &resp));
			kept[i]       = rc == 0;
			CHECK(fits(rc));
			LIBRARY_VOID(drpc_response_free(resp));
			resp = NULL;
		}
		memory_relieve();
		CHECK(!(kept[0] || kept[1] || kept[2]) == peer_is_quiet(peer));
		CHECK(peer_send_record(peer, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05", 13));
		if (!peer_is_quiet(peer)) {
			call.body.len = 0;
			CHECK(fcntl(ctx->comm->fd, F_SETFL, O_NONBLOCK) == 0);
			CHECK(LIBRARY(drpc_call(ctx, R_SYNC, &call, &resp)) == -DER_AGAIN);
			again = accept(listener, NULL, NULL);
			for (i = 0; i <= 3; i++) {
				struct wire_call got;
				ssize_t          n;

				if (i < 3 && !kept[i])
					continue;
				n = peer_recv_record(again, record, sizeof(record));
				CHECK(n > 0 && wire_read_call(record, (size_t)n, &got));
				CHECK(got.len == (i < 3 ? (size_t)sizes[i] : 0) && body_is(got.body, got.len));
			}
			CHECK(peer_is_quiet(again));
			close(again);
		}
		CHECK(close_context(ctx) == 0);
		free(call.body.data);
		close(peer);
	}
	close(listener);
	dir_remove(&dir);
	return NULL;
}

/* The peer answers with what is no answer. */
static const char *
a_malformed_reply(void)
{
	struct pair     pair = pair_new(NULL);
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	int             rc;

	CHECK(peer_send_message(pair.peer, (const uint8_t *)"\x08\x01\x1a\x02okok\xff", 9));
	rc = LIBRARY(drpc_call(pair.ctx, R_SYNC, &call, &resp));
	CHECK(rc == -DER_PROTO || (rc == -DER_NOMEM && memory_denied() > 0));
	CHECK(explained(rc));
	CHECK(resp == NULL);
	CHECK(close_context(pair.ctx) == 0);
	close(pair.peer);
	return NULL;
}

/* --- sessions ------------------------------------------------------------------------------------ */

static const char *
receiving_and_responding(void)
{
	struct pair    pair = pair_new(context_no_handler);
	Drpc__Call    *call = NULL;
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	int            received;
	int            rc;

	CHECK(peer_send_message(pair.peer, full_call, sizeof(full_call)));
	CHECK(peer_send_call(pair.peer, 4, 5, 6, (const uint8_t *)"next", 4));
	rc = LIBRARY(drpc_recv_call(pair.ctx, &call));
	CHECK(fits(rc));
	CHECK(explained(rc));
	CHECK((rc == 0) == (call != NULL));
	LIBRARY_VOID(drpc_call_free(call));
	received       = rc;
	resp.sequence  = 1;
	resp.body.data = (uint8_t *)"fine";
	resp.body.len  = 4;
	rc             = LIBRARY(drpc_send_response(pair.ctx, &resp));
	CHECK(fits(rc));

	memory_relieve();
	/* A call that could not be stored is gone or comes again; then comes the next one. */
	call = NULL;
	CHECK(LIBRARY(drpc_recv_call(pair.ctx, &call)) == 0);
	if (received != 0 && call->sequence == 1) {
		LIBRARY_VOID(drpc_call_free(call));
		call = NULL;
		CHECK(LIBRARY(drpc_recv_call(pair.ctx, &call)) == 0);
	}
	CHECK(call->sequence == 6 && call->body.len == 4 && memcmp(call->body.data, "next", 4) == 0);
	LIBRARY_VOID(drpc_call_free(call));
	CHECK(close_context(pair.ctx) == 0);
	close(pair.peer);
	return NULL;
}

static void *
send_two_large(void *arg)
{
	uint8_t *body = body_new(LARGE);
	int      peer = *(int *)arg;

	peer_send_call(peer, 1, 2, 3, body, LARGE);
	peer_send_call(peer, 1, 2, 4, body, LARGE);
	free(body);
	return NULL;
}

static const char *
receive_large(struct drpc *ctx, int64_t least)
{
	Drpc__Call *call = NULL;
	int         rc   = LIBRARY(drpc_recv_call(ctx, &call));

	CHECK(fits(rc));
	CHECK(explained(rc));
	CHECK((rc == 0) == (call != NULL));
	if (rc != 0)
		return NULL;
	CHECK(call->sequence >= least && call->sequence <= 4);
	CHECK(call->body.len == LARGE && body_is(call->body.data, LARGE));
	LIBRARY_VOID(drpc_call_free(call));
	return NULL;
}

static const char *
receiving_in_large(void)
{
	struct pair pair = pair_new(context_no_handler);
	pthread_t   peer;
	const char *problem;
	bool        lost;

	CHECK(pthread_create(&peer, NULL, send_two_large, &pair.peer) == 0);
	problem = receive_large(pair.ctx, 3);
	lost    = memory_denied() > 0;
	memory_relieve();
	if (problem == NULL)
		problem = receive_large(pair.ctx, lost ? 3 : 4);
	shutdown(pair.ctx->comm->fd, SHUT_RDWR);
	CHECK(close_context(pair.ctx) == 0);
	pthread_join(peer, NULL);
	close(pair.peer);
	return problem;
}

/* Counts the good responses, until the end or a bad one. */
static void *
read_large(void *arg)
{
	intptr_t             good = 0;
	struct peer_response out;
	bool                 go_on;

	do {
		go_on = peer_recv_response(*(int *)arg, &out) && out.resp.len == LARGE &&
			body_is(out.resp.body, LARGE);
		free(out.msg);
		good += go_on;
	} while (go_on);
	return (void *)good;
}

static const char *
responding_in_large(void)
{
	struct pair    pair = pair_new(context_no_handler);
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	pthread_t      peer;
	void          *good;
	int            needy;
	int            rc;

	CHECK(pthread_create(&peer, NULL, read_large, &pair.peer) == 0);
	resp.sequence  = 1;
	resp.body.len  = LARGE;
	resp.body.data = body_new(LARGE);
	needy          = LIBRARY(drpc_send_response(pair.ctx, &resp));
	CHECK(fits(needy));
	memory_relieve();
	rc = LIBRARY(drpc_send_response(pair.ctx, &resp));
	CHECK(close_context(pair.ctx) == 0);
	CHECK(pthread_join(peer, &good) == 0);
	close(pair.peer);
	free(resp.body.data);
	CHECK(rc == 0);
	CHECK((intptr_t)good == (needy == 0 ? 2 : 1));
	return NULL;
}

static const char *
a_malformed_call(void)
{
	struct pair pair = pair_new(context_no_handler);
	Drpc__Call *call = NULL;
	int         rc;

	CHECK(peer_send_message(pair.peer, (const uint8_t *)"\x22\x02okok\xff", 7));
	rc = LIBRARY(drpc_recv_call(pair.ctx, &call));
	CHECK(rc == -DER_PROTO || (rc == -DER_NOMEM && memory_denied() > 0));
	CHECK(explained(rc));
	CHECK(call == NULL);
	CHECK(close_context(pair.ctx) == 0);
	close(pair.peer);
	return NULL;
}

/* --- the loop -------------------------------------------------------------------------------------- */

/* Runs cycles until there is nothing to do. */
static const char *
settle(struct drpc_progress_context *loop)
{
	int rc;
	int i;

	for (i = 0; i < 100; i++) {
		rc = LIBRARY(drpc_progress(loop, 0));
		if (rc == -DER_TIMEDOUT)
			return NULL;
		CHECK(rc == 0 || rc == -DER_AGAIN || (memory_denied() > 0 && (rc == -DER_NOMEM || rc == -DER_UNKNOWN)));
	}
	/* Without memory it may go on failing; it must only do something when it can. */
	CHECK(memory_denied() > 0);
	return NULL;
}

/* The body of the call, by way of the allocator that handlers use. */
static void
answer(Drpc__Call *call, Drpc__Response *resp)
{
	bool watched = memory_watched;

	memory_watched = false;
	resp->body.len  = call->body.len;
	resp->body.data = body_new(call->body.len);
	memory_watched = watched;
}

/* Whether the reply is the one to this call, or says that memory ran out. */
static const char *
judge_reply(int peer, int64_t sequence, bool plenty)
{
	struct peer_response out;

	if (!plenty && peer_is_quiet(peer))
		return NULL;
	if (!peer_recv_response(peer, &out)) {
		free(out.msg);
		CHECK(!plenty);
		return NULL;
	}
	/* A session closed in the datagram framing would be an empty success; see below. */
	if (out.resp.sequence == 0 && out.resp.len == 0) {
		free(out.msg);
		CHECK(!plenty && ABI_CHUNKED);
		return NULL;
	}
	if (plenty || out.resp.status == DRPC__STATUS__SUCCESS) {
		bool right = out.resp.sequence == sequence && out.resp.status == DRPC__STATUS__SUCCESS &&
			     out.resp.len == 4 && body_is(out.resp.body, 4);

		free(out.msg);
		CHECK(right);
		return NULL;
	}
	free(out.msg);
	CHECK(out.resp.status == DRPC__STATUS__FAILURE || out.resp.status == DRPC__STATUS__FAILED_MARSHAL);
	CHECK(memory_denied() > 0);
	return NULL;
}

static const char *
serve_one(struct drpc_progress_context *loop, const char *path, bool plenty)
{
	uint8_t    *body = body_new(4);
	int         peer = peer_connect(path);
	bool        sent = peer_send_call(peer, 1, 1, 7, body, 4);
	const char *problem;
	int         i;

	free(body);
	problem = settle(loop);
	/* The listener may still be resting from its last failure. */
	for (i = 0; plenty && problem == NULL && peer_is_quiet(peer) && i < PATIENCE_MS / 10; i++) {
		CHECK(LIBRARY(drpc_progress(loop, 10)) != -DER_NOMEM);
		problem = settle(loop);
	}
	if (problem == NULL && sent)
		problem = judge_reply(peer, 7, plenty);
	close(peer);
	if (problem == NULL)
		problem = settle(loop);
	return problem;
}

static const char *
the_loop(void)
{
	struct drpc_progress_context *loop;
	struct drpc                  *listener;
	struct dir                    dir;
	const char                   *problem;

	dir_make(&dir);
	listener = abi_listen(dir.sock, answer);
	loop     = LIBRARY(drpc_progress_context_create(listener));
	if (loop == NULL) {
		CHECK(memory_denied() > 0);
		CHECK(close_context(listener) == 0);
		dir_remove(&dir);
		return NULL;
	}
	problem = serve_one(loop, dir.sock, false);
	if (problem == NULL) {
		memory_relieve();
		problem = settle(loop);
	}
	if (problem == NULL)
		problem = serve_one(loop, dir.sock, true);
	LIBRARY_VOID(drpc_progress_context_close(loop));
	dir_remove(&dir);
	return problem;
}

#if ABI_CHUNKED

#define TWO (WIRE_CHUNK_MAX + 5)

/* Half a call, the other half, half a call and the end: the side table comes and goes. */
static const char *
half_calls_in_the_loop(void)
{
	static const struct wire_header one = {TWO, WIRE_CHUNK_MAX, 0, 2};
	static const struct wire_header two = {TWO, 5, 1, 2};
	struct drpc_progress_context   *loop;
	struct dir                      dir;
	uint8_t                        *msg;
	const char                     *problem;
	int                             peer;

	dir_make(&dir);
	loop = drpc_progress_context_create(abi_listen(dir.sock, answer));
	peer = peer_connect(dir.sock);
	CHECK(drpc_progress(loop, PATIENCE_MS) == 0);
	msg = calloc(1, TWO);
	/* Field 4 with a body of the rest: three bytes of length make 131052 - 4. */
	memcpy(msg, "\x22\xe9\xff\x07", 4);
	peer_send_chunk(peer, &one, msg, WIRE_CHUNK_MAX);
	problem = settle(loop);
	if (problem == NULL) {
		peer_send_chunk(peer, &two, msg + WIRE_CHUNK_MAX, 5);
		problem = settle(loop);
	}
	if (problem == NULL) {
		peer_send_chunk(peer, &one, msg, WIRE_CHUNK_MAX);
		problem = settle(loop);
	}
	close(peer);
	free(msg);
	if (problem == NULL)
		problem = settle(loop);
	if (problem == NULL) {
		memory_relieve();
		problem = settle(loop);
	}
	if (problem == NULL)
		problem = serve_one(loop, dir.sock, true);
	LIBRARY_VOID(drpc_progress_context_close(loop));
	dir_remove(&dir);
	return problem;
}

#endif

static int
refuse(void (*fn)(void *), void *arg)
{
	(void)fn;
	(void)arg;
	return -1;
}

static const char *
a_spawner_that_fails(void)
{
	struct drpc_progress_context *loop;
	struct dir                    dir;
	const char                   *problem;

	dir_make(&dir);
	loop = drpc_progress_context_create(abi_listen(dir.sock, answer));
	drpc_progress_set_spawner(refuse);
	{
		int peer = peer_connect(dir.sock);

		peer_send_call(peer, 1, 1, 7, NULL, 0);
		problem = settle(loop);
		close(peer);
	}
	drpc_progress_set_spawner(NULL);
	if (problem == NULL) {
		memory_relieve();
		problem = settle(loop);
	}
	if (problem == NULL)
		problem = serve_one(loop, dir.sock, true);
	LIBRARY_VOID(drpc_progress_context_close(loop));
	dir_remove(&dir);
	return problem;
}

static const char *
a_malformed_call_in_the_loop(void)
{
	struct drpc_progress_context *loop;
	struct dir                    dir;
	const char                   *problem;
	int                           peer;

	dir_make(&dir);
	loop = drpc_progress_context_create(abi_listen(dir.sock, answer));
	peer = peer_connect(dir.sock);
	peer_send_message(peer, (const uint8_t *)"\xff\xff", 2);
	problem = settle(loop);
	close(peer);
	if (problem == NULL) {
		memory_relieve();
		problem = settle(loop);
	}
	if (problem == NULL)
		problem = serve_one(loop, dir.sock, true);
	LIBRARY_VOID(drpc_progress_context_close(loop));
	dir_remove(&dir);
	return problem;
}

/* More than the loop can wait for without memory, and in more than two parts. */
#define CROWD 150

static int
sessions(const struct drpc_progress_context *loop)
{
	const d_list_t *at;
	int             n = 0;

	for (at = loop->session_ctx_list.next; at != &loop->session_ctx_list; at = at->next)
		n++;
	return n;
}

/* Some call, some leave, one comes: whatever memory there is, one cycle deals with all who are there. */
static const char *
one_cycle(struct drpc_progress_context *loop, int peers[], int count, const char *path)
{
	bool     small = memory_has_small();
	uint8_t *body  = body_new(4);
	int      gone  = 0;
	int      i;
	int      rc;

	for (i = 0; i < count; i++) {
		if (i % 3 == 0) {
			CHECK(peer_send_call(peers[i], 1, 1, 7, body, 4));
		} else if (i % 3 == 1) {
			close(peers[i]);
			gone++;
		}
	}
	free(body);
	peers[count] = peer_connect(path);
	rc           = LIBRARY(drpc_progress(loop, 0));
	CHECK(rc == 0 || (memory_denied() > 0 && rc == -DER_NOMEM));
	for (i = 0; i < count; i += 3) {
		/* Without memory for its call a session is closed. */
		const char *problem = judge_reply(peers[i], 7, small);

		if (problem != NULL)
			return problem;
		gone += !small;
	}
	CHECK(sessions(loop) == count - gone + small);
	return NULL;
}

static const char *
a_crowd_of(int count)
{
	int                           peers[CROWD + 1];
	struct drpc_progress_context *loop;
	struct peer_response          out;
	struct dir                    dir;
	const char                   *problem;
	int                           denied;
	int                           failed = 0;
	int                           i;

	dir_make(&dir);
	loop = drpc_progress_context_create(abi_listen(dir.sock, answer));
	for (i = 0; i < count; i++) {
		peers[i] = peer_connect(dir.sock);
		CHECK(drpc_progress(loop, PATIENCE_MS) == 0);
	}
	/* The thread gets its room for a record. */
	CHECK(peer_send_call(peers[0], 1, 1, 6, NULL, 0));
	CHECK(drpc_progress(loop, PATIENCE_MS) == 0);
	CHECK(peer_recv_response(peers[0], &out));
	free(out.msg);
	problem = one_cycle(loop, peers, count, dir.sock);
	if (problem != NULL)
		return problem;
	/* Who cannot be accepted is not tried again at once. */
	for (i = 0; i < 1000; i++) {
		int rc = LIBRARY(drpc_progress(loop, 0));

		CHECK(rc == -DER_TIMEDOUT || (memory_denied() > 0 && rc == -DER_NOMEM));
		failed += rc == -DER_NOMEM;
	}
	CHECK(failed < 500);
	/* A loop that waits does not look for memory all the time. */
	denied = memory_denied();
	(void)LIBRARY(drpc_progress(loop, 50));
	CHECK(memory_denied() - denied < 20);
	memory_relieve();
	problem = serve_one(loop, dir.sock, true);
	for (i = 0; i <= count; i++) {
		if (i == count || i % 3 != 1)
			close(peers[i]);
	}
	if (problem == NULL)
		problem = settle(loop);
	CHECK(problem != NULL || sessions(loop) == 0);
	LIBRARY_VOID(drpc_progress_context_close(loop));
	dir_remove(&dir);
	return problem;
}

static const char *
a_few_sessions(void)
{
	return a_crowd_of(3);
}

static const char *
a_crowd(void)
{
	return a_crowd_of(CROWD);
}

/* --- the rest ---------------------------------------------------------------------------------------- */

static const char *
the_registry(void)
{
	struct dss_drpc_handler list[] = {{1, answer}, {2, answer}, {0, NULL}};
	Drpc__Call              call   = DRPC__CALL__INIT;
	Drpc__Response          resp   = DRPC__RESPONSE__INIT;
	int                     rc     = LIBRARY(drpc_hdlr_init());

	CHECK(fits(rc));
	if (rc != 0) {
		CHECK(LIBRARY(drpc_hdlr_register(1, answer)) == -DER_UNINIT);
		return NULL;
	}
	rc = LIBRARY(drpc_hdlr_register_all(list));
	CHECK(fits(rc));
	call.module = 4;
	LIBRARY_VOID(drpc_hdlr_process_msg(&call, &resp));
	CHECK(resp.status == DRPC__STATUS__UNKNOWN_MODULE);
	CHECK(LIBRARY(drpc_hdlr_unregister_all(list)) == 0);
	CHECK(LIBRARY(drpc_hdlr_fini()) == 0);
	return NULL;
}

static void
no_log(int level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
}

/* Nothing here needs memory but the mapping in which the text of an error lies. */
static const char *
settings(void)
{
	struct pair pair = pair_new(NULL);

	CHECK(LIBRARY(drpc_set_timeout(pair.ctx, 100)) == 0);
	CHECK(LIBRARY(drpc_set_timeout(NULL, 100)) == -DER_INVAL);
	CHECK(LIBRARY(drpc_set_connect_timeout(0)) == 0);
	CHECK(LIBRARY(drpc_set_connect_timeout(-1)) == -DER_INVAL);
	CHECK(LIBRARY(drpc_set_socket_mode(0600)) == 0);
	CHECK(LIBRARY(drpc_set_socket_mode((mode_t)-1)) == 0);
	CHECK(LIBRARY(drpc_set_max_message(0)) == 0);
	CHECK(LIBRARY(drpc_set_spin(20)) == 0);
	CHECK(LIBRARY(drpc_set_spin(UINT_MAX)) == 0);
	CHECK(LIBRARY(drpc_set_log_level(0)) == 0);
	LIBRARY_VOID(drpc_set_log(no_log, NULL));
	CHECK(LIBRARY(drpc_close(NULL)) == -DER_INVAL);
	LIBRARY_VOID(drpc_set_log(NULL, NULL));
	CHECK(LIBRARY(drpc_close(NULL)) == -DER_INVAL);
	CHECK(explained(-DER_INVAL));
	CHECK(LIBRARY(drpc_strerror(-DER_NOMEM))[0] != '\0');
	CHECK(LIBRARY(drpc_version())[0] != '\0');
	CHECK(LIBRARY(drpc_add_ref(pair.ctx)) == 0);
	CHECK(close_context(pair.ctx) == 0);
	CHECK(!LIBRARY(drpc_is_valid_listener(pair.ctx)));
	CHECK(close_context(pair.ctx) == 0);
	CHECK(memory_asked() == 0);
	close(pair.peer);
	return NULL;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    plays(making_calls_and_responses),
	    plays(unpacking),
#ifdef DRPC_ABI_28
	    plays(the_allocator),
#endif
	    plays(connecting),
	    plays(listening_and_accepting),
	    plays(a_small_call),
	    plays(an_async_call),
	    plays(a_large_call),
	    plays(a_trial_that_is_rejected),
	    plays(a_probe_that_is_rejected),
	    plays(async_calls_that_are_rejected),
	    plays(a_malformed_reply),
	    plays(receiving_and_responding),
	    plays(receiving_in_large),
	    plays(responding_in_large),
	    plays(a_malformed_call),
	    plays(the_loop),
#if ABI_CHUNKED
	    plays(half_calls_in_the_loop),
#endif
	    plays(a_spawner_that_fails),
	    plays(a_malformed_call_in_the_loop),
	    endures(a_few_sessions),
	    endures(a_crowd),
	    plays(the_registry),
	    plays(settings),
	};

	return cmocka_run_group_tests_name("oom " ABI_NAME, tests, scenario_setup, NULL);
}
