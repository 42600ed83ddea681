//! Whatever policy the user chose.

use super::{Hit, OnHit, Policy, PolicyKind, Repeats};
use crate::config::Config;
use crate::geometry::CacheGeometry;

macro_rules! any_policy {
    ($($module:ident::$policy:ident $row:tt)*) => {
        /// One of the policies.
        #[derive(Clone, Debug)]
        enum Chosen {
            $($policy(super::$policy),)*
        }

        /// One of the policies, for the caches whose policy is not known when this is compiled: those beyond
        /// the first level, which are accessed rarely, and first levels with a policy that is not compiled in
        /// or with two.
        #[derive(Clone, Debug)]
        pub struct AnyPolicy {
            /// That of the chosen one, so that a hit does not ask which one it is.
            on_hit: OnHit,
            chosen: Chosen,
        }

        impl Policy for AnyPolicy {
            // One of them does.
            const REPEATS: Repeats = Repeats::Count;
            // Never asked: see `hit`.
            const ON_HIT: OnHit = OnHit::NOTHING;
            const IS_RANDOM: bool = true;

            fn new(kind: PolicyKind, geometry: &CacheGeometry, seed: u64) -> Self {
                match kind {
                    $(PolicyKind::$policy => Self {
                        on_hit: super::$policy::ON_HIT,
                        chosen: Chosen::$policy(Policy::new(kind, geometry, seed)),
                    },)*
                }
            }

            #[inline(always)]
            fn hit(&mut self, state: &mut u64, now: u64) -> Hit {
                self.on_hit.apply(state, now)
            }

            #[inline(always)]
            fn hit_in_set(&mut self, states: &mut [u64], way: usize, now: u64) {
                match &mut self.chosen {
                    $(Chosen::$policy(policy) => policy.hit_in_set(states, way, now),)*
                }
            }

            #[inline(always)]
            fn victim(&mut self, states: &mut [u64]) -> usize {
                match &mut self.chosen {
                    $(Chosen::$policy(policy) => policy.victim(states),)*
                }
            }

            #[inline(always)]
            fn filled(&mut self, states: &mut [u64], way: usize, index: usize, now: u64) {
                match &mut self.chosen {
                    $(Chosen::$policy(policy) => policy.filled(states, way, index, now),)*
                }
            }
        }
    };
}

crate::policies!(any_policy);

impl AnyPolicy {
    #[inline(never)]
    fn victim_of_any(&mut self, states: &mut [u64]) -> usize {
        self.victim(states)
    }

    #[inline(never)]
    fn filled_in_any(&mut self, states: &mut [u64], way: usize, index: usize, now: u64) {
        self.filled(states, way, index, now);
    }

    /// Makes this the policy of slice `slice` of a cache that has `slices` of them, each of `sets` sets: set
    /// `i` of the slice is set `i * slices + slice` of the cache.
    pub(crate) fn become_slice(&mut self, slice: usize, slices: usize, sets: usize) {
        if let Chosen::Drrip(policy) = &mut self.chosen {
            policy.become_slice(slice, slices, sets);
        }
    }

    /// Gives this slice what all slices of a cache have in common, from `other`.
    pub(crate) fn share_selector(&mut self, other: &Self) {
        if let (Chosen::Drrip(policy), Chosen::Drrip(other)) = (&mut self.chosen, &other.chosen) {
            policy.share_selector(other);
        }
    }
}

/// One of the policies with which the state becomes the time of the access ([`OnHit::TIME`]), known when this is
/// compiled: a hit is as short as with one of them. The usual one of them, LRU, is compiled in for misses too.
#[derive(Clone, Debug)]
pub struct TimedPolicy(AnyPolicy);

impl TimedPolicy {
    /// Whether it can stand for the policies of the first-level caches of `config`.
    pub fn serves(config: &Config) -> bool {
        [config.icache(), config.dcache()].iter().all(|level| level.policy.on_hit() == OnHit::TIME)
    }
}

impl Policy for TimedPolicy {
    const REPEATS: Repeats = Repeats::ChangeNothing;
    const ON_HIT: OnHit = OnHit::TIME;

    /// # Panics
    /// Where `kind` is none of them.
    fn new(kind: PolicyKind, geometry: &CacheGeometry, seed: u64) -> Self {
        assert!(kind.on_hit() == OnHit::TIME, "{kind:?} does something else at a hit");
        Self(AnyPolicy::new(kind, geometry, seed))
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        match &mut self.0.chosen {
            Chosen::Lru(lru) => lru.victim(states),
            _ => self.0.victim_of_any(states),
        }
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, index: usize, now: u64) {
        match &mut self.0.chosen {
            Chosen::Lru(lru) => lru.filled(states, way, index, now),
            _ => self.0.filled_in_any(states, way, index, now),
        }
    }
}
