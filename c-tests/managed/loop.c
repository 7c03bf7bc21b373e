/* The managed server in an event loop of the program's: no thread of the library's, one descriptor to wait for. */
#include "abi.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/body.h"
#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/gate.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/tasks.h"

static int
server_fd(const struct managed *managed)
{
	int fd = drpc_server_get_fd(managed->server);

	assert_true(fd >= 0);
	return fd;
}

static bool
is_readable(int fd, int timeout_ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	return poll(&ready, 1, timeout_ms) == 1 && (ready.revents & POLLIN) != 0;
}

/* Serves, as an event loop does, until the client has something to read. */
static void
serve_until(const struct managed *managed, int peer)
{
	struct pollfd fds[] = {{.fd = server_fd(managed), .events = POLLIN}, {.fd = peer, .events = POLLIN}};

	for (;;) {
		assert_true(poll(fds, 2, PATIENCE_MS) > 0);
		if (fds[1].revents != 0)
			return;
		assert_int_equal(drpc_server_dispatch(managed->server, 0), 0);
	}
}

static void
make(struct managed *managed)
{
	managed_make(managed);
	managed_register(managed, ECHO, managed_echo, NULL);
}

/* --- the descriptor --------------------------------------------------------------------- */

static void
the_descriptor_tells_of_work(void **state)
{
	struct managed managed;
	int            peer;
	int            fd;

	(void)state;
	make(&managed);
	fd = server_fd(&managed);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_false(is_readable(fd, 0));
	peer = peer_connect(managed.dir.sock);
	assert_true(is_readable(fd, PATIENCE_MS));
	exchange_send(peer, ECHO, 0, 1, 10);
	serve_until(&managed, peer);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	/* When everything has been done it says so. */
	while (is_readable(fd, 0))
		assert_int_equal(drpc_server_dispatch(managed.server, 0), 0);
	assert_int_equal(drpc_server_get_fd(managed.server), fd);
	exchange_send(peer, ECHO, 0, 2, 10);
	assert_true(is_readable(fd, PATIENCE_MS));
	serve_until(&managed, peer);
	exchange_expect(peer, 2, DRPC__STATUS__SUCCESS, 10);
	close(peer);
	assert_int_equal(drpc_server_get_fd(managed.server), fd);
	managed_end(&managed);
}

/* Nothing happens on any socket when the time for a message is over: the descriptor tells of it all the same. */
static void
deadlines_make_it_readable(void **state)
{
	struct wire_header header = {.total = 2 * WIRE_CHUNK_MAX, .size = WIRE_CHUNK_MAX, .chunks = 2};
	struct managed     managed;
	uint8_t           *part;
	int                peer;

	(void)state;
	make(&managed);
	managed_set(&managed, ABI_CHUNKED ? DRPC_SERVER_MESSAGE_TIME : DRPC_SERVER_IDLE_TIME, 50);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	peer = peer_connect(managed.dir.sock);
	if (ABI_CHUNKED) {
		part = calloc(1, WIRE_CHUNK_MAX);
		assert_true(peer_send_chunk(peer, &header, part, WIRE_CHUNK_MAX));
		free(part);
	}
	serve_until(&managed, peer);
	if (ABI_CHUNKED)
		assert_int_equal(exchange_any(peer, DRPC__STATUS__FAILURE), -1);
	else
		assert_true(peer_is_closed(peer));
	close(peer);
	managed_end(&managed);
}

/* --- dispatching --------------------------------------------------------------------------- */

static void
note_thread(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	*(pthread_t *)arg = pthread_self();
	managed_echo(session, call, resp, NULL);
}

static void
handlers_run_in_the_thread_that_dispatches(void **state)
{
	struct managed managed;
	pthread_t      thread;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, note_thread, &thread);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	assert_true(tasks_are(1));
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, OTHER, 0, 1, 10);
	serve_until(&managed, peer);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	assert_true(pthread_equal(thread, pthread_self()));
	assert_true(tasks_are(1));
	close(peer);
	managed_end(&managed);
}

/* Listening is part of the first dispatch, and nothing to do is no error. */
static void
dispatch_waits_no_longer_than_told(void **state)
{
	struct managed managed;
	int            peer;

	(void)state;
	make(&managed);
	assert_int_equal(drpc_server_dispatch(managed.server, 0), 0);
	assert_int_equal(drpc_server_dispatch(managed.server, 20), 0);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 0, 1, 10);
	/* -1 is for ever, but there is something to do. */
	while (peer_is_quiet(peer))
		assert_int_equal(drpc_server_dispatch(managed.server, -1), 0);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	close(peer);
	managed_end(&managed);
}

