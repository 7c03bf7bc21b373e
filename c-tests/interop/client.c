/*
 * A client that behaves like one of the originals.
 *
 *   client LIKE first|row SOCKET CALL...
 *
 * makes the calls, each on a connection of its own or all on one, and prints what
 * the original then believes. "eof" is a success that was the end of the connection,
 * "cut" an answer that it cannot read.
 */
#define _GNU_SOURCE

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"
#include "methods.h"
#include "tasks.h"
#include "wire.h"

static const struct original *self;

static bool
is_closed(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};

	return poll(&pollfd, 1, 0) > 0 && (pollfd.revents & POLLHUP) != 0;
}

static void
receive(int fd, const struct task *task)
{
	struct bytes	message;
	struct response response = {0};

	/* None looks at the sequence of a response. */
	if (wire_receive(self, fd, &message) != MESSAGE)
		task_failed(task, "no answer");
	else if (!decode_response(self->decoder, message.data, message.len, &response))
		task_tell(task, "cut");
	else if (message.len == 0 && is_closed(fd))
		task_tell(task, "eof");
	else
		task_answered(task, response.status, response.body.data, response.body.len);
	free(response.body.data);
	free(message.data);
}

static void
call(int fd, const struct task *task, int64_t sequence)
{
	struct call  call = {.module = task->module, .method = task->method, .sequence = sequence, .body = task->body};
	struct bytes message = encode_call(&call);

	if (wire_send(self, fd, &message))
		receive(fd, task);
	else
		task_failed(task, "not sent");
	free(message.data);
}

int
main(int argc, char **argv)
{
	bool	in_a_row;
	int64_t first;
	int64_t sequence;
	int	fd = -1;
	int	i;

	if (argc < 4 || (self = original_named(argv[1])) == NULL) {
		fprintf(stderr, "usage: %s LIKE first|row SOCKET CALL...\n", argv[0]);
		return 2;
	}
	alarm(60);
	in_a_row = strcmp(argv[2], "row") == 0;
	first = self->go ? 1 : 0;
	for (i = 4; i < argc; i++) {
		struct task task = task_of(argv[i]);

		if (fd < 0) {
			fd = connect_to(argv[3]);
			sequence = first;
		}
		call(fd, &task, sequence++);
		free(task.body.data);
		if (!in_a_row) {
			close(fd);
			fd = -1;
		}
	}
	if (fd >= 0)
		close(fd);
	return 0;
}
