//! One cache: tags only, set-associative, write-allocate.
//!
//! Model: the set index is the line number modulo the number of sets (bit selection where that is a
//! power of two); a miss fills the line, whether it was a load, a store or a fetch; an access is of
//! one line, that of its first byte. These are the reference's rules.
//!
//! What makes it fast is *way prediction*: a small table, found by the low bits of a line's number,
//! remembers in which way the line was seen last. Nearly every hit is one comparison with that way,
//! whose result does not depend on which of the set's lines it is, and so is easily foreseen by the
//! host's branch predictor. The set is searched only for the others. (The name is from hardware, which
//! saves power that way: Inoue, Ishihara and Murakami, "Way-predicting set-associative cache for high
//! performance and low energy consumption", ISLPED 1999.)

use std::cmp::Reverse;
use std::ops::Range;

use crate::address::LineAddr;
use crate::config::Level;
use crate::geometry::CacheGeometry;
use crate::policy::{Hit, Policy, PolicyKind};

/// What one access did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The line was there.
    Hit,
    /// The line was not there and has been filled.
    Miss,
}

/// Where in a cache a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineIndex(usize);

impl LineIndex {
    /// A number below that of the cache's lines.
    #[inline(always)]
    pub fn index(self) -> usize {
        self.0
    }
}

/// What is in one way of a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Way {
    /// The line in it; [`LineAddr::INVALID`] in an empty one.
    pub line: LineAddr,
    /// What the policy knows of the line; 0 in an empty way.
    pub state: u64,
}

/// How the set of a line is found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SetIndex {
    /// A power of two of sets: the low bits of the line number.
    Mask(u64),
    /// Any other number of sets: the remainder.
    Modulo(u64),
}

impl SetIndex {
    pub(crate) fn new(sets: u64) -> Self {
        if sets.is_power_of_two() { Self::Mask(sets - 1) } else { Self::Modulo(sets) }
    }

    /// How many sets there are.
    fn sets(self) -> u64 {
        match self {
            Self::Mask(mask) => mask + 1,
            Self::Modulo(sets) => sets,
        }
    }

    #[inline(always)]
    pub(crate) fn of(self, line: LineAddr) -> u64 {
        match self {
            Self::Mask(mask) => line.number() & mask,
            Self::Modulo(sets) => line.number() % sets,
        }
    }
}

/// How the set of a line is found in a cache of [`EIGHT_WAYS`] and a power of two of sets, whose lines are
/// fixed. In others it is beyond all sets, so that the check whether there is such a set is the only one.
#[derive(Clone, Copy, Debug)]
struct EightWayIndex {
    mask: usize,
    out_of_range: usize,
}

impl EightWayIndex {
    fn new(geometry: &CacheGeometry) -> Self {
        match (SetIndex::new(geometry.sets()), usize::try_from(geometry.ways())) {
            (SetIndex::Mask(mask), Ok(EIGHT_WAYS))
                if geometry.lines() <= MAX_PREDICTED_LINES as u64 =>
            {
                let mask = usize::try_from(mask).expect("all sets are in memory");
                Self { mask, out_of_range: 0 }
            }
            _ => Self { mask: 0, out_of_range: usize::MAX / EIGHT_WAYS },
        }
    }

    #[inline(always)]
    fn of(self, line: LineAddr) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the mask is no wider")]
        let number = line.number() as usize;
        number & self.mask | self.out_of_range
    }
}

/// Lines whose numbers differ by a multiple of this share a prediction.
const PREDICTIONS: usize = 4096;

/// The most common number of ways, which has a path of its own.
const EIGHT_WAYS: usize = 8;

/// As many lines as a prediction can tell apart, those in arrays of *fixed* length. In a cache of more lines nothing is
/// predicted. Few where many caches are made, and memory is filled slowly or never given back.
const MAX_PREDICTED_LINES: usize = if cfg!(any(miri, shuttle)) { 1 << 10 } else { 1 << u16::BITS };

/// Where the states of fixed lines begin behind their numbers. A bit further, so that no state is where the
/// host takes it for the number of the same line: it compares the lowest 12 bits of addresses first.
const STATES: usize = MAX_PREDICTED_LINES + 256;

