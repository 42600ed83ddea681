//! What is beyond the first level of a core: its second level, and its part of the third.

use std::sync::Arc;

use super::Range;
use super::first::FirstLevel;
use super::lower::{Evicted, LineState, LowerCache};
use super::third::{Found, SharedCache, ThirdLevel};
use crate::address::LineAddr;
use crate::config::{Config, Inclusion, L2Kind};
use crate::model::Depth;
use crate::policy::Policy;
use crate::stats::{HierarchyStats, LowerStats, Purpose};
use crate::sync::atomic::AtomicBool;

/// What is beyond the first level.
#[derive(Clone, Debug)]
pub(super) struct LowerLevels {
    pub(super) second: Option<SecondLevel>,
    pub(super) third: Option<ThirdLevel>,
    /// What the second level has in common with the first.
    pub(super) second_inclusion: Inclusion,
    /// What the third level has in common with those above.
    pub(super) third_inclusion: Inclusion,
}

/// The second level.
#[derive(Clone, Debug)]
pub(super) struct SecondLevel {
    /// The only cache, or that for data.
    data: LowerCache,
    /// That for instructions, if there are two.
    fetch: Option<LowerCache>,
}

impl SecondLevel {
    fn of(&mut self, purpose: Purpose) -> &mut LowerCache {
        match &mut self.fetch {
            Some(fetch) if purpose == Purpose::Fetch => fetch,
            _ => &mut self.data,
        }
    }

    /// All its lines.
    pub(super) fn lines(&self) -> Vec<LineAddr> {
        self.data.lines().chain(self.fetch.iter().flat_map(LowerCache::lines)).collect()
    }

    fn each(&mut self) -> impl Iterator<Item = &mut LowerCache> {
        [Some(&mut self.data), self.fetch.as_mut()].into_iter().flatten()
    }
}

/// What a miss of the second or third level is called.
fn count(counts: &LowerStats, purpose: Purpose, is_miss: bool) {
    let counts = counts.of(purpose);
    counts.accesses.add(1);
    counts.misses.add(u64::from(is_miss));
}

impl LowerLevels {
    pub(super) fn new(config: &Config, number: u32, shared: Option<&Arc<SharedCache>>) -> Self {
        let Some(lower) = config.lower() else {
            return Self {
                second: None,
                third: None,
                second_inclusion: Inclusion::Nine,
                third_inclusion: Inclusion::Nine,
            };
        };
        // Apart from those of the first level and of the third.
        let seed = config.seed().wrapping_add(1 << 20).wrapping_add(u64::from(number) << 1);
        let second = |seed| LowerCache::new(&lower.l2, seed, config.writes().is_some());
        Self {
            second: Some(SecondLevel {
                data: second(seed),
                fetch: match lower.l2_kind {
                    L2Kind::Unified => None,
                    L2Kind::Split => Some(second(seed.wrapping_add(1))),
                },
            }),
            third: ThirdLevel::new(config, number, shared),
            second_inclusion: lower.l2_inclusion,
            third_inclusion: lower.l3_inclusion,
        }
    }

    /// What says whether other cores have evicted what may be here; where none can, what never does.
    pub(super) fn mail(&self) -> Arc<AtomicBool> {
        self.third.as_ref().and_then(ThirdLevel::mail).unwrap_or_default()
    }

    /// Reads the line of the first level, of `line_bytes`, that `address` is in. How many levels missed,
    /// the first included, and in which state the line comes up.
    pub(super) fn read<P: Policy>(
        &mut self,
        address: u64,
        line_bytes: u64,
        purpose: Purpose,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) -> (Depth, LineState) {
        if self.second.is_none() {
            counts.memory_read_bytes.add(line_bytes);
            return (Depth::FIRST, LineState::Clean);
        }
        self.read_second(address, purpose, first, counts)
    }

    /// Reads a line of the second level, which is there afterwards unless it moves to the first. How many
    /// levels missed, and in which state the line comes up.
    pub(super) fn read_second<P: Policy>(
        &mut self,
        address: u64,
        purpose: Purpose,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) -> (Depth, LineState) {
        let Some(second) = &mut self.second else { return (Depth::FIRST, LineState::Clean) };
        let moves = self.second_inclusion == Inclusion::Exclusive;
        let cache = second.of(purpose);
        let line = cache.line_of(address);
        let hit =
            if moves { cache.remove(line) } else { cache.access(line).map(|_| LineState::Clean) };
        count(&counts.l2, purpose, hit.is_none());
        if let Some(state) = hit {
            return (Depth::FIRST, state);
        }
        let line_bytes = cache.line_bytes();
        let (misses, state) = self.read_third(address, line_bytes, purpose, first, counts);
        if moves {
            return (misses, state);
        }
        self.fill_second(line, state, purpose, first, counts);
        (misses, LineState::Clean)
    }

