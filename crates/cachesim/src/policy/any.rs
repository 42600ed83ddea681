//! Whatever policy the user chose.

use super::{Fifo, Hit, Lru, Policy, Random, Repeats, Way};
use crate::geometry::CacheGeometry;
use crate::options::PolicyKind;

/// One of the policies, for the caches whose policy is not known when this is compiled: those beyond the
/// first level, which are accessed rarely, and first levels with an unusual policy or with two.
#[derive(Clone, Debug)]
pub enum AnyPolicy {
    /// See [`Lru`].
    Lru(Lru),
    /// See [`Fifo`].
    Fifo(Fifo),
    /// See [`Random`].
    Random(Random),
}

impl PolicyKind {
    /// What repeated hits do under this policy.
    pub fn repeats(self) -> Repeats {
        match self {
            Self::Lru | Self::Fifo | Self::Random => Repeats::ChangeNothing,
        }
    }
}

/// Does something with the policy that `self` is, where marks are times.
macro_rules! with {
    ($any:expr, $policy:ident => $act:expr, $random:ident => $act_of_random:expr) => {
        match $any {
            Self::Lru($policy) => $act,
            Self::Fifo($policy) => $act,
            Self::Random($random) => $act_of_random,
        }
    };
}

impl Policy for AnyPolicy {
    type Mark = u64;

    fn new(kind: PolicyKind, geometry: &CacheGeometry, seed: u64) -> Self {
        match kind {
            PolicyKind::Lru => Self::Lru(Lru::new(kind, geometry, seed)),
            PolicyKind::Fifo => Self::Fifo(Fifo::new(kind, geometry, seed)),
            PolicyKind::Random => Self::Random(Random::new(kind, geometry, seed)),
        }
    }

    #[inline(always)]
    fn hit(&mut self, mark: &mut u64, now: u64) -> Hit {
        with!(self, policy => policy.hit(mark, now), _random => Hit::Done)
    }

    #[inline(always)]
    fn hit_in_set(&mut self, set: &mut [Way<u64>], way: usize, now: u64) {
        with!(self, policy => policy.hit_in_set(set, way, now), _random => {});
    }

    #[inline(always)]
    fn victim(&mut self, set: &mut [Way<u64>]) -> usize {
        with!(self, policy => policy.victim(set), random => random.any_way(set))
    }

    #[inline(always)]
    fn filled(&mut self, set: &mut [Way<u64>], way: usize, index: usize, now: u64) {
        with!(self, policy => policy.filled(set, way, index, now), _random => set[way].mark = now);
    }
}
