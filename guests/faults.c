// Faults in the middle of straight-line code: the instructions before the
// faulting one are executed, those after it are not, and the access itself
// does not happen. A handler escapes from each by siglongjmp. The same code is
// run as often without a fault.
//
// Usage: faults [N]          (default 20000 faults)
// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf escape;
static volatile unsigned long caught;

static void on_fault(int signal)
{
    (void)signal;
    caught++;
    siglongjmp(escape, 1);
}

// All accesses are volatile: the compiler keeps them, and their order. Both
// functions are one basic block: no branch before or after the access to `at`.
__attribute__((noipa)) static long load_in_the_middle(volatile long *good, volatile long *at)
{
    long x = good[0] + 3;
    good[1] = x;
    x = (x << 2) ^ good[2];
    good[3] = x + 1;
    x += *at;
    good[4] = x;
    x = (x >> 1) + good[5];
    good[6] = x ^ 5;
    return x - good[7];
}

__attribute__((noipa)) static long store_in_the_middle(volatile long *good, volatile long *at)
{
    long x = good[8] * 3;
    good[9] = x;
    x = (x ^ 7) + good[10];
    *at = x;
    good[11] = x + 2;
    x = (x << 1) - good[12];
    good[13] = x;
    return x + good[14];
}

int main(int argc, char **argv)
{
    unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    static volatile long good[16] __attribute__((aligned(64)));
    static long fine;

    // Page 0 is not accessible, page 1 read-only, page 2 not mapped.
    char *pages = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_READ) ||
        munmap(pages + 2 * page, page)) {
        perror("faults: mmap");
        return 1;
    }
    // SA_NODEFER: the handler never returns, the signal must not stay blocked.
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    if (sigaction(SIGSEGV, &action, NULL) || sigaction(SIGBUS, &action, NULL)) {
        perror("faults: sigaction");
        return 1;
    }

    volatile unsigned long i;
    for (i = 0; i < n; i++) {
        // Loads and stores alternate. Loads meet the inaccessible and the
        // unmapped page in turn, stores the read-only and the unmapped one.
        size_t which = i & 2 ? 2 : i & 1;
        volatile long *bad = (volatile long *)(pages + which * page + i * 8 % page);
        if (!sigsetjmp(escape, 0)) {
            if (i & 1)
                store_in_the_middle(good, bad);
            else
                load_in_the_middle(good, bad);
            fprintf(stderr, "faults: access %lu did not fault\n", i);
            return 1;
        }
        if (i & 1)
            store_in_the_middle(good, &fine);
        else
            load_in_the_middle(good, &fine);
    }
    if (caught != n) {
        fprintf(stderr, "faults: %lu of %lu caught\n", caught, n);
        return 1;
    }
    printf("faults: ok %lu\n", n);
    return 0;
}
