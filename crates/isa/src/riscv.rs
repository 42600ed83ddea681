//! RISC-V: RV32 and RV64 with I, M, A, F, D, C, Zb*, Zc*, Zfh, Zfa, Zicond, Zk* and what shares
//! their opcodes.
//!
//! Model: the major opcode decides, and within it only what makes a difference. Encodings whose
//! extension is absent are illegal and end their block (crate documentation), so no extension
//! has to be known. Where two extensions give one encoding two meanings, the answer is the one
//! that holds for both.
//!
//! - Loads and stores, including compressed and floating-point ones, are one access. On RV32 the
//!   doubleword integer encodings (Zilsd, Zclsd register pairs) are left unknown; there they
//!   replace `c.flw` and `c.fsw`.
//! - Floating-point arithmetic traps only for its rounding mode: reserved values 5 and 6, and
//!   "dynamic" if `frm` holds a reserved value. The FP unit being off is known at translation.
//!   None accesses memory, nor do jumps and branches and vector arithmetic.
//!   `frm` cannot change within a block, since CSR instructions end theirs: once one dynamically
//!   rounded instruction has completed, the block's others do too ([`Rounding`]). So of a block's
//!   instructions only the first of them depends on `frm`. Of a program none is taken to: that no
//!   program sets a reserved value is an assumption, not a promise of the architecture.
//! - Of the SYSTEM instructions those of the TLBs and all unknown ones may change translations, and
//!   writes of all CSRs but those listed. Environment calls, returns and `mstatus` change only the
//!   privilege that accesses are made with, which the MMU index of QEMU 10.0 tells, with MPRV, SUM
//!   and V. That of 7.2 ([`Regimes::Mixed`]) tells neither MPRV nor V: there these count too.
//! - `auipc x0` is Zicfilp's landing pad and may trap. `c.lui` and `c.addi16sp` without an
//!   immediate are Zcmop or Zicfiss, which accesses the shadow stack.
//!
//! Sources: *The RISC-V Instruction Set Manual*, volumes I and II; QEMU `target/riscv/
//! {insn16,insn32}.decode` and `insn_trans/`, 7.2 and 10.2; `cpu_helper.c` (`riscv_env_mmu_index`,
//! `get_physical_address`) and `csr.c`, 7.2, 10.0 and 10.2.

use crate::Completion::{Always, NoAccess, OneAccess, Unknown};
use crate::{Completion, Decoder, Effects, Emulator, Guest, TranslationEffect};

/// The decoder of RISC-V with XLEN 32.
pub fn riscv32(emulator: Emulator) -> Box<dyn Decoder> {
    Box::new(RiscV::new(Xlen::X32, emulator))
}

/// The decoder of RISC-V with XLEN 64. QEMU's experimental `x-rv128` CPU, whose `c.fld` is a quadword load, is not
/// covered.
pub fn riscv64(emulator: Emulator) -> Box<dyn Decoder> {
    Box::new(RiscV::new(Xlen::X64, emulator))
}

#[derive(Debug)]
struct RiscV {
    xlen: Xlen,
    regimes: Regimes,
    guest: Guest,
    rounding: Rounding,
}

impl RiscV {
    fn new(xlen: Xlen, emulator: Emulator) -> Self {
        let regimes = if emulator.tells_regimes() { Regimes::Indexed } else { Regimes::Mixed };
        Self { xlen, regimes, guest: emulator.guest, rounding: Rounding::Unchecked }
    }
}

impl Decoder for RiscV {
    fn begin(&mut self, _: &mut dyn Iterator<Item = (u64, &[u8])>) {
        self.rounding = Rounding::Unchecked;
    }

    fn effects(&mut self, code: &[u8]) -> Effects {
        let rounding = match self.guest {
            Guest::Program => Rounding::Valid,
            Guest::Machine => self.rounding,
        };
        self.rounding = self.rounding.after(code);
        effects(self.xlen, self.regimes, rounding, code)
    }
}

/// The width of the integer registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Xlen {
    X32,
    X64,
}

/// Whether QEMU's MMU index tells apart all that may translate differently with the same registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Regimes {
    Mixed,
    Indexed,
}

/// Whether the dynamic rounding mode is known to be a valid one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rounding {
    Unchecked,
    /// An instruction of this block that rounds dynamically has completed, or a program is trusted.
    Valid,
}

