/*
 * An engine of 0.8.0 talking to its server: one connection for the life of the
 * process, two calls on it whose bodies the calls own, and a close whose result
 * is taken for granted.
 */
#include <daos/drpc.h>
#include <daos/drpc_modules.h>

#include <stdlib.h>

#include "../expect.h"

static struct drpc *server;

static void
notify(int method)
{
	Drpc__Call     *request = drpc_call_create(server, DRPC_MODULE_SRV, method);
	Drpc__Response *response;
	int		rc;

	EXPECT(request != NULL);
	request->body.len = 1024;
	request->body.data = malloc(request->body.len);
	EXPECT(request->body.data != NULL);
	fill_pattern(request->body.data, request->body.len);

	rc = drpc_call(server, R_SYNC, request, &response);
	EXPECT(rc == 0);
	/* The original looks at the status without asking whether there is a response. */
	EXPECT(response->status == DRPC__STATUS__SUCCESS);
	drpc_response_free(response);
	drpc_call_free(request);
}

int
main(int argc, char **argv)
{
	EXPECT(argc >= 2);
	server = drpc_connect(argv[1]);
	EXPECT(server != NULL);
	EXPECT(server->sequence == 0);
	EXPECT(server->ref_count == 1);
	EXPECT(server->handler == NULL);
	EXPECT(server->comm->fd >= 0);
	notify(DRPC_METHOD_SRV_NOTIFY_READY);
	notify(DRPC_METHOD_SRV_NOTIFY_READY);
	EXPECT(drpc_close(server) == 0);
	return 0;
}
