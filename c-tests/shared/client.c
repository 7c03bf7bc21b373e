/* The shared client: arguments and connecting. */
#include "abi.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/body.h"
#include "support/caller.h"
#include "support/descriptors.h"
#include "support/managed.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/rerun.h"
#include "support/shared.h"

static void
no_result(int rc, Drpc__Response *resp, void *arg)
{
	(void)rc;
	(void)resp;
	(void)arg;
	abort();
}

/* A call without a body. */
static int
call(struct drpc_client *client, Drpc__Response **resp)
{
	return drpc_client_call(client, ECHO, 0, NULL, 0, NULL, resp);
}

/* Something that is not NULL. */
static Drpc__Response *
rubbish(void)
{
	static Drpc__Response response;

	return &response;
}

static void
call_fails(struct drpc_client *client, int error)
{
	Drpc__Response *resp = rubbish();

	assert_int_equal(call(client, &resp), error);
	assert_null(resp);
	assert_string_not_equal(drpc_last_error(), "");
}

/* --- arguments --------------------------------------------------------------------------------- */

static void
create_refuses_null(void **state)
{
	struct drpc_client *client = (struct drpc_client *)state; /* not NULL */

	assert_int_equal(drpc_client_create(NULL, &client), -DER_INVAL);
	assert_null(client);
	assert_int_equal(drpc_client_create("/tmp/drpc.sock", NULL), -DER_INVAL);
}

static void
functions_refuse_null(void **state)
{
	Drpc__Response *resp = rubbish();

	(void)state;
	assert_int_equal(drpc_client_set(NULL, DRPC_CLIENT_RETRIES, 1), -DER_INVAL);
	assert_int_equal(drpc_client_connect(NULL), -DER_INVAL);
	assert_int_equal(drpc_client_wait_ready(NULL, 0), -DER_INVAL);
	assert_false(drpc_client_is_connected(NULL));
	assert_int_equal(drpc_client_close(NULL), -DER_INVAL);
	assert_int_equal(drpc_client_lock(NULL), -DER_INVAL);
	assert_int_equal(drpc_client_unlock(NULL), -DER_INVAL);
	assert_int_equal(call(NULL, &resp), -DER_INVAL);
	assert_null(resp);
	assert_int_equal(drpc_client_submit(NULL, ECHO, 0, NULL, 0, NULL, no_result, NULL), -DER_INVAL);
	assert_int_equal(drpc_client_dispatch(NULL, 0), -DER_INVAL);
	assert_int_equal(drpc_client_get_fd(NULL), -DER_INVAL);
	drpc_client_destroy(NULL);
	drpc_cancel_trigger(NULL);
	drpc_cancel_destroy(NULL);
}

static void
set_refuses_what_it_does_not_know(void **state)
{
	struct shared shared;

	(void)state;
	shared_make(&shared);
	assert_int_equal(drpc_client_set(shared.client, 0, 1), -DER_INVAL);
	assert_int_equal(drpc_client_set(shared.client, -1, 1), -DER_INVAL);
	assert_int_equal(drpc_client_set(shared.client, DRPC_CLIENT_SPIN + 1, 1), -DER_INVAL);
	assert_int_equal(drpc_client_set(shared.client, DRPC_CLIENT_PIPELINING, 2), -DER_INVAL);
	assert_int_equal(drpc_client_set(shared.client, DRPC_CLIENT_THREAD, 2), -DER_INVAL);
	assert_int_equal(drpc_client_set(shared.client, DRPC_CLIENT_MAX_DATAGRAM, 0), -DER_INVAL);
	assert_int_equal(drpc_client_set(shared.client, DRPC_CLIENT_FRAMING, DRPC_FRAMING_CHUNKED + 1), -DER_INVAL);
	shared_set(&shared, DRPC_CLIENT_TIMEOUT, PATIENCE_MS);
	shared_set(&shared, DRPC_CLIENT_PIPELINING, 1);
	shared_set(&shared, DRPC_CLIENT_RETRIES, 0);
	shared_set(&shared, DRPC_CLIENT_MAX_MESSAGE, 1000);
	shared_set(&shared, DRPC_CLIENT_THREAD, 0);
	/* Nothing of that connects. */
	assert_false(drpc_client_is_connected(shared.client));
	assert_false(shared_is_knocking(&shared));
	shared_connect(&shared);
	assert_int_equal(drpc_client_set(shared.client, DRPC_CLIENT_TIMEOUT, 1), -DER_BUSY);
	shared_end(&shared);
}

