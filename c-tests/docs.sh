#!/bin/sh
# Links between the pages lead somewhere. And the tests that the tables in docs/ name in their last column, `test`. Each row names files and functions in them, as in
# "plain/a.c: one, two; tests/b.rs: three", and all are there. A file is in c-tests/ unless it begins with src/ or tests/.
. "$(dirname "$0")/shell/tap.sh"

# rows FILE: of each row the first and the last cell, a tab between them.
rows() {
	awk '
		!/^\|/ { row = 0; next }
		{ row++; sub(/ *\|$/, ""); cells = split($0, cell, / *\| */) }
		row == 1 { named = cell[cells] == "test" }
		row > 2 && named { print cell[2] "\t" cell[cells] }
	' "$1"
}

# in_file FILE FUNCTION: it is defined there.
in_file() {
	grep -Eqs "^ *(fn )?$2\(" "$1" || echo "no $2 in $1"
}

# find_named ROW WORDS…: the words of its last cell; prints what is not there.
find_named() {
	row=$1
	file=
	shift
	for word in "$@"; do
		word=${word%[:;,]}
		case $word in
		*.c | *.sh | *.rs)
			case $word in
			src/* | tests/*) file=$root/$word ;;
			*) file=$here/$word ;;
			esac
			[ -f "$file" ] || echo "no $file"
			;;
		*_*) in_file "$file" "$word" ;;
		esac
	done
	[ -n "$file" ] || echo "no test of: $row"
}

names_its_tests() {
	rows "$root/$1" >"$work/rows"
	[ -s "$work/rows" ] || fail "$1 has no rows" || return
	while IFS='	' read -r row named; do
		find_named "$row" $named
	done <"$work/rows" >"$work/missing"
	[ ! -s "$work/missing" ] || fail "$(cat "$work/missing")"
}

# headings PAGE: what a link may name behind #.
headings() {
	sed -n 's/^#* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

links_lead_somewhere() {
	from=$(dirname "$root/$1")
	grep -o '](\([^)]*\))' "$root/$1" | sed 's/^](//; s/)$//' | while IFS= read -r target; do
		file=$from/${target%%#*}
		case $target in
		http*) continue ;;
		"#"*) file=$root/$1 ;;
		esac
		[ -e "$file" ] || echo "no file: $target"
		case $target in
		*"#"*) headings "$file" | grep -qx "${target#*#}" || echo "no heading: $target" ;;
		esac
	done >"$work/missing"
	[ ! -s "$work/missing" ] || fail "$(cat "$work/missing")"
}

for page in $(cd "$root" && ls ./*.md docs/*.md bench/*.md); do
	check "links of $page lead somewhere" links_lead_somewhere "$page"
done
for page in docs/compat.md docs/go-parity.md; do
	check "$page names a test in every row" names_its_tests "$page"
done
finish
