#include "said.h"

#include "../abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <drpc/library.h>

enum { NOBODY_UID = 65534 };

bool
said_all(const char *const *words)
{
	const char *text = drpc_last_error();

	for (; *words != NULL; words++) {
		if (strstr(text, *words) == NULL) {
			fprintf(stderr, "\"%s\" is not in \"%s\"\n", *words, text);
			return false;
		}
	}
	return true;
}

void
as_user(int (*work)(const struct dir *dir))
{
	struct dir dir;
	pid_t      child;
	int        status;

	dir_make(&dir);
	if (geteuid() == 0)
		assert_int_equal(chown(dir.path, NOBODY_UID, (gid_t)-1), 0);
	child = fork();
	if (child == 0)
		_exit(geteuid() == 0 && setuid(NOBODY_UID) != 0 ? 100 : work(&dir));
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	dir_remove(&dir);
}

void
user_name(char text[32])
{
	snprintf(text, 32, "uid %u", (unsigned)geteuid());
}

void
forget_error(void)
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
