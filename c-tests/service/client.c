/* Services that call through a shared client. */
#include "support/typed.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/descriptors.h"
#include "support/patience.h"
#include "support/said.h"

/* The end of a call, as its closure has seen it. */
struct seen {
	int               times;
	bool              responded;
	char              name[64];
	int               status; /* drpc_service_status() there */
	ProtobufCService *destroyed; /* by the closure */
};

static void
see(const Tree__Node *response, void *data)
{
	struct seen *seen = data;

	seen->times++;
	seen->responded = response != NULL;
	if (response != NULL)
		snprintf(seen->name, sizeof(seen->name), "%s", response->name);
	seen->status = drpc_service_status();
	if (seen->destroyed != NULL)
		protobuf_c_service_destroy(seen->destroyed);
}

static Tree__Node
named(const char *name)
{
	Tree__Node node = TREE__NODE__INIT;

	node.name = (char *)name;
	return node;
}

static struct seen
echo(ProtobufCService *service, const char *name)
{
	Tree__Node  node = named(name);
	struct seen seen = {0};

	tree__tree__echo(service, &node, see, &seen);
	return seen;
}

static struct seen
odd(ProtobufCService *service)
{
	Tree__Node  node = named("x");
	struct seen seen = {0};

	tree__tree__odd(service, &node, see, &seen);
	return seen;
}

static ProtobufCService *
service_of(struct typed *typed)
{
	ProtobufCService *service = drpc_client_service(typed->client, TREE, &tree__tree__descriptor, NULL);

	assert_non_null(service);
	return service;
}

static void
assert_failed(struct seen seen, int status)
{
	assert_int_equal(seen.times, 1);
	assert_false(seen.responded);
	assert_int_equal(seen.status, status);
	assert_int_equal(drpc_service_status(), status);
}

/* --- calls ------------------------------------------------------------------------------ */

static void
a_call_has_its_response_when_it_returns(void **state)
{
	ProtobufCService *service;
	struct typed      typed;
	struct seen       seen;
	char              large[3000];
	Tree__Node        node = TREE__NODE__INIT;

	(void)state;
	typed_make(&typed);
	service = service_of(&typed);
	seen    = echo(service, "a tree");
	assert_int_equal(seen.times, 1);
	assert_string_equal(seen.name, "a tree");
	assert_int_equal(seen.status, 0);
	assert_int_equal(drpc_service_status(), 0);
	memset(large, 'x', sizeof(large));
	node.data = (ProtobufCBinaryData){sizeof(large), (uint8_t *)large};
	seen      = (struct seen){0};
	tree__tree__echo(service, &node, see, &seen);
	assert_true(seen.responded);
	/* Nobody has to look. */
	tree__tree__echo(service, &node, NULL, NULL);
	assert_int_equal(drpc_service_status(), 0);
	protobuf_c_service_destroy(service);
	typed_end(&typed);
}

static void
methods_may_be_given_numbers(void **state)
{
	const int32_t     methods[] = {METHOD_ODD, METHOD_LATER, METHOD_ECHO};
	ProtobufCService *service;
	struct typed      typed;

	(void)state;
	typed_make(&typed);
	service = drpc_client_service(typed.client, TREE, &tree__tree__descriptor, methods);
	assert_non_null(service);
	assert_string_equal(odd(service).name, "x");
	assert_int_equal(typed_runs, 1);
	protobuf_c_service_destroy(service);
	typed_end(&typed);
}

static void
fail_it(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	(void)input;
	(void)closure;
	assert_int_equal(drpc_service_fail(closure_data, DRPC__STATUS__FAILED_MARSHAL, NULL), 0);
}

static void
fail_beyond(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	(void)input;
	(void)closure;
	assert_int_equal(drpc_service_fail(closure_data, -1014, NULL), 0);
}

