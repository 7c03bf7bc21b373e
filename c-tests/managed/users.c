/*
 * What one user of a managed server can take from the others: no memory, and no turns. Root tries it with several users,
 * whoever else runs this with one.
 */
#define _GNU_SOURCE
#include "abi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/body.h"
#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/gate.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"

enum { GREEDY = 65534, SECOND = 65533, THIRD = 65532, KIB = 1024, MIB = 1024 * KIB, LIMIT = 4 * MIB };

static bool
is_root(void)
{
	return geteuid() == 0;
}

/* Valgrind is about memory, and slow. */
static int
at_most(int few, int many)
{
	return getenv("VALGRIND") != NULL ? few : many;
}

/* A connection of a user, if this is root: the kernel notes who connects. Of this thread alone, unlike seteuid. */
static int
connect_as(uid_t uid, const char *path)
{
	int peer;

	if (!is_root())
		return peer_connect(path);
	assert_int_equal(syscall(SYS_setresuid, -1, uid, -1), 0);
	peer = peer_connect(path);
	assert_int_equal(syscall(SYS_setresuid, -1, 0, -1), 0);
	return peer;
}

static void
make(struct managed *managed, int option)
{
	managed_make(managed);
	assert_int_equal(chmod(managed->dir.path, 0755), 0);
	managed_set(managed, DRPC_SERVER_MODE, 0666);
	managed_set(managed, option, LIMIT);
	managed_register(managed, ECHO, managed_echo, NULL);
}

/* --- memory for incomplete calls ------------------------------------------------------------- */

/* Sends the first records of a call of so many bytes. */
static void
send_call_of(int peer, int module, size_t len, uint32_t records)
{
	struct wire_call   call = {.module = module, .sequence = 1, .body = body_new(len), .len = len};
	size_t             size;
	uint8_t           *msg  = wire_pack_call(&call, &size);
	struct wire_header head = {.total = size, .chunks = wire_chunks(size)};

	for (; head.index < records; head.index++) {
		head.size = head.index + 1 < head.chunks ? WIRE_CHUNK_MAX : size - (size_t)head.index * WIRE_CHUNK_MAX;
		if (!peer_send_chunk(peer, &head, msg + (size_t)head.index * WIRE_CHUNK_MAX, head.size))
			break;
	}
	free(msg);
	free((void *)call.body);
}

/* Sends all but the last. */
static void
send_most(int peer, size_t len)
{
	send_call_of(peer, ECHO, len, wire_chunks(len) - 1);
}

static void
incomplete_calls(void **state)
{
	struct managed managed;
	int            peers[12];
	int            other;
	uint64_t       refused;
	int            i;

	(void)state;
	make(&managed, DRPC_SERVER_MAX_PARTIAL);
	managed_start(&managed);
	/* Of 12 calls of half a MiB, less are taken than half of the memory holds. */
	for (i = 0; i < 12; i++) {
		peers[i] = connect_as(GREEDY, managed.dir.sock);
		send_most(peers[i], MIB / 2);
	}
	UNTIL(managed_stats(&managed).limit_partial >= 12 - 4);
	refused = managed_stats(&managed).limit_partial;
	assert_in_range(refused, 12 - 4, 12 - 3);
	for (i = 0; i < 20; i++) {
		other = connect_as(i % 2 == 0 || !is_root() ? 0 : SECOND, managed.dir.sock);
		exchange_send(other, ECHO, 0, 1, is_root() ? MIB : 10);
		exchange_expect(other, 1, DRPC__STATUS__SUCCESS, is_root() ? MIB : 10);
		close(other);
	}
	assert_int_equal(managed_stats(&managed).limit_partial, refused);
	for (i = 0; i < 12; i++)
		close(peers[i]);
	/* Nothing of it is left behind. */
	UNTIL(managed_stats(&managed).sessions == 0);
	other = connect_as(GREEDY, managed.dir.sock);
	exchange_send(other, ECHO, 0, 1, LIMIT);
	exchange_expect(other, 1, DRPC__STATUS__SUCCESS, LIMIT);
	close(other);
	managed_end(&managed);
}

