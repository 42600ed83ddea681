//! Instruction text, made at the exit for the few instructions that are printed.
//!
//! QEMU can disassemble only while it translates, and doing that for every instruction costs up to
//! 40 % of a kernel's boot. So the bytes are kept and disassembled here, by Capstone. QEMU's own text is
//! taken at translation of the instructions that Capstone does not know (RISC-V's vectors), of all of guests
//! that it does not know, and of those where the bytes alone do not say how to read them (32-bit Arm
//! with its Thumb states).

use std::collections::HashMap;

use cachesim::instructions::Instruction;
use capstone::{Arch, Capstone, CsResult, Endian, ExtraMode, Insn, Mode};
use isa::X86Mode;

/// When and how a guest's instructions become text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disassembler {
    /// At the exit.
    Deferred(Language),
    /// At translation, by QEMU.
    ByQemu,
}

/// What Capstone is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Language {
    arch: Arch,
    /// For x86 overridden by the mode of each instruction.
    mode: Mode,
    endian: Endian,
}

impl Disassembler {
    /// By Capstone, at the exit.
    pub const fn deferred(arch: Arch, mode: Mode, endian: Endian) -> Self {
        Self::Deferred(Language { arch, mode, endian })
    }

    /// Reads the guest's instructions, if they can be read from their bytes.
    pub fn reader(self) -> Option<Reader> {
        match self {
            Self::Deferred(language) => Some(Reader { language, open: HashMap::new() }),
            Self::ByQemu => None,
        }
    }
}

const BITS16: u8 = 16;
const BITS32: u8 = 32;
const BITS64: u8 = 64;

/// How an x86 mode is noted in an instruction's record.
pub fn x86_decoding(mode: X86Mode) -> u8 {
    match mode {
        X86Mode::Bits16 => BITS16,
        X86Mode::Bits32 => BITS32,
        X86Mode::Bits64 => BITS64,
    }
}

impl Language {
    fn open(self, decoding: u8) -> CsResult<Capstone> {
        let mode = match (self.arch, decoding) {
            (Arch::X86, BITS16) => Mode::Mode16,
            (Arch::X86, BITS32) => Mode::Mode32,
            _ => self.mode,
        };
        let compressed = (self.arch == Arch::RISCV).then_some(ExtraMode::RiscVC);
        Capstone::new_raw(self.arch, mode, compressed.into_iter(), Some(self.endian))
    }
}

/// Whether an instruction is in the larger part of RV64GC to which no extension has added anything (RISC-V
/// unprivileged specification, "Opcode Maps").
fn is_base_of_riscv(code: &[u8]) -> bool {
    match *code {
        // Zcb has added a few; Zcmp takes the place of `c.fsdsp`.
        [low, high] => !matches!((low & 3, high >> 5), (0 | 1, 4) | (2, 5)),
        [low, next, _, _] => {
            let funct3 = next >> 4 & 7;
            match low >> 2 & 0b11111 {
                // Loads, stores, LUI, AUIPC, branches and jumps.
                0b00000 | 0b01000 | 0b01101 | 0b00101 | 0b11000 | 0b11001 | 0b11011 => true,
                // Operations with a constant. Those of Zbb are among the shifts.
                0b00100 => !matches!(funct3, 1 | 5),
                0b00110 => funct3 == 0,
                _ => false,
            }
        }
        _ => false,
    }
}

/// Whether an instruction is one on the general registers (Arm Architecture Reference Manual, C4.1): a
/// branch, a load or store of the groups without vectors, or data processing.
fn is_base_of_aarch64(code: &[u8]) -> bool {
    let [.., highest] = *code else { return false };
    matches!(highest >> 1 & 0xf, 0b0101 | 0b1000..=0b1011 | 0b1101)
}

/// QEMU's text of the instruction `code`, written as a [`Reader`] writes: with one blank before the operands,
/// and without the number that QEMU 7.2 puts before a RISC-V instruction, which is its bytes.
pub fn tidied(text: &str, code: &[u8]) -> String {
    let number = code.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let mut words = text.split_whitespace().peekable();
    words.next_if(|word| {
        word.len() == 2 * code.len() && u64::from_str_radix(word, 16) == Ok(number)
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Reads instructions, one after the other.
pub struct Reader {
    language: Language,
    /// What has been opened, by how instructions are to be decoded.
    open: HashMap<u8, Option<Capstone>>,
}

impl Reader {
    /// Whether there is text for `instruction`. Capstone is asked where there may be none.
    pub fn knows(&mut self, instruction: &Instruction) -> bool {
        let is_certain = match self.language.arch {
            // No more than QEMU executes.
            Arch::X86 => true,
            Arch::RISCV => is_base_of_riscv(instruction.identity.code.as_bytes()),
            Arch::ARM64 => is_base_of_aarch64(instruction.identity.code.as_bytes()),
            _ => false,
        };
        is_certain || self.read(instruction, |_| ()).is_some()
    }

    /// The text of `instruction`; its bytes where they make none.
    pub fn text(&mut self, instruction: &Instruction) -> String {
        let text = self.read(instruction, |insn| match (insn.mnemonic(), insn.op_str()) {
            (Some(mnemonic), Some(operands)) if !operands.is_empty() => {
                format!("{mnemonic} {operands}")
            }
            (mnemonic, _) => mnemonic.unwrap_or_default().to_owned(),
        });
        text.unwrap_or_else(|| {
            let code = instruction.identity.code.as_bytes();
            let bytes: Vec<_> = code.iter().map(|byte| format!("{byte:#04x}")).collect();
            format!(".byte {}", bytes.join(", "))
        })
    }

    /// What `take` takes of `instruction`, if its bytes are one.
    fn read<T>(&mut self, instruction: &Instruction, take: impl Fn(&Insn) -> T) -> Option<T> {
        let code = instruction.identity.code.as_bytes();
        let decoding = instruction.decoding;
        let capstone =
            self.open.entry(decoding).or_insert_with(|| self.language.open(decoding).ok());
        let decoded = capstone.as_ref()?.disasm_count(code, instruction.vaddr, 1).ok()?;
        let first = decoded.first().filter(|first| first.len() == code.len())?;
        Some(take(first))
    }
}
