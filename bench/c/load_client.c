/*
 * load_client SOCKET: the same load for raw servers and for ours, from one thread: records that are made beforehand, on
 * many connections or many at a time on one.
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "record.h"
#include "seqpacket.h"

#define EVENTS 64

static uint8_t request[MAX_RECORD];
static uint8_t answer[MAX_RECORD];
static size_t  length;

static bool
prepare(const struct load *load)
{
	length = record_of_call(request, load->body, load->size);
	return length > 0;
}

static void
send_one(int fd)
{
	struct iovec  iov = {.iov_base = request, .iov_len = length};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (sendmsg(fd, &msg, 0) != (ssize_t)length)
		die("sendmsg");
}

/* Returns false if there is nothing to be received without waiting. The body is at the end of call and answer. */
static bool
receive_one(int fd, const struct load *load, int flags)
{
	struct iovec  iov = {.iov_base = answer, .iov_len = sizeof(answer)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t	      size = recvmsg(fd, &msg, flags);
	size_t	      head = length - load->size;

	if (size < 0 && flags != 0 && errno == EAGAIN)
		return false;
	if (size <= 0)
		die("recvmsg");
	expect(load, answer + head, (size_t)size - head);
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

	send_one(fd);
	receive_one(fd, load, 0);
}

static void
close_it(void *connection)
{
	close((int)(intptr_t)connection);
}

/* Takes all answers that are there before it sends again: neither side is woken for a single record. */
static void
pipeline(void *connection, const struct load *load, uint64_t count)
{
	int	 fd = (int)(intptr_t)connection;
	uint64_t sent = 0;
	uint64_t received = 0;

	while (received < count) {
		for (; sent < count && sent - received < load->depth; sent++)
			send_one(fd);
		receive_one(fd, load, 0);
		for (received++; received < sent && receive_one(fd, load, MSG_DONTWAIT); received++)
			;
	}
}

struct many {
	int	 epoll;
	uint64_t count;
	int	 fds[];
};

static void *
connect_many(const char *path, const struct load *load, uint64_t count)
{
	struct many *many = malloc(sizeof(*many) + count * sizeof(int));

	(void)load;
	if (many == NULL || (many->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die("epoll");
	many->count = count;
	for (uint64_t i = 0; i < count; i++) {
		struct epoll_event event = {.events = EPOLLIN};

		many->fds[i] = event.data.fd = seqpacket_connect(path);
		if (epoll_ctl(many->epoll, EPOLL_CTL_ADD, event.data.fd, &event) != 0)
			die("epoll");
	}
	return many;
}

static void
call_many(void *connections, const struct load *load, uint64_t count)
{
	struct epoll_event events[EVENTS];
	struct many	  *many = connections;
	uint64_t	   sent = 0;
	uint64_t	   received = 0;

	for (; sent < count && sent < many->count; sent++)
		send_one(many->fds[sent]);
	while (received < count) {
		int ready = epoll_wait(many->epoll, events, EVENTS, -1);

		if (ready < 0)
			die("epoll_wait");
		for (int i = 0; i < ready; i++) {
			receive_one(events[i].data.fd, load, 0);
			received++;
			if (sent == count)
				continue;
			send_one(events[i].data.fd);
			sent++;
		}
	}
}

static void
close_many(void *connections)
{
	struct many *many = connections;

	for (uint64_t i = 0; i < many->count; i++)
		close(many->fds[i]);
	close(many->epoll);
	free(many);
}

const struct contender contender = {
	.prepare = prepare,
	.connect = connect_to,
	.call = call,
	.close = close_it,
	.pipeline = pipeline,
	.connect_many = connect_many,
	.call_many = call_many,
	.close_many = close_many,
};
