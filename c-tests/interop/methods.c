#include "methods.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum action { ECHO_BODY, MAKE_BODY, MAKE_1024, NO_BODY };

/* What the Go servers had whose answers were recorded, and what lists of calls are about. */
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
	{SHIFTED_MODULE, SHIFT, NO_BODY, SUCCESS},
	{2, 206, MAKE_1024, SUCCESS},
	{GROUPING_MODULE, GROUP, NO_BODY, SUCCESS},
	{GROUPING_MODULE, GROUPED, NO_BODY, SUCCESS},
	{MODULE, ECHO, ECHO_BODY, SUCCESS},
	{MODULE, FAIL, NO_BODY, FAILURE},
	{MODULE, 303, NO_BODY, UNKNOWN_METHOD},
	{MODULE, 304, NO_BODY, FAILURE},
	{MODULE, 305, NO_BODY, BAD_PAYLOAD},
	{MODULE, MAKE, MAKE_BODY, SUCCESS},
	{MODULE, TAKE, NO_BODY, SUCCESS},
	{SHIFTING_MODULE, SHIFT, NO_BODY, SUCCESS},
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

/* What stands before the body of GROUPED: the end of any group, and the call. */
static const uint8_t grouping_head[] = {'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x', 'x',
					0x04, 0x08, GROUPING_MODULE, 0x10, GROUPED % 128 | 128, GROUPED / 128, 0x18, 5, 0x22};

struct bytes
grouping(size_t len)
{
	size_t	     head = sizeof(grouping_head);
	struct bytes body = {.data = allocate(head + 1 + len), .len = head + 1 + len};

	memcpy(body.data, grouping_head, head);
	body.data[head] = (uint8_t)len;
	memset(body.data + head + 1, 'e', len);
	return body;
}

/* How many bytes the call has that is in the body of a GROUP; -1 if there is none. */
static long
grouped_in(const uint8_t *body, size_t len)
{
	struct bytes expected;
	bool	     same;

	if (len <= sizeof(grouping_head) || len > sizeof(grouping_head) + 128)
		return -1;
	expected = grouping(len - sizeof(grouping_head) - 1);
	same = memcmp(expected.data, body, len) == 0;
	free(expected.data);
	return same ? (long)(len - sizeof(grouping_head) - 1) : -1;
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
name_call(int32_t module, int32_t method, const uint8_t *body, size_t len, char *name, size_t size)
{
	bool is_hide = module == HIDING_MODULE && method == HIDE;
	bool is_group = module == GROUPING_MODULE && method == GROUP;
	long hidden = is_hide ? hidden_in(body, len) : -1;
	long grouped = is_group ? grouped_in(body, len) : -1;

	if (module == MODULE && method == MAKE)
		snprintf(name, size, "make:%zu", number_in(body, len));
	else if (module == MODULE && method == TAKE && is_pattern(body, len))
		snprintf(name, size, "take:%zu", len);
	else if (hidden >= 0)
		snprintf(name, size, "hide:%ld", hidden);
	else if (grouped >= 0)
		snprintf(name, size, "group:%ld", grouped);
	else if (module == SHIFTING_MODULE && method == SHIFT && is_pattern(body, len))
		snprintf(name, size, "shift:%zu", len);
	else
		snprintf(name, size, "other:%d/%d/%zu", module, method, len);
}

/* In one write a line: sessions are threads. */
static void
log_call(int32_t module, int32_t method, const uint8_t *body, size_t len)
{
	char name[80];
	char line[160];
	int  count;

	name_call(module, method, body, len, name, sizeof(name));
	count = snprintf(line, sizeof(line), "%d %d %zu %s\n", module, method, len, name);
	if (write(log_fd, line, (size_t)count) != count)
		abort();
}

static const struct method *
find(int32_t module, int32_t method, const uint8_t *body, size_t len, bool *has_module)
{
	size_t i;

	*has_module = false;
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (methods[i].module != module)
			continue;
		*has_module = true;
		if (methods[i].method == method)
			return method == GROUP && grouped_in(body, len) < 0 ? NULL : &methods[i];
	}
	return NULL;
}

int32_t
methods_execute(int32_t module, int32_t number, const uint8_t *body, size_t len, struct bytes *answer)
{
	bool		     has_module;
	const struct method *method = find(module, number, body, len, &has_module);

	*answer = (struct bytes){0};
	if (method == NULL)
		return has_module ? UNKNOWN_METHOD : UNKNOWN_MODULE;
	log_call(module, number, body, len);
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

int32_t
methods_execute_any(int32_t module, int32_t number, const uint8_t *body, size_t len, struct bytes *answer)
{
	bool has_module;

	if (find(module, number, body, len, &has_module) != NULL)
		return methods_execute(module, number, body, len, answer);
	*answer = (struct bytes){0};
	log_call(module, number, body, len);
	return SUCCESS;
}
