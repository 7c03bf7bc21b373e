/* The client's half of the plain API: contexts, calls and their replies. */
#include "abi.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/body.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/echo.h"
#include "support/patience.h"
#include "support/peer.h"

/* The same for a client that need not find out how its server expects messages. */
static struct pair
pair_told(void)
{
	struct pair pair = pair_new(NULL);

	context_tell(pair.ctx);
	return pair;
}

static Drpc__Call *
call_new(struct drpc *ctx, int32_t module, int32_t method, size_t len)
{
	Drpc__Call *call;

	assert_int_equal(abi_call_create(ctx, module, method, &call), 0);
	call->body.data = body_new(len);
	call->body.len  = len;
	return call;
}

/* Makes a call, expects rc, and gives the response. */
static Drpc__Response *
do_call(struct drpc *ctx, int flags, int rc)
{
	Drpc__Call     *call = call_new(ctx, 2, 206, 5);
	Drpc__Response *resp = NULL;

	assert_int_equal(drpc_call(ctx, flags, call, &resp), rc);
	drpc_call_free(call);
	if (rc == 0)
		assert_non_null(resp);
	else
		assert_null(resp);
	return resp;
}

/* The peer reads a call and finds this sequence in it. */
static void
expect_call(int peer, int64_t sequence)
{
	struct peer_call in;

	assert_true(peer_recv_call(peer, &in));
	assert_int_equal(in.call.sequence, sequence);
	assert_int_equal(in.call.module, 2);
	assert_int_equal(in.call.method, 206);
	assert_int_equal(in.call.len, 5);
	assert_true(body_is(in.call.body, 5));
	free(in.msg);
}

static void
expect_response(Drpc__Response *resp, int64_t sequence, int status, size_t len)
{
	assert_ptr_equal(resp->base.descriptor, &drpc__response__descriptor);
	assert_int_equal(resp->sequence, sequence);
	assert_int_equal((int)resp->status, status);
	assert_int_equal(resp->body.len, len);
	if (len == 0)
		assert_null(resp->body.data);
	else
		assert_true(body_is(resp->body.data, len));
	drpc_response_free(resp);
}

static void
reply(int peer, int64_t sequence, int32_t status, size_t len)
{
	uint8_t *body = body_new(len);

	assert_true(peer_send_response(peer, sequence, status, body, len));
	free(body);
}

/* --- calls and responses as objects ------------------------------------- */

static void
call_create_copies_the_sequence(void **state)
{
	struct drpc ctx = {.comm = NULL, .sequence = 25};
	Drpc__Call *call;

	(void)state;
	assert_int_equal(abi_call_create(&ctx, INT32_MIN, INT32_MAX, &call), 0);
	assert_ptr_equal(call->base.descriptor, &drpc__call__descriptor);
	assert_int_equal(call->base.n_unknown_fields, 0);
	assert_null(call->base.unknown_fields);
	assert_int_equal(call->module, INT32_MIN);
	assert_int_equal(call->method, INT32_MAX);
	assert_int_equal(call->sequence, 25);
	assert_int_equal(call->body.len, 0);
	assert_null(call->body.data);
	assert_int_equal(ctx.sequence, 25);
	drpc_call_free(call);
}

static void
call_create_without_context(void **state)
{
	Drpc__Call *call = (Drpc__Call *)&call;

	(void)state;
	assert_int_equal(abi_call_create(NULL, 1, 101, &call), abi_failed(DER_INVAL));
	assert_null(call);
#ifdef DRPC_ABI_28
	struct drpc ctx = {.comm = NULL};

	assert_int_equal(drpc_call_create(&ctx, 1, 101, NULL), -DER_INVAL);
	assert_int_equal(drpc_call_create(NULL, 1, 101, NULL), -DER_INVAL);
#endif
}

static void
free_takes_null(void **state)
{
	(void)state;
	drpc_call_free(NULL);
	drpc_response_free(NULL);
}

static void
response_create_answers_its_call(void **state)
{
	Drpc__Call call = DRPC__CALL__INIT;

	(void)state;
	call.sequence = INT64_MIN;
	expect_response(drpc_response_create(&call), INT64_MIN, DRPC__STATUS__SUCCESS, 0);
	expect_response(drpc_response_create(NULL), -1, DRPC__STATUS__SUCCESS, 0);
}

/* --- connecting ----------------------------------------------------------- */

