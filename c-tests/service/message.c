/* Messages without a service definition: a call with messages, and bodies of the plain API. */
#include "support/typed.h"

#include <stdlib.h>
#include <string.h>

#include "support/descriptors.h"
#include "support/said.h"

static int
call(struct typed *typed, int32_t method, void *request, Tree__Node **response)
{
	return drpc_client_call_message(typed->client, TREE, method, request, &tree__node__descriptor, NULL,
					(ProtobufCMessage **)response);
}

static void
a_call_takes_and_gives_messages(void **state)
{
	Tree__Node   node     = TREE__NODE__INIT;
	Tree__Node  *response = &node;
	Tree__Other  other    = TREE__OTHER__INIT;
	struct typed typed;

	(void)state;
	typed_make(&typed);
	node.name = "a tree";
	assert_int_equal(call(&typed, METHOD_ECHO, &node, &response), 0);
	assert_string_equal(response->name, "a tree");
	tree__node__free_unpacked(response, NULL);

	/* Any type may be called with. */
	other.name = "another";
	assert_int_equal(call(&typed, METHOD_ECHO, &other, &response), 0);
	assert_string_equal(response->name, "another");
	protobuf_c_message_free_unpacked(&response->base, NULL);

	response = &node;
	assert_int_equal(call(&typed, 704, &node, &response), DRPC__STATUS__UNKNOWN_METHOD);
	assert_null(response);
	assert_true(SAYS("UNKNOWN_METHOD"));
	typed_end(&typed);
}

static void
a_call_checks_its_arguments(void **state)
{
	struct drpc_call_options options  = {.size = 1};
	Tree__Node               node     = TREE__NODE__INIT;
	Tree__Node               nothing  = {0};
	Tree__Node              *response = &node;
	struct typed             typed;

	(void)state;
	typed_make(&typed);
	assert_int_equal(call(&typed, METHOD_ECHO, NULL, &response), -DER_INVAL);
	assert_null(response);
	assert_int_equal(call(&typed, METHOD_ECHO, &nothing, &response), -DER_INVAL);
	assert_int_equal(call(&typed, METHOD_ECHO, &node, NULL), -DER_INVAL);
	assert_int_equal(drpc_client_call_message(typed.client, TREE, METHOD_ECHO, &node.base, NULL, NULL,
						  (ProtobufCMessage **)&response),
			 -DER_INVAL);
	assert_int_equal(drpc_client_call_message(typed.client, TREE, METHOD_ECHO, &node.base, &tree__node__descriptor,
						  &options, (ProtobufCMessage **)&response),
			 -DER_INVAL);
	response = &node;
	assert_int_equal(drpc_client_call_message(NULL, TREE, METHOD_ECHO, &node.base, &tree__node__descriptor, NULL,
						  (ProtobufCMessage **)&response),
			 -DER_INVAL);
	assert_int_equal(typed_runs, 0);
	typed_end(&typed);
}

static void
a_message_is_a_body_and_back(void **state)
{
	Tree__Node          node = TREE__NODE__INIT;
	Tree__Node         *back = NULL;
	ProtobufCBinaryData body = {1, (uint8_t *)"x"};

	(void)state;
	assert_int_equal(drpc_message_to_body(&node.base, &body), 0);
	assert_int_equal(body.len, 0);
	assert_null(body.data);
	assert_int_equal(drpc_body_to_message(&body, &tree__node__descriptor, (ProtobufCMessage **)&back), 0);
	tree__node__free_unpacked(back, NULL);

	node.name = "a tree";
	assert_int_equal(drpc_message_to_body(&node.base, &body), 0);
	assert_int_equal(body.len, 8);
	assert_memory_equal(body.data, "\012\006a tree", 8);
	assert_int_equal(drpc_body_to_message(&body, &tree__node__descriptor, (ProtobufCMessage **)&back), 0);
	assert_string_equal(back->name, "a tree");
	tree__node__free_unpacked(back, NULL);
	free(body.data);
}

