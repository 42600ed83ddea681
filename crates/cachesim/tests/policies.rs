//! The replacement policies, step by step. A step is a line by its letter, what its access did, and
//! the state of the set after it, in the policy's order, with a dot for an empty way. With LRU, FIFO
//! and LIP the last line of a full set is the next victim.
//!
//! For other policies the state is what is in each way, with what the policy keeps of it.

mod common {
    pub mod each_policy;
    pub mod every_policy;
    pub mod geometry;
    pub mod timed_cache;
}

use cachesim::address::LineAddr;
use cachesim::cache::{
    Outcome::{self, Hit, Miss},
    Way,
};
use cachesim::policy::{
    self, Bip, BitPlru, Brrip, Drrip, Fifo, Lfu, Lip, Lru, Nru, Policy, PolicyKind, Random,
    Repeats, Srrip, TreePlru,
};
use common::each_policy::each_policy;
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
    let fills = 50_000;
    for (ways, limit) in [(2, 10.83), (3, 13.82), (5, 18.47), (8, 24.32), (16, 37.70)] {
        let drawn = victims(ways, SEED, fills);
        let statistic = chi_square(ways as usize, drawn.into_iter());
        assert!(statistic < limit, "{ways} ways: {statistic}");
    }
}

#[test]
fn random_victims_do_not_depend_on_the_victim_before() {
    let (fills, cases) = (50_000, 3);
    for (ways, limit) in [(2, 16.27), (3, 26.12), (8, 103.44)].into_iter().take(cases) {
        let drawn = victims(ways, SEED, fills);
        let ways = ways as usize;
        // Pairs that do not overlap, for the statistic's sake.
        let pairs = drawn.as_chunks::<2>().0.iter().map(|[one, next]| one * ways + next);
        let statistic = chi_square(ways * ways, pairs);
        assert!(statistic < limit, "{ways} ways: {statistic}");
    }
}

/// Accesses lines of a cache of one set, and checks what each access does and what is then in each way, in
/// words of a letter and what `show` makes of the state.
fn check_ways<P: Policy>(ways: u32, show: fn(u64) -> String, steps: &[(char, Outcome, &str)]) {
    let mut cache = TimedCache::<P>::new(&geometry(1, ways, 64), SEED);
    let state = |cache: &TimedCache<P>| {
        let word = |way: &Way| match way.line {
            LineAddr::INVALID => ".".to_owned(),
            line => letters(&[line]) + &show(way.state),
        };
        cache.ways_of(line('A')).iter().map(word).collect::<Vec<_>>().join(" ")
    };
    for (step, &(name, outcome, expected)) in steps.iter().enumerate() {
        let before = state(&cache);
        let actual = cache.access(line(name));
        assert_eq!(
            (actual, state(&cache).as_str()),
            (outcome, expected),
            "step {step}: {before}, {name}"
        );
    }
}

fn no_mark(_: u64) -> String {
    String::new()
}

/// After A to D the bits point at A, as with LRU. Then A's hit points the root at C and D, of which C was
/// filled first, though B is the least recent line of all.
#[test]
fn tree_plru_follows_the_bits_that_point_away_from_what_was_accessed() {
    check_ways::<TreePlru>(
        4,
        no_mark,
        &[
            ('A', Miss, "A . . ."),
            ('B', Miss, "A B . ."),
            ('C', Miss, "A B C ."),
            ('D', Miss, "A B C D"),
            ('A', Hit, "A B C D"),
            ('E', Miss, "A B E D"),
            ('F', Miss, "A F E D"),
            ('G', Miss, "A F E G"),
            ('H', Miss, "H F E G"),
            ('E', Hit, "H F E G"),
            ('I', Miss, "H I E G"),
        ],
    );
}

/// With two ways a bit is all that LRU has to know.
#[test]
fn tree_plru_of_two_ways_is_lru() {
    let names: Vec<char> = "ABACBCADBBCADCBADACB".chars().collect();
    let mut tree = TimedCache::<TreePlru>::new(&geometry(1, 2, 64), SEED);
    let mut lru = TimedCache::<Lru>::new(&geometry(1, 2, 64), SEED);
    for name in names {
        assert_eq!(tree.access(line(name)), lru.access(line(name)));
        assert_eq!(tree.set_of(line(name)), lru.set_of(line(name)));
    }
}

