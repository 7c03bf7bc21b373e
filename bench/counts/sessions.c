/*
 * sessions SOCKET PID COUNT: how many bytes of memory the process PID, a managed server that is called for the first
 * time, takes for each of so many sessions: once they are connected, and once each has made a call. The kernel's part
 * does not count.
 */
#include "../../c-tests/counts/hand_back.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static const char *path;
static const char *pid;

/* A name in the folder of the process. */
static const char *
proc(const char *file)
{
	static char name[64];

	snprintf(name, sizeof(name), "/proc/%s/%s", pid, file);
	return name;
}

static long
memory(void)
{
	char  line[256];
	FILE *file = fopen(proc("smaps_rollup"), "r");
	long  kib = -1;

	if (file == NULL)
		exit(1);
	while (kib < 0 && fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "Anonymous: %ld kB", &kib);
	fclose(file);
	return kib * 1024;
}

static long
descriptors(void)
{
	DIR *dir = opendir(proc("fd"));
	long count = 0;

	if (dir == NULL)
		exit(1);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void
call(struct drpc *session, int32_t module)
{
	uint8_t		body[64] = {0};
	Drpc__Call	message = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	message.module = module;
	message.method = METHOD;
	message.body.data = body;
	message.body.len = sizeof(body);
	if (drpc_call(session, R_SYNC, &message, &resp) != 0 || resp->status != DRPC__STATUS__SUCCESS)
		exit(1);
	drpc_response_free(resp);
}

static struct drpc *
connected(void)
{
	struct drpc *session;

	if (abi_connect(path, &session) != 0)
		exit(1);
	return session;
}

int
main(int argc, char **argv)
{
	struct rlimit	limit;
	struct drpc   **sessions;
	struct drpc    *first;
	struct timespec moment = {.tv_nsec = 10000000};
	long		count, files, before, after;

	if (argc != 4)
		return 2;
	path = argv[1];
	pid = argv[2];
	count = atol(argv[3]);
	sessions = calloc((size_t)count, sizeof(*sessions));
	if (sessions == NULL || getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 1;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);

	/* What the server needs once, it has after a call. */
	first = connected();
	call(first, MODULE_ECHO);
	files = descriptors();
	before = memory();
	for (long i = 0; i < count; i++)
		sessions[i] = connected();
	while (descriptors() < files + count)
		nanosleep(&moment, NULL);
	/* The last one may have been accepted at this moment. */
	call(first, MODULE_ECHO);
	after = memory();
	printf("%.1f", (double)(after - before) / (double)count);
	for (long i = 0; i < count; i++)
		call(sessions[i], MODULE_ECHO);
	call(first, MODULE_ECHO);
	after = memory();
	printf(" %.1f\n", (double)(after - before) / (double)count);
	for (long i = 0; i < count; i++)
		drpc_close(sessions[i]);
	call(first, MODULE_END);
	drpc_close(first);
	free(sessions);
	return 0;
}
