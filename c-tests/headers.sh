#!/bin/sh
# The public headers, as a C or C++ compiler sees them: each alone and all
# together, in every language mode that is promised, without a warning; beside
# DAOS's own headers; and drpc.pb-c.h as protoc-c makes it.
. "$(dirname "$0")/shell/tap.sh"

need "${CC%% *}" "${CXX%% *}" protoc-c

# The last C standard has two names; a compiler that knows neither is too old
# for the promise to mean anything, and fails here.
c23=c23
echo 'int x;' >"$work/probe.c"
$CC -std=c23 -fsyntax-only "$work/probe.c" 2>/dev/null || c23=c2x
modes="c99 c11 $c23 c++17"

# compiles MODE SOURCE FLAG…
compiles() {
	mode=$1
	source=$2
	shift 2
	case $mode in
	c++*) $CXX -x c++ "-std=$mode" $strict -fsyntax-only "$@" $protobuf_c "$source" ;;
	*) $CC -x c "-std=$mode" $strict -fsyntax-only "$@" $protobuf_c "$source" ;;
	esac
}

# refuses … is `compiles` turned round.
refuses() {
	! compiles "$@"
}

headers_of() {
	(cd "$root/include/$1" && find . -name '*.h' | sed 's|^\./||' | sort)
}

# include_all ORDER ABI: every header once, in this order or the reverse, then all again.
include_all() {
	for header in $(headers_of "$2" | sort "$1"); do
		echo "#include <$header>"
	done
	for header in $(headers_of "$2"); do
		echo "#include <$header>"
	done
}

# A unit that does nothing would be refused as empty in strict C.
unit() {
	cat
	echo 'extern int the_unit_is_not_empty;'
}

for abi in $abis; do
	include=-I$root/include/$abi
	headers=$(headers_of "$abi")
	for wanted in drpc drpc.pb-c drpc_modules drpc_handler drpc_progress drpc_errno; do
		check "$abi: daos/$wanted.h is there" test -f "$root/include/$abi/daos/$wanted.h"
	done
	check "$abi: drpc/library.h is there" test -f "$root/include/$abi/drpc/library.h"
	check "$abi: daos/common.h is DAOS's alone" test ! -e "$root/include/$abi/daos/common.h"
	for mode in $modes; do
		for header in $headers; do
			echo "#include <$header>" | unit >"$work/one.c"
			check "$abi: $header alone as $mode" compiles "$mode" "$work/one.c" "$include"
		done
		include_all -s "$abi" | unit >"$work/all.c"
		check "$abi: all headers as $mode" compiles "$mode" "$work/all.c" "$include"
		include_all -r "$abi" | unit >"$work/all.c"
		check "$abi: all headers in reverse as $mode" compiles "$mode" "$work/all.c" "$include"
	done
	echo "#include <daos/drpc.h>
int x = NOT_DECLARED_ANYWHERE;" >"$work/wrong.c"
	check "$abi: a wrong unit is refused" refuses c11 "$work/wrong.c" "$include"
done

# 2.8's macros, used as a caller uses them.
cat >"$work/macros.c" <<'C'
#include <daos/drpc.h>
_Static_assert(DRPC_HEADER_LEN == 24, "a header is 24 bytes");
_Static_assert(DRPC_MAX_DATA_SIZE == 131048, "data of a full chunk");
_Static_assert(DRPC_CHUNK_SIZE(1) == 25, "a short chunk");
_Static_assert(DRPC_CHUNK_SIZE(200000) == 131072, "a full chunk");
_Static_assert(DRPC_CHUNK_DATA_SIZE(25) == 1, "data of a short chunk");
uint8_t *data_of(uint8_t *chunk);
uint8_t *
data_of(uint8_t *chunk)
{
	return DRPC_CHUNK_DATA_PTR(chunk);
}
void *use(void);
void *
use(void)
{
	struct drpc_alloc alloc = PROTO_ALLOCATOR_INIT(alloc);

	return alloc.alloc.alloc(alloc.alloc.allocator_data, alloc.oom ? 0 : 1);
}
C
check "2.8: the macros of drpc.h and drpc_types.h" compiles c11 "$work/macros.c" "-I$root/include/2.8"
cat >"$work/init.c" <<'C'
#include <daos/drpc.h>
static Drpc__Call call = DRPC__CALL__INIT;
static Drpc__Response response = DRPC__RESPONSE__INIT;
static char buffer[UNIXCOMM_MAXMSGSIZE];
void *use(void);
void *
use(void)
{
	Drpc__Call on_stack = DRPC__CALL__INIT;

	call = on_stack;
	buffer[0] = (char)response.status;
	return buffer;
}
C
for abi in $abis; do
	for mode in c99 c11 "$c23"; do
		check "$abi: the initialisers as $mode" compiles "$mode" "$work/init.c" "-I$root/include/$abi"
	done
