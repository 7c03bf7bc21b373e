/* A process that forks, whichever way: what is the parent's stays so, and what has ended has ended while a child lives. */
#define _GNU_SOURCE
#include "abi.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drpc/library.h>

#include "support/context.h"
#include "support/descriptors.h"
#include "support/exchange.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/shared.h"

/* --- children ------------------------------------------------------------------------------ */

enum way { FORK, CLONE, WAYS };

/* CLONE runs no atfork handler, as _Fork does not. */
static pid_t
begin(enum way way)
{
	pid_t child;

	fflush(NULL);
	child = way == FORK ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (child == 0)
		alarm(60);
	assert_true(child >= 0);
	return child;
}

static void
assert_ended_well(pid_t child)
{
	int status = -1;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Runs the body in a child, where it returns 0, or a number that says what went wrong. */
static void
in_child(enum way way, int (*body)(void *), void *arg)
{
	pid_t child = begin(way);

	if (child == 0)
		_exit(body(arg));
	assert_ended_well(child);
}

/* A word from one process to the other. */
struct word {
	int fds[2];
};

static struct word
word_new(void)
{
	struct word word;

	assert_int_equal(pipe2(word.fds, O_CLOEXEC), 0);
	return word;
}

static void
say(const struct word *word)
{
	assert_int_equal(write(word->fds[1], "!", 1), 1);
}

static void
hear(const struct word *word)
{
	char heard;

	assert_int_equal(read(word->fds[0], &heard, 1), 1);
}

static void
word_end(struct word *word)
{
	close(word->fds[0]);
	close(word->fds[1]);
}

/* A child that does nothing, with a copy of every descriptor. */
struct keeper {
	struct word end;
	pid_t       child;
};

static struct keeper
keeper_new(void)
{
	struct keeper keeper = {.end = word_new()};

	keeper.child = begin(FORK);
	if (keeper.child == 0) {
		hear(&keeper.end);
		_exit(0);
	}
	return keeper;
}

static void
keeper_end(struct keeper *keeper)
{
	say(&keeper->end);
	assert_ended_well(keeper->child);
	word_end(&keeper->end);
}

static bool
has_file(const struct managed *managed)
{
	return access(managed->dir.sock, F_OK) == 0;
}

static void
echo_once(const struct managed *managed)
{
	int peer = peer_connect(managed->dir.sock);

	exchange_echo(peer, ECHO, 1);
	close(peer);
}

/* --- a server of the parent ------------------------------------------------------------------- */

static int
do_everything(void *arg)
{
	struct drpc_server      *server = arg;
	struct drpc_server_stats stats  = {.size = sizeof(stats)};

	drpc_server_stop(server);
	if (drpc_server_shutdown(server, 100) != -DER_NO_HDL)
		return 1;
	if (drpc_server_listen(server) != -DER_NO_HDL || drpc_server_start(server) != -DER_NO_HDL)
		return 2;
	if (drpc_server_run(server) != -DER_NO_HDL || drpc_server_dispatch(server, 0) != -DER_NO_HDL)
		return 3;
	if (drpc_server_get_fd(server) != -DER_NO_HDL || drpc_server_get_stats(server, &stats) != -DER_NO_HDL)
		return 4;
	drpc_server_destroy(server);
	return 0;
}

static int
destroy_only(void *arg)
{
	drpc_server_destroy(arg);
	return 0;
}

static void
a_child_cannot_touch_a_server_with_threads(void **state)
{
	struct managed managed;
	enum way       way;
	int            peer;

	(void)state;
	managed_serve_echo(&managed);
	peer = peer_connect(managed.dir.sock);
	exchange_echo(peer, ECHO, 1);
	for (way = FORK; way < WAYS; way++) {
		in_child(way, do_everything, managed.server);
		in_child(way, destroy_only, managed.server);
		assert_true(has_file(&managed));
		exchange_echo(peer, ECHO, 2 + way);
		echo_once(&managed);
	}
	close(peer);
	managed_end(&managed);
}

static void
a_child_cannot_touch_a_server_in_a_loop(void **state)
{
	struct managed managed;
	enum way       way;
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	assert_int_equal(drpc_server_dispatch(managed.server, 0), 0);
	for (way = FORK; way < WAYS; way++) {
		in_child(way, do_everything, managed.server);
		in_child(way, destroy_only, managed.server);
		assert_true(has_file(&managed));
		peer = peer_connect(managed.dir.sock);
		exchange_send(peer, ECHO, 0, 1, 10);
		UNTIL((assert_int_equal(drpc_server_dispatch(managed.server, 0), 0), !peer_is_quiet(peer)));
		exchange_expect(peer, 1, DRPC__STATUS__SUCCESS, 10);
		close(peer);
	}
	managed_end(&managed);
	assert_int_not_equal(access(managed.dir.path, F_OK), 0);
}

/* README's way to end a daemon, in a helper process of it. */
static struct drpc_server *signalled;

static void
stop_on_signal(int sig)
{
	(void)sig;
	drpc_server_stop(signalled);
}

static int
be_told_to_end(void *arg)
{
	(void)arg;
	return raise(SIGTERM);
}

static void
a_signal_in_a_helper_does_not_stop_the_server(void **state)
{
	struct sigaction action = {.sa_handler = stop_on_signal};
	struct sigaction before;
	struct managed   managed;

	(void)state;
	managed_serve_echo(&managed);
	signalled = managed.server;
	assert_int_equal(sigaction(SIGTERM, &action, &before), 0);
	in_child(FORK, be_told_to_end, NULL);
	in_child(CLONE, be_told_to_end, NULL);
	assert_int_equal(sigaction(SIGTERM, &before, NULL), 0);
	echo_once(&managed);
	echo_once(&managed);
	managed_end(&managed);
}

/* --- a server that no process has run yet --------------------------------------------------------- */

static int
shut_down_only(void *arg)
{
	return drpc_server_shutdown(arg, 100) != 0 || drpc_server_dispatch(arg, 0) != -DER_SHUTDOWN;
}

static int
stop_only(void *arg)
{
	drpc_server_stop(arg);
	return drpc_server_start(arg) != -DER_SHUTDOWN;
}

static int
get_fd_only(void *arg)
{
	return drpc_server_get_fd(arg) < 0;
}

static void
leave_to_the_parent(const struct managed *managed)
{
	int (*const bodies[])(void *) = {destroy_only, shut_down_only, stop_only, get_fd_only};
	enum way way;
	size_t   i;

	for (way = FORK; way < WAYS; way++) {
		for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
			in_child(way, bodies[i], managed->server);
			assert_true(has_file(managed));
		}
	}
}

