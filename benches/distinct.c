/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Counts what QEMU translates: the instructions at distinct addresses, and the instructions in all, each
 * retranslation counted. `make bench` divides memory by the first and shows by the second that QEMU did
 * retranslate.
 *
 *   -plugin distinct.so,out=FILE     writes "DISTINCT TOTAL" to FILE at the exit
 *
 * Built like floor.c against the headers of the QEMU it runs on (API 1 to 6).
 */
#include <glib.h>
#include <pthread.h>
#include <qemu-plugin.h>
#include <stdio.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* System-mode vCPUs translate at the same time. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *addresses;
static uint64_t total;
static char *out;

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t count = qemu_plugin_tb_n_insns(tb);

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++)
        g_hash_table_add(addresses,
                         (gpointer)(uintptr_t)qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, i)));
    total += count;
    pthread_mutex_unlock(&lock);
}

static void on_exit_of_guest(qemu_plugin_id_t id, void *userdata)
{
    pthread_mutex_lock(&lock);
    FILE *file = fopen(out, "w");
    if (!file || fprintf(file, "%u %" PRIu64 "\n", g_hash_table_size(addresses), total) < 0 ||
        fclose(file))
        perror(out);
    pthread_mutex_unlock(&lock);
}

QEMU_PLUGIN_EXPORT
int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    if (argc != 1 || strncmp(argv[0], "out=", 4)) {
        fprintf(stderr, "distinct: usage: -plugin distinct.so,out=FILE\n");
        return 1;
    }
    out = g_strdup(argv[0] + 4);
    addresses = g_hash_table_new(NULL, NULL);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, on_exit_of_guest, NULL);
    return 0;
}
