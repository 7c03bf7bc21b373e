# Sourced after tap.sh by the scripts that let a program of dropin/ talk to the
# raw peer.

need timeout
build $CC -std=gnu11 $strict -o "$work/peer" "$here/wire/peer.c"

# dropin_programs ABI
dropin_programs() {
	for source in "$here/dropin/$1"/*.c; do
		basename "$source" .c
	done
}

# converse ABI PROGRAM COMMAND…: COMMAND runs dropin/ABI/PROGRAM, and what goes
# over the socket is what dropin/ABI/PROGRAM.wire says. Who is a server listens.
converse() {
	sock=$work/$1-$2.sock
	script=$here/dropin/$1/$2.wire
	listener=peer
	case $2 in
	*_server) listener=program ;;
	esac
	shift 2
	if [ "$listener" = peer ]; then
		timeout 90 "$work/peer" "$script" "$sock" &
		other=$!
		started "$other"
		await "$sock" || return 1
		timeout 90 "$@" "$sock"
		program_rc=$?
		[ "$program_rc" -eq 0 ] || kill "$other"
		wait "$other"
		peer_rc=$?
	else
		timeout 90 "$@" "$sock" 2 &
		other=$!
		started "$other"
		timeout 90 "$work/peer" "$script" "$sock"
		peer_rc=$?
		[ "$peer_rc" -eq 0 ] || kill "$other"
		wait "$other"
		program_rc=$?
	fi
	over "$other"
	rm -f "$sock"
	same 'exit code of the program' 0 "$program_rc" &&
		same 'exit code of the peer' 0 "$peer_rc"
}
