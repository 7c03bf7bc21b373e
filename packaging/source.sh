#!/bin/sh
# Copies the sources as they are now into a folder of their own, with debian/ and libdrpc.spec as Debian's and RPM's tools want
# them, so that a build of packages leaves these sources alone.
#
#   packaging/source.sh FOLDER
#
# What cargo has compiled in FOLDER before stays there. Version and date are filled in here: the version is that of Cargo.toml,
# the date SOURCE_DATE_EPOCH, or that of the last commit, or that of the changelog in a release's archive.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
into=$(cd "$1" && pwd)
cd "$root"

# A folder above may be a repository, too, which has nothing to do with an archive that was unpacked there.
in_git() { [ -e .git ] && git rev-parse --git-dir >/dev/null 2>&1; }

files() {
	if in_git; then
		git ls-files -co --exclude-standard
	else
		find . \( -path ./build -o -path ./target \) -prune -o -type f -print -o -type l -print
	fi | while IFS= read -r file; do
		# A file that was deleted and not committed is listed, too.
		[ ! -e "$file" ] && [ ! -L "$file" ] || printf '%s\n' "$file"
	done
}

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
	if in_git; then SOURCE_DATE_EPOCH=$(git log -1 --format=%ct); else SOURCE_DATE_EPOCH=$(date -r CHANGELOG.md +%s); fi
fi
at() { LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" "$1"; }

find "$into" -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
files | tar -cf - -T - | tar -xf - -C "$into"

cd "$into"
# Not as this folder has them: who may read a file must not depend on who builds.
find . -path ./target -prune -o ! -type l -exec chmod u=rwX,go=rX {} +
# Tools of packages take the date for what is younger, and keep what is older as it is. Folders are all new, which cargo
# would take for a change.
find . -path ./target -prune -o \( -type d -o ! -newermt "@$SOURCE_DATE_EPOCH" \) -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
cp -r packaging/debian debian
rm debian/changelog.in
for file in debian/changelog libdrpc.spec; do
	sed -e "s/@VERSION@/$version/" -e "s/@DATE@/$(at '+%a, %d %b %Y %T +0000')/" -e "s/@DAY@/$(at '+%a %b %d %Y')/" \
		"packaging/$file.in" >"$file"
done
