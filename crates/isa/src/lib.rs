//! What one guest instruction can do, from its bytes.
//!
//! A TCG plugin learns at translation time which instructions a translation block (TB) holds.
//! Three questions then decide how much of the block it has to instrument:
//!
//! - *Is it certain that the next instruction starts?* A block is left early only where an
//!   instruction raises an exception. After [`Completion::Always`] the next instruction is
//!   certain to start; after [`Completion::OneAccess`] and [`Completion::LoadThenStore`] it is
//!   certain once QEMU has reported the access; after [`Completion::NoAccess`] and
//!   [`Completion::Unknown`] only a callback on the next instruction itself tells.
//! - *May it access memory?* For an instruction that has a memory callback QEMU writes the list of
//!   its callbacks down before and clears it after, in case a helper function makes the access. So
//!   it pays to leave the callback out, most of all where blocks end.
//! - *Does a remembered translation of a virtual page still hold?* See [`TranslationEffect`]. Who
//!   remembers translations has to keep those of QEMU's different MMU indices apart, and those of
//!   loads and stores: then an instruction that changes no more than the privilege of accesses
//!   needs no answer.
//!
//! The answers describe QEMU's emulation, not the architecture. All are one-sided: `Unknown`
//! and [`TranslationEffect::ThisVcpu`] may be said of anything, at the price of speed; the other
//! answers are promises. They were read off the translators of QEMU 7.2, 10.0 and 10.2
//! (`target/{riscv,arm,i386}`; MIPS: see there), and compared with the callbacks that 7.2 and 10.2 (programs) and
//! 10.0 and 11.1 (kernel boots) really make.
//!
//! # What all decoders rely on
//!
//! - QEMU makes one memory callback for each load or store of a block's code, after the access
//!   has succeeded (`tcg/tcg-op-ldst.c`, `tcg/tcg-op.c`). A faulting access has none.
//! - An instruction that QEMU does not decode, or that the guest's configuration forbids (an
//!   extension that is absent, a disabled floating-point unit), raises its exception
//!   *unconditionally* and so ends its block: nothing of the block follows it, and what is said
//!   of its completion has no consequence. The state such a decision needs (FP unit on,
//!   privilege, vector state) is part of what QEMU looks blocks up by, so it cannot change
//!   inside a block. This is why an instruction of an optional extension may be `Always`.
//! - Jumps and branches end their block as well. Those that access no memory are `NoAccess`.
//! - Blocks are straight lines: an instruction of a block is reached only through all of the
//!   block before it.
//!
//! # Limits
//!
//! - Translation effects are those of *executing* an instruction. An exception or interrupt is
//!   not an instruction. Where it enters another translation regime, the MMU index tells; it does
//!   not on x86 for the entry into SMM, a `#VMEXIT` of a nested guest, and an exception through a
//!   task gate (32-bit mode), which change CR0, CR3 or CR4 under the same index; nor on RISC-V in
//!   QEMU 7.2 for a trap that leaves a virtual machine or comes while `mstatus.MPRV` is set. A
//!   reset of one vCPU by another is not an instruction either.
//! - A change of the memory map by port I/O reaches QEMU's TLBs when the vCPUs leave their block:
//!   what is looked up between the instruction and the end of its block may already be stale.
//! - A violated landing-pad rule (Arm BTI since QEMU 9) raises its exception at the first
//!   instruction of a block, whatever that instruction is.
//! - Stores to device registers can change the memory map; they look like any other store.
//! - Arm's pages of 1 KiB (before Armv6) are smaller than what a page cache may take for a page.

#![forbid(unsafe_code)]

mod aarch64;
mod mips;
mod riscv;
#[cfg(test)]
mod testing;
mod x86;

pub use aarch64::{ArmState, ArmStates};
pub use mips::{ByteOrder, Encoding};
pub use x86::{X86Mode, X86Modes};

/// How QEMU performs the accesses of 16 bytes that an architecture calls one: a pair of
/// registers, a vector register.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WideAccess {
    /// One memory callback or two: up to 8.0 two halves of 8 bytes.
    #[default]
    Either,
    /// One callback: QEMU has accesses of 128 bits.
    Single,
}

