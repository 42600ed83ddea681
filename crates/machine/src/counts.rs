//! What has been counted, as plain data.

use std::collections::HashMap;

use cachesim::instructions::Instruction;
use cachesim::model::{Misses, Model, Port};
use cachesim::stats::{CacheStats, CoreStats, Counter, LowerStats, Purpose};
use cachesim::sync::atomic::{Ordering, fence};
use report::{
    CacheCounts, CoreProfile, CoreSnapshot, HierarchyCounts, LowerCounts, LowerMisses, MissesByKind,
};

use crate::core::{SimulatedCore, port_of};

/// What a run has counted so far.
#[derive(PartialEq, Eq, Debug)]
pub struct Counts {
    /// Per core.
    pub cores: Vec<CoreProfile>,
    /// Misses of accesses that are recorded but not yet simulated for good, to be added to the
    /// instructions' own.
    pub pending: HashMap<*const Instruction, PendingMisses>,
}

/// Misses of one instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PendingMisses {
    /// Of the data cache.
    pub data: u64,
    /// Those of them that are of stores.
    pub write: u64,
    /// Of the instruction cache.
    pub fetch: u64,
    /// Of what is beyond them.
    pub lower: LowerMisses,
}

impl PendingMisses {
    pub(crate) fn add(&mut self, misses: Misses) {
        match port_of(misses) {
            Port::Data => self.data += 1,
            Port::Fetch => self.fetch += 1,
        }
        self.write += u64::from(misses.purpose() == Purpose::Write);
        let count = |level: &mut MissesByKind| match misses.purpose() {
            Purpose::Fetch => level.fetch += 1,
            Purpose::Read => level.read += 1,
            Purpose::Write | Purpose::WriteBack => level.write += 1,
        };
        if misses.levels() >= 2 {
            count(&mut self.lower.l2);
        }
        if misses.levels() >= 3 {
            count(&mut self.lower.l3);
        }
    }
}

/// Of a cache that may be accessed meanwhile: the misses first, for theirs are among the accesses that are counted
/// before them.
fn counts_of(accesses: &Counter, misses: &Counter) -> CacheCounts {
    let misses = misses.get();
    // With that of `SimulatedCore::count_miss`.
    fence(Ordering::Acquire);
    CacheCounts { accesses: accesses.get(), misses }
}

fn cache_counts(CacheStats { accesses, misses }: &CacheStats) -> CacheCounts {
    counts_of(accesses, misses)
}

fn lower_counts(stats: &LowerStats) -> LowerCounts {
    let of = |purpose| cache_counts(stats.of(purpose));
    LowerCounts {
        fetch: of(Purpose::Fetch),
        read: of(Purpose::Read),
        write: of(Purpose::Write),
        write_back: of(Purpose::WriteBack),
    }
}

impl<M: Model> SimulatedCore<M> {
    /// What is in `stats`, which are this core's or go on from there.
    pub(crate) fn counts(&self, stats: &CoreStats) -> CoreSnapshot {
        let CoreStats { data, fetches, fetch_misses, stores, hierarchy } = stats;
        CoreSnapshot {
            data: cache_counts(data),
            fetch: counts_of(fetches, fetch_misses),
            hierarchy: (M::IS_HIERARCHY && !self.is_first_level_only).then(|| HierarchyCounts {
                stores: if self.tells_stores {
                    cache_counts(stores)
                } else {
                    CacheCounts::default()
                },
                l2: self.has_l2.then(|| lower_counts(&hierarchy.l2)),
                l3: self.has_l3.then(|| lower_counts(&hierarchy.l3)),
                passed_stores: hierarchy.passed_stores.get(),
                write_backs: hierarchy.write_backs.each_ref().map(Counter::get),
                memory_read_bytes: hierarchy.memory_read_bytes.get(),
                memory_written_bytes: hierarchy.memory_written_bytes.get(),
            }),
        }
    }
}
