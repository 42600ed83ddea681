// Self-modifying code on bare metal: functions are written to the same
// address, one after the other, and called after fence.i.
//
// Run: qemu-system-riscv64 -M virt -nographic -bios none -kernel jit
// Exit status: 0. One hart works, others sleep. A number of rounds other than
// 2000 is what `-device loader,addr=0x80500000,data=N,data-len=4` puts there.
// SPDX-License-Identifier: GPL-2.0-or-later
#include "riscv64.h"

static const volatile uint32_t *const wanted = (const volatile uint32_t *)0x80500000;

// Two pages above the program's own 4 MiB.
static char *const pages = (char *)0x80400000;

int main(size_t hart)
{
    if (hart != 0)
        for (;;)
            __asm__ volatile("wfi");
    uint32_t rounds = *wanted ? *wanted : 2000;
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t k = round % 1024;
        // Every second function starts in one page and ends in the next; its
        // first instruction lies in both.
        volatile uint16_t *code = (volatile uint16_t *)(round & 1 ? pages + 4094 : pages);
        uint32_t li = 0x00000513u | k << 20; // addi a0, zero, k
        *code++ = (uint16_t)li;
        *code++ = (uint16_t)(li >> 16);
        for (uint32_t nops = round % 3; nops; nops--)
            *code++ = 0x0001; // c.nop
        *code++ = 0x8082;     // c.jr ra
        __asm__ volatile("fence.i" ::: "memory");
        uint32_t got = ((uint32_t(*)(void))(round & 1 ? pages + 4094 : pages))();
        if (got != k) {
            print("jit: wrong in round ");
            print_number(round);
            print("\n");
            return 1;
        }
    }
    print("jit: ok rounds=");
    print_number(rounds);
    print("\n");
    return 0;
}
