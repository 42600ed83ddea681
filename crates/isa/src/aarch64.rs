//! Arm A64, and how to tell it from A32 and T32.
//!
//! Model of A64: the main encoding groups, then only what makes a difference.
//!
//! - Integer, floating-point, Advanced SIMD and SVE instructions that access no memory complete.
//!   Traps of FP, SIMD, SVE and SME access are decided at translation, and QEMU raises no
//!   trapped FP exception. Exceptions: pointer authentication (may be trapped to EL2 or EL3;
//!   `FEAT_FPAC` raises) and all of SME.
//! - A load or store of one register of at most 8 bytes is one access, in all addressing forms,
//!   also with acquire or release semantics and the load-exclusive. An alignment or tag check
//!   (MTE) fails before the access. Prefetches access nothing.
//! - A pair of general registers and a 16-byte vector register are one access since QEMU has
//!   accesses of 128 bits ([`WideAccess`]); a pair of vector registers is always two.
//! - Calls and returns may access a guarded control stack (`FEAT_GCS`): they are unknown. Other
//!   branches access nothing.
//! - Everything else that accesses memory is unknown: atomics, store-exclusives, structures,
//!   SVE, tags, memory copies, `dc zva`.
//!
//! Translation effects: of a write to any system register but those known to be harmless (what EL0
//! may have access to, PSTATE, exception return state, pointer authentication keys, vectors, thread
//! pointers, interrupt controller, timers). Exceptions and their return change the exception level,
//! PAN and the execution state: the MMU index tells E10, E20, E2 and E3 with EL0 and PAN apart, and
//! the registers that decide between the page tables of `AArch64` and `AArch32`, between secure and
//! non-secure and between a hypervisor's guests (SCR, HCR, VTTBR) are only changed by writes. All
//! TLB maintenance counts as acting on every vCPU: beside the broadcast forms, `HCR_EL2.FB` makes
//! the local ones broadcast. Other vCPUs have flushed when the next instruction starts, which QEMU
//! has wait for them, but may have looked up something after the callback before the TLBI. Software
//! that reuses an address has to wait with a DSB (of loads and stores) first, so that counts too.
//! So do HVC and SMC, since PSCI can reset another vCPU.
//!
//! # Execution state
//!
//! A program in system mode may also be in `AArch32` state, and the plugin cannot ask QEMU. Of a
//! block it is known that
//!
//! - `AArch32` code lies below 4 GiB, and T32 has instructions of 2 bytes;
//! - T32 instructions of 4 bytes start with 0b11101 or more;
//! - a branch or SVC of A32, whether conditional or not, and an encoding that is unallocated in A64
//!   end their block. Common A64 instructions (additions, comparisons, moves between registers)
//!   look like A32 branches, and A32 data processing without a condition is unallocated in A64.
//!
//! Where several states remain, the answer is what holds in all of them. In `AArch32` state no
//! completion is promised, and translation changes with writes through coprocessors, HVC, SMC and
//! DSB, of any vCPU.
//!
//! Sources: *Arm Architecture Reference Manual for A-profile architecture* (DDI 0487), chapters
//! C3, C4, C5 and F2 to F4; QEMU `target/arm/translate-a64.c` of 7.2, `target/arm/tcg/{a64.decode,
//! translate-a64.c,translate.c,tlb-insns.c}` of 10.0 and 10.2, `arm_mmu_idx_el` in
//! `target/arm/helper.c` of all.

use crate::Completion::{Always, NoAccess, OneAccess, Unknown};
use crate::{Completion, Effects, TranslationEffect, WideAccess};

/// `insn[high:low]`.
fn bits(insn: u32, high: u32, low: u32) -> u32 {
    insn >> low & (u32::MAX >> (31 - (high - low)))
}

/// An instruction of 4 bytes, little-endian whatever the endianness of data.
fn word(code: &[u8]) -> Option<u32> {
    code.try_into().ok().map(u32::from_le_bytes)
}

/// The instruction set of a 64-bit Arm processor's execution state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArmState {
    /// `AArch64`.
    A64,
    /// `AArch32` with instructions of 4 bytes.
    A32,
    /// `AArch32` with instructions of 2 and 4 bytes (Thumb).
    T32,
}

