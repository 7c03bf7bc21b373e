#include "methods.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum action { ECHO_BODY, MAKE_BODY, MAKE_1024, NO_BODY };

/* What the Go servers had whose answers were recorded, TAKE and HIDE. */
static const struct method {
	int32_t	    module;
	int32_t	    method;
	enum action action;
	enum status status;
} methods[] = {
	{0, 0, ECHO_BODY, SUCCESS},
	{0, 1, NO_BODY, FAILURE},
	{0, 2, NO_BODY, UNKNOWN_METHOD},
	{0, 3, NO_BODY, FAILURE},
	{0, 4, NO_BODY, BAD_PAYLOAD},
	{HIDING_MODULE, HIDE, NO_BODY, SUCCESS},
	{2, 206, MAKE_1024, SUCCESS},
	{MODULE, ECHO, ECHO_BODY, SUCCESS},
	{MODULE, 302, NO_BODY, FAILURE},
	{MODULE, 303, NO_BODY, UNKNOWN_METHOD},
	{MODULE, 304, NO_BODY, FAILURE},
	{MODULE, 305, NO_BODY, BAD_PAYLOAD},
	{MODULE, MAKE, MAKE_BODY, SUCCESS},
	{MODULE, TAKE, NO_BODY, SUCCESS},
};

static int log_fd = -1;

/* Ten bytes that say nothing, then TAKE's module, method, and a sequence; and the key of its body. */
static const uint8_t hiding_head[] = {'h', 'i', 'd', 'i', 'n', 'g', ' ', ' ', ' ', ' ',
				      0x08, MODULE, 0x10, TAKE % 128 | 128, TAKE / 128, 0x18, 9, 0x22};

struct bytes
hiding(size_t len)
{
	struct bytes body = {.len = sizeof(hiding_head)};
	struct bytes hidden = pattern_of(len);
	size_t	     left = len;

	body.data = allocate(sizeof(hiding_head) + 10 + len);
	memcpy(body.data, hiding_head, sizeof(hiding_head));
	for (; left > 127; left >>= 7)
		body.data[body.len++] = (uint8_t)(left | 128);
	body.data[body.len++] = (uint8_t)left;
	if (len > 0)
		memcpy(body.data + body.len, hidden.data, len);
	body.len += len;
	free(hidden.data);
	return body;
}

/* How many bytes the hidden call has, whose length takes one to three bytes; -1 if there is none. */
static long
hidden_in(const uint8_t *body, size_t len)
{
	size_t prefix;

	for (prefix = 1; prefix <= 3 && sizeof(hiding_head) + prefix <= len; prefix++) {
		size_t	     inner = len - sizeof(hiding_head) - prefix;
		struct bytes expected = hiding(inner);
		bool	     same = expected.len == len && memcmp(expected.data, body, len) == 0;

		free(expected.data);
		if (same)
			return (long)inner;
	}
	return -1;
}

bool
methods_log_to(const char *path)
{
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	return log_fd >= 0;
}

/* The decimal number in the body of a MAKE. */
static size_t
number_in(const uint8_t *body, size_t len)
{
	char text[16] = "";

	if (len > 0 && len < sizeof(text))
		memcpy(text, body, len);
	return strtoul(text, NULL, 10);
}

/* What a list of calls names a call. */
static void
name_call(const struct method *method, const uint8_t *body, size_t len, char *name, size_t size)
{
	long hidden = method->method == HIDE ? hidden_in(body, len) : -1;

	if (method->method == MAKE)
		snprintf(name, size, "make:%zu", number_in(body, len));
	else if (method->method == TAKE && is_pattern(body, len))
		snprintf(name, size, "take:%zu", len);
	else if (hidden >= 0)
		snprintf(name, size, "hide:%ld", hidden);
	else
		snprintf(name, size, "other");
}

/* In one write a line: sessions are threads. */
static void
log_call(const struct method *method, const uint8_t *body, size_t len)
{
	char name[40];
	char line[120];
	int  count;

	name_call(method, body, len, name, sizeof(name));
	count = snprintf(line, sizeof(line), "%d %d %zu %s\n", method->module, method->method, len, name);
	if (write(log_fd, line, (size_t)count) != count)
		abort();
}

static const struct method *
find(int32_t module, int32_t method, bool *has_module)
{
	size_t i;

	*has_module = false;
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (methods[i].module != module)
			continue;
		*has_module = true;
		if (methods[i].method == method)
			return &methods[i];
	}
	return NULL;
}

int32_t
methods_execute(int32_t module, int32_t number, const uint8_t *body, size_t len, struct bytes *answer)
{
	bool		     has_module;
	const struct method *method = find(module, number, &has_module);

	*answer = (struct bytes){0};
	if (method == NULL)
		return has_module ? UNKNOWN_METHOD : UNKNOWN_MODULE;
	log_call(method, body, len);
	switch (method->action) {
	case ECHO_BODY:
		*answer = bytes_copy(body, len);
		break;
	case MAKE_BODY:
		*answer = pattern_of(number_in(body, len));
		break;
	case MAKE_1024:
		*answer = pattern_of(1024);
		break;
	case NO_BODY:
		break;
	}
	return method->status;
}
