#!/bin/sh
# Runs examples: for each ABI a server on a socket in a temporary directory, and a client that calls it; first those of
# the plain API, then the managed server and the shared client, with bodies and with typed calls.
#
#   scripts/demo.sh EXAMPLES_DIRECTORY ABI...
#
# Fails when the client or the server does, or when the server leaves its socket behind.
set -eu

examples=$1
shift

dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || :; rm -rf "$dir"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
	echo "not ok - demo of libdrpc-$abi: $pair: $*"
	exit 1
}

# demo SERVER CLIENT ARGUMENT...: has the client call the server on a socket of its own, and ends the server.
demo() {
	pair="$1, $2"
	server_program=$examples/$abi/$1
	client_program=$examples/$abi/$2
	socket=$dir/$1-$abi.sock
	shift 2

	# The server says when it listens; reading that from a pipe waits exactly as long as it takes, and ends at once
	# should the server die. The time limits only keep a broken build from waiting for ever.
	rm -f "$dir/said"
	mkfifo "$dir/said"
	timeout -k 5 60 "$server_program" "$socket" >"$dir/said" &
	server=$!
	exec 3<"$dir/said"
	read -r said <&3 || fail "the server did not start"
	echo "server: $said"

	status=0
	timeout -k 5 30 "$client_program" "$socket" "$@" >"$dir/answer" || status=$?
	sed 's/^/client: /' "$dir/answer"
	[ "$status" = 0 ] || fail "the client ended with status $status"

	kill "$server"
	status=0
	wait "$server" || status=$?
	server=
	sed 's/^/server: /' <&3
	exec 3<&-
	[ "$status" = 0 ] || fail "the server ended with status $status"
	[ ! -e "$socket" ] || fail "the server left its socket behind"
	echo "ok - demo of libdrpc-$abi: $pair"
}

for abi; do
	echo "libdrpc-$abi"
	demo hello_server hello_client world
	demo managed_server shared_client
	demo calc_server calc_client 84 2
done
