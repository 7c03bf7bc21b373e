//! The headers to be generated, and the sources of each.

/// A header to be generated.
pub(crate) struct Header {
    /// The path of the header, from the top of the repository.
    pub(crate) path: String,
    /// The first comment of the header.
    pub(crate) about: String,
    /// The include guard of DAOS's header of this name, if there is one, so that only one of the two is read.
    pub(crate) guard: Option<&'static str>,
    /// The Rust sources, in the order of the header.
    pub(crate) sources: Vec<String>,
    /// Types to be declared although no function of the header mentions them.
    pub(crate) items: &'static [&'static str],
    /// Types that another header declares.
    pub(crate) left_out: &'static [&'static str],
    /// A struct that another header of DAOS's declares, and the include guard of that header.
    pub(crate) elsewhere: Option<(&'static str, &'static str)>,
    /// Includes, before the declarations.
    pub(crate) before: String,
    /// A text between declarations: the second text, inserted before the comment of the line that has the first.
    pub(crate) between: Option<(&'static str, &'static str)>,
    /// Macros, behind the declarations.
    pub(crate) after: &'static str,
}

/// The DAOS lines that there are libraries for.
pub(crate) const LINES: [&str; 2] = ["0.8", "2.8"];

/// The header that protoc-c makes, which is not among the generated ones.
pub(crate) const MESSAGES: &str = "daos/drpc.pb-c.h";

/// What that header is about.
pub(crate) const MESSAGES_ABOUT: &str = "Calls and responses, as protoc-c makes them of drpc.proto.";

/// All generated headers.
pub(crate) fn headers() -> Vec<Header> {
    LINES.iter().flat_map(|line| line_headers(line)).collect()
}

