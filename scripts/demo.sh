#!/bin/sh
# Runs the hello examples: for each ABI a server on a socket in a temporary directory, and a client that calls it.
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
	echo "not ok - demo of libdrpc-$abi: $*"
	exit 1
}

for abi; do
	echo "libdrpc-$abi"
	socket=$dir/hello-$abi.sock

	# The server says when it listens; reading that from a pipe waits exactly as long as it takes, and ends at once
	# should the server die. The time limits only keep a broken build from waiting for ever.
	mkfifo "$dir/said-$abi"
	timeout -k 5 60 "$examples/$abi/hello_server" "$socket" >"$dir/said-$abi" &
	server=$!
	exec 3<"$dir/said-$abi"
	read -r said <&3 || fail "the server did not start"
	echo "server: $said"

	status=0
	timeout -k 5 30 "$examples/$abi/hello_client" "$socket" world >"$dir/answer-$abi" || status=$?
	sed 's/^/client: /' "$dir/answer-$abi"
	[ "$status" = 0 ] || fail "the client ended with status $status"

	kill "$server"
	status=0
	wait "$server" || status=$?
	server=
	sed 's/^/server: /' <&3
	exec 3<&-
	[ "$status" = 0 ] || fail "the server ended with status $status"
	[ ! -e "$socket" ] || fail "the server left its socket behind"
	echo "ok - demo of libdrpc-$abi"
done
