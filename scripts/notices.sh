#!/bin/sh
# Prints the notices of the crates that are linked into what is installed, with the texts of their licences as they lie in
# Cargo's registry, or in vendor/. Needs jq, and nothing of the network where the crates are there.
#
#   scripts/notices.sh >THIRD-PARTY-NOTICES
set -eu
LC_ALL=C
export LC_ALL

cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

scripts/linked.sh drpc-0-8 drpc-2-8 >"$work/libraries"
scripts/linked.sh drpc-cli >"$work/command"

"$cargo" metadata --locked --format-version 1 --filter-platform x86_64-unknown-linux-gnu |
	jq -r '.packages[] | "\(.name) \(.version) \(.manifest_path | rtrimstr("/Cargo.toml"))"' >"$work/folders"

# Each text once, however many crates have it: spaces and empty lines do not make another one.
mkdir "$work/texts" "$work/heads"
sort -u "$work/libraries" "$work/command" | while read -r name version licence; do
	folder=$(sed -n "s|^$name $version /|/|p" "$work/folders")
	found=no
	for file in "$folder"/[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]* "$folder"/COPYING* "$folder"/COPYRIGHT* "$folder"/NOTICE* "$folder"/UNLICENSE*; do
		[ -f "$file" ] || continue
		found=yes
		text=$(tr -s ' \t\r\n' ' ' <"$file" | cksum | tr ' ' -)
		[ -e "$work/texts/$text" ] || tr -d '\r' <"$file" >"$work/texts/$text"
		echo "$name $version, ${file##*/}" >>"$work/heads/$text"
	done
	[ $found = yes ] || { echo "libdrpc: $name $version ($licence) comes without the text of its licence" >&2; exit 1; }
done

crates() {
	awk '{ name = $1 " " $2; sub(/^[^ ]* [^ ]* /, ""); printf "    %-28s %s\n", name, $0 }' "$1"
}
rule() {
	echo
	printf '%80s\n' '' | tr ' ' "$1"
}

cat <<'END'
Third-party notices of libdrpc

libdrpc is under the Apache License, version 2.0: see LICENSE. This file names the crates of others that are
linked into what libdrpc installs, and has the texts of their licences. `make notices` writes it.

Rust's standard library is linked, too, in the version of the compiler. It is under MIT OR Apache-2.0. Its
notices come with the compiler, in share/doc/rust/COPYRIGHT-library.html.

The libraries libdrpc-0.8 and libdrpc-2.8, shared and static, hold:

END
crates "$work/libraries"
printf '\nThe command drpc holds:\n\n'
crates "$work/command"
# In the order of the first crate that has it.
for text in $(cd "$work/heads" && for text in *; do echo "$(head -n 1 "$text")|$text"; done | sort | sed 's/.*|//'); do
	rule =
	cat "$work/heads/$text"
	rule -
	echo
	cat "$work/texts/$text"
done
