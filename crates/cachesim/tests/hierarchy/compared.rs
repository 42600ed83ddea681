//! One core or several that take turns, beside the naive model, with any settings and any accesses.

use std::collections::BTreeSet;

use cachesim::config::Config;
use cachesim::config::Inclusion::{Exclusive, Inclusive};
use cachesim::policy::{AnyPolicy, Fifo, Lru, Policy, PolicyKind};
use cachesim::stats::Purpose;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::any::{INCLUSIONS, POLICIES, cases, changed, flush, hierarchy, steps};
use super::naive::NaiveMachine;
use super::timed::{Step, TimedHierarchy, number};

/// Those that the naive model knows.
const ORDERED: &[PolicyKind] = &[PolicyKind::Lru, PolicyKind::Fifo];

/// The model and the naive one, side by side.
struct Pair<P: Policy> {
    cores: Vec<TimedHierarchy<P>>,
    naive: NaiveMachine,
}

impl<P: Policy> Pair<P> {
    fn new(config: &Config, naive: NaiveMachine) -> Self {
        Self { cores: TimedHierarchy::all(config), naive }
    }

    /// Makes one access in both and compares all that can be seen of the core that makes it.
    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let core = step.core;
        let actual = number(self.cores[core].step(step));
        prop_assert_eq!(actual, self.naive.step(step), "levels that miss");
        prop_assert_eq!(self.cores[core].counts(), self.naive.counts[core].clone());
        let [first, second, third] = [1, 2, 3].map(|level| self.naive.lines(level, core));
        let mut second = second.concat();
        second.sort_unstable();
        let [icache, dcache] = first;
        let expected = [icache, dcache, second, third.concat()];
        prop_assert_eq!(self.cores[core].lines(), expected, "lines of the four caches");
        Ok(())
    }
}

/// Which lines are dirty shows in what is written when all of them have to go.
fn check<P: Policy>(config: &Config, steps: &[Step]) -> Result<(), TestCaseError> {
    check_beside::<P>(config, NaiveMachine::new(config), steps)
}

fn check_beside<P: Policy>(
    config: &Config,
    naive: NaiveMachine,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let mut pair = Pair::<P>::new(config, naive);
    for (number, &step) in steps.iter().enumerate() {
        let told = |error| TestCaseError::fail(format!("access {number}, {step:x?}: {error}"));
        pair.step(step).map_err(told)?;
    }
    for core in 0..pair.cores.len() {
        for step in flush(core).take(100) {
            pair.step(step)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn a_core_does_what_the_naive_model_does(
        config in hierarchy(1..=1, ORDERED, &INCLUSIONS),
        steps in steps(1, 300),
    ) {
        check::<AnyPolicy>(&config, &steps)?;
    }

    /// What the levels do with each other does not depend on which lines the policies choose.
    #[test]
    fn with_any_policies_a_core_does_what_the_naive_model_does(
        config in hierarchy(1..=1, POLICIES, &INCLUSIONS),
        steps in steps(1, 300),
    ) {
        check_beside::<AnyPolicy>(&config, NaiveMachine::with_policies(&config), &steps)?;
    }

    #[test]
    fn policies_of_the_first_level_known_to_the_compiler_change_nothing(
        config in hierarchy(1..=1, ORDERED, &INCLUSIONS),
        steps in steps(1, 100),
    ) {
        let of = |policy| {
            changed(&config, |parts| {
                parts.icache.policy = policy;
                parts.dcache.policy = policy;
            })
        };
        check::<Lru>(&of(PolicyKind::Lru), &steps)?;
        check::<Fifo>(&of(PolicyKind::Fifo), &steps)?;
    }

    /// The naive model has all cores invalidate at once what the third level evicts.
    #[test]
    fn cores_that_take_turns_do_what_the_naive_model_does(
        config in hierarchy(2..=4, ORDERED, &INCLUSIONS),
        steps in steps(4, 300),
    ) {
        let cores = config.cores().get() as usize;
        let steps: Vec<Step> =
            steps.into_iter().map(|step| Step { core: step.core % cores, ..step }).collect();
        check::<AnyPolicy>(&config, &steps)?;
    }

    #[test]
    fn the_fast_question_changes_nothing_but_speed(
        config in hierarchy(1..=1, ORDERED, &INCLUSIONS),
        steps in steps(1, 300),
    ) {
        let [mut direct, mut slow] =
            [(); 2].map(|()| TimedHierarchy::<AnyPolicy>::all(&config).remove(0));
        for step in steps {
            prop_assert_eq!(slow.step_slowly(step), direct.step(step));
        }
        prop_assert_eq!(slow.counts(), direct.counts());
    }
}

/// A property test proves nothing of what its cases never do.
#[test]
fn the_cases_do_all_that_can_be_done() {
    let mut seen = BTreeSet::new();
    let mut runner = TestRunner::deterministic();
    let strategy = (hierarchy(1..=1, ORDERED, &INCLUSIONS), steps(1, 300));
    for _ in 0..3000 {
        let (config, steps) = strategy.new_tree(&mut runner).expect("a case").current();
        let mut naive = NaiveMachine::new(&config);
        for step in steps.into_iter().chain(flush(0).take(100)) {
            naive.step(step);
        }
        let inclusion = config.lower().map(|lower| [lower.l2_inclusion, lower.l3_inclusion]);
        let counts = &naive.counts[0];
        for (level, purposes) in (2..).zip(&counts.lower) {
            for (purpose, &(accesses, misses)) in Purpose::ALL.iter().zip(purposes) {
                for (what, n) in [("hit", accesses - misses), ("miss", misses)] {
                    seen.extend(
                        (n > 0).then(|| format!("{inclusion:?} {level} {purpose:?} {what}")),
                    );
                }
            }
        }
        for (level, &n) in (1..).zip(&counts.write_backs) {
            seen.extend((n > 0).then(|| format!("{inclusion:?} {level} written back")));
        }
        seen.insert(format!("{inclusion:?} {:?}", config.writes()));
    }
    let mut expected = BTreeSet::new();
    for inclusion in INCLUSIONS {
        for level in 2..=3 {
            for purpose in Purpose::ALL {
                for what in ["hit", "miss"] {
                    let is_possible = purpose != Purpose::WriteBack
                        || match (inclusion, level) {
                            // What is above is below.
                            ([Inclusive, _], 2) | ([_, Inclusive], 3) => what == "hit",
                            // What is above is not below.
                            ([Exclusive, _], 2) | ([Exclusive, Exclusive], 3) => what == "miss",
                            // The second level has all that is written to it, and its victims move.
                            ([Inclusive, Exclusive], 3) => false,
                            _ => true,
                        };
                    if is_possible {
                        expected
                            .insert(format!("{:?} {level} {purpose:?} {what}", Some(inclusion)));
                    }
                }
            }
        }
        expected.extend((1..=3).map(|level| format!("{:?} {level} written back", Some(inclusion))));
    }
    let missing: Vec<_> = expected.difference(&seen).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    let settings = seen.iter().filter(|what| what.ends_with("})") || what.ends_with(" None"));
    assert!(settings.count() == 10 * 5, "{seen:#?}");
}
