/*
 * The message functions and descriptors of the library against libprotobuf-c:
 * protobuf_c.sh compiles this file together with what protoc-c makes of the same
 * proto under the package name `peer`, so that the reference stands beside ours
 * in one program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <daos/drpc.h>

#include "peer.pb-c.h"

/* ---- An allocator that counts and can run dry ---- */

struct account {
	ProtobufCAllocator allocator;
	int		   calls;
	int		   live;
	int		   fails_at; /* the call that fails, from 1; 0 for none */
};

static void *
account_alloc(void *data, size_t size)
{
	struct account *account = data;
	void	       *block;

	if (++account->calls == account->fails_at)
		return NULL;
	block = malloc(size > 0 ? size : 1);
	assert_non_null(block);
	account->live++;
	return block;
}

static void
account_free(void *data, void *block)
{
	struct account *account = data;

	if (block == NULL)
		return;
	account->live--;
	free(block);
}

static struct account
open_account(int fails_at)
{
	struct account account = {{account_alloc, account_free, NULL}, 0, 0, fails_at};

	return account;
}

/* ---- Byte strings ---- */

#define BYTES_MAX 4096

struct bytes {
	size_t	len;
	uint8_t data[BYTES_MAX];
};

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint64_t
random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static unsigned int
random_below(unsigned int limit)
{
	return (unsigned int)((random_u64() >> 11) % limit);
}

static void
put_byte(struct bytes *bytes, unsigned int byte)
{
	if (bytes->len < BYTES_MAX)
		bytes->data[bytes->len++] = (uint8_t)byte;
}

static void
put_random(struct bytes *bytes, size_t count)
{
	for (; count > 0; count--)
		put_byte(bytes, random_below(256));
}

/* `extra` more bytes than needed, each a continuation of zeros. */
static void
put_varint(struct bytes *bytes, uint64_t value, unsigned int extra)
{
	while (value > 0x7f) {
		put_byte(bytes, (value & 0x7f) | 0x80);
		value >>= 7;
	}
	if (extra == 0) {
		put_byte(bytes, value);
		return;
	}
	put_byte(bytes, value | 0x80);
	for (; extra > 1; extra--)
		put_byte(bytes, 0x80);
	put_byte(bytes, 0);
}

static unsigned int
random_extra(void)
{
	return random_below(6) == 0 ? random_below(11) : 0;
}

/* Numbers near every edge that a varint or an integer has. */
static uint64_t
random_number(void)
{
	static const uint64_t edges[] = {0,
					 1,
					 127,
					 128,
					 16383,
					 16384,
					 0x7fffffffu,
					 0x80000000u,
					 0xffffffffu,
					 0x100000000u,
					 0x7fffffffffffffffu,
					 0x8000000000000000u,
					 0xffffffff80000000u,
					 0xffffffffffffffffu};

	if (random_below(2) == 0)
		return edges[random_below(sizeof(edges) / sizeof(edges[0]))];
	return random_u64() >> random_below(64);
}

static void
put_field(struct bytes *bytes, uint64_t tag, unsigned int wire_type, bool sound)
{
	size_t len;

	put_varint(bytes, tag << 3 | wire_type, sound ? 0 : random_extra());
	switch (wire_type) {
	case 0:
		put_varint(bytes, random_number(), random_extra());
		break;
	case 1:
		put_random(bytes, sound || random_below(8) ? 8 : random_below(8));
		break;
	case 2:
		len = random_below(3) ? random_below(40) : random_below(300);
		put_varint(bytes, sound || random_below(8) ? len : random_number(),
			   random_below(8) ? 0 : random_extra());
		put_random(bytes, len);
		break;
	case 5:
		put_random(bytes, sound || random_below(8) ? 4 : random_below(4));
		break;
	default:
		put_random(bytes, random_below(4));
		break;
	}
}

static uint64_t
random_unknown_tag(void)
{
	static const uint64_t tags[] = {5, 6, 15, 16, 2047, 2048, 262143, 262144, 536870911};

	return tags[random_below(sizeof(tags) / sizeof(tags[0]))];
}

static void
put_unknown_field(struct bytes *bytes)
{
	static const unsigned int types[] = {0, 1, 2, 5};

	put_field(bytes, random_unknown_tag(), types[random_below(4)], true);
}

/* Fields 1 to 4 with the types that a Call has; a Response has 1 to 3. */
static void
put_known_field(struct bytes *bytes, unsigned int fields)
{
	unsigned int tag = 1 + random_below(fields);

	put_field(bytes, tag, tag == fields ? 2 : 0, true);
}

