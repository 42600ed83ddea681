//! Machines that are simulated in one run count each as alone.

mod common;

use cachesim::config::{
    Config, Inclusion, L2Kind, Level, LowerLevels, Parts, WriteHit, WriteMiss, Writes,
};
use cachesim::geometry::CacheGeometry;
use cachesim::hierarchy::Hierarchy;
use cachesim::machines::Machines;
use cachesim::model::Kind;
use cachesim::policy::{AnyPolicy, PolicyKind};
use common::{Guest, Reference, Step, Told, first_level, handover, lane_step};
use machine::{BySet, Handover, Shared, Simulator};
use proptest::prelude::*;

type Model = Hierarchy<AnyPolicy>;

fn level() -> impl Strategy<Value = Level> {
    let policy = prop::sample::select(&PolicyKind::ALL[..]);
    (1..12_u64, 1..4_u32, policy).prop_map(|(sets, ways, policy)| {
        let geometry = CacheGeometry::new(sets * u64::from(ways) * 16, 16, ways).unwrap();
        Level { geometry, policy }
    })
}

/// With lines of so many bytes.
fn with_lines(level: Level, line_bytes: u64) -> Level {
    let (sets, ways) = (level.geometry.sets(), level.geometry.ways());
    let bytes = sets * u64::from(ways) * line_bytes;
    Level { geometry: CacheGeometry::new(bytes, line_bytes, ways).unwrap(), ..level }
}

/// Machines of any kind, whose lines have one length or several.
fn config() -> impl Strategy<Value = Config> {
    let inclusion =
        prop::sample::select(vec![Inclusion::Nine, Inclusion::Inclusive, Inclusion::Exclusive]);
    let lower = (level(), prop::option::of(level()), inclusion.clone(), inclusion);
    let hits = prop::sample::select(vec![WriteHit::Back, WriteHit::Through]);
    let misses = prop::sample::select(vec![WriteMiss::Allocate, WriteMiss::NoAllocate]);
    let shifts = [4..8_u32, 4..8, 4..8, 4..8];
    (level(), level(), prop::option::of(lower), prop::option::of((hits, misses)), shifts).prop_map(
        |(icache, dcache, lower, writes, shifts)| {
            let parts = |shifts: [u32; 4]| {
                let lower = lower.map(|(l2, l3, l2_inclusion, l3_inclusion)| LowerLevels {
                    l2: with_lines(l2, 1 << shifts[2]),
                    l2_kind: L2Kind::Unified,
                    l2_inclusion,
                    l3: l3.map(|l3| with_lines(l3, 1 << shifts[3])),
                    l3_inclusion: l3.map_or(Inclusion::Nine, |_| l3_inclusion),
                });
                Parts {
                    icache: with_lines(icache, 1 << shifts[0]),
                    dcache: with_lines(dcache, 1 << shifts[1]),
                    lower,
                    writes: writes.map(|(on_hit, on_miss)| Writes { on_hit, on_miss }),
                    ..Parts::default()
                }
            };
            // Levels that have to share lines want them of one length.
            Config::new(parts(shifts))
                .or_else(|_| Config::new(parts([shifts[0]; 4])))
                .expect("the caches go together")
        },
    )
}

/// How long sequences of accesses are: mostly several buffers.
fn most_steps() -> usize {
    if cfg!(miri) { 24 } else { 9_000 }
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![2 => Just(Kind::Load), 1 => Just(Kind::Store)];
    prop_oneof![
        4 => (kind, 0..300_u64, 0..3_u64, 0..32_usize).prop_map(|(kind, word, then, instruction)| {
            Step::Data { kind, address: word << 3, bytes: 8, then, instruction }
        }),
        3 => (0..32_usize).prop_map(|instruction| Step::Run { instruction }),
        1 => (1..5_u64).prop_map(|fetches| Step::Count { fetches }),
    ]
}

/// Steps some of which are made again at once, as programs do: so that much is left out.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((step(), 1..4_usize), 1..most_steps() / 2).prop_map(|steps| {
        steps.into_iter().flat_map(|(step, times)| std::iter::repeat_n(step, times)).collect()
    })
}

fn told_of_each(references: &[Vec<Reference<Model>>]) -> Vec<Told> {
    references.iter().map(|cores| Reference::told(cores)).collect()
}

fn references(machines: &Machines) -> Vec<Vec<Reference<Model>>> {
    let instruction_bytes = machines.own().icache().geometry.line_bytes();
    let mut references: Vec<_> = machines.all().iter().map(Reference::<Model>::all).collect();
    references.iter_mut().flatten().for_each(|core| core.instruction_bytes = instruction_bytes);
    references
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 60 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whoever simulates what, and however much of it has been when a report is made.
    #[test]
    fn each_machine_counts_what_it_counts_alone(
        own in config(),
        compared in prop::collection::vec(config(), 1..4),
        steps in steps(),
        buffers in prop::option::of(1..5_u64),
        work in prop::collection::vec(0..9_u32, 1..40),
    ) {
        let machines = Machines::new(own, compared);
        let handover = buffers.map_or(Handover::Off, handover);
        let guest = Guest::<Model>::comparing(&machines, BySet::Counted, handover);
        guest.directory.expect_several();
        let mut references = references(&machines);
        let vcpu = guest.vcpu::<Shared>(0);
        let often = steps.len() / work.len() + 1;
        for (number, &step) in steps.iter().enumerate() {
            vcpu.step(step);
            for cores in &mut references {
                cores[0].step(step);
            }
            if number % often == often - 1 {
                let pieces = work[number / often % work.len()];
                (0..pieces).for_each(|_| _ = guest.machine.work());
                match pieces {
                    0 => guest.machine.pause_handover(Some(1)),
                    1 => prop_assert_eq!(&guest.told_of_each(), &told_of_each(&references)),
                    _ => {}
                }
            }
        }
        prop_assert_eq!(&guest.told_of_each(), &told_of_each(&references));
        vcpu.retire();
        prop_assert_eq!(&guest.told_of_each(), &told_of_each(&references));
    }
}

/// Accesses that one machine could leave out are not left out for the others.
#[test]
fn a_policy_that_counts_every_hit_sees_them_beside_one_that_does_not() {
    let machines = Machines::new(
        first_level(1, PolicyKind::Lru),
        [PolicyKind::Lfu, PolicyKind::Srrip].map(|policy| first_level(1, policy)),
    );
    let guest = Guest::<Model>::comparing(&machines, BySet::NotCounted, Handover::Off);
    guest.directory.expect_several();
    let mut references = references(&machines);
    let vcpu = guest.vcpu::<Shared>(0);
    for number in 0..if cfg!(miri) { 50 } else { 20_000 } {
        let step = lane_step(0, number / 3);
        vcpu.step(step);
        for cores in &mut references {
            cores[0].step(step);
        }
    }
    let counts =
        |told: Vec<Told>| told.into_iter().map(|told| told.cores[0].counts).collect::<Vec<_>>();
    assert_eq!(counts(guest.told_of_each()), counts(told_of_each(&references)));
}
