#!/bin/sh
# Holds the public API of the Rust crates against that of an earlier commit, by cargo-semver-checks.
#
#   scripts/check-rust-api.sh [COMMIT]
#
# Unless set, COMMIT is the last release that has a tag. What may differ follows from the two versions in Cargo.toml: 0.3.0 may break
# what 0.2.0 had, and 0.2.1 may not. Prints TAP.
set -u

commit=${1:-$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null)}
[ -n "$commit" ] || { echo "$0: no release has a tag; name a commit" >&2; exit 2; }

failures=0
for crate in drpc:Cargo.toml drpc-build:drpc-build/Cargo.toml; do
	name=${crate%%:*}
	if ! git cat-file -e "$commit:${crate#*:}" 2>/dev/null; then
		echo "ok - $name is new since $commit # SKIP nothing to compare with"
	elif cargo semver-checks -p "$name" --baseline-rev "$commit"; then
		echo "ok - $name keeps what it had in $commit"
	else
		echo "not ok - $name keeps what it had in $commit"
		failures=$((failures + 1))
	fi
done
[ "$failures" -eq 0 ]
