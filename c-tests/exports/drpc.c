/* The functions of the library's own headers. */
#include "world.h"

#include <pthread.h>

#include <daos/drpc_modules.h>
#include <drpc/library.h>

#include "support/managed.h"
#include "support/patience.h"
#include "support/typed.h"

static bool
allow(struct drpc_session *session, void *arg)
{
	(void)session;
	(void)arg;
	return true;
}

/* --- drpc/library.h ----------------------------------------------------------------------------- */

void
try_drpc_last_error(struct world *w)
{
	(void)w;
	NEED(drpc_last_error() != NULL);
}

void
try_drpc_strerror(struct world *w)
{
	(void)w;
	NEED(drpc_strerror(-DER_INVAL) != NULL);
}

void
try_drpc_status_name(struct world *w)
{
	(void)w;
	NEED(drpc_status_name(0) != NULL);
}

void
try_drpc_status_value(struct world *w)
{
	NUMBER(drpc_status_value(w->null ? NULL : "SUCCESS"));
}

void
try_drpc_module_name(struct world *w)
{
	(void)w;
	NEED(drpc_module_name(DRPC_MODULE_MGMT) != NULL);
}

void
try_drpc_method_name(struct world *w)
{
	(void)w;
	NEED(drpc_method_name(DRPC_MODULE_MGMT, DRPC_METHOD_MGMT_GET_ATTACH_INFO) != NULL);
}

void
try_drpc_response_detail(struct world *w)
{
	POINTER(drpc_response_detail(PLACE(&w->resp)));
}

void
try_drpc_file_descriptor_set(struct world *w)
{
	size_t len;

	POINTER(drpc_file_descriptor_set(PLACE(&len)));
}

void
try_drpc_version(struct world *w)
{
	(void)w;
	NEED(drpc_version() != NULL);
}

static void
take_line(int level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
	/* A log function may be a point where a thread is cancelled. */
	pthread_testcancel();
}

void
try_drpc_set_log(struct world *w)
{
	drpc_set_log(w->null ? NULL : take_line, NULL);
	if (!w->null)
		drpc_close(NULL);
}

void
try_drpc_set_log_level(struct world *w)
{
	(void)w;
	drpc_set_log_level(0);
}

void
try_drpc_set_timeout(struct world *w)
{
	NUMBER(drpc_set_timeout(w->ctx, PATIENCE_MS));
}

void
try_drpc_set_connect_timeout(struct world *w)
{
	(void)w;
	drpc_set_connect_timeout(0);
}

void
try_drpc_set_socket_mode(struct world *w)
{
	(void)w;
	drpc_set_socket_mode(0600);
}

void
try_drpc_set_spin(struct world *w)
{
	(void)w;
	drpc_set_spin(0);
}

void
try_drpc_set_max_message(struct world *w)
{
	(void)w;
	drpc_set_max_message(0);
}

void
try_drpc_set_max_datagram(struct world *w)
{
	(void)w;
	drpc_set_max_datagram(0);
}

void
try_drpc_set_framing(struct world *w)
{
	NUMBER(drpc_set_framing(w->ctx, DRPC_FRAMING_CHUNKED));
}

/* --- drpc/server.h ------------------------------------------------------------------------------ */

void
try_drpc_server_create(struct world *w)
{
	struct drpc_server *server = NULL;

	NUMBER(drpc_server_create(w->free_path, PLACE(&server)));
}

void
try_drpc_server_set(struct world *w)
{
	NUMBER(drpc_server_set(w->fresh, DRPC_SERVER_THREADS, 2));
}

void
try_drpc_server_register(struct world *w)
{
	NUMBER(drpc_server_register(w->fresh, ECHO, managed_echo, NULL, 0));
}

void
try_drpc_server_get_handler(struct world *w)
{
	POINTER(drpc_server_get_handler(w->server, ECHO));
}

void
try_drpc_server_allow(struct world *w)
{
	NUMBER(drpc_server_allow(w->fresh, ECHO, NULL, 0));
}

void
try_drpc_server_authorise(struct world *w)
{
	NUMBER(drpc_server_authorise(w->fresh, w->null ? NULL : allow, NULL));
}

