/* zeromq_client SOCKET: DEALER sockets, which may have several calls unanswered. */
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "client.h"

static void *context;

static void *
connect_to(const char *path, const struct load *load)
{
	char  endpoint[256];
	int   linger = 0;
	void *socket;

	(void)load;
	if (context == NULL) {
		context = zmq_ctx_new();
		zmq_ctx_set(context, ZMQ_MAX_SOCKETS, 4096);
	}
	socket = zmq_socket(context, ZMQ_DEALER);
	snprintf(endpoint, sizeof(endpoint), "ipc://%s", path);
	if (socket == NULL || zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger)) != 0 ||
	    zmq_connect(socket, endpoint) != 0)
		die("zmq_connect");
	return socket;
}

static void
send_body(void *socket, const struct load *load)
{
	if (zmq_send(socket, load->body, load->size, 0) < 0)
		die("zmq_send");
}

static void
receive_body(void *socket, const struct load *load)
{
	zmq_msg_t answer;

	zmq_msg_init(&answer);
	if (zmq_msg_recv(&answer, socket, 0) < 0)
		die("zmq_msg_recv");
	expect(load, zmq_msg_data(&answer), zmq_msg_size(&answer));
	zmq_msg_close(&answer);
}

static void
call(void *socket, const struct load *load)
{
	send_body(socket, load);
	receive_body(socket, load);
}

static void
close_it(void *socket)
{
	zmq_close(socket);
}

static void
pipeline(void *socket, const struct load *load, uint64_t count)
{
	uint64_t sent = 0;

	for (uint64_t received = 0; received < count; received++) {
		while (sent < count && sent - received < load->depth) {
			send_body(socket, load);
			sent++;
		}
		receive_body(socket, load);
	}
}

struct many {
	uint64_t       count;
	zmq_pollitem_t polled[];
};

static void *
connect_many(const char *path, const struct load *load, uint64_t clients)
{
	struct many *many = calloc(1, sizeof(*many) + clients * sizeof(many->polled[0]));

	if (many == NULL)
		die("calloc");
	for (; many->count < clients; many->count++) {
		many->polled[many->count].socket = connect_to(path, load);
		many->polled[many->count].events = ZMQ_POLLIN;
	}
	return many;
}

static void
call_many(void *connections, const struct load *load, uint64_t count)
{
	struct many *many = connections;
	uint64_t     sent = 0;

	for (; sent < many->count && sent < count; sent++)
		send_body(many->polled[sent].socket, load);
	for (uint64_t received = 0; received < count;) {
		if (zmq_poll(many->polled, (int)many->count, -1) < 0)
			die("zmq_poll");
		for (uint64_t i = 0; i < many->count; i++) {
			if ((many->polled[i].revents & ZMQ_POLLIN) == 0)
				continue;
			receive_body(many->polled[i].socket, load);
			received++;
			if (sent < count) {
				send_body(many->polled[i].socket, load);
				sent++;
			}
		}
	}
}

static void
close_many(void *connections)
{
	struct many *many = connections;

	while (many->count > 0)
		zmq_close(many->polled[--many->count].socket);
	free(many);
}

const struct contender contender = {
	.connect = connect_to,
	.call = call,
	.close = close_it,
	.pipeline = pipeline,
	.connect_many = connect_many,
	.call_many = call_many,
	.close_many = close_many,
};
