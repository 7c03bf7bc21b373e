/* The sessions of the managed server: who is at the other end, and who may call. */
#include "abi.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/gate.h"
#include "support/managed.h"
#include "support/peer.h"

/* --- who is there --------------------------------------------------------------------------- */

struct visitor {
	uint64_t         id;
	struct drpc_peer peer;
	int              type;
	bool             close;
};

/* Looks at the session, and closes it if told so. */
static void
look_at_session(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct visitor *visitor = arg;
	socklen_t       len     = sizeof(visitor->type);

	(void)call;
	(void)resp;
	visitor->id   = drpc_session_id(session);
	visitor->peer = drpc_session_peer(session);
	if (getsockopt(drpc_session_get_fd(session), SOL_SOCKET, SO_TYPE, &visitor->type, &len) != 0)
		visitor->type = -1;
	if (visitor->close)
		drpc_session_close(session);
}

static void
a_session_says_who_calls(void **state)
{
	struct visitor visitor = {0};
	struct managed managed;
	uint64_t       first;
	int            peers[2];

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, look_at_session, &visitor);
	managed_start(&managed);
	peers[0] = peer_connect(managed.dir.sock);
	peers[1] = peer_connect(managed.dir.sock);
	exchange_refused(peers[0], OTHER, 1, DRPC__STATUS__SUCCESS);
	first = visitor.id;
	assert_int_not_equal(first, 0);
	assert_int_equal(visitor.peer.pid, getpid());
	assert_int_equal(visitor.peer.uid, geteuid());
	assert_int_equal(visitor.peer.gid, getegid());
	assert_int_equal(visitor.type, SOCK_SEQPACKET);
	exchange_refused(peers[1], OTHER, 1, DRPC__STATUS__SUCCESS);
	assert_int_not_equal(visitor.id, 0);
	assert_int_not_equal(visitor.id, first);
	exchange_refused(peers[0], OTHER, 2, DRPC__STATUS__SUCCESS);
	assert_int_equal(visitor.id, first);
	close(peers[0]);
	close(peers[1]);
	managed_end(&managed);
}

/* Also not by a session of another server, nor when it is over. */
static void
no_number_is_given_twice(void **state)
{
	struct visitor visitor = {0};
	uint64_t       last    = 0;
	struct managed managed;
	int            peer;
	int            i;

	(void)state;
	for (i = 0; i < 3; i++) {
		managed_make(&managed);
		managed_register(&managed, OTHER, look_at_session, &visitor);
		managed_start(&managed);
		peer = peer_connect(managed.dir.sock);
		exchange_refused(peer, OTHER, 1, DRPC__STATUS__SUCCESS);
		assert_true(visitor.id > last);
		last = visitor.id;
		close(peer);
		managed_end(&managed);
	}
}

static void
a_handler_may_end_its_session(void **state)
{
	struct visitor visitor = {.close = true};
	struct managed managed;
	int            peers[2];

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, look_at_session, &visitor);
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_start(&managed);
	peers[0] = peer_connect(managed.dir.sock);
	peers[1] = peer_connect(managed.dir.sock);
	exchange_echo(peers[1], ECHO, 1);
	exchange_send(peers[0], OTHER, 0, 1, 10);
	assert_true(peer_is_closed(peers[0]));
	exchange_echo(peers[1], ECHO, 2);
	close(peers[0]);
	close(peers[1]);
	managed_end(&managed);
}

/* --- who may call ------------------------------------------------------------------------------- */

struct doorman {
	bool       admits;
	atomic_int asked;
	uint64_t   id;
	uid_t      uid;
	bool       deferred; /* there was a call to take */
};

static bool
ask(struct drpc_session *session, void *arg)
{
	struct doorman *doorman = arg;

	doorman->asked++;
	doorman->id       = drpc_session_id(session);
	doorman->uid      = drpc_session_peer(session).uid;
	doorman->deferred = drpc_session_defer(session) != NULL;
	return doorman->admits;
}

