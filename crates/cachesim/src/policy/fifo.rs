//! First in, first out.

use super::{Policy, push_front};
use crate::address::LineAddr;

/// First in, first out: the victim is the line filled first; a hit changes nothing.
///
/// A set is kept in order of fills, the newest line first.
#[derive(Clone, Debug)]
pub struct Fifo;

impl Policy for Fifo {
    fn new(_seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn hit(&mut self, _set: &mut [LineAddr], _way: usize) {}

    #[inline(always)]
    fn fill(&mut self, set: &mut [LineAddr], line: LineAddr) -> LineAddr {
        push_front(set, line)
    }
}
