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
    /// Of these numbers; `clone` has its flags first.
    pub const fn new(
        [clone, clone3]: [i64; 2],
        [execve, execveat]: [i64; 2],
        rt_sigaction: i64,
        mmap: [i64; 2],
        [munmap, mremap]: [i64; 2],
    ) -> Self {
        Self { clone, clone3, execve, execveat, rt_sigaction, mmap, munmap, mremap, clone_flags: 0 }
    }

    /// Of newer architectures.
    pub const GENERIC: Self = Self::new([220, 435], [221, 281], 134, [222, 222], [215, 216]);

    /// Of most of those that came before.
    pub const fn older(execveat: i64, rt_sigaction: i64, mmap: [i64; 2]) -> Self {
        Self::new([120, 435], [11, execveat], rt_sigaction, mmap, [91, 163])
    }

    /// The same where `clone` has its flags second.
    pub const fn with_flags_second(self) -> Self {
        Self { clone_flags: 1, ..self }
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
