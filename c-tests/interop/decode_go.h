/* How the Go implementations read messages. */
#ifndef INTEROP_DECODE_GO_H
#define INTEROP_DECODE_GO_H

#include "message.h"

bool decode_call_go(enum decoder decoder, const uint8_t *data, size_t len, struct call *call);
bool decode_response_go(enum decoder decoder, const uint8_t *data, size_t len, struct response *response);

#endif