impl ArmState {
    const fn bit(self) -> u8 {
        match self {
            Self::A64 => 1,
            Self::A32 => 2,
            Self::T32 => 4,
        }
    }

    /// Whether `code` may be an instruction in this state, from its length and top level encoding.
    fn admits(self, code: &[u8]) -> bool {
        match (self, word(code)) {
            (Self::A64 | Self::A32, insn) => insn.is_some(),
            (Self::T32, Some(insn)) => bits(insn, 15, 11) >= 0b1_1101,
            (Self::T32, None) => code.len() == 2,
        }
    }

    /// Whether `code` surely is the last instruction of its block in this state.
    fn ends_block(self, code: &[u8]) -> bool {
        word(code).is_some_and(|insn| match self {
            // Unallocated.
            Self::A64 => matches!(bits(insn, 28, 25), 0b0001 | 0b0011),
            // b, bl, blx; svc.
            Self::A32 => bits(insn, 27, 25) == 0b101 || bits(insn, 27, 24) == 0b1111,
            Self::T32 => false,
        })
    }

    fn effects(self, wide: WideAccess, code: &[u8]) -> Effects {
        let Some(insn) = word(code) else {
            // T32 instructions of 2 bytes change no more than the privilege.
            return Effects::plain(Unknown);
        };
        let changes_translation = match self {
            Self::A64 => return a64(wide, insn),
            Self::A32 => is_a32_call(insn) || is_aarch32_maintenance(insn),
            Self::T32 => {
                let insn = insn.rotate_left(16);
                is_t32_call(insn) || is_aarch32_maintenance(insn)
            }
        };
        if changes_translation {
            Effects::new(Unknown, TranslationEffect::AllVcpus)
        } else {
            Effects::plain(Unknown)
        }
    }
}

/// The execution states that are possible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArmStates(u8);

impl ArmStates {
    /// `AArch64` only.
    pub const A64: Self = Self(ArmState::A64.bit());
    /// Any state.
    pub const ALL: Self = Self(ArmState::A64.bit() | ArmState::A32.bit() | ArmState::T32.bit());

    /// Whether `state` is possible.
    pub const fn contains(self, state: ArmState) -> bool {
        self.0 & state.bit() != 0
    }

    fn iter(self) -> impl Iterator<Item = ArmState> {
        [ArmState::A64, ArmState::A32, ArmState::T32]
            .into_iter()
            .filter(move |&state| self.contains(state))
    }

    /// Those of these states that a block made of `insns` may be in.
    pub(crate) fn of_block<'a>(self, insns: impl IntoIterator<Item = (u64, &'a [u8])>) -> Self {
        let mut states = self;
        let mut insns = insns.into_iter().peekable();
        while let Some((vaddr, code)) = insns.next() {
            if states == Self::A64 {
                break;
            }
            let is_last = insns.peek().is_none();
            for state in states.iter() {
                let is_too_high = state != ArmState::A64 && vaddr > u64::from(u32::MAX);
                let goes_on = !is_last && state.ends_block(code);
                if is_too_high || goes_on || !state.admits(code) {
                    states.0 &= !state.bit();
                }
            }
        }
        states
    }
}

pub(crate) fn effects(states: ArmStates, wide: WideAccess, code: &[u8]) -> Effects {
    states
        .iter()
        .filter(|state| state.admits(code))
        .map(|state| state.effects(wide, code))
        .reduce(Effects::or)
        .unwrap_or(Effects::UNKNOWN)
}

/// Whether an instruction of A32, or one of T32 with its first half in the upper bits, writes
/// through a coprocessor or is a DSB: these differ in the uppermost bits only.
fn is_aarch32_maintenance(insn: u32) -> bool {
    /// With option 0.
    const DSB: [u32; 2] = [0xf57f_f040, 0xf3bf_8f40];

    // Coprocessors 10 and 11 are the FP registers.
    let is_system = !matches!(bits(insn, 11, 8), 10 | 11);
    // mcr, mcrr, with their second forms.
    let is_write = bits(insn, 27, 24) == 0b1110 && bits(insn, 20, 20) == 0 && bits(insn, 4, 4) == 1
        || bits(insn, 27, 20) == 0b1100_0100;
    is_system && is_write || DSB.contains(&(insn & !0xf))
}