impl Rounding {
    /// What is known once `code` has completed.
    fn after(self, code: &[u8]) -> Self {
        match word(code) {
            Some(insn) if rounding_mode(insn) == Some(RM_DYNAMIC) => Self::Valid,
            Some(insn) if opcode(insn) == OP_SYSTEM => Self::Unchecked,
            _ => self,
        }
    }
}

const OP_SYSTEM: u32 = 0x73;
const OP_FP: u32 = 0x53;
const C_EBREAK: u16 = 0x9002;
const RM_DYNAMIC: u32 = 7;

/// The instruction if it is one of 32 bits.
fn word(code: &[u8]) -> Option<u32> {
    let insn = u32::from_le_bytes(code.try_into().ok()?);
    // Longer encodings start with five ones.
    (insn & 0b11 == 0b11 && insn & 0b1_1111 != 0b1_1111).then_some(insn)
}

fn opcode(insn: u32) -> u32 {
    insn & 0x7f
}

fn funct3(insn: u32) -> u32 {
    insn >> 12 & 7
}

fn effects(xlen: Xlen, regimes: Regimes, rounding: Rounding, code: &[u8]) -> Effects {
    if let &[low, high] = code {
        return match u16::from_le_bytes([low, high]) {
            insn if insn & 0b11 == 0b11 => Effects::UNKNOWN,
            C_EBREAK => Effects::new(Unknown, privilege_change(regimes)),
            insn => Effects::plain(compressed(xlen, insn)),
        };
    }
    match word(code) {
        Some(insn) if opcode(insn) == OP_SYSTEM => Effects::new(Unknown, system(regimes, insn)),
        Some(insn) => standard(xlen, rounding, insn),
        None => Effects::UNKNOWN,
    }
}

/// A 32-bit instruction other than SYSTEM.
fn standard(xlen: Xlen, rounding: Rounding, insn: u32) -> Effects {
    let completion = match opcode(insn) {
        // LOAD: lb, lh, lw, ld, lbu, lhu, lwu.
        0x03 => match (funct3(insn), xlen) {
            (3 | 6, Xlen::X32) | (7, _) => Unknown,
            _ => OneAccess,
        },
        // STORE: sb, sh, sw, sd.
        0x23 => match (funct3(insn), xlen) {
            (0..=2, _) | (3, Xlen::X64) => OneAccess,
            _ => Unknown,
        },
        // LOAD-FP and STORE-FP: h, w and d; the other widths are vectors.
        0x07 | 0x27 if matches!(funct3(insn), 1..=3) => OneAccess,
        // OP-IMM, OP-IMM-32, OP, OP-32 (with M, Zb*, Zk*, Zicond) and LUI. The `ori` to x0 that
        // Zicbop makes a prefetch accesses nothing in QEMU. Division does not trap.
        0x13 | 0x1b | 0x33 | 0x3b | 0x37 => Always,
        // AUIPC; to x0 it is lpad.
        0x17 if insn >> 7 & 0x1f != 0 => Always,
        // MISC-MEM: only FENCE; the others are FENCE.I and cache blocks.
        0x0f if funct3(insn) == 0 => Always,
        // MADD, MSUB, NMSUB, NMADD, OP-FP.
        0x43 | 0x47 | 0x4b | 0x4f | OP_FP => floating_point(rounding, insn),
        // BRANCH, JALR, JAL; OP-V and OP-VE, vector arithmetic.
        0x63 | 0x67 | 0x6f | 0x57 | 0x77 => NoAccess,
        // AMO and the rest of the above.
        0x07 | 0x0f | 0x17 | 0x27 | 0x2f => Unknown,
        // Custom and reserved opcodes: vendors have TLB maintenance there.
        _ => return Effects::UNKNOWN,
    };
    Effects::plain(completion)
}

/// The rounding mode of a floating-point instruction that has one.
fn rounding_mode(insn: u32) -> Option<u32> {
    let has_rm = match opcode(insn) {
        0x43 | 0x47 | 0x4b | 0x4f => true,
        OP_FP => match insn >> 27 {
            // fadd, fsub, fmul, fdiv; fcvt and fround between formats; fsqrt; fcvt from integer.
            0..=3 | 0b01000 | 0b01011 | 0b11010 => true,
            // fcvt to integer. Zfa's fcvtmod looks at frm whatever its rounding mode says.
            0b11000 => insn >> 20 & 0x1f < 4,
            _ => false,
        },
        _ => false,
    };
    has_rm.then_some(funct3(insn))
}

