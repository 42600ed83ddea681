//! The first level of a hierarchy: its two caches, and which lines of the data cache are dirty.

use super::Range;
use super::lower::{Evicted, LineState, clean_states};
use crate::address::LineAddr;
use crate::cache::{Cache, LineIndex};
use crate::config::{Config, WriteHit};
use crate::model::{Kind, Port};
use crate::policy::{Policy, Repeats};

/// A core's first-level caches.
#[derive(Clone, Debug)]
pub(super) struct FirstLevel<P: Policy> {
    icache: Cache<P>,
    dcache: Cache<P>,
    /// Of the lines of the data cache, by index; empty where stores are not modelled.
    line_states: Box<[LineState]>,
    /// Whether stores go on to the next level.
    passes_stores: bool,
    data_shift: u32,
    fetch_shift: u32,
    fetch_repeats: Repeats,
}

impl<P: Policy> FirstLevel<P> {
    pub(super) fn new(config: &Config, number: u32) -> Self {
        let (icache, dcache) = crate::core::caches(config, number);
        Self {
            icache,
            dcache,
            line_states: match config.writes() {
                Some(_) => clean_states(&config.dcache()),
                None => Box::default(),
            },
            passes_stores: config.writes().is_some_and(|writes| writes.on_hit == WriteHit::Through),
            data_shift: config.dcache().geometry.line_shift(),
            fetch_shift: config.icache().geometry.line_shift(),
            fetch_repeats: config.icache().policy.repeats(),
        }
    }

    /// All lines of the instruction cache and of the data cache.
    pub(super) fn lines(&self) -> (Vec<LineAddr>, Vec<LineAddr>) {
        (self.icache.lines().collect(), self.dcache.lines().collect())
    }

    pub(super) fn data_address(&self, line: LineAddr) -> u64 {
        line.number() << self.data_shift
    }

    pub(super) fn data_line_bytes(&self) -> u64 {
        1 << self.data_shift
    }

    /// The bytes of a line of the instruction cache.
    pub(super) fn fetch_range(&self, line: LineAddr) -> Range {
        Range { address: line.number() << self.fetch_shift, bytes: self.fetch_line_bytes() }
    }

    pub(super) fn fetch_line_bytes(&self) -> u64 {
        1 << self.fetch_shift
    }

    /// An access, if it is a hit where the line is expected; a store only if it stays in this level, and the line is
    /// dirty already or cannot be. No branch depends on the port, which nobody can foresee where accesses come
    /// out of a buffer.
    #[inline(always)]
    pub(super) fn predicted_hit(&mut self, kind: Kind, line: LineAddr, now: u64) -> bool {
        let cache = match kind.port() {
            Port::Data => &mut self.dcache,
            Port::Fetch => &mut self.icache,
        };
        let (states, passes_stores) = (&self.line_states, self.passes_stores);
        let changes_nothing = |at: LineIndex| {
            kind != Kind::Store
                || !passes_stores
                    && states.get(at.index()).is_none_or(|&state| state == LineState::Dirty)
        };
        cache.predicted_hit(line, now, changes_nothing).is_some()
    }

    /// Whether the instruction cache's policy tells repeated fetches.
    #[inline(always)]
    pub(super) fn fetch_repeats(&self) -> Repeats {
        self.fetch_repeats
    }

    /// A data access, if it is a hit.
    #[inline(always)]
    pub(super) fn hit_data(&mut self, line: LineAddr, now: u64) -> Option<LineIndex> {
        self.dcache.hit(line, now)
    }

    /// A fetch, if it is a hit.
    pub(super) fn hit_fetch(&mut self, line: LineAddr, now: u64) -> bool {
        self.icache.hit(line, now).is_some()
    }

    /// The bytes at `address` that are in one line of the data cache with the first of them.
    pub(super) fn within_line(&self, address: u64, bytes: u64) -> Range {
        let left = self.data_line_bytes() - address % self.data_line_bytes();
        Range { address, bytes: bytes.min(left) }
    }

    /// The line of the data cache at `line_index` is dirty from now on.
    #[inline(always)]
    pub(super) fn mark_dirty(&mut self, line_index: LineIndex) {
        if let Some(state) = self.line_states.get_mut(line_index.index()) {
            *state = LineState::Dirty;
        }
    }

    /// Fills a line of the data cache; what had to go.
    #[inline(always)]
    pub(super) fn fill_data(
        &mut self,
        line: LineAddr,
        state: LineState,
        now: u64,
    ) -> Option<Evicted> {
        let (line_index, before) = self.dcache.fill(line, now);
        let old = match self.line_states.get_mut(line_index.index()) {
            Some(here) => std::mem::replace(here, state),
            None => LineState::Clean,
        };
        before.map(|line| Evicted { line, state: old })
    }

    /// Fills a line of the instruction cache; what had to go.
    pub(super) fn fill_fetch(&mut self, line: LineAddr, now: u64) -> Option<LineAddr> {
        self.icache.fill(line, now).1
    }

    /// Takes out what is in `range`; whether any of it was dirty.
    pub(super) fn invalidate(&mut self, range: Range) -> LineState {
        for address in range.stretches(self.fetch_shift) {
            self.icache.remove(LineAddr::containing(address, self.fetch_shift));
        }
        let mut state = LineState::Clean;
        for address in range.stretches(self.data_shift) {
            if let Some(line_index) =
                self.dcache.remove(LineAddr::containing(address, self.data_shift))
            {
                state = state
                    .max(self.line_states.get(line_index.index()).copied().unwrap_or_default());
            }
        }
        state
    }

    /// Whether the line at the start of `range` is in one of the caches.
    pub(super) fn holds(&self, range: Range) -> bool {
        let fetched = LineAddr::containing(range.address, self.fetch_shift);
        let data = LineAddr::containing(range.address, self.data_shift);
        self.icache.find(fetched).is_some() || self.dcache.find(data).is_some()
    }
}
