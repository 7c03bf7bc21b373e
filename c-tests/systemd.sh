#!/bin/sh
# The units of examples/systemd are right. And a server that is started anew on the socket that its manager keeps loses no client.
. "$(dirname "$0")/shell/tap.sh"

need strace timeout
units=$root/examples/systemd
for abi in $abis; do
	# shellcheck disable=SC2046
	build $CC -std=gnu11 -O1 $strict -pthread -o "$work/keeper-$abi" "$here/systemd/keeper.c" $(cflags "$abi") $(libs "$abi")
	# shellcheck disable=SC2046
	build $CC -std=gnu11 -O1 $strict -pthread -o "$work/server-$abi" "$root/examples/managed_server.c" $(cflags "$abi") $(libs "$abi")
done

# ---- A stand-in keeps the socket, as systemd does

for abi in $abis; do
	tap_program "$abi" timeout 120 "$work/keeper-$abi" "$work/keeper-$abi.sock" "$work/server-$abi"
done

# ---- systemd's own

# has TOOL: else what it would show is left out, which the line says.
has() {
	command -v "$1" >/dev/null 2>&1 || {
		note "left out, because $1 is not installed: $2"
		return 1
	}
}

command=$BUILD/bin-dev/drpc
[ -x "$command" ] || command=$BUILD/bin/drpc
activated() {
	sock=$work/activated-$1.sock
	systemd-socket-activate --seqpacket --listen="$sock" "$work/server-$1" "$sock" >"$work/activate.log" 2>&1 &
	activator=$!
	started "$activator"
	await "$sock" || return 1
	! grep 'listening on' "$work/activate.log" || fail 'the server runs before there is a client' || return 1
	timeout 60 "$command" call "$sock" 100/1 --raw "@$work/body" >"$work/answer" || return 1
	kill "$activator"
	wait "$activator"
	status=$?
	over "$activator"
	cat "$work/activate.log"
	same 'exit code of the server' 0 "$status" && cmp "$work/body" "$work/answer"
}
printf hello >"$work/body"
if has systemd-socket-activate 'a client that connects before systemd starts the server'; then
	for abi in $abis; do
		check "$abi: a client that connects before systemd starts the server is answered" activated "$abi"
	done
fi

# The server takes the socket that is bound to its path, and no stream.
one_path() {
	sed -n 's/^ListenSequentialPacket=//p' "$units/managed-server.socket" >"$work/listens"
	sed -n 's/^ExecStart=[^ ]* //p' "$units/managed-server.service" >"$work/serves"
	[ -s "$work/listens" ] && diff "$work/listens" "$work/serves"
}
check 'both units name the same path' one_path

if has systemd-analyze 'what systemd says of the units'; then
	mkdir "$work/units"
	for unit in managed-server.socket managed-server.service; do
		sed "s|/usr/local/bin/managed_server|$work/server-2.8|" "$units/$unit" >"$work/units/$unit"
	done
	verified() {
		systemd-analyze verify --man=no "$work/units/managed-server.socket" "$work/units/managed-server.service" >"$work/found" 2>&1
		verified_rc=$?
		cat "$work/found"
		[ "$verified_rc" -eq 0 ] && [ ! -s "$work/found" ]
	}
	check 'systemd verifies the units' verified

	# 0 is without any risk, 10 without any hardening. The threshold is ten times that.
	check 'systemd calls the service safe' \
		systemd-analyze security --no-pager --offline=yes --threshold=10 "$work/units/managed-server.service"

	# set NAME: the system calls of a set, those of the sets in it, too.
	set_of() {
		systemd-analyze syscall-filter "$1" | sed '1d; s/^ *//; /^#/d' | while read -r name; do
			case $name in
			@*) set_of "$name" ;;
			*) echo "$name" ;;
			esac
		done
	}
	# filter SIGN: the sets of SystemCallFilter= without a tilde, or with one.
	filter() {
		sed -n "s/^SystemCallFilter=$1@/@/p" "$units/managed-server.service" | tr ' ' '\n' | while read -r set; do
			set_of "$set"
		done | sort -u
	}
	# What the server calls, under a keeper that starts it anew, beside what systemd lets through always.
	let_through() {
		filter '' >"$work/listed"
		filter '~' | comm -23 "$work/listed" - >"$work/allowed"
		[ "$(wc -l <"$work/allowed")" -gt 100 ] || fail 'too few system calls are let through' || return 1
		set_of @default >>"$work/allowed"
		timeout 120 strace -f -qq -o "$work/strace" -e signal=none "$work/keeper-2.8" "$work/traced.sock" "$work/server-2.8" || return 1
		# The servers are the processes that have called execve, but for the keeper, and the threads that these have made.
		awk 'NR == 1 { keeper = $1 }
			NR == FNR && $2 ~ /^execve/ && $1 != keeper { server[$1] = 1 }
			NR == FNR && ($1 in server) && /clone3?(\(| resumed).* = [0-9]+$/ { server[$NF] = 1 }
			NR != FNR && ($1 in server) && $2 ~ /^[a-z_0-9]+\(/ { sub(/\(.*/, "", $2); print $2 }' \
			"$work/strace" "$work/strace" | sort -u >"$work/called"
		grep -qx sendto "$work/called" || fail 'too few system calls were traced' || return 1
		sort -u "$work/allowed" | comm -13 - "$work/called" >"$work/refused"
		[ ! -s "$work/refused" ] || fail "$(cat "$work/refused")"
	}
	check 'SystemCallFilter= lets through what the server calls' let_through
	opens_local_sockets() {
		! grep 'socket(' "$work/strace" | grep -v 'socket(AF_UNIX'
	}
	check 'RestrictAddressFamilies= lets through the sockets of servers and clients' opens_local_sockets
fi
finish
