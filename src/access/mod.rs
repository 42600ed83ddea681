//! What QEMU calls for executed instructions and memory accesses: find the core, ask the fast question, else
//! make an event.

mod addressing;
mod callbacks;
mod info;
mod records;

use machine::Directory;

pub use addressing::{
    Addressing, CachedPhysical, Physical, SHARED_GENERATION, Virtual, vcpu_made_here,
};
pub use callbacks::{AnyLines, CallbackSet, InsnCallback, LineSize, Lines64, MemCallback, Of};
pub use info::{expect_readable_stores, memory_info_is_readable};
pub use records::{AccessData, Detail, Full, Plain, pack_count, pack_record};

/// Where the callbacks of this file's run find their vCPUs and cores.
pub static DIRECTORY: Directory = Directory::new();