    fn fill_second<P: Policy>(
        &mut self,
        line: LineAddr,
        state: LineState,
        purpose: Purpose,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) {
        let Some(second) = &mut self.second else { return };
        let cache = second.of(purpose);
        let (_, Some(evicted)) = cache.fill(line, state) else { return };
        let range = Range { address: cache.address_of(evicted.line), bytes: cache.line_bytes() };
        self.evict_from_second(range, evicted.state, first, counts);
    }

    /// What was a line of the second level is so no more.
    fn evict_from_second<P: Policy>(
        &mut self,
        range: Range,
        state: LineState,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) {
        let above = match self.second_inclusion {
            Inclusion::Inclusive => first.invalidate(range),
            Inclusion::Nine | Inclusion::Exclusive => LineState::Clean,
        };
        let state = state.max(above);
        if state == LineState::Dirty {
            counts.write_backs[1].add(1);
        }
        match &mut self.third {
            Some(third) if self.third_inclusion == Inclusion::Exclusive => {
                let evicted = third.insert(third.line_of(range.address), state);
                self.evict_from_third(evicted, first, counts);
            }
            _ if state == LineState::Dirty => self.write_to_third(range, first, counts),
            _ => {}
        }
    }

    /// Reads a line of the third level for one of `line_bytes` of the second. It is there afterwards unless
    /// it moves to the level above, which is told its state.
    fn read_third<P: Policy>(
        &mut self,
        address: u64,
        line_bytes: u64,
        purpose: Purpose,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) -> (Depth, LineState) {
        let Some(third) = &mut self.third else {
            counts.memory_read_bytes.add(line_bytes);
            return (Depth::SECOND, LineState::Clean);
        };
        let line = third.line_of(address);
        if self.third_inclusion == Inclusion::Exclusive {
            let taken = third.remove(line);
            count(&counts.l3, purpose, taken.is_none());
            return taken.map_or_else(
                || {
                    counts.memory_read_bytes.add(line_bytes);
                    (Depth::THIRD, LineState::Clean)
                },
                |state| (Depth::SECOND, state),
            );
        }
        let found = third.access(line);
        count(&counts.l3, purpose, found != Found::Hit);
        let misses = match found {
            Found::Hit => Depth::SECOND,
            Found::Filled(evicted) => {
                counts.memory_read_bytes.add(third.line_bytes());
                self.evict_from_third(evicted, first, counts);
                Depth::THIRD
            }
        };
        (misses, LineState::Clean)
    }

    fn evict_from_third<P: Policy>(
        &mut self,
        evicted: Option<Evicted>,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) {
        let Some(Evicted { line, state }) = evicted else { return };
        let above = match self.third_inclusion {
            Inclusion::Inclusive => self.invalidate_above_third(line, first),
            Inclusion::Nine | Inclusion::Exclusive => LineState::Clean,
        };
        if state.max(above) == LineState::Dirty {
            self.write_to_memory_from_third(counts);
        }
    }

    pub(super) fn write_to_memory_from_third(&self, counts: &HierarchyStats) {
        let Some(third) = &self.third else { return };
        counts.write_backs[2].add(1);
        counts.memory_written_bytes.add(third.line_bytes());
    }

    /// Takes a line of the third level out of those above; whether any was dirty there.
    pub(super) fn invalidate_above_third<P: Policy>(
        &mut self,
        line: LineAddr,
        first: &mut FirstLevel<P>,
    ) -> LineState {
        let Some(third) = &self.third else { return LineState::Clean };
        let range = Range { address: third.address_of(line), bytes: third.line_bytes() };
        let mut state = first.invalidate(range);
        for cache in self.second.iter_mut().flat_map(SecondLevel::each) {
            for address in range.stretches(cache.line_shift()) {
                let removed = cache.remove(cache.line_of(address));
                state = state.max(removed.unwrap_or_default());
            }
        }
        state
    }

