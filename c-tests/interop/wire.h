/* Messages over a socket, as each original sends and receives them. */
#ifndef INTEROP_WIRE_H
#define INTEROP_WIRE_H

#include "message.h"

enum received {
	MESSAGE,
	NONSENSE, /* no message, which is answered before the session ends */
	END,	  /* the end of the connection, or what the original closes it for without a word */
};

/* The next message, to be freed. */
enum received wire_receive(const struct original *self, int fd, struct bytes *message);
/* False if it did not go out. */
bool wire_send(const struct original *self, int fd, const struct bytes *message);

#endif