struct nested {
	struct managed *managed;
	int             peer;
	int             rc;
};

/* Serves others from inside. */
static void
dispatch_within(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct nested *nested = arg;

	while (nested->rc == 0 && peer_is_quiet(nested->peer))
		nested->rc = drpc_server_dispatch(nested->managed->server, PATIENCE_MS);
	managed_echo(session, call, resp, NULL);
}

static void
handlers_may_dispatch(void **state)
{
	struct managed managed;
	struct nested  nested = {.managed = &managed};
	int            peer;

	(void)state;
	make(&managed);
	managed_register(&managed, OTHER, dispatch_within, &nested);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	peer        = peer_connect(managed.dir.sock);
	nested.peer = peer_connect(managed.dir.sock);
	exchange_send(peer, OTHER, 0, 1, 10);
	exchange_send(nested.peer, ECHO, 0, 2, 10);
	/* Once the call of OTHER is served, that of ECHO is served from inside, if it has not been before. */
	serve_until(&managed, peer);
	assert_int_equal(nested.rc, 0);
	exchange_expect(nested.peer, 2, DRPC__STATUS__SUCCESS, 10);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	close(peer);
	close(nested.peer);
	managed_end(&managed);
}

static void *
dispatch_until_shut_down(void *arg)
{
	struct managed *managed = arg;
	int             rc;

	do
		rc = drpc_server_dispatch(managed->server, PATIENCE_MS);
	while (rc == 0);
	return (void *)(intptr_t)rc;
}

/* Two threads of the program's: while the handler of one waits the other serves. */
static void
several_threads_may_dispatch(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	pthread_t      threads[2];
	int            peers[2];
	void          *rc;
	int            i;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_wait, &gate);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	for (i = 0; i < 2; i++) {
		peers[i] = peer_connect(managed.dir.sock);
		exchange_send(peers[i], ECHO, 0, 1, 10);
	}
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, dispatch_until_shut_down, &managed), 0);
	assert_true(gate_await(&gate, 2));
	gate_open(&gate);
	for (i = 0; i < 2; i++) {
		exchange_expect(peers[i], 1, DRPC__STATUS__SUCCESS, 10);
		close(peers[i]);
	}
	assert_int_equal(drpc_server_shutdown(managed.server, PATIENCE_MS), 0);
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], &rc);
		assert_int_equal((intptr_t)rc, -DER_SHUTDOWN);
	}
	managed_end(&managed);
}

/* --- its end --------------------------------------------------------------------------------- */

static void
stop_ends_dispatching(void **state)
{
	struct managed managed;
	int            fd;
	int            rc;

	(void)state;
	make(&managed);
	fd = server_fd(&managed);
	assert_false(is_readable(fd, 0));
	drpc_server_stop(managed.server);
	assert_true(is_readable(fd, PATIENCE_MS));
	do
		rc = drpc_server_dispatch(managed.server, PATIENCE_MS);
	while (rc == 0);
	assert_int_equal(rc, -DER_SHUTDOWN);
	assert_int_not_equal(access(managed.dir.sock, F_OK), 0);
	managed_end(&managed);
}

static void *
answer_in_a_while(void *arg)
{
	Drpc__Response resp = DRPC__RESPONSE__INIT;

	usleep(50000);
	drpc_request_respond(arg, &resp);
	return NULL;
}

static void
take(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)call;
	(void)resp;
	*(struct drpc_request **)arg = drpc_session_defer(session);
}

