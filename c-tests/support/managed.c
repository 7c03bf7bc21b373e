#include "managed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gate.h"

void
managed_make(struct managed *managed)
{
	dir_make(&managed->dir);
	assert_int_equal(drpc_server_create(managed->dir.sock, &managed->server), 0);
	assert_non_null(managed->server);
}

void
managed_serve_echo(struct managed *managed)
{
	managed_make(managed);
	managed_register(managed, ECHO, managed_echo, NULL);
	managed_start(managed);
}

void
managed_set(struct managed *managed, int option, uint64_t value)
{
	assert_int_equal(drpc_server_set(managed->server, option, value), 0);
}

void
managed_register(struct managed *managed, int32_t module, drpc_server_handler_t handler, void *arg)
{
	assert_int_equal(drpc_server_register(managed->server, module, handler, arg, 0), 0);
}

void
managed_start(struct managed *managed)
{
	assert_int_equal(drpc_server_start(managed->server), 0);
}

struct drpc_server_stats
managed_stats(const struct managed *managed)
{
	struct drpc_server_stats stats = {.size = sizeof(stats)};

	assert_int_equal(drpc_server_get_stats(managed->server, &stats), 0);
	return stats;
}

void
managed_end(struct managed *managed)
{
	drpc_server_destroy(managed->server);
	dir_remove(&managed->dir);
}

void
managed_echo(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	resp->body = call->body;
	call->body = (ProtobufCBinaryData){0};
}

void
managed_wait(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	gate_pass(arg);
	managed_echo(session, call, resp, arg);
}