done

# A stand-in for a DAOS tree. Its definitions would clash with ours, did ours
# not step aside, and its macros tell whether they were read.
mkdir -p "$work/errno" "$work/common/daos" "$work/list/gurt"
cat >"$work/errno/daos_errno.h" <<'C'
#ifndef DAOS_ERRNO_H
#define DAOS_ERRNO_H
#define DAOS_ERRNO_WAS_READ 1
enum daos_errno {
	DER_SUCCESS = 0,
	DER_INVAL = 1003,
	DER_NOMEM = 1009,
	DER_PROTO = 1014,
	DER_MISC = 1025,
	DER_IO = 2001
};
#endif
C
cat >"$work/common/daos/common.h" <<'C'
#ifndef DAOS_COMMON_H
#define DAOS_COMMON_H
#define DAOS_COMMON_WAS_READ 1
struct common_of_daos {
	int member;
};
#endif
C
cat >"$work/list/gurt/list.h" <<'C'
#ifndef GURT_LIST_H
#define GURT_LIST_H
#define GURT_LIST_WAS_READ 1
struct d_list_head {
	struct d_list_head *next;
	struct d_list_head *prev;
};
typedef struct d_list_head d_list_t;
#endif
C
cat >"$work/beside.c" <<'C'
#if defined(WITH_LIST) && defined(DAOS_FIRST)
#include <gurt/list.h>
#endif
#if defined(WITH_ERRNO) && defined(DAOS_FIRST)
#include <daos_errno.h>
#endif
#include <daos/drpc.h>
#include <daos/drpc_errno.h>
#include <daos/drpc_handler.h>
#include <daos/drpc_modules.h>
#include <daos/drpc_progress.h>
#include <drpc/library.h>
#if defined(WITH_ERRNO)
#ifndef DAOS_ERRNO_WAS_READ
#error "daos_errno.h was passed over"
#endif
#include <daos_errno.h>
#endif
#if defined(WITH_COMMON)
#ifndef DAOS_COMMON_WAS_READ
#error "daos/common.h was passed over"
#endif
struct common_of_daos common_of_daos;
#endif
#if defined(WITH_LIST)
#ifndef GURT_LIST_WAS_READ
#error "gurt/list.h was passed over"
#endif
#include <gurt/list.h>
struct d_list_head *first_of(struct drpc_progress_context *ctx);
struct d_list_head *
first_of(struct drpc_progress_context *ctx)
{
	struct drpc_list node;
	d_list_t *link = &node.link;

	return ctx->session_ctx_list.next == link ? link->prev : link;
}
#endif
int invalid[DER_INVAL == 1003 ? 1 : -1];
int io[DER_IO == 2001 ? 1 : -1];
C
errno_flags="-DWITH_ERRNO -I$work/errno"
common_flags="-DWITH_COMMON -I$work/common"
list_flags="-DWITH_LIST -I$work/list"
for abi in $abis; do
	include=-I$root/include/$abi
	for mode in $modes; do
		check "$abi: without DAOS's headers as $mode" compiles "$mode" "$work/beside.c" "$include"
		check "$abi: beside daos_errno.h as $mode" \
			compiles "$mode" "$work/beside.c" "$include" $errno_flags
		check "$abi: beside daos/common.h as $mode" \
			compiles "$mode" "$work/beside.c" "$include" $common_flags
		check "$abi: beside gurt/list.h as $mode" \
			compiles "$mode" "$work/beside.c" "$include" $list_flags
		check "$abi: beside all of DAOS's headers as $mode" \
			compiles "$mode" "$work/beside.c" $errno_flags $common_flags $list_flags "$include"
		check "$abi: after DAOS's headers as $mode" \
			compiles "$mode" "$work/beside.c" -DDAOS_FIRST $errno_flags $common_flags \
			$list_flags "$include"
	done
done

