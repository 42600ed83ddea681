// Self-modifying code, as a JIT compiler makes it: functions of different
// lengths are written to the same address, one after the other, and called.
// Every second one starts just before the end of a page and reaches into the
// next. From time to time the pages are unmapped and mapped again.
//
// Usage: smc [ROUNDS]          (default 2000)
// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef int (*function)(void);

// Each writer emits a function that returns k, 0 <= k < 1024, and returns its
// size in bytes. The third ones also store to the stack and load from it.
#if defined(__riscv)
enum { UNIT = 2 };
typedef uint16_t unit;

static size_t put32(unit *code, uint32_t instruction)
{
    memcpy(code, &instruction, 4);
    return 2;
}

static uint32_t li_a0(unsigned k)
{
    return 0x00000513u | k << 20; // addi a0, zero, k
}

static size_t emit(unit *code, unsigned form, unsigned k)
{
    size_t n = 0;
    switch (form) {
    case 0:
        n += put32(code + n, li_a0(k));
        break;
    case 1:
        code[n++] = 0x0001; // c.nop
        code[n++] = 0x4501; // c.li a0, 0
        n += put32(code + n, 0x00050513u | k << 20); // addi a0, a0, k
        code[n++] = 0x0001;
        break;
    default:
        n += put32(code + n, li_a0(k));
        code[n++] = 0x1141; // c.addi sp, -16
        code[n++] = 0xe02a; // c.sdsp a0, 0(sp)
        code[n++] = 0x4501; // c.li a0, 0
        code[n++] = 0x6502; // c.ldsp a0, 0(sp)
        code[n++] = 0x0141; // c.addi sp, 16
        break;
    }
    code[n++] = 0x8082; // c.jr ra
    return n * sizeof *code;
}
#elif defined(__aarch64__)
enum { UNIT = 4 };
typedef uint32_t unit;

static size_t emit(unit *code, unsigned form, unsigned k)
{
    size_t n = 0;
    switch (form) {
    case 0:
        code[n++] = 0x52800000u | k << 5; // mov w0, #k
        break;
    case 1:
        code[n++] = 0xd503201fu;               // nop
        code[n++] = 0x52800000u;               // mov w0, #0
        code[n++] = 0x11000000u | k << 10;     // add w0, w0, #k
        break;
    default:
        code[n++] = 0x52800000u | k << 5;
        code[n++] = 0xf81f0fe0u; // str x0, [sp, #-16]!
        code[n++] = 0x52800000u;
        code[n++] = 0xf84107e0u; // ldr x0, [sp], #16
        break;
    }
    code[n++] = 0xd65f03c0u; // ret
    return n * sizeof *code;
}
#elif defined(__x86_64__)
enum { UNIT = 1 };
typedef uint8_t unit;

static size_t put_imm(unit *code, uint8_t opcode, uint32_t immediate)
{
    code[0] = opcode;
    memcpy(code + 1, &immediate, 4);
    return 5;
}

static size_t emit(unit *code, unsigned form, unsigned k)
{
    size_t n = 0;
    switch (form) {
    case 0:
        n += put_imm(code + n, 0xb8, k); // mov $k, %eax
        break;
    case 1:
        code[n++] = 0x90;                // nop
        code[n++] = 0x31;                // xor %eax, %eax
        code[n++] = 0xc0;
        n += put_imm(code + n, 0x05, k); // add $k, %eax
        break;
    default:
        n += put_imm(code + n, 0x68, k); // push $k
        code[n++] = 0x58;                // pop %rax
        break;
    }
    code[n++] = 0xc3; // ret
    return n;
}
#else
#error "smc.c knows no machine code for this architecture"
#endif

enum { PAGE = 4096 };

static char *map_at(char *address)
{
    char *pages = mmap(address, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED : 0), -1, 0);
    if (pages == MAP_FAILED) {
        perror("smc: mmap");
        exit(1);
    }
    return pages;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 2000;
    char *pages = map_at(NULL);
    unsigned long sum = 0;
    for (unsigned round = 0; round < rounds; round++) {
        unsigned k = round % 1024;
        if (round % 64 == 63) {
            munmap(pages, 2 * PAGE);
            map_at(pages);
        }
        char *code = round & 1 ? pages + PAGE - UNIT : pages;
        size_t bytes = emit((unit *)code, round % 3, k);
        __builtin___clear_cache(code, code + bytes);
        // Twice: once to translate the new code, once to find it again.
        for (int call = 0; call < 2; call++) {
            int got = ((function)(uintptr_t)code)();
            if (got != (int)k) {
                fprintf(stderr, "smc: round %u returned %d, not %u\n", round, got, k);
                return 1;
            }
            sum += (unsigned)got;
        }
    }
    printf("smc: ok rounds=%u sum=%lu\n", rounds, sum);
    return 0;
}
