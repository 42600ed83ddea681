//! Bimodal re-reference interval prediction.

use super::bimodal::Throttle;
use super::{OnHit, Policy, PolicyKind, Repeats, rrip};
use crate::geometry::CacheGeometry;

/// Bimodal re-reference interval prediction (BRRIP; Jaleel et al., ISCA 2010, see [`super::Srrip`]): a
/// line that is filled is the next victim (RRPV 3) but for one in 32, by chance, which is treated as SRRIP
/// treats all (RRPV 2). So a part of what does not fit stays.
#[derive(Clone, Debug)]
pub struct Brrip {
    throttle: Throttle,
}

impl Policy for Brrip {
    const REPEATS: Repeats = Repeats::ChangeFilled;
    const ON_HIT: OnHit = rrip::ON_HIT;
    const IS_RANDOM: bool = true;

    fn new(_: PolicyKind, _: &CacheGeometry, seed: u64) -> Self {
        Self { throttle: Throttle::new(seed) }
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        rrip::victim(states)
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, _now: u64) {
        states[way] = if self.throttle.lets_pass() { rrip::LONG } else { rrip::DISTANT };
    }
}