static void
who_is_admitted_is_served(void **state)
{
	struct doorman doorman = {.admits = true};
	struct visitor visitor = {0};
	struct managed managed;
	int            peers[2];

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, look_at_session, &visitor);
	assert_int_equal(drpc_server_authorise(managed.server, ask, &doorman), 0);
	managed_start(&managed);
	peers[0] = peer_connect(managed.dir.sock);
	exchange_refused(peers[0], OTHER, 1, DRPC__STATUS__SUCCESS);
	exchange_refused(peers[0], OTHER, 2, DRPC__STATUS__SUCCESS);
	/* Once for a session, not for each call. */
	assert_int_equal(doorman.asked, 1);
	assert_int_equal(doorman.id, visitor.id);
	assert_int_equal(doorman.uid, geteuid());
	assert_false(doorman.deferred);
	peers[1] = peer_connect(managed.dir.sock);
	exchange_refused(peers[1], OTHER, 1, DRPC__STATUS__SUCCESS);
	assert_int_equal(doorman.asked, 2);
	assert_int_equal(doorman.id, visitor.id);
	close(peers[0]);
	close(peers[1]);
	managed_end(&managed);
}

/* A client whose call is there before the server sees its session, which it gives a second for that. */
static int
call_and_start(struct managed *managed, int64_t sequence)
{
	int peer;

	assert_int_equal(drpc_server_listen(managed->server), 0);
	peer = peer_connect(managed->dir.sock);
	exchange_send(peer, ECHO, 0, sequence, 10);
	managed_start(managed);
	return peer;
}

static void
who_is_not_admitted_is_told_so(void **state)
{
	struct doorman doorman = {.admits = false};
	struct gate    gate    = GATE_CLOSED;
	struct managed managed;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_wait, &gate);
	assert_int_equal(drpc_server_authorise(managed.server, ask, &doorman), 0);
	peer = call_and_start(&managed, 5);
	exchange_expect(peer, 5, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(doorman.asked, 1);
	assert_int_equal(gate_came(&gate), 0);
	close(peer);
	managed_end(&managed);
}

struct lines {
	pthread_mutex_t lock;
	int             count;
	char            last[512];
};

static void
keep_line(int level, const char *line, void *arg)
{
	struct lines *lines = arg;

	if (level > DRPC_LOG_WARN)
		return;
	pthread_mutex_lock(&lines->lock);
	lines->count++;
	snprintf(lines->last, sizeof(lines->last), "%s", line);
	pthread_mutex_unlock(&lines->lock);
}

/* A refusal is told by one line, which says where and who. */
static void
refusals_are_logged(void **state)
{
	struct lines   lines   = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct doorman doorman = {.admits = false};
	struct managed managed;
	char           who[32];
	int            peer;

	(void)state;
	drpc_set_log(keep_line, &lines);
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	assert_int_equal(drpc_server_authorise(managed.server, ask, &doorman), 0);
	peer = call_and_start(&managed, 1);
	exchange_expect(peer, 1, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	close(peer);
	managed_end(&managed);
	drpc_set_log(NULL, NULL);
	assert_int_equal(lines.count, 1);
	snprintf(who, sizeof(who), "uid=%d ", (int)geteuid());
	assert_non_null(strstr(lines.last, managed.dir.sock));
	assert_non_null(strstr(lines.last, who));
}

/* ECHO for these users; one call of it, and one of OTHER, which anybody may call. */
static void
allowed(const uid_t *uids, size_t count, bool served)
{
	struct managed managed;
	int            peer;

	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_register(&managed, OTHER, managed_echo, NULL);
	assert_int_equal(drpc_server_allow(managed.server, ECHO, uids, count), 0);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	if (served)
		exchange_echo(peer, ECHO, 1);
	else
		exchange_refused(peer, ECHO, 1, DRPC__STATUS__FAILURE);
	exchange_echo(peer, OTHER, 2);
	close(peer);
	managed_end(&managed);
}

/* Nobody is allowed without being listed, root neither. */
static void
a_module_is_for_the_users_listed(void **state)
{
	uid_t me        = geteuid();
	uid_t others[]  = {me + 1, me + 2};
	uid_t with_me[] = {me + 1, me};

	(void)state;
	allowed(with_me, 2, true);
	allowed(&me, 1, true);
	allowed(others, 2, false);
	allowed(NULL, 0, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_session_says_who_calls),
		unit(no_number_is_given_twice),
		unit(a_handler_may_end_its_session),
		unit(who_is_admitted_is_served),
		unit(who_is_not_admitted_is_told_so),
		unit(refusals_are_logged),
		unit(a_module_is_for_the_users_listed),
	};

	return cmocka_run_group_tests_name("managed sessions " ABI_NAME, tests, NULL, NULL);
}
