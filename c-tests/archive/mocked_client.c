/*
 * A test of a client with functions of its own in place of drpc_connect, drpc_call and drpc_close, as DAOS's tests of its
 * security and management clients have them. Messages are the library's. What the library closes itself does not come to
 * the program's drpc_close. argv[1] is a path that does not exist.
 */
#include "../abi.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <daos/drpc_progress.h>

#include "../dropin/expect.h"

static struct drpc the_context;
static int	   connected, called, closed;

#ifdef DRPC_ABI_08
struct drpc *
drpc_connect(char *sockaddr)
{
	(void)sockaddr;
	connected++;
	return &the_context;
}
#else
int
drpc_connect(char *sockaddr, struct drpc **ctx)
{
	(void)sockaddr;
	connected++;
	*ctx = &the_context;
	return 0;
}
#endif

/* Answers with what was sent. */
int
drpc_call(struct drpc *ctx, int flags, Drpc__Call *msg, Drpc__Response **resp)
{
	size_t	 len = drpc__call__get_packed_size(msg);
	uint8_t *bytes = malloc(len);

	EXPECT(ctx == &the_context && flags == R_SYNC && bytes != NULL);
	called++;
	EXPECT(drpc__call__pack(msg, bytes) == len);
	*resp = drpc_response_create(msg);
	EXPECT(*resp != NULL);
	(*resp)->body.data = bytes;
	(*resp)->body.len = len;
	return 0;
}

int
drpc_close(struct drpc *ctx)
{
	EXPECT(ctx == &the_context);
	closed++;
	return 0;
}

static void
no_handler(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
}

int
main(int argc, char **argv)
{
	struct drpc_progress_context *loop;
	struct drpc		     *ctx;
	struct drpc		     *listener;
	Drpc__Call		     *call;
	Drpc__Call		     *sent;
	Drpc__Response		     *resp;
	int			      fd;

	EXPECT(argc == 2);
	EXPECT(abi_connect("/nowhere", &ctx) == 0);
	EXPECT(abi_call_create(ctx, 1, 101, &call) == 0);
	call->body.data = (uint8_t *)strdup("hello");
	call->body.len = 5;
	EXPECT(drpc_call(ctx, R_SYNC, call, &resp) == 0);
	sent = drpc__call__unpack(NULL, resp->body.len, resp->body.data);
	EXPECT(sent != NULL && sent->module == 1 && sent->method == 101 && sent->body.len == 5);
	drpc__call__free_unpacked(sent, NULL);
	drpc_response_free(resp);
	drpc_call_free(call);
	EXPECT(drpc_close(ctx) == 0);

	listener = abi_listen(argv[1], no_handler);
	EXPECT(listener != NULL);
	fd = listener->comm->fd;
	loop = drpc_progress_context_create(listener);
	EXPECT(loop != NULL);
	drpc_progress_context_close(loop);
	EXPECT(close(fd) == -1);
	EXPECT(connected == 1 && called == 1 && closed == 1);
	return 0;
}
