/*
 * calc_client: adds two numbers, and divides one by the other.
 *
 *   protoc-c --c_out=. calc.proto
 *   cc calc_client.c calc.pb-c.c $(pkg-config --cflags --libs drpc-2.8 libprotobuf-c) -o calc_client
 *   ./calc_client /tmp/calc.sock 84 2
 *
 * The same source compiles against drpc-0.8 and drpc-2.8.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <drpc/service.h>

#include "calc.pb-c.h"

/* The number of the server's module. */
enum { CALC = 100 };

enum { PATIENCE_MS = 10000 };

static void
complain(void)
{
	fprintf(stderr, "calc_client: %s\n", drpc_last_error());
}

/* Closures, which run before the calls return: with the response, or with NULL. */

static void
show_sum(const Calc__AddResponse *response, void *done)
{
	if (response == NULL) {
		complain();
		return;
	}
	printf("sum: %" PRId64 "\n", response->sum);
	*(int *)done = 1;
}

static void
show_quotient(const Calc__DivideResponse *response, void *done)
{
	if (response == NULL) {
		complain();
		return;
	}
	printf("quotient: %" PRId64 "\n", response->quotient);
	*(int *)done = 1;
}

/* Makes both calls; whether there were two responses. */
static int
calculate(struct drpc_client *client, int64_t a, int64_t b)
{
	Calc__AddRequest    add    = CALC__ADD_REQUEST__INIT;
	Calc__DivideRequest divide = CALC__DIVIDE_REQUEST__INIT;
	ProtobufCService   *calc   = drpc_client_service(client, CALC, &calc__calc__descriptor, NULL);
	int                 added = 0, divided = 0;

	if (calc == NULL) {
		complain();
		return 0;
	}
	add.a = divide.a = a;
	add.b = divide.b = b;
	calc__calc__add(calc, &add, show_sum, &added);
	calc__calc__divide(calc, &divide, show_quotient, &divided);
	protobuf_c_service_destroy(calc);
	return added && divided;
}

int
main(int argc, char **argv)
{
	struct drpc_client *client;
	int done = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: %s SOCKET NUMBER NUMBER\n", argv[0]);
		return 2;
	}

	int rc = drpc_client_create(argv[1], &client);
	if (rc == 0)
		rc = drpc_client_set(client, DRPC_CLIENT_TIMEOUT, PATIENCE_MS);
	if (rc == 0)
		rc = drpc_client_connect(client);
	if (rc != 0)
		complain();
	else
		done = calculate(client, strtoll(argv[2], NULL, 10), strtoll(argv[3], NULL, 10));
	drpc_client_destroy(client);
	return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