/* The loop goes on until what was going on is done: its descriptor stays, and the request that is answered late is. */
static void
replies_go_out_after_stop(void **state)
{
	struct drpc_request *request = NULL;
	Drpc__Response       resp    = DRPC__RESPONSE__INIT;
	struct managed       managed;
	int                  peer;
	int                  fd;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, take, &request);
	fd   = server_fd(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, OTHER, 0, 1, 10);
	while (request == NULL)
		assert_int_equal(drpc_server_dispatch(managed.server, PATIENCE_MS), 0);
	drpc_server_stop(managed.server);
	while (access(managed.dir.sock, F_OK) == 0)
		assert_int_equal(drpc_server_dispatch(managed.server, PATIENCE_MS), 0);
	assert_int_equal(drpc_server_dispatch(managed.server, 0), 0);
	assert_int_equal(drpc_server_get_fd(managed.server), fd);
	assert_int_equal(drpc_request_respond(request, &resp), 0);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 0);
	while (drpc_server_dispatch(managed.server, PATIENCE_MS) == 0)
		;
	assert_true(peer_is_closed(peer));
	assert_int_equal(drpc_server_shutdown(managed.server, 0), 0);
	close(peer);
	managed_end(&managed);
}

/* No time is none, as for drpc_server_shutdown. */
static void
stop_may_grant_no_time(void **state)
{
	struct drpc_request *request = NULL;
	struct managed       managed;
	int                  peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, take, &request);
	managed_set(&managed, DRPC_SERVER_GRACE_TIME, 0);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, OTHER, 0, 1, 10);
	while (request == NULL)
		assert_int_equal(drpc_server_dispatch(managed.server, PATIENCE_MS), 0);
	drpc_server_stop(managed.server);
	UNTIL(drpc_server_dispatch(managed.server, 0) == -DER_SHUTDOWN);
	exchange_expect(peer, 1, DRPC__STATUS__FAILURE, 0);
	drpc_request_drop(request);
	close(peer);
	managed_end(&managed);
}

/* Nobody dispatches but the thread that shuts down, and the replies go out all the same: this one is answered while it
 * waits, and too large for a socket at once in one of the two formats. */
static void
shutdown_serves_meanwhile(void **state)
{
	struct drpc_request *request = NULL;
	struct managed       managed;
	pthread_t            thread;
	int                  peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, take, &request);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, OTHER, 0, 1, 10);
	while (request == NULL)
		assert_int_equal(drpc_server_dispatch(managed.server, PATIENCE_MS), 0);
	assert_int_equal(pthread_create(&thread, NULL, answer_in_a_while, request), 0);
	assert_int_equal(drpc_server_shutdown(managed.server, PATIENCE_MS), 0);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 0);
	assert_true(peer_is_closed(peer));
	assert_int_equal(drpc_server_dispatch(managed.server, 0), -DER_SHUTDOWN);
	pthread_join(thread, NULL);
	close(peer);
	managed_end(&managed);
}

/* A call that is there when the server ends is not lost without a word. */
static void
calls_that_nobody_served_are_answered(void **state)
{
	struct managed managed;
	int            peer;

	(void)state;
	make(&managed);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 0, 1, 10);
	serve_until(&managed, peer);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	exchange_send(peer, ECHO, 0, 2, 10);
	managed_end(&managed);
	exchange_expect(peer, 2, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	close(peer);
}

/* All threads of the library's wait in a handler: what else comes is served by the program's. */
static void
a_loop_may_help_the_threads(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	int            waiting;
	int            peer;

	(void)state;
	make(&managed);
	managed_set(&managed, DRPC_SERVER_THREADS, 1);
	managed_register(&managed, OTHER, managed_wait, &gate);
	managed_start(&managed);
	waiting = peer_connect(managed.dir.sock);
	exchange_send(waiting, OTHER, 0, 1, 10);
	assert_true(gate_await(&gate, 1));
	peer = peer_connect(managed.dir.sock);
	exchange_send(peer, ECHO, 0, 1, 10);
	serve_until(&managed, peer);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	gate_open(&gate);
	exchange_expect(waiting, 1, DRPC__STATUS__SUCCESS, 10);
	close(waiting);
	close(peer);
	managed_end(&managed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(the_descriptor_tells_of_work),
		unit(deadlines_make_it_readable),
		unit(handlers_run_in_the_thread_that_dispatches),
		unit(dispatch_waits_no_longer_than_told),
		unit(handlers_may_dispatch),
		unit(several_threads_may_dispatch),
		unit(stop_ends_dispatching),
		unit(replies_go_out_after_stop),
		unit(stop_may_grant_no_time),
		unit(shutdown_serves_meanwhile),
		unit(calls_that_nobody_served_are_answered),
		unit(a_loop_may_help_the_threads),
	};

	return cmocka_run_group_tests_name("managed loop " ABI_NAME, tests, NULL, NULL);
}
