/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Changes its working directory and ends: files that a tool around it names relative to the directory
 * it was started in must still be found there.
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    if (chdir("/") != 0) {
        perror("wanderer: chdir");
        return 1;
    }
    printf("wanderer: ok\n");
    return 0;
}
