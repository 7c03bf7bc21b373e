/*
 * server SOCKET READY: serves one session until its peer hangs up, echoing
 * bodies; the file READY appears once a client may connect.
 */
#include "../abi.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
echo(Drpc__Call *call, Drpc__Response *resp)
{
	if (call->body.len == 0)
		return;
	resp->body.data = malloc(call->body.len);
	if (resp->body.data == NULL)
		exit(1);
	memcpy(resp->body.data, call->body.data, call->body.len);
	resp->body.len = call->body.len;
}

int
main(int argc, char **argv)
{
	struct drpc *listener;
	struct drpc *session = NULL;
	Drpc__Call  *call;
	int	     served = 0;

	if (argc != 3)
		return 2;
	listener = abi_listen(argv[1], echo);
	if (listener == NULL || fcntl(listener->comm->fd, F_SETFL, 0) != 0 ||
	    close(open(argv[2], O_CREAT | O_WRONLY, 0600)) != 0)
		return 1;
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
	drpc_close(listener);
	return served > 0 ? 0 : 1;
}
