# Sourced after tap.sh by the scripts that try pairs of releases: the programs of interop/, the calls that clients make,
# and the verdict on what has become of them.
#
# Every call is to be executed once and answered, or not to be executed and told as an error; nothing may be executed
# twice or as another call, or be believed to be done when it is not.

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
program parsers parsers bytes message decode_c decode_go -- $with_protobuf
for abi in $abis; do
	program "client-$abi" ours_client tasks methods bytes -- $(cflags "$abi") $(libs "$abi")
	program "server-$abi" ours_server sessions methods bytes -- $(cflags "$abi") $(libs "$abi")
done
build $CC -std=gnu11 $strict -o "$work/peer" "$here/wire/peer.c"
build "${CARGO:-cargo}" build --locked -q --manifest-path "$root/Cargo.toml" --workspace --all-features --example interop_client \
	--example interop_server --bin drpc
rust=$cargo_out/debug/examples
drpc=$cargo_out/debug/drpc

# ---- A server, and what it has executed

sock=$work/sock
log=$work/log

# serve COMMAND…: until `served`; its socket and its log are its last arguments.
serve() {
	rm -f "$log"
	"$@" "$sock" "$log" 2>"$work/server.said" 5>&- 6>&- &
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

# ---- Our clients

# client LIBRARY API SETTING MODE CALLS: one of ours, and what it prints.
client() {
	case $1 in
	Rust) "$rust/interop_client" "$3" "$4" "$sock" $5 ;;
	*) "$work/client-$1" "$2" "$3" "$4" "$sock" $5 ;;
	esac
}

# ---- Calls

# The largest message of DAOS 0.8 and of 1.2 to 2.6; that of a call has 10 or 11 bytes beside a body over 127 bytes, a
# response 5 or 6, or 3 or 4 if its sequence is 0.
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

# Messages that old protobuf-c takes for other calls when they come with a header (16 to 128 bytes), those whose record has
# around 256 bytes then, and those that the servers execute as they are (5,642 to 5,754); the same as bodies; and calls
# that have another one in them, which would be executed. group:38 is the call of tests/support/parsers.txt.
sizes="$(messages 16 24 34 40 128 231 232 255 256 $(seq 5642 8 5754)) $(seq -f take:%g 5642 8 5754)"
sizes="take:0 take:1 take:231 take:232 take:255 take:256 $sizes hide:13 hide:10756 group:38"
# Calls of module 4 of which a Go server of DAOS 0.8 made calls of module 0.
shifts=$(seq -f shift:%g 2 8 114)
to_16k="$sizes $(messages $((small - 1)) $small) make:0 make:1 make:250"
to_128k="$to_16k $(messages $((small + 1))) take:16384 $(messages 38154) take:38154 $(messages 131048 131049)
	take:131048 take:131049 $(messages $large)"
to_socket="$to_128k $(messages $((large + 1))) take:200000"
answers="make:16379 make:16380 make:16381 make:16382 make:131066 make:131067 make:131068 make:131069 make:200000"
# What is tried with everybody, and what only without a limit of the socket's.
all="$to_socket $answers"
chunked_only="take:1048576 make:1048576"
few="take:1 take:100 make:1"

# possible VERDICT: calls that have to be done where this is the verdict on all; or a few that fail.
possible() {
	case $1 in
	none | unsafe) echo $few ;;
	'16 KiB') echo $to_16k ;;
	'128 KiB') echo $to_128k $answers ;;
	*) echo $all $chunked_only ;;
	esac
}

# ---- What is expected, and what is found

# expected TABLE ROW COLUMN: a row's name may have several spaces in it.
expected() {
	awk -F ' *[|] *' -v row="$2" -v column="$3" '
		NR == 1 { for (i = 2; i <= NF; i++) if ($i == column) at = i }
		{ gsub(/ +/, " ", $1) }
		$1 == row { print $at }' "$work/$1.expected"
}

# in_full LIKE: one of the originals or of our clients, for people.
in_full() {
	case $1 in
	c-*-bare) bare=${1#c-} && echo "C ${bare%-bare}, one handler for all modules" ;;
	c-2.6-mute) echo 'C 2.6, closes without an answer' ;;
	c-0.8-tag0) echo 'C 0.8, protobuf-c < 1.3.2' ;;
	c-*) echo "C ${1#c-}" ;;
	go-*) echo "Go ${1#go-}" ;;
	our-*) echo "our ${1#our-}" ;;
	esac
}

# has_found TABLE ROW LIKE VERDICT
has_found() {
	echo "$2|$(in_full "$3")|$4" >>"$work/$1.found"
}

# in_docs TABLE: the docs say the same, line by line.
in_docs() {
	missing=$(grep -vxF -f "$root/docs/mixed-releases.md" "$work/$1.md")
	same 'lines that are not there' '' "$missing"
}

# tabulate TABLE TITLE: what was found makes a table, below a legend from the input; with TABLES=DIRECTORY it goes there
# (make interop).
tabulate() {
	{
		cat
		echo
		awk -F '|' -v title="$2" -f "$interop/table.awk" "$work/$1.found"
	} >"$work/$1.md"
	[ -z "${TABLES:-}" ] || cp "$work/$1.md" "$TABLES/$1.md"
	check 'docs/mixed-releases.md has the table' in_docs "$1"
}
