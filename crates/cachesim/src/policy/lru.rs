//! Least recently used.

use super::{Policy, push_front};
use crate::address::LineAddr;
use crate::cache::Outcome;

/// Least recently used: a hit or a fill makes a line the most recent, the victim is the least
/// recent (Mattson et al., "Evaluation techniques for storage hierarchies", IBM Systems Journal
/// 9(2), 1970).
///
/// A set is kept in order of recency, the most recent line first. There is no age and so nothing
/// that could overflow, and the lines a program is busy with are the first to be compared.
#[derive(Clone, Debug)]
pub struct Lru;

impl Policy for Lru {
    fn new(_seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn hit(&mut self, set: &mut [LineAddr], way: usize) {
        let line = set[way];
        push_front(&mut set[..=way], line);
    }

    /// In one pass: whether the line is found on the way or not, every line before it moves back by
    /// one and it becomes the first.
    #[inline(always)]
    fn access(&mut self, set: &mut [LineAddr], line: LineAddr) -> Outcome {
        // The loop is worth unrolling for the most common number of ways.
        match <&mut [LineAddr; 8]>::try_from(&mut *set) {
            Ok(set) => move_to_front(set, line),
            Err(_) => move_to_front(set, line),
        }
    }

    #[inline(always)]
    fn fill(&mut self, set: &mut [LineAddr], line: LineAddr) -> LineAddr {
        push_front(set, line)
    }
}

#[inline(always)]
fn move_to_front(set: &mut [LineAddr], line: LineAddr) -> Outcome {
    let mut moved = line;
    for way in set {
        std::mem::swap(way, &mut moved);
        if moved == line {
            return Outcome::Hit;
        }
    }
    Outcome::Miss
}
