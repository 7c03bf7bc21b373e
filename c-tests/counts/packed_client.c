/* drpc_client_call with messages that are packed by hand, with the functions that protoc-c generates. */
#define CALLS_WITH_MESSAGES
#include "caller.h"
#include "message.h"

#include <drpc/client.h>

static struct drpc_client *client;

static int
connect_to(const char *path, size_t len)
{
	int rc = drpc_client_create(path, &client);

	(void)len;
	return rc == 0 ? drpc_client_connect(client) : rc;
}

static void
call_once(int32_t method, uint8_t *body, size_t len)
{
	Tree__Node	request = message_of(body, len);
	Tree__Node     *response = NULL;
	Drpc__Response *resp = NULL;
	size_t		size = tree__node__get_packed_size(&request);
	uint8_t	       *packed = malloc(size);

	if (packed == NULL)
		exit(1);
	tree__node__pack(&request, packed);
	if (drpc_client_call(client, MODULE, method, packed, size, NULL, &resp) == 0 &&
	    resp->status == DRPC__STATUS__SUCCESS)
		response = tree__node__unpack(NULL, resp->body.len, resp->body.data);
	if (response == NULL || response->data.len != request.data.len)
		exit(1);
	tree__node__free_unpacked(response, NULL);
	drpc_response_free(resp);
	free(packed);
}

static void
disconnect(void)
{
	drpc_client_destroy(client);
}
