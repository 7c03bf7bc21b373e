/*
 * Every function that the library exports, in a thread that is being cancelled, in the child of a fork, and with NULL.
 *
 * The list is made from the export map. A function that is new there needs a try_<function> in exports/, or this program
 * does not link. Each runs in a process of its own, so that one that ends the process is found out by name.
 */
#include "exports/world.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <drpc/library.h>

#include "support/managed.h"
#include "support/patience.h"

struct export {
	const char *name;
	void (*attempt)(struct world *w);
};

#define EXPORT(name) {#name, try_##name},
static const struct export exports[] = {
/* Made from the export map. */
#include "exports.h"
};
#undef EXPORT

#define EXPORTS (sizeof(exports) / sizeof(exports[0]))

struct attempt {
	const struct export *export;
	struct world        *world;
	volatile bool        returned;
};

static void *
attempt_while_cancelled(void *arg)
{
	struct attempt *attempt = arg;

	/* From here on every cancellation point ends the thread. */
	pthread_cancel(pthread_self());
	attempt->export->attempt(attempt->world);
	attempt->returned = true;
	pthread_testcancel();
	return NULL;
}

/* Returns, and leaves the thread as it was: to be cancelled. */
static int
cancelled_in(const struct export *export, bool yielding)
{
	struct attempt attempt = {.export = export, .world = make_world(yielding)};
	void          *result  = NULL;
	pthread_t      thread;

	NEED(pthread_create(&thread, NULL, attempt_while_cancelled, &attempt) == 0);
	NEED(pthread_join(thread, &result) == 0);
	dir_remove(&attempt.world->dir);
	NEED(attempt.returned);
	NEED(result == PTHREAD_CANCELED);
	return 0;
}

static int
cancelled(const struct export *export)
{
	return cancelled_in(export, false);
}

/* Waits for the end of a process; its status, or -1 after it has been killed for taking too long. */
static int
end_of(pid_t child)
{
	int status;
	int ms;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		usleep(1000);
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return -1;
}

/* The letter for what a thread is doing: S if it sleeps. */
static char
state_of(const char *thread)
{
	char  path[64];
	char  state = '?';
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", thread);
	stat = fopen(path, "r");
	if (stat == NULL)
		return 'X';
	if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	fclose(stat);
	return state;
}

/* How many other threads are at work, which may hold a lock. */
static int
threads_at_work(void)
{
	DIR           *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int            busy = 0;

	NEED(dir != NULL);
	while ((entry = readdir(dir)) != NULL)
		busy += atoi(entry->d_name) != 0 && atoi(entry->d_name) != gettid() && state_of(entry->d_name) != 'S';
	closedir(dir);
	return busy;
}

/* A call of a client is answered. */
static bool
is_served(struct drpc_client *client)
{
	struct drpc_call_options options = {.size = sizeof(options), .timeout_ms = PATIENCE_MS};
	Drpc__Response          *resp    = NULL;
	bool                     served;

	served = drpc_client_call(client, ECHO, 0, "x", 1, &options, &resp) == 0 && resp->body.len == 1;
	drpc_response_free(resp);
	return served;
}

/* What the parent has goes on, and can be ended. */
static void
assert_alive(struct world *w)
{
	struct drpc_client *client = NULL;

	NEED(is_served(w->client));
	NEED(access(w->path, F_OK) == 0);
	NEED(drpc_client_create(w->path, &client) == 0);
	NEED(drpc_client_set(client, DRPC_CLIENT_FRAMING, DRPC_FRAMING_CHUNKED) == 0);
	NEED(drpc_client_wait_ready(client, PATIENCE_MS) == 0);
	NEED(is_served(client));
	drpc_client_destroy(client);
	NEED(drpc_request_respond(w->request, &w->resp) == 0);
	drpc_client_destroy(w->client);
	drpc_server_destroy(w->server);
	NEED(access(w->path, F_OK) != 0);
	drpc_server_destroy(w->fresh);
	drpc_cancel_destroy(w->cancel);
}

/* What a child of a fork does with what it has from its parent returns, and its parent does not notice. */
static int
in_forked_child(const struct export *export)
{
	struct world *w;
	pid_t         child;
	int           ms;

	w = make_world(false);
	/* It is the parent's before the fork, and there is nothing left to do. */
	NEED(is_served(w->client));
	for (ms = 0; threads_at_work() != 0; ms++) {
		NEED(ms < PATIENCE_MS);
		usleep(1000);
	}
	child = fork();
	NEED(child >= 0);
	if (child == 0) {
		alarm(2 * PATIENCE_MS / 1000);
		export->attempt(w);
		_exit(0);
	}
	NEED(end_of(child) == 0);
	assert_alive(w);
	dir_remove(&w->dir);
	return 0;
}

static int
with_null(const struct export *export)
{
	struct world w = {.null = true};

	export->attempt(&w);
	return 0;
}

/* What becomes of a process of its own, in which a function is tried: 0 if all was well. */
static int
in_child(int (*column)(const struct export *), const struct export *export)
{
	int   status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		alarm(3 * PATIENCE_MS / 1000);
		_exit(column(export));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
every_export(int (*column)(const struct export *))
{
	int    failed = 0;
	size_t i;

	assert_true(EXPORTS > 70);
	for (i = 0; i < EXPORTS; i++) {
		int status = in_child(column, &exports[i]);

		if (status == 0)
			continue;
		failed++;
		print_message("# %s: %s %d\n", exports[i].name, WIFSIGNALED(status) ? "signal" : "status",
			      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	}
	assert_int_equal(failed, 0);
}

static void
no_function_is_cancelled(void **state)
{
	(void)state;
	every_export(cancelled);
}

#ifndef DRPC_ABI_08
static int
cancelled_while_yielding(const struct export *export)
{
	return cancelled_in(export, true);
}

/* The thread is not kept from being cancelled for a whole function then. */
static void
no_function_is_cancelled_that_yields(void **state)
{
	(void)state;
	every_export(cancelled_while_yielding);
}
#endif

static void
a_forked_child_does_no_harm(void **state)
{
	(void)state;
	every_export(in_forked_child);
}

static void
null_is_refused(void **state)
{
	(void)state;
	every_export(with_null);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_function_is_cancelled),
#ifndef DRPC_ABI_08
		cmocka_unit_test(no_function_is_cancelled_that_yields),
#endif
		cmocka_unit_test(a_forked_child_does_no_harm),
		cmocka_unit_test(null_is_refused),
	};

	return cmocka_run_group_tests_name("exports " ABI_NAME, tests, NULL, NULL);
}