/// Two ways and one: the single one is the victim each other time.
#[test]
fn tree_plru_halves_three_ways_into_two_and_one() {
    check_ways::<TreePlru>(
        3,
        no_mark,
        &[
            ('A', Miss, "A . ."),
            ('B', Miss, "A B ."),
            ('C', Miss, "A B C"),
            ('D', Miss, "D B C"),
            ('E', Miss, "D B E"),
            ('F', Miss, "D F E"),
            ('G', Miss, "D F G"),
            ('H', Miss, "H F G"),
        ],
    );
}

/// Three ways and three, each as above.
#[test]
fn tree_plru_halves_six_ways_into_three_and_three() {
    check_ways::<TreePlru>(
        6,
        no_mark,
        &[
            ('A', Miss, "A . . . . ."),
            ('B', Miss, "A B . . . ."),
            ('C', Miss, "A B C . . ."),
            ('D', Miss, "A B C D . ."),
            ('E', Miss, "A B C D E ."),
            ('F', Miss, "A B C D E F"),
            ('G', Miss, "G B C D E F"),
            ('H', Miss, "G B C H E F"),
            ('I', Miss, "G B I H E F"),
            ('J', Miss, "G B I H E J"),
            ('K', Miss, "G K I H E J"),
            ('L', Miss, "G K I H L J"),
        ],
    );
}

fn bit(state: u64) -> String {
    (state - 1).to_string()
}

#[test]
fn bit_plru_clears_the_bits_of_the_others_with_the_last_one_set() {
    check_ways::<BitPlru>(
        4,
        bit,
        &[
            ('A', Miss, "A1 . . ."),
            ('B', Miss, "A1 B1 . ."),
            ('C', Miss, "A1 B1 C1 ."),
            ('D', Miss, "A0 B0 C0 D1"),
            ('B', Hit, "A0 B1 C0 D1"),
            ('B', Hit, "A0 B1 C0 D1"),
            ('E', Miss, "E1 B1 C0 D1"),
            ('C', Hit, "E0 B0 C1 D0"),
            ('F', Miss, "F1 B0 C1 D0"),
            ('G', Miss, "F1 G1 C1 D0"),
            ('H', Miss, "F0 G0 C0 H1"),
        ],
    );
}

#[test]
fn bit_plru_of_two_ways_is_lru() {
    check_ways::<BitPlru>(
        2,
        bit,
        &[
            ('A', Miss, "A1 ."),
            ('B', Miss, "A0 B1"),
            ('A', Hit, "A1 B0"),
            ('C', Miss, "A0 C1"),
            ('B', Miss, "B1 C0"),
        ],
    );
}

/// Set where the line was not used recently.
fn nru_bit(state: u64) -> String {
    (2 - state).to_string()
}

/// The example of the paper on RRIP (Jaleel et al., ISCA 2010, figure 3b): a1 and a2 are A and B, the scan b1
/// to b4 is 1 to 4. After it A and B miss.
#[test]
fn nru_replays_the_papers_scan() {
    check_ways::<Nru>(
        4,
        nru_bit,
        &[
            ('A', Miss, "A0 . . ."),
            ('B', Miss, "A0 B0 . ."),
            ('B', Hit, "A0 B0 . ."),
            ('A', Hit, "A0 B0 . ."),
            ('1', Miss, "A0 B0 10 ."),
            ('2', Miss, "A0 B0 10 20"),
            ('3', Miss, "30 B1 11 21"),
            ('4', Miss, "30 40 11 21"),
            ('A', Miss, "30 40 A0 21"),
            ('B', Miss, "30 40 A0 B0"),
        ],
    );
}

/// At the fill of B and at the hit of A all lines were accessed: there bit-PLRU forgets the other one. NRU forgets when C
/// needs a victim, and then A too, which it evicts.
#[test]
fn nru_forgets_at_the_miss_and_bit_plru_at_the_access_before() {
    check_ways::<BitPlru>(
        2,
        bit,
        &[
            ('A', Miss, "A1 ."),
            ('B', Miss, "A0 B1"),
            ('A', Hit, "A1 B0"),
            ('C', Miss, "A0 C1"),
            ('A', Hit, "A1 C0"),
        ],
    );
    check_ways::<Nru>(
        2,
        nru_bit,
        &[
            ('A', Miss, "A0 ."),
            ('B', Miss, "A0 B0"),
            ('A', Hit, "A0 B0"),
            ('C', Miss, "C0 B1"),
            ('A', Miss, "C0 A0"),
        ],
    );
}

