//! Code that relies on the program's dynamic rounding mode being a valid one.
//!
//! A floating-point instruction of RISC-V that rounds as `frm` says raises an exception where that holds a
//! reserved value. Hardly any program ever stores one, so the fetches up to such an instruction and those
//! after it are counted together. The latter are *late*: while it is not known whether the mode is valid
//! they are kept back until the vCPU is seen to go on.
//!
//! What may spoil the mode is seen: instructions that write it, and the return from a signal's handler.
//! That it is valid is known at the start, and as soon as an instruction that needs it has completed.

use std::collections::HashMap;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cachesim::instructions::{Instruction, Run};

/// Whether the dynamic rounding mode of the program's only thread is known to be valid.
static IS_VALID: AtomicBool = AtomicBool::new(true);

/// Where the program handles each signal; 0 and 1 stand for nowhere.
static HANDLERS: [AtomicU64; SIGNALS] = [const { AtomicU64::new(0) }; SIGNALS];

/// Signals are numbered below that.
const SIGNALS: usize = 65;

/// That of illegal instructions, on all architectures.
pub const SIGILL: usize = 4;

/// Whether the dynamic rounding mode is known to be valid.
pub fn is_valid() -> bool {
    IS_VALID.load(Ordering::Relaxed)
}

/// An instruction that needs a valid mode has completed.
pub fn is_valid_now() {
    IS_VALID.store(true, Ordering::Relaxed);
}

/// The mode may be another one from now on.
pub fn may_be_spoilt() {
    IS_VALID.store(false, Ordering::Relaxed);
}

/// The program handles a signal at `vaddr` from now on.
pub fn note_handler(signal: u64, vaddr: u64) {
    if let Some(handler) = usize::try_from(signal).ok().and_then(|signal| HANDLERS.get(signal)) {
        handler.store(vaddr, Ordering::Relaxed);
    }
}

/// What begins with an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beginning {
    /// The handler of illegal instructions, and maybe of other signals.
    HandlerOfIllegal,
    /// That of other signals.
    Handler,
    /// Neither.
    Other,
}

/// What begins with `instruction`.
pub fn beginning_with(instruction: &Instruction) -> Beginning {
    let is_handler = |handler: &AtomicU64| handler.load(Ordering::Relaxed) == instruction.vaddr;
    if is_handler(&HANDLERS[SIGILL]) {
        Beginning::HandlerOfIllegal
    } else if HANDLERS.iter().any(is_handler) {
        Beginning::Handler
    } else {
        Beginning::Other
    }
}

/// What a callback stands for, and how many of its fetches are late.
#[derive(Debug)]
pub struct Rounding<T> {
    /// A run, or the instruction that makes an access.
    pub subject: T,
    /// The last ones of the fetches that the callback counts.
    pub late: u16,
}

/// All there are. Translating the same code again finds the same. They live as long as the process:
/// translated code holds their addresses.
#[derive(Debug, Default)]
pub struct RoundingTable {
    runs: HashMap<(*const Run, u16), &'static Rounding<Run>>,
    accesses: HashMap<(*const Instruction, u16), &'static Rounding<&'static Instruction>>,
}

impl RoundingTable {
    /// Of a run.
    pub fn run(&mut self, run: &'static Run, late: u16) -> &'static Rounding<Run> {
        let new = || &*Box::leak(Box::new(Rounding { subject: *run, late }));
        self.runs.entry((ptr::from_ref(run), late)).or_insert_with(new)
    }

    /// Of an access.
    pub fn access(
        &mut self,
        instruction: &'static Instruction,
        late: u16,
    ) -> &'static Rounding<&'static Instruction> {
        let new = || &*Box::leak(Box::new(Rounding { subject: instruction, late }));
        self.accesses.entry((ptr::from_ref(instruction), late)).or_insert_with(new)
    }
}
