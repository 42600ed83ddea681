//! LRU insertion.

use super::{OnHit, Policy, PolicyKind, Repeats, earliest, recency};
use crate::geometry::CacheGeometry;

/// LRU insertion policy (LIP; Qureshi, Jaleel, Patt, Steely and Emer, "Adaptive insertion policies for
/// high performance caching", ISCA 2007): as [`super::Lru`], but a line that is filled becomes the least
/// recent of its set, and so the next victim unless it is hit before.
///
/// In a set that is not full, too: what is filled there comes behind the lines that are in it.
///
/// The state is the line's position in the order of recency.
#[derive(Clone, Debug)]
pub struct Lip;

impl Policy for Lip {
    const REPEATS: Repeats = Repeats::ChangeFilled;
    const ON_HIT: OnHit = recency::ON_HIT;

    fn new(_: PolicyKind, _: &CacheGeometry, _seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        earliest(states)
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, now: u64) {
        states[way] = recency::least_recent(now);
    }
}
