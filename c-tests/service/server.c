/* A service as protoc-c declares it, on the managed server. */
#include "support/typed.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/descriptors.h"
#include "support/patience.h"
#include "support/said.h"

/* A call of Later, submitted: its status, or -1 while it has none. */
struct submitted {
	int status;
	int rc;
};

static void
take_status(int rc, Drpc__Response *resp, void *arg)
{
	struct submitted *submitted = arg;

	submitted->rc     = rc;
	submitted->status = resp == NULL ? -2 : (int)resp->status;
	drpc_response_free(resp);
}

static void
submit_bytes(struct typed *typed, int32_t method, const void *body, size_t len, struct submitted *submitted)
{
	*submitted = (struct submitted){.status = -1};
	assert_int_equal(drpc_client_submit(typed->client, TREE, method, body, len, NULL, take_status, submitted), 0);
}

/* Submits a call of Later with the message {name: "x"}, and waits until it is kept. */
static void
keep_one(struct typed *typed, struct submitted *submitted)
{
	int before = typed_kept_count();

	submit_bytes(typed, METHOD_LATER, "\012\001x", 3, submitted);
	UNTIL((drpc_client_dispatch(typed->client, 0), typed_kept_count() == before + 1));
}

static int
status_of(struct typed *typed, struct submitted *submitted)
{
	UNTIL((drpc_client_dispatch(typed->client, 0), submitted->status != -1));
	return submitted->status;
}

/* --- numbers ---------------------------------------------------------------------------- */

static void
a_method_has_its_number_from_the_module(void **state)
{
	struct typed typed;
	size_t       len = 0;

	(void)state;
	typed_make(&typed);
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, "\012\003abc", 5, &len), DRPC__STATUS__SUCCESS);
	assert_int_equal(len, 5);
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, NULL, 0, &len), DRPC__STATUS__SUCCESS);
	assert_int_equal(len, 0);
	assert_int_equal(typed_call_bytes(&typed, 700, NULL, 0, NULL), DRPC__STATUS__UNKNOWN_METHOD);
	assert_int_equal(typed_call_bytes(&typed, 704, NULL, 0, NULL), DRPC__STATUS__UNKNOWN_METHOD);
	assert_int_equal(typed_call_bytes(&typed, INT32_MIN, NULL, 0, NULL), DRPC__STATUS__UNKNOWN_METHOD);
	assert_int_equal(typed_runs, 2);
	typed_end(&typed);
}

static void
methods_may_be_given_numbers(void **state)
{
	const int32_t methods[] = {INT32_MAX, 5, -1};
	struct typed  typed;

	(void)state;
	typed_prepare(&typed);
	assert_int_equal(drpc_server_add_service(typed.managed.server, 8, &typed_service.base, methods, 0), 0);
	typed_start(&typed);
	for (int module = TREE; module <= 8; module++) {
		int32_t         number = module == TREE ? METHOD_ECHO : INT32_MAX;
		Drpc__Response *resp   = NULL;

		assert_int_equal(drpc_client_call(typed.client, module, number, "\012\001x", 3, NULL, &resp), 0);
		assert_int_equal(resp->status, DRPC__STATUS__SUCCESS);
		assert_int_equal(resp->body.len, 3);
		drpc_response_free(resp);
		assert_int_equal(drpc_client_call(typed.client, module, 801, NULL, 0, NULL, &resp), 0);
		assert_int_equal(resp->status, DRPC__STATUS__UNKNOWN_METHOD);
		drpc_response_free(resp);
	}
	typed_end(&typed);
}

static void
a_large_message_comes_back(void **state)
{
	const size_t size  = 3 << 20;
	uint8_t     *bytes = calloc(1, size + 5);
	struct typed typed;
	size_t       len = 0;

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, (uint8_t[]){3 << 3 | 2, 0x80, 0x80, 0xc0, 0x01}, 5);
	typed_make(&typed);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, bytes, size + 5, &len), DRPC__STATUS__SUCCESS);
		assert_int_equal(len, size + 5);
	}
	typed_end(&typed);
	free(bytes);
}

/* --- requests that do not unpack -------------------------------------------------------- */

static void
what_does_not_unpack_reaches_no_method(void **state)
{
	const char  *bodies[] = {"\012", "\012\005ab", "\011\001", "\013\014", "\377\377\377\377\377\377", "\042\002\012\007"};
	struct typed typed;

	(void)state;
	typed_make(&typed);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, bodies[i], strlen(bodies[i]), NULL),
				 DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD);
	assert_int_equal(typed_runs, 0);
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, NULL, 0, NULL), DRPC__STATUS__SUCCESS);
	typed_end(&typed);
}

static int
call_nested(struct typed *typed, size_t depth)
{
	size_t   len;
	uint8_t *bytes  = typed_nested(depth, &len);
	int      status = typed_call_bytes(typed, METHOD_ECHO, bytes, len, NULL);

	free(bytes);
	return status;
}

