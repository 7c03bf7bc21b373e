#include "texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <drpc/library.h>

#include "../abi.h"

void
error_says(const char *text, ...)
{
	const char *error = drpc_last_error();
	va_list     texts;

	va_start(texts, text);
	for (; text != NULL; text = va_arg(texts, const char *))
		if (strstr(error, text) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", text, error);
	va_end(texts);
}

void
error_forget(void)
{
	assert_int_equal(drpc_set_connect_timeout(-1), -DER_INVAL);
}

const char *
own_process(void)
{
	static char text[64];
	char        name[17] = "";
	FILE       *file     = fopen("/proc/self/comm", "r");

	assert_non_null(file);
	assert_non_null(fgets(name, sizeof(name), file));
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	snprintf(text, sizeof(text), "pid %d (%s)", (int)getpid(), name);
	return text;
}
