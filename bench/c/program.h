/*
 * What servers and clients have in common: how they end.
 */
#ifndef BENCH_PROGRAM_H
#define BENCH_PROGRAM_H

/* Ends the program with a line that says what went wrong, and what errno has to say to it unless that is 0. */
_Noreturn void die(const char *what);

/*
 * Tells the runner that clients may connect, and ends the process when its standard input ends. That comes as a signal:
 * with a thread that waits for it, malloc would use locks.
 */
void ready(void);

#endif
