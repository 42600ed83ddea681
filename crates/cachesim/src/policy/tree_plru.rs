//! Pseudo-LRU by a tree of bits.

use super::{Hit, Policy, Way, empty_way};
use crate::geometry::CacheGeometry;
use crate::options::PolicyKind;

/// Tree pseudo-LRU: over the ways of a set is a binary tree, each node of which has a bit. An access
/// turns the bits on the way to its line away from it, and the victim is found by following the bits
/// (PLRUt in Al-Zoubi, Milenkovic and Milenkovic, "Performance evaluation of cache replacement policies
/// for the SPEC CPU2000 benchmark suite", ACM Southeast Conference, 2004).
///
/// Ways that are not a power of two, of which the paper has none, are halved as evenly as can be: of an
/// odd number the first half has one more.
///
/// The mark is the time of the last access, and there are no bits: a node's would point to that half
/// whose latest access is the earlier one. So a hit is one store, as with LRU. A line that is taken out
/// leaves an empty way, and no victim is looked for before that is filled again, which turns the bits
/// above it: what they were in between does not matter.
#[derive(Clone, Debug)]
pub struct TreePlru;

impl Policy for TreePlru {
    type Mark = u64;

    const MAY_COUNT_REPEATS: bool = false;

    fn new(_: PolicyKind, _: &CacheGeometry, _seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn hit(&mut self, mark: &mut u64, now: u64) -> Hit {
        *mark = now;
        Hit::Done
    }

    #[inline(always)]
    fn victim(&mut self, set: &mut [Way<u64>]) -> usize {
        empty_way(set).unwrap_or_else(|| pointed_at(set))
    }

    #[inline(always)]
    fn filled(&mut self, set: &mut [Way<u64>], way: usize, _index: usize, now: u64) {
        set[way].mark = now;
    }
}

/// The way that the bits point at.
#[inline(always)]
fn pointed_at(set: &[Way<u64>]) -> usize {
    let mut first = 0;
    let mut ways = set;
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

#[inline(always)]
fn latest(ways: &[Way<u64>]) -> u64 {
    ways.iter().map(|way| way.mark).fold(0, u64::max)
}
