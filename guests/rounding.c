// Floating-point instructions that round as the dynamic rounding mode says, in
// blocks of all shapes, with valid modes and with reserved ones, with which the
// first of a block raises SIGILL. RISC-V only.
//
// Usage: rounding walk [N]      (default 3 rounds) valid modes, set by values
//                               that only a register knows, and signals between
//        rounding escape [N]    reserved ones; the handler jumps away
//        rounding resume [N]    the same; the handler makes the mode valid, and
//                               the instruction is executed again
//        rounding spoil [N]     the handler of another signal returns to a
//                               reserved mode
//        rounding die K         dies of shape K with a reserved mode
//        rounding die-storing   of a store that follows a rounding with a valid
//                               mode that nobody knows yet to be one
//        rounding die-illegal   of an unknown instruction there
//        rounding die-elsewhere of the like after stores to two pages
//        rounding semihosting   ends by semihosting there, with status 7
// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

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

SHAPE(before_illegal, "fadd.d fa0, fa0, fa0\n addi a2, a1, 1\n .word 0xffffffff");
SHAPE(before_privileged, "fadd.d fa0, fa0, fa0\n addi a2, a1, 1\n csrr a2, mstatus");
SHAPE(before_reserved, "fadd.d fa0, fa0, fa0\n addi a2, a1, 1\n .word 0x02c5d553");
SHAPE(trap_after_stores, "sd a1, 0(a0)\n sd a1, 8(a0)\n addi a1, a1, 1\n ebreak");
SHAPE(fault_after_stores, "sd a1, 0(a0)\n sd a1, 8(a0)\n addi a1, a1, 1\n ld a1, 0(zero)");
SHAPE(round_after_stores, "sd a1, 0(a0)\n sd a1, 8(a0)\n fadd.d fa0, fa0, fa0\n addi a1, a1, 1");
SHAPE(exit_after_stores, "sd a1, 0(a0)\n sd a1, 8(a0)\n li a0, 0x18\n"
                         ".option push\n .option norvc\n"
                         "slli zero, zero, 0x1f\n ebreak\n srai zero, zero, 7\n .option pop");

typedef double shape(double *at, double x, long mode);
static shape *const shapes[] = {
    first,   last,       after_load,  before_store, before_load,   amid_loads, amid_stores,
    several, before_csr, before_mode, before_call,  before_atomic, in_lines,
};
enum { SHAPES = sizeof shapes / sizeof *shapes, VALID_MODES = 5 };

static double numbers[16];
static sigjmp_buf escape;
static volatile int illegal, resumes;

// The value is in a register: what it is only the program knows.
__attribute__((noipa)) static void set_mode(long mode)
{
    asm volatile("fsrm %0" : : "r"(mode));
}

__attribute__((noipa)) static void set_mode_in_fcsr(long mode)
{
    asm volatile("fscsr %0" : : "r"(mode << 5));
}

// Reserved in plain sight, or a bit too many.
__attribute__((noipa)) static void set_reserved(int which)
{
    switch (which % 4) {
    case 0:
        asm volatile("fsrmi 5");
        break;
    case 1:
        asm volatile("csrwi 0x002, 4\n csrsi 0x002, 3");
        break;
    case 2:
        set_mode(5 + which / 4 % 3);
        break;
    case 3:
        set_mode_in_fcsr(5 + which / 4 % 3);
        break;
    }
}

// Shape `which` with reserved modes of all sorts, or one that spoils the mode itself.
static void be_illegal(int which)
{
    if (which % (SHAPES + 1) == SHAPES) {
        set_mode(which % VALID_MODES);
        before_mode(numbers, 1.5, 5 + which % 3);
        return;
    }
    set_reserved(which / (SHAPES + 1));
    shapes[which % (SHAPES + 1)](numbers, 1.5, 0);
}

enum { ILLEGAL = (SHAPES + 1) * 12 };

static void on_illegal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    illegal++;
    if (resumes) {
        ((ucontext_t *)context)->uc_mcontext.__fpregs.__d.__fcsr = 0;
        return;
    }
    asm volatile("fsrmi 0");
    siglongjmp(escape, 1);
}

