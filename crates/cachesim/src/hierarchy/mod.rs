//! The caches of a core that has more than a first level, or that tells stores from loads.
//!
//! The rules, which `docs/model.md` has for users:
//! - Levels are looked up from the first on. A miss goes to the next level, and fills every level that
//!   it passes (with [`Inclusion::Exclusive`] the first level only).
//! - A store that misses fills like a load, unless it is not to allocate.
//! - A dirty victim is a store of its line to the next level. There it makes the line dirty that it
//!   finds, which is no use in the sense of the replacement policy (as in `ChampSim`, whose policies
//!   leave out write-backs that hit); where it finds none, the line is read from further down and
//!   filled, as for any store.
//! - [`Inclusion::Inclusive`]: what a level evicts is invalidated in the levels above. Hits above do
//!   not make a line more recent below.
//! - [`Inclusion::Exclusive`]: a hit below takes the line out there and puts it into the first level.
//!   Its victim goes to the second level, that level's victim to the third, which so is a victim cache
//!   (Jouppi, "Improving direct-mapped cache performance by the addition of a small fully-associative
//!   cache and prefetch buffers", ISCA 1990).
//!
//! With default settings of a second level the numbers are the reference's.

mod first;
mod lower;
#[cfg(test)]
mod tests;
mod third;

pub use lower::{Evicted, LineState, LowerCache};
pub use third::{SharedCache, Slice, ThirdLevel};

use std::num::NonZeroU8;
use std::sync::Arc;

use crate::address::LineAddr;
use crate::buffer::Port;
use crate::core::Lines;
use crate::model::{DataEffect, Depth, EffectLayout, Fetch, Misses, Model, RECORD_BITS};
use crate::options::{Config, Inclusion, L2Kind, WriteHit, WriteMiss, Writes};
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
    layout: EffectLayout,
    writes: Option<Writes>,
    lower: Lower,
}

/// What is beyond the first level.
#[derive(Clone, Debug)]
struct Lower {
    second: Option<SecondLevel>,
    third: Option<ThirdLevel>,
    inclusion: Inclusion,
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

/// A data access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct DataAccess {
    address: u64,
    /// See [`EffectLayout`].
    info: u32,
    /// Its length, where `info` says another: that of the whole access that it is a part of.
    bytes: Option<NonZeroU8>,
}

impl DataAccess {
    /// The access to `address` that `info` describes.
    #[inline(always)]
    pub fn new(address: u64, info: u32) -> Self {
        Self { address, info, bytes: None }
    }

