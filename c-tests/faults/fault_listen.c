/* Failing system calls of listeners. And the shape of these calls. */
#include "abi.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drpc/library.h>
#include <drpc/server.h>

#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/fault.h"
#include "support/loop.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/syscalls.h"

/* --- listening --------------------------------------------------------------------------- */

static void
listen_fails(enum call call, int nth, int error)
{
	struct dir dir;
	int        before = descriptors_open();

	dir_make(&dir);
	syscalls_reset();
	syscalls_fail(call, nth, error);
	errno = 0;
	assert_null(LIBRARY(abi_listen(dir.sock, context_no_handler)));
	assert_int_equal(errno, error);
	assert_int_equal(calls.count[call], nth);
	/* The directory is opened when there may be a file to remove. */
	if (call != CALL_LISTEN)
		socket_is_closed(error, call == CALL_SOCKET ? 0 : 1);
	assert_int_equal(descriptors_open(), before);
	assert_string_not_equal(drpc_last_error(), "");
	assert_int_equal(access(dir.sock, F_OK), -1);
	dir_remove(&dir);
}

static void
listen_tells_every_failure(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ERRNOS; i++) {
		listen_fails(CALL_SOCKET, 1, errnos[i].error);
		listen_fails(CALL_FCNTL, 1, errnos[i].error);
		listen_fails(CALL_FCNTL, 2, errnos[i].error);
#ifdef DRPC_ABI_28
		listen_fails(CALL_FCHMOD, 1, errnos[i].error);
#endif
		listen_fails(CALL_BIND, 1, errnos[i].error);
		listen_fails(CALL_LISTEN, 1, errnos[i].error);
	}
}

static void
listen_calls_as_the_original_does(void **state)
{
	struct drpc *ctx;

	(void)state;
	syscalls_reset();
	calls.pretend_fd = 876;
	ctx              = LIBRARY(abi_listen("/my/socket/path", context_no_handler));
	assert_non_null(ctx);
	assert_int_equal(calls.domain, AF_UNIX);
	assert_int_equal(calls.type, SOCK_SEQPACKET);
	assert_int_equal(calls.protocol, 0);
	/* The last one is what upstream's tests look at. */
	assert_int_equal(calls.fcntl_fd, 876);
	assert_int_equal(calls.fcntl_cmd, F_SETFL);
	assert_int_equal(calls.fcntl_arg, O_NONBLOCK);
	assert_int_equal(calls.count[CALL_FCHMOD], ABI_CHUNKED);
	if (ABI_CHUNKED)
		assert_int_equal(calls.fchmod_mode, 0600);
	assert_int_equal(calls.count[CALL_BIND], 1);
	assert_int_equal(calls.bound_fd, 876);
	assert_int_equal(calls.address_len, sizeof(struct sockaddr_un));
	assert_int_equal(calls.address.sun_family, AF_UNIX);
	assert_string_equal(calls.address.sun_path, "/my/socket/path");
	assert_int_equal(calls.count[CALL_LISTEN], 1);
	assert_int_equal(calls.listening_fd, 876);
	assert_int_equal(calls.backlog, SOMAXCONN);
	assert_int_equal(ctx->comm->fd, 876);
	assert_int_equal(ctx->comm->flags, O_NONBLOCK);
	assert_int_equal(LIBRARY(drpc_close(ctx)), 0);
	assert_int_equal(calls.closed_fd, 876);
}

/* The socket file of the managed server as bind has made it, and as it is then. Only root can make it for another. */
static void
file_is_made_for(uid_t owner, gid_t group, struct stat *bound, struct stat *then)
{
	struct drpc_server *server;
	struct dir          dir;
	mode_t              before = umask(0);

	dir_make(&dir);
	if (geteuid() == 0)
		assert_int_equal(chown(dir.path, owner, (gid_t)-1), 0);
	syscalls_reset();
	assert_int_equal(drpc_server_create(dir.sock, &server), 0);
	assert_int_equal(drpc_server_set(server, DRPC_SERVER_MODE, 0666), 0);
	assert_int_equal(drpc_server_set(server, DRPC_SERVER_OWNER, owner), 0);
	assert_int_equal(drpc_server_set(server, DRPC_SERVER_GROUP, group), 0);
	assert_int_equal(LIBRARY(drpc_server_listen(server)), 0);
	*bound = calls.bound_file;
	assert_int_equal(lstat(dir.sock, then), 0);
	drpc_server_destroy(server);
	dir_remove(&dir);
	umask(before);
}

