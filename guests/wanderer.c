/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Takes away what a report in the same process would use, step by step, and ends.
 *
 *   wanderer STEP ...
 *
 *   chdir D         changes the working directory
 *   chroot D        changes the root
 *   setuid N        becomes user N
 *   unshare         has a directory and descriptors of its own
 *   close N         closes descriptor N
 *   closefrom N     closes all descriptors from N to 1023
 *   replace N F     puts file F on descriptor N and writes a line to it
 *   open F          opens file F under the lowest number and writes a line to it
 *   null N          puts /dev/null on descriptor N
 *   save N M        has descriptor M be what N is
 *   nonblock N      makes descriptor N non-blocking
 *   exhaust         opens /dev/null until there are no descriptors left
 *   limit R N       has the limit R (cpu, fsize, nofile) be N, and 2 N at most
 *   grow F          writes to file F without end
 *   spin            takes the processor's time without end
 *   fork            goes on in a child; the parent waits for it, and ends as it does
 *   detach          goes on in a child; the parent ends
 *   daemon          as daemon(3): goes on in a child, in a session of its own, on /dev/null
 *   sleep N         sleeps for N milliseconds
 *   print T         prints T, a line
 *   raise N         sends itself the signal N
 *   execute F       replaces the program
 *   table           prints how many descriptors the kernel's table of them has room for
 *
 * At the end it prints that it is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char line[] = "the guest's own\n";

static int put(const char *name, int number)
{
    int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0666);

    if (file < 0 || (number >= 0 && dup2(file, number) < 0)) {
        return 1;
    }
    return write(number >= 0 ? number : file, line, sizeof line - 1) < 0;
}

static int limit(const char *name, unsigned long value)
{
    struct rlimit both = {value, 2 * value};

    return setrlimit(!strcmp(name, "cpu")     ? RLIMIT_CPU
                     : !strcmp(name, "fsize") ? RLIMIT_FSIZE
                                              : RLIMIT_NOFILE,
                     &both);
}

static int table(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char text[256];

    while (status != NULL && fgets(text, sizeof text, status) != NULL) {
        if (strncmp(text, "FDSize:", 7) == 0) {
            return fputs(text, stdout) < 0;
        }
    }
    return 1;
}

static int wait_for(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) < 0) {
        return 1;
    }
    if (WIFSIGNALED(status)) {
        raise(WTERMSIG(status));
    }
    exit(WEXITSTATUS(status));
}

static int has_argument(const char *step)
{
    static const char *const alone[] = {"unshare", "exhaust", "spin",  "fork",
                                        "detach",  "daemon",  "table", NULL};

    for (int i = 0; alone[i] != NULL; i++) {
        if (!strcmp(step, alone[i])) {
            return 0;
        }
    }
    return 1;
}

static int walk(const char *step, const char *argument, const char *second)
{
    int number = atoi(argument);
    volatile unsigned long turns = 0;
    pid_t child;

    if (!strcmp(step, "chdir")) {
        return chdir(argument);
    } else if (!strcmp(step, "chroot")) {
        return chroot(argument) || chdir("/");
    } else if (!strcmp(step, "setuid")) {
        return setgid((gid_t)number) || setuid((uid_t)number);
    } else if (!strcmp(step, "unshare")) {
        return unshare(CLONE_FS | CLONE_FILES);
    } else if (!strcmp(step, "close")) {
        return close(number);
    } else if (!strcmp(step, "closefrom")) {
        for (; number < 1024; number++) {
            close(number);
        }
        return 0;
    } else if (!strcmp(step, "replace")) {
        return put(second, number);
    } else if (!strcmp(step, "open")) {
        return put(argument, -1);
    } else if (!strcmp(step, "null")) {
        return dup2(open("/dev/null", O_RDWR), number) < 0;
    } else if (!strcmp(step, "save")) {
        return dup2(number, atoi(second)) < 0;
    } else if (!strcmp(step, "nonblock")) {
        return fcntl(number, F_SETFL, O_NONBLOCK | fcntl(number, F_GETFL));
    } else if (!strcmp(step, "exhaust")) {
        while (open("/dev/null", O_RDONLY) >= 0) {
        }
        return 0;
    } else if (!strcmp(step, "limit")) {
        return limit(argument, strtoul(second, NULL, 0));
    } else if (!strcmp(step, "grow")) {
        static char block[4096];
        int file = open(argument, O_WRONLY | O_CREAT | O_TRUNC, 0666);

        while (write(file, block, sizeof block) > 0) {
        }
        return 1;
    } else if (!strcmp(step, "spin")) {
        for (;;) {
            turns++;
        }
    } else if (!strcmp(step, "fork")) {
        child = fork();
        return child < 0 || (child > 0 && wait_for(child));
    } else if (!strcmp(step, "detach")) {
        child = fork();
        if (child > 0) {
            exit(0);
        }
        return child < 0;
    } else if (!strcmp(step, "daemon")) {
        return daemon(0, 0);
    } else if (!strcmp(step, "sleep")) {
        struct timespec rest = {number / 1000, number % 1000 * 1000000L};

        while (nanosleep(&rest, &rest)) {
        }
        return 0;
    } else if (!strcmp(step, "print")) {
        return puts(argument) < 0 || fflush(stdout);
    } else if (!strcmp(step, "raise")) {
        /* Not raise(), which asks the C library whether there is such a signal. */
        return (int)syscall(SYS_kill, getpid(), number);
    } else if (!strcmp(step, "execute")) {
        return execl(argument, argument, (char *)NULL);
    } else if (!strcmp(step, "table")) {
        return table();
    }
    return 1;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *step = argv[i];
        int arguments = has_argument(step);

        arguments += !strcmp(step, "replace") || !strcmp(step, "save") || !strcmp(step, "limit");
        if (i + arguments >= argc || walk(step, argv[i + (arguments > 0)], argv[i + arguments])) {
            return 1;
        }
        i += arguments;
    }
    /* Where standard output is gone, so is this. */
    puts("wanderer: ok");
    return 0;
}
