/* The registry of handlers by module. */
#include "abi.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <drpc/library.h>

#include <daos/drpc_handler.h>
#include <daos/drpc_modules.h>

#include "support/context.h"
#include "support/descriptors.h"

static Drpc__Call     *seen_call;
static Drpc__Response *seen_resp;

static void
remember(Drpc__Call *call, Drpc__Response *resp)
{
	seen_call    = call;
	seen_resp    = resp;
	resp->status = DRPC__STATUS__FAILURE;
}

static void
other(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	resp->status = DRPC__STATUS__UNKNOWN_METHOD;
}

static int
start(void **state)
{
	(void)state;
	return drpc_hdlr_init();
}

static int
stop(void **state)
{
	(void)state;
	return drpc_hdlr_fini();
}

/* The status that a call of this module is answered with. */
static int
status_of(int module)
{
	Drpc__Call     call = DRPC__CALL__INIT;
	Drpc__Response resp = DRPC__RESPONSE__INIT;

	call.module = module;
	drpc_hdlr_process_msg(&call, &resp);
	return resp.status;
}

/* Every failure says in words what is wrong. */
static void
failures_are_explained(void **state)
{
	(void)state;
	assert_int_equal(drpc_hdlr_register(1, NULL), -DER_INVAL);
	assert_string_equal(drpc_last_error(), "register: the handler is NULL");
	assert_int_equal(drpc_hdlr_register(5, remember), -DER_INVAL);
	assert_non_null(strstr(drpc_last_error(), "DRPC_MODULE_"));
	assert_int_equal(drpc_hdlr_register(1, remember), 0);
	assert_int_equal(drpc_hdlr_register(1, remember), -DER_EXIST);
	assert_string_equal(drpc_last_error(), "register: the module has a handler already");
	assert_int_equal(drpc_hdlr_fini(), 0);
	assert_int_equal(drpc_hdlr_unregister(1), -DER_UNINIT);
	assert_string_equal(drpc_last_error(), "register: drpc_hdlr_init has not been called");
}

static void
nothing_works_before_init(void **state)
{
	struct dss_drpc_handler list[] = {{1, remember}, {0, NULL}};

	(void)state;
	assert_int_equal(drpc_hdlr_register(1, remember), -DER_UNINIT);
	assert_int_equal(drpc_hdlr_register_all(list), -DER_UNINIT);
	assert_int_equal(drpc_hdlr_register_all(NULL), -DER_UNINIT);
	assert_null(drpc_hdlr_get_handler(1));
	assert_int_equal(drpc_hdlr_unregister(1), -DER_UNINIT);
	assert_int_equal(drpc_hdlr_unregister_all(list), -DER_UNINIT);
	assert_int_equal(drpc_hdlr_unregister_all(NULL), -DER_UNINIT);
	assert_int_equal(status_of(1), DRPC__STATUS__UNKNOWN_MODULE);
	assert_int_equal(drpc_hdlr_fini(), 0);
}

static void
init_and_fini_empty_the_table(void **state)
{
	(void)state;
	assert_int_equal(drpc_hdlr_init(), 0);
	assert_int_equal(drpc_hdlr_register(1, remember), 0);
	assert_int_equal(drpc_hdlr_init(), 0);
	assert_null(drpc_hdlr_get_handler(1));
	assert_int_equal(drpc_hdlr_register(1, other), 0);
	assert_int_equal(drpc_hdlr_fini(), 0);
	nothing_works_before_init(state);
	assert_int_equal(drpc_hdlr_init(), 0);
	assert_null(drpc_hdlr_get_handler(1));
	assert_int_equal(drpc_hdlr_fini(), 0);
}

