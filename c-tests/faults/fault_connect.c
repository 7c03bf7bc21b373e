/* Failing system calls of clients that connect, and connect again. And the shape of these calls. */
#include "abi.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/descriptors.h"
#include "support/dir.h"
#include "support/fault.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/syscalls.h"

/* --- connecting ------------------------------------------------------------------------ */

/* One connect in which the nth of these calls fails. */
static void
connect_fails(const char *path, enum call call, int nth, int error, int der)
{
	struct drpc *ctx    = (struct drpc *)&ctx;
	int          before = descriptors_open();

	syscalls_reset();
	syscalls_fail(call, nth, error);
	errno = 0;
	assert_int_equal(LIBRARY(abi_connect(path, &ctx)), abi_failed(der));
#ifdef DRPC_ABI_08
	assert_int_equal(errno, error);
#endif
	assert_null(ctx);
	assert_int_equal(calls.count[call], nth);
	socket_is_closed(error, call == CALL_SOCKET ? 0 : 1);
	assert_int_equal(descriptors_open(), before);
	assert_string_not_equal(drpc_last_error(), "");
}

static void
connect_tells_every_failure(void **state)
{
	struct dir dir;
	int        listener;
	size_t     i;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	for (i = 0; i < ERRNOS; i++) {
		connect_fails(dir.sock, CALL_SOCKET, 1, errnos[i].error, errnos[i].der);
		connect_fails(dir.sock, CALL_FCNTL, 1, errnos[i].error, errnos[i].der);
		connect_fails(dir.sock, CALL_FCNTL, 2, errnos[i].error, errnos[i].der);
#ifdef DRPC_ABI_28
		connect_fails(dir.sock, CALL_FCHMOD, 1, errnos[i].error, errnos[i].der);
#endif
		connect_fails(dir.sock, CALL_CONNECT, 1, errnos[i].error, errnos[i].der);
	}
	connect_fails(dir.sock, CALL_CONNECT, 1, EAGAIN, DER_AGAIN);
	close(listener);
	dir_remove(&dir);
}

static void
connect_goes_on_after_a_signal(void **state)
{
	struct dir   dir;
	struct drpc *ctx;
	int          listener;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	syscalls_reset();
	syscalls_fail(CALL_CONNECT, 1, EINTR);
	calls.fail_times[CALL_CONNECT] = 3;
	assert_int_equal(LIBRARY(abi_connect(dir.sock, &ctx)), 0);
	assert_int_equal(calls.count[CALL_CONNECT], 4);
	assert_int_equal(drpc_close(ctx), 0);
	close(listener);
	dir_remove(&dir);
}

/* The socket has a timeout while it connects, the rest of which holds after a signal. */
static void
connect_within_a_limit_tells_every_failure(void **state)
{
	struct dir   dir;
	struct drpc *ctx;
	int          listener;
	size_t       i;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(drpc_set_connect_timeout(4 * PATIENCE_MS), 0);
	for (i = 0; i < ERRNOS; i++) {
		/* The first one refuses descriptors, which not every kernel can. */
		connect_fails(dir.sock, CALL_SETSOCKOPT, 2, errnos[i].error, errnos[i].der);
		connect_fails(dir.sock, CALL_CONNECT, 1, errnos[i].error, errnos[i].der);
		connect_fails(dir.sock, CALL_SETSOCKOPT, 3, errnos[i].error, errnos[i].der);
		/* Connected, and given up. */
		close(accept(listener, NULL, NULL));
	}
	syscalls_reset();
	syscalls_fail(CALL_CONNECT, 1, EINTR);
	calls.fail_times[CALL_CONNECT] = 3;
	assert_int_equal(LIBRARY(abi_connect(dir.sock, &ctx)), 0);
	assert_int_equal(calls.count[CALL_CONNECT], 4);
	assert_int_equal(calls.count[CALL_SETSOCKOPT], 6);
	assert_int_equal(drpc_close(ctx), 0);
	assert_int_equal(drpc_set_connect_timeout(0), 0);
	close(listener);
	dir_remove(&dir);
}

