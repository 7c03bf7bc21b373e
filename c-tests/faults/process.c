/*
 * The library as a guest of its process: descriptors across exec, signals in the
 * middle of a call, cancelled threads, SIGPIPE, fork, and the caller's errno.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"
#include "support/context.h"
#include "support/dir.h"
#include "support/patience.h"
#include "support/peer.h"

#include <drpc/library.h>

/* ---- exec ---- */

/* The descriptors that a program started by this one finds open. */
static void
list_inherited(char *list, size_t size)
{
	FILE  *pipe = popen("ls /proc/self/fd", "r");
	size_t len;

	assert_non_null(pipe);
	len = fread(list, 1, size - 1, pipe);
	list[len] = '\0';
	assert_int_equal(pclose(pipe), 0);
	assert_true(len > 0);
}

static void
test_exec_inherits_nothing(void **state)
{
	char	     before[512];
	char	     after[512];
	struct dir   dir;
	struct drpc *listener;
	struct drpc *client;
	struct drpc *session;
	int	     plain;

	(void)state;
	dir_make(&dir);
	list_inherited(before, sizeof(before));
	listener = abi_listen(dir.sock, context_no_handler);
	assert_non_null(listener);
	assert_int_equal(abi_connect(dir.sock, &client), 0);
	assert_int_equal(abi_accept(listener, &session), 0);
	list_inherited(after, sizeof(after));
	assert_string_equal(before, after);
	assert_true(fcntl(listener->comm->fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(client->comm->fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(session->comm->fd, F_GETFD) & FD_CLOEXEC);

	/* A descriptor that is inherited does show. */
	plain = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	list_inherited(after, sizeof(after));
	assert_string_not_equal(before, after);
	close(plain);

	assert_int_equal(drpc_close(client), 0);
	assert_int_equal(drpc_close(session), 0);
	assert_int_equal(drpc_close(listener), 0);
	dir_remove(&dir);
}

/* ---- Signals ---- */

static volatile sig_atomic_t signals;

static void
count_signal(int number)
{
	(void)number;
	signals++;
}

struct storm {
	pthread_t thread;
	pthread_t target;
	int	  over;
};

static void *
blow(void *arg)
{
	struct storm *storm = arg;

	while (!__atomic_load_n(&storm->over, __ATOMIC_ACQUIRE)) {
		pthread_kill(storm->target, SIGUSR1);
		usleep(3000);
	}
	return NULL;
}

/* Interrupts whatever the calling thread waits in, again and again. */
static void
storm_begin(struct storm *storm)
{
	struct sigaction action = {.sa_handler = count_signal};

	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	storm->target = pthread_self();
	storm->over = 0;
	signals = 0;
	assert_int_equal(pthread_create(&storm->thread, NULL, blow, storm), 0);
}

/* So many signals must have come before the far end acts, or the test has shown nothing. */
#define ENOUGH 10

static void
storm_end(struct storm *storm)
{
	__atomic_store_n(&storm->over, 1, __ATOMIC_RELEASE);
	pthread_join(storm->thread, NULL);
	assert_true(signals >= ENOUGH);
}

/* Returns when signals have interrupted the near end again and again. */
static void
weather_storm(void)
{
	int enough = signals + ENOUGH;
	int ms;

	for (ms = 0; signals < enough && ms < PATIENCE_MS; ms++)
		usleep(1000);
}

/* What the far end does a while after the near end began to wait. */
struct late {
	pthread_t thread;
	int	  fd;
	char	  path[108];
	int	  done;
};

static void
late_start(struct late *late, void *(*what)(void *))
{
	late->done = 0;
	assert_int_equal(pthread_create(&late->thread, NULL, what, late), 0);
}

static void
late_join(struct late *late)
{
	pthread_join(late->thread, NULL);
	assert_true(late->done);
}

static void
reply(struct late *late, bool in_storm)
{
	struct peer_call call;

	if (!peer_recv_call(late->fd, &call))
		return;
	if (in_storm)
		weather_storm();
	late->done = peer_send_response(late->fd, call.call.sequence, 0, (const uint8_t *)"late", 4);
	free(call.msg);
}

static void *
reply_late(void *arg)
{
	reply(arg, true);
	return NULL;
}

static void
test_signal_during_call(void **state)
{
	Drpc__Call	call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	struct storm	storm;
	struct late	late;
	struct drpc    *ctx;
	int		fds[2];

	(void)state;
	peer_pair(fds);
	ctx = context_by_hand(fds[0], NULL);
	late.fd = fds[1];
	storm_begin(&storm);
	late_start(&late, reply_late);
	assert_int_equal(drpc_call(ctx, R_SYNC, &call, &resp), 0);
	storm_end(&storm);
	late_join(&late);
	assert_int_equal(resp->body.len, 4);
	drpc_response_free(resp);
	context_free_parts(ctx);
	close(fds[1]);
}

static void *
call_late(void *arg)
{
	struct late *late = arg;

	weather_storm();
	late->done = peer_send_call(late->fd, 1, 101, 7, (const uint8_t *)"late", 4);
	return NULL;
}

static void
test_signal_during_recv_call(void **state)
{
	Drpc__Call  *call = NULL;
	struct storm storm;
	struct late  late;
	struct drpc *session;
	int	     fds[2];

	(void)state;
	peer_pair(fds);
	session = context_by_hand(fds[0], context_no_handler);
	late.fd = fds[1];
	storm_begin(&storm);
	late_start(&late, call_late);
	assert_int_equal(drpc_recv_call(session, &call), 0);
	storm_end(&storm);
	late_join(&late);
	assert_int_equal(call->sequence, 7);
	drpc_call_free(call);
	context_free_parts(session);
	close(fds[1]);
}

/* Some of these fill the send buffer that the test sets. */
static uint8_t reply_body[8000];
#define REPLIES 40

static void *
read_late(void *arg)
{
	struct late *late = arg;
	int	     i;

	weather_storm();
	for (i = 0; i < REPLIES; i++) {
		struct peer_response resp;

		if (!peer_recv_response(late->fd, &resp))
			return NULL;
		if (resp.resp.len != sizeof(reply_body) || resp.resp.sequence != i + 1)
			return NULL;
		free(resp.msg);
	}
	late->done = 1;
	return NULL;
}

static void
test_signal_during_send(void **state)
{
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	struct storm   storm;
	struct late    late;
	struct drpc   *session;
	int	       small = 20000;
	int	       fds[2];
	int	       i;

	(void)state;
	peer_pair(fds);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	session = context_by_hand(fds[0], context_no_handler);
	resp.body.data = reply_body;
	resp.body.len = sizeof(reply_body);
	late.fd = fds[1];
	storm_begin(&storm);
	late_start(&late, read_late);
	for (i = 0; i < REPLIES; i++) {
		resp.sequence = i + 1;
		assert_int_equal(drpc_send_response(session, &resp), 0);
	}
	storm_end(&storm);
	late_join(&late);
	context_free_parts(session);
	close(fds[1]);
}

static void *
connect_late(void *arg)
{
	struct late *late = arg;

	weather_storm();
	late->fd = peer_connect(late->path);
	late->done = late->fd >= 0;
	return NULL;
}

/* A listener that the program has made blocking waits in accept itself. */
static void
test_signal_during_accept(void **state)
{
	struct storm storm;
	struct late  late;
	struct dir   dir;
	struct drpc *listener;
	struct drpc *session = NULL;

	(void)state;
	dir_make(&dir);
	listener = abi_listen(dir.sock, context_no_handler);
	assert_non_null(listener);
	assert_int_equal(fcntl(listener->comm->fd, F_SETFL, 0), 0);
	strcpy(late.path, dir.sock);
	storm_begin(&storm);
	late_start(&late, connect_late);
	assert_int_equal(abi_accept(listener, &session), 0);
	storm_end(&storm);
	late_join(&late);
	assert_true(drpc_is_valid_listener(session));
	close(late.fd);
	assert_int_equal(drpc_close(session), 0);
	assert_int_equal(drpc_close(listener), 0);
	dir_remove(&dir);
}

static void *
accept_late(void *arg)
{
	struct late *late = arg;

	weather_storm();
	while (!late->done) {
		int fd = accept(late->fd, NULL, NULL);

		if (fd < 0)
			break;
		close(fd);
		late->done = 1;
	}
	return NULL;
}

/* A listener whose queue is full makes connect wait. */
static void
test_signal_during_connect(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct storm	   storm;
	struct late	   late;
	struct dir	   dir;
	struct drpc	  *ctx = NULL;
	int		   first;

	(void)state;
	dir_make(&dir);
	strcpy(addr.sun_path, dir.sock);
	late.fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(late.fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(late.fd, 0), 0);
	first = peer_connect(dir.sock);
	assert_true(first >= 0);
	storm_begin(&storm);
	late_start(&late, accept_late);
	assert_int_equal(abi_connect(dir.sock, &ctx), 0);
	storm_end(&storm);
	late_join(&late);
	assert_int_equal(drpc_close(ctx), 0);
	close(first);
	close(late.fd);
	dir_remove(&dir);
}

/* ---- Cancellation ---- */

struct cancelled {
	struct drpc *ctx;
	int	     rc;
	int	     was_enabled;
};

static void *
call_and_be_cancelled(void *arg)
{
	struct cancelled *cancelled = arg;
	Drpc__Call	  call = DRPC__CALL__INIT;
	Drpc__Response	 *resp = NULL;
	int		  state;

	cancelled->rc = drpc_call(cancelled->ctx, R_SYNC, &call, &resp);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	cancelled->was_enabled = state == PTHREAD_CANCEL_ENABLE;
	drpc_response_free(resp);
	pthread_setcancelstate(state, &state);
	while (pause() != 0)
		pthread_testcancel();
	return NULL;
}

/* Unwinding through the library would end the process: the call goes on to its reply. */
static void
test_cancelled_in_call(void **test_state)
{
	struct cancelled cancelled = {.rc = 1};
	struct peer_call call;
	pthread_t	 thread;
	void		*result = NULL;
	int		 fds[2];

	(void)test_state;
	peer_pair(fds);
	cancelled.ctx = context_by_hand(fds[0], NULL);
	assert_int_equal(pthread_create(&thread, NULL, call_and_be_cancelled, &cancelled), 0);
	assert_true(peer_recv_call(fds[1], &call));
	assert_int_equal(pthread_cancel(thread), 0);
	assert_true(peer_send_response(fds[1], call.call.sequence, 0, NULL, 0));
	free(call.msg);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_int_equal(cancelled.rc, 0);
	assert_true(cancelled.was_enabled);
	context_free_parts(cancelled.ctx);
	close(fds[1]);
}

static void *
fail_while_cancelled(void *arg)
{
	struct cancelled *cancelled = arg;
	const char	 *nowhere = "/nonexistent/drpc.sock";
	int		  state;

	/* From here on every cancellation point would end the thread. */
	pthread_cancel(pthread_self());
	cancelled->rc = abi_connect(nowhere, &cancelled->ctx) != 0 && abi_listen(nowhere, context_no_handler) == NULL;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	cancelled->was_enabled = state == PTHREAD_CANCEL_ENABLE;
	pthread_setcancelstate(state, &state);
	while (pause() != 0)
		pthread_testcancel();
	return NULL;
}

/* What fails closes what it has opened, which is a cancellation point. */
static void
test_cancelled_in_failure(void **test_state)
{
	struct cancelled cancelled = {0};
	pthread_t	 thread;
	void		*result = NULL;

	(void)test_state;
	assert_int_equal(pthread_create(&thread, NULL, fail_while_cancelled, &cancelled), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_null(cancelled.ctx);
	assert_int_equal(cancelled.rc, 1);
	assert_true(cancelled.was_enabled);
}

/* ---- Fork and SIGPIPE, in a child whose end is looked at ---- */

/*
 * The child ends as another program: memcheck would hold it responsible for
 * everything that it shares with its parent.
 */
static void
assert_child_succeeds(int (*body)(void *), void *arg)
{
	int   status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", body(arg) == 0 ? "exit 0" : "exit 1", (char *)NULL);
		_exit(2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int
write_to_closed(void *arg)
{
	Drpc__Call	call = DRPC__CALL__INIT;
	Drpc__Response	answer = DRPC__RESPONSE__INIT;
	Drpc__Response *resp = NULL;
	struct drpc    *ctx;
	struct drpc    *session;
	int		fds[2];
	int		failed;

	(void)arg;
	signal(SIGPIPE, SIG_DFL);
	peer_pair(fds);
	close(fds[1]);
	ctx = context_by_hand(fds[0], NULL);
	failed = drpc_call(ctx, R_SYNC, &call, &resp) < 0 && resp == NULL;
	context_free_parts(ctx);
	peer_pair(fds);
	close(fds[1]);
	answer.sequence = 1;
	session = context_by_hand(fds[0], context_no_handler);
	failed = failed && drpc_send_response(session, &answer) < 0;
	context_free_parts(session);
	return failed ? 0 : 1;
}

static void
test_sigpipe_does_not_kill(void **state)
{
	(void)state;
	assert_child_succeeds(write_to_closed, NULL);
}

static int
call_from_child(void *arg)
{
	Drpc__Call	call = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;
	struct drpc    *ctx = NULL;
	int		rc = abi_connect(arg, &ctx);

	if (rc == 0)
		rc = drpc_call(ctx, R_SYNC, &call, &resp);
	if (rc == 0 && resp->body.len != 4)
		rc = 1;
	drpc_response_free(resp);
	if (ctx != NULL)
		drpc_close(ctx);
	return rc != 0;
}

static void *
answer_one(void *arg)
{
	struct late *late = arg;
	int	     listener = late->fd;

	late->fd = accept(listener, NULL, NULL);
	if (late->fd >= 0)
		reply(late, false);
	close(late->fd);
	late->fd = listener;
	return NULL;
}

/* The parent has used the library before, so a child inherits its working state. */
static void
test_fork_then_call(void **state)
{
	struct late late;
	struct dir  dir;

	(void)state;
	dir_make(&dir);
	late.fd = peer_listen(dir.sock);
	assert_true(late.fd >= 0);
	late_start(&late, answer_one);
	assert_int_equal(call_from_child(dir.sock), 0);
	late_join(&late);
	late_start(&late, answer_one);
	assert_child_succeeds(call_from_child, dir.sock);
	late_join(&late);
	close(late.fd);
	dir_remove(&dir);
}

/* ---- errno ---- */

static void
test_errno_is_left_alone(void **state)
{
	struct drpc *ctx = NULL;
	int	     rc;

	(void)state;
	assert_true(abi_connect("/nonexistent/drpc.sock", &ctx) != 0);
	errno = 1234;
	assert_non_null(drpc_last_error());
	assert_int_equal(errno, 1234);
	for (rc = -2100; rc <= 10; rc++)
		assert_non_null(drpc_strerror(rc));
	assert_non_null(drpc_strerror(INT32_MIN));
	assert_int_equal(errno, 1234);
	assert_non_null(drpc_version());
	assert_int_equal(errno, 1234);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exec_inherits_nothing),
		cmocka_unit_test(test_signal_during_call),
		cmocka_unit_test(test_signal_during_recv_call),
		cmocka_unit_test(test_signal_during_send),
		cmocka_unit_test(test_signal_during_accept),
		cmocka_unit_test(test_signal_during_connect),
		cmocka_unit_test(test_cancelled_in_call),
		cmocka_unit_test(test_cancelled_in_failure),
		cmocka_unit_test(test_sigpipe_does_not_kill),
		cmocka_unit_test(test_fork_then_call),
		cmocka_unit_test(test_errno_is_left_alone),
	};

	return cmocka_run_group_tests_name("process " ABI_NAME, tests, NULL, NULL);
}