/// Whether an A32 instruction is HVC or SMC.
fn is_a32_call(insn: u32) -> bool {
    matches!(bits(insn, 27, 20), 0x14 | 0x16) && bits(insn, 7, 4) == 7
}

/// Whether a T32 instruction is HVC or SMC.
fn is_t32_call(insn: u32) -> bool {
    matches!(bits(insn, 31, 20), 0xf7e | 0xf7f) && bits(insn, 15, 12) == 8
}

fn a64(wide: WideAccess, insn: u32) -> Effects {
    match bits(insn, 28, 25) {
        0b1000 | 0b1001 => Effects::plain(immediate(insn)),
        0b1010 | 0b1011 => branch_or_system(insn),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => Effects::plain(load_or_store(wide, insn)),
        0b0101 | 0b1101 => Effects::plain(register(insn)),
        // Floating point, Advanced SIMD, cryptography.
        0b0111 | 0b1111 => Effects::plain(Always),
        // SVE: bit 31 is set in all loads, stores and prefetches.
        0b0010 if bits(insn, 31, 31) == 0 => Effects::plain(Always),
        0b0010 => Effects::plain(Unknown),
        _ => Effects::UNKNOWN,
    }
}

/// Data processing with an immediate.
fn immediate(insn: u32) -> Completion {
    match bits(insn, 28, 23) {
        // adr, adrp; add, sub, with tags, min, max; logical; moves; bitfields.
        0b10_0000..=0b10_0110 => Always,
        // extr. Its neighbours authenticate pointers.
        0b10_0111 if bits(insn, 30, 29) == 0 => Always,
        _ => Unknown,
    }
}

/// Data processing between registers.
fn register(insn: u32) -> Completion {
    let two_or_one_source = bits(insn, 28, 21) == 0b1101_0110;
    if !two_or_one_source {
        return Always;
    }
    if bits(insn, 30, 30) == 1 {
        // One source; with an opcode2 it is pointer authentication.
        if bits(insn, 20, 16) == 0 { Always } else { Unknown }
    } else if bits(insn, 15, 10) == 0b00_1100 {
        // pacga.
        Unknown
    } else {
        Always
    }
}

/// Branches, exception generation, system instructions.
fn branch_or_system(insn: u32) -> Effects {
    const HINT_NOP: u32 = 0;
    // bti, bti c, bti j, bti jc.
    const HINT_BTI: [u32; 4] = [32, 34, 36, 38];

    match bits(insn, 31, 24) {
        // b; cbz, cbnz; tbz, tbnz; b.cond; compare and branch.
        0x14..=0x17 | 0x34..=0x37 | 0xb4..=0xb7 | 0x54 | 0x74 | 0xf4 => Effects::plain(NoAccess),
        // bl.
        0x94..=0x97 => Effects::plain(Unknown),
        // br.
        0xd6 if bits(insn, 23, 21) == 0 => Effects::plain(NoAccess),
        // blr, ret; eret has bit 23 set. Bit 24 means authenticated.
        0xd6 | 0xd7 if bits(insn, 23, 23) == 0 => Effects::plain(Unknown),
        0xd6 if bits(insn, 23, 21) == 0b100 => Effects::plain(Unknown),
        0xd4 => match (bits(insn, 23, 21), bits(insn, 1, 0)) {
            // svc, brk, hlt.
            (0, 1) | (1 | 2, 0) => Effects::plain(Unknown),
            // hvc, smc.
            (0, 2 | 3) => Effects::new(Unknown, TranslationEffect::AllVcpus),
            _ => Effects::UNKNOWN,
        },
        0xd5 => match bits(insn, 23, 22) {
            0b00 => {
                let (op1, crn) = (bits(insn, 18, 16), bits(insn, 15, 12));
                match (bits(insn, 21, 19), op1, crn) {
                    (0, 3, 2) => {
                        let hint = bits(insn, 11, 5);
                        let completes = hint == HINT_NOP || HINT_BTI.contains(&hint);
                        Effects::plain(if completes { Always } else { Unknown })
                    }
                    (0, 3, 3) => barrier(insn),
                    // msr of a field of PSTATE: interrupt masks, pan, uao, spsel and so on.
                    (0, 0 | 1 | 3, 4) => Effects::plain(Unknown),
                    _ => Effects::new(Unknown, system(insn)),
                }
            }
            // The 128-bit forms have TLB maintenance too.
            0b01 => Effects::new(Unknown, TranslationEffect::AllVcpus),
            _ => Effects::UNKNOWN,
        },
        _ => Effects::UNKNOWN,
    }
}

