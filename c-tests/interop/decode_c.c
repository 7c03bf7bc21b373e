#include "decode_c.h"

#include <stdlib.h>

/*
 * libprotobuf-c before 1.3.2 had no test for the field number 0. It looked for a
 * field of that number, found none, and kept what it read as an unknown field, of
 * any type that it knows. So a 0 is replaced by a number that no message has, and
 * the present library does the rest as the old one did.
 */
enum { UNKNOWN_FIELD = 15 };

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };

/* Bytes of the varint at `at`, at most ten; 0 if it does not end. */
static size_t
varint_len(const uint8_t *at, size_t left, uint64_t *value)
{
	size_t i;

	*value = 0;
	for (i = 0; i < left && i < 10; i++) {
		*value |= (uint64_t)(at[i] & 0x7f) << (7 * i);
		if ((at[i] & 0x80) == 0)
			return i + 1;
	}
	return 0;
}

/* Bytes of the value of a field; 0 if the library will find fault with it. */
static size_t
value_len(unsigned int type, const uint8_t *at, size_t left)
{
	uint64_t value;
	size_t	 prefix;

	switch (type) {
	case VARINT:
		return varint_len(at, left, &value);
	case FIXED64:
		return left < 8 ? 0 : 8;
	case FIXED32:
		return left < 4 ? 0 : 4;
	case LENGTH:
		prefix = varint_len(at, left, &value);
		return prefix == 0 || value > left - prefix ? 0 : prefix + (size_t)value;
	default:
		return 0;
	}
}

static void
rename_fields_0(uint8_t *data, size_t len)
{
	size_t at = 0;

	while (at < len) {
		uint64_t tag;
		size_t	 used = varint_len(data + at, len - at, &tag);

		if (used == 0)
			return;
		if (data[at] < 8)
			data[at] = (uint8_t)(UNKNOWN_FIELD << 3 | data[at]);
		at += used;
		used = value_len(tag & 7, data + at, len - at);
		if (used == 0)
			return;
		at += used;
	}
}

/* What the present library is to read in place of a message. */
static struct bytes
as_read(enum decoder decoder, const uint8_t *data, size_t len)
{
	struct bytes message = bytes_copy(data, len);

	if (decoder == PROTOBUF_C_1_3)
		rename_fields_0(message.data, message.len);
	return message;
}

bool
decode_call_c(enum decoder decoder, const uint8_t *data, size_t len, struct call *call)
{
	struct bytes message = as_read(decoder, data, len);
	Peer__Call  *pb = peer__call__unpack(NULL, message.len, message.data);

	free(message.data);
	if (pb == NULL)
		return false;
	call->module = pb->module;
	call->method = pb->method;
	call->sequence = pb->sequence;
	call->body = bytes_copy(pb->body.data, pb->body.len);
	peer__call__free_unpacked(pb, NULL);
	return true;
}

bool
decode_response_c(enum decoder decoder, const uint8_t *data, size_t len, struct response *response)
{
	struct bytes	message = as_read(decoder, data, len);
	Peer__Response *pb = peer__response__unpack(NULL, message.len, message.data);

	free(message.data);
	if (pb == NULL)
		return false;
	response->sequence = pb->sequence;
	response->status = (int32_t)pb->status;
	response->body = bytes_copy(pb->body.data, pb->body.len);
	peer__response__free_unpacked(pb, NULL);
	return true;
}
