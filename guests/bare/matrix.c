// The demo on bare metal: every hart multiplies matrices of its own in row
// order and in column order (see ../matrix.c). Hart 0 waits for those that
// have started, prints, and powers the machine off.
//
// Run: qemu-system-riscv64 -M virt -nographic -bios none -kernel matrix [-smp N]
// Exit status: 0. Up to 8 harts.
// SPDX-License-Identifier: GPL-2.0-or-later
#include "riscv64.h"

// A column of 128 doubles in rows of 1 KiB: 128 lines, all in two sets of a
// 16 KiB, 8-way, 64-byte-line cache.
enum { N = 128 };

struct work {
    double a[N * N], b[N * N], rows[N * N], columns[N * N];
};

// Above the program's own 4 MiB.
static struct work *const works = (struct work *)0x80400000;
static volatile uint64_t started, finished, wrong;

__attribute__((noipa)) static void row_order(const double *a, const double *b, double *c)
{
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++) {
            double factor = a[i * N + k];
            for (size_t j = 0; j < N; j++)
                c[i * N + j] += factor * b[k * N + j];
        }
}

__attribute__((noipa)) static void column_order(const double *a, const double *b, double *c)
{
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = 0;
            for (size_t k = 0; k < N; k++)
                sum += a[i * N + k] * b[k * N + j];
            c[i * N + j] = sum;
        }
}

int main(size_t hart)
{
    count_up(&started);
    struct work *work = &works[hart];
    for (size_t i = 0; i < N * N; i++) {
        work->a[i] = (double)(i % 7);
        work->b[i] = (double)(i % 5);
        work->rows[i] = 0;
    }
    row_order(work->a, work->b, work->rows);
    column_order(work->a, work->b, work->columns);
    for (size_t i = 0; i < N * N; i++)
        if (work->rows[i] != work->columns[i])
            count_up(&wrong);
    count_up(&finished);

    if (hart != 0)
        for (;;)
            __asm__ volatile("wfi");
    while (finished != started)
        ;
    print(wrong ? "matrix: wrong" : "matrix: ok");
    print(" harts=");
    print_number(finished);
    print("\n");
    return wrong != 0;
}
