//! Way prediction: a guess that is right or without consequence.

mod common {
    pub mod each_policy;
    pub mod every_policy;
    pub mod geometry;
    pub mod workload;
}

use std::collections::HashMap;

use cachesim::address::LineAddr;
use cachesim::cache::Cache;
use cachesim::cache::Outcome::{Hit, Miss};
use cachesim::geometry::CacheGeometry;
use cachesim::policy::{self, BitPlru, Lru, Policy, PolicyKind};
use common::each_policy::each_policy;
use common::every_policy::for_every_policy;
use common::geometry::geometry;
use common::workload::{PREDICTIONS, line, set, sets, workload};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const SEED: u64 = 1;

/// The line accessed last of those that share a prediction.
#[derive(Default)]
struct LastByPrediction(HashMap<u64, LineAddr>);

impl LastByPrediction {
    /// `line` is accessed now. Returns the one before it.
    fn replace(&mut self, line: LineAddr) -> Option<LineAddr> {
        self.0.insert(line.number() % PREDICTIONS, line)
    }
}

/// A line with the prediction of `line`; no access has the line of an empty way.
fn with_the_prediction_of(line: LineAddr) -> Option<LineAddr> {
    let other = LineAddr::from_number(line.number() ^ PREDICTIONS);
    (other != LineAddr::INVALID).then_some(other)
}

/// Checks a cache that predicts against one that never does, access by access: the same outcomes, now
/// and later, and the same sets. Also asks it for lines that are not there, which must not count as
/// accesses.
fn check_against_searching<P: Policy>(
    geometry: &CacheGeometry,
    addresses: &[u64],
    seed: u64,
) -> Result<(), TestCaseError> {
    let mut searching = Cache::<P>::new(geometry, PolicyKind::Lru, seed);
    let mut predicting = searching.clone();
    // The two steps in one.
    let mut whole = searching.clone();
    let mut last = LastByPrediction::default();
    let mut policy = P::new(PolicyKind::Lru, geometry, seed);
    for (now, &address) in (1..).zip(addresses) {
        let line = line(address, geometry);
        let before = predicting.set_of(line);
        let needs_set = predicting.ways_of(line).iter().any(|way| {
            let mut state = way.state;
            way.line == line && policy.hit(&mut state, now) == policy::Hit::NeedsSet
        });
        let absent = with_the_prediction_of(line);
        if let Some(absent) = absent.filter(|&absent| !predicting.set_of(absent).contains(&absent))
        {
            prop_assert!(!predicting.hits_as_predicted(absent, now));
        }

        let predicted = predicting.hits_as_predicted(line, now);
        let outcome = if predicted {
            Hit
        } else {
            prop_assert_eq!(predicting.set_of(line), before.clone());
            prop_assert!(!predicting.hits_as_predicted(line, now));
            predicting.access_unpredicted(line, now)
        };

        prop_assert_eq!(outcome, searching.access_unpredicted(line, now), "access {}", now);
        prop_assert_eq!(outcome, whole.access(line, now), "access {}", now);
        prop_assert_eq!(predicting.set_of(line), searching.set_of(line), "access {}", now);
        prop_assert_eq!(whole.set_of(line), searching.set_of(line), "access {}", now);
        // What it is for: only three things are in the way of a hit by a right guess.
        let foreseen = last.replace(line) == Some(line) && before.contains(&line) && !needs_set;
        prop_assert!(predicted || !foreseen, "access {}", now);
    }
    prop_assert_eq!(sets(&predicting, geometry), sets(&searching, geometry));
    prop_assert_eq!(sets(&whole, geometry), sets(&searching, geometry));
    Ok(())
}

/// Whether the cache has a path of its own for this geometry.
fn is_usual(geometry: &CacheGeometry) -> bool {
    geometry.ways() == 8 && geometry.sets().is_power_of_two()
}

