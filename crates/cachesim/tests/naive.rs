//! Every policy against a naive model, with any geometry and any accesses.
//!
//! The naive models share nothing with the real one but the outcome's type: they divide where it
//! shifts and masks, and they keep lines in order where it keeps them in their ways, with time stamps.
//!
//! There are two kinds. LRU and FIFO have models of the whole cache, which know nothing of ways. All
//! policies have one that knows of ways and nothing else (`common/naive_policies.rs`).

mod common {
    pub mod each_policy;
    pub mod geometry;
    pub mod naive_policies;
    pub mod timed_cache;
    pub mod workload;
}

use std::collections::{BTreeMap, HashMap, VecDeque};

use cachesim::address::LineAddr;
use cachesim::cache::Outcome::{self, Hit, Miss};
use cachesim::cache::{Cache, Way};
use cachesim::geometry::CacheGeometry;
use cachesim::policy::{self, AnyPolicy, Fifo, Lru, Policy, PolicyKind, Random, Repeats};
use common::each_policy::each_policy;
use common::geometry::geometry;
use common::naive_policies::{self, NaiveCache, NaivePolicy};
use common::timed_cache::TimedCache;
use common::workload::{line, set, sets, workload};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// A model that is easy to believe.
trait Naive {
    /// An empty cache.
    fn new(geometry: &CacheGeometry) -> Self;

    /// Accesses the line that holds the byte at `address`.
    fn access(&mut self, address: u64) -> Outcome;

    /// The lines of a set in the order of [`cachesim::cache::Cache::set_of`], without empty ways.
    fn set(&self, index: u64) -> Vec<u64>;
}

/// Where an address belongs: its line's number and its set.
fn line_index(address: u64, geometry: &CacheGeometry) -> (u64, usize) {
    let line = address / geometry.line_bytes();
    (line, usize::try_from(line % geometry.sets()).expect("few sets"))
}

/// LRU by lists, the line used last in front.
struct NaiveLru {
    geometry: CacheGeometry,
    sets: Vec<Vec<u64>>,
}

impl Naive for NaiveLru {
    fn new(geometry: &CacheGeometry) -> Self {
        let sets = (0..geometry.sets()).map(|_| Vec::new()).collect();
        Self { geometry: *geometry, sets }
    }

    fn access(&mut self, address: u64) -> Outcome {
        let (line, set) = line_index(address, &self.geometry);
        let set = &mut self.sets[set];
        let found = set.iter().position(|&present| present == line);
        if let Some(found) = found {
            set.remove(found);
        }
        set.insert(0, line);
        set.truncate(self.geometry.ways() as usize);
        if found.is_some() { Hit } else { Miss }
    }

