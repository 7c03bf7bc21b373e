#!/bin/sh
# Holds the libraries and the headers of each ABI against its export list, and looks at how the libraries were linked.
#
#   scripts/check-exports.sh LIBRARY_DIRECTORY VERSION ABI...
#
# Prints TAP; what differs stands behind `#`.
set -eu

lib=$1
version=$2
shift 2
major=${version%%.*}
here=$(dirname "$0")

# The most a library may weigh, in bytes.
shared_limit=1100000
static_limit=2000000

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

ok() { echo "ok - $*"; }
not_ok() {
	echo "not ok - $*"
	failures=$((failures + 1))
}

# same WHAT EXPECTED FOUND: two sorted lists in files are equal, and not empty.
same() {
	if [ -s "$2" ] && cmp -s "$2" "$3"; then
		ok "$1"
	else
		not_ok "$1"
		comm -23 "$2" "$3" | sed 's/^/# missing: /'
		comm -13 "$2" "$3" | sed 's/^/# not expected: /'
	fi
}

# equal WHAT EXPECTED FOUND: the same of two words.
equal() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: expected '$2', found '$3'"; fi
}

# below WHAT LIMIT FILE
below() {
	size=$(wc -c <"$3")
	if [ "$size" -gt 0 ] && [ "$size" -lt "$2" ]; then ok "$1: $size bytes"; else
		not_ok "$1: $size bytes, the limit is $2"
	fi
}

# The text of an ABI's own headers, after preprocessing, without what they include from the system.
preprocessed() {
	(cd "include/$1" && find . -name '*.h' | sort | sed 's|^\./\(.*\)|#include <\1>|') |
		"${CC:-cc}" -E -x c -I "include/$1" $(pkg-config --cflags libprotobuf-c) - |
		awk -v ours="\"include/$1/" '/^# [0-9]+ "/ { mine = index($3, ours) == 1; next } mine'
}

# Prints `function NAME` or `data NAME` for each declaration of something external.
declared() {
	preprocessed "$1" | tr '\n\t' '  ' |
		# Bodies of structs, enums and inline functions go, from the innermost outwards.
		sed -e ':again' -e 's/{[^{}]*}/@/' -e 't again' -e 's/)[ ]*@/);/g' | tr ';' '\n' |
		awk '
			{ sub(/^ */, "") }
			/^(typedef|static|_Static_assert)/ { next }
			/\(/ { sub(/ *\(.*/, ""); sub(/.*[^A-Za-z0-9_]/, ""); print "function", $0; next }
			/^extern/ { sub(/ *(\[.*)?$/, ""); sub(/.*[^A-Za-z0-9_]/, ""); print "data", $0 }
		' | sort -u
}

dynamic() { readelf -dW "$1" | sed -n "s/.*($2).*\[\(.*\)\]/\1/p" | sort; }

check() {
	abi=$1
	name=libdrpc-$abi
	real=$lib/$name.so.$version
	archive=$lib/$name.a

	# The three names of the shared library.
	if [ -f "$real" ] && [ ! -L "$real" ]; then ok "$name: real file"; else not_ok "$name: no file $real"; fi
	equal "$name: SONAME link" "$name.so.$version" "$(readlink "$lib/$name.so.$major")"
	equal "$name: development link" "$name.so.$major" "$(readlink "$lib/$name.so")"

	# The symbols, everywhere the same.
	"$here/symbols.sh" "abi/$abi/exports.map" | sort >"$work/list"
	equal "$name: no symbol stands twice in the list" "" "$(uniq -d "$work/list")"
	"$here/symbols.sh" --versions "abi/$abi/exports.map" | sort >"$work/versioned"
	# The version nodes themselves are listed too, as absolute symbols.
	nm -D --defined-only "$real" | awk '$2 != "A" { print $3 }' | sort >"$work/shared"
	equal "$name: versions are of this ABI" "" "$(sed 's/.*@@//' "$work/versioned" | grep -vE "^DRPC_$abi(_[0-9.]+)?\$" || :)"
	same "$name.so exports the list, each symbol with its version" "$work/versioned" "$work/shared"
	nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort >"$work/static"
	same "$name.a defines the list" "$work/list" "$work/static"
	# A program may have functions of these names itself. They replace what the program calls, and not what the library
	# does; only descriptors, and what stands in them, are the same for both.
	equal "$name.a: symbols that do not give way to the program's" drpc_version \
		"$(nm -g --defined-only "$archive" | awk 'NF == 3 && $2 !~ /[VW]/ { print $3 }')"
	readelf -rW "$archive" >"$work/references"
	equal "$name.a: functions that it calls by their public names" "" \
		"$(awk 'NR == FNR { name[$1]; next } $5 in name { print $5 }' "$work/list" "$work/references" |
			grep -v -e '__descriptor$' -e '^drpc__[a-z]*__init$' | sort -u | tr '\n' ' ')"
	equal "$name.a: groups of sections" 0 "$(readelf -gW "$archive" | grep -c 'group section' || :)"
	declared "$abi" >"$work/declared"
	sed 's/.* //' "$work/declared" | sort >"$work/headers"
	same "headers of $abi declare the list" "$work/list" "$work/headers"
	nm -D --defined-only "$real" | sed -n 's/.* [A-SU-Z] \(.*\)@@.*/\1/p' | sort >"$work/objects"
	sed -n 's/^data //p' "$work/declared" >"$work/data"
	same "headers of $abi declare as data what is data in $name.so" "$work/objects" "$work/data"

	# What the shared library needs, and how it is to be loaded.
	equal "$name: SONAME" "$name.so.$major" "$(dynamic "$real" SONAME)"
	equal "$name needs libc, libgcc_s and the loader, nothing else" "libc.so.6 libgcc_s.so.1" \
		"$(dynamic "$real" NEEDED | grep -v '^ld-linux' | tr '\n' ' ' | sed 's/ $//')"
	flags=$(readelf -dW "$real" | sed -n 's/.*(FLAGS_1).*Flags: *//p')
	for flag in NODELETE NOW; do
		case " $flags " in *" $flag "*) ok "$name: $flag" ;; *) not_ok "$name: not linked as $flag" ;; esac
	done
	if readelf -lW "$real" | grep -q GNU_RELRO; then ok "$name: RELRO"; else not_ok "$name: not linked as RELRO"; fi

	# What the static library needs: with libc and libgcc alone nothing may stay undefined.
	if "${CC:-cc}" -shared -o "$work/whole.so" -Wl,-z,defs -Wl,--whole-archive "$archive" -Wl,--no-whole-archive \
		>"$work/undefined" 2>&1; then
		ok "$name.a needs libc and libgcc, nothing else"
	else
		not_ok "$name.a needs libc and libgcc, nothing else"
		sed 's/^/# /' "$work/undefined"
	fi

	package=drpc-$(echo "$abi" | tr . -)
	equal "$name: the crates in it" "bytes drpc $package drpc-abi libc once_cell prost" \
		"$("${CARGO:-cargo}" tree --locked -p "$package" -e normal,no-proc-macro --prefix none | cut -d ' ' -f 1 | sort -u | xargs)"

	"${OBJCOPY:-objcopy}" --strip-all "$real" "$work/stripped"
	below "size of $name.so as installed" "$shared_limit" "$work/stripped"
	below "size of $name.a" "$static_limit" "$archive"
}

for abi; do
	check "$abi"
done
[ "$failures" = 0 ]
