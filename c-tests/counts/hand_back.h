/*
 * What the counted programs agree on. A handler gives the body of the call back
 * without a copy of its own, so that what is counted is the library's. A call of
 * MODULE_END is a client's last: servers that outlive their sessions end with it.
 */
#ifndef C_TESTS_COUNTS_HAND_BACK_H
#define C_TESTS_COUNTS_HAND_BACK_H

#include "../abi.h"

enum { MODULE_ECHO = 1, MODULE_END = 2, METHOD = 101 };

static inline void
hand_back(Drpc__Call *call, Drpc__Response *resp)
{
	resp->body = call->body;
	call->body = (ProtobufCBinaryData){0};
}

#endif
