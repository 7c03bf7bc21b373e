/*
 * The client's side of the contender protocol (see ../README.md). A program defines `contender`; client.c
 * has main().
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "program.h"

/* What to call with. */
struct load {
	const uint8_t *body;
	size_t	       size;
	/* How many calls may be unanswered on a connection. */
	uint64_t depth;
	/* Whether the answer's bytes are to be compared, not only its length. */
	bool compare;
};

/* Functions that are NULL make their commands unsupported. */
struct contender {
	/* Whether bodies of this size can be sent; a place to get ready for them. */
	bool (*prepare)(const struct load *load);
	void *(*connect)(const char *path, const struct load *load);
	void (*call)(void *connection, const struct load *load);
	void (*close)(void *connection);
	/* Called with a connection that has been used. */
	void (*pipeline)(void *connection, const struct load *load, uint64_t count);
	/* Two steps, of which the second is timed. */
	void *(*connect_many)(const char *path, const struct load *load, uint64_t clients);
	void (*call_many)(void *connections, const struct load *load, uint64_t count);
	void (*close_many)(void *connections);
};

extern const struct contender contender;

/* Ends the program if an answer is not what was sent. */
static inline void
expect(const struct load *load, const void *answer, size_t size)
{
	if (size == load->size && (!load->compare || memcmp(answer, load->body, size) == 0))
		return;
	errno = 0;
	die("a wrong answer");
}

#endif
