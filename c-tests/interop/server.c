/*
 * A server that behaves like one of the originals, as far as a client can see.
 *
 *   server LIKE SOCKET LOG
 *
 * LOG is made once the server listens, and gets a line for each call executed,
 * before that is answered. SIGTERM ends it, once its sessions have ended.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"
#include "methods.h"
#include "sessions.h"
#include "wire.h"

static const struct original *self;

static int listener;

static int32_t
execute(const struct call *call, struct bytes *answer)
{
	*answer = (struct bytes){0};
	if (self->bare)
		return methods_execute_any(call->module, call->method, call->body.data, call->body.len, answer);
	/* An engine has no module 0. */
	if (!self->go && call->module == 0)
		return UNKNOWN_MODULE;
	if (self->daos_only && call->module == 0)
		return UNKNOWN_METHOD;
	return methods_execute(call->module, call->method, call->body.data, call->body.len, answer);
}

static bool
respond(int fd, const struct response *response)
{
	struct bytes message = encode_response(response);
	bool	     sent = wire_send(self, fd, &message);

	free(message.data);
	/* An engine's handler only logs what was not sent. */
	return sent || !self->go;
}

static bool
refuse(int fd)
{
	struct response response = {.sequence = -1, .status = UNPARSABLE};

	if (self->mute)
		return false;
	/* An engine closes the session then. */
	return respond(fd, &response) && self->go;
}

static bool
serve(int fd, const struct bytes *message)
{
	struct call	call;
	struct response response;
	bool		stays;

	if (!decode_call(self->decoder, message->data, message->len, &call))
		return refuse(fd);
	response.sequence = call.sequence;
	response.status = execute(&call, &response.body);
	stays = respond(fd, &response);
	free(response.body.data);
	free(call.body.data);
	return stays;
}

/* An engine polls its sessions, and drops one whose client has gone, with all that it has sent. */
static bool
has_gone(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN | POLLPRI};

	return poll(&pollfd, 1, -1) < 0 || (pollfd.revents & (POLLHUP | POLLERR)) != 0;
}

static bool
serve_next(int fd)
{
	struct bytes message;
	bool	     stays = false;

	if (!self->go && has_gone(fd))
		return false;
	switch (wire_receive(self, fd, &message)) {
	case MESSAGE:
		stays = serve(fd, &message);
		break;
	case NONSENSE:
		stays = refuse(fd);
		break;
	case END:
		break;
	}
	free(message.data);
	return stays;
}

static void *
welcome(void)
{
	int *fd = allocate(sizeof(*fd));

	*fd = accept(listener, NULL, NULL);
	if (*fd >= 0)
		return fd;
	free(fd);
	return NULL;
}

static void
serve_session(void *session)
{
	int *fd = session;

	while (serve_next(*fd))
		;
	close(*fd);
	free(fd);
}

int
main(int argc, char **argv)
{
	if (argc != 4 || (self = original_named(argv[1])) == NULL) {
		fprintf(stderr, "usage: %s LIKE SOCKET LOG\n", argv[0]);
		return 2;
	}
	listener = listen_at(argv[2]);
	if (listener < 0 || !methods_log_to(argv[3])) {
		perror(argv[2]);
		return 1;
	}
	sessions_run(listener, welcome, serve_session);
	unlink(argv[2]);
	return 0;
}
