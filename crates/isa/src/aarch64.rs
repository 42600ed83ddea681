//! Arm A64, and how to tell it from A32 and T32.
//!
//! Model of A64: the main encoding groups, then only what makes a difference.
//!
//! - Integer, floating-point, Advanced SIMD and SVE instructions that access no memory complete.
//!   Traps of FP, SIMD, SVE and SME access are decided at translation, and QEMU raises no
//!   trapped FP exception. Exceptions: pointer authentication (of a machine it may be trapped to
//!   EL2 or EL3; a failed check raises with `FEAT_FPAC`) and all of SME.
//! - A load or store of one register of at most 8 bytes is one access, in all addressing forms,
//!   also with acquire or release semantics and the load-exclusive. An alignment or tag check
//!   (MTE) fails before the access. Prefetches access nothing.
//! - A pair of general registers and a 16-byte vector register are one access since QEMU has
//!   accesses of 128 bits; a pair of vector registers is always two.
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
use crate::{Completion, Decoder, Effects, Emulator, Guest, TranslationEffect};

/// The decoder of a 64-bit Arm processor, of either byte order of data.
pub fn aarch64(emulator: Emulator) -> Box<dyn Decoder> {
    let possible = match emulator.guest {
        Guest::Program => ArmStates::A64,
        Guest::Machine => ArmStates::ALL,
    };
    Box::new(AArch64 { possible, in_block: possible, emulator })
}

#[derive(Debug)]
struct AArch64 {
    possible: ArmStates,
    in_block: ArmStates,
    emulator: Emulator,
}

impl Decoder for AArch64 {
    fn begin(&mut self, insns: &mut dyn Iterator<Item = (u64, &[u8])>) {
        self.in_block = self.possible.of_block(insns);
    }

    fn effects(&mut self, code: &[u8]) -> Effects {
        effects(self.in_block, self.emulator, code)
    }
}

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
enum ArmState {
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

    fn effects(self, emulator: Emulator, code: &[u8]) -> Effects {
        let Some(insn) = word(code) else {
            // T32 instructions of 2 bytes change no more than the privilege.
            return Effects::plain(Unknown);
        };
        let changes_translation = match self {
            Self::A64 => return a64(emulator, insn),
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
struct ArmStates(u8);

impl ArmStates {
    /// `AArch64` only.
    const A64: Self = Self(ArmState::A64.bit());
    /// Any state.
    const ALL: Self = Self(ArmState::A64.bit() | ArmState::A32.bit() | ArmState::T32.bit());

    /// Whether `state` is possible.
    const fn contains(self, state: ArmState) -> bool {
        self.0 & state.bit() != 0
    }

    fn iter(self) -> impl Iterator<Item = ArmState> {
        [ArmState::A64, ArmState::A32, ArmState::T32]
            .into_iter()
            .filter(move |&state| self.contains(state))
    }

    /// Those of these states that a block made of `insns` may be in.
    fn of_block<'a>(self, insns: impl IntoIterator<Item = (u64, &'a [u8])>) -> Self {
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

fn effects(states: ArmStates, emulator: Emulator, code: &[u8]) -> Effects {
    states
        .iter()
        .filter(|state| state.admits(code))
        .map(|state| state.effects(emulator, code))
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

fn a64(emulator: Emulator, insn: u32) -> Effects {
    match bits(insn, 28, 25) {
        0b1000 | 0b1001 => Effects::plain(immediate(insn)),
        0b1010 | 0b1011 => branch_or_system(emulator.guest, insn),
        0b0100 | 0b0110 | 0b1100 | 0b1110 => Effects::plain(load_or_store(emulator, insn)),
        0b0101 | 0b1101 => Effects::plain(register(emulator.guest, insn)),
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
fn register(guest: Guest, insn: u32) -> Completion {
    let two_or_one_source = bits(insn, 28, 21) == 0b1101_0110;
    if !two_or_one_source {
        return Always;
    }
    if bits(insn, 30, 30) == 1 {
        // One source; with an opcode2 it is pointer authentication, where bit 12 says to check: autia to autdzb.
        // xpaci and xpacd are beyond.
        match (bits(insn, 20, 16), bits(insn, 15, 14)) {
            (0, _) => Always,
            (1, 0) => pointer_authentication(guest, bits(insn, 12, 12) == 1),
            _ => Unknown,
        }
    } else if bits(insn, 15, 10) == 0b00_1100 {
        // pacga.
        pointer_authentication(guest, false)
    } else {
        Always
    }
}

/// Pointer authentication. Of a machine it may be trapped; that of a program raises an exception only where a check
/// fails (`FEAT_FPAC`).
fn pointer_authentication(guest: Guest, checks: bool) -> Completion {
    match (guest, checks) {
        (Guest::Machine, _) => Unknown,
        (Guest::Program, false) => Always,
        (Guest::Program, true) => NoAccess,
    }
}

/// Hints, by their number (`CRm` and `op2`).
fn hint(guest: Guest, number: u32) -> Completion {
    match number {
        // nop; bti, bti c, bti j, bti jc.
        0 | 32 | 34 | 36 | 38 => Always,
        // pacia1716, pacib1716; paciaz, paciasp, pacibz, pacibsp.
        8 | 10 | 24..=27 => pointer_authentication(guest, false),
        // autia1716, autib1716; autiaz, autiasp, autibz, autibsp.
        12 | 14 | 28..=31 => pointer_authentication(guest, true),
        _ => Unknown,
    }
}

/// Branches, exception generation, system instructions.
fn branch_or_system(guest: Guest, insn: u32) -> Effects {
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
                    (0, 3, 2) => Effects::plain(hint(guest, bits(insn, 11, 5))),
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

fn load_or_store(emulator: Emulator, insn: u32) -> Completion {
    /// A, R, 1, Rs, o3, opc, 00 of ldapr, among the atomics.
    const LDAPR: u32 = 0b10_1111_1111_0000;

    let sixteen_bytes = if emulator.has_wide_accesses() { OneAccess } else { Unknown };
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
mod tests;
