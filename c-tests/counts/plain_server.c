/*
 * plain_server SOCKET READY: serves one session after the other, until one has
 * made its last call; the file READY appears once a client may connect.
 */
#include "hand_back.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	struct drpc *listener;
	struct drpc *session = NULL;
	Drpc__Call  *call;
	bool	     ended = false;

	if (argc != 3)
		return 2;
	listener = abi_listen(argv[1], hand_back);
	if (listener == NULL || fcntl(listener->comm->fd, F_SETFL, 0) != 0 ||
	    close(open(argv[2], O_CREAT | O_WRONLY, 0600)) != 0)
		return 1;
	while (!ended) {
		if (abi_accept(listener, &session) != 0)
			return 1;
		while (drpc_recv_call(session, &call) == 0) {
			Drpc__Response *resp = drpc_response_create(call);

			session->handler(call, resp);
			if (drpc_send_response(session, resp) != 0) {
				fprintf(stderr, "a response is not sent\n");
				return 1;
			}
			ended = call->method == METHOD_END;
			drpc_call_free(call);
			drpc_response_free(resp);
		}
		drpc_close(session);
	}
	drpc_close(listener);
	return 0;
}
