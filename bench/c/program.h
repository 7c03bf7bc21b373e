/*
 * What servers and clients have in common: the clock, and how they end.
 */
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of the clock that samples are taken from. */
static inline uint64_t
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Ends the program with a line that says what went wrong, and what errno has to say to it unless that is 0. */
_Noreturn void die(const char *what);

/* Tells the runner that clients may connect. */
void say_ready(void);

/*
 * The same, and ends the process when its standard input ends. That comes as a signal: with a thread that waits for it,
 * malloc would use locks.
 */
void ready(void);

/* What a handler does before it answers: nothing, or what BENCH_WORK_US says, in microseconds by the clock. */
void work(void);

#endif
