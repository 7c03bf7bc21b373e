#!/bin/sh
# The programs of README.md and of pages of docs/, compiled and run as they stand.
. "$(dirname "$0")/shell/tap.sh"

# Every fence of C goes to the file that its first line names.
awk -v work="$work/" '
	/^```c$/ { fence = 1; next }
	/^```/ { fence = 0; next }
	fence == 1 { match($0, /[a-z0-9.-]+\.c/); out = work substr($0, RSTART, RLENGTH); fence = 2 }
	fence { print > out }
' "$root/README.md" "$root/docs/c-api.md" "$root/docs/daos.md"

# is_heard CLIENT: calls, and says whether somebody listens.
is_heard() {
	client_rc=0
	"$1" "$work/sock" >"$work/answer" 2>&1 || client_rc=$?
	! grep -q refused "$work/answer"
}

# greet ABI SERVER CLIENT: what the client prints when it calls the server.
greet() {
	rm -f "$work/sock"
	"$work/$2-$1" "$work/sock" &
	running=$!
	started "$running"
	await "$work/sock"
	# Between bind and listen the server still refuses.
	await_that is_heard "$work/$3-$1"
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
	for program in server client daemon loop shared; do
		source=$work/$program.c
		[ "$program" = client ] && source=$work/client-$abi.c
		check "$abi: $program of the docs compiles" \
			$CC -std=c11 -D_DEFAULT_SOURCE $strict $(cflags "$abi") -o "$work/$program-$abi" "$source" $(libs "$abi")
	done
	for server in server daemon loop; do
		for client in client shared; do
			check "$abi: $client and $server of the docs talk" greet "$abi" "$server" "$client"
		done
	done
	check "$abi: the client of the docs says what is wrong" complain "$abi"
	check "$abi: typed of the README compiles" $CC -std=c11 -D_DEFAULT_SOURCE $strict -I"$root/examples/calc" $(cflags "$abi") \
		$(pkg-config --cflags libprotobuf-c) -o "$work/typed-$abi" "$work/typed.c" "$root/examples/calc/calc.pb-c.c" \
		$(libs "$abi") $(pkg-config --libs libprotobuf-c)
	check "$abi: typed of the README adds" same 'what it prints' '20 + 22 = 42' "$("$work/typed-$abi" "$work/typed.sock" 2>&1)"
done
check 'no program of the docs is left out' same 'the programs' \
	'client-0.8.c client-2.8.c daemon.c loop.c server.c shared.c typed.c ' "$(cd "$work" && ls ./*.c | sed 's|^./||' | tr '\n' ' ')"

finish
