#!/bin/sh
# Runs make as both kinds of packages are built: into /usr, with debug information, which the tools of the packages take out,
# and with nothing that depends on the folder or the user.
#
#   packaging/make.sh LIBDIR ARGUMENT...
set -eu

cd "$(dirname "$0")/.."
libdir=$1
shift

# Paths in messages and debug information.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=/usr/src/libdrpc --remap-path-prefix=$cargo_home=/usr/src/cargo"
# Of the command, which else is built small. Lines are what a backtrace needs.
CARGO_PROFILE_COMMAND_STRIP=none
CARGO_PROFILE_COMMAND_DEBUG=line-tables-only
CARGO_PROFILE_RELEASE_DEBUG=line-tables-only
CARGO_TARGET_DIR=target
export RUSTFLAGS CARGO_PROFILE_COMMAND_STRIP CARGO_PROFILE_COMMAND_DEBUG CARGO_PROFILE_RELEASE_DEBUG CARGO_TARGET_DIR
# An archive of a release has its crates with it.
[ ! -d vendor ] || export CARGO_NET_OFFLINE=true

exec "${MAKE:-make}" SETUP=true COMMAND_MOST=100000000 PREFIX=/usr LIBDIR="$libdir" "$@"