/// Checks the two ways to access a line that is not where predicted against each other.
fn check_paths<P: Policy>(
    geometry: &CacheGeometry,
    addresses: &[u64],
    seed: u64,
) -> Result<(), TestCaseError> {
    let mut either = Cache::<P>::new(geometry, PolicyKind::Lru, seed);
    let mut unusual = either.clone();
    for (now, &address) in (1..).zip(addresses) {
        let line = line(address, geometry);
        let before = either.set_of(line);
        let outcome = either.access_eight_way(line, now);
        prop_assert_eq!(outcome.is_some(), is_usual(geometry));
        let outcome = outcome.unwrap_or_else(|| {
            assert_eq!(either.set_of(line), before);
            either.access_any_geometry(line, now)
        });
        prop_assert_eq!(outcome, unusual.access_any_geometry(line, now), "access {}", now);
        prop_assert_eq!(either.set_of(line), unusual.set_of(line), "access {}", now);
    }
    prop_assert_eq!(sets(&either, geometry), sets(&unusual, geometry));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn prediction_changes_no_outcome_and_no_set(
        (geometry, addresses) in workload(),
        seed in any::<u64>(),
    ) {
        each_policy!(P => check_against_searching::<P>(&geometry, &addresses, seed)?);
    }

    #[test]
    fn the_path_of_the_usual_geometry_does_what_that_of_all_does(
        (geometry, addresses) in workload(),
        seed in any::<u64>(),
    ) {
        each_policy!(P => check_paths::<P>(&geometry, &addresses, seed)?);
    }
}

/// What an access of a workload is to the prediction.
#[derive(Default)]
struct Seen {
    right: usize,
    /// The line is there, but another one of its set was the last with its prediction.
    taken_in_the_set: usize,
    /// The same, but the other is of another set.
    taken_by_another_set: usize,
    /// The line was the last with its prediction, and has been evicted.
    stale: usize,
    /// The line is not there, and another one was the last with its prediction.
    missed_and_taken: usize,
    /// Accesses to a cache of a geometry with a path of its own.
    usual: usize,
}

/// Properties are worth what their inputs reach.
#[test]
fn the_workloads_have_right_and_wrong_predictions() {
    let mut runner = TestRunner::deterministic();
    let mut seen = Seen::default();
    for _ in 0..100 {
        let (geometry, addresses) = workload().new_tree(&mut runner).expect("a case").current();
        let mut cache = Cache::<Lru>::new(&geometry, PolicyKind::Lru, 0);
        let mut last = LastByPrediction::default();
        for (now, &address) in (1..).zip(&addresses) {
            let line = line(address, &geometry);
            let predicted = cache.hits_as_predicted(line, now);
            let outcome = if predicted { Hit } else { cache.access_unpredicted(line, now) };
            seen.usual += usize::from(is_usual(&geometry));
            let Some(other) = last.replace(line) else { continue };
            let same_set = (other.number() % geometry.sets()) == line.number() % geometry.sets();
            let count = match (outcome, predicted, other == line) {
                (Hit, true, _) => &mut seen.right,
                (Hit, false, _) if same_set => &mut seen.taken_in_the_set,
                (Hit, false, _) => &mut seen.taken_by_another_set,
                (Miss, _, true) => &mut seen.stale,
                (Miss, _, false) => &mut seen.missed_and_taken,
            };
            *count += 1;
        }
    }
    let Seen { right, taken_in_the_set, taken_by_another_set, stale, missed_and_taken, usual } =
        seen;
    for (what, seen) in [
        ("right", right),
        ("taken in the set", taken_in_the_set),
        ("taken by another set", taken_by_another_set),
        ("stale", stale),
        ("missed and taken", missed_and_taken),
        ("usual", usual),
    ] {
        assert!(seen >= 500, "{what}: {seen}");
    }
}

/// The line that is `number` times as far from line 0 as lines have to be to share a prediction.
fn sharing(number: u64) -> LineAddr {
    LineAddr::from_number(number * PREDICTIONS)
}

for_every_policy! {
    an_empty_cache_predicts_nothing
    lines_with_one_prediction_take_it_from_each_other_and_hit
    a_stale_prediction_is_no_hit
    a_prediction_can_be_of_a_way_of_another_set
    all_lines_of_a_large_cache_are_predicted
    no_line_of_a_larger_cache_is_predicted
    a_clone_takes_the_predictions_along
}

