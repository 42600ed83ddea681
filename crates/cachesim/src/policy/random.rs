//! Random replacement.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{OnHit, Policy, PolicyKind, Repeats, empty_way};
use crate::geometry::CacheGeometry;

/// Random: a uniformly chosen way of a full set is the victim.
///
/// Every cache draws from a generator of its own, seeded from the run's seed, so that a run repeats
/// whatever the other caches do. (The reference shares one unseeded generator.)
///
/// The state is 1 where there is a line.
#[derive(Clone, Debug)]
pub struct Random {
    generator: SmallRng,
}

impl Policy for Random {
    const REPEATS: Repeats = Repeats::ChangeNothing;
    const ON_HIT: OnHit = OnHit::NOTHING;
    const IS_RANDOM: bool = true;

    fn new(_: PolicyKind, _: &CacheGeometry, seed: u64) -> Self {
        Self { generator: SmallRng::seed_from_u64(seed) }
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        empty_way(states).unwrap_or_else(|| self.generator.random_range(0..states.len()))
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, _now: u64) {
        states[way] = 1;
    }
}
