#!/bin/sh
# Our servers and clients of DAOS 0.8 to 2.8. Those clients are peers that behave like DAOS's. Our own clients call, too,
# without any setting. All kinds of servers have to do alike.
. "$(dirname "$0")/shell/tap.sh"
. "$here/shell/interop.sh"

clients='c-0.8 go-0.8 c-2.6 go-2.6 c-2.8 go-2.8 our-0.8 our-2.8 our-Rust'
cat >"$work/servers.expected" <<'END'
     | c-0.8                  | go-0.8                 | c-2.6         | go-2.6        | c-2.8 | go-2.8 | our-0.8          | our-2.8 | our-Rust
0.8  | all / 16 KiB           | all / 16 KiB           | all / 16 KiB  | all / 16 KiB  | all   | all    | 16 KiB           | all     | all
2.8  | all / 16 KiB, then cut | all / 16 KiB, then cut | all / 128 KiB | all / 128 KiB | all   | all    | 16 KiB / 128 KiB | all     | all
Rust | all / 16 KiB           | all / 16 KiB           | all / 16 KiB  | all / 16 KiB  | all   | all    | 16 KiB           | all     | all
END

# our_server LIBRARY KIND SOCKET LOG
our_server() {
	case $1 in
	Rust) exec timeout 120 "$rust/interop_server" "$2" "$3" "$4" ;;
	*) exec timeout 120 "$work/server-$1" "$2" "$3" "$4" ;;
	esac
}

# calls_of CLIENT MODE CALLS
calls_of() {
	case $1 in
	our-0.8) client 0.8 plain default "$2" "$3" ;;
	our-*) client "${1#our-}" shared default "$2" "$3" ;;
	*) "$work/client" "$1" "$2" "$sock" $3 ;;
	esac
}

# in_each_mode CLIENT VERDICT CALLS: each on a connection of its own, then all on one.
in_each_mode() {
	for mode in first row; do
		found=$(verdict calls_of "$1" $mode "$3")
		same $mode "$2" "$found" || return
	done
}

# while_served LIBRARY KIND COMMAND…: runs the command while one of our servers serves. Both have to end well.
while_served() {
	# Only signals end the servers in Rust.
	case $1 in Rust) ends_with=143 ;; *) ends_with=0 ;; esac
	serve our_server "$1" "$2" || return
	shift 2
	"$@"
	cell_rc=$?
	[ "$cell_rc" -eq 0 ] || cat "$work/claims" "$work/client.said"
	served "$ends_with" && return "$cell_rc"
}

# sizes_from CLIENT EXPECTED: calls of each size, as far as the client can send them.
sizes_from() {
	calls=$all
	case $1 in *-2.8 | our-Rust) calls="$all $chunked_only" ;; esac
	in_each_mode "$1" "$2" "$calls"
}

# failures_from CLIENT: calls that fail, with texts of several lengths, and one that does not, on one connection.
failures_from() {
	failing='fail:1 fail:127 fail:128 fail:200'
	calls_of "$1" row "$failing take:5" >"$work/claims" 2>"$work/client.said" || cat "$work/client.said"
	{ printf '%s error status 2\n' $failing; echo 'take:5 done'; } >"$work/expected"
	sort "$work/expected" >"$work/expected.sorted"
	sort "$work/claims" | diff "$work/expected.sorted" -
}

for of in 0.8 2.8 Rust; do
	case $of in
	Rust) kinds='connection server' ;;
	*) kinds='plain progress managed' ;;
	esac
	for kind in $kinds; do
		for like in $clients; do
			want=$(expected servers "$of" "$like")
			check "$of $kind, from $like: $want" while_served "$of" "$kind" sizes_from "$like" "$want"
			has_found servers "$of" "$like" "$found"
			case $kind in
			managed | server) check "$of $kind, from $like: a failure with a text is a failure" while_served "$of" "$kind" failures_from "$like" ;;
			esac
		done
	done
done

tabulate servers 'our server' <<'END'
How large a call may be, and its answer, from clients of each release; a client is told that an answer is larger.
all: any size that the client can send, or read. then cut: larger answers are sent, and the client cannot read them;
drpc_set_max_datagram prevents that.
END
finish
