// A library that the guest `main.c` loads as it runs.
// SPDX-License-Identifier: GPL-2.0-or-later
long sum_of_loaded(const volatile long *words, long n);

__attribute__((noipa)) long sum_of_loaded(const volatile long *words, long n)
{
    long sum = 0;
    for (long i = 0; i < 4 * n; i++)
        sum += words[i % n]; // of the loaded library
    return sum;
}