/* With every call pretended, on a descriptor that there is not: as upstream's mocks do. */
static void
connect_calls_as_the_original_does(void **state)
{
	struct drpc *ctx;

	(void)state;
	syscalls_reset();
	calls.pretend_fd = 876;
	assert_int_equal(LIBRARY(abi_connect("/my/socket/path", &ctx)), 0);
	assert_int_equal(calls.count[CALL_SOCKET], 1);
	assert_int_equal(calls.domain, AF_UNIX);
	assert_int_equal(calls.type, SOCK_SEQPACKET);
	assert_int_equal(calls.protocol, 0);
	assert_int_equal(calls.count[CALL_FCNTL], 2);
	assert_int_equal(calls.fcntl_fd, 876);
	assert_int_equal(calls.fcntl_cmd, F_SETFL);
	assert_int_equal(calls.fcntl_arg, 0);
#ifdef DRPC_ABI_28
	assert_int_equal(calls.count[CALL_FCHMOD], 1);
	assert_int_equal(calls.fchmod_fd, 876);
	assert_int_equal(calls.fchmod_mode, 0600);
#else
	assert_int_equal(calls.count[CALL_FCHMOD], 0);
#endif
	/* Descriptors are refused, whether or not that can be done. */
	assert_int_equal(calls.count[CALL_SETSOCKOPT], 1);
	assert_int_equal(calls.count[CALL_CONNECT], 1);
	assert_int_equal(calls.connected_fd, 876);
	assert_int_equal(calls.address_len, sizeof(struct sockaddr_un));
	assert_int_equal(calls.address.sun_family, AF_UNIX);
	assert_string_equal(calls.address.sun_path, "/my/socket/path");
	assert_int_equal(calls.count[CALL_CLOSE], 0);
	assert_int_equal(ctx->comm->fd, 876);
	assert_int_equal(ctx->comm->flags, 0);
	assert_int_equal(LIBRARY(drpc_close(ctx)), 0);
	assert_int_equal(calls.count[CALL_CLOSE], 1);
	assert_int_equal(calls.closed_fd, 876);
}

/* The first number that is free is a standard one: the call is as ever, and the socket is moved. */
static void
a_standard_descriptor_is_given_back(void **state)
{
	struct dir   dir;
	struct drpc *ctx;
	int          listener;
	int          kept;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	kept     = fcntl(STDIN_FILENO, F_DUPFD, 3);
	assert_true(kept >= 0);
	assert_int_equal(close(STDIN_FILENO), 0);

	syscalls_reset();
	assert_int_equal(LIBRARY(abi_connect(dir.sock, &ctx)), 0);
	assert_int_equal(calls.type, SOCK_SEQPACKET);
	assert_int_equal(calls.closed_fd, STDIN_FILENO);
	assert_true(ctx->comm->fd > STDERR_FILENO);
	assert_int_equal(calls.count[CALL_FCNTL], 3);
	assert_int_equal(drpc_close(ctx), 0);

	connect_fails(dir.sock, CALL_FCNTL, 1, EMFILE, DER_MISC);
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);

	assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
	close(kept);
	close(listener);
	dir_remove(&dir);
}

/* --- connecting again -------------------------------------------------------------------- */

