#include "wire.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *
put_varint(uint8_t *p, uint64_t value)
{
	while (value > 0x7f) {
		*p++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*p++ = (uint8_t)value;
	return p;
}

/* proto3: a field that holds its default is left out. */
static uint8_t *
put_number(uint8_t *p, int field, int64_t value)
{
	if (value == 0)
		return p;
	*p++ = (uint8_t)(field << 3);
	return put_varint(p, (uint64_t)value);
}

static uint8_t *
put_bytes(uint8_t *p, int field, const uint8_t *data, size_t len)
{
	if (len == 0)
		return p;
	*p++ = (uint8_t)(field << 3 | 2);
	p    = put_varint(p, len);
	memcpy(p, data, len);
	return p + len;
}

static uint8_t *
buffer(size_t body)
{
	/* Five keys and lengths of at most eleven bytes each beside the body. */
	uint8_t *out = malloc(body + 64);

	if (out == NULL)
		abort();
	return out;
}

uint8_t *
wire_pack_call(const struct wire_call *call, size_t *len)
{
	uint8_t *out = buffer(call->len);
	uint8_t *p   = out;

	p    = put_number(p, 1, call->module);
	p    = put_number(p, 2, call->method);
	p    = put_number(p, 3, call->sequence);
	p    = put_bytes(p, 4, call->body, call->len);
	*len = (size_t)(p - out);
	return out;
}

uint8_t *
wire_pack_response(const struct wire_response *resp, size_t *len)
{
	uint8_t *out = buffer(resp->len);
	uint8_t *p   = out;

	p    = put_number(p, 1, resp->sequence);
	p    = put_number(p, 2, resp->status);
	p    = put_bytes(p, 3, resp->body, resp->len);
	*len = (size_t)(p - out);
	return out;
}

struct reader {
	const uint8_t *p;
	const uint8_t *end;
	bool           bad;
};

static uint64_t
get_varint(struct reader *r)
{
	uint64_t value = 0;
	int      shift = 0;

	for (; r->p < r->end && shift < 64; shift += 7) {
		uint8_t byte = *r->p++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	r->bad = true;
	return 0;
}

/* Reads one field: a number into *number, or a body into *data and *number. */
static int
get_field(struct reader *r, uint64_t *number, const uint8_t **data)
{
	uint64_t key = get_varint(r);

	*data   = NULL;
	*number = get_varint(r);
	if ((key & 7) == 2) {
		if (*number > (uint64_t)(r->end - r->p)) {
			r->bad = true;
			return 0;
		}
		*data = r->p;
		r->p += *number;
	} else if ((key & 7) != 0) {
		r->bad = true;
	}
	return (int)(key >> 3);
}

bool
wire_read_call(const uint8_t *msg, size_t len, struct wire_call *call)
{
	struct reader  r = {msg, msg + len, false};
	const uint8_t *data;
	uint64_t       number;

	memset(call, 0, sizeof(*call));
	while (!r.bad && r.p < r.end) {
		switch (get_field(&r, &number, &data)) {
		case 1:
			call->module = (int32_t)number;
			break;
		case 2:
			call->method = (int32_t)number;
			break;
		case 3:
			call->sequence = (int64_t)number;
			break;
		case 4:
			call->body = data;
			call->len  = number;
			break;
		default:
			return false;
		}
	}
	return !r.bad;
}

bool
wire_read_response(const uint8_t *msg, size_t len, struct wire_response *resp)
{
	struct reader  r = {msg, msg + len, false};
	const uint8_t *data;
	uint64_t       number;

	memset(resp, 0, sizeof(*resp));
	while (!r.bad && r.p < r.end) {
		switch (get_field(&r, &number, &data)) {
		case 1:
			resp->sequence = (int64_t)number;
			break;
		case 2:
			resp->status = (int32_t)number;
			break;
		case 3:
			resp->body = data;
			resp->len  = number;
			break;
		case WIRE_DETAIL:
			resp->detail     = data;
			resp->detail_len = number;
			break;
		default:
			return false;
		}
	}
	return !r.bad;
}

void
wire_put_header(uint8_t *record, const struct wire_header *header)
{
	memcpy(record, &header->total, 8);
	memcpy(record + 8, &header->size, 8);
	memcpy(record + 16, &header->index, 4);
	memcpy(record + 20, &header->chunks, 4);
}

void
wire_get_header(const uint8_t *record, struct wire_header *header)
{
	memcpy(&header->total, record, 8);
	memcpy(&header->size, record + 8, 8);
	memcpy(&header->index, record + 16, 4);
	memcpy(&header->chunks, record + 20, 4);
}

uint32_t
wire_chunks(size_t len)
{
	if (len == 0)
		return 1;
	return (uint32_t)((len + WIRE_CHUNK_MAX - 1) / WIRE_CHUNK_MAX);
}
