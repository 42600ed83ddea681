use proptest::prelude::*;

use super::*;
use crate::testing::Expected::{
    self, AllVcpus, Always, NoAccess, OneAccess, ThisVcpu, Unknown, Wide,
};
use crate::testing::{MACHINE, PROGRAM, alone, bytes, check, config};

/// Assembled by GNU as for armv9-a with sve2, sme, memtag, crypto, rcpc and mops.
#[rustfmt::skip]
const CASES: &[(&str, &str, Expected)] = &[
    ("40000010", "adr x0,.+8", Always),
    ("20100091", "add x0,x1,#4", Always),
    ("20100071", "subs w0,w1,#4", Always),
    ("201c4092", "and x0,x1,#0xff", Always),
    ("a00080d2", "movz x0,#5", Always),
    ("201843d3", "ubfx x0,x1,#3,#4", Always),
    ("200cc293", "extr x0,x1,x2,#3", Always),
    ("200c028b", "add x0,x1,x2,lsl #3", Always),
    ("2000029a", "adc x0,x1,x2", Always),
    ("000041fa", "ccmp x0,x1,#0,eq", Always),
    ("2000829a", "csel x0,x1,x2,eq", Always),
    ("2008c29a", "udiv x0,x1,x2", Always),
    ("2040c21a", "crc32b w0,w1,w2", Always),
    ("2010c0da", "clz x0,x1", Always),
    ("200cc0da", "rev x0,x1", Always),
    ("200c029b", "madd x0,x1,x2,x3", Always),
    ("2028621e", "fadd d0,d1,d2", Always),
    ("2000789e", "fcvtzs x0,d1", Always),
    ("2084a24e", "add v0.4s,v1.4s,v2.4s", Always),
    ("2000679e", "fmov d0,x1", Always),
    ("2048284e", "aese v0.16b,v1.16b", Always),
    ("e0e31825", "ptrue p0.b", Always),
    ("2000e204", "add z0.d,z1.d,z2.d", Always),
    ("1f2003d5", "nop", Always),
    ("5f2403d5", "bti c", Always),
    ("bf3b03d5", "dmb ish", Always),
    ("9f3a03d5", "dsb ishst", Always),
    ("9f3903d5", "dsb ishld", Always),
    ("9f3003d5", "ssbb", Always),
    ("9f3403d5", "pssbb", Always),
    ("5f3f03d5", "clrex", Always),
    ("000480f9", "prfm pldl1keep,[x0,#8]", Always),
    ("0068a1f8", "prfm pldl1keep,[x0,x1]", Always),
    ("00d09ff8", "prfum pldl1keep,[x0,#-3]", Always),
    ("20048191", "addg x0,x1,#16,#1", Always),
    ("200440f9", "ldr x0,[x1,#8]", OneAccess),
    ("204440b8", "ldr w0,[x1],#4", OneAccess),
    ("208c40f8", "ldr x0,[x1,#8]!", OneAccess),
    ("207862f8", "ldr x0,[x1,x2,lsl #3]", OneAccess),
    ("80000058", "ldr x0,.+16", OneAccess),
    ("80000098", "ldrsw x0,.+16", OneAccess),
    ("20d05ff8", "ldur x0,[x1,#-3]", OneAccess),
    ("200840f8", "ldtr x0,[x1]", OneAccess),
    ("2000c039", "ldrsb w0,[x1]", OneAccess),
    ("200080b9", "ldrsw x0,[x1]", OneAccess),
    ("20000039", "strb w0,[x1]", OneAccess),
    ("208c1ff8", "str x0,[x1,#-8]!", OneAccess),
    ("200000fd", "str d0,[x1]", OneAccess),
    ("200440bd", "ldr s0,[x1,#4]", OneAccess),
    ("2068623c", "ldr b0,[x1,x2]", OneAccess),
    ("8000005c", "ldr d0,.+16", OneAccess),
    ("20fcdfc8", "ldar x0,[x1]", OneAccess),
    ("20fc9f08", "stlrb w0,[x1]", OneAccess),
    ("207c5fc8", "ldxr x0,[x1]", OneAccess),
    ("20fc5f88", "ldaxr w0,[x1]", OneAccess),
    ("20c0bff8", "ldapr x0,[x1]", OneAccess),
    ("20404099", "ldapur w0,[x1,#4]", OneAccess),
    ("20c01fd9", "stlur x0,[x1,#-4]", OneAccess),
    ("e007c1a8", "ldp x0,x1,[sp],#16", Wide),
    ("e0074029", "ldp w0,w1,[sp]", Wide),
    ("40044069", "ldpsw x0,x1,[x2]", Wide),
    ("fd7bbea9", "stp x29,x30,[sp,#-32]!", Wide),
    ("400400a8", "stnp x0,x1,[x2]", Wide),
    ("2000c03d", "ldr q0,[x1]", Wide),
    ("2068a23c", "str q0,[x1,x2]", Wide),
    ("8000009c", "ldr q0,.+16", Wide),
    ("2030803c", "stur q0,[x1,#3]", Wide),
    ("4004406d", "ldp d0,d1,[x2]", Unknown),
    ("400400ad", "stp q0,q1,[x2]", Unknown),
    ("417c00c8", "stxr w0,x1,[x2]", Unknown),
    ("40047fc8", "ldxp x0,x1,[x2]", Unknown),
    ("417ca0c8", "cas x0,x1,[x2]", Unknown),
    ("410020f8", "ldadd x0,x1,[x2]", Unknown),
    ("418020f8", "swp x0,x1,[x2]", Unknown),
    ("0078404c", "ld1 {v0.4s},[x0]", Unknown),
    ("00c8404d", "ld1r {v0.4s},[x0]", Unknown),
    ("200420f8", "ldraa x0,[x1]", Unknown),
    ("200820d9", "stg x0,[x1]", Unknown),
    ("40040069", "stgp x0,x1,[x2]", Unknown),
    ("40040119", "cpyfp [x0]!,[x1]!,x2!", Unknown),
    ("00a0e0a5", "ld1d {z0.d},p0/z,[x0]", Unknown),
    ("004080e5", "str z0,[x0]", Unknown),
    ("2000c1da", "pacia x0,x1", Unknown),
    ("2010c1da", "autia x0,x1", Unknown),
    ("2030c29a", "pacga x0,x1,x2", Unknown),
    ("3f2303d5", "paciasp", Unknown),
    ("7f2003d5", "wfi", Unknown),
    ("df3f03d5", "isb", Unknown),
    ("02000014", "b .+8", NoAccess),
    ("02000094", "bl .+8", Unknown),
    ("400000b4", "cbz x0,.+8", NoAccess),
    ("40001837", "tbnz x0,#3,.+8", NoAccess),
    ("40000054", "b.eq .+8", NoAccess),
    ("00001fd6", "br x0", NoAccess),
    ("00003fd6", "blr x0", Unknown),
    ("c0035fd6", "ret", Unknown),
    ("ff0b5fd6", "retaa", Unknown),
    ("df4203d5", "msr daifset,#2", Unknown),
    ("ff4203d5", "msr daifclr,#2", Unknown),
    ("80d038d5", "mrs x0,tpidr_el1", Unknown),
    ("002038d5", "mrs x0,ttbr0_el1", Unknown),
    ("40d01bd5", "msr tpidr_el0,x0", Unknown),
    ("00441bd5", "msr fpcr,x0", Unknown),
    ("00421bd5", "msr nzcv,x0", Unknown),
    ("20740bd5", "dc zva,x0", Unknown),
    ("207b0bd5", "dc cvau,x0", Unknown),
    ("20750bd5", "ic ivau,x0", Unknown),
    ("010000d4", "svc #0", Unknown),
    ("000020d4", "brk #0", Unknown),
    ("000040d4", "hlt #0", Unknown),
    ("e0039fd6", "eret", Unknown),
    ("ff0b9fd6", "eretaa", Unknown),
    ("9f4100d5", "msr pan,#1", Unknown),
    ("bf4100d5", "msr spsel,#1", Unknown),
    ("7f4703d5", "smstart", Unknown),
    ("007808d5", "at s1e1r,x0", Unknown),
    ("004118d5", "msr sp_el0,x0", Unknown),
    ("204018d5", "msr elr_el1,x0", Unknown),
    ("00401cd5", "msr spsr_el2,x0", Unknown),
    ("004618d5", "msr icc_pmr_el1,x0", Unknown),
    ("401018d5", "msr cpacr_el1,x0", Unknown),
    ("002118d5", "msr apiakeylo_el1,x0", Unknown),
    ("00c018d5", "msr vbar_el1,x0", Unknown),
    ("20cc18d5", "msr icc_eoir1_el1,x0", Unknown),
    ("80d018d5", "msr tpidr_el1,x0", Unknown),
    ("20e21bd5", "msr cntp_ctl_el0,x0", Unknown),
    ("00e118d5", "msr cntkctl_el1,x0", Unknown),
    ("0100a0d4", "dcps1", ThisVcpu),
    ("202018d5", "msr ttbr1_el1,x0", ThisVcpu),
    ("00a218d5", "msr mair_el1,x0", ThisVcpu),
    ("40c018d5", "msr rmr_el1,x0", ThisVcpu),
    ("20d01cd5", "msr contextidr_el2,x0", ThisVcpu),
    ("00111ed5", "msr scr_el3,x0", ThisVcpu),
    ("00201dd5", "msr ttbr0_el12,x0", ThisVcpu),
    ("00f018d5", "msr s3_0_c15_c0_0,x0", ThisVcpu),
    ("e003bfd6", "drps", ThisVcpu),
    ("002018d5", "msr ttbr0_el1,x0", ThisVcpu),
    ("001018d5", "msr sctlr_el1,x0", ThisVcpu),
    ("402018d5", "msr tcr_el1,x0", ThisVcpu),
    ("20d018d5", "msr contextidr_el1,x0", ThisVcpu),
    ("00111cd5", "msr hcr_el2,x0", ThisVcpu),
    ("00211cd5", "msr vttbr_el2,x0", ThisVcpu),
    ("020000d4", "hvc #0", AllVcpus),
    ("030000d4", "smc #0", AllVcpus),
    ("1f8708d5", "tlbi vmalle1", AllVcpus),
    ("1f8308d5", "tlbi vmalle1is", AllVcpus),
    ("208308d5", "tlbi vae1is,x0", AllVcpus),
    ("208108d5", "tlbi vae1os,x0", AllVcpus),
    ("208208d5", "tlbi rvae1is,x0", AllVcpus),
];

