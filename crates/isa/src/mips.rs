//! MIPS programs: MIPS I to release 6, 32 and 64 bits, of either byte order.
//!
//! Model: the opcode decides, and within it the function. An encoding that differs between releases or
//! vendors has an answer that holds for all of them, or is unknown.
//!
//! - *Which encoding?* A block may hold microMIPS, `MIPS16` or nanoMIPS code, whose instructions are of 2
//!   and 4 bytes (nanoMIPS: also 6), and QEMU does not tell. In each of them the first halfword decides the
//!   length. So an instruction of 4 bytes whose first halfword would make it one of 2 is none of that
//!   encoding, and neither is the rest of its block. A block in which not all three are excluded like
//!   that is unknown.
//! - Loads and stores of bytes to doublewords and of floating-point registers are one access. A load to
//!   register 0 is a prefetch on Loongson, without an access: unknown. So are unaligned loads and stores
//!   (`lwl`, `swl` and so on), of which QEMU makes several accesses, `ll` and `sc`, and what
//!   other releases or vendors have in the place of loads and stores (coprocessor 2, `ldc2`, `sdc2`).
//! - Arithmetic that may overflow, traps, jumps, branches and floating-point arithmetic are
//!   `NoAccess`. The callback of a delay slot comes before QEMU asks whether a branch-likely skips it,
//!   and a delay slot ends its block. A forbidden slot is reached only past a compact branch that is not
//!   taken: also `NoAccess`.
//! - SPECIAL3 is unknown: the R5900 has a store of a quadword there.
//!
//! Limit: only programs. In a machine nothing is promised, since what changes translations (CP0, MT,
//! Virtualization) has not been checked.
//!
//! Sources: QEMU `target/mips/tcg/{translate.c,*_translate.c.inc,*.decode}`, 7.2 and 10.2.

use crate::Completion::{Always, NoAccess, OneAccess, Unknown};
use crate::{Completion, Decoder, Effects, Emulator, Guest, undecoded};

/// The decoder of MIPS code of this byte order.
pub fn mips(order: ByteOrder, emulator: Emulator) -> Box<dyn Decoder> {
    match emulator.guest {
        Guest::Program => Box::new(Mips { order, encoding: Encoding::Undecided }),
        Guest::Machine => undecoded(emulator),
    }
}

#[derive(Debug)]
struct Mips {
    order: ByteOrder,
    encoding: Encoding,
}

impl Decoder for Mips {
    fn begin(&mut self, insns: &mut dyn Iterator<Item = (u64, &[u8])>) {
        self.encoding = Encoding::of_block(self.order, insns);
    }

    fn effects(&mut self, code: &[u8]) -> Effects {
        effects(self.order, self.encoding, code)
    }
}

/// The byte order of code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteOrder {
    /// The lowest address has the most significant byte.
    Big,
    /// It has the least significant one.
    Little,
}

/// How the instructions of a block are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Encoding {
    /// It may be any of MIPS, microMIPS, `MIPS16` and nanoMIPS.
    Undecided,
    /// It is MIPS.
    Standard,
}

/// The encodings with instructions of 2 bytes.
#[derive(Clone, Copy)]
enum Short {
    MicroMips,
    Mips16,
    NanoMips,
}

impl Short {
    const ALL: [Self; 3] = [Self::MicroMips, Self::Mips16, Self::NanoMips];

    /// Whether this encoding has an instruction of 2 bytes that is `first`.
    fn has(self, first: u32) -> bool {
        match self {
            Self::MicroMips => matches!(first >> 10 & 7, 1..=3),
            // All but JAL, JALX and EXTEND.
            Self::Mips16 => !matches!(first >> 11, 0b00011 | 0b11110),
            Self::NanoMips => first >> 12 & 1 == 1,
        }
    }
}

/// The instruction and its first halfword, if it is of 4 bytes.
fn word(order: ByteOrder, code: &[u8]) -> Option<(u32, u32)> {
    let code = code.try_into().ok()?;
    Some(match order {
        ByteOrder::Big => {
            let insn = u32::from_be_bytes(code);
            (insn, insn >> 16)
        }
        ByteOrder::Little => {
            let insn = u32::from_le_bytes(code);
            (insn, insn & 0xffff)
        }
    })
}

