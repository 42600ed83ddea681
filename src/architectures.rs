//! The guest architectures, a row each: all that depends on the name QEMU gives its target.
//!
//! A new architecture is a decoder in `crates/isa` and a row here. Of a target without a row nothing is known,
//! which is always right: each instruction has its own callbacks, and QEMU disassembles.
//!
//! Source of the page sizes: `TARGET_PAGE_BITS` in QEMU's `target/*/cpu-param.h`.

use capstone::{Arch, Endian, Mode};
use isa::{ByteOrder, Encoding, Isa};

use crate::process::syscalls::Numbers;
use crate::translate::disassembly::Disassembler;

/// What is known of a guest architecture.
#[derive(Clone, Copy, Debug)]
pub struct Architecture {
    /// QEMU's names for it (`target_name` of `qemu_info_t`).
    targets: &'static [&'static str],
    /// Its decoder, with nothing assumed about QEMU's version or mode.
    pub decoder: Isa,
    /// Linux's numbers of system calls.
    pub syscalls: Option<Numbers>,
    /// What makes text of its instructions.
    pub disassembler: Disassembler,
    /// The smallest page that one translation can map in QEMU.
    pub smallest_page_bytes: u64,
}

const KIB: u64 = 1024;

impl Architecture {
    /// The one that QEMU calls `target`.
    pub fn of_target(target: &str) -> &'static Self {
        ARCHITECTURES.iter().find(|row| row.targets.contains(&target)).unwrap_or(&UNKNOWN)
    }
}

const UNKNOWN: Architecture = Architecture {
    targets: &[],
    decoder: Isa::Unknown,
    syscalls: None,
    disassembler: Disassembler::ByQemu,
    smallest_page_bytes: 1,
};

const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        targets: &["riscv32"],
        decoder: Isa::OldRiscV32,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::deferred(Arch::RISCV, Mode::RiscV32, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["riscv64"],
        decoder: Isa::OldRiscV64,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::deferred(Arch::RISCV, Mode::RiscV64, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["aarch64", "aarch64_be"],
        decoder: Isa::AARCH64,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::deferred(Arch::ARM64, Mode::Arm, Endian::Little),
        // Pages of 1 KiB, before Armv6, are a limit of the decoder: see the crate `isa`.
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["x86_64"],
        decoder: Isa::X86_64,
        syscalls: Some(Numbers::new([56, 435], [59, 322], 13, [9, 9], [11, 25])),
        disassembler: Disassembler::deferred(Arch::X86, Mode::Mode64, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["i386"],
        decoder: Isa::I386,
        syscalls: Some(Numbers::older(358, 174, [90, 192])),
        disassembler: Disassembler::deferred(Arch::X86, Mode::Mode64, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["arm", "armeb"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::older(387, 174, [90, 192])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: KIB,
    },
    Architecture {
        targets: &["loongarch64"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["hexagon"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 64 * KIB,
    },
    Architecture {
        targets: &["or1k"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 8 * KIB,
    },
    Architecture {
        targets: &["hppa"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::older(342, 174, [90, 89])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["m68k"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::older(355, 174, [90, 192])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["microblaze", "microblazeel", "sh4", "sh4eb"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::older(388, 174, [90, 192])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["ppc"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::older(362, 173, [90, 192])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["ppc64"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::older(362, 173, [90, 192])),
        disassembler: Disassembler::deferred(Arch::PPC, Mode::Mode64, Endian::Big),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["ppc64le"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::older(362, 173, [90, 192])),
        disassembler: Disassembler::deferred(Arch::PPC, Mode::Mode64, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["s390x"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::older(354, 174, [90, 192]).with_flags_second()),
        disassembler: Disassembler::deferred(Arch::SYSZ, Mode::Default, Endian::Big),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mips"],
        decoder: Isa::Mips(ByteOrder::Big, Encoding::Undecided),
        syscalls: Some(Numbers::new([4120, 4435], [4011, 4356], 4194, [4090, 4210], [4091, 4167])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mipsel"],
        decoder: Isa::Mips(ByteOrder::Little, Encoding::Undecided),
        syscalls: Some(Numbers::new([4120, 4435], [4011, 4356], 4194, [4090, 4210], [4091, 4167])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mips64"],
        decoder: Isa::Mips(ByteOrder::Big, Encoding::Undecided),
        syscalls: Some(Numbers::new([5055, 5435], [5057, 5316], 5013, [5009, 5009], [5011, 5024])),
        disassembler: Disassembler::deferred(Arch::MIPS, Mode::Mips64, Endian::Big),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mips64el"],
        decoder: Isa::Mips(ByteOrder::Little, Encoding::Undecided),
        syscalls: Some(Numbers::new([5055, 5435], [5057, 5316], 5013, [5009, 5009], [5011, 5024])),
        disassembler: Disassembler::deferred(Arch::MIPS, Mode::Mips64, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mipsn32"],
        decoder: Isa::Mips(ByteOrder::Big, Encoding::Undecided),
        syscalls: Some(Numbers::new([6055, 6435], [6057, 6320], 6013, [6009, 6009], [6011, 6024])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mipsn32el"],
        decoder: Isa::Mips(ByteOrder::Little, Encoding::Undecided),
        syscalls: Some(Numbers::new([6055, 6435], [6057, 6320], 6013, [6009, 6009], [6011, 6024])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["sparc", "sparc32plus"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::new([217, 435], [59, 350], 102, [71, 56], [73, 250])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["sparc64"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::new([217, 435], [59, 350], 102, [71, 56], [73, 250])),
        disassembler: Disassembler::deferred(Arch::SPARC, Mode::V9, Endian::Big),
        smallest_page_bytes: 8 * KIB,
    },
    Architecture {
        targets: &["alpha"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::new([312, 545], [59, 513], 352, [71, 71], [73, 341])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 8 * KIB,
    },
    Architecture {
        targets: &["xtensa", "xtensaeb"],
        decoder: Isa::Unknown,
        syscalls: Some(Numbers::new([116, 435], [117, 341], 225, [80, 80], [81, 88])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_row() {
        let mut names: Vec<_> = ARCHITECTURES.iter().flat_map(|row| row.targets).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn of_an_unknown_target_nothing_is_known() {
        let unknown = Architecture::of_target("pdp11");
        assert_eq!(unknown.decoder, Isa::Unknown);
        assert_eq!(unknown.syscalls, None);
    }

    #[test]
    fn targets_have_their_decoders() {
        for (target, decoder) in [
            ("riscv32", Isa::OldRiscV32),
            ("riscv64", Isa::OldRiscV64),
            ("aarch64_be", Isa::AARCH64),
            ("x86_64", Isa::X86_64),
            ("i386", Isa::I386),
            ("arm", Isa::Unknown),
        ] {
            assert_eq!(Architecture::of_target(target).decoder, decoder, "{target}");
        }
    }
}
