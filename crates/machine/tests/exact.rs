//! What is counted, to the last access: on one thread, where the order of all accesses is known.

#![cfg(not(shuttle))]

mod common;

use std::fmt::Debug;

use cachesim::config::{Config, Inclusion};
use cachesim::core::Core;
use cachesim::hierarchy::Hierarchy;
use cachesim::machines::Machines;
use cachesim::model::Kind;
use cachesim::pages::{Regime, SharedGeneration};
use cachesim::policy::{AnyPolicy, Lru, PolicyKind};
use cachesim::profile::{ProfileTable, Segment};
use common::{Cpu, Guest, Reference, Step, first_level, handover, lane_step, three_levels};
use machine::{
    Alone, BySet, Directory, Finder, Handover, Locks, Machine, Private, Seat, Shared, Simulator,
};
use proptest::prelude::*;

/// Only a few under Miri; there buffers are short, so that they are drained as well.
fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 1 } else { 100 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// How long sequences of accesses are: mostly several buffers.
fn most_steps() -> usize {
    if cfg!(miri) { 24 } else { 12_000 }
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![2 => Just(Kind::Load), 1 => Just(Kind::Store)];
    prop_oneof![
        4 => (kind, 0..48_u64, 0..8_u64, 0..3_u64, 0..32_usize).prop_map(
            |(kind, line, word, then, instruction)| {
                let address = line << 6 | word << 3;
                Step::Data { kind, address, bytes: 8, then, instruction }
            }
        ),
        3 => (0..32_usize).prop_map(|instruction| Step::Run { instruction }),
        1 => (1..5_u64).prop_map(|fetches| Step::Count { fetches }),
    ]
}

/// Accesses of instructions that have just been fetched, and now and then other fetches, as a guest's are.
fn executed() -> impl Strategy<Value = Vec<(u32, Step)>> {
    prop::collection::vec(step(), 1..most_steps() / 2).prop_map(|steps| {
        let executed = steps.into_iter().flat_map(|step| {
            let fetched = match step {
                Step::Data { instruction, .. } => Some(Step::Run { instruction }),
                Step::Run { .. } | Step::Count { .. } => None,
            };
            fetched.into_iter().chain([step]).map(|step| (0, step))
        });
        executed.collect()
    })
}

/// Accesses, and by which of `vcpus`.
fn steps(vcpus: u32) -> impl Strategy<Value = Vec<(u32, Step)>> {
    prop::collection::vec((0..vcpus, step()), 1..most_steps())
}

fn policy() -> impl Strategy<Value = PolicyKind> {
    prop::sample::select(&PolicyKind::ALL[..])
}

/// Three levels of any kind.
fn hierarchy(cores: u32) -> impl Strategy<Value = Config> {
    let inclusion =
        prop::sample::select(vec![Inclusion::Nine, Inclusion::Inclusive, Inclusion::Exclusive]);
    (policy(), inclusion)
        .prop_map(move |(policy, inclusion)| three_levels(cores, policy, inclusion))
}

/// How many vCPUs there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    One,
    Several,
}

/// Both are equal, or it is said where not.
fn compare<T: PartialEq + Debug>(told: &T, expected: &T) -> Result<(), TestCaseError> {
    prop_assert_eq!(told, expected);
    Ok(())
}

/// One vCPU, with a report now and then: all that is counted is what the model alone counts.
fn counts_as_the_model<M: Locks, F: Finder>(
    config: &Config,
    vcpus: Expected,
    steps: &[(u32, Step)],
) -> Result<(), TestCaseError> {
    let guest = Guest::<M>::new(config, BySet::Counted);
    counts_as::<M, F>(&guest, Reference::all(config), vcpus, steps)
}

/// The same of a guest that executes the lines that it fetches, where data accesses may take them out.
fn counts_refetching<F: Finder>(
    config: &Config,
    vcpus: Expected,
    steps: &[(u32, Step)],
) -> Result<(), TestCaseError> {
    let guest = Guest::<Hierarchy<AnyPolicy>>::new(config, BySet::Counted);
    guest.refetch();
    let mut reference = Reference::all(config);
    reference[0].refetches = true;
    counts_as::<_, F>(&guest, reference, vcpus, steps)
}

