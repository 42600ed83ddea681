// Forks. Every child runs code that its parent has not run, and exits with a
// status of its own.
//
// Usage: forker SHAPE [K]          (default 4 children, at most 100)
// SHAPE: `row`      one child after the other
//        `nested`   each child forks the next one and waits for it
//        `killed`   one after the other, each of which loops until its parent
//                   kills it by SIGTERM
//        `threads`  in a row, while two threads allocate memory and make code
//                   be translated again in hot loops (not deterministic)
//        `memory`   in a row, while two threads allocate memory
//        `calls`    in a row, while four threads make system calls in hot loops
// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void fail(const char *what)
{
    perror(what);
    exit(101);
}

// A page of code of its own: `changed` is all that is in it.
__attribute__((noipa, section(".text.own_page"), aligned(PAGE))) static unsigned long
changed(volatile unsigned long *word)
{
    return *word += 2;
}
__attribute__((noipa, used, section(".text.own_page"), aligned(PAGE))) static void
next_page(void)
{
}

__attribute__((noipa)) static unsigned long work_of_parent(volatile unsigned long *words)
{
    unsigned long sum = 0;
    for (int i = 0; i < 20000; i++)
        sum += words[i % 1024]++;
    return sum;
}

__attribute__((noipa)) static unsigned long work_of_child(volatile unsigned long *words)
{
    unsigned long sum = 1;
    for (int i = 0; i < 20000; i++)
        sum ^= words[i * 9 % 1024] += 3;
    return sum;
}

// Small and large: from the heap, and by mmap.
static void *allocate(void *argument)
{
    for (size_t i = 0;; i++) {
        volatile char *block = malloc(i % 16 ? 16 + i % 2048 : 1 << 20);
        if (!block)
            fail("forker: malloc");
        block[0] = (char)i;
        free((void *)block);
    }
    return argument;
}

// Code that becomes writable has to be translated anew.
static void *retranslate(void *argument)
{
    unsigned long word = 0;
    for (;;) {
        if (mprotect((void *)changed, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) ||
            mprotect((void *)changed, PAGE, PROT_READ | PROT_EXEC))
            fail("forker: mprotect");
        changed(&word);
    }
    return argument;
}

// Each call leaves translated code.
static void *call(void *argument)
{
    while (getppid() >= 0)
        ;
    return argument;
}

static unsigned long words[1024];

// Forks a child that works, and kills it by SIGTERM when it has.
static void fork_and_kill(void)
{
    int ends[2], status;
    if (pipe(ends))
        fail("forker: pipe");
    pid_t child = fork();
    if (child < 0)
        fail("forker: fork");
    if (child == 0) {
        work_of_child(words);
        if (write(ends[1], "", 1) != 1)
            fail("forker: write");
        for (;;)
            work_of_child(words);
    }
    char ready;
    if (read(ends[0], &ready, 1) != 1)
        fail("forker: read");
    close(ends[0]);
    close(ends[1]);
    if (kill(child, SIGTERM))
        fail("forker: kill");
    if (waitpid(child, &status, 0) != child)
        fail("forker: waitpid");
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM) {
        fprintf(stderr, "forker: a killed child ended with wait status %#x\n", (unsigned)status);
        exit(101);
    }
}

// Forks child number `i` (from 0) of `k`; its status is i + 1.
static void fork_child(int i, int k, int nested)
{
    pid_t child = fork();
    if (child < 0)
        fail("forker: fork");
    if (child == 0) {
        work_of_child(words);
        if (nested && i + 1 < k)
            fork_child(i + 1, k, nested);
        exit(i + 1);
    }
    work_of_parent(words);
    int status;
    if (waitpid(child, &status, 0) != child)
        fail("forker: waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != i + 1) {
        fprintf(stderr, "forker: child %d ended with wait status %#x\n", i, (unsigned)status);
        exit(101);
    }
}

static void start(void *(*body)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, NULL)) {
        fprintf(stderr, "forker: cannot start a thread\n");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const char *shape = argc > 1 ? argv[1] : "";
    int k = argc > 2 ? atoi(argv[2]) : 4;
    int nested = !strcmp(shape, "nested"), threads = !strcmp(shape, "threads");
    int killed = !strcmp(shape, "killed"), memory = !strcmp(shape, "memory");
    int calls = !strcmp(shape, "calls"), row = !strcmp(shape, "row");
    if ((!row && !nested && !killed && !threads && !memory && !calls) || k < 1 || k > 100) {
        fprintf(stderr, "usage: forker row|nested|killed|threads|memory|calls [K], 1 <= K <= 100\n");
        return 2;
    }
    if (threads || memory) {
        start(allocate);
        start(threads ? retranslate : allocate);
    }
    for (int i = 0; calls && i < 4; i++)
        start(call);
    if (nested)
        fork_child(0, k, nested);
    else if (killed)
        for (int i = 0; i < k; i++)
            fork_and_kill();
    else
        for (int i = 0; i < k; i++)
            fork_child(i, k, nested);
    printf("forker: ok %s %d\n", shape, k);
    return 0;
}
