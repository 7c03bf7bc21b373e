/*
 * errno after a function of the library is that of the system call which made it fail; after one that did not fail it is
 * what it was. The calls that the library makes beside, to tell more of a failure or to tidy up, fail here one by one, all of
 * them with an error that has no other source.
 */
#include "abi.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/peer.h"
#include "support/server.h"
#include "support/syscalls.h"

/* What a call beside fails with, and what errno is before a function. */
#define BESIDE ENOTTY
#define BEFORE EXDEV

static const struct beside {
	enum call   call;
	const char *name;
} besides[] = {
    {CALL_CLOSE, "close"},		 {CALL_FCNTL, "fcntl"},		      {CALL_GETSOCKOPT, "getsockopt"},
    {CALL_SETSOCKOPT, "setsockopt"},	 {CALL_GETPEERNAME, "getpeername"}, {CALL_GETSOCKNAME, "getsockname"},
    {CALL_RECV, "recv"},		 {CALL_SHUTDOWN, "shutdown"},	      {CALL_STAT, "stat"},
    {CALL_UNLINKAT, "unlinkat"},		 {CALL_OPENAT, "openat"},	      {CALL_GETCWD, "getcwd"},
    {CALL_MADVISE, "madvise"},
};

#define BESIDES (sizeof(besides) / sizeof(*besides))

/* Every call of this kind fails, from the nth on. */
static void
always_fails(enum call call, int nth, int error)
{
	syscalls_fail(call, nth, error);
	calls.fail_times[call] = 1000;
}

/* Evaluates an expression with the calls watched; gives what errno is then. */
#define ERRNO_AFTER(expression)                                                                                        \
	__extension__({                                                                                                \
		calls.armed = true;                                                                                    \
		errno	    = BEFORE;                                                                                  \
		(void)(expression);                                                                                    \
		calls.armed = false;                                                                                   \
		errno;                                                                                                 \
	})

static const struct beside *
beside_of(enum call call)
{
	const struct beside *beside = besides;

	while (beside->call != call)
		beside++;
	return beside;
}

/* How often each of them has failed. */
static int failed[BESIDES];

static void
is_errno(int expected, int found, const struct beside *beside)
{
	failed[beside - besides] += calls.count[beside->call];
	if (found != expected)
		fail_msg("%s fails: errno is %s, not %s", beside->name, strerror(found), strerror(expected));
}

/* Says that everything can be read, whether or not it can. */
static int
all_readable(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)timeout;
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = POLLIN;
	return (int)n;
}

/* The same of sessions, not of the listener. */
static int
sessions_readable(struct pollfd *fds, nfds_t n, int timeout)
{
	all_readable(fds, n, timeout);
	fds[n - 1].revents = 0;
	return (int)n;
}

/* The first session can be read, the others have hung up. */
static int
others_hung_up(struct pollfd *fds, nfds_t n, int timeout)
{
	sessions_readable(fds, n, timeout);
	for (nfds_t i = 1; i + 1 < n; i++)
		fds[i].revents = POLLHUP;
	return (int)n;
}

static void
of_a_session_without_data(void **state)
{
	struct server server;
	int	      peer;

	(void)state;
	server_begin(&server);
	peer = server_join(&server);
	for (size_t i = 0; i < BESIDES; i++) {
		syscalls_reset();
		always_fails(besides[i].call, 1, BESIDE);
		calls.poll = sessions_readable;
		is_errno(EAGAIN, ERRNO_AFTER(drpc_progress(server.loop, 1000)), &besides[i]);
	}
	close(peer);
	server_end(&server);
}

/* The result is that of the first session; what is done for the next ones does not count. */
static void
of_the_first_session_in_trouble(void **state)
{
	struct server server;
	int	      first;
	int	      second;

	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		server_begin(&server);
		second = server_join(&server);
		first  = server_join(&server);
		syscalls_reset();
		always_fails(besides[i].call, 1, BESIDE);
		calls.poll = others_hung_up;
		is_errno(EAGAIN, ERRNO_AFTER(drpc_progress(server.loop, 1000)), &besides[i]);
		close(first);
		close(second);
		server_end(&server);
	}
}

