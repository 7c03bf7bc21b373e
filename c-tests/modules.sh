#!/bin/sh
# Numbers of modules and methods, the same in all places that have them. These are the constants of src/modules/mod.rs,
# the headers, and DAOS's numbers as support/modules-*.h records them.
. "$(dirname "$0")/shell/tap.sh"

# The lists below have lines of the form `NAME number`.

# in_header ABI
in_header() {
	sed -n 's/^ *\([A-Z0-9_]*\) = \([0-9]*\),$/\1 \2/p' "$root/include/$1/daos/drpc_modules.h"
}

# in_record ABI
in_record() {
	sed -n 's/^IS(\([A-Z0-9_]*\), \([0-9]*\))$/\1 \2/p' "$here/support/modules-$1.h"
}

# in_rust ABI: the constants of the releases of an ABI, under their names in C.
in_rust() {
	awk -v abi="$1" '
		/^#\[cfg\(test\)\]/ { exit }
		/^pub mod .* [{]/ { module = toupper($3) "_" }
		/^    pub mod before_1_2 [{]/ { before_1_2 = 1 }
		/^    }/ { before_1_2 = 0 }
		/^ *\/\/\/ / { newer = /Since/ && !/Since (0|1\.0)\./ }
		/^ *pub const / && (abi == "0.8" ? !newer : !before_1_2) {
			name = $3; number = $6; sub(/:/, "", name); sub(/;/, "", number)
			if (name == "TEST") name = "MODULE_TEST"
			else if (name == "MODULE") name = "MODULE_" substr(module, 1, length(module) - 1)
			# DAOS leaves the module out of these names.
			else if (module == "SRV_" && name ~ /^CHK_/) name = "METHOD_" name
			else name = "METHOD_" module name
			print "DRPC_" name, number
		}
	' "$root/src/modules/mod.rs"
}

# agree FILE FILE: two lists have the same lines, and there are some; what differs is shown as diff does.
agree() {
	sort "$1" >"$work/one" && sort "$2" >"$work/other" && test -s "$1" && diff "$work/one" "$work/other"
}

# counts_on FILE: each NUM_... is the number before it plus one.
counts_on() {
	awk '/^NUM_/ && $2 != last + 1 { print; wrong = 1 } { last = $2 } END { exit wrong }' "$1"
}

for abi in $abis; do
	in_header "$abi" >"$work/header"
	in_record "$abi" >"$work/record"
	in_rust "$abi" >"$work/rust"
	grep -v '^NUM_' "$work/header" >"$work/named"
	check "$abi: the header (<) has what support/modules-$abi.h (>) has" agree "$work/header" "$work/record"
	check "$abi: the header (<) has what src/modules/mod.rs (>) has" agree "$work/named" "$work/rust"
	check "$abi: each NUM_... of the header is the last number plus one" counts_on "$work/header"
done
finish