/// Of bit-PLRU the next test tells more.
#[test]
fn a_line_is_predicted_from_its_fill_to_its_eviction() {
    each_policy!(P, kind => if kind != PolicyKind::BitPlru {
        rules::a_line_is_predicted_from_its_fill_to_its_eviction::<P>();
    });
}

/// Where the state alone does not do, a hit is not as predicted, and nothing has happened.
#[test]
fn bit_plru_searches_the_set_where_a_bit_is_to_be_set() {
    let mut cache = Cache::<BitPlru>::new(&geometry(1, 2, 64), PolicyKind::BitPlru, SEED);
    let [one, other] = [0, 1].map(LineAddr::from_number);
    assert_eq!(cache.access(one, 1), Miss);
    assert!(cache.hits_as_predicted(one, 2));
    // Sets the last bit, and so clears the other.
    assert_eq!(cache.access(other, 3), Miss);
    assert!(cache.hits_as_predicted(other, 4));
    for now in 5..8 {
        assert!(!cache.hits_as_predicted(one, now));
        assert!(cache.hits_as_predicted(other, now));
    }
    assert_eq!(cache.access_unpredicted(one, 8), Hit);
    assert!(cache.hits_as_predicted(one, 9));
    assert!(!cache.hits_as_predicted(other, 10));
}

mod rules {
    use super::*;

    pub fn an_empty_cache_predicts_nothing<P: Policy>() {
        for (sets, ways) in [(1, 1), (1, 8), (3, 2), (128, 8)] {
            let mut cache = Cache::<P>::new(&geometry(sets, ways, 64), PolicyKind::Lru, SEED);
            for number in [0, 1, 7, PREDICTIONS, u64::MAX - 1] {
                assert!(!cache.hits_as_predicted(LineAddr::from_number(number), 1), "{number}");
            }
            assert_eq!(cache.access(LineAddr::from_number(0), 2), Miss);
            // Its prediction is now that of line 0, and was so before for want of another.
            assert!(!cache.hits_as_predicted(sharing(1), 3));
        }
    }

    /// No two of these lines share a prediction.
    pub fn a_line_is_predicted_from_its_fill_to_its_eviction<P: Policy>() {
        for (sets, ways) in [(1, 1), (1, 4), (1, 8), (2, 8), (3, 8), (3, 2), (1, 9)] {
            let geometry = geometry(sets, ways, 64);
            let mut cache = Cache::<P>::new(&geometry, PolicyKind::Lru, SEED);
            let lines = geometry.lines() * 3 / 2 + 1;
            for now in 1..1000 {
                let accessed = LineAddr::from_number(now * now / 3 % lines);
                cache.access(accessed, now);
                for other in (0..lines).map(LineAddr::from_number) {
                    let present = cache.set_of(other).contains(&other);
                    let predicted = cache.clone().hits_as_predicted(other, now + 1);
                    assert_eq!(predicted, present, "{other:?} after {accessed:?} at {now}");
                }
            }
        }
    }

    pub fn lines_with_one_prediction_take_it_from_each_other_and_hit<P: Policy>() {
        // With 3 sets, in different ones.
        for (sets, ways) in [(1, 3), (4, 3), (4, 8), (4, 9), (3, 3), (3, 8)] {
            let mut cache = Cache::<P>::new(&geometry(sets, ways, 64), PolicyKind::Lru, SEED);
            for (now, outcome) in [(1, Miss), (4, Hit), (7, Hit), (10, Hit)] {
                for (number, now) in (0..3).zip(now..) {
                    assert!(!cache.hits_as_predicted(sharing(number), now), "{now}");
                    assert_eq!(cache.access_unpredicted(sharing(number), now), outcome, "{now}");
                }
            }
            assert!(cache.hits_as_predicted(sharing(2), 13));
            assert!(!cache.hits_as_predicted(sharing(1), 14));
        }
    }

