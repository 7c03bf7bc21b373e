#!/bin/sh
# Prints `NAME VERSION LICENCE` of each crate of others that is linked into what these packages build.
#
#   scripts/linked.sh PACKAGE...
set -eu
LC_ALL=C
export LC_ALL

cd "$(dirname "$0")/.."
for package; do
	shift
	set -- "$@" -p "$package"
done
# The target is the same wherever this runs. Crates of others have no path behind their version.
"${CARGO:-cargo}" tree --locked "$@" -e normal,no-proc-macro --target x86_64-unknown-linux-gnu --prefix none --no-dedupe \
	-f '{p}|{l}' | sed -n 's/^\([^ ]*\) v\([^ |]*\)|/\1 \2 /p' | sort -u
