//! Least frequently used.

use super::{Hit, Policy, PolicyKind, Repeats, earliest};
use crate::geometry::CacheGeometry;

/// Least frequently used: the victim is the line with the fewest accesses, of several the one in the first
/// way. What a line had before it was evicted is forgotten (In-Cache-LFU in Breslau, Cao, Fan, Phillips
/// and Shenker, "Web caching and Zipf-like distributions: evidence and implications", INFOCOM 1999).
///
/// The state is the number of accesses, that of the fill included. It stays at 2³² − 1 once there.
#[derive(Clone, Debug)]
pub struct Lfu;

const MOST: u64 = u32::MAX as u64;

impl Policy for Lfu {
    const REPEATS: Repeats = Repeats::Count;

    fn new(_: PolicyKind, _: &CacheGeometry, _seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn hit(&mut self, state: &mut u64, _now: u64) -> Hit {
        *state = (*state + 1).min(MOST);
        Hit::Done
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
