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
	dir_make(&server->dir);
	server->loop = drpc_progress_context_create(abi_listen(server->dir.sock, server_answer));
	assert_non_null(server->loop);
}

void
server_end(struct server *server)
{
	syscalls_reset();
	drpc_progress_context_close(server->loop);
	dir_remove(&server->dir);
}

int
server_join(struct server *server)
{
	int peer = peer_connect(server->dir.sock);

	syscalls_reset();
	assert_int_equal(drpc_progress(server->loop, PATIENCE_MS), 0);
	return peer;
}
