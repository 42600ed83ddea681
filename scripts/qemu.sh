#!/usr/bin/env bash
# qemu.sh VERSION: makes DIR with runnable DIR/bin/qemu-* of that release of QEMU, and prints DIR.
# qemu.sh --list: prints the known versions, one a line: VERSION MODE... (MODE is "user" or "system").
# qemu.sh 7.2-user: user mode alone, for all targets, which is less to download.
# qemu.sh 10.0-user [TARGET...]: user mode built for these targets, and for those that it was built for before.
#
# With LIBCACHE_PROGRESS, standard error has lines dlstatus:WHAT:PERCENT: for `libcache setup`, which runs this script.
#
# Debian's binaries are unpacked, with all libraries they need and their own dynamic loader, into a private tree; their
# interpreter and library path are then set to that tree. So any release runs on any x86_64 Linux without root, without
# a chroot and beside any QEMU that is installed, and can load plugins from anywhere on the host. Where Debian has no
# usable binary (its user mode is static since 10.0, so cannot load plugins) QEMU is built from Debian's copy of the
# source.

. "$(dirname "$0")/lib.sh"

list() {
    cat <<'LIST'
7.2 user system
10.0 system
10.2 user
11.1 system
LIST
}

if [ "${1-}" = --list ]; then
    list
    exit
fi
VERSION=${1-}
shift || true
known=$(list | cut -d ' ' -f 1 && printf '%s-user\n' 7.2 10.0)
grep -qxF -- "$VERSION" <<<"$known" ||
    die "unknown QEMU version '$VERSION'; known: $(paste -sd ' ' <<<"$known")"

DIR=$CACHE/qemu/$VERSION

# relocate TREE FINAL BIN: makes every QEMU executable in TREE run from FINAL with FINAL's libraries, and fills BIN with
# their entry points. DT_RPATH, not DT_RUNPATH: it also serves the libraries' own dependencies and those of plugins.
relocate() {
    local tree=$1 final=$2 bin=$3 libraries=usr/lib/x86_64-linux-gnu loader binary name
    loader=$tree/$libraries/ld-linux-x86-64.so.2
    [ -x "$loader" ] || die "no dynamic loader in the unpacked tree"
    mkdir -p "$bin"
    for binary in "$tree"/usr/bin/qemu-*; do
        name=${binary##*/}
        if [ -L "$binary" ] || [ "$(head -c 4 "$binary" | tail -c 3)" != ELF ]; then
            continue
        fi
        "$loader" --library-path "$tree/$libraries" "$tree/usr/bin/patchelf" \
            --set-interpreter "$final/$libraries/ld-linux-x86-64.so.2" \
            --force-rpath --set-rpath "$final/$libraries" "$binary" || die "patchelf failed on $name"
        case $name in
        qemu-system-*)
            # Debian's builds since 10.0 look for firmware and modules in /usr only. "exec" keeps the process id, and
            # /proc/self/exe is the real executable.
            cat >"$bin/$name" <<WRAPPER
#!/bin/sh
QEMU_MODULE_DIR='$final/$libraries/qemu'
export QEMU_MODULE_DIR
exec '$final/usr/bin/$name' -L '$final/usr/share/qemu' -L '$final/usr/share/seabios' -L '$final/usr/lib/ipxe/qemu' "\$@"
WRAPPER
            chmod +x "$bin/$name"
            ;;
        *) ln -s "../tree/usr/bin/$name" "$bin/$name" ;;
        esac
    done
}

# packaged RECIPE STATE SUITES TARGET-SUITE PACKAGE...: a tree of Debian's binaries; STATE is the apt state's name.
packaged() {
    local recipe=$1 state=$2 suites=$3 target=$4
    shift 4
    finished "$DIR" "$recipe" && return
    [ "$(uname -m)" = x86_64 ] || die "Debian's QEMU is taken for x86_64 hosts only"
    need test apt-get dpkg-deb flock
    workspace "$DIR"
    # A subshell, so that the lock on the apt state is released once the packages are unpacked.
    (
        apt_state "$state" amd64 deb "$suites"
        apt_tree "$WORK/tree" -t "$target" patchelf "$@"
    )
    relocate "$WORK/tree" "$DIR/tree" "$WORK/bin"
    # What no emulator reads at run time.
    rm -rf "$WORK"/tree/{etc,var} "$WORK"/tree/usr/share/{doc,info,lintian,bug,perl,perl5,zoneinfo}
    publish "$WORK" "$DIR" "$recipe"
}

# What ninja prints goes to the log; how far it is, to whoever wants to know.
log_ninja() {
    if [ -n "${LIBCACHE_PROGRESS-}" ]; then
        tee -a log | sed -une 's/^progress: *\([0-9]*\)%.*/dlstatus:build:\1:/p' >&2
    else
        cat >>log
    fi
}

