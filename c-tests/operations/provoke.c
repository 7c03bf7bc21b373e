/*
 * Provokes the failures of docs/operations.md, one after the other, with DRPC_LOG=debug: the log goes to standard error, and
 * what the last error says to standard output.
 *
 *   provoke DIRECTORY
 *
 * Without a directory it only fails to connect.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <daos/drpc_errno.h>
#include <drpc/client.h>
#include <drpc/library.h>
#include <drpc/server.h>

enum { MGMT = 2, GET_ATTACH_INFO = 206, WAIT = 205 };

static void
must(bool right, const char *what)
{
	if (!right) {
		printf("not provoked: %s: %s\n", what, drpc_last_error());
		exit(1);
	}
}

/* Answers GET_ATTACH_INFO with its body, WAIT never, and others with UNKNOWN_METHOD. */
static void
handle(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	if (call->method == WAIT)
		sleep(1);
	else if (call->method != GET_ATTACH_INFO)
		resp->status = DRPC__STATUS__UNKNOWN_METHOD;
}

static struct drpc_server *
server_at(const char *path, int option, uint64_t value)
{
	struct drpc_server *server;

	must(drpc_server_create(path, &server) == 0 && drpc_server_register(server, MGMT, handle, NULL, 0) == 0 &&
		 (option == 0 || drpc_server_set(server, option, value) == 0) && drpc_server_start(server) == 0,
	     "a server");
	return server;
}

static struct sockaddr_un
address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int
raw_client(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	must(fd >= 0, "a socket");
	return fd;
}

static void
raw_connect(int fd, const char *path)
{
	struct sockaddr_un address = address_of(path);

	must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "a connection");
}

static void
cannot_connect(const char *path)
{
	struct drpc_client *client;

	must(drpc_client_create(path, &client) == 0 && drpc_client_connect(client) != 0, "no connection");
	puts(drpc_last_error());
	drpc_client_destroy(client);
}

/* A call, which returns rc; what the last error says is told. */
static void
call(struct drpc_client *client, int32_t method, int rc)
{
	Drpc__Response *resp = NULL;

	must(drpc_client_call(client, MGMT, method, "12345", 5, NULL, &resp) == rc, "a call");
	if (resp == NULL || resp->status != DRPC__STATUS__SUCCESS)
		puts(drpc_last_error());
	if (resp != NULL)
		drpc_response_free(resp);
}

/* Waits until the server has accepted so many clients, or has failed to so often. */
static void
await(struct drpc_server *server, bool accepted, uint64_t count)
{
	struct drpc_server_stats stats;

	do {
		usleep(1000);
		stats.size = sizeof(stats);
		must(drpc_server_get_stats(server, &stats) == 0, "counts");
	} while ((accepted ? stats.accepted : stats.accept_errors) < count);
}

int
main(int argc, char **argv)
{
	struct drpc_server *server;
	struct drpc_client *client;
	struct sockaddr_un  address;
	struct rlimit       before, few;
	char                path[96];
	int                 fd;

	if (argc != 2)
		return drpc_client_create("/", &client) != 0 || drpc_client_connect(client) == 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* No server, a socket that is left over, and something else at the path. */
	snprintf(path, sizeof(path), "%s/drpc.sock", argv[1]);
	cannot_connect(path);
	cannot_connect(argv[1]);
	address = address_of(path);
	fd	= raw_client();
	must(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "a left-over socket");
	close(fd);
	cannot_connect(path);
	must(drpc_server_create(path, &server) == 0 && drpc_server_start(server) != 0, "no server");
	puts(drpc_last_error());
	drpc_server_destroy(server);
	unlink(path);

	/* Calls without success, and in vain. */
	server = server_at(path, 0, 0);
	must(drpc_client_create(path, &client) == 0 && drpc_client_set(client, DRPC_CLIENT_TIMEOUT, 300) == 0 &&
		 drpc_client_set(client, DRPC_CLIENT_FRAMING, DRPC_FRAMING_CHUNKED) == 0 && drpc_client_connect(client) == 0,
	     "a client");
	call(client, 299, 0);
	call(client, WAIT, -DER_TIMEDOUT);
	drpc_server_destroy(server);
	/* The server is started anew. */
	server = server_at(path, 0, 0);
	call(client, GET_ATTACH_INFO, 0);
	drpc_client_destroy(client);
	drpc_server_destroy(server);

	/* As many sessions as there may be. */
	server = server_at(path, DRPC_SERVER_MAX_SESSIONS, 1);
	fd     = raw_client();
	raw_connect(fd, path);
	must(drpc_client_create(path, &client) == 0 && drpc_client_set(client, DRPC_CLIENT_TIMEOUT, 300) == 0 &&
		 drpc_client_connect(client) == 0,
	     "a client");
	call(client, GET_ATTACH_INFO, -DER_TIMEDOUT);
	drpc_client_destroy(client);
	close(fd);
	drpc_server_destroy(server);

	/* No descriptors. */
	server = server_at(path, 0, 0);
	must(getrlimit(RLIMIT_NOFILE, &before) == 0, "a limit");
	few	     = before;
	few.rlim_cur = 4;
	fd	     = raw_client();
	must(setrlimit(RLIMIT_NOFILE, &few) == 0, "a limit");
	raw_connect(fd, path);
	await(server, false, 3);
	must(setrlimit(RLIMIT_NOFILE, &before) == 0, "a limit");
	await(server, true, 1);
	close(fd);
	drpc_server_destroy(server);
	return 0;
}
