/*
 * Lets one test source serve both ABIs: the Makefile defines DRPC_ABI_08 or
 * DRPC_ABI_28, and the three functions whose prototypes differ are called
 * through the adapters below.
 */
#ifndef C_TESTS_ABI_H
#define C_TESTS_ABI_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <daos/drpc.h>

#if defined(DRPC_ABI_08) == defined(DRPC_ABI_28)
#error "define exactly one of DRPC_ABI_08 and DRPC_ABI_28"
#endif

#ifdef DRPC_ABI_08
#define ABI_NAME "0.8"
/* One message, one record, at most UNIXCOMM_MAXMSGSIZE bytes sent. */
#define ABI_CHUNKED 0
/* What an adapter returns where the original returns NULL. */
#define ABI_NULL (-1)
/* The result of a failing connect or accept: the old ABI can only say NULL. */
#define abi_failed(der) ((void)(der), ABI_NULL)
#else
#define ABI_NAME "2.8"
#define ABI_CHUNKED 1
#define abi_failed(der) (-(der))
#endif

static inline int
abi_connect(const char *path, struct drpc **ctx)
{
#ifdef DRPC_ABI_08
	*ctx = drpc_connect((char *)path);
	return *ctx == NULL ? ABI_NULL : 0;
#else
	return drpc_connect((char *)path, ctx);
#endif
}

static inline int
abi_accept(struct drpc *listener, struct drpc **session)
{
#ifdef DRPC_ABI_08
	*session = drpc_accept(listener);
	return *session == NULL ? ABI_NULL : 0;
#else
	return drpc_accept(listener, session);
#endif
}

static inline int
abi_call_create(struct drpc *ctx, int32_t module, int32_t method, Drpc__Call **call)
{
#ifdef DRPC_ABI_08
	*call = drpc_call_create(ctx, module, method);
	return *call == NULL ? ABI_NULL : 0;
#else
	return drpc_call_create(ctx, module, method, call);
#endif
}

/* drpc_listen takes a char * that it does not write to. */
static inline struct drpc *
abi_listen(const char *path, drpc_handler_t handler)
{
	return drpc_listen((char *)path, handler);
}

#endif
