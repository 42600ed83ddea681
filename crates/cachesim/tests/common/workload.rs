//! Any caches, and accesses to them that do what accesses can do.

use cachesim::address::LineAddr;
use cachesim::cache::Cache;
use cachesim::geometry::CacheGeometry;
use cachesim::policy::Policy;
use proptest::prelude::*;

use super::geometry::geometry;

/// Lines whose numbers differ by a multiple of this share a prediction: the size of the cache's table,
/// which is nobody else's business but of those who want to have it in trouble.
pub const PREDICTIONS: u64 = 4096;

/// What the lines of a [`Walk::Conflict`] all want.
#[derive(Clone, Copy, Debug)]
enum Over {
    /// A way of one set.
    Set,
    /// One prediction. Where the number of sets is a power of two, also a way of one set.
    Prediction,
}

/// A part of a workload. Addresses that pass the end of the address space go on at its start.
#[derive(Clone, Debug)]
enum Walk {
    /// Here and there.
    Anywhere(Vec<u64>),
    /// Some bytes, again and again, not far from each other.
    Near { base: u64, offsets: Vec<u16> },
    /// The same way again and again.
    Loop { base: u64, stride_bytes: u16, steps: u16, rounds: u16 },
    /// Lines at equal distances, not many more than a set has ways, picked by numbers up to 2¹⁶.
    Conflict { base: u64, over: Over, lines_over_ways: u64, picks: Vec<u16> },
}

impl Walk {
    fn addresses(&self, geometry: &CacheGeometry) -> Vec<u64> {
        match self {
            Self::Anywhere(addresses) => addresses.clone(),
            Self::Near { base, offsets } => {
                offsets.iter().map(|&offset| base.wrapping_add(u64::from(offset))).collect()
            }
            Self::Loop { base, stride_bytes, steps, rounds } => (0..*rounds)
                .flat_map(|_| 0..u64::from(*steps))
                .map(|step| base.wrapping_add(step * u64::from(*stride_bytes)))
                .collect(),
            Self::Conflict { base, over, lines_over_ways, picks } => {
                let lines = u64::from(geometry.ways()) + lines_over_ways;
                let distance = match over {
                    Over::Set => geometry.sets(),
                    Over::Prediction => PREDICTIONS,
                };
                let stride_bytes = distance * geometry.line_bytes();
                picks
                    .iter()
                    .map(|&pick| u64::from(pick) * lines / (1 << 16) * stride_bytes)
                    .map(|offset| base.wrapping_add(offset))
                    .collect()
            }
        }
    }
}

/// Bases: low ones, with which walks meet, any, and the last bytes of the address space.
fn base() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..5000_u64, 1 => any::<u64>(), 1 => u64::MAX - 5000..]
}

fn walk() -> impl Strategy<Value = Walk> {
    let numbers = |at_most| prop::collection::vec(any::<u16>(), 1..at_most);
    let over = prop_oneof![Just(Over::Set), Just(Over::Prediction)];
    prop_oneof![
        1 => prop::collection::vec(base(), 1..20).prop_map(Walk::Anywhere),
        2 => (base(), numbers(80)).prop_map(|(base, offsets)| Walk::Near { base, offsets }),
        2 => (base(), any::<u16>(), 1..70_u16, 1..4_u16).prop_map(
            |(base, stride_bytes, steps, rounds)| Walk::Loop { base, stride_bytes, steps, rounds }
        ),
        6 => (base(), over, 0..4_u64, numbers(200)).prop_map(
            |(base, over, lines_over_ways, picks)| {
                Walk::Conflict { base, over, lines_over_ways, picks }
            }
        ),
    ]
}

/// Lines of 1 to 4096 bytes.
fn line_bytes() -> impl Strategy<Value = u64> {
    (0..=12_u32).prop_map(|shift| 1 << shift)
}

/// Any small cache: one set or several, a power of two of them or not, 1 to 64 ways, often 8, for
/// which the cache has a path of its own.
fn any_geometry() -> impl Strategy<Value = CacheGeometry> {
    let sets = prop_oneof![Just(1), 1..=20_u64, (0..=8_u32).prop_map(|shift| 1 << shift)];
    let ways = prop_oneof![Just(1_u32), Just(8), 1..=9_u32, 10..=64_u32];
    (sets, ways, line_bytes()).prop_map(|(sets, ways, line)| geometry(sets, ways, line))
}

/// A geometry and accesses to it. No address is that of the line that stands for an empty way,
/// the last byte of the address space in a cache of one-byte lines.
pub fn workload() -> impl Strategy<Value = (CacheGeometry, Vec<u64>)> {
    let walks = prop::collection::vec(walk(), 1..12);
    (any_geometry(), walks).prop_map(|(geometry, walks)| {
        let mut addresses: Vec<u64> =
            walks.iter().flat_map(|walk| walk.addresses(&geometry)).collect();
        addresses.retain(|&address| line(address, &geometry) != LineAddr::INVALID);
        (geometry, addresses)
    })
}

/// The line that holds the byte at `address`.
pub fn line(address: u64, geometry: &CacheGeometry) -> LineAddr {
    LineAddr::containing(address, geometry.line_shift())
}

/// The lines of a set, without empty ways.
pub fn set<P: Policy>(cache: &Cache<P>, index: u64) -> Vec<u64> {
    let set = cache.set_of(LineAddr::from_number(index));
    set.iter().filter(|&&line| line != LineAddr::INVALID).map(|line| line.number()).collect()
}

/// All sets of a cache as they are now.
pub fn sets<P: Policy>(cache: &Cache<P>, geometry: &CacheGeometry) -> Vec<Vec<u64>> {
    (0..geometry.sets()).map(|index| set(cache, index)).collect()
}
