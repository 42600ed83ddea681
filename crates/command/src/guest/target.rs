//! Which of QEMU's user-mode emulators is for which ELF file.
//!
//! Sources: `linux-user/*/target_elf.h` and `scripts/qemu-binfmt-conf.sh` of QEMU, which tell the same files apart;
//! the machine numbers are those of the crate `object`.

use object::Endianness;
use object::elf::{self, Machine};
use object::read::elf::FileHeader;
use std::fmt::{self, Display};

/// The `ARCH` of `qemu-ARCH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target(&'static str);

impl Target {
    /// QEMU's name for it.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The emulator of its programs.
    pub fn emulator(self) -> String {
        format!("qemu-{}", self.0)
    }
}

impl Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

use Endianness::{Big, Little};
use Width::{Bits32, Bits64};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Bits32,
    Bits64,
}

/// The machine, the width and the byte order of an ELF file, and the target that they mean.
static TARGETS: &[(Machine, Width, Endianness, &str)] = &[
    (elf::EM_386, Bits32, Little, "i386"),
    (elf::EM_X86_64, Bits64, Little, "x86_64"),
    (elf::EM_ARM, Bits32, Little, "arm"),
    (elf::EM_ARM, Bits32, Big, "armeb"),
    (elf::EM_AARCH64, Bits64, Little, "aarch64"),
    (elf::EM_AARCH64, Bits64, Big, "aarch64_be"),
    (elf::EM_MIPS, Bits32, Big, "mips"),
    (elf::EM_MIPS, Bits32, Little, "mipsel"),
    (elf::EM_MIPS_RS3_LE, Bits32, Little, "mipsel"),
    (elf::EM_MIPS, Bits64, Big, "mips64"),
    (elf::EM_MIPS, Bits64, Little, "mips64el"),
    (elf::EM_PPC, Bits32, Big, "ppc"),
    (elf::EM_PPC64, Bits64, Big, "ppc64"),
    (elf::EM_PPC64, Bits64, Little, "ppc64le"),
    (elf::EM_RISCV, Bits32, Little, "riscv32"),
    (elf::EM_RISCV, Bits64, Little, "riscv64"),
    (elf::EM_S390, Bits64, Big, "s390x"),
    (elf::EM_SPARC, Bits32, Big, "sparc"),
    (elf::EM_SPARC32PLUS, Bits32, Big, "sparc32plus"),
    (elf::EM_SPARCV9, Bits64, Big, "sparc64"),
    (elf::EM_LOONGARCH, Bits64, Little, "loongarch64"),
    (elf::EM_68K, Bits32, Big, "m68k"),
    (elf::EM_PARISC, Bits32, Big, "hppa"),
    (elf::EM_SH, Bits32, Little, "sh4"),
    (elf::EM_SH, Bits32, Big, "sh4eb"),
    (elf::EM_MICROBLAZE, Bits32, Little, "microblazeel"),
    (elf::EM_MICROBLAZE, Bits32, Big, "microblaze"),
    (elf::EM_ALPHA, Bits64, Little, "alpha"),
    (elf::EM_FAKE_ALPHA, Bits64, Little, "alpha"),
    (elf::EM_OPENRISC, Bits32, Big, "or1k"),
    (elf::EM_XTENSA, Bits32, Little, "xtensa"),
    (elf::EM_XTENSA, Bits32, Big, "xtensaeb"),
    (elf::EM_HEXAGON, Bits32, Little, "hexagon"),
    (elf::EM_CRIS, Bits32, Little, "cris"),
    (elf::EM_ALTERA_NIOS2, Bits32, Little, "nios2"),
];

/// MIPS has two ABIs in 32-bit files. That with registers of 64 bits is called n32, and its files are marked.
static N32_TARGETS: [(&str, &str); 2] = [("mips", "mipsn32"), ("mipsel", "mipsn32el")];

/// The target of a file with this header; else why there is none.
pub fn of<Elf>(header: &Elf, endian: Endianness) -> Result<Target, String>
where
    Elf: FileHeader<Endian = Endianness>,
{
    let width = if header.is_type_64() { Bits64 } else { Bits32 };
    let machine = header.e_machine(endian);
    let kind = (machine, width, endian);
    let row =
        TARGETS.iter().find(|(machine, width, endian, _)| (*machine, *width, *endian) == kind);
    let Some(&(.., name)) = row else {
        let bits = if width == Bits64 { 64 } else { 32 };
        return Err(format!(
            "QEMU has no user mode for its architecture (ELF machine {}, {bits} bits, {endian:?} endian)",
            machine.0
        ));
    };
    let is_n32 = header.e_flags(endian).0 & elf::EF_MIPS_ABI2.0 != 0;
    let n32 = N32_TARGETS.iter().find(|(o32, _)| is_n32 && *o32 == name);
    Ok(Target(n32.map_or(name, |(_, n32)| *n32)))
}

/// All targets.
pub fn all() -> impl Iterator<Item = Target> {
    let n32 = N32_TARGETS.iter().map(|(_, n32)| Target(n32));
    TARGETS.iter().map(|(.., name)| Target(name)).chain(n32)
}

