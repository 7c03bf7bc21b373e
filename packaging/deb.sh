#!/bin/sh
# Builds packages of Debian, and lets lintian look at them.
#
#   packaging/deb.sh FOLDER
#
# FOLDER/source is what packaging/source.sh has made; the packages lie in FOLDER.
set -eu

# Options of the make that runs this are not for the packages.
unset MAKEFLAGS MFLAGS MAKELEVEL
cd "$1/source"
rm -f ../*.deb ../*.changes ../*.buildinfo

# debhelper gives the build a home of its own, where neither rustup's toolchain nor its crates are.
CARGO_HOME=${CARGO_HOME:-$HOME/.cargo}
RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-nocheck parallel=$(nproc)}
export CARGO_HOME RUSTUP_HOME DEB_BUILD_OPTIONS

# Where cargo comes from rustup, no package says so.
dpkg-checkbuilddeps 2>../missing || {
	sed 's/^/# building all the same: /' ../missing
	unmet=-d
}
# The copy is clean, but for what cargo has compiled for the last packages.
dpkg-buildpackage -b -us -uc -nc ${unmet-}
lintian --allow-root --fail-on error,warning ../*.changes
