# What people type. Each target sets up what it needs; `make demo` and `make test` are the two to begin
# with. See README.md.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help plugin demo test test-matrix check

# The QEMUs that `make test` runs on; scripts/qemu.sh --list has all.
QEMUS ?= 7.2 10.0
MATRIX ?= 7.2 10.0 10.2 11.1

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

plugin: ## Build target/release/libcache.so
	cargo build --release --locked

demo: ## Build, compile a small riscv64 guest, run it under the plugin, explain the tables
	scripts/demo.sh

test: ## All tests this machine can run
	scripts/install-packages.sh test
	LIBCACHE_QEMUS="$(QEMUS)" cargo test --workspace --release --locked

test-matrix: ## The end-to-end tests on every QEMU
	scripts/install-packages.sh matrix
	LIBCACHE_QEMUS="$(MATRIX)" cargo test --release --locked

check: ## Format, lints, docs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --document-private-items
