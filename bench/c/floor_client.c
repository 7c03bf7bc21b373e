/*
 * floor_client SOCKET: the least that a call can cost. Both buffers are there, and touched, before the first call. With
 * BENCH_WAIT it asks before it receives, as a client must whose calls have a deadline.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.h"
#include "message.h"
#include "seqpacket.h"

static struct buffer request;
static struct buffer answer;

static bool
prepare(const struct load *load)
{
	struct head head = {.size = sizeof(head) + load->size};
	size_t	    room = head.size > MAX_RECORD ? head.size : MAX_RECORD;

	if (request.size < room) {
		buffer_grow(&request, room);
		buffer_grow(&answer, room);
	}
	memcpy(request.data, &head, sizeof(head));
	memcpy(request.data + sizeof(head), load->body, load->size);
	return true;
}

static void *
connect_to(const char *path, const struct load *load)
{
	(void)load;
	return (void *)(intptr_t)seqpacket_connect(path);
}

static void
call(void *connection, const struct load *load)
{
	int fd = (int)(intptr_t)connection;

	send_message(fd, request.data, sizeof(struct head) + load->size);
#ifdef BENCH_WAIT
	struct pollfd	polled = {.fd = fd, .events = POLLIN};
	struct timespec deadline = {.tv_sec = 60};

	if (ppoll(&polled, 1, &deadline, NULL) != 1)
		die("ppoll");
#endif

	size_t size = receive_message(fd, &answer);

	expect(load, answer.data + sizeof(struct head), size - sizeof(struct head));
}

static void
close_it(void *connection)
{
	close((int)(intptr_t)connection);
}

const struct contender contender = {
	.prepare = prepare,
	.connect = connect_to,
	.call = call,
	.close = close_it,
};
