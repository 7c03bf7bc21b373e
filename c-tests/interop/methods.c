#include "methods.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum action { ECHO_BODY, MAKE_BODY, MAKE_1024, NO_BODY };

/* What the Go servers had whose answers were recorded, and TAKE. */
static const struct method {
	int32_t	    module;
	int32_t	    method;
	enum action action;
	enum status status;
	const char *name;
} methods[] = {
	{0, 0, ECHO_BODY, SUCCESS, NULL},
	{0, 1, NO_BODY, FAILURE, NULL},
	{0, 2, NO_BODY, UNKNOWN_METHOD, NULL},
	{0, 3, NO_BODY, FAILURE, NULL},
	{0, 4, NO_BODY, BAD_PAYLOAD, NULL},
	{2, 206, MAKE_1024, SUCCESS, NULL},
	{MODULE, ECHO, ECHO_BODY, SUCCESS, "echo"},
	{MODULE, 302, NO_BODY, FAILURE, NULL},
	{MODULE, 303, NO_BODY, UNKNOWN_METHOD, NULL},
	{MODULE, 304, NO_BODY, FAILURE, NULL},
	{MODULE, 305, NO_BODY, BAD_PAYLOAD, NULL},
	{MODULE, MAKE, MAKE_BODY, SUCCESS, "make"},
	{MODULE, TAKE, NO_BODY, SUCCESS, "take"},
};

static int log_fd = -1;

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

/* In one write a line: sessions are threads. */
static void
log_call(const struct method *method, const uint8_t *body, size_t len)
{
	char name[40] = "other";
	char line[120];
	int  count;

	if (method->action == MAKE_BODY)
		snprintf(name, sizeof(name), "%s:%zu", method->name, number_in(body, len));
	else if (method->name != NULL && is_pattern(body, len))
		snprintf(name, sizeof(name), "%s:%zu", method->name, len);
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
