#!/bin/sh
# Sees to it that the system has what a make target needs.
#
#   scripts/setup.sh build|demo|bench|check|licenses|package|rust-api
#
# Silent and quick when nothing is missing. What is missing is installed when that takes no question (as root, or by
# sudo without a password, on apt, dnf and zypper systems); otherwise the command to type is printed.
set -eu

purpose=${1-}
case $purpose in
build | licenses | package | rust-api) level=1 ;;
demo) level=2 ;;
bench) level=3 ;;
check) level=4 ;;
*) echo "usage: $0 build|demo|bench|check|licenses|package|rust-api" >&2; exit 2 ;;
esac

fail() {
	echo "libdrpc: $*" >&2
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }
has_library() { has pkg-config && pkg-config --exists "$1"; }
has_cxx() { has "${CXX:-$1}"; }
# Without the symbols of the C library, which Debian packs apart, valgrind is there and refuses to run.
runs() { has "$1" && "$1" -q true >/dev/null 2>&1; }

# Rust, a C compiler and make are the user's choice (rustup or packages, gcc or clang): asked for, not installed.
has "${CC:-cc}" || fail "no C compiler: install gcc or clang, or set CC"
has cargo && has rustc || fail "no Rust: install version 1.88 or later, see https://rustup.rs"
minor=$(rustc --version | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
[ "${minor:-0}" -ge 88 ] || fail "$(rustc --version) is too old: install version 1.88 or later, see https://rustup.rs"

# A program can be linked with nothing shared, which one of the tests does.
links_static() { echo 'int main(void) { return 0; }' | "${CC:-cc}" -static -x c -o /dev/null - 2>/dev/null; }

has_header() { echo "#include <$1>" | "${CC:-cc}" -E -o /dev/null - 2>/dev/null; }

# One line per need: the first level that has it, how to see that it is there, its packages for apt, dnf and zypper.
needs() {
	cat <<-'END'
	2 has         pkg-config     pkg-config          pkgconf-pkg-config  pkg-config
	2 has_library libprotobuf-c  libprotobuf-c-dev   protobuf-c-devel    libprotobuf-c-devel
	3 runs        valgrind       valgrind,libc6-dbg  valgrind            valgrind
	3 has         strace         strace              strace              strace
	4 has_library cmocka         libcmocka-dev       libcmocka-devel     libcmocka-devel
	4 has         abidiff        abigail-tools       libabigail          libabigail-tools
	4 has         protoc-c       protobuf-c-compiler protobuf-c-compiler protobuf-c
	4 has         jq             jq                  jq                  jq
	4 has         xz             xz-utils            xz                  xz
	4 has_cxx     c++            g++                 gcc-c++             gcc-c++
	4 has         mandoc         mandoc              mandoc              mandoc
	4 has         systemd-socket-activate systemd   systemd             systemd
	4 links_static libc.a        libc6-dev           glibc-static        glibc-devel-static
	4 has         zsh            zsh                 zsh                 zsh
	4 has         fish           fish                fish                fish
	4 has         script         bsdutils            util-linux-script   util-linux
	END
}

# What packages are made, looked at and tried with.
package_needs() {
	cat <<-'END'
	1 has         dh             debhelper           debhelper           debhelper
	1 has         fakeroot       fakeroot            fakeroot            fakeroot
	1 has         lintian        lintian             lintian             lintian
	1 has         mmdebstrap     mmdebstrap          mmdebstrap          mmdebstrap
	1 has         rpmbuild       rpm                 rpm-build           rpm-build
	1 has         rpmlint        rpmlint             rpmlint             rpmlint
	1 has         eu-strip       elfutils            elfutils            elfutils
	1 has         ip             iproute2            iproute             iproute2
	END
}

all_needs() {
	needs
	[ "$purpose" != package ] || package_needs
}

# What the benchmark also measures if it is there.
extras() {
	cat <<-'END'
	3 has_library libsystemd     libsystemd-dev      systemd-devel       systemd-devel
	3 has_library libzmq         libzmq3-dev         zeromq-devel        zeromq-devel
	3 has_header  nng/nng.h      libnng-dev          nng-devel           nng-devel
	END
}

if has apt-get; then
	column=1 install="apt-get install -y --no-install-recommends"
elif has dnf; then
	column=2 install="dnf install -y"
elif has zypper; then
	column=3 install="zypper --non-interactive install"
else
	column=0 install=
fi

# The names of what is missing of a list: packages of this system, or the needs themselves where we do not know its
# packages.
missing() {
	"$1" | while read -r from test need apt dnf zypper; do
		[ "$from" -gt "$level" ] || "$test" "$need" || case $column in
		1) echo "$apt" ;;
		2) echo "$dnf" ;;
		3) echo "$zypper" ;;
		*) echo "$need" ;;
		esac
	done | tr ',\n' '  ' | sed 's/ $//'
}

# Runs a command with root's rights, without ever waiting for an answer.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi </dev/null
}

install_packages() {
	case $column in
	1)
		# Another program may be installing at this moment: wait for it rather than fail.
		wait="-o DPkg::Lock::Timeout=300"
		as_root apt-get -qq $wait update && as_root env DEBIAN_FRONTEND=noninteractive $install -qq $wait "$@"
		;;
	*) as_root $install "$@" ;;
	esac >&2
}

may_install() {
	[ -n "$install" ] && { [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null </dev/null; }; }
}

packages=$(missing all_needs)
if [ -n "$packages" ]; then
	[ -n "$install" ] || fail "missing, please install: $packages"
	command="$install $packages"
	[ "$(id -u)" = 0 ] || command="sudo $command"
	may_install || fail "some packages are missing, please type: $command"
	echo "libdrpc: installing $packages" >&2
	# shellcheck disable=SC2086
	install_packages $packages || fail "installing failed, please look into it with: $command"
	packages=$(missing all_needs)
	[ -z "$packages" ] || fail "still missing after '$command': $packages"
fi

if [ "$purpose" = bench ]; then
	packages=$(missing extras)
	if [ -n "$packages" ] && may_install; then
		echo "libdrpc: installing $packages" >&2
		# One by one: the benchmark does without what this system does not have.
		for package in $packages; do
			install_packages "$package" || echo "libdrpc: going on without $package" >&2
		done
	fi
fi

# A minimal Rust toolchain comes without the formatter and the linter.
if [ "$level" -ge 4 ] && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
	has rustup || fail "rustfmt and clippy are missing, please install them beside cargo"
	rustup component add rustfmt clippy >&2 </dev/null || fail "please type: rustup component add rustfmt clippy"
fi

# cargo_command NAME: has cargo install a command that it lacks.
cargo_command() {
	cargo "$1" --version >/dev/null 2>&1 || cargo install --locked "cargo-$1" >&2 || fail "please type: cargo install --locked cargo-$1"
}
case $purpose in
licenses) cargo_command deny ;;
rust-api) cargo_command semver-checks ;;
esac
