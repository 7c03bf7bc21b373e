#!/bin/sh
# Our clients and servers of DAOS 0.8 to 2.8, with each setting of the framing. The servers are peers that behave like
# DAOS's. That they do is tested first, and that one would see it if a client were careless.
. "$(dirname "$0")/shell/tap.sh"
. "$here/shell/interop.sh"

servers='c-0.8 c-0.8-tag0 go-0.8 c-2.6 go-2.6 c-2.8 go-2.8'
# Those of programs that do not leave the reading, or the choice of the handler, to DAOS's loop.
programs='c-0.8-bare c-2.8-bare c-2.6-mute'

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

# What our clients must not be like: one that tries a call chunked and then as a datagram, and one of 0.8 as it is.
tries_both() {
	"$work/client" go-2.8 first "$sock" "$@" >"$work/tried"
	"$work/client" go-0.8 first "$sock" "$@"
}
believes() {
	"$work/client" c-0.8 first "$sock" "$@"
}

# sees LIKE VERDICT CLIENT
sees() {
	serve timeout 120 "$work/server" "$1" || return
	found=$(verdict "$3" $all $shifts)
	same 'verdict' "$2" "$found"
	sees_rc=$?
	served 0 && return "$sees_rc"
}

# The models in Rust are held to the same table (tests/corpus.rs).
check 'the peers read records as the parsers do that they stand for' "$work/parsers" "$root/tests/support/parsers.txt"
for like in $servers $programs; do
	check "a peer answers as $like does" replays "$like"
done
check 'c-0.8 executes chunked calls, which is seen' sees c-0.8 \
	'16 KiB, then cut, TWICE take:5656 and 11 more, AS ANOTHER take:10756' tries_both
check 'c-0.8-tag0 executes small ones, too' sees c-0.8-tag0 \
	'16 KiB, then cut, TWICE take:5656 and 11 more, AS ANOTHER take:13 and 1 more' tries_both
# The call within group:38 and those of shift:2 to shift:114 are among them.
check 'go-0.8 executes chunked calls, which is seen' sees go-0.8 \
	'16 KiB, then cut, TWICE take:5632 and 14 more, AS ANOTHER take:10756 and 16 more' tries_both
check 'c-2.6 executes chunked calls, which is seen' sees c-2.6 \
	'128 KiB / 16 KiB, then cut, TWICE take:5656 and 11 more, AS ANOTHER take:10756' tries_both
check 'go-2.6 executes chunked calls, which is seen' sees go-2.6 \
	'all / 16 KiB, then cut, TWICE take:5632 and 15 more, AS ANOTHER take:10756' tries_both
for like in c-2.8 go-2.8; do
	check "that a client takes the end of $like for an answer is seen" sees $like \
		'all, EOF take:0 and 87 more, NOT DONE take:0 and 87 more' believes
done

# ---- Our clients

# The plain and the shared client of a library have to do alike. The setting `chunked` waives what `auto` promises: old
# servers take some of the records for calls. That a client was told an error is all that can be had then.
cat >"$work/clients.expected" <<'END'
              | c-0.8  | c-0.8-tag0 | go-0.8 | c-2.6   | go-2.6  | c-2.8 | go-2.8
0.8  datagram | 16 KiB | 16 KiB     | 16 KiB | 16 KiB  | 16 KiB  | none  | none
0.8  chunked  | unsafe | unsafe     | unsafe | unsafe  | unsafe  | all   | all
0.8  auto     | 16 KiB | 16 KiB     | 16 KiB | 16 KiB  | 16 KiB  | all   | all
2.8  datagram | 16 KiB | 16 KiB     | 16 KiB | 128 KiB | 128 KiB | none  | none
2.8  chunked  | unsafe | unsafe     | unsafe | unsafe  | unsafe  | all   | all
2.8  auto     | 16 KiB | 16 KiB     | 16 KiB | 128 KiB | 128 KiB | all   | all
Rust datagram | 16 KiB | 16 KiB     | 16 KiB | 16 KiB  | 16 KiB  | none  | none
Rust chunked  | unsafe | unsafe     | unsafe | unsafe  | unsafe  | all   | all
Rust auto     | 16 KiB | 16 KiB     | 16 KiB | 16 KiB  | 16 KiB  | all   | all
END

