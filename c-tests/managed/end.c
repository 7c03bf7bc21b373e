/* How a managed server with threads runs and ends: run, stop, shutdown, destroy. */
#include "abi.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/gate.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"

/* A function of a server in a thread of its own. */
struct task {
	pthread_t           thread;
	struct drpc_server *server;
	int                 timeout_ms;
	int                 rc;
	atomic_bool         over;
};

static void *
run(void *arg)
{
	struct task *task = arg;

	task->rc   = drpc_server_run(task->server);
	task->over = true;
	return NULL;
}

static void *
shut_down(void *arg)
{
	struct task *task = arg;

	task->rc   = drpc_server_shutdown(task->server, task->timeout_ms);
	task->over = true;
	return NULL;
}

static void
begin(struct task *task, const struct managed *managed, void *(*what)(void *), int timeout_ms)
{
	task->server     = managed->server;
	task->timeout_ms = timeout_ms;
	task->over       = false;
	assert_int_equal(pthread_create(&task->thread, NULL, what, task), 0);
}

static int
result(struct task *task)
{
	pthread_join(task->thread, NULL);
	return task->rc;
}

/* A server with a waiting handler and one that answers at once. */
static void
make(struct managed *managed, struct gate *gate)
{
	managed_make(managed);
	managed_register(managed, ECHO, managed_echo, NULL);
	managed_register(managed, OTHER, managed_wait, gate);
	managed_start(managed);
}

/* A call whose handler waits. */
static int
send_one(const struct managed *managed, struct gate *gate)
{
	int peer = peer_connect(managed->dir.sock);

	exchange_send(peer, OTHER, 0, 1, 10);
	assert_true(gate_await(gate, 1));
	return peer;
}

static bool
is_listening(const struct managed *managed)
{
	return access(managed->dir.sock, F_OK) == 0;
}

/* --- running ------------------------------------------------------------------------------- */

static void
run_returns_when_it_is_shut_down(void **state)
{
	struct managed managed;
	struct task    runner;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	begin(&runner, &managed, run, 0);
	UNTIL(is_listening(&managed));
	/* It listens between two steps of starting. */
	assert_int_equal(drpc_server_listen(managed.server), 0);
	peer = peer_connect(managed.dir.sock);
	exchange_echo(peer, ECHO, 1);
	assert_int_equal(drpc_server_start(managed.server), -DER_BUSY);
	assert_int_equal(drpc_server_run(managed.server), -DER_BUSY);
	assert_false(runner.over);
	assert_int_equal(drpc_server_shutdown(managed.server, PATIENCE_MS), 0);
	assert_int_equal(result(&runner), 0);
	assert_true(peer_is_closed(peer));
	close(peer);
	managed_end(&managed);
}

static struct drpc_server *signalled;

static void
stop_on_signal(int sig)
{
	(void)sig;
	drpc_server_stop(signalled);
}

/* The reply of the handler that runs is waited for. */
static void
stop_is_for_signal_handlers(void **state)
{
	struct sigaction action = {.sa_handler = stop_on_signal};
	struct sigaction before;
	struct gate      gate = GATE_CLOSED;
	struct managed   managed;
	struct task      runner;
	int              peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, managed_wait, &gate);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	begin(&runner, &managed, run, 0);
	peer      = send_one(&managed, &gate);
	signalled = managed.server;
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
	UNTIL(!is_listening(&managed));
	assert_false(runner.over);
	gate_open(&gate);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	assert_int_equal(result(&runner), 0);
	close(peer);
	managed_end(&managed);
}

/* What a signal that comes before the threads has begun is carried through all the same. */
static void
run_shuts_down_what_was_stopped_before(void **state)
{
	struct managed managed;

	(void)state;
	managed_make(&managed);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	drpc_server_stop(managed.server);
	assert_int_equal(drpc_server_run(managed.server), 0);
	assert_false(is_listening(&managed));
	managed_end(&managed);
}

static void
stop_cuts_off_what_takes_too_long(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	struct task    runner;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_GRACE_TIME, 50);
	managed_register(&managed, OTHER, managed_wait, &gate);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	begin(&runner, &managed, run, 0);
	peer = send_one(&managed, &gate);
	drpc_server_stop(managed.server);
	exchange_expect(peer, 1, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	gate_open(&gate);
	assert_int_equal(result(&runner), -DER_TIMEDOUT);
	close(peer);
	managed_end(&managed);
}

/* --- shutting down ------------------------------------------------------------------------------ */

static void
nothing_goes_on(struct drpc_server *server)
{
	assert_int_equal(drpc_server_listen(server), -DER_SHUTDOWN);
	assert_int_equal(drpc_server_start(server), -DER_SHUTDOWN);
	assert_int_equal(drpc_server_run(server), 0);
	assert_int_equal(drpc_server_dispatch(server, 0), -DER_SHUTDOWN);
	assert_int_equal(drpc_server_shutdown(server, 0), 0);
	drpc_server_stop(server);
}

