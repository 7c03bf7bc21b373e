#!/bin/sh
# The examples, built as their users would. Those in C are compiled with nothing but pkg-config's flags against the
# installed library, shared and static; those in Rust by cargo. Each server is called by each of its clients and then
# told to end.
. "$(dirname "$0")/shell/tap.sh"
. "$(dirname "$0")/shell/installed.sh"

need readelf seq
programs=$work/programs
mkdir "$programs"

# A copy: the examples may lean on nothing that lies around them in the tree.
cp -R "$root/examples" "$work/examples"
chmod -R u+w "$work/examples"

# compile ABI LINKAGE NAME SOURCE…
compile() (
	abi=$1
	linkage=$2
	program=$programs/$3-$1-$2
	shift 3
	cd "$work/examples" && $CC $strict -I. -o "$program" "$@" -pthread $(flags "$abi" "$linkage")
)

linked_as_told() {
	[ -x "$programs/$3-$1-$2" ] || return 1
	if [ "$2" = static ]; then
		! readelf -dW "$programs/$3-$1-$2" | grep "NEEDED.*libdrpc"
	else
		readelf -dW "$programs/$3-$1-$2" | grep "NEEDED.*libdrpc-$1.so"
	fi
}

# run PROGRAM ARGUMENT…
run() {
	LD_LIBRARY_PATH=$prefix/lib timeout 60 "$@"
}

# How servers are told to end: those in C by a signal, the one in Rust by the end of its input.
by_signal() {
	kill "$server"
}
by_input() {
	exec 4>&-
}

# served_by HOW SERVER COMMAND…: runs the command while the server listens on $sock, then ends the server. Both have
# to end well, and the socket has to be gone.
served_by() {
	how=$1
	program=$2
	shift 2
	sock=$work/example.sock
	: >"$work/server.log"
	rm -f "$work/input"
	mkfifo "$work/input"
	LD_LIBRARY_PATH=$prefix/lib timeout 60 "$program" "$sock" <"$work/input" >"$work/server.log" 2>&1 &
	server=$!
	started "$server"
	exec 4>"$work/input"
	await_that grep -q listening "$work/server.log" || return 1
	command_rc=0
	"$@" || command_rc=$?
	"$how"
	server_rc=0
	wait "$server" || server_rc=$?
	over "$server"
	exec 4>&-
	cat "$work/server.log"
	same 'exit code of the client' 0 "$command_rc" && same 'exit code of the server' 0 "$server_rc" &&
		test ! -e "$sock"
}

# greets CLIENT, shares CLIENT, calculates_in_rust CLIENT, returns_lines CLIENT: the client gets what it should.
greets() {
	run "$1" "$sock" world >"$work/client.log" 2>&1
	client_rc=$?
	cat "$work/client.log"
	[ "$client_rc" -eq 0 ] && grep 'Hello, world!' "$work/client.log" && grep 'SUCCESS' "$work/client.log"
}

shares() {
	run "$1" "$sock" >"$work/client.log" 2>&1
	client_rc=$?
	cat "$work/client.log"
	[ "$client_rc" -eq 0 ] && grep '^4 threads, 4000 calls, 4000 right replies$' "$work/client.log" &&
		grep '^counter: 1$' "$work/client.log"
}

calculates_in_rust() {
	run "$1" "$sock" >"$work/client.log" 2>&1
	client_rc=$?
	cat "$work/client.log"
	[ "$client_rc" -eq 0 ] && grep -x '40 + 2 = 42' "$work/client.log" && grep -x '84 / 2 = 42' "$work/client.log" &&
		grep 'the server answered FAILURE' "$work/client.log"
}

# Lines that come back, be it in another order; the last one has no end.
lines() {
	seq 500
	printf last
}
returns_lines() {
	lines | run "$1" "$sock" >"$work/client.log" || return 1
	{ lines && echo; } | sort >"$work/expected"
	sort "$work/client.log" | diff "$work/expected" -
}

