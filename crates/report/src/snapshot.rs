//! The counts of a run at one moment, as plain data.
//!
//! The rows of the lists are chosen ([`top_by`](crate::top_by)) before a snapshot is made, because
//! each of them needs a disassembly: of all the instructions executed, only those printed are
//! disassembled.

use std::iter::Sum;
use std::ops::Add;
use std::sync::Arc;

/// All that a report tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The counts of each core, in the order of their numbers, from 0.
    pub cores: Vec<CoreSnapshot>,
    /// The instructions that missed most; `None` if no lists are wanted (`limit=0`).
    pub lists: Option<MissLists>,
}

/// The instructions that missed most. Each list has its rows in the order of [`Rank`], the highest
/// first, and none that does not count.
///
/// [`Rank`]: crate::Rank
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MissLists {
    /// By stall cycles, in a run that has [costs of instructions](crate::Costs::of_instructions).
    pub stalls: Option<Vec<MissRow>>,
    /// By misses of the data cache.
    pub data: Vec<MissRow>,
    /// By misses of the instruction cache.
    pub fetch: Vec<MissRow>,
    /// By misses of the second level, if there is one.
    pub l2: Option<Vec<MissRow>>,
    /// By misses of the third level, if there is one.
    pub l3: Option<Vec<MissRow>>,
}

/// One instruction of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissRow {
    /// The virtual address of the instruction.
    pub vaddr: u64,
    /// The name of the function that holds it, if known. Any text: the guest wrote it.
    pub symbol: Option<Arc<str>>,
    /// The number that the list is about: the misses that it caused in a cache, or its stall cycles.
    pub count: u64,
    /// The instruction as text. Any text: the guest wrote the bytes behind it.
    pub disassembly: String,
}

/// The counts of one core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CoreSnapshot {
    /// Of the data cache.
    pub data: CacheCounts,
    /// Of the instruction cache.
    pub fetch: CacheCounts,
    /// Of what is beyond them, and of stores; `None` in a run of first-level caches only.
    pub hierarchy: Option<HierarchyCounts>,
}

impl CoreSnapshot {
    /// Of the accesses of the data cache, those that load. All, where stores were not counted apart.
    pub fn loads(&self) -> CacheCounts {
        let stores = self.hierarchy.unwrap_or_default().stores;
        CacheCounts {
            accesses: self.data.accesses.saturating_sub(stores.accesses),
            misses: self.data.misses.saturating_sub(stores.misses),
        }
    }
}

/// What a core has counted beyond the accesses and misses of its first level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HierarchyCounts {
    /// Of the accesses of the data cache, those that store, where they are told from loads
    /// ([`Config::tells_stores`](cachesim::config::Config::tells_stores)).
    pub stores: CacheCounts,
    /// This core's accesses to its second level, if there is one.
    pub l2: Option<LowerCounts>,
    /// This core's accesses to the third level, if there is one.
    pub l3: Option<LowerCounts>,
    /// Stores that went on to the level after the data cache: all with write-through, those that missed
    /// without write-allocate.
    pub passed_stores: u64,
    /// Dirty lines that left the data cache, the second and the third level, for the next one.
    pub write_backs: [u64; 3],
    /// Bytes from memory.
    pub memory_read_bytes: u64,
    /// Bytes to memory. 0 where stores are not modelled.
    pub memory_written_bytes: u64,
}

/// What a level beyond the first has counted. An access to it is a miss of the level before it, or what
/// that writes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LowerCounts {
    /// For instructions.
    pub fetch: CacheCounts,
    /// For loads.
    pub read: CacheCounts,
    /// For stores.
    pub write: CacheCounts,
    /// For dirty lines of the level before and stores that go on from it, which are not among the misses
    /// of that level.
    pub write_back: CacheCounts,
}

impl LowerCounts {
    /// For loads and stores.
    pub fn data(self) -> CacheCounts {
        self.read + self.write
    }

    /// For all but what is written back: the misses of the level before.
    pub fn total(self) -> CacheCounts {
        self.fetch + self.read + self.write
    }
}

/// What one cache has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheCounts {
    /// Accesses, hits and misses together.
    pub accesses: u64,
    /// Accesses that missed.
    pub misses: u64,
}

impl CacheCounts {
    /// Misses ÷ accesses; 0 if there were no accesses.
    pub fn miss_rate(self) -> f64 {
        ratio(self.misses, self.accesses)
    }

    /// The miss rate in percent.
    pub fn miss_percent(self) -> f64 {
        self.miss_rate() * 100.0
    }
}

/// `part` ÷ `whole`; 0 if both are.
#[allow(clippy::cast_precision_loss, reason = "counts above 2⁵³ lose digits that no report shows")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Saturates: a report never panics, and no run counts to 2⁶⁴.
impl Add for CacheCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            accesses: self.accesses.saturating_add(other.accesses),
            misses: self.misses.saturating_add(other.misses),
        }
    }
}

/// Of what both may have.
pub(crate) fn add_options<T: Add<Output = T>>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    }
}

impl Add for LowerCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            fetch: self.fetch + other.fetch,
            read: self.read + other.read,
            write: self.write + other.write,
            write_back: self.write_back + other.write_back,
        }
    }
}

impl Add for HierarchyCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let add = |one: u64, other| one.saturating_add(other);
        Self {
            stores: self.stores + other.stores,
            l2: add_options(self.l2, other.l2),
            l3: add_options(self.l3, other.l3),
            passed_stores: add(self.passed_stores, other.passed_stores),
            write_backs: std::array::from_fn(|level| {
                add(self.write_backs[level], other.write_backs[level])
            }),
            memory_read_bytes: add(self.memory_read_bytes, other.memory_read_bytes),
            memory_written_bytes: add(self.memory_written_bytes, other.memory_written_bytes),
        }
    }
}

impl Add for CoreSnapshot {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            data: self.data + other.data,
            fetch: self.fetch + other.fetch,
            hierarchy: add_options(self.hierarchy, other.hierarchy),
        }
    }
}

impl<'a> Sum<&'a Self> for CoreSnapshot {
    fn sum<I: Iterator<Item = &'a Self>>(cores: I) -> Self {
        cores.fold(Self::default(), |sum, core| sum + *core)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(accesses: u64, misses: u64) -> CacheCounts {
        CacheCounts { accesses, misses }
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "these quotients are exact")]
    fn the_miss_rate_without_accesses_is_zero() {
        assert_eq!(counts(0, 0).miss_percent(), 0.0);
        assert_eq!(counts(8, 1).miss_percent(), 12.5);
    }

    #[test]
    fn what_does_not_store_loads() {
        let hierarchy = HierarchyCounts { stores: counts(4, 3), ..HierarchyCounts::default() };
        let core =
            CoreSnapshot { data: counts(10, 5), hierarchy: Some(hierarchy), ..Default::default() };
        assert_eq!(core.loads(), counts(6, 2));
        assert_eq!(CoreSnapshot { hierarchy: None, ..core }.loads(), counts(10, 5));
    }

    #[test]
    fn cores_add_up_by_cache() {
        let cores = [
            CoreSnapshot { data: counts(10, 1), fetch: counts(100, 2), hierarchy: None },
            CoreSnapshot { data: counts(20, 3), fetch: counts(u64::MAX, 4), hierarchy: None },
        ];
        assert_eq!(
            cores.iter().sum::<CoreSnapshot>(),
            CoreSnapshot { data: counts(30, 4), fetch: counts(u64::MAX, 6), hierarchy: None }
        );
    }
}
