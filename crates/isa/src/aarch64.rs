//! Arm A64.
//!
//! Model: the main encoding groups, then only what makes a difference.
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
//! - Everything else that accesses memory is unknown: atomics, store-exclusives, structures,
//!   SVE, tags, memory copies, `dc zva`.
//!
//! Writes of the registers that EL0 may have access to (op0 = 3, op1 = 3), of the interrupt masks
//! and reads of any register change no translation. All TLB maintenance counts as acting on
//! every vCPU: beside the broadcast forms, `HCR_EL2.FB` makes the local ones broadcast. So do
//! HVC and SMC, since PSCI can reset another vCPU.
//!
//! Sources: *Arm Architecture Reference Manual for A-profile architecture* (DDI 0487), chapters
//! C3, C4 and C5; QEMU `target/arm/translate-a64.c` of 7.2 and `target/arm/tcg/{a64.decode,
//! translate-a64.c}` of 10.0 and 10.2.

use crate::Completion::{Always, OneAccess, Unknown};
use crate::{Completion, Effects, TranslationEffect, WideAccess};

/// `insn[high:low]`.
fn bits(insn: u32, high: u32, low: u32) -> u32 {
    insn >> low & (u32::MAX >> (31 - (high - low)))
}

pub(crate) fn effects(wide: WideAccess, code: &[u8]) -> Effects {
    // Instructions are little-endian whatever the endianness of data.
    let Ok(code) = code.try_into() else {
        return Effects::UNKNOWN;
    };
    let insn = u32::from_le_bytes(code);
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
        // b, bl; cbz, cbnz; tbz, tbnz; b.cond; compare and branch.
        0x14..=0x17 | 0x94..=0x97 | 0x34..=0x37 | 0xb4..=0xb7 | 0x54 | 0x74 | 0xf4 => {
            Effects::plain(Unknown)
        }
        // br, blr, ret, but not eret, drps: those have bit 23 set (bit 24 means authenticated).
        0xd6 | 0xd7 if bits(insn, 23, 23) == 0 => Effects::plain(Unknown),
        // hvc, smc.
        0xd4 if bits(insn, 23, 21) == 0 && matches!(bits(insn, 1, 0), 2 | 3) => {
            Effects::new(Unknown, TranslationEffect::AllVcpus)
        }
        0xd5 => match bits(insn, 23, 22) {
            0b00 => {
                let (op1, crn) = (bits(insn, 18, 16), bits(insn, 15, 12));
                match (bits(insn, 21, 19), op1, crn) {
                    (0, 3, 2) => {
                        let hint = bits(insn, 11, 5);
                        let completes = hint == HINT_NOP || HINT_BTI.contains(&hint);
                        Effects::plain(if completes { Always } else { Unknown })
                    }
                    // Barriers: clrex, dsb, dmb only order accesses; isb, sb end the block.
                    (0, 3, 3) => Effects::plain(match bits(insn, 7, 5) {
                        2 | 4 | 5 => Always,
                        _ => Unknown,
                    }),
                    // msr daifset, msr daifclr.
                    (0, 3, 4) if bits(insn, 7, 5) >= 6 => Effects::plain(Unknown),
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

/// SYS, SYSL, MRS and MSR with a register.
fn system(insn: u32) -> TranslationEffect {
    let is_read = bits(insn, 21, 21) == 1;
    let (op0, op1) = (bits(insn, 20, 19), bits(insn, 18, 16));
    let (crn, crm) = (bits(insn, 15, 12), bits(insn, 11, 8));
    match (op0, op1, crn) {
        (2 | 3, _, _) if is_read => TranslationEffect::None,
        // tlbi, also the nXS forms.
        (1, _, 8 | 9) => TranslationEffect::AllVcpus,
        // ic, dc.
        (1, _, 7) if matches!(crm, 1 | 4..=6 | 10..=14) => TranslationEffect::None,
        // What EL0 may be allowed to write: NZCV, FPCR, TPIDR_EL0, counters, timers, but not
        // what is implementation defined.
        (3, 3, crn) if crn != 11 && crn != 15 => TranslationEffect::None,
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
    use crate::testing::Expected::{self, AllVcpus, Always, OneAccess, ThisVcpu, Unknown, Wide};
    use crate::testing::{check, config};

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
        ("9f3f03d5", "dsb sy", Always),
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
        ("02000014", "b .+8", Unknown),
        ("02000094", "bl .+8", Unknown),
        ("400000b4", "cbz x0,.+8", Unknown),
        ("40001837", "tbnz x0,#3,.+8", Unknown),
        ("40000054", "b.eq .+8", Unknown),
        ("00001fd6", "br x0", Unknown),
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
        ("010000d4", "svc #0", ThisVcpu),
        ("000020d4", "brk #0", ThisVcpu),
        ("000040d4", "hlt #0", ThisVcpu),
        ("e0039fd6", "eret", ThisVcpu),
        ("ff0b9fd6", "eretaa", ThisVcpu),
        ("e003bfd6", "drps", ThisVcpu),
        ("002018d5", "msr ttbr0_el1,x0", ThisVcpu),
        ("001018d5", "msr sctlr_el1,x0", ThisVcpu),
        ("402018d5", "msr tcr_el1,x0", ThisVcpu),
        ("20d018d5", "msr contextidr_el1,x0", ThisVcpu),
        ("00111cd5", "msr hcr_el2,x0", ThisVcpu),
        ("00211cd5", "msr vttbr_el2,x0", ThisVcpu),
        ("9f4100d5", "msr pan,#1", ThisVcpu),
        ("bf4100d5", "msr spsel,#1", ThisVcpu),
        ("007808d5", "at s1e1r,x0", ThisVcpu),
        ("7f4703d5", "smstart", ThisVcpu),
        ("020000d4", "hvc #0", AllVcpus),
        ("030000d4", "smc #0", AllVcpus),
        ("1f8708d5", "tlbi vmalle1", AllVcpus),
        ("1f8308d5", "tlbi vmalle1is", AllVcpus),
        ("208308d5", "tlbi vae1is,x0", AllVcpus),
        ("208108d5", "tlbi vae1os,x0", AllVcpus),
        ("208208d5", "tlbi rvae1is,x0", AllVcpus),
    ];

    #[test]
    fn instructions() {
        check(Isa::AArch64(WideAccess::Either), CASES);
    }

    #[test]
    fn lengths_must_fit() {
        for code in [&[0x1f, 0x20, 0x03][..], &[0x1f, 0x20, 0x03, 0xd5, 0]] {
            assert_eq!(effects(WideAccess::Either, code), Effects::UNKNOWN);
        }
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
            let completion = effects(WideAccess::Single, &insn.to_le_bytes()).completion;
            prop_assert!(completion != Completion::Always || is_prefetch);
        }

        #[test]
        fn sve_loads_and_stores_promise_nothing(rest in any::<u32>()) {
            let insn = rest & !(0b1111 << 25) | 0b0010 << 25 | 1 << 31;
            let effects = effects(WideAccess::Single, &insn.to_le_bytes());
            prop_assert_eq!(effects.completion, Completion::Unknown);
        }
    }
}