/// Which decoder fits the guest that QEMU emulates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isa {
    /// RISC-V, XLEN 32, in a QEMU whose MMU index tells all translation regimes apart.
    RiscV32,
    /// The same for XLEN 64. QEMU's experimental `x-rv128` CPU, whose `c.fld` is a quadword load,
    /// is not covered.
    RiscV64,
    /// RISC-V, XLEN 32, in any QEMU: more instructions may change a translation.
    OldRiscV32,
    /// The same for XLEN 64.
    OldRiscV64,
    /// A RISC-V program, XLEN 32. Its dynamic rounding mode is taken to be a valid one.
    UserRiscV32,
    /// The same for XLEN 64.
    UserRiscV64,
    /// A 64-bit Arm processor, of either data endianness, in one of these execution states.
    AArch64(ArmStates, WideAccess),
    /// x86 in one of these modes.
    X86(X86Modes, WideAccess),
    /// A MIPS program in code of this byte order, and encoded like this.
    Mips(ByteOrder, Encoding),
    /// No decoder: nothing is promised.
    Unknown,
}

impl Isa {
    /// The first plugin API (`qemu_info_t.version.cur`) whose translators were checked to make
    /// an access of 16 bytes with one callback (QEMU 9.2 and 10.0).
    const API_OF_SINGLE_WIDE_ACCESS: i32 = 4;

    /// The first plugin API whose QEMUs were checked to tell RISC-V's MPRV and V by the MMU index
    /// (10.0).
    const API_OF_INDEXED_REGIMES: i32 = 4;

    /// A 64-bit Arm processor in any state and any QEMU.
    pub const AARCH64: Self = Self::AArch64(ArmStates::ALL, WideAccess::Either);

    /// A 64-bit x86 processor in any mode and any QEMU.
    pub const X86_64: Self = Self::X86(X86Modes::ALL, WideAccess::Either);

    /// A 32-bit x86 processor in any mode and any QEMU.
    pub const I386: Self = Self::X86(X86Modes::BITS16.with(X86Modes::BITS32), WideAccess::Either);

    /// This decoder for a QEMU whose plugin API is `current` (`qemu_info_t.version.cur`): newer ones
    /// allow more promises.
    #[must_use]
    pub fn with_plugin_api(self, current: i32) -> Self {
        let wide = if current >= Self::API_OF_SINGLE_WIDE_ACCESS {
            WideAccess::Single
        } else {
            WideAccess::Either
        };
        let is_indexed = current >= Self::API_OF_INDEXED_REGIMES;
        match self {
            Self::RiscV32 | Self::OldRiscV32 if is_indexed => Self::RiscV32,
            Self::RiscV64 | Self::OldRiscV64 if is_indexed => Self::RiscV64,
            Self::RiscV32 => Self::OldRiscV32,
            Self::RiscV64 => Self::OldRiscV64,
            Self::AArch64(states, _) => Self::AArch64(states, wide),
            Self::X86(modes, _) => Self::X86(modes, wide),
            other => other,
        }
    }

    /// The same for user-mode emulation, where an `x86_64` process runs in 64-bit mode only, and an
    /// `aarch64` process in `AArch64` state. RISC-V's floating-point arithmetic is promised to complete,
    /// which it does unless the program has put a reserved value into `frm`.
    #[must_use]
    pub fn in_user_mode(self) -> Self {
        match self {
            Self::RiscV32 | Self::OldRiscV32 => Self::UserRiscV32,
            Self::RiscV64 | Self::OldRiscV64 => Self::UserRiscV64,
            Self::X86(modes, wide) if modes.contains(X86Mode::Bits64) => {
                Self::X86(X86Modes::BITS64, wide)
            }
            Self::AArch64(states, wide) if states.contains(ArmState::A64) => {
                Self::AArch64(ArmStates::A64, wide)
            }
            other => other,
        }
    }

    /// The same for system-mode emulation, for which the decoder of MIPS has not been checked.
    #[must_use]
    pub fn in_system_mode(self) -> Self {
        match self {
            Self::Mips(..) => Self::Unknown,
            other => other,
        }
    }