static void
a_body_has_limits(void **state)
{
	const size_t        depths[] = {100, 101, 9000};
	ProtobufCBinaryData body;
	ProtobufCMessage   *message;

	(void)state;
	for (int i = 0; i < 3; i++) {
		body.data = typed_nested(depths[i], &body.len);
		message   = NULL;
		assert_int_equal(drpc_body_to_message(&body, &tree__node__descriptor, &message),
				 depths[i] > 100 ? -DER_PROTO : 0);
		if (message != NULL)
			protobuf_c_message_free_unpacked(message, NULL);
		free(body.data);
	}
	drpc_set_max_message(2 << 20);
	body.data = typed_empties(500000, &body.len);
	assert_int_equal(drpc_body_to_message(&body, &tree__node__descriptor, &message), -DER_OVERFLOW);
	assert_null(message);
	free(body.data);
	drpc_set_max_message(0);
}

static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* A body of more than 200 bytes is looked through before libprotobuf-c unpacks it. The two agree on what can be read. */
static void
what_libprotobuf_c_unpacks_is_unpacked(void **state)
{
	uint8_t             data[200] = {0};
	Tree__Node          node      = TREE__NODE__INIT;
	Tree__Node          inner     = TREE__NODE__INIT;
	Tree__Node          child     = TREE__NODE__INIT;
	Tree__Node         *children[] = {&child, &inner};
	ProtobufCBinaryData body;
	uint32_t            seed     = 1;
	int                 unpacked = 0;

	(void)state;
	node.name       = "a tree";
	child.name      = "a leaf";
	inner.inner     = &child;
	inner.data      = (ProtobufCBinaryData){sizeof(data), data};
	node.inner      = &inner;
	node.children   = children;
	node.n_children = 2;
	assert_int_equal(drpc_message_to_body(&node.base, &body), 0);
	for (int i = 0; i < 5000; i++) {
		uint8_t           *copy    = malloc(body.len);
		ProtobufCMessage  *ours    = NULL;
		ProtobufCMessage  *theirs  = NULL;
		ProtobufCBinaryData changed = {body.len, copy};

		assert_non_null(copy);
		memcpy(copy, body.data, body.len);
		for (uint32_t left = next(&seed) % 4; left > 0; left--) {
			/* Keys and lengths are at the ends, with the data between. */
			uint32_t at = next(&seed) % 64;

			copy[at < 32 ? at : body.len - (at - 31)] = (uint8_t)next(&seed);
		}
		changed.len -= next(&seed) % 4 == 0 ? next(&seed) % 8 : 0;
		theirs = protobuf_c_message_unpack(&tree__node__descriptor, NULL, changed.len, changed.data);
		assert_int_equal(drpc_body_to_message(&changed, &tree__node__descriptor, &ours), theirs == NULL ? -DER_PROTO : 0);
		unpacked += ours != NULL;
		if (ours != NULL)
			protobuf_c_message_free_unpacked(ours, NULL);
		if (theirs != NULL)
			protobuf_c_message_free_unpacked(theirs, NULL);
		free(copy);
	}
	assert_in_range(unpacked, 500, 4500);
	free(body.data);
}

static void
what_is_no_message_is_refused(void **state)
{
	ProtobufCBinaryData body    = {1, NULL};
	ProtobufCMessage   *message = NULL;
	Tree__Node          nothing = {0};

	(void)state;
	assert_int_equal(drpc_message_to_body(NULL, &body), -DER_INVAL);
	assert_int_equal(body.len, 0);
	assert_int_equal(drpc_message_to_body(&nothing.base, &body), -DER_INVAL);
	tree__node__init(&nothing);
	assert_int_equal(drpc_message_to_body(&nothing.base, NULL), -DER_INVAL);
	assert_int_equal(drpc_body_to_message(&body, NULL, &message), -DER_INVAL);
	assert_int_equal(drpc_body_to_message(NULL, &tree__node__descriptor, &message), -DER_INVAL);
	assert_int_equal(drpc_body_to_message(&body, &tree__node__descriptor, NULL), -DER_INVAL);
	body = (ProtobufCBinaryData){3, (uint8_t *)"\012\005x"};
	assert_int_equal(drpc_body_to_message(&body, &tree__node__descriptor, &message), -DER_PROTO);
	body.data = NULL;
	assert_int_equal(drpc_body_to_message(&body, &tree__node__descriptor, &message), -DER_INVAL);
	assert_null(message);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_call_takes_and_gives_messages),
		unit(a_call_checks_its_arguments),
		unit(a_message_is_a_body_and_back),
		unit(a_body_has_limits),
		unit(what_libprotobuf_c_unpacks_is_unpacked),
		unit(what_is_no_message_is_refused),
	};

	return cmocka_run_group_tests_name("service message " ABI_NAME, tests, NULL, NULL);
}
