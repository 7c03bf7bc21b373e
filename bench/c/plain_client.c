/*
 * plain_client SOCKET: daos/drpc.h as its programs use it, in either ABI.
 */
#include "../../c-tests/abi.h"

#include <drpc/library.h>

#include "client.h"

/* What the datagrams of DAOS 0.8 can carry; larger bodies go in chunks there, too. */
#define MAX_DATAGRAM_BODY ((size_t)14 << 10)

static void *
connect_to(const char *path, const struct load *load)
{
	struct drpc *ctx;

	if (abi_connect(path, &ctx) != 0 || (!ABI_CHUNKED && load->size > MAX_DATAGRAM_BODY &&
					     drpc_set_framing(ctx, DRPC_FRAMING_CHUNKED) != 0))
		die(drpc_last_error());
	return ctx;
}

static void
call(void *connection, const struct load *load)
{
	struct drpc    *ctx = connection;
	Drpc__Call     *request;
	Drpc__Response *response;

	if (abi_call_create(ctx, 0, 0, &request) != 0)
		die(drpc_last_error());
	request->body.data = load->size > 0 ? (uint8_t *)load->body : NULL;
	request->body.len = load->size;
	if (drpc_call(ctx, R_SYNC, request, &response) != 0)
		die(drpc_last_error());
	if (response->status != DRPC__STATUS__SUCCESS)
		die(drpc_status_name((int)response->status));
	expect(load, response->body.data, response->body.len);
	drpc_response_free(response);
	request->body = (ProtobufCBinaryData){0};
	drpc_call_free(request);
}

static void
close_it(void *connection)
{
	drpc_close(connection);
}

const struct contender contender = {
	.connect = connect_to,
	.call = call,
	.close = close_it,
};
