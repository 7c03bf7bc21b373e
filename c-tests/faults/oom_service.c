/*
 * A service and its client while memory runs out, both dispatched in one thread: each call ends once, with its response
 * or in failure, and the next one works when there is memory again.
 */
#include "abi.h"

#include <stdlib.h>
#include <unistd.h>

#include <drpc/library.h>
#include <drpc/service.h>

#include "support/dir.h"
#include "support/patience.h"
#include "support/scenario.h"

#include "tree.pb-c.h"

enum { TREE = 7, CALLS = 3 };

/* libprotobuf-c frees by itself, which the count of blocks would not see. */
static void
free_block(void *data, void *block)
{
	(void)data;
	free(block);
}

static ProtobufCAllocator counted = {NULL, free_block, NULL};

static void
free_unpacked(ProtobufCMessage *message, ProtobufCAllocator *allocator)
{
	(void)allocator;
	protobuf_c_message_free_unpacked(message, &counted);
}

static struct drpc_protobuf_c
functions(void)
{
	struct drpc_protobuf_c functions = *drpc_libprotobuf_c();

	functions.free_unpacked = free_unpacked;
	return functions;
}

/* A call that is ended later. */
static Tree__Node_Closure later;
static void              *later_data;

static void
tree_echo(Tree__Tree_Service *service, const Tree__Node *input, Tree__Node_Closure closure, void *data)
{
	(void)service;
	closure(input, data);
}

static void
tree_later(Tree__Tree_Service *service, const Tree__Node *input, Tree__Node_Closure closure, void *data)
{
	(void)service;
	(void)input;
	later      = closure;
	later_data = data;
}

static void
tree_odd(Tree__Tree_Service *service, const Tree__Node *input, Tree__Node_Closure closure, void *data)
{
	(void)service;
	(void)input;
	(void)closure;
	drpc_service_fail(data, DRPC__STATUS__FAILURE, "odd");
}

static Tree__Tree_Service tree = TREE__TREE__INIT(tree_);

struct seen {
	int times;
	int status;
	bool responded;
};

static void
see(const Tree__Node *response, void *data)
{
	struct seen *seen = data;

	seen->times++;
	seen->status    = drpc_service_status();
	seen->responded = response != NULL;
}

struct pair {
	struct dir          dir;
	struct drpc_server *server;
	struct drpc_client *client;
	ProtobufCService   *service;
};

/* Nothing, or what must not be; the pair is complete if it has a service. */
static const char *
set_up(struct pair *pair)
{
	struct drpc_protobuf_c with = functions();
	int                    rc   = LIBRARY(drpc_server_create(pair->dir.sock, &pair->server));

	CHECK(fits(rc));
	if (rc == 0)
		rc = LIBRARY(drpc_server_add_service_with(pair->server, TREE, &tree.base, NULL, 0, &with));
	if (rc == 0)
		rc = LIBRARY(drpc_server_listen(pair->server));
	CHECK(fits(rc));
	if (rc == 0)
		rc = LIBRARY(drpc_client_create(pair->dir.sock, &pair->client));
	if (rc == 0)
		rc = LIBRARY(drpc_client_set(pair->client, DRPC_CLIENT_FRAMING, DRPC_FRAMING_CHUNKED));
	if (rc == 0)
		rc = LIBRARY(drpc_client_connect(pair->client));
	CHECK(fits(rc));
	if (rc != 0)
		return NULL;
	pair->service =
		LIBRARY(drpc_client_service_with(pair->client, TREE, &tree__tree__descriptor, NULL, true, &with));
	CHECK(pair->service != NULL || memory_denied() > 0);
	return NULL;
}

static void
tear_down(struct pair *pair)
{
	if (pair->service != NULL)
		LIBRARY_VOID(protobuf_c_service_destroy(pair->service));
	LIBRARY_VOID(drpc_client_destroy(pair->client));
	LIBRARY_VOID(drpc_server_destroy(pair->server));
	dir_remove(&pair->dir);
}

/* Serves until the call has been seen to end; true once it has. */
static bool
ends(struct pair *pair, const struct seen *seen)
{
	for (int ms = 0; ms < PATIENCE_MS && seen->times == 0; ms++) {
		LIBRARY(drpc_server_dispatch(pair->server, 0));
		LIBRARY(drpc_client_dispatch(pair->client, 1));
		if (later != NULL)
			LIBRARY_VOID(later(NULL, later_data));
		later = NULL;
		/* Without any memory nothing goes on. */
		if (ms == 10)
			memory_relieve();
	}
	return seen->times == 1;
}

static const char *
call(struct pair *pair, int method, bool plenty)
{
	static uint8_t data[5000];
	Tree__Node     child      = TREE__NODE__INIT;
	Tree__Node    *children[] = {&child, &child};
	Tree__Node     node       = TREE__NODE__INIT;
	struct seen    seen       = {0};

	node.name       = "a tree";
	node.data       = (ProtobufCBinaryData){sizeof(data), data};
	node.children   = children;
	node.n_children = 2;
	if (method == 0)
		LIBRARY_VOID(tree__tree__echo(pair->service, &node, see, &seen));
	else if (method == 1)
		LIBRARY_VOID(tree__tree__later(pair->service, &node, see, &seen));
	else
		LIBRARY_VOID(tree__tree__odd(pair->service, &node, see, &seen));
	CHECK(ends(pair, &seen));
	CHECK(seen.responded == (seen.status == 0));
	CHECK(method == 0 || !seen.responded);
	CHECK(!plenty || seen.status == (method == 0 ? 0 : DRPC__STATUS__FAILURE));
	return NULL;
}

static const char *
calls_of_a_service(void)
{
	struct pair pair    = {0};
	const char *problem = NULL;

	dir_make(&pair.dir);
	problem = set_up(&pair);
	for (int i = 0; i < CALLS && problem == NULL && pair.service != NULL; i++)
		problem = call(&pair, i, false);
	memory_relieve();
	if (problem == NULL && pair.service != NULL && LIBRARY(drpc_client_connect(pair.client)) == 0)
		problem = call(&pair, 0, true);
	tear_down(&pair);
	return problem;
}

static const char *
messages_as_bodies(void)
{
	struct drpc_protobuf_c with    = functions();
	Tree__Node             node    = TREE__NODE__INIT;
	ProtobufCBinaryData    body    = {0};
	ProtobufCMessage      *message = NULL;
	int                    rc;

	node.name = "a tree";
	rc        = LIBRARY(drpc_message_to_body_with(&node.base, &body, &with));
	CHECK(fits(rc));
	CHECK(explained(rc));
	if (rc == 0) {
		rc = LIBRARY(drpc_body_to_message_with(&body, &tree__node__descriptor, &message, &with));
		CHECK(fits(rc));
		CHECK((rc == 0) == (message != NULL));
	}
	if (message != NULL)
		free_unpacked(message, NULL);
	free(body.data);
	return NULL;
}

/* The table of calls stays with the process, too. */
static int
setup(void **state)
{
	return scenario_setup(state) != 0 || calls_of_a_service() != NULL;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    plays(calls_of_a_service),
	    plays(messages_as_bodies),
	};

	return cmocka_run_group_tests_name("oom service " ABI_NAME, tests, setup, NULL);
}
