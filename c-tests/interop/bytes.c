#include "bytes.h"

#include <stdlib.h>
#include <string.h>

void *
allocate(size_t size)
{
	void *data = malloc(size > 0 ? size : 1);

	if (data == NULL)
		abort();
	return data;
}

struct bytes
bytes_copy(const uint8_t *data, size_t len)
{
	struct bytes bytes = {.len = len};

	if (len > 0) {
		bytes.data = allocate(len);
		memcpy(bytes.data, data, len);
	}
	return bytes;
}

static uint8_t
pattern(size_t i)
{
	return (uint8_t)(i * 31 + 7);
}

struct bytes
pattern_of(size_t len)
{
	struct bytes body = {.len = len};
	size_t	     i;

	if (len > 0)
		body.data = allocate(len);
	for (i = 0; i < len; i++)
		body.data[i] = pattern(i);
	return body;
}

bool
is_pattern(const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] != pattern(i))
			return false;
	return true;
}
