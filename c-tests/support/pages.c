#include "pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

long
pages_mib(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long  resident;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %ld", &resident), 1);
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE) >> 20;
}

long
pages_faults(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_minflt;
}