/// A cache with replacement policy `P`.
///
/// A hit where the line is expected is a part of each callback, and what a callback costs depends on how
/// many instructions of the host it is, and on how long they are. So the arrays are of lengths that are
/// known when this is compiled, beyond which no number of theirs can point, and what is needed first is
/// in the cache itself.
#[derive(Debug)]
#[repr(C)]
pub struct Cache<P: Policy> {
    /// The number of the line in each way of each set, one set after the other; that of
    /// [`LineAddr::INVALID`] in empty ways. From [`STATES`] on what the policy knows of them, in the same
    /// order. What is beyond the last set is never touched.
    fixed: FixedArrays,
    sets: Box<Sets>,
    policy: P,
    /// Where a line was seen last. Only a guess: what is there says which line it is.
    predictions: [u16; PREDICTIONS],
}

type FixedArrays = Box<[u64; STATES + MAX_PREDICTED_LINES]>;

/// Zeros, for which the host finds memory as it is written to.
fn untouched() -> FixedArrays {
    let words = vec![0; STATES + MAX_PREDICTED_LINES].into_boxed_slice();
    words.try_into().expect("as many as that")
}

impl<P: Policy> Clone for Cache<P> {
    fn clone(&self) -> Self {
        let places = self.sets.fixed;
        let states = STATES..STATES + places;
        let mut fixed = untouched();
        fixed[..places].copy_from_slice(&self.fixed[..places]);
        fixed[states.clone()].copy_from_slice(&self.fixed[states]);
        let Self { sets, policy, predictions, .. } = self;
        Self { fixed, sets: sets.clone(), policy: policy.clone(), predictions: *predictions }
    }
}

/// How many sets a cache has, of how many ways, and how that of a line is found.
#[derive(Clone, Debug)]
struct Sets {
    ways: usize,
    /// How many of the fixed lines may be looked at: all, or where no line is fixed the one that every
    /// prediction is of.
    fixed: usize,
    index: SetIndex,
    eight_way_index: EightWayIndex,
    /// The lines of a cache that has more than [`MAX_PREDICTED_LINES`]. Nothing is fixed then.
    heap: Option<HeapArrays>,
}

/// Line numbers and states, as those that are fixed.
#[derive(Clone, Debug)]
struct HeapArrays {
    lines: Box<[u64]>,
    states: Box<[u64]>,
}

/// One set: line numbers and states.
struct Set<'cache> {
    /// Its number.
    index: usize,
    lines: &'cache mut [u64],
    states: &'cache mut [u64],
}

impl<P: Policy> Cache<P> {
    /// An empty cache. Where `P` is not [`AnyPolicy`](crate::policy::AnyPolicy), `kind` does not matter;
    /// `seed` matters to policies that make random choices.
    ///
    /// # Panics
    /// Where the host cannot address that many lines; [`CacheGeometry`] bounds them heap below.
    pub fn new(geometry: &CacheGeometry, kind: PolicyKind, seed: u64) -> Self {
        let places = usize::try_from(geometry.lines()).expect("lines fit the address space");
        let empty = LineAddr::INVALID.number();
        let heap = (places > MAX_PREDICTED_LINES).then(|| HeapArrays {
            lines: vec![empty; places].into_boxed_slice(),
            states: vec![0; places].into_boxed_slice(),
        });
        let sets = Sets {
            ways: usize::try_from(geometry.ways()).expect("fewer than lines"),
            fixed: if heap.is_none() { places } else { 1 },
            index: SetIndex::new(geometry.sets()),
            eight_way_index: EightWayIndex::new(geometry),
            heap,
        };
        let mut fixed = untouched();
        fixed[..sets.fixed].fill(empty);
        Self {
            fixed,
            sets: Box::new(sets),
            policy: P::new(kind, geometry, seed),
            predictions: [0; PREDICTIONS],
        }
    }

    /// An empty cache with these settings; see [`Cache::new`].
    pub fn of(level: &Level, seed: u64) -> Self {
        Self::new(&level.geometry, level.policy, seed)
    }

    /// Accesses `line` at time `now`, a number that is greater at each access, and more than 0.
    #[inline(always)]
    pub fn access(&mut self, line: LineAddr, now: u64) -> Outcome {
        if self.hits_as_predicted(line, now) {
            Outcome::Hit
        } else {
            self.access_unpredicted(line, now)
        }
    }

    /// Accesses `line` if it is in the way it was seen in last; then this is a hit. Otherwise nothing
    /// has happened yet and [`Cache::access_unpredicted`] must follow.
    #[inline(always)]
    pub fn hits_as_predicted(&mut self, line: LineAddr, now: u64) -> bool {
        self.predicted_hit(line, now, |_| true).is_some()
    }