    pub fn a_stale_prediction_is_no_hit<P: Policy>() {
        for sets in [1, 3, 4] {
            let geometry = geometry(sets, 1, 64);
            let mut cache = Cache::<P>::new(&geometry, PolicyKind::Lru, SEED);
            let [evicted, other] = [sets, 2 * sets].map(LineAddr::from_number);
            assert_eq!(cache.access(evicted, 1), Miss);
            assert_eq!(cache.access(other, 2), Miss);
            assert!(!cache.hits_as_predicted(evicted, 3));
            assert_eq!(set(&cache, 0), [other.number()]);
            assert!(cache.hits_as_predicted(other, 4));
            assert_eq!(cache.access_unpredicted(evicted, 5), Miss);
            assert!(!cache.hits_as_predicted(other, 6));
            assert!(cache.hits_as_predicted(evicted, 7));
        }
    }

    /// With 3 sets, lines 0 and 4096 are in sets 0 and 1.
    pub fn a_prediction_can_be_of_a_way_of_another_set<P: Policy>() {
        let mut cache = Cache::<P>::new(&geometry(3, 1, 64), PolicyKind::Lru, SEED);
        assert_eq!(cache.access(sharing(0), 1), Miss);
        assert_eq!(cache.access(sharing(1), 2), Miss);
        assert_eq!(cache.access(sharing(0), 3), Hit);
        // Line 1 evicts line 4096, line 0 has the prediction of both of its own.
        assert_eq!(cache.access(LineAddr::from_number(1), 4), Miss);
        assert!(!cache.hits_as_predicted(sharing(1), 5));
        assert_eq!(cache.access_unpredicted(sharing(1), 6), Miss);
        assert_eq!([0, 1].map(|index| set(&cache, index)), [[0], [PREDICTIONS]]);
        assert!(!cache.hits_as_predicted(sharing(0), 7));
        assert_eq!(cache.access_unpredicted(sharing(0), 8), Hit);
    }

    /// 2¹⁶ lines, which is as many as there can be predictions of (fewer in Miri, which is slow), none of
    /// them in the way of another.
    pub fn all_lines_of_a_large_cache_are_predicted<P: Policy>() {
        let geometry = geometry(1 << 13, 8, 64);
        let mut cache = Cache::<P>::new(&geometry, PolicyKind::Lru, SEED);
        let half = geometry.lines() / 2;
        let lines = [0, 1, half - 1, half, 2 * half - 1].map(LineAddr::from_number);
        let mut now = 0;
        for line in lines {
            now += 1;
            assert_eq!(cache.access(line, now), Miss);
            now += 1;
            assert!(cache.hits_as_predicted(line, now), "{line:?}");
        }
        for line in lines {
            now += 1;
            assert_eq!(cache.access(line, now), Hit);
        }
    }

    /// More than 2¹⁶ lines: each is found where it is, and by looking for it.
    pub fn no_line_of_a_larger_cache_is_predicted<P: Policy>() {
        for (sets, ways) in [(1 << 14, 8), (3 << 14, 2)] {
            let geometry = geometry(sets, ways, 64);
            let mut cache = Cache::<P>::new(&geometry, PolicyKind::Lru, SEED);
            // The first and the last set, and more lines than there are ways.
            let lines = (0..=u64::from(ways)).flat_map(|way| [way * sets, (way + 1) * sets - 1]);
            let mut now = 0;
            for line in lines.map(LineAddr::from_number) {
                assert!(!cache.hits_as_predicted(line, now + 1), "{line:?}");
                assert_eq!(cache.access_unpredicted(line, now + 1), Miss);
                assert!(!cache.hits_as_predicted(line, now + 2), "{line:?}");
                assert_eq!(cache.access_unpredicted(line, now + 2), Hit);
                now += 2;
            }
            assert_eq!(cache.lines().count(), 2 * ways as usize);
            assert_eq!([0, sets - 1].map(|index| set(&cache, index).len()), [ways as usize; 2]);
        }
    }

    pub fn a_clone_takes_the_predictions_along<P: Policy>() {
        let mut cache = Cache::<P>::new(&geometry(1, 2, 64), PolicyKind::Lru, SEED);
        cache.access(sharing(0), 1);
        let mut clone = cache.clone();
        clone.access(sharing(1), 2);
        assert!(cache.hits_as_predicted(sharing(0), 2));
        assert!(!clone.hits_as_predicted(sharing(0), 3));
        assert!(clone.hits_as_predicted(sharing(1), 3));
    }
}
