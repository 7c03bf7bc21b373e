/*
 * What a compiled daemon has built into it: sizes, offsets, numbers and
 * prototypes. Nearly all of it is judged when this file is compiled.
 */
#include "abi.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <daos/drpc_handler.h>
#include <daos/drpc_modules.h>
#include <daos/drpc_progress.h>
#include <drpc/library.h>

#include "support/descriptors.h"

#define SIZE(type, size, align)                                                                    \
	_Static_assert(sizeof(type) == (size), "size of " #type);                                  \
	_Static_assert(_Alignof(type) == (align), "alignment of " #type);
#define FIELD(type, field, at, size)                                                               \
	_Static_assert(offsetof(type, field) == (at), "offset of " #field " in " #type);           \
	_Static_assert(sizeof(((type *)0)->field) == (size), "size of " #field " in " #type);
#define IS(name, value) _Static_assert((name) == (value), #name);

SIZE(struct unixcomm, 8, 4)
FIELD(struct unixcomm, fd, 0, 4)
FIELD(struct unixcomm, flags, 4, 4)

FIELD(struct drpc, comm, 0, 8)
FIELD(struct drpc, sequence, 8, 4)
FIELD(struct drpc, ref_count, 12, 4)
FIELD(struct drpc, handler, 16, 8)
#ifdef DRPC_ABI_08
SIZE(struct drpc, 24, 8)
#else
SIZE(struct drpc, 32, 8)
FIELD(struct drpc, yield, 24, 8)

SIZE(struct drpc_alloc, 32, 8)
FIELD(struct drpc_alloc, alloc, 0, 24)
FIELD(struct drpc_alloc, oom, 24, 1)

SIZE(struct drpc_header, 24, 8)
FIELD(struct drpc_header, total_data_size, 0, 8)
FIELD(struct drpc_header, chunk_data_size, 8, 8)
FIELD(struct drpc_header, chunk_idx, 16, 4)
FIELD(struct drpc_header, total_chunks, 20, 4)
#endif

SIZE(ProtobufCAllocator, 24, 8)
SIZE(ProtobufCMessage, 24, 8)
FIELD(ProtobufCMessage, descriptor, 0, 8)
FIELD(ProtobufCMessage, n_unknown_fields, 8, 4)
FIELD(ProtobufCMessage, unknown_fields, 16, 8)
SIZE(ProtobufCBinaryData, 16, 8)
FIELD(ProtobufCBinaryData, len, 0, 8)
FIELD(ProtobufCBinaryData, data, 8, 8)
SIZE(ProtobufCMessageDescriptor, 120, 8)
SIZE(ProtobufCEnumDescriptor, 120, 8)
SIZE(ProtobufCFieldDescriptor, 72, 8)

SIZE(Drpc__Call, 56, 8)
FIELD(Drpc__Call, base, 0, 24)
FIELD(Drpc__Call, module, 24, 4)
FIELD(Drpc__Call, method, 28, 4)
FIELD(Drpc__Call, sequence, 32, 8)
FIELD(Drpc__Call, body, 40, 16)
SIZE(Drpc__Response, 56, 8)
FIELD(Drpc__Response, base, 0, 24)
FIELD(Drpc__Response, sequence, 24, 8)
FIELD(Drpc__Response, status, 32, 4)
FIELD(Drpc__Response, body, 40, 16)
SIZE(Drpc__Status, 4, 4)
SIZE(enum rpcflags, 4, 4)

SIZE(struct dss_drpc_handler, 16, 8)
FIELD(struct dss_drpc_handler, module_id, 0, 4)
FIELD(struct dss_drpc_handler, handler, 8, 8)

SIZE(d_list_t, 16, 8)
FIELD(d_list_t, next, 0, 8)
FIELD(d_list_t, prev, 8, 8)
SIZE(struct drpc_progress_context, 24, 8)
FIELD(struct drpc_progress_context, listener_ctx, 0, 8)
FIELD(struct drpc_progress_context, session_ctx_list, 8, 16)
SIZE(struct drpc_call_ctx, 24, 8)
FIELD(struct drpc_call_ctx, session, 0, 8)
FIELD(struct drpc_call_ctx, call, 8, 8)
FIELD(struct drpc_call_ctx, resp, 16, 8)
SIZE(struct drpc_list, 24, 8)
FIELD(struct drpc_list, ctx, 0, 8)
FIELD(struct drpc_list, link, 8, 16)

IS(R_SYNC, 1)
IS(DRPC__STATUS__SUCCESS, 0)
IS(DRPC__STATUS__SUBMITTED, 1)
IS(DRPC__STATUS__FAILURE, 2)
IS(DRPC__STATUS__UNKNOWN_MODULE, 3)
IS(DRPC__STATUS__UNKNOWN_METHOD, 4)
IS(DRPC__STATUS__FAILED_UNMARSHAL_CALL, 5)
IS(DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD, 6)
IS(DRPC__STATUS__FAILED_MARSHAL, 7)
IS(DRPC_LOG_ERROR, 1)
IS(DRPC_LOG_WARN, 2)
IS(DRPC_LOG_INFO, 3)
IS(DRPC_LOG_DEBUG, 4)
IS(DRPC_LOG_TRACE, 5)

#ifdef DRPC_ABI_08
IS(UNIXCOMM_MAXMSGSIZE, 16384)
#include "support/modules-0.8.h"
#else
IS(UNIXCOMM_MAXMSGSIZE, 131072)
IS(DRPC_HEADER_LEN, 24)
IS(DRPC_MAX_DATA_SIZE, 131048)
IS(DRPC_CHUNK_SIZE(5), 29)
IS(DRPC_CHUNK_SIZE(131048), 131072)
IS(DRPC_CHUNK_SIZE(131049), 131072)
IS(DRPC_CHUNK_DATA_SIZE(29), 5)
#include "support/modules-2.8.h"
#endif
#include "support/der.h"

/* The constants are enumerators of these five enums. */
static const enum drpc_module           a_module   = DRPC_MODULE_SEC;
static const enum drpc_sec_agent_method an_agent_method = DRPC_METHOD_SEC_AGENT_REQUEST_CREDS;
static const enum drpc_mgmt_method      a_mgmt_method = DRPC_METHOD_MGMT_KILL_RANK;
static const enum drpc_srv_method       a_srv_method = DRPC_METHOD_SRV_NOTIFY_READY;
static const enum drpc_sec_method       a_sec_method = DRPC_METHOD_SEC_VALIDATE_CREDS;

/* Each function goes into a pointer of exactly its type; a compiler error otherwise. */
#ifdef DRPC_ABI_08
static Drpc__Call *(*const p_call_create)(struct drpc *, int32_t, int32_t) = drpc_call_create;
static struct drpc *(*const p_connect)(char *) = drpc_connect;
static struct drpc *(*const p_accept)(struct drpc *) = drpc_accept;
#else
static int (*const p_call_create)(struct drpc *, int32_t, int32_t, Drpc__Call **) = drpc_call_create;
static int (*const p_connect)(char *, struct drpc **) = drpc_connect;
static int (*const p_accept)(struct drpc *, struct drpc **) = drpc_accept;
static void *(*const p_alloc)(void *, size_t) = daos_drpc_alloc;
static void (*const p_free)(void *, void *) = daos_drpc_free;
static int (*yielder)(void);
static drpc_thread_yielder_t *const p_yielder = &yielder;
#endif
static void (*handler_type)(Drpc__Call *, Drpc__Response *);
static drpc_handler_t *const p_handler = &handler_type;

static void (*const p_call_free)(Drpc__Call *) = drpc_call_free;
static Drpc__Response *(*const p_response_create)(Drpc__Call *) = drpc_response_create;
static void (*const p_response_free)(Drpc__Response *) = drpc_response_free;
static int (*const p_call)(struct drpc *, int, Drpc__Call *, Drpc__Response **) = drpc_call;
static struct drpc *(*const p_listen)(char *, drpc_handler_t) = drpc_listen;
static bool (*const p_is_valid_listener)(struct drpc *) = drpc_is_valid_listener;
static int (*const p_recv_call)(struct drpc *, Drpc__Call **) = drpc_recv_call;
static int (*const p_send_response)(struct drpc *, Drpc__Response *) = drpc_send_response;
static int (*const p_close)(struct drpc *) = drpc_close;
static int (*const p_add_ref)(struct drpc *) = drpc_add_ref;

static void (*const p_call_init)(Drpc__Call *) = drpc__call__init;
static size_t (*const p_call_size)(const Drpc__Call *) = drpc__call__get_packed_size;
static size_t (*const p_call_pack)(const Drpc__Call *, uint8_t *) = drpc__call__pack;
static size_t (*const p_call_buffer)(const Drpc__Call *, ProtobufCBuffer *) = drpc__call__pack_to_buffer;
static Drpc__Call *(*const p_call_unpack)(ProtobufCAllocator *, size_t, const uint8_t *) = drpc__call__unpack;
static void (*const p_call_unpacked)(Drpc__Call *, ProtobufCAllocator *) = drpc__call__free_unpacked;
static void (*const p_resp_init)(Drpc__Response *) = drpc__response__init;
static size_t (*const p_resp_size)(const Drpc__Response *) = drpc__response__get_packed_size;
static size_t (*const p_resp_pack)(const Drpc__Response *, uint8_t *) = drpc__response__pack;
static size_t (*const p_resp_buffer)(const Drpc__Response *, ProtobufCBuffer *) = drpc__response__pack_to_buffer;
static Drpc__Response *(*const p_resp_unpack)(ProtobufCAllocator *, size_t, const uint8_t *) =
	drpc__response__unpack;
static void (*const p_resp_unpacked)(Drpc__Response *, ProtobufCAllocator *) = drpc__response__free_unpacked;
static const ProtobufCEnumDescriptor *const p_status = &drpc__status__descriptor;
static const ProtobufCMessageDescriptor *const p_descriptors[] = {&drpc__call__descriptor,
								  &drpc__response__descriptor};

static int (*const p_hdlr_init)(void) = drpc_hdlr_init;
static int (*const p_hdlr_fini)(void) = drpc_hdlr_fini;
static int (*const p_hdlr_register)(int, drpc_handler_t) = drpc_hdlr_register;
static int (*const p_hdlr_register_all)(struct dss_drpc_handler *) = drpc_hdlr_register_all;
static drpc_handler_t (*const p_hdlr_get)(int) = drpc_hdlr_get_handler;
static int (*const p_hdlr_unregister)(int) = drpc_hdlr_unregister;
static int (*const p_hdlr_unregister_all)(struct dss_drpc_handler *) = drpc_hdlr_unregister_all;
static void (*const p_hdlr_process)(Drpc__Call *, Drpc__Response *) = drpc_hdlr_process_msg;

static struct drpc_progress_context *(*const p_progress_create)(struct drpc *) = drpc_progress_context_create;
static void (*const p_progress_close)(struct drpc_progress_context *) = drpc_progress_context_close;
static int (*const p_progress)(struct drpc_progress_context *, int) = drpc_progress;
static void (*const p_spawner)(int (*)(void (*)(void *), void *)) = drpc_progress_set_spawner;

static const char *(*const p_last_error)(void) = drpc_last_error;
static const char *(*const p_strerror)(int) = drpc_strerror;
static const char *(*const p_status_name)(int) = drpc_status_name;
static int (*const p_status_value)(const char *) = drpc_status_value;
static const char *(*const p_module_name)(int32_t) = drpc_module_name;
static const char *(*const p_method_name)(int32_t, int32_t) = drpc_method_name;
static const char *(*const p_response_detail)(const Drpc__Response *) = drpc_response_detail;
static const uint8_t *(*const p_descriptor_set)(size_t *) = drpc_file_descriptor_set;
static const char *(*const p_version)(void) = drpc_version;
static void (*log_type)(int, const char *, void *);
static drpc_log_fn *const p_log = &log_type;
static void (*const p_set_log)(drpc_log_fn, void *) = drpc_set_log;
static int (*const p_set_log_level)(int) = drpc_set_log_level;
static int (*const p_set_timeout)(struct drpc *, int) = drpc_set_timeout;
static int (*const p_set_connect_timeout)(int) = drpc_set_connect_timeout;
static int (*const p_set_mode)(mode_t) = drpc_set_socket_mode;
static int (*const p_set_spin)(unsigned int) = drpc_set_spin;
static int (*const p_set_max)(size_t) = drpc_set_max_message;
static int (*const p_set_datagram)(size_t) = drpc_set_max_datagram;
static int (*const p_set_framing)(struct drpc *, int) = drpc_set_framing;

#define HERE(pointer) assert_true((pointer) != NULL)

static void
every_symbol_is_there(void **state)
{
	(void)state;
	HERE(p_call_create);
	HERE(p_connect);
	HERE(p_accept);
#ifdef DRPC_ABI_28
	HERE(p_alloc);
	HERE(p_free);
	HERE(p_yielder);
#endif
	HERE(p_handler);
	HERE(p_call_free);
	HERE(p_response_create);
	HERE(p_response_free);
	HERE(p_call);
	HERE(p_listen);
	HERE(p_is_valid_listener);
	HERE(p_recv_call);
	HERE(p_send_response);
	HERE(p_close);
	HERE(p_add_ref);
	HERE(p_call_init);
	HERE(p_call_size);
	HERE(p_call_pack);
	HERE(p_call_buffer);
	HERE(p_call_unpack);
	HERE(p_call_unpacked);
	HERE(p_resp_init);
	HERE(p_resp_size);
	HERE(p_resp_pack);
	HERE(p_resp_buffer);
	HERE(p_resp_unpack);
	HERE(p_resp_unpacked);
	HERE(p_hdlr_init);
	HERE(p_hdlr_fini);
	HERE(p_hdlr_register);
	HERE(p_hdlr_register_all);
	HERE(p_hdlr_get);
	HERE(p_hdlr_unregister);
	HERE(p_hdlr_unregister_all);
	HERE(p_hdlr_process);
	HERE(p_progress_create);
	HERE(p_progress_close);
	HERE(p_progress);
	HERE(p_spawner);
	HERE(p_last_error);
	HERE(p_strerror);
	HERE(p_status_name);
	HERE(p_status_value);
	HERE(p_module_name);
	HERE(p_method_name);
	HERE(p_response_detail);
	HERE(p_descriptor_set);
	HERE(p_version);
	HERE(p_log);
	HERE(p_set_log);
	HERE(p_set_log_level);
	HERE(p_set_timeout);
	HERE(p_set_connect_timeout);
	HERE(p_set_mode);
	HERE(p_set_spin);
	HERE(p_set_max);
	HERE(p_set_datagram);
	HERE(p_set_framing);
	assert_int_equal(a_module, 4);
	assert_int_equal(an_agent_method, 101);
	assert_int_equal(a_mgmt_method, 201);
	assert_int_equal(a_srv_method, 301);
	assert_int_equal(a_sec_method, 401);
}

static void
initialisers_give_empty_messages(void **state)
{
	static Drpc__Call     call = DRPC__CALL__INIT;
	static Drpc__Response resp = DRPC__RESPONSE__INIT;
	Drpc__Call            made;
	Drpc__Response        answer;

	(void)state;
	memset(&made, 0xa5, sizeof(made));
	memset(&answer, 0xa5, sizeof(answer));
	drpc__call__init(&made);
	drpc__response__init(&answer);

	/* The address in the program is the address in the library. */
	assert_ptr_equal(call.base.descriptor, made.base.descriptor);
	assert_ptr_equal(resp.base.descriptor, answer.base.descriptor);
	assert_ptr_equal(made.base.descriptor, p_descriptors[0]);
	assert_ptr_equal(answer.base.descriptor, p_descriptors[1]);

	assert_int_equal(made.module, 0);
	assert_int_equal(made.method, 0);
	assert_int_equal(made.sequence, 0);
	assert_int_equal(made.body.len, 0);
	assert_null(made.body.data);
	assert_int_equal(made.base.n_unknown_fields, 0);
	assert_null(made.base.unknown_fields);
	assert_int_equal(answer.sequence, 0);
	assert_int_equal(answer.status, DRPC__STATUS__SUCCESS);
	assert_int_equal(answer.body.len, 0);
	assert_null(answer.body.data);
}

static void
descriptors_carry_their_names(void **state)
{
	(void)state;
	assert_string_equal(p_descriptors[0]->name, "drpc.Call");
	assert_string_equal(p_descriptors[0]->c_name, "Drpc__Call");
	assert_string_equal(p_descriptors[0]->package_name, "drpc");
	assert_int_equal(p_descriptors[0]->sizeof_message, sizeof(Drpc__Call));
	assert_int_equal(p_descriptors[0]->n_fields, 4);
	assert_string_equal(p_descriptors[1]->name, "drpc.Response");
	assert_string_equal(p_descriptors[1]->c_name, "Drpc__Response");
	assert_int_equal(p_descriptors[1]->sizeof_message, sizeof(Drpc__Response));
	assert_int_equal(p_descriptors[1]->n_fields, 3);
	assert_string_equal(p_status->name, "drpc.Status");
	assert_string_equal(p_status->c_name, "Drpc__Status");
	assert_int_equal(p_status->n_values, 8);
}

#ifdef DRPC_ABI_28
static void
chunk_macros_work_on_expressions(void **state)
{
	uint8_t record[64];

	(void)state;
	assert_ptr_equal(DRPC_CHUNK_DATA_PTR(record), record + 24);
}

static void
allocator_marks_itself(void **state)
{
	struct drpc_alloc self = PROTO_ALLOCATOR_INIT(self);
	void             *block;

	(void)state;
	assert_ptr_equal(self.alloc.alloc, daos_drpc_alloc);
	assert_ptr_equal(self.alloc.free, daos_drpc_free);
	assert_ptr_equal(self.alloc.allocator_data, &self);
	assert_false(self.oom);

	block = daos_drpc_alloc(&self, 16);
	assert_non_null(block);
	assert_memory_equal(block, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_false(self.oom);
	daos_drpc_free(&self, block);
	daos_drpc_free(&self, NULL);
	daos_drpc_free(NULL, NULL);

	/* More than there can be: NULL, and the allocator remembers. */
	assert_null(daos_drpc_alloc(&self, (size_t)PTRDIFF_MAX - 4096));
	assert_true(self.oom);
	/* Without an allocator there is nothing to mark. */
	assert_null(daos_drpc_alloc(NULL, (size_t)PTRDIFF_MAX - 4096));
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    unit(every_symbol_is_there),
	    unit(initialisers_give_empty_messages),
	    unit(descriptors_carry_their_names),
#ifdef DRPC_ABI_28
	    unit(chunk_macros_work_on_expressions),
	    unit(allocator_marks_itself),
#endif
	};

	return cmocka_run_group_tests_name("layout " ABI_NAME, tests, NULL, NULL);
}
