/* Contexts of the plain API: making them, connecting, and closing. Calls and responses as objects. */
#include "abi.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/calling.h"
#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/patience.h"
#include "support/peer.h"

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
	};

	return cmocka_run_group_tests_name("connecting " ABI_NAME, tests, NULL, NULL);
}