static void
of_sessions_that_end(void **state)
{
	struct server server;

	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		server_begin(&server);
		close(server_join(&server));
		syscalls_reset();
		always_fails(besides[i].call, 1, BESIDE);
		is_errno(BEFORE, ERRNO_AFTER(drpc_progress(server.loop, 1000)), &besides[i]);
		server_end(&server);
	}
}

static void
of_a_loop_that_cannot_accept(void **state)
{
	struct server server;
	int	      peer;

	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		server_begin(&server);
		peer = peer_connect(server.dir.sock);
		syscalls_reset();
		always_fails(besides[i].call, 1, BESIDE);
		syscalls_fail(CALL_ACCEPT, 1, EPERM);
		is_errno(EPERM, ERRNO_AFTER(drpc_progress(server.loop, 1000)), &besides[i]);
		if (besides[i].call != CALL_FCNTL) {
			/* Accepted, and then not to be closed on exec. */
			syscalls_reset();
			always_fails(besides[i].call, 1, BESIDE);
			syscalls_fail(CALL_FCNTL, 1, EPERM);
			is_errno(EPERM, ERRNO_AFTER(drpc_progress(server.loop, 1000)), &besides[i]);
		}
		close(peer);
		server_end(&server);
	}
}

/* A handler that closes its loop, which is done when the cycle is over. */
static struct drpc_progress_context *closing;

static void
close_the_loop(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
	drpc_progress_context_close(closing);
	errno = BEFORE;
}

static void
of_a_loop_that_its_handler_closes(void **state)
{
	struct dir dir;
	int	   peer;

	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		dir_make(&dir);
		syscalls_reset();
		closing = drpc_progress_context_create(abi_listen(dir.sock, close_the_loop));
		peer	= peer_connect(dir.sock);
		assert_int_equal(drpc_progress(closing, 1000), 0);
		assert_true(peer_send_call(peer, 1, 0, 1, NULL, 0));
		syscalls_reset();
		always_fails(besides[i].call, 1, BESIDE);
		is_errno(BEFORE, ERRNO_AFTER(drpc_progress(closing, 1000)), &besides[i]);
		close(peer);
		dir_remove(&dir);
	}
}

/* Of a listener's timeout, which a loop looks up when it accepts. */
static void
of_a_loop_that_accepts(void **state)
{
	struct server server;
	int	      peer;

	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		/* These are needed. */
		if (besides[i].call == CALL_FCNTL || besides[i].call == CALL_SETSOCKOPT)
			continue;
		server_begin(&server);
		assert_int_equal(drpc_set_timeout(server.loop->listener_ctx, 5000), 0);
		peer = peer_connect(server.dir.sock);
		syscalls_reset();
		always_fails(besides[i].call, 1, BESIDE);
		is_errno(BEFORE, ERRNO_AFTER(drpc_progress(server.loop, 1000)), &besides[i]);
		close(peer);
		server_end(&server);
	}
}

static void
of_connecting(void **state)
{
	static const struct {
		enum call call;
		int	  nth;
	} needed[] = {{CALL_SOCKET, 1}, {CALL_FCNTL, 1}, {CALL_FCNTL, 2}, {CALL_CONNECT, 1}};
	struct dir   dir;
	struct drpc *ctx;
	int	     listener;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	for (size_t i = 0; i < BESIDES; i++) {
		for (size_t j = 0; j < sizeof(needed) / sizeof(*needed); j++) {
			syscalls_reset();
			if (besides[i].call != needed[j].call)
				always_fails(besides[i].call, besides[i].call == CALL_FCNTL ? 3 : 1, BESIDE);
			syscalls_fail(needed[j].call, needed[j].nth, EPERM);
			is_errno(EPERM, ERRNO_AFTER(abi_connect(dir.sock, &ctx)), &besides[i]);
			assert_null(ctx);
		}
		/* Nobody listens there. */
		syscalls_reset();
		always_fails(besides[i].call, besides[i].call == CALL_FCNTL ? 3 : 1, BESIDE);
		is_errno(ENOENT, ERRNO_AFTER(abi_connect("/nowhere/sock", &ctx)), &besides[i]);
	}
	close(listener);
	dir_remove(&dir);
}

