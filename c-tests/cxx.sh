#!/bin/sh
# A C++17 program that is client and server, for each ABI.
. "$(dirname "$0")/shell/tap.sh"

need "${CXX%% *}" timeout

for abi in $abis; do
	compiled() {
		$CXX -std=c++17 $strict $(cflags "$abi") -o "$work/round-trip-$abi" \
			"$here/cxx/round_trip.cpp" $(libs "$abi") -pthread
	}
	check "$abi: a C++17 program compiles" compiled
	check "$abi: a C++17 client and server talk" \
		timeout 60 "$work/round-trip-$abi" "$work/$abi.sock"
done
finish
