#!/usr/bin/env bash
# kernel.sh x86_64|riscv64|aarch64: prepares a small Linux guest for system-mode QEMU and prints its directory DIR:
#   DIR/vmlinuz     Debian trixie's kernel, as -kernel wants it, or forky's where the mirror cannot give that
#   DIR/initrd.gz   Debian's busybox and the /init below
#   DIR/args        the arguments for qemu-system-ARCH, one a line: machine, kernel, console; add -smp N as needed
#
# The guest prints GUEST-UP, works a little on every processor, prints GUEST-DONE and powers off: QEMU ends by itself
# with status 0.

. "$(dirname "$0")/lib.sh"

ARCH=${1-}
case $ARCH in
x86_64) debian=amd64 kernel=linux-image-cloud-amd64 console=ttyS0 machine=(-M q35) ;;
riscv64) debian=riscv64 kernel=linux-image-riscv64 console=ttyS0 machine=(-M virt) ;;
aarch64) debian=arm64 kernel=linux-image-cloud-arm64 console=ttyAMA0 machine=(-M virt -cpu cortex-a57) ;;
*) die "unknown architecture '$ARCH'; known: x86_64 riscv64 aarch64" ;;
esac

# Runs in the guest. Output is small and the work is the same at every boot. The last line goes through the kernel's log,
# which is written before the kernel says "Power down"; what a terminal has yet to send is lost then.
init() {
    cat <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo GUEST-UP
uname -a
ls -l /
grep -c ^processor /proc/cpuinfo
for cpu in $(seq "$(nproc)"); do
    (seq 2000 | sort -n -r | sha256sum | cut -c 1-16) &
done
wait
find /bin /proc/sys -type f 2>/dev/null | sort | md5sum
gzip -c /bin/busybox | gunzip | md5sum
echo '<1>GUEST-DONE' >/dev/kmsg
sync
poweroff -f
INIT
}

fetch() {
    local image binary
    apt_state "$1-$debian" "$debian" deb "$1"
    # The package named above depends on the one with the files, whose name holds the kernel's version. Since forky that
    # is divided, and the kernel itself in a "binary".
    image=$(apt-cache -c "$APT_STATE/apt.conf" show "$kernel" |
        sed -nE '/^Depends:/ s/.*\b(linux-image-[0-9][^ ,]*).*/\1/p' | head -n 1)
    [ -n "$image" ] || die "$kernel names no kernel image package"
    binary=${image/image/binary}
    if [ -n "$(apt-cache -c "$APT_STATE/apt.conf" pkgnames "$binary")" ]; then
        image=$binary
    fi
    apt_unpack "$WORK/image" "$image"
    apt_unpack "$WORK/root" busybox-static
}

DIR=$CACHE/kernel/$ARCH
RECIPE='trixie 5'
lock "kernel-$ARCH"
if ! finished "$DIR" "$RECIPE"; then
    need test apt-get apt-cache dpkg-deb cpio gzip flock
    from_first_suite "$DIR" fetch trixie forky
    image=$(find "$WORK/image" -name 'vmlinu[xz]*' -type f | head -n 1)
    [ -n "$image" ] || die "the kernel package holds no kernel"
    if gzip -t "$image" 2>/dev/null; then
        gzip -dc "$image" >"$WORK/vmlinuz"
    else
        mv "$image" "$WORK/vmlinuz"
    fi
    busybox=$(find "$WORK/root" -path '*/bin/busybox' -type f | head -n 1)
    [ -n "$busybox" ] || die "busybox-static holds no busybox"
    mkdir -p "$WORK/initrd"/{bin,dev,proc,sys}
    mv "$busybox" "$WORK/initrd/bin/busybox"
    init >"$WORK/initrd/init"
    chmod 755 "$WORK/initrd/init" "$WORK/initrd/bin/busybox"
    (cd "$WORK/initrd" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -n) >"$WORK/initrd.gz"
    rm -rf "$WORK"/{image,root,initrd}
    printf '%s\n' "${machine[@]}" -m 512 -nographic -no-reboot -nic none \
        -kernel "$DIR/vmlinuz" -initrd "$DIR/initrd.gz" -append "console=$console quiet panic=-1" >"$WORK/args"
    publish "$WORK" "$DIR" "$RECIPE"
fi
printf '%s\n' "$DIR"
