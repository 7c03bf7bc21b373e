/* The managed server before it listens: what can be set, and what every function makes of a wrong argument. */
#define _GNU_SOURCE /* pthread_getattr_np */
#include "abi.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"

static bool
admit(struct drpc_session *session, void *arg)
{
	(void)session;
	(void)arg;
	return true;
}

/* Answers with the number that its argument points to as the status. */
static void
answer_status(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)call;
	resp->status = *(Drpc__Status *)arg;
}

/* --- making and destroying --------------------------------------------------------- */

static void
create_refuses_null(void **state)
{
	struct drpc_server *server = (struct drpc_server *)state; /* not NULL */

	assert_int_equal(drpc_server_create(NULL, &server), -DER_INVAL);
	assert_null(server);
	assert_string_not_equal(drpc_last_error(), "");
	assert_int_equal(drpc_server_create("/tmp/drpc.sock", NULL), -DER_INVAL);
	assert_int_equal(drpc_server_create(NULL, NULL), -DER_INVAL);
}

static void
create_touches_nothing(void **state)
{
	struct managed managed;

	(void)state;
	managed_make(&managed);
	assert_int_not_equal(access(managed.dir.sock, F_OK), 0);
	/* Destroyed without ever having been used. */
	managed_end(&managed);
}

static void
the_path_is_copied(void **state)
{
	struct managed managed;
	char           path[sizeof(managed.dir.sock)];

	(void)state;
	dir_make(&managed.dir);
	strcpy(path, managed.dir.sock);
	assert_int_equal(drpc_server_create(path, &managed.server), 0);
	memset(path, 'x', sizeof(path) - 1);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	assert_int_equal(access(managed.dir.sock, F_OK), 0);
	managed_end(&managed);
}

static void
functions_of_servers_refuse_null(void **state)
{
	uid_t nobody = 65534;

	(void)state;
	assert_int_equal(drpc_server_set(NULL, DRPC_SERVER_THREADS, 2), -DER_INVAL);
	assert_int_equal(drpc_server_register(NULL, ECHO, managed_echo, NULL, 0), -DER_INVAL);
	assert_int_equal(drpc_server_allow(NULL, ECHO, &nobody, 1), -DER_INVAL);
	assert_int_equal(drpc_server_authorise(NULL, admit, NULL), -DER_INVAL);
	assert_int_equal(drpc_server_listen(NULL), -DER_INVAL);
	assert_int_equal(drpc_server_start(NULL), -DER_INVAL);
	assert_int_equal(drpc_server_run(NULL), -DER_INVAL);
	assert_int_equal(drpc_server_dispatch(NULL, 0), -DER_INVAL);
	assert_int_equal(drpc_server_get_fd(NULL), -DER_INVAL);
	assert_int_equal(drpc_server_shutdown(NULL, 0), -DER_INVAL);
	drpc_server_stop(NULL);
	drpc_server_destroy(NULL);
}

static void
functions_of_sessions_and_requests_take_null(void **state)
{
	Drpc__Response   resp = DRPC__RESPONSE__INIT;
	struct drpc_peer peer = drpc_session_peer(NULL);

	(void)state;
	assert_int_equal(drpc_session_id(NULL), 0);
	assert_int_equal(peer.pid, 0);
	assert_int_equal(peer.uid, (uid_t)-1);
	assert_int_equal(peer.gid, (gid_t)-1);
	assert_int_equal(drpc_session_get_fd(NULL), -1);
	drpc_session_close(NULL);
	assert_null(drpc_session_defer(NULL));
	assert_null(drpc_request_session(NULL));
	assert_null(drpc_request_call(NULL));
	assert_int_equal(drpc_request_respond(NULL, &resp), -DER_INVAL);
	assert_int_equal(drpc_request_respond(NULL, NULL), -DER_INVAL);
	drpc_request_drop(NULL);
	assert_int_equal(drpc_session_fail(NULL, DRPC__STATUS__FAILURE, "why"), -DER_INVAL);
	assert_int_equal(drpc_request_fail(NULL, DRPC__STATUS__FAILURE, "why"), -DER_INVAL);
}

/* --- options ------------------------------------------------------------------------ */