/* Where it works a client remembers for a relative path. */
static void
of_connecting_by_a_relative_path(void **state)
{
	const struct beside *getcwd_fails = beside_of(CALL_GETCWD);
	struct dir	     dir;
	struct drpc	    *ctx;
	int		     before = open(".", O_RDONLY | O_DIRECTORY);
	int		     listener;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	assert_int_equal(chdir(dir.path), 0);
	syscalls_reset();
	always_fails(CALL_GETCWD, 1, BESIDE);
	is_errno(BEFORE, ERRNO_AFTER(abi_connect("drpc.sock", &ctx)), getcwd_fails);
	assert_non_null(ctx);
	syscalls_reset();
	assert_int_equal(drpc_close(ctx), 0);
	assert_int_equal(fchdir(before), 0);
	close(before);
	close(listener);
	dir_remove(&dir);
}

static void
of_listening(void **state)
{
	static const enum call needed[] = {CALL_SOCKET, CALL_BIND, CALL_LISTEN};
	struct dir	       dir;

	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		if (besides[i].call == CALL_FCNTL)
			continue;
		for (size_t j = 0; j < sizeof(needed) / sizeof(*needed); j++) {
			dir_make(&dir);
			syscalls_reset();
			always_fails(besides[i].call, 1, BESIDE);
			syscalls_fail(needed[j], 1, EPERM);
			is_errno(EPERM, ERRNO_AFTER(abi_listen(dir.sock, server_answer)), &besides[i]);
			unlink(dir.sock);
			dir_remove(&dir);
		}
	}
}

static ssize_t
take_all(int fd, const struct msghdr *msg, int flags)
{
	ssize_t len = 0;

	(void)fd;
	(void)flags;
	for (size_t i = 0; i < msg->msg_iovlen; i++)
		len += (ssize_t)msg->msg_iov[i].iov_len;
	return len;
}

static int
try_call(struct drpc *ctx, size_t len)
{
	Drpc__Call	call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	int		rc;

	call.module    = 1;
	call.body.data = calloc(len, 1);
	call.body.len  = len;
	rc	       = drpc_call(ctx, R_SYNC, &call, &resp);
	drpc_response_free(resp);
	free(call.body.data);
	return rc;
}

static void
of_calling(void **state)
{
	static const enum call needed[] = {CALL_SENDMSG, CALL_RECVMSG};
	static const int       errors[] = {EPIPE, ECONNRESET, EAGAIN, EPERM};

	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		for (size_t j = 0; j < 2; j++) {
			for (size_t k = 0; k < sizeof(errors) / sizeof(*errors); k++) {
				struct pair pair;

				/* A full socket is waited for when it does not wait itself. */
				if (needed[j] == CALL_SENDMSG && errors[k] == EAGAIN)
					continue;
				syscalls_reset();
				pair = pair_new(NULL);
				always_fails(besides[i].call, 1, BESIDE);
				always_fails(needed[j], 1, errors[k]);
				is_errno(errors[k], ERRNO_AFTER(try_call(pair.ctx, 1)), &besides[i]);
				syscalls_reset();
				pair_free(&pair);
			}
		}
	}
}

/* The library looks who the server is. Without getsockopt it does not know that the socket has a timeout. */
static void
of_a_call_in_vain(void **state)
{
	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		struct pair pair;

		syscalls_reset();
		pair = pair_told();
		assert_int_equal(drpc_set_timeout(pair.ctx, 50), 0);
		always_fails(besides[i].call, 1, BESIDE);
		is_errno(besides[i].call == CALL_GETSOCKOPT ? EAGAIN : ETIMEDOUT, ERRNO_AFTER(try_call(pair.ctx, 1)),
			 &besides[i]);
		syscalls_reset();
		pair_free(&pair);
	}
}

/*
 * Calls of one record and of several, for which the library looks at the socket's buffer. For an answer other than SUCCESS
 * it looks at the path.
 */
static void
of_calls_that_are_answered(void **state)
{
	(void)state;
	peer_chunked = true;
	for (size_t i = 0; i < BESIDES; i++) {
		for (size_t len = 1; len < 300000; len += 200000) {
			int status = len == 1 ? DRPC__STATUS__FAILURE : DRPC__STATUS__SUCCESS;
			struct pair pair;

			syscalls_reset();
			pair = pair_new(NULL);
			assert_int_equal(drpc_set_framing(pair.ctx, DRPC_FRAMING_CHUNKED), 0);
			assert_true(peer_send_response(pair.peer, 1, status, NULL, 0));
			always_fails(besides[i].call, 1, BESIDE);
			calls.sendmsg = take_all;
			is_errno(BEFORE, ERRNO_AFTER(try_call(pair.ctx, len)), &besides[i]);
			syscalls_reset();
			pair_free(&pair);
		}
	}
	peer_chunked = ABI_CHUNKED;
}

