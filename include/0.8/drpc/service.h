/*
 * Typed calls: services as protoc-c makes them of a .proto file, on the managed server and the shared client.
 *
 *   cc program.c calc.pb-c.c $(pkg-config --cflags --libs drpc-0.8 libprotobuf-c)
 *
 * The functions that programs call stand at the end. They are inline, and pass the functions of libprotobuf-c to those with
 * `_with` behind their names, which do the work: so libdrpc itself does not link libprotobuf-c, a program without services
 * does not either, and what is mended in libdrpc is mended in programs that are compiled already.
 *
 * Generated from the Rust sources: see headers/.
 */
#ifndef LIBDRPC_DRPC_SERVICE_H
#define LIBDRPC_DRPC_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include <drpc/client.h>
#include <drpc/server.h>

/** Functions of libprotobuf-c. The program links that library, and libdrpc does not: drpc_libprotobuf_c returns them. */
struct drpc_protobuf_c {
        /** The size of the struct. */
        size_t size;
        /** protobuf_c_message_get_packed_size */
        size_t (*get_packed_size)(const ProtobufCMessage *message);
        /** protobuf_c_message_pack */
        size_t (*pack)(const ProtobufCMessage *message, uint8_t *out);
        /** protobuf_c_message_unpack */
        ProtobufCMessage *(*unpack)(const ProtobufCMessageDescriptor *descriptor,
                                    ProtobufCAllocator *allocator,
                                    size_t len,
                                    const uint8_t *data);
        /** protobuf_c_message_free_unpacked */
        void (*free_unpacked)(ProtobufCMessage *message, ProtobufCAllocator *allocator);
        /** protobuf_c_service_invoke_internal */
        void (*invoke)(ProtobufCService *service,
                       unsigned int method_index,
                       const ProtobufCMessage *input,
                       ProtobufCClosure closure,
                       void *closure_data);
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/** drpc_server_add_service, with the functions of libprotobuf-c. */
int drpc_server_add_service_with(struct drpc_server *server,
                                 int32_t module,
                                 ProtobufCService *service,
                                 const int32_t *methods,
                                 unsigned int flags,
                                 const struct drpc_protobuf_c *functions);

/**
 * Ends a call in place of its closure, with another status than DRPC__STATUS__SUCCESS and a text for the client, as
 * drpc_session_fail does. The text may be NULL. Any thread may call this, once.
 *
 * Returns 0; -DER_INVAL if the call has ended before, or if the status is DRPC__STATUS__SUCCESS, in whose place
 * DRPC__STATUS__FAILURE is sent; -DER_UNREACH if the session has ended; -DER_NO_HDL in the child of a fork, where the call is
 * not answered.
 */
int drpc_service_fail(void *closure_data,
                      int status,
                      const char *text);

/** Returns the session of a call, valid until the call is ended; NULL if it has ended. */
struct drpc_session *drpc_service_session(void *closure_data);

/** drpc_client_service, and with `dispatched` drpc_client_service_dispatched, with the functions of libprotobuf-c. */
ProtobufCService *drpc_client_service_with(struct drpc_client *client,
                                           int32_t module,
                                           const ProtobufCServiceDescriptor *descriptor,
                                           const int32_t *methods,
                                           bool dispatched,
                                           const struct drpc_protobuf_c *functions);

/**
 * Sets the options of all calls of a service for a client: the time, whether they may be executed twice, the token that
 * cancels them. NULL sets those of a new service. Not while another thread calls.
 *
 * Returns 0; -DER_INVAL if the service is none of a client, or the size of the options is not set.
 */
int drpc_service_set_options(ProtobufCService *service,
                             const struct drpc_call_options *options);

/**
 * Returns how the thread's last call through a service for a client has ended; in a closure, how its call has: 0 if there
 * is a response, a negative number of DAOS's if the call failed, else the status that the server answered, one of enum
 * Drpc__Status. drpc_last_error() says more.
 */
int drpc_service_status(void);

/** drpc_client_call_message, with the functions of libprotobuf-c. */
int drpc_client_call_message_with(struct drpc_client *client,
                                  int32_t module,
                                  int32_t method,
                                  const ProtobufCMessage *request,
                                  const ProtobufCMessageDescriptor *response_type,
                                  const struct drpc_call_options *options,
                                  ProtobufCMessage **response,
                                  const struct drpc_protobuf_c *functions);

/** drpc_message_to_body, with the functions of libprotobuf-c. */
int drpc_message_to_body_with(const ProtobufCMessage *message,
                              ProtobufCBinaryData *body,
                              const struct drpc_protobuf_c *functions);

/** drpc_body_to_message, with the functions of libprotobuf-c. */
int drpc_body_to_message_with(const ProtobufCBinaryData *body,
                              const ProtobufCMessageDescriptor *message_type,
                              ProtobufCMessage **message,
                              const struct drpc_protobuf_c *functions);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** Returns the functions of libprotobuf-c that the program links. */
static inline const struct drpc_protobuf_c *
drpc_libprotobuf_c(void)
{
	static const struct drpc_protobuf_c functions = {
		sizeof(struct drpc_protobuf_c), protobuf_c_message_get_packed_size, protobuf_c_message_pack,
		protobuf_c_message_unpack, protobuf_c_message_free_unpacked, protobuf_c_service_invoke_internal,
	};

	return &functions;
}

/**
 * Has a service serve a module, before the server listens: `service` is an implementation as protoc-c declares it
 * (CALC__CALC__INIT(prefix)). It stays the caller's, and has to exist as long as the server and its calls. `methods` has the
 * number of each method, in the order of the .proto file, and is copied. NULL stands for module * 100 + 1, and one more for
 * each further method, as DAOS numbers its own. `flags` are those of drpc_server_register.
 *
 * A method gets the request and a closure. It ends the call by calling the closure with its `closure_data`: at once or later,
 * from any thread, once. The library packs the response before the closure returns, and the response stays the method's.
 * With NULL the call fails with DRPC__STATUS__FAILURE; drpc_service_fail says more. A response of another type fails with
 * DRPC__STATUS__FAILED_MARSHAL. A second closure of a call is logged, and ignored. A call that is never ended is never
 * answered.
 *
 * The request is the library's, and valid until the method has returned and the closure has been called, whichever is later.
 *
 * Requests that do not unpack never reach a method, and get DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD. These have messages more
 * than 100 deep inside one another, too, and those that unpacked take more memory than DRPC_SERVER_MAX_MESSAGE, or 1 MiB if
 * that is more. Beyond 64 KiB that memory counts for the caller's user, with DRPC_SERVER_MAX_PARTIAL; a request for which
 * too little is left gets DRPC__STATUS__FAILURE. A number of no method gets DRPC__STATUS__UNKNOWN_METHOD.
 *
 * Returns 0; -DER_INVAL if an argument is NULL, a flag unknown, the service without methods, or one of its methods without a
 * function (which is seen where protobuf_c_service_invoke_internal finds it), or if two methods have the same number;
 * -DER_EXIST if the module has a service or a handler, which it keeps; -DER_BUSY once the server listens; -DER_NOMEM.
 */
static inline int
drpc_server_add_service(struct drpc_server *server, int32_t module, ProtobufCService *service, const int32_t *methods,
			unsigned int flags)
{
	return drpc_server_add_service_with(server, module, service, methods, flags, drpc_libprotobuf_c());
}

/**
 * Makes a service that calls a module through a client: the functions of the .proto file (calc__calc__add) make a call with
 * it. They run the closure once, before they return; with NULL if there is no response. drpc_service_status() and
 * drpc_last_error() say why then. The response is the library's, and valid while the closure runs. Any number of threads may
 * call. `methods` is as for drpc_server_add_service.
 *
 * Responses have the limits of requests, by DRPC_CLIENT_MAX_MESSAGE: -DER_PROTO if one does not unpack, -DER_OVERFLOW if it
 * takes too much memory, -DER_NOMEM. Other errors are those of drpc_client_call.
 *
 * Returns the service, to be freed with protobuf_c_service_destroy, also in one of its closures; calls of other threads that
 * are out by then go on. NULL, with drpc_last_error(), if an argument is NULL or wrong, as for drpc_server_add_service, or
 * without memory. The client stays the caller's, and has to exist as long as calls are made.
 */
static inline ProtobufCService *
drpc_client_service(struct drpc_client *client, int32_t module, const ProtobufCServiceDescriptor *descriptor,
		    const int32_t *methods)
{
	return drpc_client_service_with(client, module, descriptor, methods, false, drpc_libprotobuf_c());
}

/**
 * Makes a service as drpc_client_service does, whose calls are submitted, as by drpc_client_submit: the functions return at
 * once, and drpc_client_dispatch runs the closures, or the client's own thread (DRPC_CLIENT_THREAD). A call that cannot be
 * submitted runs its closure at once. Calls that are out when the service is destroyed go on, and still run their closures.
 */
static inline ProtobufCService *
drpc_client_service_dispatched(struct drpc_client *client, int32_t module, const ProtobufCServiceDescriptor *descriptor,
			       const int32_t *methods)
{
	return drpc_client_service_with(client, module, descriptor, methods, true, drpc_libprotobuf_c());
}

/**
 * Calls a method with a message and waits for the response, for programs without a service definition. The response, of the
 * type `response_type`, is the caller's, to be freed with protobuf_c_message_free_unpacked(*response, NULL). `options` may
 * be NULL.
 *
 * Returns 0 if there is a response. Else `*response` is NULL: a negative number, as of drpc_client_call and
 * drpc_client_service, or the status that the server has answered, one of enum Drpc__Status.
 */
static inline int
drpc_client_call_message(struct drpc_client *client, int32_t module, int32_t method, const ProtobufCMessage *request,
			 const ProtobufCMessageDescriptor *response_type, const struct drpc_call_options *options,
			 ProtobufCMessage **response)
{
	return drpc_client_call_message_with(client, module, method, request, response_type, options, response,
					     drpc_libprotobuf_c());
}

/**
 * Packs a message as the body of a call or a response, in a block from malloc that is the caller's: a Drpc__Call or a
 * Drpc__Response may own it. A message without bytes has no block.
 *
 * Returns 0; -DER_INVAL if an argument is NULL or the message not initialised; -DER_NOMEM.
 */
static inline int
drpc_message_to_body(const ProtobufCMessage *message, ProtobufCBinaryData *body)
{
	return drpc_message_to_body_with(message, body, drpc_libprotobuf_c());
}

/**
 * Unpacks the body of a call or a response as a message of this type, which is the caller's, to be freed with
 * protobuf_c_message_free_unpacked(*message, NULL). The body stays the caller's. The limits are those of
 * drpc_client_service, by drpc_set_max_message.
 *
 * Returns 0; after an error `*message` is NULL: -DER_INVAL, -DER_PROTO, -DER_OVERFLOW or -DER_NOMEM.
 */
static inline int
drpc_body_to_message(const ProtobufCBinaryData *body, const ProtobufCMessageDescriptor *type, ProtobufCMessage **message)
{
	return drpc_body_to_message_with(body, type, message, drpc_libprotobuf_c());
}

#endif /* LIBDRPC_DRPC_SERVICE_H */
