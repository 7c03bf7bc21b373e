#include "tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "methods.h"

static size_t
number_of(const char *name)
{
	return strtoul(strchr(name, ':') + 1, NULL, 10);
}

struct task
task_of(const char *name)
{
	struct task task = {.name = name, .module = MODULE};

	if (strncmp(name, "take:", 5) == 0) {
		task.method = TAKE;
		task.body = pattern_of(number_of(name));
	} else if (strncmp(name, "make:", 5) == 0) {
		task.method = MAKE;
		task.body = bytes_copy((const uint8_t *)name + 5, strlen(name + 5));
	} else if (strncmp(name, "fail:", 5) == 0) {
		task.method = FAIL;
		task.body = pattern_of(number_of(name));
	} else if (strncmp(name, "hide:", 5) == 0) {
		task.module = HIDING_MODULE;
		task.method = HIDE;
		task.body = hiding(number_of(name));
	} else if (strncmp(name, "group:", 6) == 0) {
		task.module = GROUPING_MODULE;
		task.method = GROUP;
		task.body = grouping(number_of(name));
	} else if (strncmp(name, "shift:", 6) == 0) {
		task.module = SHIFTING_MODULE;
		task.method = SHIFT;
		task.body = pattern_of(number_of(name));
	} else {
		fprintf(stderr, "%s: not a call\n", name);
		exit(2);
	}
	return task;
}

void
task_tell(const struct task *task, const char *claim)
{
	printf("%s %s\n", task->name, claim);
	fflush(stdout);
}

void
task_failed(const struct task *task, const char *reason)
{
	char claim[400];

	snprintf(claim, sizeof(claim), "error %s", reason);
	task_tell(task, claim);
}

void
task_answered(const struct task *task, int32_t status, const uint8_t *body, size_t len)
{
	char   reason[40];
	size_t expected = task->method == MAKE ? number_of(task->name) : 0;

	if (status != SUCCESS) {
		snprintf(reason, sizeof(reason), "status %d", status);
		task_failed(task, reason);
	} else {
		task_tell(task, len == expected && is_pattern(body, len) ? "done" : "wrong");
	}
}
