#!/bin/sh
# Programs with functions of their own under the library's names, linked with the archive. It is also linked beside
# another library in Rust.
. "$(dirname "$0")/shell/tap.sh"

need protoc-c readelf rustc timeout
# What an archive needs beside itself.
static_libs='-lgcc_s -lpthread -ldl -lm'

build protoc-c "--proto_path=$root/proto" "--c_out=$work" drpc.proto
mkdir "$work/daos"
mv "$work/drpc.pb-c.h" "$work/daos"
sed 's|"drpc.pb-c.h"|<daos/drpc.pb-c.h>|' "$work/drpc.pb-c.c" >"$work/messages.c"
build rustc --edition 2024 --crate-type staticlib -C opt-level=1 -C panic=unwind -C strip=debuginfo \
	-o "$work/libother.a" "$here/archive/other.rs"

# program ABI LINKAGE NAME FILE…: archive/NAME.c, linked with the archive of the ABI.
program() {
	of=$1
	linked=$2
	source=$3
	shift 3
	$CC -std=gnu11 -O1 -g $strict -pthread "$linked" $(cflags "$of") -o "$work/$source$linked-$of" \
		"$here/archive/$source.c" "$@" "$BUILD/lib/libdrpc-$of.a" $static_libs
}

# runs ABI LINKAGE NAME FILE…: a program with its own functions beside those of the archive.
runs() {
	program "$@" && timeout 60 "$work/$3$2-$1" "$work/$3$2-$1.sock"
}

# beside_rust ABI LINKAGE ARCHIVE…: the two libraries in this order.
beside_rust() {
	of=$1
	linked=$2
	shift 2
	$CC -std=gnu11 -O1 -g $strict -pthread "$linked" -Wl,--wrap=clock_gettime $(cflags "$of") \
		-o "$work/beside_rust" "$here/archive/beside_rust.c" "$@" $static_libs &&
		timeout 60 "$work/beside_rust"
}

# The two archives are told apart when a program takes something from both.
both_are_refused() {
	printf '#include <daos/drpc.h>\nint main(void) { return drpc_add_ref(NULL) + (daos_drpc_alloc(NULL, 0) == NULL); }\n' \
		>"$work/both.c"
	if $CC $(cflags 2.8) -o "$work/both" "$work/both.c" "$BUILD/lib/libdrpc-0.8.a" "$BUILD/lib/libdrpc-2.8.a" \
		$static_libs 2>"$work/refused"; then
		fail 'they were linked'
		return
	fi
	cat "$work/refused"
	grep -q 'multiple definition of .drpc_version' "$work/refused"
}

# A linker that would leave the group of sections in the archive must not make one.
linker_without_groups() {
	printf '#!/bin/sh\ncase $1 in --help) echo "-r, --gc-sections" ;; *) exit 1 ;; esac\n' >"$work/ld"
	chmod +x "$work/ld"
	if LD=$work/ld "$root/scripts/archive.sh" none.a "$root/abi/2.8/exports.map" "$work/none" >"$work/refused" 2>&1; then
		fail 'an archive was made'
		return
	fi
	cat "$work/refused"
	grep -q 'GNU ld 2.29 or later' "$work/refused"
}

for abi in $abis; do
	check "$abi: a program of the archive" runs "$abi" -pie program
	check "$abi: a loop and a registry of the program's" runs "$abi" -pie loop_of_its_own
	check "$abi: mocks of a client" runs "$abi" -pie mocked_client
	for linkage in -pie -no-pie; do
		check "$abi: messages that the program compiled, $linkage" runs "$abi" "$linkage" messages_of_its_own \
			"$work/messages.c" -lprotobuf-c
		check "$abi: before another library in Rust, $linkage" beside_rust "$abi" "$linkage" \
			"$BUILD/lib/libdrpc-$abi.a" "$work/libother.a"
		check "$abi: after another library in Rust, $linkage" beside_rust "$abi" "$linkage" \
			"$work/libother.a" "$BUILD/lib/libdrpc-$abi.a"
	done
done
check 'archives of both ABIs are refused' both_are_refused
check 'a linker that cannot dissolve groups is refused, and named' linker_without_groups
finish
