/*
 * The other end of a connection, made of plain system calls: it says exactly
 * the bytes a test wants said, in the framing of the ABI under test unless the
 * test wants the other one.
 */
#ifndef C_TESTS_PEER_H
#define C_TESTS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire.h"

struct drpc;

/* Whether whole messages are chunked; at first as the ABI has them. */
extern bool peer_chunked;

/* Two connected sockets, or the end of the program. */
void peer_pair(int fds[2]);
/* A client socket connected to path; a listening socket bound to path. */
int peer_connect(const char *path);
int peer_listen(const char *path);

/* One record as it stands. */
bool peer_send_record(int fd, const void *data, size_t len);
/* One record of a chunked message. */
bool peer_send_chunk(int fd, const struct wire_header *header, const void *data, size_t len);
/* The next record; -1 with errno set on failure. Waits at most some seconds. */
ssize_t peer_recv_record(int fd, void *buf, size_t size);
/* True when there is nothing to read and the other side is still there. */
bool peer_is_quiet(int fd);
/* True when the other side has closed, within some seconds. */
bool peer_is_closed(int fd);

/* Whole messages. */
bool peer_send_message(int fd, const uint8_t *msg, size_t len);
/* A malloc'ed message and its length, or NULL. Checks the chunks' headers. */
uint8_t *peer_recv_message(int fd, size_t *len);

bool peer_send_call(int fd, int32_t module, int32_t method, int64_t sequence, const uint8_t *body, size_t len);
bool peer_send_response(int fd, int64_t sequence, int32_t status, const uint8_t *body, size_t len);

/* A message read: `call` or `resp` point into `msg`, which the test frees. */
struct peer_call {
	uint8_t         *msg;
	struct wire_call call;
};
struct peer_response {
	uint8_t             *msg;
	struct wire_response resp;
};
bool peer_recv_call(int fd, struct peer_call *out);
bool peer_recv_response(int fd, struct peer_response *out);

#endif
