//! Cores that share a third level, each on a thread of its own.

use std::num::NonZeroU32;
use std::sync::Barrier;
use std::thread;

use cachesim::config::Inclusion::Nine;
use cachesim::config::{Config, L2Kind, Level, LowerLevels, Parts, WriteHit, WriteMiss, Writes};
use cachesim::policy::{AnyPolicy, PolicyKind};
use cachesim::stats::Purpose;
use proptest::prelude::*;

use super::any::{INCLUSIONS, Inclusions, POLICIES, cases, hierarchy, steps};
use super::geometry::geometry;
use super::rules::check_inclusion;
use super::timed::{Kind, Step, TimedHierarchy};

type Core = TimedHierarchy<AnyPolicy>;

proptest! {
    #![proptest_config(cases(600))]

    /// The core that makes an access sees to its mail before.
    #[test]
    fn no_core_holds_what_an_inclusive_level_has_evicted(
        config in hierarchy(2..=4, POLICIES, &INCLUSIONS),
        steps in steps(4, 300),
    ) {
        let mut cores = Core::all(&config);
        for step in steps {
            let core = step.core % cores.len();
            cores[core].step(step);
            check_inclusion(&config, &cores[core])?;
        }
    }
}

/// Cores with the smallest caches: all of it is evicted all the time.
fn smallest([l2_inclusion, l3_inclusion]: Inclusions, policy: PolicyKind, ways: u32) -> Config {
    let level = |sets, ways| Level { geometry: geometry(sets, ways, 16), policy };
    Config::new(Parts {
        icache: level(1, 1),
        dcache: level(1, 2),
        lower: Some(LowerLevels {
            l2: level(2, 2),
            l2_kind: L2Kind::Unified,
            l2_inclusion,
            l3: Some(level(4, ways)),
            l3_inclusion,
        }),
        writes: Some(Writes { on_hit: WriteHit::Back, on_miss: WriteMiss::Allocate }),
        cores: NonZeroU32::new(4).expect("four"),
        ..Parts::default()
    })
    .expect("the caches go together")
}

/// The only line in its set of the third level: nobody evicts it there.
const HOME: Step = Step { core: 0, kind: Kind::Load, address: 0, size_log2: 0 };

/// Access `number` of a core, to one of a few lines, none in the set of [`HOME`].
fn access(core: usize, number: u64) -> Step {
    let mixed = (number * 3 + core as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let kind = [Kind::Load, Kind::Store, Kind::Store, Kind::Fetch][(mixed % 4) as usize];
    let (set, tag) = (1 + mixed / 4 % 3, mixed / 16 % 4);
    Step { core, kind, address: (tag * 4 + set) * 16, size_log2: 2 }
}

/// All cores at once, then one after the other, again and again.
fn run(config: &Config, rounds: u64, accesses: u64) {
    let mut cores = Core::all(config);
    let lower = config.lower().expect("three levels");
    for round in 0..rounds {
        let barrier = Barrier::new(cores.len());
        thread::scope(|scope| {
            for (number, core) in cores.iter_mut().enumerate() {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    for access_number in 0..accesses {
                        core.step(access(number, round * accesses + access_number));
                    }
                });
            }
        });
        for core in &mut cores {
            core.step(HOME);
        }
        for core in &cores {
            check_inclusion(config, core).expect("what is above is below");
            let mut third = core.lines()[3].clone();
            let lines = third.len() as u64;
            third.dedup();
            assert_eq!(third.len() as u64, lines, "a line twice");
            assert!(lines <= lower.l3.expect("a third level").geometry.lines());
        }
    }
    for core in &cores {
        let hierarchy = &core.stats.hierarchy;
        let [fetch, read, write, write_back] = Purpose::ALL.map(|purpose| {
            let (second, third) = (hierarchy.l2.of(purpose), hierarchy.l3.of(purpose));
            if purpose != Purpose::WriteBack {
                assert_eq!(third.accesses.get(), second.misses.get(), "{purpose:?}");
            }
            third.misses.get()
        });
        let asked = fetch + read + write;
        assert!(asked > 0);
        // Only a second level that has not all that is above reads a line to write to it.
        if lower.l2_inclusion != Nine && lower.l3_inclusion != Nine {
            assert_eq!(write_back, 0, "a dirty line reads none");
        }
        let lines_read = asked + write_back;
        assert_eq!(hierarchy.memory_read_bytes.get(), lines_read * 16);
    }
}

/// Miri sees what can happen, others have to meet it.
#[test]
fn levels_stay_as_they_have_to_be_while_cores_run_at_once() {
    let (rounds, accesses) = if cfg!(miri) { (2, 10) } else { (400, 20) };
    for inclusions in INCLUSIONS {
        for (policy, ways) in [(PolicyKind::Lru, 1), (PolicyKind::Lru, 3), (PolicyKind::Random, 2)]
        {
            run(&smallest(inclusions, policy, ways), rounds, accesses);
        }
    }
}

/// A loop over more than the L3 holds: of its lines BRRIP keeps some, SRRIP none. Each slice had a duel of
/// its own, with half of its sets leading, a quarter for SRRIP.
#[test]
fn with_several_cores_drrip_misses_as_with_one() {
    let misses = |cores| {
        let level = |sets, policy| Level { geometry: geometry(sets, 4, 16), policy };
        let config = Config::new(Parts {
            icache: level(1, PolicyKind::Lru),
            dcache: level(1, PolicyKind::Lru),
            lower: Some(LowerLevels {
                l2: level(2, PolicyKind::Lru),
                l2_kind: L2Kind::Unified,
                l2_inclusion: Nine,
                l3: Some(level(4096, PolicyKind::Drrip)),
                l3_inclusion: Nine,
            }),
            cores: NonZeroU32::new(cores).expect("some"),
            ..Parts::default()
        })
        .expect("the caches go together");
        let mut core = Core::all(&config).remove(0);
        for _ in 0..30 {
            for line in 0..4096 * 6 {
                core.step(Step { core: 0, kind: Kind::Load, address: line * 16, size_log2: 2 });
            }
        }
        core.stats.hierarchy.l3.of(Purpose::Read).misses.get()
    };
    let (alone, together) = (misses(1), misses(2));
    assert!(alone.abs_diff(together) * 100 <= alone, "{alone} and {together}");
}