/// The Debian package that has this loader for a program of the target, as a cross compiler uses it.
pub fn debian_package(target: Target, loader: &str) -> Option<&'static str> {
    // Those of other C libraries are in no such package.
    if !loader.contains("/ld-linux") && !loader.contains("/ld.so") && !loader.contains("/ld64.so") {
        return None;
    }
    Some(match target.0 {
        "i386" => "libc6-i386-cross",
        "x86_64" => "libc6-amd64-cross",
        "arm" if loader.contains("armhf") => "libc6-armhf-cross",
        "arm" => "libc6-armel-cross",
        "aarch64" => "libc6-arm64-cross",
        "mips" => "libc6-mips-cross",
        "mipsel" => "libc6-mipsel-cross",
        "mipsn32" => "libc6-mipsn32-cross",
        "mipsn32el" => "libc6-mipsn32el-cross",
        "mips64" => "libc6-mips64-cross",
        "mips64el" => "libc6-mips64el-cross",
        "ppc" => "libc6-powerpc-cross",
        "ppc64" => "libc6-ppc64-cross",
        "ppc64le" => "libc6-ppc64el-cross",
        "riscv64" => "libc6-riscv64-cross",
        "s390x" => "libc6-s390x-cross",
        "sparc64" => "libc6-sparc64-cross",
        "loongarch64" => "libc6-loong64-cross",
        "m68k" => "libc6-m68k-cross",
        "hppa" => "libc6-hppa-cross",
        "sh4" => "libc6-sh4-cross",
        "alpha" => "libc6.1-alpha-cross",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::elf::{FileHeader32, Ident};
    use object::endian::{U16, U32};

    fn ident(class: elf::FileClass, endian: Endianness) -> Ident {
        let data = if endian == Big { elf::ELFDATA2MSB } else { elf::ELFDATA2LSB };
        Ident {
            magic: elf::ELFMAG,
            class,
            data,
            version: elf::EV_CURRENT,
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            padding: [0; 7],
        }
    }

    fn of_bits32(machine: Machine, endian: Endianness, flags: u32) -> Result<Target, String> {
        let header = FileHeader32 {
            e_ident: ident(elf::ELFCLASS32, endian),
            e_type: U16::new(endian, elf::ET_EXEC),
            e_machine: U16::new(endian, machine),
            e_version: U32::new(endian, 1),
            e_entry: U32::new(endian, 0),
            e_phoff: U32::new(endian, 0),
            e_shoff: U32::new(endian, 0),
            e_flags: U32::new(endian, elf::FileFlags(flags)),
            e_ehsize: U16::new(endian, 52),
            e_phentsize: U16::new(endian, 0),
            e_phnum: U16::new(endian, 0),
            e_shentsize: U16::new(endian, 0),
            e_shnum: U16::new(endian, 0),
            e_shstrndx: U16::new(endian, elf::SymbolSection(0)),
        };
        of(&header, endian)
    }

    #[test]
    fn the_three_abis_of_mips_are_told_apart() {
        let name = |endian, flags| of_bits32(elf::EM_MIPS, endian, flags).unwrap().name();
        assert_eq!(name(Big, 0x1007), "mips");
        assert_eq!(name(Little, 0x1007), "mipsel");
        assert_eq!(name(Big, 0x6000_0027), "mipsn32");
        assert_eq!(name(Little, 0x6000_0027), "mipsn32el");
    }

    #[test]
    fn the_flag_of_n32_means_nothing_elsewhere() {
        assert_eq!(of_bits32(elf::EM_ARM, Little, 0x20).unwrap().name(), "arm");
    }

    #[test]
    fn what_qemu_does_not_emulate_is_refused_with_its_number() {
        // x32: a file of 32 bits for a processor of 64.
        let why = of_bits32(elf::EM_X86_64, Little, 0).unwrap_err();
        assert!(why.contains("machine 62, 32 bits"), "{why}");
        assert!(of_bits32(elf::EM_RISCV, Big, 0).is_err());
    }

    #[test]
    fn packages_are_named_for_the_gnu_library_alone() {
        let package = |target, loader| debian_package(Target(target), loader);
        assert_eq!(
            package("riscv64", "/lib/ld-linux-riscv64-lp64d.so.1"),
            Some("libc6-riscv64-cross")
        );
        assert_eq!(package("arm", "/lib/ld-linux-armhf.so.3"), Some("libc6-armhf-cross"));
        assert_eq!(package("arm", "/lib/ld-linux.so.3"), Some("libc6-armel-cross"));
        assert_eq!(package("mips", "/lib/ld.so.1"), Some("libc6-mips-cross"));
        assert_eq!(package("ppc64le", "/lib64/ld64.so.2"), Some("libc6-ppc64el-cross"));
        assert_eq!(package("riscv64", "/lib/ld-musl-riscv64.so.1"), None);
    }

    #[test]
    fn no_two_rows_are_for_the_same_files() {
        for (index, (machine, width, endian, name)) in TARGETS.iter().enumerate() {
            let same = |row: &(Machine, Width, Endianness, &str)| {
                (row.0, row.1, row.2) == (*machine, *width, *endian)
            };
            assert!(!TARGETS[..index].iter().any(same), "{name}");
        }
    }
}
