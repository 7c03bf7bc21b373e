/* The same calls by drpc/service.h. */
#define CALLS_WITH_MESSAGES
#include "caller.h"
#include "message.h"

#include <drpc/service.h>

static struct drpc_client *client;
static ProtobufCService *service;

static int
connect_to(const char *path, size_t len)
{
	int rc = drpc_client_create(path, &client);

	(void)len;
	service = drpc_client_service(client, MODULE, &tree__tree__descriptor, NULL);
	if (rc == 0 && service != NULL)
		return drpc_client_connect(client);
	return rc == 0 ? -DER_INVAL : rc;
}

static void
take(const Tree__Node *response, void *len)
{
	if (response == NULL || response->data.len != *(size_t *)len)
		exit(1);
}

static void
call_once(int32_t method, uint8_t *body, size_t len)
{
	Tree__Node request = message_of(body, len);

	if (method == METHOD_ECHO)
		tree__tree__echo(service, &request, take, &request.data.len);
	else if (method == METHOD_MARK)
		tree__tree__later(service, &request, take, &request.data.len);
	else
		tree__tree__odd(service, &request, take, &request.data.len);
}

static void
disconnect(void)
{
	protobuf_c_service_destroy(service);
	drpc_client_destroy(client);
}
