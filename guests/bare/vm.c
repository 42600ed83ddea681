// Address translation: the same virtual address means three different physical
// ones, and which one changes as often as possible. It is the test of anything
// that remembers translations.
//
// There are eight pages at a virtual address V, the same for all harts, which are
//   in address space A   the hart's physical pages, from V + 4 MiB on
//   in address space B   the hart's physical pages, from V + 8 MiB on
//   in M-mode (bare)     the physical pages V
// The hart walks them in S-mode (Sv39) and changes the meaning of V by
//   - satp, with sfence.vma, and without it (the spaces have different ASIDs)
//   - a page table entry, with sfence.vma
//   - ecall, whose handler in M-mode accesses V with its first instruction
//   - a page fault, the same: an ordinary load changes the translation
//   - the timer interrupt, the same: no instruction at all does
//   - mstatus.MPRV set and cleared in the handler
// All handlers run on registers that the compiler leaves alone, so that no CSR
// access precedes theirs to V.
//
// Run: qemu-system-riscv64 -M virt -nographic -bios none -kernel vm [-smp N]
// Exit status: 0. Up to 8 harts. Not deterministic: where the timer interrupts.
// SPDX-License-Identifier: GPL-2.0-or-later
#include "riscv64.h"

enum {
    PAGE = 4096,
    PAGES = 8,
    WORDS = PAGE / 8,
    ROUNDS = 1000,
    LEAST_TIMER_INTERRUPTS = 50,
    LINE_WORDS = 8,
};

// Word 0 of a page: what the handlers add up. Word 1: which page it is.
static const uint64_t WEIGHT_BARE = 1, WEIGHT_A = 1 << 20, WEIGHT_B = 1ull << 40;
enum { NAME_BARE = 0xc0, NAME_A = 0xa0, NAME_B = 0xb0, NAME_SPARE = 0xf0 };

// Shared with the handlers below; never used by the compiler for anything else.
register volatile uint64_t *probe __asm__("s10");   // what the handlers access
register uint64_t exception_sum __asm__("s9");      // what they found there
register uint64_t timer_sum __asm__("s8");
register uint64_t scratch1 __asm__("s11");
register uint64_t scratch2 __asm__("s7");

// Vectored: exceptions enter at offset 0, the machine timer at 4 × 7.
__asm__(".text\n"
        ".option push\n"
        ".option norvc\n"
        ".balign 256\n"
        "vectors:\n"
        "    ld s11, 0(s10)\n"
        "    j exception\n"
        "    .rept 5\n"
        "    j unexpected_trap\n"
        "    .endr\n"
        "    ld s11, 0(s10)\n"
        // The timer: bare, at once. mscratch holds the address of mtimecmp.
        "    add s8, s8, s11\n"
        "    li s11, 0x200bff8\n"
        "    ld s11, 0(s11)\n"
        "    addi s11, s11, 1000\n"
        "    csrr s7, mscratch\n"
        "    sd s11, 0(s7)\n"
        "    mret\n"
        // Bare, then by the page tables of the space left (MPP is S), then bare.
        "exception:\n"
        "    add s9, s9, s11\n"
        "    li s7, 1 << 17\n"
        "    csrs mstatus, s7\n"
        "    ld s11, 0(s10)\n"
        "    add s9, s9, s11\n"
        "    csrc mstatus, s7\n"
        "    ld s11, 0(s10)\n"
        "    add s9, s9, s11\n"
        // 9: ecall from S-mode; 13, 15: page faults of loads and stores; the
        // breakpoint, 3, ends the test. All are 4 bytes long.
        "    csrr s11, mcause\n"
        "    li s7, 3\n"
        "    beq s11, s7, back_in_machine_mode\n"
        "    li s7, 9\n"
        "    beq s11, s7, 1f\n"
        "    ori s11, s11, 2\n"
        "    li s7, 15\n"
        "    bne s11, s7, unexpected_trap\n"
        "1:  csrr s11, mepc\n"
        "    addi s11, s11, 4\n"
        "    csrw mepc, s11\n"
        "    mret\n"
        ".option pop\n");
