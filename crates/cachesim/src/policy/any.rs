//! Whatever policy the user chose.

use super::{
    Bip, BitPlru, Brrip, Drrip, Fifo, Hit, Lfu, Lip, Lru, Policy, PolicyKind, Random, Repeats,
    Srrip, TreePlru,
};
use crate::geometry::CacheGeometry;

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
    /// See [`TreePlru`].
    TreePlru(TreePlru),
    /// See [`BitPlru`].
    BitPlru(BitPlru),
    /// See [`Srrip`].
    Srrip(Srrip),
    /// See [`Brrip`].
    Brrip(Brrip),
    /// See [`Drrip`].
    Drrip(Drrip),
    /// See [`Lfu`].
    Lfu(Lfu),
    /// See [`Lip`].
    Lip(Lip),
    /// See [`Bip`].
    Bip(Bip),
}

impl PolicyKind {
    /// What repeated hits do under this policy.
    pub fn repeats(self) -> Repeats {
        match self {
            Self::Lru | Self::Fifo | Self::Random | Self::TreePlru | Self::BitPlru => {
                Repeats::ChangeNothing
            }
            Self::Srrip | Self::Brrip | Self::Drrip | Self::Lfu | Self::Lip | Self::Bip => {
                Repeats::Count
            }
        }
    }
}

/// Does something with the policy that `self` is, where its marks are numbers.
macro_rules! with {
    ($any:expr, $policy:ident => $act:expr, $random:ident => $act_of_random:expr) => {
        match $any {
            Self::Lru($policy) => $act,
            Self::Fifo($policy) => $act,
            Self::TreePlru($policy) => $act,
            Self::BitPlru($policy) => $act,
            Self::Srrip($policy) => $act,
            Self::Brrip($policy) => $act,
            Self::Drrip($policy) => $act,
            Self::Lfu($policy) => $act,
            Self::Lip($policy) => $act,
            Self::Bip($policy) => $act,
            Self::Random($random) => $act_of_random,
        }
    };
}

impl AnyPolicy {
    /// Makes this the policy of slice `slice` of a cache that has `slices` of them, each of `sets` sets: set
    /// `i` of the slice is set `i * slices + slice` of the cache.
    pub(crate) fn become_slice(&mut self, slice: usize, slices: usize, sets: usize) {
        if let Self::Drrip(policy) = self {
            policy.become_slice(slice, slices, sets);
        }
    }

    /// Gives this slice what all slices of a cache have in common, from `other`.
    pub(crate) fn share_duel(&mut self, other: &Self) {
        if let (Self::Drrip(policy), Self::Drrip(other)) = (self, other) {
            policy.share_duel(other);
        }
    }
}

impl Policy for AnyPolicy {
    fn new(kind: PolicyKind, geometry: &CacheGeometry, seed: u64) -> Self {
        match kind {
            PolicyKind::Lru => Self::Lru(Lru::new(kind, geometry, seed)),
            PolicyKind::Fifo => Self::Fifo(Fifo::new(kind, geometry, seed)),
            PolicyKind::Random => Self::Random(Random::new(kind, geometry, seed)),
            PolicyKind::TreePlru => Self::TreePlru(TreePlru::new(kind, geometry, seed)),
            PolicyKind::BitPlru => Self::BitPlru(BitPlru::new(kind, geometry, seed)),
            PolicyKind::Srrip => Self::Srrip(Srrip::new(kind, geometry, seed)),
            PolicyKind::Brrip => Self::Brrip(Brrip::new(kind, geometry, seed)),
            PolicyKind::Drrip => Self::Drrip(Drrip::new(kind, geometry, seed)),
            PolicyKind::Lfu => Self::Lfu(Lfu::new(kind, geometry, seed)),
            PolicyKind::Lip => Self::Lip(Lip::new(kind, geometry, seed)),
            PolicyKind::Bip => Self::Bip(Bip::new(kind, geometry, seed)),
        }
    }

    #[inline(always)]
    fn hit(&mut self, mark: &mut u64, now: u64) -> Hit {
        with!(self, policy => policy.hit(mark, now), _random => Hit::Done)
    }

    #[inline(always)]
    fn hit_in_set(&mut self, marks: &mut [u64], way: usize, now: u64) {
        with!(self, policy => policy.hit_in_set(marks, way, now), _random => {});
    }

    #[inline(always)]
    fn victim(&mut self, marks: &mut [u64]) -> usize {
        with!(self, policy => policy.victim(marks), random => random.any_way(marks))
    }

    #[inline(always)]
    fn filled(&mut self, marks: &mut [u64], way: usize, index: usize, now: u64) {
        with!(self, policy => policy.filled(marks, way, index, now), _random => marks[way] = now);
    }
}
