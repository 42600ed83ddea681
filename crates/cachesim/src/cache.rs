//! One cache: tags only, set-associative, write-allocate.
//!
//! Model: the set index is the line number modulo the number of sets (bit selection where that is a
//! power of two); a miss fills the line, whether it was a load, a store or a fetch; an access is of
//! one line, that of its first byte. These are the reference's rules.
//!
//! What makes it fast is the order of the questions: is it the line of the last access? is it in the
//! first way of its set? only then is the set searched. With [`Lru`](crate::policy::Lru) the first
//! way is the most recent one.

use crate::address::LineAddr;
use crate::geometry::CacheGeometry;
use crate::policy::Policy;

/// What one access did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The line was there.
    Hit,
    /// The line was not there and has been filled.
    Miss,
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

/// A cache with replacement policy `P`.
#[derive(Clone, Debug)]
pub struct Cache<P> {
    /// The line of the last access. It is in its set and, where the policy keeps an order that hits
    /// change, already in front.
    last: LineAddr,
    ways: usize,
    index: SetIndex,
    /// All sets, one after the other.
    tags: Box<[LineAddr]>,
    policy: P,
}

impl<P: Policy> Cache<P> {
    /// An empty cache. `seed` matters to [`Random`](crate::policy::Random) only.
    ///
    /// # Panics
    /// Where the host cannot address that many lines; [`CacheGeometry`] bounds them far below.
    pub fn new(geometry: &CacheGeometry, seed: u64) -> Self {
        let ways = usize::try_from(geometry.ways()).expect("ways fit the host's address space");
        let sets = usize::try_from(geometry.sets()).expect("sets fit the host's address space");
        Self {
            last: LineAddr::INVALID,
            ways,
            index: SetIndex::new(geometry.sets()),
            tags: vec![LineAddr::INVALID; sets * ways].into_boxed_slice(),
            policy: P::new(seed),
        }
    }

    /// Accesses `line`.
    #[inline(always)]
    pub fn access(&mut self, line: LineAddr) -> Outcome {
        if self.is_last(line) { Outcome::Hit } else { self.access_another(line) }
    }

    /// Whether `line` is that of the last access: accessing it again is a hit that changes nothing.
    #[inline(always)]
    pub fn is_last(&self, line: LineAddr) -> bool {
        line == self.last
    }

    /// The set that `line` belongs to: its lines, in the policy's order, empty ways last.
    pub fn set_of(&self, line: LineAddr) -> &[LineAddr] {
        let start = self.first_way_of(line);
        &self.tags[start..start + self.ways]
    }

    #[inline(always)]
    fn first_way_of(&self, line: LineAddr) -> usize {
        // The index is below the number of sets, whose lines are all in memory: it fits.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let set = self.index.of(line) as usize;
        set * self.ways
    }

    /// Accesses `line`, which is not that of the last access.
    #[inline(always)]
    pub fn access_another(&mut self, line: LineAddr) -> Outcome {
        self.last = line;
        let start = self.first_way_of(line);
        let set = &mut self.tags[start..start + self.ways];
        if set[0] == line {
            return Outcome::Hit;
        }
        self.policy.access(set, line)
    }
}
