/*
 * shared_client SOCKET: drpc/client.h, one call at a time, or submitted and dispatched by the one thread.
 */
#include <drpc/client.h>
#include <drpc/library.h>

#include "client.h"

static void *
connect_to(const char *path, const struct load *load)
{
	struct drpc_client *client;

	if (drpc_client_create(path, &client) != 0 ||
	    drpc_client_set(client, DRPC_CLIENT_PIPELINING, load->depth > 1) != 0 ||
	    drpc_client_connect(client) != 0)
		die(drpc_last_error());
	return client;
}

static void
take(const struct load *load, Drpc__Response *response)
{
	if (response->status != DRPC__STATUS__SUCCESS)
		die(drpc_status_name((int)response->status));
	expect(load, response->body.data, response->body.len);
	drpc_response_free(response);
}

static void
call(void *connection, const struct load *load)
{
	Drpc__Response *response;

	if (drpc_client_call(connection, 0, 0, load->body, load->size, NULL, &response) != 0)
		die(drpc_last_error());
	take(load, response);
}

static void
close_it(void *connection)
{
	drpc_client_destroy(connection);
}

struct pipe {
	const struct load *load;
	uint64_t	   submitted, done;
};

static void
done(int rc, Drpc__Response *response, void *arg)
{
	struct pipe *pipe = arg;

	if (rc != 0)
		die(drpc_strerror(rc));
	take(pipe->load, response);
	pipe->done++;
}

static void
pipeline(void *connection, const struct load *load, uint64_t count)
{
	struct pipe pipe = {.load = load};

	while (pipe.done < count) {
		for (; pipe.submitted < count && pipe.submitted - pipe.done < load->depth; pipe.submitted++)
			if (drpc_client_submit(connection, 0, 0, load->body, load->size, NULL, done, &pipe) != 0)
				die(drpc_last_error());
		if (drpc_client_dispatch(connection, -1) != 0)
			die(drpc_last_error());
	}
}

const struct contender contender = {
	.connect = connect_to,
	.call = call,
	.close = close_it,
	.pipeline = pipeline,
};
