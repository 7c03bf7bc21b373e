/*
 * A server that is looked at from outside while it is called: its memory, the kernel's part not counted, and its
 * descriptors.
 */
#ifndef BENCH_SEEN_SERVER_H
#define BENCH_SEEN_SERVER_H

#include "../../c-tests/counts/hand_back.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its socket, and its process. */
static const char *path;
static const char *pid;

/* A name in the folder of the process. */
static inline const char *
proc(const char *file)
{
	static char name[64];

	snprintf(name, sizeof(name), "/proc/%s/%s", pid, file);
	return name;
}

static inline long
memory(void)
{
	char  line[256];
	FILE *file = fopen(proc("smaps_rollup"), "r");
	long  kib = -1;

	if (file == NULL)
		exit(1);
	while (kib < 0 && fgets(line, sizeof(line), file) != NULL)
		sscanf(line, "Anonymous: %ld kB", &kib);
	fclose(file);
	return kib * 1024;
}

static inline long
descriptors(void)
{
	DIR *dir = opendir(proc("fd"));
	long count = 0;

	if (dir == NULL)
		exit(1);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static inline void
call_with(struct drpc *session, int32_t method, uint8_t *body, size_t size)
{
	Drpc__Call	message = DRPC__CALL__INIT;
	Drpc__Response *resp = NULL;

	message.module = MODULE;
	message.method = method;
	message.body.data = body;
	message.body.len = size;
	if (drpc_call(session, R_SYNC, &message, &resp) != 0 || resp->status != DRPC__STATUS__SUCCESS)
		exit(1);
	drpc_response_free(resp);
}

static inline void
call(struct drpc *session, int32_t method)
{
	uint8_t body[64] = {0};

	call_with(session, method, body, sizeof(body));
}

static inline struct drpc *
connected(void)
{
	struct drpc *session;

	if (abi_connect(path, &session) != 0)
		exit(1);
	return session;
}

#endif
