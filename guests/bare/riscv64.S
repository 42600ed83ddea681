# Entry of the bare-metal guests: every hart gets a stack and the FPU, and calls
# main(hart) in M-mode. The status that main returns ends the machine. The
# loader has already zeroed .bss.
# SPDX-License-Identifier: GPL-2.0-or-later

    .equ HARTS, 8                       # as in riscv64.h
    .equ STACK_BYTES, 8192

    .section .text.start, "ax"
    .globl _start
_start:
    csrr a0, mhartid
    li t0, HARTS
    bgeu a0, t0, park
    la t0, unexpected_trap
    csrw mtvec, t0
    li t0, 0x2000                       # mstatus.FS = initial
    csrs mstatus, t0
    la sp, stacks
    li t0, STACK_BYTES
    addi t1, a0, 1
    mul t0, t0, t1
    add sp, sp, t0
    call main
    call power_off

park:
    wfi
    j park

# A guest that expects traps sets its own vector.
    .balign 4
    .globl unexpected_trap
unexpected_trap:
    li a0, 99
    call power_off

    .bss
    .balign 64
stacks:
    .skip HARTS * STACK_BYTES