    fn set(&self, index: u64) -> Vec<u64> {
        self.sets[usize::try_from(index).expect("few sets")].clone()
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
        let (line, set) = line_index(address, &self.geometry);
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

/// Checks that the policy does what the naive model does, access by access, and leaves what it
/// leaves.
fn check_against<P: Policy, N: Naive>(
    geometry: &CacheGeometry,
    addresses: &[u64],
) -> Result<(), TestCaseError> {
    let mut cache = TimedCache::<P>::new(geometry, 0);
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
    for _ in 0..100 {
        let (geometry, addresses) = workload().new_tree(&mut runner).expect("a case").current();
        let mut naive = NaiveLru::new(&geometry);
        for address in addresses {
            let (line, index) = line_index(address, &geometry);
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
    for seen in [seen.repeats, seen.deep_hits, seen.evictions] {
        assert!(seen >= 1000, "{seen}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn lru_does_what_a_list_in_order_of_use_does((geometry, addresses) in workload()) {
        check_against::<Lru, NaiveLru>(&geometry, &addresses)?;
    }

    #[test]
    fn fifo_does_what_a_queue_does((geometry, addresses) in workload()) {
        check_against::<Fifo, NaiveFifo>(&geometry, &addresses)?;
    }

    /// So those who record accesses may leave these out.
    #[test]
    fn a_hit_on_the_line_accessed_last_in_its_set_changes_no_later_outcome(
        (geometry, addresses) in workload(),
        seed in any::<u64>(),
    ) {
        each_policy!(P, kind => match kind.repeats() {
            Repeats::ChangeNothing => {
                prop_assert!(repeats_change_nothing::<P>(&geometry, &addresses, seed, 1));
            }
            Repeats::ChangeFilled => {
                prop_assert!(repeats_change_nothing::<P>(&geometry, &addresses, seed, 2));
            }
            Repeats::Count => {}
        });
    }

    #[test]
    fn any_policy_does_what_the_policy_does_that_it_is(
        (geometry, addresses) in workload(),
        seed in any::<u64>(),
    ) {
        each_policy!(P, kind => check_any::<P>(kind, &geometry, &addresses, seed)?);
    }

    /// Which way a random victim has is the generator's business. All else is not: the naive model
    /// is told the way and knows the rest.
    #[test]
    fn random_replaces_one_line_and_only_where_it_must(
        (geometry, addresses) in workload(),
        seed in any::<u64>(),
    ) {
        let mut cache = TimedCache::<Random>::new(&geometry, seed);
        let mut naive = vec![Vec::<u64>::new(); usize::try_from(geometry.sets()).unwrap()];
        for address in addresses {
            let (number, index) = line_index(address, &geometry);
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
            let mut cache = TimedCache::<Random>::new(&geometry, seed);
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
        let wider = common::geometry::geometry(geometry.sets(), geometry.ways() + more, geometry.line_bytes());
        let mut small = TimedCache::<Lru>::new(&geometry, 0);
        let mut large = TimedCache::<Lru>::new(&wider, 0);
        for address in addresses {
            let line = line(address, &geometry);
            let outcomes = (small.access(line), large.access(line));
            prop_assert_ne!(outcomes, (Hit, Miss));
            let index = line.number() % geometry.sets();
            let small = set(&small, index);
            prop_assert!(set(&large, index).starts_with(&small));
        }
    }

    /// However many uses there were, and however far apart.
    #[test]
    fn lru_depends_on_the_order_of_last_uses_only((geometry, addresses) in workload()) {
        let mut cache = TimedCache::<Lru>::new(&geometry, 0);
        let mut last_use = BTreeMap::new();
        for (time, &address) in addresses.iter().enumerate() {
            let line = line(address, &geometry);
            cache.access(line);
            last_use.insert(line, time);
        }
        let in_order: BTreeMap<usize, LineAddr> =
            last_use.into_iter().map(|(line, time)| (time, line)).collect();
        let mut fresh = TimedCache::<Lru>::new(&geometry, 0);
        for line in in_order.into_values() {
            prop_assert_eq!(fresh.access(line), Miss);
        }
        prop_assert_eq!(sets(&cache, &geometry), sets(&fresh, &geometry));
    }
}

/// Whether a cache that is told of no access to a line after the first `told` in a row that its set has seen does
/// what one does that is told of all.
fn repeats_change_nothing<P: Policy>(
    geometry: &CacheGeometry,
    addresses: &[u64],
    seed: u64,
    told: u32,
) -> bool {
    let mut all = TimedCache::<P>::new(geometry, seed);
    let mut without = all.clone();
    let mut last_of_set: HashMap<_, (_, u32)> = HashMap::new();
    for &address in addresses {
        let (number, index) = line_index(address, geometry);
        let line = line(address, geometry);
        let outcome = all.access(line);
        let before = match last_of_set.get(&index) {
            Some(&(last, times)) if last == number => times,
            _ => 0,
        };
        last_of_set.insert(index, (number, before + 1));
        if before >= told {
            assert_eq!(outcome, Hit);
        } else if outcome != without.access(line) {
            return false;
        }
        if all.set_of(line) != without.set_of(line) {
            return false;
        }
    }
    sets(&all, geometry) == sets(&without, geometry)
}

/// The property above is no matter of course: where repeats are said to count, they do.
#[test]
fn repeats_that_count_change_later_outcomes() {
    each_policy!(P, kind => if kind.repeats() != Repeats::ChangeNothing {
        let mut runner = TestRunner::deterministic();
        let mut differ = |told| (0..100).any(|_| {
            let (geometry, addresses) = workload().new_tree(&mut runner).expect("a case").current();
            !repeats_change_nothing::<P>(&geometry, &addresses, 0, told)
        });
        assert!(differ(1), "{kind:?}");
        assert_eq!(differ(2), kind.repeats() == Repeats::Count, "{kind:?}");
    });
}

/// The seed is all that random choices depend on, and nothing else depends on it.
#[test]
fn the_seed_matters_to_random_policies_and_to_no_other() {
    each_policy!(P, kind => {
        let mut runner = TestRunner::deterministic();
        let differ = (0..100).any(|_| {
            let (geometry, addresses) = workload().new_tree(&mut runner).expect("a case").current();
            let outcomes = |seed| {
                let mut cache = TimedCache::<P>::new(&geometry, seed);
                let access = |&address: &u64| cache.access(line(address, &geometry));
                addresses.iter().map(access).collect::<Vec<_>>()
            };
            outcomes(0) != outcomes(1)
        });
        assert_eq!(differ, kind.is_random(), "{kind:?}");
    });
}

/// Whether no cache misses where one hits that has fewer ways, and is like it otherwise.
fn more_ways_never_hurt<P: Policy>(geometry: &CacheGeometry, addresses: &[u64]) -> bool {
    let wider =
        common::geometry::geometry(geometry.sets(), geometry.ways() + 1, geometry.line_bytes());
    let mut small = TimedCache::<P>::new(geometry, 0);
    let mut large = TimedCache::<P>::new(&wider, 0);
    addresses.iter().map(|&address| line(address, geometry)).all(|line| {
        let outcomes = (small.access(line), large.access(line));
        outcomes != (Hit, Miss)
    })
}

/// Only LRU has the stack property.
#[test]
fn with_other_policies_than_lru_more_ways_can_hurt() {
    each_policy!(P, kind => {
        let mut runner = TestRunner::deterministic();
        let hurt = (0..400).any(|_| {
            let (geometry, addresses) = workload().new_tree(&mut runner).expect("a case").current();
            !more_ways_never_hurt::<P>(&geometry, &addresses)
        });
        assert_eq!(hurt, kind != PolicyKind::Lru, "{kind:?}");
    });
}

/// What is in each way of the set of `line`.
fn ways_of<P: Policy>(cache: &Cache<P>, line: LineAddr) -> Vec<Option<u64>> {
    let number = |way: &Way| (way.line != LineAddr::INVALID).then(|| way.line.number());
    cache.ways_of(line).iter().map(number).collect()
}

fn check_any<P: Policy>(
    kind: PolicyKind,
    geometry: &CacheGeometry,
    addresses: &[u64],
    seed: u64,
) -> Result<(), TestCaseError> {
    let mut fixed = TimedCache::<P>::from(Cache::new(geometry, kind, seed));
    let mut any = TimedCache::<AnyPolicy>::from(Cache::new(geometry, kind, seed));
    for (number, &address) in addresses.iter().enumerate() {
        let line = line(address, geometry);
        prop_assert_eq!(any.access(line), fixed.access(line), "{:?}, access {}", kind, number);
        prop_assert_eq!(
            ways_of(&any, line),
            ways_of(&fixed, line),
            "{:?}, access {}",
            kind,
            number
        );
    }
    Ok(())
}

/// Checks that the policy does what the naive one does, access by access and way by way. After each access
/// the next of `emptied`, if it is a way, loses its line.
fn check_ways<P: Policy, N: NaivePolicy>(
    kind: PolicyKind,
    (geometry, addresses): &(CacheGeometry, Vec<u64>),
    seed: u64,
    emptied: &[Option<usize>],
) -> Result<(), TestCaseError> {
    let mut cache = Cache::<P>::new(geometry, kind, seed);
    let mut naive = NaiveCache::<N>::new(geometry, seed);
    for ((now, &address), emptied) in (1..).zip(addresses).zip(emptied.iter().cycle()) {
        let line = line(address, geometry);
        prop_assert_eq!(cache.access(line, now), naive.access(address), "access {}", now);
        if let Some(way) = emptied {
            let way = way % geometry.ways() as usize;
            let there = cache.ways_of(line)[way].line;
            if there != LineAddr::INVALID {
                prop_assert!(cache.remove(there).is_some());
            }
            naive.empty(address, way);
        }
        prop_assert_eq!(&ways_of(&cache, line), naive.set(address), "access {}", now);
    }
    Ok(())
}

/// A way to be emptied now and then, or never.
fn emptied() -> impl Strategy<Value = Vec<Option<usize>>> {
    let seldom = prop_oneof![9 => Just(None), 1 => (0..64_usize).prop_map(Some)];
    let often = prop::option::of(0..64_usize);
    prop_oneof![
        Just(vec![None]),
        prop::collection::vec(seldom, 1..60),
        prop::collection::vec(often, 1..60),
    ]
}

/// A test of each policy against the naive one, which has the same name.
macro_rules! against_naive {
    ($($module:ident::$policy:ident $row:tt)*) => {
        proptest! {
            #![proptest_config(ProptestConfig {
                cases: 400,
                failure_persistence: None,
                ..ProptestConfig::default()
            })]
            $(
                #[test]
                fn $module(workload in workload(), seed in any::<u64>(), emptied in emptied()) {
                    check_ways::<policy::$policy, naive_policies::$policy>(
                        PolicyKind::$policy, &workload, seed, &emptied,
                    )?;
                }
            )*
        }
    };
}

mod every_way_has_what_the_naive_policy_leaves_there {
    use super::*;

    cachesim::policies!(against_naive);
}

/// What a shorter age would do: go wrong after 2⁸ or 2¹⁶ accesses to a set.
#[test]
fn many_accesses_to_one_set_do_not_disturb_the_order() {
    let accesses = 200_000;
    let geometry = geometry(1, 4, 64);
    let mut cache = TimedCache::<Lru>::new(&geometry, 0);
    let mut naive = NaiveLru::new(&geometry);
    for number in 0..accesses {
        // Four lines, at times a fifth, in an order without a short period.
        let address = (number * number / 7 % 4 + u64::from(number % 97 == 0)) * 64;
        assert_eq!(cache.access(line(address, &geometry)), naive.access(address));
        assert_eq!(set(&cache, 0), naive.set(0));
    }
}
