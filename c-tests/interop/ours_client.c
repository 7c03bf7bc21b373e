/*
 * A client of this library, compiled for each ABI.
 *
 *   ours_client plain|shared datagram|chunked|auto|default MODE SOCKET CALL...
 *
 * makes the calls by drpc_call or by the shared client, and prints what became of
 * each. MODE is
 *   first    each call is the first one of a process
 *   async    the same, and it is not waited for: by drpc_call without R_SYNC, with
 *            an empty TAKE behind it that is, or by drpc_client_submit
 *   row      one connection, one call after the other
 *   threads  two threads of one shared client, which does not wait between calls
 *   asked    the calls are read from the input, and made one by one when they come;
 *            drpc_call makes each on a new connection
 */
#include "../abi.h"

#include <drpc/client.h>
#include <drpc/library.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "methods.h"
#include "tasks.h"

enum { PATIENCE_MS = 20000 };

/* Not a value of enum drpc_framing: nothing is set. */
enum { DEFAULT_FRAMING = -1 };

static const char *path;
static int	   framing;

static void
give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, drpc_last_error());
	exit(1);
}

/* Takes the response. */
static void
tell(const struct task *task, int rc, Drpc__Response *resp)
{
	if (rc != 0)
		task_failed(task, drpc_last_error());
	else if (resp->status == DRPC__STATUS__SUBMITTED)
		task_tell(task, "submitted");
	else
		task_answered(task, (int32_t)resp->status, resp->body.data, resp->body.len);
	drpc_response_free(resp);
}

/* ---- drpc_call */

static void
plain_call(struct drpc *ctx, const char *name, int flags)
{
	struct task	task = task_of(name);
	Drpc__Call     *call;
	Drpc__Response *resp = NULL;
	int		rc;

	if (abi_call_create(ctx, task.module, task.method, &call) != 0)
		give_up("drpc_call_create");
	call->body.data = task.body.data;
	call->body.len = task.body.len;
	rc = drpc_call(ctx, flags, call, &resp);
	tell(&task, rc, resp);
	/* With the body, which is its own by now. */
	drpc_call_free(call);
}

static struct drpc *
plain_connect(void)
{
	struct drpc *ctx;

	if (abi_connect(path, &ctx) != 0 || drpc_set_timeout(ctx, PATIENCE_MS) != 0)
		give_up("drpc_connect");
	if (framing != DEFAULT_FRAMING && drpc_set_framing(ctx, framing) != 0)
		give_up("drpc_set_framing");
	return ctx;
}

static void
plain_first(const char *name)
{
	struct drpc *ctx = plain_connect();

	plain_call(ctx, name, R_SYNC);
	drpc_close(ctx);
}

static void
plain_async(const char *name)
{
	struct drpc *ctx = plain_connect();

	plain_call(ctx, name, 0);
	plain_call(ctx, "take:0", R_SYNC);
	drpc_close(ctx);
}

static void
plain_row(char **names, int count)
{
	struct drpc *ctx = plain_connect();
	int	     i;

	for (i = 0; i < count; i++)
		plain_call(ctx, names[i], R_SYNC);
	drpc_close(ctx);
}

enum { NAME_SIZE = 40 };

/* The next call that is asked for. */
static bool
is_asked(char name[NAME_SIZE])
{
	return scanf("%39s", name) == 1;
}

static void
plain_asked(void)
{
	char name[NAME_SIZE];

	while (is_asked(name))
		plain_first(name);
}

/* ---- The shared client */

static struct drpc_client *
shared_connect(bool pipelining)
{
	struct drpc_client *client;

	if (drpc_client_create(path, &client) != 0 ||
	    drpc_client_set(client, DRPC_CLIENT_TIMEOUT, PATIENCE_MS) != 0 ||
	    drpc_client_set(client, DRPC_CLIENT_PIPELINING, pipelining) != 0)
		give_up("drpc_client_create");
	if (framing != DEFAULT_FRAMING && drpc_client_set(client, DRPC_CLIENT_FRAMING, (uint64_t)framing) != 0)
		give_up("drpc_client_set");
	if (drpc_client_connect(client) != 0)
		give_up("drpc_client_connect");
	return client;
}

static void
shared_call(struct drpc_client *client, const char *name)
{
	struct task	task = task_of(name);
	Drpc__Response *resp;
	int rc = drpc_client_call(client, task.module, task.method, task.body.data, task.body.len, NULL, &resp);

	tell(&task, rc, resp);
	free(task.body.data);
}