/* A call takes over nothing of what one before it had, which came in the same turn and was not handled. */
static void
incomplete_calls_behind_others(void **state)
{
	static const int module[] = {NOBODY, ECHO};
	int              size     = MIB;
	struct managed   managed;
	int              peers[4];
	int              i;
	int              j;

	(void)state;
	if (!is_root())
		return;
	make(&managed, DRPC_SERVER_MAX_PARTIAL);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	for (i = 0; i < 4; i++) {
		peers[i] = connect_as(GREEDY, managed.dir.sock);
		assert_int_equal(setsockopt(peers[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)), 0);
		for (j = 0; j < 2; j++)
			send_call_of(peers[i], module[j], j == 0 ? WIRE_CHUNK_MAX : 3 * MIB / 2, j == 0 ? 2 : 1);
	}
	while (managed_stats(&managed).accepted < 4)
		assert_int_equal(drpc_server_dispatch(managed.server, 0), 0);
	for (i = 0; i < 100; i++)
		assert_int_equal(drpc_server_dispatch(managed.server, 0), 0);
	assert_int_equal(managed_stats(&managed).limit_partial, 3);
	for (i = 0; i < 4; i++)
		close(peers[i]);
	assert_int_equal(drpc_server_shutdown(managed.server, 0), 0);
	managed_end(&managed);
}

/* --- memory for replies that are not taken ----------------------------------------------------- */

/* Sends a call whose reply stays, as the client does not read. */
static int
hoard(const struct managed *managed, uid_t uid, size_t len)
{
	int      peer    = connect_as(uid, managed->dir.sock);
	uint64_t handled = managed_stats(managed).handled;

	exchange_send(peer, ECHO, 0, 1, len);
	UNTIL(managed_stats(managed).handled > handled);
	return peer;
}

static void
replies_not_taken(void **state)
{
	struct managed managed;
	int            peers[3];
	int            other;
	int            i;

	(void)state;
	make(&managed, DRPC_SERVER_MAX_UNSENT);
	managed_start(&managed);
	peers[0] = hoard(&managed, GREEDY, MIB);
	/* A reply that is one too many for its user is lost. */
	peers[1] = hoard(&managed, GREEDY, MIB + 1);
	exchange_expect(peers[1], 1, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peers[1]));
	close(peers[1]);
	peers[1] = hoard(&managed, GREEDY, MIB - KIB);
	assert_int_equal(managed_stats(&managed).limit_unsent, 1);
	/* Others have theirs, and the small ones of the same user need no memory. */
	for (i = 0; i < 20 && is_root(); i++) {
		peers[2] = hoard(&managed, i % 2 == 0 ? 0 : SECOND, MIB);
		exchange_expect(peers[2], 1, DRPC__STATUS__SUCCESS, MIB);
		close(peers[2]);
	}
	other = connect_as(GREEDY, managed.dir.sock);
	exchange_echo(other, ECHO, 1);
	close(other);
	assert_int_equal(managed_stats(&managed).limit_unsent, 1);
	for (i = 0; i < 2; i++) {
		exchange_expect(peers[i], 1, DRPC__STATUS__SUCCESS, i == 0 ? MIB : MIB - KIB);
		close(peers[i]);
	}
	managed_end(&managed);
}

/* A call that has been handled is answered whatever others hold by then, and one that has not been is refused in time. */
static void
replies_when_nothing_is_left(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	uint64_t       handled;
	int            peers[4];
	int            other;
	int            i;

	(void)state;
	if (!is_root())
		return;
	make(&managed, DRPC_SERVER_MAX_UNSENT);
	managed_register(&managed, OTHER, managed_wait, &gate);
	managed_set(&managed, DRPC_SERVER_THREADS, 4);
	managed_start(&managed);
	other = connect_as(THIRD, managed.dir.sock);
	exchange_send(other, OTHER, 0, 1, MIB);
	peers[0] = hoard(&managed, GREEDY, 2 * MIB - 64);
	peers[1] = hoard(&managed, SECOND, 2 * MIB - 64);
	assert_true(gate_await(&gate, 1));
	gate_open(&gate);
	/* Not read before it has been answered. */
	UNTIL(managed_stats(&managed).handled == 3);
	handled  = managed_stats(&managed).handled;
	peers[2] = connect_as(THIRD, managed.dir.sock);
	exchange_refused(peers[2], ECHO, 1, DRPC__STATUS__FAILURE);
	assert_int_equal(managed_stats(&managed).handled, handled);
	assert_int_equal(managed_stats(&managed).limit_unsent, 1);
	/* Who holds nothing is served. */
	peers[3] = connect_as(65531, managed.dir.sock);
	exchange_echo(peers[3], ECHO, 1);
	exchange_expect(other, 1, DRPC__STATUS__SUCCESS, MIB);
	for (i = 0; i < 2; i++)
		exchange_expect(peers[i], 1, DRPC__STATUS__SUCCESS, 2 * MIB - 64);
	/* Both have their sessions still. */
	for (i = 2; i < 4; i++)
		exchange_echo(peers[i], ECHO, 2);
	for (i = 0; i < 4; i++)
		close(peers[i]);
	close(other);
	managed_end(&managed);
}

