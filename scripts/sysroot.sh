#!/usr/bin/env bash
# sysroot.sh ARCH: unpacks real programs of Debian trixie for riscv64, x86_64 or aarch64 with all libraries they need,
# and prints the directory DIR, for "qemu-ARCH -L DIR DIR/usr/bin/PROGRAM": python3 (with its standard library),
# sqlite3, xz. Of Debian forky where the mirror cannot give those of trixie.

. "$(dirname "$0")/lib.sh"

ARCH=${1-}
case $ARCH in
    riscv64) DEBIAN=riscv64 ;;
    x86_64) DEBIAN=amd64 ;;
    aarch64) DEBIAN=arm64 ;;
    *) die "unknown architecture '$ARCH'; known: riscv64, x86_64, aarch64" ;;
esac

fetch() {
    apt_state "$1-$ARCH" "$DEBIAN" deb "$1"
    apt_tree "$WORK" python3 sqlite3 xz-utils
}

DIR=$CACHE/sysroot/$ARCH
RECIPE='trixie 2'
lock "sysroot-$ARCH"
if ! finished "$DIR" "$RECIPE"; then
    need test apt-get dpkg-deb flock
    from_first_suite "$DIR" fetch trixie forky
    rm -rf "${WORK:?}"/{etc,var} "$WORK"/usr/share/{doc,info,lintian,bug,zoneinfo,perl}
    for program in python3 sqlite3 xz; do
        [ -e "$WORK/usr/bin/$program" ] || die "no $program in the unpacked packages"
    done
    publish "$WORK" "$DIR" "$RECIPE"
fi
printf '%s\n' "$DIR"
