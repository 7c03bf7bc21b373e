#!/bin/sh
# Makes the source of a release, which builds without network: the files of the present commit, the crates that it needs on
# Linux in vendor/, and what is in it as SPDX. The same commit gives the same bytes.
#
#   scripts/dist.sh DIRECTORY
#
# Needs git, jq and xz, and the network where Cargo has not fetched the crates yet. SOURCE_DATE_EPOCH may be set.
set -eu
LC_ALL=C
export LC_ALL
umask 022

into=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
git rev-parse --verify -q HEAD >/dev/null || { echo 'libdrpc: make dist needs a git checkout' >&2; exit 1; }
[ -z "$(git status --porcelain)" ] || echo 'libdrpc: what is not committed is left out' >&2
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
version=$(git show HEAD:Cargo.toml | sed -n 's/^version = "\(.*\)"/\1/p')
name=libdrpc-$version

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git archive --prefix="$name/" HEAD | tar -x -C "$work"
cd "$work/$name"
mkdir .cargo
"$cargo" vendor --locked --versioned-dirs vendor >.cargo/config.toml 2>"$work/log" || { cat "$work/log" >&2; exit 1; }

# Cargo looks at the manifest of every crate in Cargo.lock. Of one that no Linux needs, that is all that stays.
for machine in aarch64 loongarch64 powerpc64le riscv64gc s390x x86_64; do
	for flags in '' '--cfg shuttle'; do
		RUSTFLAGS=$flags "$cargo" metadata --locked --offline --format-version 1 --filter-platform "$machine-unknown-linux-gnu"
	done
done | jq -r '.packages[] | select(.source) | "\(.name)-\(.version)"' | sort -u >"$work/needed"
for folder in vendor/*; do
	! grep -qxF "${folder#vendor/}" "$work/needed" || continue
	mv "$folder" "$work/whole"
	mkdir -p "$folder/src"
	cp "$work/whole/Cargo.toml" "$folder"
	: >"$folder/src/lib.rs"
	jq -c '{ files: {}, package }' "$work/whole/.cargo-checksum.json" >"$folder/.cargo-checksum.json"
	rm -rf "$work/whole"
done

scripts/notices.sh | diff THIRD-PARTY-NOTICES - || { echo 'libdrpc: run make notices' >&2; exit 1; }
scripts/sbom.sh "$work/needed" >"$name.spdx.json"

cd "$work"
tar --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$SOURCE_DATE_EPOCH" -c "$name" |
	xz -T1 >"$into/$name.tar.xz"
echo "$into/$name.tar.xz: $(wc -c <"$into/$name.tar.xz") bytes"
