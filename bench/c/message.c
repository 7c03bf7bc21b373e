#include "message.h"

#include <stdlib.h>
#include <string.h>

void
buffer_grow(struct buffer *buffer, size_t size)
{
	buffer->data = realloc(buffer->data, size);
	if (buffer->data == NULL)
		die("realloc");
	memset(buffer->data + buffer->size, 1, size - buffer->size);
	buffer->size = size;
}