/* The rejection by a server that reads datagrams waits for a client's first call. */
static struct drpc *
rejected_client(const char *path, int listener, int *peer)
{
	struct drpc *ctx;

	syscalls_reset();
	assert_int_equal(abi_connect(path, &ctx), 0);
	assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
	*peer = accept(listener, NULL, NULL);
	assert_true(peer_send_record(*peer, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05", 13));
	return ctx;
}

/* One first call in which the nth of these calls fails: the call is not sent again, and the context is as it was. */
static void
connecting_again_fails(const char *path, int listener, enum call call, int nth, int error, int der)
{
	Drpc__Call      request = DRPC__CALL__INIT;
	Drpc__Response *resp    = NULL;
	int             peer;
	struct drpc    *ctx     = rejected_client(path, listener, &peer);
	int             before  = descriptors_open();
	char            record[64];

	request.module = 2;
	syscalls_fail(call, nth, error);
	assert_int_equal(LIBRARY(drpc_call(ctx, R_SYNC, &request, &resp)), -der);
	assert_null(resp);
	assert_int_equal(errno, error);
	assert_int_equal(calls.count[call], nth);
	assert_int_equal(calls.count[CALL_SENDMSG], 1);
	socket_is_closed(error, call == CALL_SOCKET ? 0 : 1);
	assert_int_equal(descriptors_open(), before);
	assert_string_not_equal(drpc_last_error(), "");
	/* The first one is still there. */
	assert_true(peer_recv_record(peer, record, sizeof(record)) > 0);
	assert_true(peer_is_quiet(peer));
	close(peer);
	if (call == CALL_DUP3 || (call == CALL_FCNTL && nth > 2))
		close(accept(listener, NULL, NULL));
	assert_int_equal(drpc_close(ctx), 0);
}

static void
connecting_again_tells_every_failure(void **state)
{
	struct dir dir;
	int        listener;
	int        nth;
	size_t     i;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	for (i = 0; i < ERRNOS; i++) {
		connecting_again_fails(dir.sock, listener, CALL_SOCKET, 1, errnos[i].error, errnos[i].der);
		for (nth = 1; nth <= 5; nth++)
			connecting_again_fails(dir.sock, listener, CALL_FCNTL, nth, errnos[i].error, errnos[i].der);
#ifdef DRPC_ABI_28
		connecting_again_fails(dir.sock, listener, CALL_FCHMOD, 1, errnos[i].error, errnos[i].der);
#endif
		/* A server that is too busy is waited for. */
		if (errnos[i].error != EAGAIN)
			connecting_again_fails(dir.sock, listener, CALL_CONNECT, 1, errnos[i].error, errnos[i].der);
		connecting_again_fails(dir.sock, listener, CALL_DUP3, 1, errnos[i].error, errnos[i].der);
	}
	close(listener);
	dir_remove(&dir);
}

/* The server has said that it reads datagrams, and closed its side: that is not forgotten. */
static void
connecting_again_is_made_up_for_by_the_next_call(void **state)
{
	Drpc__Call      request = DRPC__CALL__INIT;
	Drpc__Response *resp    = NULL;
	struct dir      dir;
	struct drpc    *ctx;
	int             listener;
	int             peer;
	int             again;
	char            record[64];

	(void)state;
	dir_make(&dir);
	listener       = peer_listen(dir.sock);
	ctx            = rejected_client(dir.sock, listener, &peer);
	request.module = 2;
	syscalls_fail(CALL_CONNECT, 1, ECONNREFUSED);
	assert_int_equal(LIBRARY(drpc_call(ctx, R_SYNC, &request, &resp)), -DER_MISC);
	close(peer);
	syscalls_reset();
	syscalls_fail(CALL_SOCKET, 1, EMFILE);
	assert_int_equal(LIBRARY(drpc_call(ctx, R_SYNC, &request, &resp)), -DER_MISC);
	syscalls_reset();
	assert_int_equal(LIBRARY(drpc_call(ctx, 0, &request, &resp)), 0);
	drpc_response_free(resp);
	assert_int_equal(calls.count[CALL_SENDMSG], 1);
	again = accept(listener, NULL, NULL);
	assert_int_equal(peer_recv_record(again, record, sizeof(record)), 4);
	assert_memory_equal(record, "\x08\x02\x18\x03", 4);
	assert_int_equal(drpc_close(ctx), 0);
	close(again);
	close(listener);
	dir_remove(&dir);
}

/* A call that waits does so for a server that is too busy; one that does not is kept. */
static void
connecting_again_goes_on_after_a_signal(void **state)
{
	Drpc__Call      request = DRPC__CALL__INIT;
	Drpc__Response *resp    = NULL;
	struct dir      dir;
	struct drpc    *ctx;
	int             listener;
	int             peer;
	int             again;
	char            record[64];

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	ctx      = rejected_client(dir.sock, listener, &peer);
	assert_int_equal(LIBRARY(drpc_call(ctx, 0, &request, &resp)), 0);
	drpc_response_free(resp);
	assert_int_equal(calls.count[CALL_SENDMSG], 1);
	syscalls_fail(CALL_CONNECT, 1, EAGAIN);
	assert_int_equal(LIBRARY(drpc_call(ctx, 0, &request, &resp)), 0);
	drpc_response_free(resp);
	assert_int_equal(calls.count[CALL_CONNECT], 1);
	syscalls_reset();
	syscalls_fail(CALL_CONNECT, 1, EINTR);
	syscalls_fail(CALL_DUP3, 1, EINTR);
	assert_int_equal(LIBRARY(drpc_call(ctx, 0, &request, &resp)), 0);
	drpc_response_free(resp);
	assert_int_equal(calls.count[CALL_CONNECT], 2);
	assert_int_equal(calls.count[CALL_DUP3], 2);
	again = accept(listener, NULL, NULL);
	assert_int_equal(peer_recv_record(again, record, sizeof(record)), 2);
	assert_memory_equal(record, "\x18\x01", 2);
	assert_int_equal(peer_recv_record(again, record, sizeof(record)), 2);
	assert_int_equal(peer_recv_record(again, record, sizeof(record)), 2);
	assert_memory_equal(record, "\x18\x03", 2);
	assert_int_equal(drpc_close(ctx), 0);
	close(again);
	close(peer);
	close(listener);
	dir_remove(&dir);
}

/* A blocking call does not give up because the server is busy, nor does it spin. */
static void
connecting_again_waits_for_a_busy_server(void **state)
{
	Drpc__Call      request = DRPC__CALL__INIT;
	Drpc__Response *resp    = NULL;
	struct dir      dir;
	struct drpc    *ctx;
	int             listener;
	int             peer;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	ctx      = rejected_client(dir.sock, listener, &peer);
	assert_int_equal(drpc_set_timeout(ctx, 50), 0);
	syscalls_fail(CALL_CONNECT, 1, EAGAIN);
	calls.fail_times[CALL_CONNECT] = INT32_MAX;
	assert_int_equal(LIBRARY(drpc_call(ctx, R_SYNC, &request, &resp)), -DER_TIMEDOUT);
	assert_in_range(calls.count[CALL_CONNECT], 2, 51);
	assert_int_equal(drpc_close(ctx), 0);
	close(peer);
	close(listener);
	dir_remove(&dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(connect_tells_every_failure),
	    unit(connect_goes_on_after_a_signal),
	    unit(connect_within_a_limit_tells_every_failure),
	    unit(a_standard_descriptor_is_given_back),
	    unit(connect_calls_as_the_original_does),
	    unit(connecting_again_tells_every_failure),
	    unit(connecting_again_is_made_up_for_by_the_next_call),
	    unit(connecting_again_goes_on_after_a_signal),
	    unit(connecting_again_waits_for_a_busy_server),
	};

	return cmocka_run_group_tests_name("fault connect " ABI_NAME, tests, NULL, NULL);
}
