#!/bin/sh
# Run by test.sh in a fresh chroot of Debian without Rust: installs the packages in /packages, upgrades, removes them.
#
# Beside this script lie c-tests/, docs/, examples/ and README.md, and nothing that programs could be built with.
. "$(dirname "$0")/../c-tests/shell/tap.sh"
. "$here/shell/walk.sh"

need dpkg-deb apt-get cc protoc-c readelf
INSTALLED=yes
DEBIAN_FRONTEND=noninteractive
export INSTALLED DEBIAN_FRONTEND
packages='libdrpc-0.8-0 libdrpc-2.8-0 libdrpc-dev drpc'
version=$(dpkg-deb -f /packages/drpc_*.deb Version)
upstream=${version%-*}
libdir=$(pkg-config --variable=libdir libprotobuf-c)

# installed: files of the system, without what apt and dpkg say of their work.
installed() {
	find / -xdev \( -path "$root" -o -path /packages -o -path /tmp -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg \
		-o -path /var/log -o -path /etc/ld.so.cache -o -path /proc -o -path /dev -o -path /sys -o -path /run \) -prune -o -print | sort
}

# apt FOLDER: installs the packages there, without a repository that would have something better.
apt() {
	apt-get -qq -y install "$1"/*.deb
}

without_rust() {
	! command -v cargo && ! command -v rustc
}
check 'there is no Rust' without_rust

# ---- A release before this one: another version, and so another file of each library

older=$work/older
mkdir "$older"
for package in $packages; do
	build dpkg-deb -R /packages/"${package}"_*.deb "$work/$package"
	build sed -i "s/$version/0.0.1-1/g" "$work/$package/DEBIAN/control"
	for library in "$work/$package$libdir"/*.so."$upstream"; do
		[ -f "$library" ] || continue
		build mv "$library" "${library%.so.*}.so.0.0.1"
		build ln -sf "$(basename "${library%.so.*}").so.0.0.1" "${library%".$upstream"}.${upstream%%.*}"
	done
	build dpkg-deb -b "$work/$package" "$older"
done

installed >"$work/before"
check 'a release before this one is installed' apt "$older"
cat >"$work/version.c" <<'C'
#include <drpc/library.h>
#include <stdio.h>
int
main(void)
{
	return puts(drpc_version()) < 0;
}
C
for abi in $abis; do
	check "$abi: a program is built with it" $CC -o "$work/version-$abi" "$work/version.c" $(cflags "$abi") $(libs "$abi")
done

check 'all packages are upgraded' apt /packages
versions() {
	for package in $packages; do
		same "version of $package" "$version" "$(dpkg-query -W -f '${Version}' "$package")" || return
	done
	for abi in $abis; do
		same 'the file of the library' "$libdir/libdrpc-$abi.so.$upstream" "$(ls "$libdir/libdrpc-$abi.so."*.*.*)" || return
	done
}
check 'what is installed is the version of the packages' versions
for abi in $abis; do
	check "$abi: the program runs with the new library" same drpc_version "$upstream" "$("$work/version-$abi")"
done
as_packed() {
	same 'what dpkg finds' '' "$(dpkg --verify $packages)" && ldconfig -p | grep -c 'libdrpc-[02].8.so.0 ' | grep -x 2
}
check 'every file is as packed, and the loader knows both libraries' as_packed

# ---- What the packages are for

check 'drpc runs' same 'its version' "drpc $upstream" "$(drpc --version)"
documented() {
	[ -f /usr/share/man/man1/drpc.1.gz ] && [ -f /usr/share/man/man1/drpc-call.1.gz ] && [ -f /usr/share/man/man3/drpc_call.3.gz ] &&
		[ -f /usr/share/doc/drpc/copyright ] && [ -f /usr/share/doc/libdrpc-2.8-0/THIRD-PARTY-NOTICES.gz ]
}
check 'pages and notices are there' documented
for abi in $abis; do
	multiarch() {
		same 'where pkg-config finds the library' "$libdir" "$(pkg-config --variable=libdir "drpc-$abi")" || return
		same 'its version' "$upstream" "$(pkg-config --modversion "drpc-$abi")"
	}
	check "$abi: pkg-config" multiarch
	# Functions of a release are in the symbols of that release, and all the library's are there.
	symbols() {
		nm -D --defined-only "$libdir/libdrpc-$abi.so.0" | awk '{ sub("@@", "@", $3); print $3 }' | sed 's/^DRPC_[0-9._]*$/&@&/' |
			sort >"$work/exported"
		sed -n 's/^ \([^ ]*\) .*/\1/p' "/var/lib/dpkg/info/libdrpc-$abi-0:$(dpkg --print-architecture).symbols" | sort |
			diff "$work/exported" -
	}
	check "$abi: the symbols file has what the library exports" symbols
done

tap_program 'programs of the pages' sh "$here/readme.sh"
sed '/^## .* in Rust$/,$d' "$root/docs/tutorial.md" >"$root/docs/tutorial-c.md"
mkdir "$work/folder"
cd "$work/folder" || exit 1
walk docs/tutorial-c.md
cd / || exit 1

# ---- Removal

removed() {
	apt-get -qq -y purge $packages && installed >"$work/after" &&
		diff "$work/before" "$work/after"
}
check 'removal leaves nothing' removed
finish
