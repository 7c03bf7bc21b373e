#include "calling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "body.h"
#include "peer.h"

Drpc__Call *
call_new(struct drpc *ctx, int32_t module, int32_t method, size_t len)
{
	Drpc__Call *call;

	assert_int_equal(abi_call_create(ctx, module, method, &call), 0);
	call->body.data = body_new(len);
	call->body.len  = len;
	return call;
}

Drpc__Response *
do_call(struct drpc *ctx, int flags, int rc)
{
	Drpc__Call     *call = call_new(ctx, 2, 206, 5);
	Drpc__Response *resp = NULL;

	assert_int_equal(drpc_call(ctx, flags, call, &resp), rc);
	drpc_call_free(call);
	if (rc == 0)
		assert_non_null(resp);
	else
		assert_null(resp);
	return resp;
}

void
expect_call(int peer, int64_t sequence)
{
	struct peer_call in;

	assert_true(peer_recv_call(peer, &in));
	assert_int_equal(in.call.sequence, sequence);
	assert_int_equal(in.call.module, 2);
	assert_int_equal(in.call.method, 206);
	assert_int_equal(in.call.len, 5);
	assert_true(body_is(in.call.body, 5));
	free(in.msg);
}

void
expect_response(Drpc__Response *resp, int64_t sequence, int status, size_t len)
{
	assert_ptr_equal(resp->base.descriptor, &drpc__response__descriptor);
	assert_int_equal(resp->sequence, sequence);
	assert_int_equal((int)resp->status, status);
	assert_int_equal(resp->body.len, len);
	if (len == 0)
		assert_null(resp->body.data);
	else
		assert_true(body_is(resp->body.data, len));
	drpc_response_free(resp);
}

void
reply(int peer, int64_t sequence, int32_t status, size_t len)
{
	uint8_t *body = body_new(len);

	assert_true(peer_send_response(peer, sequence, status, body, len));
	free(body);
}
