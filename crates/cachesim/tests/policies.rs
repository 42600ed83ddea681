//! The replacement policies, step by step. A step is a line by its letter, what its access did, and
//! the state of the set after it, in the policy's order, with a dot for an empty way. With LRU and
//! FIFO the last line of a full set is the next victim.

mod common {
    pub mod every_policy;
    pub mod geometry;
    pub mod timed_cache;
}

use cachesim::address::LineAddr;
use cachesim::cache::Outcome::{self, Hit, Miss};
use cachesim::policy::{Fifo, Lru, Policy, Random};
use common::every_policy::for_every_policy;
use common::geometry::geometry;
use common::timed_cache::TimedCache;

const SEED: u64 = 1;

/// A letter's line.
fn line(name: char) -> LineAddr {
    LineAddr::from_number(u64::from(name))
}

/// The lines of `set` as letters.
fn letters(set: &[LineAddr]) -> String {
    let letter = |&line: &LineAddr| match line {
        LineAddr::INVALID => '.',
        line => u32::try_from(line.number()).ok().and_then(char::from_u32).expect("a letter"),
    };
    set.iter().map(letter).collect()
}

/// Accesses lines of a cache of one set, and checks what each access does and leaves.
fn check<P: Policy>(ways: u32, steps: &[(char, Outcome, &str)]) {
    let mut cache = TimedCache::<P>::new(&geometry(1, ways, 64), SEED);
    for (step, &(name, outcome, state)) in steps.iter().enumerate() {
        let before = letters(&cache.set_of(line(name)));
        let actual = cache.access(line(name));
        let after = letters(&cache.set_of(line(name)));
        assert_eq!((actual, after.as_str()), (outcome, state), "step {step}: {before}, {name}");
    }
}

/// How many of these accesses to a cache of one set miss.
fn misses<P: Policy>(ways: u32, names: &str) -> usize {
    let mut cache = TimedCache::<P>::new(&geometry(1, ways, 64), SEED);
    names.chars().filter(|&name| cache.access(line(name)) == Miss).count()
}

#[test]
fn lru_fills_empty_ways_first() {
    check::<Lru>(
        4,
        &[('A', Miss, "A..."), ('B', Miss, "BA.."), ('C', Miss, "CBA."), ('D', Miss, "DCBA")],
    );
}

#[test]
fn lru_a_hit_makes_a_line_the_most_recent() {
    check::<Lru>(
        4,
        &[
            ('A', Miss, "A..."),
            ('B', Miss, "BA.."),
            ('A', Hit, "AB.."),
            ('C', Miss, "CAB."),
            ('D', Miss, "DCAB"),
            ('C', Hit, "CDAB"),
            ('B', Hit, "BCDA"),
            ('D', Hit, "DBCA"),
            ('D', Hit, "DBCA"),
        ],
    );
}

#[test]
fn lru_the_victim_is_the_least_recent_line() {
    check::<Lru>(
        4,
        &[
            ('A', Miss, "A..."),
            ('B', Miss, "BA.."),
            ('C', Miss, "CBA."),
            ('D', Miss, "DCBA"),
            ('A', Hit, "ADCB"),
            ('E', Miss, "EADC"),
            ('C', Hit, "CEAD"),
            ('F', Miss, "FCEA"),
            ('B', Miss, "BFCE"),
            ('A', Miss, "ABFC"),
        ],
    );
}

#[test]
fn lru_a_loop_one_line_longer_than_the_set_always_misses() {
    assert_eq!(misses::<Lru>(4, "ABCDEABCDEABCDEABCDE"), 20);
    assert_eq!(misses::<Lru>(5, "ABCDEABCDEABCDEABCDE"), 5);
}

#[test]
fn fifo_fills_empty_ways_first() {
    check::<Fifo>(
        4,
        &[('A', Miss, "A..."), ('B', Miss, "BA.."), ('C', Miss, "CBA."), ('D', Miss, "DCBA")],
    );
}

