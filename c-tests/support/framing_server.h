/* Servers made of plain system calls, each of one framing, and a client that has to find out which. */
#ifndef C_TESTS_FRAMING_SERVER_H
#define C_TESTS_FRAMING_SERVER_H

#include "../abi.h"
#include "wire.h"

#include <pthread.h>

/* How servers say that a message is no call: those that read datagrams of every chunk, the others of the probe. */
#define NO_CALL "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05"
/* A field by which a later release of this library may mark its answer to the probe. */
#define MARK    "\xf8\x7f\x01"
/* The message of the probe. */
#define PROBE_BYTES "\7\7\7\7\7\7\7"

/* How a server takes what it hears. */
enum manner {
	GO,        /* datagrams; rejects a chunk and stays */
	C,         /* datagrams; rejects a chunk and closes */
	CREDULOUS, /* datagrams; takes a chunk for a call, and executes it */
	CLOSING,   /* closes without an answer */
	NEW_C,     /* chunks; says that the probe is no call and closes */
	NEW_GO,    /* chunks; says so and stays */
	MARKING,   /* chunks; marks its answer to the probe and closes */
};

struct server {
	enum manner manner;
	int         listener;
	int         connections;
	int         probes;   /* messages in chunks that were no call */
	int         rejected; /* chunks that were no call */
	int         executed;
	int64_t     last; /* sequence of the call executed last */
	pthread_t   thread;
};

#define LARGE 300000

/* The record of a first call with a body of 10 bytes: 19 bytes, and one more. */
#define TRIAL_OF_10 (WIRE_HEADER + 20)

/* A malloc'ed message of one record or more, as its first record says; NULL at the end. */
uint8_t *hear(int fd, size_t *len, bool *chunked);
/* Sends a message in one record, or in chunks. */
bool say(int fd, const uint8_t *msg, size_t len, bool chunked);
/* Executes a call: the answer has its body. False if the message is no call. */
bool execute(struct server *server, int fd, const uint8_t *msg, size_t len, bool chunked);
/* Starts the server's thread. */
void server_start(struct server *server, int listener, enum manner manner);
/* Waits until the connections are closed. The server's figures may be looked at afterwards. */
void server_stop(struct server *server);

/* A context connected to path that has to find out what its server speaks. */
struct drpc *client_of(const char *path);
/* A call with a body of len bytes; gives its rc. */
int try_call(struct drpc *ctx, int flags, size_t len, Drpc__Response **resp);
/* A call that gets its own reply, or without R_SYNC none. */
void call_works(struct drpc *ctx, int flags, size_t len);
/* A call that returns rc, and no response. */
void call_fails(struct drpc *ctx, size_t len, int rc);

#endif
