#include "server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "patience.h"
#include "peer.h"
#include "syscalls.h"

void
server_answer(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	resp->status = DRPC__STATUS__FAILURE;
}

void
server_begin(struct server *server)
{
	syscalls_reset();
	loop_serve(server, server_answer);
}

void
server_end(struct server *server)
{
	syscalls_reset();
	loop_stop(server);
}

int
server_join(struct server *server)
{
	int peer = peer_connect(server->dir.sock);

	syscalls_reset();
	assert_int_equal(drpc_progress(server->loop, PATIENCE_MS), 0);
	return peer;
}
