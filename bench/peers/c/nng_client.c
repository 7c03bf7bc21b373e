/* nng_client SOCKET: one request at a time, as its protocol has it. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"

static void *
connect_to(const char *path, const struct load *load)
{
	nng_socket *socket = malloc(sizeof(*socket));
	char	    url[256];

	(void)load;
	snprintf(url, sizeof(url), "ipc://%s", path);
	if (socket == NULL || nng_req0_open(socket) != 0 ||
	    nng_socket_set_size(*socket, NNG_OPT_RECVMAXSZ, 0) != 0 || nng_dial(*socket, url, NULL, 0) != 0)
		die("nng_dial");
	return socket;
}

static void
call(void *connection, const struct load *load)
{
	nng_socket *socket = connection;
	nng_msg	   *message;

	if (nng_msg_alloc(&message, 0) != 0 || nng_msg_append(message, load->body, load->size) != 0 ||
	    nng_sendmsg(*socket, message, 0) != 0 || nng_recvmsg(*socket, &message, 0) != 0)
		die("nng_sendmsg, nng_recvmsg");
	expect(load, nng_msg_body(message), nng_msg_len(message));
	nng_msg_free(message);
}

static void
close_it(void *connection)
{
	nng_socket *socket = connection;

	nng_close(*socket);
	free(socket);
}

const struct contender contender = {
	.connect = connect_to,
	.call = call,
	.close = close_it,
};
