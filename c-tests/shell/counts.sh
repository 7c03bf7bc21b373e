# Sourced after tap.sh: what a call costs one of two programs, in counts that do
# not depend on how busy the machine is. The programs make and answer some calls of
# each length, mark, and do so again until the next mark: what happens between the
# two marks is divided by the calls, so that starting and ending do not count. A mark
# is a call of getppid, see counts/hand_back.h.
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

# Messages packed by hand, and by drpc/service.h.
typed_programs='packed_client packed_server typed_client typed_server'

# build_typed ABI: those, which need protoc-c and libprotobuf-c.
build_typed() {
	[ -e "$work/tree.pb-c.o" ] || {
		build protoc-c "--proto_path=$here/service" "--c_out=$work" tree.proto
		build $CC -O2 $protobuf_c -c -o "$work/tree.pb-c.o" "$work/tree.pb-c.c"
	}
	for source in $typed_programs; do
		build $CC -std=gnu11 -O2 $strict $(cflags "$1") "-I$work" -o "$work/$1/$source" \
			"$here/counts/$source.c" "$work/tree.pb-c.o" $(libs "$1") $(pkg-config --libs libprotobuf-c)
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
	packed_server | typed_server) echo packed_client ;;
	*_client) echo plain_server ;;
	*_server) echo plain_client ;;
	esac
}

# calls_of LENGTH: `CALLS LENGTH`, with calls that let the figures settle, without taking long.
calls_of() {
	if [ "$1" -lt 65536 ]; then echo 1000; elif [ "$1" -le 16777216 ]; then echo 20; else echo 5; fi
	echo "$1"
}

# talk DIRECTORY PROGRAM LENGTHS WRAPPER…: calls of these lengths between PROGRAM and its partner. WRAPPER is put before
# PROGRAM, whose output goes to $work/measured. $talks has `CALLS LENGTH` of each length.
talk() {
	talk_dir=$work/$1
	talk_program=$2
	talks=$(for length in $3; do calls_of "$length"; done)
	shift 3
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
	# shellcheck disable=SC2086
	case $talk_program in
	*_client)
		timeout 120 "$@" "$talk_dir/$talk_program" "$work/sock" $talks >"$work/measured" 2>&1
		;;
	*) timeout 120 "$talk_dir/$(partner "$talk_program")" "$work/sock" $talks ;;
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

# between_marks FILE AWK: what the awk program prints of $work/FILE, a line for each length that begins with it. It calls mark()
# at each mark, and defines report(calls), of what it has found since the mark before, and forget().
between_marks() {
	awk -v talks="$(echo $talks)" "$2"'
	BEGIN { split(talks, talk, " ") }
	function mark() {
		if (++marks % 2 == 0)
			print talk[marks] " " report(talk[marks - 1])
		forget()
	}' "$work/$1"
}

# system_calls DIRECTORY PROGRAM LENGTHS: `LENGTH CALL…`, those of a call, such as `recvmsg sendmsg`. What is
# made several times a call stands there as `recvmsg*9`; now and then, `futex*0.30`.
system_calls() {
	talk "$1" "$2" "$3" strace -f -qq -s 0 -o "$work/strace" || return 1
	between_marks strace '
	function report(calls,   name, times, whole, found) {
		for (name in n) {
			times = n[name] / calls
			whole = int(times + 0.5)
			if (times - whole < 0.01 && whole - times < 0.01)
				times = whole
			if (times > 0)
				found = found " " name (times == 1 ? "" : sprintf(times == whole ? "*%d" : "*%.2f", times))
		}
		return found
	}
	function forget() { split("", n) }
	!match($0, /[a-z_0-9]+\(/) || /resumed>/ { next }
	{ name = substr($0, RSTART, RLENGTH - 1) }
	name == "getppid" { mark(); next }
	{ n[name]++ }' |
		while read -r length calls; do
			echo "$length $(echo "$calls" | tr ' ' '\n' | sort | paste -sd ' ' -)"
		done
}

# memory DIRECTORY PROGRAM LENGTHS: `LENGTH BLOCKS BYTES RELEASED FAULTS COPIED` of a call.
memory() {
	rm -f "$work/tally"
	talk "$1" "$2" "$3" env "LD_PRELOAD=$work/tally.so" "TALLY=$work/tally" || return 1
	between_marks tally '
	function report(calls,   i, each, found) {
		for (i = 1; i <= NF; i++) {
			each = $i / calls
			found = found sprintf("%s%.10g", i == 1 ? "" : " ", each < 0.01 ? 0 : int(each * 100 + 0.5) / 100)
		}
		return found
	}
	function forget() { }
	{ mark() }'
}

# instructions DIRECTORY PROGRAM LENGTHS: `LENGTH OTHERS COPIES` of a call: those within memcpy, memmove
# and memset are told apart, as callgrind counts every round of a string instruction, hence each
# byte or so of a copy.
instructions() {
	rm -f "$work/callgrind"
	talk "$1" "$2" "$3" valgrind --tool=callgrind --dump-before=getppid --combine-dumps=yes \
		"--callgrind-out-file=$work/callgrind" || return 1
	between_marks callgrind '
	function report(calls) { return sprintf("%.0f %.0f", n[0] / calls, n[1] / calls) }
	function forget() { n[0] = n[1] = 0; split("", copies) }
	/^totals:/ { mark(); next }
	# Names are written once, as `(7) memcpy`, and are `(7)` from then on.
	/^c?fn=/ {
		id = substr($1, index($1, "=") + 1)
		if (NF > 1)
			copies[id] = $2 ~ /^_*mem(p?cpy|move|set)/
		if (/^fn/)
			copying = copies[id] + 0
		next
	}
	# The line after a call is what the callee took, which counts where that is listed.
	/^calls=/ { getline; next }
	/^[-+*0-9]/ { n[copying] += $2 }'
}
