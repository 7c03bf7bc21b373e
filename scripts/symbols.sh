#!/bin/sh
# Prints the symbols of an export list (a linker version script with one symbol a line), and what stands behind each.
#
#   scripts/symbols.sh abi/0.8/exports.map               drpc_call
#   scripts/symbols.sh --versions abi/0.8/exports.map    drpc_call@@DRPC_0.8
set -eu
versions=no
if [ "$1" = --versions ]; then
	versions=yes
	shift
fi
awk -v versions="$versions" '
	/^[A-Za-z_].* *\{/ { node = $1 }
	/^[ \t]*[A-Za-z_][A-Za-z0-9_]*;/ { sub(/^[ \t]*/, ""); sub(/;.*/, ""); print versions == "yes" ? $0 "@@" node : $0 }
' "$1"