fn counts_as<M: Locks, F: Finder>(
    guest: &Guest<M>,
    mut reference: Vec<Reference<M>>,
    vcpus: Expected,
    steps: &[(u32, Step)],
) -> Result<(), TestCaseError> {
    if vcpus == Expected::Several {
        guest.directory.expect_several();
    }
    let vcpu = guest.vcpu::<F>(0);
    let often = steps.len() / 7 + 1;
    for (number, &(_, step)) in steps.iter().enumerate() {
        vcpu.step(step);
        reference[0].step(step);
        if number % often == often - 1 {
            let told = guest.told();
            told.check();
            compare(&told, &Reference::told(&reference))?;
            compare(&guest.told(), &told)?;
        }
    }
    compare(&guest.told(), &Reference::told(&reference))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn one_vcpu_alone_counts_what_the_model_counts(policy in policy(), steps in steps(1)) {
        let config = first_level(1, policy);
        counts_as_the_model::<Core<AnyPolicy>, Alone>(&config, Expected::One, &steps)?;
    }

    /// A data access may take the line out that is being executed, where a level is inclusive; its callback counts
    /// fetches after it.
    #[test]
    fn a_line_that_is_gone_is_fetched_again(config in hierarchy(1), steps in executed()) {
        prop_assume!(Machines::from(&config).refetch());
        counts_refetching::<Alone>(&config, Expected::One, &steps)?;
        counts_refetching::<Shared>(&config, Expected::Several, &steps)?;
    }

    /// Whoever simulates what, and however much of it has been when a report is made. On one core: several that share a
    /// level have another order.
    #[test]
    fn what_is_handed_over_counts_as_what_is_not(
        config in hierarchy(1),
        steps in steps(4),
        buffers in 1..5_u64,
        work in prop::collection::vec(0..6_u32, 1..40),
    ) {
        let [handing_over, other] = [handover(buffers), Handover::Off]
            .map(|handover| Guest::<Hierarchy<AnyPolicy>>::handing_over(&config, BySet::Counted, handover));
        let often = steps.len() / work.len() + 1;
        for guest in [&handing_over, &other] {
            guest.directory.expect_several();
        }
        for (number, &(vcpu, step)) in steps.iter().enumerate() {
            // Each thread of tests knows one guest at a time.
            handing_over.vcpu::<Shared>(vcpu).step(step);
            other.vcpu::<Shared>(vcpu).step(step);
            if number % often == often - 1 {
                let pieces = work[number / often % work.len()];
                (0..pieces).for_each(|_| _ = handing_over.machine.work());
                if pieces == 0 {
                    handing_over.machine.pause_handover(Some(1));
                }
                handing_over.told().check();
            }
        }
        for guest in [&handing_over, &other] {
            (0..4).for_each(|vcpu| guest.vcpu::<Shared>(vcpu).retire());
        }
        compare(&handing_over.told(), &other.told())?;
    }

    #[test]
    fn one_vcpu_alone_counts_what_a_hierarchy_counts(config in hierarchy(1), steps in steps(1)) {
        counts_as_the_model::<Hierarchy<AnyPolicy>, Alone>(&config, Expected::One, &steps)?;
    }

    /// What is recorded is left out, collapsed, simulated in batches and tried out for reports: and nothing of it
    /// shows.
    #[test]
    fn one_vcpu_that_records_counts_what_the_model_counts(policy in policy(), steps in steps(1)) {
        let config = first_level(1, policy);
        counts_as_the_model::<Core<AnyPolicy>, Shared>(&config, Expected::Several, &steps)?;
    }

    #[test]
    fn one_vcpu_that_records_counts_what_a_hierarchy_counts(
        config in hierarchy(1),
        steps in steps(1),
    ) {
        counts_as_the_model::<Hierarchy<AnyPolicy>, Shared>(&config, Expected::Several, &steps)?;
    }

    #[test]
    fn private_cores_count_each_as_alone(policy in policy(), steps in steps(3)) {
        private_cores::<Core<AnyPolicy>>(&first_level(3, policy), &steps)?;
    }

    /// Of which the third level is shared, so that all depends on the order.
    #[test]
    fn private_cores_count_what_hierarchies_count_together(
        config in hierarchy(3),
        steps in steps(3),
    ) {
        private_cores::<Hierarchy<AnyPolicy>>(&config, &steps)?;
    }

    /// Each on a core of its own, so the order in which they drain is nothing to them.
    #[test]
    fn a_second_vcpu_loses_and_doubles_nothing(
        policy in policy(),
        before in steps(1),
        after in steps(2),
    ) {
        let config = first_level(2, policy);
        let guest = Guest::<Core<AnyPolicy>>::new(&config, BySet::Counted);
        let mut reference = Reference::<Core<AnyPolicy>>::all(&config);
        let first = guest.vcpu::<Alone>(0);
        for &(_, step) in &before {
            first.step(step);
            reference[0].step(step);
        }
        compare(&guest.told(), &Reference::told(&reference))?;
        guest.directory.expect_several();
        let (first_again, second) = (guest.vcpu::<Shared>(0), guest.vcpu::<Shared>(1));
        for (number, &(vcpu, step)) in after.iter().enumerate() {
            match (vcpu, number % 3) {
                (0, 0) => first_again.step(step),
                (0, _) => first.step(step),
                _ => second.step(step),
            }
            reference[vcpu as usize].step(step);
        }
        guest.told().check();
        compare(&guest.told(), &Reference::told(&reference))?;
    }

    /// A report changes nothing, whoever shares whatever.
    #[test]
    fn a_guest_that_goes_on_after_reports_counts_as_one_without(
        config in hierarchy(2),
        steps in steps(4),
    ) {
        let guests: [_; 2] =
            std::array::from_fn(|_| Guest::<Hierarchy<AnyPolicy>>::new(&config, BySet::Counted));
        let often = steps.len() / 5 + 1;
        let told = [0, 1].map(|which| {
            let guest = &guests[which];
            guest.directory.expect_several();
            let vcpus = [0, 1, 2, 3].map(|index| guest.vcpu::<Shared>(index));
            for (number, &(vcpu, step)) in steps.iter().enumerate() {
                vcpus[vcpu as usize].step(step);
                if which == 0 && number % often == 0 {
                    guest.told().check();
                    guest.machine.rough_sum();
                }
            }
            for vcpu in vcpus {
                vcpu.retire();
            }
            guest.told()
        });
        told[0].check();
        prop_assert_eq!(&told[0], &told[1]);
    }

    /// vCPUs come and go, each index on the core that it belongs to.
    #[test]
    fn vcpus_that_come_and_go_lose_and_double_nothing(
        policy in policy(),
        steps in steps(4),
        lives in prop::collection::vec(1..400_usize, 1..30),
    ) {
        let config = first_level(2, policy);
        let guest = Guest::<Core<AnyPolicy>>::new(&config, BySet::Counted);
        guest.directory.expect_several();
        let mut reference = Reference::<Core<AnyPolicy>>::all(&config);
        let mut lives = lives.iter().cycle();
        let mut rest = &steps[..];
        while !rest.is_empty() {
            let (life, later) = rest.split_at(rest.len().min(*lives.next().expect("a cycle")));
            rest = later;
            let index = life[0].0;
            let vcpu = guest.vcpu::<Shared>(index);
            for &(_, step) in life {
                vcpu.step(step);
                reference[index as usize % 2].step(step);
            }
            vcpu.retire();
            compare(&guest.told(), &Reference::told(&reference))?;
        }
        prop_assert!(guest.vcpus_made() <= 2, "one at a time needs one for each core");
    }
}