static void on_user(int signal, siginfo_t *info, void *context)
{
    (void)info;
    if (signal == SIGUSR2)
        ((ucontext_t *)context)->uc_mcontext.__fpregs.__d.__fcsr = 6 << 5;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *))
{
    // SA_NODEFER: a handler that does not return must not leave the signal blocked.
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (sigaction(signal, &action, NULL)) {
        perror("rounding: sigaction");
        exit(1);
    }
}

static void run_all(long mode)
{
    for (int i = 0; i < SHAPES; i++)
        shapes[i](numbers, 1.5, mode);
}

static int finish(int expected)
{
    if (illegal != expected) {
        fprintf(stderr, "rounding: %d illegal instructions, expected %d\n", illegal, expected);
        return 1;
    }
    printf("rounding: ok\n");
    return 0;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 3;
    for (int i = 0; i < 16; i++)
        numbers[i] = i;
    // All has been executed before: it is translated.
    run_all(0);
    run_all(0);

    if (!strcmp(how, "walk")) {
        handle(SIGUSR1, on_user);
        for (int i = 0; i < number * VALID_MODES; i++) {
            set_mode(i % VALID_MODES);
            run_all(i % VALID_MODES);
            set_mode_in_fcsr(i % VALID_MODES);
            for (int j = 0; j < SHAPES; j++) {
                shapes[j](numbers, 0.1, i % VALID_MODES);
                raise(SIGUSR1);
            }
            // Nothing is rounded meanwhile.
            for (int j = 0; j < 16; j++)
                ((volatile double *)numbers)[j] = numbers[15 - j];
            run_all(0);
        }
        set_mode(0);
        return finish(0);
    }
    if (!strcmp(how, "escape")) {
        handle(SIGILL, on_illegal);
        for (volatile int i = 0; i < number * ILLEGAL; i++) {
            if (sigsetjmp(escape, 0))
                continue;
            be_illegal(i);
        }
        run_all(0);
        return finish(number * ILLEGAL);
    }
    if (!strcmp(how, "resume")) {
        resumes = 1;
        handle(SIGILL, on_illegal);
        for (int i = 0; i < number * ILLEGAL; i++)
            be_illegal(i);
        run_all(0);
        return finish(number * ILLEGAL);
    }
    if (!strcmp(how, "spoil")) {
        resumes = 1;
        handle(SIGILL, on_illegal);
        handle(SIGUSR2, on_user);
        for (int i = 0; i < number * SHAPES; i++) {
            raise(SIGUSR2);
            shapes[i % SHAPES](numbers, 1.5, 0);
        }
        run_all(0);
        return finish(number * SHAPES);
    }
    if (!strcmp(how, "die")) {
        printf("rounding: die %d\n", number);
        fflush(stdout);
        set_mode(5);
        shapes[number % SHAPES](numbers, 1.5, 0);
        return 1;
    }
    if (!strcmp(how, "die-storing")) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        char *pages = mmap(NULL, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED || mprotect(pages, page, PROT_READ | PROT_WRITE)) {
            perror("rounding: mmap");
            return 1;
        }
        printf("rounding: die-storing\n");
        fflush(stdout);
        set_mode(1);
        before_store((double *)(pages + page) - 1, 1.5, 0);
        return 1;
    }
    if (!strcmp(how, "die-illegal")) {
        shape *const last[] = {before_illegal, before_privileged, before_reserved};
        printf("rounding: die-illegal %d\n", number);
        fflush(stdout);
        set_mode(1);
        last[number % 3](numbers, 1.5, 0);
        return 1;
    }
    if (!strcmp(how, "die-elsewhere") || !strcmp(how, "semihosting")) {
        shape *const last[] = {trap_after_stores, fault_after_stores, round_after_stores};
        // ADP_Stopped_ApplicationExit and the status.
        static const long reason[] = {0x20026, 7};
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                           -1, 0);
        if (pages == MAP_FAILED) {
            perror("rounding: mmap");
            return 1;
        }
        double *at = (double *)(pages + page) - 1;
        printf("rounding: %s %d\n", how, number);
        fflush(stdout);
        set_mode(5);
        if (!strcmp(how, "semihosting"))
            exit_after_stores(at, 1.5, (long)reason);
        else
            last[number % 3](at, 1.5, 0);
        return 1;
    }
    fprintf(stderr, "usage: rounding walk|escape|resume|spoil|die|die-storing|die-illegal|"
                    "die-elsewhere|semihosting [N]\n");
    return 2;
}
