/* Failing system calls of the loop. And the shape of these calls. */
#include "abi.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include "support/context.h"
#include "support/descriptors.h"
#include "support/dir.h"
#include "support/fault.h"
#include "support/loop.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/server.h"
#include "support/syscalls.h"

static struct drpc *
session_at(struct drpc_progress_context *loop, int index)
{
	d_list_t *at = loop->session_ctx_list.next;

	while (index-- > 0)
		at = at->next;
	return ((struct drpc_list *)((char *)at - offsetof(struct drpc_list, link)))->ctx;
}

static int
timed_out(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)fds;
	(void)n;
	(void)timeout;
	return 0;
}

static void
progress_polls_as_the_original_does(void **state)
{
	static const int timeouts[] = {0, 1, 1000, -1, -100, INT32_MAX};
	struct server    server;
	int              peers[2];
	size_t           i;

	(void)state;
	server_begin(&server);
	peers[0] = server_join(&server);
	peers[1] = server_join(&server);
	for (i = 0; i < sizeof(timeouts) / sizeof(*timeouts); i++) {
		syscalls_reset();
		calls.poll = timed_out;
		assert_int_equal(LIBRARY(drpc_progress(server.loop, timeouts[i])), -DER_TIMEDOUT);
		assert_int_equal(calls.count[CALL_POLL], 1);
		assert_int_equal(calls.polled_timeout, timeouts[i]);
		assert_int_equal(calls.polled_count, 3);
		assert_int_equal(calls.polled[0].fd, session_at(server.loop, 0)->comm->fd);
		assert_int_equal(calls.polled[1].fd, session_at(server.loop, 1)->comm->fd);
		assert_int_equal(calls.polled[2].fd, server.loop->listener_ctx->comm->fd);
		assert_int_equal(calls.polled[0].events, POLLIN | POLLPRI);
		assert_int_equal(calls.polled[1].events, POLLIN | POLLPRI);
		assert_int_equal(calls.polled[2].events, POLLIN | POLLPRI);
		assert_int_equal(calls.count[CALL_RECVMSG], 0);
		assert_int_equal(calls.count[CALL_ACCEPT], 0);
	}
	close(peers[0]);
	close(peers[1]);
	server_end(&server);
}

/* The listener is asked for its timeout only when a program has set one. */
static void
sessions_take_over_a_timeout_that_was_set(void **state)
{
	struct server  server;
	struct timeval time;
	socklen_t      len = sizeof(time);
	int            peers[2];
	int            i;

	(void)state;
	server_begin(&server);
	for (i = 0; i < 2; i++) {
		peers[i] = peer_connect(server.dir.sock);
		if (i == 1)
			assert_int_equal(drpc_set_timeout(server.loop->listener_ctx, 3000), 0);
		syscalls_reset();
		assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), 0);
		assert_int_equal(calls.count[CALL_FCNTL], 2);
		assert_int_equal(calls.count[CALL_GETSOCKOPT], i);
		assert_int_equal(getsockopt(session_at(server.loop, 0)->comm->fd, SOL_SOCKET, SO_SNDTIMEO, &time, &len), 0);
		assert_int_equal(time.tv_sec, 3 * i);
	}
	close(peers[0]);
	close(peers[1]);
	server_end(&server);
}

/* Spinning is of no use where nobody could answer meanwhile. */
static bool
can_spin(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

/* After looking in vain a thread does not look for at most 26 ms. */
static void
outwait_the_pause(void)
{
	static const struct timespec longest = {0, 60 * 1000 * 1000};

	nanosleep(&longest, NULL);
}

static void
progress_spins_only_before_it_sleeps(void **state)
{
	struct server server;
	int           tries = 0;

	(void)state;
	server_begin(&server);
	assert_int_equal(drpc_set_spin(2000), 0);
	syscalls_reset();
	calls.poll = timed_out;
	assert_int_equal(LIBRARY(drpc_progress(server.loop, 0)), -DER_TIMEDOUT);
	assert_int_equal(calls.count[CALL_POLL], 1);
	/* How often it looks before the time is over is chance, but seldom once only. */
	do {
		outwait_the_pause();
		syscalls_reset();
		calls.poll = timed_out;
		assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), -DER_TIMEDOUT);
		assert_in_range(calls.count[CALL_POLL], can_spin() ? 2 : 1, can_spin() ? INT32_MAX : 1);
		assert_in_range(calls.polled_timeout, 1, can_spin() ? PATIENCE_MS - 1 : PATIENCE_MS);
	} while (can_spin() && calls.count[CALL_POLL] == 2 && tries++ < PATIENCE_MS);
	assert_int_equal(calls.count[CALL_POLL] > 2, can_spin());
	assert_int_equal(drpc_set_spin(0), 0);
	syscalls_reset();
	calls.poll = timed_out;
	assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), -DER_TIMEDOUT);
	assert_int_equal(calls.count[CALL_POLL], 1);
	assert_int_equal(drpc_set_spin(UINT_MAX), 0);
	server_end(&server);
}

