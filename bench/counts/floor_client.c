/*
 * floor_client SOCKET [CALLS LENGTH]…: the floor's calls for ../counts.sh, made and marked as those of
 * c-tests/counts/caller.h.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../c/message.h"
#include "../c/seqpacket.h"

static struct buffer request;
static struct buffer answer;

static void
call(int fd, const struct head *head)
{
	memcpy(request.data, head, sizeof(*head));
	send_message(fd, request.data, head->size);
	if (receive_message(fd, &answer) != head->size)
		exit(1);
}

int
main(int argc, char **argv)
{
	int fd;

	if (argc < 2)
		return 2;
	buffer_grow(&request, MAX_RECORD);
	buffer_grow(&answer, MAX_RECORD);
	fd = seqpacket_connect(argv[1]);
	for (int i = 2; i + 1 < argc; i += 2) {
		long	    calls = atol(argv[i]);
		struct head echo = {.size = sizeof(echo) + strtoul(argv[i + 1], NULL, 10)};
		struct head mark = {.size = echo.size, .rest = 1};

		if (echo.size > request.size)
			buffer_grow(&request, echo.size);
		for (int half = 0; half < 2; half++) {
			for (long made = 1; made < calls; made++)
				call(fd, &echo);
			call(fd, &mark);
			getppid();
		}
	}
	return 0;
}
