// Pointer chasing through a shuffled list, then sorting: the misses are
// scattered, the branches unpredictable.
//
// Usage: list [NODES [LAPS]]          (default 16384 nodes, 20 laps)
// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// One node a line.
struct node {
    struct node *next;
    uint64_t value;
    char padding[48];
};

// xorshift64 (Marsaglia, "Xorshift RNGs", 2003): the same numbers everywhere.
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

__attribute__((noipa)) static uint64_t chase(const struct node *node, size_t steps)
{
    uint64_t sum = 0;
    while (steps--) {
        sum += node->value;
        node = node->next;
    }
    return sum;
}

static int by_value(const void *left, const void *right)
{
    uint64_t l = *(const uint64_t *)left, r = *(const uint64_t *)right;
    return (l > r) - (l < r);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 0) : 16384;
    size_t laps = argc > 2 ? strtoul(argv[2], NULL, 0) : 20;
    if (count < 2 || laps == 0) {
        fprintf(stderr, "usage: list [NODES [LAPS]], NODES >= 2, LAPS >= 1\n");
        return 2;
    }
    struct node *nodes = aligned_alloc(64, count * sizeof *nodes);
    size_t *order = malloc(count * sizeof *order);
    uint64_t *keys = malloc(count * sizeof *keys);
    if (!nodes || !order || !keys) {
        fprintf(stderr, "list: no memory for %zu nodes\n", count);
        return 1;
    }

    // One ring through all nodes, in random order.
    uint64_t state = 88172645463325252u, expected = 0;
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = next_random(&state) % (i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (size_t i = 0; i < count; i++) {
        struct node *node = &nodes[order[i]];
        node->next = &nodes[order[(i + 1) % count]];
        node->value = keys[i] = next_random(&state);
        expected += node->value;
    }

    uint64_t sum = chase(nodes, count * laps);
    qsort(keys, count, sizeof *keys, by_value);
    if (sum != expected * laps) {
        fprintf(stderr, "list: wrong sum\n");
        return 1;
    }
    for (size_t i = 1; i < count; i++)
        if (keys[i - 1] > keys[i]) {
            fprintf(stderr, "list: not sorted at %zu\n", i);
            return 1;
        }
    printf("list: ok nodes=%zu sum=%016llx\n", count, (unsigned long long)sum);
    return 0;
}
