use iced_x86::{InstructionInfoFactory, OpAccess};
use proptest::prelude::*;

use super::*;
use crate::MakeDecoder;
use crate::testing::Expected::{
    self, AllVcpus, Always, LoadThenStore, NoAccess, OneAccess, ThisVcpu, Unknown, Wide,
};
use crate::testing::{MACHINE, PROGRAM, alone, bytes, check, config};

/// Assembled by GNU as.
#[rustfmt::skip]
const LONG_MODE: &[(&str, &str, Expected)] = &[
    ("4889c3", "mov %rax,%rbx", Always),
    ("b805000000", "mov $5,%eax", Always),
    ("8cd8", "mov %ds,%eax", Always),
    ("488d4c9808", "lea 8(%rax,%rbx,4),%rcx", Always),
    ("488d0d08000000", "lea 8(%rip),%rcx", Always),
    ("4801c3", "add %rax,%rbx", Always),
    ("31c0", "xor %eax,%eax", Always),
    ("4839c3", "cmp %rax,%rbx", Always),
    ("84c0", "test %al,%al", Always),
    ("486bc303", "imul $3,%rbx,%rax", Always),
    ("48f7e1", "mul %rcx", Always),
    ("48c1e003", "shl $3,%rax", Always),
    ("48d3e0", "shl %cl,%rax", Always),
    ("0fb6c0", "movzbl %al,%eax", Always),
    ("4863c8", "movslq %eax,%rcx", Always),
    ("480f44d8", "cmove %rax,%rbx", Always),
    ("0f94c0", "sete %al", Always),
    ("480fbcd8", "bsf %rax,%rbx", Always),
    ("f3480fb8d8", "popcnt %rax,%rbx", Always),
    ("480fc8", "bswap %rax", Always),
    ("4899", "cqto", Always),
    ("90", "nop", Always),
    ("660f1f440008", "nopw 8(%rax,%rax)", Always),
    ("f30f1efa", "endbr64", Always),
    ("0f1808", "prefetcht0 (%rax)", Always),
    ("0f0d08", "prefetchw (%rax)", Always),
    ("4893", "xchg %rax,%rbx", Always),
    ("0faee8", "lfence", Always),
    ("c4e2e0f2c8", "andn %rax,%rbx,%rcx", Always),
    ("c4e2f9f7cb", "shlx %rax,%rbx,%rcx", Always),
    ("660fefc0", "pxor %xmm0,%xmm0", Always),
    ("f20f58c1", "addsd %xmm1,%xmm0", Always),
    ("660f2ec1", "ucomisd %xmm1,%xmm0", Always),
    ("f2480f2ac0", "cvtsi2sd %rax,%xmm0", Always),
    ("0f28c8", "movaps %xmm0,%xmm1", Always),
    ("c5f5efd0", "vpxor %ymm0,%ymm1,%ymm2", Always),
    ("c4e2f1a9d0", "vfmadd213sd %xmm0,%xmm1,%xmm2", Always),
    ("c5f877", "vzeroupper", Always),
    ("d8c1", "fadd %st(1),%st", Always),
    ("d9ca", "fxch %st(2)", Always),
    ("dfe0", "fnstsw %ax", Always),
    ("488b18", "mov (%rax),%rbx", OneAccess),
    ("48895c4808", "mov %rbx,8(%rax,%rcx,2)", OneAccess),
    ("c70005000000", "movl $5,(%rax)", OneAccess),
    ("8c18", "mov %ds,(%rax)", OneAccess),
    ("48a18877665544332211", "movabs 0x1122334455667788,%rax", OneAccess),
    ("0fb600", "movzbl (%rax),%eax", OneAccess),
    ("486308", "movslq (%rax),%rcx", OneAccess),
    ("480318", "add (%rax),%rbx", OneAccess),
    ("483903", "cmp %rax,(%rbx)", OneAccess),
    ("833b05", "cmpl $5,(%rbx)", OneAccess),
    ("f60001", "testb $1,(%rax)", OneAccess),
    ("480faf18", "imul (%rax),%rbx", OneAccess),
    ("48f720", "mulq (%rax)", OneAccess),
    ("480f4418", "cmove (%rax),%rbx", OneAccess),
    ("0f9400", "sete (%rax)", OneAccess),
    ("480fa303", "bt %rax,(%rbx)", OneAccess),
    ("480fba2303", "btq $3,(%rbx)", OneAccess),
    ("480fbc18", "bsf (%rax),%rbx", OneAccess),
    ("480f38f018", "movbe (%rax),%rbx", OneAccess),
    ("480fc303", "movnti %rax,(%rbx)", OneAccess),
    ("50", "push %rax", OneAccess),
    ("6a05", "push $5", OneAccess),
    ("58", "pop %rax", OneAccess),
    ("c9", "leave", OneAccess),
    ("f20f1000", "movsd (%rax),%xmm0", OneAccess),
    ("f30f1100", "movss %xmm0,(%rax)", OneAccess),
    ("f30f7e00", "movq (%rax),%xmm0", OneAccess),
    ("0f1700", "movhps %xmm0,(%rax)", OneAccess),
    ("f20f5800", "addsd (%rax),%xmm0", OneAccess),
    ("f2480f2a00", "cvtsi2sdq (%rax),%xmm0", OneAccess),
    ("c5fb1000", "vmovsd (%rax),%xmm0", OneAccess),
    ("d900", "flds (%rax)", OneAccess),
    ("dd00", "fldl (%rax)", OneAccess),
    ("df38", "fistpll (%rax)", OneAccess),
    ("d928", "fldcw (%rax)", OneAccess),
    ("480103", "add %rax,(%rbx)", LoadThenStore),
    ("830305", "addl $5,(%rbx)", LoadThenStore),
    ("48ff00", "incq (%rax)", LoadThenStore),
    ("f718", "negl (%rax)", LoadThenStore),
    ("f610", "notb (%rax)", LoadThenStore),
    ("c12003", "shll $3,(%rax)", LoadThenStore),
    ("c12000", "shll $0,(%rax)", LoadThenStore),
    ("48d318", "rcrq %cl,(%rax)", LoadThenStore),
    ("480fa40303", "shld $3,%rax,(%rbx)", LoadThenStore),
    ("480fab03", "bts %rax,(%rbx)", LoadThenStore),
    ("ff30", "pushq (%rax)", LoadThenStore),
    ("8f00", "popq (%rax)", LoadThenStore),
    ("0f2800", "movaps (%rax),%xmm0", Wide),
    ("0f1100", "movups %xmm0,(%rax)", Wide),
    ("f30f6f00", "movdqu (%rax),%xmm0", Wide),
    ("660ffe00", "paddd (%rax),%xmm0", Wide),
    ("660f2e00", "ucomisd (%rax),%xmm0", Wide),
    ("f30f5a00", "cvtss2sd (%rax),%xmm0", Wide),
    ("c5fa6f00", "vmovdqu (%rax),%xmm0", Wide),
    ("c5fe6f00", "vmovdqu (%rax),%ymm0", Unknown),
    ("c5fc1100", "vmovups %ymm0,(%rax)", Unknown),
    ("c4e2f1a910", "vfmadd213sd (%rax),%xmm1,%xmm2", Unknown),
    ("db28", "fldt (%rax)", Unknown),
    ("db38", "fstpt (%rax)", Unknown),
    ("d9d0", "fnop", Unknown),
    ("9b", "fwait", Unknown),
    ("dd30", "fnsave (%rax)", Unknown),
    ("48f7f1", "div %rcx", NoAccess),
    ("f738", "idivl (%rax)", Unknown),
    ("f0480103", "lock add %rax,(%rbx)", Unknown),
    ("488703", "xchg %rax,(%rbx)", Unknown),
    ("480fc103", "xadd %rax,(%rbx)", Unknown),
    ("480fb103", "cmpxchg %rax,(%rbx)", Unknown),
    ("f0480fc70b", "lock cmpxchg16b (%rbx)", Unknown),
    ("f3a4", "rep movsb", Unknown),
    ("a5", "movsl", Unknown),
    ("48a5", "movsq", Unknown),
    ("f348ab", "rep stosq", Unknown),
    ("f2ae", "repne scasb", Unknown),
    ("a7", "cmpsl", Unknown),
    ("c8080000", "enter $8,$0", Unknown),
    ("e805000000", "call .+10", Unknown),
    ("ffd0", "call *%rax", Unknown),
    ("ff10", "call *(%rax)", Unknown),
    ("eb08", "jmp .+10", NoAccess),
    ("ffe0", "jmp *%rax", NoAccess),
    ("ff20", "jmp *(%rax)", Unknown),
    ("7408", "je .+10", NoAccess),
    ("e308", "jrcxz .+10", NoAccess),
    ("e208", "loop .+10", NoAccess),
    ("c3", "ret", Unknown),
    ("c20800", "ret $8", Unknown),
    ("9c", "pushfq", Unknown),
    ("9d", "popfq", Unknown),
    ("fa", "cli", Unknown),
    ("fb", "sti", Unknown),
    ("0f01cb", "stac", Unknown),
    ("0f01ca", "clac", Unknown),
    ("0fa2", "cpuid", Unknown),
    ("0f31", "rdtsc", Unknown),
    ("f390", "pause", Unknown),
    ("0fae20", "xsave (%rax)", Unknown),
    ("0fae08", "fxrstor (%rax)", Unknown),
    ("0fae10", "ldmxcsr (%rax)", Unknown),
    ("660ff7c8", "maskmovdqu %xmm0,%xmm1", Unknown),
    ("c4e279901408", "vpgatherdd %xmm0,(%rax,%xmm1),%xmm2", Unknown),
    ("660f3a0f0003", "palignr $3,(%rax),%xmm0", Unknown),
    ("440f22c0", "mov %rax,%cr8", Unknown),
    ("0f00e8", "verw %ax", Unknown),
    ("f3480faed0", "wrfsbase %rax", Unknown),
    ("0f22c0", "mov %rax,%cr0", ThisVcpu),
    ("0f22e0", "mov %rax,%cr4", ThisVcpu),
    ("0f22d8", "mov %rax,%cr3", ThisVcpu),
    ("0f20d8", "mov %cr3,%rax", Unknown),
    ("0f23f8", "mov %rax,%dr7", Unknown),
    ("8ed8", "mov %eax,%ds", Unknown),
    ("8e18", "mov (%rax),%ds", Unknown),
    ("0fa1", "pop %fs", Unknown),
    ("0fb408", "lfs (%rax),%ecx", Unknown),
    ("0f30", "wrmsr", ThisVcpu),
    ("0f32", "rdmsr", Unknown),
    ("0f0138", "invlpg (%rax)", ThisVcpu),
    ("660f388208", "invpcid (%rax),%rcx", ThisVcpu),
    ("48cf", "iretq", Unknown),
    ("0f05", "syscall", Unknown),
    ("0f07", "sysret", Unknown),
    ("0f34", "sysenter", Unknown),
    ("0f35", "sysexit", Unknown),
    ("0f01f8", "swapgs", Unknown),
    ("cb", "lret", Unknown),
    ("ff18", "lcall *(%rax)", Unknown),
    ("ff28", "ljmp *(%rax)", Unknown),
    ("0f01f0", "lmsw %ax", ThisVcpu),
    ("0f00d8", "ltr %ax", Unknown),
    ("0f00d0", "lldt %ax", Unknown),
    ("0f0110", "lgdt (%rax)", Unknown),
    ("0f0118", "lidt (%rax)", Unknown),
    ("0f06", "clts", Unknown),
    ("cd80", "int $0x80", Unknown),
    ("cc", "int3", Unknown),
    ("0f0b", "ud2", Unknown),
    ("f4", "hlt", Unknown),
    ("0faa", "rsm", ThisVcpu),
    ("0f01d8", "vmrun", ThisVcpu),
    ("0f01c1", "vmcall", ThisVcpu),
    ("0f01d9", "vmmcall", ThisVcpu),
    ("0f01da", "vmload", ThisVcpu),
    ("0f01dc", "stgi", ThisVcpu),
    ("0f01d1", "xsetbv", Unknown),
    ("0f01ef", "wrpkru", Unknown),
    ("0fc718", "xrstors (%rax)", ThisVcpu),
    ("0f08", "invd", ThisVcpu),
    ("0f01c8", "monitor", Unknown),
    ("0f01c9", "mwait", Unknown),
    ("e460", "in $0x60,%al", AllVcpus),
    ("ed", "in (%dx),%eax", AllVcpus),
    ("e680", "out %al,$0x80", AllVcpus),
    ("ef", "out %eax,(%dx)", AllVcpus),
    ("6c", "insb", AllVcpus),
    ("f36f", "rep outsl", AllVcpus),
];