/// The re-reference prediction value.
fn prediction(state: u64) -> String {
    (4 - state).to_string()
}

/// The example of the paper on RRIP (Jaleel et al., ISCA 2010, figure 3c): a1 and a2 are A and B, the scan
/// b1 to b4 is 1 to 4. After it A and B still hit.
#[test]
fn srrip_replays_the_papers_scan() {
    check_ways::<Srrip>(
        4,
        prediction,
        &[
            ('A', Miss, "A2 . . ."),
            ('B', Miss, "A2 B2 . ."),
            ('B', Hit, "A2 B0 . ."),
            ('A', Hit, "A0 B0 . ."),
            ('1', Miss, "A0 B0 12 ."),
            ('2', Miss, "A0 B0 12 22"),
            ('3', Miss, "A1 B1 32 23"),
            ('4', Miss, "A1 B1 32 42"),
            ('A', Hit, "A0 B1 32 42"),
            ('B', Hit, "A0 B0 32 42"),
        ],
    );
}

/// The same accesses, of which LRU has the last two miss, in the paper and here.
#[test]
fn lru_loses_both_lines_to_the_papers_scan() {
    assert_eq!(misses::<Srrip>(4, "ABBA1234AB"), 6);
    assert_eq!(misses::<Lru>(4, "ABBA1234AB"), 8);
    assert_eq!(misses::<BitPlru>(4, "ABBA1234AB"), 8);
    assert_eq!(misses::<Nru>(4, "ABBA1234AB"), 8);
}

#[test]
fn srrip_raises_all_values_as_far_as_the_victims_needs() {
    check_ways::<Srrip>(
        2,
        prediction,
        &[
            ('A', Miss, "A2 ."),
            ('A', Hit, "A0 ."),
            ('B', Miss, "A0 B2"),
            ('B', Hit, "A0 B0"),
            // From 0 to 3: the first one is the victim.
            ('C', Miss, "C2 B3"),
            ('D', Miss, "C2 D2"),
            ('E', Miss, "E2 D3"),
            ('D', Hit, "E2 D0"),
            ('F', Miss, "F2 D1"),
        ],
    );
}

/// The states that so many fills of a set of one way leave, set `index` of its cache.
fn marks_of_fills<P: Policy>(policy: &mut P, index: usize, fills: u64) -> Vec<u64> {
    let mut states = [1];
    (1..=fills)
        .map(|now| {
            let way = policy.victim(&mut states);
            policy.filled(&mut states, way, index, now);
            states[way]
        })
        .collect()
}

/// Checks that about one in 32 fills is treated in another way than the others.
fn check_throttle<P: Policy>(kind: PolicyKind, is_rare: fn(state: u64) -> bool) {
    let fills = 64_000;
    let mut policy = P::new(kind, &geometry(1, 1, 64), SEED);
    let states = marks_of_fills(&mut policy, 0, fills);
    // The common ones are dealt to 31 cells of 32 in turn.
    let mut common = 0;
    let cells = states.into_iter().map(|state| {
        if is_rare(state) {
            return 0;
        }
        common = common % 31 + 1;
        common
    });
    // All but the first cell are equally full: one degree of freedom.
    let statistic = chi_square(32, cells);
    assert!(statistic < 10.83, "{statistic}");
}

#[test]
fn brrip_fills_one_in_32_as_srrip_does() {
    check_throttle::<Brrip>(PolicyKind::Brrip, |state| prediction(state) == "2");
}

#[test]
fn bip_fills_one_in_32_as_lru_does() {
    check_throttle::<Bip>(PolicyKind::Bip, |state| state > policy::TIME_END);
}

#[test]
fn brrip_keeps_what_hit_and_replaces_what_came_last() {
    // With this seed none of these fills is one in 32.
    check_ways::<Brrip>(
        3,
        prediction,
        &[
            ('A', Miss, "A3 . ."),
            ('B', Miss, "A3 B3 ."),
            ('B', Hit, "A3 B0 ."),
            ('C', Miss, "A3 B0 C3"),
            ('C', Hit, "A3 B0 C0"),
            ('D', Miss, "D3 B0 C0"),
            ('E', Miss, "E3 B0 C0"),
            ('E', Hit, "E0 B0 C0"),
            ('F', Miss, "F3 B3 C3"),
        ],
    );
}

