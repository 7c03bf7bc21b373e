/*
 * managed_server SOCKET: drpc/server.h as it comes, without options. To each line of its standard input it says for how long
 * its threads have looked for calls.
 */
#include <drpc/library.h>
#include <drpc/server.h>

#include <stdio.h>

#include "program.h"

static void
echo(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session, (void)arg;
	work();
	resp->body = call->body;
	call->body = (ProtobufCBinaryData){0};
}

static void
print_looks(struct drpc_server *server)
{
	struct drpc_server_stats stats = {.size = sizeof(stats)};

	if (drpc_server_get_stats(server, &stats) != 0)
		die(drpc_last_error());
	puts("1");
	if (fwrite(&stats.spinning_ns, sizeof(stats.spinning_ns), 1, stdout) != 1)
		die("standard output");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	struct drpc_server *server;
	char		    line[16];

	if (argc != 2)
		return 2;
	/* The clients of the benchmark are one user's, which need not be root. */
	if (drpc_server_create(argv[1], &server) != 0 || drpc_server_register(server, 0, echo, NULL, 0) != 0 ||
	    drpc_server_set(server, DRPC_SERVER_MAX_SESSIONS_PER_UID, 0) != 0 || drpc_server_start(server) != 0)
		die(drpc_last_error());
	say_ready();
	while (fgets(line, sizeof(line), stdin) != NULL)
		print_looks(server);
	drpc_server_destroy(server);
	return 0;
}
