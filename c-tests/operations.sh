#!/bin/sh
# What failures say in README.md, docs/operations.md and docs/conventions.md: failures that are provoked say the same.
. "$(dirname "$0")/shell/tap.sh"

# What differs from one run to the next, as the document has it.
alike() {
	sed -E -e "s|$work/run|/run|g" -e 's/^[0-9T:.-]+Z libdrpc/libdrpc/' -e 's/since [0-9T:-]+Z/since 2026-11-30T09:41:07Z/' \
		-e 's/pid([= ])[0-9]+/pid\14711/g' -e 's/([ug]id)([= ])[0-9]+/\1\20/g' \
		-e 's/mode [0-7]+/mode 0600/' -e 's/within [0-9]+ ms/within 300 ms/' \
		-e 's/ (us|bytes_out|failures|session)=[0-9]+/ \1=1/g'
}

# The lines of the documents' fences that are the library's.
awk '/^```/ { fence = !fence; next } fence && /^(connect|listen|reply|libdrpc:) / || fence && FILENAME ~ /operations/' "$root/README.md" \
	"$root/docs/operations.md" "$root/docs/conventions.md" | alike | sort -u >"$work/expected"

# not_provoked ABI: prints the lines of the document that no failure has given.
not_provoked() {
	rm -rf "$work/run"
	# Another user is to get as far as the socket.
	chmod 711 "$work"
	mkdir "$work/run"
	DRPC_LOG=debug "$work/$1/daos_engine" "$work/run" >"$work/output" 2>&1 || fail "$(cat "$work/output")" || return 1
	DRPC_LOG=verbose "$work/$1/daos_engine" >>"$work/output" 2>&1
	alike <"$work/output" | sort -u >"$work/found"
	comm -23 "$work/expected" "$work/found" >"$work/missing"
	[ ! -s "$work/missing" ] || { cat "$work/missing"; echo 'is not in:'; cat "$work/found"; return 1; }
}

for abi in $abis; do
	# The document names the program so.
	mkdir "$work/$abi"
	check "$abi: the failures compile" $CC -std=c11 -D_DEFAULT_SOURCE $strict $(cflags "$abi") -o "$work/$abi/daos_engine" \
		"$here/operations/provoke.c" $(libs "$abi")
	check "$abi: each output in the docs is a real one" not_provoked "$abi"
done
check 'the docs have outputs' test "$(wc -l <"$work/expected")" -gt 15

finish
