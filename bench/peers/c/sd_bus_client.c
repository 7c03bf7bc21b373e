/* sd_bus_client SOCKET */
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-event.h>

#include "client.h"
#include "sd_bus.h"

/* The largest array of D-Bus. */
#define MAX_BODY ((size_t)64 << 20)

static bool
prepare(const struct load *load)
{
	return load->size <= MAX_BODY;
}

static void *
connect_to(const char *path, const struct load *load)
{
	char	address[256];
	sd_bus *bus;

	(void)load;
	snprintf(address, sizeof(address), "unix:path=%s", path);
	well(sd_bus_new(&bus), "new");
	well(sd_bus_set_address(bus, address), "set_address");
	well(sd_bus_set_anonymous(bus, 1), "set_anonymous");
	well(sd_bus_start(bus), "start");
	return bus;
}

static sd_bus_message *
new_call(sd_bus *bus, const struct load *load)
{
	sd_bus_message *message;

	well(sd_bus_message_new_method_call(bus, &message, NULL, OBJECT, INTERFACE, METHOD), "new_method_call");
	well(sd_bus_message_append_array(message, 'y', load->body, load->size), "append");
	return message;
}

static void
check(sd_bus_message *answer, const struct load *load)
{
	const void *body;
	size_t	    size;

	well(sd_bus_message_read_array(answer, 'y', &body, &size), "read");
	expect(load, body, size);
}

static void
call(void *bus, const struct load *load)
{
	sd_bus_message *message = new_call(bus, load);
	sd_bus_message *answer;

	well(sd_bus_call(bus, message, UINT64_MAX, NULL, &answer), "call");
	check(answer, load);
	sd_bus_message_unref(answer);
	sd_bus_message_unref(message);
}

static void
close_it(void *bus)
{
	sd_bus_flush_close_unref(bus);
}

/* Calls under way, on one bus or several. */
struct progress {
	const struct load *load;
	uint64_t	   count;
	uint64_t	   sent;
	uint64_t	   received;
};

static void send_next(sd_bus *bus, struct progress *progress);

static int
answered(sd_bus_message *answer, void *data, sd_bus_error *error)
{
	struct progress *progress = data;

	(void)error;
	check(answer, progress->load);
	progress->received++;
	send_next(sd_bus_message_get_bus(answer), progress);
	return 1;
}

static void
send_next(sd_bus *bus, struct progress *progress)
{
	sd_bus_message *message;

	if (progress->sent == progress->count)
		return;
	message = new_call(bus, progress->load);
	well(sd_bus_call_async(bus, NULL, message, answered, progress, UINT64_MAX), "call_async");
	sd_bus_message_unref(message);
	progress->sent++;
}

static void
pipeline(void *bus, const struct load *load, uint64_t count)
{
	struct progress progress = {.load = load, .count = count};

	for (uint64_t i = 0; i < load->depth; i++)
		send_next(bus, &progress);
	while (progress.received < count)
		if (well(sd_bus_process(bus, NULL), "process") == 0)
			well(sd_bus_wait(bus, UINT64_MAX), "wait");
}

struct many {
	sd_event *loop;
	uint64_t  count;
	sd_bus	 *buses[];
};

static void *
connect_many(const char *path, const struct load *load, uint64_t clients)
{
	struct many *many = calloc(1, sizeof(*many) + clients * sizeof(many->buses[0]));

	if (many == NULL)
		die("calloc");
	well(sd_event_new(&many->loop), "event_new");
	for (; many->count < clients; many->count++) {
		many->buses[many->count] = connect_to(path, load);
		well(sd_bus_attach_event(many->buses[many->count], many->loop, 0), "attach_event");
	}
	return many;
}

static void
call_many(void *connections, const struct load *load, uint64_t count)
{
	struct many    *many = connections;
	struct progress progress = {.load = load, .count = count};

	for (uint64_t i = 0; i < many->count; i++)
		send_next(many->buses[i], &progress);
	while (progress.received < count)
		well(sd_event_run(many->loop, UINT64_MAX), "event_run");
}

static void
close_many(void *connections)
{
	struct many *many = connections;

	while (many->count > 0) {
		sd_bus *bus = many->buses[--many->count];

		sd_bus_detach_event(bus);
		close_it(bus);
	}
	sd_event_unref(many->loop);
	free(many);
}

const struct contender contender = {
	.prepare = prepare,
	.connect = connect_to,
	.call = call,
	.close = close_it,
	.pipeline = pipeline,
	.connect_many = connect_many,
	.call_many = call_many,
	.close_many = close_many,
};