void
try_drpc_server_listen(struct world *w)
{
	NUMBER(drpc_server_listen(w->fresh));
}

void
try_drpc_server_start(struct world *w)
{
	NUMBER(drpc_server_start(w->server));
	NUMBER(drpc_server_start(w->fresh));
}

void
try_drpc_server_run(struct world *w)
{
	NUMBER(drpc_server_run(w->server));
	drpc_server_stop(w->fresh);
	NUMBER(drpc_server_run(w->fresh));
}

void
try_drpc_server_dispatch(struct world *w)
{
	NUMBER(drpc_server_dispatch(w->server, 0));
	NUMBER(drpc_server_dispatch(w->fresh, 0));
}

void
try_drpc_server_get_fd(struct world *w)
{
	NUMBER(drpc_server_get_fd(w->fresh));
}

void
try_drpc_server_stop(struct world *w)
{
	drpc_server_stop(w->server);
}

void
try_drpc_server_shutdown(struct world *w)
{
	NUMBER(drpc_server_shutdown(w->server, 0));
}

void
try_drpc_server_destroy(struct world *w)
{
	drpc_server_destroy(w->server);
	drpc_server_destroy(w->fresh);
}

void
try_drpc_server_get_stats(struct world *w)
{
	struct drpc_server_stats stats = {.size = sizeof(stats)};

	NUMBER(drpc_server_get_stats(w->server, PLACE(&stats)));
}

void
try_drpc_server_get_module_stats(struct world *w)
{
	uint64_t answered[9];

	NUMBER(drpc_server_get_module_stats(w->server, ECHO, PLACE(answered)));
}

void
try_drpc_session_id(struct world *w)
{
	NOTHING(drpc_session_id(w->caller));
}

void
try_drpc_session_peer(struct world *w)
{
	NOTHING(drpc_session_peer(w->caller).pid);
}

void
try_drpc_session_get_fd(struct world *w)
{
	NOTHING(drpc_session_get_fd(w->caller) + 1);
}

void
try_drpc_session_close(struct world *w)
{
	drpc_session_close(w->caller);
}

void
try_drpc_session_fail(struct world *w)
{
	NUMBER(drpc_session_fail(w->caller, DRPC__STATUS__FAILURE, w->null ? NULL : "why"));
}

void
try_drpc_session_defer(struct world *w)
{
	POINTER(drpc_session_defer(w->caller));
}

void
try_drpc_request_session(struct world *w)
{
	POINTER(drpc_request_session(w->request));
}

void
try_drpc_request_call(struct world *w)
{
	POINTER(drpc_request_call(w->request));
}

void
try_drpc_request_respond(struct world *w)
{
	NUMBER(drpc_request_respond(w->request, PLACE(&w->resp)));
}

void
try_drpc_request_fail(struct world *w)
{
	NUMBER(drpc_request_fail(w->request, DRPC__STATUS__FAILURE, w->null ? NULL : "why"));
}

void
try_drpc_request_drop(struct world *w)
{
	drpc_request_drop(w->request);
}

/* --- drpc/client.h ------------------------------------------------------------------------------ */

void
try_drpc_client_create(struct world *w)
{
	struct drpc_client *client = NULL;

	NUMBER(drpc_client_create(w->path, PLACE(&client)));
}

void
try_drpc_client_set(struct world *w)
{
	NUMBER(drpc_client_set(w->client, DRPC_CLIENT_RETRIES, 1));
}

void
try_drpc_client_connect(struct world *w)
{
	NUMBER(drpc_client_connect(w->client));
}

void
try_drpc_client_wait_ready(struct world *w)
{
	NUMBER(drpc_client_wait_ready(w->client, 100));
}

void
try_drpc_client_is_connected(struct world *w)
{
	NOTHING(drpc_client_is_connected(w->client));
}

void
try_drpc_client_close(struct world *w)
{
	NUMBER(drpc_client_close(w->client));
}

void
try_drpc_client_destroy(struct world *w)
{
	drpc_client_destroy(w->client);
}

/* Whether it is locked in time does not matter: a call is out. */
void
try_drpc_client_lock(struct world *w)
{
	NUMBER(drpc_client_lock(w->client));
}