static void
a_socket_file_is_right_from_its_first_moment(void **state)
{
	uid_t       owner = geteuid() == 0 ? 12345 : geteuid();
	gid_t       group = geteuid() == 0 ? 54321 : getegid();
	int         dumps = prctl(PR_GET_DUMPABLE);
	struct stat files[2];

	(void)state;
	file_is_made_for(owner, group, &files[0], &files[1]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(files[i].st_mode & 07777, 0666);
		assert_int_equal(files[i].st_uid, owner);
		assert_int_equal(files[i].st_gid, group);
	}
	/* That is undone, with what the kernel does to a process that changes its user. */
	assert_int_equal(prctl(PR_GET_DUMPABLE), dumps);
	if (geteuid() == 0)
		assert_int_equal(setfsuid((uid_t)-1), 0);
}

/* --- accepting ---------------------------------------------------------------------------- */

static void
accept_tells_every_failure(void **state)
{
	struct dir   dir;
	struct drpc *listener;
	struct drpc *session;
	int          peer;
	size_t       i;

	(void)state;
	dir_make(&dir);
	listener = abi_listen(dir.sock, context_no_handler);
	for (i = 0; i < ERRNOS; i++) {
		syscalls_reset();
		syscalls_fail(CALL_ACCEPT, 1, errnos[i].error);
		session = NULL;
		errno   = 0;
		assert_int_equal(LIBRARY(abi_accept(listener, &session)), abi_failed(errnos[i].der));
#ifdef DRPC_ABI_08
		assert_int_equal(errno, errnos[i].error);
#endif
		assert_null(session);
		assert_string_not_equal(drpc_last_error(), "");

		/* The connection is there, but cannot be made ready: nobody keeps it. */
		peer = peer_connect(dir.sock);
		syscalls_reset();
		syscalls_fail(CALL_FCNTL, 1, errnos[i].error);
		assert_int_equal(LIBRARY(abi_accept(listener, &session)), abi_failed(errnos[i].der));
#ifdef DRPC_ABI_08
		assert_int_equal(errno, errnos[i].error);
#endif
		assert_null(session);
		assert_true(peer_is_closed(peer));
		close(peer);
	}
	assert_int_equal(drpc_close(listener), 0);
	dir_remove(&dir);
}

static void
accept_calls_as_the_original_does(void **state)
{
	struct drpc *listener = context_by_hand(12, context_no_handler);
	struct drpc *session;

	(void)state;
	syscalls_reset();
	calls.pretend_fd = 876;
	syscalls_fail(CALL_ACCEPT, 1, EINTR);
	assert_int_equal(LIBRARY(abi_accept(listener, &session)), 0);
	assert_int_equal(calls.count[CALL_ACCEPT], 2);
	assert_int_equal(calls.accept_fd, 12);
	assert_false(calls.accept_named);
	assert_int_equal(session->comm->fd, 876);
	assert_int_equal(LIBRARY(drpc_close(session)), 0);
	assert_int_equal(calls.closed_fd, 876);
	assert_int_equal(LIBRARY(drpc_close(listener)), 0);
	assert_int_equal(calls.closed_fd, 12);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(listen_tells_every_failure),
	    unit(listen_calls_as_the_original_does),
	    unit(a_socket_file_is_right_from_its_first_moment),
	    unit(accept_tells_every_failure),
	    unit(accept_calls_as_the_original_does),
	};

	return cmocka_run_group_tests_name("fault listen " ABI_NAME, tests, NULL, NULL);
}
