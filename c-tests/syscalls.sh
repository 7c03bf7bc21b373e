#!/bin/sh
# What a small call costs each side: two system calls, no allocation but what
# the caller gets, and less than 3,000 instructions, the program and libc
# included. Every figure is the difference between a run of some calls and one
# of twice as many, so that starting and ending do not count.
. "$(dirname "$0")/shell/tap.sh"

need strace valgrind timeout
calls=1000
most_instructions=3000

build $CC -O2 -Wall -Wextra -Werror -fPIC -shared -o "$work/count_malloc.so" \
	"$here/syscalls/count_malloc.c"
for abi in $abis; do
	for side in client server; do
		build $CC -std=gnu11 -O2 $strict $(cflags "$abi") -o "$work/$side-$abi" \
			"$here/syscalls/$side.c" $(libs "$abi")
	done
done

# talk ABI CALLS LENGTH SIDE WRAPPER…: a client calls a server; WRAPPER is put
# before the command of SIDE, whose output goes to $work/measured.
talk() {
	talk_abi=$1
	talk_calls=$2
	talk_length=$3
	talk_side=$4
	shift 4
	rm -f "$work/sock" "$work/ready" "$work/measured"
	if [ "$talk_side" = server ]; then
		timeout 120 "$@" "$work/server-$talk_abi" "$work/sock" "$work/ready" \
			>"$work/measured" 2>&1 &
	else
		timeout 120 "$work/server-$talk_abi" "$work/sock" "$work/ready" &
	fi
	server=$!
	started "$server"
	await "$work/ready" || {
		cat "$work/measured"
		return 1
	}
	if [ "$talk_side" = client ]; then
		timeout 120 "$@" "$work/client-$talk_abi" "$work/sock" "$talk_calls" \
			"$talk_length" >"$work/measured" 2>&1
	else
		timeout 120 "$work/client-$talk_abi" "$work/sock" "$talk_calls" "$talk_length"
	fi
	client_rc=$?
	[ "$client_rc" -eq 0 ] || kill "$server"
	wait "$server"
	server_rc=$?
	over "$server"
	[ "$client_rc" -eq 0 ] && [ "$server_rc" -eq 0 ] || {
		cat "$work/measured"
		fail "client ended with $client_rc, server with $server_rc"
	}
}

# Calls of all system calls in the summary of strace -c; of one when it is named.
count_syscalls() {
	awk -v name="$1" '$1 ~ /^[0-9.]+$/ && $NF != "total" && (name == "" || $NF == name) {
		n += $4
	} END { print n + 0 }' "$work/strace"
}

# syscalls ABI SIDE
syscalls() {
	talk "$1" "$calls" 5 "$2" strace -f -c -o "$work/strace" || return 1
	all=$(count_syscalls '')
	sent=$(count_syscalls sendmsg)
	received=$(count_syscalls recvmsg)
	talk "$1" $((2 * calls)) 5 "$2" strace -f -c -o "$work/strace" || return 1
	echo "$(($(count_syscalls '') - all)) $(($(count_syscalls sendmsg) - sent))" \
		"$(($(count_syscalls recvmsg) - received))" >"$work/figures"
	read -r all sent received <"$work/figures"
	same "system calls of $calls calls" $((2 * calls)) "$all" &&
		same 'sendmsg among them' "$calls" "$sent" &&
		same 'recvmsg among them' "$calls" "$received"
}

# allocations ABI SIDE LENGTH EXPECTED: EXPECTED blocks a call, and all released.
allocations() {
	set -- "$1" "$2" "$3" "$4" env "LD_PRELOAD=$work/count_malloc.so" "COUNT_MALLOC=$work/count"
	abi=$1
	side=$2
	length=$3
	expected=$4
	shift 4
	rm -f "$work/count"
	talk "$abi" "$calls" "$length" "$side" "$@" || return 1
	read -r allocated released <"$work/count" || return 1
	rm -f "$work/count"
	talk "$abi" $((2 * calls)) "$length" "$side" "$@" || return 1
	read -r allocated_more released_more <"$work/count" || return 1
	same "allocations of $calls calls" $((expected * calls)) $((allocated_more - allocated)) &&
		same "releases of $calls calls" $((expected * calls)) $((released_more - released))
}

count_instructions() {
	sed -n 's/^==[0-9]*== Collected *: *\([0-9][0-9]*\).*/\1/p' "$work/measured"
}

# instructions ABI SIDE LENGTH
instructions() {
	set -- "$1" "$2" "$3" valgrind --tool=callgrind --callgrind-out-file=/dev/null
	abi=$1
	side=$2
	length=$3
	shift 3
	talk "$abi" "$calls" "$length" "$side" "$@" || return 1
	once=$(count_instructions)
	talk "$abi" $((2 * calls)) "$length" "$side" "$@" || return 1
	twice=$(count_instructions)
	[ -n "$once" ] && [ -n "$twice" ] || fail 'callgrind has not counted' || return 1
	figure=$(((twice - once) / calls))
	echo "$figure" >"$work/figure"
	[ "$figure" -gt 100 ] || fail "$figure instructions cannot be a call" || return 1
	[ "$figure" -lt "$most_instructions" ] || fail "$figure instructions a call"
}

for abi in $abis; do
	for side in client server; do
		rm -f "$work/figures"
		check "$abi $side: two system calls a call" syscalls "$abi" "$side"
		[ ! -e "$work/figures" ] || note "$abi $side: system calls, sendmsg, recvmsg of" \
			"$calls calls: $(cat "$work/figures")"
	done
	# The response, and its body.
	check "$abi client: one block a call, the response" allocations "$abi" client 0 1
	check "$abi client: two blocks a call with a body" allocations "$abi" client 5 2
	# The call and its body; the response and its body are the server's own.
	check "$abi server: call and response" allocations "$abi" server 0 2
	check "$abi server: call and response, each with a body" allocations "$abi" server 5 4
	for side in client server; do
		for length in 0 5; do
			rm -f "$work/figure"
			check "$abi $side: under $most_instructions instructions, body of $length bytes" \
				instructions "$abi" "$side" "$length"
			[ ! -e "$work/figure" ] || note "$abi $side, body of $length bytes:" \
				"$(cat "$work/figure") instructions a call"
		done
	done
done
finish
