/* The limits of the managed server, each a good deal smaller than its default. */
#include "abi.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/body.h"
#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/taken.h"

/* A server with one option set. */
static void
make(struct managed *managed, int option, uint64_t value)
{
	managed_make(managed);
	managed_set(managed, option, value);
	managed_register(managed, ECHO, managed_echo, NULL);
	managed_start(managed);
}

/* --- sessions --------------------------------------------------------------------------------- */

/* The second client is accepted when the first has gone, and not before. */
static void
sessions_in_total(void **state)
{
	struct managed managed;
	int            peers[2];

	(void)state;
	make(&managed, DRPC_SERVER_MAX_SESSIONS, 1);
	peers[0] = peer_connect(managed.dir.sock);
	exchange_echo(peers[0], ECHO, 1);
	peers[1] = peer_connect(managed.dir.sock);
	exchange_send(peers[1], ECHO, 0, 1, 10);
	exchange_echo(peers[0], ECHO, 2);
	assert_true(peer_is_quiet(peers[1]));
	assert_int_equal(managed_stats(&managed).sessions, 1);
	close(peers[0]);
	exchange_expect(peers[1], 1, DRPC__STATUS__SUCCESS, 10);
	assert_true(managed_stats(&managed).limit_sessions > 0);
	close(peers[1]);
	managed_end(&managed);
}

/* 130 descriptors are two sessions, and 128 for what else the process does. */
static void
sessions_leave_descriptors_to_the_program(void **state)
{
	struct managed managed;
	struct rlimit  before;
	struct rlimit  few;
	int            peers[3];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few          = before;
	few.rlim_cur = 130;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	make(&managed, DRPC_SERVER_MAX_SESSIONS, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	peers[0] = peer_connect(managed.dir.sock);
	exchange_echo(peers[0], ECHO, 1);
	peers[1] = peer_connect(managed.dir.sock);
	if (geteuid() != 0) {
		/* There are two sessions, and a user leaves one to others. */
		exchange_send(peers[1], ECHO, 0, 1, 10);
		exchange_expect(peers[1], 1, DRPC__STATUS__FAILURE, 0);
		close(peers[0]);
		close(peers[1]);
		managed_end(&managed);
		return;
	}
	exchange_echo(peers[1], ECHO, 1);
	peers[2] = peer_connect(managed.dir.sock);
	exchange_send(peers[2], ECHO, 0, 1, 10);
	exchange_echo(peers[1], ECHO, 2);
	assert_true(peer_is_quiet(peers[2]));
	assert_int_equal(managed_stats(&managed).sessions, 2);
	close(peers[0]);
	exchange_expect(peers[2], 1, DRPC__STATUS__SUCCESS, 10);
	close(peers[1]);
	close(peers[2]);
	managed_end(&managed);
}

/* Calls once: the status, or -1 when the session is closed without an answer. */
static int
call_as(int *peer, const char *path)
{
	struct peer_response out    = {0};
	int                  status = -1;

	*peer = peer_connect(path);
	if (peer_send_call(*peer, ECHO, 0, 1, NULL, 0) && peer_recv_response(*peer, &out) && out.resp.sequence == 1)
		status = out.resp.status;
	free(out.msg);
	return status;
}

/* Two sessions of a user who may have one: how many were refused, or from 10 on what went wrong. */
static int
call_twice(const char *path)
{
	struct timespec before;
	struct timespec after;
	int             peers[2];
	int             refused;
	int             status;

	/* From root's identity to another one; whoever is not root stays who he is. */
	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		return 10;
	if (call_as(&peers[0], path) != DRPC__STATUS__SUCCESS)
		return 11;
	/* One that has not called for a second is told nothing, and a busy machine may need longer for that. */
	for (refused = 1; refused < 10; refused++) {
		clock_gettime(CLOCK_MONOTONIC, &before);
		status = call_as(&peers[1], path);
		clock_gettime(CLOCK_MONOTONIC, &after);
		if (status == DRPC__STATUS__FAILURE)
			return peer_is_closed(peers[1]) && peer_is_quiet(peers[0]) ? refused : 12;
		if (status != -1 || after.tv_sec == before.tv_sec)
			return 13;
		close(peers[1]);
	}
	return 14;
}

static void
sessions_of_one_user(void **state)
{
	struct managed managed;
	int            status;
	pid_t          child;
	int            peers[2];
	int            i;

	(void)state;
	managed_make(&managed);
	assert_int_equal(chmod(managed.dir.path, 0755), 0);
	managed_set(&managed, DRPC_SERVER_MODE, 0666);
	managed_set(&managed, DRPC_SERVER_MAX_SESSIONS_PER_UID, 1);
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_start(&managed);
	child = fork();
	if (child == 0)
		_exit(call_twice(managed.dir.sock));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 1, 9);
	assert_int_equal(managed_stats(&managed).limit_sessions_per_uid, WEXITSTATUS(status));

	/* Root may have as many as it likes. */
	for (i = 0; i < 2 && geteuid() == 0; i++) {
		peers[i] = peer_connect(managed.dir.sock);
		exchange_echo(peers[i], ECHO, 1);
	}
	while (i-- > 0)
		close(peers[i]);
	managed_end(&managed);
}

