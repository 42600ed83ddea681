#!/usr/bin/env bash
# Build one guest program, when its source is newer than the last build or was
# elsewhere, and print the path of the executable.
#
#   guests/build.sh ARCH NAME        guests/NAME.c, static, for user-mode QEMU
#   guests/build.sh ARCH bare/NAME   guests/bare/NAME.c, bare metal, for `-M virt`
#
# ARCH is riscv64, x86_64 or aarch64; bare-metal guests exist for riscv64 only.
# Executables go to $LIBCACHE_CACHE/guests/ARCH/ (by default
# ${XDG_CACHE_HOME:-$HOME/.cache}/libcache/guests/ARCH/). Concurrent calls are safe.
# SPDX-License-Identifier: GPL-2.0-or-later
set -euo pipefail

die() {
    echo "guests/build.sh: $*" >&2
    exit 1
}

[[ $# -eq 2 ]] || die "usage: guests/build.sh riscv64|x86_64|aarch64 NAME|bare/NAME"
arch=$1
name=$2

case $arch in
riscv64 | x86_64 | aarch64) ;;
*) die "ARCH $arch: not one of riscv64, x86_64, aarch64" ;;
esac

# The native compiler has no prefixed name on every distribution.
compiler=$arch-linux-gnu-gcc
[[ $arch != "$(uname -m)" ]] || compiler=gcc
command -v "$compiler" >/dev/null ||
    die "$compiler not found; Debian: apt-get install gcc-${arch/_/-}-linux-gnu"

cd "$(dirname "${BASH_SOURCE[0]}")"
source=$name.c
[[ -f $source ]] || die "no guest $name: guests/$source does not exist"

flags=(-std=gnu11 -O2 -g -Wall -Wextra -static)
inputs=("$source" build.sh)
objects=("$source")
case $name in
bare/*)
    support=bare/$arch
    [[ -f $support.ld ]] || die "no bare-metal guests for $arch, only for riscv64"
    # medany: the program is linked above 2 GiB. Without loop patterns GCC
    # calls no memset or memcpy, which do not exist here.
    flags+=(-nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector
        -fno-tree-loop-distribute-patterns -mcmodel=medany
        -Wl,--build-id=none -Wl,-T,"$support.ld")
    inputs+=("$support.ld" "$support.S" "$support.h")
    objects+=("$support.S")
    ;;
*)
    flags+=(-pthread)
    # What the source includes lies in a folder of its name.
    [[ ! -d $name ]] || inputs+=("$name"/*)
    ;;
esac

cache=${LIBCACHE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/libcache}
target=$cache/guests/$arch/$name
mkdir -p "$(dirname "$target")"

# Where the source of this build was: its debug information names it. Another checkout builds anew.
origin=$target.origin

up_to_date() {
    local input
    [[ -f $origin && $(<"$origin") == "$PWD" ]] || return 1
    for input in "${inputs[@]}"; do
        [[ $target -nt $input ]] || return 1
    done
}

# One build at a time for each target; whoever waited finds it done.
exec 9>"$target.lock"
flock 9
if ! up_to_date; then
    partial=$target.partial
    trap 'rm -f "$partial"' EXIT
    "$compiler" "${flags[@]}" -o "$partial" "${objects[@]}" >&2
    mv -f "$partial" "$target"
    printf '%s\n' "$PWD" >"$origin"
fi
printf '%s\n' "$target"
