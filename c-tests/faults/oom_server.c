/*
 * The managed server while memory runs out, as faults/oom.c does for the plain
 * calls: what makes it works or gives -DER_NOMEM. Once it listens clients may
 * have to wait, and calls may fail; it goes on, and is of use afterwards.
 */
#define _GNU_SOURCE
#include "abi.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drpc/library.h>
#include <drpc/server.h>

#include "support/body.h"
#include "support/dir.h"
#include "support/patience.h"
#include "support/peer.h"
#include "support/scenario.h"

enum { ECHO = 100, LATER = 101, NOBODY = 102, LARGE = ABI_CHUNKED ? 300000 : 16000, LATER_CALLS = 3 };

/* Answers with the body of the call. */
static void
echo(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	(void)session;
	(void)arg;
	resp->body = call->body;
	memset(&call->body, 0, sizeof(call->body));
}

struct later {
	struct drpc_request *requests[LATER_CALLS];
	int                  count;
};

/* Keeps calls, as far as that is possible. */
static void
keep(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	struct later *later = arg;

	(void)call;
	if (later->count < LATER_CALLS)
		later->requests[later->count] = drpc_session_defer(session);
	if (later->count < LATER_CALLS && later->requests[later->count] != NULL)
		later->count++;
	else
		resp->status = DRPC__STATUS__FAILURE;
}

static bool
admit(struct drpc_session *session, void *arg)
{
	(void)session;
	(void)arg;
	return true;
}

struct host {
	struct dir          dir;
	struct drpc_server *server;
	struct later        later;
	const char         *problem;
};

static const char *
set_up(struct host *host)
{
	static const uid_t everybody[] = {0, 1, 2, 3};
	struct drpc_server *server;
	int                 rc;

	rc = LIBRARY(drpc_server_create(host->dir.sock, &host->server));
	CHECK(fits(rc) && explained(rc));
	server = host->server;
	CHECK((rc == 0) == (server != NULL));
	if (rc == 0)
		rc = LIBRARY(drpc_server_set(server, DRPC_SERVER_THREADS, 2));
	if (rc == 0)
		rc = LIBRARY(drpc_server_set(server, DRPC_SERVER_REPLACE_STALE, 1));
	if (rc == 0)
		rc = LIBRARY(drpc_server_register(server, ECHO, echo, NULL, 0));
	if (rc == 0)
		rc = LIBRARY(drpc_server_register(server, LATER, keep, &host->later, DRPC_SERVER_CONCURRENT));
	if (rc == 0)
		rc = LIBRARY(drpc_server_allow(server, NOBODY, everybody, 4));
	if (rc == 0)
		rc = LIBRARY(drpc_server_authorise(server, admit, NULL));
	CHECK(fits(rc) && explained(rc));
	if (rc == 0) {
		rc = LIBRARY(drpc_server_listen(server));
		CHECK(fits(rc) && explained(rc));
		/* A second attempt is as good. */
		if (rc != 0)
			CHECK(fits(LIBRARY(drpc_server_listen(server))));
	}
	return NULL;
}

static void
tear_down(struct host *host)
{
	int i;

	LIBRARY_VOID(drpc_server_destroy(host->server));
	for (i = 0; i < host->later.count; i++)
		LIBRARY_VOID(drpc_request_drop(host->later.requests[i]));
	dir_remove(&host->dir);
}

/* Has the server do what it can. */
static bool
dispatch(struct host *host)
{
	int i;

	for (i = 0; i < 3; i++)
		if (!fits(LIBRARY(drpc_server_dispatch(host->server, 0))))
			return false;
	return true;
}

static int
join(const struct host *host)
{
	int peer = peer_connect(host->dir.sock);

	fcntl(peer, F_SETFL, O_NONBLOCK);
	return peer;
}

static void
send_call(int peer, int module, int sequence, size_t len)
{
	uint8_t *body = body_new(len);

	peer_send_call(peer, module, 1, sequence, body, len);
	free(body);
}

static void
take_all(int peer)
{
	static uint8_t record[WIRE_RECORD_MAX];

	while (recv(peer, record, sizeof(record), MSG_DONTWAIT) > 0)
		;
}

