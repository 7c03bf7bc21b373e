/* What the servers offer in these tests, and a log of the calls that they have executed. */
#ifndef INTEROP_METHODS_H
#define INTEROP_METHODS_H

#include "bytes.h"

enum status { SUCCESS, SUBMITTED, FAILURE, UNKNOWN_MODULE, UNKNOWN_METHOD, UNPARSABLE, BAD_PAYLOAD };

/* The modules that lists of calls are about, and their methods. */
enum {
	MODULE = 3,
	ECHO = 301, /* answers with the body of the call */
	FAIL = 302, /* fails; the managed server says why, in as many bytes as the body has */
	MAKE = 306, /* with as many bytes as the number in it says */
	TAKE = 307, /* with nothing */
	HIDING_MODULE = 2,
	HIDE = 201, /* with nothing; there is a call in its body */
	/* Calls that a Go server of DAOS 0.8 takes for others if they come in a chunk as they are. */
	GROUPING_MODULE = 2,
	GROUP = 207,   /* with nothing, and there is none for other bodies than that of `grouping` */
	GROUPED = 241, /* what is in that body */
	SHIFTING_MODULE = 4,
	SHIFT = 200, /* with nothing; another module has the same */
	SHIFTED_MODULE = 0,
};

/*
 * A body for HIDE: some bytes, and an encoded call of TAKE with `len` bytes. Who takes
 * the header of a record for the first fields of a message may begin to read there.
 */
struct bytes hiding(size_t len);

/* A body for GROUP: some bytes, the end of a group, and an encoded call of GROUPED with less than 128 bytes. */
struct bytes grouping(size_t len);

/* Opens the log that methods_execute appends to. */
bool methods_log_to(const char *path);
/*
 * Executes a call: the status, and with SUCCESS the body of the answer. A line in
 * the log says what was executed: module, method, length of the body, and what a
 * list of calls names it ("take:5642"), or "other:MODULE/METHOD/LENGTH" if none of
 * them can be it.
 */
int32_t methods_execute(int32_t module, int32_t method, const uint8_t *body, size_t len, struct bytes *answer);
/* The same, but a call of what there is not is executed, too: SUCCESS, with nothing. */
int32_t methods_execute_any(int32_t module, int32_t method, const uint8_t *body, size_t len, struct bytes *answer);

#endif