static void
connect_gives_a_fresh_context(void **state)
{
	struct dir   dir;
	struct drpc *ctx;
	int          listener;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(abi_connect(dir.sock, &ctx), 0);
	assert_non_null(ctx);
	assert_non_null(ctx->comm);
	assert_true(ctx->comm->fd >= 0);
	assert_int_equal(ctx->comm->flags, 0);
	assert_int_equal(ctx->sequence, 0);
	assert_int_equal(ctx->ref_count, 1);
	assert_null(ctx->handler);
#ifdef DRPC_ABI_28
	assert_null(ctx->yield);
#endif
	assert_false(drpc_is_valid_listener(ctx));
	assert_int_equal(fcntl(ctx->comm->fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(ctx->comm->fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(drpc_close(ctx), 0);
	close(listener);
	dir_remove(&dir);
}

static void
connected_parts_may_be_freed_apart(void **state)
{
	struct dir      dir;
	struct drpc    *ctx;
	int             listener;
	int             peer;
	Drpc__Response *resp;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(abi_connect(dir.sock, &ctx), 0);
	peer = accept(listener, NULL, NULL);
	reply(peer, 1, 0, 3);
	resp = do_call(ctx, R_SYNC, 0);
	context_free_parts(ctx);
	expect_response(resp, 1, DRPC__STATUS__SUCCESS, 3);
	expect_call(peer, 1);
	assert_true(peer_is_closed(peer));
	close(peer);
	close(listener);
	dir_remove(&dir);
}

/* A failing connect gives the code (2.8) or NULL and errno (0.8). */
static void
connect_fails(const char *path, int der, int error)
{
	struct drpc *ctx = (struct drpc *)&ctx;

	errno = 0;
	assert_int_equal(abi_connect(path, &ctx), abi_failed(der));
#ifdef DRPC_ABI_08
	if (error != 0)
		assert_int_equal(errno, error);
	else
		assert_int_not_equal(errno, 0);
#else
	(void)error;
#endif
	assert_null(ctx);
	assert_string_not_equal(drpc_last_error(), "");
}

static void
connect_says_why_it_failed(void **state)
{
	struct dir dir;
	char       path[256];
	FILE      *file;

	(void)state;
	dir_make(&dir);
	connect_fails(dir.sock, DER_NONEXIST, ENOENT);
	assert_non_null(strstr(drpc_last_error(), dir.sock));

	close(peer_listen(dir.sock));
	connect_fails(dir.sock, DER_MISC, ECONNREFUSED);
	assert_non_null(strstr(drpc_last_error(), dir.sock));

	snprintf(path, sizeof(path), "%s/plain", dir.path);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	connect_fails(path, DER_MISC, ECONNREFUSED);

	snprintf(path, sizeof(path), "%s/plain/drpc.sock", dir.path);
	connect_fails(path, DER_NOTDIR, ENOTDIR);
	dir_remove(&dir);
}

static void
connect_refuses_bad_paths(void **state)
{
	char path[256];

	(void)state;
	connect_fails("", DER_BADPATH, 0);
	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	connect_fails(path, DER_BADPATH, 0);
	path[108] = 'x';
	path[255] = '\0';
	connect_fails(path, DER_BADPATH, 0);
}

static void
connect_takes_the_longest_path(void **state)
{
	struct dir   dir;
	char         path[128];
	struct drpc *ctx;
	int          listener;
	size_t       len;

	(void)state;
	dir_make(&dir);
	len = (size_t)snprintf(path, sizeof(path), "%s/", dir.path);
	memset(path + len, 'x', 107 - len);
	path[107] = '\0';
	listener  = peer_listen(path);
	assert_int_equal(abi_connect(path, &ctx), 0);
	assert_int_equal(drpc_close(ctx), 0);
	close(listener);
	dir_remove(&dir);
}

static void
connect_refuses_null(void **state)
{
	(void)state;
	connect_fails(NULL, DER_INVAL, EINVAL);
#ifdef DRPC_ABI_28
	struct dir dir;
	int        listener;

	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(drpc_connect(dir.sock, NULL), -DER_INVAL);
	assert_int_equal(drpc_connect(NULL, NULL), -DER_INVAL);
	close(listener);
	dir_remove(&dir);
#endif
}

/* --- references and closing ------------------------------------------------ */

static void
close_refuses_what_is_no_context(void **state)
{
	struct unixcomm comm = {.fd = -1};
	struct drpc     ctx  = {.comm = NULL, .ref_count = 1};

	(void)state;
	assert_int_equal(drpc_close(NULL), -DER_INVAL);
	assert_int_equal(drpc_close(&ctx), -DER_INVAL);
	assert_int_equal(ctx.ref_count, 1);
	ctx.comm      = &comm;
	ctx.ref_count = 0;
	assert_int_equal(drpc_close(&ctx), -DER_INVAL);
	assert_int_equal(ctx.ref_count, 0);
}

static void
the_last_close_closes(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	assert_int_equal(drpc_add_ref(pair.ctx), 0);
	assert_int_equal(pair.ctx->ref_count, 2);
	assert_int_equal(drpc_close(pair.ctx), 0);
	assert_int_equal(pair.ctx->ref_count, 1);
	assert_true(peer_is_quiet(pair.peer));
	assert_int_equal(drpc_close(pair.ctx), 0);
	assert_true(peer_is_closed(pair.peer));
	close(pair.peer);
}

static void
add_ref_counts(void **state)
{
	struct drpc ctx = {.comm = NULL};
	int         i;

	(void)state;
	assert_int_equal(drpc_add_ref(NULL), -DER_INVAL);
	for (i = 1; i <= 125; i++) {
		assert_int_equal(drpc_add_ref(&ctx), 0);
		assert_int_equal(ctx.ref_count, i);
	}
	ctx.ref_count = UINT_MAX;
	assert_int_equal(drpc_add_ref(&ctx), -DER_INVAL);
	assert_int_equal(ctx.ref_count, UINT_MAX);
}

static void *
take_and_drop(void *arg)
{
	int i;

	for (i = 0; i < 20000; i++)
		if (drpc_add_ref(arg) != 0 || drpc_close(arg) != 0)
			return arg;
	return NULL;
}

static void
references_are_atomic(void **state)
{
	struct pair pair = pair_new(NULL);
	pthread_t   other;
	void       *failed;

	(void)state;
	assert_int_equal(pthread_create(&other, NULL, take_and_drop, pair.ctx), 0);
	assert_null(take_and_drop(pair.ctx));
	assert_int_equal(pthread_join(other, &failed), 0);
	assert_null(failed);
	assert_int_equal(pair.ctx->ref_count, 1);
	pair_free(&pair);
}

/* --- one call ---------------------------------------------------------------- */

static void
call_sends_exactly_these_bytes(void **state)
{
	static const uint8_t message[] = {0x08, 0x01, 0x10, 0x65, 0x18, 0x01, 0x22,
					  0x05, 'h',  'e',  'l',  'l',  'o'};
	static const uint8_t header[24] = {13, [8] = 13, [20] = 1};
	struct pair     pair = pair_told();
	uint8_t         got[64];
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	ssize_t         n;

	(void)state;
	call.module    = 1;
	call.method    = 101;
	call.body.data = (uint8_t *)"hello";
	call.body.len  = 5;
	assert_int_equal(drpc_call(pair.ctx, 0, &call, &resp), 0);
	expect_response(resp, 1, DRPC__STATUS__SUBMITTED, 0);
	n = peer_recv_record(pair.peer, got, sizeof(got));
#if ABI_CHUNKED
	assert_int_equal(n, sizeof(header) + sizeof(message));
	assert_memory_equal(got, header, sizeof(header));
	assert_memory_equal(got + sizeof(header), message, sizeof(message));
#else
	(void)header;
	assert_int_equal(n, sizeof(message));
	assert_memory_equal(got, message, sizeof(message));
#endif
	/* The call stays the caller's. */
	assert_int_equal(call.body.len, 5);
	assert_int_equal(call.sequence, 1);
	pair_free(&pair);
}

static void
call_gives_the_reply(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	reply(pair.peer, 1, DRPC__STATUS__SUCCESS, 300);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 1, DRPC__STATUS__SUCCESS, 300);
	assert_int_equal(pair.ctx->sequence, 2);
	expect_call(pair.peer, 1);
	pair_free(&pair);
}

/* Upstream's tests and simple servers answer with any sequence. */
static void
call_takes_any_sequence_when_nothing_is_owed(void **state)
{
	static const int64_t sequences[] = {12345, 0, -1, 1, INT64_MAX, INT64_MIN};
	struct pair          pair        = pair_new(NULL);
	size_t               i;

	(void)state;
	for (i = 0; i < sizeof(sequences) / sizeof(*sequences); i++) {
		reply(pair.peer, sequences[i], DRPC__STATUS__UNKNOWN_MODULE, 0);
		expect_response(do_call(pair.ctx, R_SYNC, 0), sequences[i], DRPC__STATUS__UNKNOWN_MODULE, 0);
		expect_call(pair.peer, (int64_t)i + 1);
	}
	pair_free(&pair);
}

static void
call_keeps_any_status(void **state)
{
	static const int statuses[] = {0, 1, 2, 3, 4, 5, 6, 7, 99, -1, INT_MAX};
	struct pair      pair       = pair_new(NULL);
	size_t           i;

	(void)state;
	for (i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		reply(pair.peer, (int64_t)i + 1, statuses[i], 1);
		expect_response(do_call(pair.ctx, R_SYNC, 0), (int64_t)i + 1, statuses[i], 1);
	}
	pair_free(&pair);
}

static void
call_without_sync_does_not_wait(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	expect_response(do_call(pair.ctx, 0, 0), 1, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, 1);
	/* Bits other than R_SYNC say nothing. */
	expect_response(do_call(pair.ctx, ~R_SYNC, 0), 2, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, 2);
	reply(pair.peer, 3, DRPC__STATUS__SUCCESS, 0);
	expect_response(do_call(pair.ctx, ~0, 0), 3, DRPC__STATUS__SUCCESS, 0);
	pair_free(&pair);
}

static void
call_on_a_stack_with_every_field_at_its_default(void **state)
{
	struct pair      pair = pair_new(NULL);
	Drpc__Call       call = DRPC__CALL__INIT;
	Drpc__Response  *resp = NULL;
	struct peer_call in;

	(void)state;
	reply(pair.peer, 1, 0, 0);
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), 0);
	expect_response(resp, 1, DRPC__STATUS__SUCCESS, 0);
	assert_true(peer_recv_call(pair.peer, &in));
	assert_int_equal(in.call.module, 0);
	assert_int_equal(in.call.method, 0);
	assert_int_equal(in.call.sequence, 1);
	assert_int_equal(in.call.len, 0);
	free(in.msg);
	pair_free(&pair);
}

