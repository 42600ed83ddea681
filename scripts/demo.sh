#!/usr/bin/env bash
# demo.sh: builds plugin and command, compiles a small riscv64 guest, runs it under QEMU with the plugin, explains the
# tables and says where the page for a browser is.
# Installs, with apt, what is missing to compile the guest. Where no QEMU loads plugins, `libcache setup` gets one.

. "$(dirname "$0")/lib.sh"

root=$(cd "$(dirname "$0")/.." && pwd)

heading() {
    printf '\n==> %s\n' "$*"
}

# Whether there are compilers, and a C library for riscv64.
compiles() {
    command -v cc >/dev/null &&
        riscv64-linux-gnu-gcc -static -x c -o /dev/null - 2>/dev/null <<<'int main(void) { return 0; }'
}

# The misses in the first row of function $1, which is the one with the most, in the list of data misses.
misses_of() {
    awk -F ', ' -v "symbol=($1)" '
        $0 == "address, fetch misses, instruction" { exit }
        index($1, symbol) { print $2; exit }' "$report"
}

"$root/scripts/check-toolchain.sh"
compiles || "$root/scripts/install-packages.sh" demo >/dev/null

heading "building the plugin and the command"
cargo build --release --locked --manifest-path "$root/Cargo.toml"
target=$(cargo metadata --format-version 1 --no-deps --manifest-path "$root/Cargo.toml" |
    sed -nE 's/.*"target_directory":"([^"]*)".*/\1/p')
libcache=$target/release/libcache
[ -x "$libcache" ] || die "cargo built no $libcache"
page=$target/demo/matrix.html
mkdir -p "${page%/*}"

heading "compiling guests/matrix.c"
guest=$("$root/guests/build.sh" riscv64 matrix)
printf '%s\n' "$guest"

if ! "$libcache" run --print "$guest" >/dev/null 2>&1; then
    heading "getting a QEMU that loads plugins"
    "$libcache" setup --targets riscv64
fi

report=$(mktemp)
trap 'rm -f "$report"' EXIT
words=("$libcache" run --limit 6 --html "$page" "$guest")
# From the current directory, if it is below.
heading "${words[*]/#"$PWD"\//./}"
# The report is on standard error.
"${words[@]}" </dev/null 2>"$report" || {
    cat "$report" >&2
    die "libcache run failed"
}
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
printf '%s\n' "${page/#"$PWD"\//./}"
