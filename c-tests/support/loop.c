#include "loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "patience.h"
#include "peer.h"

void
loop_serve(struct server *server, drpc_handler_t handler)
{
	struct drpc *listener;

	dir_make(&server->dir);
	listener = abi_listen(server->dir.sock, handler);
	assert_non_null(listener);
	server->loop = drpc_progress_context_create(listener);
	assert_non_null(server->loop);
}

void
loop_stop(struct server *server)
{
	drpc_progress_context_close(server->loop);
	dir_remove(&server->dir);
}

int
loop_sessions(struct drpc_progress_context *loop)
{
	d_list_t *at;
	int       n = 0;

	for (at = loop->session_ctx_list.next; at != &loop->session_ctx_list; at = at->next) {
		assert_ptr_equal(at->next->prev, at);
		n++;
	}
	return n;
}

struct drpc *
loop_session_at(struct drpc_progress_context *loop, int index)
{
	d_list_t *at = loop->session_ctx_list.next;

	while (index-- > 0)
		at = at->next;
	return ((struct drpc_list *)((char *)at - offsetof(struct drpc_list, link)))->ctx;
}

int
loop_join(struct server *server)
{
	int before = loop_sessions(server->loop);
	int peer   = peer_connect(server->dir.sock);

	assert_int_equal(drpc_progress(server->loop, PATIENCE_MS), 0);
	assert_int_equal(loop_sessions(server->loop), before + 1);
	return peer;
}

void
loop_settle(struct drpc_progress_context *loop)
{
	int rc;
	int i;

	for (i = 0; i < 1000; i++) {
		rc = drpc_progress(loop, 0);
		if (rc == -DER_TIMEDOUT)
			return;
		/* -DER_AGAIN tells of a message that is not whole. */
		assert_true(rc == 0 || rc == -DER_AGAIN);
	}
	fail_msg("the loop finds something to do for ever");
}

void
loop_echo(Drpc__Call *call, Drpc__Response *resp)
{
	resp->body.len  = call->body.len;
	resp->body.data = call->body.data;
	call->body.len  = 0;
	call->body.data = NULL;
}