static void
put_message(struct bytes *bytes, unsigned int fields)
{
	unsigned int count = random_below(8);

	for (; count > 0; count--) {
		if (random_below(4) == 0)
			put_unknown_field(bytes);
		else
			put_known_field(bytes, fields);
	}
}

static void
put_soup(struct bytes *bytes)
{
	unsigned int count = random_below(6);

	for (; count > 0; count--) {
		uint64_t tag = random_below(3) ? random_below(7)
			       : random_below(2) ? random_unknown_tag()
						 : random_number();

		put_field(bytes, tag, random_below(10) ? random_below(6) : random_below(8), false);
	}
}

static void
mutate(struct bytes *bytes)
{
	unsigned int count = 1 + random_below(3);

	for (; count > 0 && bytes->len > 0; count--) {
		size_t at = random_below((unsigned int)bytes->len);

		switch (random_below(4)) {
		case 0:
			bytes->data[at] ^= (uint8_t)(1u << random_below(8));
			break;
		case 1:
			bytes->data[at] = (uint8_t)random_below(256);
			break;
		case 2:
			bytes->len = at;
			break;
		default:
			memmove(bytes->data + at, bytes->data + at + 1, bytes->len - at - 1);
			bytes->len--;
			break;
		}
	}
}

static void
random_bytes(struct bytes *bytes, unsigned int fields)
{
	bytes->len = 0;
	switch (random_below(6)) {
	case 0:
	case 1:
		put_message(bytes, fields);
		break;
	case 2:
	case 3:
		put_message(bytes, fields);
		mutate(bytes);
		break;
	case 4:
		put_soup(bytes);
		break;
	default:
		put_random(bytes, random_below(24));
		break;
	}
}

/* ---- One byte string through both implementations ---- */

static void
print_bytes(const char *label, const uint8_t *data, size_t len)
{
	size_t i;

	fprintf(stderr, "%s (%zu):", label, len);
	for (i = 0; i < len; i++)
		fprintf(stderr, " %02x", data[i]);
	fputc('\n', stderr);
}

