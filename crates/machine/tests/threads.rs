//! vCPUs on threads of their own, and reports meanwhile.
//!
//! What vCPUs count has to be exact in whatever order their threads run: their accesses are to lines of
//! different sets, so that the order decides nothing else. Each test is run plainly, under Miri, under
//! `ThreadSanitizer`, and with Shuttle by many orders.

mod common;

use cachesim::config::{Config, Inclusion};
use cachesim::core::Core;
use cachesim::hierarchy::Hierarchy;
use cachesim::machines::Machines;
use cachesim::policy::{Lru, PolicyKind};
use cachesim::sync::atomic::{AtomicU64, Ordering};
use common::{
    Guest, LANES, Reference, Step, Told, check_misses, first_level, handover, lane_step,
    three_levels,
};
use machine::{Alone, BySet, Finder, Locks, Private, Shared, Simulator};
use report::CoreSnapshot;

#[cfg(shuttle)]
use shuttle::thread;
#[cfg(not(shuttle))]
use std::thread;

/// How many steps a vCPU makes between two of its events.
const STEPS: u64 = if cfg!(shuttle) {
    7
} else if cfg!(miri) {
    30
} else {
    30_000
};

/// Runs it, with a model checker many times.
fn check(scenario: impl Fn() + Send + Sync + 'static) {
    #[cfg(not(shuttle))]
    scenario();
    #[cfg(shuttle)]
    {
        use shuttle::Runner;
        use shuttle::scheduler::{PctScheduler, RandomScheduler};
        let scenario = std::sync::Arc::new(scenario);
        let mut config = shuttle::Config::new();
        config.stack_size = 1 << 18;
        let again = std::sync::Arc::clone(&scenario);
        Runner::new(RandomScheduler::new(ORDERS), config.clone()).run(move || again());
        Runner::new(PctScheduler::new(3, ORDERS), config).run(move || scenario());
    }
}

/// How many orders of each kind are tried.
#[cfg(shuttle)]
const ORDERS: usize = 300;

/// The steps of a lane, from the `from`th on.
fn steps(lane: u64, from: u64) -> impl Iterator<Item = Step> {
    (from..from + STEPS).map(move |number| lane_step(lane, number))
}

/// How many vCPUs run.
struct Running(AtomicU64);

/// Ends one, also when its thread panics: a failed check must not hang the test.
struct Run<'a>(&'a Running);

impl Running {
    fn new(vcpus: u64) -> Self {
        Self(AtomicU64::new(vcpus))
    }