/// Barriers that promise completion and change translations.
const DSB: &[&str] = &["9f3f03d5", "9f3b03d5", "9f3703d5"];

/// A32, assembled by LLVM, `mcr2` by hand.
#[rustfmt::skip]
const A32: &[(&str, &str, Expected)] = &[
    ("0100a0e3", "mov r0,#1", Unknown),
    ("00009105", "ldreq r0,[r1]", Unknown),
    ("ff5fbd18", "ldmne sp!,{r0-r12,lr}", Unknown),
    ("100f10ee", "mrc p15,0,r0,c0,c0,0", Unknown),
    ("101a00ee", "vmov s0,r1", Unknown),
    ("020f51ec", "mrrc p15,0,r0,r1,c2", Unknown),
    ("100a41ec", "vmov s0,s1,r0,r1", Unknown),
    ("000000ef", "svc #0", Unknown),
    ("1ff07ff5", "clrex", Unknown),
    ("100f02ee", "mcr p15,0,r0,c2,c0,0", AllVcpus),
    ("170f080e", "mcreq p15,0,r0,c8,c7,0", AllVcpus),
    ("100f02fe", "mcr2 p15,0,r0,c2,c0,0", AllVcpus),
    ("020f41ec", "mcrr p15,0,r0,r1,c2", AllVcpus),
    ("700040e1", "hvc #0", AllVcpus),
    ("700060e1", "smc #0", AllVcpus),
    ("4ff07ff5", "dsb sy", AllVcpus),
];

