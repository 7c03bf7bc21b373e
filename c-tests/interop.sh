#!/bin/sh
# Mixed releases: our clients with peers that behave like the servers of DAOS 0.8, 2.6 and 2.8, and our servers with
# peers that behave like their clients. Every call is to be executed once and answered, or not to be executed and told
# as an error; nothing may be executed twice or as another call, or be believed to be done when it is not.
#
# TABLES=FILE: the tables go there, too (make interop).
. "$(dirname "$0")/shell/tap.sh"

need awk protoc-c timeout
interop=$here/interop

# ---- Programs

sed 's/^package drpc;/package peer;/' "$root/proto/drpc.proto" >"$work/peer.proto"
build protoc-c "--proto_path=$work" "--c_out=$work" peer.proto

# program NAME SOURCE… -- FLAG…
program() {
	built=$work/$1
	shift
	sources=
	while [ "$1" != -- ]; do
		sources="$sources $interop/$1.c"
		shift
	done
	shift
	build $CC -std=gnu11 -O1 -g $strict -pthread -o "$built" $sources "$@"
}
peer="bytes methods originals message decode_c decode_go wire chunks listen"
with_protobuf="-I$work $protobuf_c $work/peer.pb-c.c $(pkg-config --libs libprotobuf-c)"
program server server sessions $peer -- $with_protobuf
program client client tasks $peer -- $with_protobuf
for abi in $abis; do
	program "client-$abi" ours_client tasks methods bytes -- $(cflags "$abi") $(libs "$abi")
	program "server-$abi" ours_server sessions methods bytes -- $(cflags "$abi") $(libs "$abi")
done
build $CC -std=gnu11 $strict -o "$work/peer" "$here/wire/peer.c"
build "${CARGO:-cargo}" build -q --manifest-path "$root/Cargo.toml" -p drpc --example interop_client \
	--example interop_server
rust=${CARGO_TARGET_DIR:-$root/target}/debug/examples

# ---- A server, and what it has executed

sock=$work/sock
log=$work/log

# serve COMMAND…: until `served`; its socket and its log are its last arguments.
serve() {
	rm -f "$log"
	timeout 120 "$@" "$sock" "$log" 2>"$work/server.said" &
	server=$!
	started "$server"
	await "$log"
}

# served EXIT_STATUS
served() {
	kill "$server"
	server_rc=0
	wait "$server" || server_rc=$?
	over "$server"
	rm -f "$sock"
	cat "$work/server.said"
	same 'exit code of the server' "$1" "$server_rc"
}

# verdict COMMAND…: what becomes of the calls that a client makes. Its claims and the server's log are kept.
verdict() {
	: >"$log"
	"$@" >"$work/claims" 2>"$work/client.said" || echo "the client failed: $(cat "$work/client.said")"
	awk -f "$interop/verdict.awk" "$work/claims" "$log"
}

# ---- Calls

# The largest message of DAOS 0.8 and of 1.2 to 2.6; that of a call has 10 or 11 bytes beside a body over 127 bytes, a
# response 6, or 4 if its sequence is 0.
small=16384
large=131072

# messages TOTAL…: calls whose encoded message has so many bytes.
messages() {
	for total; do
		if [ "$total" -le 136 ]; then
			echo "take:$((total - 9))"
		elif [ "$total" -le 16393 ]; then
			echo "take:$((total - 10))"
		else
			echo "take:$((total - 11))"
		fi
	done
}

# Records of a size that old protobuf-c takes for a call (16 to 128), records around 256 bytes, and calls that the Go
# servers and protobuf-c execute when they come with a header (5,642 to 5,754, and more).
sizes="$(messages 16 24 34 40 128 231 232 255 256 $(seq 5642 8 5754))"
sizes="take:0 take:1 take:231 take:232 take:255 take:256 $sizes hide:13 hide:10756"
to_16k="$sizes $(messages $((small - 1)) $small) make:0 make:1 make:250"
to_128k="$to_16k $(messages $((small + 1))) take:16384 $(messages 38154) take:38154 $(messages 131048 131049)
	take:131048 take:131049 $(messages $large)"
to_socket="$to_128k $(messages $((large + 1))) take:200000"
answers="make:16378 make:16379 make:16380 make:16381 make:131066 make:131067 make:131068 make:131069 make:200000"
# What is tried with everybody, and what only without a limit of the socket's.
all="$to_socket $answers"
chunked_only="take:1048576 make:1048576"
few="take:1 take:100 make:1"

# possible VERDICT: calls that have to be done where this is the verdict on all; or a few that fail.
possible() {
	case $1 in
	none*) echo $few ;;
	'16 KiB') echo $to_16k ;;
	'128 KiB') echo $to_128k $answers ;;
	*) echo $all $chunked_only ;;
	esac
}

