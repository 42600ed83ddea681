#!/usr/bin/env bash
# check-toolchain.sh [cc]: ends with one line if there is no Rust as new as Cargo.toml asks for or, with "cc", no C
# compiler. Before anything is installed or built: cargo's own messages are many and late.

set -euo pipefail

die() {
    printf 'libcache: %s\n' "$*" >&2
    exit 1
}

cd "$(dirname "$0")/.."
wanted=$(sed -nE 's/^rust-version = "([0-9.]+)"$/\1/p' Cargo.toml)
if ! command -v cargo >/dev/null || ! found=$(rustc --version 2>/dev/null); then
    die "needs Rust $wanted or later, found none; https://rustup.rs has it"
fi
# rustc 1.95.0 (...)
read -r _ found _ <<<"$found"
printf '%s\n' "$wanted" "$found" | sort -VC ||
    die "needs Rust $wanted or later, found $found; https://rustup.rs has it"
if [ "${1-}" = cc ]; then
    command -v cc >/dev/null || die "needs a C compiler, found no cc; apt-get install gcc libc6-dev, or what your system calls them"
fi
