/* Listeners of the plain API, and the sessions that they accept. */
#include "abi.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drpc/library.h>

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
	};

	return cmocka_run_group_tests_name("listening " ABI_NAME, tests, NULL, NULL);
}
