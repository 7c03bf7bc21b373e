/*
 * Scenarios that are played while memory runs out: each with its first
 * allocation failing, with its second, and so on until it makes no more, and
 * again with all of them failing from each on. It must end in success, where
 * the allocation was not needed, or in the error for it; nothing may leak.
 */
#ifndef C_TESTS_SCENARIO_H
#define C_TESTS_SCENARIO_H

#include "../abi.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "memory.h"

/*
 * Scenarios run in threads of their own, where cmocka's assertions must not be
 * used: they give the condition that did not hold.
 */
#define TEXT_(line) #line
#define TEXT(line)  TEXT_(line)
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return "line " TEXT(__LINE__) ": " #condition;                             \
	} while (0)

/* Success, or out of memory while some was denied. */
bool fits(int rc);
/* After a failure its text must be there, also without memory; but for the one mapping that it lies in. */
bool explained(int rc);

struct scenario {
	const char *(*run)(void);
};

/* What the process has once is there before anything is denied. */
int scenario_setup(void **state);
/* Plays the scenario that `*state` is. */
void scenario_play(void **state);
/* The same where memory is there for small blocks only, and then for none. */
void scenario_endure(void **state);

#define plays(function)                                                                            \
	{                                                                                          \
		#function, scenario_play, NULL, NULL, &(struct scenario) { function }              \
	}

#define endures(function)                                                                          \
	{                                                                                          \
		#function, scenario_endure, NULL, NULL, &(struct scenario) { function }            \
	}

#endif
