/*
 * Both of Go's libraries skip fields that they do not know, and take a known one of
 * another type than theirs for one of those. That is how a header can be read as
 * some fields to skip, and the message behind it as a message. They differ in which
 * field numbers there are, and whether the number that ends a group is looked at.
 */
#include "decode_go.h"

#include <stdlib.h>

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, GROUP = 3, GROUP_END = 4, FIXED32 = 5 };

#define MAX_FIELD ((UINT64_C(1) << 29) - 1)
#define MAX_NESTED_FIELD INT32_MAX

struct input {
	enum decoder   decoder;
	const uint8_t *at;
	size_t	       left;
};

static bool
read_varint(struct input *in, uint64_t *value)
{
	size_t i;

	*value = 0;
	for (i = 0; i < in->left && i < 10; i++) {
		if (i == 9 && in->at[i] > 1)
			return false;
		*value |= (uint64_t)(in->at[i] & 0x7f) << (7 * i);
		if ((in->at[i] & 0x80) == 0) {
			in->at += i + 1;
			in->left -= i + 1;
			return true;
		}
	}
	return false;
}

static bool
skip_bytes(struct input *in, uint64_t count)
{
	if (count > in->left)
		return false;
	in->at += count;
	in->left -= count;
	return true;
}

static bool skip_group(struct input *in, uint64_t number);

static bool
skip_value(struct input *in, uint64_t number, unsigned int type)
{
	uint64_t value;

	switch (type) {
	case VARINT:
		return read_varint(in, &value);
	case FIXED64:
		return skip_bytes(in, 8);
	case FIXED32:
		return skip_bytes(in, 4);
	case LENGTH:
		return read_varint(in, &value) && skip_bytes(in, value);
	case GROUP:
		return skip_group(in, number);
	default:
		return false;
	}
}

static bool
skip_group(struct input *in, uint64_t number)
{
	uint64_t tag;

	while (read_varint(in, &tag)) {
		uint64_t inner = tag >> 3;

		if (in->decoder == GO_PROTO_2 && (inner == 0 || inner > MAX_NESTED_FIELD))
			return false;
		if ((tag & 7) == GROUP_END)
			return in->decoder == GO_PROTO_1 || inner == number;
		if (!skip_value(in, inner, tag & 7))
			return false;
	}
	return false;
}

/* The fields of a message: so many numbers, then the body. */
struct fields {
	unsigned int   numbers;
	uint64_t       number[3];
	const uint8_t *body;
	size_t	       body_len;
};

static bool
read_field(struct input *in, struct fields *fields)
{
	uint64_t tag;
	uint64_t field;
	uint64_t len;

	if (!read_varint(in, &tag))
		return false;
	field = tag >> 3;
	if (field == 0 || (in->decoder == GO_PROTO_2 && field > MAX_FIELD))
		return false;
	if (field <= fields->numbers && (tag & 7) == VARINT)
		return read_varint(in, &fields->number[field - 1]);
	if (field == fields->numbers + 1 && (tag & 7) == LENGTH) {
		if (!read_varint(in, &len) || len > in->left)
			return false;
		fields->body = in->at;
		fields->body_len = (size_t)len;
		return skip_bytes(in, len);
	}
	return skip_value(in, field, tag & 7);
}

static bool
read_fields(enum decoder decoder, const uint8_t *data, size_t len, struct fields *fields)
{
	struct input in = {.decoder = decoder, .at = data, .left = len};

	while (in.left > 0)
		if (!read_field(&in, fields))
			return false;
	return true;
}

bool
decode_call_go(enum decoder decoder, const uint8_t *data, size_t len, struct call *call)
{
	struct fields fields = {.numbers = 3};

	if (!read_fields(decoder, data, len, &fields))
		return false;
	call->module = (int32_t)fields.number[0];
	call->method = (int32_t)fields.number[1];
	call->sequence = (int64_t)fields.number[2];
	call->body = bytes_copy(fields.body, fields.body_len);
	return true;
}

bool
decode_response_go(enum decoder decoder, const uint8_t *data, size_t len, struct response *response)
{
	struct fields fields = {.numbers = 2};

	if (!read_fields(decoder, data, len, &fields))
		return false;
	response->sequence = (int64_t)fields.number[0];
	response->status = (int32_t)fields.number[1];
	response->body = bytes_copy(fields.body, fields.body_len);
	return true;
}