#[test]
fn fifo_a_hit_changes_nothing() {
    check::<Fifo>(
        4,
        &[
            ('A', Miss, "A..."),
            ('B', Miss, "BA.."),
            ('A', Hit, "BA.."),
            ('C', Miss, "CBA."),
            ('D', Miss, "DCBA"),
            ('A', Hit, "DCBA"),
            ('C', Hit, "DCBA"),
            ('D', Hit, "DCBA"),
        ],
    );
}

#[test]
fn fifo_the_victim_is_the_line_filled_first_however_often_it_hit() {
    check::<Fifo>(
        3,
        &[
            ('A', Miss, "A.."),
            ('B', Miss, "BA."),
            ('C', Miss, "CBA"),
            ('A', Hit, "CBA"),
            ('A', Hit, "CBA"),
            ('D', Miss, "DCB"),
            ('B', Hit, "DCB"),
            ('A', Miss, "ADC"),
            ('B', Miss, "BAD"),
        ],
    );
}

/// The reference string of the textbook, three frames: Silberschatz, Galvin, Gagne, "Operating
/// System Concepts", the chapter on virtual memory. LRU has 12 faults, FIFO 15.
#[test]
fn lru_replays_the_textbook() {
    check::<Lru>(
        3,
        &[
            ('7', Miss, "7.."),
            ('0', Miss, "07."),
            ('1', Miss, "107"),
            ('2', Miss, "210"),
            ('0', Hit, "021"),
            ('3', Miss, "302"),
            ('0', Hit, "032"),
            ('4', Miss, "403"),
            ('2', Miss, "240"),
            ('3', Miss, "324"),
            ('0', Miss, "032"),
            ('3', Hit, "302"),
            ('2', Hit, "230"),
            ('1', Miss, "123"),
            ('2', Hit, "213"),
            ('0', Miss, "021"),
            ('1', Hit, "102"),
            ('7', Miss, "710"),
            ('0', Hit, "071"),
            ('1', Hit, "107"),
        ],
    );
}

#[test]
fn fifo_replays_the_textbook() {
    check::<Fifo>(
        3,
        &[
            ('7', Miss, "7.."),
            ('0', Miss, "07."),
            ('1', Miss, "107"),
            ('2', Miss, "210"),
            ('0', Hit, "210"),
            ('3', Miss, "321"),
            ('0', Miss, "032"),
            ('4', Miss, "403"),
            ('2', Miss, "240"),
            ('3', Miss, "324"),
            ('0', Miss, "032"),
            ('3', Hit, "032"),
            ('2', Hit, "032"),
            ('1', Miss, "103"),
            ('2', Miss, "210"),
            ('0', Hit, "210"),
            ('1', Hit, "210"),
            ('7', Miss, "721"),
            ('0', Miss, "072"),
            ('1', Miss, "107"),
        ],
    );
}

/// Belady, Nelson, Shedler, "An anomaly in space-time characteristics of certain programs running
/// in a paging machine", Communications of the ACM 12(6), 1969.
#[test]
fn fifo_has_beladys_anomaly_and_lru_has_not() {
    let anomaly = "123412512345";
    assert_eq!((misses::<Fifo>(3, anomaly), misses::<Fifo>(4, anomaly)), (9, 10));
    assert_eq!((misses::<Lru>(3, anomaly), misses::<Lru>(4, anomaly)), (10, 8));
}

#[test]
fn random_fills_empty_ways_first_and_in_order() {
    for seed in 0..10 {
        let mut cache = TimedCache::<Random>::new(&geometry(1, 4, 64), seed);
        for (name, state) in [('A', "A..."), ('B', "AB.."), ('C', "ABC."), ('D', "ABCD")] {
            assert_eq!(cache.access(line(name)), Miss);
            assert_eq!(letters(&cache.set_of(line(name))), state);
        }
    }
}

#[test]
fn random_a_hit_changes_nothing() {
    check::<Random>(
        4,
        &[
            ('A', Miss, "A..."),
            ('B', Miss, "AB.."),
            ('A', Hit, "AB.."),
            ('C', Miss, "ABC."),
            ('D', Miss, "ABCD"),
            ('A', Hit, "ABCD"),
            ('C', Hit, "ABCD"),
            ('B', Hit, "ABCD"),
            ('D', Hit, "ABCD"),
        ],
    );
}