fn floating_point(rounding: Rounding, insn: u32) -> Completion {
    match rounding_mode(insn) {
        Some(0..=4) => Always,
        Some(RM_DYNAMIC) if rounding == Rounding::Valid => Always,
        Some(RM_DYNAMIC) => NoAccess,
        // Reserved: always illegal.
        Some(_) => Unknown,
        None => match insn >> 27 {
            // fsgnj, fmin/fmax, comparisons, fmv to and from integers, fclass, fli.
            0b00100 | 0b00101 | 0b10100 | 0b11100 | 0b11110 => Always,
            _ => NoAccess,
        },
    }
}

/// What an instruction does that changes no more than the privilege of accesses.
fn privilege_change(regimes: Regimes) -> TranslationEffect {
    match regimes {
        Regimes::Mixed => TranslationEffect::ThisVcpu,
        Regimes::Indexed => TranslationEffect::None,
    }
}

/// SYSTEM: privileged instructions and CSRs.
fn system(regimes: Regimes, insn: u32) -> TranslationEffect {
    const ECALL: u32 = 0x0000_0073;
    const EBREAK: u32 = 0x0010_0073;
    const SRET: u32 = 0x1020_0073;
    const MRET: u32 = 0x3020_0073;
    const WFI: u32 = 0x1050_0073;
    const WRS_NTO: u32 = 0x00d0_0073;
    const WRS_STO: u32 = 0x01d0_0073;

    match (funct3(insn), insn >> 15 & 0x1f) {
        (0, _) => match insn {
            ECALL | EBREAK | SRET | MRET | WFI | WRS_NTO | WRS_STO => privilege_change(regimes),
            _ => TranslationEffect::ThisVcpu,
        },
        // hlv, hsv and what else is there.
        (4, _) => TranslationEffect::ThisVcpu,
        // csrr: csrrs, csrrc, csrrsi, csrrci of nothing.
        (2 | 3 | 6 | 7, 0) => TranslationEffect::None,
        _ => csr_write(regimes, insn >> 20),
    }
}

/// Only CSRs that surely have nothing to do with translation are harmless. `satp`, `vsatp`,
/// `hgatp`, the `envcfg` CSRs (Svpbmt, Svadu), PMP and all that are not known are not.
fn csr_write(regimes: Regimes, csr: u32) -> TranslationEffect {
    match csr {
        // fflags, frm, fcsr; vstart, vxsat, vxrm, vcsr; seed; cycle, time, instret and the other
        // counters with their upper halves; vl, vtype, vlenb.
        0x001..=0x003 | 0x008..=0x00f | 0x015 | 0xc00..=0xc22 | 0xc80..=0xc9f => {
            TranslationEffect::None
        }
        // sstatus; sie, stvec, scounteren; sscratch, sepc, scause, stval, sip; stimecmp, stopei,
        // stimecmph.
        0x100 | 0x104..=0x106 | 0x140..=0x144 | 0x14d | 0x15c | 0x15d
        // The same of M mode, with medeleg, mideleg; mcountinhibit, mhpmevent; mtopei; mcycle and
        // so on.
        | 0x300 | 0x302..=0x306 | 0x320 | 0x323..=0x33f | 0x340..=0x344 | 0x35c
        | 0xb00..=0xb1f | 0xb80..=0xb9f => privilege_change(regimes),
        _ => TranslationEffect::ThisVcpu,
    }
}