/* --- sequences ------------------------------------------------------------------ */

static void
sequence_starts_at_one(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	pair.ctx->sequence = 0;
	reply(pair.peer, 1, 0, 0);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 1, DRPC__STATUS__SUCCESS, 0);
	expect_call(pair.peer, 1);
	assert_int_equal(pair.ctx->sequence, 2);
	pair_free(&pair);
}

static void
sequence_may_be_set_by_the_caller(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	pair.ctx->sequence = 25;
	expect_response(do_call(pair.ctx, 0, 0), 25, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, 25);
	assert_int_equal(pair.ctx->sequence, 26);
	pair.ctx->sequence = -7;
	expect_response(do_call(pair.ctx, 0, 0), 1, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, 1);
	pair_free(&pair);
}

static void
sequence_wraps_to_one(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	pair.ctx->sequence = INT_MAX;
	expect_response(do_call(pair.ctx, 0, 0), INT_MAX, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, INT_MAX);
	expect_response(do_call(pair.ctx, 0, 0), 1, DRPC__STATUS__SUBMITTED, 0);
	expect_call(pair.peer, 1);
	pair_free(&pair);
}

static void *
call_many(void *arg)
{
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp;
	int             i;

	for (i = 0; i < 500; i++) {
		resp = NULL;
		if (drpc_call(arg, 0, &call, &resp) != 0)
			return arg;
		drpc_response_free(resp);
	}
	return NULL;
}

static void *
drain_calls(void *arg)
{
	static int       seen[1001];
	int              peer = *(int *)arg;
	struct peer_call in;
	int              i;

	for (i = 0; i < 1000; i++) {
		if (!peer_recv_call(peer, &in))
			return arg;
		free(in.msg);
		if (in.call.sequence < 1 || in.call.sequence > 1000 || seen[in.call.sequence]++)
			return arg;
	}
	return NULL;
}

static void
sequences_are_never_given_twice(void **state)
{
	struct pair pair = pair_told();
	pthread_t   reader;
	pthread_t   other;
	void       *failed;

	(void)state;
	assert_int_equal(pthread_create(&reader, NULL, drain_calls, &pair.peer), 0);
	assert_int_equal(pthread_create(&other, NULL, call_many, pair.ctx), 0);
	assert_null(call_many(pair.ctx));
	assert_int_equal(pthread_join(other, &failed), 0);
	assert_null(failed);
	assert_int_equal(pthread_join(reader, &failed), 0);
	assert_null(failed);
	pair_free(&pair);
}

/* --- replies that are owed --------------------------------------------------------- */

static void
replies_to_async_calls_are_discarded(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	drpc_response_free(do_call(pair.ctx, 0, 0));
	drpc_response_free(do_call(pair.ctx, 0, 0));
	reply(pair.peer, 1, DRPC__STATUS__FAILURE, 1);
	reply(pair.peer, 2, DRPC__STATUS__FAILURE, 2);
	reply(pair.peer, 3, DRPC__STATUS__SUCCESS, 3);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 3, DRPC__STATUS__SUCCESS, 3);
	/* Nothing is owed any more: an old sequence is delivered again. */
	reply(pair.peer, 1, DRPC__STATUS__FAILURE, 4);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 1, DRPC__STATUS__FAILURE, 4);
	pair_free(&pair);
}

static void
owed_replies_may_come_late(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	drpc_response_free(do_call(pair.ctx, 0, 0));
	reply(pair.peer, 2, DRPC__STATUS__SUCCESS, 2);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 2, DRPC__STATUS__SUCCESS, 2);
	reply(pair.peer, 1, DRPC__STATUS__FAILURE, 1);
	reply(pair.peer, 3, DRPC__STATUS__SUCCESS, 3);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 3, DRPC__STATUS__SUCCESS, 3);
	pair_free(&pair);
}

