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

/// Where in a cache a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(usize);

impl Place {
    /// A number below that of the cache's lines.
    #[inline(always)]
    pub fn index(self) -> usize {
        self.0
    }
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

    #[inline(always)]
    pub(crate) fn of(self, line: LineAddr) -> u64 {
        match self {
            Self::Mask(mask) => line.number() & mask,
            Self::Modulo(sets) => line.number() % sets,
        }
    }
}

/// How the set of a line is found in a cache of [`USUAL_WAYS`] and a power of two of sets. In others it
/// is beyond all sets, so that the check whether there is such a set is the only one.
#[derive(Clone, Copy, Debug)]
struct UsualIndex {
    mask: usize,
    beyond: usize,
}

impl UsualIndex {
    fn new(geometry: &CacheGeometry) -> Self {
        match (SetIndex::new(geometry.sets()), usize::try_from(geometry.ways())) {
            (SetIndex::Mask(mask), Ok(USUAL_WAYS)) => {
                let mask = usize::try_from(mask).expect("all sets are in memory");
                Self { mask, beyond: 0 }
            }
            _ => Self { mask: 0, beyond: usize::MAX / USUAL_WAYS },
        }
    }

    #[inline(always)]
    fn of(self, line: LineAddr) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the mask is no wider")]
        let number = line.number() as usize;
        number & self.mask | self.beyond
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
    usual_index: UsualIndex,
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
            usual_index: UsualIndex::new(geometry),
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

    #[inline(always)]
    fn predicted_hit(&mut self, line: LineAddr, now: u64) -> Option<Place> {
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
        let index = self.usual_index.of(line);
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

    /// Accesses `line`, if it is there. Where it is.
    #[inline(always)]
    pub fn hit(&mut self, line: LineAddr, now: u64) -> Option<Place> {
        if let Some(place) = self.predicted_hit(line, now) {
            return Some(place);
        }
        let (index, set, policy, prediction) = self.set_mut(line);
        // Without the second arm the usual number of ways were not known when this is compiled.
        let (first, way) = match <&mut [Way<P::Mark>; USUAL_WAYS]>::try_from(&mut *set) {
            Ok(set) => (index * USUAL_WAYS, hit(policy, set, line, now)?),
            Err(_) => (index * set.len(), hit(policy, set, line, now)?),
        };
        *prediction = as_prediction(first + way);
        Some(Place(first + way))
    }

    /// Fills `line`, which is not there. Where it is now, and what was there before.
    #[inline(always)]
    pub fn fill(&mut self, line: LineAddr, now: u64) -> (Place, Option<LineAddr>) {
        let (index, set, policy, prediction) = self.set_mut(line);
        let (first, (way, before)) = match <&mut [Way<P::Mark>; USUAL_WAYS]>::try_from(&mut *set) {
            Ok(set) => (index * USUAL_WAYS, fill(policy, set, index, line, now)),
            Err(_) => (index * set.len(), fill(policy, set, index, line, now)),
        };
        *prediction = as_prediction(first + way);
        (Place(first + way), (before != LineAddr::INVALID).then_some(before))
    }

    /// The set of `line`: its number, its ways, its policy, and the line's prediction.
    #[inline(always)]
    fn set_mut(&mut self, line: LineAddr) -> (usize, &mut [Way<P::Mark>], &mut P, &mut u32) {
        let index = self.index_of(line);
        let first = index * self.ways_per_set;
        let set = &mut self.ways[first..first + self.ways_per_set];
        (index, set, &mut self.policy, &mut self.predictions[prediction_of(line)])
    }

    /// Where `line` is.
    pub fn find(&self, line: LineAddr) -> Option<Place> {
        let first = self.index_of(line) * self.ways_per_set;
        let set = &self.ways[first..first + self.ways_per_set];
        set.iter().position(|way| way.line == line).map(|way| Place(first + way))
    }

    /// Takes `line` out. Where it was, if it was there.
    pub fn remove(&mut self, line: LineAddr) -> Option<Place> {
        let place = self.find(line)?;
        self.ways[place.0] = Way { line: LineAddr::INVALID, mark: P::Mark::default() };
        Some(place)
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
    let (outcome, way) = match hit(policy, set, line, now) {
        Some(way) => (Outcome::Hit, way),
        None => (Outcome::Miss, fill(policy, set, index, line, now).0),
    };
    *prediction = as_prediction(index * set.len() + way);
    outcome
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most MAX_LINES ways in all")]
fn as_prediction(place: usize) -> u32 {
    place as u32
}

/// Accesses `line` in its set, if it is there. The way.
#[inline(always)]
fn hit<P: Policy>(
    policy: &mut P,
    set: &mut [Way<P::Mark>],
    line: LineAddr,
    now: u64,
) -> Option<usize> {
    let way = set.iter().position(|way| way.line == line)?;
    policy.hit_in_set(set, way, now);
    Some(way)
}

/// Fills `line` in its set, number `index` of all. The way, and what was there before.
#[inline(always)]
fn fill<P: Policy>(
    policy: &mut P,
    set: &mut [Way<P::Mark>],
    index: usize,
    line: LineAddr,
    now: u64,
) -> (usize, LineAddr) {
    let way = policy.victim(set);
    let before = std::mem::replace(&mut set[way].line, line);
    policy.filled(set, way, index, now);
    (way, before)
}
