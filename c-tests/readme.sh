#!/bin/sh
# The programs of README.md: taken out of it, compiled and run as they stand.
. "$(dirname "$0")/shell/tap.sh"

# Every fence of C goes to a file of its own: program-1.c and on.
awk -v out="$work/program-" '
	/^```c$/ { inside = 1; count++; next }
	/^```/ { inside = 0 }
	inside { print > (out count ".c") }
' "$root/README.md"

# program-N.c is for these ABIs.
server=1
client_of() {
	case $1 in
	0.8) echo 2 ;;
	2.8) echo 3 ;;
	esac
}

greet() {
	rm -f "$work/sock"
	"$work/server-$1" "$work/sock" &
	running=$!
	started "$running"
	await "$work/sock"
	# Between bind and listen the server still refuses.
	client_rc=1
	for attempt in 1 2 3 4 5 6 7 8 9 10; do
		"$work/client-$1" "$work/sock" >"$work/answer" 2>&1
		client_rc=$?
		grep -q refused "$work/answer" || break
		sleep 0.1
	done
	kill "$running"
	wait "$running" 2>/dev/null
	over "$running"
	same 'what the client prints' 'status 0: hello' "$(cat "$work/answer")" && [ "$client_rc" -eq 0 ]
}

complain() {
	same 'what the client says' \
		"connect $work/none.sock: no such file or directory: the server is not running, or uses another path" \
		"$("$work/client-$1" "$work/none.sock" 2>&1)"
}

for abi in $abis; do
	for side in server client; do
		number=$server
		[ "$side" = server ] || number=$(client_of "$abi")
		check "$abi: the README's $side compiles" \
			$CC -std=c11 -D_DEFAULT_SOURCE $strict $(cflags "$abi") -o "$work/$side-$abi" "$work/program-$number.c" $(libs "$abi")
	done
	check "$abi: the README's client and server talk" greet "$abi"
	check "$abi: the README's client says what is wrong" complain "$abi"
done
check 'no program of the README is left out' test ! -e "$work/program-4.c" -a -e "$work/program-3.c"

finish
