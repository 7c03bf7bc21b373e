#include "context.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <drpc/library.h>

#include "peer.h"

struct drpc *
context_by_hand(int fd, drpc_handler_t handler)
{
	struct drpc *ctx = calloc(1, sizeof(*ctx));

	if (ctx == NULL)
		abort();
	ctx->comm = calloc(1, sizeof(*ctx->comm));
	if (ctx->comm == NULL)
		abort();
	ctx->comm->fd    = fd;
	ctx->comm->flags = R_SYNC;
	ctx->sequence    = 1;
	ctx->ref_count   = 1;
	ctx->handler     = handler;
	return ctx;
}

void
context_tell(struct drpc *ctx)
{
	if (drpc_set_framing(ctx, ABI_CHUNKED ? DRPC_FRAMING_CHUNKED : DRPC_FRAMING_DATAGRAM) != 0)
		abort();
}

void
context_free_parts(struct drpc *ctx)
{
	close(ctx->comm->fd);
	free(ctx->comm);
	free(ctx);
}

struct pair
pair_new(drpc_handler_t handler)
{
	int fds[2];

	peer_pair(fds);
	return (struct pair){.ctx = context_by_hand(fds[0], handler), .peer = fds[1]};
}

struct pair
pair_told(void)
{
	struct pair pair = pair_new(NULL);

	context_tell(pair.ctx);
	return pair;
}

void
pair_free(struct pair *pair)
{
	if (drpc_close(pair->ctx) != 0)
		abort();
	close(pair->peer);
}

void
context_no_handler(Drpc__Call *call, Drpc__Response *resp)
{
	(void)call;
	(void)resp;
	fputs("a handler ran that nobody should call\n", stderr);
	abort();
}
