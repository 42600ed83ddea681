//! Static re-reference interval prediction.

use super::{OnHit, Policy, PolicyKind, Repeats, rrip};
use crate::geometry::CacheGeometry;

/// Static re-reference interval prediction with hit priority and two bits (SRRIP-HP; Jaleel, Theobald,
/// Steely and Emer, "High performance cache replacement using re-reference interval prediction (RRIP)",
/// ISCA 2010): a line that is filled is expected to be accessed again, but not soon (RRPV 2), one that is
/// hit soon (RRPV 0). Lines that are accessed once leave before those that are accessed twice.
#[derive(Clone, Debug)]
pub struct Srrip;

impl Policy for Srrip {
    const REPEATS: Repeats = Repeats::ChangeFilled;
    const ON_HIT: OnHit = rrip::ON_HIT;

    fn new(_: PolicyKind, _: &CacheGeometry, _seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        rrip::victim(states)
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, _now: u64) {
        states[way] = rrip::LONG;
    }
}
