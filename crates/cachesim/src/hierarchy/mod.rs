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
#[cfg(test)]
mod tests;
mod third;

pub use lower::{Evicted, LineState, LowerCache};
pub use third::{SharedCache, Slice, ThirdLevel};

use std::sync::Arc;

use crate::address::LineAddr;
use crate::config::{Config, Inclusion, L2Kind, WriteHit, WriteMiss, Writes};
use crate::core::{fetches_matter, repeats};
use crate::model::{Access, Depth, Kind, Misses, Model};
use crate::policy::Policy;
use crate::stats::{BeyondStats, CoreStats, LowerStats, Purpose};
use first::FirstLevel;
use third::Found;

/// The caches of one core, the first-level ones with policy `P`.
#[derive(Clone, Debug)]
pub struct Hierarchy<P: Policy> {
    first: FirstLevel<P>,
    /// Whether stores are told from loads.
    tells_stores: bool,
    /// Whether other cores may have evicted what is here.
    has_mailbox: bool,
    writes: Option<Writes>,
    lower: Lower,
}

/// What is beyond the first level.
#[derive(Clone, Debug)]
struct Lower {
    second: Option<SecondLevel>,
    third: Option<ThirdLevel>,
    /// What the second level has in common with the first.
    second_inclusion: Inclusion,
    /// What the third level has in common with those above.
    third_inclusion: Inclusion,
}

/// The second level.
#[derive(Clone, Debug)]
struct SecondLevel {
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

