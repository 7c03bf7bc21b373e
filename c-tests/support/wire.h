/*
 * The wire format, written down a second time: the tests judge the library by
 * this encoder and decoder, never by its own.
 */
#ifndef C_TESTS_WIRE_H
#define C_TESTS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_RECORD_MAX 131072
#define WIRE_HEADER     24
#define WIRE_CHUNK_MAX  (WIRE_RECORD_MAX - WIRE_HEADER)

struct wire_header {
	uint64_t total;  /* bytes of the whole message */
	uint64_t size;   /* bytes of it in this record */
	uint32_t index;  /* of this record, from 0 */
	uint32_t chunks; /* records of the message */
};

struct wire_call {
	int32_t        module;
	int32_t        method;
	int64_t        sequence;
	const uint8_t *body;
	size_t         len;
};

/* The field of a response that says why a call has failed. */
enum { WIRE_DETAIL = 2046 };

struct wire_response {
	int64_t        sequence;
	int32_t        status;
	const uint8_t *body;
	size_t         len;
	const uint8_t *detail; /* is read only */
	size_t         detail_len;
};

/* A malloc'ed encoding (never NULL) and its length. */
uint8_t *wire_pack_call(const struct wire_call *call, size_t *len);
uint8_t *wire_pack_response(const struct wire_response *resp, size_t *len);

/* Fields of a message of known fields only; bodies point into the message. */
bool wire_read_call(const uint8_t *msg, size_t len, struct wire_call *call);
bool wire_read_response(const uint8_t *msg, size_t len, struct wire_response *resp);

void wire_put_header(uint8_t *record, const struct wire_header *header);
void wire_get_header(const uint8_t *record, struct wire_header *header);
/* Records that a message of len bytes takes when it is sent in chunks. */
uint32_t wire_chunks(size_t len);

#endif
