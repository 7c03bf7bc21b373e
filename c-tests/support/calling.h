/* Single calls of a client and the raw peer's side of them. A failure fails the test. */
#ifndef C_TESTS_CALLING_H
#define C_TESTS_CALLING_H

#include "../abi.h"

/* A call with a body of len bytes of the pattern. */
Drpc__Call *call_new(struct drpc *ctx, int32_t module, int32_t method, size_t len);
/* Calls method 206 of module 2 with 5 bytes, which returns rc, and gives the response. */
Drpc__Response *do_call(struct drpc *ctx, int flags, int rc);
/* Receives the call that do_call makes; its sequence has to be this one. */
void expect_call(int peer, int64_t sequence);
/* Checks a response with a body of len bytes, and frees it. */
void expect_response(Drpc__Response *resp, int64_t sequence, int status, size_t len);
/* Sends a response with a body of len bytes. */
void reply(int peer, int64_t sequence, int32_t status, size_t len);

#endif
