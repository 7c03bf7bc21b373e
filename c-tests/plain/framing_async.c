/* Calls without R_SYNC, while a client still finds out what its server speaks. */
#include "abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/descriptors.h"
#include "support/dir.h"
#include "support/framing_server.h"
#include "support/patience.h"
#include "support/peer.h"

#define ASYNC 0

/* A server that does not run yet, and a client connected to it. */
struct asleep {
	struct dir   dir;
	struct drpc *ctx;
	int          listener;
};

static void
asleep_make(struct asleep *asleep)
{
	dir_make(&asleep->dir);
	asleep->listener = peer_listen(asleep->dir.sock);
	asleep->ctx      = client_of(asleep->dir.sock);
}

static const enum manner manners_awake[] = {GO, C, NEW_C, NEW_GO};
#define AWAKE (sizeof(manners_awake) / sizeof(*manners_awake))

/* However long the server takes, calls return at once; the next one that waits finds out what has become of them. */
static void
calls_do_not_wait_for_the_first_answer(void **state)
{
	struct server   server;
	struct asleep   asleep;
	Drpc__Response *resp;
	size_t          i;
	int             call;

	(void)state;
	for (i = 0; i < AWAKE; i++) {
		asleep_make(&asleep);
		for (call = 1; call <= 17; call++)
			call_works(asleep.ctx, ASYNC, 10 * call);
		/* 16 may wait behind the first one. What is not kept has not been sent. */
		assert_int_equal(try_call(asleep.ctx, ASYNC, 10, &resp), -DER_AGAIN);
		assert_null(resp);
		server_start(&server, asleep.listener, manners_awake[i]);
		call_works(asleep.ctx, R_SYNC, 100);
		assert_int_equal(drpc_close(asleep.ctx), 0);
		server_stop(&server);
		assert_int_equal(server.executed, 18);
		assert_int_equal(server.last, 19);
		assert_int_equal(server.rejected, manners_awake[i] == GO || manners_awake[i] == C);
		dir_remove(&asleep.dir);
	}
}

/* The answer is looked for by each of them, and what waits goes out when it is there. */
static void
calls_find_the_answer_without_waiting(void **state)
{
	struct asleep   asleep;
	struct peer_call in;
	uint8_t         record[64];
	int             peer;
	int             chunked;
	int             call;

	(void)state;
	for (chunked = 0; chunked < 2; chunked++) {
		asleep_make(&asleep);
		peer = accept(asleep.listener, NULL, NULL);
		call_works(asleep.ctx, ASYNC, 10);
		call_works(asleep.ctx, ASYNC, 11);
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), TRIAL_OF_10);
		assert_true(peer_is_quiet(peer));
		if (chunked) {
			assert_true(say(peer, (const uint8_t *)"\x08\x01", 2, true));
		} else {
			assert_true(peer_send_record(peer, NO_CALL, 13));
			close(peer);
		}
		call_works(asleep.ctx, ASYNC, 12);
		if (!chunked)
			peer = accept(asleep.listener, NULL, NULL);
		peer_chunked = chunked;
		for (call = chunked ? 2 : 1; call <= 3; call++) {
			assert_true(peer_recv_call(peer, &in));
			assert_int_equal(in.call.sequence, call);
			assert_int_equal(in.call.len, 9 + call);
			free(in.msg);
		}
		peer_chunked = ABI_CHUNKED;
		assert_true(peer_is_quiet(peer));
		assert_int_equal(drpc_close(asleep.ctx), 0);
		close(peer);
		close(asleep.listener);
		dir_remove(&asleep.dir);
	}
}

static void
so_many_bytes_are_kept(void **state)
{
	struct asleep   asleep;
	Drpc__Response *resp;
	size_t          mib = 1 << 20;

	(void)state;
	asleep_make(&asleep);
	call_works(asleep.ctx, ASYNC, 100000);
	assert_int_equal(try_call(asleep.ctx, ASYNC, mib, &resp), -DER_AGAIN);
	call_works(asleep.ctx, ASYNC, mib - 20);
	assert_int_equal(try_call(asleep.ctx, ASYNC, 10, &resp), -DER_AGAIN);
	assert_int_equal(drpc_set_timeout(asleep.ctx, 1), 0);
	assert_int_equal(drpc_close(asleep.ctx), 0);
	close(asleep.listener);
	dir_remove(&asleep.dir);
}

