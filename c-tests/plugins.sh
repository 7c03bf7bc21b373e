#!/bin/sh
# Both ABIs in one process, through two plugins: each gets the functions and the
# descriptors of the library it was linked with, whatever the order and the
# visibility of loading, and unloading is safe.
. "$(dirname "$0")/shell/tap.sh"

need timeout
build $CC -std=gnu11 $strict -o "$work/host" "$here/plugins/host.c" -ldl -pthread
for abi in $abis; do
	build $CC -std=gnu11 $strict -fPIC -shared $(cflags "$abi") -o "$work/plugin-$abi.so" \
		"$here/plugins/plugin.c" -Wl,-z,defs $(libs "$abi")
done
old=$work/plugin-0.8.so
young=$work/plugin-2.8.so
old_lib=$BUILD/lib/libdrpc-0.8.so
young_lib=$BUILD/lib/libdrpc-2.8.so
host="timeout 90 $work/host $work"

check '0.8 plugin loaded first' $host "local=$old" "local=$young" 0.8=0 2.8=1 0.8=0 2.8=1
check '2.8 plugin loaded first' $host "local=$young" "local=$old" 2.8=0 0.8=1 2.8=0 0.8=1
check 'plugins loaded RTLD_GLOBAL' $host "global=$old" "global=$young" 2.8=1 0.8=0
check 'plugins loaded RTLD_GLOBAL, 2.8 first' $host "global=$young" "global=$old" 0.8=1 2.8=0
check 'libraries loaded RTLD_GLOBAL, 0.8 first' $host \
	"global=$old_lib" "global=$young_lib" "local=$old" "local=$young" 0.8=2 2.8=3
check 'libraries loaded RTLD_GLOBAL, 2.8 first' $host \
	"global=$young_lib" "global=$old_lib" "local=$old" "local=$young" 0.8=2 2.8=3
check 'the other library preloaded for a 0.8 plugin' \
	env LD_PRELOAD="$young_lib" $host "local=$old" 0.8=0
check 'the other library preloaded for a 2.8 plugin' \
	env LD_PRELOAD="$old_lib" $host "local=$young" 2.8=0
check 'both at once, a thread each' $host "local=$old" "local=$young" both=0,1
check 'one goes on when the other is unloaded' $host \
	"local=$old" "local=$young" 0.8=0 2.8=1 close=0 2.8=1
check 'unloaded and loaded again' $host \
	"local=$old" 0.8=0 close=0 "local=$old" 0.8=1 close=1 "local=$young" 2.8=2 close=2
check 'a thread that used a plugin outlives it' $host \
	"local=$old" "local=$young" thread=0 2.8=1
# The same steps must fail when a plugin is taken for the other ABI.
wrong() {
	! $host "local=$old" 2.8=0
}
check 'a plugin of the wrong ABI is noticed' wrong
finish
