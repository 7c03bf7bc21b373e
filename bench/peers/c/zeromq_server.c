/* zeromq_server SOCKET: hands every message back, whoever sent it. */
#include <errno.h>
#include <stdio.h>
#include <zmq.h>

#include "program.h"

int
main(int argc, char **argv)
{
	char  endpoint[256];
	void *context = zmq_ctx_new();
	void *socket = zmq_socket(context, ZMQ_ROUTER);

	if (argc != 2)
		return 2;
	snprintf(endpoint, sizeof(endpoint), "ipc://%s", argv[1]);
	if (zmq_bind(socket, endpoint) != 0)
		die("zmq_bind");
	ready();
	/* The parts of a message, of which the first says whose it is, go back as they come. */
	for (;;) {
		zmq_msg_t part;
		int	  more;

		zmq_msg_init(&part);
		while (zmq_msg_recv(&part, socket, 0) < 0)
			if (zmq_errno() != EINTR)
				die("zmq_msg_recv");
		more = zmq_msg_more(&part);
		if (zmq_msg_send(&part, socket, more ? ZMQ_SNDMORE : 0) < 0)
			die("zmq_msg_send");
	}
}
