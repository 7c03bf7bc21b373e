#!/bin/sh
# Programs written to the v0.8.0 and the v2.8.0 API, as DAOS's own callers use
# it, compile unchanged with nothing but pkg-config's flags and -Werror, and
# each holds a conversation with a peer that knows only recorded bytes.
. "$(dirname "$0")/shell/tap.sh"

need timeout
install_into "$work/prefix"
LD_LIBRARY_PATH=$work/prefix/lib
build $CC -std=gnu11 $strict -o "$work/peer" "$here/wire/peer.c"

# compiled ABI PROGRAM: in the language mode that is the default of the compiler.
compiled() {
	$CC -Wall -Wextra -Werror $(pkg-config --cflags "drpc-$1") \
		-o "$work/$1-$2" "$here/dropin/$1/$2.c" $(pkg-config --libs "drpc-$1")
}

# converse ABI PROGRAM FIRST: FIRST (peer or program) is the side that listens.
converse() {
	sock=$work/$1-$2.sock
	script=$here/dropin/$1/$2.wire
	export LD_LIBRARY_PATH
	if [ "$3" = peer ]; then
		timeout 90 "$work/peer" "$script" "$sock" &
		other=$!
		jobs_started="$jobs_started $other"
		await "$sock" || return 1
		timeout 90 "$work/$1-$2" "$sock"
		program_rc=$?
		[ "$program_rc" -eq 0 ] || kill "$other"
		wait "$other"
		peer_rc=$?
	else
		timeout 90 "$work/$1-$2" "$sock" 2 &
		other=$!
		jobs_started="$jobs_started $other"
		timeout 90 "$work/peer" "$script" "$sock"
		peer_rc=$?
		[ "$peer_rc" -eq 0 ] || kill "$other"
		wait "$other"
		program_rc=$?
	fi
	same 'exit code of the program' 0 "$program_rc" &&
		same 'exit code of the peer' 0 "$peer_rc"
}

for abi in $abis; do
	for source in "$here/dropin/$abi"/*.c; do
		program=$(basename "$source" .c)
		case $program in
		*_server) listener=program ;;
		*) listener=peer ;;
		esac
		check "a v$abi.0 $program compiles unchanged" compiled "$abi" "$program"
		[ -x "$work/$abi-$program" ] || continue
		check "a v$abi.0 $program speaks the recorded bytes" \
			converse "$abi" "$program" "$listener"
	done
done
finish