static void
set_refuses_what_it_does_not_know(void **state)
{
	static const int unknown[] = {-1, 0, DRPC_SERVER_DETAIL + 1, 1000};
	struct managed   managed;
	size_t           i;

	(void)state;
	managed_make(&managed);
	for (i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		assert_int_equal(drpc_server_set(managed.server, unknown[i], 1), -DER_INVAL);
	managed_end(&managed);
}

static void
set_refuses_impossible_values(void **state)
{
	static const struct {
		int      option;
		uint64_t value;
	} impossible[] = {
		{DRPC_SERVER_THREADS, 0},
		{DRPC_SERVER_REPLACE_STALE, 2},
		{DRPC_SERVER_INHERIT, 2},
		{DRPC_SERVER_SIGNALS, 2},
		{DRPC_SERVER_MODE, 01000},
		{DRPC_SERVER_FRAMING, DRPC_FRAMING_CHUNKED + 1},
		{DRPC_SERVER_STACK, 0},
		{DRPC_SERVER_STACK, (64 << 10) - 1},
		{DRPC_SERVER_STACK, (1 << 30) + 1},
		{DRPC_SERVER_OWNER, (uint64_t)UINT32_MAX + 1},
		{DRPC_SERVER_GROUP, (uint64_t)UINT32_MAX + 1},
	};
	struct managed managed;
	size_t         i;

	(void)state;
	managed_make(&managed);
	for (i = 0; i < sizeof(impossible) / sizeof(*impossible); i++)
		assert_int_equal(drpc_server_set(managed.server, impossible[i].option, impossible[i].value),
				 -DER_INVAL);
	managed_end(&managed);
}

/* Answers with the size of its stack. */
static void
answer_stack(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	pthread_attr_t attributes;
	void          *base;

	(void)session;
	(void)call;
	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		abort();
	pthread_attr_getstack(&attributes, &base, arg);
	pthread_attr_destroy(&attributes);
	resp->status = DRPC__STATUS__SUCCESS;
}

static size_t
stack_of_a_handler(uint64_t option)
{
	struct managed managed;
	size_t         size = 0;
	int            peer;

	managed_make(&managed);
	if (option != 0)
		managed_set(&managed, DRPC_SERVER_STACK, option);
	managed_register(&managed, ECHO, answer_stack, &size);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 0, 1, 10);
	exchange_expect(peer, 1, 0, 0);
	close(peer);
	managed_end(&managed);
	return size;
}

/* The guard page may count. */
static void
threads_have_the_stack_chosen(void **state)
{
	const size_t page = 65536;

	(void)state;
	assert_in_range(stack_of_a_handler(0), 8 << 20, (8 << 20) + page);
	assert_in_range(stack_of_a_handler(64 << 10), 64 << 10, (64 << 10) + page);
	assert_in_range(stack_of_a_handler(32 << 20), 32 << 20, (32 << 20) + page);
}

/* Every option once, with a value that is possible: none is refused, and the server serves. */
static void
set_takes_every_option(void **state)
{
	struct managed managed;
	int            option;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_THREADS, 3);
	managed_set(&managed, DRPC_SERVER_REPLACE_STALE, 0);
	managed_set(&managed, DRPC_SERVER_INHERIT, 0);
	managed_set(&managed, DRPC_SERVER_MODE, 0600);
	managed_set(&managed, DRPC_SERVER_OWNER, geteuid());
	managed_set(&managed, DRPC_SERVER_GROUP, getegid());
	/* Limits: the last value counts, and 0 is no limit. */
	for (option = DRPC_SERVER_MAX_SESSIONS; option <= DRPC_SERVER_IDLE_TIME; option++) {
		managed_set(&managed, option, 1);
		managed_set(&managed, option, 0);
	}
	managed_set(&managed, DRPC_SERVER_MAX_DATAGRAM, 1);
	managed_set(&managed, DRPC_SERVER_MAX_DATAGRAM, 0);
	managed_set(&managed, DRPC_SERVER_FRAMING, DRPC_FRAMING_CHUNKED);
	managed_set(&managed, DRPC_SERVER_FRAMING, DRPC_FRAMING_DATAGRAM);
	managed_set(&managed, DRPC_SERVER_FRAMING, DRPC_FRAMING_AUTO);
	managed_set(&managed, DRPC_SERVER_STACK, 64 << 10);
	managed_set(&managed, DRPC_SERVER_SIGNALS, 1);
	managed_set(&managed, DRPC_SERVER_GRACE_TIME, 1000);
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_echo(peer, ECHO, 1);
	close(peer);
	managed_end(&managed);
}

/* --- modules ------------------------------------------------------------------------- */

static void
register_refuses_wrong_arguments(void **state)
{
	struct managed managed;

	(void)state;
	managed_make(&managed);
	assert_int_equal(drpc_server_register(managed.server, ECHO, NULL, NULL, 0), -DER_INVAL);
	assert_int_equal(drpc_server_register(managed.server, ECHO, managed_echo, NULL, 2), -DER_INVAL);
	assert_int_equal(drpc_server_register(managed.server, ECHO, managed_echo, NULL, 3), -DER_INVAL);
	/* None of them has registered anything. */
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_end(&managed);
}

