/*
 * hello_server: greets each caller of method 0 of module 0.
 *
 *   cc hello_server.c hello.pb-c.c $(pkg-config --cflags --libs drpc-2.8 libprotobuf-c) -o hello_server
 *   ./hello_server /tmp/hello.sock
 *
 * The same source compiles against drpc-0.8 and drpc-2.8. SIGINT and SIGTERM end the server.
 */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <daos/drpc.h>
#include <daos/drpc_handler.h>
#include <daos/drpc_modules.h>
#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include "hello.pb-c.h"

static volatile sig_atomic_t stopped;

static void
stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/*
 * Method GREETING. The body of the response has to come from malloc: the library frees it once it is sent. A status
 * other than success is all that a caller learns of a failure.
 */
static void
greet(const Drpc__Call *call, Drpc__Response *resp)
{
	Hello__Hello *hello = hello__hello__unpack(NULL, call->body.len, call->body.data);

	if (hello == NULL) {
		resp->status = DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD;
		return;
	}

	size_t size = strlen(hello->name) + sizeof("Hello, !");
	char *greeting = malloc(size);
	if (greeting == NULL) {
		resp->status = DRPC__STATUS__FAILURE;
		hello__hello__free_unpacked(hello, NULL);
		return;
	}
	snprintf(greeting, size, "Hello, %s!", hello->name);
	hello__hello__free_unpacked(hello, NULL);

	Hello__HelloResponse answer = HELLO__HELLO_RESPONSE__INIT;
	answer.greeting = greeting;

	resp->body.data = malloc(hello__hello_response__get_packed_size(&answer));
	if (resp->body.data != NULL)
		resp->body.len = hello__hello_response__pack(&answer, resp->body.data);
	else
		resp->status = DRPC__STATUS__FAILED_MARSHAL;
	free(greeting);
}

/* The handler of the module: it gets the calls of all its methods. The response comes prepared, with status SUCCESS. */
static void
hello(Drpc__Call *call, Drpc__Response *resp)
{
	switch (call->method) {
	case HELLO__FUNCTION__GREETING:
		greet(call, resp);
		break;
	default:
		resp->status = DRPC__STATUS__UNKNOWN_METHOD;
		break;
	}
	printf("module %d, method %d: status %d\n", call->module, call->method, (int)resp->status);
}

/* Serves listener until a signal comes; takes the listener over. */
static int
serve(struct drpc *listener)
{
	struct drpc_progress_context *progress = drpc_progress_context_create(listener);

	if (progress == NULL) {
		fprintf(stderr, "hello_server: %s\n", drpc_last_error());
		drpc_close(listener);
		return EXIT_FAILURE;
	}

	while (!stopped) {
		/*
		 * Waits up to a second for calls and new connections, and handles what came. A signal interrupts the
		 * wait; one that comes just before it is seen after that second.
		 */
		int rc = drpc_progress(progress, 1000);

		/* Nothing that can go wrong here ends the server: say it, and serve the others. */
		if (rc != 0 && rc != -DER_TIMEDOUT && rc != -DER_AGAIN && !stopped)
			fprintf(stderr, "hello_server: %s: %s\n", drpc_strerror(rc), drpc_last_error());
	}

	/* Closes the sessions, too, and the listener. */
	drpc_progress_context_close(progress);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
		return 2;
	}

	/* Not signal(): it asks for interrupted waits to go on. */
	struct sigaction on_stop = {.sa_handler = stop};
	sigaction(SIGINT, &on_stop, NULL);
	sigaction(SIGTERM, &on_stop, NULL);

	int rc = drpc_hdlr_init();
	if (rc == 0)
		rc = drpc_hdlr_register(DRPC_MODULE_TEST, hello);
	if (rc != 0) {
		fprintf(stderr, "hello_server: %s\n", drpc_last_error());
		return EXIT_FAILURE;
	}

	/* drpc_hdlr_process_msg gives each call to the handler registered for its module. */
	struct drpc *listener = drpc_listen(argv[1], drpc_hdlr_process_msg);
	if (listener == NULL) {
		fprintf(stderr, "hello_server: %s\n", drpc_last_error());
		return EXIT_FAILURE;
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("listening on %s\n", argv[1]);

	int status = serve(listener);

	/* The library leaves the socket file to the program. */
	unlink(argv[1]);
	drpc_hdlr_fini();
	printf("stopped\n");
	return status;
}
