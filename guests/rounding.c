// Floating-point instructions that round as the dynamic rounding mode says, in
// blocks of all shapes. RISC-V only.
//
// Usage: rounding [N]   (default 3 rounds) modes set by values that only a
//                       register knows, and signals between
// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

// double shape(double *at, double x, long mode): at in a0, x in fa0, mode in a1.
// Each begins a line, so that all but the long one are in a line of the usual length.
#define SHAPE(name, code)                                                          \
    double name(double *at, double x, long mode);                                  \
    asm(".text\n.balign 64\n.globl " #name "\n.type " #name ", @function\n" #name   \
        ":\n" code "\nret\n.size " #name ", .-" #name "\n")

SHAPE(first, "fadd.d fa0, fa0, fa0\n addi a2, a1, 1\n addi a3, a1, 2");
SHAPE(last, "addi a2, a1, 1\n j 1f\n 1: addi a3, a1, 2\n fadd.d fa0, fa0, fa0");
SHAPE(after_load, "fld fa1, 0(a0)\n fadd.d fa0, fa1, fa0\n addi a2, a1, 1\n sub a3, a1, a2");
SHAPE(before_store, "fld fa1, 0(a0)\n addi a2, a1, 1\n fmul.d fa0, fa1, fa0\n"
                    "fsd fa0, 8(a0)\n addi a3, a1, 2");
SHAPE(before_load, "addi a2, a1, 1\n fsub.d fa0, fa0, fa0\n ld a3, 16(a0)\n addi a3, a3, 1");
SHAPE(amid_loads, "fld fa1, 0(a0)\n fld fa2, 8(a0)\n fmadd.d fa0, fa1, fa2, fa0\n"
                  "fld fa3, 16(a0)\n fld fa4, 24(a0)\n addi a2, a1, 1");
SHAPE(amid_stores, "sd a1, 32(a0)\n fcvt.s.d fa1, fa0\n sd a1, 40(a0)\n sd a1, 48(a0)");
SHAPE(several, "fld fa1, 0(a0)\n fadd.d fa0, fa1, fa0\n fsqrt.d fa1, fa1\n fsd fa1, 8(a0)\n"
               "fdiv.d fa1, fa1, fa0\n fsd fa1, 16(a0)\n fcvt.w.d a2, fa0");
SHAPE(before_csr, "fld fa1, 0(a0)\n fadd.d fa0, fa1, fa0\n addi a2, a1, 1\n frcsr a2");
SHAPE(before_mode, "fadd.d fa0, fa0, fa0\n fsrm a2, a1\n fadd.d fa0, fa0, fa0\n addi a3, a1, 1");
SHAPE(before_call, "fld fa1, 0(a0)\n fadd.d fa0, fa1, fa0\n li a7, 172\n ecall\n addi a3, a1, 1");
SHAPE(before_atomic, "addi a2, a0, 56\n fadd.d fa0, fa0, fa0\n amoadd.d a3, a1, (a2)\n"
                     "addi a3, a1, 1");
// So long that it is in several lines of any length but the longest.
SHAPE(in_lines, ".rept 20\n addi a2, a1, 1\n .endr\n fadd.d fa0, fa0, fa0\n"
                ".rept 40\n addi a2, a1, 1\n .endr");

typedef double shape(double *at, double x, long mode);
static shape *const shapes[] = {
    first,   last,       after_load,  before_store, before_load,   amid_loads, amid_stores,
    several, before_csr, before_mode, before_call,  before_atomic, in_lines,
};
enum { SHAPES = sizeof shapes / sizeof *shapes, VALID_MODES = 5 };

static double numbers[16];

// The value is in a register: what it is only the program knows.
__attribute__((noipa)) static void set_mode(long mode)
{
    asm volatile("fsrm %0" : : "r"(mode));
}

__attribute__((noipa)) static void set_mode_in_fcsr(long mode)
{
    asm volatile("fscsr %0" : : "r"(mode << 5));
}

static void on_user(int signal)
{
    (void)signal;
}

static void run_all(long mode)
{
    for (int i = 0; i < SHAPES; i++)
        shapes[i](numbers, 1.5, mode);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 3;
    for (int i = 0; i < 16; i++)
        numbers[i] = i;
    if (signal(SIGUSR1, on_user) == SIG_ERR) {
        perror("rounding: signal");
        return 1;
    }
    for (int i = 0; i < rounds * VALID_MODES; i++) {
        set_mode(i % VALID_MODES);
        run_all(i % VALID_MODES);
        set_mode_in_fcsr(i % VALID_MODES);
        for (int j = 0; j < SHAPES; j++) {
            shapes[j](numbers, 0.1, i % VALID_MODES);
            raise(SIGUSR1);
        }
    }
    printf("rounding: ok\n");
    return 0;
}
