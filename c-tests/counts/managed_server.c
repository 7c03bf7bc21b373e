/* drpc_server_register: the handler hands bodies back. */
#include "server_main.h"

static void
handle(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	if (call->method == METHOD_END)
		drpc_server_stop(server);
	hand_back(call, resp);
}

static int
add_module(void)
{
	return drpc_server_register(server, MODULE, handle, NULL, 0);
}