servers='c-0.8 c-0.8-tag0 go-0.8 c-2.6 go-2.6 c-2.8 go-2.8'

# ---- The peers are like the originals

# replays LIKE: what was recorded from such a server, or is known of it, with what it executed.
replays() {
	script=$interop/golden/$1.wire
	serve "$work/server" "$1" || return
	timeout 60 "$work/peer" "$script" "$sock"
	replayed=$?
	sed -n 's/^# executed //p' "$script" >"$work/expected"
	cut -d ' ' -f 1-3 "$log" | diff "$work/expected" - && served 0 && return "$replayed"
}

# naive LIKE VERDICT: a client of 2.8 that asks nothing. So that is what can go wrong, and what these tests would see.
naive() {
	serve "$work/server" "$1" || return
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

# expected TABLE ROW COLUMN: a row's name may have several spaces in it.
expected() {
	awk -F ' *[|] *' -v row="$2" -v column="$3" '
		NR == 1 { for (i = 2; i <= NF; i++) if ($i == column) at = i }
		{ gsub(/ +/, " ", $1) }
		$1 == row { print $at }' "$work/$1.expected"
}

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
	serve "$work/server" "$4" || return
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
				echo "$of $setting|$like|$found" >>"$work/clients.found"
			done
		done
	done
done

# ---- Our servers

# The same for each kind of them.
clients='c-0.8 go-0.8 c-2.6 go-2.6 c-2.8 go-2.8'
cat >"$work/servers.expected" <<'END'
     | c-0.8        | go-0.8       | c-2.6         | go-2.6        | c-2.8 | go-2.8
0.8  | all / 16 KiB | all / 16 KiB | all / 16 KiB  | all / 16 KiB  | all   | all
2.8  | all / 16 KiB | all / 16 KiB | all / 128 KiB | all / 128 KiB | all   | all
Rust | all / 16 KiB | all / 16 KiB | all / 16 KiB  | all / 16 KiB  | all   | all
END

# our_server LIBRARY KIND SOCKET LOG
our_server() {
	case $1 in
	Rust) exec timeout 120 "$rust/interop_server" "$2" "$3" "$4" ;;
	*) exec timeout 120 "$work/server-$1" "$2" "$3" "$4" ;;
	esac
}

# server_cell LIBRARY KIND CLIENT EXPECTED
server_cell() {
	calls=$all
	case $3 in *-2.8) calls="$all $chunked_only" ;; esac
	serve our_server "$1" "$2" || return
	cell_rc=0
	found=$(verdict "$work/client" "$3" first "$sock" $calls)
	same 'each call the first' "$4" "$found" || { cell_rc=1 && cat "$work/claims"; }
	then_found=$(verdict "$work/client" "$3" row "$sock" $calls)
	same row "$4" "$then_found" || { cell_rc=1 && cat "$work/claims"; }
	# Only signals end the servers in Rust.
	case $1 in Rust) ends_with=143 ;; *) ends_with=0 ;; esac
	served "$ends_with" && return "$cell_rc"
}

for of in 0.8 2.8 Rust; do
	case $of in
	Rust) kinds='connection server' ;;
	*) kinds='plain progress managed' ;;
	esac
	for kind in $kinds; do
		for like in $clients; do
			want=$(expected servers "$of" "$like")
			check "$of $kind, from $like: $want" server_cell "$of" "$kind" "$like" "$want"
			echo "$of|$like|$found" >>"$work/servers.found"
		done
	done
done

# ---- Tables

# table NAME TITLE: rows and columns as they came; a cell that is not the same for all of a row has each verdict.
table() {
	awk -F '|' -v title="$2" '
		!($1 in row) { row[$1]; rows[++height] = $1 }
		!($2 in column) { column[$2]; columns[++width] = $2 }
		!(($1, $2, $3) in seen) {
			seen[$1, $2, $3]
			cell[$1, $2] = ($1, $2) in cell ? cell[$1, $2] "; " $3 : $3
		}
		END {
			line = "| " title " |"
			rule = "|---|"
			for (c = 1; c <= width; c++) {
				line = line " " columns[c] " |"
				rule = rule "---|"
			}
			print line
			print rule
			for (r = 1; r <= height; r++) {
				line = "| " rows[r] " |"
				for (c = 1; c <= width; c++)
					line = line " " cell[rows[r], columns[c]] " |"
				print line
			}
		}' "$work/$1.found"
}

if [ -n "${TABLES:-}" ]; then
	{
		table clients 'our client, framing'
		echo
		table servers 'our server'
	} >"$TABLES"
fi
finish
