//! The caches of a core that has more than a first level, or that tells stores from loads.
//!
//! The rules, which `docs/model.md` has for users:
//! - Levels are looked up from the first on. A miss goes to the next level, and fills every level that
//!   it passes, but for those that are exclusive of the one above.
//! - A store that misses fills like a load, unless it is not to allocate.
//! - A dirty victim is a store of its line to the next level. There it makes the line dirty that it
//!   finds, which is no use in the sense of the replacement policy (as in `ChampSim`'s LRU; its SRRIP
//!   promotes the line); where it finds none, the line is read from further down and filled, as for any
//!   store.
//!
//! What a level has in common with those above is a setting of the level:
//! - [`Inclusion::Inclusive`]: what the level evicts is invalidated in all levels above
//!   (back-invalidation). Hits above do not make a line more recent here.
//! - [`Inclusion::Exclusive`]: a hit takes the line out and moves it to the level above. All victims of
//!   that level come here, and nothing else does: a victim cache (Jouppi and Wilton, "Tradeoffs in
//!   two-level on-chip caching", ISCA 1994).
//!
//! With default settings of a second level the numbers are the reference's.

mod first;
mod lower;
mod lower_levels;
#[cfg(test)]
mod tests;
mod third;

pub use lower::{Evicted, LineState, LowerCache};
pub use third::{SharedCache, Slice, ThirdLevel};

use std::sync::Arc;

use crate::address::LineAddr;
use crate::config::{Config, Inclusion, WriteHit, WriteMiss, Writes};
use crate::core::{fetches_matter, repeats};
use crate::model::{Access, Kind, Misses, Model};
use crate::policy::Policy;
use crate::stats::{CoreStats, HierarchyStats, Purpose};
use crate::sync::atomic::{AtomicBool, Ordering};
use first::FirstLevel;
use lower_levels::{LowerLevels, SecondLevel};

/// The caches of one core, the first-level ones with policy `P`.
#[derive(Clone, Debug)]
pub struct Hierarchy<P: Policy> {
    first: FirstLevel<P>,
    /// Whether other cores have evicted what may be here.
    mail: Arc<AtomicBool>,
    writes: Option<Writes>,
    lower: LowerLevels,
}

/// The bytes at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    address: u64,
    bytes: u64,
}

impl Range {
    /// Addresses in each of the stretches of 2^`shift` bytes that it touches.
    fn stretches(self, shift: u32) -> impl Iterator<Item = u64> {
        let last = self.address.saturating_add(self.bytes - 1);
        (self.address >> shift..=last >> shift).map(move |stretch| stretch << shift)
    }
}

impl<P: Policy> Hierarchy<P> {
    /// Every line of the instruction cache and of the data cache.
    pub fn first_level(&self) -> (Vec<LineAddr>, Vec<LineAddr>) {
        self.first.lines()
    }

    /// Every line of the second level, of both caches if there are two.
    pub fn second_level(&self) -> Vec<LineAddr> {
        self.lower.second.as_ref().map(SecondLevel::lines).unwrap_or_default()
    }

    /// Every line of the third level.
    pub fn third_level(&self) -> Vec<LineAddr> {
        self.lower.third.as_ref().map(ThirdLevel::lines).unwrap_or_default()
    }

    /// Invalidates what other cores have evicted from the third level.
    fn apply_mail(&mut self, counts: &HierarchyStats) {
        let Some(third) = &mut self.lower.third else { return };
        for line in third.take_mail() {
            let state = self.lower.invalidate_above_third(line, &mut self.first);
            if state == LineState::Dirty {
                self.lower.write_to_memory_from_third(counts);
            }
        }
    }

    #[inline(always)]
    fn access_data(&mut self, access: Access, now: u64, counts: &HierarchyStats) -> Misses {
        let Access { kind, line, address, extent } = access;
        let stored = if kind == Kind::Store { self.writes } else { None };
        if let Some(line_index) = self.first.hit_data(line, now) {
            match stored.map(|writes| writes.on_hit) {
                Some(WriteHit::Back) => self.first.mark_dirty(line_index),
                Some(WriteHit::Through) => self.pass_on(access, counts),
                None => {}
            }
            return Misses::NONE;
        }
        if let Some(Writes { on_miss: WriteMiss::NoAllocate, .. }) = stored {
            counts.passed_stores.add(1);
            let range = self.first.within_line(address, extent.into());
            return self.lower.store(range, &mut self.first, counts).by(Purpose::Write);
        }
        let purpose = kind.purpose();
        let line_bytes = self.first.data_line_bytes();
        let (misses, found) =
            self.lower.read(address, line_bytes, purpose, &mut self.first, counts);
        let state = match stored {
            Some(Writes { on_hit: WriteHit::Back, .. }) => LineState::Dirty,
            _ => found,
        };
        if let Some(evicted) = self.first.fill_data(line, state, now) {
            let range = Range { address: self.first.data_address(evicted.line), bytes: line_bytes };
            self.evict_from_first(range, evicted.state, Purpose::Write, counts);
        }
        if let Some(Writes { on_hit: WriteHit::Through, .. }) = stored {
            self.pass_on(access, counts);
        }
        misses.by(purpose)
    }

