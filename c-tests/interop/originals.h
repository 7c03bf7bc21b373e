/* The implementations of DAOS that the peers behave like. */
#ifndef INTEROP_ORIGINALS_H
#define INTEROP_ORIGINALS_H

#include <stdbool.h>
#include <stddef.h>

enum framing {
	DATAGRAM, /* one message, one record */
	CHUNKED,  /* records with a header of 24 bytes */
};

/* Who reads the messages. */
enum decoder {
	PROTOBUF_C,	/* libprotobuf-c since 1.3.2 */
	PROTOBUF_C_1_3, /* before that: a field with the number 0 is one that it does not know */
	GO_PROTO_1,	/* github.com/golang/protobuf, before google.golang.org/protobuf was under it */
	GO_PROTO_2,
};

struct original {
	const char  *name;
	bool	     go;
	enum framing framing;
	/* Bytes of a record that are read; what is beyond them is lost, and nobody told. */
	size_t	     buffer;
	enum decoder decoder;
	/* Whether a server knows methods of the modules 1 to 4 only. */
	bool	     daos_only;
	/* Whether a program has given its listener a handler that executes whatever comes, without a look at the module. */
	bool	     bare;
	/* Whether a program with a loop of its own closes a session over what it cannot read, without an answer. */
	bool	     mute;
};

/* NULL if there is none of that name. */
const struct original *original_named(const char *name);

#endif
