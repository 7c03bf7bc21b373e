/*
 * plain_server SOCKET READY: serves one session after the other until the peer
 * of one that has called hangs up; the file READY appears once a client may
 * connect.
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
	int	     served = 0;

	if (argc != 3)
		return 2;
	listener = abi_listen(argv[1], hand_back);
	if (listener == NULL || fcntl(listener->comm->fd, F_SETFL, 0) != 0 ||
	    close(open(argv[2], O_CREAT | O_WRONLY, 0600)) != 0)
		return 1;
	/* A client that finds out how its calls are read may connect twice. */
	while (served == 0) {
		if (abi_accept(listener, &session) != 0)
			return 1;
		while (drpc_recv_call(session, &call) == 0) {
			Drpc__Response *resp = drpc_response_create(call);

			session->handler(call, resp);
			if (drpc_send_response(session, resp) != 0) {
				fprintf(stderr, "response %d is not sent\n", served);
				return 1;
			}
			drpc_call_free(call);
			drpc_response_free(resp);
			served++;
		}
		drpc_close(session);
	}
	drpc_close(listener);
	return 0;
}
