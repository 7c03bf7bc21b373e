/* A connection of the shared client for each call. */
#include "caller.h"

#include <drpc/client.h>

static const char *server_path;

static int
connect_to(const char *path, size_t len)
{
	(void)len;
	server_path = path;
	return 0;
}

static int
call(int32_t method, uint8_t *body, size_t len, Drpc__Response **resp)
{
	struct drpc_client *client;
	int		    rc = drpc_client_create(server_path, &client);

	if (rc == 0)
		rc = drpc_client_connect(client);
	if (rc == 0)
		rc = drpc_client_call(client, MODULE, method, body, len, NULL, resp);
	drpc_client_destroy(client);
	return rc;
}

static void
disconnect(void)
{
}
