/* Calls of a raw peer whose bodies hold the pattern, and the replies to them. A failure fails the test. */
#ifndef C_TESTS_EXCHANGE_H
#define C_TESTS_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

/* Sends a call with a body of len bytes. */
void exchange_send(int fd, int32_t module, int32_t method, int64_t sequence, size_t len);
/* Receives a reply with this status and a body of len bytes. */
void exchange_expect(int fd, int64_t sequence, int status, size_t len);
/* Receives the next reply, whatever its number, which it returns; its status has to be this one. */
int64_t exchange_any(int fd, int status);
/* A call of method 0 with a body of 10 bytes, and its reply: SUCCESS with the same body. */
void exchange_echo(int fd, int32_t module, int64_t sequence);
/* The same answered with another status. */
void exchange_refused(int fd, int32_t module, int64_t sequence, int status);

#endif