    fn each(&mut self) -> impl Iterator<Item = &mut LowerCache> {
        [Some(&mut self.data), self.fetch.as_mut()].into_iter().flatten()
    }
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
        let Some(second) = &self.lower.second else { return Vec::new() };
        second.data.lines().chain(second.fetch.iter().flat_map(LowerCache::lines)).collect()
    }

    /// Every line of the third level.
    pub fn third_level(&self) -> Vec<LineAddr> {
        self.lower.third.as_ref().map(ThirdLevel::lines).unwrap_or_default()
    }

    #[inline(always)]
    fn has_mail(&self) -> bool {
        self.has_mailbox && self.lower.third.as_ref().is_some_and(ThirdLevel::has_mail)
    }

    /// Invalidates what other cores have evicted from the third level.
    fn see_to_mail(&mut self, counts: &BeyondStats) {
        let Some(third) = &mut self.lower.third else { return };
        for line in third.take_mail() {
            let state = self.lower.invalidate_above_third(line, &mut self.first);
            if state == LineState::Dirty {
                self.lower.write_to_memory_from_third(counts);
            }
        }
    }

    #[inline(always)]
    fn access_data(&mut self, access: Access, now: u64, counts: &BeyondStats) -> Misses {
        let Access { kind, line, address, extent } = access;
        let is_store = kind == Kind::Store;
        if is_store && self.tells_stores {
            counts.stores.accesses.add(1);
        }
        let stored = if is_store { self.writes } else { None };
        if let Some(place) = self.first.hit_data(line, now) {
            match stored.map(|writes| writes.on_hit) {
                Some(WriteHit::Back) => self.first.soil(place),
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
    fn access_code(&mut self, access: Access, now: u64, counts: &BeyondStats) -> Misses {
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
    fn pass_on(&mut self, access: Access, counts: &BeyondStats) {
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
        counts: &BeyondStats,
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

/// What a miss of the second or third level is called.
fn count(counts: &LowerStats, purpose: Purpose, is_miss: bool) {
    let counts = counts.of(purpose);
    counts.accesses.add(1);
    counts.misses.add(u64::from(is_miss));
}

impl Lower {
    fn new(config: &Config, number: u32, shared: Option<&Arc<SharedCache>>) -> Self {
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

    /// Reads the line of the first level, of `line_bytes`, that `address` is in. How many levels missed,
    /// the first included, and in which state the line comes up.
    fn read<P: Policy>(
        &mut self,
        address: u64,
        line_bytes: u64,
        purpose: Purpose,
        first: &mut FirstLevel<P>,
        counts: &BeyondStats,
    ) -> (Depth, LineState) {
        if self.second.is_none() {
            counts.memory_read_bytes.add(line_bytes);
            return (Depth::FIRST, LineState::Clean);
        }
        self.read_second(address, purpose, first, counts)
    }

    /// Reads a line of the second level, which is there afterwards unless it moves to the first. How many
    /// levels missed, and in which state the line comes up.
    fn read_second<P: Policy>(
        &mut self,
        address: u64,
        purpose: Purpose,
        first: &mut FirstLevel<P>,
        counts: &BeyondStats,
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
        counts: &BeyondStats,
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
        counts: &BeyondStats,
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
        counts: &BeyondStats,
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
        counts: &BeyondStats,
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

    fn write_to_memory_from_third(&self, counts: &BeyondStats) {
        let Some(third) = &self.third else { return };
        counts.write_backs[2].add(1);
        counts.memory_written_bytes.add(third.line_bytes());
    }

    /// Takes a line of the third level out of those above; whether any was dirty there.
    fn invalidate_above_third<P: Policy>(
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
    fn store<P: Policy>(
        &mut self,
        range: Range,
        first: &mut FirstLevel<P>,
        counts: &BeyondStats,
    ) -> Depth {
        let Some(second) = &mut self.second else {
            counts.memory_written_bytes.add(range.bytes);
            return Depth::FIRST;
        };
        let line = second.data.line_of(range.address);
        if self.second_inclusion != Inclusion::Exclusive {
            let (misses, _) = self.read_second(range.address, Purpose::Write, first, counts);
            if let Some(second) = &mut self.second {
                second.data.soil_line(line);
            }
            return misses;
        }
        let is_there = second.data.soil_line(line);
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
        if self.third.as_mut().is_some_and(|third| !third.soil(line)) {
            // Another core has evicted it meanwhile.
            self.write_to_memory_from_third(counts);
        }
        misses
    }

    /// Dirty bytes come from the first level.
    fn write_to_second<P: Policy>(
        &mut self,
        range: Range,
        first: &mut FirstLevel<P>,
        counts: &BeyondStats,
    ) {
        let Some(second) = &mut self.second else {
            counts.memory_written_bytes.add(range.bytes);
            return;
        };
        for address in range.stretches(second.data.line_shift()) {
            let Some(SecondLevel { data, .. }) = &mut self.second else { return };
            let line = data.line_of(address);
            let is_there = data.soil_line(line);
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
    fn write_past_exclusive<P: Policy>(
        &mut self,
        range: Range,
        first: &mut FirstLevel<P>,
        counts: &BeyondStats,
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
        counts: &BeyondStats,
    ) -> Depth {
        let Some(third) = &mut self.third else { return Depth::SECOND };
        let is_there = third.soil(third.line_of(range.address));
        count(&counts.l3, purpose, !is_there);
        if is_there {
            return Depth::SECOND;
        }
        counts.memory_written_bytes.add(range.bytes);
        Depth::THIRD
    }

    /// A victim of the first level goes to the second.
    fn insert_into_second<P: Policy>(
        &mut self,
        range: Range,
        state: LineState,
        purpose: Purpose,
        first: &mut FirstLevel<P>,
        counts: &BeyondStats,
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
        counts: &BeyondStats,
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
                let is_there = third.soil(line);
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

impl<P: Policy> Model for Hierarchy<P> {
    type Shared = Option<Arc<SharedCache>>;

    const GOES_BEYOND: bool = true;

    fn shared(config: &Config) -> Self::Shared {
        third::shared(config)
    }

    fn new(config: &Config, number: u32, shared: &Self::Shared) -> Self {
        let has_mailbox = shared.is_some()
            && config.lower().is_some_and(|lower| lower.l3_inclusion == Inclusion::Inclusive);
        Self {
            first: FirstLevel::new(config, number),
            tells_stores: config.tells_stores(),
            has_mailbox,
            writes: config.writes(),
            lower: Lower::new(config, number, shared.as_ref()),
        }
    }

    fn try_out(shared: &Self::Shared) -> Self::Shared {
        shared.as_ref().map(|cache| Arc::new(cache.try_out()))
    }

    fn on(&self, shared: &Self::Shared) -> Self {
        let mut copy = self.clone();
        if let (Some(ThirdLevel::Shared { cache, .. }), Some(shared)) =
            (&mut copy.lower.third, shared)
        {
            *cache = Arc::clone(shared);
        }
        copy
    }

    #[inline(always)]
    fn hits(&mut self, kind: Kind, line: LineAddr, fetches: u64, now: u64) -> bool {
        let is_store = self.tells_stores && kind == Kind::Store;
        let repeats = fetches_matter::<P>(self.first.fetch_repeats(), fetches);
        !is_store
            && !repeats
            && !self.has_mail()
            && self.first.predicted_hit(kind.port(), line, now)
    }

    #[inline(always)]
    fn simulate(&mut self, access: Access, now: u64, stats: &CoreStats) -> Misses {
        let counts = &stats.beyond;
        if self.has_mail() {
            self.see_to_mail(counts);
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