extern char vectors[];

// One address space: the root, the table of the GiB at 0x80000000, and the
// table of the 2 MiB that hold V.
struct tables {
    uint64_t root[512], giga[512], mega[512];
};
static struct tables tables[HARTS][2] __attribute__((aligned(PAGE)));

static volatile uint64_t started, finished, wrong, timer_interrupts;

static const uint64_t VIRTUAL_PAGES = 0x80400000;

static uint64_t physical_pages(size_t hart, size_t space)
{
    return VIRTUAL_PAGES + (space + 1) * 0x400000 + hart * 16 * PAGE;
}

static uint64_t leaf(uint64_t address)
{
    return address >> 12 << 10 | 0xcf; // D A X W R V
}

static uint64_t branch(const uint64_t *table)
{
    return (uint64_t)table >> 12 << 10 | 1;
}

static uint64_t satp(size_t hart, size_t space)
{
    return 8ull << 60 | (space + 1) << 44 | (uint64_t)tables[hart][space].root >> 12;
}

static size_t entry_of(uint64_t address)
{
    return address >> 12 & 511;
}

static void name_page(uint64_t address, uint64_t weight, uint64_t name)
{
    volatile uint64_t *page = (volatile uint64_t *)address;
    page[0] = weight;
    page[1] = name;
}

static void make_spaces(size_t hart)
{
    uint64_t at = VIRTUAL_PAGES;
    for (size_t i = 0; i < PAGES; i++)
        name_page(at + i * PAGE, WEIGHT_BARE, NAME_BARE + i);
    for (size_t space = 0; space < 2; space++) {
        struct tables *table = &tables[hart][space];
        uint64_t physical = physical_pages(hart, space);
        table->root[2] = branch(table->giga);
        // The program itself, its stacks and tables: 4 MiB, one to one.
        table->giga[0] = leaf(0x80000000);
        table->giga[1] = leaf(0x80200000);
        table->giga[2] = branch(table->mega);
        for (size_t i = 0; i < PAGES; i++) {
            table->mega[entry_of(at) + i] = leaf(physical + i * PAGE);
            name_page(physical + i * PAGE, space ? WEIGHT_B : WEIGHT_A,
                      (space ? NAME_B : NAME_A) + i);
        }
        // Takes the place of page 7 in every second round.
        name_page(physical + PAGES * PAGE, space ? WEIGHT_B : WEIGHT_A, NAME_SPARE);
    }
}

// One access to each of some lines, in all pages; checks whose pages they are.
__attribute__((noipa)) static uint64_t walk(volatile uint64_t *pages, uint64_t name,
                                            uint64_t last_name)
{
    uint64_t errors = 0;
    for (size_t i = 0; i < PAGES; i++) {
        volatile uint64_t *page = pages + i * WORDS;
        errors += page[1] != (i == PAGES - 1 ? last_name : name + i);
        for (size_t line = 1; line < 8; line++)
            page[line * LINE_WORDS]++;
    }
    return errors;
}

// The access that faults: 4 bytes long, so that the handler can step over it.
static void load_from(uint64_t address)
{
    uint64_t value;
    __asm__ volatile(".option push\n.option norvc\n"
                     "ld %0, 0(%3)\n"
                     ".option pop"
                     : "=&r"(value), "+r"(exception_sum), "+r"(probe)
                     : "r"(address)
                     : "memory");
}

static void store_to(uint64_t address)
{
    __asm__ volatile(".option push\n.option norvc\n"
                     "sd zero, 0(%2)\n"
                     ".option pop"
                     : "+r"(exception_sum), "+r"(probe)
                     : "r"(address)
                     : "memory");
}

// A function of its own, never inlined: it is one move. Inlined, the compiler
// computes the address in the register of `probe` itself, and an interrupt
// finds it half done.
__attribute__((noipa)) static void set_probe(volatile uint64_t *address)
{
    probe = address;
}

