/* A list of calls to make, and what became of each. */
#ifndef INTEROP_TASKS_H
#define INTEROP_TASKS_H

#include "bytes.h"

/*
 * "take:5642" is a call of TAKE with a body of so many bytes; "make:5642" one of MAKE for
 * so many; "fail:5" one of FAIL; "hide:5642" one of HIDE in which there is a TAKE with so many; "group:38" one
 * of GROUP in which there is a GROUPED with so many; "shift:58" one of SHIFT.
 */
struct task {
	const char  *name;
	int32_t	     module;
	int32_t	     method;
	struct bytes body;
};

/* Exits if there is no such call. The body is to be freed. */
struct task task_of(const char *name);
/*
 * Prints a line: the name and what the client believes. That is "done" if the
 * answer is the right one, or else "wrong" or "error" and the reason.
 */
void task_answered(const struct task *task, int32_t status, const uint8_t *body, size_t len);
void task_failed(const struct task *task, const char *reason);
/* The same with a word of the client's. */
void task_tell(const struct task *task, const char *claim);

#endif
