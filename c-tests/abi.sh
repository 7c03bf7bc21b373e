#!/bin/sh
# What `make check-abi` takes and what it refuses, and what the loader says of programs linked with another release.
. "$(dirname "$0")/shell/tap.sh"

need abidiff
export CC

# ---- The check, on trees in which one thing has been changed

# changed FILE SED: a tree in $work/tree, with this file of it edited.
changed() {
	rm -rf "$work/tree"
	mkdir -p "$work/tree/abi/2.8" "$work/tree/include" || return 1
	cp "$root/abi/2.8/exports.map" "$root/abi/2.8/baseline.abi" "$work/tree/abi/2.8" || return 1
	cp -r "$root/include/2.8" "$work/tree/include" || return 1
	sed -i "$2" "$work/tree/$1"
	! cmp -s "$root/$1" "$work/tree/$1" || fail "nothing has been changed in $1"
}

# takes FILE SED, and refuses FILE SED TEXT: with a line that has the text.
takes() {
	changed "$@" && "$root/scripts/check-abi.sh" "$work/tree" 2.8
}
refuses() {
	changed "$1" "$2" || return 1
	! "$root/scripts/check-abi.sh" "$work/tree" 2.8 >"$work/refused" || fail 'it is taken' || return 1
	cat "$work/refused"
	grep -q "^# .*$3" "$work/refused"
}

no_baseline() {
	changed abi/2.8/exports.map '1s/$/ /' && rm "$work/tree/abi/2.8/baseline.abi" || return 1
	! "$root/scripts/check-abi.sh" "$work/tree" 2.8
}
case $($CC -dumpmachine) in
x86_64-*)
	check 'a baseline that is missing is noticed' no_baseline
	check 'a field of another type is refused' refuses include/2.8/daos/drpc.h \
		's/uint32_t ref_count;/uint64_t ref_count;/' "type of 'uint32_t ref_count' changed"
	check 'a field behind the last one is refused' refuses include/2.8/daos/drpc.h \
		's/drpc_thread_yielder_t yield;/& int more;/' "'int more', at offset"
	check 'a field behind the last one is taken where the program tells the size' takes include/2.8/drpc/server.h \
		'/^struct drpc_server_stats {/,/^}/s/^};/int more; &/'
	check 'a field before others is refused there, too' refuses include/2.8/drpc/server.h \
		's/uint64_t sessions;/uint64_t more; &/' "'uint64_t more', at offset 64"
	check 'another number of a constant is refused' refuses include/2.8/daos/drpc.h 's/R_SYNC = 1/R_SYNC = 2/' "from value '1' to '2'"
	check 'a constant more is taken' takes include/2.8/daos/drpc.h 's/R_SYNC = 1,/& R_MORE = 2,/'
	check 'another prototype is refused' refuses include/2.8/drpc/library.h 's/drpc_strerror(int rc)/drpc_strerror(long rc)/' drpc_strerror
	check 'a function less is refused' refuses abi/2.8/exports.map '/drpc_add_ref;/d' drpc_add_ref
	check 'a function under another node is refused' refuses abi/2.8/exports.map \
		'/drpc_add_ref;/d; s/^\tdrpc_module_name;/\tdrpc_add_ref;\n&/' drpc_add_ref
	check 'a function more is taken under a node of its own' takes abi/2.8/exports.map \
		'$s/$/\nDRPC_2.8_9.9 { global:\ndrpc_libprotobuf_c;\n} DRPC_2.8_0.2;/'
	check 'a function more is refused under a node of the last release' refuses abi/2.8/exports.map \
		's/^\tdrpc_add_ref;/&\n\tdrpc_libprotobuf_c;/' 'drpc_libprotobuf_c has been added to DRPC_2.8$'
	;;
*) note "the baselines are of x86-64: what the check takes is left out" ;;
esac

# ---- Programs of one release with the library of another

cat >"$work/old.c" <<'C'
#include <drpc/library.h>
#include <stdio.h>
int
main(void)
{
	return puts(drpc_version()) < 0;
}
C
cat >"$work/new.c" <<'C'
#include <drpc/library.h>
#include <stdio.h>
int
main(void)
{
	return puts("it has started") < 0 || drpc_module_name(-1) != NULL;
}
C

# library ABI FOLDER SYMBOLS FLAG…: a library of the same SONAME, whose functions do nothing.
library() {
	mkdir -p "$work/$2-$1"
	sed 's/.*/void &(void) {}/' "$3" >"$work/stub.c"
	soname=$(basename "$(readlink "$BUILD/lib/libdrpc-$1.so")")
	built=$work/$2-$1/$soname
	ln -sf "$soname" "$work/$2-$1/libdrpc-$1.so"
	abi=$1
	shift 3
	build $CC -shared -fPIC -fno-builtin -Wl,-soname,"$soname" "$@" -o "$built" "$work/stub.c"
}

# program ABI NAME FOLDER: linked with the library in that folder.
program() {
	build $CC $strict $(cflags "$1") -o "$work/$2-$1" "$work/$2.c" "-L$3" "-ldrpc-$1"
}

# runs_with_ours ABI NAME EXPECTED
runs_with_ours() {
	LD_BIND_NOW=1 LD_LIBRARY_PATH=$BUILD/lib "$work/$2-$1" >"$work/out" 2>&1
	same 'exit status and output' "0 $3" "$? $(cat "$work/out")"
}

# The loader says which library is too old, and what it lacks, before the program begins.
does_not_start() {
	LD_LIBRARY_PATH=$work/first-$1 "$work/new-$1" >"$work/out" 2>&1 && fail 'it runs' && return 1
	cat "$work/out"
	grep -q "libdrpc-$1\.so\.[0-9]*: version .DRPC_$1_0\.2. not found (required by " "$work/out" && ! grep -q started "$work/out"
}

for abi in $abis; do
	version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
	# As the first release had it: its node alone. And as DAOS has it: without versions.
	sed '/^};/q' "$root/abi/$abi/exports.map" >"$work/first.map"
	"$root/scripts/symbols.sh" "$work/first.map" >"$work/symbols"
	library "$abi" first "$work/symbols" -Wl,--version-script="$work/first.map"
	library "$abi" plain "$work/symbols"
	program "$abi" new "$BUILD/lib"
	check "$abi: a program that needs a new function runs" runs_with_ours "$abi" new 'it has started'
	check "$abi: with the first release it does not start, and the loader says why" does_not_start "$abi"
	for linked in first plain; do
		program "$abi" old "$work/$linked-$abi"
		check "$abi: a program linked with a $linked library runs with ours" runs_with_ours "$abi" old "$version"
	done
done
finish
