/*
 * The message of the calls of packed_… and typed_…, which takes as many bytes as the calls of other programs
 * do. Their service has the methods of hand_back.h in the same order: Echo, Later as the mark, Odd as the end.
 */
#ifndef C_TESTS_COUNTS_MESSAGE_H
#define C_TESTS_COUNTS_MESSAGE_H

#include "hand_back.h"

#include "tree.pb-c.h"

/* For at most 129 bytes. */
static inline Tree__Node
message_of(uint8_t *body, size_t len)
{
	Tree__Node message = TREE__NODE__INIT;

	if (len > 2) {
		message.data.len = len - 2;
		message.data.data = body;
	}
	return message;
}

#endif