/// vCPU `n` is on core `n`, and a report comes now and then.
fn private_cores<M: Locks>(config: &Config, steps: &[(u32, Step)]) -> Result<(), TestCaseError> {
    let guest = Guest::<M>::new(config, BySet::Counted);
    let mut reference = Reference::<M>::all(config);
    let vcpus = [0, 1, 2].map(|index| guest.vcpu::<Private>(index));
    for (number, &(vcpu, step)) in steps.iter().enumerate() {
        vcpus[vcpu as usize].step(step);
        reference[vcpu as usize].step(step);
        if number % (steps.len() / 5 + 1) == 0 {
            compare(&guest.told(), &Reference::told(&reference))?;
        }
    }
    guest.told().check();
    compare(&guest.told(), &Reference::told(&reference))
}

/// A vCPU whose index has no slot of its own is found by the map.
#[test]
fn a_vcpu_beyond_the_slots_is_one_like_any_other() {
    let config = first_level(2, PolicyKind::Lru);
    let guest = Guest::<Core<Lru>>::new(&config, BySet::NotCounted);
    guest.directory.expect_several();
    let mut reference = Reference::<Core<Lru>>::all(&config);
    for index in [5, 1_000_001] {
        let vcpu = guest.vcpu::<Shared>(index);
        for number in 0..20 {
            vcpu.step(lane_step(0, number));
            reference[1].step(lane_step(0, number));
        }
        vcpu.retire();
    }
    let (told, expected) = (guest.told(), Reference::told(&reference));
    assert_eq!(told.cores[1].counts, expected.cores[1].counts);
    assert_eq!(told.cores[1].sets, None);
    assert_eq!(told.instructions, expected.instructions);
    assert_eq!(guest.vcpus_made(), 1);
}

