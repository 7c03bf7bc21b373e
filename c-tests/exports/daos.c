/* The functions of DAOS's headers. */
#include "world.h"

#include <stdlib.h>

#include <daos/drpc_modules.h>

/* --- daos/drpc.h -------------------------------------------------------------------------------- */

void
try_drpc_call_create(struct world *w)
{
	Drpc__Call *call = NULL;

#ifdef DRPC_ABI_08
	POINTER(call = drpc_call_create(w->ctx, 0, 0));
#else
	NUMBER(drpc_call_create(w->ctx, 0, 0, PLACE(&call)));
#endif
}

void
try_drpc_call_free(struct world *w)
{
	Drpc__Call *call = NULL;

	if (!w->null)
		abi_call_create(w->ctx, 0, 0, &call);
	drpc_call_free(call);
}

void
try_drpc_response_create(struct world *w)
{
	drpc_response_create(PLACE(&w->call));
}

void
try_drpc_response_free(struct world *w)
{
	drpc_response_free(w->null ? NULL : drpc_response_create(&w->call));
}

void
try_drpc_call(struct world *w)
{
	Drpc__Response *resp = NULL;

	NUMBER(drpc_call(w->ctx, R_SYNC, PLACE(&w->call), PLACE(&resp)));
}

void
try_drpc_connect(struct world *w)
{
	struct drpc *ctx = NULL;

#ifdef DRPC_ABI_08
	POINTER(ctx = drpc_connect((char *)w->other_path));
#else
	NUMBER(drpc_connect((char *)w->other_path, PLACE(&ctx)));
#endif
	/* What fails closes what it has opened. */
	if (!w->null)
		abi_connect(w->free_path, &ctx);
}

void
try_drpc_listen(struct world *w)
{
	POINTER(abi_listen(w->free_path, w->null ? NULL : answer_nothing));
	if (!w->null)
		abi_listen(w->other_path, answer_nothing);
}

void
try_drpc_is_valid_listener(struct world *w)
{
	NOTHING(drpc_is_valid_listener(w->listener));
}

void
try_drpc_accept(struct world *w)
{
	struct drpc *session = NULL;

#ifdef DRPC_ABI_08
	POINTER(session = drpc_accept(w->listener));
#else
	NUMBER(drpc_accept(w->listener, PLACE(&session)));
#endif
	/* There is none any more. */
	if (!w->null)
		abi_accept(w->listener, &session);
}

void
try_drpc_recv_call(struct world *w)
{
	Drpc__Call *call = NULL;

	NUMBER(drpc_recv_call(w->session, PLACE(&call)));
}

void
try_drpc_send_response(struct world *w)
{
	NUMBER(drpc_send_response(w->session, PLACE(&w->resp)));
}

void
try_drpc_close(struct world *w)
{
	NUMBER(drpc_close(w->session));
	NUMBER(drpc_close(w->ctx));
	NUMBER(drpc_close(w->listener));
}

void
try_drpc_add_ref(struct world *w)
{
	NUMBER(drpc_add_ref(w->ctx));
}

#ifndef DRPC_ABI_08
void
try_daos_drpc_alloc(struct world *w)
{
	struct drpc_alloc alloc = PROTO_ALLOCATOR_INIT(alloc);

	(void)alloc;
	free(daos_drpc_alloc(PLACE(&alloc), 1));
}

void
try_daos_drpc_free(struct world *w)
{
	daos_drpc_free(NULL, w->null ? NULL : malloc(1));
}
#endif

/* --- daos/drpc.pb-c.h --------------------------------------------------------------------------- */

void
try_drpc__call__init(struct world *w)
{
	if (!w->null)
		drpc__call__init(&w->call);
}

void
try_drpc__call__get_packed_size(struct world *w)
{
	NOTHING(drpc__call__get_packed_size(PLACE(&w->call)));
}

void
try_drpc__call__pack(struct world *w)
{
	NOTHING(drpc__call__pack(PLACE(&w->call), PLACE(w->packed)));
}

void
try_drpc__call__pack_to_buffer(struct world *w)
{
	NOTHING(drpc__call__pack_to_buffer(PLACE(&w->call), PLACE(&w->buffer)));
}

