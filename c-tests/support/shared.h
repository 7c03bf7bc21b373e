/* A shared client under test, and the socket of a raw server that the test plays. */
#ifndef C_TESTS_SHARED_H
#define C_TESTS_SHARED_H

#include "../abi.h"

#include <drpc/client.h>

#include "dir.h"

struct shared {
	struct dir          dir;
	struct drpc_client *client;
	int                 listener;
	int                 peer; /* the server's end of the connection, once there is one */
};

/* A client that is not connected and has been told how messages are framed, and a server that listens. */
void shared_make(struct shared *shared);
/* Sets an option, which has to be possible. */
void shared_set(struct shared *shared, int option, uint64_t value);
/* Connects the client and takes the connection. */
void shared_connect(struct shared *shared);
/* Takes the next connection in place of the one before, which is closed. */
void shared_accept(struct shared *shared);
/* Whether the client has tried to connect once more. */
bool shared_is_knocking(const struct shared *shared);
/* Receives a call of this method, with a body of `method` bytes of the pattern; its sequence. */
int64_t shared_expect(struct shared *shared, int32_t method);
/* Answers it with SUCCESS and a body of `len` bytes of the pattern. */
void shared_answer(struct shared *shared, int64_t sequence, size_t len);
/* Makes a call with a body of `method` bytes that is not answered in time, and of which something has been sent. */
void shared_call_in_vain(struct shared *shared, int32_t method);
/* Makes a call in another thread, and answers it: the connection is as it should be. */
void shared_is_usable(struct shared *shared);
/* The same over a new connection. */
void shared_is_usable_again(struct shared *shared);
/* Destroys the client and everything else. */
void shared_end(struct shared *shared);

#endif