static void
a_child_that_does_not_run_a_server_leaves_it(void **state)
{
	struct managed managed;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	leave_to_the_parent(&managed);
	managed_start(&managed);
	echo_once(&managed);
	managed_end(&managed);
}

/* Both processes have the set in which the parent waits. */
static void
a_child_leaves_the_set_of_its_parent(void **state)
{
	struct pollfd  set = {.events = POLLIN};
	struct managed managed;
	int            rc;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	set.fd = drpc_server_get_fd(managed.server);
	assert_true(set.fd >= 0);
	leave_to_the_parent(&managed);
	assert_int_equal(poll(&set, 1, 0), 0);
	drpc_server_stop(managed.server);
	assert_int_equal(poll(&set, 1, PATIENCE_MS), 1);
	while ((rc = drpc_server_dispatch(managed.server, PATIENCE_MS)) == 0)
		;
	assert_int_equal(rc, -DER_SHUTDOWN);
	managed_end(&managed);
}

/* A daemon that listens, so that it can tell of failures, and leaves its parent then. `shown`: with the descriptor in a
 * loop by then. The parent's copy may do what it likes. */
static void
run_in_child(enum way way, bool shown)
{
	struct word    end = word_new();
	struct managed managed;
	pid_t          child;

	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	if (shown)
		assert_true(drpc_server_get_fd(managed.server) >= 0);
	child = begin(way);
	if (child == 0) {
		int started = drpc_server_start(managed.server);

		hear(&end);
		drpc_server_destroy(managed.server);
		_exit(started != 0 || has_file(&managed));
	}
	echo_once(&managed);
	if (way == FORK) {
		drpc_server_stop(managed.server);
		echo_once(&managed);
		drpc_server_destroy(managed.server);
		assert_true(has_file(&managed));
		echo_once(&managed);
		say(&end);
		assert_ended_well(child);
		assert_false(has_file(&managed));
		dir_remove(&managed.dir);
	} else {
		/* What cannot be seen in the parent is for the child to end first. */
		say(&end);
		assert_ended_well(child);
		managed_end(&managed);
	}
	word_end(&end);
}