void
try_drpc__call__unpack(struct world *w)
{
	Drpc__Call *call = drpc__call__unpack(NULL, w->packed_len, PLACE(w->packed));

	drpc__call__free_unpacked(call, NULL);
}

void
try_drpc__call__free_unpacked(struct world *w)
{
	drpc__call__free_unpacked(w->null ? NULL : drpc__call__unpack(NULL, w->packed_len, w->packed), NULL);
}

void
try_drpc__response__init(struct world *w)
{
	if (!w->null)
		drpc__response__init(&w->resp);
}

void
try_drpc__response__get_packed_size(struct world *w)
{
	NOTHING(drpc__response__get_packed_size(PLACE(&w->resp)));
}

void
try_drpc__response__pack(struct world *w)
{
	NOTHING(drpc__response__pack(PLACE(&w->resp), PLACE(w->packed)));
}

void
try_drpc__response__pack_to_buffer(struct world *w)
{
	NOTHING(drpc__response__pack_to_buffer(PLACE(&w->resp), PLACE(&w->buffer)));
}

void
try_drpc__response__unpack(struct world *w)
{
	Drpc__Response *resp = drpc__response__unpack(NULL, w->packed_len, PLACE(w->packed));

	drpc__response__free_unpacked(resp, NULL);
}

void
try_drpc__response__free_unpacked(struct world *w)
{
	drpc__response__free_unpacked(w->null ? NULL : drpc__response__unpack(NULL, w->packed_len, w->packed), NULL);
}

void
try_drpc__status__descriptor(struct world *w)
{
	(void)w;
	NEED(drpc__status__descriptor.n_values > 0);
}

void
try_drpc__call__descriptor(struct world *w)
{
	(void)w;
	NEED(drpc__call__descriptor.n_fields > 0);
}

void
try_drpc__response__descriptor(struct world *w)
{
	(void)w;
	NEED(drpc__response__descriptor.n_fields > 0);
}

/* --- daos/drpc_handler.h ------------------------------------------------------------------------ */

void
try_drpc_hdlr_init(struct world *w)
{
	(void)w;
	drpc_hdlr_init();
}

void
try_drpc_hdlr_fini(struct world *w)
{
	(void)w;
	drpc_hdlr_fini();
}

void
try_drpc_hdlr_register(struct world *w)
{
	drpc_hdlr_init();
	NUMBER(drpc_hdlr_register(DRPC_MODULE_SEC_AGENT, w->null ? NULL : answer_nothing));
	/* There is one. */
	drpc_hdlr_register(DRPC_MODULE_SEC_AGENT, answer_nothing);
}

void
try_drpc_hdlr_register_all(struct world *w)
{
	drpc_hdlr_init();
	NOTHING(drpc_hdlr_register_all(PLACE(w->handlers)));
}

void
try_drpc_hdlr_get_handler(struct world *w)
{
	(void)w;
	drpc_hdlr_get_handler(DRPC_MODULE_SEC_AGENT);
}

void
try_drpc_hdlr_unregister(struct world *w)
{
	(void)w;
	drpc_hdlr_unregister(DRPC_MODULE_SEC_AGENT);
}

void
try_drpc_hdlr_unregister_all(struct world *w)
{
	drpc_hdlr_init();
	NOTHING(drpc_hdlr_unregister_all(PLACE(w->handlers)));
}

void
try_drpc_hdlr_process_msg(struct world *w)
{
	drpc_hdlr_init();
	drpc_hdlr_register(DRPC_MODULE_SEC_AGENT, answer_nothing);
	drpc_hdlr_process_msg(PLACE(&w->call), PLACE(&w->resp));
}

/* --- daos/drpc_progress.h ----------------------------------------------------------------------- */

void
try_drpc_progress_context_create(struct world *w)
{
	POINTER(drpc_progress_context_create(w->listener));
}

void
try_drpc_progress_context_close(struct world *w)
{
	drpc_progress_context_close(w->progress);
}

void
try_drpc_progress(struct world *w)
{
	NUMBER(drpc_progress(w->progress, 0));
	/* Now there is a session, with a call. */
	drpc_progress(w->progress, 0);
}

void
try_drpc_progress_set_spawner(struct world *w)
{
	(void)w;
	drpc_progress_set_spawner(NULL);
}
