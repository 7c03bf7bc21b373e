/*
 * calc_server: serves the calculator of calc.proto with threads of the library.
 *
 *   protoc-c --c_out=. calc.proto
 *   cc calc_server.c calc.pb-c.c $(pkg-config --cflags --libs drpc-2.8 libprotobuf-c) -o calc_server
 *   ./calc_server /tmp/calc.sock
 *
 * The same source compiles against drpc-0.8 and drpc-2.8. SIGINT and SIGTERM end the server.
 */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <drpc/service.h>

#include "calc.pb-c.h"

/* The number of our module: Add is method 10001, Divide 10002. Those of DAOS are small. */
enum { CALC = 100 };

static struct drpc_server *server;

/* The methods. Each ends its call once: by the closure, or by drpc_service_fail. */

static void
calc_add(Calc__Calc_Service *service, const Calc__AddRequest *request, Calc__AddResponse_Closure closure, void *call)
{
	Calc__AddResponse response = CALC__ADD_RESPONSE__INIT;

	(void)service;
	response.sum = (int64_t)((uint64_t)request->a + (uint64_t)request->b);
	closure(&response, call);
}

static void
calc_divide(Calc__Calc_Service *service, const Calc__DivideRequest *request, Calc__DivideResponse_Closure closure,
	    void *call)
{
	Calc__DivideResponse response = CALC__DIVIDE_RESPONSE__INIT;

	(void)service;
	if (request->b == 0 || (request->a == INT64_MIN && request->b == -1)) {
		drpc_service_fail(call, DRPC__STATUS__FAILURE, "the quotient is no number of 64 bits");
		return;
	}
	response.quotient = request->a / request->b;
	closure(&response, call);
}

static void
stop(int sig)
{
	(void)sig;
	drpc_server_stop(server);
}

static void
on_stop_signals(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int
main(int argc, char **argv)
{
	Calc__Calc_Service calc = CALC__CALC__INIT(calc_);

	if (argc != 2) {
		fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
		return 2;
	}

	int rc = drpc_server_create(argv[1], &server);
	if (rc == 0)
		rc = drpc_server_add_service(server, CALC, &calc.base, NULL, 0);
	/* A server that was killed has left its socket behind. */
	if (rc == 0)
		rc = drpc_server_set(server, DRPC_SERVER_REPLACE_STALE, 1);
	if (rc == 0)
		rc = drpc_server_listen(server);
	if (rc == 0) {
		on_stop_signals(stop);
		printf("listening on %s\n", argv[1]);
		fflush(stdout);
		rc = drpc_server_run(server);
		/* From here on there is nothing to stop. */
		on_stop_signals(SIG_IGN);
	}
	if (rc != 0)
		fprintf(stderr, "calc_server: %s: %s\n", drpc_strerror(rc), drpc_last_error());
	drpc_server_destroy(server);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