/// T32, assembled by LLVM.
#[rustfmt::skip]
const T32: &[(&str, &str, Expected)] = &[
    ("0120", "movs r0,#1", Unknown),
    ("00df", "svc #0", Unknown),
    ("d1f80000", "ldr.w r0,[r1]", Unknown),
    ("10ee100f", "mrc p15,0,r0,c0,c0,0", Unknown),
    ("00ee101a", "vmov s0,r1", Unknown),
    ("02ee100f", "mcr p15,0,r0,c2,c0,0", AllVcpus),
    ("41ec020f", "mcrr p15,0,r0,r1,c2", AllVcpus),
    ("e0f70080", "hvc #0", AllVcpus),
    ("f0f70080", "smc #0", AllVcpus),
    ("bff34f8f", "dsb sy", AllVcpus),
];

/// A machine that is known to be in `state`.
fn in_state(state: ArmState) -> impl Fn(Emulator) -> Box<dyn Decoder> {
    let states = only(state);
    move |emulator| Box::new(AArch64 { possible: states, in_block: states, emulator })
}

fn of_program(hex: &str) -> Effects {
    alone(&mut *aarch64(PROGRAM), &bytes(hex))
}

fn only(state: ArmState) -> ArmStates {
    ArmStates(state.bit())
}

fn states_of(vaddr: u64, insns: &[&str]) -> Vec<ArmState> {
    let insns: Vec<_> = insns.iter().map(|hex| bytes(hex)).collect();
    ArmStates::ALL.of_block(insns.iter().map(|code| (vaddr, &code[..]))).iter().collect()
}

#[test]
fn instructions() {
    check(in_state(ArmState::A64), CASES);
}

