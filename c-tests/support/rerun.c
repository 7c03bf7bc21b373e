#include "rerun.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

void
rerun(const char *framing)
{
	char  self[512] = "";
	int   status;
	pid_t child;

	/* By its name: under valgrind the link itself leads to valgrind. */
	assert_in_range(readlink("/proc/self/exe", self, sizeof(self) - 1), 1, sizeof(self) - 2);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (framing == NULL)
			unsetenv("DRPC_FRAMING");
		else
			setenv("DRPC_FRAMING", framing, 1);
		unsetenv("TEST_FILTER");
		/* The results of the tests are the parent's. */
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execl(self, self, "again", (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}