    /// As [`Cache::hits_as_predicted`], if `may_be` of where the line is.
    #[inline(always)]
    pub(crate) fn predicted_hit(
        &mut self,
        line: LineAddr,
        now: u64,
        may_be: impl FnOnce(LineIndex) -> bool,
    ) -> Option<LineIndex> {
        let predicted = usize::from(self.predictions[prediction_of(line)]);
        let hit = self.fixed[predicted] == line.number()
            && may_be(LineIndex(predicted))
            && self.policy.hit(&mut self.fixed[STATES + predicted], now) == Hit::Done;
        hit.then_some(LineIndex(predicted))
    }

    /// Accesses `line`, wherever it is.
    #[inline(always)]
    pub fn access_unpredicted(&mut self, line: LineAddr, now: u64) -> Outcome {
        match self.access_eight_way(line, now) {
            Some(outcome) => outcome,
            None => self.access_any_geometry(line, now),
        }
    }

    /// Accesses `line`, wherever it is, if the cache is eight-way with a power of two of
    /// sets. `None` in the others: nothing has happened.
    #[inline(always)]
    pub fn access_eight_way(&mut self, line: LineAddr, now: u64) -> Option<Outcome> {
        let (set, policy) = self.eight_way_set(line)?;
        let first = set.first();
        let (outcome, way) = set.access(policy, line, now);
        self.predictions[prediction_of(line)] = as_prediction(first + way);
        Some(outcome)
    }

    /// The set of `line`, whose eight ways are known when this is compiled, and the policy. `None` where the cache is
    /// not eight-way with a power of two of sets.
    #[inline(always)]
    fn eight_way_set(&mut self, line: LineAddr) -> Option<(Set<'_>, &mut P)> {
        let index = self.sets.eight_way_index.of(line);
        let first = index * EIGHT_WAYS;
        let (lines, states) = self.fixed.split_at_mut(STATES);
        let set = Set {
            index,
            lines: lines.get_mut(first..)?.first_chunk_mut::<EIGHT_WAYS>()?,
            states: states.get_mut(first..)?.first_chunk_mut::<EIGHT_WAYS>()?,
        };
        Some((set, &mut self.policy))
    }

    /// Accesses `line`, wherever it is, in any geometry.
    #[inline(never)]
    pub fn access_any_geometry(&mut self, line: LineAddr, now: u64) -> Outcome {
        let (set, policy) = self.set_mut(line);
        let first = set.first();
        let (outcome, way) = set.access(policy, line, now);
        self.expect(line, first + way);
        outcome
    }

    /// Accesses `line`, if it is there. Where it is.
    #[inline(always)]
    pub fn hit(&mut self, line: LineAddr, now: u64) -> Option<LineIndex> {
        if let Some(line_index) = self.predicted_hit(line, now, |_| true) {
            return Some(line_index);
        }
        let Some((mut set, policy)) = self.eight_way_set(line) else {
            return self.hit_any_geometry(line, now);
        };
        let line_index = set.first() + set.hit(policy, line, now)?;
        self.predictions[prediction_of(line)] = as_prediction(line_index);
        Some(LineIndex(line_index))
    }

    #[inline(never)]
    fn hit_any_geometry(&mut self, line: LineAddr, now: u64) -> Option<LineIndex> {
        let (mut set, policy) = self.set_mut(line);
        let line_index = set.first() + set.hit(policy, line, now)?;
        self.expect(line, line_index);
        Some(LineIndex(line_index))
    }

    /// Fills `line`, which is not there. Where it is now, and what was there before.
    #[inline(always)]
    pub fn fill(&mut self, line: LineAddr, now: u64) -> (LineIndex, Option<LineAddr>) {
        let Some((mut set, policy)) = self.eight_way_set(line) else {
            return self.fill_any_geometry(line, now);
        };
        let first = set.first();
        let (way, before) = set.fill(policy, line, now);
        self.predictions[prediction_of(line)] = as_prediction(first + way);
        (LineIndex(first + way), (before != LineAddr::INVALID).then_some(before))
    }

    #[inline(never)]
    fn fill_any_geometry(&mut self, line: LineAddr, now: u64) -> (LineIndex, Option<LineAddr>) {
        let (mut set, policy) = self.set_mut(line);
        let first = set.first();
        let (way, before) = set.fill(policy, line, now);
        self.expect(line, first + way);
        (LineIndex(first + way), (before != LineAddr::INVALID).then_some(before))
    }

    /// The set of `line`, and the policy.
    #[inline(always)]
    fn set_mut(&mut self, line: LineAddr) -> (Set<'_>, &mut P) {
        let index = self.sets.index_of(line);
        let places = self.sets.places(index);
        let (lines, states): (&mut [u64], &mut [u64]) = match &mut self.sets.heap {
            None => self.fixed.split_at_mut(STATES),
            Some(HeapArrays { lines, states }) => (lines, states),
        };
        let set = Set { index, lines: &mut lines[places.clone()], states: &mut states[places] };
        (set, &mut self.policy)
    }

