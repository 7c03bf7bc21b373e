/* How many threads the process has. */
#ifndef C_TESTS_TASKS_H
#define C_TESTS_TASKS_H

#include <stdbool.h>

/*
 * Whether the process has so many threads, or will have soon: the kernel counts
 * one a while longer than pthread_join waits for it.
 */
bool tasks_are(int expected);

#endif
