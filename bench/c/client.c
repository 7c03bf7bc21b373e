/* Reads commands and prints samples: see client.h. */
#include "client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define PAGE ((size_t)4096)

static const char *path;
/* The connection that the commands share, and what it was made for. */
static void *connection;
static struct load shared;

static void *
allocate(size_t size)
{
	void *block = malloc(size > 0 ? size : 1);

	if (block == NULL)
		die("malloc");
	return block;
}

static void
print(const uint64_t *samples, uint64_t count)
{
	printf("%" PRIu64 "\n", count);
	if (fwrite(samples, sizeof(*samples), count, stdout) != count)
		die("standard output");
}

/* Some programs make other connections for other sizes, or for several calls at a time. */
static void
use(const struct load *load)
{
	struct load first = *load;

	if (connection != NULL && shared.size == load->size && shared.depth == load->depth)
		return;
	if (connection != NULL)
		contender.close(connection);
	connection = contender.connect(path, load);
	shared = *load;
	first.compare = true;
	contender.call(connection, &first);
}

/* What is due already is due now. */
static void
sleep_until(uint64_t *due)
{
	struct timespec time = {.tv_sec = (time_t)(*due / 1000000000), .tv_nsec = (long)(*due % 1000000000)};

	if (now() >= *due)
		*due = now();
	else if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) != 0)
		die("clock_nanosleep");
}

static void
calls(const struct load *load, uint64_t *samples, uint64_t count)
{
	use(load);
	/* What others have left in the caches is not to be measured. */
	contender.call(connection, load);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t begin = now();

		contender.call(connection, load);
		samples[i] = now() - begin;
	}
}

static void
connects(const struct load *load, uint64_t *samples, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t begin = now();
		void	*fresh = contender.connect(path, load);

		contender.call(fresh, load);
		contender.close(fresh);
		samples[i] = now() - begin;
	}
}

static void
paced(const struct load *load, uint64_t *samples, uint64_t count, uint64_t rate)
{
	use(load);

	uint64_t begin = now();

	for (uint64_t i = 0; i < count; i++) {
		uint64_t due = begin + i * 1000000000 / rate;

		while (now() < due)
			;
		contender.call(connection, load);
		samples[i] = now() - due;
	}
}

/* Sleeps, and then calls so many times in a row. What was slow is not made up for. */
static void
naps(const struct load *load, uint64_t *samples, uint64_t count, uint64_t rate, uint64_t burst)
{
	use(load);
	/* Without this the system may wake it 50 us late. */
	if (prctl(PR_SET_TIMERSLACK, 1UL) != 0)
		die("prctl");

	uint64_t due = now();

	for (uint64_t i = 0; i < count; i++) {
		if (i % burst == 0) {
			due += 1000000000 / rate;
			sleep_until(&due);
		}

		uint64_t begin = now();

		contender.call(connection, load);
		samples[i] = now() - begin;
	}
}

static void
pipeline(const struct load *load, uint64_t *sample, uint64_t count)
{
	use(load);

	uint64_t begin = now();

	contender.pipeline(connection, load, count);
	*sample = now() - begin;
}

/* Connections that have been used, each once at least. They are kept for the commands that follow. */
struct used {
	void	*connections;
	uint64_t number;
	size_t	 size;
};

static void *
use_many(struct used *used, const struct load *load, uint64_t number)
{
	struct load first = *load;

	if (used->number == number && used->size == load->size)
		return used->connections;
	if (used->number > 0)
		contender.close_many(used->connections);
	*used = (struct used){.number = number, .size = load->size};
	if (number > 0) {
		used->connections = contender.connect_many(path, load, number);
		first.compare = true;
		contender.call_many(used->connections, &first, number);
	}
	return used->connections;
}

static void
clients(const struct load *load, uint64_t *sample, uint64_t count, uint64_t number, uint64_t idle)
{
	static struct used active, others;
	void		  *connections = use_many(&active, load, number);

	use_many(&others, load, idle);

	uint64_t begin = now();

	contender.call_many(connections, load, count);
	*sample = now() - begin;
}

/* Returns false if this contender cannot do what it is told. */
static bool
obey(const char *command, const struct load *load, uint64_t count, uint64_t extra, uint64_t last)
{
	uint64_t *samples;
	uint64_t  taken = count;

	if (contender.prepare != NULL && !contender.prepare(load))
		return false;
	samples = allocate(count * sizeof(*samples));
	if ((strcmp(command, "calls") == 0 || strcmp(command, "placed") == 0) && contender.call != NULL) {
		calls(load, samples, count);
	} else if (strcmp(command, "connects") == 0 && contender.call != NULL) {
		connects(load, samples, count);
	} else if (strcmp(command, "paced") == 0 && contender.call != NULL && extra > 0) {
		paced(load, samples, count, extra);
	} else if (strcmp(command, "naps") == 0 && contender.call != NULL && extra > 0 && last > 0) {
		naps(load, samples, count, extra, last);
	} else if (strcmp(command, "pipeline") == 0 && contender.pipeline != NULL && load->depth > 0) {
		pipeline(load, samples, count);
		taken = 1;
	} else if (strcmp(command, "clients") == 0 && contender.connect_many != NULL && extra > 0) {
		clients(load, samples, count, extra, last);
		taken = 1;
	} else {
		free(samples);
		return false;
	}
	print(samples, taken);
	free(samples);
	return true;
}

/* The bytes of bodies. They stay, as what a program keeps, so that a command leaves the heap as it was. */
static const uint8_t *
bytes(size_t size)
{
	static uint8_t *body;
	static size_t	room;

	if (body == NULL || size > room) {
		free(body);
		body = allocate(size);
		room = size;
		for (size_t i = 0; i < size; i++)
			body[i] = (uint8_t)(i * 31 + (i >> 8) + 7);
	}
	return body;
}

/* The same bytes so many after the start of a page. */
static const uint8_t *
placed(size_t size, size_t offset)
{
	static uint8_t *pages;
	static size_t	room;
	size_t		needed = (offset % PAGE + size + PAGE) / PAGE * PAGE;

	if (needed > room) {
		free(pages);
		pages = aligned_alloc(PAGE, needed);
		if (pages == NULL)
			die("aligned_alloc");
		room = needed;
	}
	return memcpy(pages + offset % PAGE, bytes(size), size);
}

int
main(int argc, char **argv)
{
	char line[128];

	if (argc != 2)
		return 2;
	path = argv[1];
	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct load load = {0};
		uint64_t    count, extra = 0, last = 0;
		char	    command[16];

		if (sscanf(line, "%15s %zu %" SCNu64 " %" SCNu64 " %" SCNu64, command, &load.size, &count, &extra, &last) < 3 ||
		    count == 0) {
			errno = 0;
			die("no such command");
		}
		load.body = strcmp(command, "placed") == 0 ? placed(load.size, extra) : bytes(load.size);
		load.depth = strcmp(command, "pipeline") == 0 ? extra : 1;
		if (!obey(command, &load, count, extra, last))
			puts("unsupported");
		fflush(stdout);
	}
	return 0;
}
