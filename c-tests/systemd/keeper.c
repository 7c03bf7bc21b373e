/*
 * Stands in for systemd: makes a listening socket, keeps it, and has one server after another run on it, as `systemctl restart`
 * does. Meanwhile clients connect and call.
 *
 *   keeper SOCKET PROGRAM
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drpc/client.h>

enum { ECHO = 100, CLIENTS = 4, RESTARTS = 10, ANSWERS_BETWEEN = 20 };

static const char *path;
static const char *program;
static int listener;

static void
report(bool good, const char *what)
{
	printf("%s - %s\n", good ? "ok" : "not ok", what);
}

static int
listen_at(const char *at)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", at);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, SOMAXCONN) != 0) {
		perror(at);
		exit(1);
	}
	return fd;
}

/* The server, whose first descriptor beside those of the terminal is the socket. */
static pid_t
start(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		char self[16];

		snprintf(self, sizeof(self), "%d", (int)getpid());
		setenv("LISTEN_PID", self, 1);
		setenv("LISTEN_FDS", "1", 1);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		if (listener == 3)
			fcntl(3, F_SETFD, 0);
		else
			dup2(listener, 3);
		execl(program, program, path, (char *)NULL);
		perror(program);
		_exit(127);
	}
	return pid;
}

static bool
stop(pid_t server)
{
	int status = -1;

	kill(server, SIGTERM);
	waitpid(server, &status, 0);
	return status == 0;
}

/* A client that is connected, or NULL. */
static struct drpc_client *
connected(void)
{
	struct drpc_client *client = NULL;

	if (drpc_client_create(path, &client) == 0 && drpc_client_connect(client) == 0)
		return client;
	fprintf(stderr, "%s\n", drpc_last_error());
	drpc_client_destroy(client);
	return NULL;
}

static atomic_bool over;
static atomic_int answers;
static atomic_int refusals;
static atomic_int failures;

/* Calls until the call is served. A server that ends refuses, with FAILURE, what its sessions have sent and no handler has seen;
 * and it may have served a call whose answer is lost with the session, so that the call may be executed twice. */
static bool
is_answered(struct drpc_client *client)
{
	struct drpc_call_options options = {.size = sizeof(options), .timeout_ms = 15000, .idempotent = 1};
	Drpc__Response *resp = NULL;
	bool refused;

	if (client == NULL)
		return false;
	do {
		if (drpc_client_call(client, ECHO, 1, "hello", 5, &options, &resp) != 0) {
			fprintf(stderr, "%s\n", drpc_last_error());
			return false;
		}
		refused = resp->status == DRPC__STATUS__FAILURE;
		refusals += refused;
		bool same = resp->body.len == 5 && memcmp(resp->body.data, "hello", 5) == 0;
		drpc_response_free(resp);
		if (same)
			return true;
	} while (refused);
	return false;
}

static void *
connect_and_call(void *unused)
{
	(void)unused;
	while (!over) {
		struct drpc_client *client = connected();

		if (is_answered(client))
			answers++;
		else
			failures++;
		drpc_client_destroy(client);
	}
	return NULL;
}

/* True if no client has failed. */
static bool
restarts(pid_t *server)
{
	pthread_t threads[CLIENTS];

	for (int i = 0; i < CLIENTS; i++)
		pthread_create(&threads[i], NULL, connect_and_call, NULL);
	for (int i = 0; i < RESTARTS; i++) {
		int before = answers;

		while (answers < before + ANSWERS_BETWEEN && failures == 0)
			usleep(1000);
		if (!stop(*server))
			failures++;
		*server = start();
	}
	over = true;
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	printf("# %d clients answered, %d calls refused by a server that ended, %d clients failed\n", answers, refusals, failures);
	return failures == 0;
}

int
main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	path = argv[1];
	program = argv[2];
	listener = listen_at(path);

	struct drpc_client *early = connected();
	pid_t server = start();
	report(is_answered(early), "a client that connects before the server runs is answered");

	bool ended = stop(server);
	struct drpc_client *between = connected();
	report(ended && between != NULL && access(path, F_OK) == 0, "a client connects while no server runs");
	server = start();
	report(is_answered(between), "the next server answers it");
	report(is_answered(early), "the client of the first server connects again");
	report(restarts(&server), "no client fails while servers come and go");
	report(stop(server) && access(path, F_OK) == 0, "the last server ends, and leaves the socket");

	drpc_client_destroy(early);
	drpc_client_destroy(between);
	return 0;
}