    fn one(&self) -> Run<'_> {
        Run(self)
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Who may use the cores, as far as reports can tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cores {
    /// Any, under their locks.
    Shared,
    /// Their vCPUs, without a lock.
    Private,
}

/// Makes reports as long as vCPUs run.
fn report<M: Locks>(guest: &Guest<M>, running: &Running, cores: Cores) {
    let mut last = vec![CoreSnapshot::default(); guest.machine.counts()[0].cores.len()];
    // A few where they take long, or nothing else might have its turn meanwhile.
    let most = if cfg!(any(shuttle, miri)) { 4 } else { u64::MAX };
    for number in 1.. {
        let end = running.0.load(Ordering::SeqCst) == 0 || number == most;
        let told_of_each = guest.told_of_each();
        let told = &told_of_each[0];
        check_report(told, &last, cores);
        // A report is of one moment, whichever machine it is of.
        for other in &told_of_each {
            assert_eq!(accesses(other), accesses(told), "of each core");
        }
        last = told.cores.iter().map(|core| core.counts).collect();
        let rough = guest.machine.rough_sum();
        let exact: CoreSnapshot = last.iter().sum();
        assert!(rough.data.accesses >= exact.data.accesses, "{rough:?} after {exact:?}");
        assert!(rough.fetch.accesses >= exact.fetch.accesses, "{rough:?} after {exact:?}");
        if end {
            break;
        }
        thread::yield_now();
    }
}

/// The data accesses and fetches of each core.
fn accesses(told: &Told) -> Vec<[u64; 2]> {
    let counts = told.cores.iter().map(|core| core.counts);
    counts.map(|core| [core.data.accesses, core.fetch.accesses]).collect()
}

/// That a report goes on from the last one, and is one that could be.
fn check_report(told: &Told, last: &[CoreSnapshot], cores: Cores) {
    for (core, last) in told.cores.iter().zip(last) {
        let now = &core.counts;
        for (now, last) in [(now.data, last.data), (now.fetch, last.fetch)] {
            check_misses(now);
            assert!(now.accesses >= last.accesses, "{now:?} after {last:?}");
            assert!(now.misses >= last.misses, "{now:?} after {last:?}");
        }
        if let (Some(sets), Cores::Shared) = (&core.sets, cores) {
            assert_eq!(sets.data.iter().sum::<u64>(), now.data.misses);
            assert_eq!(sets.fetch.iter().sum::<u64>(), now.fetch.misses);
        }
    }
}

/// Everything, now that nothing runs: exactly this, and twice the same.
fn check_end<M: Locks>(guest: &Guest<M>, expected: &[Reference<M>]) {
    let told = guest.told();
    told.check();
    assert_eq!(told, Reference::told(expected));
    assert_eq!(guest.told(), told);
}

/// The code of the first vCPU goes on being what it was made for, that of the second is new.
fn second_vcpu<M: Locks>(config: &Config) {
    let guest = Guest::<M>::new(config, BySet::Counted);
    let running = Running::new(2);
    thread::scope(|scope| {
        scope.spawn(|| report(&guest, &running, Cores::Private));
        scope.spawn(|| {
            let _run = running.one();
            let first = guest.vcpu::<Alone>(0);
            first.steps(steps(0, 0));
            guest.directory.expect_several();
            scope.spawn(|| {
                let _run = running.one();
                guest.vcpu::<Shared>(1).steps(steps(1, 0));
            });
            first.steps(steps(0, STEPS));
            guest.vcpu::<Shared>(0).steps(steps(0, 2 * STEPS));
        });
    });
    let mut expected = Reference::all(config);
    (0..3).for_each(|part| expected[0].steps(steps(0, part * STEPS)));
    let second = 1 % expected.len();
    expected[second].steps(steps(1, 0));
    check_end(&guest, &expected);
}

#[test]
fn a_second_vcpu_on_the_same_core_loses_and_doubles_nothing() {
    check(|| second_vcpu::<Core<Lru>>(&first_level(1, PolicyKind::Lru)));
}

#[test]
fn a_second_vcpu_on_another_core_loses_and_doubles_nothing() {
    check(|| second_vcpu::<Core<Lru>>(&first_level(2, PolicyKind::Lru)));
}

#[test]
fn a_second_vcpu_on_a_core_of_three_levels_loses_and_doubles_nothing() {
    check(|| {
        second_vcpu::<Hierarchy<Lru>>(&three_levels(1, PolicyKind::Lru, Inclusion::Inclusive));
    });
}

/// The report finds what the first vCPU records, and tries it out on a copy of the core that this one used without a
/// lock just before. For Miri and `ThreadSanitizer`: the flag orders nothing.
#[test]
fn a_report_copied_a_core_that_was_used_without_its_lock() {
    check(|| {
        let guest = Guest::<Core<Lru>>::new(&first_level(1, PolicyKind::Lru), BySet::Counted);
        let recorded = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let vcpu = guest.vcpu::<Alone>(0);
                vcpu.steps(steps(0, 0));
                guest.directory.expect_several();
                vcpu.step(Step::Run { instruction: 0 });
                recorded.store(1, Ordering::Relaxed);
            });
            scope.spawn(|| {
                while recorded.load(Ordering::Relaxed) == 0 {
                    thread::yield_now();
                }
                guest.told();
            });
        });
    });
}

/// vCPUs on all cores of a machine, each on a thread, for as long as reports are made.
fn vcpus_at_once<M: Locks, F: Finder>(config: &Config, vcpus: u32, cores: Cores) -> Guest<M> {
    let guest = Guest::<M>::new(config, BySet::Counted);
    if cores == Cores::Shared {
        guest.directory.expect_several();
    }
    let running = Running::new(vcpus.into());
    thread::scope(|scope| {
        for index in 0..vcpus {
            let (guest, running) = (&guest, &running);
            scope.spawn(move || {
                let _run = running.one();
                guest.vcpu::<F>(index).steps(steps(index.into(), 0));
            });
        }
        scope.spawn(|| report(&guest, &running, cores));
    });
    guest
}

/// The same, one after the other.
fn vcpus_in_turn<M: Locks>(config: &Config, vcpus: u32) -> Vec<Reference<M>> {
    let mut expected = Reference::all(config);
    for index in 0..vcpus {
        let core = index as usize % expected.len();
        expected[core].steps(steps(index.into(), 0));
    }
    expected
}

#[test]
fn vcpus_that_share_cores_count_exactly_while_reports_are_made() {
    check(|| {
        let config = first_level(1, PolicyKind::Lru);
        let guest = vcpus_at_once::<Core<Lru>, Shared>(&config, 2, Cores::Shared);
        check_end(&guest, &vcpus_in_turn(&config, 2));
    });
}

#[test]
fn private_cores_count_exactly_while_reports_are_made() {
    check(|| {
        let config = first_level(2, PolicyKind::Lru);
        let guest = vcpus_at_once::<Core<Lru>, Private>(&config, 2, Cores::Private);
        check_end(&guest, &vcpus_in_turn(&config, 2));
    });
}

