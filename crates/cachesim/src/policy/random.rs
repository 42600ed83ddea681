//! Random replacement.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{Policy, Way};
use crate::address::LineAddr;

/// Random: a uniformly chosen way of a full set is the victim.
///
/// Every cache draws from a generator of its own, seeded from the run's seed, so that a run repeats
/// whatever the other caches do. (The reference shares one unseeded generator.)
#[derive(Clone, Debug)]
pub struct Random {
    generator: SmallRng,
}

impl Policy for Random {
    type Mark = ();

    fn new(seed: u64) -> Self {
        Self { generator: SmallRng::seed_from_u64(seed) }
    }

    #[inline(always)]
    fn hit(&mut self, _mark: &mut (), _now: u64) {}

    #[inline(always)]
    fn filled(&mut self, _now: u64) {}

    #[inline(always)]
    fn victim(&mut self, set: &[Way<()>]) -> usize {
        // Ways are filled in order and never emptied.
        if set[set.len() - 1].line == LineAddr::INVALID {
            return set.partition_point(|way| way.line != LineAddr::INVALID);
        }
        self.generator.random_range(0..set.len())
    }
}
