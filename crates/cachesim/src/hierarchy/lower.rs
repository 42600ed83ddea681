//! One cache beyond the first level: its lines, which of them are dirty, its own time.

use crate::address::LineAddr;
use crate::cache::{Cache, Place};
use crate::options::Level;
use crate::policy::AnyPolicy;

/// A line that has left a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Evicted {
    /// The line.
    pub line: LineAddr,
    /// Whether memory does not have what it holds.
    pub state: LineState,
}

/// Whether what a line holds is newer than what is in memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum LineState {
    /// It is not.
    #[default]
    Clean,
    /// It is.
    Dirty,
}

/// A cache beyond the first level.
#[derive(Clone, Debug)]
pub struct LowerCache {
    cache: Cache<AnyPolicy>,
    /// By place; empty where stores are not modelled.
    states: Box<[LineState]>,
    /// The number of accesses and fills so far.
    now: u64,
    line_shift: u32,
}

/// States for the lines of `level`, all clean.
pub(super) fn clean_states(level: &Level) -> Box<[LineState]> {
    let lines = usize::try_from(level.geometry.lines()).expect("the lines are in memory");
    vec![LineState::Clean; lines].into_boxed_slice()
}

impl LowerCache {
    /// An empty cache, whose lines can be dirty if `tracks_stores`.
    pub fn new(level: &Level, seed: u64, tracks_stores: bool) -> Self {
        Self {
            cache: Cache::of(level, seed),
            states: if tracks_stores { clean_states(level) } else { Box::default() },
            now: 0,
            line_shift: level.geometry.line_shift(),
        }
    }

    /// The line that holds the byte at `address`.
    #[inline(always)]
    pub fn line_of(&self, address: u64) -> LineAddr {
        LineAddr::containing(address, self.line_shift)
    }

    /// The address of a line's first byte.
    pub fn address_of(&self, line: LineAddr) -> u64 {
        line.number() << self.line_shift
    }

    /// The binary logarithm of the length of its lines.
    pub fn line_shift(&self) -> u32 {
        self.line_shift
    }

    /// The length of its lines.
    pub fn line_bytes(&self) -> u64 {
        1 << self.line_shift
    }

    /// Where `line` is.
    #[inline(always)]
    pub fn find(&self, line: LineAddr) -> Option<Place> {
        self.cache.find(line)
    }

    /// Accesses `line`, if it is there.
    #[inline(always)]
    pub fn access(&mut self, line: LineAddr) -> Option<Place> {
        let place = self.cache.find(line)?;
        self.now += 1;
        self.cache.hit(line, place, self.now);
        Some(place)
    }

    /// Fills `line`, which is not there. Where it is now, and what had to go.
    #[inline(always)]
    pub fn fill(&mut self, line: LineAddr, state: LineState) -> (Place, Option<Evicted>) {
        self.now += 1;
        let (place, before) = self.cache.fill(line, self.now);
        let old = match self.states.get_mut(place.index()) {
            Some(here) => std::mem::replace(here, state),
            None => LineState::Clean,
        };
        (place, before.map(|line| Evicted { line, state: old }))
    }

    /// The line at `place` is dirty from now on.
    pub fn soil(&mut self, place: Place) {
        if let Some(state) = self.states.get_mut(place.index()) {
            *state = LineState::Dirty;
        }
    }

    /// Makes `line` dirty, if it is there; whether it is.
    pub fn soil_line(&mut self, line: LineAddr) -> bool {
        let place = self.find(line);
        place.is_some_and(|place| {
            self.soil(place);
            true
        })
    }

    /// Takes a victim of the level above, which may be there; what had to go for it.
    pub fn insert(&mut self, line: LineAddr, state: LineState) -> Option<Evicted> {
        let Some(place) = self.access(line) else { return self.fill(line, state).1 };
        if state == LineState::Dirty {
            self.soil(place);
        }
        None
    }

    /// Takes `line` out, if it is there.
    pub fn remove(&mut self, line: LineAddr) -> Option<LineState> {
        let place = self.cache.remove(line)?;
        Some(self.states.get(place.index()).copied().unwrap_or_default())
    }

    /// All lines that are there, in no particular order.
    pub fn lines(&self) -> impl Iterator<Item = LineAddr> + '_ {
        self.cache.lines()
    }
}
