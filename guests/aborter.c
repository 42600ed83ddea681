// Dies by a signal, after a bit of work.
//
// Usage: aborter abort|segv|illegal          (SIGABRT, SIGSEGV, SIGILL)
//        aborter pipe|term|usr1              (SIGPIPE, SIGTERM, SIGUSR1)
// `pipe` writes into a pipe that nobody can read; `term` and `usr1` send
// themselves the signal. Prints `aborter: alive` if it survives.
// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noipa)) static unsigned long work(volatile unsigned long *words)
{
    unsigned long sum = 0;
    for (int i = 0; i < 20000; i++)
        sum += words[i % 1024]++;
    return sum;
}

static void write_unread(void)
{
    int ends[2];
    if (pipe(ends)) {
        perror("aborter: pipe");
        exit(1);
    }
    close(ends[0]);
    if (write(ends[1], "", 1) < 0)
        perror("aborter: write");
}

static void illegal(void)
{
    // Not __builtin_trap: on RISC-V that is a breakpoint.
#if defined(__riscv)
    __asm__ volatile("unimp");
#elif defined(__aarch64__)
    __asm__ volatile("udf #0");
#elif defined(__x86_64__)
    __asm__ volatile("ud2");
#else
#error "aborter.c knows no illegal instruction of this architecture"
#endif
}

int main(int argc, char **argv)
{
    static unsigned long words[1024];
    const char *how = argc > 1 ? argv[1] : "";
    work(words);
    printf("aborter: %s\n", how);
    fflush(stdout);
    if (!strcmp(how, "abort"))
        abort();
    if (!strcmp(how, "segv")) {
        // Volatile: the compiler must not see the address.
        int *volatile unmapped = (int *)16;
        *unmapped = 1;
    }
    if (!strcmp(how, "illegal"))
        illegal();
    if (!strcmp(how, "pipe"))
        write_unread();
    if (!strcmp(how, "term"))
        raise(SIGTERM);
    if (!strcmp(how, "usr1"))
        raise(SIGUSR1);
    printf("aborter: alive\n");
    fprintf(stderr, "usage: aborter abort|segv|illegal|pipe|term|usr1\n");
    return 2;
}
