//! Least frequently used.

use super::{OnHit, Policy, PolicyKind, Repeats, earliest};
use crate::geometry::CacheGeometry;

/// Least frequently used: the victim is the line with the fewest accesses, of several the one in the first
/// way. What a line had before it was evicted is forgotten (In-Cache-LFU in Breslau, Cao, Fan, Phillips
/// and Shenker, "Web caching and Zipf-like distributions: evidence and implications", INFOCOM 1999).
///
/// The state is the number of accesses, that of the fill included.
#[derive(Clone, Debug)]
pub struct Lfu;

impl Policy for Lfu {
    const REPEATS: Repeats = Repeats::Count;
    const ON_HIT: OnHit = OnHit::COUNT;

    fn new(_: PolicyKind, _: &CacheGeometry, _seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        earliest(states)
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, _now: u64) {
        states[way] = 1;
    }
}
