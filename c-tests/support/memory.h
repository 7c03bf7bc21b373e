/*
 * Stands between the library and the allocator in a program linked with
 * -Wl,--wrap: counts the library's allocations, keeps track of what is not
 * freed, and makes chosen ones fail.
 */
#ifndef C_TESTS_MEMORY_H
#define C_TESTS_MEMORY_H

#include <stdbool.h>

enum memory_plan {
	MEMORY_PLENTY,  /* nothing fails */
	MEMORY_ONE,     /* the nth allocation fails */
	MEMORY_FROM,    /* the nth and all later ones fail */
	MEMORY_ABOVE,   /* those of more than n bytes fail */
};

/* Begins to count anew and sets what fails. */
void memory_begin(enum memory_plan plan, int n);
/* From now on nothing fails. */
void memory_relieve(void);
/* Whether there are still blocks, if small ones only. */
bool memory_has_small(void);
/* Allocations of the library since memory_begin, those of mapped memory aside. */
int memory_asked(void);
/* How many allocations were denied since then, and how many of mapped memory alone. */
int memory_denied_ever(void);
int memory_denied_maps(void);
/* How many since memory_begin or memory_relieve, whichever was later. */
int memory_denied(void);
/* Blocks that the library allocated and that have not been freed, large ones aside. */
int memory_left(void);

/* Whether the calling thread is inside the library; see LIBRARY. */
extern _Thread_local bool memory_watched;

/* Whether it is a thread of the test's own. */
extern _Thread_local bool memory_thread_is_known;
/* Has all other threads watched, which are those of the library, or not. */
void memory_watch_threads(bool watched);

/* Evaluates an expression with its allocations watched. */
#define LIBRARY(expression)                                                                        \
	__extension__({                                                                            \
		memory_watched                  = true;                                            \
		__typeof__(expression) result__ = (expression);                                    \
		memory_watched                  = false;                                           \
		result__;                                                                          \
	})
#define LIBRARY_VOID(statement)                                                                    \
	do {                                                                                       \
		memory_watched = true;                                                             \
		statement;                                                                         \
		memory_watched = false;                                                            \
	} while (0)

#endif