#[rustfmt::skip]
const PROTECTED_MODE: &[(&str, &str, Expected)] = &[
    ("40", "inc %eax", Always),
    ("27", "daa", Unknown),
    ("60", "pusha", Unknown),
    ("61", "popa", Unknown),
    ("c408", "les (%eax),%ecx", Unknown),
    ("1f", "pop %ds", Unknown),
    ("8ed8", "mov %eax,%ds", Unknown),
    ("0f34", "sysenter", Unknown),
    ("cb", "lret", Unknown),
    ("ce", "into", ThisVcpu),
    ("cd80", "int $0x80", ThisVcpu),
    ("cf", "iret", ThisVcpu),
    ("6203", "bound %eax,(%ebx)", ThisVcpu),
    ("ea000010001000", "ljmp $0x10,$0x100000", ThisVcpu),
    ("9a000010001000", "lcall $0x10,$0x100000", ThisVcpu),
    ("ff18", "lcall *(%eax)", ThisVcpu),
    ("0f22d8", "mov %eax,%cr3", ThisVcpu),
    ("1e", "push %ds", OneAccess),
    ("50", "push %eax", OneAccess),
    ("a134120000", "mov 0x1234,%eax", OneAccess),
];

/// A machine that is known to be in one of `modes`.
fn in_modes(modes: X86Modes) -> impl Fn(Emulator) -> Box<dyn Decoder> {
    move |emulator| Box::new(X86::new(modes, emulator))
}