fn count<F: Finder>(vcpu: &Cpu<'_, Core<Lru>, F>, segment: &Segment) {
    (0..3).for_each(|_| vcpu.found(|_, seat| segment.count(seat.counted_by())));
}

/// The counts by instruction go on in the vCPUs' own counters, where there are several.
#[test]
#[cfg_attr(miri, ignore = "counters take minutes")]
fn executions_add_up_whoever_counts_them() {
    let guest = Guest::<Core<Lru>>::new(&first_level(2, PolicyKind::Lru), BySet::NotCounted);
    let mut table = ProfileTable::default();
    let instruction = guest.instructions[0];
    let segment = table.segment([instruction].into_iter());
    let alone = guest.vcpu::<Alone>(0);
    count(&alone, segment);
    guest.directory.expect_several();
    count(&alone, segment);
    let recording = guest.vcpu::<Shared>(1);
    count(&recording, segment);
    recording.retire();
    let private = guest.vcpu::<Private>(1);
    count(&private, segment);
    let mut counters = Vec::new();
    guest.machine.vcpu_counters(&mut |of_one| counters.push(of_one));
    assert_eq!(table.executed(counters)[&std::ptr::from_ref(instruction)].executions, 12);
}

#[test]
fn a_vcpu_remembers_translations_until_they_may_have_changed() {
    let guest = Guest::<Core<Lru>>::new(&first_level(1, PolicyKind::Lru), BySet::NotCounted);
    guest.directory.expect_several();
    let (shared, regime) = (SharedGeneration::new(), Regime::new(1));
    let [one, other] = [0, 1].map(|index| guest.vcpu::<Shared>(index));
    let translation = |vcpu: &Cpu<'_, Core<Lru>, Shared>| {
        vcpu.found(|vcpu, _| vcpu.translation(&shared, 0x1008, regime))
    };
    let remember = |vcpu: &Cpu<'_, Core<Lru>, Shared>, paddr: u64| {
        vcpu.found(|vcpu, _| vcpu.remember(&shared, 0x1000, regime, paddr));
    };
    remember(&one, 0x5000);
    remember(&other, 0x6000);
    assert_eq!([&one, &other].map(translation), [Some(0x5008), Some(0x6008)]);
    one.found(|vcpu, _| vcpu.forget_translations());
    assert_eq!([&one, &other].map(translation), [None, Some(0x6008)]);
    remember(&one, 0x7000);
    // SAFETY: this thread runs both vCPUs, and no other callback at the moment.
    unsafe { guest.machine.translations_changed(1) };
    assert_eq!([&one, &other].map(translation), [Some(0x7008), None]);
    shared.raise();
    assert_eq!([&one, &other].map(translation), [None, None]);
}

/// It begins with other page tables, or none.
#[test]
fn a_vcpu_that_is_used_again_knew_the_translations_of_the_one_before() {
    let guest = Guest::<Core<Lru>>::new(&first_level(1, PolicyKind::Lru), BySet::NotCounted);
    guest.directory.expect_several();
    let (shared, regime) = (SharedGeneration::new(), Regime::new(1));
    let before = guest.vcpu::<Shared>(0);
    before.found(|vcpu, _| vcpu.remember(&shared, 0x1000, regime, 0x5000));
    before.retire();
    let after = guest.vcpu::<Shared>(1);
    assert_eq!(after.found(|vcpu, _| vcpu.translation(&shared, 0x1000, regime)), None);
    assert_eq!(guest.vcpus_made(), 1);
}

/// Callbacks trust that what the directory points to is of their model.
#[test]
#[should_panic(expected = "a directory has one machine")]
fn a_directory_took_a_second_machine_of_another_model() {
    let config = first_level(1, PolicyKind::Lru);
    let directory: &'static Directory = Box::leak(Box::default());
    Machine::<Core<Lru>>::start(
        Machines::from(&config),
        BySet::NotCounted,
        Handover::Off,
        directory,
    );
    Machine::<Hierarchy<AnyPolicy>>::start(
        Machines::from(&config),
        BySet::NotCounted,
        Handover::Off,
        directory,
    );
}
