#!/bin/sh
# Counts what calls cost, and writes build/bench/counts.json, or the file that is named; README.md says what is in it.
# With `quick` one size and one ABI only.
# Whether a thread looks before it sleeps is chance.
export DRPC_SPIN_US=0
. "$(dirname "$0")/../c-tests/shell/tap.sh"
. "$here/shell/counts.sh"

# Those for which calls and instructions are counted, too, and all.
small_sizes='0 64 4096 65536 122880 1048576'
sizes="$small_sizes 16777216 67108864"
if [ "${1-}" = quick ]; then
	small_sizes=64
	sizes=64
	abis=2.8
	shift
fi
file=${1:-$BUILD/bench/counts.json}
bench=$root/bench
raw="$bench/c/program.c $bench/c/seqpacket.c $bench/c/message.c"

for abi in $abis; do
	build_counted "$abi"
done
# `make bench-programs` builds them.
take_counted_rust "$cargo_out/release"
mkdir -p "$work/floor"
for program in floor_client floor_server; do
	# shellcheck disable=SC2086
	build $CC -std=gnu11 -O2 $strict -o "$work/floor/$program" "$bench/counts/$program.c" $raw
done
for program in sessions left; do
	build $CC -std=gnu11 -O2 $strict $(cflags 2.8) -o "$work/$program" "$bench/counts/$program.c" $(libs 2.8)
done

# entry WHAT VALUE [SIZE], of $contender and $side
separator='['
entry() {
	printf '%s\n    { "contender": "%s", "side": "%s", %s"what": "%s", "value": %s }' "$separator" \
		"$contender" "$side" "${3:+\"size\": $3, }" "$1" "$2" >>"$work/json"
	separator=,
}

sum_of_system_calls() {
	tr ' ' '\n' | awk -F '*' '{ n += NF > 1 ? $2 : NF } END { printf "%.4g", n }'
}

counted() {
	figures=$("$@") || { echo "$*: $figures" >&2; exit 1; }
}

# contender NAME DIRECTORY PROGRAM
contender() {
	contender=$1
	side=${3##*_}
	counted memory "$2" "$3" "$sizes"
	echo "$figures" >"$work/figures"
	while read -r size blocks bytes _ faults copied; do
		entry allocations "$blocks" "$size"
		entry 'bytes allocated' "$bytes" "$size"
		entry 'bytes copied' "$copied" "$size"
		entry 'page faults' "$(printf %.0f "$faults")" "$size"
	done <"$work/figures"
	counted system_calls "$2" "$3" "$small_sizes"
	echo "$figures" >"$work/figures"
	while read -r size calls; do
		entry 'system calls' "$(echo "$calls" | sum_of_system_calls)" "$size"
	done <"$work/figures"
	counted instructions "$2" "$3" "$small_sizes"
	echo "$figures" >"$work/figures"
	while read -r size others copies; do
		entry instructions $((others + copies)) "$size"
		entry 'instructions without copies' "$others" "$size"
	done <"$work/figures"
}

# seen NAME SERVER PROGRAM ARGUMENT…: what the program finds out of a server's process. It is alone with it, so that what
# it does is all that the server has done.
seen() {
	contender=$1
	side=server
	seen_server=$work/$2
	seen_by=$work/$3
	shift 3
	rm -f "$work/sock" "$work/ready"
	( ulimit -n "$(ulimit -H -n)"; exec "$seen_server" "$work/sock" "$work/ready" ) &
	server=$!
	started "$server"
	await "$work/ready" || exit 1
	counted timeout 120 "$seen_by" "$work/sock" "$server" "$@"
	wait "$server"
	over "$server"
}

idle_sessions() {
	seen 'managed server' 2.8/managed_server sessions 1000
	entry 'idle session, connected' "${figures% *}"
	entry 'idle session, after a call' "${figures#* }"
}

# left NAME SERVER
left() {
	seen "$1" "$2" left 30 8388608
	entry 'left of 30 sessions, 8 MiB' "$figures"
}

contender floor floor floor_client
contender floor floor floor_server
for abi in $abis; do
	contender "plain $abi" "$abi" plain_client
	contender "plain $abi" "$abi" plain_server
done
contender 'progress loop' 2.8 loop_server
contender 'shared client' 2.8 shared_client
contender 'managed server' 2.8 managed_server
contender Rust rust rust_client
contender Rust rust rust_server
idle_sessions
left 'managed server' 2.8/managed_server
left Rust rust/rust_server

mkdir -p "$(dirname "$file")"
{
	cat <<-'END'
	{
	  "notes": [
	    "Each figure is what some calls in a row took, after as many of the same size, divided by the calls.",
	    "Instructions are those of callgrind, the program and the C library included.",
	    "It counts each round of a string instruction, hence each byte or so of a copy.",
	    "Without copies: without memcpy, memmove and memset.",
	    "System calls are those of strace, which slows a program and so changes how often it looks for more.",
	    "Without strace the managed server waits up to twice a call.",
	    "Allocations, and the bytes asked for, are counted between program and C library.",
	    "Bytes copied are those that memcpy and its like copy within the process, in pieces of more than 4 KiB.",
	    "The handler hands back the body that it was given.",
	    "Page faults are those of getrusage, rounded to a whole number a call.",
	    "In 0.8 bodies above 14 KiB go in chunks.",
	    "The plain server waits in drpc_recv_call, the progress loop in drpc_progress.",
	    "Progress loop, shared client and managed server are those of 2.8, with one thread, as are those in Rust.",
	    "Idle sessions: growth of the managed server's private memory with 1,000 of them, divided by 1,000.",
	    "Left of sessions: what a server has more than before when 30 that called at once with 8 MiB have gone for 3 s."
	  ],
	END
	printf '  "counts": '
	cat "$work/json"
	printf '\n  ]\n}\n'
} >"$file"
finished=yes
