/*
 * async_client: sends each line of its input as a call and prints the replies, from a poll loop of its own.
 *
 *   cc async_client.c $(pkg-config --cflags --libs drpc-2.8) -o async_client
 *   ls | ./async_client /tmp/managed.sock
 *
 * The same source compiles against drpc-0.8 and drpc-2.8. The server is managed_server or loop_server.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drpc/client.h>

/* Number of the server's module, and of a method that it does not look at. */
enum { ECHO = 100, ANY = 0 };

enum { PATIENCE_MS = 10000 };

struct state {
	struct drpc_client *client;
	char line[1024]; /* what has been read of the next line */
	size_t len;
	int out;    /* calls that are not answered yet */
	int failed; /* calls that failed */
};

static int
complain(int rc)
{
	fprintf(stderr, "async_client: %s: %s\n", drpc_strerror(rc), drpc_last_error());
	return rc;
}

/* Called by drpc_client_dispatch. The response is ours to free. */
static void
done(int rc, Drpc__Response *resp, void *arg)
{
	struct state *state = arg;

	state->out--;
	if (rc == 0 && resp->status == DRPC__STATUS__SUCCESS) {
		printf("%.*s\n", (int)resp->body.len, (char *)resp->body.data);
	} else {
		state->failed++;
		fprintf(stderr, "async_client: %s\n", rc != 0 ? drpc_strerror(rc) : "the server refused");
	}
	drpc_response_free(resp);
}

static void
submit(struct state *state, const char *line, size_t len)
{
	int rc = drpc_client_submit(state->client, ECHO, ANY, line, len, NULL, done, state);

	if (rc == 0) {
		state->out++;
	} else {
		state->failed++;
		complain(rc);
	}
}

/* Reads what is there and submits whole lines. Returns 0 at the end of the input. */
static int
read_lines(struct state *state)
{
	ssize_t n = read(STDIN_FILENO, state->line + state->len, sizeof(state->line) - state->len);
	char *end;

	if (n < 0)
		return errno == EINTR;
	state->len += (size_t)n;
	while ((end = memchr(state->line, '\n', state->len)) != NULL) {
		size_t len = (size_t)(end - state->line);

		submit(state, state->line, len);
		state->len -= len + 1;
		memmove(state->line, end + 1, state->len);
	}
	/* A line without an end: the last one, or one that is too long. */
	if (state->len > 0 && (n == 0 || state->len == sizeof(state->line))) {
		submit(state, state->line, state->len);
		state->len = 0;
	}
	return n > 0;
}

/* Until the input has ended and every call is answered. Returns 0 if nothing went wrong. */
static int
loop(struct state *state, int client_fd)
{
	struct pollfd fds[] = {{.fd = client_fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};

	while (fds[1].fd >= 0 || state->out > 0) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			perror("async_client: poll");
			return -1;
		}
		int rc = fds[0].revents != 0 ? drpc_client_dispatch(state->client, 0) : 0;
		if (rc != 0)
			return complain(rc);
		/* poll leaves out what is negative. */
		if (fds[1].revents != 0 && !read_lines(state))
			fds[1].fd = -1;
	}
	return state->failed;
}

int
main(int argc, char **argv)
{
	struct state state = {0};

	if (argc != 2) {
		fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
		return 2;
	}

	int rc = drpc_client_create(argv[1], &state.client);
	if (rc == 0)
		rc = drpc_client_set(state.client, DRPC_CLIENT_TIMEOUT, PATIENCE_MS);
	if (rc == 0)
		rc = drpc_client_connect(state.client);
	int fd = rc == 0 ? drpc_client_get_fd(state.client) : rc;
	rc = fd < 0 ? complain(fd) : loop(&state, fd);
	drpc_client_destroy(state.client);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