static void
a_server_is_shut_down_once_and_for_all(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;

	(void)state;
	make(&managed, &gate);
	assert_int_equal(drpc_server_shutdown(managed.server, PATIENCE_MS), 0);
	nothing_goes_on(managed.server);
	managed_end(&managed);
	/* Also one that has never listened. */
	managed_make(&managed);
	assert_int_equal(drpc_server_shutdown(managed.server, PATIENCE_MS), 0);
	nothing_goes_on(managed.server);
	assert_false(is_listening(&managed));
	managed_end(&managed);
	/* A signal that comes early is not lost. */
	managed_make(&managed);
	drpc_server_stop(managed.server);
	nothing_goes_on(managed.server);
	assert_false(is_listening(&managed));
	managed_end(&managed);
}

static bool
is_refused(const struct managed *managed)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int                fd   = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool               refused;

	memcpy(addr.sun_path, managed->dir.sock, sizeof(managed->dir.sock));
	refused = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0;
	close(fd);
	return refused;
}

/* No more connections and no more calls, but the reply of what runs. Several threads may wait for that. */
static void
shutdown_waits_for_handlers(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	struct task    tasks[2];
	int            idle;
	int            peer;

	(void)state;
	make(&managed, &gate);
	peer = send_one(&managed, &gate);
	/* It has come, but nobody begins with it any more. */
	exchange_send(peer, OTHER, 0, 2, 10);
	idle = peer_connect(managed.dir.sock);
	exchange_echo(idle, ECHO, 1);
	begin(&tasks[0], &managed, shut_down, PATIENCE_MS);
	begin(&tasks[1], &managed, shut_down, -1);
	UNTIL(is_refused(&managed));
	assert_false(tasks[0].over || tasks[1].over);
	gate_open(&gate);
	exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
	exchange_expect(peer, 2, DRPC__STATUS__FAILURE, 0);
	assert_int_equal(result(&tasks[0]), 0);
	assert_int_equal(result(&tasks[1]), 0);
	assert_int_equal(gate_came(&gate), 1);
	assert_true(peer_is_closed(peer));
	assert_true(peer_is_closed(idle));
	close(peer);
	close(idle);
	managed_end(&managed);
}

static void
shutdown_cuts_off_what_takes_too_long(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	int            peer;

	(void)state;
	make(&managed, &gate);
	peer = send_one(&managed, &gate);
	assert_int_equal(drpc_server_shutdown(managed.server, 50), -DER_TIMEDOUT);
	exchange_expect(peer, 1, DRPC__STATUS__FAILURE, 0);
	assert_true(peer_is_closed(peer));
	gate_open(&gate);
	close(peer);
	managed_end(&managed);
}

static void
shut_down_within(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct task *task = arg;

	task->rc = drpc_server_shutdown(task->server, PATIENCE_MS);
	managed_echo(session, call, resp, NULL);
}

/* It would wait for itself. */
static void
a_handler_does_not_wait_for_its_shutdown(void **state)
{
	struct managed managed;
	struct task    runner;
	struct task    within = {.rc = -1};
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, shut_down_within, &within);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	within.server = managed.server;
	begin(&runner, &managed, run, 0);
	peer = peer_connect(managed.dir.sock);
	exchange_echo(peer, ECHO, 1);
	assert_int_equal(result(&runner), 0);
	assert_int_equal(within.rc, 0);
	assert_true(peer_is_closed(peer));
	close(peer);
	managed_end(&managed);
}

/* --- destroying ------------------------------------------------------------------------------------ */

/* A handler that goes on for a while after its gate, which is opened when its call has been cut off. */
struct slow {
	struct gate          gate;
	int                  peer;
	bool                 cut;
	struct peer_response reply;
	bool                 over;
};

static void
be_slow(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct slow *slow = arg;

	gate_pass(&slow->gate);
	usleep(50000);
	managed_echo(session, call, resp, NULL);
	slow->over = true;
}

static void *
open_when_cut_off(void *arg)
{
	struct slow *slow = arg;

	slow->cut = peer_recv_response(slow->peer, &slow->reply);
	gate_open(&slow->gate);
	return NULL;
}

/* What a handler uses can be freed when the server is destroyed, also if a shutdown has not waited for it. */
static void
destroy_waits(bool after_shutdown)
{
	struct slow   *slow = calloc(1, sizeof(*slow));
	struct managed managed;
	pthread_t      thread;
	int            peer;

	slow->gate = (struct gate)GATE_CLOSED;
	managed_make(&managed);
	managed_register(&managed, OTHER, be_slow, slow);
	managed_start(&managed);
	peer = slow->peer = send_one(&managed, &slow->gate);
	assert_int_equal(pthread_create(&thread, NULL, open_when_cut_off, slow), 0);
	if (after_shutdown)
		assert_int_equal(drpc_server_shutdown(managed.server, 0), -DER_TIMEDOUT);
	managed_end(&managed);
	assert_true(slow->over);
	pthread_join(thread, NULL);
	assert_true(slow->cut);
	assert_int_equal(slow->reply.resp.status, DRPC__STATUS__FAILURE);
	free(slow->reply.msg);
	free(slow);
	assert_true(peer_is_closed(peer));
	close(peer);
}