/// Barriers.
fn barrier(insn: u32) -> Effects {
    let option = bits(insn, 11, 8);
    match bits(insn, 7, 5) {
        // dsb of loads or of stores, ssbb, pssbb.
        4 if matches!(option, 0 | 4) || matches!(option & 3, 1 | 2) => Effects::plain(Always),
        // Other dsb, and that of the nXS forms.
        4 => Effects::new(Always, TranslationEffect::AllVcpus),
        1 => Effects::new(Unknown, TranslationEffect::AllVcpus),
        // clrex, dmb.
        2 | 5 => Effects::plain(Always),
        // isb, sb end the block.
        _ => Effects::plain(Unknown),
    }
}

/// SYS, SYSL, MRS and MSR with a register.
fn system(insn: u32) -> TranslationEffect {
    let is_read = bits(insn, 21, 21) == 1;
    let (op0, op1) = (bits(insn, 20, 19), bits(insn, 18, 16));
    let (crn, crm, op2) = (bits(insn, 15, 12), bits(insn, 11, 8), bits(insn, 7, 5));
    match (op0, op1, crn) {
        (2 | 3, _, _) if is_read => TranslationEffect::None,
        // tlbi, also the nXS forms.
        (1, _, 8 | 9) => TranslationEffect::AllVcpus,
        // ic, dc, at.
        (1, _, 7) if matches!(crm, 1 | 4..=6 | 8..=14) => TranslationEffect::None,
        // What EL0 may be allowed to write: NZCV, FPCR, TPIDR_EL0, counters, timers, but not
        // what is implementation defined.
        (3, 3, crn) if crn != 11 && crn != 15 => TranslationEffect::None,
        // CPACR_EL1; pointer authentication keys.
        (3, 0, 1) if (crm, op2) == (0, 2) => TranslationEffect::None,
        (3, 0, 2) if matches!(crm, 1..=3) => TranslationEffect::None,
        // SPSR, ELR, SP, SPSel, PAN, UAO and so on, ICC_PMR_EL1.
        (3, 0 | 4 | 5 | 6, 4) if matches!(crm, 0..=3 | 6) => TranslationEffect::None,
        // VBAR; the interrupt controller.
        (3, 0 | 4 | 5 | 6, 12) if (crm, op2) == (0, 0) || crm >= 8 => TranslationEffect::None,
        // TPIDR and SCXTNUM, not CONTEXTIDR; timers.
        (3, 0 | 4 | 5 | 6, 13) if crm == 0 && op2 != 1 => TranslationEffect::None,
        (3, 0 | 4 | 5, 14) => TranslationEffect::None,
        _ => TranslationEffect::ThisVcpu,
    }
}

fn load_or_store(wide: WideAccess, insn: u32) -> Completion {
    /// A, R, 1, Rs, o3, opc, 00 of ldapr, among the atomics.
    const LDAPR: u32 = 0b10_1111_1111_0000;

    let sixteen_bytes = match wide {
        WideAccess::Single => OneAccess,
        WideAccess::Either => Unknown,
    };
    let is_vector = bits(insn, 26, 26) == 1;
    let size = bits(insn, 31, 30);
    match bits(insn, 29, 28) {
        0b00 if !is_vector && bits(insn, 24, 24) == 0 => ordered(insn),
        // Literals: two sizes, then ldrsw or a vector of 16 bytes, then prfm.
        0b01 if bits(insn, 24, 24) == 0 => match (size, is_vector) {
            (0 | 1, _) | (2, false) => OneAccess,
            (2, true) => sixteen_bytes,
            (_, false) => Always,
            (_, true) => Unknown,
        },
        // ldapur, stlur.
        0b01 if !is_vector && bits(insn, 21, 21) == 0 && bits(insn, 11, 10) == 0 => OneAccess,
        // Pairs of general registers; opc 1 is ldpsw or stgp, which writes a tag as well.
        0b10 if !is_vector => match (size, bits(insn, 22, 22)) {
            (0 | 2, _) | (1, 1) => sixteen_bytes,
            _ => Unknown,
        },
        0b11 => {
            let opc_high = bits(insn, 23, 23) == 1;
            let is_plain =
                bits(insn, 24, 24) == 1 || bits(insn, 21, 21) == 0 || bits(insn, 11, 10) == 0b10;
            match (is_plain, is_vector) {
                // 8, 16, 32 or 64 bits; with the upper bit of opc 128 bits.
                (true, true) if opc_high => sixteen_bytes,
                // prfm.
                (true, false) if size == 3 && bits(insn, 23, 22) == 2 => Always,
                (true, _) => OneAccess,
                // Atomics and authenticated loads; of the atomics ldapr is a plain load.
                (false, false) if bits(insn, 23, 10) == LDAPR => OneAccess,
                (false, _) => Unknown,
            }
        }
        _ => Unknown,
    }
}

