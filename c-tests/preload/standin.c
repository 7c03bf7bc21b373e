/*
 * Stands in for the library that an existing program was linked with: the same
 * names without a version, and bodies that only tell that they were reached.
 */
#include <daos/drpc.h>

#include <stdio.h>
#include <stdlib.h>

#define REACHED                                                                                    \
	do {                                                                                       \
		fputs("stand-in\n", stderr);                                                       \
		exit(42);                                                                          \
	} while (0)
#define UNUSED __attribute__((unused))

const ProtobufCEnumDescriptor	 drpc__status__descriptor = {.name = "stand-in"};
const ProtobufCMessageDescriptor drpc__call__descriptor = {.name = "stand-in"};
const ProtobufCMessageDescriptor drpc__response__descriptor = {.name = "stand-in"};

#ifdef DRPC_ABI_08
Drpc__Call *
drpc_call_create(struct drpc *ctx UNUSED, int32_t module UNUSED, int32_t method UNUSED)
{
	REACHED;
}

struct drpc *
drpc_connect(char *sockaddr UNUSED)
{
	REACHED;
}

struct drpc *
drpc_accept(struct drpc *listener_ctx UNUSED)
{
	REACHED;
}
#else
int
drpc_call_create(struct drpc *ctx UNUSED, int32_t module UNUSED, int32_t method UNUSED,
		 Drpc__Call **callp UNUSED)
{
	REACHED;
}

int
drpc_connect(char *sockaddr UNUSED, struct drpc **ctx UNUSED)
{
	REACHED;
}

int
drpc_accept(struct drpc *listener_ctx UNUSED, struct drpc **session UNUSED)
{
	REACHED;
}

void *
daos_drpc_alloc(void *arg UNUSED, size_t size UNUSED)
{
	REACHED;
}

void
daos_drpc_free(void *arg UNUSED, void *pointer UNUSED)
{
	REACHED;
}
#endif

void
drpc_call_free(Drpc__Call *call UNUSED)
{
	REACHED;
}

Drpc__Response *
drpc_response_create(Drpc__Call *call UNUSED)
{
	REACHED;
}

void
drpc_response_free(Drpc__Response *resp UNUSED)
{
	REACHED;
}

int
drpc_call(struct drpc *ctx UNUSED, int flags UNUSED, Drpc__Call *msg UNUSED,
	  Drpc__Response **resp UNUSED)
{
	REACHED;
}

struct drpc *
drpc_listen(char *sockaddr UNUSED, drpc_handler_t handler UNUSED)
{
	REACHED;
}

bool
drpc_is_valid_listener(struct drpc *ctx UNUSED)
{
	REACHED;
}

int
drpc_recv_call(struct drpc *ctx UNUSED, Drpc__Call **call UNUSED)
{
	REACHED;
}

int
drpc_send_response(struct drpc *ctx UNUSED, Drpc__Response *resp UNUSED)
{
	REACHED;
}

int
drpc_close(struct drpc *ctx UNUSED)
{
	REACHED;
}

int
drpc_add_ref(struct drpc *ctx UNUSED)
{
	REACHED;
}

Drpc__Response *
drpc__response__unpack(ProtobufCAllocator *allocator UNUSED, size_t len UNUSED,
		       const uint8_t *data UNUSED)
{
	REACHED;
}

void
drpc__response__free_unpacked(Drpc__Response *message UNUSED, ProtobufCAllocator *allocator UNUSED)
{
	REACHED;
}
