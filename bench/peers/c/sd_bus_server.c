/* sd_bus_server SOCKET: hands every body back. Each client has a bus of its own. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "sd_bus.h"

static int
echo(sd_bus_message *call, void *data, sd_bus_error *error)
{
	sd_bus_message *answer;
	const void     *body;
	size_t		size;

	(void)data;
	(void)error;
	well(sd_bus_message_read_array(call, 'y', &body, &size), "read");
	well(sd_bus_message_new_method_return(call, &answer), "new_method_return");
	well(sd_bus_message_append_array(answer, 'y', body, size), "append");
	well(sd_bus_send(NULL, answer, NULL), "send");
	sd_bus_message_unref(answer);
	return 1;
}

static const sd_bus_vtable methods[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD(METHOD, "ay", "ay", echo, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static int
gone(sd_bus_message *message, void *data, sd_bus_error *error)
{
	sd_bus *bus = sd_bus_message_get_bus(message);

	(void)data;
	(void)error;
	sd_bus_detach_event(bus);
	sd_bus_unref(bus);
	return 0;
}

static int
accept_client(sd_event_source *source, int listener, uint32_t events, void *data)
{
	sd_bus	  *bus;
	sd_id128_t id;
	int	   fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	(void)data;
	if (fd < 0)
		die("accept");
	well(sd_id128_randomize(&id), "id128");
	well(sd_bus_new(&bus), "new");
	well(sd_bus_set_fd(bus, fd, fd), "set_fd");
	well(sd_bus_set_server(bus, 1, id), "set_server");
	well(sd_bus_set_anonymous(bus, 1), "set_anonymous");
	well(sd_bus_start(bus), "start");
	well(sd_bus_add_object_vtable(bus, NULL, OBJECT, INTERFACE, methods, NULL), "add_object_vtable");
	well(sd_bus_match_signal_async(bus, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
				       "org.freedesktop.DBus.Local", "Disconnected", gone, NULL, NULL),
	     "match_signal");
	well(sd_bus_attach_event(bus, sd_event_source_get_event(source), 0), "attach_event");
	return 0;
}

int
main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	sd_event	  *loop;
	int		   listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	strcpy(address.sun_path, argv[1]);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 1024) != 0)
		die("listen");
	well(sd_event_new(&loop), "event_new");
	well(sd_event_add_io(loop, NULL, listener, EPOLLIN, accept_client, NULL), "add_io");
	ready();
	well(sd_event_loop(loop), "loop");
	return 0;
}
