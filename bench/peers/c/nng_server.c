/* nng_server SOCKET: hands every request back. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdio.h>

#include "program.h"

int
main(int argc, char **argv)
{
	char	   url[256];
	nng_socket socket;

	if (argc != 2)
		return 2;
	snprintf(url, sizeof(url), "ipc://%s", argv[1]);
	if (nng_rep0_open(&socket) != 0 || nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, 0) != 0 ||
	    nng_listen(socket, url, NULL, 0) != 0)
		die("nng_listen");
	ready();
	for (;;) {
		nng_msg *message;

		if (nng_recvmsg(socket, &message, 0) != 0)
			die("nng_recvmsg");
		/* Fails if the client has gone. */
		if (nng_sendmsg(socket, message, 0) != 0)
			nng_msg_free(message);
	}
}