static void call_machine_mode(void)
{
    __asm__ volatile("ecall" : "+r"(exception_sum), "+r"(probe) : : "memory");
}

__attribute__((noreturn, used)) static void supervisor(size_t hart)
{
    volatile uint64_t *pages = (volatile uint64_t *)VIRTUAL_PAGES;
    uint64_t unmapped = VIRTUAL_PAGES + 12 * PAGE;
    uint64_t errors = 0, expected = 0;
    for (uint64_t round = 0; round < ROUNDS || timer_sum < LEAST_TIMER_INTERRUPTS; round++) {
        size_t space = round & 1;
        uint64_t name = space ? NAME_B : NAME_A, weight = space ? WEIGHT_B : WEIGHT_A;
        __asm__ volatile("csrw satp, %0" : : "r"(satp(hart, space)) : "memory");
        // Not needed between two ASIDs; both ways must work.
        if (round & 2)
            __asm__ volatile("sfence.vma" ::: "memory");

        uint64_t spare = physical_pages(hart, space) + PAGES * PAGE;
        uint64_t *entry = &tables[hart][space].mega[entry_of((uint64_t)pages) + PAGES - 1];
        uint64_t usual = *entry;
        errors += walk(pages, name, name + PAGES - 1);
        *(volatile uint64_t *)entry = leaf(spare);
        __asm__ volatile("sfence.vma %0, zero" : : "r"(pages + (PAGES - 1) * WORDS) : "memory");
        errors += walk(pages, name, NAME_SPARE);
        *(volatile uint64_t *)entry = usual;
        __asm__ volatile("sfence.vma" ::: "memory");
        errors += walk(pages, name, name + PAGES - 1);

        set_probe(pages + round % PAGES * WORDS);
        errors += probe[0] != weight;
        call_machine_mode();
        errors += probe[0] != weight;
        load_from(unmapped);
        errors += probe[0] != weight;
        store_to(unmapped);
        errors += probe[0] != weight;
        expected += 3 * (2 * WEIGHT_BARE + weight);
    }
    errors += exception_sum != expected;
    if (errors)
        count_up(&wrong);
    __atomic_add_fetch(&timer_interrupts, timer_sum, __ATOMIC_SEQ_CST);
    __asm__ volatile("ebreak");
    __builtin_unreachable();
}

__attribute__((noreturn, used)) void back_in_machine_mode(void)
{
    __asm__ volatile("csrw mie, zero");
    size_t hart;
    __asm__ volatile("csrr %0, mhartid" : "=r"(hart));
    count_up(&finished);
    if (hart != 0)
        for (;;)
            __asm__ volatile("wfi");
    while (finished != started)
        ;
    if (wrong) {
        print("vm: wrong on harts: ");
        print_number(wrong);
    } else {
        print("vm: ok harts=");
        print_number(finished);
    }
    print(" timer interrupts=");
    print_number(timer_interrupts);
    print("\n");
    power_off(wrong != 0);
}

int main(size_t hart)
{
    count_up(&started);
    make_spaces(hart);
    set_probe((volatile uint64_t *)VIRTUAL_PAGES);
    exception_sum = timer_sum = scratch1 = scratch2 = 0;

    volatile uint64_t *timer = (volatile uint64_t *)(0x2004000 + hart * 8); // mtimecmp
    *timer = 0;
    __asm__ volatile("csrw mtvec, %0\n"
                     "csrw mscratch, %1\n"
                     "csrw pmpaddr0, %2\n" // S-mode may access everything
                     "csrw pmpcfg0, %3\n"
                     "csrw mie, %4\n"      // the timer only
                     "csrc mstatus, %5\n"
                     "csrs mstatus, %6\n"  // MPP = S
                     "csrw mepc, %7\n"
                     "mv a0, %8\n"
                     "mret"
                     :
                     : "r"((uint64_t)vectors | 1), "r"(timer), "r"(-1l), "r"(0x1f), "r"(0x80),
                       "r"(0x1800), "r"(0x800), "r"(supervisor), "r"(hart)
                     : "a0", "memory");
    __builtin_unreachable();
}