impl Encoding {
    /// That of a block.
    fn of_block<'a>(order: ByteOrder, insns: impl IntoIterator<Item = (u64, &'a [u8])>) -> Self {
        let mut excluded = [false; 3];
        for (vaddr, code) in insns {
            let Some((_, first)) = word(order, code) else { return Self::Undecided };
            if vaddr & 3 != 0 {
                return Self::Undecided;
            }
            for (excluded, short) in excluded.iter_mut().zip(Short::ALL) {
                *excluded |= short.has(first);
            }
        }
        if excluded == [true; 3] { Self::Standard } else { Self::Undecided }
    }
}

fn effects(order: ByteOrder, encoding: Encoding, code: &[u8]) -> Effects {
    let encoding = match encoding {
        Encoding::Undecided => Encoding::of_block(order, [(0, code)]),
        Encoding::Standard => Encoding::Standard,
    };
    match (encoding, word(order, code)) {
        (Encoding::Standard, Some((insn, _))) => Effects::plain(completion(insn)),
        _ => Effects::plain(Unknown),
    }
}

fn completion(insn: u32) -> Completion {
    let rt = insn >> 16 & 0x1f;
    match insn >> 26 {
        0x00 => special(insn),
        // REGIMM: bltz, bgez, their likely and linking forms, traps; dahi and dati of release 6.
        0x01 if matches!(rt, 0..=3 | 6 | 8..=0x0c | 0x0e | 0x10..=0x13 | 0x1e) => NoAccess,
        // j, jal, beq, bne, blez, bgtz; beql, bnel, blezl, bgtzl; compact branches in their place.
        0x02..=0x07 | 0x14..=0x17
        // addi, daddi: may overflow; compact branches of release 6.
        | 0x08 | 0x18 => NoAccess,
        // addiu, slti, sltiu, andi, ori, xori, lui (aui), daddiu.
        0x09..=0x0f | 0x19 => Always,
        // COP1. mfc1, dmfc1, mfhc1, mtc1, dmtc1, mthc1 complete, the rest may raise an exception.
        0x11 => match insn >> 21 & 0x1f {
            0 | 1 | 3 | 4 | 5 | 7 => Always,
            _ => NoAccess,
        },
        // SPECIAL2: mul, clz, clo.
        0x1c if matches!(insn & 0x3f, 0x02 | 0x20 | 0x21) => Always,
        // lb, lh, lw, lbu, lhu, lwu, ld, but for prefetches.
        0x20 | 0x21 | 0x23 | 0x24 | 0x25 | 0x27 | 0x37 if rt != 0 => OneAccess,
        // sb, sh, sw, sd; lwc1, ldc1, swc1, sdc1.
        0x28 | 0x29 | 0x2b | 0x3f | 0x31 | 0x35 | 0x39 | 0x3d => OneAccess,
        _ => Unknown,
    }
}

