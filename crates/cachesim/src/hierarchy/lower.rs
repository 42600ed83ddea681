//! One cache beyond the first level: its lines, which of them are dirty, its own time.

use wide::{u32x4, u32x8, u32x16};

use crate::address::LineAddr;
use crate::cache::SetIndex;
use crate::config::Level;
use crate::policy::{AnyPolicy, Hit, Policy};

/// Where in a cache a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LowerLineIndex(usize);

impl LowerLineIndex {
    /// A number below that of the cache's lines.
    pub fn index(self) -> usize {
        self.0
    }
}

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
///
/// It has many ways, and more lines than the host has cache to spare. So a line is looked for by a tag of
/// 32 bits, and the tags lie together: one line of the host's cache for 16 ways. While every line can be
/// told by its tag, as those of all programs can, nothing else is read.
#[derive(Clone, Debug)]
pub struct LowerCache {
    /// The tag of the line in each way of each set, one set after the other; [`NO_TAG`] in empty ways.
    tags: Box<[u32]>,
    /// How far a line's number is shifted to be its tag.
    tag_shift: u32,
    /// Whether no two lines seen so far have the same tag and set.
    tags_tell: bool,
    /// The lines, in the same order; [`LineAddr::INVALID`] in empty ways.
    lines: Box<[LineAddr]>,
    /// What the policy knows of them, in the same order.
    states: Box<[u64]>,
    /// In the same order; empty where stores are not modelled.
    line_states: Box<[LineState]>,
    ways_per_set: usize,
    index: SetIndex,
    policy: AnyPolicy,
    /// The number of accesses and fills so far.
    now: u64,
    line_shift: u32,
}

/// The tag of no line while tags tell lines apart.
const NO_TAG: u32 = u32::MAX;

/// As many lines as there are in `level`.
fn lines_of(level: &Level) -> usize {
    usize::try_from(level.geometry.lines()).expect("the lines are in memory")
}

/// States for the lines of `level`, all clean.
pub(super) fn clean_states(level: &Level) -> Box<[LineState]> {
    vec![LineState::Clean; lines_of(level)].into_boxed_slice()
}

/// The first way of a set that has this tag and `is_it`.
#[inline(always)]
fn search(set: &[u32], tag: u32, is_it: impl Fn(usize) -> bool) -> Option<usize> {
    let mut equal = if let Ok(ways) = <[u32; 16]>::try_from(set) {
        u32x16::new(ways).simd_eq(u32x16::splat(tag)).to_bitmask()
    } else if let Ok(ways) = <[u32; 8]>::try_from(set) {
        u32x8::new(ways).simd_eq(u32x8::splat(tag)).to_bitmask()
    } else if let Ok(ways) = <[u32; 4]>::try_from(set) {
        u32x4::new(ways).simd_eq(u32x4::splat(tag)).to_bitmask()
    } else {
        return (0..set.len()).find(|&way| set[way] == tag && is_it(way));
    };
    while equal != 0 {
        let way = equal.trailing_zeros() as usize;
        if is_it(way) {
            return Some(way);
        }
        equal &= equal - 1;
    }
    None
}

impl LowerCache {
    /// An empty cache, whose lines can be dirty if `tracks_stores`.
    ///
    /// # Panics
    /// Where the host cannot address that many lines, as [`Cache::new`](crate::cache::Cache::new).
    pub fn new(level: &Level, seed: u64, tracks_stores: bool) -> Self {
        let Level { geometry, policy } = level;
        Self {
            tags: vec![NO_TAG; lines_of(level)].into_boxed_slice(),
            tag_shift: if geometry.sets().is_power_of_two() { geometry.sets().ilog2() } else { 0 },
            tags_tell: true,
            lines: vec![LineAddr::INVALID; lines_of(level)].into_boxed_slice(),
            states: vec![0; lines_of(level)].into_boxed_slice(),
            line_states: if tracks_stores { clean_states(level) } else { Box::default() },
            ways_per_set: usize::try_from(geometry.ways()).expect("a set is in memory"),
            index: SetIndex::new(geometry.sets()),
            policy: AnyPolicy::new(*policy, geometry, seed),
            now: 0,
            line_shift: geometry.line_shift(),
        }
    }

    /// Makes this slice `slice` of a cache that has `slices` of them: its set `i` is set
    /// `i * slices + slice` of the cache.
    pub(super) fn become_slice(&mut self, slice: usize, slices: usize) {
        let sets = self.lines.len() / self.ways_per_set;
        self.policy.become_slice(slice, slices, sets);
    }

