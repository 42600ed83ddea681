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
/// first, and none without a miss.
///
/// [`Rank`]: crate::Rank
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MissLists {
    /// By misses of the data cache.
    pub data: Vec<MissRow>,
    /// By misses of the instruction cache.
    pub fetch: Vec<MissRow>,
}

/// One instruction of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissRow {
    /// The virtual address of the instruction.
    pub vaddr: u64,
    /// The name of the function that holds it, if known. Any text: the guest wrote it.
    pub symbol: Option<Arc<str>>,
    /// The misses that it caused in the cache of this list.
    pub misses: u64,
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

impl Add for CoreSnapshot {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { data: self.data + other.data, fetch: self.fetch + other.fetch }
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
    fn cores_add_up_by_cache() {
        let cores = [
            CoreSnapshot { data: counts(10, 1), fetch: counts(100, 2) },
            CoreSnapshot { data: counts(20, 3), fetch: counts(u64::MAX, 4) },
        ];
        assert_eq!(
            cores.iter().sum::<CoreSnapshot>(),
            CoreSnapshot { data: counts(30, 4), fetch: counts(u64::MAX, 6) }
        );
    }
}
