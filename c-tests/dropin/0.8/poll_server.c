/*
 * A server of 0.8.0 with a poll loop of its own over comm->fd: it takes calls,
 * runs the context's handler itself and answers, closes a session whose peer has
 * hung up, and answers what it cannot parse before closing. It ends when it has
 * seen as many sessions come and go as its second argument says.
 */
#include <daos/drpc.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../expect.h"

#define SESSIONS_MAX 8

static struct drpc *sessions[SESSIONS_MAX];
static int	    sessions_open;
static int	    sessions_closed;

static void
handle(Drpc__Call *request, Drpc__Response *resp)
{
	if (request->module != 1 && request->module != 2) {
		resp->status = DRPC__STATUS__UNKNOWN_MODULE;
		return;
	}
	resp->status = DRPC__STATUS__SUCCESS;
	if (request->body.len == 0)
		return;
	resp->body.data = calloc(1, request->body.len);
	EXPECT(resp->body.data != NULL);
	memcpy(resp->body.data, request->body.data, request->body.len);
	resp->body.len = request->body.len;
}

static void
drop_session(int i)
{
	EXPECT(drpc_close(sessions[i]) == 0);
	sessions_open--;
	sessions_closed++;
	sessions[i] = sessions[sessions_open];
}

static void
refuse(struct drpc *session)
{
	Drpc__Response *resp = drpc_response_create(NULL);

	EXPECT(resp != NULL);
	EXPECT(resp->sequence == -1);
	resp->status = DRPC__STATUS__FAILED_UNMARSHAL_CALL;
	EXPECT(drpc_send_response(session, resp) == 0);
	drpc_response_free(resp);
}

/* The handler holds a reference on the session while it runs. */
static int
serve(struct drpc *session)
{
	Drpc__Call     *call = NULL;
	Drpc__Response *resp;
	int		rc = drpc_recv_call(session, &call);

	if (rc == -DER_PROTO)
		refuse(session);
	if (rc != 0)
		return rc;
	resp = drpc_response_create(call);
	EXPECT(resp != NULL);
	EXPECT(resp->sequence == call->sequence);
	EXPECT(drpc_add_ref(session) == 0);
	EXPECT(session->ref_count == 2);
	session->handler(call, resp);
	EXPECT(drpc_send_response(session, resp) == 0);
	EXPECT(drpc_close(session) == 0);
	drpc_call_free(call);
	drpc_response_free(resp);
	return 0;
}

static void
welcome(struct drpc *listener)
{
	struct drpc *session = drpc_accept(listener);

	EXPECT(session != NULL);
	EXPECT(drpc_is_valid_listener(session));
	EXPECT(session->handler == handle);
	EXPECT(session->sequence == 0);
	EXPECT(session->ref_count == 1);
	EXPECT(sessions_open < SESSIONS_MAX);
	sessions[sessions_open++] = session;
}

int
main(int argc, char **argv)
{
	struct drpc *listener;
	int	     wanted;

	EXPECT(argc == 3);
	wanted = atoi(argv[2]);
	listener = drpc_listen(argv[1], handle);
	EXPECT(listener != NULL);
	EXPECT(drpc_is_valid_listener(listener));
	while (sessions_closed < wanted) {
		struct pollfd fds[SESSIONS_MAX + 1];
		int	      open = sessions_open;
		int	      i;

		for (i = 0; i < open; i++)
			fds[i] = (struct pollfd){sessions[i]->comm->fd, POLLIN | POLLPRI, 0};
		fds[open] = (struct pollfd){listener->comm->fd, POLLIN | POLLPRI, 0};
		EXPECT(poll(fds, open + 1, 30000) > 0);
		/* From the last: dropping one moves only sessions already looked at. */
		for (i = open - 1; i >= 0; i--) {
			if (fds[i].revents & (POLLHUP | POLLERR))
				drop_session(i);
			else if ((fds[i].revents & POLLIN) && serve(sessions[i]) != 0)
				drop_session(i);
		}
		if (fds[open].revents & POLLIN)
			welcome(listener);
	}
	EXPECT(drpc_close(listener) == 0);
	unlink(argv[1]);
	return 0;
}