static void
call_and_submit_refuse_wrong_arguments(void **state)
{
	struct drpc_call_options options = {.size = 0};
	Drpc__Response          *resp    = rubbish();
	struct shared            shared;

	(void)state;
	shared_make(&shared);
	shared_connect(&shared);
	assert_int_equal(drpc_client_call(shared.client, ECHO, 0, NULL, 1, NULL, &resp), -DER_INVAL);
	assert_null(resp);
	assert_int_equal(drpc_client_call(shared.client, ECHO, 0, NULL, 0, NULL, NULL), -DER_INVAL);
	resp = rubbish();
	assert_int_equal(drpc_client_call(shared.client, ECHO, 0, NULL, 0, &options, &resp), -DER_INVAL);
	assert_null(resp);
	assert_int_equal(drpc_client_submit(shared.client, ECHO, 0, NULL, 1, NULL, no_result, NULL), -DER_INVAL);
	assert_int_equal(drpc_client_submit(shared.client, ECHO, 0, NULL, 0, NULL, NULL, NULL), -DER_INVAL);
	assert_int_equal(drpc_client_submit(shared.client, ECHO, 0, NULL, 0, &options, no_result, NULL), -DER_INVAL);
	/* None of them has been sent. */
	assert_true(peer_is_quiet(shared.peer));
	shared_end(&shared);
}

/* --- connecting ---------------------------------------------------------------------------------- */

static void
connect_says_what_is_wrong(void **state)
{
	struct drpc_client *client;
	struct dir          dir;
	char                path[109];

	(void)state;
	dir_make(&dir);
	assert_int_equal(drpc_client_create(dir.sock, &client), 0);
	assert_int_equal(drpc_client_connect(client), -DER_NONEXIST);
	assert_non_null(strstr(drpc_last_error(), dir.sock));
	close(peer_listen(dir.sock));
	/* ECONNREFUSED has no number of its own. */
	assert_int_equal(drpc_client_connect(client), -DER_MISC);
	assert_false(drpc_client_is_connected(client));
	drpc_client_destroy(client);
	dir_remove(&dir);

	memset(path, 'x', 108);
	path[108] = '\0';
	assert_int_equal(drpc_client_create(path, &client), 0);
	assert_int_equal(drpc_client_connect(client), -DER_BADPATH);
	drpc_client_destroy(client);
	assert_int_equal(drpc_client_create("", &client), 0);
	assert_int_equal(drpc_client_connect(client), -DER_BADPATH);
	drpc_client_destroy(client);
}

static void
connect_and_close_are_idle_when_done(void **state)
{
	struct shared shared;

	(void)state;
	shared_make(&shared);
	assert_int_equal(drpc_client_close(shared.client), 0);
	shared_connect(&shared);
	assert_true(drpc_client_is_connected(shared.client));
	assert_int_equal(drpc_client_connect(shared.client), 0);
	assert_false(shared_is_knocking(&shared));
	assert_int_equal(drpc_client_close(shared.client), 0);
	assert_false(drpc_client_is_connected(shared.client));
	assert_true(peer_is_closed(shared.peer));
	assert_int_equal(drpc_client_close(shared.client), 0);
	shared_connect(&shared);
	assert_true(drpc_client_is_connected(shared.client));
	shared_end(&shared);
}

static void
the_path_is_copied(void **state)
{
	struct drpc_client *client;
	struct dir          dir;
	char                path[sizeof(dir.sock)];
	int                 listener;

	(void)state;
	dir_make(&dir);
	listener = peer_listen(dir.sock);
	strcpy(path, dir.sock);
	assert_int_equal(drpc_client_create(path, &client), 0);
	memset(path, 'x', sizeof(path) - 1);
	assert_int_equal(drpc_client_connect(client), 0);
	drpc_client_destroy(client);
	close(listener);
	dir_remove(&dir);
}

/* Neither before the first connect nor after a close does a call connect. */
static void
calls_do_not_connect_by_themselves(void **state)
{
	struct shared shared;

	(void)state;
	shared_make(&shared);
	call_fails(shared.client, -DER_UNREACH);
	assert_int_equal(drpc_client_submit(shared.client, ECHO, 0, NULL, 0, NULL, no_result, NULL), -DER_UNREACH);
	assert_false(shared_is_knocking(&shared));
	shared_connect(&shared);
	assert_int_equal(drpc_client_close(shared.client), 0);
	call_fails(shared.client, -DER_UNREACH);
	assert_int_equal(drpc_client_submit(shared.client, ECHO, 0, NULL, 0, NULL, no_result, NULL), -DER_UNREACH);
	assert_false(shared_is_knocking(&shared));
	shared_end(&shared);
}

static void *
listen_late(void *arg)
{
	struct shared *shared = arg;

	usleep(50000);
	shared->listener = peer_listen(shared->dir.sock);
	return NULL;
}

static void
wait_ready_waits_for_the_server(void **state)
{
	struct shared shared;
	struct caller caller;
	pthread_t     thread;

	(void)state;
	shared_make(&shared);
	close(shared.listener);
	/* A dead socket, and then none. */
	assert_int_equal(drpc_client_wait_ready(shared.client, 20), -DER_TIMEDOUT);
	assert_int_equal(unlink(shared.dir.sock), 0);
	assert_int_equal(drpc_client_wait_ready(shared.client, 20), -DER_TIMEDOUT);
	assert_int_equal(pthread_create(&thread, NULL, listen_late, &shared), 0);
	assert_int_equal(drpc_client_wait_ready(shared.client, -1), 0);
	pthread_join(thread, NULL);
	assert_true(drpc_client_is_connected(shared.client));
	shared_accept(&shared);
	caller_start(&caller, shared.client, 5, NULL);
	shared_answer(&shared, shared_expect(&shared, 5), 6);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 6);
	shared_end(&shared);
}

