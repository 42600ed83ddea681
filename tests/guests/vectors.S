# Instructions beyond RV64GC: 16 loads of 64 bytes each by the vector unit, if that has registers of 128 bits.
    .option arch, +v, +zba
    .globl _start
_start:
    li      a3, 1024
    la      a4, buffer
1:  vsetvli t0, a3, e8, m4, ta, ma
    vle8.v  v0, (a4)
    sh1add  a5, a3, a4
    add     a4, a4, t0
    sub     a3, a3, t0
    bnez    a3, 1b
    li      a0, 0
    li      a7, 93
    ecall

    .bss
    .balign 64
buffer:
    .space  1024
