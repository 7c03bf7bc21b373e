#include "record.h"

#include <string.h>

static uint8_t *
put_varint(uint8_t *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8_t)(value | 0x80);
	*at++ = (uint8_t)value;
	return at;
}

size_t
record_of_call(uint8_t record[MAX_RECORD], const uint8_t *body, size_t size)
{
	struct chunk chunk = {.count = 1};
	uint8_t	    *message = record + sizeof(chunk);
	uint8_t	    *at = message;

	*at++ = CALL_SEQUENCE;
	at = put_varint(at, 1);
	if (size > 0) {
		*at++ = CALL_BODY;
		at = put_varint(at, size);
		if (size > (size_t)(record + MAX_RECORD - at))
			return 0;
		memcpy(at, body, size);
		at += size;
	}
	chunk.message_size = chunk.size = (uint64_t)(at - message);
	memcpy(record, &chunk, sizeof(chunk));
	return (size_t)(at - record);
}

void
record_answer(uint8_t *record, size_t size)
{
	uint8_t *at = record + sizeof(struct chunk);
	uint8_t *end = record + size;

	if (at >= end || *at != CALL_SEQUENCE)
		return;
	*at++ = RESPONSE_SEQUENCE;
	while (at < end && *at++ >= 0x80)
		;
	if (at < end && *at == CALL_BODY)
		*at = RESPONSE_BODY;
}
