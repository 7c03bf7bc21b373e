/*
 * floor_server SOCKET: hands every message back as it came. The layout is that of a dRPC server: poll, receive, send. With
 * BENCH_WAIT it asks epoll, as a server of many sessions must.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "message.h"
#include "seqpacket.h"

#define MAX_SESSIONS 1024

static struct pollfd polled[1 + MAX_SESSIONS] = {{.events = POLLIN}};
static nfds_t count = 1;

static struct buffer buffer;

#ifdef BENCH_WAIT
static int epoll = -1;

static void
watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll < 0)
		epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl");
}

static void
wait_for_one(void)
{
	struct epoll_event event;

	if (epoll_wait(epoll, &event, 1, -1) != 1)
		die("epoll_wait");
	for (nfds_t i = 0; i < count; i++)
		polled[i].revents = polled[i].fd == event.data.fd ? POLLIN : 0;
}
#else
static void
watch(int fd)
{
	(void)fd;
}
#endif

static void
serve(nfds_t i)
{
	size_t size = receive_message(polled[i].fd, &buffer);

	if (size > 0) {
		work();
		send_message(polled[i].fd, buffer.data, size);
		return;
	}
	close(polled[i].fd);
	polled[i] = polled[--count];
}

int
main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	buffer_grow(&buffer, MAX_RECORD);
	polled[0].fd = seqpacket_listen(argv[1]);
	watch(polled[0].fd);
	ready();
	for (;;) {
#if defined(BENCH_WAIT)
		wait_for_one();
#elif defined(BENCH_SPIN)
		/* There is one client, which waits in the same way. */
		for (polled[0].revents = POLLIN; count > 1;)
			serve(1);
#else
		if (poll(polled, count, -1) < 0 && errno != EINTR)
			die("poll");
#endif
		for (nfds_t i = count; i-- > 1;)
			if (polled[i].revents != 0)
				serve(i);
		if (polled[0].revents != 0 && count <= MAX_SESSIONS) {
			int fd = accept(polled[0].fd, NULL, NULL);

			if (fd < 0)
				die("accept");
			watch(fd);
			polled[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
	}
}
