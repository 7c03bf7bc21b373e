#include "dir.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
dir_make(struct dir *dir)
{
	strcpy(dir->path, "/tmp/drpc-ctest-XXXXXX");
	if (mkdtemp(dir->path) == NULL) {
		perror(dir->path);
		exit(99);
	}
	snprintf(dir->sock, sizeof(dir->sock), "%s/drpc.sock", dir->path);
}

void
dir_remove(struct dir *dir)
{
	struct dirent *entry;
	char           path[512];
	DIR           *files = opendir(dir->path);

	if (files == NULL)
		return;
	while ((entry = readdir(files)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir->path, entry->d_name);
		unlink(path);
	}
	closedir(files);
	rmdir(dir->path);
}
