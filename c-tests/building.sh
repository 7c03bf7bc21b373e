#!/bin/sh
# Builds as packagers make them: of what Cargo.lock names, with their flags, and for another target.
. "$(dirname "$0")/shell/tap.sh"

need readelf timeout
library=$BUILD/lib/libdrpc-2.8.so
version=$(basename "$(readlink -f "$library")")
host=$(rustc -vV | sed -n 's/^host: //p')

# ---- Cargo

calls_of_cargo() {
	(cd "$root" && grep -nE '(\$\(CARGO\)|CARGO:-cargo\}"?) (build|clippy|doc|run|test|tree|metadata|vendor)' \
		Makefile scripts/*.sh c-tests/*.sh c-tests/shell/*.sh bench/*.sh bench/peers/*.sh)
}
locked() {
	[ "$(calls_of_cargo | wc -l)" -gt 9 ] || fail 'hardly any calls were found' || return
	same 'calls without --locked' '' "$(calls_of_cargo | grep -v -e ' --locked')"
}
check 'cargo is always called with --locked' locked

# So that `make check SETUP=true` does not.
only_setup_installs() {
	(cd "$root" && grep -nwE 'apt-get|apt|dnf|zypper|curl|wget|pip|rustup|cargo (install|add|fetch)' Makefile c-tests/Makefile \
		c-tests/support/*.sh c-tests/shell/*.sh c-tests/[a-z]*.sh scripts/[a-z]*.sh |
		grep -v -e '^scripts/setup.sh' -e ':[0-9]*:[[:space:]]*#' -e '^c-tests/building.sh') >"$work/installing"
	same 'calls' '' "$(cat "$work/installing")"
}
check 'nothing but scripts/setup.sh installs or fetches' only_setup_installs

# A cargo that builds nothing, keeps what it is called with, and says that it has written what $written names.
cat >"$work/cargo" <<END
#!/bin/sh
echo "\$@" >"$work/arguments"
env | grep RUSTFLAGS >"$work/flags"
echo "{\"filenames\":[\"\$written\"]}"
END
chmod +x "$work/cargo"

# build_script NAME=VALUE…: scripts/build.sh has the library made.
build_script() {
	env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS CARGO="$work/cargo" written=/target/lib.a "$@" \
		"$root/scripts/build.sh" /target/lib.a -- --release
}
flags_are_kept() {
	build_script && grep -q "build.rustflags = .'--remap-path-prefix=.*=/usr/src/libdrpc" "$work/arguments" || return
	build_script RUSTFLAGS='-C opt-level=2' && grep -q '^RUSTFLAGS=-C opt-level=2 --remap-path-prefix=' "$work/flags" || return
	build_script CARGO_ENCODED_RUSTFLAGS=-g RUSTFLAGS=-O && grep -q '^RUSTFLAGS=-O$' "$work/flags" &&
		tr '\037' ' ' <"$work/flags" | grep -q '^CARGO_ENCODED_RUSTFLAGS=-g --remap-path-prefix='
}
check "the packager's flags for rustc are kept" flags_are_kept

elsewhere() {
	if build_script CARGO_TARGET_DIR=/target written=/target/x86_64-unknown-linux-musl/lib.a >"$work/refused" 2>&1; then
		fail 'it was taken for the new one'
		return
	fi
	cat "$work/refused"
	grep -q 'cargo has not written /target/lib.a: .*CARGO_BUILD_TARGET' "$work/refused"
}
check 'a file that cargo has not written is not taken' elsewhere

no_paths() {
	for abi in $abis; do
		! grep -aF -e "$root/" -e "${CARGO_HOME:-$HOME/.cargo}/" "$BUILD/lib/libdrpc-$abi.so" "$BUILD/lib/libdrpc-$abi.a" || return
	done
}
check 'the libraries name no folder of this machine' no_paths

# ---- The shared library

# linked ARGUMENT…: makes it from an archive that is there.
linked() (
	unset MAKEFLAGS MFLAGS MAKELEVEL GNUMAKEFLAGS
	"${MAKE:-make}" -C "$root" --no-print-directory "$work/build/lib/$version" BUILD="$work/build" CARGO="$work/cargo" SETUP=: "$@"
)
note_of() {
	readelf -n "$work/build/lib/$version" | sed -n 's/.*Build ID: /0x/p'
}
id_1=0x11111111111111111111111111111111
id_2=0x22222222222222222222222222222222

own=$work/target
mkdir -p "$own/release" "$own/$host/release"
cp "$cargo_out/release/libdrpc_2_8.a" "$own/release"
# Both archives are one build's.
written="$own/release/libdrpc_0_8.a\",\"$own/release/libdrpc_2_8.a"
export written

ldflags() {
	for id in $id_1 $id_2; do
		linked CARGO_TARGET_DIR="$own" LDFLAGS="-Wl,--build-id=$id" || return
		same 'build ID' "$id" "$(note_of)" || return
	done
}
check 'LDFLAGS reach the shared library, also when they alone have changed' ldflags

# An older archive of another target.
target_is_taken() {
	cp "$own/release/libdrpc_2_8.a" "$own/$host/release"
	touch -d @0 "$own/$host/release/libdrpc_2_8.a"
	written="$own/$host/release/libdrpc_0_8.a\",\"$own/$host/release/libdrpc_2_8.a"
	rm "$own/release/libdrpc_2_8.a"
	linked CARGO_TARGET_DIR="$own" CARGO_BUILD_TARGET="$host" LDFLAGS="-Wl,--build-id=$id_1" || return
	same 'build ID' $id_1 "$(note_of)"
}
check 'with CARGO_BUILD_TARGET the archive is that of the target' target_is_taken

# refused TEXT SETTING…: no library is made, and this is said.
refused() {
	text=$1
	shift
	if linked "$@" >"$work/refused" 2>&1; then
		fail 'a library was made'
		return
	fi
	cat "$work/refused"
	grep -q "$text" "$work/refused"
}

check 'an archive of another target is never taken' \
	refused 'cargo has not written .*-musl/release/libdrpc_0_8.a' CARGO_TARGET_DIR="$own" CARGO_BUILD_TARGET="${host%-gnu}-musl"

printf '#!/bin/sh\necho riscv64-linux-gnu\n' >"$work/cc"
chmod +x "$work/cc"
check "a compiler for another machine than Cargo's target is refused" \
	refused 'compiles for riscv64, and CARGO_BUILD_TARGET is .*: set CROSS_COMPILE' CC="$work/cc" CARGO_BUILD_TARGET="$host"
finish
