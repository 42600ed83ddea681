// Many short threads: each walks an array of its own a few times and counts
// itself with an atomic add. Their interleaving is not deterministic; the
// number of accesses of each is, apart from what the C library does.
//
// Usage: threads [TOTAL [AT_ONCE]]          (default 64, 8)
// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS = 4096, LAPS = 4 };

static unsigned long finished, total_sum;

static void *walk(void *argument)
{
    unsigned long *words = argument, sum = 0;
    for (int lap = 0; lap < LAPS; lap++)
        for (size_t i = 0; i < WORDS; i++)
            sum += ++words[i];
    __atomic_add_fetch(&total_sum, sum, __ATOMIC_RELAXED);
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned long total = argc > 1 ? strtoul(argv[1], NULL, 0) : 64;
    unsigned long at_once = argc > 2 ? strtoul(argv[2], NULL, 0) : 8;
    if (at_once == 0) {
        fprintf(stderr, "usage: threads [TOTAL [AT_ONCE]], AT_ONCE >= 1\n");
        return 2;
    }
    pthread_t *slots = calloc(at_once, sizeof *slots);
    unsigned long *words = calloc(at_once, WORDS * sizeof *words);
    if (!slots || !words) {
        fprintf(stderr, "threads: no memory for %lu threads\n", at_once);
        return 1;
    }
    // A window of `at_once` threads moves over all of them: the oldest ends
    // before the next one starts in its place.
    for (unsigned long i = 0; i < total + at_once; i++) {
        unsigned long slot = i % at_once;
        if (i >= at_once && i - at_once < total)
            pthread_join(slots[slot], NULL);
        if (i < total) {
            int error = pthread_create(&slots[slot], NULL, walk, words + slot * WORDS);
            if (error) {
                fprintf(stderr, "threads: thread %lu: error %d\n", i, error);
                return 1;
            }
        }
    }
    if (finished != total) {
        fprintf(stderr, "threads: %lu of %lu finished\n", finished, total);
        return 1;
    }
    printf("threads: ok %lu sum=%lu\n", total, total_sum);
    return 0;
}
