// Blocks that are left in the middle: by faults, overflows, traps, and by branches that skip their delay slot. A
// handler continues behind the instruction that raised a signal. Among them are accesses that QEMU makes in several
// steps, and those that may not be made at all.
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    ((ucontext_t *)context)->uc_mcontext.pc += 4;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    int signals[] = {SIGFPE, SIGTRAP, SIGSEGV, SIGBUS};
    for (int i = 0; i < 4; i++)
        sigaction(signals[i], &action, NULL);

    int sum = 0, good[4] = {1, 2, 3, 4};
    for (int n = 0; n < 2000; n++) {
        // Overflows when it is added to itself.
        int number = n & 1 ? 0x7fffffff : 1;
        int *at = n % 3 ? good : (int *)8;
        int result;
        __asm__ volatile(
            ".set push; .set noreorder; .set noat\n"
            // Overflows and faults.
            "addiu %0, %2, 1; add $8, %1, %1; lw $9, 0(%3); addi $8, %1, 1; addu %0, %0, $9; sub $8, $0, %1\n"
            "lw $9, 4(%3); xor %0, %0, $9; sw %0, 8(%4); teq %1, %0; addiu %0, %0, 3; sw %0, 0(%3)\n"
            "addiu %0, %0, 1; lw $9, 1(%4); addiu %0, %0, 1; andi $10, %2, 2\n"
            // Branch-likely, taken and not taken.
            "beql $10, $0, 1f; lw $9, 4(%4); addiu %0, %0, 5\n"
            "1: bnel $10, $0, 2f; sw %0, 12(%4); addu %0, %0, $9\n"
            "2: bgezl %2, 3f; addu %0, %0, $9; nop\n"
            // Several accesses.
            "3: lwl $9, 1(%4); lwr $9, 2(%4); swl $9, 1(%4); addiu %0, %0, 1\n"
            "4: ll $9, 0(%4); addiu $9, $9, 1; sc $9, 0(%4); beqz $9, 4b; nop\n"
            "lw $0, 0(%3); addiu %0, %0, 1; .set pop"
            : "=&r"(result)
            : "r"(number), "r"(n), "r"(at), "r"(good)
            : "$8", "$9", "$10", "memory");
        sum += result;
    }
    printf("%d %d\n", sum, good[0]);
    return 0;
}
