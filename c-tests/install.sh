#!/bin/sh
# What `make install` puts where. Programs of the installed archive alone run, and `make uninstall` leaves nothing.
. "$(dirname "$0")/shell/tap.sh"
. "$(dirname "$0")/shell/installed.sh"

need nm readelf ldd
stage=$work/stage

files_in() {
	(cd "$1" && find . ! -type d | sort)
}

# ---- What is installed

stages_the_same() {
	install_with install "$prefix" "$stage" >"$work/install.log" 2>&1 || {
		cat "$work/install.log"
		return 1
	}
	files_in "$prefix" >"$work/installed"
	files_in "$stage$prefix" >"$work/staged"
	diff "$work/installed" "$work/staged" || return 1
	same 'files outside the prefix' "$(wc -l <"$work/staged")" "$(files_in "$stage" | wc -l)" ||
		return 1
	# What is staged is meant for the prefix, and may not name the stage.
	! grep -r "$stage" "$stage$prefix"
}
check 'DESTDIR stages the same files' stages_the_same

# unstripped VARIABLE=VALUE: what packagers set, who split off debug information themselves.
unstripped() (
	export "$1"
	install_with install "$work/unstripped" '' || return 1
	for abi in $abis; do
		cmp "$BUILD/lib/libdrpc-$abi.so" "$work/unstripped/lib/libdrpc-$abi.so" || return 1
		readelf -SW "$work/unstripped/lib/libdrpc-$abi.so" | grep '\.debug_line' || return 1
	done
)
check 'STRIP=true installs binaries as they are built' unstripped STRIP=true
check "so does debhelper's install program" unstripped 'INSTALL=install --strip-program=true'

for abi in $abis; do
	lib=$prefix/lib/libdrpc-$abi
	version=$(pkg-config --modversion "drpc-$abi")
	headers_installed() {
		(cd "$root/include/$abi" && find . -name '*.h' | sort) >"$work/headers"
		[ -s "$work/headers" ] || fail 'no headers' || return 1
		files_in "$prefix/include/drpc-$abi" >"$work/installed"
		diff "$work/headers" "$work/installed" || return 1
		while read -r header; do
			cmp "$root/include/$abi/$header" "$prefix/include/drpc-$abi/$header" || return 1
		done <"$work/headers"
	}
	check "$abi: the headers are installed" headers_installed

	links_lead_to_the_file() {
		[ -f "$lib.so.$version" ] && [ ! -L "$lib.so.$version" ] ||
			fail "no file $lib.so.$version" || return 1
		[ -L "$lib.so" ] && [ -L "$lib.so.${version%%.*}" ] || fail 'no links' || return 1
		cmp "$lib.so" "$lib.so.$version" && cmp "$lib.so.${version%%.*}" "$lib.so.$version"
	}
	check "$abi: SONAME and development links lead to the file" links_lead_to_the_file

	# ---- How the library is made

	dynamic() {
		readelf -dW "$lib.so" | sed -n "s/.*($1).*\[\(.*\)\]/\1/p"
	}
	right_soname() {
		same SONAME "libdrpc-$abi.so.${version%%.*}" "$(dynamic SONAME)"
	}
	check "$abi: SONAME" right_soname

	needs_little() {
		dynamic NEEDED | grep -v '^ld-linux' | sort | tr '\n' ' ' >"$work/needed"
		same NEEDED 'libc.so.6 libgcc_s.so.1 ' "$(cat "$work/needed")"
	}
	check "$abi: needs libc, libgcc_s and the loader" needs_little

	loads_little() {
		ldd "$lib.so" | sed 's/^[[:space:]]*//; s/[[:space:]].*//; s|.*/||' |
			grep -v -e '^linux-vdso' -e '^ld-linux' | sort | tr '\n' ' ' >"$work/loaded"
		same 'libraries loaded' 'libc.so.6 libgcc_s.so.1 ' "$(cat "$work/loaded")"
	}
	check "$abi: ldd shows libc and libgcc_s only" loads_little

	"$root/scripts/symbols.sh" "$root/abi/$abi/exports.map" | sort >"$work/list"
	exports_the_list() {
		[ "$(wc -l <"$work/list")" -gt 40 ] || fail 'the export list is too short' || return 1
		"$root/scripts/symbols.sh" --versions "$root/abi/$abi/exports.map" | sort >"$work/expected"
		# Beside the symbols stand the versions themselves, as absolute ones.
		nm -D --defined-only "$lib.so" | awk '$2 != "A" { print $3 }' | sort >"$work/found"
		diff "$work/expected" "$work/found"
	}
	check "$abi: exports the list, each symbol with its version" exports_the_list

	archive_holds_the_list() {
		nm -g --defined-only "$lib.a" | awk 'NF == 3 { print $3 }' | sort >"$work/found"
		diff "$work/list" "$work/found"
	}
	check "$abi: the archive defines the list and nothing else" archive_holds_the_list

	stripped() {
		[ -s "$lib.so" ] || return 1
		! readelf -SW "$lib.so" | grep -e '\.symtab' -e '\.debug'
	}
	check "$abi: stripped" stripped
	check "$abi: the shared library is under 1.1 MB" test "$(wc -c <"$lib.so")" -lt 1100000
	check "$abi: the archive is under 2 MB" test "$(wc -c <"$lib.a")" -lt 2000000
	note "$abi: shared $(wc -c <"$lib.so") bytes, archive $(wc -c <"$lib.a") bytes"
