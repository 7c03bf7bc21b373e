/*
 * busy_loop: a program that wants a CPU for itself, beside a pair. A line of its standard input starts it, and the next one
 * ends it; then it prints two numbers as a client does its samples: how far it has counted, and in how many nanoseconds.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "program.h"

/* Takes about a millisecond. */
#define STEPS 1000000

static uint64_t
count_until_input(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	uint64_t      count = 0;

	do {
		for (volatile int i = 0; i < STEPS; i++)
			;
		count += STEPS;
	} while (poll(&input, 1, 0) == 0);
	return count;
}

int
main(void)
{
	char line[16];

	setvbuf(stdin, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		uint64_t begin = now();
		uint64_t count = count_until_input();
		uint64_t result[] = {count, now() - begin};

		if (fgets(line, sizeof(line), stdin) == NULL)
			break;
		puts("2");
		if (fwrite(result, sizeof(*result), 2, stdout) != 2)
			die("standard output");
		fflush(stdout);
	}
	return 0;
}
