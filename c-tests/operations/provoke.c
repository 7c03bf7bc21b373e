/*
 * Provokes the failures of docs/operations.md, one after the other, with DRPC_LOG=debug: the log goes to standard error, and
 * what the last error says to standard output.
 *
 *   provoke DIRECTORY
 *
 * Without a directory it only fails to connect.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
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

enum { MGMT = 2, WAIT = 205, GET_ATTACH_INFO = 206, LIST_POOLS = 214, ODD = 298 };

static void
must(bool right, const char *what)
{
	if (!right) {
		printf("not provoked: %s: %s\n", what, drpc_last_error());
		exit(1);
	}
}

enum { MINUTE = 60000 };

static atomic_bool waited;

/* Succeeds with GET_ATTACH_INFO, waits in WAIT, fails in LIST_POOLS, says what nobody knows in ODD, and knows no other method. */
static void
handle(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)arg;
	if (call->method == WAIT) {
		while (!waited)
			usleep(1000);
	} else if (call->method == LIST_POOLS) {
		drpc_session_fail(session, DRPC__STATUS__FAILURE, "pool 7 is gone");
	} else if (call->method == ODD) {
		resp->status = 77;
	} else if (call->method != GET_ATTACH_INFO) {
		resp->status = DRPC__STATUS__UNKNOWN_METHOD;
	}
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

/* A call, which is answered; if without success, what the last error says is told. */
static void
call_with(struct drpc_client *client, int32_t method, void *body, size_t len)
{
	Drpc__Response *resp = NULL;

	must(drpc_client_call(client, MGMT, method, body, len, NULL, &resp) == 0, "a call");
	if (resp->status != DRPC__STATUS__SUCCESS)
		puts(drpc_last_error());
	drpc_response_free(resp);
}

static void
call(struct drpc_client *client, int32_t method)
{
	call_with(client, method, "12345", 5);
}

/* A client with a deadline, connected. */
static struct drpc_client *
client_of(const char *path, uint64_t ms)
{
	struct drpc_client *client;

	must(drpc_client_create(path, &client) == 0 && drpc_client_set(client, DRPC_CLIENT_TIMEOUT, ms) == 0 &&
		 drpc_client_set(client, DRPC_CLIENT_FRAMING, DRPC_FRAMING_CHUNKED) == 0 && drpc_client_connect(client) == 0,
	     "a client");
	return client;
}

/* A call that is sent, and not answered in time. On a busy machine it takes more than 300 ms to send one. */
static void
call_in_vain(const char *path, int32_t method)
{
	for (uint64_t ms = 300;; ms *= 2) {
		struct drpc_client *client = client_of(path, ms);
		Drpc__Response     *resp   = NULL;
		bool                sent;

		must(drpc_client_call(client, MGMT, method, "12345", 5, NULL, &resp) == -DER_TIMEDOUT, "no answer");
		sent = strncmp(drpc_last_error(), "reply ", 6) == 0;
		if (sent)
			puts(drpc_last_error());
		drpc_client_destroy(client);
		if (sent)
			return;
	}
}

/* Without rights on the socket. */
static void
cannot_connect_as_other(const char *path)
{
	struct stat status;
	bool        root = geteuid() == 0;

	must(stat(path, &status) == 0 && chmod(path, root ? 0600 : 0) == 0 && (!root || seteuid(65534) == 0), "another user");
	cannot_connect(path);
	must((!root || seteuid(0) == 0) && chmod(path, status.st_mode & 0777) == 0, "the user again");
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
	struct drpc_server *server, *second;
	struct drpc_client *client;
	uid_t               other = 4242;
	static char         large[2 << 20];
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
	cannot_connect_as_other(path);
	call_in_vain(path, WAIT);
	waited = true;
	client = client_of(path, MINUTE);
	call(client, 299);
	call(client, ODD);
	call(client, LIST_POOLS);
	/* A second server, while the first one runs. */
	must(drpc_server_create(path, &second) == 0 && drpc_server_set(second, DRPC_SERVER_REPLACE_STALE, 1) == 0 &&
		 drpc_server_start(second) != 0,
	     "no second server");
	puts(drpc_last_error());
	drpc_server_destroy(second);
	drpc_server_destroy(server);
	/* The server is started anew. */
	server = server_at(path, 0, 0);
	call(client, GET_ATTACH_INFO);
	drpc_client_destroy(client);
	drpc_server_destroy(server);

	/* A message that is too large, and a user who may not call. */
	server = server_at(path, DRPC_SERVER_MAX_MESSAGE, 1 << 20);
	client = client_of(path, MINUTE);
	call_with(client, GET_ATTACH_INFO, large, sizeof(large));
	drpc_client_destroy(client);
	drpc_server_destroy(server);
	must(drpc_server_create(path, &server) == 0 && drpc_server_register(server, MGMT, handle, NULL, 0) == 0 &&
		 drpc_server_allow(server, MGMT, &other, 1) == 0 && drpc_server_start(server) == 0,
	     "a server for another user");
	client = client_of(path, MINUTE);
	call(client, GET_ATTACH_INFO);
	drpc_client_destroy(client);
	drpc_server_destroy(server);

	/* As many sessions as there may be. */
	server = server_at(path, DRPC_SERVER_MAX_SESSIONS, 1);
	fd     = raw_client();
	raw_connect(fd, path);
	await(server, true, 1);
	call_in_vain(path, GET_ATTACH_INFO);
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