static void
time_without_a_call(void **state)
{
	struct managed managed;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_IDLE_TIME, 50);
	managed_register(&managed, ECHO, managed_echo, NULL);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	/* The call is there when the session begins, so that this is not idle too early. */
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 0, 1, 10);
	managed_start(&managed);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	assert_true(peer_is_closed(peer));
	assert_int_equal(managed_stats(&managed).limit_idle_time, 1);
	close(peer);
	managed_end(&managed);
}

/* --- messages ------------------------------------------------------------------------------------ */

/* Answers with as many bytes as the method says. */
static void
answer_large(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	resp->body.len  = (size_t)call->method;
	resp->body.data = body_new(resp->body.len);
}

static void
size_of_a_message(void **state)
{
	struct managed managed;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_MAX_MESSAGE, 1000);
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_register(&managed, OTHER, answer_large, NULL);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 0, 1, 900);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 900);
	/* A reply that is too large is the handler's fault: the session goes on. */
	exchange_send(peer, OTHER, 1000, 2, 0);
	exchange_expect(peer, 2, DRPC__STATUS__FAILED_MARSHAL, 0);
	exchange_echo(peer, ECHO, 3);
	/* A call that is too large is the client's. */
	exchange_send(peer, ECHO, 0, 4, 1000);
	exchange_any(peer, DRPC__STATUS__FAILURE);
	assert_true(peer_is_closed(peer));
	assert_int_equal(managed_stats(&managed).limit_message, 1);
	assert_int_equal(managed_stats(&managed).unsendable, 1);
	close(peer);
	managed_end(&managed);
}

/* 16 KiB is what receivers of DAOS 0.8 have room for; more can be allowed. */
static void
size_of_a_reply_unless_set(void **state)
{
	struct managed managed;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, answer_large, NULL);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, OTHER, 20000, 1, 0);
	if (ABI_CHUNKED)
		exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 20000);
	else
		exchange_expect(peer, 1, DRPC__STATUS__FAILED_MARSHAL, 0);
	close(peer);
	managed_end(&managed);

	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_MAX_DATAGRAM, 30000);
	managed_register(&managed, OTHER, answer_large, NULL);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, OTHER, 20000, 1, 0);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 20000);
	close(peer);
	managed_end(&managed);
}

#ifdef DRPC_ABI_28
/* The first of two chunks of a call. */
static int
send_half(const struct managed *managed)
{
	struct wire_header header = {.total = 2 * WIRE_CHUNK_MAX, .size = WIRE_CHUNK_MAX, .chunks = 2};
	uint8_t           *part   = calloc(1, WIRE_CHUNK_MAX);
	int                peer   = peer_connect(managed->dir.sock);

	assert_true(peer_send_chunk(peer, &header, part, WIRE_CHUNK_MAX));
	free(part);
	return peer;
}

/* Which of these has something to read; -1 if none has. */
static int
first_answered(const int *peers, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (!peer_is_quiet(peers[i]))
			return i;
	return -1;
}

static void
memory_for_partial_messages(void **state)
{
	struct managed managed;
	int            peers[4];
	int            refused;
	int            i;

	(void)state;
	make(&managed, DRPC_SERVER_MAX_PARTIAL, 3 * WIRE_CHUNK_MAX);
	peers[0] = send_half(&managed);
	UNTIL(managed_stats(&managed).bytes_in >= WIRE_CHUNK_MAX);
	assert_int_equal(managed_stats(&managed).limit_partial, 0);
	/* No message takes less than a chunk, so that the fourth is one too many, at the latest. */
	for (i = 1; i < 4; i++)
		peers[i] = send_half(&managed);
	UNTIL((refused = first_answered(peers, 4)) >= 0);
	assert_true(managed_stats(&managed).limit_partial > 0);
	exchange_any(peers[refused], DRPC__STATUS__FAILURE);
	assert_true(peer_is_closed(peers[refused]));
	for (i = 0; i < 4; i++)
		close(peers[i]);
	/* What was taken is given back. */
	UNTIL(managed_stats(&managed).sessions == 0);
	peers[0] = send_half(&managed);
	UNTIL(managed_stats(&managed).bytes_in >= 5 * WIRE_CHUNK_MAX);
	assert_true(peer_is_quiet(peers[0]));
	close(peers[0]);
	managed_end(&managed);
}

