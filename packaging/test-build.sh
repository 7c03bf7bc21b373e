#!/bin/sh
# Builds the packages of Debian as its own machines would: in a fresh chroot with what debian/control asks for and nothing else, from
# the archive of `make dist`, as an ordinary user, without network but the loopback device, and with the tests of debian/rules.
#
#   packaging/test-build.sh ARCHIVE
#
# MIRROR is where Debian's packages come from. SUITE is the first one whose backports have a rustc that is new enough.
set -eu
LC_ALL=C
export LC_ALL
unset MAKEFLAGS MFLAGS MAKELEVEL

root=$(cd "$(dirname "$0")/.." && pwd)
archive=$1
MIRROR=${MIRROR:-http://deb.debian.org/debian}
SUITE=${SUITE:-trixie}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/build" <<'BUILD'
set -eu
cd /home/builder
mkdir unpacked
tar -xf libdrpc-*.tar.xz -C unpacked --strip-components=1
unpacked/packaging/source.sh packages/source
cd packages/source
# Without -d: what is missing is an error.
dpkg-buildpackage -b -us -uc
ls -l ..
BUILD

if "$root/packaging/chroot.sh" --variant=buildd \
	--include=debhelper,libcmocka-dev,libprotobuf-c-dev,pkg-config,protobuf-c-compiler \
	--customize-hook="chroot \"\$1\" apt-get -qq -y install -t $SUITE-backports cargo rustc" \
	--customize-hook='chroot "$1" useradd -m builder' \
	--customize-hook="cp '$archive' '$work/build' \"\$1/home/builder\"" \
	--customize-hook="unshare -n sh -c 'ip link set lo up && exec chroot \"\$1\" su builder -c \"DEB_BUILD_OPTIONS=parallel=$(nproc) sh ~/build\"' sh \"\$1\"" \
	"$SUITE" /dev/null "deb $MIRROR $SUITE main" "deb $MIRROR $SUITE-backports main" >"$work/log" 2>&1; then
	result=ok
else
	result='not ok'
fi
grep -E '^not ok' "$work/log" || :
echo "# $(grep -c '^ok' "$work/log" || :) tests of the C programs pass in the build"
echo "$result - dpkg-buildpackage in $SUITE, without network, from $(basename "$archive")"
if [ "$result" != ok ]; then
	tail -n 40 "$work/log" | sed 's/^/# /'
	exit 1
fi
