/* Services that cannot be added or made: each is a clear error. */
#include "support/typed.h"

#include <stdlib.h>
#include <string.h>

#include "support/descriptors.h"
#include "support/patience.h"
#include "support/said.h"

static int
add(struct typed *typed, int32_t module, void *service, const int32_t *methods)
{
	return drpc_server_add_service(typed->managed.server, module, service, methods, 0);
}

static void
never(Tree__Tree_Service *service, const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	(void)service;
	(void)input;
	closure(NULL, closure_data);
}

/* --- servers ---------------------------------------------------------------------------- */

static void
a_module_has_one_service(void **state)
{
	struct typed typed;

	(void)state;
	typed_prepare(&typed);
	assert_int_equal(add(&typed, TREE, &typed_service, NULL), -DER_EXIST);
	assert_int_equal(drpc_server_register(typed.managed.server, TREE, managed_echo, NULL, 0), -DER_EXIST);
	managed_register(&typed.managed, ECHO, managed_echo, NULL);
	assert_int_equal(add(&typed, ECHO, &typed_service, NULL), -DER_EXIST);
	assert_null(drpc_server_get_handler(typed.managed.server, TREE));
	/* One service may serve several modules. */
	assert_int_equal(add(&typed, 8, &typed_service, NULL), 0);
	typed_start(&typed);
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, NULL, 0, NULL), DRPC__STATUS__SUCCESS);
	assert_int_equal(add(&typed, 9, &typed_service, NULL), -DER_BUSY);
	typed_end(&typed);
}

static void
a_services_calls_are_counted(void **state)
{
	uint64_t     answered[9];
	struct typed typed;

	(void)state;
	typed_make(&typed);
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, NULL, 0, NULL), DRPC__STATUS__SUCCESS);
	assert_int_equal(typed_call_bytes(&typed, 1, NULL, 0, NULL), DRPC__STATUS__UNKNOWN_METHOD);
	UNTIL(drpc_server_get_module_stats(typed.managed.server, TREE, answered) == 0 &&
	      answered[DRPC__STATUS__SUCCESS] == 1 && answered[DRPC__STATUS__UNKNOWN_METHOD] == 1);
	assert_int_equal(drpc_server_get_module_stats(typed.managed.server, 8, answered), -DER_NONEXIST);
	typed_end(&typed);
}

static void
a_listening_that_fails_keeps_the_services(void **state)
{
	struct typed        typed;
	struct drpc_server *other;

	(void)state;
	typed_prepare(&typed);
	assert_int_equal(drpc_server_create(typed.managed.dir.sock, &other), 0);
	assert_int_equal(drpc_server_listen(other), 0);
	assert_int_not_equal(drpc_server_listen(typed.managed.server), 0);
	drpc_server_destroy(other);
	typed_start(&typed);
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, NULL, 0, NULL), DRPC__STATUS__SUCCESS);
	typed_end(&typed);
}

static void
a_service_needs_some_stack(void **state)
{
	struct typed typed;

	(void)state;
	typed_prepare(&typed);
	managed_set(&typed.managed, DRPC_SERVER_STACK, (256 << 10) - 1);
	assert_int_equal(drpc_server_listen(typed.managed.server), -DER_INVAL);
	assert_true(SAYS("DRPC_SERVER_STACK"));
	managed_set(&typed.managed, DRPC_SERVER_STACK, 256 << 10);
	typed_start(&typed);
	typed_end(&typed);
}

static void
a_service_without_methods_is_none(void **state)
{
	Tree__Bare_Service         bare       = TREE__BARE__INIT(bare_);
	ProtobufCServiceDescriptor descriptor = tree__tree__descriptor;
	Tree__Tree_Service         service    = typed_service;
	struct typed               typed;

	(void)state;
	typed_prepare(&typed);
	assert_int_equal(add(&typed, 8, &bare, NULL), -DER_INVAL);
	assert_true(SAYS("no methods"));
	service.base.descriptor = &descriptor;
	descriptor.methods      = NULL;
	assert_int_equal(add(&typed, 8, &service, NULL), -DER_INVAL);
	typed_end(&typed);
}

static void
a_method_has_a_function(void **state)
{
	Tree__Tree_Service service = typed_service;
	struct typed       typed;

	(void)state;
	typed_prepare(&typed);
	for (int missing = 0; missing < 3; missing++) {
		service.echo  = missing == 0 ? NULL : never;
		service.later = missing == 1 ? NULL : never;
		service.odd   = missing == 2 ? NULL : never;
		assert_int_equal(add(&typed, 8, &service, NULL), -DER_INVAL);
		assert_true(SAYS("NULL"));
	}
	service.odd = never;
	assert_int_equal(add(&typed, 8, &service, NULL), 0);
	typed_end(&typed);
}

static void
invoke_alone(ProtobufCService *service, unsigned int method, const ProtobufCMessage *input, ProtobufCClosure closure,
	     void *closure_data)
{
	assert_true(method < service->descriptor->n_methods);
	closure(input, closure_data);
}

/* A service that invokes by itself need have no functions behind it. */
static void
a_service_may_invoke_by_itself(void **state)
{
	ProtobufCService *service = malloc(sizeof(*service));
	struct typed      typed;
	Drpc__Response   *resp = NULL;

	(void)state;
	assert_non_null(service);
	*service = (ProtobufCService){&tree__tree__descriptor, invoke_alone, NULL};
	typed_prepare(&typed);
	assert_int_equal(add(&typed, 8, service, NULL), 0);
	typed_start(&typed);
	assert_int_equal(drpc_client_call(typed.client, 8, 803, "\012\001x", 3, NULL, &resp), 0);
	assert_int_equal(resp->status, DRPC__STATUS__SUCCESS);
	assert_int_equal(resp->body.len, 3);
	drpc_response_free(resp);
	typed_end(&typed);
	free(service);
}

