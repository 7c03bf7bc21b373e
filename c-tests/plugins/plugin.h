/* What a plugin offers the host; every plugin exports one `struct plugin plugin`. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <stddef.h>

struct plugin {
	/* Connects to the socket; the host accepts. */
	void *(*connect)(const char *path);
	/* A synchronous call of module 1, method 101; the status, or a negative code. */
	int (*call)(void *connection);
	/* Closes the connection. */
	int (*close)(void *connection);
	/* Addresses of what the plugin uses of its library, to be asked for their file. */
	size_t count;
	const void *const *addresses;
};

#endif