static void
time_for_a_message(void **state)
{
	struct managed managed;
	int            peer;

	(void)state;
	make(&managed, DRPC_SERVER_MESSAGE_TIME, 50);
	peer = send_half(&managed);
	exchange_any(peer, DRPC__STATUS__FAILURE);
	assert_true(peer_is_closed(peer));
	assert_int_equal(managed_stats(&managed).limit_message_time, 1);
	close(peer);
	/* Time between messages does not count. */
	peer = peer_connect(managed.dir.sock);
	exchange_echo(peer, ECHO, 1);
	usleep(100000);
	exchange_echo(peer, ECHO, 2);
	close(peer);
	managed_end(&managed);
}
#endif

/* --- replies ------------------------------------------------------------------------------------------ */

/* Calls until the server does not take more: its replies are not read, and so it does not read either. */
static void
call_without_reading(int peer, int calls)
{
	uint8_t *body = body_new(16000);
	int      i;

	for (i = 0; i < calls && peer_send_call(peer, ECHO, 0, i, body, 16000); i++)
		;
	free(body);
}

static void
time_for_a_reply(void **state)
{
	struct managed managed;
	int            peer;
	int            other;

	(void)state;
	make(&managed, DRPC_SERVER_REPLY_TIME, 50);
	peer = peer_connect(managed.dir.sock);
	/* Blocks until the server closes. */
	call_without_reading(peer, 1000);
	UNTIL(managed_stats(&managed).limit_reply_time == 1);
	UNTIL(managed_stats(&managed).sessions == 0);
	other = peer_connect(managed.dir.sock);
	exchange_echo(other, ECHO, 1);
	close(peer);
	close(other);
	managed_end(&managed);
}

static void
memory_for_replies(void **state)
{
	struct managed managed;
	int            peers[2];
	int            i;

	(void)state;
	make(&managed, DRPC_SERVER_MAX_UNSENT, 1000);
	/* One is kept while there is no other, however large. */
	for (i = 0; i < 2; i++) {
		peers[i] = peer_connect(managed.dir.sock);
		/* More than the sockets hold of replies, and less than they hold of replies and calls. */
		call_without_reading(peers[i], 20);
		if (i == 0)
			assert_int_equal(managed_stats(&managed).limit_unsent, 0);
	}
	/* Of a user but root each further call is refused, before it is handled. */
	UNTIL(managed_stats(&managed).limit_unsent >= 1);
	assert_true(geteuid() != 0 || managed_stats(&managed).limit_unsent == 1);
	for (i = 0; i < 2; i++)
		close(peers[i]);
	managed_end(&managed);
}

/* --- calls at once ----------------------------------------------------------------------------------------- */

/* More than the 64 that are allowed unless set. */
enum { AT_ONCE = 70 };

/* Sends calls that are all taken, and then one more: it fails, unless there is no limit. */
static void
calls_at_once(int limit, int calls, bool fails)
{
	Drpc__Response resp  = DRPC__RESPONSE__INIT;
	struct taken   taken = TAKEN_NONE;
	struct managed managed;
	int            peer;
	int            i;

	managed_make(&managed);
	if (limit >= 0)
		managed_set(&managed, DRPC_SERVER_MAX_CALLS, (uint64_t)limit);
	assert_int_equal(drpc_server_register(managed.server, ECHO, taken_handler, &taken, DRPC_SERVER_CONCURRENT), 0);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	for (i = 1; i <= calls; i++) {
		exchange_send(peer, ECHO, 0, i, 0);
		UNTIL(taken_count(&taken) == i);
	}
	if (fails) {
		exchange_refused(peer, ECHO, 1000, DRPC__STATUS__FAILURE);
		assert_int_equal(managed_stats(&managed).limit_calls, 1);
	}
	/* Those before it are answered nevertheless. */
	for (i = 1; i <= calls; i++) {
		assert_int_equal(drpc_request_respond(taken.requests[i - 1], &resp), 0);
		exchange_expect(peer, i, DRPC__STATUS__SUCCESS, 0);
	}
	if (fails)
		assert_true(peer_is_closed(peer));
	else
		assert_true(peer_is_quiet(peer));
	close(peer);
	managed_end(&managed);
}

static void
calls_of_one_session(void **state)
{
	(void)state;
	calls_at_once(3, 3, true);
	calls_at_once(-1, 64, true);
	calls_at_once(0, AT_ONCE, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(sessions_in_total),
		unit(sessions_leave_descriptors_to_the_program),
		unit(sessions_of_one_user),
		unit(time_without_a_call),
		unit(size_of_a_message),
		unit(size_of_a_reply_unless_set),
#ifdef DRPC_ABI_28
		unit(memory_for_partial_messages),
		unit(time_for_a_message),
#endif
		unit(time_for_a_reply),
		unit(memory_for_replies),
		unit(calls_of_one_session),
	};

	return cmocka_run_group_tests_name("managed limits " ABI_NAME, tests, NULL, NULL);
}