    #[inline(always)]
    fn access_code(&mut self, access: Access, now: u64, counts: &HierarchyStats) -> Misses {
        let Access { line, address, .. } = access;
        if self.first.hit_fetch(line, now) {
            return Misses::NONE;
        }
        let line_bytes = self.first.fetch_line_bytes();
        let (misses, found) =
            self.lower.read(address, line_bytes, Purpose::Fetch, &mut self.first, counts);
        if found == LineState::Dirty {
            // An instruction cache has no dirty lines.
            let range = self.first.fetch_range(line);
            self.lower.write_past_exclusive(range, &mut self.first, counts);
        }
        if let Some(evicted) = self.first.fill_fetch(line, now) {
            let range = self.first.fetch_range(evicted);
            self.evict_from_first(range, LineState::Clean, Purpose::Fetch, counts);
        }
        misses.by(Purpose::Fetch)
    }

    /// A store that goes on to the next level.
    fn pass_on(&mut self, access: Access, counts: &HierarchyStats) {
        counts.passed_stores.add(1);
        let range = self.first.within_line(access.address, access.extent.into());
        self.lower.write_to_second(range, &mut self.first, counts);
    }

    /// What was a line of the first level is so no more.
    #[inline(always)]
    fn evict_from_first(
        &mut self,
        range: Range,
        state: LineState,
        purpose: Purpose,
        counts: &HierarchyStats,
    ) {
        if state == LineState::Dirty {
            counts.write_backs[0].add(1);
        }
        if self.lower.second_inclusion == Inclusion::Exclusive {
            if !self.first.holds(range) {
                self.lower.insert_into_second(range, state, purpose, &mut self.first, counts);
            } else if state == LineState::Dirty {
                // The other cache of the first level has the line still: it stays in one level.
                self.lower.write_past_exclusive(range, &mut self.first, counts);
            }
        } else if state == LineState::Dirty {
            self.lower.write_to_second(range, &mut self.first, counts);
        }
    }
}

impl<P: Policy> Model for Hierarchy<P> {
    type Shared = Option<Arc<SharedCache>>;

    const IS_HIERARCHY: bool = true;

    fn shared(config: &Config) -> Self::Shared {
        third::shared(config)
    }

    fn new(config: &Config, number: u32, shared: &Self::Shared) -> Self {
        let lower = LowerLevels::new(config, number, shared.as_ref());
        Self {
            first: FirstLevel::new(config, number),
            mail: lower.mail(),
            writes: config.writes(),
            lower,
        }
    }

    fn scratch_copy(shared: &Self::Shared) -> Self::Shared {
        shared.as_ref().map(|cache| Arc::new(cache.scratch_copy()))
    }

    fn on(&self, shared: &Self::Shared) -> Self {
        let mut copy = self.clone();
        if let (Some(ThirdLevel::Shared { cache, .. }), Some(shared)) =
            (&mut copy.lower.third, shared)
        {
            *cache = Arc::clone(shared);
        }
        copy.mail = copy.lower.mail();
        copy
    }

    #[inline(always)]
    fn has_mail(&self) -> bool {
        self.mail.load(Ordering::Acquire)
    }

    #[inline(always)]
    fn hits(&mut self, kind: Kind, line: LineAddr, fetches: u64, now: u64) -> bool {
        !fetches_matter::<P>(self.first.fetch_repeats(), fetches)
            && self.first.predicted_hit(kind, line, now)
    }

    #[inline(always)]
    fn simulate(&mut self, access: Access, now: u64, stats: &CoreStats) -> Misses {
        let counts = &stats.hierarchy;
        if self.has_mail() {
            self.apply_mail(counts);
        }
        if access.kind != Kind::Fetch {
            return self.access_data(access, now, counts);
        }
        let misses = self.access_code(access, now, counts);
        for _ in 0..repeats::<P>(self.first.fetch_repeats(), access) {
            self.first.hit_fetch(access.line, now);
        }
        misses
    }
}
