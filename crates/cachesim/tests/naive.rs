//! Every policy against a naive model, with any geometry and any accesses.
//!
//! The naive models share nothing with the real one but the outcome's type: they divide where it
//! shifts and masks, and they keep ages or queues where it keeps lines in order.

mod common;

use std::collections::{BTreeMap, VecDeque};

use cachesim::address::LineAddr;
use cachesim::cache::Cache;
use cachesim::cache::Outcome::{self, Hit, Miss};
use cachesim::geometry::CacheGeometry;
use cachesim::policy::{Fifo, Lru, Policy, Random};
use common::geometry;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// A model that is easy to believe.
trait Naive {
    /// An empty cache.
    fn new(geometry: &CacheGeometry) -> Self;

    /// Accesses the line that holds the byte at `address`.
    fn access(&mut self, address: u64) -> Outcome;

    /// The lines of a set in the order of [`Cache::set_of`], without empty ways.
    fn set(&self, index: u64) -> Vec<u64>;
}

/// Where an address belongs: its line's number and its set.
fn place(address: u64, geometry: &CacheGeometry) -> (u64, usize) {
    let line = address / geometry.line_bytes();
    (line, usize::try_from(line % geometry.sets()).expect("few sets"))
}

/// A line in a set, and when it was last used.
struct Aged {
    line: u64,
    used: u128,
}

/// LRU by time stamps that cannot overflow.
struct NaiveLru {
    geometry: CacheGeometry,
    now: u128,
    sets: Vec<Vec<Aged>>,
}

impl Naive for NaiveLru {
    fn new(geometry: &CacheGeometry) -> Self {
        let sets = (0..geometry.sets()).map(|_| Vec::new()).collect();
        Self { geometry: *geometry, now: 0, sets }
    }

    fn access(&mut self, address: u64) -> Outcome {
        let (line, set) = place(address, &self.geometry);
        let set = &mut self.sets[set];
        self.now += 1;
        if let Some(found) = set.iter_mut().find(|aged| aged.line == line) {
            found.used = self.now;
            return Hit;
        }
        if set.len() == self.geometry.ways() as usize {
            let oldest = (0..set.len()).min_by_key(|&way| set[way].used).expect("a way");
            set.remove(oldest);
        }
        set.push(Aged { line, used: self.now });
        Miss
    }

    fn set(&self, index: u64) -> Vec<u64> {
        let set = &self.sets[usize::try_from(index).expect("few sets")];
        let by_use: BTreeMap<u128, u64> = set.iter().map(|aged| (aged.used, aged.line)).collect();
        by_use.into_values().rev().collect()
    }
}

/// FIFO by a queue.
struct NaiveFifo {
    geometry: CacheGeometry,
    sets: Vec<VecDeque<u64>>,
}

impl Naive for NaiveFifo {
    fn new(geometry: &CacheGeometry) -> Self {
        let sets = (0..geometry.sets()).map(|_| VecDeque::new()).collect();
        Self { geometry: *geometry, sets }
    }

    fn access(&mut self, address: u64) -> Outcome {
        let (line, set) = place(address, &self.geometry);
        let queue = &mut self.sets[set];
        if queue.contains(&line) {
            return Hit;
        }
        if queue.len() == self.geometry.ways() as usize {
            queue.pop_front();
        }
        queue.push_back(line);
        Miss
    }

