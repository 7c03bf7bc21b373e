#!/bin/sh
# Runs examples: for each ABI a server on a socket in a temporary directory, and a client that calls it; first those of
# the plain API, then the managed server and the shared client, with bodies and with typed calls. Programs in Rust call
# those in C, are called by them, and call each other.
#
#   scripts/demo.sh EXAMPLES_DIRECTORY DRPC ABI...
#
# Fails when the client or the server does, or when the server leaves its socket behind.
set -eu

examples=$1
drpc=$2
shift 2
proto=$(dirname "$0")/../examples/calc/calc.proto

dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || :; rm -rf "$dir"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
	echo "not ok - demo of $of: $pair: $*"
	exit 1
}

# program NAME: the file of an example, or a file. Those of an ABI have names without a folder.
program() {
	case $1 in
	/*) echo "$1" ;;
	*/*) echo "$examples/$1" ;;
	*) echo "$examples/$abi/$1" ;;
	esac
}

# demo SERVER CLIENT ARGUMENT...: has the client call the server on a socket of its own, and ends the server: one in C
# by a signal, one in Rust by the end of its input.
demo() {
	pair="$1, ${2#"$dir/"}"
	server_program=$(program "$1")
	client_program=$(program "$2")
	socket=$dir/$(basename "$1").sock
	shift 2

	# The server says when it listens; reading that from a pipe waits exactly as long as it takes, and ends at once
	# should the server die. The time limits only keep a broken build from waiting for ever.
	rm -f "$dir/said" "$dir/input"
	mkfifo "$dir/said" "$dir/input"
	timeout -k 5 60 "$server_program" "$socket" >"$dir/said" <"$dir/input" &
	server=$!
	exec 3<"$dir/said" 4>"$dir/input"
	read -r said <&3 || fail "the server did not start"
	echo "server: $said"

	status=0
	timeout -k 5 30 "$client_program" "$socket" "$@" >"$dir/answer" || status=$?
	sed 's/^/client: /' "$dir/answer"
	[ "$status" = 0 ] || fail "the client ended with status $status"

	exec 4>&-
	case $pair in
	rust/*) ;;
	*) kill "$server" ;;
	esac
	status=0
	wait "$server" || status=$?
	server=
	sed 's/^/server: /' <&3
	exec 3<&-
	[ "$status" = 0 ] || fail "the server ended with status $status"
	[ ! -e "$socket" ] || fail "the server left its socket behind"
	echo "ok - demo of $of: $pair"
}

for abi; do
	of=libdrpc-$abi
	echo "$of"
	demo hello_server hello_client world
	demo managed_server shared_client
	demo calc_server calc_client 84 2
	demo calc_server rust/calc_client
	demo rust/calc_server calc_client 84 2
done

of=Rust
echo "$of"
demo rust/calc_server rust/calc_client

# Any server is asked from the shell, too.
of="the command drpc"
echo "$of"
cat >"$dir/drpc" <<END
#!/bin/sh
set -e
echo drpc ping
"$drpc" ping "\$1"
echo drpc call
"$drpc" call "\$1" 100/10001 --proto "$proto" --request calc.AddRequest --response calc.AddResponse '{"a": 20, "b": 22}'
END
chmod +x "$dir/drpc"
demo calc_server "$dir/drpc"
