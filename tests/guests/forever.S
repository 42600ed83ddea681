# Bare metal for QEMU's riscv64 `virt` machine: hart 0 prints `ready`, alone, so that its letters stay
# together; all harts loop for ever.
# SPDX-License-Identifier: GPL-2.0-or-later
    .option norvc
    .text
    .globl _start
_start:
    csrr a0, mhartid
    bnez a0, forever
    lui a0, 0x10000                     # the transmit register of the NS16550A (hw/riscv/virt.c)
    la a1, text
next:
    lbu a2, 0(a1)
    beqz a2, forever
    sb a2, 0(a0)
    addi a1, a1, 1
    j next
forever:
    j forever
text:
    .asciz "ready\n"