done

notices_installed() {
	for file in LICENSE THIRD-PARTY-NOTICES; do
		cmp "$root/$file" "$prefix/share/doc/libdrpc/$file" || return 1
	done
	same 'files there' 2 "$(files_in "$prefix/share/doc/libdrpc" | wc -l)"
}
check 'the licence and the notices are installed' notices_installed

# ---- The command drpc

command=$prefix/bin/drpc
command_runs() {
	same 'its version' "drpc $(pkg-config --modversion drpc-2.8)" "$("$command" --version)"
}
check 'drpc: runs, its version that of pkg-config' command_runs

pages_installed() {
	(echo drpc.1 && "$command" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/drpc-\1.1/p') | sort >"$work/pages"
	[ "$(wc -l <"$work/pages")" -gt 5 ] || fail 'no commands' || return 1
	files_in "$prefix/share/man/man1" | sed 's|^\./||' | diff "$work/pages" -
}
check 'drpc: each command has its manual page' pages_installed

manual_installed() {
	(cd "$root/man" && find . ! -type d | sort) >"$work/pages"
	[ "$(wc -l <"$work/pages")" -gt 100 ] || fail 'no pages' || return 1
	(cd "$prefix/share/man" && find man3 man7 ! -type d | sed 's|^|./|' | sort) >"$work/installed"
	diff "$work/pages" "$work/installed" || return 1
	# A link stays one, and leads to a page beside it.
	while read -r page; do
		[ -f "$prefix/share/man/$page" ] && [ "$(readlink "$prefix/share/man/$page")" = "$(readlink "$root/man/$page")" ] &&
			cmp "$root/man/$page" "$prefix/share/man/$page" || return 1
	done <"$work/pages"
}
check 'the manual pages of the library are installed' manual_installed

completions_installed() {
	for file in bash-completion/completions/drpc zsh/site-functions/_drpc fish/vendor_completions.d/drpc.fish; do
		"$command" completions "${file%%[-/]*}" | cmp - "$prefix/share/$file" || return 1
	done
}
check 'drpc: completions of three shells are installed' completions_installed

# What it takes to start, without any answer to wait for.
starts_quickly() {
	need valgrind
	"${VALGRIND:-valgrind}" --tool=callgrind --callgrind-out-file=/dev/null "$command" ping "$work/none.sock" \
		>"$work/started" 2>&1
	started_in=$(sed -n 's/.*Collected : //p' "$work/started")
	echo "$started_in instructions"
	[ "$started_in" -gt 0 ] && [ "$started_in" -lt 4000000 ]
}
check 'drpc: ping starts in under 4 million instructions' starts_quickly

# ---- The archive without libprotobuf-c, and the version of everything

cat >"$work/version.c" <<'C'
#include <daos/drpc.h>
#include <drpc/library.h>
#include <stdio.h>
int
main(void)
{
	Drpc__Call	call = DRPC__CALL__INIT;
	Drpc__Response *resp = drpc_response_create(&call);

	if (resp == NULL || drpc__response__get_packed_size(resp) != 0)
		return 1;
	drpc_response_free(resp);
	return printf("%s, headers of %d.%d.%d\n", drpc_version(), DRPC_VERSION_MAJOR, DRPC_VERSION_MINOR,
		      DRPC_VERSION_PATCH) < 0;
}
C
# archive_alone ABI FLAG…: the library does not need libprotobuf-c, so neither does a program
# that has no messages of its own.
archive_alone() {
	abi=$1
	shift
	$CC "$@" -o "$work/version-$abi" "$work/version.c" $(flags "$abi" static |
		tr ' ' '\n' | grep -v -e '-lprotobuf-c') || return 1
	! readelf -dW "$work/version-$abi" | grep -e 'NEEDED.*drpc' -e 'NEEDED.*protobuf' || return 1
	version=$(pkg-config --modversion "drpc-$abi")
	same drpc_version "$version, headers of $version" "$("$work/version-$abi")"
}
for abi in $abis; do
	check "$abi: a program of the archive, its version that of pkg-config" archive_alone "$abi"
	check "$abi: a program that is static altogether" archive_alone "$abi" -static
done

# ---- Uninstalling

leaves_nothing() {
	touch "$prefix/lib/of_somebody_else" "$prefix/include/of_somebody_else"
	install_with uninstall "$prefix" '' || return 1
	files_in "$prefix" >"$work/left"
	printf './include/of_somebody_else\n./lib/of_somebody_else\n' | diff - "$work/left" || return 1
	! ls -d "$prefix"/include/drpc-* "$prefix/share/doc/libdrpc"
}
check 'uninstall leaves nothing of ours' leaves_nothing

leaves_an_empty_stage() {
	install_with uninstall "$prefix" "$stage" || return 1
	same 'files left' '' "$(files_in "$stage")"
}
check 'uninstall under DESTDIR leaves nothing of ours' leaves_an_empty_stage
finish