static void
a_module_keeps_its_first_handler(void **state)
{
	Drpc__Status   first  = DRPC__STATUS__UNKNOWN_METHOD;
	Drpc__Status   second = DRPC__STATUS__FAILURE;
	struct managed managed;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, answer_status, &first);
	assert_int_equal(drpc_server_register(managed.server, OTHER, answer_status, &second, 0), -DER_EXIST);
	assert_int_equal(drpc_server_register(managed.server, OTHER, managed_echo, NULL, DRPC_SERVER_CONCURRENT),
			 -DER_EXIST);
	assert_ptr_equal(drpc_server_get_handler(managed.server, OTHER), answer_status);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_refused(peer, OTHER, 1, first);
	close(peer);
	managed_end(&managed);
}

static void
the_handler_of_a_module_can_be_asked_for(void **state)
{
	struct managed managed;

	(void)state;
	assert_null(drpc_server_get_handler(NULL, ECHO));
	managed_make(&managed);
	assert_null(drpc_server_get_handler(managed.server, ECHO));
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_register(&managed, OTHER, answer_status, NULL);
	assert_ptr_equal(drpc_server_get_handler(managed.server, ECHO), managed_echo);
	assert_ptr_equal(drpc_server_get_handler(managed.server, OTHER), answer_status);
	assert_null(drpc_server_get_handler(managed.server, NOBODY));
	managed_start(&managed);
	assert_ptr_equal(drpc_server_get_handler(managed.server, ECHO), managed_echo);
	managed_end(&managed);
}

static void
allow_and_authorise_refuse_wrong_arguments(void **state)
{
	uid_t          uid = geteuid();
	struct managed managed;

	(void)state;
	managed_make(&managed);
	assert_int_equal(drpc_server_allow(managed.server, ECHO, NULL, 1), -DER_INVAL);
	assert_int_equal(drpc_server_allow(managed.server, ECHO, NULL, 0), 0);
	assert_int_equal(drpc_server_allow(managed.server, ECHO, &uid, 1), 0);
	assert_int_equal(drpc_server_authorise(managed.server, NULL, NULL), -DER_INVAL);
	assert_int_equal(drpc_server_authorise(managed.server, admit, NULL), 0);
	managed_end(&managed);
}

/* --- after listening ------------------------------------------------------------------- */

static void
nothing_can_be_set(struct drpc_server *server)
{
	uid_t uid = geteuid();

	assert_int_equal(drpc_server_set(server, DRPC_SERVER_THREADS, 2), -DER_BUSY);
	assert_int_equal(drpc_server_register(server, OTHER, managed_echo, NULL, 0), -DER_BUSY);
	assert_int_equal(drpc_server_allow(server, ECHO, &uid, 1), -DER_BUSY);
	assert_int_equal(drpc_server_authorise(server, admit, NULL), -DER_BUSY);
}

static void
nothing_can_be_set_once_it_listens(void **state)
{
	struct managed managed;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	nothing_can_be_set(managed.server);
	managed_start(&managed);
	nothing_can_be_set(managed.server);
	peer = peer_connect(managed.dir.sock);
	exchange_echo(peer, ECHO, 1);
	exchange_refused(peer, OTHER, 2, DRPC__STATUS__UNKNOWN_MODULE);
	close(peer);
	assert_int_equal(drpc_server_shutdown(managed.server, PATIENCE_MS), 0);
	nothing_can_be_set(managed.server);
	managed_end(&managed);
}

/* Two servers of one process have nothing to do with each other. */
static void
servers_are_independent(void **state)
{
	Drpc__Status   status = DRPC__STATUS__FAILURE;
	struct managed one;
	struct managed two;
	int            peers[2];

	(void)state;
	managed_serve_echo(&one);
	managed_make(&two);
	managed_register(&two, ECHO, answer_status, &status);
	managed_start(&two);
	peers[0] = peer_connect(one.dir.sock);
	peers[1] = peer_connect(two.dir.sock);
	exchange_echo(peers[0], ECHO, 1);
	exchange_refused(peers[1], ECHO, 1, status);
	managed_end(&two);
	assert_true(peer_is_closed(peers[1]));
	exchange_echo(peers[0], ECHO, 2);
	close(peers[0]);
	close(peers[1]);
	managed_end(&one);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(create_refuses_null),
		unit(create_touches_nothing),
		unit(the_path_is_copied),
		unit(functions_of_servers_refuse_null),
		unit(functions_of_sessions_and_requests_take_null),
		unit(set_refuses_what_it_does_not_know),
		unit(set_refuses_impossible_values),
		unit(threads_have_the_stack_chosen),
		unit(set_takes_every_option),
		unit(register_refuses_wrong_arguments),
		unit(a_module_keeps_its_first_handler),
		unit(the_handler_of_a_module_can_be_asked_for),
		unit(allow_and_authorise_refuse_wrong_arguments),
		unit(nothing_can_be_set_once_it_listens),
		unit(servers_are_independent),
	};

	return cmocka_run_group_tests_name("managed setup " ABI_NAME, tests, NULL, NULL);
}
