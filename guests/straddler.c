// Reads and writes the words of a line, one after the other, at every place
// around the border between two pages: in one line, in two, in two pages.
//
// Usage: straddler walk [N]      (default 3 rounds) both pages are accessible
//        straddler escape [N]    the second is not: N rounds of faults, from
//                                each of which the handler jumps away
//        straddler resume [N]    the same; the handler makes it accessible
//        straddler die K         the same, once, without a handler: dies of
//                                access K (0 to 7), the first in the second page
//        straddler die-storing K
// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WORDS = 8 };

static sigjmp_buf escape;

static char *guard;
static size_t page;

static void on_fault_escape(int signal)
{
    (void)signal;
    siglongjmp(escape, 1);
}

static void on_fault_resume(int signal)
{
    (void)signal;
    mprotect(guard, page, PROT_READ | PROT_WRITE);
}

// All accesses are volatile: the compiler keeps them, and their order.
__attribute__((noipa)) static long load_all(const volatile long *words)
{
    return words[0] + words[1] + words[2] + words[3] + words[4] + words[5] + words[6] +
           words[7];
}

// From the last to the first, as registers are saved on a stack.
__attribute__((noipa)) static void store_all(volatile long *words, long x)
{
    words[7] = x;
    words[6] = x;
    words[5] = x;
    words[4] = x;
    words[3] = x;
    words[2] = x;
    words[1] = x;
    words[0] = x;
}

// Short ones too, and not in the order of their addresses.
__attribute__((noipa)) static long load_some(const volatile char *bytes)
{
    const volatile int *ints = (const volatile int *)bytes;
    return bytes[9] + bytes[40] + ints[1] + bytes[0] + ints[14] + bytes[33] + bytes[62];
}

__attribute__((noipa)) static void walk(char *border, int from, int to, int step)
{
    for (int at = from; at <= to; at += step) {
        load_all((const volatile long *)(border + at));
        store_all((volatile long *)(border + at), at);
        load_some(border + at);
    }
}

int main(int argc, char **argv)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    const char *how = argc > 1 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 3;
    // Inaccessible, two pages, inaccessible.
    char *pages = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, 2 * page, PROT_READ | PROT_WRITE)) {
        perror("straddler: mmap");
        return 1;
    }
    char *border = pages + 2 * page;
    int bytes = WORDS * (int)sizeof(long);

    if (!strcmp(how, "walk")) {
        for (int round = 0; round < number; round++)
            walk(border, -3 * bytes, 2 * bytes, 1);
        printf("straddler: ok\n");
        return 0;
    }
    // What follows has been executed before: it is translated.
    walk(border, -2 * bytes, -bytes, 8);
    if (!strcmp(how, "die") || !strcmp(how, "die-storing")) {
        printf("straddler: %s %d\n", how, number);
        fflush(stdout);
        if (!strcmp(how, "die"))
            load_all((const volatile long *)(pages + 3 * page) - number);
        else
            store_all((volatile long *)(pages + page) - WORDS + number, 1);
        return 1;
    }
    if (!strcmp(how, "escape") || !strcmp(how, "resume")) {
        int resumes = !strcmp(how, "resume");
        // SA_NODEFER: a handler that does not return must not leave the signal blocked.
        struct sigaction action = {.sa_handler = resumes ? on_fault_resume : on_fault_escape,
                                   .sa_flags = SA_NODEFER};
        if (sigaction(SIGSEGV, &action, NULL) || sigaction(SIGBUS, &action, NULL)) {
            perror("straddler: sigaction");
            return 1;
        }
        for (volatile int i = 0; i < number * 3 * bytes; i++) {
            // Loads meet the page above, stores the one below.
            guard = i % 3 == 1 ? pages : pages + 3 * page;
            char *at = guard + (i % 3 == 1 ? page : 0) - i / 3 % bytes;
            if (mprotect(guard, page, PROT_NONE)) {
                perror("straddler: mprotect");
                return 1;
            }
            if (sigsetjmp(escape, 0))
                continue;
            switch (i % 3) {
            case 0:
                load_all((const volatile long *)at);
                break;
            case 1:
                store_all((volatile long *)at, i);
                break;
            case 2:
                load_some(at);
                break;
            }
        }
        printf("straddler: ok\n");
        return 0;
    }
    fprintf(stderr, "usage: straddler walk|escape|resume|die|die-storing [N]\n");
    return 2;
}