#[test]
fn pointer_authentication_of_programs_fails_at_checks_only() {
    for (hex, text, completion) in [
        ("3f2303d5", "paciasp", Completion::Always),
        ("1f2103d5", "pacia1716", Completion::Always),
        ("2000c1da", "pacia x0,x1", Completion::Always),
        ("2030c29a", "pacga x0,x1,x2", Completion::Always),
        ("bf2303d5", "autiasp", Completion::NoAccess),
        ("9f2103d5", "autia1716", Completion::NoAccess),
        ("2010c1da", "autia x0,x1", Completion::NoAccess),
        ("e03bc1da", "autdza x0", Completion::NoAccess),
        ("e043c1da", "xpaci x0", Completion::Unknown),
        ("ff2003d5", "xpaclri", Completion::Unknown),
        ("5f2003d5", "wfe", Completion::Unknown),
        ("200820d7", "braa x1,x0", Completion::Unknown),
        ("ff0b5fd6", "retaa", Completion::Unknown),
        ("200420f8", "ldraa x0,[x1]", Completion::Unknown),
    ] {
        assert_eq!(of_program(hex), Effects::plain(completion), "{text}");
    }
}

#[test]
fn barriers_of_loads_and_stores_wait_for_tlb_maintenance() {
    for hex in DSB {
        assert_eq!(of_program(hex), Effects::new(Completion::Always, TranslationEffect::AllVcpus));
    }
    check(in_state(ArmState::A64), &[("3f3e03d5", "dsb synxs", AllVcpus)]);
}

#[test]
fn instructions_of_aarch32_state() {
    check(in_state(ArmState::A32), A32);
    check(in_state(ArmState::T32), T32);
}

#[test]
fn lengths_must_fit() {
    for hex in ["", "1f2003", "1f2003d500"] {
        assert_eq!(effects(ArmStates::ALL, MACHINE, &bytes(hex)), Effects::UNKNOWN, "{hex}");
    }
    assert_eq!(of_program("1f20"), Effects::UNKNOWN);
}

#[test]
fn high_addresses_have_a64_code_only() {
    let ldr = "200440f9";
    assert_eq!(states_of(0x1_0000_0000, &[ldr]), [ArmState::A64]);
    assert_eq!(states_of(0xffff_fffc, &[ldr]), [ArmState::A64, ArmState::A32]);
}

#[test]
fn an_instruction_that_would_end_the_block_rules_a_state_out() {
    let (add, ldr, ret) = ("200c028b", "200440f9", "c0035fd6");
    let (a32_mov, a32_load, a32_branch) = ("0100a0e3", "000091e5", "feffffea");
    assert_eq!(states_of(0, &[add, ret]), [ArmState::A64]);
    assert_eq!(states_of(0, &[ldr, add]), [ArmState::A64, ArmState::A32]);
    assert_eq!(states_of(0, &[a32_mov, a32_branch]), [ArmState::A32]);
    assert_eq!(states_of(0, &[a32_load, a32_branch]), [ArmState::A64, ArmState::A32]);
}

#[test]
fn the_length_of_an_instruction_tells_t32() {
    assert_eq!(states_of(0, &["d1f80000", "0120"]), [ArmState::T32]);
    assert_eq!(states_of(0, &["d1f80000"]), [ArmState::A64, ArmState::A32, ArmState::T32]);
}

#[test]
fn where_states_disagree_nothing_is_promised() {
    // ldreq r0,[r1] of A32 is an SVE instruction without an access in A64.
    let code = bytes("00009105");
    assert_eq!(of_program("00009105").completion, Completion::Always);
    let mut block = aarch64(MACHINE);
    block.begin(&mut [(0, &code[..])].into_iter());
    assert_eq!(block.effects(&code).completion, Completion::Unknown);
}

proptest! {
    #![proptest_config(config())]

    /// Of the loads and stores only prefetches access nothing.
    #[test]
    fn loads_and_stores_never_complete_without_an_access(rest in any::<u32>()) {
        let insn = rest & !(1 << 25) | 1 << 27;
        // Literal, or register with size 3 and opc 2.
        let is_prefetch = bits(insn, 31, 24) == 0b1101_1000
            || bits(insn, 31, 25) == 0b111_1100 && bits(insn, 23, 22) == 2;
        let completion = a64(MACHINE, insn).completion;
        prop_assert!(completion != Completion::Always || is_prefetch);
    }

    #[test]
    fn sve_loads_and_stores_promise_nothing(rest in any::<u32>()) {
        let insn = rest & !(0b1111 << 25) | 0b0010 << 25 | 1 << 31;
        prop_assert_eq!(a64(MACHINE, insn).completion, Completion::Unknown);
    }

    #[test]
    fn aarch32_state_promises_no_completion(code in any::<[u8; 4]>()) {
        for state in [ArmState::A32, ArmState::T32] {
            let effects = effects(only(state), MACHINE, &code);
            prop_assert_eq!(effects.completion, Completion::Unknown);
        }
    }
}
