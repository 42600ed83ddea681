# shellcheck shell=bash
# Shared by the scripts of this directory; sourced, never run.
#
# All that the scripts fetch or build lives under $CACHE. Debian packages come from the mirror that the machine's own
# apt uses, through an apt state of our own, so that the machine's apt set-up is read but never changed and no root is
# needed: an empty dpkg status makes apt compute and download whole dependency closures, which are then unpacked into
# private trees.

set -euo pipefail

CACHE=${LIBCACHE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/libcache}
case $CACHE in
/*) ;;
*) CACHE=$PWD/$CACHE ;;
esac
readonly CACHE

# Package lists younger than this are not fetched again.
readonly LISTS_MAX_AGE_MINUTES=1440

say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    printf '%s: error: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Configuration files, build systems and library paths all carry this name.
[[ $CACHE =~ ^[A-Za-z0-9_./+@-]+$ ]] || die "the cache directory '$CACHE' has characters that build tools cannot take"

# Packages that building QEMU's user mode takes.
readonly BUILD_PACKAGES='gcc libc6-dev xz-utils pkg-config ninja-build python3 python3-venv libglib2.0-dev libcapstone-dev'

# need SET TOOL...: SET is that of install-packages.sh which has them.
need() {
    local set=$1 tool missing=()
    shift
    for tool in "$@"; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [ ${#missing[@]} -eq 0 ] || lacks "$set" "${missing[*]}"
}

# lacks SET WHAT: ends because WHAT is missing.
lacks() {
    case $1 in
    # Few enough to be named.
    build) die "needs $2; install them: apt-get install $BUILD_PACKAGES" ;;
    *) die "needs $2; run scripts/install-packages.sh $1" ;;
    esac
}

# Waits for and takes the lock NAME; held until this process ends.
lock() {
    local fd
    mkdir -p "$CACHE/locks"
    exec {fd}>"$CACHE/locks/$1"
    flock -n "$fd" || {
        say "waiting for another run to finish ($1)"
        flock "$fd"
    }
}

# finished DIR RECIPE: was DIR completed by this very recipe?
finished() {
    [ -f "$1/.recipe" ] && [ "$(<"$1/.recipe")" = "$2" ]
}

# publish TMP DIR RECIPE: TMP becomes DIR in one step, so that a directory that exists is complete.
publish() {
    printf '%s\n' "$3" >"$1/.recipe"
    rm -rf "$2"
    mv "$1" "$2"
}

# workspace DIR: an empty directory beside DIR, removed at exit unless published.
workspace() {
    WORK=$1.tmp
    rm -rf "$WORK"
    mkdir -p "$WORK"
    trap 'rm -rf "$WORK"' EXIT
}

# The Debian mirror: that of LIBCACHE_MIRROR, or the first repository in this machine's apt sources whose suite is one
# of Debian's. apt checks the signatures of what comes from it.
debian_mirror() {
    local uri=${LIBCACHE_MIRROR-}
    if [ -n "$uri" ]; then
        printf '%s\n' "$uri"
        return
    fi
    uri=$(
        {
            # shellcheck disable=SC2016  # apt expands these
            apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 2>/dev/null
            # A machine that never ran "apt-get update" has no index targets, but it has sources.
            sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) +([^ ]+).*/\2 \3/p' \
                /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null
            awk 'tolower($1) == "uris:" { uri = $2 } tolower($1) == "suites:" { print uri, $2 }' \
                /etc/apt/sources.list.d/*.sources 2>/dev/null
        } | awk '$2 ~ /^(bookworm|trixie|forky|sid|stable|testing|unstable)$/ { print $1; exit }'
    ) || true
    [ -n "$uri" ] ||
        die "no Debian mirror in this machine's apt sources; name one of debian.org/mirror/list by --mirror URL (setup) or LIBCACHE_MIRROR"
    printf '%s\n' "$uri"
}

# The keys of Debian's archive. Ubuntu has them in a package, which its own apt vouches for.
debian_keyring() {
    local system=/usr/share/keyrings/debian-archive-keyring.gpg own=$CACHE/apt/debian-archive-keyring.gpg directory
    if [ -r "$system" ]; then
        printf '%s\n' "$system"
        return
    fi
    if [ ! -r "$own" ]; then
        directory=$(mktemp -d)
        (cd "$directory" && apt-get -qq download debian-archive-keyring >&2 && dpkg-deb -x ./*.deb .) || {
            rm -rf "$directory"
            die "cannot get the keys of Debian's archive; install debian-archive-keyring"
        }
        mkdir -p "${own%/*}"
        cp -L "$directory$system" "$own.$$" && mv "$own.$$" "$own"
        rm -rf "$directory"
    fi
    printf '%s\n' "$own"
}

# apt_state NAME ARCH TYPES SUITES: prepares the private apt state NAME, sets APT_STATE to its directory and brings its
# lists up to date. TYPES is "deb" or "deb-src". The lock serialises use of one state; apt itself would fail, not wait.
apt_state() {
    local name=$1 arch=$2 types=$3 suites=$4 mirror keyring
    need test apt-get flock
    APT_STATE=$CACHE/apt/$name
    mkdir -p "$APT_STATE"/{lists/partial,archives/partial,dpkg}
    lock "apt-$name"
    : >"$APT_STATE/dpkg/status"
    mirror=$(debian_mirror)
    keyring=$(debian_keyring)
    printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
        "$types" "$mirror" "$suites" "$keyring" >"$APT_STATE/debian.sources"
    cat >"$APT_STATE/apt.conf" <<CONF
APT::Architecture "$arch";
#clear APT::Architectures;
APT::Architectures { "$arch"; };
APT::Sandbox::User "";
APT::Get::AllowUnauthenticated "false";
APT::Install-Recommends "false";
${LIBCACHE_PROGRESS:+APT::Status-Fd 2;}
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "$APT_STATE/debian.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$APT_STATE";
Dir::State::lists "$APT_STATE/lists";
Dir::State::status "$APT_STATE/dpkg/status";
Dir::State::extended_states "$APT_STATE/extended_states";
Dir::Cache "$APT_STATE";
Dir::Cache::archives "$APT_STATE/archives";
Dir::Log "$APT_STATE/log";
CONF
    if [ -z "$(find "$APT_STATE/updated" -mmin -$LISTS_MAX_AGE_MINUTES 2>/dev/null)" ] ||
        ! cmp -s "$APT_STATE/debian.sources" "$APT_STATE/updated"; then
        apt_update
    fi
}

apt_update() {
    say "fetching the package lists of ${APT_STATE##*/}"
    rm -f "$APT_STATE/updated"
    apt-get -c "$APT_STATE/apt.conf" -qq update >&2 || die "apt-get update failed for ${APT_STATE##*/}"
    cp "$APT_STATE/debian.sources" "$APT_STATE/updated"
}

