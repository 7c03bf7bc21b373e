/*
 * loop_server: serves two modules from the program's own epoll loop, which waits for signals, too. No threads.
 *
 *   cc loop_server.c $(pkg-config --cflags --libs drpc-2.8) -o loop_server
 *   ./loop_server /tmp/loop.sock
 *
 * The same source compiles against drpc-0.8 and drpc-2.8. SIGINT and SIGTERM end the server.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <drpc/server.h>

/* Numbers of our modules. Those of DAOS are small. */
enum { ECHO = 100, COUNTER = 101 };

/* Milliseconds that replies get to go out when the server ends. */
enum { GRACE = 10000 };

/* Module ECHO: every method answers with the body of its call. */
static void
echo(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	resp->body = call->body;                /* a malloc'ed block: give it to the response ... */
	call->body = (ProtobufCBinaryData){0}; /* ... and take it from the call */
}

/* Module COUNTER: every method answers with the number of its call. All handlers run in the thread of the loop. */
static void
count(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	unsigned long *calls = arg;
	char text[32];

	(void)session;
	(void)call;
	snprintf(text, sizeof(text), "%lu", ++*calls);
	resp->body.data = (uint8_t *)strdup(text);
	if (resp->body.data != NULL)
		resp->body.len = strlen(text);
	else
		resp->status = DRPC__STATUS__FAILURE;
}

/* Prints what went wrong; for the caller to return. */
static int
complain(int rc)
{
	fprintf(stderr, "loop_server: %s: %s\n", drpc_strerror(rc), drpc_last_error());
	return EXIT_FAILURE;
}

/* A descriptor that is readable when a signal has come that ends the server; -1 if there is none. */
static int
stop_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
		return -1;
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

static int
watch(int loop, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

/* The event loop: a program has its own descriptors in it. */
static int
serve(struct drpc_server *server, int loop, int signal_fd)
{
	int server_fd = drpc_server_get_fd(server);

	if (server_fd < 0)
		return complain(server_fd);
	if (watch(loop, server_fd) != 0 || watch(loop, signal_fd) != 0) {
		perror("loop_server: epoll_ctl");
		return EXIT_FAILURE;
	}
	for (;;) {
		struct epoll_event event;

		if (epoll_wait(loop, &event, 1, -1) != 1) {
			if (errno == EINTR)
				continue;
			perror("loop_server: epoll_wait");
			return EXIT_FAILURE;
		}
		if (event.data.fd == signal_fd)
			break;
		/* What goes wrong with one client ends its session only: an error here is the server's own. */
		int rc = drpc_server_dispatch(server, 0);
		if (rc != 0)
			return complain(rc);
	}
	int rc = drpc_server_shutdown(server, GRACE);
	return rc == 0 ? EXIT_SUCCESS : complain(rc);
}

int
main(int argc, char **argv)
{
	struct drpc_server *server = NULL;
	unsigned long calls = 0;
	int status = EXIT_FAILURE;

	if (argc != 2) {
		fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
		return 2;
	}

	int signal_fd = stop_signals();
	int loop = epoll_create1(EPOLL_CLOEXEC);
	if (signal_fd < 0 || loop < 0) {
		perror("loop_server");
		return EXIT_FAILURE;
	}
	int rc = drpc_server_create(argv[1], &server);
	if (rc == 0)
		rc = drpc_server_register(server, ECHO, echo, NULL, 0);
	if (rc == 0)
		rc = drpc_server_register(server, COUNTER, count, &calls, 0);
	/* A server that was killed has left its socket behind. */
	if (rc == 0)
		rc = drpc_server_set(server, DRPC_SERVER_REPLACE_STALE, 1);
	if (rc == 0)
		rc = drpc_server_listen(server);
	if (rc == 0) {
		printf("listening on %s\n", argv[1]);
		fflush(stdout);
		status = serve(server, loop, signal_fd);
		printf("stopped after %lu counted calls\n", calls);
	} else {
		complain(rc);
	}
	drpc_server_destroy(server);
	close(loop);
	close(signal_fd);
	return status;
}
