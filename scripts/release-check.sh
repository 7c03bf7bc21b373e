#!/bin/sh
# Does what a release needs, and says what is missing.
#
#   MAKE=make scripts/release-check.sh VERSION
#
# First what can be seen at once: version, change log, working tree. Then the tests, the source archive and the packages are
# made, unless something is missing already. Prints TAP; the last line says how to go on. Changes and tags nothing.
set -u

version=${1-}
make=${MAKE:-make}
case $version in
*[!0-9.]* | *..* | .* | *. | '') echo "usage: $0 VERSION, as in 0.2.0" >&2; exit 2 ;;
esac
missing=0

# says WHAT HINT: reports the command before it.
says() {
	if [ "$?" -eq 0 ]; then echo "ok - $1"; else
		echo "not ok - $1"
		echo "# $2"
		missing=$((missing + 1))
	fi
}

# The lines of a section of the change log, without its heading.
section() { awk -v begin="## [$1]" 'index($0, "## [") == 1 { inside = index($0, begin) == 1; next } inside' CHANGELOG.md; }

# The crates of the workspace whose version is another one.
strays() {
	cargo metadata --locked --no-deps --format-version 1 |
		sed 's/"name":"/\n&/g' | sed -n 's/^"name":"\([^"]*\)","version":"\([^"]*\)".*/\1 \2/p' | grep -v " $version\$"
}

# The lock files of other workspaces that name another version of the crate.
stale_locks() {
	for lock in bench/Cargo.lock fuzz/Cargo.lock; do
		[ ! -e "$lock" ] || grep -A1 -x 'name = "drpc"' "$lock" | grep -qxF "version = \"$version\"" || echo "$lock"
	done
}

# The nodes of the export lists that only a later release may have.
later_nodes() {
	sed -n 's/^DRPC_[0-9.]*_\([0-9.]*\) {.*/\1/p' abi/*/exports.map 2>/dev/null | sort -u | while read -r node; do
		[ "$(printf '%s\n' "$node" "$version" | sort -V | head -n 1)" = "$node" ] || echo "$node"
	done
}

stands_in() { grep -qF "$1" "$2" 2>/dev/null; }

test "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)" = "$version"
says "Cargo.toml has the version $version" "set version in [workspace.package] of Cargo.toml, and run cargo update --workspace and make headers"

test -z "$(strays)"
says 'every crate of the workspace has it' "these have another one: $(strays | tr '\n' ' ')"

test -z "$(stale_locks)"
says 'bench/ and fuzz/ are locked to it' "run cargo update -p drpc --manifest-path for: $(stale_locks | tr '\n' ' ')"

test -z "$(later_nodes)"
says 'no function is promised for a later release' "these nodes of abi/*/exports.map are later: $(later_nodes | tr '\n' ' ')"

stands_in "## [$version] - $(date +%F)" CHANGELOG.md
says "CHANGELOG.md has [$version] with the date of today" "its heading has to be: ## [$version] - $(date +%F)"

test -z "$(section Unreleased | grep '^- ')"
says 'CHANGELOG.md has nothing unreleased' "move it to [$version]"

for part in ABI 'Upgrading from'; do
	section "$version" | grep -q "^### $part"
	says "[$version] has a part \"$part\"" 'say what programs already compiled notice, and what has to be changed in sources'
done

test -z "$(git status --porcelain)"
says 'everything is committed' 'git status has the files'

test -z "$(git tag --list "v$version")"
says "there is no tag v$version yet" 'choose the next version'

if [ "$missing" -gt 0 ]; then
	echo "# $missing missing; tests and packages wait for that"
	exit 1
fi

# Before the first tag there is no Rust API to be kept.
git describe --tags --match 'v[0-9]*' >/dev/null 2>&1 && rust_api=check-rust-api

for target in check check-abi check-licenses ${rust_api-} dist deb rpm; do
	log=build/release-$target.log
	mkdir -p build
	"$make" --no-print-directory "$target" >"$log" 2>&1
	says "make $target" "see $log"
done

test -z "$(git status --porcelain)"
says 'that has changed no file of the repository' 'something generated was stale: commit it'

if [ "$missing" -gt 0 ]; then
	echo "# $missing missing"
	exit 1
fi
echo "# all is there: git tag -s v$version -m 'libdrpc $version'; then publish the archive and the packages of build/, and run make abi-baseline"