# built RECIPE RELEASE TARGET...: user mode from Debian's copy of the upstream source, dynamically linked, with plugins.
built() {
    local recipe=$1 release=$2 jobs target targets
    shift 2
    targets=("$@")
    finished "$DIR" "$recipe" && return
    need build apt-get dpkg-deb flock tar xz gcc pkg-config ninja python3
    pkg-config --exists glib-2.0 capstone || lacks build "the development files of glib and capstone"
    python3 -c 'import ensurepip' 2>/dev/null || lacks build "Python's venv"
    source_tarball "$release" || die "no Debian suite offers a source tarball of QEMU $release"
    workspace "$DIR"
    # QEMU wants a newer meson than bookworm's. Pure Python: unpacked, it runs from where it is.
    (
        apt_state bookworm amd64 deb 'bookworm bookworm-backports'
        apt_unpack "$WORK/tools" meson/bookworm-backports python3-pycotap/bookworm-backports python3-distlib
    )
    mkdir -p "$WORK"/{source,build,bin,include/qemu}
    say "unpacking ${TARBALL##*/}"
    tar -xJf "$TARBALL" -C "$WORK/source" --strip-components=1 --exclude='*/roms/*' ||
        die "cannot unpack ${TARBALL##*/}"
    # Debian's tarball has no device tree blobs, but the build description still names them, in 10.2 in a file of its own.
    [ ! -d "$WORK/source/pc-bios/dtb" ] || : >"$WORK/source/pc-bios/dtb/meson.build"
    jobs=$(nproc)
    say "building QEMU $release with $jobs jobs; takes some minutes"
    (
        cd "$WORK/build"
        export PYTHONPATH=$WORK/tools/usr/lib/python3/dist-packages
        ../source/configure --python="$(command -v python3)" \
            --target-list="$(printf '%s-linux-user,' "${targets[@]}" | sed 's/,$//')" --without-default-features \
            --disable-download --disable-docs --disable-tools --disable-install-blobs --disable-debug-info \
            --enable-plugins --enable-capstone >log 2>&1 &&
            NINJA_STATUS='progress:%p:' ninja -j "$jobs" "${targets[@]/#/qemu-}" 2>&1 | log_ninja || {
            tail -n 20 log >&2
            exit 1
        }
    ) || die "QEMU $release does not build"
    for target in "${targets[@]}"; do
        mv "$WORK/build/qemu-$target" "$WORK/bin/"
    done
    mv "$WORK/source/include/qemu/qemu-plugin.h" "$WORK/include/qemu/"
    rm -rf "$WORK"/{source,build,tools}
    publish "$WORK" "$DIR" "$recipe"
}

# Every executable must start and say the version asked for. Also when nothing was made: what was built here uses the
# host's libraries, which may have changed.
check() {
    local release=${VERSION%-user} binary binaries reported found=0
    case $VERSION in
    *-user) binaries=("$DIR"/bin/qemu-*) ;;
    *) binaries=("$DIR"/bin/qemu-{riscv64,x86_64,aarch64} "$DIR"/bin/qemu-system-{riscv64,x86_64,aarch64}) ;;
    esac
    for binary in "${binaries[@]}"; do
        [ -e "$binary" ] || continue
        found=1
        reported=$("$binary" --version | sed -nE '1s/.* version ([0-9]+\.[0-9]+).*/\1/p') || true
        if [ "$reported" != "$release" ]; then
            rm -f "$DIR/.recipe"
            die "${binary##*/} reports version '${reported:-none}', not $release"
        fi
    done
    [ "$found" = 1 ] || die "no QEMU executable in $DIR"
}

lock "qemu-$VERSION"
case $VERSION in
7.2)
    packaged 'bookworm 3' bookworm 'bookworm bookworm-backports' bookworm \
        qemu-user qemu-system-x86 qemu-system-misc qemu-system-arm seabios ipxe-qemu opensbi
    ;;
10.0)
    packaged 'bookworm-backports 3' bookworm 'bookworm bookworm-backports' bookworm-backports \
        qemu-system-x86 qemu-system-misc qemu-system-arm seabios ipxe-qemu opensbi
    ;;
11.1)
    packaged 'trixie-backports 3' trixie 'trixie trixie-backports' trixie-backports \
        qemu-system-x86 qemu-system-riscv qemu-system-arm seabios ipxe-qemu opensbi
    ;;
10.2)
    built 'build 1' 10.2 riscv64 x86_64 aarch64
    ;;
7.2-user)
    packaged 'bookworm 2' bookworm-user bookworm bookworm qemu-user
    # Users get it once; the lists are as large as it is.
    rm -rf "$CACHE/apt/bookworm-user"
    ;;
10.0-user)
    # The targets of before, which a new build would lose.
    for binary in "$DIR"/bin/qemu-*; do
        [ ! -e "$binary" ] || set -- "$@" "${binary##*/qemu-}"
    done
    [ $# -gt 0 ] || set -- riscv64 x86_64 aarch64
    mapfile -t targets < <(printf '%s\n' "$@" | sort -u)
    built "build 1 ${targets[*]}" 10.0 "${targets[@]}"
    ;;
esac
check
printf '%s\n' "$DIR"
