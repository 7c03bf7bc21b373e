#include "typed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "patience.h"

struct kept typed_kept = {.lock = PTHREAD_MUTEX_INITIALIZER};
void (*typed_odd)(const Tree__Node *input, Tree__Node_Closure closure, void *closure_data);
int typed_runs;

static void
tree_echo(Tree__Tree_Service *service, const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	(void)service;
	__atomic_add_fetch(&typed_runs, 1, __ATOMIC_SEQ_CST);
	closure(input, closure_data);
	/* It is still there. */
	if (strlen(input->name) > 1000)
		abort();
}

static void
tree_later(Tree__Tree_Service *service, const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	(void)service;
	pthread_mutex_lock(&typed_kept.lock);
	if (typed_kept.count < KEPT_MAX) {
		typed_kept.closures[typed_kept.count] = closure;
		typed_kept.data[typed_kept.count]     = closure_data;
		typed_kept.inputs[typed_kept.count]   = input;
		typed_kept.count++;
	}
	pthread_mutex_unlock(&typed_kept.lock);
}

static void
tree_odd(Tree__Tree_Service *service, const Tree__Node *input, Tree__Node_Closure closure, void *closure_data)
{
	(void)service;
	typed_odd(input, closure, closure_data);
}

Tree__Tree_Service typed_service = TREE__TREE__INIT(tree_);

void
typed_prepare(struct typed *typed)
{
	typed_runs       = 0;
	typed_kept.count = 0;
	managed_make(&typed->managed);
	managed_set(&typed->managed, DRPC_SERVER_THREADS, 2);
	assert_int_equal(drpc_server_add_service(typed->managed.server, TREE, &typed_service.base, NULL,
						 DRPC_SERVER_CONCURRENT),
			 0);
	assert_int_equal(drpc_client_create(typed->managed.dir.sock, &typed->client), 0);
	assert_int_equal(drpc_client_set(typed->client, DRPC_CLIENT_TIMEOUT, PATIENCE_MS), 0);
	assert_int_equal(drpc_client_set(typed->client, DRPC_CLIENT_PIPELINING, 1), 0);
	assert_int_equal(drpc_client_set(typed->client, DRPC_CLIENT_FRAMING, DRPC_FRAMING_CHUNKED), 0);
}

void
typed_start(struct typed *typed)
{
	managed_start(&typed->managed);
	assert_int_equal(drpc_client_connect(typed->client), 0);
}

void
typed_make(struct typed *typed)
{
	typed_prepare(typed);
	typed_start(typed);
}

void
typed_end(struct typed *typed)
{
	drpc_client_destroy(typed->client);
	managed_end(&typed->managed);
}

int
typed_call_bytes(struct typed *typed, int32_t method, const void *body, size_t len, size_t *reply_len)
{
	Drpc__Response *resp = NULL;
	int             status;

	assert_int_equal(drpc_client_call(typed->client, TREE, method, body, len, NULL, &resp), 0);
	status = resp->status;
	if (reply_len != NULL)
		*reply_len = resp->body.len;
	drpc_response_free(resp);
	return status;
}

uint8_t *
typed_nested(size_t depth, size_t *len)
{
	/* Written from the innermost outwards, which is from the end. */
	size_t   room  = depth * 6 + 1;
	uint8_t *bytes = malloc(room);
	uint8_t *at    = bytes + room;

	assert_non_null(bytes);
	for (size_t i = 0; i < depth; i++) {
		size_t  inner = (size_t)(bytes + room - at);
		uint8_t digits[5];
		int     count = 0;

		do {
			digits[count++] = (uint8_t)((inner & 0x7f) | (inner > 0x7f ? 0x80 : 0));
			inner >>= 7;
		} while (inner > 0);
		at -= count;
		memcpy(at, digits, (size_t)count);
		*--at = 4 << 3 | 2;
	}
	*len = (size_t)(bytes + room - at);
	memmove(bytes, at, *len);
	return bytes;
}

uint8_t *
typed_empties(size_t count, size_t *len)
{
	uint8_t *bytes = calloc(count, 2);

	assert_non_null(bytes);
	for (size_t i = 0; i < count; i++)
		bytes[2 * i] = 2 << 3 | 2;
	*len = 2 * count;
	return bytes;
}

int
typed_kept_count(void)
{
	int count;

	pthread_mutex_lock(&typed_kept.lock);
	count = typed_kept.count;
	pthread_mutex_unlock(&typed_kept.lock);
	return count;
}
