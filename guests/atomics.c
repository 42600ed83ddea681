// Instructions that are easy to classify wrongly when fetches and accesses are
// counted: atomics, pairs, string and vector instructions, accesses that cross
// lines and pages, instructions that always or never fault. Each stands in the
// middle of straight-line code and is run on good memory, across a line, across
// a page, and on memory where it faults, wholly or in its second half; a signal
// handler then escapes by siglongjmp. What should fault must, and the reverse.
// The sequences of each architecture are in atomics/ARCH.def.
//
// Usage: atomics [ROUNDS [parallel]]          (default 50)
// `parallel` starts a second thread, which sleeps: QEMU then translates atomic
// instructions to atomic operations of the host.
// SPDX-License-Identifier: GPL-2.0-or-later
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, LINE = 64 };

// What is known of a sequence, besides that it reads `size` bytes at `at`.
enum {
    READS = 0,
    WRITES = 1,   // faults on a read-only page, after reading or before
    ALIGNED = 2,  // must not be run at an unaligned address
    MAYBE = 4,    // whether it faults on bad memory differs between versions
    NEVER = 8,    // does not access `at`
    ALWAYS = 16,  // does not access `at`, raises a signal
    PROBE = 32,   // first of an extension: if it is illegal, the rest is skipped
    EXTENSION = 64, // belongs to the extension of the last PROBE
};

struct sequence {
    const char *text;
    void (*run)(char *good, char *at);
    unsigned size, flags;
};

// What stands before and after each sequence in the same basic block, where it
// finds `good` and `at`, and which registers are free.
#if defined(__riscv)
#define DEFINITIONS "atomics/riscv64.def"
#define GOOD "a0"
#define AT "a1"
#define BEFORE "ld t0, 0(a0)\n addi t0, t0, 1\n sd t0, 8(a0)\n lw t1, 16(a0)\n mv a5, a1\n"
#define AFTER "\n sd t0, 24(a0)\n xor t1, t1, t0\n ld t2, 32(a0)\n sw t1, 40(a0)\n"
#define FREE "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a2", "a3", "a4", "a5", "a7", "ft0", "ft1"
#elif defined(__aarch64__)
#define DEFINITIONS "atomics/aarch64.def"
#define GOOD "x0"
#define AT "x1"
#define BEFORE "ldr x2, [x0]\n add x2, x2, 1\n str x2, [x0, 8]\n ldr w3, [x0, 16]\n"
#define AFTER "\n str x2, [x0, 24]\n eor w3, w3, w2\n ldp x4, x5, [x0, 32]\n str w3, [x0, 40]\n"
#define FREE                                                                             \
    "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "v0", "v1", "v2", "v3", "cc"
#elif defined(__x86_64__)
#define DEFINITIONS "atomics/x86_64.def"
#define GOOD "r12"
#define AT "r13"
#define BEFORE                                                                           \
    ".intel_syntax noprefix\n mov r8, [r12]\n add r8, 1\n mov [r12 + 8], r8\n"           \
    " add dword ptr [r12 + 16], 3\n"
#define AFTER                                                                            \
    "\n mov [r12 + 24], r8\n xor r9, r8\n add r8, [r12 + 32]\n mov [r12 + 40], r9\n"     \
    ".att_syntax prefix\n"
#define FREE                                                                             \
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "cc"
#else
#error "atomics.c knows no sequences for this architecture"
#endif

#define NAME_OF(line) sequence_##line
#define NAME(line) NAME_OF(line)

// First a function for each line of the list, named after the line, then the table.
#define SEQUENCE(instructions, bytes, about)                                             \
    __attribute__((noipa)) static void NAME(__LINE__)(char *good_memory, char *place)    \
    {                                                                                    \
        register char *good __asm__(GOOD) = good_memory;                                 \
        register char *at __asm__(AT) = place;                                           \
        __asm__ volatile(BEFORE instructions AFTER : "+r"(good), "+r"(at) : : FREE, "memory"); \
    }
#include DEFINITIONS
#undef SEQUENCE
#define SEQUENCE(instructions, bytes, about) {instructions, NAME(__LINE__), bytes, about},
static const struct sequence sequences[] = {
#include DEFINITIONS
};

static sigjmp_buf escape;
static volatile unsigned long faults;

static void on_fault(int signal)
{
    (void)signal;
    siglongjmp(escape, 1);
}

// Runs one sequence; 1 if it raised a signal.
static int faulted(const struct sequence *sequence, char *good, char *at)
{
    if (sigsetjmp(escape, 0)) {
        faults++;
        return 1;
    }
    sequence->run(good, at);
    return 0;
}

static void expect(int fault, const struct sequence *sequence, char *good, char *at,
                   const char *where)
{
    if (faulted(sequence, good, at) != fault && !(sequence->flags & MAYBE)) {
        fprintf(stderr, "atomics: `%s` %s %s\n", sequence->text,
                fault ? "did not fault" : "faulted", where);
        exit(1);
    }
}

// Pages 0 and 1 of `pages` are good, 2 is inaccessible, 3 is read-only.
static void run_sequence(const struct sequence *sequence, char *pages)
{
    unsigned flags = sequence->flags, half = sequence->size / 2;
    char *bad = pages + 2 * PAGE, *read_only = pages + 3 * PAGE;
    if (flags & ALWAYS) {
        expect(1, sequence, pages, pages + 1024, "at all");
        return;
    }
    expect(0, sequence, pages, pages + 1024, "on good memory");
    if (flags & NEVER)
        return;
    expect(1, sequence, pages, bad, "on an inaccessible page");
    expect(flags & WRITES, sequence, pages, read_only, "on a read-only page");
    if (flags & ALIGNED || half == 0)
        return;
    expect(0, sequence, pages, pages + 1024 + LINE - half, "across two lines");
    expect(0, sequence, pages, pages + PAGE - half, "across two pages");
    expect(1, sequence, pages, bad - half, "in its second half");
}