static void
a_status_says_what_the_server_has_answered(void **state)
{
	ProtobufCService *service;
	ProtobufCService *unknown;
	struct typed      typed;

	(void)state;
	typed_make(&typed);
	service   = service_of(&typed);
	unknown   = drpc_client_service(typed.client, 8, &tree__tree__descriptor, NULL);
	typed_odd = fail_it;
	assert_failed(odd(service), DRPC__STATUS__FAILED_MARSHAL);
	assert_true(SAYS("FAILED_MARSHAL", "7.703"));
	/* Negative numbers are those of errors. */
	typed_odd = fail_beyond;
	assert_failed(odd(service), DRPC__STATUS__FAILURE);
	assert_failed(echo(unknown, "x"), DRPC__STATUS__UNKNOWN_MODULE);
	assert_int_equal(echo(service, "x").status, 0);
	protobuf_c_service_destroy(unknown);
	protobuf_c_service_destroy(service);
	typed_end(&typed);
}

static void
a_request_has_the_methods_type(void **state)
{
	Tree__Other       other   = TREE__OTHER__INIT;
	Tree__Node        nothing = {0};
	struct seen       seen    = {0};
	ProtobufCService *service;
	struct typed      typed;

	(void)state;
	typed_make(&typed);
	service = service_of(&typed);
	service->invoke(service, 0, &other.base, (ProtobufCClosure)see, &seen);
	assert_failed(seen, -DER_INVAL);
	seen = (struct seen){0};
	tree__tree__echo(service, &nothing, see, &seen);
	assert_failed(seen, -DER_INVAL);
	seen = (struct seen){0};
	tree__tree__echo(service, NULL, see, &seen);
	assert_failed(seen, -DER_INVAL);
	seen = (struct seen){0};
	service->invoke(service, 3, &other.base, (ProtobufCClosure)see, &seen);
	assert_failed(seen, -DER_INVAL);
	assert_int_equal(typed_runs, 0);
	protobuf_c_service_destroy(service);
	typed_end(&typed);
}

static void
a_client_that_is_not_connected_says_so(void **state)
{
	ProtobufCService *service;
	struct typed      typed;

	(void)state;
	typed_prepare(&typed);
	service = service_of(&typed);
	assert_failed(echo(service, "x"), -DER_UNREACH);
	assert_true(SAYS("not connected: drpc_client_connect has to succeed first"));
	protobuf_c_service_destroy(service);
	service = drpc_client_service_dispatched(typed.client, TREE, &tree__tree__descriptor, NULL);
	assert_failed(echo(service, "x"), -DER_UNREACH);
	protobuf_c_service_destroy(service);
	typed_end(&typed);
}

static void *
cancel_when_kept(void *cancel)
{
	UNTIL(typed_kept_count() == 1);
	drpc_cancel_trigger(cancel);
	return NULL;
}

static void
calls_end_in_time_or_are_cancelled(void **state)
{
	struct drpc_call_options options = {.size = sizeof(options), .timeout_ms = 30};
	Tree__Node               node    = TREE__NODE__INIT;
	struct seen              seen    = {0};
	ProtobufCService        *service;
	struct typed             typed;
	pthread_t                thread;

	(void)state;
	typed_make(&typed);
	service = service_of(&typed);
	assert_int_equal(drpc_service_set_options(service, &options), 0);
	tree__tree__later(service, &node, see, &seen);
	assert_failed(seen, -DER_TIMEDOUT);
	UNTIL(typed_kept_count() == 1);
	typed_kept.closures[0](NULL, typed_kept.data[0]);

	typed_kept.count   = 0;
	options.timeout_ms = -1;
	options.cancel     = drpc_cancel_create();
	assert_non_null(options.cancel);
	assert_int_equal(drpc_service_set_options(service, &options), 0);
	assert_int_equal(pthread_create(&thread, NULL, cancel_when_kept, (void *)options.cancel), 0);
	seen = (struct seen){0};
	tree__tree__later(service, &node, see, &seen);
	assert_failed(seen, -DER_CANCELED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	drpc_cancel_destroy((struct drpc_cancel *)options.cancel);
	typed_kept.closures[0](NULL, typed_kept.data[0]);

	/* The token stays with the service until others are set. */
	assert_failed(echo(service, "x"), -DER_CANCELED);
	assert_int_equal(drpc_service_set_options(service, NULL), 0);
	assert_int_equal(echo(service, "x").status, 0);
	protobuf_c_service_destroy(service);
	typed_end(&typed);
}

/* --- replies that do not unpack --------------------------------------------------------- */

static ProtobufCBinaryData reply;

static void
answer_reply(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)call;
	(void)arg;
	resp->body.data = malloc(reply.len);
	resp->body.len  = reply.len;
	memcpy(resp->body.data, reply.data, reply.len);
}

