/*
 * plain_server SOCKET: DAOS's loop, and a handler that hands back the body it got.
 */
#include "../../c-tests/abi.h"

#include <daos/drpc_handler.h>
#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include "program.h"

static void
echo(Drpc__Call *call, Drpc__Response *resp)
{
	work();
	resp->body = call->body;
	call->body = (ProtobufCBinaryData){0};
}

int
main(int argc, char **argv)
{
	struct drpc		     *listener;
	struct drpc_progress_context *loop;

	if (argc != 2)
		return 2;
	if (drpc_hdlr_init() != 0 || drpc_hdlr_register(0, echo) != 0 ||
	    (listener = abi_listen(argv[1], drpc_hdlr_process_msg)) == NULL ||
	    (loop = drpc_progress_context_create(listener)) == NULL)
		die(drpc_last_error());
	ready();
	for (;;)
		drpc_progress(loop, -1); /* its result is about sessions that have ended */
}