static void
a_child_may_run_what_its_parent_listens_on(void **state)
{
	(void)state;
	run_in_child(FORK, false);
	run_in_child(FORK, true);
	run_in_child(CLONE, false);
	run_in_child(CLONE, true);
}

/* A signal that came before the fork is not lost. */
static int
run_to_the_end(void *arg)
{
	return drpc_server_run(arg);
}

static void
a_child_ends_what_was_stopped_before(void **state)
{
	struct managed managed;

	(void)state;
	managed_make(&managed);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	drpc_server_stop(managed.server);
	in_child(FORK, run_to_the_end, managed.server);
	managed_end(&managed);
}

static int
do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void
the_file_goes_with_a_server_whose_process_has_not_forked(void **state)
{
	struct managed managed;
	bool           forked;

	(void)state;
	for (forked = false;; forked = true) {
		managed_make(&managed);
		assert_int_equal(drpc_server_listen(managed.server), 0);
		if (forked)
			in_child(FORK, do_nothing, NULL);
		drpc_server_destroy(managed.server);
		assert_int_equal(has_file(&managed), forked);
		dir_remove(&managed.dir);
		if (forked)
			break;
	}
}

/* --- what handlers have ---------------------------------------------------------------------------- */

struct within {
	bool returns; /* the child returns from the handler, too */
	int  status;
};

static void
fork_within(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct within *within = arg;
	Drpc__Response failure = DRPC__RESPONSE__INIT;
	pid_t          child   = begin(FORK);

	if (child == 0) {
		drpc_session_close(session);
		if (within->returns)
			return;
		failure.status = DRPC__STATUS__FAILURE;
		_exit(drpc_request_respond(drpc_session_defer(session), &failure) != -DER_NO_HDL);
	}
	if (waitpid(child, &within->status, 0) != child)
		within->status = -1;
	managed_echo(session, call, resp, NULL);
}

/* It neither answers nor ends the session, nor does its copy of the thread go on serving. */
static void
a_child_cannot_touch_calls_and_sessions(void **state)
{
	struct within  within;
	struct managed managed;
	int            peer;
	int            i;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, fork_within, &within);
	managed_start(&managed);
	peer = peer_connect(managed.dir.sock);
	for (i = 0; i < 4; i++) {
		within = (struct within){.returns = i % 2, .status = -1};
		exchange_echo(peer, ECHO, 1 + i);
		assert_int_equal(within.status, 0);
	}
	close(peer);
	managed_end(&managed);
}

static bool
fork_and_allow(struct drpc_session *session, void *arg)
{
	struct within *within = arg;
	pid_t          child  = begin(FORK);

	(void)session;
	if (child != 0 && waitpid(child, &within->status, 0) != child)
		within->status = -1;
	return true;
}

/* Nor does it take clients in. */
static void
a_child_takes_no_clients_in(void **state)
{
	struct within  within = {.status = -1};
	struct managed managed;

	(void)state;
	managed_make(&managed);
	managed_register(&managed, ECHO, managed_echo, NULL);
	assert_int_equal(drpc_server_authorise(managed.server, fork_and_allow, &within), 0);
	managed_start(&managed);
	echo_once(&managed);
	assert_int_equal(within.status, 0);
	managed_end(&managed);
}