/// How the sets of a cache insert lines, as it shows: by what becomes of the others if one set alone misses
/// often, and of itself.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    LeadsSrrip,
    LeadsBrrip,
    Follows,
}

fn is_bimodal(states: &[u64]) -> bool {
    states.iter().any(|&state| prediction(state) == "3")
}

/// The roles of all sets.
fn roles(sets: u64) -> Vec<Role> {
    let new = || Drrip::new(PolicyKind::Drrip, &geometry(sets, 1, 64), SEED);
    let indices = 0..usize::try_from(sets).expect("few sets");
    let role = |index| {
        // So that followers follow BRRIP if this is a leader of SRRIP, and only then.
        let mut policy = new();
        if is_bimodal(&marks_of_fills(&mut policy, index, 50)) {
            return Role::LeadsBrrip;
        }
        let elsewhere = |other: usize| is_bimodal(&marks_of_fills(&mut policy.clone(), other, 50));
        let bimodal = indices.clone().filter(|&other| elsewhere(other)).count();
        // The leaders of BRRIP are bimodal always.
        if bimodal > LEADERS.min(indices.len() / 4) { Role::LeadsSrrip } else { Role::Follows }
    };
    indices.clone().map(role).collect()
}

/// The most leaders of each side.
const LEADERS: usize = 32;

#[test]
fn drrip_has_a_quarter_of_the_sets_lead_for_each_side_but_32_at_most() {
    for sets in [4, 5, 7, 8, 20, 64, 96, 128, 129, 200] {
        let roles = roles(sets);
        let expected = LEADERS.min(roles.len() / 4);
        for side in [Role::LeadsSrrip, Role::LeadsBrrip] {
            let leaders = roles.iter().filter(|&role| *role == side).count();
            assert_eq!(leaders, expected, "{side:?} of {sets}");
        }
    }
}

/// Four regions of four sets: the leader moves on by one in each.
#[test]
fn drrip_has_one_leader_of_each_side_in_every_region() {
    let letter = |role: &Role| match role {
        Role::LeadsSrrip => 's',
        Role::LeadsBrrip => 'b',
        Role::Follows => '.',
    };
    let shown = |sets| roles(sets).iter().map(letter).collect::<String>();
    assert_eq!(shown(7), "s..b...");
    assert_eq!(shown(16), "s.b..s.bb.s..b.s");
    // Two sets in none.
    assert_eq!(shown(18), "s.b..s.bb.s..b.s..");
}

#[test]
fn drrip_with_fewer_than_four_sets_is_srrip() {
    for sets in 1..4 {
        let mut policy = Drrip::new(PolicyKind::Drrip, &geometry(sets, 1, 64), SEED);
        for index in 0..usize::try_from(sets).expect("few sets") {
            assert!(!is_bimodal(&marks_of_fills(&mut policy, index, 200)));
        }
    }
}

/// In a cache of four sets, set 0 leads for SRRIP, set 2 for BRRIP; sets 1 and 3 follow.
#[test]
fn drrip_followers_do_as_the_leaders_that_miss_less() {
    let mut policy = Drrip::new(PolicyKind::Drrip, &geometry(4, 1, 64), SEED);
    let mut follower_is_bimodal = |fills: &[(usize, u64)]| {
        for &(index, fills) in fills {
            marks_of_fills(&mut policy, index, fills);
        }
        let one = is_bimodal(&marks_of_fills(&mut policy, 1, 50));
        assert_eq!(one, is_bimodal(&marks_of_fills(&mut policy, 3, 50)));
        one
    };
    // At the start SRRIP is followed, but only just: the counter is at 511.
    assert!(!follower_is_bimodal(&[]));
    assert!(follower_is_bimodal(&[(0, 1)]));
    assert!(!follower_is_bimodal(&[(2, 1)]));
    assert!(follower_is_bimodal(&[(0, 1)]));
    // It ends at 1023 and at 0, however often one side misses.
    assert!(follower_is_bimodal(&[(0, 1100), (2, 511)]));
    assert!(!follower_is_bimodal(&[(2, 1)]));
    assert!(!follower_is_bimodal(&[(2, 1100), (0, 511)]));
    assert!(follower_is_bimodal(&[(0, 1)]));
}

fn count(state: u64) -> String {
    state.to_string()
}