/// An instruction of 16 bits: the quadrant is `insn[1:0]`, `insn[15:13]` selects within it.
fn compressed(xlen: Xlen, insn: u16) -> Completion {
    let quadrant = insn & 0b11;
    let funct3 = insn >> 13;
    let bit12 = insn >> 12 & 1;
    let bits12_10 = insn >> 10 & 0b111;
    // rs2 or the immediate's low bits.
    let low_field = insn >> 2 & 0x1f;
    match (quadrant, funct3) {
        // c.addi4spn; c.slli; c.addi, c.li; c.srli, c.srai, c.andi, c.sub and so on.
        (0 | 2, 0) | (1, 0 | 2 | 4) => Always,
        // c.fld, c.lw, c.fsd, c.sw and their forms relative to sp.
        (0, 1 | 2 | 5 | 6) | (2, 1 | 2 | 6) => OneAccess,
        // c.ld, c.sd and their forms relative to sp.
        (0 | 2, 3 | 7) if xlen == Xlen::X64 => OneAccess,
        // Zcb: c.lbu, c.lhu, c.lh, c.sb, c.sh.
        (0, 4) if bits12_10 <= 3 => OneAccess,
        // c.addiw; on RV32 it is c.jal.
        (1, 1) if xlen == Xlen::X64 => Always,
        // c.lui, c.addi16sp.
        (1, 3) if bit12 != 0 || low_field != 0 => Always,
        // c.mv, c.add.
        (2, 4) if low_field != 0 => Always,
        // c.jr, c.jalr (c.ebreak has been dealt with); c.j, c.beqz, c.bnez; c.jal, which RV32 has in
        // place of c.addiw.
        (2, 4) | (1, 1 | 5 | 6 | 7) => NoAccess,
        // c.fsdsp, except where Zcmp and Zcmt have push, pop, moves and table jumps.
        (2, 5) if matches!(bits12_10, 1 | 2 | 4 | 5) => OneAccess,
        // The exceptions to the above.
        _ => Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Expected::{
        self, Always, NoAccess, OneAccess, Privilege, ThisVcpu, Unknown,
    };
    use crate::testing::{EMULATORS, MACHINE, PROGRAM, alone};
    use crate::testing::{bytes, check, config};

    /// Assembled by GNU as with the extensions V, H, Zba, Zfh and Zicboz; what it does not know, by hand.
    #[rustfmt::skip]
    const CASES: &[(&str, &str, Expected)] = &[
        ("1385b5ff", "addi a0,a1,-5", Always),
        ("37553412", "lui a0,0x12345", Always),
        ("17150000", "auipc a0,0x1", Always),
        ("3385c500", "add a0,a1,a2", Always),
        ("3385c502", "mul a0,a1,a2", Always),
        ("33c5c502", "div a0,a1,a2", Always),
        ("1b851500", "addiw a0,a1,1", Always),
        ("3b85c540", "subw a0,a1,a2", Always),
        ("3bf5c502", "remuw a0,a1,a2", Always),
        ("0f003003", "fence rw,rw", Always),
        ("33a5c520", "sh1add a0,a1,a2", Always),
        ("13e00506", "prefetch-as-ori", Always),
        ("5385c522", "fsgnj.d fa0,fa1,fa2", Always),
        ("53a5c5a2", "feq.d a0,fa1,fa2", Always),
        ("538505e2", "fmv.x.d a0,fa1", Always),
        ("5385c502", "fadd.d fa0,fa1,fa2,rne", Always),
        ("539505c2", "fcvt.w.d a0,fa1,rtz", Always),
        ("43b5c56a", "fmadd.d fa0,fa1,fa2,fa3,rup", Always),
        ("03851500", "lb a0,1(a1)", OneAccess),
        ("03e54500", "lwu a0,4(a1)", OneAccess),
        ("8865", "ld a0,8(a1)", OneAccess),
        ("88e5", "sd a0,8(a1)", OneAccess),
        ("2380a500", "sb a0,0(a1)", OneAccess),
        ("07a50500", "flw fa0,0(a1)", OneAccess),
        ("8821", "fld fa0,0(a1)", OneAccess),
        ("88a1", "fsd fa0,0(a1)", OneAccess),
        ("07950500", "flh fa0,0(a1)", OneAccess),
        ("ef008000", "jal ra,.+8", NoAccess),
        ("e7000500", "jalr ra,0(a0)", NoAccess),
        ("6304b500", "beq a0,a1,.+8", NoAccess),
        ("2fb50510", "lr.d a0,(a1)", Unknown),
        ("2f25b600", "amoadd.w a0,a1,(a2)", Unknown),
        ("0f100000", "fence.i", Unknown),
        ("53f5c502", "fadd.d fa0,fa1,fa2", NoAccess),
        ("53f50558", "fsqrt.s fa0,fa1", NoAccess),
        ("d7802102", "vadd.vv v1,v2,v3", NoAccess),
        ("87000502", "vle8.v v1,(a0)", Unknown),
        ("87700502", "vle64.v v1,(a0)", Unknown),
        ("17500000", "lpad 5", Unknown),
        ("0f204500", "cbo.zero (a0)", Unknown),
        ("732500c0", "rdcycle a0", Unknown),
        ("73251000", "frflags a0", Unknown),
        ("73102500", "fsrm a0", Unknown),
        ("732520c2", "csrr a0,vlenb", Unknown),
        ("73000000", "ecall", Privilege),
        ("0290", "ebreak", Privilege),
        ("73002030", "mret", Privilege),
        ("73002010", "sret", Privilege),
        ("73005010", "wfi", Privilege),
        ("7300b512", "sfence.vma a0,a1", ThisVcpu),
        ("73000062", "hfence.gvma", ThisVcpu),
        ("73c50568", "hlv.w a0,(a1)", ThisVcpu),
        ("73250018", "csrr a0,satp", Unknown),
        ("73100518", "csrw satp,a0", ThisVcpu),
        ("73200518", "csrs satp,a0", ThisVcpu),
        ("73700018", "csrci satp,0", Unknown),
        ("73d00018", "csrwi satp,1", ThisVcpu),
        ("73100528", "csrw vsatp,a0", ThisVcpu),
        ("73100568", "csrw hgatp,a0", ThisVcpu),
        ("73100560", "csrw hstatus,a0", ThisVcpu),
        ("73100530", "csrw mstatus,a0", Privilege),
        ("73700130", "csrci mstatus,2", Privilege),
        ("7310a530", "csrw menvcfg,a0", ThisVcpu),
        ("7310a510", "csrw senvcfg,a0", ThisVcpu),
        ("7310053a", "csrw pmpcfg0,a0", ThisVcpu),
        ("7390053b", "csrw pmpaddr0,a1", ThisVcpu),
        ("73600110", "csrsi sstatus,2", Privilege),
        ("73101514", "csrw sepc,a0", Privilege),
        ("7310d514", "csrw stimecmp,a0", Privilege),
        ("7310051b", "csrw 0x1b0,a0", ThisVcpu),
        ("7300d000", "wrs.nto", Privilege),
        ("73000016", "sinval.vma zero,zero", ThisVcpu),
        ("73000022", "hfence.vvma", ThisVcpu),
        ("73002070", "mnret", ThisVcpu),
        ("7300207b", "dret", ThisVcpu),
        ("73110114", "csrrw sp,sscratch,sp", Privilege),
        ("73250030", "csrr a0,mstatus", Unknown),
        ("0b000000", "custom-0", ThisVcpu),
    ];

    #[rustfmt::skip]
    const COMPRESSED: &[(&str, &str, Expected)] = &[
        ("0808", "c.addi4spn a0,sp,16", Always),
        ("0d05", "c.addi a0,3", Always),
        ("0d25", "c.addiw a0,3", Always),
        ("0d45", "c.li a0,3", Always),
        ("0d65", "c.lui a0,3", Always),
        ("0561", "c.addi16sp sp,32", Always),
        ("0d81", "c.srli a0,3", Always),
        ("0d8d", "c.sub a0,a1", Always),
        ("2d9d", "c.addw a0,a1", Always),
        ("0e05", "c.slli a0,3", Always),
        ("2e85", "c.mv a0,a1", Always),
        ("2e95", "c.add a0,a1", Always),
        ("0100", "c.nop", Always),
        ("8825", "c.fld fa0,8(a1)", OneAccess),
        ("8845", "c.lw a0,8(a1)", OneAccess),
        ("8865", "c.ld a0,8(a1)", OneAccess),
        ("88c5", "c.sw a0,8(a1)", OneAccess),
        ("88e5", "c.sd a0,8(a1)", OneAccess),
        ("88a5", "c.fsd fa0,8(a1)", OneAccess),
        ("2245", "c.lwsp a0,8(sp)", OneAccess),
        ("2265", "c.ldsp a0,8(sp)", OneAccess),
        ("2225", "c.fldsp fa0,8(sp)", OneAccess),
        ("2ac4", "c.swsp a0,8(sp)", OneAccess),
        ("2ae4", "c.sdsp a0,8(sp)", OneAccess),
        ("2aa4", "c.fsdsp fa0,8(sp)", OneAccess),
        ("11a0", "c.j .+4", NoAccess),
        ("11c1", "c.beqz a0,.+4", NoAccess),
        ("0285", "c.jr a0", NoAccess),
        ("0295", "c.jalr a0", NoAccess),
        ("2ab8", "also cm.push", Unknown),
        ("8160", "c.sspush ra", Unknown),
        ("8162", "c.sspopchk t0", Unknown),
        ("0080", "c.lbu", OneAccess),
        ("008c", "c.sh", OneAccess),
        ("009c", "reserved", Unknown),
        ("0290", "c.ebreak", Privilege),
    ];

    /// Where RV32 differs.
    #[rustfmt::skip]
    const RV32: &[(&str, &str, Expected)] = &[
        ("03b58500", "ld a0,8(a1), Zilsd", Unknown),
        ("23b4a500", "sd a0,8(a1), Zilsd", Unknown),
        ("03a58500", "lw a0,8(a1)", OneAccess),
        ("87b58500", "fld fa1,8(a1)", OneAccess),
        ("8865", "c.flw fa0,8(a1) or c.ld", Unknown),
        ("0d25", "c.jal", NoAccess),
        ("0d05", "c.addi a0,3", Always),
    ];

    #[test]
    fn instructions_of_32_bits() {
        check(riscv64, CASES);
    }

    #[test]
    fn instructions_of_16_bits() {
        check(riscv64, COMPRESSED);
    }

    #[test]
    fn rv32_differs_in_doublewords_and_jal() {
        check(riscv32, RV32);
    }

    #[test]
    fn lengths_must_fit() {
        for hex in ["", "13", "1305a5", "1305a5ff00", "0d05a5ff", "1305", "1f000000"] {
            assert_eq!(alone(&mut *riscv64(MACHINE), &bytes(hex)), Effects::UNKNOWN, "{hex}");
        }
    }

    #[test]
    fn one_dynamic_rounding_vouches_for_the_rest_of_the_block() {
        let fadd_dyn = bytes("53f5c502");
        let fadd_rm5 = bytes("53d5c502");
        let fmv = bytes("d38500e2");
        let rdcycle = bytes("732500c0");
        let mut block = riscv64(MACHINE);
        let mut completion = |code: &[u8]| block.effects(code).completion;
        assert_eq!(completion(&fmv), Completion::Always);
        assert_eq!(completion(&fadd_dyn), Completion::NoAccess);
        assert_eq!(completion(&fadd_dyn), Completion::Always);
        assert_eq!(completion(&fadd_rm5), Completion::Unknown);
        assert_eq!(completion(&fadd_dyn), Completion::Always);
        assert_eq!(completion(&rdcycle), Completion::Unknown);
        assert_eq!(completion(&fadd_dyn), Completion::NoAccess);
    }

    #[test]
    fn arithmetic_of_programs_completes_but_with_a_rounding_mode_that_is_reserved_in_its_bytes() {
        for mut block in [riscv32, riscv64].map(|make| make(PROGRAM)) {
            block.begin(&mut [].into_iter());
            let mut completion = |hex| block.effects(&bytes(hex)).completion;
            // fadd.d, fsqrt.s, then frflags, which ends a block, and fadd.d.
            assert_eq!(completion("53f5c502"), Completion::Always);
            assert_eq!(completion("53f50558"), Completion::Always);
            assert_eq!(completion("73251000"), Completion::Unknown);
            assert_eq!(completion("53f5c502"), Completion::Always);
            // fadd.d with mode 5; fcvtmod.w.d, which looks at frm.
            assert_eq!(completion("53d5c502"), Completion::Unknown);
            assert_eq!(completion("539585c2"), Completion::NoAccess);
        }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn memory_opcodes_are_not_said_to_access_nothing(
            opcode in prop::sample::select(vec![0x03_u32, 0x07, 0x23, 0x27, 0x2f]),
            rest in any::<u32>(),
        ) {
            let code = (rest & !0x7f | opcode).to_le_bytes();
            for mut decoder in [riscv32, riscv64].map(|make| make(PROGRAM)) {
                let completion = alone(&mut *decoder, &code).completion;
                prop_assert!(!matches!(completion, Completion::Always | Completion::NoAccess));
            }
        }

        #[test]
        fn no_instruction_makes_two_accesses_as_promised(code in any::<[u8; 4]>()) {
            let completion = alone(&mut *riscv64(PROGRAM), &code).completion;
            prop_assert_ne!(completion, Completion::LoadThenStore);
        }

        #[test]
        fn system_instructions_promise_no_completion(rest in any::<u32>()) {
            let code = (rest & !0x7f | OP_SYSTEM).to_le_bytes();
            for emulator in EMULATORS {
                let completion = alone(&mut *riscv64(emulator), &code).completion;
                prop_assert_eq!(completion, Completion::Unknown);
            }
        }
    }
}