static void
assert_reply(ProtobufCService *service, const uint8_t *bytes, size_t len, int status)
{
	struct seen seen;

	reply = (ProtobufCBinaryData){len, (uint8_t *)bytes};
	seen  = echo(service, "x");
	assert_int_equal(seen.times, 1);
	assert_int_equal(seen.responded, status == 0);
	assert_int_equal(seen.status, status);
}

static void
replies_have_the_limits_of_requests(void **state)
{
	const size_t      depths[] = {100, 101, 9000};
	ProtobufCService *service;
	struct typed      typed;
	uint8_t          *bytes;
	size_t            len;

	(void)state;
	typed_prepare(&typed);
	managed_register(&typed.managed, OTHER, answer_reply, NULL);
	assert_int_equal(drpc_client_set(typed.client, DRPC_CLIENT_MAX_MESSAGE, 2 << 20), 0);
	typed_start(&typed);
	service = drpc_client_service(typed.client, OTHER, &tree__tree__descriptor, NULL);
	assert_non_null(service);
	assert_reply(service, (const uint8_t *)"\012\001x", 3, 0);
	assert_reply(service, (const uint8_t *)"\012\005x", 3, -DER_PROTO);
	assert_true(SAYS("no message of the method's type"));
	for (size_t i = 0; i < 3; i++) {
		bytes = typed_nested(depths[i], &len);
		assert_reply(service, bytes, len, depths[i] > 100 ? -DER_PROTO : 0);
		free(bytes);
	}
	assert_true(SAYS("more than 100 deep"));
	bytes = typed_empties(500000, &len);
	assert_reply(service, bytes, len, -DER_OVERFLOW);
	assert_true(SAYS("2097152 bytes of memory"));
	free(bytes);
	protobuf_c_service_destroy(service);

	service = drpc_client_service_dispatched(typed.client, OTHER, &tree__tree__descriptor, NULL);
	bytes   = typed_nested(101, &len);
	reply   = (ProtobufCBinaryData){len, bytes};
	{
		Tree__Node  node = TREE__NODE__INIT;
		struct seen seen = {0};

		tree__tree__echo(service, &node, see, &seen);
		UNTIL((drpc_client_dispatch(typed.client, 0), seen.times == 1));
		assert_failed(seen, -DER_PROTO);
	}
	free(bytes);
	protobuf_c_service_destroy(service);
	typed_end(&typed);
}

/* --- closures that are dispatched ------------------------------------------------------- */

static void
closures_run_where_the_client_is_dispatched(void **state)
{
	ProtobufCService *service;
	struct typed      typed;
	struct seen       seen[3] = {{0}};
	Tree__Node        node;

	(void)state;
	typed_make(&typed);
	typed_odd = fail_it;
	service   = drpc_client_service_dispatched(typed.client, TREE, &tree__tree__descriptor, NULL);
	assert_non_null(service);
	for (int i = 0; i < 3; i++) {
		node = named(i == 0 ? "first" : "second");
		if (i < 2)
			tree__tree__echo(service, &node, see, &seen[i]);
		else
			tree__tree__odd(service, &node, see, &seen[i]);
	}
	/* The requests can be used again. */
	node = named("neither");
	assert_int_equal(seen[0].times + seen[1].times + seen[2].times, 0);
	UNTIL((drpc_client_dispatch(typed.client, 0), seen[0].times + seen[1].times + seen[2].times == 3));
	assert_string_equal(seen[0].name, "first");
	assert_string_equal(seen[1].name, "second");
	assert_false(seen[2].responded);
	assert_int_equal(seen[2].status, DRPC__STATUS__FAILED_MARSHAL);
	protobuf_c_service_destroy(service);
	typed_end(&typed);
}