/* With memory a new client is served, whatever has been before. */
static const char *
serve_in_plenty(struct host *host, bool dispatches)
{
	struct peer_response out;
	int                  peer;
	int                  ms;

	memory_relieve();
	CHECK(LIBRARY(drpc_server_listen(host->server)) == 0);
	peer = peer_connect(host->dir.sock);
	send_call(peer, ECHO, 7, 10);
	for (ms = 0; dispatches && ms < PATIENCE_MS; ms += 10) {
		CHECK(LIBRARY(drpc_server_dispatch(host->server, 10)) == 0);
		if (!peer_is_quiet(peer))
			break;
	}
	CHECK(peer_recv_response(peer, &out) && out.resp.sequence == 7 && out.resp.status == 0 && out.resp.len == 10);
	free(out.msg);
	close(peer);
	return NULL;
}

static const char *
play_clients(struct host *host)
{
	Drpc__Response          resp  = DRPC__RESPONSE__INIT;
	struct drpc_server_stats stats = {.size = sizeof(stats)};
	int                     peers[4];
	int                     i;

	for (i = 0; i < 4; i++)
		peers[i] = join(host);
	CHECK(dispatch(host));
	for (i = 0; i < LATER_CALLS; i++) {
		send_call(peers[0], i == 1 ? NOBODY : ECHO, i + 1, i == 2 ? LARGE : 10);
		send_call(peers[1], LATER, i + 1, 10);
		CHECK(dispatch(host));
	}
	/* Not taken until it has been tried. */
	for (i = 0; i < 30; i++)
		send_call(peers[2], ECHO, i + 1, 16000);
	peer_send_record(peers[3], "\xff\xff\xff", 3);
	CHECK(dispatch(host));
	CHECK(fits(LIBRARY(drpc_server_get_stats(host->server, &stats))));
	for (i = 0; i < host->later.count; i++)
		LIBRARY(drpc_request_respond(host->later.requests[i], &resp));
	host->later.count = 0;
	close(peers[3]);
	for (i = 0; i < 10; i++) {
		take_all(peers[0]);
		take_all(peers[2]);
		CHECK(dispatch(host));
	}
	for (i = 0; i < 3; i++)
		close(peers[i]);
	CHECK(dispatch(host));
	return NULL;
}

/* --- scenarios ----------------------------------------------------------------------------- */

static const char *
in_a_loop(void)
{
	struct host host = {0};
	const char *problem;

	dir_make(&host.dir);
	problem = set_up(&host);
	/* Clients can connect if it listens. */
	if (problem == NULL && host.server != NULL && access(host.dir.sock, F_OK) == 0)
		problem = play_clients(&host);
	if (problem == NULL && host.server != NULL && access(host.dir.sock, F_OK) == 0)
		problem = serve_in_plenty(&host, true);
	tear_down(&host);
	return problem;
}

static const char *
in_threads(void)
{
	struct host host = {0};
	const char *problem;
	int         peer;
	int         rc;
	int         i;

	dir_make(&host.dir);
	problem = set_up(&host);
	if (problem == NULL && host.server != NULL && access(host.dir.sock, F_OK) == 0) {
		memory_watch_threads(true);
		rc = LIBRARY(drpc_server_start(host.server));
		for (i = 0; rc == 0 && i < 3; i++) {
			peer = join(&host);
			send_call(peer, ECHO, 1, LARGE);
			usleep(200);
			close(peer);
		}
		if (!fits(rc) || !explained(rc))
			problem = "starting";
		memory_relieve();
		/* None was started, which can be tried again. */
		if (problem == NULL && rc != 0 && LIBRARY(drpc_server_start(host.server)) != 0)
			problem = "starting again";
		if (problem == NULL)
			problem = serve_in_plenty(&host, false);
	}
	tear_down(&host);
	memory_watch_threads(false);
	return problem;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    plays(in_a_loop),
	    plays(in_threads),
	};

	return cmocka_run_group_tests_name("oom server " ABI_NAME, tests, scenario_setup, NULL);
}
