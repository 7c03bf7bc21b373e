/*
 * loop_server SOCKET READY: serves by drpc_progress; the file READY appears once
 * a client may connect.
 */
#include "hand_back.h"

#include <daos/drpc_progress.h>
#include <fcntl.h>
#include <unistd.h>

static bool ended;

static void
handle(Drpc__Call *call, Drpc__Response *resp)
{
	ended = call->method == METHOD_END;
	hand_back(call, resp);
}

int
main(int argc, char **argv)
{
	struct drpc_progress_context *loop;
	struct drpc		     *listener = argc == 3 ? abi_listen(argv[1], handle) : NULL;

	if (listener == NULL || (loop = drpc_progress_context_create(listener)) == NULL ||
	    close(open(argv[2], O_CREAT | O_WRONLY, 0600)) != 0)
		return 1;
	while (!ended && drpc_progress(loop, -1) == 0)
		;
	drpc_progress_context_close(loop);
	return ended ? 0 : 1;
}
