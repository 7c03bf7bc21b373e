/*
 * epoll_server SOCKET: what a server of many clients costs at least: one thread, epoll, one record in, one out. It
 * changes the tags of the record so that the answer is dRPC, and knows no other call than the benchmark's.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"
#include "record.h"
#include "seqpacket.h"

#define EVENTS 64

static uint8_t record[MAX_RECORD];

static void
watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll");
}

static void
serve(int fd)
{
	struct iovec  iov = {.iov_base = record, .iov_len = sizeof(record)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t	      size = recvmsg(fd, &msg, 0);

	if (size <= 0) {
		close(fd);
		return;
	}
	record_answer(record, (size_t)size);
	iov.iov_len = (size_t)size;
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) != size)
		close(fd);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int		   epoll = epoll_create1(EPOLL_CLOEXEC);
	int		   listener;

	if (argc != 2)
		return 2;
	listener = seqpacket_listen(argv[1]);
	watch(epoll, listener);
	ready();
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);

		if (count < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < count; i++)
			if (events[i].data.fd == listener)
				watch(epoll, accept(listener, NULL, NULL));
			else
				serve(events[i].data.fd);
	}
}
