//! Linux system calls of the guest architectures, by number.
//!
//! Sources: the kernel's `syscall.tbl` of each architecture, and `include/uapi/asm-generic/unistd.h` for
//! those that share the generic numbers.

/// A guest architecture's numbers for the calls that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbers {
    clone: i64,
    clone3: i64,
    /// Which argument of `clone` has the flags: the second where the architecture has them
    /// backwards.
    clone_flags: usize,
}

const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;

impl Numbers {
    const fn new(clone: i64, clone3: i64) -> Self {
        Self { clone, clone3, clone_flags: 0 }
    }

    /// Of the guest architecture that QEMU calls `target`.
    pub fn of_target(target: &str) -> Option<Self> {
        Some(match target {
            "aarch64" | "aarch64_be" | "hexagon" | "loongarch64" | "or1k" | "riscv32"
            | "riscv64" => Self::new(220, 435),
            "x86_64" => Self::new(56, 435),
            "arm" | "armeb" | "hppa" | "i386" | "m68k" | "microblaze" | "microblazeel" | "ppc"
            | "ppc64" | "ppc64le" | "sh4" | "sh4eb" => Self::new(120, 435),
            "s390x" => Self { clone_flags: 1, ..Self::new(120, 435) },
            "mips" | "mipsel" => Self::new(4120, 4435),
            "mips64" | "mips64el" => Self::new(5055, 5435),
            "mipsn32" | "mipsn32el" => Self::new(6055, 6435),
            "sparc" | "sparc32plus" | "sparc64" => Self::new(217, 435),
            "alpha" => Self::new(312, 545),
            "xtensa" | "xtensaeb" => Self::new(116, 435),
            _ => return None,
        })
    }

    /// Whether this call may start a thread: a `clone` that shares memory and is no `vfork`, which
    /// QEMU makes a `fork` of.
    pub fn may_start_thread(&self, number: i64, arguments: &[u64; 8]) -> bool {
        let flags = arguments[self.clone_flags];
        number == self.clone3
            || number == self.clone && flags & CLONE_VM != 0 && flags & CLONE_VFORK == 0
    }
}
