/* Compiled once per ABI: a plugin that is a dRPC client through its own library. */
#include <daos/drpc.h>
#include <drpc/library.h>

#include <string.h>

#include "plugin.h"

static void *
plugin_connect(const char *path)
{
	char	     name[108];
	struct drpc *ctx = NULL;

	strncpy(name, path, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
#ifdef DRPC_ABI_08
	ctx = drpc_connect(name);
#else
	if (drpc_connect(name, &ctx) != 0)
		ctx = NULL;
#endif
	return ctx;
}

static int
plugin_call(void *connection)
{
	struct drpc    *ctx = connection;
	Drpc__Call     *call = NULL;
	Drpc__Response *resp = NULL;
	int		rc;

#ifdef DRPC_ABI_08
	call = drpc_call_create(ctx, 1, 101);
#else
	drpc_call_create(ctx, 1, 101, &call);
#endif
	if (call == NULL || call->base.descriptor != &drpc__call__descriptor)
		return -1;
	rc = drpc_call(ctx, R_SYNC, call, &resp);
	if (rc == 0)
		rc = (int)resp->status;
	drpc_call_free(call);
	drpc_response_free(resp);
	return rc;
}

static int
plugin_close(void *connection)
{
	return drpc_close(connection);
}

/* ISO C has no cast from a function's address; these are asked for by dladdr only. */
#define ADDRESS(function) ((const void *)(uintptr_t)(function))

static const void *addresses[14];

extern struct plugin plugin;

struct plugin plugin = {plugin_connect, plugin_call, plugin_close,
			sizeof(addresses) / sizeof(addresses[0]), addresses};

__attribute__((constructor)) static void
take_addresses(void)
{
	size_t n = 0;

	addresses[n++] = ADDRESS(drpc_connect);
	addresses[n++] = ADDRESS(drpc_call_create);
	addresses[n++] = ADDRESS(drpc_call);
	addresses[n++] = ADDRESS(drpc_close);
	addresses[n++] = ADDRESS(drpc_accept);
	addresses[n++] = ADDRESS(drpc_listen);
	addresses[n++] = ADDRESS(drpc_recv_call);
	addresses[n++] = ADDRESS(drpc_send_response);
	addresses[n++] = ADDRESS(drpc_response_free);
	addresses[n++] = ADDRESS(drpc_version);
	addresses[n++] = ADDRESS(drpc__call__pack);
	addresses[n++] = &drpc__call__descriptor;
	addresses[n++] = &drpc__response__descriptor;
	addresses[n++] = &drpc__status__descriptor;
}