#define REQUIRE(claim)                                                                             \
	do {                                                                                       \
		if (!(claim)) {                                                                    \
			fprintf(stderr, "line %d: not so: %s\n", __LINE__, #claim);                \
			return false;                                                              \
		}                                                                                  \
	} while (0)

static bool
same_binary(const ProtobufCBinaryData *ours, const ProtobufCBinaryData *theirs)
{
	REQUIRE(ours->len == theirs->len);
	REQUIRE((ours->data == NULL) == (theirs->data == NULL));
	REQUIRE(ours->len == 0 || memcmp(ours->data, theirs->data, ours->len) == 0);
	return true;
}

static bool
same_unknown_fields(const ProtobufCMessage *ours, const ProtobufCMessage *theirs)
{
	unsigned int i;

	REQUIRE(ours->n_unknown_fields == theirs->n_unknown_fields);
	for (i = 0; i < ours->n_unknown_fields; i++) {
		const ProtobufCMessageUnknownField *a = &ours->unknown_fields[i];
		const ProtobufCMessageUnknownField *b = &theirs->unknown_fields[i];

		REQUIRE(a->tag == b->tag);
		REQUIRE(a->wire_type == b->wire_type);
		REQUIRE(a->len == b->len);
		REQUIRE(a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
	}
	return true;
}

/* What each of three packers makes of the message must be the reference's bytes. */
static bool
same_packed(size_t size, const uint8_t *packed, size_t written, const ProtobufCMessage *ours,
	    const ProtobufCMessage *theirs)
{
	static uint8_t	      reference[2 * BYTES_MAX];
	static uint8_t	      generic[2 * BYTES_MAX];
	uint8_t		      scratch[3];
	ProtobufCBufferSimple simple = PROTOBUF_C_BUFFER_SIMPLE_INIT(scratch);
	size_t		      expected = protobuf_c_message_get_packed_size(theirs);

	REQUIRE(expected <= sizeof(reference));
	REQUIRE(protobuf_c_message_pack(theirs, reference) == expected);
	REQUIRE(size == expected);
	REQUIRE(written == expected);
	REQUIRE(memcmp(packed, reference, expected) == 0);
	REQUIRE(protobuf_c_message_get_packed_size(ours) == expected);
	REQUIRE(protobuf_c_message_pack(ours, generic) == expected);
	REQUIRE(memcmp(generic, reference, expected) == 0);
	REQUIRE(protobuf_c_message_pack_to_buffer(ours, &simple.base) == expected);
	REQUIRE(simple.len == expected && memcmp(simple.data, reference, expected) == 0);
	PROTOBUF_C_BUFFER_SIMPLE_CLEAR(&simple);
	return true;
}

static bool
buffer_holds(const ProtobufCBufferSimple *simple, size_t result, const uint8_t *packed, size_t len)
{
	REQUIRE(result == len);
	REQUIRE(simple->len == len);
	REQUIRE(len == 0 || memcmp(simple->data, packed, len) == 0);
	return true;
}

static bool
same_call(const struct bytes *bytes)
{
	static uint8_t	      packed[2 * BYTES_MAX];
	uint8_t		      scratch[3];
	ProtobufCBufferSimple simple = PROTOBUF_C_BUFFER_SIMPLE_INIT(scratch);
	struct account	      account = open_account(0);
	Drpc__Call	     *ours;
	Peer__Call	     *theirs;
	size_t		      size;
	size_t		      len;

	account.allocator.allocator_data = &account;
	ours = drpc__call__unpack(&account.allocator, bytes->len, bytes->data);
	theirs = peer__call__unpack(NULL, bytes->len, bytes->data);
	REQUIRE((ours == NULL) == (theirs == NULL));
	if (ours == NULL) {
		REQUIRE(account.live == 0);
		return true;
	}
	REQUIRE(ours->base.descriptor == &drpc__call__descriptor);
	REQUIRE(ours->module == theirs->module);
	REQUIRE(ours->method == theirs->method);
	REQUIRE(ours->sequence == theirs->sequence);
	if (!same_binary(&ours->body, &theirs->body) ||
	    !same_unknown_fields(&ours->base, &theirs->base))
		return false;
	size = drpc__call__get_packed_size(ours);
	len = drpc__call__pack(ours, packed);
	if (!same_packed(size, packed, len, &ours->base, &theirs->base))
		return false;
	size = drpc__call__pack_to_buffer(ours, &simple.base);
	if (!buffer_holds(&simple, size, packed, len))
		return false;
	PROTOBUF_C_BUFFER_SIMPLE_CLEAR(&simple);
	drpc__call__free_unpacked(ours, &account.allocator);
	REQUIRE(account.live == 0);
	peer__call__free_unpacked(theirs, NULL);
	return true;
}

static bool
same_response(const struct bytes *bytes)
{
	static uint8_t	      packed[2 * BYTES_MAX];
	uint8_t		      scratch[3];
	ProtobufCBufferSimple simple = PROTOBUF_C_BUFFER_SIMPLE_INIT(scratch);
	struct account	      account = open_account(0);
	Drpc__Response	     *ours;
	Peer__Response	     *theirs;
	size_t		      size;
	size_t		      len;

	account.allocator.allocator_data = &account;
	ours = drpc__response__unpack(&account.allocator, bytes->len, bytes->data);
	theirs = peer__response__unpack(NULL, bytes->len, bytes->data);
	REQUIRE((ours == NULL) == (theirs == NULL));
	if (ours == NULL) {
		REQUIRE(account.live == 0);
		return true;
	}
	REQUIRE(ours->base.descriptor == &drpc__response__descriptor);
	REQUIRE(ours->sequence == theirs->sequence);
	REQUIRE((int)ours->status == (int)theirs->status);
	if (!same_binary(&ours->body, &theirs->body) ||
	    !same_unknown_fields(&ours->base, &theirs->base))
		return false;
	size = drpc__response__get_packed_size(ours);
	len = drpc__response__pack(ours, packed);
	if (!same_packed(size, packed, len, &ours->base, &theirs->base))
		return false;
	size = drpc__response__pack_to_buffer(ours, &simple.base);
	if (!buffer_holds(&simple, size, packed, len))
		return false;
	PROTOBUF_C_BUFFER_SIMPLE_CLEAR(&simple);
	drpc__response__free_unpacked(ours, &account.allocator);
	REQUIRE(account.live == 0);
	peer__response__free_unpacked(theirs, NULL);
	return true;
}

/* Every accepted string must do; and the generator must not be a generator of refusals. */
#define STRINGS 60000

static void
test_random_calls(void **state)
{
	static struct bytes bytes;
	int		    accepted = 0;
	int		    i;

	(void)state;
	for (i = 0; i < STRINGS; i++) {
		Peer__Call *theirs;

		random_bytes(&bytes, 4);
		if (!same_call(&bytes)) {
			print_bytes("the call", bytes.data, bytes.len);
			fail_msg("byte string %d", i);
		}
		theirs = peer__call__unpack(NULL, bytes.len, bytes.data);
		accepted += theirs != NULL;
		peer__call__free_unpacked(theirs, NULL);
	}
	assert_in_range(accepted, STRINGS / 4, STRINGS - STRINGS / 8);
}

static void
test_random_responses(void **state)
{
	static struct bytes bytes;
	int		    accepted = 0;
	int		    i;

	(void)state;
	for (i = 0; i < STRINGS; i++) {
		Peer__Response *theirs;

		random_bytes(&bytes, 3);
		if (!same_response(&bytes)) {
			print_bytes("the response", bytes.data, bytes.len);
			fail_msg("byte string %d", i);
		}
		theirs = peer__response__unpack(NULL, bytes.len, bytes.data);
		accepted += theirs != NULL;
		peer__response__free_unpacked(theirs, NULL);
	}
	assert_in_range(accepted, STRINGS / 4, STRINGS - STRINGS / 8);
}

/* Every string of one and of two bytes, for what chance might pass over. */
static void
test_short_strings(void **state)
{
	static struct bytes bytes;
	unsigned int	    value;

	(void)state;
	bytes.len = 0;
	assert_true(same_call(&bytes) && same_response(&bytes));
	for (value = 0; value < 0x10000; value++) {
		bytes.data[0] = (uint8_t)value;
		bytes.data[1] = (uint8_t)(value >> 8);
		bytes.len = value < 0x100 ? 1 : 2;
		if (!same_call(&bytes) || !same_response(&bytes)) {
			print_bytes("the message", bytes.data, bytes.len);
			fail();
		}
	}
}

/* Overlong varints of every length, as a value, as a tag and as a length. */
static void
test_overlong_varints(void **state)
{
	static struct bytes bytes;
	unsigned int	    extra;
	unsigned int	    tag;

	(void)state;
	for (extra = 0; extra < 14; extra++) {
		for (tag = 1; tag <= 5; tag++) {
			bytes.len = 0;
			put_varint(&bytes, tag << 3, 0);
			put_varint(&bytes, 3, extra);
			assert_true(same_call(&bytes) && same_response(&bytes));

			bytes.len = 0;
			put_varint(&bytes, tag << 3, extra);
			put_varint(&bytes, 3, 0);
			assert_true(same_call(&bytes) && same_response(&bytes));

			bytes.len = 0;
			put_varint(&bytes, tag << 3 | 2, 0);
			put_varint(&bytes, 3, extra);
			put_random(&bytes, 3);
			assert_true(same_call(&bytes) && same_response(&bytes));
		}
	}
}

/* More fields than any first allocation has room for. */
static void
test_many_fields(void **state)
{
	static struct bytes bytes;
	int		    i;

	(void)state;
	bytes.len = 0;
	for (i = 0; i < 1500; i++) {
		put_varint(&bytes, 15 << 3, 0);
		put_byte(&bytes, (unsigned int)i & 0x7f);
	}
	assert_true(same_call(&bytes) && same_response(&bytes));
	bytes.len = 0;
	for (i = 0; i < 1000; i++) {
		put_varint(&bytes, 1 << 3, 0);
		put_byte(&bytes, (unsigned int)i & 0x7f);
		put_varint(&bytes, 4 << 3 | 2, 0);
		put_byte(&bytes, 0);
	}
	assert_true(same_call(&bytes));
}

/* ---- Descriptors ---- */

static void
assert_same_ranges(unsigned int count, const ProtobufCIntRange *ours,
		   const ProtobufCIntRange *theirs)
{
	unsigned int i;

	/* The last one, past the count, only says where the fields end. */
	for (i = 0; i <= count; i++) {
		assert_int_equal(ours[i].start_value, theirs[i].start_value);
		assert_int_equal(ours[i].orig_index, theirs[i].orig_index);
	}
}

static void
assert_renamed(const char *ours, const char *theirs, const char *our_prefix,
	       const char *their_prefix)
{
	assert_true(strncmp(ours, our_prefix, strlen(our_prefix)) == 0);
	assert_true(strncmp(theirs, their_prefix, strlen(their_prefix)) == 0);
	assert_string_equal(ours + strlen(our_prefix), theirs + strlen(their_prefix));
}

static void
assert_same_message_descriptor(const ProtobufCMessageDescriptor *ours,
			       const ProtobufCMessageDescriptor *theirs)
{
	unsigned int i;

	assert_int_equal(ours->magic, theirs->magic);
	assert_renamed(ours->name, theirs->name, "drpc.", "peer.");
	assert_string_equal(ours->short_name, theirs->short_name);
	assert_renamed(ours->c_name, theirs->c_name, "Drpc__", "Peer__");
	assert_string_equal(ours->package_name, "drpc");
	assert_int_equal(ours->sizeof_message, theirs->sizeof_message);
	assert_int_equal(ours->n_fields, theirs->n_fields);
	assert_int_equal(ours->n_field_ranges, theirs->n_field_ranges);
	assert_same_ranges(ours->n_field_ranges, ours->field_ranges, theirs->field_ranges);
	for (i = 0; i < ours->n_fields; i++) {
		const ProtobufCFieldDescriptor *a = &ours->fields[i];
		const ProtobufCFieldDescriptor *b = &theirs->fields[i];

		assert_string_equal(a->name, b->name);
		assert_int_equal(a->id, b->id);
		assert_int_equal(a->label, b->label);
		assert_int_equal(a->type, b->type);
		assert_int_equal(a->quantifier_offset, b->quantifier_offset);
		assert_int_equal(a->offset, b->offset);
		assert_int_equal(a->descriptor == NULL, b->descriptor == NULL);
		assert_null(a->default_value);
		assert_null(b->default_value);
		assert_int_equal(a->flags, b->flags);
		assert_int_equal(ours->fields_sorted_by_name[i], theirs->fields_sorted_by_name[i]);
	}
}

static void
test_call_descriptor(void **state)
{
	(void)state;
	assert_same_message_descriptor(&drpc__call__descriptor, &peer__call__descriptor);
}

static void
test_response_descriptor(void **state)
{
	(void)state;
	assert_same_message_descriptor(&drpc__response__descriptor, &peer__response__descriptor);
	/* The one that this program sees, also where it has copies of its own. */
	assert_ptr_equal(drpc__response__descriptor.fields[1].descriptor,
			 &drpc__status__descriptor);
}

static void
test_status_descriptor(void **state)
{
	const ProtobufCEnumDescriptor *ours = &drpc__status__descriptor;
	const ProtobufCEnumDescriptor *theirs = &peer__status__descriptor;
	unsigned int		       i;

	(void)state;
	assert_int_equal(ours->magic, theirs->magic);
	assert_renamed(ours->name, theirs->name, "drpc.", "peer.");
	assert_string_equal(ours->short_name, theirs->short_name);
	assert_renamed(ours->c_name, theirs->c_name, "Drpc__", "Peer__");
	assert_string_equal(ours->package_name, "drpc");
	assert_int_equal(ours->n_values, theirs->n_values);
	assert_int_equal(ours->n_value_names, theirs->n_value_names);
	assert_int_equal(ours->n_value_ranges, theirs->n_value_ranges);
	assert_same_ranges(ours->n_value_ranges, ours->value_ranges, theirs->value_ranges);
	for (i = 0; i < ours->n_values; i++) {
		assert_string_equal(ours->values[i].name, theirs->values[i].name);
		assert_renamed(ours->values[i].c_name, theirs->values[i].c_name, "DRPC__",
			       "PEER__");
		assert_int_equal(ours->values[i].value, theirs->values[i].value);
	}
	for (i = 0; i < ours->n_value_names; i++) {
		assert_string_equal(ours->values_by_name[i].name, theirs->values_by_name[i].name);
		assert_int_equal(ours->values_by_name[i].index, theirs->values_by_name[i].index);
	}
}

static void
test_lookups(void **state)
{
	static const char *const names[] = {"module", "method", "sequence", "body"};
	static const char *const statuses[] = {"SUCCESS",
					       "SUBMITTED",
					       "FAILURE",
					       "UNKNOWN_MODULE",
					       "UNKNOWN_METHOD",
					       "FAILED_UNMARSHAL_CALL",
					       "FAILED_UNMARSHAL_PAYLOAD",
					       "FAILED_MARSHAL"};
	unsigned int		 i;

	(void)state;
	for (i = 0; i < 4; i++) {
		const ProtobufCFieldDescriptor *by_name =
			protobuf_c_message_descriptor_get_field_by_name(&drpc__call__descriptor,
									names[i]);

		assert_non_null(by_name);
		assert_int_equal(by_name->id, i + 1);
		assert_ptr_equal(by_name, protobuf_c_message_descriptor_get_field(
						  &drpc__call__descriptor, i + 1));
	}
	assert_null(protobuf_c_message_descriptor_get_field(&drpc__call__descriptor, 0));
	assert_null(protobuf_c_message_descriptor_get_field(&drpc__call__descriptor, 5));
	assert_null(
		protobuf_c_message_descriptor_get_field_by_name(&drpc__call__descriptor, "status"));
	assert_non_null(protobuf_c_message_descriptor_get_field_by_name(
		&drpc__response__descriptor, "status"));
	for (i = 0; i < 8; i++) {
		const ProtobufCEnumValue *by_name = protobuf_c_enum_descriptor_get_value_by_name(
			&drpc__status__descriptor, statuses[i]);

		assert_non_null(by_name);
		assert_int_equal(by_name->value, i);
		assert_ptr_equal(by_name, protobuf_c_enum_descriptor_get_value(
						  &drpc__status__descriptor, (int)i));
	}
	assert_null(protobuf_c_enum_descriptor_get_value(&drpc__status__descriptor, 8));
	assert_null(protobuf_c_enum_descriptor_get_value(&drpc__status__descriptor, -1));
	assert_null(protobuf_c_enum_descriptor_get_value_by_name(&drpc__status__descriptor, "NO"));
}

/* ---- Messages handed from one implementation to the other ---- */

static void
test_init(void **state)
{
	static const Drpc__Call	    empty_call = DRPC__CALL__INIT;
	static const Drpc__Response empty_response = DRPC__RESPONSE__INIT;
	Drpc__Call		    call;
	Drpc__Response		    response;

	(void)state;
	memset(&call, 0xff, sizeof(call));
	drpc__call__init(&call);
	assert_ptr_equal(call.base.descriptor, &drpc__call__descriptor);
	assert_int_equal(call.base.n_unknown_fields, empty_call.base.n_unknown_fields);
	assert_ptr_equal(call.base.unknown_fields, empty_call.base.unknown_fields);
	assert_int_equal(call.module, empty_call.module);
	assert_int_equal(call.method, empty_call.method);
	assert_int_equal(call.sequence, empty_call.sequence);
	assert_int_equal(call.body.len, 0);
	assert_null(call.body.data);
	assert_true(protobuf_c_message_check(&call.base));

	memset(&response, 0xff, sizeof(response));
	drpc__response__init(&response);
	assert_ptr_equal(response.base.descriptor, &drpc__response__descriptor);
	assert_int_equal(response.base.n_unknown_fields, 0);
	assert_null(response.base.unknown_fields);
	assert_int_equal(response.sequence, 0);
	assert_int_equal(response.status, empty_response.status);
	assert_int_equal(response.body.len, 0);
	assert_null(response.body.data);
	assert_true(protobuf_c_message_check(&response.base));

	memset(&call, 0xff, sizeof(call));
	protobuf_c_message_init(&drpc__call__descriptor, &call);
	assert_ptr_equal(call.base.descriptor, &drpc__call__descriptor);
	assert_int_equal(call.sequence, 0);
	memset(&response, 0xff, sizeof(response));
	protobuf_c_message_init(&drpc__response__descriptor, &response);
	assert_ptr_equal(response.base.descriptor, &drpc__response__descriptor);
	assert_int_equal(response.status, 0);
}

/* module 1, method -2, sequence 3, body "ab", and an unknown field 9. */
static const uint8_t some_call[] = {0x08, 0x01, 0x10, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff,
				    0xff, 0xff, 0xff, 0x01, 0x18, 0x03, 0x22, 0x02, 'a',
				    'b',  0x48, 0x05};

static void
test_theirs_unpacks_ours_frees(void **state)
{
	struct account	  account = open_account(0);
	ProtobufCMessage *message;

	(void)state;
	message = protobuf_c_message_unpack(&drpc__call__descriptor, NULL, sizeof(some_call),
					    some_call);
	assert_non_null(message);
	assert_true(protobuf_c_message_check(message));
	assert_int_equal(((Drpc__Call *)message)->method, -2);
	assert_int_equal(drpc__call__get_packed_size((Drpc__Call *)message), sizeof(some_call));
	drpc__call__free_unpacked((Drpc__Call *)message, NULL);

	account.allocator.allocator_data = &account;
	message = protobuf_c_message_unpack(&drpc__call__descriptor, &account.allocator,
					    sizeof(some_call), some_call);
	assert_non_null(message);
	assert_true(account.live > 0);
	drpc__call__free_unpacked((Drpc__Call *)message, &account.allocator);
	assert_int_equal(account.live, 0);
}

static void
test_ours_unpacks_theirs_frees(void **state)
{
	struct account account = open_account(0);
	uint8_t	       packed[sizeof(some_call)];
	Drpc__Call    *call;

	(void)state;
	call = drpc__call__unpack(NULL, sizeof(some_call), some_call);
	assert_non_null(call);
	assert_true(protobuf_c_message_check(&call->base));
	assert_int_equal(call->base.n_unknown_fields, 1);
	assert_int_equal(protobuf_c_message_pack(&call->base, packed), sizeof(packed));
	assert_memory_equal(packed, some_call, sizeof(packed));
	protobuf_c_message_free_unpacked(&call->base, NULL);

	account.allocator.allocator_data = &account;
	call = drpc__call__unpack(&account.allocator, sizeof(some_call), some_call);
	assert_non_null(call);
	assert_true(account.live > 0);
	protobuf_c_message_free_unpacked(&call->base, &account.allocator);
	assert_int_equal(account.live, 0);
}

/* With no allocator every block is malloc's: the parts may be freed one by one. */
static void
test_blocks_are_mallocs(void **state)
{
	Drpc__Call     *call = drpc__call__unpack(NULL, sizeof(some_call), some_call);
	Drpc__Response *response = malloc(sizeof(*response));

	(void)state;
	assert_non_null(call);
	free(call->base.unknown_fields[0].data);
	free(call->base.unknown_fields);
	free(call->body.data);
	free(call);

	assert_non_null(response);
	drpc__response__init(response);
	response->body.data = malloc(3);
	response->body.len = 3;
	response->base.n_unknown_fields = 1;
	response->base.unknown_fields = malloc(sizeof(*response->base.unknown_fields));
	assert_non_null(response->base.unknown_fields);
	response->base.unknown_fields[0] = (ProtobufCMessageUnknownField){
		.tag = 9, .wire_type = PROTOBUF_C_WIRE_TYPE_VARINT, .len = 1, .data = malloc(1)};
	drpc__response__free_unpacked(response, NULL);

	drpc__call__free_unpacked(NULL, NULL);
	drpc__response__free_unpacked(NULL, NULL);
}

/* Each allocation in turn fails: nothing is returned and nothing is left over. */
static void
test_allocator_runs_dry(void **state)
{
	struct account account = open_account(0);
	int	       needed;
	int	       i;

	(void)state;
	account.allocator.allocator_data = &account;
	drpc__call__free_unpacked(
		drpc__call__unpack(&account.allocator, sizeof(some_call), some_call),
		&account.allocator);
	needed = account.calls;
	/* The message, its body, the list of unknown fields and the one in it. */
	assert_int_equal(needed, 4);
	assert_int_equal(account.live, 0);
	for (i = 1; i <= needed; i++) {
		account = open_account(i);
		account.allocator.allocator_data = &account;
		assert_null(drpc__call__unpack(&account.allocator, sizeof(some_call), some_call));
		assert_int_equal(account.live, 0);
		account = open_account(i);
		account.allocator.allocator_data = &account;
		assert_null(
			drpc__response__unpack(&account.allocator, sizeof(some_call), some_call));
		assert_int_equal(account.live, 0);
	}
}

/* A buffer that starts in memory of the caller and grows on the heap; twice into one. */
static void
test_pack_to_buffer(void **state)
{
	uint8_t		      scratch[8];
	ProtobufCBufferSimple simple = PROTOBUF_C_BUFFER_SIMPLE_INIT(scratch);
	Drpc__Call	     *call = drpc__call__unpack(NULL, sizeof(some_call), some_call);
	Drpc__Response	      response = DRPC__RESPONSE__INIT;

	(void)state;
	assert_non_null(call);
	response.sequence = 3;
	assert_int_equal(drpc__response__pack_to_buffer(&response, &simple.base), 2);
	assert_ptr_equal(simple.data, scratch);
	assert_int_equal(drpc__call__pack_to_buffer(call, &simple.base), sizeof(some_call));
	assert_int_equal(simple.len, 2 + sizeof(some_call));
	assert_memory_equal(simple.data, "\x08\x03", 2);
	assert_memory_equal(simple.data + 2, some_call, sizeof(some_call));
	assert_ptr_not_equal(simple.data, scratch);
	PROTOBUF_C_BUFFER_SIMPLE_CLEAR(&simple);
	drpc__call__free_unpacked(call, NULL);
}

/* Messages built by hand, with what no unpacking would leave in them. */
static void
test_packing_by_hand(void **state)
{
	static const int32_t  numbers[] = {0, 1, -1, 127, 128, INT32_MAX, INT32_MIN};
	static const int64_t  sequences[] = {0, 1, -1, INT32_MAX, INT64_MAX, INT64_MIN};
	ProtobufCMessageUnknownField unknown[2] = {
		{.tag = 5, .wire_type = PROTOBUF_C_WIRE_TYPE_64BIT, .len = 8,
		 .data = (uint8_t *)"12345678"},
		{.tag = 536870911, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, .len = 1,
		 .data = (uint8_t *)""}};
	static uint8_t body[200];
	static uint8_t packed[2 * BYTES_MAX];
	size_t	       i;
	size_t	       j;
	size_t	       len;

	(void)state;
	for (i = 0; i < 7; i++) {
		for (j = 0; j < 6; j++) {
			Drpc__Call     ours = DRPC__CALL__INIT;
			Peer__Call     theirs = PEER__CALL__INIT;
			Drpc__Response our_response = DRPC__RESPONSE__INIT;
			Peer__Response their_response = PEER__RESPONSE__INIT;
			size_t	       size;

			ours.module = theirs.module = numbers[i];
			ours.method = theirs.method = numbers[6 - i];
			ours.sequence = theirs.sequence = sequences[j];
			ours.body.len = theirs.body.len = i * j * 4;
			ours.body.data = theirs.body.data = body;
			ours.base.n_unknown_fields = theirs.base.n_unknown_fields = j % 3;
			ours.base.unknown_fields = theirs.base.unknown_fields = unknown;
			size = drpc__call__get_packed_size(&ours);
			len = drpc__call__pack(&ours, packed);
			assert_true(same_packed(size, packed, len, &ours.base, &theirs.base));

			our_response.status = (Drpc__Status)numbers[i];
			their_response.status = (Peer__Status)numbers[i];
			our_response.sequence = their_response.sequence = sequences[j];
			our_response.body = ours.body;
			their_response.body = theirs.body;
			size = drpc__response__get_packed_size(&our_response);
			len = drpc__response__pack(&our_response, packed);
			assert_true(same_packed(size, packed, len, &our_response.base,
						&their_response.base));
		}
	}
}

/* The address that the library writes is the one that this program compares with. */
static void
test_descriptor_identity(void **state)
{
	static const Drpc__Call	    call_template = DRPC__CALL__INIT;
	static const Drpc__Response response_template = DRPC__RESPONSE__INIT;
	struct unixcomm		    comm = {-1, 1};
	struct drpc		    by_hand = {.comm = &comm, .sequence = 1, .ref_count = 1};
	Drpc__Call		   *call;
	Drpc__Response		   *response;

	(void)state;
#ifdef DRPC_ABI_08
	call = drpc_call_create(&by_hand, 1, 101);
#else
	assert_int_equal(drpc_call_create(&by_hand, 1, 101, &call), 0);
#endif
	assert_non_null(call);
	assert_ptr_equal(call->base.descriptor, &drpc__call__descriptor);
	assert_ptr_equal(call->base.descriptor, call_template.base.descriptor);
	response = drpc_response_create(call);
	assert_non_null(response);
	assert_ptr_equal(response->base.descriptor, &drpc__response__descriptor);
	assert_ptr_equal(response->base.descriptor, response_template.base.descriptor);
	drpc_response_free(response);
	drpc_call_free(call);
	response = drpc__response__unpack(NULL, 0, NULL);
	assert_non_null(response);
	assert_ptr_equal(response->base.descriptor, &drpc__response__descriptor);
	drpc__response__free_unpacked(response, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call_descriptor),
		cmocka_unit_test(test_response_descriptor),
		cmocka_unit_test(test_status_descriptor),
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_descriptor_identity),
		cmocka_unit_test(test_theirs_unpacks_ours_frees),
		cmocka_unit_test(test_ours_unpacks_theirs_frees),
		cmocka_unit_test(test_blocks_are_mallocs),
		cmocka_unit_test(test_allocator_runs_dry),
		cmocka_unit_test(test_pack_to_buffer),
		cmocka_unit_test(test_packing_by_hand),
		cmocka_unit_test(test_short_strings),
		cmocka_unit_test(test_overlong_varints),
		cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_random_calls),
		cmocka_unit_test(test_random_responses),
	};

	return cmocka_run_group_tests_name("protobuf-c", tests, NULL, NULL);
}
