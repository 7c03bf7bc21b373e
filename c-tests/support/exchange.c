#include "exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "body.h"
#include "peer.h"

void
exchange_send(int fd, int32_t module, int32_t method, int64_t sequence, size_t len)
{
	uint8_t *body = body_new(len);

	assert_true(peer_send_call(fd, module, method, sequence, body, len));
	free(body);
}

void
exchange_expect(int fd, int64_t sequence, int status, size_t len)
{
	struct peer_response out;

	assert_true(peer_recv_response(fd, &out));
	assert_int_equal(out.resp.sequence, sequence);
	assert_int_equal(out.resp.status, status);
	assert_int_equal(out.resp.len, len);
	assert_true(body_is(out.resp.body, len));
	free(out.msg);
}

int64_t
exchange_any(int fd, int status)
{
	struct peer_response out;

	assert_true(peer_recv_response(fd, &out));
	assert_int_equal(out.resp.status, status);
	free(out.msg);
	return out.resp.sequence;
}

void
exchange_echo(int fd, int32_t module, int64_t sequence)
{
	exchange_send(fd, module, 0, sequence, 10);
	exchange_expect(fd, sequence, 0, 10);
}

void
exchange_refused(int fd, int32_t module, int64_t sequence, int status)
{
	exchange_send(fd, module, 0, sequence, 10);
	exchange_expect(fd, sequence, status, 0);
}
