// The demo: the same product of two N×N matrices, computed in row order and in
// column order. Equal arithmetic, very different misses: in `column_order` the
// inner loop strides a whole row (2 KiB for N = 256), so that all its lines
// compete for one set of a 16 KiB, 8-way, 64-byte-line cache.
//
// Usage: matrix [N]          (default 256)
// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>

// The inner loop walks one row of b and one row of c: 8 doubles a line.
__attribute__((noipa)) static void row_order(size_t n, const double *a, const double *b,
                                                double *c)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            double factor = a[i * n + k];
            for (size_t j = 0; j < n; j++)
                c[i * n + j] += factor * b[k * n + j];
        }
}

// The inner loop walks one column of b: a new line at every step.
__attribute__((noipa)) static void column_order(size_t n, const double *a, const double *b,
                                                   double *c)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += a[i * n + k] * b[k * n + j];
            c[i * n + j] = sum;
        }
}

// Line-aligned and zeroed, so that the miss counts do not depend on the heap.
static double *matrix(size_t n)
{
    size_t bytes = (n * n * sizeof(double) + 63) / 64 * 64;
    double *m = aligned_alloc(64, bytes);
    if (!m) {
        fprintf(stderr, "matrix: no memory for n=%zu\n", n);
        exit(1);
    }
    for (size_t i = 0; i < n * n; i++)
        m[i] = 0;
    return m;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 0) : 256;
    if (n == 0 || n > 4096) {
        fprintf(stderr, "usage: matrix [N], 1 <= N <= 4096\n");
        return 2;
    }
    double *a = matrix(n), *b = matrix(n), *rows = matrix(n), *columns = matrix(n);
    // Small integers: the sums are exact, so their order does not matter.
    for (size_t i = 0; i < n * n; i++) {
        a[i] = (double)(i % 7);
        b[i] = (double)(i % 5);
    }
    row_order(n, a, b, rows);
    column_order(n, a, b, columns);
    double trace = 0;
    for (size_t i = 0; i < n * n; i++)
        if (rows[i] != columns[i]) {
            fprintf(stderr, "matrix: element %zu differs\n", i);
            return 1;
        }
    for (size_t i = 0; i < n; i++)
        trace += rows[i * n + i];
    printf("matrix: ok n=%zu trace=%.0f\n", n, trace);
    return 0;
}