/// The ways of the victims of `fills` fills of a full set of `ways`.
fn victims(ways: u32, seed: u64, fills: u64) -> Vec<usize> {
    let mut cache = TimedCache::<Random>::new(&geometry(1, ways, 64), seed);
    let ways = u64::from(ways);
    for number in 0..ways {
        cache.access(LineAddr::from_number(number));
    }
    (ways..ways + fills)
        .map(|number| {
            let new = LineAddr::from_number(number);
            let before = cache.set_of(new);
            assert_eq!(cache.access(new), Miss);
            let after = cache.set_of(new);
            let changed: Vec<usize> =
                (0..before.len()).filter(|&way| before[way] != after[way]).collect();
            assert_eq!(changed.len(), 1, "{before:?}, {after:?}");
            assert_eq!(after[changed[0]], new);
            changed[0]
        })
        .collect()
}

#[test]
fn random_victims_repeat_with_the_seed() {
    for seed in [0, 1, 42, u64::MAX] {
        assert_eq!(victims(8, seed, 30), victims(8, seed, 30));
    }
}

#[test]
fn random_victims_differ_with_another_seed() {
    for (one, other) in [(0, 1), (1, 2), (0, u64::MAX), (1, 1 << 32), (1, 1 | 1 << 63)] {
        assert_ne!(victims(8, one, 30), victims(8, other, 30), "seeds {one}, {other}");
    }
}

/// Pearson's statistic of how often each of `cells` comes up, against a uniform distribution.
fn chi_square(cells: usize, draws: impl Iterator<Item = usize>) -> f64 {
    let mut counts = vec![0_u32; cells];
    draws.for_each(|cell| counts[cell] += 1);
    let cells = f64::from(u32::try_from(cells).expect("few cells"));
    let expected = f64::from(counts.iter().sum::<u32>()) / cells;
    assert!(expected >= 5.0, "too few draws for the test to mean anything");
    counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum()
}

/// With a fixed seed this is no gamble: it passes always or never. The limits are those that a
/// uniform generator exceeds once in a thousand seeds.
#[test]
fn random_victims_are_uniform_over_the_ways() {
    let fills = if cfg!(miri) { 80 } else { 50_000 };
    for (ways, limit) in [(2, 10.83), (3, 13.82), (5, 18.47), (8, 24.32), (16, 37.70)] {
        let drawn = victims(ways, SEED, fills);
        let statistic = chi_square(ways as usize, drawn.into_iter());
        assert!(statistic < limit, "{ways} ways: {statistic}");
    }
}

#[test]
fn random_victims_do_not_depend_on_the_victim_before() {
    let (fills, cases) = if cfg!(miri) { (100, 2) } else { (50_000, 3) };
    for (ways, limit) in [(2, 16.27), (3, 26.12), (8, 103.44)].into_iter().take(cases) {
        let drawn = victims(ways, SEED, fills);
        let ways = ways as usize;
        // Pairs that do not overlap, for the statistic's sake.
        let pairs = drawn.as_chunks::<2>().0.iter().map(|[one, next]| one * ways + next);
        let statistic = chi_square(ways * ways, pairs);
        assert!(statistic < limit, "{ways} ways: {statistic}");
    }
}

for_every_policy! {
    one_way_leaves_no_choice
    the_first_access_to_every_line_misses_and_the_second_hits
    a_set_is_not_evicted_by_fills_to_the_succeeding_set
    every_set_is_used_and_none_twice
    all_bits_of_a_line_number_tell_lines_apart
    the_line_of_the_last_access_can_be_evicted_at_once
    a_repeated_access_changes_nothing
    a_clone_goes_its_own_way
}

mod rules {
    use super::*;

    pub fn one_way_leaves_no_choice<P: Policy>() {
        check::<P>(
            1,
            &[
                ('A', Miss, "A"),
                ('A', Hit, "A"),
                ('B', Miss, "B"),
                ('A', Miss, "A"),
                ('B', Miss, "B"),
                ('B', Hit, "B"),
            ],
        );
    }

