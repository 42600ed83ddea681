# What people type. Each target sets up what it needs; `make demo` and `make test` are the two to begin
# with. See README.md and CONTRIBUTING.md.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Where `make install` puts things; DESTDIR is a root to put them into.
PREFIX ?= /usr/local
DESTDIR ?=
TARGET := $(or $(CARGO_TARGET_DIR),target)
ROOT = $(DESTDIR)$(PREFIX)

.PHONY: help plugin install install-files deb test-deb demo test test-matrix soak check miri tsan model-check bench bench-model

# The QEMUs that the end-to-end tests run on; scripts/qemu.sh --list has all.
QEMUS ?= 7.2 10.0
MATRIX ?= 7.2 10.0 10.2 11.1
# How long to soak, and which runs; without a seed always others.
SOAK_SECONDS ?= 300
SOAK_SEED ?=

help: ## This list
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

plugin: ## Build target/release/libcache.so and the command target/release/libcache
	@scripts/check-toolchain.sh cc
	cargo build --release --locked

# Root, who may have no Rust, installs what a user has built.
install: ## Install command, plugin, manual pages and completions (PREFIX=/usr/local DESTDIR=)
	@if command -v cargo >/dev/null || [ ! -x $(TARGET)/release/libcache ]; then $(MAKE) --no-print-directory plugin; fi
	@$(MAKE) --no-print-directory install-files

# Manual pages and completions are what the command says of itself.
install-files:
	@[ -x $(TARGET)/release/libcache ] || { echo 'libcache: nothing is built; run make plugin' >&2; exit 1; }
	install -D -m 755 -t "$(ROOT)/bin" $(TARGET)/release/libcache
	install -D -m 644 -t "$(ROOT)/lib/libcache" $(TARGET)/release/libcache.so
	$(TARGET)/release/libcache man "$(ROOT)/share/man/man1"
	mkdir -p "$(ROOT)"/share/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d}
	$(TARGET)/release/libcache completions bash >"$(ROOT)/share/bash-completion/completions/libcache"
	$(TARGET)/release/libcache completions zsh >"$(ROOT)/share/zsh/site-functions/_libcache"
	$(TARGET)/release/libcache completions fish >"$(ROOT)/share/fish/vendor_completions.d/libcache.fish"

deb: plugin ## Build target/debian/libcache_*.deb, with cargo-deb
	@cargo deb --version >/dev/null 2>&1 || { echo 'libcache: make deb needs cargo-deb; run cargo install cargo-deb' >&2; exit 1; }
	rm -rf $(TARGET)/deb-root
	@$(MAKE) --no-print-directory install-files DESTDIR=$(TARGET)/deb-root PREFIX=/usr
	cargo deb --no-build --locked

test-deb: deb ## Install the .deb into a fresh Debian and run a program there (root, debootstrap)
	scripts/test-deb.sh $(TARGET)/debian/libcache_*.deb

demo: ## Run a small guest under the plugin and explain the tables
	scripts/demo.sh

test: ## All tests, on QEMU 7.2 and 10.0 (QEMUS="..." for others)
	scripts/install-packages.sh test
	LIBCACHE_QEMUS="$(QEMUS)" cargo test --workspace --profile checks --locked

test-matrix: ## The end-to-end tests on QEMU 7.2, 10.0, 10.2 and 11.1 (MATRIX="...")
	scripts/install-packages.sh matrix
	LIBCACHE_QEMUS="$(MATRIX)" cargo test --profile checks --locked

soak: ## Random guests, options, ends on all QEMUs, and damaged files (SOAK_SECONDS=300 SOAK_SEED=...)
	scripts/install-packages.sh matrix
	python3 scripts/soak.py --seconds $(SOAK_SECONDS) $(if $(SOAK_SEED),--seed $(SOAK_SEED))

check: ## Format, lints and documentation, warnings denied
	@command -v cc >/dev/null || scripts/install-packages.sh demo
	@{ cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 || rustup component add rustfmt clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	CLIPPY_CONF_DIR=scripts/clippy-private cargo clippy --workspace --all-targets --locked -- \
		-A warnings -D clippy::missing_safety_doc
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items

# Of crates that forbid unsafe code only what is of several threads: Miri has nothing to find in the rest. Instruction
# records live as long as the process, which it would call a leak.
miri: ## vCPUs, cores, and what threads share, under Miri (minutes)
	@installed=$$(rustup component list --toolchain nightly --installed 2>/dev/null || true); \
	if ! grep -q '^miri' <<<"$$installed" || ! grep -qx rust-src <<<"$$installed"; then \
		rustup toolchain install nightly --profile minimal --component miri --component rust-src || { \
			echo 'make miri: needs rustup and a nightly toolchain with miri and rust-src' >&2; exit 1; }; \
	fi
	MIRIFLAGS="-Zmiri-ignore-leaks" cargo +nightly miri test --locked -p machine
	MIRIFLAGS="-Zmiri-ignore-leaks" cargo +nightly miri test --locked -p cachesim --test threads
	MIRIFLAGS="-Zmiri-ignore-leaks" cargo +nightly miri test --locked -p cachesim --test hierarchy threads::levels

# The standard library is built as well: what it does with memory has to be seen.
tsan: ## What threads share under ThreadSanitizer (minutes)
	@rustup component list --toolchain nightly --installed 2>/dev/null | grep -x rust-src >/dev/null || \
		rustup toolchain install nightly --profile minimal --component rust-src || { \
			echo 'make tsan: needs rustup and a nightly toolchain with rust-src' >&2; exit 1; }
	host=$$(rustc +nightly -vV | sed -n 's/^host: //p'); \
	RUSTFLAGS=-Zsanitizer=thread cargo +nightly test -Zbuild-std --target "$$host" --locked -p cachesim -p machine --test threads --test hierarchy

# Apart from other builds, which a flag for all crates would have made anew.
model-check: ## vCPUs, cores and reports by many orders of their threads, with Shuttle (a minute or two)
	RUSTFLAGS="--cfg shuttle" SHUTTLE_SILENCE_WARNINGS=1 CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=line-tables-only \
		cargo test --locked -p machine --test threads --target-dir target/shuttle

bench: ## Whole guests beside plain QEMU, an empty plugin and the C plugin (an hour or more; BENCH="--quick")
	scripts/install-packages.sh bench
	python3 benches/bench.py $(BENCH)

bench-model: ## Benchmarks of the model alone
	cargo bench --locked -p cachesim