# is_unsafe LIKE VERDICT: what the setting `chunked` makes of such a server.
is_unsafe() {
	case $1 in
	c-0.8 | c-2.6) same 'each call the first' 'none, 12 executed, AS ANOTHER take:10756' "$2" ;;
	c-0.8-tag0) same 'each call the first' 'none, 12 executed, AS ANOTHER take:13 and 1 more' "$2" ;;
	go-0.8) same 'each call the first' 'none, 15 executed, AS ANOTHER take:10756 and 1 more' "$2" ;;
	go-2.6) same 'each call the first' 'none, 16 executed, AS ANOTHER take:10756' "$2" ;;
	esac
}

# further_modes LIBRARY API SETTING VERDICT: with the calls that have to be done, or with a few that cannot be.
further_modes() {
	case $4 in none | unsafe) then_expected=none ;; *) then_expected=all ;; esac
	then_calls=$(possible "$4")
	for mode in async row threads; do
		[ "$mode-$2" != threads-plain ] || continue
		then_found=$(verdict client "$1" "$2" "$3" "$mode" "$then_calls")
		same "$mode" "$then_expected" "$then_found" || return
	done
}

# says_what_to_set SETTING SERVER: each call to a server that does not answer fails with the name of the setting.
says_what_to_set() {
	case $1-$2 in
	auto-*-mute) same 'claims without the setting' '' "$(grep -v ' error .*DRPC_FRAMING=datagram' "$work/claims")" ;;
	esac
}

# client_cell LIBRARY API SETTING SERVER EXPECTED
client_cell() {
	calls=$all
	case $4 in *-2.8 | *-2.8-bare) calls="$all $chunked_only" ;; esac
	case $3-$4 in auto-go-0.8 | auto-*-tag0 | auto-*-bare) calls="$calls $shifts" ;; esac
	serve timeout 120 "$work/server" "$4" || return
	found=$(verdict client "$1" "$2" "$3" first "$calls")
	if [ "$5" = unsafe ]; then
		is_unsafe "$4" "$found" && found=unsafe
	else
		same 'each call the first' "$5" "$found"
	fi && says_what_to_set "$3" "$4" && further_modes "$1" "$2" "$3" "$5"
	cell_rc=$?
	[ "$cell_rc" -eq 0 ] || cat "$work/claims" "$work/client.said"
	served 0 && return "$cell_rc"
}

# apis_of LIBRARY
apis_of() {
	case $1 in
	Rust) echo shared ;;
	*) echo plain shared ;;
	esac
}

# cells TABLE SETTINGS SERVERS
cells() {
	for of in 0.8 2.8 Rust; do
		for setting in $2; do
			for api in $(apis_of "$of"); do
				for like in $3; do
					want=$(expected "$1" "$of $setting" "$like")
					check "$of $api, $setting, to $like: $want" \
						client_cell "$of" "$api" "$setting" "$like" "$want"
					has_found "$1" "$of, $setting" "$like" "$found"
				done
			done
		done
	done
}
cells clients 'datagram chunked auto' "$servers"

cat >"$work/programs.expected" <<'END'
          | c-0.8-bare | c-2.8-bare | c-2.6-mute
0.8  auto | 16 KiB     | all        | none
2.8  auto | 16 KiB     | all        | none
Rust auto | 16 KiB     | all        | none
END
cells programs auto "$programs"

# What the error says to set is of use.
for of in 0.8 2.8 Rust; do
	for api in $(apis_of "$of"); do
		want=$(expected clients "$of datagram" c-2.6)
		check "$of $api, datagram, to c-2.6-mute: $want" client_cell "$of" "$api" datagram c-2.6-mute "$want"
	done
done

# ---- The command drpc

# drpc_ends STATUS ARGUMENT…: what the command writes is in $work/drpc.said.
drpc_ends() {
	ends_with=$1
	shift
	ended=0
	timeout 60 "$drpc" "$@" >"$work/drpc.said" 2>&1 || ended=$?
	same "drpc $*" "$ends_with" "$ended" || { cat "$work/drpc.said" && return 1; }
}

