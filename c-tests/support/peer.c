#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../abi.h"
#include "patience.h"

bool peer_chunked = ABI_CHUNKED;

static void
die(const char *what)
{
	perror(what);
	exit(99);
}

void
peer_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		die("socketpair");
}

static int
unix_socket(const char *path, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, path, strnlen(path, sizeof(addr->sun_path) - 1));
	return fd;
}

int
peer_connect(const char *path)
{
	struct sockaddr_un addr;
	int                fd = unix_socket(path, &addr);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		die(path);
	return fd;
}

int
peer_listen(const char *path)
{
	struct sockaddr_un addr;
	int                fd = unix_socket(path, &addr);

	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 16) != 0)
		die(path);
	return fd;
}

bool
peer_send_record(int fd, const void *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

bool
peer_send_chunk(int fd, const struct wire_header *header, const void *data, size_t len)
{
	uint8_t *record = malloc(WIRE_HEADER + len);
	bool     ok;

	if (record == NULL)
		abort();
	wire_put_header(record, header);
	if (len > 0)
		memcpy(record + WIRE_HEADER, data, len);
	ok = peer_send_record(fd, record, WIRE_HEADER + len);
	free(record);
	return ok;
}

ssize_t
peer_recv_record(int fd, void *buf, size_t size)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	if (poll(&ready, 1, PATIENCE_MS) == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	return recv(fd, buf, size, 0);
}

bool
peer_is_quiet(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	return poll(&ready, 1, 0) == 0;
}

bool
peer_is_closed(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	char          byte;
	ssize_t       n;

	if (poll(&ready, 1, PATIENCE_MS) <= 0)
		return false;
	n = recv(fd, &byte, 1, MSG_DONTWAIT);
	/* A reset tells of records that the other side left unread. */
	return (n == 0 || (n < 0 && errno == ECONNRESET)) && (ready.revents & POLLHUP) != 0;
}

bool
peer_send_message(int fd, const uint8_t *msg, size_t len)
{
	struct wire_header header = {.total = len, .chunks = wire_chunks(len)};
	size_t             done   = 0;

	if (!peer_chunked)
		return peer_send_record(fd, msg, len);
	for (header.index = 0; header.index < header.chunks; header.index++) {
		header.size = len - done < WIRE_CHUNK_MAX ? len - done : WIRE_CHUNK_MAX;
		if (!peer_send_chunk(fd, &header, msg + done, header.size))
			return false;
		done += header.size;
	}
	return true;
}

static uint8_t *
recv_datagram(int fd, size_t *len)
{
	uint8_t *msg = malloc(WIRE_RECORD_MAX * 2);
	ssize_t  n;

	if (msg == NULL)
		abort();
	n = peer_recv_record(fd, msg, WIRE_RECORD_MAX * 2);
	if (n < 0) {
		free(msg);
		return NULL;
	}
	*len = (size_t)n;
	return msg;
}

/* Stricter than any receiver: every field of every header must be right. */
static bool
recv_chunk(int fd, uint8_t *record, struct wire_header *header, size_t expect_total, uint32_t expect_index)
{
	ssize_t  n = peer_recv_record(fd, record, WIRE_RECORD_MAX);
	uint64_t left;

	if (n < WIRE_HEADER)
		return false;
	wire_get_header(record, header);
	if (expect_index > 0 && header->total != expect_total)
		return false;
	if (header->index != expect_index || header->chunks != wire_chunks(header->total))
		return false;
	left = header->total - (uint64_t)expect_index * WIRE_CHUNK_MAX;
	if (header->size != (left < WIRE_CHUNK_MAX ? left : WIRE_CHUNK_MAX))
		return false;
	return (uint64_t)n == WIRE_HEADER + header->size;
}

static uint8_t *
recv_chunks(int fd, size_t *len)
{
	uint8_t           *record = malloc(WIRE_RECORD_MAX);
	uint8_t           *msg    = NULL;
	struct wire_header header;
	uint32_t           index  = 0;
	size_t             total  = 0;

	if (record == NULL)
		abort();
	do {
		if (!recv_chunk(fd, record, &header, total, index)) {
			free(msg);
			free(record);
			return NULL;
		}
		if (index == 0) {
			total = header.total;
			msg   = malloc(total + 1);
			if (msg == NULL)
				abort();
		}
		memcpy(msg + (size_t)index * WIRE_CHUNK_MAX, record + WIRE_HEADER, header.size);
	} while (++index < header.chunks);
	free(record);
	*len = total;
	return msg;
}

uint8_t *
peer_recv_message(int fd, size_t *len)
{
	return peer_chunked ? recv_chunks(fd, len) : recv_datagram(fd, len);
}

bool
peer_send_call(int fd, int32_t module, int32_t method, int64_t sequence, const uint8_t *body, size_t len)
{
	struct wire_call call = {module, method, sequence, body, len};
	size_t           size;
	uint8_t         *msg = wire_pack_call(&call, &size);
	bool             ok  = peer_send_message(fd, msg, size);

	free(msg);
	return ok;
}

bool
peer_send_response(int fd, int64_t sequence, int32_t status, const uint8_t *body, size_t len)
{
	struct wire_response resp = {.sequence = sequence, .status = status, .body = body, .len = len};
	size_t               size;
	uint8_t             *msg = wire_pack_response(&resp, &size);
	bool                 ok  = peer_send_message(fd, msg, size);

	free(msg);
	return ok;
}

bool
peer_recv_call(int fd, struct peer_call *out)
{
	size_t len;

	out->msg = peer_recv_message(fd, &len);
	return out->msg != NULL && wire_read_call(out->msg, len, &out->call);
}

bool
peer_recv_response(int fd, struct peer_response *out)
{
	size_t len;

	out->msg = peer_recv_message(fd, &len);
	return out->msg != NULL && wire_read_response(out->msg, len, &out->resp);
}