/* --- a shared client ---------------------------------------------------------------------------------- */

/* The sequence of the next call. */
static int64_t
peer_sequence(struct shared *shared)
{
	struct peer_call call;

	assert_true(peer_recv_call(shared->peer, &call));
	free(call.msg);
	return call.call.sequence;
}

static int
use_client(void *arg)
{
	struct drpc_client *client = arg;
	Drpc__Response     *resp   = NULL;

	if (drpc_client_call(client, 0, 0, "", 0, NULL, &resp) != -DER_NO_HDL || resp != NULL)
		return 1;
	if (drpc_client_connect(client) != -DER_NO_HDL || drpc_client_close(client) != -DER_NO_HDL)
		return 2;
	if (drpc_client_dispatch(client, 0) != -DER_NO_HDL || drpc_client_is_connected(client))
		return 3;
	drpc_client_destroy(client);
	return 0;
}

static void
a_child_cannot_touch_a_client(void **state)
{
	struct shared shared;
	enum way      way;
	int           thread;

	(void)state;
	for (thread = 0; thread < 2; thread++) {
		shared_make(&shared);
		shared_set(&shared, DRPC_CLIENT_THREAD, thread);
		shared_connect(&shared);
		for (way = FORK; way < WAYS; way++) {
			in_child(way, use_client, shared.client);
			shared_is_usable(&shared);
		}
		shared_end(&shared);
	}
}

static atomic_int completions;
static int        completed;

static void
fork_when_done(int rc, Drpc__Response *resp, void *arg)
{
	pid_t child = begin(FORK);

	(void)arg;
	if (rc != 0)
		completed = rc;
	drpc_response_free(resp);
	/* In the child the function returns, too. */
	if (child != 0) {
		int status = -1;

		if (waitpid(child, &status, 0) != child || status != 0)
			completed = -1;
	}
	atomic_fetch_add(&completions, 1);
	if (child == 0 && completions > 2)
		_exit(1);
}

/* Its copy of the thread ends with the function that has forked. */
static void
a_child_runs_no_completions(void **state)
{
	struct shared shared;
	int           i;

	(void)state;
	completions = completed = 0;
	shared_make(&shared);
	shared_set(&shared, DRPC_CLIENT_THREAD, 1);
	shared_connect(&shared);
	for (i = 1; i <= 2; i++) {
		assert_int_equal(drpc_client_submit(shared.client, 0, i, "12", i, NULL, fork_when_done, NULL), 0);
		shared_answer(&shared, peer_sequence(&shared), 0);
		UNTIL(completions == i);
	}
	assert_int_equal(completed, 0);
	shared_is_usable(&shared);
	shared_end(&shared);
}

static void
a_client_that_is_closed_ends_its_session(void **state)
{
	struct shared shared;
	struct keeper keeper;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	keeper = keeper_new();
	assert_int_equal(drpc_client_close(shared.client), 0);
	assert_true(peer_is_closed(shared.peer));
	keeper_end(&keeper);
	shared_connect(&shared);
	keeper = keeper_new();
	drpc_client_destroy(shared.client);
	shared.client = NULL;
	assert_true(peer_is_closed(shared.peer));
	keeper_end(&keeper);
	shared_end(&shared);
}

/* --- a server that ends ---------------------------------------------------------------------------------- */

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int                fd   = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int                rc;

	assert_true(strlen(path) < sizeof(addr.sun_path));
	memcpy(addr.sun_path, path, strlen(path) + 1);
	rc = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : errno;
	close(fd);
	return rc;
}