    /// Gives this slice what the policies of a cache's slices have in common, from `other`.
    pub(super) fn share_selector(&mut self, other: &Self) {
        self.policy.share_selector(&other.policy);
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

    /// The number of a line's set.
    #[inline(always)]
    fn index_of(&self, line: LineAddr) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "all sets are in memory")]
        let index = self.index.of(line) as usize;
        index
    }

    /// Where `line` is: the first way of its set, and the way from there.
    #[inline(always)]
    fn search(&self, line: LineAddr) -> Option<(usize, usize)> {
        let first = self.index_of(line) * self.ways_per_set;
        let set = &self.tags[first..first + self.ways_per_set];
        let lines = &self.lines[first..first + self.ways_per_set];
        let (tag, is_whole) = self.tag(line);
        let way = search(set, tag, |way| self.tags_tell && is_whole || lines[way] == line)?;
        Some((first, way))
    }

    /// The tag of a line, and whether lines of the same set that are as near have others.
    #[inline(always)]
    fn tag(&self, line: LineAddr) -> (u32, bool) {
        let tag = line.number() >> (self.tag_shift % u64::BITS);
        #[expect(clippy::cast_possible_truncation, reason = "it is said whether it was")]
        let low = tag as u32;
        (low, tag < u64::from(NO_TAG))
    }

    /// Where `line` is.
    pub fn find(&self, line: LineAddr) -> Option<LowerLineIndex> {
        self.search(line).map(|(first, way)| LowerLineIndex(first + way))
    }

    /// Accesses `line`, if it is there.
    #[inline(always)]
    pub fn access(&mut self, line: LineAddr) -> Option<LowerLineIndex> {
        let (first, way) = self.search(line)?;
        self.now += 1;
        let states = &mut self.states[first..first + self.ways_per_set];
        if self.policy.hit(&mut states[way], self.now) == Hit::NeedsSet {
            self.policy.hit_in_set(states, way, self.now);
        }
        Some(LowerLineIndex(first + way))
    }

    /// Fills `line`, which is not there. Where it is now, and what had to go.
    #[inline(always)]
    pub fn fill(&mut self, line: LineAddr, state: LineState) -> (LowerLineIndex, Option<Evicted>) {
        self.now += 1;
        let index = self.index_of(line);
        let first = index * self.ways_per_set;
        let states = &mut self.states[first..first + self.ways_per_set];
        let way = self.policy.victim(states);
        self.policy.filled(states, way, index, self.now);
        let line_index = first + way;
        let before = std::mem::replace(&mut self.lines[line_index], line);
        let (tag, is_whole) = self.tag(line);
        self.tags[line_index] = tag;
        self.tags_tell &= is_whole;
        let old = match self.line_states.get_mut(line_index) {
            Some(here) => std::mem::replace(here, state),
            None => LineState::Clean,
        };
        let evicted = (before != LineAddr::INVALID).then_some(Evicted { line: before, state: old });
        (LowerLineIndex(line_index), evicted)
    }

    /// The line at `line_index` is dirty from now on.
    pub fn mark_dirty(&mut self, line_index: LowerLineIndex) {
        if let Some(state) = self.line_states.get_mut(line_index.index()) {
            *state = LineState::Dirty;
        }
    }

    /// Makes `line` dirty, if it is there; whether it is.
    pub fn mark_line_dirty(&mut self, line: LineAddr) -> bool {
        let line_index = self.find(line);
        line_index.is_some_and(|line_index| {
            self.mark_dirty(line_index);
            true
        })
    }

    /// Takes a victim of the level above, which may be there; what had to go for it.
    pub fn insert(&mut self, line: LineAddr, state: LineState) -> Option<Evicted> {
        let Some(line_index) = self.access(line) else { return self.fill(line, state).1 };
        if state == LineState::Dirty {
            self.mark_dirty(line_index);
        }
        None
    }

    /// Takes `line` out, if it is there.
    pub fn remove(&mut self, line: LineAddr) -> Option<LineState> {
        let line_index = self.find(line)?;
        self.lines[line_index.index()] = LineAddr::INVALID;
        self.states[line_index.index()] = 0;
        self.tags[line_index.index()] = NO_TAG;
        Some(self.line_states.get(line_index.index()).copied().unwrap_or_default())
    }

    /// All lines that are there, in no particular order.
    pub fn lines(&self) -> impl Iterator<Item = LineAddr> + '_ {
        self.lines.iter().copied().filter(|&line| line != LineAddr::INVALID)
    }
}