#[test]
fn lfu_replaces_the_first_of_those_accessed_least() {
    check_ways::<Lfu>(
        3,
        count,
        &[
            ('A', Miss, "A1 . ."),
            ('A', Hit, "A2 . ."),
            ('B', Miss, "A2 B1 ."),
            ('C', Miss, "A2 B1 C1"),
            ('D', Miss, "A2 D1 C1"),
            ('D', Hit, "A2 D2 C1"),
            ('E', Miss, "A2 D2 E1"),
            ('E', Hit, "A2 D2 E2"),
            ('F', Miss, "F1 D2 E2"),
            // What it had before is forgotten.
            ('A', Miss, "A1 D2 E2"),
            ('A', Hit, "A2 D2 E2"),
            ('A', Hit, "A3 D2 E2"),
        ],
    );
}

#[test]
fn lip_a_fill_is_the_next_victim_until_it_hits() {
    check::<Lip>(
        4,
        &[
            ('A', Miss, "A..."),
            ('B', Miss, "AB.."),
            ('C', Miss, "ABC."),
            ('D', Miss, "ABCD"),
            ('E', Miss, "ABCE"),
            ('E', Hit, "EABC"),
            ('F', Miss, "EABF"),
            ('B', Hit, "BEAF"),
            ('C', Miss, "BEAC"),
            ('A', Hit, "ABEC"),
            ('D', Miss, "ABED"),
        ],
    );
}

/// How many hits there are in each round of walks over `lines`.
fn hits_by_round<P: Policy>(
    cache: &mut TimedCache<P>,
    lines: std::ops::Range<u64>,
    rounds: usize,
) -> Vec<usize> {
    let round = |_| {
        let access = |&number: &u64| cache.access(LineAddr::from_number(number)) == Hit;
        lines.clone().filter(access).count()
    };
    (0..rounds).map(round).collect()
}

/// The example of the paper on insertion policies (Qureshi et al., ISCA 2007, section 3): a loop over T
/// lines, then another one over T others, with a set of K < T ways. LRU never hits. LIP hits K − 1 lines
/// of the first loop each time round, and none of the second. BIP comes near in both.
#[test]
fn lip_and_bip_replay_the_papers_loops() {
    const WAYS: u32 = 8;
    const LINES: u64 = 12;
    const KEPT: usize = 7;
    // Under Miri BIP has no time to take over the second loop.
    let rounds = 400;
    let run = |hits: &mut dyn FnMut(std::ops::Range<u64>) -> Vec<usize>| {
        [hits(0..LINES), hits(LINES..2 * LINES)]
    };
    let geometry = geometry(1, WAYS, 64);

    let mut lru = TimedCache::<Lru>::new(&geometry, SEED);
    for hits in run(&mut |lines| hits_by_round(&mut lru, lines, rounds)) {
        assert!(hits.iter().all(|&hits| hits == 0));
    }

    let mut lip = TimedCache::<Lip>::new(&geometry, SEED);
    let [first, second] = run(&mut |lines| hits_by_round(&mut lip, lines, rounds));
    assert!(first[1..].iter().all(|&hits| hits == KEPT));
    assert!(second.iter().all(|&hits| hits == 0));

    let mut bip = TimedCache::<Bip>::new(&geometry, SEED);
    for hits in run(&mut |lines| hits_by_round(&mut bip, lines, rounds)) {
        // From when the loop has taken over the set.
        let later = &hits[rounds / 2..];
        let mean = later.iter().sum::<usize>() * 100 / later.len();
        assert!((KEPT * 80..KEPT * 100).contains(&mean), "{mean} hundredths of a line");
    }
}

#[test]
fn a_repeated_access_changes_nothing() {
    each_policy!(P, kind => if kind.repeats() == Repeats::ChangeNothing {
        let mut once = TimedCache::<P>::new(&geometry(1, 3, 64), SEED);
        let mut often = once.clone();
        for name in "ABCADBBECADEFAB".chars() {
            assert_eq!(once.access(line(name)), often.access(line(name)), "{kind:?}");
            for _ in 0..5 {
                assert_eq!(often.access(line(name)), Hit, "{kind:?}");
            }
            assert_eq!(once.set_of(line(name)), often.set_of(line(name)), "{kind:?}");
        }
    });
}

for_every_policy! {
    one_way_leaves_no_choice
    the_first_access_to_every_line_misses_and_the_second_hits
    a_set_is_not_evicted_by_fills_to_the_succeeding_set
    every_set_is_used_and_none_twice
    all_bits_of_a_line_number_tell_lines_apart
    the_line_of_the_last_access_can_be_evicted_at_once
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
