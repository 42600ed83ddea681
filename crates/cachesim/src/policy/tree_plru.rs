//! Pseudo-LRU by a tree of bits.

use super::{OnHit, Policy, PolicyKind, Repeats, empty_way};
use crate::geometry::CacheGeometry;

/// Tree pseudo-LRU: over the ways of a set is a binary tree, each node of which has a bit. An access
/// turns the bits on the way to its line away from it, and the victim is found by following the bits
/// (`PLRUt` in Al-Zoubi, Milenkovic and Milenkovic, "Performance evaluation of cache replacement policies
/// for the SPEC CPU2000 benchmark suite", ACM Southeast Conference, 2004).
///
/// Ways that are not a power of two, of which the paper has none, are halved as evenly as can be: of an
/// odd number the first half has one more.
///
/// The state is the time of the last access, and there are no bits: a node's would point to that half
/// whose latest access is the earlier one. So a hit is one store, as with LRU. A line that is taken out
/// leaves an empty way, and no victim is looked for before that is filled again, which turns the bits
/// above it: what they were in between does not matter.
#[derive(Clone, Debug)]
pub struct TreePlru;

impl Policy for TreePlru {
    const REPEATS: Repeats = Repeats::ChangeNothing;
    const ON_HIT: OnHit = OnHit::TIME;

    fn new(_: PolicyKind, _: &CacheGeometry, _seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        empty_way(states).unwrap_or_else(|| pointed_at(states))
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, now: u64) {
        states[way] = now;
    }
}

/// The way that the bits point at.
#[inline(always)]
fn pointed_at(states: &[u64]) -> usize {
    if let Ok(states) = <&[u64; 4]>::try_from(states) {
        return pointed_at_among(states);
    }
    if let Ok(states) = <&[u64; 8]>::try_from(states) {
        return pointed_at_among(states);
    }
    if let Ok(states) = <&[u64; 16]>::try_from(states) {
        return pointed_at_among(states);
    }
    pointed_at_from_the_root(states)
}

/// A part of the tree.
#[derive(Clone, Copy)]
struct Node {
    /// The time of the latest access to any of its ways.
    latest: u64,
    /// The way that its bits point at.
    way: usize,
}

/// A power of two of ways, from the leaves up: more comparisons than from the root down, but no branch to
/// be foreseen.
#[inline(always)]
fn pointed_at_among<const WAYS: usize>(states: &[u64; WAYS]) -> usize {
    const { assert!(WAYS.is_power_of_two()) };
    let mut nodes: [Node; WAYS] = std::array::from_fn(|way| Node { latest: states[way], way });
    let mut halves = WAYS / 2;
    while halves > 0 {
        for node in 0..halves {
            let (first, second) = (nodes[2 * node], nodes[2 * node + 1]);
            nodes[node] = Node {
                latest: first.latest.max(second.latest),
                way: if second.latest < first.latest { second.way } else { first.way },
            };
        }
        halves /= 2;
    }
    nodes[0].way
}

/// Any number of ways.
#[inline(never)]
fn pointed_at_from_the_root(states: &[u64]) -> usize {
    let latest = |ways: &[u64]| ways.iter().copied().fold(0, u64::max);
    let mut first = 0;
    let mut ways = states;
    while ways.len() > 1 {
        let (left, right) = ways.split_at(ways.len().div_ceil(2));
        if latest(right) < latest(left) {
            first += left.len();
            ways = right;
        } else {
            ways = left;
        }
    }
    first
}