    pub fn the_first_access_to_every_line_misses_and_the_second_hits<P: Policy>() {
        for (sets, ways) in [(1, 1), (1, 7), (3, 2), (4, 8), (48, 3), (1, 64)] {
            let geometry = geometry(sets, ways, 64);
            let mut cache = TimedCache::<P>::new(&geometry, SEED);
            // Line 0 is no special case, nor is whatever an empty way holds.
            for expected in [Miss, Hit] {
                for number in 0..geometry.lines() {
                    assert_eq!(cache.access(LineAddr::from_number(number)), expected);
                }
            }
        }
    }

    pub fn a_set_is_not_evicted_by_fills_to_the_succeeding_set<P: Policy>() {
        for sets in [2, 3, 4, 6] {
            let line = |set, tag| LineAddr::from_number(tag * sets + set);
            for set in 0..sets {
                let mut cache = TimedCache::<P>::new(&geometry(sets, 2, 64), SEED);
                cache.access(line(set, 0));
                cache.access(line(set, 1));
                for tag in 0..10 {
                    cache.access(line((set + 1) % sets, tag));
                }
                assert_eq!(cache.access(line(set, 0)), Hit);
                assert_eq!(cache.access(line(set, 1)), Hit);
            }
        }
    }

    /// The reference leaves sets unused where their number is not a power of two.
    pub fn every_set_is_used_and_none_twice<P: Policy>() {
        for sets in [1, 2, 3, 5, 6, 7, 16, 48, 128, 192] {
            let mut cache = TimedCache::<P>::new(&geometry(sets, 1, 64), SEED);
            for start in [0, 1, sets - 1, 1 << 40] {
                for number in start..start + sets {
                    cache.access(LineAddr::from_number(number));
                }
                for number in start..start + sets {
                    assert_eq!(cache.access(LineAddr::from_number(number)), Hit, "{sets} sets");
                }
            }
        }
    }

    pub fn all_bits_of_a_line_number_tell_lines_apart<P: Policy>() {
        for sets in [3, 4] {
            let mut cache = TimedCache::<P>::new(&geometry(sets, 64, 64), SEED);
            let lines = (0..62).map(|bit| LineAddr::from_number(sets << bit));
            // The same set for all of them, which has room for them.
            for line in lines.clone() {
                assert_eq!(cache.access(line), Miss, "{line:?}");
            }
            for line in lines {
                assert_eq!(cache.access(line), Hit, "{line:?}");
            }
        }
    }

    pub fn the_line_of_the_last_access_can_be_evicted_at_once<P: Policy>() {
        let mut cache = TimedCache::<P>::new(&geometry(4, 1, 64), SEED);
        for (number, outcome) in
            [(0, Miss), (0, Hit), (4, Miss), (0, Miss), (1, Miss), (0, Hit), (1, Hit), (8, Miss)]
        {
            assert_eq!(cache.access(LineAddr::from_number(number)), outcome, "{number}");
        }
    }

    pub fn a_repeated_access_changes_nothing<P: Policy>() {
        let mut once = TimedCache::<P>::new(&geometry(1, 3, 64), SEED);
        let mut often = once.clone();
        for name in "ABCADBBECADEFAB".chars() {
            assert_eq!(once.access(line(name)), often.access(line(name)));
            for _ in 0..5 {
                assert_eq!(often.access(line(name)), Hit);
            }
            assert_eq!(once.set_of(line(name)), often.set_of(line(name)));
        }
    }

    pub fn a_clone_goes_its_own_way<P: Policy>() {
        let mut cache = TimedCache::<P>::new(&geometry(1, 2, 64), SEED);
        cache.access(line('A'));
        let mut clone = cache.clone();
        clone.access(line('B'));
        assert_eq!(letters(&cache.set_of(line('A'))).matches('B').count(), 0);
        assert_eq!(clone.access(line('A')), Hit);
        assert_eq!(cache.access(line('B')), Miss);
    }
}