/// Load-exclusive, store-exclusive, load-acquire, store-release, compare and swap.
fn ordered(insn: u32) -> Completion {
    let is_load = bits(insn, 22, 22) == 1;
    match (bits(insn, 23, 23), bits(insn, 21, 21)) {
        // ldxr, ldaxr. What stxr does depends on the monitor.
        (0, 0) if is_load => OneAccess,
        // ldar, ldlar, stlr, stllr.
        (1, 0) => OneAccess,
        _ => Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Isa;
    use crate::testing::Expected::{
        self, AllVcpus, Always, NoAccess, OneAccess, ThisVcpu, Unknown, Wide,
    };
    use crate::testing::{bytes, check, config};

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

    const A64_ONLY: Isa = Isa::AArch64(ArmStates::A64, WideAccess::Either);

    fn only(state: ArmState) -> ArmStates {
        ArmStates(state.bit())
    }

    fn states_of(vaddr: u64, insns: &[&str]) -> Vec<ArmState> {
        let insns: Vec<_> = insns.iter().map(|hex| bytes(hex)).collect();
        ArmStates::ALL.of_block(insns.iter().map(|code| (vaddr, &code[..]))).iter().collect()
    }

    #[test]
    fn instructions() {
        check(A64_ONLY, CASES);
    }

    #[test]
    fn barriers_of_loads_and_stores_wait_for_tlb_maintenance() {
        for hex in DSB {
            assert_eq!(
                A64_ONLY.effects(&bytes(hex)),
                Effects::new(Completion::Always, TranslationEffect::AllVcpus)
            );
        }
        check(A64_ONLY, &[("3f3e03d5", "dsb synxs", AllVcpus)]);
    }

    #[test]
    fn instructions_of_aarch32_state() {
        check(Isa::AArch64(only(ArmState::A32), WideAccess::Either), A32);
        check(Isa::AArch64(only(ArmState::T32), WideAccess::Either), T32);
    }

    #[test]
    fn lengths_must_fit() {
        for hex in ["", "1f2003", "1f2003d500"] {
            assert_eq!(
                effects(ArmStates::ALL, WideAccess::Either, &bytes(hex)),
                Effects::UNKNOWN,
                "{hex}"
            );
        }
        assert_eq!(A64_ONLY.effects(&bytes("1f20")), Effects::UNKNOWN);
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
        assert_eq!(A64_ONLY.effects(&code).completion, Completion::Always);
        let mut block = Isa::AARCH64.block([(0, &code[..])]);
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
            let completion = a64(WideAccess::Single, insn).completion;
            prop_assert!(completion != Completion::Always || is_prefetch);
        }

        #[test]
        fn sve_loads_and_stores_promise_nothing(rest in any::<u32>()) {
            let insn = rest & !(0b1111 << 25) | 0b0010 << 25 | 1 << 31;
            prop_assert_eq!(a64(WideAccess::Single, insn).completion, Completion::Unknown);
        }

        #[test]
        fn aarch32_state_promises_no_completion(code in any::<[u8; 4]>()) {
            for state in [ArmState::A32, ArmState::T32] {
                let effects = effects(only(state), WideAccess::Single, &code);
                prop_assert_eq!(effects.completion, Completion::Unknown);
            }
        }
    }
}
