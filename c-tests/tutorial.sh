#!/bin/sh
# The tutorial, followed from its first line to its last, with the library as it is installed.
. "$(dirname "$0")/shell/tap.sh"
. "$(dirname "$0")/shell/walk.sh"

need protoc-c timeout "${CARGO:-cargo}"
prefix=$work/prefix
install_into "$prefix"
LD_LIBRARY_PATH=$prefix/lib
LIBDRPC=$root
export LD_LIBRARY_PATH LIBDRPC
# What is compiled for other tests is not compiled again, and nothing is fetched.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
CARGO_NET_OFFLINE=true
export CARGO_TARGET_DIR CARGO_NET_OFFLINE

mkdir "$work/folder"
cd "$work/folder" || exit 1
mkdir rust .cargo
# The profile of this workspace.
sed -n '/^\[profile\.dev/,/^$/p' "$root/Cargo.toml" >.cargo/config.toml
# In a source with its crates, Cargo looks for them there.
[ ! -f "$root/.cargo/config.toml" ] || sed "s|\"vendor\"|\"$root/vendor\"|" "$root/.cargo/config.toml" >>.cargo/config.toml
cp "$root/Cargo.lock" rust/
walk docs/tutorial.md
finish
