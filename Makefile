# Builds, tests and installs libdrpc. GNU make.
#
# `make help` lists the targets: those with `##` and a text behind their name.

# The ABIs, each a directory in abi/ and in include/. All rules below hold for every one of them.
ABIS := 0.8 2.8

# The one place of the version is Cargo.toml; its first number is that of our own ABI, and so part of the SONAME.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
SOVERSION := $(firstword $(subst ., ,$(VERSION)))

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share
DOCDIR ?= $(DATADIR)/doc/libdrpc
DESTDIR ?=

# make cannot handle names with spaces.
ifneq ($(words $(CURDIR)),1)
$(error the path of this folder contains a space: $(CURDIR))
endif
ifneq ($(words $(PREFIX))-$(filter /%,$(PREFIX)),1-$(PREFIX))
$(error PREFIX must be an absolute path without spaces: $(PREFIX))
endif

# Not from the environment, where such a name may mean anything: clean removes it.
BUILD := build
override BUILD := $(abspath $(BUILD))
LIB := $(BUILD)/lib

# The tools, those of another machine by their prefix: see docs/building.md. make's own default for C++ is g++, which a system
# with clang need not have.
ifeq ($(origin CC),default)
CC := $(if $(CROSS_COMPILE),$(CROSS_COMPILE)gcc,cc)
endif
ifeq ($(origin CXX),default)
CXX := $(if $(CROSS_COMPILE),$(CROSS_COMPILE)g++,c++)
endif
ifeq ($(origin AR),default)
AR := $(CROSS_COMPILE)ar
endif
ifeq ($(origin LD),default)
LD := $(CROSS_COMPILE)ld
endif
OBJCOPY ?= $(CROSS_COMPILE)objcopy
ifneq ($(CROSS_COMPILE),)
STRIP ?= $(CROSS_COMPILE)strip
endif

ifneq ($(CARGO_BUILD_TARGET),)
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
ifeq ($(filter $(MACHINE)%,$(CARGO_BUILD_TARGET)),)
$(error $(CC) compiles for $(MACHINE), and CARGO_BUILD_TARGET is $(CARGO_BUILD_TARGET): set CROSS_COMPILE, or CC, AR, LD and OBJCOPY)
endif
# What Cargo links the command with.
LINKER := CARGO_TARGET_$(shell echo '$(CARGO_BUILD_TARGET)' | tr a-z- A-Z_)_LINKER
$(LINKER) ?= $(CC)
export $(LINKER)
endif

CARGO ?= cargo
CARGO_TARGET_DIR ?= target
override CARGO_TARGET_DIR := $(abspath $(CARGO_TARGET_DIR))
# Cargo writes below its target directory, and where a target is named below that one's own.
CARGO_OUT := $(CARGO_TARGET_DIR)$(CARGO_BUILD_TARGET:%=/%)
RELEASE := $(CARGO_OUT)/release

CFLAGS ?= -O2 -g -Wall -Wextra -Wpedantic
INSTALL ?= install
SETUP ?= scripts/setup.sh

export BUILD CC CXX AR CARGO CARGO_TARGET_DIR

