/* drpc_client_call, of one thread. */
#include "caller.h"

#include <drpc/client.h>

static struct drpc_client *client;

static int
connect_to(const char *path, size_t len)
{
	int rc = drpc_client_create(path, &client);

	if (rc == 0 && framing_for(len) != DRPC_FRAMING_AUTO)
		rc = drpc_client_set(client, DRPC_CLIENT_FRAMING, (uint64_t)framing_for(len));
	return rc == 0 ? drpc_client_connect(client) : rc;
}

static int
call(int32_t method, uint8_t *body, size_t len, Drpc__Response **resp)
{
	return drpc_client_call(client, MODULE, method, body, len, NULL, resp);
}

static void
disconnect(void)
{
	drpc_client_destroy(client);
}