/* Where pages cannot be made huge, and cannot be given back. */
static void
of_large_replies(void **state)
{
	enum { MIB = 1 << 20, REPLIES = 2 };
	/* The block of the first has huge pages. When it is free they are offered, and given back when the other comes. */
	static const size_t  sizes[REPLIES] = {40 * MIB, 12 * MIB};
	const struct beside *madvise_fails  = beside_of(CALL_MADVISE);
	Drpc__Response	    *replies[REPLIES];
	struct pair	     pair;
	pid_t		     child;

	(void)state;
	peer_chunked = true;
	syscalls_reset();
	pair = pair_new(NULL);
	assert_int_equal(drpc_set_framing(pair.ctx, DRPC_FRAMING_CHUNKED), 0);
	child = fork();
	if (child == 0) {
		uint8_t *body = calloc(sizes[0], 1);

		for (int i = 0; i < REPLIES; i++)
			if (!peer_send_response(pair.peer, i + 1, 0, body, sizes[i]))
				_exit(1);
		_exit(0);
	}
	assert_true(child > 0);
	for (int i = 0; i < REPLIES; i++) {
		Drpc__Call call = DRPC__CALL__INIT;

		syscalls_reset();
		always_fails(CALL_MADVISE, 1, BESIDE);
		calls.sendmsg = take_all;
		is_errno(BEFORE, ERRNO_AFTER(drpc_call(pair.ctx, R_SYNC, &call, &replies[i])), madvise_fails);
		assert_int_equal(replies[i]->body.len, sizes[i]);
		assert_int_equal(calls.count[CALL_MADVISE] > 0, i == 0);
	}
	for (int i = 0; i < REPLIES; i++) {
		syscalls_reset();
		always_fails(CALL_MADVISE, 1, BESIDE);
		is_errno(BEFORE, ERRNO_AFTER(drpc_response_free(replies[i])), madvise_fails);
		assert_int_equal(calls.count[CALL_MADVISE], 1);
	}
	syscalls_reset();
	pair_free(&pair);
	assert_int_equal(waitpid(child, NULL, 0), child);
	peer_chunked = ABI_CHUNKED;
}

/* A client that finds out how its server reads, and remembers that by the socket file. */
static void
of_finding_out(void **state)
{
	(void)state;
	peer_chunked = true;
	for (size_t i = 0; i < BESIDES; i++) {
		struct dir   dir;
		struct drpc *ctx;
		int	     listener;
		int	     peer;

		/* This one is needed: it says that there is a socket. */
		if (besides[i].call == CALL_GETSOCKOPT)
			continue;
		dir_make(&dir);
		syscalls_reset();
		listener = peer_listen(dir.sock);
		assert_int_equal(abi_connect(dir.sock, &ctx), 0);
		peer = accept(listener, NULL, NULL);
		assert_true(peer >= 0);
		assert_int_equal(drpc_set_framing(ctx, DRPC_FRAMING_AUTO), 0);
		assert_int_equal(drpc_set_timeout(ctx, 5000), 0);
		/* To what a client asks before a call that large, and to the call, for which there is no other connection. */
		assert_int_equal(unlink(dir.sock), 0);
		assert_true(peer_send_response(peer, -1, DRPC__STATUS__FAILED_UNMARSHAL_CALL, NULL, 0));
		assert_true(peer_send_response(peer, 1, 0, NULL, 0));
		always_fails(besides[i].call, 1, BESIDE);
		calls.sendmsg = take_all;
		is_errno(BEFORE, ERRNO_AFTER(try_call(ctx, 200000)), &besides[i]);
		syscalls_reset();
		assert_int_equal(drpc_close(ctx), 0);
		close(peer);
		close(listener);
		dir_remove(&dir);
	}
	peer_chunked = ABI_CHUNKED;
}

