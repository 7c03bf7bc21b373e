/*
 * A server of this library, compiled for each ABI.
 *
 *   ours_server plain|progress|managed SOCKET LOG
 *
 * serves by drpc_recv_call and drpc_send_response in a thread for each session, by
 * drpc_progress, or by the managed server. LOG is as for the other server; SIGTERM
 * ends it.
 */
#include "../abi.h"

#include <daos/drpc_progress.h>
#include <drpc/library.h>
#include <drpc/server.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "methods.h"
#include "sessions.h"

static const char *path;
static const char *log_path;

static void
give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, drpc_last_error());
	exit(1);
}

static void
listening(void)
{
	if (!methods_log_to(log_path))
		give_up(log_path);
}

static void
handle(Drpc__Call *call, Drpc__Response *resp)
{
	struct bytes answer;

	resp->status = (Drpc__Status)methods_execute(call->module, call->method, call->body.data, call->body.len,
						     &answer);
	resp->body.data = answer.data;
	resp->body.len = answer.len;
}

static struct drpc *
listen_at(void)
{
	struct drpc *listener = drpc_listen((char *)path, handle);

	if (listener == NULL)
		give_up("drpc_listen");
	listening();
	return listener;
}

/* ---- drpc_recv_call */

static struct drpc *listener;

static void *
welcome(void)
{
	struct drpc *session;

	return abi_accept(listener, &session) == 0 ? session : NULL;
}

/* As an engine does. */
static void
refuse(struct drpc *session)
{
	Drpc__Response *resp = drpc_response_create(NULL);

	resp->status = DRPC__STATUS__FAILED_UNMARSHAL_CALL;
	drpc_send_response(session, resp);
	drpc_response_free(resp);
}

static bool
serve_next(struct drpc *session)
{
	Drpc__Call     *call = NULL;
	Drpc__Response *resp;
	int		rc = drpc_recv_call(session, &call);

	if (rc == -DER_PROTO)
		refuse(session);
	if (rc != 0)
		return false;
	resp = drpc_response_create(call);
	session->handler(call, resp);
	rc = drpc_send_response(session, resp);
	drpc_response_free(resp);
	drpc_call_free(call);
	/* Too large: the client has been told. */
	return rc == 0 || rc == -DER_OVERFLOW;
}

static void
serve_session(void *session)
{
	while (serve_next(session))
		;
	drpc_close(session);
}

static void
serve_plain(void)
{
	listener = listen_at();
	sessions_run(listener->comm->fd, welcome, serve_session);
	drpc_close(listener);
}

/* ---- drpc_progress */

static volatile sig_atomic_t stopped;

static void
stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static void
serve_progress(void)
{
	struct sigaction	      action = {.sa_handler = stop};
	struct drpc_progress_context *progress = drpc_progress_context_create(listen_at());

	if (progress == NULL)
		give_up("drpc_progress_context_create");
	sigaction(SIGTERM, &action, NULL);
	while (!stopped)
		drpc_progress(progress, 100);
	drpc_progress_context_close(progress);
}

/* ---- The managed server */

static struct drpc_server *server;

static void
serve_call(struct drpc_session *session, Drpc__Call *call, Drpc__Response *resp, void *arg)
{
	char text[256] = "";

	(void)arg;
	handle(call, resp);
	/* Clients of every release have to read past the text of a failure. */
	if (resp->status != DRPC__STATUS__SUCCESS && call->body.len < sizeof(text)) {
		memset(text, 'x', call->body.len);
		drpc_session_fail(session, (int)resp->status, text);
	}
}

static void
stop_server(int sig)
{
	(void)sig;
	drpc_server_stop(server);
}

static void
serve_managed(void)
{
	struct sigaction action = {.sa_handler = stop_server};

	if (drpc_server_create(path, &server) != 0 ||
	    drpc_server_register(server, MODULE, serve_call, NULL, 0) != 0 ||
	    drpc_server_register(server, HIDING_MODULE, serve_call, NULL, 0) != 0 || drpc_server_listen(server) != 0)
		give_up("drpc_server_listen");
	sigaction(SIGTERM, &action, NULL);
	listening();
	if (drpc_server_run(server) != 0)
		give_up("drpc_server_run");
	drpc_server_destroy(server);
}

int
main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: %s plain|progress|managed SOCKET LOG\n", argv[0]);
		return 2;
	}
	path = argv[2];
	log_path = argv[3];
	if (strcmp(argv[1], "plain") == 0)
		serve_plain();
	else if (strcmp(argv[1], "progress") == 0)
		serve_progress();
	else if (strcmp(argv[1], "managed") == 0)
		serve_managed();
	else
		return 2;
	unlink(path);
	return 0;
}
