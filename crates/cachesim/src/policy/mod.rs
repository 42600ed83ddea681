//! Replacement policies.
//!
//! The protocol between a cache and its policy: a set is a slice of ways, each with a line and the
//! policy's mark. A line keeps its way as long as it is in the set. The cache tells the policy of
//! hits and fills, with the time, and asks it for a victim; the policy keeps what it needs to know of
//! a line in the line's mark.
//!
//! All policies here share a property that [`crate::buffer`] relies on: a second hit on the line
//! accessed last changes nothing but the time of its mark, which is the latest of its set before and
//! after.

mod fifo;
mod lru;
mod random;

pub use fifo::Fifo;
pub use lru::Lru;
pub use random::Random;

use std::fmt::Debug;

use crate::address::LineAddr;

/// One way of a set.
#[derive(Clone, Copy, Debug)]
pub struct Way<M> {
    /// The line in it; [`LineAddr::INVALID`] in an empty one.
    pub line: LineAddr,
    /// What the policy knows of the line; the default in an empty way.
    pub mark: M,
}

/// Which line of a full set makes room for a new one.
pub trait Policy: Clone + Send + 'static {
    /// What the policy keeps of every line. Where the policy has an order, the least mark is the
    /// next victim's, and the default is less than any.
    type Mark: Copy + Default + Ord + Debug + Send + Sync;

    /// The policy of one cache. Caches that differ in `seed` draw different random victims.
    fn new(seed: u64) -> Self;

    /// The line with this mark was accessed at time `now`.
    fn hit(&mut self, mark: &mut Self::Mark, now: u64);

    /// The mark of a line filled at time `now`.
    fn filled(&mut self, now: u64) -> Self::Mark;

    /// The way to fill: an empty one as long as there is one. `set` has at least one way.
    fn victim(&mut self, set: &[Way<Self::Mark>]) -> usize;
}

/// The way with the earliest mark, an empty one if there is any; of several empty ones the first.
///
/// Times are below 2⁶¹, which at a billion accesses a second takes seventy years.
#[inline(always)]
fn earliest(set: &[Way<u64>]) -> usize {
    if let Ok(set) = <&[Way<u64>; 8]>::try_from(set) {
        // The most common number of ways. The least of mark and way together, found pair by pair:
        // no branch, and nothing waits for more than three comparisons.
        let key = |way: usize| set[way].mark << 3 | way as u64;
        let quarters =
            [key(0).min(key(1)), key(2).min(key(3)), key(4).min(key(5)), key(6).min(key(7))];
        let halves = [quarters[0].min(quarters[1]), quarters[2].min(quarters[3])];
        return (halves[0].min(halves[1]) & 7) as usize;
    }
    (1..set.len()).fold(0, |least, way| if set[way].mark < set[least].mark { way } else { least })
}