fn line_headers(line: &str) -> Vec<Header> {
    let newer = line == "2.8";
    let header = |name: &str, about: &str, sources: &[&str]| Header {
        path: format!("include/{line}/{name}"),
        about: format!("{about} {}.", if newer { "As in DAOS 2.6 and 2.8" } else { "As in DAOS 0.8 to 1.0" }),
        sources: sources
            .iter()
            .map(|source| source.replace("{line}", line).replace("{module}", &line.replace('.', "_")))
            .collect(),
        guard: None,
        items: &[],
        left_out: &[],
        elsewhere: None,
        before: String::new(),
        between: None,
        after: "",
    };
    let mut headers = vec![
        Header {
            guard: Some("__DAOS_DRPC_H__"),
            items: &["unixcomm", "drpc_handler_t", "rpcflags", "drpc_alloc", "UNIXCOMM_MAXMSGSIZE"],
            left_out: &["Head", "Yielder"],
            before: format!("{}{DRPC_INCLUDES}", if newer { "#include <daos/drpc_types.h>\n" } else { "" }),
            between: newer.then_some(("void *daos_drpc_alloc(", ALLOCATOR_MACRO)),
            ..header(
                "daos/drpc.h",
                "dRPC: connections, calls and responses.",
                &["abi/src/abi.rs", "abi/{line}/src/connection.rs"],
            )
        },
        Header {
            guard: Some("__DAOS_DRPC_MODULES_H__"),
            items: if newer {
                &[
                    "drpc_module",
                    "drpc_sec_agent_method",
                    "drpc_mgmt_method",
                    "drpc_srv_method",
                    "drpc_sec_method",
                    "drpc_mgmt_method_1_2",
                    "drpc_srv_method_1_2",
                ]
            } else {
                &[
                    "drpc_module",
                    "drpc_sec_agent_method",
                    "drpc_mgmt_method",
                    "drpc_srv_method",
                    "drpc_sec_method",
                    "drpc_mgmt_method_1_0",
                ]
            },
            ..header("daos/drpc_modules.h", "Numbers of modules and methods.", &["src/modules/v{module}.rs"])
        },
        Header {
            guard: Some("__DAOS_DRPC_HANDLER_H__"),
            items: &["dss_drpc_handler"],
            elsewhere: Some(("dss_drpc_handler", "__DSS_API_H__")),
            before: "#include <daos/drpc.h>\n".into(),
            ..header("daos/drpc_handler.h", "The registry of handlers by module.", &["abi/src/drpc_handler.rs"])
        },
        Header {
            items: &["drpc_progress_context", "drpc_list", "drpc_call_ctx"],
            left_out: &["Spawner"],
            before: format!("#include <daos/drpc.h>\n{LIST_INCLUDE}"),
            ..header(
                "daos/drpc_progress.h",
                "A listener and its sessions, served from a loop of the program's.",
                &["abi/src/drpc_progress.rs", "abi/{line}/src/drpc_progress.rs"],
            )
        },
        Header {
            before: ERRNO_BEFORE.into(),
            between: Some(ERRNO_BETWEEN),
            after: "\n#endif /* DRPC_HAVE_DAOS_ERRNO_H */\n",
            about:
                "The error numbers of DAOS, from its own headers where those are installed. Functions return them\n * \
                    negated."
                    .into(),
            ..header("daos/drpc_errno.h", "", &["src/der.rs"])
        },
        Header {
            items: &["drpc_framing", "drpc_log_level", "drpc_log_fn"],
            before: format!("{LIBRARY_INCLUDES}{}", version_macros()),
            about: "Errors and statuses in words, log lines, and limits, which DAOS's libraries do not have.".into(),
            ..header(
                "drpc/library.h",
                "",
                &["abi/src/log.rs", "abi/src/library.rs", "abi/src/detail.rs", "abi/{line}/src/library.rs"],
            )
        },
        Header {
            items: &["drpc_server_flags", "drpc_server_option", "drpc_server_stats"],
            before: MANAGED_INCLUDES.into(),
            about:
                "The managed server, which accepts, reads, dispatches and answers, in threads or in a loop of the\n * \
                    program's."
                    .into(),
            ..header(
                "drpc/server.h",
                "",
                &[
                    "abi/{line}/src/managed/server.rs",
                    "abi/src/managed/server.rs",
                    "abi/src/managed/server_options.rs",
                    "abi/src/managed/call_block.rs",
                    "abi/src/managed/session.rs",
                    "abi/src/managed/request.rs",
                    "abi/src/managed/stats.rs",
                ],
            )
        },
        Header {
            items: &["drpc_client_option"],
            before: MANAGED_INCLUDES.into(),
            about: "The shared client: one connection, any number of threads.".into(),
            ..header(
                "drpc/client.h",
                "",
                &[
                    "abi/{line}/src/managed/client.rs",
                    "abi/src/managed/client.rs",
                    "abi/src/managed/client_options.rs",
                    "abi/src/managed/cancel.rs",
                ],
            )
        },
        Header {
            items: &["drpc_protobuf_c"],
            before: SERVICE_INCLUDES.into(),
            after: SERVICE_FUNCTIONS,
            about: SERVICE_ABOUT.replace("{line}", line),
            ..header(
                "drpc/service.h",
                "",
                &[
                    "abi/src/service/codec.rs",
                    "abi/src/service/server.rs",
                    "abi/src/service/call.rs",
                    "abi/src/service/client.rs",
                    "abi/src/service/status.rs",
                    "abi/src/service/message.rs",
                ],
            )
        },
    ];
    if newer {
        headers.push(Header {
            guard: Some("__DAOS_DRPC_TYPES_H__"),
            items: &["drpc_header", "UNIXCOMM_MAXMSGSIZE"],
            before: "#include <stddef.h>\n#include <stdint.h>\n".into(),
            after: CHUNK_MACROS,
            ..header("daos/drpc_types.h", "The records that messages are cut into.", &["abi/2.8/src/drpc_types.rs"])
        });
    }
    headers
}

const DRPC_INCLUDES: &str = "\
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daos/drpc.pb-c.h>
#include <daos/drpc_errno.h>

/* In the source tree of DAOS its programs expect this header, too. */
#if defined(__has_include)
#if __has_include(<daos/common.h>)
#include <daos/common.h>
#endif
#endif
";

const LIBRARY_INCLUDES: &str = "\
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <daos/drpc.pb-c.h>

struct drpc;
";

