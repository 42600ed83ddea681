// The guest of the tests of places: as many loads as are known, of lines that a comment marks, in code of the
// program, inlined into it, of a library and of one that is loaded as it runs.
//
// Usage: main [LIBRARY]          the library to load
// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#ifdef LOADS
#include <dlfcn.h>
#endif

enum { WORDS = 1000 };

long sum_of_library(const volatile long *words, long n);

static inline __attribute__((always_inline)) long inlined_sum(const volatile long *words)
{
    long sum = 0;
    for (long i = 0; i < WORDS; i++)
        sum += words[i]; // inlined
    return sum;
}

__attribute__((noipa)) long sum_of_program(const volatile long *words)
{
    long sum = 0;
    for (long i = 0; i < 2 * WORDS; i++)
        sum += words[i % WORDS]; // of the program
    return sum + inlined_sum(words);
}

static long sum_of_loaded(const volatile long *words, const char *library)
{
#ifdef LOADS
    void *loaded = dlopen(library, RTLD_NOW);
    if (loaded) {
        long (*sum)(const volatile long *, long) = dlsym(loaded, "sum_of_loaded");
        if (sum)
            return sum(words, WORDS);
    }
    fprintf(stderr, "main: %s\n", dlerror());
#else
    (void)words;
    (void)library;
#endif
    return -1;
}

int main(int argc, char **argv)
{
    static long words[WORDS];
    for (long i = 0; i < WORDS; i++)
        words[i] = i;
    long sum = sum_of_program(words) + sum_of_library(words, WORDS);
    if (argc > 1)
        sum += sum_of_loaded(words, argv[1]);
    printf("main: ok %ld\n", sum);
    return 0;
}
