//! What a cache does depends on the order of the accesses, not on the numbers that say it.
//!
//! In the reference it does depend on them: its victim is the way with the least 64-bit age, but the
//! least age so far is kept in an `int`. From 2³¹ accesses to one set on, an age of 2³¹ becomes −2³¹
//! there and is compared as 2⁶⁴ − 2³¹, so the line of age 2³¹ + 1 in the next way counts as older and
//! is evicted although it is the more recent one.

mod common {
    pub mod each_policy;
    pub mod geometry;
    pub mod workload;
}

use cachesim::address::LineAddr;
use cachesim::cache::Cache;
use cachesim::cache::Outcome::{self, Hit, Miss};
use cachesim::geometry::CacheGeometry;
use cachesim::policy::{Fifo, Lru, Policy, PolicyKind, TIME_END};
use common::each_policy::each_policy;
use common::geometry::geometry;
use common::workload::{line, set, sets, workload};
use proptest::prelude::*;

/// What a cache does in accesses at these times, and the sets it ends with.
fn run<P: Policy>(
    geometry: &CacheGeometry,
    addresses: &[u64],
    times: impl IntoIterator<Item = u64>,
) -> (Vec<Outcome>, Vec<Vec<u64>>) {
    let mut cache = Cache::<P>::new(geometry, PolicyKind::Lru, 0);
    let mut last = 0;
    let outcomes = addresses.iter().zip(times).map(|(&address, now)| {
        assert!(last < now && now < TIME_END, "{now} after {last}");
        last = now;
        cache.access(line(address, geometry), now)
    });
    let outcomes: Vec<Outcome> = outcomes.collect();
    assert_eq!(outcomes.len(), addresses.len());
    (outcomes, sets(&cache, geometry))
}

/// With `before` accesses before a power of two, or all.
fn check_starts<P: Policy>(
    geometry: &CacheGeometry,
    addresses: &[u64],
    before: u64,
) -> Result<(), TestCaseError> {
    let expected = run::<P>(geometry, addresses, 1..);
    let accesses = addresses.len() as u64;
    for power in [1 << 31, 1 << 32, 1 << 33, 1 << 59] {
        let start = power - before.min(accesses);
        prop_assert_eq!(&run::<P>(geometry, addresses, start..), &expected, "from {}", start);
    }
    prop_assert_eq!(&run::<P>(geometry, addresses, TIME_END - accesses..), &expected);
    Ok(())
}

fn check_gaps<P: Policy>(
    geometry: &CacheGeometry,
    addresses: &[u64],
    gaps: &[u64],
) -> Result<(), TestCaseError> {
    let mut now = 0;
    let times = gaps.iter().cycle().map(|gap| {
        now += gap;
        now
    });
    let expected = run::<P>(geometry, addresses, 1..);
    prop_assert_eq!(run::<P>(geometry, addresses, times), expected);
    Ok(())
}

/// From one access to the next. A workload has fewer than 2¹² accesses.
fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(1_u64),
        2 => 1..100_u64,
        1 => prop::sample::select(vec![1 << 16, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 1]),
        1 => 1..=1_u64 << 48,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_does_not_matter_when_time_starts(
        (geometry, addresses) in workload(),
        before in 0..1000_u64,
    ) {
        each_policy!(P => check_starts::<P>(&geometry, &addresses, before)?);
    }

    #[test]
    fn it_does_not_matter_how_time_passes(
        (geometry, addresses) in workload(),
        gaps in prop::collection::vec(gap(), 1..40),
    ) {
        each_policy!(P => check_gaps::<P>(&geometry, &addresses, &gaps)?);
    }
}

/// Fills a set with lines 0, 1, 2 and so on from time `start` on, accesses line 0 again, and returns
/// the line that the next fill evicts.
fn victim<P: Policy>(ways: u32, start: u64) -> u64 {
    let mut cache = Cache::<P>::new(&geometry(1, ways, 64), PolicyKind::Lru, 0);
    let lines = u64::from(ways);
    for number in 0..lines {
        assert_eq!(cache.access(LineAddr::from_number(number), start + number), Miss);
    }
    assert_eq!(cache.access(LineAddr::from_number(0), start + lines), Hit);
    assert_eq!(cache.access(LineAddr::from_number(lines), start + lines + 1), Miss);
    let left = set(&cache, 0);
    let evicted: Vec<u64> = (0..=lines).filter(|number| !left.contains(number)).collect();
    assert_eq!(evicted.len(), 1, "{evicted:?}");
    evicted[0]
}

#[test]
fn the_victim_is_the_earliest_line_on_both_sides_of_a_power_of_two() {
    for ways in [2, 3, 4, 7, 8, 9, 16] {
        let accesses = u64::from(ways) + 2;
        for bit in [8, 15, 16, 28, 29, 31, 32, 33, 52, 53, 59, 60] {
            for earlier in 0..=accesses {
                let start = (1 << bit) - earlier;
                if start + accesses <= TIME_END {
                    assert_eq!(victim::<Lru>(ways, start), 1, "{ways} ways from {start}");
                    assert_eq!(victim::<Fifo>(ways, start), 0, "{ways} ways from {start}");
                }
            }
        }
    }
}
