#include "body.h"

#include <stdlib.h>

static uint8_t
pattern(size_t i)
{
	return (uint8_t)(i * 31 + 7 + i / 256);
}

uint8_t *
body_new(size_t len)
{
	uint8_t *data;
	size_t   i;

	if (len == 0)
		return NULL;
	data = malloc(len);
	if (data == NULL)
		abort();
	for (i = 0; i < len; i++)
		data[i] = pattern(i);
	return data;
}

bool
body_is(const uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (data[i] != pattern(i))
			return false;
	return true;
}
