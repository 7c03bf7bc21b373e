//! What stands on which page.

/// Types and macros, and the function whose page has them: that where a reader looks for them. A name that ends with `*` stands
/// for all that begin so.
pub(crate) const PLACES: &[(&str, &str)] = &[
    ("rpcflags", "drpc_call"),
    ("unixcomm", "drpc_connect"),
    ("drpc", "drpc_connect"),
    ("drpc_thread_yielder_t", "drpc_connect"),
    ("drpc_handler_t", "drpc_listen"),
    ("drpc_alloc", "daos_drpc_alloc"),
    ("PROTO_ALLOCATOR_INIT", "daos_drpc_alloc"),
    ("dss_drpc_handler", "drpc_hdlr_register_all"),
    ("drpc_progress_context", "drpc_progress_context_create"),
    ("drpc_list", "drpc_progress_context_create"),
    ("drpc_call_ctx", "drpc_progress_set_spawner"),
    ("drpc_header", "drpc_set_framing"),
    ("DRPC_HEADER_LEN", "drpc_set_framing"),
    ("DRPC_CHUNK_*", "drpc_set_framing"),
    ("DRPC_MAX_DATA_SIZE", "drpc_set_framing"),
    ("UNIXCOMM_MAXMSGSIZE", "drpc_set_framing"),
    ("drpc_framing", "drpc_set_framing"),
    ("drpc_module", "drpc_module_name"),
    ("drpc_sec_*", "drpc_method_name"),
    ("drpc_mgmt_*", "drpc_method_name"),
    ("drpc_srv_*", "drpc_method_name"),
    ("DER_*", "drpc_strerror"),
    ("DRPC_SPIN_AUTO", "drpc_set_spin"),
    ("DRPC_VERSION_*", "drpc_version"),
    ("drpc_log_fn", "drpc_set_log"),
    ("drpc_log_level", "drpc_set_log_level"),
    ("drpc_server", "drpc_server_create"),
    ("drpc_server_flags", "drpc_server_register"),
    ("drpc_server_handler_t", "drpc_server_register"),
    ("drpc_server_option", "drpc_server_set"),
    ("drpc_server_authorise_t", "drpc_server_authorise"),
    ("drpc_server_stats", "drpc_server_get_stats"),
    ("drpc_session", "drpc_session_peer"),
    ("drpc_peer", "drpc_session_peer"),
    ("drpc_request", "drpc_session_defer"),
    ("drpc_client", "drpc_client_create"),
    ("drpc_client_option", "drpc_client_set"),
    ("drpc_call_options", "drpc_client_call"),
    ("drpc_client_done_t", "drpc_client_submit"),
    ("drpc_cancel", "drpc_cancel_create"),
    ("drpc_protobuf_c", "drpc_libprotobuf_c"),
    ("Drpc__Call", MESSAGES),
    ("Drpc__Response", MESSAGES),
    ("Drpc__Status", MESSAGES),
];

/// The page of all that protoc-c makes.
pub(crate) const MESSAGES: &str = "drpc__call__init";

/// What that page says, as the functions have no comments.
pub(crate) const MESSAGES_TEXT: &str = "\
Initialise, pack, unpack and free messages, as functions that protoc-c makes do.

Each function does what protobuf-c's function for messages of any type does, but gives 0 or NULL for what is no message, and \
does not abort. Programs of this library need none of them: `drpc_call_create` and `drpc_response_create` make messages, and \
the functions that send and receive them pack and unpack. `DRPC__CALL__INIT` and `DRPC__RESPONSE__INIT` initialise messages, \
too.";

/// Programs of docs/ as examples: the page, the file, and a text that the first line of the program has.
pub(crate) const EXAMPLES: &[(&str, &str, &str)] = &[
    ("drpc_call", "docs/daos.md", "client-2.8.c"),
    ("drpc_call", "docs/daos.md", "client-0.8.c"),
    ("drpc_progress", "docs/daos.md", "server.c"),
    ("drpc_server_run", "docs/c-api.md", "daemon.c"),
    ("drpc_server_dispatch", "docs/c-api.md", "loop.c"),
    ("drpc_client_call", "docs/c-api.md", "shared.c"),
    ("drpc_server_add_service", "README.md", "typed.c"),
    ("drpc_client_service", "README.md", "typed.c"),
];

/// The page that has a type or a macro.
pub(crate) fn place_of(name: &str) -> Option<&'static str> {
    let fits = |pattern: &str| pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start));
    PLACES.iter().find(|(pattern, _)| fits(pattern)).map(|(_, page)| *page)
}
