//! Replacement policies.
//!
//! The protocol between a cache and its policy: a set is a slice of line numbers, empty ways
//! ([`LineAddr::INVALID`]) last. The cache finds a line in its set and then tells the policy of the
//! hit or asks it for the fill; the policy may reorder the slice, which is how [`Lru`] and [`Fifo`]
//! keep their order without any other state. A policy fills an empty way as long as there is one.
//!
//! All policies here share a property that the cache relies on: a second hit on the line accessed
//! last changes nothing.

mod fifo;
mod lru;
mod random;

pub use fifo::Fifo;
pub use lru::Lru;
pub use random::Random;

use crate::address::LineAddr;
use crate::cache::Outcome;

/// Which line of a full set makes room for a new one.
pub trait Policy: Clone + Send + 'static {
    /// The policy of one cache. Caches that differ in `seed` draw different random victims.
    fn new(seed: u64) -> Self;

    /// `set[way]` was accessed and is valid.
    fn hit(&mut self, set: &mut [LineAddr], way: usize);

    /// Looks for `line` in its set: a hit, or a miss and a fill.
    #[inline(always)]
    fn access(&mut self, set: &mut [LineAddr], line: LineAddr) -> Outcome {
        if let Some(way) = set.iter().position(|&tag| tag == line) {
            self.hit(set, way);
            Outcome::Hit
        } else {
            self.fill(set, line);
            Outcome::Miss
        }
    }

    /// Puts `line`, which is not in the set, into it. Returns the victim, or
    /// [`LineAddr::INVALID`] where an empty way was filled.
    fn fill(&mut self, set: &mut [LineAddr], line: LineAddr) -> LineAddr;
}

/// Makes `line` the first of the set and drops the last, for the policies that keep a set in the
/// order of replacement.
#[inline(always)]
fn push_front(set: &mut [LineAddr], line: LineAddr) -> LineAddr {
    let mut moved = line;
    for way in set {
        std::mem::swap(way, &mut moved);
    }
    moved
}
