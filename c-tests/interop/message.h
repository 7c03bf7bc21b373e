/* Calls and responses: what stands in them, and how each original reads them. */
#ifndef INTEROP_MESSAGE_H
#define INTEROP_MESSAGE_H

#include "bytes.h"
#include "originals.h"
#include "peer.pb-c.h"

struct call {
	int32_t	     module;
	int32_t	     method;
	int64_t	     sequence;
	struct bytes body;
};

struct response {
	int64_t	     sequence;
	int32_t	     status;
	struct bytes body;
};

/* All senders write the same bytes. */
struct bytes encode_call(const struct call *call);
struct bytes encode_response(const struct response *response);

/* False if the decoder does not take it; then there is nothing to free. */
bool decode_call(enum decoder decoder, const uint8_t *data, size_t len, struct call *call);
bool decode_response(enum decoder decoder, const uint8_t *data, size_t len, struct response *response);

#endif
