/* How long a test waits for what has to come. */
#ifndef C_TESTS_PATIENCE_H
#define C_TESTS_PATIENCE_H

#include <time.h>
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

/* Milliseconds since a reading of CLOCK_MONOTONIC. */
static inline long
ms_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

#endif
