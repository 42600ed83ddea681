// execve, failing or not, after a bit of work.
//
// Usage: execer fail [N]            N failing calls (default 100), then goes on
//        execer ok PATH [ARGS...]   replaces itself by PATH
// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

__attribute__((noipa)) static unsigned long work(volatile unsigned long *words)
{
    unsigned long sum = 0;
    for (int i = 0; i < 20000; i++)
        sum += words[i % 1024]++;
    return sum;
}

int main(int argc, char **argv)
{
    static unsigned long words[1024];
    const char *mode = argc > 1 ? argv[1] : "";
    work(words);
    if (!strcmp(mode, "fail")) {
        unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 0) : 100;
        for (unsigned long i = 0; i < n; i++) {
            // A missing file, and a directory.
            const char *path = i & 1 ? "/" : "/nonexistent/program";
            int expected = i & 1 ? EACCES : ENOENT;
            char *arguments[] = {(char *)path, NULL};
            execve(path, arguments, environ);
            if (errno != expected) {
                perror("execer: unexpected error");
                return 1;
            }
            work(words);
        }
        printf("execer: ok %lu failed\n", n);
        return 0;
    }
    if (!strcmp(mode, "ok") && argc > 2) {
        execve(argv[2], argv + 2, environ);
        perror("execer: execve");
        return 1;
    }
    fprintf(stderr, "usage: execer fail [N] | execer ok PATH [ARGS...]\n");
    return 2;
}