    /// Begins a translation block made of `insns`: each instruction's virtual address and bytes.
    ///
    /// On x86 this settles the mode: a mode stays possible if it decodes every instruction to
    /// the length that QEMU found. On Arm it settles the execution state in a similar way, on MIPS the
    /// encoding. Elsewhere `insns` is not looked at.
    pub fn block<'a>(self, insns: impl IntoIterator<Item = (u64, &'a [u8])>) -> Block {
        let (isa, undecided_at) = match self {
            Self::X86(modes, wide) => {
                let (modes, undecided_at) = modes.of_block(insns);
                (Self::X86(modes, wide), undecided_at)
            }
            Self::AArch64(states, wide) => (Self::AArch64(states.of_block(insns), wide), None),
            Self::Mips(order, _) => (Self::Mips(order, Encoding::of_block(order, insns)), None),
            other => (other, None),
        };
        Block { isa, position: 0, undecided_at, rounding: riscv::Rounding::Unchecked }
    }

    /// What the one instruction `code` (all its bytes and no others) can do, seen alone. On x86
    /// and Arm: the worst of the modes that are possible; with none, nothing is promised.
    ///
    /// [`Block::effects`] knows the instructions before it and can promise more.
    pub fn effects(self, code: &[u8]) -> Effects {
        self.effects_after(riscv::Rounding::Unchecked, code)
    }

    fn effects_after(self, rounding: riscv::Rounding, code: &[u8]) -> Effects {
        use riscv::{Regimes, Rounding, Xlen};
        match self {
            Self::RiscV32 => riscv::effects(Xlen::X32, Regimes::Indexed, rounding, code),
            Self::RiscV64 => riscv::effects(Xlen::X64, Regimes::Indexed, rounding, code),
            Self::OldRiscV32 => riscv::effects(Xlen::X32, Regimes::Mixed, rounding, code),
            Self::OldRiscV64 => riscv::effects(Xlen::X64, Regimes::Mixed, rounding, code),
            Self::UserRiscV32 => riscv::effects(Xlen::X32, Regimes::Indexed, Rounding::Valid, code),
            Self::UserRiscV64 => riscv::effects(Xlen::X64, Regimes::Indexed, Rounding::Valid, code),
            Self::AArch64(states, wide) => aarch64::effects(states, wide, code),
            Self::X86(modes, wide) => x86::effects(modes, wide, code),
            Self::Mips(order, encoding) => mips::effects(order, encoding, code),
            Self::Unknown => Effects::UNKNOWN,
        }
    }
}

/// The instructions of one translation block, classified in their order.
#[derive(Clone, Debug)]
pub struct Block {
    isa: Isa,
    /// Of the next instruction to classify.
    position: usize,
    /// The position of an instruction that QEMU may have announced without translating it.
    undecided_at: Option<usize>,
    rounding: riscv::Rounding,
}

impl Block {
    /// What the block's next instruction can do. Call it once for each instruction, in order.
    pub fn effects(&mut self, code: &[u8]) -> Effects {
        let mut effects = self.isa.effects_after(self.rounding, code);
        self.rounding = self.rounding.after(code);
        self.position += 1;
        if self.undecided_at == Some(self.position) {
            // That this one completes does not mean that the next one starts.
            effects.completion = Completion::Unknown;
        }
        effects
    }

    /// The mode of an x86 block for disassembly: the widest that is possible. `None` if no mode
    /// fits, or elsewhere than on x86.
    pub fn x86_mode(&self) -> Option<X86Mode> {
        match self.isa {
            Isa::X86(modes, _) => modes.widest(),
            _ => None,
        }
    }
}

/// What execution of one instruction can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effects {
    /// When it is certain that the instruction completes.
    pub completion: Completion,
    /// Whose remembered address translations it can make stale.
    pub may_change_translation: TranslationEffect,
}

impl Effects {
    /// Nothing is promised.
    pub(crate) const UNKNOWN: Self = Self::new(Completion::Unknown, TranslationEffect::ThisVcpu);

    pub(crate) const fn new(
        completion: Completion,
        may_change_translation: TranslationEffect,
    ) -> Self {
        Self { completion, may_change_translation }
    }

    /// `completion`, and no translation changes.
    pub(crate) const fn plain(completion: Completion) -> Self {
        Self::new(completion, TranslationEffect::None)
    }

    /// What holds if either of both may be true.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            completion: match (self.completion, other.completion) {
                (one, same) if one == same => one,
                (Completion::Always, Completion::NoAccess)
                | (Completion::NoAccess, Completion::Always) => Completion::NoAccess,
                _ => Completion::Unknown,
            },
            may_change_translation: self.may_change_translation.max(other.may_change_translation),
        }
    }
}

/// When it is certain that an instruction that started also completes, in terms of QEMU's plugin
/// callbacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion {
    /// It raises no exception and accesses no memory: whenever it starts, it completes.
    Always,
    /// It makes one access, a load or a store, and completes exactly when that access's memory
    /// callback comes.
    OneAccess,
    /// It makes one load, then one store, and completes exactly when the store's memory callback
    /// comes.
    LoadThenStore,
    /// It accesses no memory. It may raise an exception, or end its block.
    NoAccess,
    /// Anything else, or not known.
    Unknown,
}