/* Nobody can connect who still finds the file, and another server can take its place. */
static void
a_server_that_is_destroyed_has_ended(void **state)
{
	struct managed managed;
	struct keeper  keeper;
	char           link_path[128];
	int            peer;

	(void)state;
	managed_make(&managed);
	managed_set(&managed, DRPC_SERVER_REPLACE_STALE, 1);
	managed_register(&managed, ECHO, managed_echo, NULL);
	managed_start(&managed);
	snprintf(link_path, sizeof(link_path), "%s/link", managed.dir.path);
	assert_int_equal(link(managed.dir.sock, link_path), 0);
	peer = peer_connect(managed.dir.sock);
	exchange_echo(peer, ECHO, 1);
	keeper = keeper_new();
	drpc_server_destroy(managed.server);
	assert_true(peer_is_closed(peer));
	close(peer);
	assert_int_equal(connect_to(link_path), ECONNREFUSED);
	assert_int_equal(drpc_server_create(managed.dir.sock, &managed.server), 0);
	managed_set(&managed, DRPC_SERVER_REPLACE_STALE, 1);
	assert_int_equal(drpc_server_listen(managed.server), 0);
	keeper_end(&keeper);
	managed_end(&managed);
}

/* --- a server of the plain API that forks for each call ------------------------------------------------------ */

static void
receive(struct drpc *session, int peer, int64_t sequence)
{
	Drpc__Call *call = NULL;

	exchange_send(peer, ECHO, 0, sequence, 10);
	assert_int_equal(drpc_recv_call(session, &call), 0);
	assert_int_equal(call->sequence, sequence);
	drpc_call_free(call);
}

/* The child answers after the parent has closed its copy, which says nothing but of `later` calls. */
static void
fork_for_a_call(int later)
{
	struct pair    pair     = pair_new(context_no_handler);
	struct word    closed   = word_new();
	Drpc__Response response = DRPC__RESPONSE__INIT;
	pid_t          child;
	int            i;

	receive(pair.ctx, pair.peer, 1);
	receive(pair.ctx, pair.peer, 2);
	child = begin(FORK);
	if (child == 0) {
		hear(&closed);
		for (i = 1; i <= 2; i++) {
			response.sequence = i;
			if (drpc_send_response(pair.ctx, &response) != 0)
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < later; i++)
		receive(pair.ctx, pair.peer, 3 + i);
	/* What is remembered of the fork is taken for nothing else. */
	assert_int_equal(drpc_set_framing(pair.ctx, DRPC_FRAMING_DATAGRAM), 0);
	assert_int_equal(drpc_close(pair.ctx), 0);
	say(&closed);
	assert_ended_well(child);
	word_end(&closed);
	for (i = 0; i < later; i++)
		exchange_expect(pair.peer, -1, DRPC__STATUS__FAILURE, 0);
	exchange_expect(pair.peer, 1, DRPC__STATUS__SUCCESS, 0);
	exchange_expect(pair.peer, 2, DRPC__STATUS__SUCCESS, 0);
	assert_true(peer_is_closed(pair.peer));
	close(pair.peer);
}

static void
closing_says_nothing_of_calls_from_before_a_fork(void **state)
{
	(void)state;
	peer_chunked = false;
	fork_for_a_call(0);
	fork_for_a_call(2);
	fork_for_a_call(0);
	peer_chunked = ABI_CHUNKED;
}

/* --- locks ---------------------------------------------------------------------------------------------------- */

static atomic_bool over;

static void
count_line(int level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	atomic_fetch_add((atomic_long *)arg, 1);
}

static void *
fail_again_and_again(void *arg)
{
	while (!over)
		assert_int_equal(drpc_close(arg), -DER_INVAL);
	return NULL;
}

static int
fail_once(void *lines)
{
	long before = atomic_load((atomic_long *)lines);

	return drpc_close(NULL) != -DER_INVAL || atomic_load((atomic_long *)lines) != before + 1;
}

/* Whatever other threads had in hand at the fork, the child logs its own error. */
static void
a_child_can_log(void **state)
{
	/* Under valgrind one thread runs at a time, and locks are held at few forks. */
	const int   children = getenv("VALGRIND") != NULL ? 10 : 150;
	atomic_long lines    = 0;
	pthread_t   threads[2];
	int         i;

	(void)state;
	drpc_set_log(count_line, &lines);
	over = false;
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fail_again_and_again, NULL), 0);
	for (i = 0; i < children; i++)
		in_child(FORK, fail_once, &lines);
	over = true;
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	drpc_set_log(NULL, NULL);
}

