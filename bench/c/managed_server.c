/*
 * managed_server SOCKET: drpc/server.h as it comes, without options.
 */
#include <drpc/library.h>
#include <drpc/server.h>

#include <unistd.h>

#include "program.h"

static void
echo(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session, (void)arg;
	work();
	resp->body = call->body;
	call->body = (ProtobufCBinaryData){0};
}

int
main(int argc, char **argv)
{
	struct drpc_server *server;

	if (argc != 2)
		return 2;
	/* The clients of the benchmark are one user's, which need not be root. */
	if (drpc_server_create(argv[1], &server) != 0 || drpc_server_register(server, 0, echo, NULL, 0) != 0 ||
	    drpc_server_set(server, DRPC_SERVER_MAX_SESSIONS_PER_UID, 0) != 0 || drpc_server_start(server) != 0)
		die(drpc_last_error());
	ready();
	for (;;)
		pause();
}
