/*
 * Descriptors that a peer passes along with a record: the kernel refuses them where it can, and where it cannot the threads of
 * a managed server do not wait for them to be closed. A connection that lingers keeps who closes it last for ten minutes here.
 */
#include "abi.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/context.h"
#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/peer.h"
#include "support/shared.h"
#include "support/syscalls.h"
#include "support/tasks.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* Sends a record with a descriptor; the errno of that. */
static int
pass(int to, int fd)
{
	union {
		struct cmsghdr header;
		char	       room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec  part    = {.iov_base = "record", .iov_len = 6};
	struct msghdr message = {.msg_iov	 = &part,
				 .msg_iovlen	 = 1,
				 .msg_control	 = &control,
				 .msg_controllen = sizeof(control.room)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(to, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

/* --- refused ---------------------------------------------------------------------------------- */

static bool
kernel_refuses(void)
{
	int	  fd	= socket(AF_UNIX, SOCK_SEQPACKET, 0);
	int	  value = 0;
	socklen_t len	= sizeof(value);
	bool	  has	= getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &value, &len) == 0;

	close(fd);
	if (!has)
		print_message("the kernel has no SO_PASSRIGHTS, which came with Linux 6.16\n");
	return has;
}

static void
a_session_takes_no_descriptors(void **state)
{
	struct drpc *listener;
	struct drpc *session;
	struct dir   dir;
	int	     peer;

	(void)state;
	if (!kernel_refuses())
		skip();
	dir_make(&dir);
	listener = abi_listen(dir.sock, context_no_handler);
	peer	 = peer_connect(dir.sock);
	assert_int_equal(pass(peer, peer), EPERM);
	assert_int_equal(abi_accept(listener, &session), 0);
	assert_int_equal(pass(peer, peer), EPERM);
	close(peer);
	assert_int_equal(drpc_close(session), 0);
	assert_int_equal(drpc_close(listener), 0);
	dir_remove(&dir);
}

static void
a_client_takes_no_descriptors(void **state)
{
	struct drpc *ctx;
	struct dir   dir;
	int	     listener;
	int	     peer;

	(void)state;
	if (!kernel_refuses())
		skip();
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(abi_connect(dir.sock, &ctx), 0);
	peer = accept(listener, NULL, NULL);
	assert_int_equal(pass(peer, peer), EPERM);
	close(peer);
	assert_int_equal(drpc_close(ctx), 0);
	close(listener);
	dir_remove(&dir);
}

static void
a_managed_server_takes_no_descriptors(void **state)
{
	struct managed managed;
	int	       peer;

	(void)state;
	if (!kernel_refuses())
		skip();
	managed_serve_echo(&managed);
	peer = peer_connect(managed.dir.sock);
	assert_int_equal(pass(peer, peer), EPERM);
	exchange_echo(peer, ECHO, 1);
	assert_int_equal(pass(peer, peer), EPERM);
	close(peer);
	managed_end(&managed);
}

static void
a_shared_client_takes_no_descriptors(void **state)
{
	struct shared shared;

	(void)state;
	if (!kernel_refuses())
		skip();
	shared_make(&shared);
	shared_connect(&shared);
	assert_int_equal(pass(shared.peer, shared.peer), EPERM);
	shared_end(&shared);
}

/* --- not refused ------------------------------------------------------------------------------ */

/* A connection with something unsent, and its other end. */
static int
lingering(int *other)
{
	static const char   data[65536];
	struct linger	    linger  = {.l_onoff = 1, .l_linger = 600};
	struct sockaddr_in  address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t	    len	    = sizeof(address);
	int		    sink    = socket(AF_INET, SOCK_STREAM, 0);
	int		    fd	    = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(sink, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(sink, 1), 0);
	assert_int_equal(getsockname(sink, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
	*other = accept(sink, NULL, NULL);
	assert_true(*other >= 0);
	close(sink);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (send(fd, data, sizeof(data), 0) > 0)
		continue;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

/* A server that listens as under an older kernel, and whose clients are of another user. */
static void
make_older(struct managed *managed)
{
	managed_make(managed);
	managed_register(managed, ECHO, managed_echo, NULL);
	syscalls_reset();
	syscalls_fail(CALL_SETSOCKOPT, 1, ENOPROTOOPT);
	assert_int_equal(LIBRARY(drpc_server_listen(managed->server)), 0);
	assert_int_equal(calls.count[CALL_SETSOCKOPT], 1);
	syscalls_reset();
	calls.peer_uid = 65534;
}

/* Serves what has come, in this thread alone. */
static void
serve(struct managed *managed)
{
	for (int i = 0; i < 10; i++)
		assert_int_equal(LIBRARY(drpc_server_dispatch(managed->server, 0)), 0);
}

/* What is passed first, in the middle of calls, and behind a record that ends the session. */
static void
nothing_passed_is_waited_for(void **state)
{
	struct managed managed;

	(void)state;
	for (int calls_before = 0; calls_before < 3; calls_before++) {
		int other, file, peer, innocent;

		make_older(&managed);
		peer	 = peer_connect(managed.dir.sock);
		innocent = peer_connect(managed.dir.sock);
		serve(&managed);
		for (int i = 0; i < calls_before; i++) {
			exchange_send(peer, ECHO, 0, i + 1, 10);
			serve(&managed);
			exchange_expect(peer, i + 1, 0, 10);
		}
		/* An empty chunk is the end. */
		if (calls_before == 2 && ABI_CHUNKED)
			assert_true(peer_send_record(peer, "", 0));
		file = lingering(&other);
		assert_int_equal(pass(peer, file), 0);
		assert_int_equal(pass(peer, file), 0);
		close(file);
		exchange_send(innocent, ECHO, 0, 1, 10);
		serve(&managed);
		exchange_expect(innocent, 1, 0, 10);
		assert_true(peer_is_closed(peer));
		assert_int_equal(managed_stats(&managed).sessions, 1);
		/* By a thread that ended. */
		assert_int_equal(calls.count[CALL_PTHREAD_CREATE], 1);
		close(innocent);
		close(peer);
		managed_end(&managed);
		close(other);
	}
}

/* Only a client that passes something is closed by a thread. */
static void
no_thread_is_started_for_others(void **state)
{
	struct managed managed;
	int	       peer;

	(void)state;
	make_older(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 0, 1, 10);
	serve(&managed);
	exchange_expect(peer, 1, 0, 10);
	close(peer);
	serve(&managed);
	assert_int_equal(managed_stats(&managed).sessions, 0);
	assert_int_equal(calls.count[CALL_PTHREAD_CREATE], 0);
	managed_end(&managed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(a_session_takes_no_descriptors),
	    unit(a_client_takes_no_descriptors),
	    unit(a_managed_server_takes_no_descriptors),
	    unit(a_shared_client_takes_no_descriptors),
	    unit(nothing_passed_is_waited_for),
	    unit(no_thread_is_started_for_others),
	};

	int failed = cmocka_run_group_tests_name("passed " ABI_NAME, tests, NULL, NULL);

	/* A thread that still closes a socket at the end would be taken for a leak. */
	return tasks_are(1) ? failed : 1;
}
