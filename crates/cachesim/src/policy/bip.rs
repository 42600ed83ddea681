//! Bimodal insertion.

use super::bimodal::Throttle;
use super::{OnHit, Policy, PolicyKind, Repeats, earliest, recency};
use crate::geometry::CacheGeometry;

/// Bimodal insertion policy (BIP; Qureshi, Jaleel, Patt, Steely and Emer, "Adaptive insertion policies for
/// high performance caching", ISCA 2007): as [`super::Lip`], but one fill in 32, by chance, makes the line
/// the most recent of its set. So what is kept of a working set that does not fit changes slowly.
#[derive(Clone, Debug)]
pub struct Bip {
    throttle: Throttle,
}

impl Policy for Bip {
    const REPEATS: Repeats = Repeats::ChangeFilled;
    const ON_HIT: OnHit = recency::ON_HIT;
    const IS_RANDOM: bool = true;

    fn new(_: PolicyKind, _: &CacheGeometry, seed: u64) -> Self {
        Self { throttle: Throttle::new(seed) }
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        earliest(states)
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, now: u64) {
        states[way] = if self.throttle.lets_pass() {
            recency::most_recent(now)
        } else {
            recency::least_recent(now)
        };
    }
}
