//! The guest architectures, a row each: all that depends on the name QEMU gives its target.
//!
//! A new architecture is a decoder in `crates/isa` and a row here. Of a target without a row nothing is known,
//! which is always right: each instruction has its own callbacks, and QEMU disassembles.
//!
//! Source of the page sizes: `TARGET_PAGE_BITS` in QEMU's `target/*/cpu-param.h`.

use capstone::{Arch, Endian, Mode};
use isa::{ByteOrder, MakeDecoder};

use crate::process::syscalls::Numbers;
use crate::translate::disassembly::Disassembler;

/// What is known of a guest architecture.
#[derive(Clone, Copy, Debug)]
pub struct Architecture {
    /// QEMU's names for it (`target_name` of `qemu_info_t`).
    targets: &'static [&'static str],
    /// Its decoder, for a given QEMU.
    pub decoder: MakeDecoder,
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
    decoder: isa::undecoded,
    syscalls: None,
    disassembler: Disassembler::ByQemu,
    smallest_page_bytes: 1,
};

const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        targets: &["riscv32"],
        decoder: isa::riscv32,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::deferred(Arch::RISCV, Mode::RiscV32, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["riscv64"],
        decoder: isa::riscv64,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::deferred(Arch::RISCV, Mode::RiscV64, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["aarch64", "aarch64_be"],
        decoder: isa::aarch64,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::deferred(Arch::ARM64, Mode::Arm, Endian::Little),
        // Pages of 1 KiB, before Armv6, are a limit of the decoder: see the crate `isa`.
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["x86_64"],
        decoder: isa::x86_64,
        syscalls: Some(Numbers::new([56, 435], [59, 322], 13, [9, 9], [11, 25])),
        disassembler: Disassembler::deferred(Arch::X86, Mode::Mode64, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["i386"],
        decoder: isa::i386,
        syscalls: Some(Numbers::older(358, 174, [90, 192])),
        disassembler: Disassembler::deferred(Arch::X86, Mode::Mode64, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["arm", "armeb"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::older(387, 174, [90, 192])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: KIB,
    },
    Architecture {
        targets: &["loongarch64"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["hexagon"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 64 * KIB,
    },
    Architecture {
        targets: &["or1k"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::GENERIC),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 8 * KIB,
    },
    Architecture {
        targets: &["hppa"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::older(342, 174, [90, 89])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["m68k"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::older(355, 174, [90, 192])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["microblaze", "microblazeel", "sh4", "sh4eb"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::older(388, 174, [90, 192])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["ppc"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::older(362, 173, [90, 192])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["ppc64"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::older(362, 173, [90, 192])),
        disassembler: Disassembler::deferred(Arch::PPC, Mode::Mode64, Endian::Big),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["ppc64le"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::older(362, 173, [90, 192])),
        disassembler: Disassembler::deferred(Arch::PPC, Mode::Mode64, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["s390x"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::older(354, 174, [90, 192]).with_flags_second()),
        disassembler: Disassembler::deferred(Arch::SYSZ, Mode::Default, Endian::Big),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mips"],
        decoder: |emulator| isa::mips(ByteOrder::Big, emulator),
        syscalls: Some(Numbers::new([4120, 4435], [4011, 4356], 4194, [4090, 4210], [4091, 4167])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mipsel"],
        decoder: |emulator| isa::mips(ByteOrder::Little, emulator),
        syscalls: Some(Numbers::new([4120, 4435], [4011, 4356], 4194, [4090, 4210], [4091, 4167])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mips64"],
        decoder: |emulator| isa::mips(ByteOrder::Big, emulator),
        syscalls: Some(Numbers::new([5055, 5435], [5057, 5316], 5013, [5009, 5009], [5011, 5024])),
        disassembler: Disassembler::deferred(Arch::MIPS, Mode::Mips64, Endian::Big),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mips64el"],
        decoder: |emulator| isa::mips(ByteOrder::Little, emulator),
        syscalls: Some(Numbers::new([5055, 5435], [5057, 5316], 5013, [5009, 5009], [5011, 5024])),
        disassembler: Disassembler::deferred(Arch::MIPS, Mode::Mips64, Endian::Little),
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mipsn32"],
        decoder: |emulator| isa::mips(ByteOrder::Big, emulator),
        syscalls: Some(Numbers::new([6055, 6435], [6057, 6320], 6013, [6009, 6009], [6011, 6024])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["mipsn32el"],
        decoder: |emulator| isa::mips(ByteOrder::Little, emulator),
        syscalls: Some(Numbers::new([6055, 6435], [6057, 6320], 6013, [6009, 6009], [6011, 6024])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["sparc", "sparc32plus"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::new([217, 435], [59, 350], 102, [71, 56], [73, 250])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
    Architecture {
        targets: &["sparc64"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::new([217, 435], [59, 350], 102, [71, 56], [73, 250])),
        disassembler: Disassembler::deferred(Arch::SPARC, Mode::V9, Endian::Big),
        smallest_page_bytes: 8 * KIB,
    },
    Architecture {
        targets: &["alpha"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::new([312, 545], [59, 513], 352, [71, 71], [73, 341])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 8 * KIB,
    },
    Architecture {
        targets: &["xtensa", "xtensaeb"],
        decoder: isa::undecoded,
        syscalls: Some(Numbers::new([116, 435], [117, 341], 225, [80, 80], [81, 88])),
        disassembler: Disassembler::ByQemu,
        smallest_page_bytes: 4 * KIB,
    },
];

const _: () =
    assert!(has_each_name_once(ARCHITECTURES), "of two rows of a name one is never found");

const fn has_each_name_once(rows: &[Architecture]) -> bool {
    let mut row = 0;
    while row < rows.len() {
        let mut name = 0;
        while name < rows[row].targets.len() {
            if times_named(rows, rows[row].targets[name]) != 1 {
                return false;
            }
            name += 1;
        }
        row += 1;
    }
    true
}

const fn times_named(rows: &[Architecture], target: &str) -> usize {
    let (mut times, mut row) = (0, 0);
    while row < rows.len() {
        let mut name = 0;
        while name < rows[row].targets.len() {
            times += is_same(rows[row].targets[name].as_bytes(), target.as_bytes()) as usize;
            name += 1;
        }
        row += 1;
    }
    times
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}
