/*
 * sessions SOCKET PID COUNT: how many bytes of memory the process PID, a managed server that is called for the first
 * time, takes for each of so many sessions: once they are connected, and once each has made a call.
 */
#include "seen_server.h"

#include <sys/resource.h>
#include <time.h>

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
	call(first, METHOD_ECHO);
	files = descriptors();
	before = memory();
	for (long i = 0; i < count; i++)
		sessions[i] = connected();
	while (descriptors() < files + count)
		nanosleep(&moment, NULL);
	/* The last one may have been accepted at this moment. */
	call(first, METHOD_ECHO);
	after = memory();
	printf("%.1f", (double)(after - before) / (double)count);
	for (long i = 0; i < count; i++)
		call(sessions[i], METHOD_ECHO);
	call(first, METHOD_ECHO);
	after = memory();
	printf(" %.1f\n", (double)(after - before) / (double)count);
	for (long i = 0; i < count; i++)
		drpc_close(sessions[i]);
	call(first, METHOD_END);
	drpc_close(first);
	free(sessions);
	return 0;
}
