//! Least recently used.

use super::{OnHit, Policy, PolicyKind, Repeats, earliest};
use crate::geometry::CacheGeometry;

/// Least recently used: the victim is the line whose last access is longest ago (Mattson et al.,
/// "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2), 1970).
///
/// The state is the time of the last access, so that a hit is one store, wherever in the order of
/// recency the line was. The order is looked for on a miss only.
#[derive(Clone, Debug)]
pub struct Lru;

impl Policy for Lru {
    const REPEATS: Repeats = Repeats::ChangeNothing;
    const ON_HIT: OnHit = OnHit::TIME;

    fn new(_: PolicyKind, _: &CacheGeometry, _seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        earliest(states)
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, now: u64) {
        states[way] = now;
    }
}
