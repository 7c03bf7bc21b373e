/* How the C implementations read messages: by libprotobuf-c itself. */
#ifndef INTEROP_DECODE_C_H
#define INTEROP_DECODE_C_H

#include "message.h"

bool decode_call_c(enum decoder decoder, const uint8_t *data, size_t len, struct call *call);
bool decode_response_c(enum decoder decoder, const uint8_t *data, size_t len, struct response *response);

#endif