# says TEXT COMMAND…: fails, and says why.
says() {
	text=$1
	shift
	! "$@" >"$work/client.log" 2>&1 </dev/null && cat "$work/client.log" && grep -e "$text" "$work/client.log"
}

# stays SERVER CLIENT: a second server leaves a live socket alone, and the first goes on.
stays() {
	says "$sock" run "$1" "$sock" && shares "$2"
}

calculates() {
	run "$1" "$sock" 84 2 >"$work/client.log" 2>&1
	client_rc=$?
	cat "$work/client.log"
	[ "$client_rc" -eq 0 ] && grep '^sum: 86$' "$work/client.log" && grep '^quotient: 42$' "$work/client.log" &&
		says 'FAILURE' run "$1" "$sock" 84 0 && grep '^sum: 84$' "$work/client.log"
}

sources_of() {
	case $1 in
	hello_server) echo hello_server.c hello.pb-c.c ;;
	hello_client) echo "$2/hello_client.c" hello.pb-c.c ;;
	calc_*) echo "calc/$1.c" calc/calc.pb-c.c ;;
	*) echo "$1.c" ;;
	esac
}

for abi in $abis; do
	for linkage in shared static; do
		kind=$abi-$linkage
		for example in hello_server hello_client managed_server loop_server epoll_server shared_client async_client \
			calc_server calc_client; do
			check "$abi $linkage: $example compiles" \
				compile "$abi" "$linkage" "$example" $(sources_of "$example" "$abi")
			check "$abi $linkage: $example is linked as told" \
				linked_as_told "$abi" "$linkage" "$example"
		done
		check "$abi $linkage: hello_server greets its client" \
			served_by by_signal "$programs/hello_server-$kind" greets "$programs/hello_client-$kind"
		check "$abi $linkage: calc_server serves calc_client" \
			served_by by_signal "$programs/calc_server-$kind" calculates "$programs/calc_client-$kind"
		for example in managed_server loop_server; do
			program=$programs/$example-$kind
			check "$abi $linkage: $example serves shared_client" \
				served_by by_signal "$program" shares "$programs/shared_client-$kind"
			check "$abi $linkage: $example serves async_client" \
				served_by by_signal "$program" returns_lines "$programs/async_client-$kind"
			check "$abi $linkage: $example leaves a live socket alone" \
				served_by by_signal "$program" stays "$program" "$programs/shared_client-$kind"
		done
		check "$abi $linkage: epoll_server serves async_client" \
			served_by by_signal "$programs/epoll_server-$kind" returns_lines "$programs/async_client-$kind"
		for client in shared_client async_client; do
			check "$abi $linkage: $client says that there is no server" \
				says 'none.sock: no such file or directory' run "$programs/$client-$kind" "$work/none.sock"
		done
	done
done

# ---- Those in Rust, which speak the wire format of 2.8

build "${CARGO:-cargo}" build --locked -q --manifest-path "$root/Cargo.toml" --workspace --all-features --examples \
	--bin calc_server --bin calc_client
rust=$cargo_out/debug/examples
calc=$cargo_out/debug
check 'Rust: the server serves the client' served_by by_input "$rust/server" shares "$rust/client"
check 'Rust: the server serves a client in C' \
	served_by by_input "$rust/server" shares "$programs/shared_client-2.8-shared"
check 'Rust: the client is served by a server in C' \
	served_by by_signal "$programs/managed_server-2.8-shared" shares "$rust/client"
check 'Rust: the server leaves a live socket alone' \
	served_by by_input "$rust/server" stays "$rust/server" "$rust/client"
check 'Rust: the client says that there is no server' \
	says 'none.sock: no such file or directory' run "$rust/client" "$work/none.sock"
check 'Rust: the typed server serves the typed client' \
	served_by by_input "$calc/calc_server" calculates_in_rust "$calc/calc_client"
check 'Rust: the typed client says that there is no server' \
	says 'none.sock: no such file or directory' run "$calc/calc_client" "$work/none.sock"
finish
