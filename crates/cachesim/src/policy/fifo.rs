//! First in, first out.

use super::{OnHit, Policy, PolicyKind, Repeats, earliest};
use crate::geometry::CacheGeometry;

/// First in, first out: the victim is the line filled first; a hit changes nothing.
///
/// The state is the time of the fill.
#[derive(Clone, Debug)]
pub struct Fifo;

impl Policy for Fifo {
    const REPEATS: Repeats = Repeats::ChangeNothing;
    const ON_HIT: OnHit = OnHit::NOTHING;

    fn new(_: PolicyKind, _: &CacheGeometry, _seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        earliest(states)
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, now: u64) {
        states[way] = now;
    }
}
