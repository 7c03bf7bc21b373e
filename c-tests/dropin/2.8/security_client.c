/*
 * Asks an agent for credentials, and has some validated, as a 2.8.0 client
 * library does: a request without a body, then one with a malloc'ed body that
 * the call owns; the connection is closed before the call is freed and the
 * response read; the answer is unpacked with the allocator of daos/drpc.h; a
 * response that never came is freed all the same.
 */
#include <daos/drpc.h>
#include <daos/drpc_modules.h>

#include <stdlib.h>
#include <string.h>

#include "../expect.h"

static int
send_request(char *path, int module, int method, const char *body, Drpc__Response **response)
{
	Drpc__Call  *request = NULL;
	struct drpc *agent = NULL;
	int	     rc;

	*response = NULL;
	rc = drpc_connect(path, &agent);
	if (rc != 0)
		return rc;
	rc = drpc_call_create(agent, module, method, &request);
	EXPECT(rc == 0);
	if (body != NULL) {
		request->body.len = strlen(body);
		request->body.data = malloc(request->body.len);
		EXPECT(request->body.data != NULL);
		memcpy(request->body.data, body, request->body.len);
	}
	rc = drpc_call(agent, R_SYNC, request, response);
	drpc_close(agent);
	drpc_call_free(request);
	return rc;
}

static int
read_answer(Drpc__Response *response)
{
	struct drpc_alloc alloc = PROTO_ALLOCATOR_INIT(alloc);
	Drpc__Response	 *inner;

	if (response == NULL)
		return -DER_NOREPLY;
	if (response->status != DRPC__STATUS__SUCCESS)
		return -DER_MISC;
	inner = drpc__response__unpack(&alloc.alloc, response->body.len, response->body.data);
	if (alloc.oom)
		return -DER_NOMEM;
	if (inner == NULL)
		return -DER_PROTO;
	EXPECT(inner->sequence == 1);
	EXPECT(inner->status == DRPC__STATUS__SUCCESS);
	drpc__response__free_unpacked(inner, &alloc.alloc);
	return 0;
}

int
main(int argc, char **argv)
{
	Drpc__Response *response;
	char		missing[] = "/nonexistent/agent.sock";

	EXPECT(argc >= 2);
	EXPECT(send_request(missing, DRPC_MODULE_SEC_AGENT, DRPC_METHOD_SEC_AGENT_REQUEST_CREDS,
			    NULL, &response) == -DER_NONEXIST);
	drpc_response_free(response);

	EXPECT(send_request(argv[1], DRPC_MODULE_SEC_AGENT, DRPC_METHOD_SEC_AGENT_REQUEST_CREDS,
			    NULL, &response) == 0);
	EXPECT(read_answer(response) == 0);
	drpc_response_free(response);

	EXPECT(send_request(argv[1], DRPC_MODULE_SEC, DRPC_METHOD_SEC_VALIDATE_CREDS, "hello",
			    &response) == 0);
	EXPECT(response->body.len == 5 && memcmp(response->body.data, "hello", 5) == 0);
	EXPECT(read_answer(response) == -DER_PROTO);
	drpc_response_free(response);

	/* The agent goes away without a word. */
	EXPECT(send_request(argv[1], DRPC_MODULE_SEC_AGENT, DRPC_METHOD_SEC_AGENT_REQUEST_CREDS,
			    NULL, &response) < 0);
	EXPECT(response == NULL);
	EXPECT(read_answer(response) == -DER_NOREPLY);
	drpc_response_free(response);
	return 0;
}
