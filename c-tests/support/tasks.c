#include "tasks.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "patience.h"

static int
count(void)
{
	DIR           *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int            n = 0;

	if (dir == NULL) {
		perror("/proc/self/task");
		exit(99);
	}
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

bool
tasks_are(int expected)
{
	int ms;

	for (ms = 0; count() != expected && ms < PATIENCE_MS; ms++)
		usleep(1000);
	return count() == expected;
}