static void
numbers_differ_and_have_32_bits(void **state)
{
	const int32_t twice[] = {1, 2, 1};
	struct typed  typed;

	(void)state;
	typed_prepare(&typed);
	assert_int_equal(add(&typed, 8, &typed_service, twice), -DER_INVAL);
	assert_true(SAYS("same number"));
	assert_int_equal(add(&typed, INT32_MAX, &typed_service, NULL), -DER_INVAL);
	assert_int_equal(add(&typed, INT32_MIN, &typed_service, NULL), -DER_INVAL);
	assert_int_equal(add(&typed, INT32_MAX / 100, &typed_service, NULL), 0);
	typed_end(&typed);
}

static void
what_is_no_service_is_refused(void **state)
{
	ProtobufCServiceDescriptor descriptor = tree__tree__descriptor;
	ProtobufCMethodDescriptor  methods[3];
	ProtobufCMessageDescriptor type    = tree__node__descriptor;
	Tree__Tree_Service         service = typed_service;
	struct drpc_protobuf_c     functions = *drpc_libprotobuf_c();
	struct typed               typed;

	(void)state;
	typed_prepare(&typed);
	assert_int_equal(add(&typed, 8, NULL, NULL), -DER_INVAL);
	assert_int_equal(drpc_server_add_service(NULL, 8, &typed_service.base, NULL, 0), -DER_INVAL);
	assert_int_equal(drpc_server_add_service(typed.managed.server, 8, &typed_service.base, NULL, 2), -DER_INVAL);
	service.base.descriptor = NULL;
	assert_int_equal(add(&typed, 8, &service, NULL), -DER_INVAL);
	service.base.descriptor = &descriptor;
	descriptor.magic        = 1;
	assert_int_equal(add(&typed, 8, &service, NULL), -DER_INVAL);
	descriptor.magic    = PROTOBUF_C__SERVICE_DESCRIPTOR_MAGIC;
	descriptor.methods  = memcpy(methods, tree__tree__descriptor.methods, sizeof(methods));
	methods[1].output   = NULL;
	assert_int_equal(add(&typed, 8, &service, NULL), -DER_INVAL);
	methods[1].output = &type;
	type.magic        = 1;
	assert_int_equal(add(&typed, 8, &service, NULL), -DER_INVAL);
	service             = typed_service;
	service.base.invoke = NULL;
	assert_int_equal(add(&typed, 8, &service, NULL), -DER_INVAL);

	assert_int_equal(drpc_server_add_service_with(typed.managed.server, 8, &typed_service.base, NULL, 0, NULL), -DER_INVAL);
	functions.size--;
	assert_int_equal(drpc_server_add_service_with(typed.managed.server, 8, &typed_service.base, NULL, 0, &functions),
			 -DER_INVAL);
	functions.size++;
	functions.unpack = NULL;
	assert_int_equal(drpc_server_add_service_with(typed.managed.server, 8, &typed_service.base, NULL, 0, &functions),
			 -DER_INVAL);
	assert_int_equal(add(&typed, 8, &typed_service, NULL), 0);
	typed_end(&typed);
}

/* --- clients ---------------------------------------------------------------------------- */

static void
what_is_no_service_is_not_called(void **state)
{
	const int32_t            twice[] = {1, 2, 1};
	struct drpc_call_options options = {.size = sizeof(options)};
	ProtobufCService        *service;
	struct typed             typed;

	(void)state;
	typed_prepare(&typed);
	assert_null(drpc_client_service(NULL, TREE, &tree__tree__descriptor, NULL));
	assert_null(drpc_client_service(typed.client, TREE, NULL, NULL));
	assert_null(drpc_client_service(typed.client, TREE, &tree__bare__descriptor, NULL));
	assert_true(SAYS("no methods"));
	assert_null(drpc_client_service(typed.client, TREE, &tree__tree__descriptor, twice));
	assert_null(drpc_client_service(typed.client, INT32_MAX, &tree__tree__descriptor, NULL));
	assert_null(drpc_client_service_with(typed.client, TREE, &tree__tree__descriptor, NULL, true, NULL));

	assert_int_equal(drpc_service_set_options(NULL, &options), -DER_INVAL);
	assert_int_equal(drpc_service_set_options(&typed_service.base, &options), -DER_INVAL);
	service = drpc_client_service(typed.client, TREE, &tree__tree__descriptor, NULL);
	assert_non_null(service);
	assert_int_equal(drpc_service_set_options(service, &options), 0);
	assert_int_equal(drpc_service_set_options(service, NULL), 0);
	options.size = 1;
	assert_int_equal(drpc_service_set_options(service, &options), -DER_INVAL);
	protobuf_c_service_destroy(service);
	typed_end(&typed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_module_has_one_service),
		unit(a_services_calls_are_counted),
		unit(a_listening_that_fails_keeps_the_services),
		unit(a_service_needs_some_stack),
		unit(a_service_without_methods_is_none),
		unit(a_method_has_a_function),
		unit(a_service_may_invoke_by_itself),
		unit(numbers_differ_and_have_32_bits),
		unit(what_is_no_service_is_refused),
		unit(what_is_no_service_is_not_called),
	};

	return cmocka_run_group_tests_name("service setup " ABI_NAME, tests, NULL, NULL);
}
