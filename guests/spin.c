// Runs a hot loop until a signal ends it, or does not. Prints `ready` once the
// signals are set up and all threads run. Not deterministic.
//
// Usage: spin MODE [THREADS [SECONDS]]          (default 1 and 1)
// MODE: `default`  default actions; loops for ever
//       `reset`    sets a handler for SIGTERM, SIGINT and SIGHUP, then their default
//                  actions again; loops for ever
//       `handle`   SIGTERM and SIGINT print `handled` and exit with status 7;
//                  loops for ever
//       `ignore`   ignores SIGTERM and SIGINT; exits with 0 after about SECONDS
//       `blocked`  blocks SIGTERM and SIGINT; exits with 0 after about SECONDS,
//                  whether one is pending or not
//       `unblock`  blocks them, unblocks them after about SECONDS: a pending one
//                  then kills; exits with 0 if none was
// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 4096 };

static unsigned long running;

static void on_signal(int signal)
{
    (void)signal;
    static const char text[] = "handled\n";
    if (write(STDOUT_FILENO, text, sizeof text - 1) < 0)
        _exit(1);
    _exit(7);
}

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

__attribute__((noipa)) static unsigned long lap(volatile unsigned long *words)
{
    unsigned long sum = 0;
    for (size_t i = 0; i < WORDS; i++)
        sum += words[i]++ * 3;
    return sum;
}

static void *spin(void *words)
{
    __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    for (;;)
        lap(words);
    return NULL;
}

static void set_action(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static void set_and_reset(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction handled = {.sa_handler = on_signal}, standard = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &handled, NULL);
        sigaction(signals[i], &standard, NULL);
    }
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"default", "reset", "handle",
                                        "ignore",  "blocked", "unblock"};
    const char *mode = argc > 1 ? argv[1] : "";
    unsigned long threads = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
    unsigned long seconds = argc > 3 ? strtoul(argv[3], NULL, 0) : 1;
    size_t known = 0;
    while (known < sizeof modes / sizeof *modes && strcmp(mode, modes[known]))
        known++;
    if (known == sizeof modes / sizeof *modes || threads == 0) {
        fprintf(stderr, "usage: spin default|reset|handle|ignore|blocked|unblock [THREADS [SECONDS]]\n");
        return 2;
    }

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    // Before the threads start: they inherit the mask.
    if (!strcmp(mode, "handle"))
        set_action(on_signal);
    else if (!strcmp(mode, "ignore"))
        set_action(SIG_IGN);
    else if (!strcmp(mode, "reset"))
        set_and_reset();
    else if (strcmp(mode, "default"))
        pthread_sigmask(SIG_BLOCK, &signals, NULL);

    unsigned long *words = calloc(threads, WORDS * sizeof *words);
    if (!words) {
        fprintf(stderr, "spin: no memory for %lu threads\n", threads);
        return 1;
    }
    for (unsigned long i = 1; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, spin, words + i * WORDS)) {
            fprintf(stderr, "spin: cannot start thread %lu\n", i);
            return 1;
        }
    }
    while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) != threads - 1)
        lap(words);
    puts("ready");
    fflush(stdout);

    int forever =
        !strcmp(mode, "default") || !strcmp(mode, "reset") || !strcmp(mode, "handle");
    double end = now_s() + (double)seconds;
    while (forever || now_s() < end)
        for (int i = 0; i < 100; i++)
            lap(words);
    if (!strcmp(mode, "unblock"))
        pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    printf("spin: ok %s\n", mode);
    fflush(stdout);
    _exit(0);
}