# asks_by_command LIKE FRAMING: it asks, examines, calls and is refused; only the calls are executed.
asks_by_command() {
	drpc_ends 0 ping "$sock" && grep -q "^$sock: $2, pid [0-9]* (server), uid " "$work/drpc.said" &&
		drpc_ends 0 doctor "$sock" && grep -q " ✓ answer *$2, " "$work/drpc.said" &&
		drpc_ends 0 call "$sock" 3/301 --yes --hex --show-secrets '0a 01 3f' && same answer 0a013f "$(tail -n 1 "$work/drpc.said")" &&
		drpc_ends 0 call "$sock" 2/206 --hex --show-secrets && same 'digits of the answer' 2049 "$(wc -c <"$work/drpc.said")" &&
		drpc_ends 5 call "$sock" 3/302 --yes --hex --show-secrets '' && grep -q ' answered FAILURE to ' "$work/drpc.said" &&
		same 'what was executed' '3 301 3,2 206 0,3 302 0' "$(cut -d ' ' -f 1-3 "$log" | paste -sd ,)"
}

# is_told_to_set_the_framing: a server that closes without an answer is told from one that does not serve, and called then.
is_told_to_set_the_framing() {
	drpc_ends 4 ping "$sock" && grep -q ' set DRPC_FRAMING=datagram' "$work/drpc.said" &&
		drpc_ends 4 call "$sock" 3/301 --yes --hex --show-secrets 07 &&
		DRPC_FRAMING=datagram drpc_ends 0 call "$sock" 3/301 --yes --hex --show-secrets 07 &&
		same answer 07 "$(tail -n 1 "$work/drpc.said")"
}

# by_command LIKE CHECK…
by_command() {
	serve timeout 120 "$work/server" "$1" || return
	shift
	"$@"
	by_command_rc=$?
	served 0 && return "$by_command_rc"
}

for like in $servers c-0.8-bare c-2.8-bare; do
	case $like in *-2.8*) framing=chunked ;; *) framing=datagram ;; esac
	check "drpc asks and calls $like" by_command "$like" asks_by_command "$like" "$framing"
done
check 'drpc says what to set for c-2.6-mute' by_command c-2.6-mute is_told_to_set_the_framing

# ---- A server that is replaced by one of another release

# ask CALL…: has the client make calls, and takes its claims.
ask() {
	: >"$work/claims"
	for call; do
		echo "$call" >&5
		IFS= read -r claim <&6 || return
		echo "$claim" >>"$work/claims"
	done
	same "$*" all "$(awk -f "$interop/verdict.awk" "$work/claims" "$log")" && return
	cat "$work/claims"
	return 1
}

# dies: as a server does whose clients are still there.
dies() {
	kill -KILL "$server"
	wait "$server" 2>/dev/null
	over "$server"
	rm "$sock"
}

# goes_on LIBRARY API OLD NEW: small calls first; the first one to the new server is one that an old one would execute
# if it came with a header.
goes_on() {
	serve "$work/server" "$3" || return
	client "$1" "$2" auto asked '' <"$work/ask" >"$work/answer" 2>"$work/client.said" &
	asked=$!
	started "$asked"
	exec 5>"$work/ask" 6<"$work/answer"
	ask take:0 take:100 make:100 && dies && serve "$work/server" "$4" && ask $(messages 5666) take:0 make:100
	goes_on_rc=$?
	exec 5>&- 6<&-
	wait "$asked" || goes_on_rc=1
	over "$asked"
	cat "$work/client.said"
	served 0 && return "$goes_on_rc"
}

mkfifo "$work/ask" "$work/answer" || exit
for of in 0.8 2.8 Rust; do
	for api in $(apis_of "$of"); do
		for change in 'c-0.8 c-2.8' 'c-2.8 c-0.8' 'go-0.8 go-2.6' 'go-2.6 go-2.8' 'go-2.8 c-2.6' 'c-0.8-tag0 go-2.8'; do
			old=${change% *}
			new=${change#* }
			check "$of $api, auto: $new takes the place of $old" goes_on "$of" "$api" "$old" "$new"
		done
	done
done

tabulate clients 'our client, framing' <<'END'
How large a call may be, to servers of each release; a larger one fails, and is not executed.
all: any size. none: every call fails. unsafe: every call fails, but some are executed, or others in their place.
END

tabulate programs 'our client, framing' <<'END'
The same, to servers of C programs that have a handler or a loop of their own. Calls to one that closes without an answer
fail with an error that names DRPC_FRAMING; if that is datagram, it is like any server of 2.6.
END
finish
