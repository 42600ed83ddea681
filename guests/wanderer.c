/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Takes away what a report in the same process would use, and ends.
 *
 *   wanderer directory   changes the working directory: names relative to the first one must go on
 *                        meaning the same
 *   wanderer close       closes descriptor 2, as xz does at its end
 *   wanderer replace F   puts file F on descriptor 2: what is written to it is the program's own
 *
 * And one that takes nothing away:
 *
 *   wanderer table       prints how many descriptors the kernel's table of them has room for
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int failed = 1;

    if (strcmp(what, "directory") == 0) {
        failed = chdir("/");
    } else if (strcmp(what, "close") == 0) {
        failed = close(2);
    } else if (strcmp(what, "replace") == 0 && argc > 2) {
        int file = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0666);

        failed = file < 0 || dup2(file, 2) < 0 || dprintf(2, "the guest's own\n") < 0;
    } else if (strcmp(what, "table") == 0) {
        FILE *status = fopen("/proc/self/status", "r");
        char line[256];

        while (failed && status != NULL && fgets(line, sizeof line, status) != NULL) {
            if (strncmp(line, "FDSize:", 7) == 0) {
                failed = fputs(line, stdout) < 0;
            }
        }
    }
    if (failed) {
        return 1;
    }
    printf("wanderer: ok\n");
    return 0;
}
