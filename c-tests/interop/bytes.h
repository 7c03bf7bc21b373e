/* Bodies and messages. */
#ifndef INTEROP_BYTES_H
#define INTEROP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes from malloc; NULL if there are none. */
struct bytes {
	uint8_t *data;
	size_t	 len;
};

/* Memory, or the end of the program. */
void *allocate(size_t size);
struct bytes bytes_copy(const uint8_t *data, size_t len);

/* The pattern: byte i is (i * 31 + 7) & 0xff. */
struct bytes pattern_of(size_t len);
bool is_pattern(const uint8_t *data, size_t len);

#endif
