// Ends QEMU by semihosting while all other harts run hot loops. Hart 0 waits
// until each that has started is in its loop. Not deterministic.
//
// Run: qemu-system-riscv64 -M virt -nographic -bios none -semihosting
//      -kernel semihost [-smp N]
// Exit status: 0. Up to 8 harts.
// SPDX-License-Identifier: GPL-2.0-or-later
#include "riscv64.h"

enum { WORDS = 8192, LAPS = 200 };

static volatile uint64_t words[HARTS][WORDS];
static volatile uint64_t looping;

__attribute__((noipa)) static void lap(volatile uint64_t *mine)
{
    for (uint64_t i = 0; i < WORDS; i++)
        mine[i * 33 % WORDS] += i;
}

// SYS_EXIT_EXTENDED with ADP_Stopped_ApplicationExit ("Semihosting for AArch32
// and AArch64", Arm). The three instructions are the RISC-V semihosting call:
// uncompressed and in one page.
static void semihosting_exit(uint64_t status)
{
    volatile uint64_t block[2] = {0x20026, status};
    register uint64_t operation __asm__("a0") = 0x20;
    register volatile uint64_t *argument __asm__("a1") = block;
    __asm__ volatile(".option push\n"
                     ".option norvc\n"
                     ".balign 16\n"
                     "slli zero, zero, 0x1f\n"
                     "ebreak\n"
                     "srai zero, zero, 7\n"
                     ".option pop\n"
                     : "+r"(operation)
                     : "r"(argument)
                     : "memory");
}

int main(size_t hart)
{
    count_up(&looping);
    if (hart != 0)
        for (;;)
            lap(words[hart]);
    for (int i = 0; i < LAPS; i++)
        lap(words[0]);
    print("semihost: ok harts=");
    print_number(looping);
    print("\n");
    semihosting_exit(0);
    // Only without -semihosting.
    return 1;
}
