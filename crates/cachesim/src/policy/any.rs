//! Whatever policy the user chose.

use super::{Hit, Policy, PolicyKind};
use crate::geometry::CacheGeometry;

macro_rules! any_policy {
    ($($module:ident::$policy:ident $row:tt)*) => {
        /// One of the policies, for the caches whose policy is not known when this is compiled: those beyond
        /// the first level, which are accessed rarely, and first levels with an policy that is not compiled in or with two.
        #[derive(Clone, Debug)]
        pub enum AnyPolicy {
            $(
                #[doc = concat!("See [`", stringify!($policy), "`](super::", stringify!($policy), ").")]
                $policy(super::$policy),
            )*
        }

        impl Policy for AnyPolicy {
            // One of them may.
            const MAY_COUNT_REPEATS: bool = true;
            const IS_RANDOM: bool = true;

            fn new(kind: PolicyKind, geometry: &CacheGeometry, seed: u64) -> Self {
                match kind {
                    $(PolicyKind::$policy => Self::$policy(Policy::new(kind, geometry, seed)),)*
                }
            }

            #[inline(always)]
            fn hit(&mut self, state: &mut u64, now: u64) -> Hit {
                match self {
                    $(Self::$policy(policy) => policy.hit(state, now),)*
                }
            }

            #[inline(always)]
            fn hit_in_set(&mut self, states: &mut [u64], way: usize, now: u64) {
                match self {
                    $(Self::$policy(policy) => policy.hit_in_set(states, way, now),)*
                }
            }

            #[inline(always)]
            fn victim(&mut self, states: &mut [u64]) -> usize {
                match self {
                    $(Self::$policy(policy) => policy.victim(states),)*
                }
            }

            #[inline(always)]
            fn filled(&mut self, states: &mut [u64], way: usize, index: usize, now: u64) {
                match self {
                    $(Self::$policy(policy) => policy.filled(states, way, index, now),)*
                }
            }
        }
    };
}

crate::policies!(any_policy);

impl AnyPolicy {
    /// Makes this the policy of slice `slice` of a cache that has `slices` of them, each of `sets` sets: set
    /// `i` of the slice is set `i * slices + slice` of the cache.
    pub(crate) fn become_slice(&mut self, slice: usize, slices: usize, sets: usize) {
        if let Self::Drrip(policy) = self {
            policy.become_slice(slice, slices, sets);
        }
    }

    /// Gives this slice what all slices of a cache have in common, from `other`.
    pub(crate) fn share_selector(&mut self, other: &Self) {
        if let (Self::Drrip(policy), Self::Drrip(other)) = (self, other) {
            policy.share_selector(other);
        }
    }
}