/* A reply that breaks off, after which the connection is of no use. */
static void
of_half_a_reply(void **state)
{
	static const struct wire_header first = {.total = 200000, .size = 100, .index = 0, .chunks = 2};
	static const uint8_t		data[100];

	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		struct pair pair;

		syscalls_reset();
		pair = pair_new(NULL);
		assert_int_equal(drpc_set_framing(pair.ctx, DRPC_FRAMING_CHUNKED), 0);
		assert_true(peer_send_chunk(pair.peer, &first, data, sizeof(data)));
		always_fails(besides[i].call, 1, BESIDE);
		is_errno(EPROTO, ERRNO_AFTER(try_call(pair.ctx, 1)), &besides[i]);
		syscalls_reset();
		pair_free(&pair);
	}
}

static void
of_receiving_a_call(void **state)
{
	static const int errors[] = {ECONNRESET, EAGAIN, EPERM};

	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		for (size_t k = 0; k < sizeof(errors) / sizeof(*errors); k++) {
			struct pair pair;
			Drpc__Call *call;

			syscalls_reset();
			pair = pair_new(server_answer);
			always_fails(besides[i].call, 1, BESIDE);
			always_fails(CALL_RECVMSG, 1, errors[k]);
			is_errno(errors[k], ERRNO_AFTER(drpc_recv_call(pair.ctx, &call)), &besides[i]);
			syscalls_reset();
			pair_free(&pair);
		}
	}
}

static void
of_responding(void **state)
{
	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		Drpc__Response resp = DRPC__RESPONSE__INIT;
		struct pair    pair;

		syscalls_reset();
		pair = pair_new(server_answer);
		always_fails(besides[i].call, 1, BESIDE);
		always_fails(CALL_SENDMSG, 1, EPIPE);
		is_errno(EPIPE, ERRNO_AFTER(drpc_send_response(pair.ctx, &resp)), &besides[i]);
		/* It waits for room. */
		assert_int_equal(fcntl(pair.ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
		syscalls_reset();
		always_fails(besides[i].call, 1, BESIDE);
		syscalls_fail(CALL_SENDMSG, 1, EAGAIN);
		is_errno(EAGAIN, ERRNO_AFTER(drpc_send_response(pair.ctx, &resp)), &besides[i]);
		syscalls_reset();
		pair_free(&pair);
	}
}

/* A call that has been received and not answered is refused when the session ends. */
static void
of_closing(void **state)
{
	(void)state;
	for (size_t i = 0; i < BESIDES; i++) {
		for (int received = 0; received < 2; received++) {
			struct pair pair;
			Drpc__Call *call;

			syscalls_reset();
			pair	     = pair_new(server_answer);
			peer_chunked = false;
			if (received) {
				assert_true(peer_send_call(pair.peer, 1, 0, 1, NULL, 0));
				assert_int_equal(drpc_recv_call(pair.ctx, &call), 0);
				drpc_call_free(call);
			}
			peer_chunked = ABI_CHUNKED;
			syscalls_reset();
			always_fails(besides[i].call, 1, BESIDE);
			is_errno(BEFORE, ERRNO_AFTER(drpc_close(pair.ctx)), &besides[i]);
			close(pair.peer);
		}
	}
}

/* The last test: the others have let each of the calls beside fail. */
static void
of_each_call_beside(void **state)
{
	(void)state;
	for (size_t i = 0; i < BESIDES; i++)
		if (failed[i] == 0)
			fail_msg("%s has not failed", besides[i].name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(of_a_session_without_data),
	    unit(of_the_first_session_in_trouble),
	    unit(of_sessions_that_end),
	    unit(of_a_loop_that_cannot_accept),
	    unit(of_a_loop_that_its_handler_closes),
	    unit(of_a_loop_that_accepts),
	    unit(of_connecting),
	    unit(of_connecting_by_a_relative_path),
	    unit(of_listening),
	    unit(of_calling),
	    unit(of_a_call_in_vain),
	    unit(of_calls_that_are_answered),
	    unit(of_large_replies),
	    unit(of_finding_out),
	    unit(of_receiving_a_call),
	    unit(of_half_a_reply),
	    unit(of_responding),
	    unit(of_closing),
	    unit(of_each_call_beside),
	};

	return cmocka_run_group_tests_name("errno " ABI_NAME, tests, NULL, NULL);
}