static void
a_reply_of_minus_one_is_never_stale(void **state)
{
	struct pair pair = pair_told();

	(void)state;
	drpc_response_free(do_call(pair.ctx, 0, 0));
	reply(pair.peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
	expect_response(do_call(pair.ctx, R_SYNC, 0), -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, 0);
	pair_free(&pair);
}

static void
the_reply_to_a_call_that_failed_is_discarded(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	assert_int_equal(drpc_set_timeout(pair.ctx, 30), 0);
	do_call(pair.ctx, R_SYNC, -DER_TIMEDOUT);
	reply(pair.peer, 1, DRPC__STATUS__FAILURE, 1);
	reply(pair.peer, 2, DRPC__STATUS__SUCCESS, 2);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 2, DRPC__STATUS__SUCCESS, 2);
	pair_free(&pair);
}

/* More of them than the library cares to count. */
#define MANY 300

static void *
answer_many(void *arg)
{
	int              peer = *(int *)arg;
	struct peer_call in;
	int              i;

	for (i = 1; i <= MANY + 1; i++) {
		if (!peer_recv_call(peer, &in))
			return arg;
		free(in.msg);
	}
	for (i = 1; i <= MANY + 1; i++)
		if (!peer_send_response(peer, i, DRPC__STATUS__SUCCESS, NULL, 0))
			return arg;
	return NULL;
}

static void
many_replies_may_be_owed(void **state)
{
	struct pair pair = pair_told();
	pthread_t   peer;
	void       *failed;
	int         i;

	(void)state;
	assert_int_equal(pthread_create(&peer, NULL, answer_many, &pair.peer), 0);
	for (i = 1; i <= MANY; i++)
		expect_response(do_call(pair.ctx, 0, 0), i, DRPC__STATUS__SUBMITTED, 0);
	expect_response(do_call(pair.ctx, R_SYNC, 0), MANY + 1, DRPC__STATUS__SUCCESS, 0);
	assert_int_equal(pthread_join(peer, &failed), 0);
	assert_null(failed);
	pair_free(&pair);
}

/* --- arguments ------------------------------------------------------------------------ */

static void
call_refuses_null(void **state)
{
	struct pair     pair  = pair_new(NULL);
	struct drpc     naked = {.comm = NULL, .sequence = 1, .ref_count = 1};
	Drpc__Call     *call  = call_new(pair.ctx, 2, 206, 5);
	Drpc__Response *resp  = NULL;
	int             flags;

	(void)state;
	for (flags = 0; flags <= R_SYNC; flags++) {
		assert_int_equal(drpc_call(NULL, flags, call, &resp), -DER_INVAL);
		assert_int_equal(drpc_call(&naked, flags, call, &resp), -DER_INVAL);
		assert_int_equal(drpc_call(pair.ctx, flags, NULL, &resp), -DER_INVAL);
		assert_int_equal(drpc_call(pair.ctx, flags, call, NULL), -DER_INVAL);
		assert_int_equal(drpc_call(NULL, flags, NULL, NULL), -DER_INVAL);
	}
	assert_null(resp);
	assert_true(peer_is_quiet(pair.peer));
	drpc_call_free(call);
	pair_free(&pair);
}

static void
call_judges_the_body(void **state)
{
	struct pair      pair = pair_told();
	Drpc__Call       call = DRPC__CALL__INIT;
	Drpc__Response  *resp = NULL;
	uint8_t          byte = 7;
	struct peer_call in;

	(void)state;
	call.body.len = 1;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_INVAL);
	assert_int_equal(drpc_call(pair.ctx, 0, &call, &resp), -DER_INVAL);
	assert_null(resp);
	assert_true(peer_is_quiet(pair.peer));
	/* No bytes are no bytes, wherever they are said to be. */
	call.body.len  = 0;
	call.body.data = &byte;
	assert_int_equal(drpc_call(pair.ctx, 0, &call, &resp), 0);
	drpc_response_free(resp);
	assert_true(peer_recv_call(pair.peer, &in));
	assert_int_equal(in.call.len, 0);
	free(in.msg);
	pair_free(&pair);
}

static void
call_refuses_other_messages(void **state)
{
	struct pair     pair = pair_new(NULL);
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	(void)state;
	call.base.descriptor = &drpc__response__descriptor;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_INVAL);
	call.base.descriptor = NULL;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_INVAL);
	assert_null(resp);
	assert_true(peer_is_quiet(pair.peer));
	pair_free(&pair);
}

static void
call_on_a_bad_descriptor(void **state)
{
	struct pair pair = pair_new(NULL);
	int         fd   = pair.ctx->comm->fd;

	(void)state;
	pair.ctx->comm->fd = -1;
	do_call(pair.ctx, R_SYNC, -DER_NO_HDL);
	assert_string_not_equal(drpc_last_error(), "");
	pair.ctx->comm->fd = fd;
	/* Also a call that fails takes its number. */
	assert_int_equal(pair.ctx->sequence, 2);
	pair_free(&pair);
}

/* --- bad ends -------------------------------------------------------------------------- */

static void
eof_before_the_reply(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	shutdown(pair.peer, SHUT_WR);
	do_call(pair.ctx, R_SYNC, -DER_NOREPLY);
	assert_non_null(strstr(drpc_last_error(), "closed"));
	pair_free(&pair);
}

static void
call_to_a_peer_that_is_gone(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	close(pair.peer);
	/* EPIPE, and no signal kills us. */
	do_call(pair.ctx, R_SYNC, -DER_MISC);
	do_call(pair.ctx, 0, -DER_MISC);
	assert_int_equal(drpc_close(pair.ctx), 0);
}

/* Answers without having read, and closes: that resets the connection. */
static void *
answer_unread(void *arg)
{
	int           peer  = *(int *)arg;
	struct pollfd ready = {.fd = peer, .events = POLLIN};
	bool          ok    = poll(&ready, 1, PATIENCE_MS) == 1 && peer_send_response(peer, 1, 0, (const uint8_t *)"yes", 3);

	close(peer);
	return ok ? NULL : arg;
}

