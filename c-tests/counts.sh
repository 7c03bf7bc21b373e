#!/bin/sh
# No call costs more than counts/budget says, in counts alone: time would depend
# on what else the machine does.
. "$(dirname "$0")/shell/tap.sh"
. "$here/shell/counts.sh"

for abi in $abis; do
	build_counted "$abi"
	build_typed "$abi"
done
build "${CARGO:-cargo}" build --locked -q --manifest-path "$root/Cargo.toml" --workspace --all-features --example counted_client \
	--example counted_server
take_counted_rust "$cargo_out/debug/examples"

# measured WHAT ABI PROGRAM LENGTH: its line, without the length, of what WHAT prints of all lengths of that program at once.
measured() {
	table=$work/$2/$3.$1
	if [ ! -e "$table" ]; then
		lengths=$(awk -v abi="$2" -v program="$3" '$1 == abi && $2 == program { print $3 }' "$here/counts/budget")
		# A program without a line is only compared with another.
		: "${lengths:=$4}"
		# Whether a thread looks before it sleeps is chance. That changes what it calls, but not the memory.
		spin=0
		[ "$1" = memory ] && spin=
		DRPC_SPIN_US=$spin "$1" "$2" "$3" "$lengths" >"$table" || { cat "$table"; rm "$table"; return 1; }
	fi
	sed -n "s/^$4 //p" "$table" | grep .
}

# made ABI PROGRAM LENGTH EXPECTED
made() {
	found=$(measured system_calls "$1" "$2" "$3") || fail "$found" || return 1
	# What may be made once or twice.
	found=$(echo "$found" | awk -v RS='[ \n]+' -v ORS=' ' -v expected=" $4 " '{
		split($0, call, "*")
		print (index(expected, " ~" call[1] " ") && call[2] < 2.1 ? "~" call[1] : $0)
	}')
	same 'system calls' "$4" "${found% }"
}

# takes ABI PROGRAM LENGTH BLOCKS FAULTS COPIED: every block is released, too.
takes() {
	# Where the machine is busy another thread takes over, whose memory is new: then it is counted again.
	for attempt in 1 2 3; do
		[ "$attempt" -eq 1 ] || rm "$work/$1/$2.memory"
		figures=$(measured memory "$1" "$2" "$3") || fail "$figures" || return 1
		echo "$figures" >"$work/figures"
		read -r found _ released faults copied <"$work/figures"
		same 'blocks released' "$found" "$released" || return 1
		case $4 in
		-) ;;
		'<='*) at_most 'blocks allocated' "${4#<=}" "$found" || return 1 ;;
		*) same 'blocks allocated' "$4" "$found" || return 1 ;;
		esac
		at_most 'bytes copied' "$6" "$copied" || return 1
		# A page now and then is chance; a body of 1 MiB in fresh memory is 256 of them.
		awk -v found="$faults" -v most="$5" 'BEGIN { exit !(found < most + 1) }' && return 0
	done
	fail "page faults: $faults, also in run $attempt"
}

# at_most WHAT MOST FOUND
at_most() {
	awk -v found="$3" -v most="$2" 'BEGIN { exit !(found <= most) }' || fail "$1: $2 at most, found $3"
}

# runs ABI PROGRAM LENGTH BUDGET
runs() {
	figures=$(measured instructions "$1" "$2" "$3") || fail "$figures" || return 1
	echo "$figures" >"$work/figures"
	read -r figure copying <"$work/figures"
	[ "$3" -ge 65536 ] || figure=$((figure + copying))
	[ "$figure" -gt 100 ] || fail "$figure instructions cannot be a call" || return 1
	[ "$figure" -le "$4" ] || fail "$figure instructions"
}

while read -r abi program bytes blocks budget faults copied_most expected <&3; do
	case $abi in
	''|\#*) continue ;;
	esac
	what="$abi $program, $bytes bytes"
	[ "$expected" = - ] || check "$what: $expected" made "$abi" "$program" "$bytes" "$expected"
	taken="page faults <=$faults, bytes copied <=$copied_most, all blocks released"
	[ "$blocks" = - ] || taken="blocks $blocks, $taken"
	check "$what: $taken" takes "$abi" "$program" "$bytes" "$blocks" "$faults" "$copied_most"
	[ "$budget" = - ] && continue
	figure=
	check "$what: $budget instructions at most" runs "$abi" "$program" "$bytes" "$budget"
	[ -z "$figure" ] || note "$what: $figure instructions, $((figure + figure / 10)) with a tenth more"
done 3<"$here/counts/budget"

# The most instructions that a typed call may take beyond one that is packed by hand.
typed_most=400

# costs_little_more ABI SIDE
costs_little_more() {
	runs "$1" "packed_$2" 64 1000000 || return 1
	packed=$figure
	runs "$1" "typed_$2" 64 "$((packed + typed_most))"
}
for abi in $abis; do
	for side in client server; do
		check "$abi: a typed call of 64 bytes takes the $side $typed_most instructions more at most than a packed one" \
			costs_little_more "$abi" "$side"
		note "$abi $side: typed $figure, packed by hand $packed"
	done
done
finish