/// Whose address translations, once looked up, may no longer hold after an instruction: because
/// it changes page tables' base or format, maintains a TLB, or may change the memory map.
///
/// A change of privilege, or of what an access is permitted, is none: translations that QEMU makes
/// with different MMU indices are different ones, and one that is no longer permitted faults.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TranslationEffect {
    /// Nobody's.
    None,
    /// Those of the vCPU that executes the instruction.
    ThisVcpu,
    /// Those of every vCPU. Other vCPUs may act on the change some time *after* the instruction,
    /// since QEMU delivers it when they leave their block. On Arm the barrier that waits for them
    /// (DSB) counts as well, so that nothing they looked up meanwhile outlives it.
    AllVcpus,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DECODERS: [Isa; 6] =
        [Isa::OldRiscV32, Isa::OldRiscV64, Isa::AARCH64, Isa::X86_64, Isa::I386, Isa::Unknown];

    #[test]
    fn newer_plugin_apis_have_single_wide_accesses() {
        let isa = Isa::AARCH64;
        let with = |wide| Isa::AArch64(ArmStates::ALL, wide);
        assert_eq!(isa.with_plugin_api(3), with(WideAccess::Either));
        assert_eq!(isa.with_plugin_api(4), with(WideAccess::Single));
    }

    #[test]
    fn newer_plugin_apis_have_indexed_regimes() {
        for (old, new) in [(Isa::OldRiscV32, Isa::RiscV32), (Isa::OldRiscV64, Isa::RiscV64)] {
            assert_eq!(old.with_plugin_api(3), old);
            assert_eq!(old.with_plugin_api(4), new);
            assert_eq!(new.with_plugin_api(1), old);
        }
    }

    #[test]
    fn user_mode_has_64_bit_code_only_where_the_target_has() {
        assert_eq!(Isa::X86_64.in_user_mode(), Isa::X86(X86Modes::BITS64, WideAccess::Either));
        assert_eq!(Isa::AARCH64.in_user_mode(), Isa::AArch64(ArmStates::A64, WideAccess::Either));
        let i386 = Isa::I386;
        assert_eq!(i386.in_user_mode(), i386);
    }

    #[test]
    fn without_a_decoder_nothing_is_promised() {
        assert_eq!(Isa::Unknown.effects(&[0x13, 0, 0, 0]), Effects::UNKNOWN);
    }

    #[test]
    fn of_two_possibilities_the_worse_counts() {
        let always = Effects::plain(Completion::Always);
        let access = Effects::plain(Completion::OneAccess);
        let broadcast = Effects::new(Completion::Always, TranslationEffect::AllVcpus);
        assert_eq!(always.or(always), always);
        assert_eq!(always.or(access), Effects::plain(Completion::Unknown));
        let jump = Effects::plain(Completion::NoAccess);
        assert_eq!(always.or(jump), jump);
        assert_eq!(jump.or(access), Effects::plain(Completion::Unknown));
        assert_eq!(always.or(broadcast), broadcast);
    }

    proptest! {
        #![proptest_config(testing::config())]

        /// Also: a block, which may settle the mode, takes no promise back.
        #[test]
        fn any_bytes_have_an_answer(code in prop::collection::vec(any::<u8>(), 0..=15)) {
            for isa in DECODERS {
                let alone = isa.effects(&code);
                let in_block = isa.block([(0, &code[..])]).effects(&code);
                match alone.completion {
                    Completion::Unknown => {}
                    Completion::NoAccess => prop_assert!(matches!(
                        in_block.completion,
                        Completion::NoAccess | Completion::Always
                    )),
                    known => prop_assert_eq!(in_block.completion, known),
                }
                prop_assert!(in_block.may_change_translation <= alone.may_change_translation);
            }
        }

        /// What is promised without knowing QEMU's version holds for a known one.
        #[test]
        fn versions_only_add_promises(code in prop::collection::vec(any::<u8>(), 1..=8)) {
            for isa in DECODERS {
                let general = isa.effects(&code);
                let known = isa.with_plugin_api(4).effects(&code);
                if general.completion != Completion::Unknown {
                    prop_assert_eq!(known, general);
                }
                prop_assert!(known.may_change_translation <= general.may_change_translation);
            }
        }
    }
}
