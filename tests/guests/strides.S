# The guest of the golden report: few instructions at fixed addresses, no C library, so that every number
# of the report can be worked out by hand, and is the same whatever tools built it.
#
# It exits with status 0 after 8 laps. Each lap loads 16 words, one in each 64-byte line from 0x20000 on,
# and with each of them stores to the line at 0x20400 and to the one at 0x20440.
# SPDX-License-Identifier: GPL-2.0-or-later
    .option norvc
    .text
    .globl _start
    .type _start, @function
_start:                                 # 0x10000
    li s0, 8
lap:
    jal ra, walk
    addi s0, s0, -1                     # 0x10008
    bnez s0, lap
    li a0, 0                            # 0x10010
    li a7, 93                           # exit
    ecall
    .size _start, . - _start

    .balign 64
    .type walk, @function
walk:                                   # 0x10040
    lui a0, 0x20
    addi a3, a0, 0x400
    li a1, 16
word:
    ld a2, 0(a0)                        # 0x1004c
    sd a2, 0(a3)                        # 0x10050
    sd a2, 0x40(a3)                     # 0x10054
    addi a0, a0, 64
    addi a1, a1, -1
    bnez a1, word                       # 0x10060
    ret
    .size walk, . - walk

    .bss
    .skip 0x480
