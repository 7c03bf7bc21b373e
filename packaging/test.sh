#!/bin/sh
# Tries the packages that `make deb` and `make rpm` have built.
#
#   packaging/test.sh FOLDER
#
# Each package is built again in another folder, and has to be the same. Those of Debian are installed in a fresh chroot,
# those of RPM in a root of their own, and both have the same files. MIRROR is where Debian's own packages come from.
set -u
LC_ALL=C
export LC_ALL
unset MAKEFLAGS MFLAGS MAKELEVEL

root=$(cd "$(dirname "$0")/.." && pwd)
packages=$(cd "$1" && pwd)
MIRROR=${MIRROR:-http://deb.debian.org/debian}
release=bookworm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
arch=$(uname -m)

# check NAME COMMAND...: one test; what the command says is shown when it fails.
check() {
	name=$1
	shift
	if "$@" >"$work/said" 2>&1; then
		echo "ok - $name"
	else
		failures=$((failures + 1))
		echo "not ok - $name"
		sed 's/^/# /' "$work/said"
	fi
}

# ---- The packages of Debian in a chroot

# What a program in C is built with, and no Rust.
in_chroot() {
	mkdir "$work/tried"
	cp -r "$root/c-tests" "$root/docs" "$root/examples" "$root/packaging" "$root/README.md" "$work/tried"
	"$root/packaging/chroot.sh" --variant=minbase \
		--include=gcc,libc6-dev,libprotobuf-c-dev,pkg-config,procps,protobuf-c-compiler \
		--customize-hook="mkdir \"\$1/packages\" && cp '$packages'/*_*.deb \"\$1/packages\"" \
		--customize-hook="cp -r '$work/tried' \"\$1/tried\"" \
		--customize-hook='chroot "$1" sh /tried/packaging/test-chroot.sh' \
		"$release" /dev/null "deb $MIRROR $release main" >"$work/chroot" 2>&1
}
if in_chroot; then chroot_rc=0; else chroot_rc=$?; fi
grep -E '^(ok|not ok|#)' "$work/chroot"
failures=$((failures + $(grep -c '^not ok' "$work/chroot")))
check "the chroot's tests reach their end" sh -c "grep -q '^1\.\.' '$work/chroot' && exit $chroot_rc || { tail -n 20 '$work/chroot'; exit 1; }"

# ---- The packages of RPM in a root

rpms=$work/rpms
in_root() {
	rpm --root "$rpms" "$@"
}
of_rpm() {
	ls "$packages"/*.rpm | grep -v debuginfo
}
mkdir "$rpms"
in_root --initdb
check 'RPM: installed in a root' in_root -i --nodeps $(of_rpm)
check 'RPM: every file is as packed' in_root -V --nodeps $(in_root -qa)
runs() {
	[ "$("$rpms/usr/bin/drpc" --version)" = "drpc $version" ] && ! ldd "$rpms/usr/lib64/libdrpc-2.8.so" | grep 'not found'
}
check 'RPM: drpc runs, and the library has what it needs' runs

# Both kinds in one layout: without the folders in which each distribution has documentation, licences and links of build-ids.
# Stripping is the distribution's, too, so of a binary what is loaded counts.
alike() {
	rm -rf "$1/usr/share/doc" "$1/usr/share/licenses" "$1/usr/share/lintian" "$1/usr/lib/.build-id" "$1/usr/lib/sysimage" "$1/var" "$1/root"
	if [ -d "$1/usr/lib64" ]; then
		mkdir -p "$1/usr/lib"
		mv "$1/usr/lib64" "$1/usr/lib/$arch-linux-gnu"
		sed -i "s|/usr/lib64|/usr/lib/$arch-linux-gnu|" "$1/usr/lib/$arch-linux-gnu/pkgconfig"/*.pc
		mv "$1/usr/share/zsh/site-functions" "$1/usr/share/zsh/vendor-completions"
	fi
	find "$1/usr/share/man" -name '*.gz' -type l | while read -r link; do
		target=$(readlink "$link")
		ln -sf "${target%.gz}" "${link%.gz}"
		rm "$link"
	done
	find "$1/usr/share/man" -name '*.gz' -exec gzip -d {} +
	for binary in "$1"/usr/bin/* "$1"/usr/lib/*/*.so.*.*; do
		strip --strip-all -R .comment -R .gnu_debuglink "$binary"
	done
	find "$1" -name '*.a' -exec strip --strip-debug --enable-deterministic-archives -R .comment {} +
}
same_files() {
	debs=$work/debs
	mkdir "$debs"
	for deb in $(ls "$packages"/*_*.deb | grep -v dbgsym); do
		dpkg-deb -x "$deb" "$debs" || return
	done
	cp -r "$rpms" "$work/rpms-alike"
	alike "$debs" && alike "$work/rpms-alike" && diff -r --no-dereference "$debs" "$work/rpms-alike" &&
		find "$debs" -type f | wc -l
}
check 'RPM: the same files as in the packages of Debian, with the same bytes' same_files

erased() {
	in_root -e $(in_root -qa) && ! find "$rpms" -name '*drpc*' | grep .
}
check 'RPM: removal leaves nothing' erased

# ---- Debug information

# has_debug LIBRARY FOLDER: the debug information of the build is there, and has our functions.
has_debug() {
	id=$(readelf -n "$1" | sed -n 's/.*Build ID: //p')
	file=$2/usr/lib/debug/.build-id/$(echo "$id" | cut -c 1-2)/$(echo "$id" | cut -c 3-).debug
	[ -e "$file" ] || { echo "no $file"; return 1; }
	readelf -SW "$file" | grep -q '\.debug_info'
}
unpacked=$work/unpacked
for deb in "$packages"/*_*.deb; do dpkg-deb -x "$deb" "$unpacked"; done
for binary in "$unpacked"/usr/bin/drpc "$unpacked"/usr/lib/*/libdrpc-*.so.0; do
	check "debug information of $(basename "$binary")" has_debug "$binary" "$unpacked"
done
mkdir "$work/debuginfo"
rpm --root "$work/debuginfo" --initdb
rpm --root "$work/debuginfo" -i --nodeps "$packages"/*debuginfo*.rpm
for binary in "$unpacked"/usr/bin/drpc "$unpacked"/usr/lib/*/libdrpc-*.so.0; do
	check "RPM: debug information of $(basename "$binary")" has_debug "$binary" "$work/debuginfo"
done

# ---- Built again

again=$work/somewhere/else
built_again() {
	"$root/packaging/source.sh" "$again/source" && "$root/packaging/deb.sh" "$again" && "$root/packaging/rpm.sh" "$again"
}
check 'packages are built in another folder' built_again
for package in "$packages"/*_*.deb "$packages"/*.rpm; do
	check "$(basename "$package") is the same, byte for byte" cmp "$package" "$again/$(basename "$package")"
done
[ "$failures" -eq 0 ]