static void
destroy_waits_for_handlers(void **state)
{
	(void)state;
	destroy_waits(false);
}

static void
destroy_waits_for_handlers_given_up(void **state)
{
	(void)state;
	destroy_waits(true);
}

/* A handler that uses its server once its call has been cut off. */
struct user {
	struct slow         slow;
	struct drpc_server *server;
	int                 listens;
	int                 counts;
	int                 counts_module;
	int                 shuts_down;
	bool                is_there;
	struct drpc_request *request;
};

static void
use_the_server(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct user             *user  = arg;
	struct drpc_server_stats stats = {.size = sizeof(stats)};
	uint64_t                 answered[9];

	(void)call;
	(void)resp;
	gate_pass(&user->slow.gate);
	usleep(50000);
	user->is_there      = drpc_server_get_handler(user->server, OTHER) == use_the_server;
	user->counts        = drpc_server_get_stats(user->server, &stats);
	user->counts_module = drpc_server_get_module_stats(user->server, OTHER, answered);
	user->listens       = drpc_server_listen(user->server);
	user->shuts_down    = drpc_server_shutdown(user->server, 0);
	drpc_server_stop(user->server);
	user->request   = drpc_session_defer(session);
	user->slow.over = true;
}

/* The server is there until its last handler has returned, and what that has taken longer. */
static void
handlers_may_use_a_server_that_is_destroyed(void **state)
{
	struct user    user = {.slow.gate = GATE_CLOSED};
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	struct managed managed;
	pthread_t      thread;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, OTHER, use_the_server, &user);
	managed_start(&managed);
	user.server    = managed.server;
	user.slow.peer = send_one(&managed, &user.slow.gate);
	assert_int_equal(pthread_create(&thread, NULL, open_when_cut_off, &user.slow), 0);
	managed_end(&managed);
	assert_true(user.slow.over);
	pthread_join(thread, NULL);
	free(user.slow.reply.msg);
	assert_true(user.is_there);
	assert_int_equal(user.counts, 0);
	assert_int_equal(user.counts_module, 0);
	assert_int_equal(user.listens, -DER_SHUTDOWN);
	assert_int_equal(user.shuts_down, 0);
	assert_non_null(user.request);
	assert_int_equal(drpc_request_call(user.request)->body.len, 10);
	assert_true(drpc_session_id(drpc_request_session(user.request)) != 0);
	assert_int_equal(drpc_request_respond(user.request, &resp), -DER_UNREACH);
	close(user.slow.peer);
}

static void
destroy_ends_sessions(void **state)
{
	struct gate    gate = GATE_CLOSED;
	struct managed managed;
	int            peers[5];
	int            i;

	(void)state;
	make(&managed, &gate);
	for (i = 0; i < 5; i++) {
		peers[i] = peer_connect(managed.dir.sock);
		exchange_echo(peers[i], ECHO, 1);
	}
	managed_end(&managed);
	for (i = 0; i < 5; i++) {
		assert_true(peer_is_closed(peers[i]));
		close(peers[i]);
	}
}

static void
a_child_of_a_fork_leaves_the_server_alone(void **state)
{
	struct managed managed;
	int            peer;
	int            status;
	pid_t          child;

	(void)state;
	managed_serve_echo(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_echo(peer, ECHO, 1);
	child = fork();
	if (child == 0) {
		alarm(60);
		drpc_server_destroy(managed.server);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	exchange_echo(peer, ECHO, 2);
	close(peer);
	peer = peer_connect(managed.dir.sock);
	exchange_echo(peer, ECHO, 1);
	close(peer);
	managed_end(&managed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(run_returns_when_it_is_shut_down),
		unit(stop_is_for_signal_handlers),
		unit(run_shuts_down_what_was_stopped_before),
		unit(stop_cuts_off_what_takes_too_long),
		unit(a_server_is_shut_down_once_and_for_all),
		unit(shutdown_waits_for_handlers),
		unit(shutdown_cuts_off_what_takes_too_long),
		unit(a_handler_does_not_wait_for_its_shutdown),
		unit(destroy_waits_for_handlers),
		unit(destroy_waits_for_handlers_given_up),
		unit(handlers_may_use_a_server_that_is_destroyed),
		unit(destroy_ends_sessions),
		unit(a_child_of_a_fork_leaves_the_server_alone),
	};

	return cmocka_run_group_tests_name("managed end " ABI_NAME, tests, NULL, NULL);
}
