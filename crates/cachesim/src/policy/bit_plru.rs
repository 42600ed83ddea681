//! Pseudo-LRU by a bit for each line.

use super::{OnHit, Policy, PolicyKind, Repeats, earliest};
use crate::geometry::CacheGeometry;

/// Bit pseudo-LRU: an access sets the bit of its line, and if that was the last one clear in the set,
/// clears all others; the victim is the first line whose bit is clear (`PLRUm` in Al-Zoubi, Milenkovic and
/// Milenkovic, "Performance evaluation of cache replacement policies for the SPEC CPU2000 benchmark
/// suite", ACM Southeast Conference, 2004). The only line of a set of one way is the victim always.
///
/// Some call it NRU, not recently used; here that is [`super::Nru`], which forgets accesses at another time.
///
/// The state is the bit. A hit has to see the set only where the bit was clear.
#[derive(Clone, Debug)]
pub struct BitPlru;

/// The bit is clear. An empty way has less.
const CLEAR: u64 = 1;
/// The bit is set.
const SET: u64 = 2;

impl Policy for BitPlru {
    const REPEATS: Repeats = Repeats::ChangeNothing;
    const ON_HIT: OnHit = OnHit::nothing_from(SET);

    fn new(_: PolicyKind, _: &CacheGeometry, _seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn hit_in_set(&mut self, states: &mut [u64], way: usize, _now: u64) {
        accessed(states, way);
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        earliest(states)
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, _now: u64) {
        accessed(states, way);
    }
}

#[inline(always)]
fn accessed(states: &mut [u64], accessed: usize) {
    states[accessed] = SET;
    // No empty way's is.
    if states.iter().all(|&state| state == SET) {
        states.fill(CLEAR);
        states[accessed] = SET;
    }
}
