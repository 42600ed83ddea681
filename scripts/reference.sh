#!/usr/bin/env bash
# reference.sh VERSION: builds QEMU's own C cache plugin of that release and prints the path of the shared object.
# VERSION is one of 7.2, 10.0, 10.2, 11.1.
#
# The source is QEMU's, from Debian's source package, fetched and compiled on the spot; none of it is part of this
# project. It is compiled as it is, with the flags that QEMU's build uses where they matter to C's semantics. Only where
# no source of 11.1 can be had is the plugin of 10.2 built instead, put on API 7 by a header of our own that is included
# in front of it (see api7 below); the model in it is untouched.

. "$(dirname "$0")/lib.sh"

VERSION=${1-}
case $VERSION in
7.2 | 10.0 | 10.2 | 11.1) ;;
*) die "unknown QEMU version '$VERSION'; known: 7.2 10.0 10.2 11.1" ;;
esac

# What differs for this plugin between API 5 and API 7 (QEMU 11.1): the number itself, and that a callback is handed its
# own userdata and no longer the plugin's id. The new functions are declared under names of ours and bound to QEMU's
# symbols; the plugin's calls of the old ones are routed to them.
api7() {
    cat <<'HEADER'
#include <qemu-plugin.h>

#undef QEMU_PLUGIN_VERSION
#define QEMU_PLUGIN_VERSION 7

extern void api7_register_tb_trans(qemu_plugin_id_t, void (*)(struct qemu_plugin_tb *, void *), void *)
    __asm__("qemu_plugin_register_vcpu_tb_trans_cb");
extern void api7_register_atexit(qemu_plugin_id_t, void (*)(void *), void *)
    __asm__("qemu_plugin_register_atexit_cb");

static qemu_plugin_id_t api5_id;
static void (*api5_tb_trans)(qemu_plugin_id_t, struct qemu_plugin_tb *);
static void (*api5_atexit)(qemu_plugin_id_t, void *);

static void api7_on_tb_trans(struct qemu_plugin_tb *tb, void *userdata)
{
    (void)userdata;
    api5_tb_trans(api5_id, tb);
}

static void api7_on_atexit(void *userdata)
{
    api5_atexit(api5_id, userdata);
}

static void api5_register_tb_trans(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t, struct qemu_plugin_tb *))
{
    api5_id = id;
    api5_tb_trans = callback;
    api7_register_tb_trans(id, api7_on_tb_trans, NULL);
}

static void api5_register_atexit(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t, void *), void *userdata)
{
    api5_id = id;
    api5_atexit = callback;
    api7_register_atexit(id, api7_on_atexit, userdata);
}

#define qemu_plugin_register_vcpu_tb_trans_cb api5_register_tb_trans
#define qemu_plugin_register_atexit_cb api5_register_atexit
HEADER
}

DIR=$CACHE/reference/$VERSION
RECIPE='reference 1'
lock "reference-$VERSION"
if ! finished "$DIR" "$RECIPE"; then
    need test apt-get apt-cache gcc pkg-config tar xz flock
    pkg-config --exists glib-2.0 || die "needs the development files of glib; run scripts/install-packages.sh test"
    workspace "$DIR"
    adapt=()
    if ! source_tarball "$VERSION"; then
        [ "$VERSION" = 11.1 ] || die "no Debian suite offers a source tarball of QEMU $VERSION"
        say "no source of QEMU 11.1 can be had: putting the plugin of 10.2 on API 7"
        source_tarball 10.2 || die "no Debian suite offers a source tarball of QEMU 10.2"
        api7 >"$WORK/api7.h"
        adapt=(-include "$WORK/api7.h")
    fi
    tar -xJf "$TARBALL" -C "$WORK" --strip-components=1 --wildcards \
        '*/contrib/plugins/cache.c' '*/include/qemu/qemu-plugin.h' || die "${TARBALL##*/} lacks the plugin's source"
    say "compiling the cache plugin of QEMU $VERSION"
    # shellcheck disable=SC2046  # pkg-config prints words
    gcc -shared -fPIC -O2 -fno-strict-aliasing -fno-common -fwrapv -w -I"$WORK/include/qemu" "${adapt[@]}" \
        -o "$WORK/libcache-reference.so" "$WORK/contrib/plugins/cache.c" $(pkg-config --cflags --libs glib-2.0) ||
        die "the cache plugin of QEMU $VERSION does not compile"
    publish "$WORK" "$DIR" "$RECIPE"
fi
printf '%s\n' "$DIR/libcache-reference.so"