/* Closing waits for what has become of the calls, and sends them again if they have been refused. */
static void
closing_loses_no_call(void **state)
{
	struct server server;
	struct asleep asleep;
	size_t        i;
	int           calls;
	int           call;

	(void)state;
	for (i = 0; i < AWAKE; i++) {
		for (calls = 1; calls <= 3; calls += 2) {
			asleep_make(&asleep);
			assert_int_equal(drpc_set_timeout(asleep.ctx, PATIENCE_MS), 0);
			for (call = 1; call <= calls; call++)
				call_works(asleep.ctx, ASYNC, 10);
			server_start(&server, asleep.listener, manners_awake[i]);
			assert_int_equal(drpc_close(asleep.ctx), 0);
			server_stop(&server);
			assert_int_equal(server.executed, calls);
			assert_int_equal(server.last, calls);
			dir_remove(&asleep.dir);
		}
	}
}

static void
keep_line(int level, const char *line, void *arg)
{
	assert_int_equal(level, DRPC_LOG_WARN);
	snprintf(arg, 256, "%s", line);
}

/* A server that does not answer does not keep a program from ending; the log says what may be lost. */
static void
closing_does_not_wait_for_ever(void **state)
{
	struct asleep asleep;
	char          line[256];
	int           timeout;

	(void)state;
	for (timeout = 0; timeout <= 20; timeout += 20) {
		line[0] = '\0';
		asleep_make(&asleep);
		assert_int_equal(drpc_set_timeout(asleep.ctx, timeout), 0);
		call_works(asleep.ctx, ASYNC, 10);
		call_works(asleep.ctx, ASYNC, 10);
		drpc_set_log(keep_line, line);
		assert_int_equal(drpc_close(asleep.ctx), 0);
		drpc_set_log(NULL, NULL);
		assert_non_null(strstr(line, asleep.dir.sock));
		assert_non_null(strstr(line, "2 without R_SYNC may be lost: timed out"));
		close(asleep.listener);
		dir_remove(&asleep.dir);
	}
}