/// The cores of a machine with a shared third level, with what it has in common with those above.
#[test]
fn cores_that_share_a_third_level_count_exactly_while_reports_are_made() {
    let inclusions = [Inclusion::Inclusive, Inclusion::Nine, Inclusion::Exclusive];
    for inclusion in inclusions.into_iter().take(if cfg!(any(shuttle, miri)) { 1 } else { 3 }) {
        check(move || {
            let config = three_levels(2, PolicyKind::Lru, inclusion);
            let guest = vcpus_at_once::<Hierarchy<Lru>, Private>(&config, 2, Cores::Private);
            check_end(&guest, &vcpus_in_turn(&config, 2));
            let guest = vcpus_at_once::<Hierarchy<Lru>, Shared>(&config, 3, Cores::Shared);
            check_end(&guest, &vcpus_in_turn(&config, 3));
        });
    }
}

/// vCPUs of one core that hand over what they record, to threads that simulate it on each of `machines`.
fn handed_over(machines: &Machines, buffers: u64) {
    let guest = Guest::<Hierarchy<Lru>>::comparing(machines, BySet::Counted, handover(buffers));
    guest.directory.expect_several();
    let running = Running::new(2);
    thread::scope(|scope| {
        for index in 0..2 {
            let (guest, running) = (&guest, &running);
            scope.spawn(move || {
                let _run = running.one();
                guest.vcpu::<Shared>(index).steps(steps(index.into(), 0));
            });
        }
        for _ in 0..2 {
            scope.spawn(|| work(&guest, &running));
        }
        scope.spawn(|| report(&guest, &running, Cores::Shared));
    });
    let expected = machines.all().iter().map(|config| {
        let cores = vcpus_in_turn::<Hierarchy<Lru>>(config, 2);
        Reference::told(&cores)
    });
    let told = guest.told_of_each();
    told.iter().for_each(Told::check);
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert_eq!(guest.told_of_each(), told);
}

#[test]
fn workers_lose_and_double_nothing_while_reports_are_made() {
    for buffers in [1, 4].into_iter().take(if cfg!(miri) { 1 } else { 2 }) {
        check(move || {
            let config = three_levels(1, PolicyKind::Lru, Inclusion::Inclusive);
            handed_over(&Machines::from(&config), buffers);
        });
    }
}

/// Each of which simulates a buffer when it comes to it.
#[test]
fn machines_that_are_compared_lose_and_double_nothing_while_reports_are_made() {
    for buffers in [1, 4].into_iter().take(if cfg!(miri) { 1 } else { 2 }) {
        check(move || {
            let own = first_level(1, PolicyKind::Lru);
            let inclusions = [Inclusion::Inclusive, Inclusion::Exclusive];
            let compared = inclusions.map(|it| three_levels(1, PolicyKind::Lru, it));
            handed_over(&Machines::new(own, compared), buffers);
        });
    }
}

/// Simulates what vCPUs hand over, as long as they run.
fn work<M: Locks>(guest: &Guest<M>, running: &Running) {
    // A few where they take long, or nothing else might have its turn meanwhile.
    let most = if cfg!(any(shuttle, miri)) { 8 } else { u64::MAX };
    for _ in 0..most {
        if !guest.machine.work() {
            if running.0.load(Ordering::SeqCst) == 0 {
                break;
            }
            thread::yield_now();
        }
    }
}

/// Threads that end and others that get their indices, or others of the same core.
#[test]
fn vcpus_that_come_and_go_lose_and_double_nothing() {
    const LIVES: u64 = if cfg!(any(shuttle, miri)) { 3 } else { 20 };
    check(|| {
        let config = first_level(1, PolicyKind::Lru);
        let guest = Guest::<Core<Lru>>::new(&config, BySet::Counted);
        guest.directory.expect_several();
        let running = Running::new(2);
        thread::scope(|scope| {
            for place in 0..2 {
                let (guest, running) = (&guest, &running);
                scope.spawn(move || {
                    let _run = running.one();
                    for life in 0..LIVES {
                        // An index again and again, but not at the same time as another thread.
                        let index = place + 2 * (u32::from(life % 2 == 1));
                        let one = move || {
                            let vcpu = guest.vcpu::<Shared>(index);
                            vcpu.steps(steps(place.into(), life * STEPS));
                            vcpu.retire();
                        };
                        scope.spawn(one).join().expect("the vCPU ran");
                    }
                });
            }
            scope.spawn(|| report(&guest, &running, Cores::Shared));
        });
        let mut expected = Reference::all(&config);
        for lane in 0..2 {
            (0..LIVES).for_each(|life| expected[0].steps(steps(lane, life * STEPS)));
        }
        check_end(&guest, &expected);
        assert!(guest.vcpus_made() <= 2, "no more than there were at once");
    });
}

const _: () = assert!(LANES >= 3, "the vCPUs of a test have one each");