/* Whether the reset or the reply is there first when the client wakes up is chance; test_fault.c leaves none. */
static void
a_reply_before_a_reset_is_read(void **state)
{
	struct pair     pair;
	Drpc__Response *resp;
	pthread_t       peer;
	void           *failed;
	int             i;

	(void)state;
	for (i = 0; i < 50; i++) {
		pair = pair_new(NULL);
		assert_int_equal(pthread_create(&peer, NULL, answer_unread, &pair.peer), 0);
		resp = do_call(pair.ctx, R_SYNC, 0);
		assert_int_equal(resp->body.len, 3);
		drpc_response_free(resp);
		assert_int_equal(pthread_join(peer, &failed), 0);
		assert_null(failed);
		assert_int_equal(drpc_close(pair.ctx), 0);
	}
}

static void
an_unparsable_reply_spoils_one_call_only(void **state)
{
	static const uint8_t junk[][4] = {{0xff, 0xff, 0xff, 0xff}, {0x1a, 0x7f, 1, 2}, {0x08, 0x80, 0x80, 0x80}};
	struct pair          pair      = pair_new(NULL);
	size_t               i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_true(peer_send_message(pair.peer, junk[i], sizeof(junk[i])));
		do_call(pair.ctx, R_SYNC, -DER_PROTO);
		assert_string_not_equal(drpc_last_error(), "");
		reply(pair.peer, 2 * (int64_t)i + 2, 0, 2);
		expect_response(do_call(pair.ctx, R_SYNC, 0), 2 * (int64_t)i + 2, DRPC__STATUS__SUCCESS, 2);
	}
	pair_free(&pair);
}

static void
reply_as_protobuf_allows_it(void **state)
{
	/* Sequence twice, body twice, an unknown field of each wire type. */
	static const uint8_t message[] = {0x08, 0x09, 0x08, 0x01, 0x1a, 0x01, 'x', 0x1a, 0x02, 'o',  'k',
					  0x78, 0x05, 0x7a, 0x01, 'u',  0x7d, 1,   2,    3,    4,    0x79,
					  1,    2,    3,    4,    5,    6,    7,   8,    0x10, 0x02};
	struct pair     pair = pair_new(NULL);
	Drpc__Response *resp;

	(void)state;
	assert_true(peer_send_message(pair.peer, message, sizeof(message)));
	resp = do_call(pair.ctx, R_SYNC, 0);
	assert_int_equal(resp->sequence, 1);
	assert_int_equal(resp->status, 2);
	assert_int_equal(resp->body.len, 2);
	assert_memory_equal(resp->body.data, "ok", 2);
	assert_int_equal(resp->base.n_unknown_fields, 4);
	assert_int_equal(resp->base.unknown_fields[0].tag, 15);
	drpc_response_free(resp);
	pair_free(&pair);
}

static void
unknown_fields_of_a_call_are_sent(void **state)
{
	static const uint8_t message[] = {0x08, 0x02, 0x10, 0x03, 0x78, 0x05};
	struct pair     pair = pair_told();
	Drpc__Call     *call = drpc__call__unpack(NULL, sizeof(message), message);
	Drpc__Response *resp = NULL;
	uint8_t        *sent;
	size_t          len;

	(void)state;
	assert_non_null(call);
	assert_int_equal(drpc_call(pair.ctx, 0, call, &resp), 0);
	drpc_response_free(resp);
	drpc_call_free(call);
	sent = peer_recv_message(pair.peer, &len);
	assert_non_null(sent);
	assert_int_equal(len, 8);
	assert_memory_equal(sent, "\x08\x02\x10\x03\x18\x01\x78\x05", 8);
	free(sent);
	pair_free(&pair);
}

/* --- sizes ------------------------------------------------------------------------------- */

static void
echo_one(struct drpc *ctx, size_t len)
{
	Drpc__Call     *call = call_new(ctx, 2, 206, len);
	Drpc__Response *resp = NULL;

	assert_int_equal(drpc_call(ctx, R_SYNC, call, &resp), 0);
	expect_response(resp, call->sequence, DRPC__STATUS__SUCCESS, len);
	drpc_call_free(call);
}

static void
bodies_of_many_sizes_come_back(void **state)
{
	/* Around each place where a length or a buffer takes another shape. */
	static const size_t sizes[] = {
	    0, 1, 2, 127, 128, 129, 255, 256, 4000, 4095, 4096, 4097, 8192, 16300, 16368,
#if ABI_CHUNKED
	    16383, 16384, 16385, 65535, 131030, 131036, 131037, 131038, 131039, 131040, 131041, 131048, 131049,
	    131072, 262084, 262085, 262086, 262087, 262096, 262144, 400000, 1 << 20, 5 << 20,
#endif
	};
	struct pair pair = pair_new(NULL);
	struct echo echo;
	size_t      i;

	(void)state;
	echo_start(&echo, pair.peer);
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		echo_one(pair.ctx, sizes[i]);
	assert_int_equal(drpc_close(pair.ctx), 0);
	assert_int_equal(echo_stop(&echo), (int)i);
}

/* The length of a call as it is sent, body of len bytes, module 2, method 206. */
static size_t
packed_call(size_t len, int64_t sequence)
{
	uint8_t         *body = body_new(len);
	struct wire_call call = {2, 206, sequence, body, len};
	size_t           size;

	free(wire_pack_call(&call, &size));
	free(body);
	return size;
}

/* Sends a call of this packed size; true when it went out, false on overflow. */
static bool
send_packed(struct drpc *ctx, size_t size)
{
	size_t          len  = size - (packed_call(size, 1) - size);
	Drpc__Call     *call;
	Drpc__Response *resp = NULL;
	int             rc;

	/* A little less body may need a byte less for its length. */
	while (packed_call(len, 1) < size)
		len++;
	assert_int_equal(packed_call(len, 1), size);
	call          = call_new(ctx, 2, 206, len);
	ctx->sequence = 1;
	rc            = drpc_call(ctx, 0, call, &resp);
	drpc_call_free(call);
	if (rc == 0) {
		drpc_response_free(resp);
		return true;
	}
	assert_int_equal(rc, -DER_OVERFLOW);
	assert_null(resp);
	assert_string_not_equal(drpc_last_error(), "");
	return false;
}