    /// A store that misses the first level and does not allocate there.
    pub(super) fn store<P: Policy>(
        &mut self,
        range: Range,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) -> Depth {
        let Some(second) = &mut self.second else {
            counts.memory_written_bytes.add(range.bytes);
            return Depth::FIRST;
        };
        let line = second.data.line_of(range.address);
        if self.second_inclusion != Inclusion::Exclusive {
            let (misses, _) = self.read_second(range.address, Purpose::Write, first, counts);
            if let Some(second) = &mut self.second {
                second.data.mark_line_dirty(line);
            }
            return misses;
        }
        let is_there = second.data.mark_line_dirty(line);
        count(&counts.l2, Purpose::Write, !is_there);
        if is_there {
            return Depth::FIRST;
        }
        let Some(third) = &mut self.third else {
            counts.memory_written_bytes.add(range.bytes);
            return Depth::SECOND;
        };
        let line = third.line_of(range.address);
        if self.third_inclusion == Inclusion::Exclusive {
            return self.store_in_exclusive_third(range, Purpose::Write, counts);
        }
        let line_bytes = third.line_bytes();
        let (misses, _) = self.read_third(range.address, line_bytes, Purpose::Write, first, counts);
        if self.third.as_mut().is_some_and(|third| !third.mark_dirty(line)) {
            // Another core has evicted it meanwhile.
            self.write_to_memory_from_third(counts);
        }
        misses
    }

    /// Dirty bytes come from the first level.
    pub(super) fn write_to_second<P: Policy>(
        &mut self,
        range: Range,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) {
        let Some(second) = &mut self.second else {
            counts.memory_written_bytes.add(range.bytes);
            return;
        };
        for address in range.stretches(second.data.line_shift()) {
            let Some(SecondLevel { data, .. }) = &mut self.second else { return };
            let line = data.line_of(address);
            let is_there = data.mark_line_dirty(line);
            count(&counts.l2, Purpose::WriteBack, !is_there);
            if is_there {
                continue;
            }
            if self.second_inclusion != Inclusion::Exclusive {
                let line_bytes = data.line_bytes();
                self.read_third(address, line_bytes, Purpose::WriteBack, first, counts);
                self.fill_second(line, LineState::Dirty, Purpose::WriteBack, first, counts);
            } else if self.third_is_exclusive() {
                self.store_in_exclusive_third(range, Purpose::WriteBack, counts);
            } else {
                self.write_to_third(range, first, counts);
            }
        }
    }

    /// Dirty bytes of a line that stays in the first level, and so is in no level that is exclusive, come
    /// from there.
    pub(super) fn write_past_exclusive<P: Policy>(
        &mut self,
        range: Range,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) {
        if self.third_is_exclusive() {
            counts.memory_written_bytes.add(range.bytes);
        } else {
            self.write_to_third(range, first, counts);
        }
    }

    fn third_is_exclusive(&self) -> bool {
        self.third.is_some() && self.third_inclusion == Inclusion::Exclusive
    }

    /// Stored bytes come to a third level that does not allocate for them. How many levels missed.
    fn store_in_exclusive_third(
        &mut self,
        range: Range,
        purpose: Purpose,
        counts: &HierarchyStats,
    ) -> Depth {
        let Some(third) = &mut self.third else { return Depth::SECOND };
        let is_there = third.mark_dirty(third.line_of(range.address));
        count(&counts.l3, purpose, !is_there);
        if is_there {
            return Depth::SECOND;
        }
        counts.memory_written_bytes.add(range.bytes);
        Depth::THIRD
    }

    /// A victim of the first level goes to the second.
    pub(super) fn insert_into_second<P: Policy>(
        &mut self,
        range: Range,
        state: LineState,
        purpose: Purpose,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) {
        let Some(second) = &mut self.second else { return };
        let cache = second.of(purpose);
        let Some(evicted) = cache.insert(cache.line_of(range.address), state) else { return };
        let range = Range { address: cache.address_of(evicted.line), bytes: cache.line_bytes() };
        self.evict_from_second(range, evicted.state, first, counts);
    }

    /// A dirty line comes from the second level.
    fn write_to_third<P: Policy>(
        &mut self,
        range: Range,
        first: &mut FirstLevel<P>,
        counts: &HierarchyStats,
    ) {
        let Some(third) = &self.third else {
            counts.memory_written_bytes.add(range.bytes);
            return;
        };
        for address in range.stretches(third.line_shift()) {
            let Some(third) = &mut self.third else { return };
            let line = third.line_of(address);
            if self.third_inclusion == Inclusion::Inclusive {
                // What is above is below, but for what another core evicts there right now: as if it did a
                // little later. Filling it again could evict the line that is just on its way up.
                let is_there = third.mark_dirty(line);
                count(&counts.l3, Purpose::WriteBack, false);
                if !is_there {
                    self.write_to_memory_from_third(counts);
                }
                continue;
            }
            let found = third.write(line);
            count(&counts.l3, Purpose::WriteBack, found != Found::Hit);
            if let Found::Filled(evicted) = found {
                counts.memory_read_bytes.add(third.line_bytes());
                self.evict_from_third(evicted, first, counts);
            }
        }
    }
}