// Runs all sequences; the number of those skipped for want of an extension.
static unsigned run_sequences(char *pages)
{
    unsigned skipped = 0;
    int present = 1;
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        const struct sequence *sequence = &sequences[i];
        if (sequence->flags & PROBE)
            present = !faulted(sequence, pages, pages + 1024);
        if (present || !(sequence->flags & (PROBE | EXTENSION)))
            run_sequence(sequence, pages);
        else
            skipped++;
    }
    return skipped;
}

// The same by the compiler's choice of instructions, and the C library's.
#define ATOMICS(type)                                                                    \
    __attribute__((noipa)) static uint64_t atomics_##type(type *at)                      \
    {                                                                                    \
        type expected = 5, sum = 0;                                                      \
        __atomic_store_n(at, 3, __ATOMIC_RELEASE);                                       \
        sum += __atomic_add_fetch(at, 2, __ATOMIC_SEQ_CST);                              \
        sum += __atomic_compare_exchange_n(at, &expected, 9, 0, __ATOMIC_ACQ_REL,        \
                                           __ATOMIC_ACQUIRE);                            \
        sum += __atomic_compare_exchange_n(at, &expected, 1, 0, __ATOMIC_SEQ_CST,        \
                                           __ATOMIC_SEQ_CST);                            \
        sum += __atomic_fetch_or(at, 16, __ATOMIC_RELAXED);                              \
        sum += __atomic_fetch_nand(at, 24, __ATOMIC_ACQUIRE);                            \
        sum += __atomic_exchange_n(at, 7, __ATOMIC_SEQ_CST);                             \
        return (uint64_t)(sum + __atomic_load_n(at, __ATOMIC_SEQ_CST));                  \
    }
ATOMICS(uint8_t)
ATOMICS(uint16_t)
ATOMICS(uint32_t)
ATOMICS(uint64_t)

struct __attribute__((packed)) unaligned {
    char offset;
    uint16_t half;
    uint32_t word;
    uint64_t giant;
    double real;
};

__attribute__((noipa)) static double unaligned(volatile struct unaligned *at)
{
    at->half += 1;
    at->word += at->half;
    at->giant ^= at->word;
    at->real = (double)at->word * 0.5;
    return at->real;
}

__attribute__((noipa)) static long double floating(volatile long double *wide, volatile float *single,
                                                   volatile double *real)
{
    *single = 1.5f;
    *real = *single / 3.0;
    *wide = *real * 2.0L + *single;
    *real = (double)(float)*real;
    return *wide - *real;
}

static void run_generic(char *pages)
{
    uint64_t got[4] = {atomics_uint8_t((uint8_t *)pages + 2048),
                       atomics_uint16_t((uint16_t *)(pages + 2048)),
                       atomics_uint32_t((uint32_t *)(pages + 2048)),
                       atomics_uint64_t((uint64_t *)(pages + 2048))};
    // 5 + 1 + 0 + 9 + 25 + ~(25 & 24) + 7, in the width of the type.
    uint64_t expected = 5 + 1 + 0 + 9 + 25 + ~24ull + 7;
    if (got[0] != (uint8_t)expected || got[1] != (uint16_t)expected ||
        got[2] != (uint32_t)expected || got[3] != expected) {
        fprintf(stderr, "atomics: wrong results of the compiler's atomics\n");
        exit(1);
    }
    for (int offset = 0; offset < 24; offset++)
        unaligned((volatile struct unaligned *)(pages + PAGE - offset));
    floating((volatile long double *)(pages + 3072), (volatile float *)(pages + 3104),
             (volatile double *)(pages + 3112));
    for (size_t size = 1; size < 300; size += 37) {
        char *from = pages + PAGE - size / 2, *to = pages + 1536 + size;
        memset(from, 'x', size);
        from[size] = 0;
        memcpy(to, from, size + 1);
        memmove(from + 3, from, size);
        if (strlen(to) != size || memchr(to, 'y', size)) {
            fprintf(stderr, "atomics: wrong copy of %zu bytes\n", size);
            exit(1);
        }
    }
}

static void *sleep_forever(void *argument)
{
    for (;;)
        pause();
    return argument;
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 50;
    int parallel = argc > 2 && !strcmp(argv[2], "parallel");
    if (argc > 2 && !parallel) {
        fprintf(stderr, "usage: atomics [ROUNDS [parallel]]\n");
        return 2;
    }
    char *pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    // Some sequences fault with the stack pointer on bad memory.
    static char signal_stack[65536];
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    if (pages == MAP_FAILED || mprotect(pages + 2 * PAGE, PAGE, PROT_NONE) ||
        mprotect(pages + 3 * PAGE, PAGE, PROT_READ) || sigaltstack(&stack, NULL)) {
        perror("atomics: set-up");
        return 1;
    }
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER | SA_ONSTACK};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    pthread_t thread;
    if (parallel && pthread_create(&thread, NULL, sleep_forever, NULL)) {
        fprintf(stderr, "atomics: cannot start a thread\n");
        return 1;
    }

    unsigned skipped = 0;
    for (unsigned round = 0; round < rounds; round++) {
        run_generic(pages);
        skipped = run_sequences(pages);
    }
    printf("atomics: ok rounds=%u sequences=%zu skipped=%u faults=%lu\n", rounds,
           sizeof sequences / sizeof *sequences, skipped, faults);
    fflush(stdout);
    _exit(0);
}