static void
messages_may_be_100_deep_inside_one_another(void **state)
{
	struct typed typed;

	(void)state;
	typed_prepare(&typed);
	/* The least stack that a server with services may have. */
	managed_set(&typed.managed, DRPC_SERVER_STACK, 256 << 10);
	typed_start(&typed);
	assert_int_equal(call_nested(&typed, 1), DRPC__STATUS__SUCCESS);
	assert_int_equal(call_nested(&typed, 100), DRPC__STATUS__SUCCESS);
	assert_int_equal(call_nested(&typed, 101), DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD);
	assert_true(SAYS("more than 100 deep"));
	assert_int_equal(call_nested(&typed, 9000), DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD);
	assert_int_equal(call_nested(&typed, 200000), DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD);
	assert_int_equal(typed_runs, 2);
	typed_end(&typed);
}

static int
call_empties(struct typed *typed, size_t count)
{
	size_t   len;
	uint8_t *bytes  = typed_empties(count, &len);
	int      status = typed_call_bytes(typed, METHOD_ECHO, bytes, len, NULL);

	free(bytes);
	return status;
}

static void
a_small_body_may_not_become_much_memory(void **state)
{
	struct typed typed;

	(void)state;
	typed_prepare(&typed);
	managed_set(&typed.managed, DRPC_SERVER_MAX_MESSAGE, 2 << 20);
	typed_start(&typed);
	assert_int_equal(call_empties(&typed, 10000), DRPC__STATUS__SUCCESS);
	assert_int_equal(call_empties(&typed, 500000), DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD);
	assert_int_equal(call_empties(&typed, 10000), DRPC__STATUS__SUCCESS);
	assert_int_equal(typed_runs, 2);
	typed_end(&typed);
}

static void
memory_for_requests_counts_for_their_user(void **state)
{
	struct submitted submitted;
	struct typed     typed;
	size_t           len;
	uint8_t         *bytes = typed_empties(10000, &len);

	(void)state;
	typed_prepare(&typed);
	managed_set(&typed.managed, DRPC_SERVER_MAX_PARTIAL, 1 << 20);
	managed_set(&typed.managed, DRPC_SERVER_MAX_PARTIAL_PER_UID, 1 << 20);
	typed_start(&typed);
	submit_bytes(&typed, METHOD_LATER, bytes, len, &submitted);
	UNTIL((drpc_client_dispatch(typed.client, 0), typed_kept_count() == 1));
	/* What takes little is served. */
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, NULL, 0, NULL), DRPC__STATUS__SUCCESS);
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, bytes, len, NULL), DRPC__STATUS__FAILURE);
	assert_int_equal(managed_stats(&typed.managed).limit_partial, 1);
	typed_kept.closures[0](NULL, typed_kept.data[0]);
	assert_int_equal(status_of(&typed, &submitted), DRPC__STATUS__FAILURE);
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, bytes, len, NULL), DRPC__STATUS__SUCCESS);
	typed_end(&typed);
	free(bytes);
}

/* --- the end of a call ------------------------------------------------------------------ */

static void *
end_first(void *arg)
{
	Tree__Node node = TREE__NODE__INIT;

	node.name = arg;
	typed_kept.closures[0](&node, typed_kept.data[0]);
	return NULL;
}

static void
a_call_is_ended_later_by_another_thread(void **state)
{
	struct submitted submitted;
	struct typed     typed;
	pthread_t        thread;

	(void)state;
	typed_make(&typed);
	keep_one(&typed, &submitted);
	assert_string_equal(typed_kept.inputs[0]->name, "x");
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, NULL, 0, NULL), DRPC__STATUS__SUCCESS);
	assert_int_equal(submitted.status, -1);
	assert_int_equal(pthread_create(&thread, NULL, end_first, "late"), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(status_of(&typed, &submitted), DRPC__STATUS__SUCCESS);
	typed_end(&typed);
}

static void
end_with_nothing(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	(void)input;
	closure(NULL, closure_data);
}

static void
end_with_another_type(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	Tree__Other other = TREE__OTHER__INIT;

	(void)input;
	closure((const Tree__Node *)(const void *)&other, closure_data);
}

static void
end_with_no_type(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	Tree__Node node = {0};

	(void)input;
	closure(&node, closure_data);
}

static void
a_call_without_its_response_fails(void **state)
{
	struct typed typed;

	(void)state;
	typed_make(&typed);
	typed_odd = end_with_nothing;
	assert_int_equal(typed_call_bytes(&typed, METHOD_ODD, NULL, 0, NULL), DRPC__STATUS__FAILURE);
	typed_odd = end_with_another_type;
	assert_int_equal(typed_call_bytes(&typed, METHOD_ODD, NULL, 0, NULL), DRPC__STATUS__FAILED_MARSHAL);
	typed_odd = end_with_no_type;
	assert_int_equal(typed_call_bytes(&typed, METHOD_ODD, NULL, 0, NULL), DRPC__STATUS__FAILED_MARSHAL);
	typed_end(&typed);
}

static void
end_three_times(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	closure(input, closure_data);
	closure(NULL, closure_data);
	closure(input, closure_data);
	assert_int_equal(drpc_service_fail(closure_data, DRPC__STATUS__FAILURE, NULL), -DER_INVAL);
	assert_null(drpc_service_session(closure_data));
}

