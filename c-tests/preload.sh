#!/bin/sh
# Programs linked with another library's unversioned drpc_* symbols, run on ours under LD_PRELOAD. They are the programs
# of dropin/, linked with a stand-in that answers nothing, position-independent and not (there the descriptors are copied
# into the program).
. "$(dirname "$0")/shell/tap.sh"
. "$(dirname "$0")/shell/converse.sh"

for abi in $abis; do
	build $CC -std=gnu11 -O1 -Wall -Werror -fPIC -shared $(cflags "$abi") \
		-o "$work/libstandin-$abi.so" "$here/preload/standin.c"
done

# What it says must come from the stand-in, or the other tests prove nothing.
reaches_standin() {
	program_rc=0
	timeout 90 "$1" "$work/unused.sock" 1 || program_rc=$?
	same 'exit code without LD_PRELOAD' 42 "$program_rc"
}

for abi in $abis; do
	for program in $(dropin_programs "$abi"); do
		for kind in pie no-pie; do
			case $kind in
			pie) how='-fPIE -pie' ;;
			no-pie) how='-fno-pie -no-pie' ;;
			esac
			linked=$work/$abi-$program-$kind
			build $CC -std=gnu11 $how $(cflags "$abi") -o "$linked" \
				"$here/dropin/$abi/$program.c" -L"$work" -Wl,-rpath,"$work" \
				-Wl,--no-as-needed "-lstandin-$abi"
			check "$abi: $program ($kind) is linked with the stand-in" reaches_standin "$linked"
			check "$abi: $program ($kind) preloaded speaks the recorded bytes" \
				converse "$abi" "$program" \
				env LD_PRELOAD="$BUILD/lib/libdrpc-$abi.so" "$linked"
		done
	done
done
finish
