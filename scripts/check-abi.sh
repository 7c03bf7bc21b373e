#!/bin/sh
# Holds each ABI against that of the last release, abi/ABI/baseline.abi: programs that are compiled already keep working.
#
#   scripts/check-abi.sh TREE ABI...
#
# Symbols and types may be added. Prints TAP; what has changed stands behind `#`.
set -eu

tree=$1
shift
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# The sizes in the baselines are those of this machine.
machine=$("${CC:-cc}" -dumpmachine)
case $machine in
x86_64-*) ;;
*)
	echo "# the baselines are of x86-64: left out for $machine"
	exit
	;;
esac

# report WHAT FILE: ok if nothing is in the file.
report() {
	if [ -s "$2" ]; then
		echo "not ok - $1"
		sed 's/^/# /' "$2"
		failures=$((failures + 1))
	else
		echo "ok - $1"
	fi
}

# versions FILE: the symbols in a file of abidw, each with its version.
versions() {
	sed -n "s/.*<elf-symbol name='\([^']*\)'.* version='\([^']*\)'.*/\1@@\2/p" "$1" | grep -v '@@TYPES$' | sort
}

for abi; do
	baseline=$tree/abi/$abi/baseline.abi
	"$here/dump-abi.sh" "$tree" "$abi" "$work/now.abi"
	# The summary is printed in any case.
	abidiff --no-added-syms --suppressions "$here/abidiff.ini" "$baseline" "$work/now.abi" >"$work/said" 2>&1 && : >"$work/said"
	report "$abi: symbols and types of the last release are as they were" "$work/said"

	# An added symbol has to stand under a node that the last release does not have.
	versions "$baseline" >"$work/released"
	sed 's/.*@@//' "$work/released" | sort -u >"$work/nodes"
	"$here/symbols.sh" --versions "$tree/abi/$abi/exports.map" | sort | comm -13 "$work/released" - |
		awk -F @@ 'NR == FNR { released[$1]; next } $2 in released { print $1 " has been added to " $2 }' "$work/nodes" - \
			>"$work/added"
	report "$abi: nodes of the last release have gained nothing" "$work/added"
done
[ "$failures" = 0 ]