fn of_program(hex: &str) -> Effects {
    alone(&mut *x86_64(PROGRAM), &bytes(hex))
}

fn of_machine(hex: &str) -> Effects {
    alone(&mut *x86_64(MACHINE), &bytes(hex))
}

fn block<'a>(make: MakeDecoder, vaddr: u64, insns: &[&'a [u8]]) -> Box<dyn Decoder> {
    let mut at = vaddr;
    let mut placed = Vec::<(u64, &'a [u8])>::new();
    for &code in insns {
        placed.push((at, code));
        at += code.len() as u64;
    }
    let mut decoder = make(MACHINE);
    decoder.begin(&mut placed.into_iter());
    decoder
}

#[test]
fn instructions_of_long_mode() {
    check(in_modes(X86Modes::BITS64), LONG_MODE);
}

#[test]
fn instructions_of_protected_mode() {
    check(in_modes(X86Modes::BITS32), PROTECTED_MODE);
}

#[test]
fn lengths_must_fit() {
    for hex in ["", "48", "488b", "9090", "48c785", "f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0"] {
        assert_eq!(of_program(hex), Effects::UNKNOWN, "{hex}");
    }
}

#[test]
fn where_modes_disagree_nothing_is_promised() {
    // 63 c8 is movslq %eax,%ecx or arpl %cx,%ax; 40 by itself is inc %eax or no instruction.
    assert_eq!(of_program("63c8"), Effects::plain(Completion::Always));
    assert_eq!(of_machine("63c8").completion, Completion::Unknown);
    assert_eq!(of_machine("89d8"), Effects::plain(Completion::Always));
}

#[test]
fn the_mode_fits_every_instruction_of_the_block() {
    let mov_reg = bytes("89d8");
    let mov_r64 = bytes("4889d8");
    let mov_imm16 = bytes("b83412");
    let mov_imm32 = bytes("b878563412");
    let les = bytes("c408");
    let mode = |insns: &[&[u8]]| block(x86_64, 0x1000, insns).x86_mode();
    assert_eq!(mode(&[&mov_reg]), Some(X86Mode::Bits64));
    assert_eq!(mode(&[&mov_reg, &mov_r64]), Some(X86Mode::Bits64));
    assert_eq!(mode(&[&mov_reg, &mov_imm16]), Some(X86Mode::Bits16));
    assert_eq!(mode(&[&mov_imm32, &les]), Some(X86Mode::Bits32));
    assert_eq!(mode(&[&mov_r64, &mov_imm16]), None);
    assert_eq!(block(x86_64, 0x1000, &[&mov_r64, &mov_imm16]).effects(&mov_r64), Effects::UNKNOWN);
}

#[test]
fn above_4_gib_there_is_only_64_bit_code() {
    let arpl_or_movslq = bytes("63c8");
    let high = 0xffff_ffff_8100_0000;
    assert_eq!(
        block(x86_64, high, &[&arpl_or_movslq]).effects(&arpl_or_movslq),
        Effects::plain(Completion::Always)
    );
    assert_eq!(block(i386, high, &[&arpl_or_movslq]).x86_mode(), None);
}

#[test]
fn an_announced_leftover_at_the_page_end_is_not_relied_on() {
    let mov = bytes("89d8");
    // Cut off from `44 89 c0`; on its own it is `inc %esp` of 32-bit code.
    let leftover = bytes("44");
    let mut at_page_end = block(x86_64, 0x40_0ffb, &[&mov, &mov, &leftover]);
    assert_eq!(at_page_end.x86_mode(), Some(X86Mode::Bits64));
    assert_eq!(at_page_end.effects(&mov).completion, Completion::Always);
    assert_eq!(at_page_end.effects(&mov).completion, Completion::Unknown);

    let mut elsewhere = block(x86_64, 0x40_0800, &[&mov, &mov, &mov]);
    assert_eq!(elsewhere.effects(&mov).completion, Completion::Always);
    assert_eq!(elsewhere.effects(&mov).completion, Completion::Always);
}

proptest! {
    #![proptest_config(config())]

    /// Compared with iced's own account of memory accesses.
    #[test]
    fn promises_agree_with_the_accesses(code in prop::collection::vec(any::<u8>(), 15)) {
        for mode in X86Modes::ALL.iter() {
            let insn = iced_x86::Decoder::new(mode.bits(), &code, DecoderOptions::NONE).decode();
            if insn.is_invalid() {
                continue;
            }
            let code = &code[..insn.len()];
            let effects = effects(X86Modes(mode.bit()), MACHINE, code);
            let mut factory = InstructionInfoFactory::new();
            let accesses: Vec<_> = factory
                .info(&insn)
                .used_memory()
                .iter()
                .map(iced_x86::UsedMemory::access)
                .collect();
            match effects.completion {
                Completion::Always | Completion::NoAccess => prop_assert!(
                    accesses.iter().all(|&access| access == OpAccess::NoMemAccess),
                    "{code:02x?} {accesses:?}"
                ),
                Completion::OneAccess => prop_assert!(
                    matches!(
                        accesses[..],
                        [OpAccess::Read | OpAccess::Write | OpAccess::CondRead]
                    ),
                    "{code:02x?} {accesses:?}"
                ),
                Completion::LoadThenStore => prop_assert!(
                    matches!(
                        accesses[..],
                        [OpAccess::ReadWrite | OpAccess::ReadCondWrite]
                            | [OpAccess::Read, OpAccess::Write]
                            | [OpAccess::Write, OpAccess::Read]
                    ),
                    "{code:02x?} {accesses:?}"
                ),
                Completion::Unknown => {}
            }
        }
    }

    #[test]
    fn privileged_instructions_promise_nothing(code in prop::collection::vec(any::<u8>(), 15)) {
        let insn = iced_x86::Decoder::new(64, &code, DecoderOptions::NONE).decode();
        let effects = alone(&mut *x86_64(PROGRAM), &code[..insn.len()]);
        prop_assert!(!insn.is_privileged() || effects.completion == Completion::Unknown);
    }
}