static void
a_closure_that_is_called_again_does_nothing(void **state)
{
	Tree__Node       node = TREE__NODE__INIT;
	struct submitted first;
	struct submitted second;
	struct typed     typed;

	(void)state;
	typed_make(&typed);
	typed_odd = end_three_times;
	assert_int_equal(typed_call_bytes(&typed, METHOD_ODD, NULL, 0, NULL), DRPC__STATUS__SUCCESS);

	/* The second call takes the place of the first, and is not ended in its stead. */
	keep_one(&typed, &first);
	typed_kept.closures[0](&node, typed_kept.data[0]);
	assert_int_equal(status_of(&typed, &first), DRPC__STATUS__SUCCESS);
	keep_one(&typed, &second);
	typed_kept.closures[0](NULL, typed_kept.data[0]);
	typed_kept.closures[0](&node, NULL);
	assert_int_equal(typed_call_bytes(&typed, METHOD_ECHO, NULL, 0, NULL), DRPC__STATUS__SUCCESS);
	assert_int_equal(second.status, -1);
	typed_kept.closures[1](&node, typed_kept.data[1]);
	assert_int_equal(status_of(&typed, &second), DRPC__STATUS__SUCCESS);
	typed_end(&typed);
}

static void
fail_unknown(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	(void)input;
	(void)closure;
	assert_int_equal(drpc_service_fail(closure_data, DRPC__STATUS__UNKNOWN_METHOD, "no tree \xff here"), 0);
}

static void
fail_with_success(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	(void)input;
	(void)closure;
	assert_int_equal(drpc_service_fail(closure_data, DRPC__STATUS__SUCCESS, NULL), -DER_INVAL);
}

static void
a_call_fails_with_a_status_and_a_text(void **state)
{
	struct typed typed;

	(void)state;
	typed_make(&typed);
	typed_odd = fail_unknown;
	assert_int_equal(typed_call_bytes(&typed, METHOD_ODD, NULL, 0, NULL), DRPC__STATUS__UNKNOWN_METHOD);
	assert_true(SAYS("7.703", "no tree ? here"));
	typed_odd = fail_with_success;
	assert_int_equal(typed_call_bytes(&typed, METHOD_ODD, NULL, 0, NULL), DRPC__STATUS__FAILURE);
	assert_int_equal(drpc_service_fail(NULL, DRPC__STATUS__FAILURE, "x"), -DER_INVAL);
	typed_end(&typed);
}

static struct drpc_peer seen_peer;
static uint64_t         seen_id;

static void
look_at_session(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	struct drpc_session *session = drpc_service_session(closure_data);

	seen_peer = drpc_session_peer(session);
	seen_id   = drpc_session_id(session);
	/* The closure ends the call, and nothing else does. */
	assert_null(drpc_session_defer(session));
	closure(input, closure_data);
	assert_null(drpc_service_session(closure_data));
}

static void
a_method_knows_who_calls(void **state)
{
	struct typed typed;

	(void)state;
	typed_make(&typed);
	typed_odd = look_at_session;
	assert_int_equal(typed_call_bytes(&typed, METHOD_ODD, NULL, 0, NULL), DRPC__STATUS__SUCCESS);
	assert_int_equal(seen_peer.pid, getpid());
	assert_int_equal(seen_peer.uid, getuid());
	assert_int_not_equal(seen_id, 0);
	assert_null(drpc_service_session(NULL));
	typed_end(&typed);
}

static void
a_call_may_outlive_its_server(void **state)
{
	Tree__Node       node = TREE__NODE__INIT;
	struct submitted submitted;
	struct typed     typed;

	(void)state;
	typed_make(&typed);
	keep_one(&typed, &submitted);
	keep_one(&typed, &submitted);
	typed_end(&typed);
	assert_string_equal(typed_kept.inputs[0]->name, "x");
	assert_non_null(drpc_service_session(typed_kept.data[0]));
	typed_kept.closures[0](&node, typed_kept.data[0]);
	assert_int_equal(drpc_service_fail(typed_kept.data[1], DRPC__STATUS__FAILURE, NULL), -DER_UNREACH);
	typed_kept.closures[0](&node, typed_kept.data[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_method_has_its_number_from_the_module),
		unit(methods_may_be_given_numbers),
		unit(a_large_message_comes_back),
		unit(what_does_not_unpack_reaches_no_method),
		unit(messages_may_be_100_deep_inside_one_another),
		unit(a_small_body_may_not_become_much_memory),
		unit(memory_for_requests_counts_for_their_user),
		unit(a_call_is_ended_later_by_another_thread),
		unit(a_call_without_its_response_fails),
		unit(a_closure_that_is_called_again_does_nothing),
		unit(a_call_fails_with_a_status_and_a_text),
		unit(a_method_knows_who_calls),
		unit(a_call_may_outlive_its_server),
	};

	return cmocka_run_group_tests_name("service server " ABI_NAME, tests, NULL, NULL);
}