# DAOS's headers and ours in one unit, in both orders. The stand-ins have the guards of DAOS's headers and declare what
# those declare. They are included by other names, as two directories of headers hide one of two files of one name.
theirs=$work/theirs
mkdir "$theirs"
cat >"$theirs/drpc_types.h" <<'C'
#ifndef __DAOS_DRPC_TYPES_H__
#define __DAOS_DRPC_TYPES_H__
#include <stddef.h>
#include <stdint.h>
#define UNIXCOMM_MAXMSGSIZE (1 << 17)
struct drpc_header {
	size_t	 total_data_size;
	size_t	 chunk_data_size;
	uint32_t chunk_idx;
	uint32_t total_chunks;
};
#define DRPC_HEADER_LEN sizeof(struct drpc_header)
#define DRPC_MAX_DATA_SIZE DRPC_CHUNK_DATA_SIZE(UNIXCOMM_MAXMSGSIZE)
#define DRPC_CHUNK_DATA_SIZE(bytes) (bytes - DRPC_HEADER_LEN)
#define DRPC_CHUNK_DATA_PTR(ptr) (ptr + DRPC_HEADER_LEN)
#endif
C
cat >"$theirs/drpc.h" <<'C'
#ifndef __DAOS_DRPC_H__
#define __DAOS_DRPC_H__
#ifdef DRPC_ABI_28
#include "drpc_types.h"
#else
#define UNIXCOMM_MAXMSGSIZE 16384
#endif
#include <stdbool.h>
#include <daos/drpc.pb-c.h>
#ifdef __cplusplus
extern "C" {
#endif
struct unixcomm {
	int fd;
	int flags;
};
typedef void (*drpc_handler_t)(Drpc__Call *, Drpc__Response *);
#ifdef DRPC_ABI_28
typedef int (*drpc_thread_yielder_t)(void);
#endif
struct drpc {
	struct unixcomm *comm;
	int		 sequence;
	uint32_t	 ref_count;
	drpc_handler_t	 handler;
#ifdef DRPC_ABI_28
	drpc_thread_yielder_t yield;
#endif
};
enum rpcflags {
	R_SYNC = 1
};
#ifdef DRPC_ABI_28
struct drpc_alloc {
	ProtobufCAllocator alloc;
	bool		   oom;
};
#define PROTO_ALLOCATOR_INIT(self) {.alloc.alloc = daos_drpc_alloc}
int drpc_connect(char *sockaddr, struct drpc **);
#else
struct drpc *drpc_connect(char *sockaddr);
#endif
int drpc_close(struct drpc *ctx);
#ifdef __cplusplus
}
#endif
#endif
C
cat >"$theirs/drpc_modules.h" <<'C'
#ifndef __DAOS_DRPC_MODULES_H__
#define __DAOS_DRPC_MODULES_H__
enum drpc_module {
	DRPC_MODULE_TEST = 0,
	DRPC_MODULE_SEC_AGENT,
	DRPC_MODULE_MGMT,
	DRPC_MODULE_SRV,
	DRPC_MODULE_SEC,
	NUM_DRPC_MODULES
};
#endif
C
cat >"$theirs/daos_engine.h" <<'C'
#ifndef __DSS_API_H__
#define __DSS_API_H__
#include "drpc.h"
struct dss_drpc_handler {
	int	       module_id;
	drpc_handler_t handler;
};
#endif
C
cat >"$theirs/drpc_handler.h" <<'C'
#ifndef __DAOS_DRPC_HANDLER_H__
#define __DAOS_DRPC_HANDLER_H__
#include "daos_engine.h"
#ifdef __cplusplus
extern "C" {
#endif
int drpc_hdlr_register(int module_id, drpc_handler_t handler);
int drpc_hdlr_register_all(struct dss_drpc_handler *handlers);
#ifdef __cplusplus
}
#endif
#endif
C
# unit_of theirs|ours NAME…: includes these headers.
unit_of() {
	from=$1
	shift
	for header in "$@"; do
		case $from in
		theirs) echo "#include \"$header.h\"" ;;
		ours) echo "#include <$header.h>" ;;
		esac
	done
}
cat >"$work/use.c" <<'C'
int use(struct dss_drpc_handler *handlers, struct drpc *ctx);
int
use(struct dss_drpc_handler *handlers, struct drpc *ctx)
{
	Drpc__Call call;
	int	   module = DRPC_MODULE_MGMT;

	call.module = module;
	return drpc_hdlr_register_all(handlers) + (int)sizeof(call) + ctx->comm->fd + R_SYNC + UNIXCOMM_MAXMSGSIZE;
}
C
# mixed theirs_first|engine_first|ours_first ABI MODE: a unit that includes headers of both in this order.
mixed() {
	order=$1
	of=$2
	as=$3
	types=$([ "$of" = 0.8 ] || echo drpc_types)
	our_types=${types:+daos/$types}
	{
		case $order in
		theirs_first)
			unit_of theirs $types drpc drpc_modules daos_engine drpc_handler
			unit_of ours $our_types daos/drpc daos/drpc_modules daos/drpc_handler daos/drpc_progress \
				drpc/library drpc/server drpc/client
			;;
		engine_first)
			unit_of theirs daos_engine
			unit_of ours daos/drpc_handler daos/drpc_modules
			unit_of theirs drpc_handler drpc_modules
			;;
		ours_first)
			unit_of ours daos/drpc_handler daos/drpc_modules $our_types daos/drpc
			unit_of theirs $types drpc drpc_modules drpc_handler
			;;
		esac
		cat "$work/use.c"
	} >"$work/mixed.c"
	compiles "$as" "$work/mixed.c" "-I$root/include/$of" "-I$theirs" "$(abi_macro "$of")"
}
for abi in $abis; do
	for mode in $modes; do
		check "$abi: DAOS's headers, then ours, as $mode" mixed theirs_first "$abi" "$mode"
		check "$abi: DAOS's engine's header, then ours, as $mode" mixed engine_first "$abi" "$mode"
		check "$abi: our headers, then DAOS's, as $mode" mixed ours_first "$abi" "$mode"
	done
