//! Least recently used.

use super::{Policy, Way, earliest};

/// Least recently used: the victim is the line whose last access is longest ago (Mattson et al.,
/// "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2), 1970).
///
/// The mark is the time of the last access, so that a hit is one store, wherever in the order of
/// recency the line was. The order is looked for on a miss only.
#[derive(Clone, Debug)]
pub struct Lru;

impl Policy for Lru {
    type Mark = u64;

    fn new(_seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn hit(&mut self, mark: &mut u64, now: u64) {
        *mark = now;
    }

    #[inline(always)]
    fn filled(&mut self, now: u64) -> u64 {
        now
    }

    #[inline(always)]
    fn victim(&mut self, set: &[Way<u64>]) -> usize {
        earliest(set)
    }
}
