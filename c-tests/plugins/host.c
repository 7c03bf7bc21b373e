/*
 * Loads plugins of both ABIs into one process and lets them work side by side.
 *
 *   host SCRATCH_DIRECTORY STEP…
 *
 * A step is one of
 *   local=FILE   dlopen(FILE, RTLD_LOCAL)      global=FILE   dlopen(FILE, RTLD_GLOBAL)
 *   0.8=I 2.8=I  the plugin loaded by the I-th step speaks that ABI: through libdrpc-…,
 *                and in that ABI's wire format
 *   both=I,J     the same of two plugins, a thread each, at once
 *   close=I      dlclose
 *   thread=I     a thread that has used plugin I (0.8) outlives its dlclose
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "plugin.h"

#define HANDLES_MAX 8
#define ROUNDS	    200

static const char *scratch;
static void	  *handles[HANDLES_MAX];
static int	   handle_count;

static _Noreturn void
give_up(const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s\n", what, detail);
	exit(1);
}

static struct plugin *
plugin_at(int i)
{
	struct plugin *plugin;

	if (i < 0 || i >= handle_count)
		give_up("no such step", "host");
	plugin = dlsym(handles[i], "plugin");
	if (plugin == NULL)
		give_up("no plugin", dlerror());
	return plugin;
}

static void
uses_library(struct plugin *plugin, const char *abi)
{
	char   wanted[32];
	size_t i;

	snprintf(wanted, sizeof(wanted), "/libdrpc-%s.so", abi);
	for (i = 0; i < plugin->count; i++) {
		Dl_info info;

		if (dladdr(plugin->addresses[i], &info) == 0)
			give_up("an address of no file", abi);
		if (strstr(info.dli_fname, wanted) == NULL)
			give_up(info.dli_sname != NULL ? info.dli_sname : "?", info.dli_fname);
	}
}

static int
listen_at(const char *name, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/%s", scratch, name) >=
	    (int)sizeof(addr->sun_path))
		give_up("path too long", scratch);
	unlink(addr->sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)addr, sizeof(*addr)) != 0 || listen(fd, 4) != 0)
		give_up("cannot listen", addr->sun_path);
	return fd;
}

/* Little-endian header of a message of one chunk. */
static size_t
frame(uint8_t *record, const uint8_t *message, size_t len, int chunked)
{
	size_t at = 0;

	if (chunked) {
		memset(record, 0, 24);
		record[0] = (uint8_t)len;
		record[8] = (uint8_t)len;
		record[20] = 1;
		at = 24;
	}
	memcpy(record + at, message, len);
	return at + len;
}

/*
 * The reply lies in the socket before the call is made (a session of one thread):
 * status 4, so that a reply made up by nobody cannot pass for it.
 */
static void
speaks(struct plugin *plugin, const char *abi, const char *name)
{
	static const uint8_t call[] = {0x08, 0x01, 0x10, 0x65, 0x18, 0x01};
	static const uint8_t reply[] = {0x08, 0x01, 0x10, 0x04};
	int		     chunked = strcmp(abi, "2.8") == 0;
	struct sockaddr_un   addr;
	uint8_t		     expected[64];
	uint8_t		     found[64];
	size_t		     len;
	ssize_t		     n;
	void		    *connection;
	int		     listener = listen_at(name, &addr);
	int		     fd;

	uses_library(plugin, abi);
	connection = plugin->connect(addr.sun_path);
	if (connection == NULL)
		give_up("cannot connect", abi);
	fd = accept(listener, NULL, NULL);
	len = frame(found, reply, sizeof(reply), chunked);
	if (send(fd, found, len, 0) != (ssize_t)len)
		give_up("cannot send", abi);
	if (plugin->call(connection) != 4)
		give_up("not the reply", abi);
	n = recv(fd, found, sizeof(found), 0);
	len = frame(expected, call, sizeof(call), chunked);
	if (n != (ssize_t)len || memcmp(found, expected, len) != 0)
		give_up("not the call in the wire format of", abi);
	if (plugin->close(connection) != 0)
		give_up("cannot close", abi);
	if (recv(fd, found, sizeof(found), 0) != 0)
		give_up("not closed", abi);
	close(fd);
	close(listener);
	unlink(addr.sun_path);
}

struct speaker {
	struct plugin *plugin;
	const char    *abi;
};

static void *
speak_many_times(void *arg)
{
	struct speaker *speaker = arg;
	int		i;

	for (i = 0; i < ROUNDS; i++)
		speaks(speaker->plugin, speaker->abi, speaker->abi);
	return NULL;
}

static void
speak_at_once(int old, int young)
{
	struct speaker speakers[2] = {{plugin_at(old), "0.8"}, {plugin_at(young), "2.8"}};
	pthread_t      threads[2];
	int	       i;

	for (i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, speak_many_times, &speakers[i]) != 0)
			give_up("no thread", speakers[i].abi);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static sem_t used;
static sem_t unloaded;

static void *
use_and_linger(void *arg)
{
	speaks(arg, "0.8", "lingering");
	sem_post(&used);
	sem_wait(&unloaded);
	return NULL;
}

static void
unload_under_thread(int i)
{
	pthread_t thread;

	sem_init(&used, 0, 0);
	sem_init(&unloaded, 0, 0);
	if (pthread_create(&thread, NULL, use_and_linger, plugin_at(i)) != 0)
		give_up("no thread", "lingering");
	sem_wait(&used);
	if (dlclose(handles[i]) != 0)
		give_up("dlclose", dlerror());
	sem_post(&unloaded);
	pthread_join(thread, NULL);
}

int
main(int argc, char **argv)
{
	int i;

	if (argc < 3)
		return 2;
	scratch = argv[1];
	alarm(60);
	for (i = 2; i < argc; i++) {
		char *value = strchr(argv[i], '=');
		int   a;
		int   b;

		if (value == NULL)
			give_up("not a step", argv[i]);
		*value++ = '\0';
		if (strcmp(argv[i], "local") == 0 || strcmp(argv[i], "global") == 0) {
			int how = argv[i][0] == 'l' ? RTLD_LOCAL : RTLD_GLOBAL;

			if (handle_count == HANDLES_MAX)
				give_up("too many files", value);
			handles[handle_count] = dlopen(value, RTLD_NOW | how);
			if (handles[handle_count++] == NULL)
				give_up("dlopen", dlerror());
		} else if (strcmp(argv[i], "both") == 0) {
			if (sscanf(value, "%d,%d", &a, &b) != 2)
				give_up("not two numbers", value);
			speak_at_once(a, b);
		} else if (strcmp(argv[i], "close") == 0) {
			if (dlclose(handles[atoi(value)]) != 0)
				give_up("dlclose", dlerror());
		} else if (strcmp(argv[i], "thread") == 0) {
			unload_under_thread(atoi(value));
		} else {
			speaks(plugin_at(atoi(value)), argv[i], "alone");
		}
	}
	return 0;
}
