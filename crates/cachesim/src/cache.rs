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

use crate::address::LineAddr;
use crate::geometry::CacheGeometry;
use crate::options::{Level, PolicyKind};
use crate::policy::{Hit, Policy, Way};

/// What one access did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The line was there.
    Hit,
    /// The line was not there and has been filled.
    Miss,
}

/// Where in a cache a line is: a number below that of the cache's lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(usize);

impl Place {
    /// The number.
    pub fn index(self) -> usize {
        self.0
    }
}

/// How the set of a line is found.
#[derive(Clone, Copy, Debug)]
enum SetIndex {
    /// A power of two of sets: the low bits of the line number.
    Mask(u64),
    /// Any other number of sets: the remainder.
    Modulo(u64),
}

impl SetIndex {
    fn new(sets: u64) -> Self {
        if sets.is_power_of_two() { Self::Mask(sets - 1) } else { Self::Modulo(sets) }
    }

    #[inline(always)]
    fn of(self, line: LineAddr) -> u64 {
        match self {
            Self::Mask(mask) => line.number() & mask,
            Self::Modulo(sets) => line.number() % sets,
        }
    }
}

/// Lines whose numbers differ by a multiple of this share a prediction.
const PREDICTIONS: usize = 4096;

/// The most common number of ways, which has a path of its own.
const USUAL_WAYS: usize = 8;

/// A cache with replacement policy `P`.
#[derive(Clone, Debug)]
pub struct Cache<P: Policy> {
    /// All ways of all sets, one set after the other.
    ways: Box<[Way<P::Mark>]>,
    ways_per_set: usize,
    index: SetIndex,
    policy: P,
    /// Where in `ways` a line was seen last. Only a guess: the way says which line it holds.
    predictions: [u32; PREDICTIONS],
}

impl<P: Policy> Cache<P> {
    /// An empty cache. Where `P` is not [`AnyPolicy`](crate::policy::AnyPolicy), `kind` does not matter;
    /// `seed` matters to policies that make random choices.
    ///
    /// # Panics
    /// Where the host cannot address that many lines; [`CacheGeometry`] bounds them far below.
    pub fn new(geometry: &CacheGeometry, kind: PolicyKind, seed: u64) -> Self {
        let ways_per_set = usize::try_from(geometry.ways()).expect("ways fit the address space");
        let sets = usize::try_from(geometry.sets()).expect("sets fit the address space");
        let empty = Way { line: LineAddr::INVALID, mark: P::Mark::default() };
        Self {
            ways: vec![empty; sets * ways_per_set].into_boxed_slice(),
            ways_per_set,
            index: SetIndex::new(geometry.sets()),
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
        self.predicted_hit(line, now).is_some()
    }

    /// As [`Cache::hits_as_predicted`]; the place where the line is, if it is.
    #[inline(always)]
    pub fn predicted_hit(&mut self, line: LineAddr, now: u64) -> Option<Place> {
        let predicted = self.predictions[prediction_of(line)] as usize;
        let way = self.ways.get_mut(predicted)?;
        let hit = way.line == line && self.policy.hit(&mut way.mark, now) == Hit::Done;
        hit.then_some(Place(predicted))
    }

    /// Accesses `line`, wherever it is.
    #[inline(always)]
    pub fn access_unpredicted(&mut self, line: LineAddr, now: u64) -> Outcome {
        match self.access_usual(line, now) {
            Some(outcome) => outcome,
            None => self.access_unusual(line, now),
        }
    }

    /// Accesses `line`, wherever it is, if the geometry is a usual one: eight ways, a power of two of
    /// sets. `None` in the others: nothing has happened.
    #[inline(always)]
    pub fn access_usual(&mut self, line: LineAddr, now: u64) -> Option<Outcome> {
        let SetIndex::Mask(mask) = self.index else { return None };
        if self.ways_per_set != USUAL_WAYS {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "all sets are in memory")]
        let index = (line.number() & mask) as usize;
        let first = index * USUAL_WAYS;
        let set = self.ways.get_mut(first..)?.first_chunk_mut::<USUAL_WAYS>()?;
        let prediction = &mut self.predictions[prediction_of(line)];
        Some(search(&mut self.policy, set, index, prediction, line, now))
    }

