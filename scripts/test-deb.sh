#!/usr/bin/env bash
# test-deb.sh FILE.deb: installs the package into a fresh Debian 13, gets a QEMU there as another user than root, and runs
# a program under the plugin. Needs root and debootstrap.

. "$(dirname "$0")/lib.sh"

package=$(realpath -- "${1-}") && [ -f "$package" ] || die "names no package; make deb builds one"
[ "$(id -u)" = 0 ] || die "needs root, for a chroot"
command -v debootstrap >/dev/null || die "needs debootstrap; apt-get install debootstrap"

root=$(mktemp -d)
# Other users are to look into it.
chmod 755 "$root"
clean() {
    if mountpoint -q "$root/proc"; then
        umount "$root/proc"
    fi
    rm -rf --one-file-system "$root"
}
trap clean EXIT
mirror=$(debian_mirror)
say "installing Debian 13 into $root"
debootstrap --variant=minbase trixie "$root" "$mirror" >"$root.log" 2>&1 || {
    tail -n 20 "$root.log" >&2
    die "debootstrap failed"
}
rm -f "$root.log"
mount -t proc proc "$root/proc"
cp "$package" "$root/tmp/"
cp /etc/resolv.conf "$root/etc/"

inside() {
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
}

say "installing ${package##*/}"
inside apt-get -qq update
inside env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install "/tmp/${package##*/}" >/dev/null
inside useradd -m user
as_user() {
    inside runuser -u user -- env HOME=/home/user "$@"
}
for file in share/man/man1/libcache-run.1 share/bash-completion/completions/libcache \
    share/zsh/vendor-completions/_libcache share/fish/vendor_completions.d/libcache.fish; do
    [ -s "$root/usr/$file" ] || [ -s "$root/usr/$file.gz" ] || die "the package has no $file"
done
as_user libcache setup
report=$(as_user libcache run --limit 0 --cpu zen3 -- /bin/ls / 2>&1)
[[ $report == *"core #, data accesses"* && $report == *home* ]] || die "no report: $report"
as_user libcache doctor | grep -q 'loads the plugin' || die "the plugin does not load"
inside dpkg --purge libcache >/dev/null
[ -z "$(find "$root/usr" -name '*libcache*')" ] || die "files are left"
say "the package works on Debian $(cat "$root/etc/debian_version")"