/* A user's part can be chosen. */
static void
parts_of_a_user(void **state)
{
	struct managed managed;
	int            peers[2];

	(void)state;
	make(&managed, DRPC_SERVER_MAX_UNSENT);
	managed_set(&managed, DRPC_SERVER_MAX_UNSENT_PER_UID, 2 * MIB);
	managed_set(&managed, DRPC_SERVER_MAX_PARTIAL, LIMIT);
	managed_set(&managed, DRPC_SERVER_MAX_PARTIAL_PER_UID, MIB);
	managed_start(&managed);
	/* The socket takes some of it. */
	peers[0] = hoard(&managed, GREEDY, 2 * MIB - KIB);
	peers[1] = hoard(&managed, GREEDY, 3 * MIB / 2);
	exchange_expect(peers[1], 1, DRPC__STATUS__FAILURE, 0);
	close(peers[1]);
	close(peers[0]);
	peers[0] = connect_as(GREEDY, managed.dir.sock);
	send_most(peers[0], MIB - KIB);
	UNTIL(managed_stats(&managed).bytes_in > 4 * MIB);
	peers[1] = connect_as(GREEDY, managed.dir.sock);
	send_most(peers[1], MIB / 2);
	exchange_expect(peers[1], 1, DRPC__STATUS__FAILURE, 0);
	assert_int_equal(managed_stats(&managed).limit_partial, 1);
	close(peers[0]);
	close(peers[1]);
	managed_end(&managed);
}

/* --- places ----------------------------------------------------------------------------------- */

enum { REFUSED = 150, PLACES = 100 };

/* Sessions that are refused, and do not take the answers to what they send, leave places to others. */
static void
places_that_are_refused(void **state)
{
	struct managed managed;
	int            peers[1 + REFUSED];
	int            root;
	int            i;
	int            j;

	(void)state;
	if (!is_root())
		return;
	make(&managed, DRPC_SERVER_MAX_UNSENT);
	managed_set(&managed, DRPC_SERVER_MAX_SESSIONS, PLACES);
	managed_set(&managed, DRPC_SERVER_MAX_SESSIONS_PER_UID, 1);
	managed_start(&managed);
	peers[0] = connect_as(GREEDY, managed.dir.sock);
	for (i = 1; i < 1 + REFUSED; i++) {
		peers[i] = connect_as(GREEDY, managed.dir.sock);
		/* More than the sockets hold of answers. */
		for (j = 0; j < at_most(10, 600); j++)
			if (send(peers[i], "\xff", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EAGAIN)
				usleep(100);
	}
	root = connect_as(0, managed.dir.sock);
	exchange_echo(root, ECHO, 1);
	assert_int_equal(managed_stats(&managed).limit_sessions, 0);
	assert_in_range(managed_stats(&managed).sessions, 1, PLACES);
	close(root);
	for (i = 0; i < 1 + REFUSED; i++)
		close(peers[i]);
	managed_end(&managed);
}

/* --- turns ------------------------------------------------------------------------------------ */

enum { SESSIONS = 100, CALLS = 20, QUEUED = 200 };

/* How many calls of root's and of the greedy user's have been handled. */
struct turns {
	int root;
	int greedy;
	int us; /* how long a call takes */
};

static void
count_turn(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct turns *turns = arg;

	(void)call;
	(void)resp;
	*(drpc_session_peer(session).uid == 0 ? &turns->root : &turns->greedy) += 1;
	usleep(turns->us);
}

/* A server that is dispatched by the test, and the greedy user's sessions with calls that wait. */
static void
make_busy(struct managed *managed, struct turns *turns, int peers[SESSIONS])
{
	int i;

	make(managed, DRPC_SERVER_MAX_UNSENT);
	managed_register(managed, OTHER, count_turn, turns);
	assert_int_equal(drpc_server_listen(managed->server), 0);
	for (i = 0; i < SESSIONS * at_most(2, CALLS); i++) {
		if (i < SESSIONS)
			peers[i] = connect_as(GREEDY, managed->dir.sock);
		assert_true(peer_send_call(peers[i % SESSIONS], OTHER, 0, i + 1, NULL, 0));
	}
}

static void
end_busy(struct managed *managed, int peers[SESSIONS])
{
	int i;

	for (i = 0; i < SESSIONS; i++)
		close(peers[i]);
	assert_int_equal(drpc_server_shutdown(managed->server, 0), 0);
	managed_end(managed);
}

/* Of calls that all wait, those of one session of root's have their turn among those of many of another user's. */
static void
turns_of_users(int us, int most)
{
	int            calls = at_most(1, CALLS);
	struct turns   turns = {.us = us};
	struct managed managed;
	int            peers[SESSIONS];
	int            root;
	int            i;

	if (!is_root())
		return;
	make_busy(&managed, &turns, peers);
	root = connect_as(0, managed.dir.sock);
	for (i = 1; i <= calls; i++)
		assert_true(peer_send_call(root, OTHER, 0, i, NULL, 0));
	while (managed_stats(&managed).accepted < SESSIONS + 1)
		assert_int_equal(drpc_server_dispatch(managed.server, 0), 0);
	turns.greedy = 0;
	while (turns.root < calls)
		assert_int_equal(drpc_server_dispatch(managed.server, 0), 0);
	assert_in_range(turns.greedy, 0, most);
	close(root);
	end_busy(&managed, peers);
}

static void
turns_with_slow_handlers(void **state)
{
	(void)state;
	turns_of_users(200, 5 * CALLS);
}

static void
turns_with_quick_handlers(void **state)
{
	(void)state;
	turns_of_users(0, 25 * CALLS);
}

/* Who connects while sessions have much to be served, and others have connected before, waits for few of their calls. */
static void
turns_of_the_listener(void **state)
{
	struct turns   turns = {.us = 200};
	struct managed managed;
	int            peers[SESSIONS];
	int            queued[QUEUED];
	int            root;
	int            i;

	(void)state;
	if (!is_root())
		return;
	make_busy(&managed, &turns, peers);
	while (managed_stats(&managed).accepted < SESSIONS)
		assert_int_equal(drpc_server_dispatch(managed.server, 0), 0);
	for (i = 0; i < QUEUED; i++)
		queued[i] = connect_as(GREEDY, managed.dir.sock);
	root = connect_as(0, managed.dir.sock);
	assert_true(peer_send_call(root, OTHER, 0, 1, NULL, 0));
	turns.greedy = 0;
	while (turns.root == 0)
		assert_int_equal(drpc_server_dispatch(managed.server, 0), 0);
	assert_in_range(turns.greedy, 0, 30);
	close(root);
	for (i = 0; i < QUEUED; i++)
		close(queued[i]);
	end_busy(&managed, peers);
}

static void
echo_all_at_once(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	int size = 64 * MIB;

	assert_int_equal(setsockopt(drpc_session_get_fd(session), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)), 0);
	managed_echo(session, call, resp, arg);
}

