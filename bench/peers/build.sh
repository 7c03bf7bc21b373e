#!/bin/sh
# Builds the peers that this machine can build into build/bench/peers, and says in build/bench/peers.json which those
# are, and of each of the others what it lacks.
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
BUILD=${BUILD:-$root/build}
mkdir -p "$BUILD/bench/peers" || exit 1
out=$(cd "$BUILD/bench/peers" && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/bench-peers
log=$out/log
list=$out/../peers.json
strict='-std=gnu11 -O2 -Wall -Wextra -Wpedantic'

# entry NAME ABOUT JSON: a line of the list; what comes from elsewhere may have quotes.
separator='['
entry() {
	printf '%s\n  { "name": "%s", "about": "%s", %s }' "$separator" "$1" "$2" "$3" >>"$list"
	separator=,
}
missing() {
	echo "$1 is left out: $3" >&2
	entry "$1" "$2" "\"missing\": \"$(printf %s "$3" | tr '"\\\t' "'/ ")\""
}
reason() {
	sed -n "s|$here/||;/error/{p;q;}" "$log" | grep . || echo 'does not build'
}

# peer_in_c NAME ABOUT PROGRAM FLAGS
peer_in_c() {
	for side in server client; do
		sources="$here/c/$3_$side.c $here/../c/program.c"
		[ $side = server ] || sources="$sources $here/../c/client.c"
		# shellcheck disable=SC2086
		${CC:-cc} $strict -I"$here/../c" -o "$out/$3_$side" $sources $4 >"$log" 2>&1 ||
			{ missing "$1" "$2" "$(reason)"; return; }
	done
	entry "$1" "$2" "\"server\": [\"$out/$3_server\"], \"client\": [\"$out/$3_client\"]"
}

# packaged NAME ABOUT PROGRAM PACKAGE, the last as pkg-config knows it
packaged() {
	if flags=$(pkg-config --cflags --libs "$4" 2>/dev/null); then
		peer_in_c "$1" "$2, version $(pkg-config --modversion "$4")" "$3" "$flags"
	else
		missing "$1" "$2" "no $4 (pkg-config)"
	fi
}

# peer_in_rust NAME ABOUT CRATE
peer_in_rust() {
	version=$(sed -n "/^name = \"$3\"/{n;s/version = \"\(.*\)\"/\1/p;}" "$here/Cargo.lock")
	about="$2, version $version, tokio with one thread"
	if ${CARGO:-cargo} build --locked --release --manifest-path "$here/Cargo.toml" --target-dir "$target" \
		--bin "$3_peer" >"$log" 2>&1 && cp "$target/release/$3_peer" "$out"; then
		entry "$1" "$about" "\"server\": [\"$out/$3_peer\", \"server\"], \"client\": [\"$out/$3_peer\", \"client\"]"
	else
		missing "$1" "$about" "$(reason)"
	fi
}

: >"$list" || exit 1
packaged sd-bus 'D-Bus peer to peer, in C by libsystemd' sd_bus libsystemd
packaged ZeroMQ 'DEALER and ROUTER over ipc, with its thread for input and output' zeromq libzmq
# Debian has no file for pkg-config.
version=$(printf '#include <nng/nng.h>\nNNG_MAJOR_VERSION NNG_MINOR_VERSION NNG_PATCH_VERSION\n' |
	${CC:-cc} -E -P - 2>/dev/null | tail -n 1 | tr ' ' .)
peer_in_c nng "REQ and REP over ipc, with its threads${version:+, version $version}" nng -lnng
peer_in_rust zbus 'D-Bus peer to peer, in Rust' zbus
peer_in_rust tonic 'gRPC over a Unix socket' tonic
peer_in_rust ttrpc 'the RPC of containerd, in Rust' ttrpc
printf '\n]\n' >>"$list"
