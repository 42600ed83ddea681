//! Random replacement.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{Hit, Policy, Way, empty_way};
use crate::geometry::CacheGeometry;
use crate::options::PolicyKind;

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

    const MAY_COUNT_REPEATS: bool = false;

    fn new(_: PolicyKind, _: &CacheGeometry, seed: u64) -> Self {
        Self { generator: SmallRng::seed_from_u64(seed) }
    }

    #[inline(always)]
    fn hit(&mut self, _mark: &mut (), _now: u64) -> Hit {
        Hit::Done
    }

    #[inline(always)]
    fn victim(&mut self, set: &mut [Way<()>]) -> usize {
        self.any_way(set)
    }

    #[inline(always)]
    fn filled(&mut self, _set: &mut [Way<()>], _way: usize, _index: usize, _now: u64) {}
}

impl Random {
    /// An empty way, else any, whatever the marks are.
    #[inline(always)]
    pub(super) fn any_way<M>(&mut self, set: &[Way<M>]) -> usize {
        empty_way(set).unwrap_or_else(|| self.generator.random_range(0..set.len()))
    }
}
