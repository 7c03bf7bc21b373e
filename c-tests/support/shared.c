#define _GNU_SOURCE
#include "shared.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "body.h"
#include "caller.h"
#include "patience.h"
#include "peer.h"

void
shared_make(struct shared *shared)
{
	dir_make(&shared->dir);
	shared->listener = peer_listen(shared->dir.sock);
	shared->peer     = -1;
	assert_int_equal(drpc_client_create(shared->dir.sock, &shared->client), 0);
	assert_non_null(shared->client);
	shared_set(shared, DRPC_CLIENT_FRAMING, ABI_CHUNKED ? DRPC_FRAMING_CHUNKED : DRPC_FRAMING_DATAGRAM);
}

void
shared_set(struct shared *shared, int option, uint64_t value)
{
	assert_int_equal(drpc_client_set(shared->client, option, value), 0);
}

void
shared_connect(struct shared *shared)
{
	assert_int_equal(drpc_client_connect(shared->client), 0);
	shared_accept(shared);
}

void
shared_accept(struct shared *shared)
{
	struct pollfd ready = {.fd = shared->listener, .events = POLLIN};

	if (shared->peer >= 0)
		close(shared->peer);
	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
	shared->peer = accept4(shared->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(shared->peer >= 0);
}

bool
shared_is_knocking(const struct shared *shared)
{
	return !peer_is_quiet(shared->listener);
}

int64_t
shared_expect(struct shared *shared, int32_t method)
{
	struct peer_call in;
	int64_t          sequence;

	assert_true(peer_recv_call(shared->peer, &in));
	assert_int_equal(in.call.module, 100);
	assert_int_equal(in.call.method, method);
	assert_int_equal(in.call.len, method);
	assert_true(body_is(in.call.body, in.call.len));
	sequence = in.call.sequence;
	free(in.msg);
	return sequence;
}

void
shared_answer(struct shared *shared, int64_t sequence, size_t len)
{
	uint8_t *body = body_new(len);

	assert_true(peer_send_response(shared->peer, sequence, 0, body, len));
	free(body);
}

void
shared_call_in_vain(struct shared *shared, int32_t method)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = 0);
	struct caller            caller;

	/* The time may be over before the call is sent. */
	LONGER_TIMES (ms) {
		options.timeout_ms = ms;
		caller_start(&caller, shared->client, method, &options);
		assert_int_equal(caller_error(&caller), -DER_TIMEDOUT);
		if (!peer_is_quiet(shared->peer))
			return;
	}
	fail_msg("a call is not sent");
}

static void
is_usable(struct shared *shared, bool again)
{
	struct drpc_call_options options = CALL_OPTIONS(.timeout_ms = PATIENCE_MS);
	struct caller            caller;

	caller_start(&caller, shared->client, 30, &options);
	if (again)
		shared_accept(shared);
	shared_answer(shared, shared_expect(shared, 30), 31);
	caller_answered(&caller, DRPC__STATUS__SUCCESS, 31);
}

void
shared_is_usable(struct shared *shared)
{
	is_usable(shared, false);
}

void
shared_is_usable_again(struct shared *shared)
{
	is_usable(shared, true);
}

void
shared_end(struct shared *shared)
{
	drpc_client_destroy(shared->client);
	if (shared->peer >= 0)
		close(shared->peer);
	close(shared->listener);
	dir_remove(&shared->dir);
}
