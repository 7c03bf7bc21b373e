#include "descriptors.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static int before;

int
descriptors_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int  n   = 0;

	if (dir == NULL) {
		perror("/proc/self/fd");
		exit(99);
	}
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

int
descriptors_note(void **state)
{
	(void)state;
	before = descriptors_open();
	return 0;
}

int
descriptors_check(void **state)
{
	int after = descriptors_open();

	(void)state;
	if (after == before)
		return 0;
	print_error("%d descriptors before the test, %d after it\n", before, after);
	return -1;
}
