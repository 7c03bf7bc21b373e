#include "caller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "body.h"

static void *
call(void *arg)
{
	struct caller *caller = arg;
	size_t         len    = (size_t)caller->method;
	uint8_t       *body   = body_new(len);

	caller->rc = drpc_client_call(caller->client, 100, caller->method, body, len, caller->options, &caller->resp);
	free(body);
	caller->over = true;
	return NULL;
}

void
caller_start(struct caller *caller, struct drpc_client *client, int32_t method,
	     const struct drpc_call_options *options)
{
	caller->client  = client;
	caller->method  = method;
	caller->options = options;
	caller->resp    = NULL;
	caller->over    = false;
	assert_int_equal(pthread_create(&caller->thread, NULL, call, caller), 0);
}

int
caller_error(struct caller *caller)
{
	pthread_join(caller->thread, NULL);
	assert_null(caller->resp);
	return caller->rc;
}

void
caller_answered(struct caller *caller, int status, size_t len)
{
	pthread_join(caller->thread, NULL);
	assert_int_equal(caller->rc, 0);
	assert_non_null(caller->resp);
	assert_int_equal(caller->resp->status, status);
	assert_int_equal(caller->resp->body.len, len);
	assert_true(body_is(caller->resp->body.data, len));
	drpc_response_free(caller->resp);
}