/* A client that takes as much as comes does not keep the server to itself. */
static void
turns_of_a_large_reply(void **state)
{
	static uint8_t record[WIRE_RECORD_MAX];
	struct managed managed;
	int            records = 0;
	int            peer;
	pid_t          sender;

	(void)state;
	if (!is_root())
		return;
	make(&managed, DRPC_SERVER_MAX_MESSAGE);
	managed_set(&managed, DRPC_SERVER_MAX_MESSAGE, 64 * MIB);
	managed_register(&managed, OTHER, echo_all_at_once, NULL);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	peer   = peer_connect(managed.dir.sock);
	sender = fork();
	if (sender == 0) {
		exchange_send(peer, OTHER, 0, 1, 16 * MIB);
		_exit(0);
	}
	while (managed_stats(&managed).handled == 0)
		assert_int_equal(drpc_server_dispatch(managed.server, 100), 0);
	assert_int_equal(waitpid(sender, NULL, 0), sender);
	while (recv(peer, record, sizeof(record), MSG_DONTWAIT) > 0)
		records++;
	/* A dispatch has four turns at most. */
	assert_in_range(records, 1, 4 * 16);
	close(peer);
	assert_int_equal(drpc_server_shutdown(managed.server, 0), -DER_TIMEDOUT);
	managed_end(&managed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(incomplete_calls),
		unit(incomplete_calls_behind_others),
		unit(replies_not_taken),
		unit(replies_when_nothing_is_left),
		unit(parts_of_a_user),
		unit(places_that_are_refused),
		unit(turns_with_slow_handlers),
		unit(turns_with_quick_handlers),
		unit(turns_of_the_listener),
		unit(turns_of_a_large_reply),
	};

	/* Calls can be incomplete. */
	peer_chunked = true;
	return cmocka_run_group_tests_name("managed users " ABI_NAME, tests, NULL, NULL);
}
