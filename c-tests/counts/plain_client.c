/* drpc_call, the call on the stack. */
#include "caller.h"

static struct drpc *ctx;

static int
connect_to(const char *path, size_t len)
{
	int rc = abi_connect(path, &ctx);

	if (rc == 0 && framing_for(len) != DRPC_FRAMING_AUTO)
		rc = drpc_set_framing(ctx, framing_for(len));
	return rc;
}

static int
call(int32_t method, uint8_t *body, size_t len, Drpc__Response **resp)
{
	Drpc__Call message = DRPC__CALL__INIT;

	message.module = MODULE;
	message.method = method;
	message.body.len = len;
	message.body.data = body;
	return drpc_call(ctx, R_SYNC, &message, resp);
}

static void
disconnect(void)
{
	drpc_close(ctx);
}