fn special(insn: u32) -> Completion {
    match insn & 0x3f {
        // nop; the other shifts to register 0 are hints such as ehb and pause.
        0x00 if insn == 0 || insn >> 11 & 0x1f != 0 => Always,
        // srl, sra, sllv, srlv, srav; movz, movn; mfhi, mthi, mflo, mtlo, and what release 6 has there.
        0x02..=0x04 | 0x06 | 0x07 | 0x0a | 0x0b | 0x10..=0x13
        // dsllv, dsrlv, dsrav; mult, multu, div, divu and so on, which do not trap.
        | 0x14 | 0x16..=0x1f
        // addu, subu, and, or, xor, nor, slt, sltu, daddu, dsubu.
        | 0x21 | 0x23..=0x27 | 0x2a | 0x2b | 0x2d | 0x2f
        // dsll, dsrl, dsra, dsll32, dsrl32, dsra32.
        | 0x38 | 0x3a | 0x3b | 0x3c | 0x3e | 0x3f => Always,
        // jr, jalr; add, sub, dadd, dsub: may overflow; tge to tne, with seleqz and selnez of release 6.
        0x08 | 0x09 | 0x20 | 0x22 | 0x2c | 0x2e | 0x30..=0x37 => NoAccess,
        _ => Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Expected::{self, Always, NoAccess, OneAccess, Unknown};
    use crate::testing::{MACHINE, PROGRAM, bytes};

    /// Big-endian words, compared with what GNU objdump reads in them.
    #[rustfmt::skip]
    const CASES: &[(&str, &str, Expected)] = &[
        ("00000000", "nop", Always),
        ("000000c0", "ehb", Unknown),
        ("00851821", "addu v1,a0,a1", Always),
        ("00851820", "add v1,a0,a1", NoAccess),
        ("00851822", "sub v1,a0,a1", NoAccess),
        ("0085001a", "div zero,a0,a1", Always),
        ("008501f4", "teq a0,a1,7", NoAccess),
        ("2484fffb", "addiu a0,a0,-5", Always),
        ("2084fffb", "addi a0,a0,-5", NoAccess),
        ("3c041234", "lui a0,0x1234", Always),
        ("70851802", "mul v1,a0,a1", Always),
        ("7c851804", "ins a1,a0,0,4, or sq", Unknown),
        ("8c850004", "lw a1,4(a0)", OneAccess),
        ("8c800004", "lw zero,4(a0)", Unknown),
        ("dc850008", "ld a1,8(a0)", OneAccess),
        ("88850000", "lwl a1,0(a0)", Unknown),
        ("98850003", "lwr a1,3(a0)", Unknown),
        ("a8850000", "swl a1,0(a0)", Unknown),
        ("b8850003", "swr a1,3(a0)", Unknown),
        ("c0850000", "ll a1,0(a0)", Unknown),
        ("e0850000", "sc a1,0(a0)", Unknown),
        ("ac850004", "sw a1,4(a0)", OneAccess),
        ("d4820008", "ldc1 $f2,8(a0)", OneAccess),
        ("f4820008", "sdc1 $f2,8(a0)", OneAccess),
        ("44851000", "mtc1 a1,$f2", Always),
        ("46241000", "add.d $f0,$f2,$f4", NoAccess),
        ("d8850000", "ldc2, or beqzc", Unknown),
        ("f8850000", "sdc2, or bnezc", Unknown),
        ("10850001", "beq a0,a1,.+8", NoAccess),
        ("50850001", "beql a0,a1,.+8", NoAccess),
        ("03e00008", "jr ra", NoAccess),
        ("0000000c", "syscall", Unknown),
        ("40845000", "mtc0 a0,EntryHi", Unknown),
        ("42000002", "tlbwi", Unknown),
        ("4c840001", "ldxc1 $f0,a0(a0)", Unknown),
        ("74000000", "jalx, or daui", Unknown),
        ("78000000", "lq, or MSA", Unknown),
    ];

    #[test]
    fn instructions_of_both_byte_orders() {
        for (hex, text, expected) in CASES {
            let mut code = bytes(hex);
            for order in [ByteOrder::Big, ByteOrder::Little] {
                let expected = match expected {
                    Always => Completion::Always,
                    NoAccess => Completion::NoAccess,
                    OneAccess => Completion::OneAccess,
                    _ => Completion::Unknown,
                };
                assert_eq!(
                    effects(order, Encoding::Standard, &code),
                    Effects::plain(expected),
                    "{text} {order:?}"
                );
                code.reverse();
            }
        }
    }

    #[test]
    fn a_block_that_may_be_of_another_encoding_is_unknown() {
        // Of 4 bytes in microMIPS and nanoMIPS.
        let addu = bytes("00851821");
        // Its first halfword is of 2 bytes in microMIPS and MIPS16, but not in nanoMIPS.
        let lw = bytes("8c850004");
        // Of 2 bytes in nanoMIPS and MIPS16.
        let bne = bytes("14910001");
        let completion = |insns: &[&[u8]], of: &[u8]| {
            let block = insns.iter().enumerate().map(|(at, code)| (4 * at as u64, *code));
            let mut decoder = mips(ByteOrder::Big, PROGRAM);
            decoder.begin(&mut block.into_iter());
            decoder.effects(of).completion
        };
        assert_eq!(completion(&[&addu], &addu), Completion::Unknown);
        let (micro, nano) = (0x8c85, 0x1491);
        assert!(Short::MicroMips.has(micro) && !Short::NanoMips.has(micro));
        assert!(Short::NanoMips.has(nano) && Short::Mips16.has(nano));
        assert_eq!(completion(&[&lw], &lw), Completion::Unknown);
        assert_eq!(completion(&[&lw, &bne], &lw), Completion::OneAccess);
        assert_eq!(completion(&[&lw, &bne, &bytes("6500")], &lw), Completion::Unknown);
        let mut misaligned = mips(ByteOrder::Big, PROGRAM);
        misaligned.begin(&mut [(2, &lw[..]), (6, &bne[..])].into_iter());
        assert_eq!(misaligned.effects(&lw).completion, Completion::Unknown);
    }

    #[test]
    fn of_a_machine_nothing_is_promised() {
        let mut machine = mips(ByteOrder::Big, MACHINE);
        assert!(!machine.tells_translation_changes());
        assert_eq!(machine.effects(&bytes("2484fffb")), Effects::UNKNOWN);
    }
}