    fn set(&self, index: u64) -> Vec<u64> {
        self.sets[usize::try_from(index).expect("few sets")].iter().rev().copied().collect()
    }
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
    /// Lines of one set, not many more than it has ways, picked by numbers up to 2¹⁶.
    Conflict { base: u64, lines_over_ways: u64, picks: Vec<u16> },
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
            Self::Conflict { base, lines_over_ways, picks } => {
                let lines = u64::from(geometry.ways()) + lines_over_ways;
                let way_bytes = geometry.sets() * geometry.line_bytes();
                picks
                    .iter()
                    .map(|&pick| base.wrapping_add(u64::from(pick) * lines / (1 << 16) * way_bytes))
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
    let numbers = |most| prop::collection::vec(any::<u16>(), 1..most);
    prop_oneof![
        1 => prop::collection::vec(base(), 1..20).prop_map(Walk::Anywhere),
        2 => (base(), numbers(80)).prop_map(|(base, offsets)| Walk::Near { base, offsets }),
        2 => (base(), any::<u16>(), 1..70_u16, 1..4_u16).prop_map(
            |(base, stride_bytes, steps, rounds)| Walk::Loop { base, stride_bytes, steps, rounds }
        ),
        4 => (base(), 0..4_u64, numbers(200)).prop_map(
            |(base, lines_over_ways, picks)| Walk::Conflict { base, lines_over_ways, picks }
        ),
    ]
}

/// Lines of 1 to 4096 bytes.
fn line_bytes() -> impl Strategy<Value = u64> {
    (0..=12_u32).prop_map(|shift| 1 << shift)
}

/// Any small cache: one set or several, a power of two of them or not, 1 to 64 ways.
fn any_geometry() -> impl Strategy<Value = CacheGeometry> {
    let sets = prop_oneof![Just(1), 1..=20_u64, (0..=8_u32).prop_map(|shift| 1 << shift)];
    let ways = prop_oneof![Just(1_u32), 1..=9_u32, 10..=64_u32];
    (sets, ways, line_bytes()).prop_map(|(sets, ways, line)| geometry(sets, ways, line))
}

/// A geometry and accesses to it. No address is that of the line that stands for an empty way,
/// the last byte of the address space in a cache of one-byte lines.
fn workload() -> impl Strategy<Value = (CacheGeometry, Vec<u64>)> {
    let walks = prop::collection::vec(walk(), 1..if cfg!(miri) { 3 } else { 12 });
    (any_geometry(), walks).prop_map(|(geometry, walks)| {
        let mut addresses: Vec<u64> =
            walks.iter().flat_map(|walk| walk.addresses(&geometry)).collect();
        addresses.retain(|&address| line(address, &geometry) != LineAddr::INVALID);
        (geometry, addresses)
    })
}

fn line(address: u64, geometry: &CacheGeometry) -> LineAddr {
    LineAddr::containing(address, geometry.line_shift())
}

/// The lines of a set, without empty ways.
fn set<P: Policy>(cache: &Cache<P>, index: u64) -> Vec<u64> {
    let set = cache.set_of(LineAddr::from_number(index));
    set.iter().filter(|&&line| line != LineAddr::INVALID).map(|line| line.number()).collect()
}

/// All sets of a cache as they are now.
fn sets<P: Policy>(cache: &Cache<P>, geometry: &CacheGeometry) -> Vec<Vec<u64>> {
    (0..geometry.sets()).map(|index| set(cache, index)).collect()
}

/// Checks that the policy does what the naive model does, access by access, and leaves what it
/// leaves.
fn check_against<P: Policy, N: Naive>(
    geometry: &CacheGeometry,
    addresses: &[u64],
) -> Result<(), TestCaseError> {
    let mut cache = Cache::<P>::new(geometry, 0);
    let mut naive = N::new(geometry);
    for (number, &address) in addresses.iter().enumerate() {
        let (actual, expected) = (cache.access(line(address, geometry)), naive.access(address));
        prop_assert_eq!(actual, expected, "access {} to {:#x}", number, address);
    }
    for index in 0..geometry.sets() {
        prop_assert_eq!(set(&cache, index), naive.set(index), "set {}", index);
    }
    Ok(())
}

/// What the accesses of a workload can do.
#[derive(Default)]
struct Seen {
    repeats: usize,
    deep_hits: usize,
    evictions: usize,
}

/// Properties are worth what their inputs reach.
#[test]
fn the_workloads_repeat_hit_deep_and_evict() {
    let mut runner = TestRunner::deterministic();
    let mut seen = Seen::default();
    for _ in 0..if cfg!(miri) { 3 } else { 100 } {
        let (geometry, addresses) = workload().new_tree(&mut runner).expect("a case").current();
        let mut naive = NaiveLru::new(&geometry);
        for address in addresses {
            let (line, index) = place(address, &geometry);
            let before = naive.set(index as u64);
            naive.access(address);
            match before.iter().position(|&present| present == line) {
                Some(0) => seen.repeats += 1,
                Some(_) => seen.deep_hits += 1,
                None if before.len() == geometry.ways() as usize => seen.evictions += 1,
                None => {}
            }
        }
    }
    let least = if cfg!(miri) { 1 } else { 1000 };
    for seen in [seen.repeats, seen.deep_hits, seen.evictions] {
        assert!(seen >= least, "{seen} of {least}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 400 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn lru_does_what_time_stamps_do((geometry, addresses) in workload()) {
        check_against::<Lru, NaiveLru>(&geometry, &addresses)?;
    }

    #[test]
    fn fifo_does_what_a_queue_does((geometry, addresses) in workload()) {
        check_against::<Fifo, NaiveFifo>(&geometry, &addresses)?;
    }

    #[test]
    fn an_access_to_a_recent_line_would_have_changed_nothing((geometry, addresses) in workload()) {
        check_recent_lines::<Lru>(&geometry, &addresses)?;
        check_recent_lines::<Fifo>(&geometry, &addresses)?;
        check_recent_lines::<Random>(&geometry, &addresses)?;
    }

    /// Which way a random victim has is the generator's business. All else is not: the naive model
    /// is told the way and knows the rest.
    #[test]
    fn random_replaces_one_line_and_only_where_it_must(
        (geometry, addresses) in workload(),
        seed in any::<u64>(),
    ) {
        let mut cache = Cache::<Random>::new(&geometry, seed);
        let mut naive = vec![Vec::<u64>::new(); usize::try_from(geometry.sets()).unwrap()];
        for address in addresses {
            let (number, index) = place(address, &geometry);
            let known = &mut naive[index];
            let expected = if known.contains(&number) { Hit } else { Miss };
            prop_assert_eq!(cache.access(line(address, &geometry)), expected);
            let now = set(&cache, index as u64);
            if expected == Miss {
                if known.len() == geometry.ways() as usize {
                    let way = now.iter().position(|&line| line == number);
                    known[way.expect("a fill puts the line into its set")] = number;
                } else {
                    known.push(number);
                }
            }
            prop_assert_eq!(&now, known);
        }
        prop_assert_eq!(sets(&cache, &geometry), naive);
    }

    /// Random replacement takes nothing from anywhere but its seed.
    #[test]
    fn random_repeats_with_a_seed((geometry, addresses) in workload(), seed in any::<u64>()) {
        let run = || {
            let mut cache = Cache::<Random>::new(&geometry, seed);
            let access = |&address| cache.access(line(address, &geometry));
            let outcomes: Vec<Outcome> = addresses.iter().map(access).collect();
            (outcomes, sets(&cache, &geometry))
        };
        prop_assert_eq!(run(), run());
    }

    /// Inclusion: at every moment the larger cache holds all that the smaller one holds (Mattson et
    /// al. 1970).
    #[test]
    fn lru_with_more_ways_never_misses_where_fewer_hit(
        (geometry, addresses) in workload(),
        more in 1..20_u32,
    ) {
        let wider = common::geometry(geometry.sets(), geometry.ways() + more, geometry.line_bytes());
        let mut small = Cache::<Lru>::new(&geometry, 0);
        let mut large = Cache::<Lru>::new(&wider, 0);
        for address in addresses {
            let line = line(address, &geometry);
            let outcomes = (small.access(line), large.access(line));
            prop_assert_ne!(outcomes, (Hit, Miss));
            let index = line.number() % geometry.sets();
            let small = set(&small, index);
            prop_assert!(set(&large, index).starts_with(&small));
        }
    }

    /// The state is the order of the lines' last uses and nothing else, so no number of accesses
    /// can wear it out. In the reference it does: its victim is the way with the least 64-bit age,
    /// but the least age so far is kept in an `int`. From 2³¹ accesses to one set on, an age of
    /// 2³¹ becomes −2³¹ there and is compared as 2⁶⁴ − 2³¹, so the line of age 2³¹ + 1 in the next
    /// way counts as older and is evicted although it is the more recent one.
    #[test]
    fn lru_depends_on_the_order_of_last_uses_only((geometry, addresses) in workload()) {
        let mut cache = Cache::<Lru>::new(&geometry, 0);
        let mut last_use = BTreeMap::new();
        for (time, &address) in addresses.iter().enumerate() {
            let line = line(address, &geometry);
            cache.access(line);
            last_use.insert(line, time);
        }
        let in_order: BTreeMap<usize, LineAddr> =
            last_use.into_iter().map(|(line, time)| (time, line)).collect();
        let mut fresh = Cache::<Lru>::new(&geometry, 0);
        for line in in_order.into_values() {
            prop_assert_eq!(fresh.access(line), Miss);
        }
        prop_assert_eq!(sets(&cache, &geometry), sets(&fresh, &geometry));
    }
}

/// What [`Cache::is_recent`] spares: a full access to such a line hits and changes nothing.
fn check_recent_lines<P: Policy>(
    geometry: &CacheGeometry,
    addresses: &[u64],
) -> Result<(), TestCaseError> {
    let mut cache = Cache::<P>::new(geometry, 0);
    for &address in addresses {
        let line = line(address, geometry);
        let before = cache.is_recent(line).then(|| cache.set_of(line).to_vec());
        let outcome = cache.access_another(line);
        if let Some(before) = before {
            prop_assert_eq!(outcome, Hit);
            prop_assert_eq!(cache.set_of(line), before);
        }
        prop_assert!(cache.is_recent(line));
    }
    Ok(())
}

/// The other half of the argument that LRU and FIFO never wear out: beside the lines, which
/// [`Cache::set_of`] shows, there is no place for an age.
#[test]
fn lru_and_fifo_have_no_state_but_the_order_of_the_lines() {
    assert_eq!(size_of::<Lru>(), 0);
    assert_eq!(size_of::<Fifo>(), 0);
}

/// What a shorter age would do: go wrong after 2⁸ or 2¹⁶ accesses to a set.
#[test]
fn many_accesses_to_one_set_do_not_disturb_the_order() {
    let accesses = if cfg!(miri) { 300 } else { 200_000 };
    let geometry = geometry(1, 4, 64);
    let mut cache = Cache::<Lru>::new(&geometry, 0);
    let mut naive = NaiveLru::new(&geometry);
    for number in 0..accesses {
        // Four lines, at times a fifth, in an order without a short period.
        let address = (number * number / 7 % 4 + u64::from(number % 97 == 0)) * 64;
        assert_eq!(cache.access(line(address, &geometry)), naive.access(address));
        assert_eq!(set(&cache, 0), naive.set(0));
    }
}
