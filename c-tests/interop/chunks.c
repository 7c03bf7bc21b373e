#include "chunks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct header {
	uint64_t total;
	uint64_t size;
	uint32_t index;
	uint32_t count;
};

enum { HEADER = sizeof(struct header), RECORD = 1 << 17, DATA = RECORD - HEADER };

/*
 * Allocating as much as a header claims is the originals' business. No test here
 * sends more than this, and a peer that is sent nonsense need not show what becomes
 * of a daemon then: it ends the session, which its client cannot tell from that.
 */
#define TOTAL_MAX (UINT64_C(64) << 20)

/* The next record into a buffer of RECORD bytes; false if it is too short for a header. */
static bool
receive_chunk(int fd, uint8_t *record, struct header *header)
{
	ssize_t n = recv(fd, record, RECORD, 0);

	if (n < HEADER)
		return false;
	memcpy(header, record, HEADER);
	return true;
}

/* The tests of C's receiver in its order; the length of a record is none of them. */
static enum received
check_c(const struct header *header, const struct header *first, uint64_t missing, uint32_t expected)
{
	if (first->count == 0)
		return NONSENSE;
	if (first->total > TOTAL_MAX)
		return END;
	if (header->size > DATA || header->size > missing)
		return END;
	if (header->count != first->count || header->index >= header->count)
		return NONSENSE;
	return header->index == expected ? MESSAGE : END;
}

static enum received
gather_c(int fd, uint8_t *record, struct bytes *message)
{
	struct header first;
	struct header header;
	uint32_t      expected = 0;

	do {
		enum received received;

		if (!receive_chunk(fd, record, &header))
			return END;
		if (expected == 0)
			first = header;
		received = check_c(&header, &first, first.total - message->len, expected++);
		if (received != MESSAGE)
			return received;
		if (message->data == NULL)
			message->data = allocate(first.total);
		memcpy(message->data + message->len, record + HEADER, header.size);
		message->len += header.size;
	} while (message->len < first.total);
	return MESSAGE;
}

/* Reads as many records as the first one says, and no header may change. */
static enum received
gather_go(int fd, uint8_t *record, struct bytes *message)
{
	struct header first;
	struct header header;
	uint32_t      expected = 0;

	do {
		if (!receive_chunk(fd, record, &header))
			return END;
		if (expected == 0) {
			first = header;
			if (first.total > TOTAL_MAX)
				return END;
			message->data = allocate(first.total);
		}
		if (header.total != first.total || header.count != first.count || header.index != expected++)
			return END;
		if (header.size > DATA || header.size > first.total - message->len)
			return END;
		memcpy(message->data + message->len, record + HEADER, header.size);
		message->len += header.size;
	} while (expected < first.count);
	return message->len == first.total ? MESSAGE : END;
}

enum received
chunks_receive_c(int fd, struct bytes *message)
{
	uint8_t	     *record = calloc(1, RECORD);
	enum received received = record == NULL ? END : gather_c(fd, record, message);

	free(record);
	return received;
}

enum received
chunks_receive_go(int fd, struct bytes *message)
{
	uint8_t	     *record = calloc(1, RECORD);
	enum received received = record == NULL ? END : gather_go(fd, record, message);

	free(record);
	return received;
}

bool
chunks_send(bool go, int fd, const struct bytes *message)
{
	uint8_t	     *record = allocate(RECORD);
	struct header header = {.total = message->len};
	size_t	      sent = 0;
	bool	      went;

	/* C has no record for an empty message, and asserts that it has one. */
	if (message->len == 0 && !go)
		abort();
	header.count = (uint32_t)((message->len + DATA - 1) / DATA);
	if (header.count == 0)
		header.count = 1;
	do {
		header.size = message->len - sent < DATA ? message->len - sent : DATA;
		memcpy(record, &header, HEADER);
		if (header.size > 0)
			memcpy(record + HEADER, message->data + sent, header.size);
		went = send(fd, record, HEADER + header.size, MSG_NOSIGNAL) == (ssize_t)(HEADER + header.size);
		sent += header.size;
	} while (went && ++header.index < header.count);
	free(record);
	return went;
}
