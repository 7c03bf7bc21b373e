#!/bin/sh
# What a release still needs is named: a wrong version, a change log without its parts, changes that are not committed.
. "$(dirname "$0")/shell/tap.sh"

# A repository of its own, as the project's may have no git, and any tag.
mkdir -p "$work/repository/scripts" "$work/repository/src"
cp "$root/scripts/release-check.sh" "$work/repository/scripts"
cd "$work/repository" || exit 1
cat >Cargo.toml <<'END'
[workspace.package]
version = "1.2.3"

[package]
name = "released"
version.workspace = true
END
: >src/lib.rs
printf '# The lock file of a crate without needs.\nversion = 4\n\n[[package]]\nname = "released"\nversion = "1.2.3"\n' >Cargo.lock
mkdir -p abi/2.8 fuzz
printf 'DRPC_2.8 {\n};\nDRPC_2.8_1.2 {\n} DRPC_2.8;\nDRPC_2.8_1.10 {\n} DRPC_2.8_1.2;\n' >abi/2.8/exports.map
printf '[[package]]\nname = "drpc"\nversion = "1.2.2"\n' >fuzz/Cargo.lock
cat >CHANGELOG.md <<'END'
## [Unreleased]

- Something.

## [1.2.2] - 2026-01-01
END
git init -q . && git config user.name t && git config user.email t@example.org && git add -A && git commit -qm t

# missing VERSION: what the script misses, and its last line.
missing() { MAKE=true sh scripts/release-check.sh "$1" | sed -n -e 's/^not ok - //p' -e '$p'; }

# is EXPECTED FOUND
is() { [ "$1" = "$2" ] || { printf 'expected:\n%s\nfound:\n%s\n' "$1" "$2"; return 1; }; }

: >stray
check 'all that is missing is named' is "bench/ and fuzz/ are locked to it
no function is promised for a later release
CHANGELOG.md has [1.2.3] with the date of today
CHANGELOG.md has nothing unreleased
[1.2.3] has a part \"ABI\"
[1.2.3] has a part \"Upgrading from\"
everything is committed
# 7 missing; tests and packages wait for that" "$(missing 1.2.3)"
check 'another version is not taken for it' is "Cargo.toml has the version 1.2.4
every crate of the workspace has it" "$(missing 1.2.4 | head -2)"

printf '## [Unreleased]\n\n## [1.2.3] - %s\n\n### ABI\n\n### Upgrading from 1.2.2\n' "$(date +%F)" >CHANGELOG.md
printf 'build/\ntarget/\n' >.gitignore
sed -i 's/1\.10/1.2.3/' abi/2.8/exports.map
sed -i 's/1\.2\.2/1.2.3/' fuzz/Cargo.lock
git add -A && git commit -qm t
check 'with all of it the tests are run, and the tag is named' is \
	"# all is there: git tag -s v1.2.3 -m 'libdrpc 1.2.3'; then publish the archive and the packages of build/, and run make abi-baseline" "$(missing 1.2.3)"
git tag v1.2.3
check 'a tag is not set again' is "there is no tag v1.2.3 yet
# 1 missing; tests and packages wait for that" "$(missing 1.2.3)"
finish
