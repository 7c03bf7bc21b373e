/*
 * A dRPC call as one record, for raw programs that stand in for a client or a server: the header of a chunk (see
 * docs/wire.md), then the fields sequence and body. The answer has the same length, and other tags.
 */
#ifndef BENCH_RECORD_H
#define BENCH_RECORD_H

#include <stddef.h>
#include <stdint.h>

#define MAX_RECORD ((size_t)128 << 10)

enum tag {
	CALL_SEQUENCE = 3 << 3,
	CALL_BODY = 4 << 3 | 2,
	RESPONSE_SEQUENCE = 1 << 3,
	RESPONSE_BODY = 3 << 3 | 2,
};

struct chunk {
	uint64_t message_size, size;
	uint32_t index, count;
};

/* A call of module 0, method 0, sequence 1, whose body is at the end. Returns its length, or 0 if it is too long. */
size_t record_of_call(uint8_t record[MAX_RECORD], const uint8_t *body, size_t size);

/* Makes the answer of a call that has the same module and method, and has come in one record. */
void record_answer(uint8_t *record, size_t size);

#endif