done

# leaves_our_names ABI: daos/drpc.h has the names of DAOS's header alone, so that a program may use ours for itself.
leaves_our_names() {
	{
		echo '#include <daos/drpc.h>'
		sed -n '\|/\* drpc/library.h|,$s/^[[:space:]]*\(drpc_[a-z_]*\);/\1/p' "$root/abi/$1/exports.map" |
			sed 's/.*/static const char *&(double number) { return number > 1 ? "&" : "none"; }/'
		echo 'const char *use(double number);'
		echo 'const char *use(double number) { return drpc_status_name(number); }'
		echo 'enum names { DRPC_LOG_ERROR, DRPC_FRAMING_AUTO };'
	} >"$work/names.c"
	compiles c11 "$work/names.c" "-I$root/include/$1" -Wno-unused-function
}
for abi in $abis; do
	check "$abi: daos/drpc.h leaves our other names to the program" leaves_our_names "$abi"
	for header in server client; do
		printf '#include <drpc/%s.h>\nconst char *use(void);\nconst char *use(void) { return drpc_last_error(); }\n' \
			"$header" >"$work/includes.c"
		check "$abi: drpc/$header.h includes drpc/library.h" compiles c11 "$work/includes.c" "-I$root/include/$abi"
	done
done

# protoc-c writes its version, and the tags of the structs have gained and lost
# an underscore between its releases (callers use the typedefs); the rest is ours
# to the byte.
without_version() {
	sed -e '/PROTOBUF_C_VERSION_NUMBER/d' -e '/PROTOBUF_C_MIN_COMPILER_VERSION/d' \
		-e '/^# error/d' -e 's/struct \( *\)_*Drpc__/struct \1Drpc__/' "$1"
}

same_as_generated() {
	protoc-c "--proto_path=$root/proto" "--c_out=$work" drpc.proto || return 1
	without_version "$work/drpc.pb-c.h" >"$work/generated.h"
	without_version "$root/include/$1/daos/drpc.pb-c.h" >"$work/committed.h"
	test -s "$work/generated.h" && diff "$work/generated.h" "$work/committed.h"
}

for abi in $abis; do
	check "$abi: daos/drpc.pb-c.h is what protoc-c makes of drpc.proto" same_as_generated "$abi"
done

same_calc() {
	protoc-c "--proto_path=$root/examples/calc" "--c_out=$work" calc.proto || return 1
	for file in calc.pb-c.c calc.pb-c.h; do
		without_version "$work/$file" >"$work/generated"
		without_version "$root/examples/calc/$file" >"$work/committed"
		test -s "$work/generated" && diff "$work/generated" "$work/committed" || return 1
	done
}
check "examples/calc/calc.pb-c.h is what protoc-c makes of calc.proto" same_calc
finish
