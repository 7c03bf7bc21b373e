#!/bin/sh
# Programs written to DAOS's API of v0.8.0 and v2.8.0, unchanged. They compile with nothing but pkg-config's flags and
# -Werror. Each holds a conversation with a peer that knows only recorded bytes.
. "$(dirname "$0")/shell/tap.sh"
. "$(dirname "$0")/shell/converse.sh"

need valgrind
install_into "$work/prefix"

# compiled ABI PROGRAM: in the language mode that is the default of the compiler.
compiled() {
	$CC -Wall -Wextra -Werror $(pkg-config --cflags "drpc-$1") \
		-o "$work/$1-$2" "$here/dropin/$1/$2.c" $(pkg-config --libs "drpc-$1")
}

for abi in $abis; do
	for program in $(dropin_programs "$abi"); do
		check "a v$abi.0 $program compiles unchanged" compiled "$abi" "$program"
		[ -x "$work/$abi-$program" ] || continue
		check "a v$abi.0 $program speaks the recorded bytes" converse "$abi" "$program" \
			env LD_LIBRARY_PATH="$work/prefix/lib" "$work/$abi-$program"
		check "memcheck finds nothing in a v$abi.0 $program" converse "$abi" "$program" \
			env LD_LIBRARY_PATH="$work/prefix/lib" $memcheck "$work/$abi-$program"
	done
done
finish