    /// Its length.
    #[inline(always)]
    fn bytes(self, layout: EffectLayout) -> u64 {
        match self.bytes {
            None => layout.bytes(self.info),
            Some(bytes) => u64::from(bytes.get()),
        }
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
    /// The access of which [`Model::record`] gave `word` and `bits`.
    fn recorded(&self, word: u64, bits: u64) -> DataAccess {
        let bits = bits >> RECORD_SHIFT;
        let effect = DataEffect { is_store: bits & STORE != 0, size_log2: 0 };
        Self::part(DataAccess::new(word, self.layout.info(effect)), bits % STORE)
    }

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
    fn access_data(&mut self, access: DataAccess, now: u64, counts: &BeyondStats) -> Misses {
        if self.has_mail() {
            self.see_to_mail(counts);
        }
        let DataAccess { address, info, .. } = access;
        let is_store = self.layout.is_store(info);
        if is_store && self.tells_stores {
            counts.stores.accesses.add(1);
        }
        let line = self.first.data_line(address);
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
            let range = self.first.within_line(address, access.bytes(self.layout));
            return self.lower.store(range, &mut self.first, counts).by(Purpose::Write);
        }
        let purpose = if is_store { Purpose::Write } else { Purpose::Read };
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
    fn access_code(&mut self, fetch: Fetch, now: u64, counts: &BeyondStats) -> Misses {
        if self.has_mail() {
            self.see_to_mail(counts);
        }
        if self.first.hit_fetch(fetch.line, now) {
            return Misses::NONE;
        }
        let line_bytes = self.first.fetch_line_bytes();
        let (misses, found) =
            self.lower.read(fetch.address, line_bytes, Purpose::Fetch, &mut self.first, counts);
        if found == LineState::Dirty {
            // An instruction cache has no dirty lines.
            counts.memory_written_bytes.add(line_bytes);
        }
        if let Some(evicted) = self.first.fill_fetch(fetch.line, now) {
            let range = Range { address: self.first.fetch_address(evicted), bytes: line_bytes };
            self.evict_from_first(range, LineState::Clean, Purpose::Fetch, counts);
        }
        misses.by(Purpose::Fetch)
    }

    /// A store that goes on to the next level.
    fn pass_on(&mut self, access: DataAccess, counts: &BeyondStats) {
        counts.passed_stores.add(1);
        let range = self.first.within_line(access.address, access.bytes(self.layout));
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
        if self.lower.inclusion == Inclusion::Exclusive && self.lower.second.is_some() {
            if self.first.holds(range) {
                // The other cache of the first level has it still: it is in one level only.
                if state == LineState::Dirty {
                    counts.write_backs[0].add(1);
                    counts.memory_written_bytes.add(range.bytes);
                }
                return;
            }
            if state == LineState::Dirty {
                counts.write_backs[0].add(1);
            }
            self.lower.insert(range, state, purpose, counts);
        } else if state == LineState::Dirty {
            counts.write_backs[0].add(1);
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
        let Some(lower) = config.lower else {
            return Self { second: None, third: None, inclusion: Inclusion::Nine };
        };
        // Apart from those of the first level and of the third.
        let seed = config.seed.wrapping_add(1 << 20).wrapping_add(u64::from(number) << 1);
        let second = |seed| LowerCache::new(&lower.l2, seed, config.writes.is_some());
        Self {
            second: Some(SecondLevel {
                data: second(seed),
                fetch: match lower.l2_kind {
                    L2Kind::Unified => None,
                    L2Kind::Split => Some(second(seed.wrapping_add(1))),
                },
            }),
            third: ThirdLevel::new(config, number, shared),
            inclusion: lower.inclusion,
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
            (Depth::FIRST, LineState::Clean)
        } else if self.inclusion == Inclusion::Exclusive {
            self.take(address, purpose, counts)
        } else {
            (self.read_second(address, purpose, first, counts), LineState::Clean)
        }
    }

    /// Reads a line of the second level, which is filled if it is not there.
    fn read_second<P: Policy>(
        &mut self,
        address: u64,
        purpose: Purpose,
        first: &mut FirstLevel<P>,
        counts: &BeyondStats,
    ) -> Depth {
        let Some(second) = &mut self.second else { return Depth::FIRST };
        let cache = second.of(purpose);
        let line = cache.line_of(address);
        let hit = cache.access(line).is_some();
        count(&counts.l2, purpose, !hit);
        if hit {
            return Depth::FIRST;
        }
        let line_bytes = cache.line_bytes();
        let misses = self.read_third(address, line_bytes, purpose, first, counts);
        self.fill_second(line, LineState::Clean, purpose, first, counts);
        misses
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
        let (_, Some(Evicted { line, state })) = cache.fill(line, state) else { return };
        let range = Range { address: cache.address_of(line), bytes: cache.line_bytes() };
        let above = match self.inclusion {
            Inclusion::Inclusive => first.invalidate(range),
            Inclusion::Nine | Inclusion::Exclusive => LineState::Clean,
        };
        if state.max(above) == LineState::Dirty {
            counts.write_backs[1].add(1);
            self.write_to_third(range, first, counts);
        }
    }

    /// Reads a line of the third level for one of `line_bytes` of the second.
    fn read_third<P: Policy>(
        &mut self,
        address: u64,
        line_bytes: u64,
        purpose: Purpose,
        first: &mut FirstLevel<P>,
        counts: &BeyondStats,
    ) -> Depth {
        let Some(third) = &mut self.third else {
            counts.memory_read_bytes.add(line_bytes);
            return Depth::SECOND;
        };
        let found = third.access(third.line_of(address));
        count(&counts.l3, purpose, found != Found::Hit);
        match found {
            Found::Hit => Depth::SECOND,
            Found::Filled(evicted) => {
                counts.memory_read_bytes.add(third.line_bytes());
                self.evict_from_third(evicted, first, counts);
                Depth::THIRD
            }
        }
    }

    fn evict_from_third<P: Policy>(
        &mut self,
        evicted: Option<Evicted>,
        first: &mut FirstLevel<P>,
        counts: &BeyondStats,
    ) {
        let Some(Evicted { line, state }) = evicted else { return };
        let above = match self.inclusion {
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
        if self.inclusion == Inclusion::Exclusive {
            return self.store_where_it_is(range, Purpose::Write, counts);
        }
        let line = second.data.line_of(range.address);
        let misses = self.read_second(range.address, Purpose::Write, first, counts);
        if let Some(SecondLevel { data, .. }) = &mut self.second
            && let Some(place) = data.find(line)
        {
            data.soil(place);
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
        let Some(second) = &self.second else {
            counts.memory_written_bytes.add(range.bytes);
            return;
        };
        if self.inclusion == Inclusion::Exclusive {
            self.store_where_it_is(range, Purpose::WriteBack, counts);
            return;
        }
        for address in range.stretches(second.data.line_shift()) {
            let Some(SecondLevel { data, .. }) = &mut self.second else { return };
            let line = data.line_of(address);
            let place = data.find(line);
            count(&counts.l2, Purpose::WriteBack, place.is_none());
            if let Some(place) = place {
                data.soil(place);
            } else {
                let line_bytes = data.line_bytes();
                self.read_third(address, line_bytes, Purpose::WriteBack, first, counts);
                self.fill_second(line, LineState::Dirty, Purpose::WriteBack, first, counts);
            }
        }
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
            if self.inclusion == Inclusion::Inclusive {
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

    // What follows is for exclusive levels, which have lines of one length.

    /// Takes a line out of where it is.
    fn take(&mut self, address: u64, purpose: Purpose, counts: &BeyondStats) -> (Depth, LineState) {
        let Some(second) = &mut self.second else { return (Depth::FIRST, LineState::Clean) };
        let cache = second.of(purpose);
        let line = cache.line_of(address);
        let taken = cache.remove(line);
        count(&counts.l2, purpose, taken.is_none());
        if let Some(state) = taken {
            return (Depth::FIRST, state);
        }
        let line_bytes = cache.line_bytes();
        let Some(third) = &mut self.third else {
            counts.memory_read_bytes.add(line_bytes);
            return (Depth::SECOND, LineState::Clean);
        };
        let taken = third.remove(line);
        count(&counts.l3, purpose, taken.is_none());
        if let Some(state) = taken {
            return (Depth::SECOND, state);
        }
        counts.memory_read_bytes.add(line_bytes);
        (Depth::THIRD, LineState::Clean)
    }

    /// A victim of the first level goes to the second, that one's to the third, that one's to memory.
    fn insert(&mut self, range: Range, state: LineState, purpose: Purpose, counts: &BeyondStats) {
        let Some(second) = &mut self.second else { return };
        let cache = second.of(purpose);
        let Some(evicted) = cache.insert(cache.line_of(range.address), state) else { return };
        if evicted.state == LineState::Dirty {
            counts.write_backs[1].add(1);
        }
        let last = match &mut self.third {
            None => Some(evicted),
            Some(third) => {
                let evicted = third.insert(evicted.line, evicted.state);
                if evicted.is_some_and(|evicted| evicted.state == LineState::Dirty) {
                    counts.write_backs[2].add(1);
                }
                evicted
            }
        };
        if last.is_some_and(|evicted| evicted.state == LineState::Dirty) {
            counts.memory_written_bytes.add(range.bytes);
        }
    }

    /// Stored bytes go to the first level that has the line, else to memory.
    fn store_where_it_is(&mut self, range: Range, purpose: Purpose, counts: &BeyondStats) -> Depth {
        let Some(SecondLevel { data, .. }) = &mut self.second else { return Depth::FIRST };
        let line = data.line_of(range.address);
        let place = data.find(line);
        count(&counts.l2, purpose, place.is_none());
        if let Some(place) = place {
            data.soil(place);
            return Depth::FIRST;
        }
        let Some(third) = &mut self.third else {
            counts.memory_written_bytes.add(range.bytes);
            return Depth::SECOND;
        };
        let is_there = third.soil(line);
        count(&counts.l3, purpose, !is_there);
        if is_there {
            return Depth::SECOND;
        }
        counts.memory_written_bytes.add(range.bytes);
        Depth::THIRD
    }
}

impl<P: Policy> Model for Hierarchy<P> {
    type Access = DataAccess;
    type Shared = Option<Arc<SharedCache>>;

    const GOES_BEYOND: bool = true;
    const MAY_COUNT_REPEATS: bool = P::MAY_COUNT_REPEATS;

    fn shared(config: &Config) -> Self::Shared {
        third::shared(config)
    }

    fn new(config: &Config, number: u32, shared: &Self::Shared, layout: EffectLayout) -> Self {
        let has_mailbox = shared.is_some()
            && config.lower.is_some_and(|lower| lower.inclusion == Inclusion::Inclusive);
        Self {
            first: FirstLevel::new(config, number),
            tells_stores: config.tells_stores(),
            has_mailbox,
            layout,
            writes: config.writes,
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
    fn access(_: impl FnOnce() -> LineAddr, address: u64, info: u32) -> DataAccess {
        DataAccess::new(address, info)
    }

    #[inline(always)]
    fn part(access: DataAccess, bytes: u64) -> DataAccess {
        let bytes = u8::try_from(bytes).ok().and_then(NonZeroU8::new);
        DataAccess { bytes, ..access }
    }

    #[inline(always)]
    fn line_of(access: DataAccess, lines: Lines) -> LineAddr {
        lines.data_line(access.address)
    }

    #[inline(always)]
    fn access_hits(&mut self, access: DataAccess, now: u64) -> bool {
        let is_plain = !self.tells_stores || !self.layout.is_store(access.info);
        is_plain && !self.has_mail() && self.first.predicted_hit(access.address, now)
    }

    #[inline(always)]
    fn access_usual(&mut self, _: DataAccess, _: u64, _: &CoreStats) -> Option<Misses> {
        None
    }

    #[inline(always)]
    fn access_rest(&mut self, access: DataAccess, now: u64, counts: &CoreStats) -> Misses {
        self.access_data(access, now, &counts.beyond)
    }

    #[inline(always)]
    fn fetch_hits(&mut self, line: LineAddr, now: u64) -> bool {
        !self.has_mail() && self.first.predicted_fetch(line, now)
    }

    #[inline(always)]
    fn fetch_usual(&mut self, _: Fetch, _: u64, _: &CoreStats) -> Option<Misses> {
        None
    }

    #[inline(always)]
    fn fetch_rest(&mut self, fetch: Fetch, now: u64, counts: &CoreStats) -> Misses {
        self.access_code(fetch, now, &counts.beyond)
    }

    fn repeat_fetches(&mut self, line: LineAddr, n: u64, now: u64) {
        self.first.repeat_fetches(line, n, now);
    }

    #[inline(always)]
    fn is_store(access: DataAccess, layout: EffectLayout) -> bool {
        layout.is_store(access.info)
    }

    #[inline(always)]
    fn record(access: DataAccess, layout: EffectLayout) -> (u64, u64) {
        let store = if layout.is_store(access.info) { STORE } else { 0 };
        (access.address, (access.bytes(layout) | store) << RECORD_SHIFT)
    }

    #[inline(always)]
    fn recorded_line(port: Port, word: u64, lines: Lines) -> LineAddr {
        match port {
            Port::Data => lines.data_line(word),
            Port::Fetch => LineAddr::from_number(word),
        }
    }

    #[inline(always)]
    fn replay(
        &mut self,
        port: Port,
        word: u64,
        bits: u64,
        place: impl FnOnce() -> u64,
        now: u64,
        counts: &CoreStats,
    ) -> Misses {
        let is_plain = !self.tells_stores || bits & STORE << RECORD_SHIFT == 0;
        if is_plain && !self.has_mail() && self.first.predicted_replay(port, word, now) {
            return Misses::NONE;
        }
        match port {
            Port::Data => self.access_rest(self.recorded(word, bits), now, counts),
            Port::Fetch => {
                let line = LineAddr::from_number(word);
                self.fetch_rest(Fetch { line, address: place() }, now, counts)
            }
        }
    }
}

const RECORD_SHIFT: u32 = RECORD_BITS.trailing_zeros();

/// In what is recorded, above the length.
const STORE: u64 = 1 << 8;