static void
a_handler_gets_its_calls(void **state)
{
	Drpc__Call     call = DRPC__CALL__INIT;
	Drpc__Response resp = DRPC__RESPONSE__INIT;
	int            module;

	(void)state;
	for (module = 0; module < NUM_DRPC_MODULES; module++) {
		assert_int_equal(drpc_hdlr_register(module, remember), 0);
		assert_ptr_equal(drpc_hdlr_get_handler(module), remember);
		call.module = module;
		resp.status = DRPC__STATUS__SUCCESS;
		drpc_hdlr_process_msg(&call, &resp);
		assert_ptr_equal(seen_call, &call);
		assert_ptr_equal(seen_resp, &resp);
		assert_int_equal(resp.status, DRPC__STATUS__FAILURE);
	}
}

static void
a_module_has_one_handler(void **state)
{
	(void)state;
	assert_int_equal(drpc_hdlr_register(2, remember), 0);
	assert_int_equal(drpc_hdlr_register(2, other), -DER_EXIST);
	assert_int_equal(drpc_hdlr_register(2, remember), -DER_EXIST);
	assert_int_equal(drpc_hdlr_register(2, NULL), -DER_INVAL);
	assert_ptr_equal(drpc_hdlr_get_handler(2), remember);
	assert_int_equal(drpc_hdlr_register(3, other), 0);
	assert_int_equal(status_of(2), DRPC__STATUS__FAILURE);
	assert_int_equal(status_of(3), DRPC__STATUS__UNKNOWN_METHOD);
}

static void
register_refuses_null(void **state)
{
	(void)state;
	assert_int_equal(drpc_hdlr_register(1, NULL), -DER_INVAL);
	assert_null(drpc_hdlr_get_handler(1));
}

static void
modules_that_are_none(void **state)
{
	static const int modules[] = {-1, -2, INT_MIN, NUM_DRPC_MODULES, 255, INT_MAX};
	size_t           i;

	(void)state;
	for (i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
		assert_int_equal(drpc_hdlr_register(modules[i], remember), -DER_INVAL);
		assert_null(drpc_hdlr_get_handler(modules[i]));
		assert_int_equal(drpc_hdlr_unregister(modules[i]), -DER_INVAL);
		assert_int_equal(status_of(modules[i]), DRPC__STATUS__UNKNOWN_MODULE);
	}
	assert_int_equal(status_of(0), DRPC__STATUS__UNKNOWN_MODULE);
}

static void
unregister_empties_a_place(void **state)
{
	(void)state;
	assert_int_equal(drpc_hdlr_unregister(4), 0);
	assert_int_equal(drpc_hdlr_register(4, remember), 0);
	assert_int_equal(drpc_hdlr_unregister(4), 0);
	assert_null(drpc_hdlr_get_handler(4));
	assert_int_equal(status_of(4), DRPC__STATUS__UNKNOWN_MODULE);
	assert_int_equal(drpc_hdlr_register(4, other), 0);
	assert_ptr_equal(drpc_hdlr_get_handler(4), other);
}

static void
a_list_is_registered_to_its_end(void **state)
{
	struct dss_drpc_handler list[]  = {{1, remember}, {2, other}, {0, NULL}, {3, remember}};
	struct dss_drpc_handler empty[] = {{1, NULL}};

	(void)state;
	assert_int_equal(drpc_hdlr_register_all(NULL), 0);
	assert_int_equal(drpc_hdlr_register_all(empty), 0);
	assert_null(drpc_hdlr_get_handler(1));
	assert_int_equal(drpc_hdlr_register_all(list), 0);
	assert_ptr_equal(drpc_hdlr_get_handler(1), remember);
	assert_ptr_equal(drpc_hdlr_get_handler(2), other);
	assert_null(drpc_hdlr_get_handler(3));
	assert_int_equal(drpc_hdlr_unregister_all(empty), 0);
	assert_int_equal(drpc_hdlr_unregister_all(NULL), 0);
	assert_ptr_equal(drpc_hdlr_get_handler(1), remember);
	assert_int_equal(drpc_hdlr_unregister_all(list), 0);
	assert_null(drpc_hdlr_get_handler(1));
	assert_null(drpc_hdlr_get_handler(2));
}

