//! A core that is not told of what changes nothing does what one does that is told of all.

use cachesim::config::{Config, Directions};
use cachesim::core::Lines;
use cachesim::filter::Filter;
use cachesim::machines::Machines;
use cachesim::model::Kind;
use cachesim::policy::AnyPolicy;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::any::{INCLUSIONS, POLICIES, cases, changed, hierarchy, steps};
use super::timed::{Step, TimedHierarchy, number};

/// How many accesses of each kind were made, and how many left out.
#[derive(Clone, Copy, Debug, Default)]
struct LeftOut {
    made: [u32; 3],
    left_out: [u32; 3],
}

/// Compares the cores of `config`, access by access.
fn check(config: &Config, steps: &[Step]) -> Result<LeftOut, TestCaseError> {
    let [mut all, mut without] = [0, 1].map(|_| TimedHierarchy::<AnyPolicy>::all(config).remove(0));
    let filter = Filter::new(&Machines::from(config));
    let lines = Lines::new(config);
    let mut counts = LeftOut::default();
    for (at, &step) in steps.iter().enumerate() {
        let access = lines.access(step.kind, step.address, 1);
        let misses = number(all.step(step));
        counts.made[step.kind as usize] += 1;
        if filter.changes_nothing(step.kind, access.line) {
            counts.left_out[step.kind as usize] += 1;
            prop_assert_eq!(misses, 0, "access {}, {:x?}", at, step);
        } else {
            filter.remember(step.kind, access.line, 1);
            prop_assert_eq!(misses, number(without.step(step)), "access {}, {:x?}", at, step);
        }
        prop_assert_eq!(all.counts(), without.counts(), "access {}, {:x?}", at, step);
    }
    prop_assert_eq!(all.lines(), without.lines());
    Ok(counts)
}

/// Accesses some of which are made again at once, as programs do.
fn repeated(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let again = prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(any::<bool>(), 1..4)];
    (steps(1, most), prop::collection::vec(again, most)).prop_map(|(steps, again)| {
        let repeats = steps.into_iter().zip(again).flat_map(|(step, again)| {
            let repeat = move |is_store: bool| match step.kind {
                Kind::Fetch => step,
                _ => Step { kind: if is_store { Kind::Store } else { Kind::Load }, ..step },
            };
            std::iter::once(step).chain(again.into_iter().map(repeat))
        });
        repeats.collect()
    })
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn what_the_filter_leaves_out_changes_nothing(
        config in hierarchy(1..=1, POLICIES, &INCLUSIONS),
        apart in any::<bool>(),
        steps in repeated(200),
    ) {
        let directions = if apart { Directions::Apart } else { Directions::Together };
        check(&changed(&config, |parts| parts.directions = directions), &steps)?;
    }
}

/// Of every kind of access, and however stores are treated, unless each is passed on.
#[test]
fn the_filter_leaves_out_many() {
    let mut runner = TestRunner::deterministic();
    let mut sums = LeftOut::default();
    for _ in 0..300 {
        let (config, steps) = (hierarchy(1..=1, POLICIES, &INCLUSIONS), repeated(200))
            .new_tree(&mut runner)
            .expect("a case")
            .current();
        let counts = check(&config, &steps).expect("it changes nothing");
        for kind in 0..3 {
            sums.made[kind] += counts.made[kind];
            sums.left_out[kind] += counts.left_out[kind];
        }
    }
    for kind in [Kind::Fetch, Kind::Load, Kind::Store] {
        let (made, left_out) = (sums.made[kind as usize], sums.left_out[kind as usize]);
        assert!(left_out > made / 8, "{kind:?}: {left_out} of {made}");
    }
}
