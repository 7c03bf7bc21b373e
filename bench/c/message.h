/*
 * The floor's messages: what has to be sent at least so that the receiver knows where a message ends, and as many bytes
 * as a small call has beside its body. A message is held whole in memory and sent as records of 128 KiB.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "program.h"

#define MAX_RECORD ((size_t)128 << 10)

struct head {
	uint64_t size; /* of the message, with this head */
	uint64_t rest; /* 0 but for ../counts, which marks a call by it */
};

/* The calls that dRPC is bound to; with BENCH_SEND the quicker pair, with BENCH_SPIN so many µs without sleep. */
static inline size_t
send_record(int fd, void *data, size_t size)
{
#ifdef BENCH_SEND
	ssize_t sent = send(fd, data, size, 0);
#else
	struct iovec iov = {.iov_base = data, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t sent = sendmsg(fd, &msg, 0);
#endif

	if (sent != (ssize_t)size)
		die("send");
	return size;
}

/* Returns 0 when the peer has gone. */
static inline size_t
receive_record(int fd, void *data, size_t size)
{
#ifdef BENCH_SEND
	ssize_t received = recv(fd, data, size, 0);
#else
	struct iovec iov = {.iov_base = data, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t received = -1;

#ifdef BENCH_SPIN
	/* Not for ever: when others have their turn the core is theirs. */
	for (uint64_t begin = now(); received < 0 && now() - begin < BENCH_SPIN * 1000;)
		received = recvmsg(fd, &msg, MSG_DONTWAIT);
#endif
	if (received < 0)
		received = recvmsg(fd, &msg, 0);
#endif

	if (received < 0)
		die("receive");
	return (size_t)received;
}

static inline void
send_message(int fd, uint8_t *message, size_t size)
{
	for (size_t sent = 0; sent < size;)
		sent += send_record(fd, message + sent, size - sent < MAX_RECORD ? size - sent : MAX_RECORD);
}

/* Memory for messages, which is kept. */
struct buffer {
	uint8_t *data;
	size_t	 size;
};

/* Makes room for a message, and touches every page of it. */
void buffer_grow(struct buffer *buffer, size_t size);

/* Returns the size of the message, or 0 when the peer has gone. The buffer has room for a record at least. */
static inline size_t
receive_message(int fd, struct buffer *buffer)
{
	size_t received = receive_record(fd, buffer->data, MAX_RECORD);
	size_t size = received < sizeof(struct head) ? 0 : ((struct head *)buffer->data)->size;

	if (size > buffer->size)
		buffer_grow(buffer, size);
	while (received < size) {
		size_t due = size - received;

		received += receive_record(fd, buffer->data + received, due < MAX_RECORD ? due : MAX_RECORD);
	}
	return received;
}

#endif
