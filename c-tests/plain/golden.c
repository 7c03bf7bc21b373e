/*
 * The datagrams that the originals sent, in the dialect of this ABI: we decode
 * them to the same fields, and send the same bytes for the same fields. Each
 * record is rebuilt from its fields by the tests' own encoder and held against
 * the recorded SHA-256 first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi.h"
#include "golden_records.h"
#include "support/context.h"
#include "support/peer.h"
#include "support/wire.h"

#define RECORDS	 (sizeof(golden_records) / sizeof(golden_records[0]))
#define DIALECT	 (ABI_CHUNKED ? CHUNKED : DATAGRAM)
#define SEND_MAX (ABI_CHUNKED ? SIZE_MAX : (size_t)16384)

/* ---- SHA-256 (FIPS 180-4) ---- */

static uint32_t
rotate(uint32_t word, unsigned int by)
{
	return word >> by | word << (32 - by);
}

/* The constants are the first bits of the fractional parts of roots of primes. */
static const uint32_t round_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2};

static void
digest_block(uint32_t hash[8], const uint8_t block[64])
{
	uint32_t schedule[64];
	uint32_t v[8];
	int	 i;

	for (i = 0; i < 16; i++)
		schedule[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
			      (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (; i < 64; i++) {
		uint32_t a = schedule[i - 15];
		uint32_t b = schedule[i - 2];

		schedule[i] = schedule[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
			      schedule[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
	memcpy(v, hash, sizeof(v));
	for (i = 0; i < 64; i++) {
		uint32_t t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
			      ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constants[i] + schedule[i];
		uint32_t t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
			      ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (i = 0; i < 8; i++)
		hash[i] += v[i];
}

static void
digest(const uint8_t *data, size_t len, char text[65])
{
	uint32_t hash[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
	uint8_t	 tail[128] = {0};
	size_t	 whole = len / 64 * 64;
	size_t	 rest = len - whole;
	size_t	 end = rest < 56 ? 64 : 128;
	size_t	 i;

	for (i = 0; i < whole; i += 64)
		digest_block(hash, data + i);
	if (rest > 0)
		memcpy(tail, data + whole, rest);
	tail[rest] = 0x80;
	for (i = 0; i < 8; i++)
		tail[end - 1 - i] = (uint8_t)((uint64_t)len * 8 >> (8 * i));
	for (i = 0; i < end; i += 64)
		digest_block(hash, tail + i);
	for (i = 0; i < 8; i++)
		snprintf(text + 8 * i, 9, "%08x", hash[i]);
}

/* ---- A message as the datagrams of this dialect ---- */

struct datagram {
	size_t	 len;
	uint8_t *data;
};

struct message {
	uint8_t	       *body;
	uint8_t	       *packed;
	size_t		len;
	size_t		count;
	struct datagram datagrams[GOLDEN_DATAGRAMS_MAX];
};

static uint8_t *
body_of(const struct golden_record *record)
{
	uint8_t *body = malloc(record->body_len + 1);
	size_t	 i;

	assert_non_null(body);
	for (i = 0; i < record->body_len; i++) {
		switch (record->body) {
		case BODY_HELLO:
			body[i] = (uint8_t)"hello"[i];
			break;
		case BODY_PATTERN:
			body[i] = (uint8_t)(i * 31 + 7);
			break;
		default:
			body[i] = (uint8_t)i;
			break;
		}
	}
	return body;
}

static void
cut(struct message *message)
{
	size_t at = 0;

	message->count = ABI_CHUNKED ? wire_chunks(message->len) : 1;
	assert_in_range(message->count, 1, GOLDEN_DATAGRAMS_MAX);
	for (size_t i = 0; i < message->count; i++) {
		struct datagram *datagram = &message->datagrams[i];
		size_t		 head = ABI_CHUNKED ? WIRE_HEADER : 0;
		size_t		 size = message->len - at;

		if (ABI_CHUNKED && size > WIRE_CHUNK_MAX)
			size = WIRE_CHUNK_MAX;
		datagram->len = head + size;
		datagram->data = malloc(datagram->len + 1);
		assert_non_null(datagram->data);
		if (ABI_CHUNKED) {
			struct wire_header header = {message->len, size, (uint32_t)i,
						     (uint32_t)message->count};

			wire_put_header(datagram->data, &header);
		}
		memcpy(datagram->data + head, message->packed + at, size);
		at += size;
	}
}

static void
make_message(const struct golden_record *record, int64_t sequence, struct message *message)
{
	memset(message, 0, sizeof(*message));
	message->body = body_of(record);
	if (record->side == CALL) {
		struct wire_call call = {record->module, record->method, sequence, message->body,
					 record->body_len};

		message->packed = wire_pack_call(&call, &message->len);
	} else {
		struct wire_response resp = {.sequence = sequence,
					     .status   = record->status,
					     .body     = message->body,
					     .len      = record->body_len};

		message->packed = wire_pack_response(&resp, &message->len);
	}
	cut(message);
}

static void
drop_message(struct message *message)
{
	size_t i;

	for (i = 0; i < message->count; i++)
		free(message->datagrams[i].data);
	free(message->packed);
	free(message->body);
}

static const struct golden_record *
next_record(size_t *i)
{
	while (*i < RECORDS)
		if (golden_records[(*i)++].dialect == DIALECT)
			return &golden_records[*i - 1];
	return NULL;
}

#define CLAIM(record, claim)                                                                       \
	do {                                                                                       \
		if (!(claim))                                                                      \
			fail_msg("%s: not so: %s", (record)->id, #claim);                          \
	} while (0)

/* ---- The fields of a record in the library's own structs ---- */

static void
fill_call(const struct golden_record *record, struct message *message, Drpc__Call *call)
{
	drpc__call__init(call);
	call->module = record->module;
	call->method = record->method;
	call->sequence = record->sequence;
	call->body.len = record->body_len;
	call->body.data = record->body_len > 0 ? message->body : NULL;
}

static void
fill_response(const struct golden_record *record, struct message *message, Drpc__Response *resp)
{
	drpc__response__init(resp);
	resp->sequence = record->sequence;
	resp->status = (Drpc__Status)record->status;
	resp->body.len = record->body_len;
	resp->body.data = record->body_len > 0 ? message->body : NULL;
}

static void
claim_body(const struct golden_record *record, struct message *message, ProtobufCBinaryData *body)
{
	CLAIM(record, body->len == record->body_len);
	CLAIM(record, (body->data == NULL) == (body->len == 0));
	CLAIM(record, body->len == 0 || memcmp(body->data, message->body, body->len) == 0);
}

static void
claim_call(const struct golden_record *record, struct message *message, Drpc__Call *call)
{
	CLAIM(record, call != NULL);
	CLAIM(record, call->module == record->module);
	CLAIM(record, call->method == record->method);
	CLAIM(record, call->sequence == record->sequence);
	CLAIM(record, call->base.n_unknown_fields == 0);
	claim_body(record, message, &call->body);
}

static void
claim_response(const struct golden_record *record, struct message *message, Drpc__Response *resp)
{
	CLAIM(record, resp != NULL);
	CLAIM(record, resp->sequence == record->sequence);
	CLAIM(record, (int)resp->status == record->status);
	CLAIM(record, resp->base.n_unknown_fields == 0);
	claim_body(record, message, &resp->body);
}

/* ---- A peer in a thread: large messages do not fit a socket's buffer ---- */

struct far_end {
	int		fd;
	struct message *message;
	pthread_t	thread;
	int		wrong; /* the datagram that was not as expected, from 1 */
};

static void
prepare_pair(int fds[2])
{
	struct timeval limit = {20, 0};
	int	       size = 212992;
	int	       i;

	peer_pair(fds);
	for (i = 0; i < 2; i++) {
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
				 0);
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)),
				 0);
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	}
}

static void *
say(void *arg)
{
	struct far_end *end = arg;
	size_t		i;

	for (i = 0; i < end->message->count && end->wrong == 0; i++)
		if (!peer_send_record(end->fd, end->message->datagrams[i].data,
				      end->message->datagrams[i].len))
			end->wrong = (int)i + 1;
	return NULL;
}

static void *
hear(void *arg)
{
	struct far_end *end = arg;
	uint8_t	       *record = malloc(2 * WIRE_RECORD_MAX);
	size_t		i;

	for (i = 0; i < end->message->count && end->wrong == 0; i++) {
		ssize_t n = peer_recv_record(end->fd, record, 2 * WIRE_RECORD_MAX);

		if (n != (ssize_t)end->message->datagrams[i].len ||
		    memcmp(record, end->message->datagrams[i].data, (size_t)n) != 0)
			end->wrong = (int)i + 1;
	}
	free(record);
	return NULL;
}

/* ---- The tests ---- */

static void
test_fields_make_the_datagrams(void **state)
{
	const struct golden_record *record;
	size_t			    at = 0;
	size_t			    seen = 0;

	(void)state;
	while ((record = next_record(&at)) != NULL) {
		struct message message;
		size_t	       i;

		make_message(record, record->sequence, &message);
		CLAIM(record, record->count == message.count || record->count == 0);
		for (i = 0; i < record->count; i++) {
			char text[65];

			CLAIM(record, message.datagrams[i].len == record->datagrams[i].len);
			digest(message.datagrams[i].data, message.datagrams[i].len, text);
			CLAIM(record, strcmp(text, record->datagrams[i].sha256) == 0);
			seen++;
		}
		drop_message(&message);
	}
	assert_true(seen > 80);
}

static void
test_messages_pack_to_them(void **state)
{
	const struct golden_record *record;
	size_t			    at = 0;

	(void)state;
	while ((record = next_record(&at)) != NULL) {
		struct message message;
		Drpc__Call     call;
		Drpc__Response resp;
		uint8_t	      *packed;
		size_t	       len;

		make_message(record, record->sequence, &message);
		packed = malloc(message.len + 1);
		assert_non_null(packed);
		fill_call(record, &message, &call);
		fill_response(record, &message, &resp);
		len = record->side == CALL ? drpc__call__get_packed_size(&call)
					   : drpc__response__get_packed_size(&resp);
		CLAIM(record, len == message.len);
		len = record->side == CALL ? drpc__call__pack(&call, packed)
					   : drpc__response__pack(&resp, packed);
		CLAIM(record, len == message.len);
		CLAIM(record, memcmp(packed, message.packed, len) == 0);
		free(packed);
		drop_message(&message);
	}
}

static void
test_messages_unpack_from_them(void **state)
{
	const struct golden_record *record;
	size_t			    at = 0;

	(void)state;
	while ((record = next_record(&at)) != NULL) {
		struct message message;

		make_message(record, record->sequence, &message);
		if (record->side == CALL) {
			Drpc__Call *call = drpc__call__unpack(NULL, message.len, message.packed);

			claim_call(record, &message, call);
			drpc_call_free(call);
		} else {
			Drpc__Response *resp =
				drpc__response__unpack(NULL, message.len, message.packed);

			claim_response(record, &message, resp);
			drpc_response_free(resp);
		}
		drop_message(&message);
	}
}

/*
 * Sequences below 1 are the one difference: such a call goes out with 1. A
 * response whose original aborted goes out as Go sends the empty message.
 */
static void
test_the_library_sends_them(void **state)
{
	const struct golden_record *record;
	size_t			    at = 0;

	(void)state;
	while ((record = next_record(&at)) != NULL) {
		bool	       raised = record->side == CALL && record->sequence < 1;
		struct message message;
		struct far_end end;
		struct drpc   *ctx;
		Drpc__Call     call;
		Drpc__Response resp;
		int	       fds[2];

		make_message(record, raised ? 1 : record->sequence, &message);
		prepare_pair(fds);
		ctx = context_by_hand(fds[0], record->side == CALL ? NULL : context_no_handler);
		fill_call(record, &message, &call);
		fill_response(record, &message, &resp);
		if (message.len > SEND_MAX) {
			Drpc__Response *none = NULL;

			CLAIM(record, record->side == CALL);
			CLAIM(record, drpc_call(ctx, 0, &call, &none) == -DER_OVERFLOW);
			CLAIM(record, none == NULL);
			CLAIM(record, peer_is_quiet(fds[1]));
		} else {
			end = (struct far_end){.fd = fds[1], .message = &message};
			assert_int_equal(pthread_create(&end.thread, NULL, hear, &end), 0);
			if (record->side == CALL) {
				Drpc__Response *submitted = NULL;

				ctx->sequence = (int)record->sequence;
				context_tell(ctx);
				CLAIM(record, drpc_call(ctx, 0, &call, &submitted) == 0);
				CLAIM(record, call.sequence == (raised ? 1 : record->sequence));
				CLAIM(record, submitted->status == DRPC__STATUS__SUBMITTED);
				CLAIM(record, submitted->sequence == call.sequence);
				drpc_response_free(submitted);
			} else {
				CLAIM(record, drpc_send_response(ctx, &resp) == 0);
			}
			pthread_join(end.thread, NULL);
			CLAIM(record, end.wrong == 0);
			CLAIM(record, peer_is_quiet(fds[1]));
		}
		context_free_parts(ctx);
		close(fds[1]);
		drop_message(&message);
	}
}

static void
test_the_library_receives_them(void **state)
{
	const struct golden_record *record;
	size_t			    at = 0;

	(void)state;
	while ((record = next_record(&at)) != NULL) {
		struct message message;
		struct far_end end;
		struct drpc   *ctx;
		int	       fds[2];

		make_message(record, record->sequence, &message);
		prepare_pair(fds);
		ctx = context_by_hand(fds[0], record->side == CALL ? context_no_handler : NULL);
		end = (struct far_end){.fd = fds[1], .message = &message};
		assert_int_equal(pthread_create(&end.thread, NULL, say, &end), 0);
		if (record->side == CALL) {
			Drpc__Call *call = NULL;

			CLAIM(record, drpc_recv_call(ctx, &call) == 0);
			claim_call(record, &message, call);
			drpc_call_free(call);
		} else {
			Drpc__Call	asked = DRPC__CALL__INIT;
			Drpc__Response *resp = NULL;

			CLAIM(record, drpc_call(ctx, R_SYNC, &asked, &resp) == 0);
			claim_response(record, &message, resp);
			drpc_response_free(resp);
		}
		pthread_join(end.thread, NULL);
		CLAIM(record, end.wrong == 0);
		context_free_parts(ctx);
		close(fds[1]);
		drop_message(&message);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_make_the_datagrams),
		cmocka_unit_test(test_messages_pack_to_them),
		cmocka_unit_test(test_messages_unpack_from_them),
		cmocka_unit_test(test_the_library_sends_them),
		cmocka_unit_test(test_the_library_receives_them),
	};

	return cmocka_run_group_tests_name("golden " ABI_NAME, tests, NULL, NULL);
}
