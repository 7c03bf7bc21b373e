#define _GNU_SOURCE
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
die(const char *what)
{
	fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, what, errno == 0 ? "" : ": ",
		errno == 0 ? "" : strerror(errno));
	exit(1);
}

static uint64_t work_ns;

void
work(void)
{
	if (work_ns == 0)
		return;
	for (uint64_t begin = now(); now() - begin < work_ns;)
		;
}

static void
end_with_input(int sig)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	(void)sig;
	if (poll(&input, 1, 0) > 0)
		_exit(0);
}

void
say_ready(void)
{
	const char *work_us = getenv("BENCH_WORK_US");

	if (work_us != NULL)
		work_ns = strtoull(work_us, NULL, 10) * 1000;
	puts("ready");
	fflush(stdout);
}

void
ready(void)
{
	struct sigaction action = {.sa_handler = end_with_input, .sa_flags = SA_RESTART};

	if (sigaction(SIGIO, &action, NULL) != 0 || fcntl(STDIN_FILENO, F_SETOWN, getpid()) != 0 ||
	    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_ASYNC) != 0)
		die("standard input");
	end_with_input(SIGIO);
	say_ready();
}
