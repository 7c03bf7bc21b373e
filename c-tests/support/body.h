/* Bodies whose every byte is known from its place. */
#ifndef C_TESTS_BODY_H
#define C_TESTS_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A malloc'ed body of the pattern; NULL when len is 0. */
uint8_t *body_new(size_t len);
/* Whether len bytes hold the pattern. */
bool body_is(const uint8_t *data, size_t len);

#endif
