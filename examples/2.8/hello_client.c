/*
 * hello_client: calls method 0 of module 0 of a server, as DAOS 2.6 and 2.8 programs do.
 *
 *   cc hello_client.c ../hello.pb-c.c -I.. $(pkg-config --cflags --libs drpc-2.8 libprotobuf-c) -o hello_client
 *   ./hello_client /tmp/hello.sock world
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <daos/drpc.h>
#include <daos/drpc_modules.h>
#include <drpc/library.h>

#include "hello.pb-c.h"

/* Microseconds on a clock that is never set. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/* Packs Hello{name} into the body of call, which owns it from then on. */
static int
pack_hello(Drpc__Call *call, char *name)
{
	Hello__Hello hello = HELLO__HELLO__INIT;
	hello.name = name;

	/* An empty message packs to nothing, for which malloc may give NULL. */
	size_t size = hello__hello__get_packed_size(&hello);
	call->body.data = malloc(size + 1);
	if (call->body.data == NULL)
		return -DER_NOMEM;
	call->body.len = hello__hello__pack(&hello, call->body.data);
	return 0;
}

/* Prints the greeting in the body of resp. */
static int
print_greeting(const Drpc__Response *resp)
{
	Hello__HelloResponse *answer = hello__hello_response__unpack(NULL, resp->body.len, resp->body.data);

	if (answer == NULL) {
		fprintf(stderr, "hello_client: the body of the response is not a HelloResponse\n");
		return EXIT_FAILURE;
	}
	printf("response: HelloResponse{greeting: \"%s\"}\n", answer->greeting);
	hello__hello_response__free_unpacked(answer, NULL);
	return EXIT_SUCCESS;
}

/* Prints what came back. What the server could not do is told by the status; there is no body then. */
static int
print_response(const Drpc__Response *resp)
{
	const ProtobufCEnumValue *status = protobuf_c_enum_descriptor_get_value(&drpc__status__descriptor, resp->status);
	int result = EXIT_FAILURE;

	if (resp->status == DRPC__STATUS__SUCCESS)
		result = print_greeting(resp);
	printf("status:   %s (%d)\n", status != NULL ? status->name : "unknown", (int)resp->status);
	return result;
}

/* Greets over an open connection. */
static int
greet(struct drpc *ctx, char *name)
{
	Drpc__Call *call = NULL;
	int rc = drpc_call_create(ctx, DRPC_MODULE_TEST, HELLO__FUNCTION__GREETING, &call);
	if (rc != 0) {
		fprintf(stderr, "hello_client: %s\n", drpc_last_error());
		return EXIT_FAILURE;
	}
	rc = pack_hello(call, name);
	if (rc != 0) {
		fprintf(stderr, "hello_client: %s\n", drpc_strerror(rc));
		drpc_call_free(call);
		return EXIT_FAILURE;
	}
	printf("call:     module %d, method %d, Hello{name: \"%s\"}\n", call->module, call->method, name);

	/* With R_SYNC the call waits for its response; it is ours to free, and so is the call still. */
	Drpc__Response *resp = NULL;
	double begin = now();
	rc = drpc_call(ctx, R_SYNC, call, &resp);
	double end = now();
	drpc_call_free(call);
	if (rc != 0) {
		fprintf(stderr, "hello_client: %s: %s\n", drpc_strerror(rc), drpc_last_error());
		return EXIT_FAILURE;
	}

	int status = print_response(resp);
	printf("time:     %.0f us\n", end - begin);
	drpc_response_free(resp);
	return status;
}

int
main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s SOCKET NAME\n", argv[0]);
		return 2;
	}

	struct drpc *ctx = NULL;
	int rc = drpc_connect(argv[1], &ctx);
	if (rc != 0) {
		fprintf(stderr, "hello_client: %s: %s\n", drpc_strerror(rc), drpc_last_error());
		return EXIT_FAILURE;
	}
	/* Otherwise a call waits for as long as the server likes. */
	drpc_set_timeout(ctx, 10000);

	int status = greet(ctx, argv[2]);
	drpc_close(ctx);
	return status;
}
