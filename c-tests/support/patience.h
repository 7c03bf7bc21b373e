/* How long a test waits for what has to come. */
#ifndef C_TESTS_PATIENCE_H
#define C_TESTS_PATIENCE_H

#include <unistd.h>

/* Long enough for a loaded machine under valgrind, short enough to fail. */
#define PATIENCE_MS 20000

/* Waits until a condition holds that nothing announces, or fails the test. */
#define UNTIL(condition)                                                                                               \
	do {                                                                                                           \
		int until_ms = 0;                                                                                      \
		while (!(condition) && until_ms++ < PATIENCE_MS)                                                       \
			usleep(1000);                                                                                  \
		assert_true(condition);                                                                                \
	} while (0)

/*
 * A loop over times for what has to begin within one, and does not end: each
 * is longer than the one before, and the last is ample.
 */
#define LONGER_TIMES(ms) for (int ms = 30; ms < 4 * PATIENCE_MS; ms *= 4)

#endif
