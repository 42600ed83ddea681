// Maps code that it writes, at N places; then once more, over a part of a file that it has mapped and
// run code beside. Prints where that is. For x86-64.
//
// Usage: jit N
// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const unsigned char code[] = {0x8b, 0x07, 0xc3}; // mov (%rdi),%eax; ret
typedef int (*load_function)(const int *);

static load_function compiled(void *at, int flags)
{
    void *page = mmap(at, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (page == MAP_FAILED)
        exit(2);
    memcpy(page, code, sizeof code);
    return (load_function)page;
}

int main(int argc, char **argv)
{
    int sum = 0, one = 1;
    for (int i = 0; i < atoi(argv[1]); i++) {
        sum += compiled(NULL, 0)(&one);
        // So that neighbours are not one mapping.
        mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    int file = open(argv[0], O_RDONLY);
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    printf("sum %d\n", sum);
    load_function replaced = compiled(mapped, MAP_FIXED);
    printf("%#lx\n", (unsigned long)replaced);
    return replaced(&one) - 1;
}
