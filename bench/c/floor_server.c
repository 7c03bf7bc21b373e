/*
 * floor_server SOCKET: hands every message back as it came. The layout is that of a dRPC server: poll, receive, send.
 */
#include <poll.h>
#include <unistd.h>

#include "message.h"
#include "seqpacket.h"

#define MAX_SESSIONS 1024

static struct pollfd polled[1 + MAX_SESSIONS] = {{.events = POLLIN}};
static nfds_t count = 1;

static struct buffer buffer;

static void
serve(nfds_t i)
{
	size_t size = receive_message(polled[i].fd, &buffer);

	if (size > 0) {
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
	ready();
	for (;;) {
#ifndef BENCH_SPIN
		if (poll(polled, count, -1) < 0 && errno != EINTR)
			die("poll");
#else
		/* There is one client, which waits in the same way. */
		for (polled[0].revents = POLLIN; count > 1;)
			serve(1);
#endif
		for (nfds_t i = count; i-- > 1;)
			if (polled[i].revents != 0)
				serve(i);
		if (polled[0].revents != 0 && count <= MAX_SESSIONS) {
			int fd = accept(polled[0].fd, NULL, NULL);

			if (fd < 0)
				die("accept");
			polled[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
	}
}
