/*
 * managed_server: serves two modules with threads of the library.
 *
 *   cc managed_server.c $(pkg-config --cflags --libs drpc-2.8) -o managed_server
 *   ./managed_server /tmp/managed.sock
 *
 * The same source compiles against drpc-0.8 and drpc-2.8. SIGINT and SIGTERM end the server. examples/systemd has it run by
 * systemd, which makes the socket and keeps it while the server is started anew.
 */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <drpc/server.h>

/* Numbers of our modules. Those of DAOS are small. */
enum { ECHO = 100, COUNTER = 101 };

static struct drpc_server *server;

/* Module ECHO: every method answers with the body of its call. */
static void
echo(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	resp->body = call->body;                /* a malloc'ed block: give it to the response ... */
	call->body = (ProtobufCBinaryData){0}; /* ... and take it from the call */
}

/* Module COUNTER: every method answers with the number of its call. Several threads may be here at once. */
static void
count(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	atomic_ulong *calls = arg;
	char text[32];

	(void)session;
	(void)call;
	snprintf(text, sizeof(text), "%lu", atomic_fetch_add(calls, 1) + 1);
	resp->body.data = (uint8_t *)strdup(text);
	if (resp->body.data != NULL)
		resp->body.len = strlen(text);
	else
		resp->status = DRPC__STATUS__FAILURE;
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
	atomic_ulong calls = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
		return 2;
	}

	int rc = drpc_server_create(argv[1], &server);
	if (rc == 0)
		rc = drpc_server_register(server, ECHO, echo, NULL, 0);
	if (rc == 0)
		rc = drpc_server_register(server, COUNTER, count, &calls, DRPC_SERVER_CONCURRENT);
	/* A server that was killed has left its socket behind. */
	if (rc == 0)
		rc = drpc_server_set(server, DRPC_SERVER_REPLACE_STALE, 1);
	/* systemd may have made the socket. Otherwise the server does. */
	if (rc == 0)
		rc = drpc_server_set(server, DRPC_SERVER_INHERIT, 1);
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
		fprintf(stderr, "managed_server: %s: %s\n", drpc_strerror(rc), drpc_last_error());
	else
		printf("stopped after %lu counted calls\n", atomic_load(&calls));
	drpc_server_destroy(server);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
