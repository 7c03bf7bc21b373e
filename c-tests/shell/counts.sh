# Sourced after tap.sh: what a call costs one of two programs, in counts that do
# not depend on how busy the machine is. Every figure is the difference between
# a run of some calls and one of twice as many, divided by the calls, so that
# starting and ending do not count.
#
# A program is called by its name in counts/ and lies in a directory of $work, which for
# those that are linked with one of the libraries is named after its ABI, and for those in Rust rust.

need strace valgrind timeout
build $CC -O2 $strict -fPIC -shared -o "$work/tally.so" "$here/counts/tally.c"

counted_programs='plain_client plain_server loop_server shared_client managed_server connect_client connect_server'

# build_counted ABI: the programs, linked with the library of that ABI.
build_counted() {
	mkdir -p "$work/$1"
	for source in $counted_programs; do
		build $CC -std=gnu11 -O2 $strict $(cflags "$1") -o "$work/$1/$source" \
			"$here/counts/$source.c" $(libs "$1")
	done
}

# take_counted_rust DIRECTORY: the programs in Rust lie there; they talk to those of 2.8.
take_counted_rust() {
	mkdir -p "$work/rust"
	ln -s "$work/2.8/plain_client" "$work/2.8/plain_server" "$work/rust"
	ln -s "$1/counted_client" "$work/rust/rust_client"
	ln -s "$1/counted_server" "$work/rust/rust_server"
}

# Who a program talks to.
partner() {
	case $1 in
	floor_client) echo floor_server ;;
	floor_server) echo floor_client ;;
	connect_client) echo connect_server ;;
	connect_server) echo connect_client ;;
	*_client) echo plain_server ;;
	*_server) echo plain_client ;;
	esac
}

# talk DIRECTORY PROGRAM CALLS LENGTH WRAPPER…: so many calls between PROGRAM and its
# partner. WRAPPER is put before PROGRAM, whose output goes to $work/measured.
talk() {
	talk_dir=$work/$1
	talk_program=$2
	talk_calls=$3
	talk_length=$4
	shift 4
	rm -f "$work/sock" "$work/ready" "$work/measured"
	case $talk_program in
	*_server)
		timeout 120 "$@" "$talk_dir/$talk_program" "$work/sock" "$work/ready" \
			>"$work/measured" 2>&1 &
		;;
	*) timeout 120 "$talk_dir/$(partner "$talk_program")" "$work/sock" "$work/ready" & ;;
	esac
	server=$!
	started "$server"
	await "$work/ready" || {
		kill "$server"
		cat "$work/measured"
		return 1
	}
	case $talk_program in
	*_client)
		timeout 120 "$@" "$talk_dir/$talk_program" "$work/sock" "$talk_calls" \
			"$talk_length" >"$work/measured" 2>&1
		;;
	*)
		timeout 120 "$talk_dir/$(partner "$talk_program")" "$work/sock" "$talk_calls" \
			"$talk_length"
		;;
	esac
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

# system_calls DIRECTORY PROGRAM CALLS LENGTH: those of a call, such as `recvmsg sendmsg`. What is
# made several times a call stands there as `recvmsg*9`; now and then, `futex*0.30`.
system_calls() {
	for times in 1 2; do
		talk "$1" "$2" $((times * $3)) "$4" strace -f -c -o "$work/strace-$times" || return 1
	done
	awk -v calls="$3" '
	$1 !~ /^[0-9.]+$/ || $NF == "total" { next }
	NR == FNR { n[$NF] -= $4; next }
	{ n[$NF] += $4 }
	END {
		for (name in n) {
			times = n[name] / calls
			whole = int(times + 0.5)
			if (times - whole < 0.01 && whole - times < 0.01)
				times = whole
			if (times > 0)
				print name (times == 1 ? "" : sprintf(times == whole ? "*%d" : "*%.2f", times))
		}
	}' "$work/strace-1" "$work/strace-2" | sort | paste -sd ' ' -
}

# memory DIRECTORY PROGRAM CALLS LENGTH: `BLOCKS BYTES RELEASED FAULTS COPIED` of a call.
memory() {
	for times in 1 2; do
		rm -f "$work/tally-$times"
		talk "$1" "$2" $((times * $3)) "$4" \
			env "LD_PRELOAD=$work/tally.so" "TALLY=$work/tally-$times" || return 1
	done
	awk -v calls="$3" '
	NR == FNR { for (i = 1; i <= NF; i++) n[i] = $i; next }
	{
		for (i = 1; i <= NF; i++) {
			each = ($i - n[i]) / calls
			printf "%s%.10g", i == 1 ? "" : " ", each < 0.01 ? 0 : int(each * 100 + 0.5) / 100
		}
		print ""
	}' "$work/tally-1" "$work/tally-2"
}

# instructions DIRECTORY PROGRAM CALLS LENGTH: `OTHERS COPIES` of a call: those within memcpy, memmove
# and memset are told apart, as callgrind counts every round of a string instruction, hence each
# byte or so of a copy.
instructions() {
	for times in 1 2; do
		rm -f "$work/callgrind-$times"
		talk "$1" "$2" $((times * $3)) "$4" \
			valgrind --tool=callgrind "--callgrind-out-file=$work/callgrind-$times" || return 1
	done
	awk -v calls="$3" '
	# Names are written once, as `(7) memcpy`, and are `(7)` from then on.
	/^c?fn=/ {
		id = substr($1, index($1, "=") + 1)
		if (NF > 1)
			copies[FILENAME, id] = $2 ~ /^_*mem(p?cpy|move|set)/
		if (/^fn/)
			copying = copies[FILENAME, id]
		next
	}
	# The line after a call is what the callee took, which counts where that is listed.
	/^calls=/ { getline; next }
	/^[-+*0-9]/ { n[FILENAME == ARGV[1], copying] += $2 }
	END {
		printf "%.0f %.0f\n", (n[0, 0] - n[1, 0]) / calls, (n[0, 1] - n[1, 1]) / calls
	}' "$work/callgrind-1" "$work/callgrind-2"
}
