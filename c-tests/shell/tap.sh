# Sourced first by every c-tests/*.sh: paths, a scratch directory and TAP lines.
#
# A script calls `check NAME COMMAND…` once a test and `finish` last. Whatever
# ends it before `finish` (a failing set-up, a signal) is a failed test, so a
# script cannot pass by stopping early.

set -u
LC_ALL=C
export LC_ALL

root=$(cd "$(dirname "$0")/.." && pwd)
here=$root/c-tests
BUILD=${BUILD:-$root/build}
case $BUILD in
/*) ;;
*) if [ -d "$BUILD/lib" ]; then BUILD=$PWD/$BUILD; else BUILD=$root/$BUILD; fi ;;
esac
# Where Cargo has its profiles.
cargo_out=${CARGO_TARGET_DIR:-$root/target}${CARGO_BUILD_TARGET:+/$CARGO_BUILD_TARGET}
CC=${CC:-cc}
CXX=${CXX:-c++}
abis='0.8 2.8'

work=$(mktemp -d) || exit 1
tests=0
failures=0
finished=no
jobs_started=

leave() {
	status=$?
	trap - EXIT
	for job in $jobs_started; do
		kill "$job" 2>/dev/null
	done
	if [ "$finished" = no ]; then
		echo "not ok $((tests + 1)) - $(basename "$0") reached its end"
		[ "$status" -ne 0 ] || status=1
	fi
	rm -rf "$work"
	exit "$status"
}
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# check NAME COMMAND…: one test; what the command says is shown when it fails.
check() {
	name=$1
	shift
	tests=$((tests + 1))
	if "$@" >"$work/said" 2>&1; then
		echo "ok $tests - $name"
	else
		said_rc=$?
		failures=$((failures + 1))
		echo "not ok $tests - $name"
		echo "# exit $said_rc: $*"
		sed 's/^/# /' "$work/said"
	fi
}

# tap_program LABEL COMMAND…: a program that prints TAP itself; its tests are counted here,
# and that it ended well is a test of its own.
tap_program() {
	label=$1
	shift
	said_rc=0
	"$@" >"$work/tap" 2>"$work/said" || said_rc=$?
	ran=0
	while IFS= read -r line; do
		case $line in
		"ok "*|"not ok "*)
			ran=$((ran + 1))
			tests=$((tests + 1))
			case $line in not*) failures=$((failures + 1)) ;; esac
			echo "${line%%ok *}ok $tests - $label: ${line#* - }"
			;;
		"#"*) echo "$line" ;;
		esac
	done <"$work/tap"
	sed "s/^/# /" "$work/said"
	check "$label: ends well" test "$said_rc" -eq 0 -a "$ran" -gt 0
}

# note TEXT: a line that a TAP reader passes over.
note() {
	echo "# $*"
}

# Put before a program: memcheck, to which a leak is an error too.
memcheck='valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=all
--errors-for-leak-kinds=all'

# started PID, over PID: what is still running when the script ends is killed.
started() {
	jobs_started="$jobs_started $1"
}

over() {
	kept=
	for job in $jobs_started; do
		[ "$job" = "$1" ] || kept="$kept $job"
	done
	jobs_started=$kept
}

# need COMMAND…: the script cannot do its work without these.
need() {
	for tool in "$@"; do
		command -v "$tool" >/dev/null 2>&1 || {
			echo "# $tool is not installed: run scripts/setup.sh, or install it" >&2
			exit 1
		}
	done
}

# fail TEXT: for functions that `check` runs.
fail() {
	echo "$*"
	return 1
}

# same WHAT EXPECTED FOUND: for functions that `check` runs.
same() {
	[ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"
}

# build COMMAND…: stops the script when a test program does not build.
build() {
	"$@" >"$work/said" 2>&1 || {
		echo "# does not build: $*"
		sed 's/^/# /' "$work/said"
		exit 1
	}
}

# Flags for the libraries as they lie in the build directory, or with INSTALLED=yes as the system has them.
need pkg-config
protobuf_c=$(pkg-config --cflags libprotobuf-c) || exit 1
strict='-Wall -Wextra -Wpedantic -Werror'
abi_macro() {
	case $1 in
	0.8) echo -DDRPC_ABI_08 ;;
	2.8) echo -DDRPC_ABI_28 ;;
	esac
}
cflags() {
	case ${INSTALLED-} in
	yes) echo "$(pkg-config --cflags "drpc-$1") $(abi_macro "$1")" ;;
	*) echo "-I$root/include/$1 $protobuf_c $(abi_macro "$1")" ;;
	esac
}
libs() {
	case ${INSTALLED-} in
	yes) pkg-config --libs "drpc-$1" ;;
	*) echo "-L$BUILD/lib -Wl,-rpath,$BUILD/lib -ldrpc-$1" ;;
	esac
}

# install_with TARGET PREFIX DESTDIR: make install or make uninstall.
install_with() (
	unset MAKEFLAGS MFLAGS MAKELEVEL GNUMAKEFLAGS
	"${MAKE:-make}" -C "$root" --no-print-directory "$1" BUILD="$BUILD" PREFIX="$2" \
		LIBDIR="$2/lib" INCLUDEDIR="$2/include" BINDIR="$2/bin" DATADIR="$2/share" DOCDIR="$2/share/doc/libdrpc" DESTDIR="$3"
)

# install_into PREFIX: what pkg-config then finds is the installed library.
install_into() {
	install_with install "$1" '' >"$work/install.log" 2>&1 || {
		sed 's/^/# /' "$work/install.log"
		exit 1
	}
	PKG_CONFIG_PATH=$1/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
	export PKG_CONFIG_PATH
}

# await_that COMMAND…: until it succeeds, a minute at most: a machine may be busy.
await_that() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ "$tries" -lt 6000 ] || fail "a minute was not enough: $*" || return 1
		sleep 0.01
	done
}

# await FILE: until it exists.
await() {
	await_that test -e "$1"
}

finish() {
	echo "1..$tests"
	finished=yes
	[ "$failures" -eq 0 ]
	exit
}
