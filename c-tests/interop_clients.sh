#!/bin/sh
# Our clients, with each setting of the framing, and servers of DAOS 0.8 to 2.8: peers that behave like them. That they do
# is tested first, and that one would see it if a client were careless.
. "$(dirname "$0")/shell/tap.sh"
. "$here/shell/interop.sh"

servers='c-0.8 c-0.8-tag0 go-0.8 c-2.6 go-2.6 c-2.8 go-2.8'

# ---- The peers are like the originals

# replays LIKE: what was recorded from such a server, or is known of it, with what it executed.
replays() {
	script=$interop/golden/$1.wire
	serve timeout 120 "$work/server" "$1" || return
	timeout 60 "$work/peer" "$script" "$sock"
	replayed=$?
	sed -n 's/^# executed //p' "$script" >"$work/expected"
	cut -d ' ' -f 1-3 "$log" | diff "$work/expected" - && served 0 && return "$replayed"
}

# naive LIKE VERDICT: a client of 2.8 that asks nothing. So that is what can go wrong, and what these tests would see.
naive() {
	serve timeout 120 "$work/server" "$1" || return
	found=$(verdict "$work/client" go-2.8 first "$sock" $all)
	same 'a client of 2.8' "$2" "$found"
	naive_rc=$?
	served 0 && return "$naive_rc"
}

for like in $servers; do
	check "a peer answers as $like does" replays "$like"
done
check 'c-0.8 executes chunked calls' naive c-0.8 'none, 12 executed, AS ANOTHER take:10756'
check 'c-0.8-tag0 executes chunked calls' naive c-0.8-tag0 'none, 12 executed, AS ANOTHER take:13, AS ANOTHER take:10756'
check 'go-0.8 executes chunked calls' naive go-0.8 'none, 15 executed, AS ANOTHER take:10756'
check 'c-2.6 executes chunked calls' naive c-2.6 'none, 12 executed, AS ANOTHER take:10756'
check 'go-2.6 executes chunked calls' naive go-2.6 'none, 16 executed, AS ANOTHER take:10756'

# ---- Our clients

# The verdict on each release's server, for each setting. The plain and the shared client of a library have to do alike.
# "executed" is what the setting `chunked` waives: the server took some for calls, and the client was told an error.
cat >"$work/clients.expected" <<'END'
              | c-0.8              | c-0.8-tag0         | go-0.8             | c-2.6              | go-2.6             | c-2.8 | go-2.8
0.8  datagram | 16 KiB             | 16 KiB             | 16 KiB             | 16 KiB             | 16 KiB             | none  | none
0.8  chunked  | none, 12 executed  | none, 13 executed  | none, 15 executed  | none, 12 executed  | none, 15 executed  | all   | all
0.8  auto     | 16 KiB             | 16 KiB             | 16 KiB             | 16 KiB             | 16 KiB             | all   | all
2.8  datagram | 16 KiB             | 16 KiB             | 16 KiB             | 128 KiB            | 128 KiB            | none  | none
2.8  chunked  | none, 12 executed  | none, 13 executed  | none, 15 executed  | none, 12 executed  | none, 15 executed  | all   | all
2.8  auto     | 16 KiB             | 16 KiB             | 16 KiB             | 128 KiB            | 128 KiB            | all   | all
Rust datagram | 16 KiB             | 16 KiB             | 16 KiB             | 16 KiB             | 16 KiB             | none  | none
Rust chunked  | none, 12 executed  | none, 13 executed  | none, 15 executed  | none, 12 executed  | none, 15 executed  | all   | all
Rust auto     | 16 KiB             | 16 KiB             | 16 KiB             | 16 KiB             | 16 KiB             | all   | all
END

# client LIBRARY API SETTING MODE CALL…
client() {
	of=$1 api=$2
	shift 2
	case $of in
	Rust) "$rust/interop_client" "$1" "$2" "$sock" $3 ;;
	*) "$work/client-$of" "$api" "$1" "$2" "$sock" $3 ;;
	esac
}

# client_cell LIBRARY API SETTING SERVER EXPECTED: also the further modes, with the calls that have to be done.
client_cell() {
	calls=$all
	case $4 in *-2.8) calls="$all $chunked_only" ;; esac
	serve timeout 120 "$work/server" "$4" || return
	cell_rc=0
	found=$(verdict client "$1" "$2" "$3" first "$calls")
	same 'each call the first' "$5" "$found" || { cell_rc=1 && cat "$work/claims"; }
	case $5 in none*) then_expected=none ;; *) then_expected=all ;; esac
	calls=$(possible "$5")
	for mode in async row threads; do
		[ "$mode-$2" != threads-plain ] || continue
		then_found=$(verdict client "$1" "$2" "$3" "$mode" "$calls")
		same "$mode" "$then_expected" "$then_found" || { cell_rc=1 && cat "$work/claims"; }
	done
	served 0 && return "$cell_rc"
}

for of in 0.8 2.8 Rust; do
	case $of in
	Rust) apis=shared ;;
	*) apis='plain shared' ;;
	esac
	for setting in datagram chunked auto; do
		for api in $apis; do
			for like in $servers; do
				want=$(expected clients "$of $setting" "$like")
				check "$of $api, $setting, to $like: $want" \
					client_cell "$of" "$api" "$setting" "$like" "$want"
				found clients "$of $setting" "$like" "$found"
			done
		done
	done
done

done_with clients 'our client, framing'