    /// Accesses `line`, wherever it is, in any geometry.
    #[inline(never)]
    pub fn access_unusual(&mut self, line: LineAddr, now: u64) -> Outcome {
        let index = self.index_of(line);
        let first = index * self.ways_per_set;
        let set = &mut self.ways[first..first + self.ways_per_set];
        let prediction = &mut self.predictions[prediction_of(line)];
        search(&mut self.policy, set, index, prediction, line, now)
    }

    /// Where `line` is.
    #[inline(always)]
    pub fn find(&self, line: LineAddr) -> Option<Place> {
        let first = self.index_of(line) * self.ways_per_set;
        let set = &self.ways[first..first + self.ways_per_set];
        set.iter().position(|way| way.line == line).map(|way| Place(first + way))
    }

    /// Accesses the line that [`Cache::find`] has found at `place`.
    #[inline(always)]
    pub fn hit(&mut self, line: LineAddr, place: Place, now: u64) {
        let first = place.0 - place.0 % self.ways_per_set;
        let set = &mut self.ways[first..first + self.ways_per_set];
        self.policy.hit_in_set(set, place.0 - first, now);
        self.predict(line, place);
    }

    /// Fills `line`, which is not there. Where it is now, and what was there before.
    #[inline(always)]
    pub fn fill(&mut self, line: LineAddr, now: u64) -> (Place, Option<LineAddr>) {
        let index = self.index_of(line);
        let first = index * self.ways_per_set;
        let set = &mut self.ways[first..first + self.ways_per_set];
        let way = self.policy.victim(set);
        let before = std::mem::replace(&mut set[way].line, line);
        self.policy.filled(set, way, index, now);
        let place = Place(first + way);
        self.predict(line, place);
        (place, (before != LineAddr::INVALID).then_some(before))
    }

    /// Takes `line` out. Where it was, if it was there.
    pub fn remove(&mut self, line: LineAddr) -> Option<Place> {
        let place = self.find(line)?;
        self.ways[place.0] = Way { line: LineAddr::INVALID, mark: P::Mark::default() };
        Some(place)
    }

    #[inline(always)]
    fn predict(&mut self, line: LineAddr, place: Place) {
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_LINES ways in all")]
        {
            self.predictions[prediction_of(line)] = place.0 as u32;
        }
    }

    /// All lines that are there, in no particular order. For tests and the curious.
    pub fn lines(&self) -> impl Iterator<Item = LineAddr> + '_ {
        self.ways.iter().map(|way| way.line).filter(|&line| line != LineAddr::INVALID)
    }

    /// The set that `line` belongs to: its lines, the greatest mark first, those with equal marks as they
    /// lie; empty ways last. With the policies that put all lines in an order the next victim is the last
    /// one. For tests and the curious.
    pub fn set_of(&self, line: LineAddr) -> Vec<LineAddr> {
        let mut set = self.ways_of(line).to_vec();
        set.sort_by_key(|way| Reverse(way.mark));
        set.into_iter().map(|way| way.line).collect()
    }

    /// The ways of the set that `line` belongs to, as they lie. For tests and the curious.
    pub fn ways_of(&self, line: LineAddr) -> &[Way<P::Mark>] {
        let first = self.index_of(line) * self.ways_per_set;
        &self.ways[first..first + self.ways_per_set]
    }

    fn index_of(&self, line: LineAddr) -> usize {
        // The index is below the number of sets, whose lines are all in memory: it fits.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let set = self.index.of(line) as usize;
        set
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a remainder")]
fn prediction_of(line: LineAddr) -> usize {
    line.number() as usize % PREDICTIONS
}

/// Accesses `line` in its set, number `index` of all.
#[inline(always)]
fn search<P: Policy>(
    policy: &mut P,
    set: &mut [Way<P::Mark>],
    index: usize,
    prediction: &mut u32,
    line: LineAddr,
    now: u64,
) -> Outcome {
    let (outcome, way) = if let Some(way) = set.iter().position(|way| way.line == line) {
        policy.hit_in_set(set, way, now);
        (Outcome::Hit, way)
    } else {
        let way = policy.victim(set);
        set[way].line = line;
        policy.filled(set, way, index, now);
        (Outcome::Miss, way)
    };
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_LINES ways in all")]
    {
        *prediction = (index * set.len() + way) as u32;
    }
    outcome
}
