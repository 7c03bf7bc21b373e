/* The protobuf-c functions, given what the original only asserts against. */
#include "abi.h"

#include <stdlib.h>
#include <string.h>

#include "support/descriptors.h"

/* Counts what it is given. */
struct counter {
	ProtobufCBuffer base;
	size_t          bytes;
};

static void
count_bytes(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
	(void)data;
	((struct counter *)buffer)->bytes += len;
}

static void
null_is_no_message(void **state)
{
	struct counter counter = {.base.append = count_bytes};
	uint8_t        out[8]  = {0};

	(void)state;
	drpc__call__init(NULL);
	drpc__response__init(NULL);
	assert_int_equal(drpc__call__get_packed_size(NULL), 0);
	assert_int_equal(drpc__response__get_packed_size(NULL), 0);
	assert_int_equal(drpc__call__pack(NULL, out), 0);
	assert_int_equal(drpc__response__pack(NULL, out), 0);
	assert_int_equal(drpc__call__pack_to_buffer(NULL, &counter.base), 0);
	assert_int_equal(drpc__response__pack_to_buffer(NULL, &counter.base), 0);
	drpc__call__free_unpacked(NULL, NULL);
	drpc__response__free_unpacked(NULL, NULL);
	assert_int_equal(counter.bytes, 0);
}

static void
null_is_no_place_to_pack_into(void **state)
{
	Drpc__Call     call = DRPC__CALL__INIT;
	Drpc__Response resp = DRPC__RESPONSE__INIT;

	(void)state;
	call.module   = 1;
	resp.sequence = 1;
	assert_int_equal(drpc__call__pack(&call, NULL), 0);
	assert_int_equal(drpc__response__pack(&resp, NULL), 0);
	assert_int_equal(drpc__call__pack_to_buffer(&call, NULL), 0);
	assert_int_equal(drpc__response__pack_to_buffer(&resp, NULL), 0);
}

static void
no_bytes_are_an_empty_message(void **state)
{
	Drpc__Call     *call = drpc__call__unpack(NULL, 0, NULL);
	Drpc__Response *resp = drpc__response__unpack(NULL, 0, NULL);

	(void)state;
	assert_non_null(call);
	assert_non_null(resp);
	assert_int_equal(call->module, 0);
	assert_int_equal(call->body.len, 0);
	assert_null(call->body.data);
	assert_int_equal(resp->sequence, 0);
	assert_int_equal(resp->status, DRPC__STATUS__SUCCESS);
	assert_int_equal(drpc__call__get_packed_size(call), 0);
	assert_int_equal(drpc__response__get_packed_size(resp), 0);
	drpc__call__free_unpacked(call, NULL);
	drpc__response__free_unpacked(resp, NULL);
}

static void
bytes_that_are_nowhere_are_no_message(void **state)
{
	(void)state;
	assert_null(drpc__call__unpack(NULL, 5, NULL));
	assert_null(drpc__response__unpack(NULL, 5, NULL));
	assert_null(drpc__call__unpack(NULL, SIZE_MAX, NULL));
}

static void
a_body_that_is_nowhere_cannot_be_packed(void **state)
{
	Drpc__Call     call    = DRPC__CALL__INIT;
	Drpc__Response resp    = DRPC__RESPONSE__INIT;
	struct counter counter = {.base.append = count_bytes};
	uint8_t        out[64] = {0};
	uint8_t        none[64] = {0};

	(void)state;
	call.module   = 1;
	call.body.len = 5;
	resp.body.len = 5;
	assert_int_equal(drpc__call__get_packed_size(&call), 0);
	assert_int_equal(drpc__call__pack(&call, out), 0);
	assert_int_equal(drpc__call__pack_to_buffer(&call, &counter.base), 0);
	assert_int_equal(drpc__response__get_packed_size(&resp), 0);
	assert_int_equal(drpc__response__pack(&resp, out), 0);
	assert_int_equal(drpc__response__pack_to_buffer(&resp, &counter.base), 0);
	assert_memory_equal(out, none, sizeof(out));
	assert_int_equal(counter.bytes, 0);
	/* Without bytes it does not matter where they are. */
	call.body.len  = 0;
	call.body.data = out;
	assert_int_equal(drpc__call__get_packed_size(&call), 2);
	assert_int_equal(drpc__call__pack(&call, out), 2);
}

/* The functions of one type leave the other's messages alone. */
static void
messages_of_another_type_are_left_alone(void **state)
{
	Drpc__Call    *call    = drpc__call__unpack(NULL, 2, (const uint8_t *)"\x08\x01");
	struct counter counter = {.base.append = count_bytes};
	uint8_t        out[64] = {0};
	uint8_t        none[64] = {0};

	(void)state;
	assert_non_null(call);
	assert_int_equal(drpc__response__get_packed_size((Drpc__Response *)call), 0);
	assert_int_equal(drpc__response__pack((Drpc__Response *)call, out), 0);
	assert_int_equal(drpc__response__pack_to_buffer((Drpc__Response *)call, &counter.base), 0);
	assert_memory_equal(out, none, sizeof(out));
	assert_int_equal(counter.bytes, 0);
	drpc__response__free_unpacked((Drpc__Response *)call, NULL);
	drpc_response_free((Drpc__Response *)call);
	assert_int_equal(call->module, 1);
	drpc_call_free(call);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(null_is_no_message),
	    unit(null_is_no_place_to_pack_into),
	    unit(no_bytes_are_an_empty_message),
	    unit(bytes_that_are_nowhere_are_no_message),
	    unit(a_body_that_is_nowhere_cannot_be_packed),
	    unit(messages_of_another_type_are_left_alone),
	};

	return cmocka_run_group_tests_name("message " ABI_NAME, tests, NULL, NULL);
}
