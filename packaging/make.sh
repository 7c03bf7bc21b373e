#!/bin/sh
# Runs make as both kinds of packages are built: into /usr, with debug information, which the tools of the packages take out,
# and with nothing installed for it.
#
#   packaging/make.sh LIBDIR ARGUMENT...
set -eu

cd "$(dirname "$0")/.."
libdir=$1
shift

CARGO_TARGET_DIR=target
export CARGO_TARGET_DIR
# An archive of a release has its crates with it.
[ ! -d vendor ] || export CARGO_NET_OFFLINE=true

exec "${MAKE:-make}" SETUP=true DEBUG_INFO=full STRIP=true PREFIX=/usr LIBDIR="$libdir" "$@"