static void
calls_go_on_without_their_service(void **state)
{
	Tree__Node        node = TREE__NODE__INIT;
	struct seen       seen[2] = {{0}};
	ProtobufCService *service;
	struct typed      typed;

	(void)state;
	typed_make(&typed);
	service = drpc_client_service_dispatched(typed.client, TREE, &tree__tree__descriptor, NULL);
	for (int i = 0; i < 2; i++)
		tree__tree__later(service, &node, see, &seen[i]);
	protobuf_c_service_destroy(service);
	UNTIL((drpc_client_dispatch(typed.client, 0), typed_kept_count() == 2));
	typed_kept.closures[0](&node, typed_kept.data[0]);
	UNTIL((drpc_client_dispatch(typed.client, 0), seen[0].times + seen[1].times == 1));
	assert_true(seen[0].responded || seen[1].responded);
	/* The client ends what is left. */
	drpc_client_destroy(typed.client);
	typed.client = NULL;
	assert_int_equal(seen[0].times + seen[1].times, 2);
	assert_int_equal(drpc_service_status(), -DER_UNREACH);
	typed_kept.closures[1](NULL, typed_kept.data[1]);
	typed_end(&typed);
}

static void
a_closure_may_destroy_its_service(void **state)
{
	Tree__Node   node = TREE__NODE__INIT;
	struct seen  seen = {0};
	struct typed typed;

	(void)state;
	typed_make(&typed);
	seen.destroyed = service_of(&typed);
	tree__tree__echo(seen.destroyed, &node, see, &seen);
	assert_int_equal(seen.times, 1);
	seen           = (struct seen){0};
	seen.destroyed = drpc_client_service_dispatched(typed.client, TREE, &tree__tree__descriptor, NULL);
	tree__tree__echo(seen.destroyed, &node, see, &seen);
	UNTIL((drpc_client_dispatch(typed.client, 0), seen.times == 1));
	assert_true(seen.responded);
	typed_end(&typed);
}

struct later {
	ProtobufCService *service;
	struct seen       seen;
};

static void *
call_later(void *arg)
{
	struct later *later = arg;
	Tree__Node    node  = TREE__NODE__INIT;

	tree__tree__later(later->service, &node, see, &later->seen);
	return NULL;
}

static void
a_service_may_be_destroyed_with_a_call_out(void **state)
{
	Tree__Node   node  = TREE__NODE__INIT;
	struct later later = {0};
	struct typed typed;
	pthread_t    thread;

	(void)state;
	typed_make(&typed);
	later.service = service_of(&typed);
	assert_int_equal(pthread_create(&thread, NULL, call_later, &later), 0);
	UNTIL(typed_kept_count() == 1);
	protobuf_c_service_destroy(later.service);
	typed_kept.closures[0](&node, typed_kept.data[0]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(later.seen.responded);
	typed_end(&typed);
}

/* --- threads ---------------------------------------------------------------------------- */

enum { THREADS = 4, CALLS = 50 };

static void *
call_often(void *service)
{
	char name[32];

	for (int i = 0; i < CALLS; i++) {
		struct seen seen;

		snprintf(name, sizeof(name), "%d of %p", i, (void *)&seen);
		seen = echo(service, name);
		if (seen.times != 1 || strcmp(seen.name, name) != 0)
			return NULL;
	}
	return service;
}

static void
threads_share_a_service(void **state)
{
	ProtobufCService *service;
	struct typed      typed;
	pthread_t         threads[THREADS];
	void             *done;

	(void)state;
	typed_make(&typed);
	service = service_of(&typed);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, service), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &done), 0);
		assert_ptr_equal(done, service);
	}
	protobuf_c_service_destroy(service);
	typed_end(&typed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		unit(a_call_has_its_response_when_it_returns),
		unit(methods_may_be_given_numbers),
		unit(a_status_says_what_the_server_has_answered),
		unit(a_request_has_the_methods_type),
		unit(a_client_that_is_not_connected_says_so),
		unit(calls_end_in_time_or_are_cancelled),
		unit(replies_have_the_limits_of_requests),
		unit(closures_run_where_the_client_is_dispatched),
		unit(calls_go_on_without_their_service),
		unit(a_closure_may_destroy_its_service),
		unit(a_service_may_be_destroyed_with_a_call_out),
		unit(threads_share_a_service),
	};

	return cmocka_run_group_tests_name("service client " ABI_NAME, tests, NULL, NULL);
}