/* The calls are the process's that has made them. */
static void
a_forked_child_has_nothing_to_do_with_them(void **state)
{
	struct server   server;
	struct asleep   asleep;
	Drpc__Response *resp;
	pid_t           child;
	int             status;
	int             peer;

	(void)state;
	asleep_make(&asleep);
	peer = accept(asleep.listener, NULL, NULL);
	call_works(asleep.ctx, ASYNC, 10);
	assert_true(peer_send_record(peer, NO_CALL, 13));
	child = fork();
	if (child == 0) {
		if (try_call(asleep.ctx, R_SYNC, 10, &resp) != -DER_NO_HDL)
			_exit(1);
		if (try_call(asleep.ctx, ASYNC, 10, &resp) != -DER_NO_HDL)
			_exit(2);
		_exit(drpc_close(asleep.ctx) == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(peer_is_quiet(asleep.listener));
	close(peer);
	server_start(&server, asleep.listener, C);
	call_works(asleep.ctx, R_SYNC, 10);
	assert_int_equal(drpc_close(asleep.ctx), 0);
	server_stop(&server);
	assert_int_equal(server.executed, 2);
	dir_remove(&asleep.dir);
}

/* Blocks freed by hand may be those of the next context: what waits is the other one's, and so is the answer to it. */
static void
a_context_inherits_nothing(void **state)
{
	struct peer_call in;
	struct asleep    asleep;
	Drpc__Response  *resp;
	int              fds[2];

	(void)state;
	asleep_make(&asleep);
	call_works(asleep.ctx, ASYNC, 10);
	call_works(asleep.ctx, ASYNC, 10);
	close(asleep.ctx->comm->fd);
	peer_pair(fds);
	*asleep.ctx->comm = (struct unixcomm){.fd = fds[0]};
	assert_int_equal(drpc_set_framing(asleep.ctx, DRPC_FRAMING_CHUNKED), 0);
	assert_true(say(fds[1], (const uint8_t *)"\x08\x03", 2, true));
	assert_int_equal(try_call(asleep.ctx, R_SYNC, 20, &resp), 0);
	assert_int_equal(resp->sequence, 3);
	drpc_response_free(resp);
	assert_int_equal(drpc_close(asleep.ctx), 0);
	peer_chunked = true;
	assert_true(peer_recv_call(fds[1], &in));
	peer_chunked = ABI_CHUNKED;
	assert_int_equal(in.call.len, 20);
	free(in.msg);
	assert_true(peer_is_closed(fds[1]));
	close(fds[1]);
	close(asleep.listener);
	dir_remove(&asleep.dir);
}

/* A call of several chunks cannot be sent to find out, and its probe is not waited for without end. */
static void
a_large_call_is_not_sent_to_a_silent_server(void **state)
{
	struct server   server;
	struct asleep   asleep;
	Drpc__Response *resp;
	uint8_t         record[64];
	size_t          i;
	int             peer;

	(void)state;
	assert_int_equal(drpc_set_max_datagram(LARGE), 0);
	for (i = 0; i < AWAKE; i++) {
		asleep_make(&asleep);
		peer = accept(asleep.listener, NULL, NULL);
		assert_int_equal(drpc_set_timeout(asleep.ctx, 20), 0);
		assert_int_equal(try_call(asleep.ctx, ASYNC, 140000, &resp), -DER_TIMEDOUT);
		assert_null(resp);
		/* Later calls are kept. */
		call_works(asleep.ctx, ASYNC, 140000);
		assert_int_equal(peer_recv_record(peer, record, sizeof(record)), 31);
		assert_true(peer_is_quiet(peer));
		assert_int_equal(drpc_set_timeout(asleep.ctx, 0), 0);
		say(peer, (const uint8_t *)NO_CALL, 13, manners_awake[i] >= NEW_C);
		close(peer);
		server_start(&server, asleep.listener, manners_awake[i]);
		call_works(asleep.ctx, R_SYNC, 10);
		assert_int_equal(drpc_close(asleep.ctx), 0);
		server_stop(&server);
		assert_int_equal(server.executed, 2);
		assert_int_equal(server.last, 3);
		assert_int_equal(server.rejected + server.probes, 0);
		dir_remove(&asleep.dir);
	}
	assert_int_equal(drpc_set_max_datagram(0), 0);
}

/* What waits has been promised to be sent as the server reads it, and the answer would be taken for another call's. */
static void
the_framing_is_not_changed_before_the_answer(void **state)
{
	struct asleep asleep;
	int           flags;

	(void)state;
	for (flags = ASYNC; flags <= R_SYNC; flags++) {
		Drpc__Response *resp;

		asleep_make(&asleep);
		assert_int_equal(drpc_set_timeout(asleep.ctx, 1), 0);
		assert_int_equal(try_call(asleep.ctx, flags, 10, &resp), flags == ASYNC ? 0 : -DER_TIMEDOUT);
		drpc_response_free(resp);
		assert_int_equal(drpc_set_framing(asleep.ctx, DRPC_FRAMING_DATAGRAM), -DER_BUSY);
		assert_int_equal(drpc_close(asleep.ctx), 0);
		close(asleep.listener);
		dir_remove(&asleep.dir);
	}
}

/* If the answer is no good, the program hears of it with its next call. */
static void
calls_that_were_not_understood_are_told(void **state)
{
	struct asleep asleep;
	int           peer;

	(void)state;
	asleep_make(&asleep);
	call_works(asleep.ctx, ASYNC, 10);
	peer = accept(asleep.listener, NULL, NULL);
	close(peer);
	call_fails(asleep.ctx, 10, -DER_NOREPLY);
	assert_non_null(strstr(drpc_last_error(), "DRPC_FRAMING=datagram"));
	assert_int_equal(drpc_close(asleep.ctx), 0);
	close(asleep.listener);
	dir_remove(&asleep.dir);
}

#ifdef DRPC_ABI_28
static int yields;

static int
count_yields(void)
{
	yields++;
	return 0;
}

/* An engine goes on with other work meanwhile. */
static void
waiting_yields(void **state)
{
	struct server server;
	struct asleep asleep;

	(void)state;
	asleep_make(&asleep);
	assert_int_equal(drpc_set_timeout(asleep.ctx, 20), 0);
	asleep.ctx->yield = count_yields;
	call_works(asleep.ctx, ASYNC, 10);
	yields = 0;
	assert_int_equal(drpc_close(asleep.ctx), 0);
	assert_true(yields > 1);
	asleep.ctx = client_of(asleep.dir.sock);
	asleep.ctx->yield = count_yields;
	call_works(asleep.ctx, ASYNC, 10);
	yields = 0;
	server_start(&server, asleep.listener, C);
	call_works(asleep.ctx, R_SYNC, 10);
	assert_true(yields > 0);
	assert_int_equal(drpc_close(asleep.ctx), 0);
	server_stop(&server);
	dir_remove(&asleep.dir);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(calls_do_not_wait_for_the_first_answer),
	    unit(calls_find_the_answer_without_waiting),
	    unit(so_many_bytes_are_kept),
	    unit(closing_loses_no_call),
	    unit(closing_does_not_wait_for_ever),
	    unit(a_forked_child_has_nothing_to_do_with_them),
	    unit(a_context_inherits_nothing),
	    unit(a_large_call_is_not_sent_to_a_silent_server),
	    unit(the_framing_is_not_changed_before_the_answer),
	    unit(calls_that_were_not_understood_are_told),
#ifdef DRPC_ABI_28
	    unit(waiting_yields),
#endif
	};

	return cmocka_run_group_tests_name("framing async " ABI_NAME, tests, NULL, NULL);
}