/// The version of the workspace, for programs that compile with more than one.
fn version_macros() -> String {
    let [major, minor, patch] =
        [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"), env!("CARGO_PKG_VERSION_PATCH")];
    format!(
        "\n/** The version of these headers. That of the library which the program has loaded is drpc_version(). */\n\
         #define DRPC_VERSION_MAJOR {major}\n#define DRPC_VERSION_MINOR {minor}\n#define DRPC_VERSION_PATCH {patch}\n\n\
         /** The same as one number, as in #if DRPC_VERSION_NUMBER >= 0x000200 for 0.2.0. */\n\
         #define DRPC_VERSION_NUMBER ((DRPC_VERSION_MAJOR << 16) | (DRPC_VERSION_MINOR << 8) | DRPC_VERSION_PATCH)\n"
    )
}

const MANAGED_INCLUDES: &str = "\
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <daos/drpc.h>
#include <drpc/library.h>
";

const SERVICE_INCLUDES: &str = "\
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include <drpc/client.h>
#include <drpc/server.h>
";

const SERVICE_ABOUT: &str = "\
Typed calls: services as protoc-c makes them of a .proto file, on the managed server and the shared client.
 *
 *   cc program.c calc.pb-c.c $(pkg-config --cflags --libs drpc-{line} libprotobuf-c)
 *
 * The functions that programs call stand at the end. They are inline, and pass the functions of libprotobuf-c to those with
 * `_with` behind their names, which do the work: so libdrpc itself does not link libprotobuf-c, a program without services
 * does not either, and what is mended in libdrpc is mended in programs that are compiled already.";

const SERVICE_FUNCTIONS: &str = concat!("\n", include_str!("service.h"));

const LIST_INCLUDE: &str = "
/* The list of gurt where that is installed, else one of the same layout. */
#if defined(__has_include)
#if __has_include(<gurt/list.h>)
#include <gurt/list.h>
#define DRPC_HAVE_GURT_LIST_H
#endif
#endif
#ifndef DRPC_HAVE_GURT_LIST_H
typedef struct d_list_head {
\tstruct d_list_head *next;
\tstruct d_list_head *prev;
} d_list_t;
#endif
";

const ERRNO_BEFORE: &str = "\
#if defined(__has_include)
#if __has_include(<daos_errno.h>)
#include <daos_errno.h>
#define DRPC_HAVE_GURT_ERRNO_H
#define DRPC_HAVE_DAOS_ERRNO_H
#elif __has_include(<gurt/errno.h>)
#include <gurt/errno.h>
#define DRPC_HAVE_GURT_ERRNO_H
#endif
#endif

#ifndef DRPC_HAVE_GURT_ERRNO_H
";

/// Up to 1.0 the general numbers were in a header of their own, from another package.
const ERRNO_BETWEEN: (&str, &str) = (
    "#define DER_ERR_DAOS_BASE ",
    "\
#endif /* DRPC_HAVE_GURT_ERRNO_H */

#ifndef DRPC_HAVE_DAOS_ERRNO_H
",
);

const ALLOCATOR_MACRO: &str = "\
/** Initialiser of a struct drpc_alloc named `self`. */
#define PROTO_ALLOCATOR_INIT(self)                                                                 \\
\t{                                                                                          \\
\t\t.alloc.alloc = daos_drpc_alloc, .alloc.free = daos_drpc_free,                      \\
\t\t.alloc.allocator_data = &self                                                      \\
\t}
";

const CHUNK_MACROS: &str = "
/** Size of the header. */
#define DRPC_HEADER_LEN sizeof(struct drpc_header)

/** Size of the next record of a message that lacks `bytes_left` bytes. */
#define DRPC_CHUNK_SIZE(bytes_left)                                                                \\
\t((bytes_left) > DRPC_MAX_DATA_SIZE ? UNIXCOMM_MAXMSGSIZE : (bytes_left) + DRPC_HEADER_LEN)

/** Data bytes of a record of `bytes` bytes. */
#define DRPC_CHUNK_DATA_SIZE(bytes) ((bytes) - DRPC_HEADER_LEN)

/** Data bytes of the largest record. */
#define DRPC_MAX_DATA_SIZE DRPC_CHUNK_DATA_SIZE(UNIXCOMM_MAXMSGSIZE)

/** The data of a record; `ptr` points to bytes. */
#define DRPC_CHUNK_DATA_PTR(ptr) ((ptr) + DRPC_HEADER_LEN)
";