/* What a program does not set the environment does, and nothing is the default. */
static void
receiving_spins_as_long_as_wanted(void **state)
{
	static const struct {
		unsigned int set;
		const char  *variable;
		bool         spins;
	} cases[] = {
	    {2000, NULL, true},	 {2000, "0", true},	  {0, "2000", false},	   {UINT_MAX, "2000", true},
	    {UINT_MAX, "0", false}, {UINT_MAX, "20 us", false}, {UINT_MAX, "-1", false}, {UINT_MAX, NULL, false},
	};
	struct pair pair = fresh_pair(context_no_handler);
	Drpc__Call *call = NULL;
	bool	    spins;
	int	    tries;
	size_t	    i;

	(void)state;
	assert_int_equal(drpc_set_timeout(pair.ctx, 1), 0);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (cases[i].variable != NULL)
			assert_int_equal(setenv("DRPC_SPIN_US", cases[i].variable, 1), 0);
		assert_int_equal(drpc_set_spin(cases[i].set), 0);
		spins = cases[i].spins && can_spin();
		/* How often it looks before the time is over is chance, but seldom once only. */
		tries = 0;
		do {
			outwait_the_pause();
			syscalls_reset();
			assert_int_equal(LIBRARY(drpc_recv_call(pair.ctx, &call)), -DER_TIMEDOUT);
			assert_in_range(calls.count[CALL_RECVMSG], spins ? 2 : 1, spins ? INT32_MAX : 1);
			assert_int_equal(calls.count[CALL_POLL], 0);
		} while (spins && calls.count[CALL_RECVMSG] == 2 && tries++ < PATIENCE_MS);
		assert_int_equal(calls.count[CALL_RECVMSG] > 2, spins);
		/* What is there is taken at once. */
		outwait_the_pause();
		syscalls_reset();
		assert_true(peer_send_call(pair.peer, 1, 2, 3, NULL, 0));
		assert_int_equal(LIBRARY(drpc_recv_call(pair.ctx, &call)), 0);
		drpc_call_free(call);
		assert_int_equal(calls.count[CALL_POLL], 0);
		assert_int_equal(calls.count[CALL_RECVMSG], 1);
		unsetenv("DRPC_SPIN_US");
	}
	assert_int_equal(drpc_set_spin(2000), 0);
	/* Under load the time since the signal can be longer than what sufficed for nothing to come. */
	assert_int_equal(drpc_set_timeout(pair.ctx, PATIENCE_MS), 0);
	/* What goes wrong is no reason to look again, but for a signal. */
	outwait_the_pause();
	syscalls_reset();
	syscalls_fail(CALL_RECVMSG, 1, ENOMEM);
	assert_int_equal(LIBRARY(drpc_recv_call(pair.ctx, &call)), -DER_NOMEM);
	assert_int_equal(calls.count[CALL_RECVMSG], 1);
	syscalls_reset();
	syscalls_fail(CALL_RECVMSG, 1, EINTR);
	assert_true(peer_send_call(pair.peer, 1, 2, 3, NULL, 0));
	assert_int_equal(LIBRARY(drpc_recv_call(pair.ctx, &call)), 0);
	assert_int_equal(calls.count[CALL_RECVMSG], 2);
	drpc_call_free(call);
	/* Where it would not sleep it looks once. */
	assert_int_equal(fcntl(pair.ctx->comm->fd, F_SETFL, O_NONBLOCK), 0);
	syscalls_reset();
	assert_int_equal(LIBRARY(drpc_recv_call(pair.ctx, &call)), -DER_AGAIN);
	assert_int_equal(calls.count[CALL_RECVMSG], 1);
	assert_int_equal(drpc_set_spin(UINT_MAX), 0);
	spent_pair(&pair);
}

