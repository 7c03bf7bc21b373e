#include "taken.h"

#include <stdlib.h>

#include "body.h"

void
taken_handler(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct taken        *taken   = arg;
	struct drpc_request *request = drpc_session_defer(session);

	(void)call;
	pthread_mutex_lock(&taken->lock);
	if (drpc_session_defer(session) != NULL)
		taken->twice = true;
	if (taken->count == TAKEN_MAX)
		abort();
	taken->requests[taken->count++] = request;
	pthread_mutex_unlock(&taken->lock);
	resp->status    = DRPC__STATUS__UNKNOWN_METHOD;
	resp->body.len  = 5;
	resp->body.data = body_new(5);
}

int
taken_count(struct taken *taken)
{
	int count;

	pthread_mutex_lock(&taken->lock);
	count = taken->count;
	pthread_mutex_unlock(&taken->lock);
	return count;
}

int
taken_echo(struct drpc_request *request)
{
	Drpc__Response resp = DRPC__RESPONSE__INIT;

	resp.body = drpc_request_call(request)->body;
	return drpc_request_respond(request, &resp);
}
