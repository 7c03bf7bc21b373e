/*
 * epoll_server: serves module 100 through DAOS's own functions, from the program's own epoll loop.
 *
 *   cc epoll_server.c $(pkg-config --cflags --libs drpc-2.8) -o epoll_server
 *   ./epoll_server /tmp/epoll.sock
 *
 * The same source compiles against drpc-0.8 and drpc-2.8. SIGINT and SIGTERM end the server.
 *
 * drpc_recv_call waits for the whole call: a client that sends half of one holds this loop up, for PATIENCE at most.
 * drpc_progress (hello_server.c) and the managed server (loop_server.c) serve the others meanwhile.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <daos/drpc.h>
#include <drpc/library.h>

/* The number of our module. Those of DAOS are small. */
enum { ECHO = 100 };

/* Milliseconds for which a client may hold the loop up. */
enum { PATIENCE = 10000 };

static volatile sig_atomic_t stopped;

static void
stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/* Module ECHO: every method answers with the body of its call. There is no other module. */
static void
handle(Drpc__Call *call, Drpc__Response *resp)
{
	if (call->module != ECHO) {
		resp->status = DRPC__STATUS__UNKNOWN_MODULE;
		return;
	}
	resp->body = call->body;                /* a malloc'ed block: give it to the response ... */
	call->body = (ProtobufCBinaryData){0}; /* ... and take it from the call */
}

/* The two lines hand a session over in different ways. */
static struct drpc *
accept_session(struct drpc *listener)
{
#if __has_include(<daos/drpc_types.h>) /* 2.8 */
	struct drpc *session = NULL;

	return drpc_accept(listener, &session) == 0 ? session : NULL;
#else
	return drpc_accept(listener);
#endif
}

/* Receives a call, has the handler serve it, answers. */
static int
serve(struct drpc *session)
{
	Drpc__Call *call = NULL;
	int rc = drpc_recv_call(session, &call);

	if (rc != 0)
		return rc;
	Drpc__Response *resp = drpc_response_create(call);
	if (resp == NULL) {
		rc = -DER_NOMEM;
	} else {
		session->handler(call, resp);
		rc = drpc_send_response(session, resp);
	}
	drpc_response_free(resp);
	drpc_call_free(call);
	return rc;
}

/* The loop: a program has its own descriptors in it. Each event carries the context that it is about. */
static int
watch(int loop, struct drpc *ctx)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = ctx};

	return epoll_ctl(loop, EPOLL_CTL_ADD, ctx->comm->fd, &event);
}

static void
admit(int loop, struct drpc *listener)
{
	struct drpc *session = accept_session(listener);

	if (session == NULL)
		fprintf(stderr, "epoll_server: %s\n", drpc_last_error());
	else if (drpc_set_timeout(session, PATIENCE) != 0 || watch(loop, session) != 0)
		drpc_close(session);
}

int
main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = stop};
	sigset_t signals, before;

	if (argc != 2) {
		fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
		return 2;
	}
	/* The signals arrive in epoll_pwait only, so that none is missed. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &before);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	int loop = epoll_create1(EPOLL_CLOEXEC);
	if (loop < 0) {
		perror("epoll_server: epoll_create1");
		return EXIT_FAILURE;
	}
	struct drpc *listener = drpc_listen(argv[1], handle);
	if (listener == NULL) {
		fprintf(stderr, "epoll_server: %s\n", drpc_last_error());
		return EXIT_FAILURE;
	}
	if (watch(loop, listener) != 0) {
		perror("epoll_server: epoll_ctl");
		return EXIT_FAILURE;
	}
	printf("listening on %s\n", argv[1]);
	fflush(stdout);

	while (!stopped) {
		struct epoll_event event;

		if (epoll_pwait(loop, &event, 1, -1, &before) != 1)
			continue;
		if (event.data.ptr == listener)
			admit(loop, listener);
		else if (serve(event.data.ptr) != 0)
			drpc_close(event.data.ptr); /* the client has gone, or does not behave */
	}
	/* The sessions end with the process. */
	drpc_close(listener);
	unlink(argv[1]);
	close(loop);
	return EXIT_SUCCESS;
}