static void
too_large_a_call_is_not_sent(void **state)
{
	struct pair pair = pair_told();
	uint8_t    *msg;
	size_t      len;

	(void)state;
	assert_int_equal(drpc_set_max_message(1000), 0);
	assert_false(send_packed(pair.ctx, 1001));
	assert_true(peer_is_quiet(pair.peer));
	assert_true(send_packed(pair.ctx, 1000));
	msg = peer_recv_message(pair.peer, &len);
	assert_int_equal(len, 1000);
	free(msg);
	assert_int_equal(drpc_set_max_message(0), 0);
	assert_true(send_packed(pair.ctx, 1001));
	free(peer_recv_message(pair.peer, &len));
#if !ABI_CHUNKED
	assert_true(send_packed(pair.ctx, UNIXCOMM_MAXMSGSIZE));
	msg = peer_recv_message(pair.peer, &len);
	assert_int_equal(len, UNIXCOMM_MAXMSGSIZE);
	free(msg);
	assert_false(send_packed(pair.ctx, UNIXCOMM_MAXMSGSIZE + 1));
	assert_true(peer_is_quiet(pair.peer));
#endif
	pair_free(&pair);
}

/* 128 MiB is the most that either dialect sends; what no memory could hold is too much as well. */
static void
the_default_limit_stops_a_call(void **state)
{
	struct pair     pair = pair_new(NULL);
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	uint8_t         byte = 1;

	(void)state;
	call.body.data = &byte;
	for (call.body.len = 128 << 20; call.body.len <= PTRDIFF_MAX; call.body.len <<= 1) {
		assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_OVERFLOW);
		assert_null(resp);
	}
	call.body.len = PTRDIFF_MAX;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_OVERFLOW);
	call.body.len = (size_t)PTRDIFF_MAX + 1;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_OVERFLOW);
	call.body.len = SIZE_MAX;
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_OVERFLOW);
	assert_null(resp);
	assert_true(peer_is_quiet(pair.peer));
	pair_free(&pair);
}

static void
too_large_a_reply_is_refused(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	assert_int_equal(drpc_set_max_message(1000), 0);
	reply(pair.peer, 1, 0, 1000);
	do_call(pair.ctx, R_SYNC, -DER_OVERFLOW);
	assert_int_equal(drpc_set_max_message(0), 0);
	pair_free(&pair);
}

#if !ABI_CHUNKED

/* --- the datagram dialect ------------------------------------------------------------------ */

static void
an_empty_record_is_an_empty_reply(void **state)
{
	struct pair pair = pair_new(NULL);

	(void)state;
	assert_true(peer_send_record(pair.peer, "", 0));
	expect_response(do_call(pair.ctx, R_SYNC, 0), 0, DRPC__STATUS__SUCCESS, 0);
	/* Also with the next reply behind it. */
	assert_true(peer_send_record(pair.peer, "", 0));
	reply(pair.peer, 3, 0, 4);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 0, DRPC__STATUS__SUCCESS, 0);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 3, DRPC__STATUS__SUCCESS, 4);
	pair_free(&pair);
}

static void
replies_over_the_sending_limit_are_read_whole(void **state)
{
	static const size_t sizes[] = {16384, 16385, 100000, 131072, 200000};
	struct pair         pair    = pair_new(NULL);
	size_t              i;

	(void)state;
	for (i = 0; i < 5; i++) {
		reply(pair.peer, (int64_t)i + 1, 0, sizes[i]);
		expect_response(do_call(pair.ctx, R_SYNC, 0), (int64_t)i + 1, DRPC__STATUS__SUCCESS, sizes[i]);
	}
	pair_free(&pair);
}