static void
shared_row(char **names, int count)
{
	struct drpc_client *client = shared_connect(false);
	int		    i;

	for (i = 0; i < count; i++)
		shared_call(client, names[i]);
	drpc_client_destroy(client);
}

static void
shared_first(const char *name)
{
	shared_row((char **)&name, 1);
}

static void
shared_asked(void)
{
	struct drpc_client *client = shared_connect(false);
	char		    name[NAME_SIZE];

	while (is_asked(name))
		shared_call(client, name);
	drpc_client_destroy(client);
}

struct submitted {
	struct task task;
	bool	    over;
};

static void
take_result(int rc, Drpc__Response *resp, void *arg)
{
	struct submitted *submitted = arg;

	tell(&submitted->task, rc, resp);
	submitted->over = true;
}

static void
shared_async(const char *name)
{
	struct drpc_client *client = shared_connect(false);
	struct submitted    submitted = {.task = task_of(name)};
	const struct bytes *body = &submitted.task.body;

	int rc = drpc_client_submit(client, submitted.task.module, submitted.task.method, body->data, body->len,
				    NULL, take_result, &submitted);
	if (rc != 0)
		take_result(rc, NULL, &submitted);
	while (!submitted.over)
		drpc_client_dispatch(client, -1);
	free(body->data);
	drpc_client_destroy(client);
}

/* Every second call of a list. */
struct share {
	struct drpc_client *client;
	char		  **names;
	int		    count;
};

static void *
call_share(void *arg)
{
	const struct share *share = arg;
	int		    i;

	for (i = 0; i < share->count; i += 2)
		shared_call(share->client, share->names[i]);
	return NULL;
}

static void
shared_threads(char **names, int count)
{
	struct drpc_client *client = shared_connect(true);
	struct share	    mine = {.client = client, .names = names, .count = count};
	struct share	    other = {.client = client, .names = names + 1, .count = count - 1};
	pthread_t	    thread;

	if (pthread_create(&thread, NULL, call_share, &other) != 0)
		give_up("pthread_create");
	call_share(&mine);
	pthread_join(thread, NULL);
	drpc_client_destroy(client);
}

/* ---- */

/* Each call in a process to which this library is as new as the server is. */
static void
in_processes(void (*call)(const char *), char **names, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		pid_t child = fork();
		int   status;

		if (child == 0) {
			alarm(60);
			call(names[i]);
			exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
			fprintf(stderr, "%s: the process did not end well\n", names[i]);
			exit(1);
		}
	}
}

static const struct mode {
	const char *api;
	const char *name;
	/* One of these. */
	void (*one)(const char *name);
	void (*all)(char **names, int count);
	void (*asked)(void);
} modes[] = {
	{.api = "plain", .name = "first", .one = plain_first},
	{.api = "plain", .name = "async", .one = plain_async},
	{.api = "plain", .name = "row", .all = plain_row},
	{.api = "plain", .name = "asked", .asked = plain_asked},
	{.api = "shared", .name = "first", .one = shared_first},
	{.api = "shared", .name = "async", .one = shared_async},
	{.api = "shared", .name = "row", .all = shared_row},
	{.api = "shared", .name = "threads", .all = shared_threads},
	{.api = "shared", .name = "asked", .asked = shared_asked},
};

static void
run(const struct mode *mode, char **names, int count)
{
	if (mode->one != NULL)
		in_processes(mode->one, names, count);
	else if (mode->all != NULL)
		mode->all(names, count);
	else
		mode->asked();
}

static int
framing_named(const char *setting)
{
	if (strcmp(setting, "datagram") == 0)
		return DRPC_FRAMING_DATAGRAM;
	if (strcmp(setting, "chunked") == 0)
		return DRPC_FRAMING_CHUNKED;
	return strcmp(setting, "auto") == 0 ? DRPC_FRAMING_AUTO : DEFAULT_FRAMING;
}

int
main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc >= 5 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].api, argv[1]) != 0 || strcmp(modes[i].name, argv[3]) != 0)
			continue;
		framing = framing_named(argv[2]);
		path = argv[4];
		alarm(60);
		run(&modes[i], argv + 5, argc - 5);
		return 0;
	}
	fprintf(stderr, "usage: %s plain|shared SETTING MODE SOCKET CALL...\n", argv[0]);
	return 2;
}
