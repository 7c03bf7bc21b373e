/*
 * The main function of the counted managed servers: PROGRAM SOCKET READY serves in one thread of
 * the library's; the file READY appears once a client may connect.
 */
#ifndef C_TESTS_COUNTS_SERVER_MAIN_H
#define C_TESTS_COUNTS_SERVER_MAIN_H

#include "hand_back.h"

#include <drpc/server.h>
#include <fcntl.h>
#include <unistd.h>

static struct drpc_server *server;

/* What a server is to define: gives the server its module. */
static int add_module(void);

int
main(int argc, char **argv)
{
	int rc = argc == 3 ? drpc_server_create(argv[1], &server) : -DER_INVAL;

	if (rc != 0 || drpc_server_set(server, DRPC_SERVER_THREADS, 1) != 0 ||
	    drpc_server_set(server, DRPC_SERVER_MAX_SESSIONS_PER_UID, 0) != 0 || add_module() != 0 ||
	    drpc_server_listen(server) != 0 || close(open(argv[2], O_CREAT | O_WRONLY, 0600)) != 0)
		return 1;
	rc = drpc_server_run(server);
	drpc_server_destroy(server);
	return rc == 0 ? 0 : 1;
}

#endif