/* Receives calls in quick succession; tells how many had come before the first look, or -1. */
static int
calls_before_a_look(struct pair *pair, int most)
{
	Drpc__Call *call;
	int	    i;

	for (i = 0; i < most; i++) {
		memset(calls.count, 0, sizeof(calls.count));
		assert_true(peer_send_call(pair->peer, 1, 2, 3, NULL, 0));
		assert_int_equal(LIBRARY(drpc_recv_call(pair->ctx, &call)), 0);
		drpc_call_free(call);
		assert_int_equal(calls.count[CALL_RECVMSG], 1);
		if (calls.received_flags == MSG_DONTWAIT)
			return i;
		assert_int_equal(calls.received_flags, 0);
		/* With one processor most waits do not even read the clock. */
		assert_in_range(calls.count[CALL_CLOCK_GETTIME], 0, 1);
	}
	return -1;
}

static void
receiving_looks_while_that_pays(void **state)
{
	struct pair pair = fresh_pair(context_no_handler);
	bool	    told = syscalls_can_pretend_cpus();
	Drpc__Call *call;
	int64_t     pause;
	int	    i;

	(void)state;
	assert_int_equal(drpc_set_spin(DRPC_SPIN_AUTO), 0);
	assert_int_equal(drpc_set_timeout(pair.ctx, 1), 0);
	syscalls_pretend_cpus(2, 1000 * SECOND);
	/* The descriptor may have had other waits before. */
	for (i = 0; i < 100; i++) {
		calls.clock += SECOND;
		assert_int_equal(calls_before_a_look(&pair, 1), -1);
	}
	assert_in_range(calls_before_a_look(&pair, 100), told ? 20 : -1, told ? 40 : -1);
	if (told) {
		/* A server's 20 microseconds are four steps of this clock. */
		assert_int_equal(calls_before_a_look(&pair, 1), 0);
		memset(calls.count, 0, sizeof(calls.count));
		assert_int_equal(LIBRARY(drpc_recv_call(pair.ctx, &call)), -DER_TIMEDOUT);
		assert_int_equal(calls.count[CALL_RECVMSG], 6);
		assert_int_equal(calls.received_flags, 0);
		/* Then it pauses for a while, as quick as the calls may be, and goes on after that. */
		pause = calls.clock + SECOND / 20000;
		while (calls.clock < pause)
			assert_int_equal(calls_before_a_look(&pair, 1), -1);
		calls.clock += SECOND / 10;
		assert_in_range(calls_before_a_look(&pair, 100), 1, 60);
	}
	/* Where there is one processor, or the quota cannot be read, it does not. What there is it reads once a second. */
	syscalls_pretend_cpus(1, 2000 * SECOND);
	assert_int_equal(calls_before_a_look(&pair, 100), -1);
	syscalls_pretend_cpus(2, 2000 * SECOND + SECOND / 2);
	assert_int_equal(calls_before_a_look(&pair, 100), -1);
	syscalls_pretend_cpus(2, 3000 * SECOND);
	calls.fail_at[CALL_OPENAT]    = 1;
	calls.fail_errno[CALL_OPENAT] = EACCES;
	assert_int_equal(calls_before_a_look(&pair, 100), -1);
	syscalls_pretend_cpus(2, 4000 * SECOND);
	syscalls_fail(CALL_SCHED_GETAFFINITY, 1, EINVAL);
	assert_int_equal(calls_before_a_look(&pair, 100), -1);
	assert_int_equal(drpc_set_spin(UINT_MAX), 0);
	spent_pair(&pair);
}

static void
progress_looks_while_that_pays(void **state)
{
	bool	      told = syscalls_can_pretend_cpus();
	struct server server;
	int	      i;

	(void)state;
	server_begin(&server);
	assert_int_equal(drpc_set_spin(DRPC_SPIN_AUTO), 0);
	syscalls_pretend_cpus(2, 5000 * SECOND);
	calls.poll = timed_out;
	for (i = -100; i < 45; i++) {
		if (i < 0)
			calls.clock += SECOND;
		memset(calls.count, 0, sizeof(calls.count));
		assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), -DER_TIMEDOUT);
		if (calls.count[CALL_POLL] > 1)
			break;
		assert_int_equal(calls.polled_timeout, PATIENCE_MS);
	}
	assert_in_range(i, told ? 20 : 45, told ? 40 : 45);
	assert_int_equal(calls.count[CALL_POLL], told ? 6 : 1);
	/* A loop that does not wait does not look either. */
	memset(calls.count, 0, sizeof(calls.count));
	assert_int_equal(LIBRARY(drpc_progress(server.loop, 0)), -DER_TIMEDOUT);
	assert_int_equal(calls.count[CALL_POLL], 1);
	assert_int_equal(calls.count[CALL_CLOCK_GETTIME], 0);
	assert_int_equal(drpc_set_spin(UINT_MAX), 0);
	server_end(&server);
}

