//! Random replacement.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::Policy;
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
    fn new(seed: u64) -> Self {
        Self { generator: SmallRng::seed_from_u64(seed) }
    }

    #[inline(always)]
    fn hit(&mut self, _set: &mut [LineAddr], _way: usize) {}

    #[inline(always)]
    fn fill(&mut self, set: &mut [LineAddr], line: LineAddr) -> LineAddr {
        let full = set[set.len() - 1] != LineAddr::INVALID;
        let way = if full {
            self.generator.random_range(0..set.len())
        } else {
            // Ways are filled in order and never emptied.
            set.partition_point(|&tag| tag != LineAddr::INVALID)
        };
        std::mem::replace(&mut set[way], line)
    }
}
