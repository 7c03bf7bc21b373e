/*
 * Asks an agent for credentials as a 0.8.0 client library does: one connection
 * a request, a malloc'ed body that the call owns, and the connection closed
 * before anybody looks at the response.
 */
#include <daos/drpc.h>
#include <daos/drpc_modules.h>

#include <stdlib.h>
#include <string.h>

#include "../expect.h"

static int
send_request(char *path, Drpc__Response **response)
{
	Drpc__Call  *request;
	struct drpc *agent;
	int	     rc;

	*response = NULL;
	agent = drpc_connect(path);
	if (agent == NULL)
		return -DER_BADPATH;
	request = drpc_call_create(agent, DRPC_MODULE_SEC_AGENT,
				   DRPC_METHOD_SEC_AGENT_REQUEST_CREDS);
	EXPECT(request != NULL);
	request->body.len = 5;
	request->body.data = malloc(request->body.len);
	EXPECT(request->body.data != NULL);
	memcpy(request->body.data, "hello", 5);

	rc = drpc_call(agent, R_SYNC, request, response);
	drpc_close(agent);
	drpc_call_free(request);
	return rc;
}

static int
status_of(Drpc__Response *response)
{
	if (response == NULL)
		return -DER_NOREPLY;
	return response->status == DRPC__STATUS__SUCCESS ? 0 : -DER_MISC;
}

int
main(int argc, char **argv)
{
	Drpc__Response *response;
	char		missing[] = "/nonexistent/agent.sock";

	EXPECT(argc >= 2);
	EXPECT(send_request(missing, &response) == -DER_BADPATH);

	EXPECT(send_request(argv[1], &response) == 0);
	EXPECT(status_of(response) == 0);
	EXPECT(response->sequence == 1);
	EXPECT(response->body.len == 5);
	EXPECT(memcmp(response->body.data, "hello", 5) == 0);
	drpc_response_free(response);

	EXPECT(send_request(argv[1], &response) == 0);
	EXPECT(status_of(response) == -DER_MISC);
	EXPECT(response->status == DRPC__STATUS__FAILURE);
	EXPECT(response->body.len == 0);
	drpc_response_free(response);
	return 0;
}
