#!/bin/sh
# Has Cargo build something that is kept, and sees to it that the files are written which the Makefile goes on with.
#
#   scripts/build.sh FILE... -- ARGUMENT...
#
# The arguments are those of `cargo build`. CARGO, CARGO_TARGET_DIR and Cargo's own variables may be set.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
files=
while [ "$1" != -- ]; do
	files="$files $1"
	shift
done
shift

# Paths of this machine would make the result differ from what others build. What cargo compiles itself for tests keeps its
# paths, which lead to the sources there.
registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
# The number is Cargo's, the same everywhere. A crate has one path then, from the registry and from vendor/.
index=index.crates.io-1949cf8c6b5b557f
shown=/usr/src/libdrpc
# The last that fits counts.
remap() {
	printf "$1" --remap-path-prefix="$registry=$shown/vendor" --remap-path-prefix="$registry/$index=$shown/vendor" \
		--remap-path-prefix="$root=$shown" --remap-path-prefix="$target=$shown/target"
}
case " $* " in
*' --release '* | *' --profile '*)
	# Cargo takes flags from one place only: they are added to those that are in use.
	if [ -n "${CARGO_ENCODED_RUSTFLAGS+set}" ]; then
		CARGO_ENCODED_RUSTFLAGS=$CARGO_ENCODED_RUSTFLAGS$(remap '\037%s')
	elif [ -n "${RUSTFLAGS+set}" ]; then
		RUSTFLAGS=$RUSTFLAGS$(remap ' %s')
	else
		set -- "$@" --config "build.rustflags = [$(remap "'%s', ")]"
	fi
	;;
esac

# Where Cargo writes follows from CARGO_BUILD_TARGET, and from its configuration files, too. A file of an earlier build must
# not be taken for the new one.
messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
"${CARGO:-cargo}" build --locked --message-format=json-render-diagnostics "$@" >"$messages"
for file in $files; do
	grep -qF "\"$file\"" "$messages" || {
		echo "libdrpc: cargo has not written $file: if a configuration file of Cargo's has build.target, name that in" \
			"CARGO_BUILD_TARGET, too" >&2
		exit 1
	}
done
