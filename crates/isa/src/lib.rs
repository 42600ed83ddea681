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
mod undecoded;
mod x86;

use std::fmt::Debug;

pub use aarch64::aarch64;
pub use mips::{ByteOrder, mips};
pub use riscv::{riscv32, riscv64};
pub use undecoded::undecoded;
pub use x86::{X86Mode, i386, x86_64};

/// What QEMU runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guest {
    /// A program: an `x86_64` process is in 64-bit mode only, an `aarch64` process in `AArch64` state.
    Program,
    /// A machine.
    Machine,
}

/// The QEMU that decodes too, and whose behaviour is promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Emulator {
    /// What it runs.
    pub guest: Guest,
    /// Its plugin API (`qemu_info_t.version.cur`): newer ones allow more promises.
    pub plugin_api: i32,
}

impl Emulator {
    /// The first plugin API whose QEMUs (9.2, 10.0) were checked for what follows.
    const CHECKED_API: i32 = 4;

    /// Whether what an architecture calls one access of 16 bytes, of a pair of registers or a vector register, is one
    /// with one callback. Up to 8.0 it is two halves.
    fn has_wide_accesses(self) -> bool {
        self.plugin_api >= Self::CHECKED_API
    }

    /// Whether the MMU index tells apart all translation regimes of RISC-V, also those of MPRV and V. A
    /// program has only one.
    fn tells_regimes(self) -> bool {
        self.plugin_api >= Self::CHECKED_API || self.guest == Guest::Program
    }
}

/// What a row of the architectures has: the decoder for a QEMU.
pub type MakeDecoder = fn(Emulator) -> Box<dyn Decoder>;

/// Classifies the instructions of translation blocks, one block after the other.
pub trait Decoder: Debug + Send {
    /// Begins a translation block made of `insns`: each instruction's virtual address and bytes. What they
    /// have in common settles the mode, state or encoding, where there are several.
    fn begin(&mut self, insns: &mut dyn Iterator<Item = (u64, &[u8])>);

    /// What the block's next instruction can do; `code` has all its bytes and no others. Called once for each, in
    /// order.
    fn effects(&mut self, code: &[u8]) -> Effects;

    /// Whether all that changes translations is told, so that translations may be remembered.
    fn tells_translation_changes(&self) -> bool {
        true
    }

    /// The mode of an x86 block for disassembly: the widest that is possible. `None` if no mode
    /// fits, or elsewhere than on x86.
    fn x86_mode(&self) -> Option<X86Mode> {
        None
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
    use testing::{EMULATORS, alone};

    const DECODERS: [MakeDecoder; 7] = [
        riscv32,
        riscv64,
        aarch64,
        x86_64,
        i386,
        |emulator| mips(ByteOrder::Big, emulator),
        undecoded,
    ];

    #[test]
    fn without_a_decoder_nothing_is_promised() {
        for emulator in EMULATORS {
            let mut decoder = undecoded(emulator);
            assert_eq!(alone(&mut *decoder, &[0x13, 0, 0, 0]), Effects::UNKNOWN);
            assert!(!decoder.tells_translation_changes());
        }
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
            for (make, emulator) in DECODERS.iter().flat_map(|make| EMULATORS.map(|emulator| (make, emulator))) {
                let mut decoder = make(emulator);
                let alone = alone(&mut *decoder, &code);
                decoder.begin(&mut [(0, &code[..])].into_iter());
                let in_block = decoder.effects(&code);
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

        /// What is promised of an old QEMU holds for a newer one.
        #[test]
        fn versions_only_add_promises(code in prop::collection::vec(any::<u8>(), 1..=8)) {
            for (make, guest) in DECODERS.iter().flat_map(|make| [(make, Guest::Program), (make, Guest::Machine)]) {
                let of_api = |plugin_api| alone(&mut *make(Emulator { guest, plugin_api }), &code);
                let (general, known) = (of_api(1), of_api(4));
                if general.completion != Completion::Unknown {
                    prop_assert_eq!(known.completion, general.completion);
                }
                prop_assert!(known.may_change_translation <= general.may_change_translation);
            }
        }
    }
}