/* An answer of the loop's own is one sendmsg more, and nothing else. */
static void
progress_answers_what_is_no_call_at_once(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	server_begin(&server);
	peer = server_join(&server);
	syscalls_reset();
	assert_true(peer_send_message(peer, (const uint8_t *)"\xff\xff", 2));
	assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), 0);
	assert_int_equal(calls.count[CALL_POLL], 1);
	assert_int_equal(calls.count[CALL_SENDMSG], 1);
	assert_int_equal(calls.sent_flags, 0);
	close(peer);
	server_end(&server);
}

static void
progress_tells_every_failure_of_poll(void **state)
{
	struct server server;
	int           peer;
	size_t        i;

	(void)state;
	server_begin(&server);
	peer = server_join(&server);
	for (i = 0; i < ERRNOS; i++) {
		syscalls_reset();
		syscalls_fail(CALL_POLL, 1, errnos[i].error);
		assert_int_equal(LIBRARY(drpc_progress(server.loop, 10)), -errnos[i].der);
		assert_string_not_equal(drpc_last_error(), "");
	}
	/* A signal ends the wait, so that a loop can end on one. */
	syscalls_reset();
	syscalls_fail(CALL_POLL, 1, EINTR);
	assert_int_equal(LIBRARY(drpc_progress(server.loop, 10)), -DER_MISC);
	assert_int_equal(calls.count[CALL_POLL], 1);
	assert_int_equal(loop_sessions(server.loop), 1);
	close(peer);
	server_end(&server);
}

static void
progress_tells_every_failure_of_accept(void **state)
{
	struct server server;
	int           peer;
	size_t        i;

	(void)state;
	for (i = 0; i < ERRNOS; i++) {
		server_begin(&server);
		peer = peer_connect(server.dir.sock);
		syscalls_fail(CALL_ACCEPT, 1, errnos[i].error);
		assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)),
				 ABI_CHUNKED ? -errnos[i].der : -DER_UNKNOWN);
		assert_int_equal(calls.count[CALL_ACCEPT], 1);
		assert_int_equal(loop_sessions(server.loop), 0);
		close(peer);
		server_end(&server);
	}
}

/* Two cycles, the first with a call of somebody who is connected. */
static void
cycle_twice(struct server *server, int other, int64_t *served)
{
	struct peer_response reply;

	assert_true(peer_send_call(other, 1, 1, ++*served, NULL, 0));
	LIBRARY(drpc_progress(server->loop, 5));
	assert_true(peer_recv_response(other, &reply));
	assert_int_equal(reply.resp.sequence, *served);
	free(reply.msg);
	LIBRARY(drpc_progress(server->loop, 5));
}

static void
accepting_backs_off_when_descriptors_run_out(void **state)
{
	static const int errors[] = {EMFILE, ENFILE};
	struct server    server;
	struct timespec  start;
	int64_t          served = 0;
	int              other;
	int              peer;
	int              i;

	(void)state;
	for (i = 0; i < 2; i++) {
		server_begin(&server);
		other = server_join(&server);
		peer  = peer_connect(server.dir.sock);
		syscalls_reset();
		syscalls_fail(CALL_ACCEPT, 1, errors[i]);
		calls.fail_times[CALL_ACCEPT] = INT32_MAX;
		clock_gettime(CLOCK_MONOTONIC, &start);
		while (calls.count[CALL_ACCEPT] < 6 && ms_since(&start) < PATIENCE_MS)
			cycle_twice(&server, other, &served);
		/* Not before 10, 20, 40, 80, 160 ms … are over, one after the other. */
		assert_in_range(calls.count[CALL_ACCEPT], 6, 8);
		assert_true(ms_since(&start) >= 10 * ((1 << (calls.count[CALL_ACCEPT] - 1)) - 1));
		assert_int_equal(loop_sessions(server.loop), 1);
		/* There is room again: the connection waited all the time. */
		calls.fail_at[CALL_ACCEPT] = 0;
		while (loop_sessions(server.loop) < 2 && ms_since(&start) < 2 * PATIENCE_MS)
			cycle_twice(&server, other, &served);
		assert_int_equal(loop_sessions(server.loop), 2);
		close(peer);
		close(other);
		server_end(&server);
	}
}

static short play_events;
static int   play_fd;

