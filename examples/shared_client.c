/*
 * shared_client: four threads that call over one connection, for managed_server and loop_server.
 *
 *   cc shared_client.c $(pkg-config --cflags --libs drpc-2.8) -pthread -o shared_client
 *   ./shared_client /tmp/managed.sock
 *
 * The same source compiles against drpc-0.8 and drpc-2.8.
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <drpc/client.h>

/* Numbers of the server's modules, and of a method that they do not look at. */
enum { ECHO = 100, COUNTER = 101, ANY = 0 };

enum { THREADS = 4, CALLS = 1000, PATIENCE_MS = 10000 };

struct worker {
	pthread_t thread;
	int number;
	struct drpc_client *client;
	int right; /* replies that belong to their call */
};

static void
complain(int rc)
{
	fprintf(stderr, "shared_client: %s: %s\n", drpc_strerror(rc), drpc_last_error());
}

/* Sends text to ECHO; whether the same came back, or a failure has been told. */
static int
comes_back(struct drpc_client *client, const char *text)
{
	Drpc__Response *resp;
	int rc = drpc_client_call(client, ECHO, ANY, text, strlen(text), NULL, &resp);

	if (rc != 0) {
		complain(rc);
		return 0;
	}
	int same = resp->status == DRPC__STATUS__SUCCESS && resp->body.len == strlen(text) &&
		   memcmp(resp->body.data, text, resp->body.len) == 0;
	drpc_response_free(resp);
	return same;
}

static void *
work(void *arg)
{
	struct worker *worker = arg;
	char text[64];

	for (int i = 0; i < CALLS; i++) {
		snprintf(text, sizeof(text), "thread %d, call %d", worker->number, i);
		worker->right += comes_back(worker->client, text);
	}
	return NULL;
}

/* Has all threads call; how many replies were right. */
static int
call_from_threads(struct drpc_client *client)
{
	struct worker workers[THREADS];
	int started = 0;
	int right = 0;

	for (; started < THREADS; started++) {
		workers[started] = (struct worker){.number = started, .client = client};
		if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
			break;
	}
	for (int i = 0; i < started; i++) {
		pthread_join(workers[i].thread, NULL);
		right += workers[i].right;
	}
	return right;
}

static int
count(struct drpc_client *client)
{
	Drpc__Response *resp;
	int rc = drpc_client_call(client, COUNTER, ANY, NULL, 0, NULL, &resp);

	if (rc != 0) {
		complain(rc);
		return rc;
	}
	printf("counter: %.*s\n", (int)resp->body.len, (char *)resp->body.data);
	drpc_response_free(resp);
	return 0;
}

int
main(int argc, char **argv)
{
	struct drpc_client *client;
	int right = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
		return 2;
	}

	int rc = drpc_client_create(argv[1], &client);
	if (rc == 0)
		rc = drpc_client_set(client, DRPC_CLIENT_TIMEOUT, PATIENCE_MS);
	/* Our server answers one message after the other, so that calls need not wait for each other. */
	if (rc == 0)
		rc = drpc_client_set(client, DRPC_CLIENT_PIPELINING, 1);
	if (rc == 0)
		rc = drpc_client_connect(client);
	if (rc != 0) {
		complain(rc);
	} else {
		right = call_from_threads(client);
		printf("%d threads, %d calls, %d right replies\n", THREADS, THREADS * CALLS, right);
		rc = count(client);
	}
	drpc_client_destroy(client);
	return rc == 0 && right == THREADS * CALLS ? EXIT_SUCCESS : EXIT_FAILURE;
}
