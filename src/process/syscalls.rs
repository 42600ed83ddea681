//! Linux system calls of the guest architectures, by number.
//!
//! Sources: the kernel's `syscall.tbl` of each architecture, and `include/uapi/asm-generic/unistd.h` for
//! those that share the generic numbers.

/// A guest architecture's numbers for the calls that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbers {
    clone: i64,
    clone3: i64,
    execve: i64,
    execveat: i64,
    rt_sigaction: i64,
    /// The calls that map files, twice the same where there is one.
    mmap: [i64; 2],
    munmap: i64,
    mremap: i64,
    /// Which argument of `clone` has the flags: the second where the architecture has them
    /// backwards.
    clone_flags: usize,
}

/// What a system call may change in what is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MappingChange {
    /// There may be another file, anywhere.
    File,
    /// What is at these addresses may be gone, or be memory without a file.
    Range {
        /// The first address.
        start: u64,
        /// How many there are.
        bytes: u64,
    },
}

/// The old `mmap`, which on several architectures has its arguments in memory.
const OLD_MMAP: i64 = 90;

const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;

impl Numbers {
    const fn new(
        [clone, clone3]: [i64; 2],
        [execve, execveat]: [i64; 2],
        rt_sigaction: i64,
        mmap: [i64; 2],
        [munmap, mremap]: [i64; 2],
    ) -> Self {
        Self { clone, clone3, execve, execveat, rt_sigaction, mmap, munmap, mremap, clone_flags: 0 }
    }

    /// Of newer architectures.
    const GENERIC: Self = Self::new([220, 435], [221, 281], 134, [222, 222], [215, 216]);

    /// Of the guest architecture that QEMU calls `target`.
    pub fn of_target(target: &str) -> Option<Self> {
        // Most of those that came before.
        let older = |execveat, rt_sigaction, mmap| {
            Self::new([120, 435], [11, execveat], rt_sigaction, mmap, [91, 163])
        };
        Some(match target {
            "riscv32" | "riscv64" | "aarch64" | "aarch64_be" | "hexagon" | "loongarch64"
            | "or1k" => Self::GENERIC,
            "x86_64" => Self::new([56, 435], [59, 322], 13, [9, 9], [11, 25]),
            "i386" => older(358, 174, [90, 192]),
            "arm" | "armeb" => older(387, 174, [90, 192]),
            "hppa" => older(342, 174, [90, 89]),
            "m68k" => older(355, 174, [90, 192]),
            "microblaze" | "microblazeel" | "sh4" | "sh4eb" => older(388, 174, [90, 192]),
            "ppc" | "ppc64" | "ppc64le" => older(362, 173, [90, 192]),
            "s390x" => Self { clone_flags: 1, ..older(354, 174, [90, 192]) },
            "mips" | "mipsel" => {
                Self::new([4120, 4435], [4011, 4356], 4194, [4090, 4210], [4091, 4167])
            }
            "mips64" | "mips64el" => {
                Self::new([5055, 5435], [5057, 5316], 5013, [5009, 5009], [5011, 5024])
            }
            "mipsn32" | "mipsn32el" => {
                Self::new([6055, 6435], [6057, 6320], 6013, [6009, 6009], [6011, 6024])
            }
            "sparc" | "sparc32plus" | "sparc64" => {
                Self::new([217, 435], [59, 350], 102, [71, 56], [73, 250])
            }
            "alpha" => Self::new([312, 545], [59, 513], 352, [71, 71], [73, 341]),
            "xtensa" | "xtensaeb" => Self::new([116, 435], [117, 341], 225, [80, 80], [81, 88]),
            _ => return None,
        })
    }

    /// Whether this call replaces the program by another one, if it succeeds.
    pub fn replaces_program(&self, number: i64) -> bool {
        number == self.execve || number == self.execveat
    }

    /// What this call may change in which files are mapped where.
    pub fn mapping_change(&self, number: i64, arguments: &[u64; 8]) -> Option<MappingChange> {
        let [start, bytes, _, _, descriptor, ..] = *arguments;
        if number == self.munmap {
            return Some(MappingChange::Range { start, bytes });
        }
        // A descriptor of -1 is no file's. The address may be a demand, and replaces what is there.
        let is_file = number == OLD_MMAP || descriptor & 0xffff_ffff != 0xffff_ffff;
        if self.mmap.contains(&number) && !is_file {
            return Some(MappingChange::Range { start, bytes });
        }
        (self.mmap.contains(&number) || number == self.mremap).then_some(MappingChange::File)
    }

    /// Whether this call sets what a signal does.
    pub fn sets_signal_action(&self, number: i64) -> bool {
        number == self.rt_sigaction
    }

    /// Whether this call may start a thread: a `clone` that shares memory and is no `vfork`, which
    /// QEMU makes a `fork` of.
    pub fn may_start_thread(&self, number: i64, arguments: &[u64; 8]) -> bool {
        let flags = arguments[self.clone_flags];
        number == self.clone3
            || number == self.clone && flags & CLONE_VM != 0 && flags & CLONE_VFORK == 0
    }
}