# What Cargo makes of an ABI: everything, Rust's standard library included, in one large archive.
ARCHIVES := $(foreach abi,$(ABIS),$(RELEASE)/libdrpc_$(subst .,_,$(abi)).a)
SHARED := $(ABIS:%=$(LIB)/libdrpc-%.so.$(VERSION))
LINKS := $(ABIS:%=$(LIB)/libdrpc-%.so.$(SOVERSION)) $(ABIS:%=$(LIB)/libdrpc-%.so)
STATIC := $(ABIS:%=$(LIB)/libdrpc-%.a)
PC := $(ABIS:%=drpc-%.pc)
# What may not be missing where the libraries and the command are given on.
NOTICES := LICENSE THIRD-PARTY-NOTICES
# Examples that are one source for both ABIs, and all of them as they are built.
STANDALONE := managed_server loop_server epoll_server shared_client async_client
# Those of examples/calc, with the messages of calc.proto.
CALC := calc_server calc_client
EXAMPLES := $(foreach abi,$(ABIS),$(addprefix $(BUILD)/examples/$(abi)/,hello_server hello_client $(STANDALONE) $(CALC)))
# Relative to include/: 0.8/daos/drpc.h and so on.
HEADERS := $(sort $(patsubst include/%,%,$(wildcard $(ABIS:%=include/%/*/*.h))))
# Where a header is installed: include/0.8/daos/drpc.h as drpc-0.8/daos/drpc.h.
INSTALLED_HEADERS := $(HEADERS:%=$(INCLUDEDIR)/drpc-%)

# The command drpc, its pages (one for each command, which has a file of its own), and its completions. The tests take the one
# that they build anyway, to save a minute and a half; it is never installed but by them.
COMMAND_PROFILE ?= command
ifeq ($(COMMAND_PROFILE),dev)
COMMAND := $(BUILD)/bin-dev/drpc
COMMAND_BUILT := $(CARGO_OUT)/debug/drpc
COMMAND_CARGO := --workspace --all-features --bin drpc
COMMAND_MOST := 100000000
else
COMMAND := $(BUILD)/bin/drpc
COMMAND_BUILT := $(CARGO_OUT)/$(COMMAND_PROFILE)/drpc
COMMAND_CARGO := --profile $(COMMAND_PROFILE) -p drpc-cli
# The bytes that it may weigh.
COMMAND_MOST := 8000000
endif
PAGES := drpc.1 $(patsubst cli/src/commands/%.rs,drpc-%.1,$(filter-out %/mod.rs,$(wildcard cli/src/commands/*.rs)))
# Of the library, relative to man/: man3/drpc_call.3 and so on. Types are links to the pages that have them.
MANUAL := $(sort $(patsubst man/%,%,$(wildcard man/man[37]/*)))
COMPLETIONS := bash-completion/completions/drpc zsh/site-functions/_drpc fish/vendor_completions.d/drpc.fish

# Debug information in the shared libraries and in the command, for packages to split off: none, line-tables-only, limited or
# full. Sources appear as in /usr/src/libdrpc: see scripts/build.sh.
DEBUG_INFO ?= none
ifneq ($(DEBUG_INFO),none)
export CARGO_PROFILE_RELEASE_DEBUG := $(DEBUG_INFO)
export CARGO_PROFILE_COMMAND_DEBUG := $(DEBUG_INFO)
export CARGO_PROFILE_COMMAND_STRIP := none
COMMAND_MOST := 100000000
endif

# Tests that are shell scripts: c-tests/headers.sh is `make test-headers`.
SCRIPT_TESTS := $(sort test-install $(patsubst c-tests/%.sh,test-%,$(wildcard c-tests/*.sh)))
# The parts of `make check`: those in Rust in this order, and those of the libraries in theirs at the same time. From the tests of
# interworking on they need the libraries, too, which by then the others have long built: so both rows end together.
RUST_CHECKS := fmt check-headers check-notices check-abi check-abi-size clippy doc test-rust test-shuttle test-interop_clients test-interop_servers test-protobuf_c \
	test-archive test-tutorial
LIBRARY_CHECKS := check-exports demo test-c $(filter-out $(RUST_CHECKS),$(SCRIPT_TESTS)) test-valgrind
CHECKS := $(RUST_CHECKS) $(LIBRARY_CHECKS)
# The parts that `make check-quick` leaves out.
SLOW_CHECKS := test-shuttle test-valgrind test-counts test-protobuf_c $(filter test-interop_%,$(SCRIPT_TESTS))

.PHONY: help all demo check check-quick interop bench bench-quick bench-report bench-programs install uninstall headers examples rust-examples clean cargo cli abi-baseline \
	setup-build setup-demo setup-check setup-bench release-check $(CHECKS)
.DELETE_ON_ERROR:
.SECONDEXPANSION:

all: $(SHARED) $(LINKS) $(STATIC) $(COMMAND) ## the libraries, in build/lib, and the command drpc, in build/bin; the default

# Targets are the lines of this file with `##`. Of a script test, the first sentence is shown, or its start before a colon.
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-21s%s\n", $$1, $$2 }' Makefile
	@awk -F '[.:,]( |$$)' 'FNR == 2 { gsub(/.*\/|\.sh$$/, "", FILENAME); printf "%-21s%s\n", "test-" FILENAME, substr($$1, 3) }' \
		c-tests/*.sh

setup-build setup-demo setup-check setup-bench setup-licenses setup-package setup-rust-api: setup-%:
	@$(SETUP) $*

# --- Libraries

# Cargo alone knows what has changed, so it is always asked; when it leaves an archive as it was, so do the rules below.
cargo: setup-build
	scripts/build.sh $(ARCHIVES) -- --release $(foreach abi,$(ABIS),-p drpc-$(subst .,-,$(abi)))

$(ARCHIVES): cargo
	@:

# Not a cdylib: for one, rustc passes a version script of its own, which cannot be combined with ours.
#   --whole-archive, --version-script, --gc-sections: keeps what the export list names and what that needs
#   nodelete: destructors of Rust's thread-locals would crash after a dlclose
#   -Bsymbolic-functions: our functions call one another directly; data stays interposable, because a program may
#     have its own copy of a descriptor
LDFLAGS_SHARED = -Wl,--gc-sections -Wl,-Bsymbolic-functions -Wl,--as-needed \
	-Wl,-z,defs -Wl,-z,nodelete -Wl,-z,now -Wl,-z,relro -Wl,-z,noexecstack

$(SHARED): $(LIB)/libdrpc-%.so.$(VERSION): $(RELEASE)/libdrpc_$$(subst .,_,$$*).a abi/%/exports.map $(LIB)/settings
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -o $@ -Wl,--whole-archive $< -Wl,--no-whole-archive $(LDFLAGS_SHARED) \
		-Wl,--version-script=abi/$*/exports.map -Wl,-soname,libdrpc-$*.so.$(SOVERSION)

$(ABIS:%=$(LIB)/libdrpc-%.so.$(SOVERSION)): %.so.$(SOVERSION): %.so.$(VERSION)
	ln -sf $(<F) $@

$(ABIS:%=$(LIB)/libdrpc-%.so): %.so: %.so.$(SOVERSION)
	ln -sf $(<F) $@

$(STATIC): $(LIB)/libdrpc-%.a: $(RELEASE)/libdrpc_$$(subst .,_,$$*).a abi/%/exports.map scripts/archive.sh scripts/symbols.sh \
		$(LIB)/settings
	@mkdir -p $(@D)
	LD='$(LD)' OBJCOPY='$(OBJCOPY)' AR='$(AR)' scripts/archive.sh $< abi/$*/exports.map $@

# Written anew when what the libraries are made with has changed. An archive of another target may be older than a library.
SETTINGS := $(foreach setting,CC LDFLAGS LD OBJCOPY AR RELEASE DEBUG_INFO,$(setting)=$($(setting)))
$(LIB)/settings: quoted = $(subst ','\'',$(SETTINGS))
$(LIB)/settings: cargo
	@mkdir -p $(@D)
	@echo '$(quoted)' | cmp -s - $@ || echo '$(quoted)' >$@

# A cargo call of its own, so that the features that the command needs do not reach the libraries.
cli: setup-build
	scripts/build.sh $(COMMAND_BUILT) -- $(COMMAND_CARGO)

$(COMMAND): cli
	@mkdir -p $(@D)
	@test $$(wc -c <$(COMMAND_BUILT)) -lt $(COMMAND_MOST) || { echo '$(COMMAND_BUILT) weighs more than $(COMMAND_MOST) bytes'; exit 1; }
	@cmp -s $(COMMAND_BUILT) $@ || $(INSTALL) -m 755 $(COMMAND_BUILT) $@

# For the whole workspace: what crates of others are built with follows from what is asked for, and is built once for all. The
# program runs here, whatever the target of the libraries.
build_headers = env -u CARGO_BUILD_TARGET $(CARGO) build --locked -q --workspace --bin drpc-headers
headers: setup-build ## writes include/ and man/ anew from the Rust sources and docs/
	$(build_headers)
	$(CARGO_TARGET_DIR)/debug/drpc-headers write

# --- Notices

.PHONY: notices check-licenses setup-licenses check-rust-api setup-rust-api dist
notices: setup-check ## writes THIRD-PARTY-NOTICES anew from the crates' own files
	@mkdir -p $(BUILD)
	scripts/notices.sh >$(BUILD)/notices
	cp $(BUILD)/notices THIRD-PARTY-NOTICES

# --- Examples

# libprotobuf-c is for the messages of the hello examples (hello.pb-c.c) and of calc: the library has no need of it. Threads are
# those of shared_client.
define link_example
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $(filter %.c,$^) -Iexamples -Iinclude/$* -L$(LIB) -ldrpc-$* \
		-Wl,-rpath,$(LIB) $$(pkg-config --cflags --libs libprotobuf-c)
endef

EXAMPLE_SOURCES := examples/hello.pb-c.c examples/hello.pb-c.h $(HEADERS:%=include/%)

$(BUILD)/examples/%/hello_server: examples/hello_server.c $(EXAMPLE_SOURCES) $(LIB)/libdrpc-%.so | setup-demo
	$(link_example)

$(BUILD)/examples/%/hello_client: examples/%/hello_client.c $(EXAMPLE_SOURCES) $(LIB)/libdrpc-%.so | setup-demo
	$(link_example)

# $(1) a name of CALC
define rule_of_calc
$(BUILD)/examples/%/$(1): examples/calc/$(1).c examples/calc/calc.pb-c.c examples/calc/calc.pb-c.h \
		$(HEADERS:%=include/%) $(LIB)/libdrpc-%.so | setup-demo
	$$(link_example)
endef
$(foreach example,$(CALC),$(eval $(call rule_of_calc,$(example))))

# $(1) a name of STANDALONE
define rule_of_example
$(BUILD)/examples/%/$(1): examples/$(1).c $(HEADERS:%=include/%) $(LIB)/libdrpc-%.so | setup-demo
	$$(link_example)
endef
$(foreach example,$(STANDALONE),$(eval $(call rule_of_example,$(example))))

# Those in Rust. Their crate shares all that Cargo builds for the libraries.
rust-examples: cargo
	scripts/build.sh $(RELEASE)/calc_server $(RELEASE)/calc_client -- --release -p calc
	@mkdir -p $(BUILD)/examples/rust
	cp -f $(RELEASE)/calc_server $(RELEASE)/calc_client $(BUILD)/examples/rust

examples: setup-demo $(EXAMPLES) rust-examples ## the examples, in build/examples

demo: examples $(COMMAND) ## examples over both libraries
	@scripts/demo.sh $(BUILD)/examples $(COMMAND) $(ABIS)

# --- Checks. Each prints lines that begin with `ok` or `not ok`, or cargo's test results; scripts/check.sh adds up.

check: ## every test
check-quick: ## the inner loop: every test but those of SLOW_CHECKS, in a minute or two on 2 cores
check-quick: left_out := $(SLOW_CHECKS)
check check-quick: export COMMAND_PROFILE := dev
check check-quick: setup-check
	@MAKE="$(MAKE)" scripts/check.sh $(BUILD)/check '$(filter-out $(left_out),$(RUST_CHECKS))' \
		'$(filter-out $(left_out),$(LIBRARY_CHECKS))'

fmt: setup-check ## Rust sources are as rustfmt writes them
	$(CARGO) fmt --all --check
	@echo 'ok - formatted as rustfmt does'

clippy: setup-check ## lints of all Rust targets
	$(CARGO) clippy --locked --workspace --all-features --all-targets -- -D warnings
	@echo 'ok - clippy finds nothing'

doc: setup-build ## the documentation of the crates
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --all-features --no-deps
	@echo 'ok - documentation builds without warnings'

# The libraries are built without features, and all else in Rust with all of them, the programs of c-tests/ too: what two
# parts use is built once.
test-rust: setup-build ## unit and integration tests in Rust
	@# Some servers of the tests have a thousand clients.
	@ulimit -S -n 20000 2>/dev/null || :; \
	[ "$$(id -u)" = 0 ] || { skip='-- --skip root::'; echo 'ok - tests/server/root.rs # SKIP needs root'; }; \
	$(CARGO) test --locked --workspace --all-features --no-fail-fast $${skip-}

# shuttle runs the threads of a test one at a time, in another order each time. It replaces what they share, so that
# it needs a build of its own; but what runs while building is the same, where the target is named.
test-shuttle: setup-build ## threads of some Rust tests, in many orders
	RUSTFLAGS='--cfg shuttle' $(CARGO) test --locked -p drpc --lib --target "$$(rustc -vV | sed -n 's/^host: //p')" shuttle

check-headers: setup-build ## include/ and man/ are what the Rust sources and docs/ give
	$(build_headers)
	$(CARGO_TARGET_DIR)/debug/drpc-headers check
	@echo 'ok - headers and manual pages are what the Rust sources give'

check-abi: setup-check ## the ABIs against those of the last release
	@scripts/check-abi.sh . $(ABIS)

abi-baseline: setup-check ## writes abi/*/baseline.abi anew, at a release
	@for abi in $(ABIS); do scripts/dump-abi.sh . $$abi abi/$$abi/baseline.abi || exit; done

check-notices: setup-check ## THIRD-PARTY-NOTICES is what the linked crates give
	@mkdir -p $(BUILD)
	scripts/notices.sh >$(BUILD)/notices
	diff THIRD-PARTY-NOTICES $(BUILD)/notices
	@echo 'ok - notices are those of the crates that are linked'

# Not in `make check`: to build cargo-deny takes minutes. The advisories are on GitHub: `cargo deny check advisories` asks there.
check-licenses: setup-licenses ## licences, duplicates and sources of all crates, by cargo-deny
	$(CARGO) deny --locked --workspace check licenses bans sources
	@echo 'ok - the crates are what deny.toml allows'

# Not in `make check`: to build cargo-semver-checks takes minutes.
check-rust-api: setup-rust-api ## the Rust API keeps what the last release had, or COMMIT=..., by cargo-semver-checks
	@scripts/check-rust-api.sh $(COMMIT)

# What is unsafe has to stay small enough to be read in one sitting: DAOS's functions in one, our own in another, services
# in a third.
ABI_LINES := 4000
MANAGED_LINES := 2200
SERVICE_LINES := 1200
code_lines = awk 'FNR == 1 { test = 0 } /^\#\[cfg\(test\)\]/ { test = 1 } !test && !/^[[:space:]]*(\/\/|$$)/' $(1) | wc -l
check-abi-size: ## lines of code in abi/ are under their limit
	@abi=$$($(call code_lines,abi/src/*.rs abi/*/src/*.rs)); managed=$$($(call code_lines,abi/src/managed/*.rs abi/*/src/managed/*.rs)); \
	service=$$($(call code_lines,abi/src/service/*.rs)); \
	echo "# abi/ has $$abi lines of code, $$managed in managed/ and $$service in service/, comments and unit tests not counted"; \
	test $$abi -lt $(ABI_LINES) -a $$managed -lt $(MANAGED_LINES) -a $$service -lt $(SERVICE_LINES) && echo 'ok - abi/ is small'

check-exports: setup-demo all ## exported symbols, size, needs and crates of the libraries
	@OBJCOPY='$(OBJCOPY)' scripts/check-exports.sh $(LIB) $(VERSION) $(ABIS)

# The C tests build by the Makefile in their folder, against what lies in $(BUILD)/lib and include/.
test-c: setup-check all ## C programs of c-tests/, for each ABI
	@$(MAKE) --no-print-directory -C c-tests check BUILD=$(BUILD)

test-valgrind: setup-check all ## the same under memcheck
	@$(MAKE) --no-print-directory -C c-tests check-valgrind BUILD=$(BUILD)

$(SCRIPT_TESTS): test-%: setup-check all
	@MAKE="$(MAKE)" COMMAND=$(COMMAND) sh c-tests/$*.sh

# The tables that the two tests find, which fail if they are not as expected.
interop: setup-check all ## tables of which release can talk to which, and of message sizes
	@mkdir -p $(BUILD)/interop
	@for part in clients servers; do \
		MAKE="$(MAKE)" TABLES=$(BUILD)/interop sh c-tests/interop_$$part.sh >$(BUILD)/interop/$$part.log || \
			{ sed -n '/^not ok/,/^ok/p' $(BUILD)/interop/$$part.log; exit 1; }; \
	done
	@cd $(BUILD)/interop && cat clients.md && echo && cat programs.md && echo && cat servers.md

# --- Benchmark: see bench/README.md

BENCH_RUN := $(RELEASE)/bench-run --programs $(BUILD)/bench
# A file, or a folder with one for each machine.
RESULTS := bench/results

bench-programs: setup-bench all
	@$(MAKE) --no-print-directory -C bench BUILD=$(BUILD)
	scripts/build.sh $(RELEASE)/bench-run -- --release --manifest-path bench/Cargo.toml
	@sh bench/peers/build.sh

bench: bench-programs ## measures for some 25 minutes, and writes bench/results and docs/benchmarks*
	sh bench/counts.sh
	$(BENCH_RUN) --results $(RESULTS) --report docs

bench-quick: bench-programs ## measures for two minutes, and writes build/bench/report
	sh bench/counts.sh quick
	$(BENCH_RUN) --quick --results $(BUILD)/bench/report/benchmarks.json --report $(BUILD)/bench/report

bench-report: setup-build ## writes docs/benchmarks* anew from bench/results
	$(CARGO) run --locked -q --manifest-path bench/Cargo.toml --bin bench-run -- --from $(RESULTS) --report docs

# --- Installation

# Installs what is built, and builds only when nothing is: under sudo there may be no cargo. Binaries are stripped, unless
# the packager says STRIP=true or, as debhelper does, INSTALL="install --strip-program=true".
INSTALL_BINARY = $(INSTALL) -s $(if $(findstring --strip-program,$(INSTALL)),,$(STRIP:%=--strip-program=%)) -m 755
install: ## PREFIX=/usr/local LIBDIR=$(PREFIX)/lib DESTDIR=
	@for file in $(SHARED) $(LINKS) $(STATIC) $(COMMAND); do test -e $$file || exec $(MAKE) all; done
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig $(sort $(dir $(INSTALLED_HEADERS:%=$(DESTDIR)%)))
	$(INSTALL_BINARY) $(SHARED) $(DESTDIR)$(LIBDIR)
	cp -Pf $(LINKS) $(DESTDIR)$(LIBDIR)
	$(INSTALL) -m 644 $(STATIC) $(DESTDIR)$(LIBDIR)
	for header in $(HEADERS); do \
		$(INSTALL) -m 644 include/$$header $(DESTDIR)$(INCLUDEDIR)/drpc-$$header || exit; done
	for abi in $(ABIS); do \
		sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
			-e 's|@VERSION@|$(VERSION)|' abi/$$abi/drpc-$$abi.pc.in \
			>$(DESTDIR)$(LIBDIR)/pkgconfig/drpc-$$abi.pc || exit; done
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(DATADIR)/man/man1 $(dir $(COMPLETIONS:%=$(DESTDIR)$(DATADIR)/%))
	$(INSTALL_BINARY) $(COMMAND) $(DESTDIR)$(BINDIR)
	$(EMULATOR) $(COMMAND) man $(DESTDIR)$(DATADIR)/man/man1
	for file in $(COMPLETIONS); do \
		$(EMULATOR) $(COMMAND) completions $${file%%[-/]*} >$(DESTDIR)$(DATADIR)/$$file || exit; done
	$(INSTALL) -d $(DESTDIR)$(DOCDIR)
	$(INSTALL) -m 644 $(NOTICES) $(DESTDIR)$(DOCDIR)
	chmod 644 $(PAGES:%=$(DESTDIR)$(DATADIR)/man/man1/%) $(COMPLETIONS:%=$(DESTDIR)$(DATADIR)/%)
	$(INSTALL) -d $(DESTDIR)$(DATADIR)/man/man3 $(DESTDIR)$(DATADIR)/man/man7
	@for page in $(MANUAL); do \
		if [ -L man/$$page ]; then cp -Pf man/$$page $(DESTDIR)$(DATADIR)/man/$$page; \
		else $(INSTALL) -m 644 man/$$page $(DESTDIR)$(DATADIR)/man/$$page; fi || exit; done

# Of the directories, only those that are ours alone go, and only when nobody else has put anything there.
uninstall: ## the same variables
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(notdir $(SHARED) $(LINKS) $(STATIC)) $(PC:%=pkgconfig/%))
	rm -f $(INSTALLED_HEADERS:%=$(DESTDIR)%)
	rm -f $(DESTDIR)$(BINDIR)/drpc $(PAGES:%=$(DESTDIR)$(DATADIR)/man/man1/%) $(COMPLETIONS:%=$(DESTDIR)$(DATADIR)/%)
	@rm -f $(MANUAL:%=$(DESTDIR)$(DATADIR)/man/%)
	rm -f $(NOTICES:%=$(DESTDIR)$(DOCDIR)/%)
	for dir in $(sort $(dir $(INSTALLED_HEADERS))) $(ABIS:%=$(INCLUDEDIR)/drpc-%) $(DOCDIR); do \
		[ ! -d $(DESTDIR)$$dir ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$$dir; done

# --- Packages: see docs/packages.md

.PHONY: package-source deb rpm test-packages test-package-build setup-package

PACKAGES := $(BUILD)/packages

package-source: ## the sources with debian/ and libdrpc.spec, in build/packages/source
	packaging/source.sh $(PACKAGES)/source

deb rpm: setup-package package-source
	packaging/$@.sh $(PACKAGES)
deb: ## packages of Debian, in build/packages
rpm: ## packages of RPM, in build/packages

test-packages: deb rpm ## installs the packages in fresh chroots, and builds them twice
	@sh packaging/test.sh $(PACKAGES)

test-package-build: setup-package dist ## builds packages of Debian without network, with their tests, in a fresh chroot
	@sh packaging/test-build.sh $(BUILD)/libdrpc-$(VERSION).tar.xz

# --- Release

dist: setup-check ## build/libdrpc-VERSION.tar.xz: sources, crates and SBOM, for builds without network
	@mkdir -p $(BUILD)
	scripts/dist.sh $(BUILD)

release-check: setup-check ## VERSION=0.2.0: does what a release needs, and says what is missing
	@MAKE="$(MAKE)" scripts/release-check.sh $(VERSION)

clean: ## removes build/ and target/
	rm -rf $(BUILD) target
