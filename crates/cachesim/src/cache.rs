//! One cache: tags only, set-associative, write-allocate.
//!
//! Model: the set index is the line number modulo the number of sets (bit selection where that is a
//! power of two); a miss fills the line, whether it was a load, a store or a fetch; an access is of
//! one line, that of its first byte. These are the reference's rules.
//!
//! What makes it fast is that most accesses are to the line that was accessed last in its set, which
//! takes one comparison to know and changes nothing. Only for the others is the set searched.

use crate::address::LineAddr;
use crate::geometry::CacheGeometry;
use crate::policy::Policy;
use crate::recent::RecentLines;

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
    recent: RecentLines,
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
            recent: RecentLines::new(geometry.sets()),
            ways,
            index: SetIndex::new(geometry.sets()),
            tags: vec![LineAddr::INVALID; sets * ways].into_boxed_slice(),
            policy: P::new(seed),
        }
    }

    /// Accesses `line`.
    #[inline(always)]
    pub fn access(&mut self, line: LineAddr) -> Outcome {
        if self.is_recent(line) { Outcome::Hit } else { self.access_another(line) }
    }

    /// Whether accessing `line` is known to be a hit that changes nothing.
    #[inline(always)]
    pub fn is_recent(&self, line: LineAddr) -> bool {
        self.recent.contains(line)
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

    /// Accesses `line`, whether [`Cache::is_recent`] or not.
    #[inline(always)]
    pub fn access_another(&mut self, line: LineAddr) -> Outcome {
        self.recent.remember(line);
        let start = self.first_way_of(line);
        self.policy.access(&mut self.tags[start..start + self.ways], line)
    }
}