# apt_private COMMAND...: apt-get in the current private state; once more with fresh lists if it fails, since a mirror
# drops a package the moment it has a newer one.
apt_private() {
    if ! apt-get -c "$APT_STATE/apt.conf" -y "$@" >&2; then
        apt_update
        apt-get -c "$APT_STATE/apt.conf" -y "$@" >&2 || return 1
    fi
}

# unpack DEB DIR. Not "dpkg-deb -x": it would put a directory in place of a link to one.
unpack() {
    dpkg-deb --fsys-tarfile "$1" |
        tar -x -C "$2" --keep-directory-symlink --no-same-owner --exclude='./usr/share/doc' \
            --exclude='./usr/share/man' --exclude='./usr/share/locale' || die "cannot unpack ${1##*/}"
}

# apt_tree DIR [-t SUITE] PACKAGE...: unpacks the packages and everything they depend on into DIR.
apt_tree() {
    local dir=$1 deb names
    shift
    names=("$@")
    [ "$1" != -t ] || names=("${@:3}")
    rm -f "$APT_STATE"/archives/*.deb
    say "downloading ${names[*]} and what they depend on"
    apt_private -qq --download-only install "$@" || die "cannot download $*"
    # Merged /usr, as on an installed system; packages of bookworm still ship files under /lib.
    mkdir -p "$dir"/usr/{bin,sbin,lib,lib64}
    ln -sfn usr/bin "$dir/bin"
    ln -sfn usr/sbin "$dir/sbin"
    ln -sfn usr/lib "$dir/lib"
    ln -sfn usr/lib64 "$dir/lib64"
    say "unpacking $(find "$APT_STATE/archives" -maxdepth 1 -name '*.deb' | wc -l) packages"
    for deb in "$APT_STATE"/archives/*.deb; do
        unpack "$deb" "$dir"
    done
    rm -f "$APT_STATE"/archives/*.deb
    relative_links "$dir"
}

# apt_unpack DIR PACKAGE[/SUITE]...: unpacks just these packages into DIR.
apt_unpack() {
    local dir=$1 deb
    shift
    rm -rf "$APT_STATE/download"
    mkdir -p "$APT_STATE/download" "$dir"
    say "downloading $*"
    (cd "$APT_STATE/download" && apt_private -qq download "$@") || die "cannot download $*"
    for deb in "$APT_STATE"/download/*.deb; do
        unpack "$deb" "$dir"
    done
    rm -rf "$APT_STATE/download"
}

# from_first_suite DIR FETCH SUITE...: calls FETCH SUITE with an empty workspace for DIR, for the first suite whose
# packages can be had; leaves its name in .suite there. While a mirror is being synchronised, which may take it days, its lists of one suite and
# architecture may not be those that were signed.
from_first_suite() {
    local dir=$1 fetch=$2 suite
    shift 2
    for suite; do
        workspace "$dir"
        # A subshell, so that the lock on the apt state is released once the packages are unpacked.
        if ("$fetch" "$suite"); then
            printf '%s\n' "$suite" >"$WORK/.suite"
            return
        fi
        say "could not get what is needed from $suite"
    done
    die "none of these suites has what is needed: $*"
}

# An absolute link points out of the tree; make it relative to the tree's root.
relative_links() {
    local root=$1 link target
    while IFS= read -r -d '' link; do
        target=$(readlink "$link")
        ln -sfn "$(realpath -ms --relative-to="$(dirname "$link")" "$root$target")" "$link"
    done < <(find "$root" -type l -lname '/*' -print0)
}

# source_tarball VERSION: sets TARBALL to QEMU's upstream tarball of that release line, as in Debian's source package;
# fails if no suite offers one.
source_tarball() {
    local version=$1 suite line found
    for suite in bookworm trixie trixie-backports sid; do
        case $version:$suite in
        7.2:bookworm | 10.0:trixie | 10.2:sid | 11.*:trixie-backports | 11.*:sid) ;;
        *) continue ;;
        esac
        TARBALL=$CACHE/source/qemu-$version.tar.xz
        [ ! -s "$TARBALL" ] || return 0
        (
            apt_state "source-$suite" "$(dpkg --print-architecture)" deb-src "$suite"
            # Another run may have fetched it while this one waited for the lock.
            [ ! -s "$TARBALL" ] || exit 0
            rm -rf "$APT_STATE/download"
            mkdir -p "$APT_STATE/download" "$CACHE/source"
            cd "$APT_STATE/download"
            while read -r line; do
                [[ ${line#*:} == "$version"[.+-]* ]] || continue
                say "downloading the source of QEMU $line"
                # Sources name packages that the mirror has dropped, so the next one is tried, and said.
                if ! apt-get -c "$APT_STATE/apt.conf" -qq --download-only --tar-only source "qemu=$line" \
                    >/dev/null 2>&1; then
                    say "the mirror lists the source of QEMU $line, but does not have it"
                    continue
                fi
                found=$(find . -name 'qemu_*.orig.tar.xz' -size +1M | head -n 1)
                [ -n "$found" ] || continue
                mv "$found" "$TARBALL"
                exit 0
            done < <(apt-cache -c "$APT_STATE/apt.conf" showsrc --only-source qemu |
                awk '$1 == "Version:" { print $2 }' | sort -Vru)
            exit 1
        ) && return 0
    done
    return 1
}