static int
play_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	nfds_t i;

	(void)timeout;
	for (i = 0; i < n; i++)
		fds[i].revents = fds[i].fd == play_fd ? play_events : 0;
	return 1;
}

static void
a_session_in_trouble_is_dropped(void **state)
{
	static const struct {
		short events;
		int   left;
		int   closed;
	} cases[] = {
	    {POLLERR, 1, 1},
	    {POLLHUP, 1, 1},
	    /* Not open: a descriptor of that number would be somebody else's. */
	    {POLLNVAL, 1, 0},
	    {POLLPRI, 2, 0},
	};
	struct server server;
	int           peers[2];
	int           i;

	(void)state;
	for (i = 0; i < 4; i++) {
		server_begin(&server);
		peers[0] = server_join(&server);
		peers[1] = server_join(&server);
		syscalls_reset();
		calls.poll  = play_poll;
		play_events = cases[i].events;
		play_fd     = session_at(server.loop, 1)->comm->fd;
		assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), 0);
		assert_int_equal(loop_sessions(server.loop), cases[i].left);
		assert_int_equal(calls.count[CALL_CLOSE], cases[i].closed);
		if (cases[i].closed == 1) {
			assert_int_equal(calls.closed_fd, play_fd);
			assert_true(peer_is_closed(peers[0]));
		} else if (cases[i].left == 1) {
			close(play_fd);
		}
		assert_true(peer_is_quiet(peers[1]));
		close(peers[0]);
		close(peers[1]);
		server_end(&server);
	}
}

static void
a_listener_in_trouble_is_an_error(void **state)
{
	static const short events[] = {POLLERR, POLLHUP, POLLHUP | POLLIN};
	struct server      server;
	int                peer;
	int                i;

	(void)state;
	for (i = 0; i < 3; i++) {
		server_begin(&server);
		peer = server_join(&server);
		syscalls_reset();
		calls.poll  = play_poll;
		play_events = events[i];
		play_fd     = server.loop->listener_ctx->comm->fd;
		assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)),
				 ABI_CHUNKED ? -DER_MISC : -DER_UNKNOWN);
		assert_int_equal(calls.count[CALL_ACCEPT], 0);
		assert_int_equal(calls.count[CALL_CLOSE], 0);
		assert_int_equal(loop_sessions(server.loop), 1);
		close(peer);
		server_end(&server);
	}
}

/* Receiving fails: every session with an error goes, the others and the listener are served. */
static void
a_session_that_cannot_be_read_is_dropped(void **state)
{
	struct server        server;
	struct peer_response reply;
	int                  peers[2];
	int                  third;
	size_t               i;

	(void)state;
	for (i = 0; i < ERRNOS; i++) {
		/* Told once, before what came earlier can be read: see below. */
		if (errnos[i].error == ECONNRESET)
			continue;
		server_begin(&server);
		peers[0] = server_join(&server);
		peers[1] = server_join(&server);
		assert_true(peer_send_call(peers[0], 1, 1, 1, NULL, 0));
		assert_true(peer_send_call(peers[1], 1, 1, 2, NULL, 0));
		third = peer_connect(server.dir.sock);
		syscalls_reset();
		/* The newest session is the first to be read. */
		syscalls_fail(CALL_RECVMSG, 1, errnos[i].error);
		assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), 0);
		assert_true(peer_is_closed(peers[1]));
		assert_true(peer_recv_response(peers[0], &reply));
		assert_int_equal(reply.resp.sequence, 1);
		free(reply.msg);
		assert_int_equal(loop_sessions(server.loop), 2);
		close(peers[0]);
		close(peers[1]);
		close(third);
		server_end(&server);
	}
}

/* A peer that leaves with records unread resets the connection, which hides what it said before. */
static void
what_came_before_a_reset_is_read(void **state)
{
	struct pair     pair = fresh_pair(NULL);
	struct server   server;
	Drpc__Response *resp;
	int             peer;

	(void)state;
	assert_true(peer_send_response(pair.peer, 1, DRPC__STATUS__FAILURE, NULL, 0));
	syscalls_fail(CALL_RECVMSG, 1, ECONNRESET);
	assert_int_equal(try_call(pair.ctx, R_SYNC, &resp), 0);
	assert_int_equal(calls.count[CALL_RECVMSG], 2);
	assert_int_equal(resp->status, DRPC__STATUS__FAILURE);
	drpc_response_free(resp);
	spent_pair(&pair);

	server_begin(&server);
	peer = server_join(&server);
	assert_true(peer_send_call(peer, 1, 1, 1, NULL, 0));
	syscalls_reset();
	syscalls_fail(CALL_RECVMSG, 1, ECONNRESET);
	assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), 0);
	assert_int_equal(calls.count[CALL_SENDMSG], 1);
	close(peer);
	server_end(&server);
}