static void
a_list_goes_on_after_a_failure(void **state)
{
	struct dss_drpc_handler list[]   = {{-1, other}, {1, other}, {2, other}, {0, NULL}};
	struct dss_drpc_handler bad[]    = {{2, other}, {9, other}, {3, other}, {0, NULL}};
	struct dss_drpc_handler remove[] = {{9, other}, {1, other}, {0, NULL}};

	(void)state;
	assert_int_equal(drpc_hdlr_register(1, remember), 0);
	/* The last failure is told: first -1, then the place that is taken. */
	assert_int_equal(drpc_hdlr_register_all(list), -DER_EXIST);
	assert_ptr_equal(drpc_hdlr_get_handler(1), remember);
	assert_ptr_equal(drpc_hdlr_get_handler(2), other);
	assert_int_equal(drpc_hdlr_register_all(bad), -DER_INVAL);
	assert_ptr_equal(drpc_hdlr_get_handler(3), other);
	assert_int_equal(drpc_hdlr_unregister_all(remove), 0);
	assert_null(drpc_hdlr_get_handler(1));
}

static void
process_msg_takes_null(void **state)
{
	Drpc__Call     call = DRPC__CALL__INIT;
	Drpc__Response resp = DRPC__RESPONSE__INIT;

	(void)state;
	assert_int_equal(drpc_hdlr_register(0, context_no_handler), 0);
	drpc_hdlr_process_msg(NULL, NULL);
	drpc_hdlr_process_msg(&call, NULL);
	drpc_hdlr_process_msg(NULL, &resp);
}

/* A handler may change the table that it was found in. */
static void
replace_me(Drpc__Call *call, Drpc__Response *resp)
{
	resp->status = DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD;
	if (drpc_hdlr_unregister(call->module) != 0 || drpc_hdlr_register(call->module, other) != 0)
		resp->status = DRPC__STATUS__FAILURE;
}

static void
a_handler_may_use_the_registry(void **state)
{
	(void)state;
	assert_int_equal(drpc_hdlr_register(1, replace_me), 0);
	assert_int_equal(status_of(1), DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD);
	assert_int_equal(status_of(1), DRPC__STATUS__UNKNOWN_METHOD);
}

static void *
come_and_go(void *arg)
{
	int i;

	for (i = 0; i < 20000; i++) {
		drpc_hdlr_register(1, other);
		drpc_hdlr_unregister(1);
	}
	return arg;
}

static void
threads_may_share_the_registry(void **state)
{
	pthread_t thread;
	int       status;
	int       i;

	(void)state;
	assert_int_equal(drpc_hdlr_register(2, remember), 0);
	assert_int_equal(pthread_create(&thread, NULL, come_and_go, NULL), 0);
	for (i = 0; i < 20000; i++) {
		status = status_of(1);
		assert_true(status == DRPC__STATUS__UNKNOWN_MODULE || status == DRPC__STATUS__UNKNOWN_METHOD);
		assert_int_equal(status_of(2), DRPC__STATUS__FAILURE);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

#define in_table(test) cmocka_unit_test_setup_teardown(test, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(nothing_works_before_init),
	    unit(init_and_fini_empty_the_table),
	    in_table(failures_are_explained),
	    in_table(a_handler_gets_its_calls),
	    in_table(a_module_has_one_handler),
	    in_table(register_refuses_null),
	    in_table(modules_that_are_none),
	    in_table(unregister_empties_a_place),
	    in_table(a_list_is_registered_to_its_end),
	    in_table(a_list_goes_on_after_a_failure),
	    in_table(process_msg_takes_null),
	    in_table(a_handler_may_use_the_registry),
	    in_table(threads_may_share_the_registry),
	};

	return cmocka_run_group_tests_name("handler " ABI_NAME, tests, NULL, NULL);
}
