//! First in, first out.

use super::{Policy, Way, earliest};

/// First in, first out: the victim is the line filled first; a hit changes nothing.
///
/// The mark is the time of the fill.
#[derive(Clone, Debug)]
pub struct Fifo;

impl Policy for Fifo {
    type Mark = u64;

    fn new(_seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn hit(&mut self, _mark: &mut u64, _now: u64) {}

    #[inline(always)]
    fn filled(&mut self, now: u64) -> u64 {
        now
    }

    #[inline(always)]
    fn victim(&mut self, set: &[Way<u64>]) -> usize {
        earliest(set)
    }
}
