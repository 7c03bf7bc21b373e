/*
 * left SOCKET PID SESSIONS SIZE: how many bytes of memory the process PID, a server, has more than before when so many
 * sessions have gone, which called at the same time with bodies of SIZE bytes.
 */
#include "seen_server.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLS 3

/* A session, in a process of its own. It begins when the last of them is connected, as the pipe is closed then. */
static void
session(int begin, uint8_t *body, size_t size)
{
	struct drpc *session = connected();
	char	     end;

	if (read(begin, &end, 1) != 0)
		exit(1);
	for (int i = 0; i < CALLS; i++)
		call_with(session, METHOD_ECHO, body, size);
	drpc_close(session);
	exit(0);
}

int
main(int argc, char **argv)
{
	struct timespec moment = {.tv_nsec = 10000000};
	/* A server that waits before it gives memory back does not wait for so long. */
	struct timespec pause_time = {.tv_sec = 3};
	struct drpc    *own;
	uint8_t	       *body;
	size_t		size;
	long		count, files, before;
	int		begin[2], status;

	if (argc != 5)
		return 2;
	path = argv[1];
	pid = argv[2];
	count = atol(argv[3]);
	size = strtoul(argv[4], NULL, 10);
	body = malloc(size);
	if (body == NULL || pipe(begin) != 0)
		return 1;
	memset(body, 'x', size);

	/* What the server needs once, it has after a call. */
	own = connected();
	call(own, METHOD_ECHO);
	files = descriptors();
	before = memory();
	for (long i = 0; i < count; i++) {
		pid_t child = fork();

		if (child < 0)
			return 1;
		if (child == 0) {
			close(begin[1]);
			session(begin[0], body, size);
		}
	}
	while (descriptors() < files + count)
		nanosleep(&moment, NULL);
	close(begin[1]);
	for (long i = 0; i < count; i++)
		if (wait(&status) < 0 || status != 0)
			return 1;
	while (descriptors() > files)
		nanosleep(&moment, NULL);
	nanosleep(&pause_time, NULL);
	call(own, METHOD_ECHO);
	printf("%ld\n", memory() - before);
	call(own, METHOD_END);
	drpc_close(own);
	free(body);
	return 0;
}
