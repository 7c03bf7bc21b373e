#!/bin/sh
# The compiler's error for a target whose pointers do not have 64 bits. Its standard library need not be here: what the
# crate root has for such targets is compiled for this machine, as if its pointers had 32 bits, too.
. "$(dirname "$0")/shell/tap.sh"

need rustc
sentence='libdrpc is for targets with 64-bit pointers'

sed -n '/^#\[cfg(.*target_pointer_width/,/^compile_error/p' "$root/src/lib.rs" >"$work/root.rs"

a_small_target_has_this_cfg() {
	rustc --target i686-unknown-linux-gnu --print cfg | grep -x 'target_pointer_width="32"'
}

# errors FLAG…: all that there are, and those with this sentence.
errors() {
	rustc --edition 2024 --crate-type lib --emit metadata -o "$work/root.rmeta" "$@" "$work/root.rs" >"$work/errors" 2>&1
	echo "$(grep '^error' "$work/errors" | grep -vc '^error: aborting') $(grep -c "^error: $sentence" "$work/errors")"
}

refused() {
	same 'errors with 32-bit pointers' '1 1' "$(errors -A explicit_builtin_cfgs_in_flags --cfg 'target_pointer_width="32"')"
}

accepted() {
	[ -s "$work/root.rs" ] || fail 'the crate root has nothing for such targets' || return
	same 'errors with the pointers of this machine' '0 0' "$(errors)"
}

check 'a 32-bit target says so to the compiler' a_small_target_has_this_cfg
check 'a target with 32-bit pointers is refused in one sentence' refused
check 'a target with 64-bit pointers is not' accepted
finish
