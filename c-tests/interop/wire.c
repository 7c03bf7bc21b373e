#include "wire.h"

#include <sys/socket.h>

#include "chunks.h"

/*
 * One recvmsg. C takes what it returns for the length of a message, be it 0; Go
 * takes 0 bytes for the end.
 */
static enum received
receive_datagram(const struct original *self, int fd, struct bytes *message)
{
	ssize_t n;

	message->data = allocate(self->buffer);
	n = recv(fd, message->data, self->buffer, 0);
	message->len = n < 0 ? 0 : (size_t)n;
	return n < 0 || (n == 0 && self->go) ? END : MESSAGE;
}

enum received
wire_receive(const struct original *self, int fd, struct bytes *message)
{
	*message = (struct bytes){0};
	if (self->framing == DATAGRAM)
		return receive_datagram(self, fd, message);
	return self->go ? chunks_receive_go(fd, message) : chunks_receive_c(fd, message);
}

bool
wire_send(const struct original *self, int fd, const struct bytes *message)
{
	if (self->framing == DATAGRAM)
		return send(fd, message->data, message->len, MSG_NOSIGNAL) >= 0;
	return chunks_send(self->go, fd, message);
}
