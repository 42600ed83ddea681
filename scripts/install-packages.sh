#!/usr/bin/env bash
# install-packages.sh demo|test|build|matrix|bench: installs, with apt, those Debian packages that the task needs and
# the machine lacks. Each set holds the one before it, but build stands alone. Uses sudo where not root; where it cannot
# install, it says what is missing and fails. Prints the packages it installed on stdout, one a line: nothing if nothing
# was missing.
#
#   demo    a cross compiler for the guest, a C compiler and make for the build
#   test    the other cross compilers, glib to build QEMU's own cache plugin, what the other scripts here use and the
#           tests of debug information, what reads the plugin's files: Valgrind's scripts, a browser, KCachegrind and
#           a screen for it, and what building another simulator takes: see pycachesim.sh
#   build   what building QEMU takes
#   matrix  all of these
#   bench   valgrind
#
# The other releases of QEMU, kernels and guest programs are no packages of the host: see qemu.sh, kernel.sh and
# sysroot.sh.

. "$(dirname "$0")/lib.sh"

demo=(gcc-riscv64-linux-gnu libc6-dev-riscv64-cross gcc libc6-dev make)
test=("${demo[@]}" gcc-aarch64-linux-gnu libc6-dev-arm64-cross libglib2.0-dev pkg-config python3 xz-utils cpio
    g++ binutils dwz
    gcc-mips-linux-gnu libc6-dev-mips-cross gcc-mipsel-linux-gnu libc6-dev-mipsel-cross
    gcc-mips64-linux-gnuabi64 libc6-dev-mips64-cross gcc-mips64el-linux-gnuabi64 libc6-dev-mips64el-cross
    valgrind python3-jsonschema chromium kcachegrind dbus-daemon xvfb x11-utils python3-venv python3-dev)
read -ra build <<<"$BUILD_PACKAGES"
matrix=("${test[@]}" "${build[@]}")
# shellcheck disable=SC2034  # used through "wanted"
bench=("${matrix[@]}" valgrind)

case ${1-} in
demo | test | build | matrix | bench) declare -n wanted=$1 ;;
*) die "unknown set '${1-}'; known: demo test build matrix bench" ;;
esac

missing=()
for package in "${wanted[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null ||
    die "no apt here; install what your system calls these Debian packages: ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
        die "neither root nor sudo; as root, run: apt-get install ${missing[*]}"
    fi
    as_root=(sudo)
fi

apt_install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -qq -y --no-remove \
        --no-install-recommends install "${missing[@]}" >&2
}

say "installing ${missing[*]}"
# Lists that are empty or stale show as a package that cannot be found or downloaded.
if ! apt_install; then
    say "fetching package lists first"
    # A third-party repository that does not answer is not our business; a package that is still missing is.
    "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=600 -qq update >&2 || say "some package lists could not be fetched"
    apt_install || die "apt could not install ${missing[*]}"
fi
printf '%s\n' "${missing[@]}"
