#!/bin/sh
# Interplay with libprotobuf-c in both directions. The program is position-independent, or is not and holds copies of the
# descriptors. It is linked with the shared library and with the archive. And protoc-c reads messages by the set of
# descriptors that the library gives.
. "$(dirname "$0")/shell/tap.sh"

need protoc-c readelf timeout valgrind
install_into "$work/prefix"

sed 's/^package drpc;/package peer;/' "$root/proto/drpc.proto" >"$work/peer.proto"
build protoc-c "--proto_path=$work" "--c_out=$work" peer.proto
build $CC -c -fPIC $protobuf_c -o "$work/peer.pb-c.o" "$work/peer.pb-c.c"

# The archive itself instead of -ldrpc-…, which would find the shared library.
archive() {
	pkg-config --static --libs "drpc-$1" |
		sed "s|-ldrpc-$1|$BUILD/lib/libdrpc-$1.a|"
}

has_copies() {
	readelf -rW "$1" | grep -c 'R_.*_COPY.*drpc__.*__descriptor' >"$work/copies"
	[ "$(cat "$work/copies")" -ge 2 ] || fail "no copy relocations in $1"
}

# reads_by_descriptors SET TYPE BYTES LINES: what protoc-c makes of a message.
reads_by_descriptors() {
	printf "$3" | protoc-c --descriptor_set_in="$1" --decode="$2" >"$work/message" || return
	same "$2" "$4" "$(cat "$work/message")"
}

for abi in $abis; do
	build $CC -std=gnu11 $strict $(cflags "$abi") -o "$work/descriptor_set-$abi" \
		"$here/protobuf_c/descriptor_set.c" $(libs "$abi")
	"$work/descriptor_set-$abi" >"$work/set-$abi" || exit
	check "$abi: descriptors of calls" reads_by_descriptors "$work/set-$abi" drpc.Call \
		'\010\002\020\311\001\030\005\042\002hi' 'module: 2
method: 201
sequence: 5
body: "hi"'
	check "$abi: descriptors of responses and statuses" \
		reads_by_descriptors "$work/set-$abi" drpc.Response '\010\005\020\003\032\002hi' 'sequence: 5
status: UNKNOWN_MODULE
body: "hi"'
done

for abi in $abis; do
	for kind in pie no-pie; do
		for linkage in shared static; do
			case $kind in
			pie) how='-fPIE -pie' ;;
			no-pie) how='-fno-pie -no-pie' ;;
			esac
			case $linkage in
			shared) with=$(libs "$abi") ;;
			static) with=$(archive "$abi") ;;
			esac
			program=$work/protobuf_c-$abi-$kind-$linkage
			build $CC -std=gnu11 -O1 -g -Wall -Wextra -Werror $how $(cflags "$abi") "-I$work" \
				-o "$program" "$here/protobuf_c/test_protobuf_c.c" "$work/peer.pb-c.o" \
				$with $(pkg-config --libs libprotobuf-c cmocka)
			if [ "$kind-$linkage-$(uname -m)" = no-pie-shared-x86_64 ]; then
				check "$abi: the program that is not position-independent has copies" \
					has_copies "$program"
			fi
			tap_program "$abi $kind $linkage" \
				env CMOCKA_MESSAGE_OUTPUT=TAP timeout 120 "$program"
			if [ "$kind-$linkage" = pie-shared ]; then
				tap_program "$abi under memcheck" env CMOCKA_MESSAGE_OUTPUT=TAP \
					timeout 300 $memcheck "$program"
			fi
		done
	done
done
finish
