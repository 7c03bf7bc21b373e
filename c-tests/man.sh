#!/bin/sh
# Manual pages: each function has one, mandoc finds nothing wrong with them, references lead somewhere, examples compile.
. "$(dirname "$0")/shell/tap.sh"

need mandoc awk
man=$root/man
command=${COMMAND:-$BUILD/bin/drpc}
mkdir "$work/man1"
build "$command" man "$work/man1"
find "$man" -type f >"$work/pages"
find "$work/man1" -type f >"$work/pages1"

# ---- Every function

has_page() {
	sed -n 's/^[[:space:]]*\([A-Za-z_][A-Za-z0-9_]*\);.*/\1/p' "$root/abi/$1/exports.map" | grep -v '__descriptor$' >"$work/functions"
	sed -n '/^static inline/{n;s/^\([a-z_]*\)(.*/\1/p;}' "$root/include/$1/drpc/service.h" >>"$work/functions"
	[ "$(wc -l <"$work/functions")" -gt 90 ] || fail 'too few functions' || return
	while read -r function; do
		grep -qs "^\.Nm $function\( ,\)\?\$" "$man/man3/$function.3" && grep -qs "^\.Fo $function\$" "$man/man3/$function.3" ||
			echo "no page of $function"
	done <"$work/functions" >"$work/missing"
	[ ! -s "$work/missing" ] || fail "$(cat "$work/missing")"
}
for abi in $abis; do
	check "$abi: each function has a page with its prototype" has_page "$abi"
done

# Functions whose prototypes differ.
says_whose() {
	for function in drpc_accept drpc_call_create drpc_connect; do
		page=$man/man3/$function.3
		for abi in $abis; do
			awk -v abi="$abi" '/^\.Sh/ { on = $2 == "SYNOPSIS" } on && $0 == "In libdrpc\\-" abi ":" { of = 1 } of && /^\.Fo/ { found = 1 }
				END { exit !found }' "$page" || fail "$function has no prototype for $abi" || return
		done
	done
}
check 'a page says which prototype belongs to which ABI' says_whose

has_variables() {
	grep -rhoE 'c"[A-Z][A-Z_]*"' "$root/src" --include='*.rs' | sed 's/^c"//; s/"$//' | sort -u >"$work/variables"
	[ "$(wc -l <"$work/variables")" -ge 6 ] || fail 'too few variables' || return
	while read -r variable; do
		grep -q "^\.It Ev $variable\$" "$man/man7/drpc_environment.7" || echo "no $variable"
	done <"$work/variables" >"$work/missing"
	[ ! -s "$work/missing" ] || fail "$(cat "$work/missing")"
}
check 'drpc_environment(7) has all variables that the sources read' has_variables

# ---- What mandoc says

# It looks for pages that are referred to among the installed ones; the test below looks here.
lint() {
	# shellcheck disable=SC2046
	mandoc -T lint -W all $(cat "$1") >"$work/lint"
	grep -v 'referenced manual not found' "$work/lint" >"$work/found"
	[ ! -s "$work/found" ] || fail "$(cat "$work/found")"
}
check 'mandoc finds nothing in sections 3 and 7' lint "$work/pages"

# mandoc's style of long lines is not asked for: a paragraph of the command's help is one line.
lint_command() {
	# shellcheck disable=SC2046
	mandoc -T lint -W all $(cat "$work/pages1") | grep -v 'input text line longer than 80 bytes' >"$work/found"
	[ ! -s "$work/found" ] || fail "$(cat "$work/found")"
}
check 'mandoc finds nothing in section 1' lint_command

# ---- References and links

references_lead_somewhere() {
	# shellcheck disable=SC2046
	awk '{ for (i = 1; i < NF; i++) if ($i ~ /^\.?Xr$/) print $(i + 1), $(i + 2) }' $(cat "$work/pages") | sort -u >"$work/references"
	[ "$(wc -l <"$work/references")" -gt 100 ] || fail 'too few references' || return
	while read -r page section; do
		case $section in
		1) [ -f "$work/man1/$page.1" ] ;;
		*) [ -f "$man/man$section/$page.$section" ] ;;
		esac || echo "no page $page($section)"
	done <"$work/references" >"$work/missing"
	[ ! -s "$work/missing" ] || fail "$(cat "$work/missing")"
}
check 'references lead to pages that are there' references_lead_somewhere

links_lead_to_their_name() {
	find "$man" -type l | while read -r link; do
		name=$(basename "$link" .3)
		grep -qs "^\.Nm $name\( ,\)\?\$" "$link" || echo "$link leads to a page without its name"
	done >"$work/missing"
	[ ! -s "$work/missing" ] || fail "$(cat "$work/missing")"
}
check 'a link leads to a page of its name' links_lead_to_their_name

# ---- Examples, as a reader sees them

# programs_of PAGE: writes each as a page of its own.
programs_of() {
	awk -v to="$work/program-$(basename "$1")" '
		/^\.Bd -literal/ { code = ""; in_code = 1; next }
		/^\.Ed/ {
			if (code ~ /#include/ && code ~ /int main/)
				printf(".Dd November 30, 2026\n.Dt PROGRAM 3\n.Os\n.Sh PROGRAM\n.Bd -literal\n%s.Ed\n", code) >(to "-" ++n)
			in_code = 0
		}
		in_code { code = code $0 "\n" }' "$1"
}
while read -r page; do
	programs_of "$page"
done <"$work/pages"

compiles() {
	# What is indented is the program, and not the head and foot of the page.
	mandoc -T ascii "$2" | sed -n 's/.\x08//g; s/^     //p' >"$2.c"
	# shellcheck disable=SC2046
	$CC -std=gnu11 $strict -fsyntax-only $(cflags "$1") "-I$root/examples/calc" "$2.c"
}
some_programs() {
	[ "$(find "$work" -name 'program-*' | wc -l)" -ge 11 ]
}
check 'pages have programs' some_programs
for program in "$work"/program-*; do
	case $(sed -n '/#include/{p;q;}' "$program") in
	*client?-0.8.c*) programs_abis=0.8 ;;
	*client?-2.8.c*) programs_abis=2.8 ;;
	*) programs_abis=$abis ;;
	esac
	for abi in $programs_abis; do
		check "$abi: compiles: $(basename "$program" | sed 's/^program-//')" compiles "$abi" "$program"
	done
done
finish
