//! Counters that one thread raises and others may read at any time.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A 64-bit counter with one writer.
///
/// Adding is a plain load and store, not a locked read-modify-write: whoever may add is decided by
/// who owns the counter (one vCPU, or the holder of a core's lock). Readers, such as the report that
/// is made while vCPUs still run, see some recent value.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A counter that begins where the other is.
impl Clone for Counter {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.get()))
    }
}

impl Counter {
    /// Adds `n` and returns the sum. Only the counter's one writer may call this; a second one at the
    /// same time would lose counts (but nothing else).
    #[inline(always)]
    pub fn add(&self, n: u64) -> u64 {
        let sum = self.0.load(Relaxed).wrapping_add(n);
        self.0.store(sum, Relaxed);
        sum
    }

    /// Adds `n`, with any number of writers.
    #[inline(always)]
    pub fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Overwrites the value. Only the counter's one writer may call this.
    #[inline(always)]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// The current value.
    #[inline(always)]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Accesses and misses of one cache.
#[derive(Clone, Debug, Default)]
pub struct CacheStats {
    /// Accesses, hits and misses.
    pub accesses: Counter,
    /// Accesses that did not find their line.
    pub misses: Counter,
}

/// What an access is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// An instruction.
    Fetch,
    /// A load.
    Read,
    /// A store.
    Write,
    /// A dirty line of the level before, or a store that goes on from it.
    WriteBack,
}

impl Purpose {
    /// All purposes.
    pub const ALL: [Self; 4] = [Self::Fetch, Self::Read, Self::Write, Self::WriteBack];
}

/// What one core has a level beyond the first do, by [`Purpose`].
#[derive(Clone, Debug, Default)]
pub struct LowerStats([CacheStats; Purpose::ALL.len()]);

impl LowerStats {
    /// Accesses and misses for this purpose.
    #[inline(always)]
    pub fn of(&self, purpose: Purpose) -> &CacheStats {
        &self.0[purpose as usize]
    }
}

/// What one core counts beyond the accesses and misses of its first level.
#[derive(Clone, Debug, Default)]
pub struct HierarchyStats {
    /// Accesses to the second level.
    pub l2: LowerStats,
    /// Accesses to the third level.
    pub l3: LowerStats,
    /// Stores that went on to the level after the data cache.
    pub passed_stores: Counter,
    /// Dirty lines that left the data cache, the second and the third level, for the next one.
    pub write_backs: [Counter; 3],
    /// Bytes from memory.
    pub memory_read_bytes: Counter,
    /// Bytes to memory.
    pub memory_written_bytes: Counter,
}

/// The counters of one core's caches.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct CoreStats {
    /// Accesses of the instruction cache.
    pub fetches: Counter,
    /// Of the data cache.
    pub data: CacheStats,
    /// Accesses of the instruction cache that did not find their line.
    pub fetch_misses: Counter,
    /// Of the accesses of the data cache, those that store, where there is more than a first level or stores are
    /// told from loads.
    pub stores: CacheStats,
    /// All else, in runs that count it.
    pub hierarchy: Box<HierarchyStats>,
}