static void
a_session_without_data_is_kept(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	server_begin(&server);
	peer = server_join(&server);
	syscalls_reset();
	calls.poll  = play_poll;
	play_events = POLLIN;
	play_fd     = session_at(server.loop, 0)->comm->fd;
	assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), -DER_AGAIN);
	assert_int_equal(loop_sessions(server.loop), 1);
	assert_int_equal(calls.count[CALL_CLOSE], 0);
	close(peer);
	server_end(&server);
}

/* The loop's own sessions do not block; a reply that finds no room waits in poll. */
static void
a_reply_waits_for_room(void **state)
{
	struct server        server;
	struct peer_response reply;
	int                  peer;

	(void)state;
	server_begin(&server);
	peer = server_join(&server);
	assert_true(peer_send_call(peer, 1, 1, 1, NULL, 0));
	syscalls_reset();
	syscalls_fail(CALL_SENDMSG, 1, EAGAIN);
	calls.fail_times[CALL_SENDMSG] = 2;
	assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), 0);
	assert_int_equal(calls.count[CALL_SENDMSG], 3);
	assert_int_equal(calls.count[CALL_POLL], 3);
	assert_int_equal(calls.polled_count, 1);
	assert_int_equal(calls.polled[0].fd, calls.sent_fd);
	assert_int_equal(calls.polled[0].events, POLLOUT);
	assert_true(peer_recv_response(peer, &reply));
	assert_int_equal(reply.resp.sequence, 1);
	free(reply.msg);

	close(peer);
	server_end(&server);
}

/* A reply that cannot be sent is nobody's trouble but the peer's. */
static void
a_reply_that_cannot_be_sent(void **state)
{
	struct server server;
	int           peer;
	size_t        i;

	(void)state;
	server_begin(&server);
	peer = server_join(&server);
	for (i = 0; i < ERRNOS; i++) {
		assert_true(peer_send_call(peer, 1, 1, 1, NULL, 0));
		syscalls_reset();
		syscalls_fail(CALL_SENDMSG, 1, errnos[i].error);
		assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), 0);
	}
	assert_int_equal(loop_sessions(server.loop), 1);
	close(peer);
	server_end(&server);
}

static void
an_unparsable_call_is_answered_in_one_cycle(void **state)
{
	struct server server;
	int           peer;

	(void)state;
	server_begin(&server);
	peer = server_join(&server);
	assert_true(peer_send_message(peer, (const uint8_t *)"\xff", 1));
	syscalls_reset();
	/* The session goes also when the answer does not. */
	syscalls_fail(CALL_SENDMSG, 1, EPIPE);
	assert_int_equal(LIBRARY(drpc_progress(server.loop, PATIENCE_MS)), 0);
	assert_int_equal(calls.count[CALL_SENDMSG], 1);
	assert_int_equal(loop_sessions(server.loop), 0);
	close(peer);
	server_end(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(progress_polls_as_the_original_does),
	    unit(sessions_take_over_a_timeout_that_was_set),
	    unit(progress_spins_only_before_it_sleeps),
	    unit(receiving_spins_as_long_as_wanted),
	    unit(receiving_looks_while_that_pays),
	    unit(progress_looks_while_that_pays),
	    unit(progress_answers_what_is_no_call_at_once),
	    unit(progress_tells_every_failure_of_poll),
	    unit(progress_tells_every_failure_of_accept),
	    unit(accepting_backs_off_when_descriptors_run_out),
	    unit(a_session_in_trouble_is_dropped),
	    unit(a_listener_in_trouble_is_an_error),
	    unit(a_session_that_cannot_be_read_is_dropped),
	    unit(what_came_before_a_reset_is_read),
	    unit(a_session_without_data_is_kept),
	    unit(a_reply_waits_for_room),
	    unit(a_reply_that_cannot_be_sent),
	    unit(an_unparsable_call_is_answered_in_one_cycle),
	};

	/* Each call of the library is expected, so that a look before it sleeps would be one too many. */
	unsetenv("DRPC_SPIN_US");
	return cmocka_run_group_tests_name("fault progress " ABI_NAME, tests, NULL, NULL);
}
