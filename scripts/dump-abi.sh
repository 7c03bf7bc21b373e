#!/bin/sh
# Writes down an ABI as programs in C see it: its symbols with their versions, and all types of its headers, in abidw's XML.
#
#   scripts/dump-abi.sh TREE ABI FILE
#
# TREE is a source tree of libdrpc. A translation unit of ours takes the place of the library: it defines each symbol of
# the export list, as a pointer to what the headers declare. The library's own debug information would be of no use, as
# it describes Rust: a struct that is opaque in C shows all its fields there. What scripts/check-exports.sh and
# `make check-headers` hold is that the library exports this list, and that the headers are what the sources give.
set -eu

include=$(cd "$1/include/$2" && pwd)
exports=$1/abi/$2/exports.map
into=$3
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

headers=$(cd "$include" && find . -name '*.h' | sort | sed 's|^\./||')
{
	echo "$headers" | sed 's/.*/#include <&>/'
	"$here/symbols.sh" "$exports" | sed 's/.*/__typeof__(\&&) address_of_& __asm__("&");/'
	# Types that no function mentions, such as enums whose values are passed as numbers.
	(cd "$include" && sed -nE 's/^(typedef )?((enum|struct) ([A-Za-z0-9_]+)) \{.*/\2 *type_\4;/p' $headers) | sort -u
} >"$work/interface.c"
{
	cat "$exports"
	echo 'TYPES { global: type_*; };'
} >"$work/exports.map"
# In that folder, so that no path gets into the file.
(cd "$work" && "${CC:-cc}" -std=gnu11 -g -fPIC -shared -nostdlib -I "$include" $(pkg-config --cflags libprotobuf-c) \
	-Wl,--version-script=exports.map -o interface.so interface.c)
abidw --no-corpus-path --no-comp-dir-path --no-show-locs --out-file "$into" "$work/interface.so"
