/* drpc_server_register with messages that are packed by hand, with the functions that protoc-c generates. */
#include "server_main.h"
#include "message.h"

#include <stdlib.h>

static void
handle(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	Tree__Node *request;

	(void)session;
	(void)arg;
	switch (call->method) {
	case METHOD_ECHO:
		break;
	case METHOD_MARK:
		getppid();
		break;
	case METHOD_END:
		drpc_server_stop(server);
		break;
	default:
		resp->status = DRPC__STATUS__UNKNOWN_METHOD;
		return;
	}
	request = tree__node__unpack(NULL, call->body.len, call->body.data);
	if (request == NULL) {
		resp->status = DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD;
		return;
	}
	resp->body.len = tree__node__get_packed_size(request);
	resp->body.data = malloc(resp->body.len);
	if (resp->body.data == NULL && resp->body.len > 0)
		resp->status = DRPC__STATUS__FAILED_MARSHAL;
	else
		tree__node__pack(request, resp->body.data);
	tree__node__free_unpacked(request, NULL);
}

static int
add_module(void)
{
	return drpc_server_register(server, MODULE, handle, NULL, 0);
}
