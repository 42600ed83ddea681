// Ends the process while six threads run hot loops of memory accesses and
// arithmetic. Not deterministic.
//
// Usage: hotexit [MS [CODE [WAY]]]          (default 100, 0, _exit)
// WAY: `_exit`   the main thread calls _exit, at once exit_group
//      `exit`    the main thread calls exit, which runs the atexit handlers
//      `thread`  another thread calls _exit while the main thread sleeps
// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 6, WORDS = 8192 };

static unsigned long words[THREADS][WORDS];
static long wait_ms = 100;
static int code;

static void *hot(void *argument)
{
    volatile unsigned long *mine = argument;
    for (unsigned long x = 1, i = 0;; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        mine[(x >> 33) % WORDS] += x ^ i;
    }
    return NULL;
}

static void pause_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&time, &time))
        ;
}

static void *leave(void *argument)
{
    (void)argument;
    pause_ms(wait_ms);
    _exit(code);
}

static void start(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, argument)) {
        fprintf(stderr, "hotexit: cannot start a thread\n");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        wait_ms = strtol(argv[1], NULL, 0);
    if (argc > 2)
        code = atoi(argv[2]);
    const char *way = argc > 3 ? argv[3] : "_exit";
    if (strcmp(way, "_exit") && strcmp(way, "exit") && strcmp(way, "thread")) {
        fprintf(stderr, "usage: hotexit [MS [CODE [_exit|exit|thread]]]\n");
        return 2;
    }
    for (int i = 0; i < THREADS; i++)
        start(hot, words[i]);
    printf("hotexit: ok %d threads, %s\n", THREADS, way);
    fflush(stdout);
    if (!strcmp(way, "thread")) {
        start(leave, NULL);
        for (;;)
            pause();
    }
    pause_ms(wait_ms);
    if (!strcmp(way, "exit"))
        exit(code);
    _exit(code);
}