void
try_drpc_client_unlock(struct world *w)
{
	NUMBER(drpc_client_unlock(w->client));
}

void
try_drpc_client_call(struct world *w)
{
	Drpc__Response *resp = NULL;

	NUMBER(drpc_client_call(w->client, ECHO, 0, "x", 1, NULL, PLACE(&resp)));
}

void
try_drpc_client_submit(struct world *w)
{
	NUMBER(drpc_client_submit(w->client, ECHO, 0, "x", 1, NULL, w->null ? NULL : done, NULL));
}

void
try_drpc_client_dispatch(struct world *w)
{
	NUMBER(drpc_client_dispatch(w->client, 0));
}

void
try_drpc_client_get_fd(struct world *w)
{
	NUMBER(drpc_client_get_fd(w->client));
}

void
try_drpc_cancel_create(struct world *w)
{
	(void)w;
	NEED(drpc_cancel_create() != NULL);
}

void
try_drpc_cancel_trigger(struct world *w)
{
	drpc_cancel_trigger(w->cancel);
}

void
try_drpc_cancel_destroy(struct world *w)
{
	drpc_cancel_destroy(w->cancel);
}

/* --- drpc/service.h ----------------------------------------------------------------------------- */

static void
ignore(const ProtobufCMessage *message, void *data)
{
	(void)message;
	(void)data;
}

void
try_drpc_server_add_service_with(struct world *w)
{
	NUMBER(drpc_server_add_service(w->fresh, TREE, PLACE(&typed_service.base), NULL, 0));
	NUMBER(drpc_server_add_service_with(w->fresh, TREE, &typed_service.base, NULL, 0, PLACE(drpc_libprotobuf_c())));
}

/* The call of the service is made and submitted, and the server does not know its module. */
void
try_drpc_client_service_with(struct world *w)
{
	ProtobufCService *service;

	POINTER(drpc_client_service_with(w->client, TREE, PLACE(&tree__tree__descriptor), NULL, false, PLACE(drpc_libprotobuf_c())));
	if (w->null)
		return;
	for (int dispatched = 0; dispatched < 2; dispatched++) {
		Tree__Node node = TREE__NODE__INIT;

		service = (dispatched ? drpc_client_service_dispatched : drpc_client_service)(w->client, TREE,
											       &tree__tree__descriptor, NULL);
		NEED(service != NULL);
		tree__tree__echo(service, &node, (Tree__Node_Closure)ignore, NULL);
		protobuf_c_service_destroy(service);
	}
}

void
try_drpc_client_call_message_with(struct world *w)
{
	Tree__Node        node     = TREE__NODE__INIT;
	ProtobufCMessage *response = NULL;

	NUMBER(drpc_client_call_message(w->client, ECHO, 0, PLACE(&node.base), PLACE(&tree__node__descriptor), NULL,
					PLACE(&response)));
}

void
try_drpc_message_to_body_with(struct world *w)
{
	Tree__Node          node = TREE__NODE__INIT;
	ProtobufCBinaryData body;

	NUMBER(drpc_message_to_body(PLACE(&node.base), PLACE(&body)));
}

void
try_drpc_body_to_message_with(struct world *w)
{
	ProtobufCBinaryData body    = {3, (uint8_t *)"\012\001x"};
	ProtobufCMessage   *message = NULL;

	NUMBER(drpc_body_to_message(PLACE(&body), PLACE(&tree__node__descriptor), PLACE(&message)));
}

void
try_drpc_service_set_options(struct world *w)
{
	ProtobufCService *service = drpc_client_service(w->client, TREE, &tree__tree__descriptor, NULL);

	NUMBER(drpc_service_set_options(PLACE(service), NULL));
}

void
try_drpc_service_status(struct world *w)
{
	(void)w;
	NEED(drpc_service_status() == 0);
}

void
try_drpc_service_session(struct world *w)
{
	POINTER(drpc_service_session(PLACE(w->closure_data)));
}

/* A closure is no export, and ends a call as this does. */
void
try_drpc_service_fail(struct world *w)
{
	NUMBER(drpc_service_fail(PLACE(w->closure_data), DRPC__STATUS__FAILURE, "text"));
	if (!w->null)
		typed_kept.closures[0](NULL, w->closure_data);
}
