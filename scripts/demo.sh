#!/usr/bin/env bash
# demo.sh: builds the plugin, compiles a small riscv64 guest, runs it under QEMU with the plugin, explains the tables and
# says where the page for a browser is.
# Installs, with apt, what is missing. The guest is a program for qemu-riscv64; where that cannot load plugins, it is
# the same computation on bare metal, under qemu-system-riscv64. No package is ever removed for it: where the system's
# own cannot be installed, that QEMU comes from qemu.sh.

. "$(dirname "$0")/lib.sh"

root=$(cd "$(dirname "$0")/.." && pwd)

heading() {
    printf '\n==> %s\n' "$*"
}

have() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || return 1
    done
}

# Whether there is a compiler with a C library for riscv64.
cross_compiles() {
    have riscv64-linux-gnu-gcc &&
        riscv64-linux-gnu-gcc -static -x c -o /dev/null - <<<'int main(void) { return 0; }' 2>/dev/null
}

# Whether the QEMU executable $1 has the option -plugin.
takes_plugins() {
    local help
    help=$("$1" -help 2>/dev/null) || return 1
    [[ $help == *-plugin* ]]
}

# Installs the system's package, unless that would remove another one.
install_system_qemu() {
    local package='qemu-system-misc' as_root=()
    have apt-get apt-cache || return 1
    if [ "$(id -u)" != 0 ]; then
        have sudo || return 1
        as_root=(sudo)
    fi
    # Debian 13 and later have a package for RISC-V alone.
    ! apt-cache show qemu-system-riscv >/dev/null 2>&1 || package='qemu-system-riscv'
    say "installing $package"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -qq -y \
        --no-install-recommends --no-remove install "$package" >&2
}

# run COMMAND...: shows the command as "$shown" and runs it; its standard error, where the report is, goes to $report.
run() {
    heading "$shown"
    "$@" </dev/null 2>"$report" || {
        cat "$report" >&2
        die "$1 failed"
    }
}

# The misses in the first row of function $1, which is the one with the most, in the list of data misses.
misses_of() {
    awk -F ', ' -v "symbol=($1)" '
        $0 == "address, fetch misses, instruction" { exit }
        index($1, symbol) { print $2; exit }' "$report"
}

have cargo || die "needs Rust: no cargo here; see https://rustup.rs"
if ! have qemu-riscv64 gcc || ! cross_compiles; then
    "$root/scripts/install-packages.sh" demo >/dev/null
fi

heading "building the plugin"
cargo build --release --locked --manifest-path "$root/Cargo.toml"
target=$(cargo metadata --format-version 1 --no-deps --manifest-path "$root/Cargo.toml" |
    sed -nE 's/.*"target_directory":"([^"]*)".*/\1/p')
plugin=$target/release/libcache.so
[ -f "$plugin" ] || die "cargo built no $plugin"
page=$target/demo/matrix.html
mkdir -p "${page%/*}"
# From the current directory, if it is below.
plugin_shown=${plugin/#"$PWD"\//./}
page_shown=${page/#"$PWD"\//./}
# In an option a comma is written twice.
options="limit=6,html=${page//,/,,}"
options_shown="limit=6,html=${page_shown//,/,,}"

report=$(mktemp)
trap 'rm -f "$report"' EXIT

if takes_plugins qemu-riscv64; then
    heading "compiling guests/matrix.c"
    guest=$("$root/guests/build.sh" riscv64 matrix)
    printf '%s\n' "$guest"
    shown="qemu-riscv64 -plugin $plugin_shown,$options_shown matrix"
    run qemu-riscv64 -plugin "$plugin,$options" "$guest"
else
    heading "the installed qemu-riscv64 cannot load plugins: a machine instead"
    qemu='qemu-system-riscv64'
    if ! takes_plugins "$qemu" && ! { install_system_qemu && takes_plugins "$qemu"; }; then
        say "the system has no $qemu that can load plugins; fetching one that needs no installation"
        qemu=$("$root/scripts/qemu.sh" 10.0)/bin/$qemu ||
            die "found no QEMU for riscv64 that can load plugins; install one that has the option -plugin"
    fi
    heading "compiling guests/bare/matrix.c"
    guest=$("$root/guests/build.sh" riscv64 bare/matrix)
    printf '%s\n' "$guest"
    shown="qemu-system-riscv64 -M virt -bios none -nographic \\
        -plugin $plugin_shown,$options_shown,elf=bare/matrix -kernel bare/matrix"
    run "$qemu" -M virt -bios none -nographic -plugin "$plugin,$options,elf=${guest//,/,,}" -kernel "$guest"
fi

rows=$(misses_of row_order)
columns=$(misses_of column_order)
printf '\n'
cat "$report"
[[ -n $rows && -n $columns ]] || die "the report does not name row_order and column_order"
heading "how to read this"
cat <<TEXT
The table counts what the core's data and instruction cache were asked for, and
how often a line was not there (a miss); the lists name the instructions that
missed most, by address, function, misses and text.
Both functions compute the same product: the loop of row_order walks along a
row and misses once for each line of 8 numbers, $rows times, and that of
column_order walks down a column and misses at every number, $columns times.
TEXT
[ -s "$page" ] || die "the plugin wrote no $page"
heading "the same with source lines, for a browser"
printf '%s\n' "$page_shown"
