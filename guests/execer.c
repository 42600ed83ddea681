// execve, failing or not, after a bit of work.
//
// Usage: execer fail [N]                N failing calls (default 100), then goes on;
//                                       fails if they leave descriptors or children
//        execer loop                    prints `ready`; failing calls for ever
//        execer ok PATH [ARGS...]       replaces itself by PATH
//        execer closed PATH [ARGS...]   the same, its standard error closed before
//        execer search NAME [ARGS...]   replaces itself by the first NAME in $PATH
//        execer fork|vfork|spawn PATH [ARGS...]
//                                       replaces a child by PATH, made so or by
//                                       posix_spawn; exits with the child's status
//        execer threads PATH [ARGS...]  replaced by PATH while seven other threads
//                                       make failing calls for ever
// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

__attribute__((noipa)) static unsigned long work(volatile unsigned long *words)
{
    unsigned long sum = 0;
    for (int i = 0; i < 20000; i++)
        sum += words[i % 1024]++;
    return sum;
}

static int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory) {
        perror("execer: /proc/self/fd");
        exit(1);
    }
    int number = 0;
    while (readdir(directory))
        number++;
    closedir(directory);
    return number;
}

static void check_nothing_left(int descriptors)
{
    int now = open_descriptors(), status;
    if (now != descriptors) {
        fprintf(stderr, "execer: %d descriptors, %d before\n", now, descriptors);
        exit(1);
    }
    if (waitpid(-1, &status, WNOHANG | __WALL) != -1 || errno != ECHILD) {
        fprintf(stderr, "execer: there is a child\n");
        exit(1);
    }
}

// Replaces a child by `arguments` and returns the child's status.
static int in_child(const char *how, char **arguments)
{
    pid_t child = -1;
    if (!strcmp(how, "spawn")) {
        int error = posix_spawn(&child, arguments[0], NULL, NULL, arguments, environ);
        if (error) {
            fprintf(stderr, "execer: posix_spawn: %s\n", strerror(error));
            return 1;
        }
    } else {
        child = !strcmp(how, "vfork") ? vfork() : fork();
        if (child == 0) {
            execve(arguments[0], arguments, environ);
            _exit(127);
        }
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
        perror("execer: child");
        return 1;
    }
    return WEXITSTATUS(status);
}

__attribute__((noreturn)) static void *fail_for_ever(void *unused)
{
    (void)unused;
    char *arguments[] = {"/nonexistent/program", NULL};
    for (;;)
        execve(arguments[0], arguments, environ);
}

static int in_company(char **arguments)
{
    for (int i = 0; i < 7; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, fail_for_ever, NULL)) {
            fprintf(stderr, "execer: no thread\n");
            return 1;
        }
    }
    usleep(20000);
    execve(arguments[0], arguments, environ);
    perror("execer: execve");
    return 1;
}

int main(int argc, char **argv)
{
    static unsigned long words[1024];
    const char *mode = argc > 1 ? argv[1] : "";
    work(words);
    if (!strcmp(mode, "loop")) {
        char *arguments[] = {"/nonexistent/program", NULL};
        puts("ready");
        fflush(stdout);
        for (;;)
            execve(arguments[0], arguments, environ);
    }
    if (!strcmp(mode, "fail")) {
        int descriptors = open_descriptors();
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
        check_nothing_left(descriptors);
        printf("execer: ok %lu failed\n", n);
        return 0;
    }
    if (argc > 2 && (!strcmp(mode, "fork") || !strcmp(mode, "vfork") || !strcmp(mode, "spawn")))
        return in_child(mode, argv + 2);
    if (argc > 2 && !strcmp(mode, "threads"))
        return in_company(argv + 2);
    if (!strcmp(mode, "search") && argc > 2) {
        execvp(argv[2], argv + 2);
        perror("execer: execvp");
        return 1;
    }
    if (argc > 2 && (!strcmp(mode, "ok") || !strcmp(mode, "closed"))) {
        if (!strcmp(mode, "closed"))
            close(STDERR_FILENO);
        execve(argv[2], argv + 2, environ);
        perror("execer: execve");
        return 1;
    }
    fprintf(stderr, "usage: execer fail [N] | loop |"
                    " execer ok|closed|search|fork|vfork|spawn|threads PATH [ARGS...]\n");
    return 2;
}