/* --- programs that handlers start ----------------------------------------------------------------------------- */

struct spawned {
	bool unblocked; /* with a mask of its own */
	int  status;
};

static void
spawn_within(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	char              *argv[]  = {"sh", "-c", "kill -TERM $$; exit 7", NULL};
	struct spawned    *spawned = arg;
	posix_spawnattr_t  attr;
	sigset_t           none;
	pid_t              child;

	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	if (spawned->unblocked) {
		posix_spawnattr_setsigmask(&attr, &none);
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	}
	if (posix_spawn(&child, "/bin/sh", NULL, &attr, argv, environ) != 0 ||
	    waitpid(child, &spawned->status, 0) != child)
		spawned->status = -1;
	posix_spawnattr_destroy(&attr);
	managed_echo(session, call, resp, NULL);
}

static int
spawn_with(bool signals, bool unblocked)
{
	struct spawned spawned = {.unblocked = unblocked, .status = -1};
	struct managed managed;

	managed_make(&managed);
	if (signals)
		managed_set(&managed, DRPC_SERVER_SIGNALS, 1);
	managed_register(&managed, ECHO, spawn_within, &spawned);
	managed_start(&managed);
	echo_once(&managed);
	managed_end(&managed);
	return spawned.status;
}

static void
programs_of_handlers_end_on_signals_where_that_is_wanted(void **state)
{
	int status = spawn_with(false, false);

	(void)state;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	status = spawn_with(false, true);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	status = spawn_with(true, false);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* The thread that makes the socket takes its time over the line. */
static void
take_time(int level, const char *line, void *arg)
{
	(void)level, (void)line, (void)arg;
	usleep(50000);
}

static void *
dispatch_once(void *arg)
{
	return drpc_server_dispatch(arg, 0) == 0 ? NULL : arg;
}

static int
dispatch_by_many(void *arg)
{
	pthread_t      threads[8];
	struct managed managed;
	void          *failed;
	int            i;

	(void)arg;
	managed_make(&managed);
	drpc_set_log(take_time, NULL);
	for (i = 0; i < 8; i++)
		if (pthread_create(&threads[i], NULL, dispatch_once, managed.server) != 0)
			return 1;
	for (i = 0; i < 8; i++)
		if (pthread_join(threads[i], &failed) != 0 || failed != NULL)
			return 2;
	drpc_set_log(NULL, NULL);
	managed_end(&managed);
	return 0;
}

/* A daemon has been forked, too. */
static void
threads_of_a_child_wait_for_each_other(void **state)
{
	(void)state;
	in_child(FORK, dispatch_by_many, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_child_cannot_touch_a_server_with_threads),
		unit(a_child_cannot_touch_a_server_in_a_loop),
		unit(a_signal_in_a_helper_does_not_stop_the_server),
		unit(a_child_that_does_not_run_a_server_leaves_it),
		unit(a_child_leaves_the_set_of_its_parent),
		unit(a_child_may_run_what_its_parent_listens_on),
		unit(a_child_ends_what_was_stopped_before),
		unit(the_file_goes_with_a_server_whose_process_has_not_forked),
		unit(a_child_cannot_touch_calls_and_sessions),
		unit(a_child_takes_no_clients_in),
		unit(a_child_cannot_touch_a_client),
		unit(a_child_runs_no_completions),
		unit(a_client_that_is_closed_ends_its_session),
		unit(a_server_that_is_destroyed_has_ended),
		unit(closing_says_nothing_of_calls_from_before_a_fork),
		unit(a_child_can_log),
		unit(threads_of_a_child_wait_for_each_other),
		unit(programs_of_handlers_end_on_signals_where_that_is_wanted),
	};

	return cmocka_run_group_tests_name("fork " ABI_NAME, tests, NULL, NULL);
}
