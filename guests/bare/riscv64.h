// What the bare-metal guests share: the devices of QEMU's `virt` machine
// (memory map in hw/riscv/virt.c) and a little text output.
// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef BARE_RISCV64_H
#define BARE_RISCV64_H

#include <stddef.h>
#include <stdint.h>

// At most so many harts run main; others sleep. As in riscv64.S.
enum { HARTS = 8 };

#define UART ((volatile uint8_t *)0x10000000)      // NS16550A, transmit register
#define TEST_DEVICE ((volatile uint32_t *)0x100000) // SiFive test finisher

static inline void print(const char *text)
{
    while (*text)
        *UART = (uint8_t)*text++;
}

static inline void print_number(uint64_t number)
{
    char digits[21], *first = digits + sizeof digits - 1;
    *first = 0;
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    print(first);
}

// Ends QEMU with this exit status. Called from riscv64.S too.
__attribute__((noreturn, used)) void power_off(int status)
{
    *TEST_DEVICE = status ? 0x3333u | (uint32_t)status << 16 : 0x5555u;
    /* The machine ends some time later; nothing is to run until then. */
    for (;;)
        __asm__ volatile("wfi");
}

static inline void count_up(volatile uint64_t *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

#endif