static void
a_record_over_256_kib_is_cut(void **state)
{
	struct pair pair = pair_new(NULL);
	int         size = 400000;

	(void)state;
	assert_int_equal(setsockopt(pair.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	reply(pair.peer, 1, 0, 300000);
	do_call(pair.ctx, R_SYNC, -DER_TRUNC);
	reply(pair.peer, 2, 0, 3);
	expect_response(do_call(pair.ctx, R_SYNC, 0), 2, DRPC__STATUS__SUCCESS, 3);
	pair_free(&pair);
}

#else

/* --- the chunked dialect --------------------------------------------------------------------- */

static void
a_chunk_without_data_is_an_empty_reply(void **state)
{
	static const struct wire_header empty = {.chunks = 1};
	struct pair                     pair  = pair_new(NULL);

	(void)state;
	assert_true(peer_send_chunk(pair.peer, &empty, NULL, 0));
	expect_response(do_call(pair.ctx, R_SYNC, 0), 0, DRPC__STATUS__SUCCESS, 0);
	pair_free(&pair);
}

static void
surplus_bytes_of_a_record_are_ignored(void **state)
{
	static const struct wire_header header = {.total = 4, .size = 4, .chunks = 1};
	struct pair                     pair   = pair_new(NULL);

	(void)state;
	assert_true(peer_send_chunk(pair.peer, &header, "\x08\x01\x10\x02 and more", 13));
	expect_response(do_call(pair.ctx, R_SYNC, 0), 1, DRPC__STATUS__FAILURE, 0);
	pair_free(&pair);
}

static void
a_record_that_the_kernel_cut_is_refused(void **state)
{
	static const struct wire_header header = {.total = 4, .size = 4, .chunks = 1};
	struct pair                     pair   = pair_new(NULL);
	uint8_t                        *data   = calloc(1, 300000);
	int                             size   = 400000;

	(void)state;
	assert_int_equal(setsockopt(pair.peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_true(peer_send_chunk(pair.peer, &header, data, 300000));
	do_call(pair.ctx, R_SYNC, -DER_TRUNC);
	free(data);
	pair_free(&pair);
}

struct fault {
	struct wire_header header;
	size_t             data;
	int                rc;
};

/* Faults of a first record. */
static const struct fault first_faults[] = {
    {{4, 4, 0, 0}, 4, -DER_PROTO},
    {{0, 0, 0, 0}, 0, -DER_PROTO},
    {{WIRE_CHUNK_MAX + 1, WIRE_CHUNK_MAX + 1, 0, 1}, 8, -DER_TRUNC},
    {{4, UINT64_MAX, 0, 1}, 4, -DER_TRUNC},
    {{4, 5, 0, 1}, 5, -DER_TRUNC},
    {{5, 5, 0, 1}, 4, -DER_TRUNC},
    {{4, 4, 0, 2}, 4, -DER_PROTO},
    {{0, 0, 0, 2}, 0, -DER_PROTO},
    {{4, 4, 0, UINT32_MAX}, 4, -DER_PROTO},
    {{WIRE_CHUNK_MAX + 1, 100, 0, 2}, 100, -DER_PROTO},
    {{WIRE_CHUNK_MAX + 1, 0, 0, 2}, 0, -DER_PROTO},
    {{8, 4, 0, 1}, 4, -DER_PROTO},
    {{4, 4, 1, 1}, 4, -DER_PROTO},
    {{4, 4, UINT32_MAX, 1}, 4, -DER_PROTO},
    {{WIRE_CHUNK_MAX + 1, 1, 1, 2}, 1, -DER_MISMATCH},
    {{(uint64_t)1 << 62, 4, 0, 1}, 4, -DER_PROTO},
};

/* Faults of a second record, after a good first one of two (total 131053). */
#define TWO (WIRE_CHUNK_MAX + 5)
static const struct fault second_faults[] = {
    {{TWO, 5, 0, 2}, 5, -DER_MISMATCH},
    {{TWO, 5, 2, 2}, 5, -DER_PROTO},
    {{TWO, 5, 1, 3}, 5, -DER_PROTO},
    {{TWO, 5, 1, 0}, 5, -DER_PROTO},
    {{TWO + 1, 5, 1, 2}, 5, -DER_PROTO},
    {{TWO, 6, 1, 2}, 6, -DER_TRUNC},
    {{TWO, 4, 1, 2}, 4, -DER_PROTO},
    {{TWO, 0, 1, 2}, 0, -DER_PROTO},
    {{TWO, 5, 1, 2}, 4, -DER_TRUNC},
    {{TWO, WIRE_CHUNK_MAX + 1, 1, 2}, 5, -DER_TRUNC},
};

/* After half a message there is no knowing where the next begins. */
static void
fails_from_now_on(struct pair *pair)
{
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	assert_true(drpc_call(pair->ctx, R_SYNC, &call, &resp) < 0);
	assert_null(resp);
	pair_free(pair);
}

static void
every_header_fault_has_its_code(void **state)
{
	static const struct wire_header good = {TWO, WIRE_CHUNK_MAX, 0, 2};
	uint8_t                        *data = calloc(1, TWO);
	struct pair                     pair;
	size_t                          i;

	(void)state;
	for (i = 0; i < sizeof(first_faults) / sizeof(*first_faults); i++) {
		pair = pair_new(NULL);
		assert_true(peer_send_chunk(pair.peer, &first_faults[i].header, data, first_faults[i].data));
		do_call(pair.ctx, R_SYNC, first_faults[i].rc);
		assert_string_not_equal(drpc_last_error(), "");
		fails_from_now_on(&pair);
	}
	for (i = 0; i < sizeof(second_faults) / sizeof(*second_faults); i++) {
		pair = pair_new(NULL);
		assert_true(peer_send_chunk(pair.peer, &good, data, WIRE_CHUNK_MAX));
		assert_true(peer_send_chunk(pair.peer, &second_faults[i].header, data, second_faults[i].data));
		do_call(pair.ctx, R_SYNC, second_faults[i].rc);
		fails_from_now_on(&pair);
	}
	free(data);
}

static void
a_record_without_a_whole_header(void **state)
{
	static const uint8_t header[24] = {4, [8] = 4, [20] = 1};
	struct pair          pair;
	size_t               len;

	(void)state;
	for (len = 1; len < 24; len++) {
		pair = pair_new(NULL);
		assert_true(peer_send_record(pair.peer, header, len));
		do_call(pair.ctx, R_SYNC, -DER_TRUNC);
		fails_from_now_on(&pair);
	}
}

static void
eof_in_the_middle_of_a_reply(void **state)
{
	static const struct wire_header good = {TWO, WIRE_CHUNK_MAX, 0, 2};
	uint8_t                        *data = calloc(1, TWO);
	struct pair                     pair = pair_new(NULL);

	(void)state;
	assert_true(peer_send_chunk(pair.peer, &good, data, WIRE_CHUNK_MAX));
	shutdown(pair.peer, SHUT_WR);
	do_call(pair.ctx, R_SYNC, -DER_TRUNC);
	assert_non_null(strstr(drpc_last_error(), "closed"));
	fails_from_now_on(&pair);
	free(data);
}

static void
a_total_over_the_limit_is_refused_at_once(void **state)
{
	/* A whole chunk of 129 MiB, and the largest total whose count fits. */
	static const struct wire_header headers[] = {
	    {(uint64_t)129 << 20, WIRE_CHUNK_MAX, 0, ((129 << 20) + WIRE_CHUNK_MAX - 1) / WIRE_CHUNK_MAX},
	    {(uint64_t)UINT32_MAX * WIRE_CHUNK_MAX, WIRE_CHUNK_MAX, 0, UINT32_MAX},
	};
	uint8_t    *data = calloc(1, WIRE_CHUNK_MAX);
	struct pair pair;
	size_t      i;

	(void)state;
	for (i = 0; i < 2; i++) {
		pair = pair_new(NULL);
		assert_true(peer_send_chunk(pair.peer, &headers[i], data, WIRE_CHUNK_MAX));
		do_call(pair.ctx, R_SYNC, -DER_OVERFLOW);
		fails_from_now_on(&pair);
	}
	free(data);
}

static int yields;
static int cancelable_yields;

static int
count_yield(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_setcancelstate(state, NULL);
	cancelable_yields += state == PTHREAD_CANCEL_ENABLE;
	yields++;
	return -1;
}

static void
yield_is_called_for_each_chunk(void **state)
{
	struct pair pair = pair_new(NULL);
	struct echo echo;

	(void)state;
	pair.ctx->yield = count_yield;
	echo_start(&echo, pair.peer);
	yields = 0;
	echo_one(pair.ctx, 10);
	assert_int_equal(yields, 2);
	yields = 0;
	echo_one(pair.ctx, 2 * WIRE_CHUNK_MAX);
	assert_int_equal(yields, 6);
	/* Whether other work in the thread may be cancelled is not for the library to say. */
	assert_int_equal(cancelable_yields, 8);
	assert_int_equal(drpc_close(pair.ctx), 0);
	echo_stop(&echo);
}

static struct drpc *re_entered;

static int
call_from_yield(void)
{
	struct drpc *ctx = re_entered;

	/* Once, on another connection, while the first call is under way. */
	re_entered = NULL;
	if (ctx != NULL)
		echo_one(ctx, 300000);
	return 0;
}

static void
yield_may_call(void **state)
{
	struct pair one = pair_told();
	struct pair two = pair_told();
	struct echo echo_one_;
	struct echo echo_two;

	(void)state;
	echo_start(&echo_one_, one.peer);
	echo_start(&echo_two, two.peer);
	one.ctx->yield = call_from_yield;
	re_entered     = two.ctx;
	echo_one(one.ctx, 400000);
	assert_null(re_entered);
	assert_int_equal(drpc_close(one.ctx), 0);
	assert_int_equal(drpc_close(two.ctx), 0);
	assert_int_equal(echo_stop(&echo_one_), 1);
	assert_int_equal(echo_stop(&echo_two), 1);
}

static int refusals;

static int
call_within(void)
{
	static bool     inside;
	struct drpc    *ctx  = re_entered;
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	/* Who waits for a turn yields, too. */
	if (inside)
		return 0;
	inside = true;
	assert_int_equal(drpc_call(ctx, R_SYNC, &call, &resp), -DER_BUSY);
	assert_int_equal(errno, EBUSY);
	assert_null(resp);
	assert_int_equal(drpc_call(ctx, 0, &call, &resp), -DER_BUSY);
	assert_int_equal(call.sequence, 0);
	refusals++;
	inside = false;
	return 0;
}

/* Whether the first call is being sent or waits for its reply. */
static void
a_call_within_a_call_is_refused(void **state)
{
	struct pair pair = pair_told();
	struct echo echo;

	(void)state;
	echo_start(&echo, pair.peer);
	re_entered      = pair.ctx;
	pair.ctx->yield = call_within;
	refusals        = 0;
	echo_one(pair.ctx, 10);
	assert_int_equal(refusals, 2);
	echo_one(pair.ctx, 2 * WIRE_CHUNK_MAX);
	assert_int_equal(refusals, 8);
	pair.ctx->yield = NULL;
	echo_one(pair.ctx, 10);
	re_entered = NULL;
	assert_int_equal(drpc_close(pair.ctx), 0);
	assert_int_equal(echo_stop(&echo), 3);
}

/* The next call is made, and finds none under way. */
static void
a_call_that_failed_is_not_under_way(void **state)
{
	struct pair     pair = pair_told();
	Drpc__Call      call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	(void)state;
	re_entered      = pair.ctx;
	pair.ctx->yield = call_within;
	refusals        = 0;
	assert_int_equal(drpc_set_timeout(pair.ctx, 10), 0);
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_TIMEDOUT);
	assert_int_equal(refusals, 1);
	assert_int_equal(drpc_call(pair.ctx, R_SYNC, &call, &resp), -DER_TIMEDOUT);
	assert_int_equal(refusals, 2);
	re_entered = NULL;
	pair_free(&pair);
}

#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(call_create_copies_the_sequence),
	    unit(call_create_without_context),
	    unit(free_takes_null),
	    unit(response_create_answers_its_call),
	    unit(connect_gives_a_fresh_context),
	    unit(connected_parts_may_be_freed_apart),
	    unit(connect_says_why_it_failed),
	    unit(connect_refuses_bad_paths),
	    unit(connect_takes_the_longest_path),
	    unit(connect_refuses_null),
	    unit(close_refuses_what_is_no_context),
	    unit(the_last_close_closes),
	    unit(add_ref_counts),
	    unit(references_are_atomic),
	    unit(call_sends_exactly_these_bytes),
	    unit(call_gives_the_reply),
	    unit(call_takes_any_sequence_when_nothing_is_owed),
	    unit(call_keeps_any_status),
	    unit(call_without_sync_does_not_wait),
	    unit(call_on_a_stack_with_every_field_at_its_default),
	    unit(sequence_starts_at_one),
	    unit(sequence_may_be_set_by_the_caller),
	    unit(sequence_wraps_to_one),
	    unit(sequences_are_never_given_twice),
	    unit(replies_to_async_calls_are_discarded),
	    unit(owed_replies_may_come_late),
	    unit(a_reply_of_minus_one_is_never_stale),
	    unit(the_reply_to_a_call_that_failed_is_discarded),
	    unit(many_replies_may_be_owed),
	    unit(call_refuses_null),
	    unit(call_judges_the_body),
	    unit(call_refuses_other_messages),
	    unit(call_on_a_bad_descriptor),
	    unit(eof_before_the_reply),
	    unit(call_to_a_peer_that_is_gone),
	    unit(a_reply_before_a_reset_is_read),
	    unit(an_unparsable_reply_spoils_one_call_only),
	    unit(reply_as_protobuf_allows_it),
	    unit(unknown_fields_of_a_call_are_sent),
	    unit(bodies_of_many_sizes_come_back),
	    unit(too_large_a_call_is_not_sent),
	    unit(the_default_limit_stops_a_call),
	    unit(too_large_a_reply_is_refused),
#if !ABI_CHUNKED
	    unit(an_empty_record_is_an_empty_reply),
	    unit(replies_over_the_sending_limit_are_read_whole),
	    unit(a_record_over_256_kib_is_cut),
#else
	    unit(a_chunk_without_data_is_an_empty_reply),
	    unit(surplus_bytes_of_a_record_are_ignored),
	    unit(a_record_that_the_kernel_cut_is_refused),
	    unit(every_header_fault_has_its_code),
	    unit(a_record_without_a_whole_header),
	    unit(eof_in_the_middle_of_a_reply),
	    unit(a_total_over_the_limit_is_refused_at_once),
	    unit(yield_is_called_for_each_chunk),
	    unit(yield_may_call),
	    unit(a_call_within_a_call_is_refused),
	    unit(a_call_that_failed_is_not_under_way),
#endif
	};

	return cmocka_run_group_tests_name("client " ABI_NAME, tests, NULL, NULL);
}