/* In a child without rights: the server's file has not got its mode yet, as between bind and the change of mode or owner. */
static int
wait_for_the_mode(const char *path)
{
	struct drpc_client *client;
	int                 listener;

	if (geteuid() == 0 && setuid(65534) != 0)
		return 10;
	listener = peer_listen(path);
	if (chmod(path, 0) != 0 || drpc_client_create(path, &client) != 0)
		return 11;
	if (drpc_client_wait_ready(client, 30) != -DER_TIMEDOUT)
		return 12;
	if (strstr(drpc_last_error(), "does not let uid") == NULL)
		return 13;
	/* Nobody waits for that who does not say so. */
	if (drpc_client_connect(client) != -DER_NO_PERM)
		return 14;
	if (chmod(path, 0600) != 0 || drpc_client_wait_ready(client, PATIENCE_MS) != 0)
		return 15;
	drpc_client_destroy(client);
	close(listener);
	return 0;
}

static void
wait_ready_waits_for_the_mode_of_the_file(void **state)
{
	struct dir dir;
	pid_t      child;
	int        status;

	(void)state;
	dir_make(&dir);
	if (geteuid() == 0)
		assert_int_equal(chown(dir.path, 65534, (gid_t)-1), 0);
	child = fork();
	if (child == 0)
		_exit(wait_for_the_mode(dir.sock));
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	dir_remove(&dir);
}

static void
wait_ready_does_not_wait_for_a_path_that_cannot_be(void **state)
{
	struct drpc_client *client;

	(void)state;
	assert_int_equal(drpc_client_create("", &client), 0);
	assert_int_equal(drpc_client_wait_ready(client, PATIENCE_MS), -DER_BADPATH);
	drpc_client_destroy(client);
}

/* The first call is padded from 312 to 316 bytes. */
enum { DATAGRAM = 312, CHUNK = WIRE_HEADER + DATAGRAM, PADDED = CHUNK + 4 };

static const struct {
	const char *chosen;
	ssize_t     first;
} framings[] = {
	{NULL, ABI_CHUNKED ? PADDED : DATAGRAM},
	{"datagram", DATAGRAM},
	{"chunked", CHUNK},
	{"auto", PADDED},
	{"nonsense", ABI_CHUNKED ? PADDED : DATAGRAM},
};

/* What the program does not choose, the user may. */
static void
framing_is_that_of_the_line_or_of_the_user(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(framings) / sizeof(framings[0]); i++)
		rerun(framings[i].chosen);
}

/* Run with each value. The variable is read once a process. */
static void
framing_is_what_the_user_chose_first(void **state)
{
	const char   *chosen = getenv("DRPC_FRAMING");
	struct shared shared;
	uint8_t       record[WIRE_RECORD_MAX];
	size_t	      i = 0;

	(void)state;
	while (chosen != NULL && (framings[i].chosen == NULL || strcmp(framings[i].chosen, chosen) != 0))
		i++;
	for (int again = 0; again < 2; again++) {
		shared_make(&shared);
		drpc_client_destroy(shared.client);
		assert_int_equal(drpc_client_create(shared.dir.sock, &shared.client), 0);
		shared_connect(&shared);
		shared_call_in_vain(&shared, 302);
		assert_int_equal(peer_recv_record(shared.peer, record, sizeof(record)), framings[i].first);
		shared_end(&shared);
		assert_int_equal(setenv("DRPC_FRAMING", i == 1 ? "chunked" : "datagram", 1), 0);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest again[] = {unit(framing_is_what_the_user_chose_first)};
	const struct CMUnitTest tests[] = {
		unit(create_refuses_null),
		unit(functions_refuse_null),
		unit(set_refuses_what_it_does_not_know),
		unit(call_and_submit_refuse_wrong_arguments),
		unit(connect_says_what_is_wrong),
		unit(connect_and_close_are_idle_when_done),
		unit(the_path_is_copied),
		unit(calls_do_not_connect_by_themselves),
		unit(wait_ready_waits_for_the_server),
		unit(wait_ready_waits_for_the_mode_of_the_file),
		unit(wait_ready_does_not_wait_for_a_path_that_cannot_be),
		unit(framing_is_that_of_the_line_or_of_the_user),
	};

	(void)argv;
	if (argc > 1)
		return cmocka_run_group_tests_name("shared client again", again, NULL, NULL);
	return cmocka_run_group_tests_name("shared client " ABI_NAME, tests, NULL, NULL);
}
