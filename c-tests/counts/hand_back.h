/*
 * What the counted programs agree on. A handler gives the body of the call back
 * without a copy of its own, so that what is counted is the library's. Both sides
 * mark a call of METHOD_MARK by getppid, which nothing else calls: strace, callgrind
 * and tally.c see it. A call of METHOD_END is a client's last, and ends the server.
 */
#ifndef C_TESTS_COUNTS_HAND_BACK_H
#define C_TESTS_COUNTS_HAND_BACK_H

#include "../abi.h"

#include <unistd.h>

enum { MODULE = 1, METHOD_ECHO = 101, METHOD_MARK = 102, METHOD_END = 103 };

static inline void
hand_back(Drpc__Call *call, Drpc__Response *resp)
{
	resp->body = call->body;
	call->body = (ProtobufCBinaryData){0};
	if (call->method == METHOD_MARK)
		getppid();
}

#endif