    /// `line` is at `line_index`.
    #[inline(always)]
    fn expect(&mut self, line: LineAddr, line_index: usize) {
        if self.sets.heap.is_none() {
            self.predictions[prediction_of(line)] = as_prediction(line_index);
        }
    }

    /// All lines' numbers and states, as they lie.
    fn ways(&self) -> (&[u64], &[u64]) {
        match &self.sets.heap {
            None => self.fixed.split_at(STATES),
            Some(HeapArrays { lines, states }) => (lines, states),
        }
    }

    /// Where `line` is.
    pub fn find(&self, line: LineAddr) -> Option<LineIndex> {
        let places = self.sets.places(self.sets.index_of(line));
        let first = places.start;
        let way = self.ways().0[places].iter().position(|&number| number == line.number())?;
        Some(LineIndex(first + way))
    }

    /// Takes `line` out. Where it was, if it was there.
    pub fn remove(&mut self, line: LineAddr) -> Option<LineIndex> {
        let line_index = self.find(line)?;
        let (set, _) = self.set_mut(line);
        let way = line_index.0 - set.first();
        set.lines[way] = LineAddr::INVALID.number();
        set.states[way] = 0;
        Some(line_index)
    }

    /// All lines that are there, in no particular order. For tests.
    pub fn lines(&self) -> impl Iterator<Item = LineAddr> + '_ {
        let sets = (0..self.sets.index.sets()).map(LineAddr::from_number);
        let ways = sets.flat_map(|line_in_set| self.ways_of(line_in_set));
        ways.map(|way| way.line).filter(|&line| line != LineAddr::INVALID)
    }

    /// The set that `line` belongs to: its lines, the greatest state first, those with equal states as they
    /// lie; empty ways last. With the policies that put all lines in an order the next victim is the last
    /// one. For tests.
    pub fn set_of(&self, line: LineAddr) -> Vec<LineAddr> {
        let mut set = self.ways_of(line);
        set.sort_by_key(|way| Reverse(way.state));
        set.into_iter().map(|way| way.line).collect()
    }

    /// The ways of the set that `line` belongs to, as they lie. For tests.
    pub fn ways_of(&self, line: LineAddr) -> Vec<Way> {
        let places = self.sets.places(self.sets.index_of(line));
        let (lines, states) = self.ways();
        let way = |line_index| Way {
            line: LineAddr::from_number(lines[line_index]),
            state: states[line_index],
        };
        places.map(way).collect()
    }
}

impl Sets {
    /// The number of a line's set.
    #[inline(always)]
    fn index_of(&self, line: LineAddr) -> usize {
        // The index is below the number of sets, whose lines are all in memory: it fits.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let set = self.index.of(line) as usize;
        set
    }

    /// Where the lines of set `index` are.
    #[inline(always)]
    fn places(&self, index: usize) -> Range<usize> {
        let first = index * self.ways;
        first..first + self.ways
    }
}

impl Set<'_> {
    /// The index of its first line.
    #[inline(always)]
    fn first(&self) -> usize {
        self.index * self.lines.len()
    }

    /// Accesses `line`. The way it is in now.
    #[inline(always)]
    fn access<P: Policy>(mut self, policy: &mut P, line: LineAddr, now: u64) -> (Outcome, usize) {
        match self.hit(policy, line, now) {
            Some(way) => (Outcome::Hit, way),
            None => (Outcome::Miss, self.fill(policy, line, now).0),
        }
    }

    /// Accesses `line`, if it is there. The way.
    #[inline(always)]
    fn hit<P: Policy>(&mut self, policy: &mut P, line: LineAddr, now: u64) -> Option<usize> {
        let way = self.lines.iter().position(|&number| number == line.number())?;
        policy.hit_in_set(self.states, way, now);
        Some(way)
    }

    /// Fills `line`. The way, and what was there before.
    #[inline(always)]
    fn fill<P: Policy>(&mut self, policy: &mut P, line: LineAddr, now: u64) -> (usize, LineAddr) {
        let way = policy.victim(self.states);
        let before = std::mem::replace(&mut self.lines[way], line.number());
        policy.filled(self.states, way, self.index, now);
        (way, LineAddr::from_number(before))
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a remainder")]
fn prediction_of(line: LineAddr) -> usize {
    line.number() as usize % PREDICTIONS
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a line_index below MAX_PREDICTED_LINES")]
fn as_prediction(line_index: usize) -> u16 {
    line_index as u16
}
