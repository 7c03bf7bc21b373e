#!/bin/sh
# Makes the static library out of what Cargo makes of an ABI.
#
#   scripts/archive.sh CARGO_ARCHIVE EXPORT_LIST STATIC_LIBRARY
#
# Cargo's archive is ten times as large as needed and defines thousands of symbols. The static library has one object, which
# holds what the API needs, and every symbol is local in it that is not on the export list. LD, OBJCOPY and AR may be set.
set -eu

from=$1
exports=$2
into=$3
here=$(dirname "$0")

# Every library in Rust has its own copy of DW.ref.rust_eh_personality, in a group of sections of that name. A linker keeps
# one of these groups only: the other library would lose its copy, and with it its way to handle a panic.
dissolve=--force-group-allocation
${LD:-ld} --help | grep -q -e "$dissolve" || {
	echo "${LD:-ld} does not know $dissolve: the static library needs GNU ld 2.29 or later (make LD=...)" >&2
	exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=$(basename "$into" .a)
object=$work/${name#lib}.o

"$here/symbols.sh" "$exports" >"$work/symbols"
${LD:-ld} -r --gc-sections $dissolve $(sed 's/^/-u /' "$work/symbols") -o "$object" "$from"
# A program may define functions of these names itself, as DAOS's engine and its tests do: the symbols are weak, and give way.
# drpc_version stays strong: when a program takes functions from the archives of two ABIs, the linker refuses that.
sed '/^drpc_version$/d' "$work/symbols" >"$work/weak"
${OBJCOPY:-objcopy} --strip-debug --strip-unneeded -R .llvmbc -R .llvmcmd \
	--keep-global-symbols="$work/symbols" --weaken-symbols="$work/weak" "$object"
rm -f "$into"
${AR:-ar} rcs "$into" "$object"
