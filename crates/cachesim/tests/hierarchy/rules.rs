//! What holds of every hierarchy, whatever the policies choose.

use std::collections::{BTreeMap, BTreeSet};

use cachesim::config::Inclusion::{Exclusive, Inclusive, Nine};
use cachesim::config::{Config, Directions, L2Kind, Level, Straddle, WriteHit, WriteMiss, Writes};
use cachesim::hierarchy::Hierarchy;
use cachesim::model::Model;
use cachesim::policy::{AnyPolicy, PolicyKind};
use cachesim::stats::{LowerStats, Purpose};
use proptest::prelude::*;

use super::any::{INCLUSIONS, POLICIES, cases, changed, hierarchy, steps};
use super::timed::{Kind, Step, TimedHierarchy, number};

type Core = TimedHierarchy<AnyPolicy>;

const DEMAND: [Purpose; 3] = [Purpose::Fetch, Purpose::Read, Purpose::Write];

fn core(config: &Config) -> Core {
    Core::new(config, 0, &Hierarchy::<AnyPolicy>::shared(config))
}

fn first_bytes(level: &Level, lines: &[u64]) -> impl Iterator<Item = u64> {
    let line_bytes = level.geometry.line_bytes();
    lines.iter().map(move |line| line * line_bytes)
}

/// Fails unless the lines of `upper` are in those of `lower`.
fn check_within(
    (upper, upper_lines): (&Level, &[u64]),
    (lower, lower_lines): (&Level, &[u64]),
) -> Result<(), TestCaseError> {
    for address in first_bytes(upper, upper_lines) {
        let line = address / lower.geometry.line_bytes();
        prop_assert!(lower_lines.contains(&line), "{address:#x} is above only");
    }
    Ok(())
}

/// Fails unless what is above is below, of inclusive levels.
pub fn check_inclusion(config: &Config, core: &Core) -> Result<(), TestCaseError> {
    let Some(lower) = &config.lower() else { return Ok(()) };
    let [icache, dcache, second, third] = core.lines();
    let first = [(&config.icache(), &*icache), (&config.dcache(), &*dcache)];
    if lower.l2_inclusion == Inclusive {
        for upper in first {
            check_within(upper, (&lower.l2, &second))?;
        }
    }
    if let (Some(l3), Inclusive) = (&lower.l3, lower.l3_inclusion) {
        for upper in first.into_iter().chain([(&lower.l2, &*second)]) {
            check_within(upper, (l3, &third))?;
        }
    }
    Ok(())
}

/// Fails unless a line is above or below, of exclusive levels.
fn check_exclusion(config: &Config, core: &Core) -> Result<(), TestCaseError> {
    let Some(lower) = &config.lower() else { return Ok(()) };
    let [icache, dcache, second, third] = core.lines().map(BTreeSet::from_iter);
    let first = &icache | &dcache;
    if lower.l2_inclusion == Exclusive {
        prop_assert!(first.is_disjoint(&second), "{first:x?} {second:x?}");
    }
    if lower.l3_inclusion == Exclusive {
        prop_assert!(second.is_disjoint(&third), "{second:x?} {third:x?}");
        // What the second level includes or excludes too, the third has not either.
        let has_same_lines = config.dcache().geometry.line_bytes()
            == lower.l2.geometry.line_bytes()
            && config.icache().geometry.line_bytes() == lower.l2.geometry.line_bytes();
        if lower.l2_inclusion != Nine && has_same_lines {
            prop_assert!(first.is_disjoint(&third), "{first:x?} {third:x?}");
        }
    }
    Ok(())
}

fn misses(level: &LowerStats, purposes: &[Purpose]) -> u64 {
    purposes.iter().map(|&purpose| level.of(purpose).misses.get()).sum()
}

/// Lines by their sets.
fn by_set(level: &Level, lines: &[u64]) -> BTreeMap<u64, BTreeSet<u64>> {
    let mut sets: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for &line in lines {
        sets.entry(line % level.geometry.sets()).or_default().insert(line);
    }
    sets
}

/// Fails if a line has left a set that had room.
fn check_full(level: &Level, before: &[u64], after: &[u64]) -> Result<(), TestCaseError> {
    let after = by_set(level, after);
    for (set, lines) in by_set(level, before) {
        let now = &after[&set];
        let is_full = now.len() == level.geometry.ways() as usize;
        prop_assert!(is_full || lines.is_subset(now), "set {set}: {lines:x?}, then {now:x?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn what_is_above_is_below_in_inclusive_levels(
        config in hierarchy(1..=1, POLICIES, &INCLUSIONS),
        steps in steps(1, 300),
    ) {
        let mut core = core(&config);
        for step in steps {
            core.step(step);
            check_inclusion(&config, &core)?;
        }
    }

    /// With two second-level caches code that is read as data is in both sides, and so in two levels.
    #[test]
    fn a_line_is_in_no_exclusive_level_and_in_the_one_above(
        config in hierarchy(1..=1, POLICIES, &INCLUSIONS),
        steps in steps(1, 300),
    ) {
        let is_split = config.lower().is_some_and(|lower| lower.l2_kind == L2Kind::Split);
        let mut core = core(&config);
        for mut step in steps {
            if is_split && step.kind == Kind::Fetch {
                step.address ^= 1 << 44;
            }
            core.step(step);
            check_exclusion(&config, &core)?;
        }
    }

    /// The inclusion property of LRU stacks (Mattson et al., 1970). Write-backs are no uses, but fill: they
    /// are left out.
    #[test]
    fn more_ways_of_a_second_level_hold_all_that_fewer_do(
        config in hierarchy(1..=1, &[PolicyKind::Lru], &[[Nine, Nine], [Nine, Exclusive]]),
        more_ways in 1..=4_u32,
        steps in steps(1, 300),
    ) {
        let config = changed(&config, |parts| parts.writes = None);
        let larger = changed(&config, |parts| if let Some(lower) = &mut parts.lower {
            let old = lower.l2.geometry;
            let ways = old.ways() + more_ways;
            lower.l2.geometry = super::geometry::geometry(old.sets(), ways, old.line_bytes());
        });
        let (mut smaller, mut larger) = (core(&config), core(&larger));
        for step in steps {
            let [fewer, more] = [&mut smaller, &mut larger].map(|core| number(core.step(step)));
            prop_assert!(fewer >= 2 || more < 2, "{step:x?} hits in the smaller one only");
            prop_assert_eq!(fewer == 0, more == 0, "the first level is the same");
            let [held, held_by_larger] =
                [&smaller, &larger].map(|core| BTreeSet::from_iter(core.lines()[2].clone()));
            prop_assert!(held.is_subset(&held_by_larger));
        }
        let missed = |core: &Core| misses(&core.stats.hierarchy.l2, &Purpose::ALL);
        prop_assert!(missed(&larger) <= missed(&smaller));
    }

    #[test]
    fn a_level_is_asked_for_what_the_one_above_has_not(
        config in hierarchy(1..=1, POLICIES, &INCLUSIONS),
        steps in steps(1, 300),
    ) {
        let mut core = core(&config);
        let mut missed_by = [[0_u64; 3]; 4];
        for step in &steps {
            let purpose = match step.kind {
                Kind::Fetch => Purpose::Fetch,
                Kind::Load => Purpose::Read,
                Kind::Store => Purpose::Write,
            };
            let missed = number(core.step(*step));
            for level in &mut missed_by[1..=missed] {
                level[purpose as usize] += 1;
            }
        }
        let hierarchy = &core.stats.hierarchy;
        let Some(lower) = config.lower() else {
            for purpose in Purpose::ALL {
                prop_assert_eq!(hierarchy.l2.of(purpose).accesses.get(), 0);
            }
            return Ok(());
        };
        for purpose in DEMAND {
            let [_, first, second, third] = missed_by.map(|level| level[purpose as usize]);
            prop_assert_eq!(hierarchy.l2.of(purpose).accesses.get(), first);
            prop_assert_eq!(hierarchy.l2.of(purpose).misses.get(), second);
            let asked_third = if lower.l3.is_some() { second } else { 0 };
            prop_assert_eq!(hierarchy.l3.of(purpose).accesses.get(), asked_third);
            prop_assert_eq!(hierarchy.l3.of(purpose).misses.get(), third);
        }
        let (last, stats, written) = match &lower.l3 {
            Some(l3) => (l3, &hierarchy.l3, &hierarchy.write_backs[2]),
            None => (&lower.l2, &hierarchy.l2, &hierarchy.write_backs[1]),
        };
        let line_bytes = last.geometry.line_bytes();
        let read = hierarchy.memory_read_bytes.get();
        let fills_none = lower.l2_inclusion == Exclusive
            && (lower.l3.is_none() || lower.l3_inclusion == Exclusive);
        if fills_none {
            // Stores that find their line nowhere go to memory and read nothing.
            let stores_past = config.writes().is_some_and(|writes| writes.on_miss == WriteMiss::NoAllocate);
            let reading = if stores_past { &DEMAND[..2] } else { &DEMAND[..] };
            prop_assert_eq!(read, misses(stats, reading) * line_bytes);
        } else {
            prop_assert_eq!(read, misses(stats, &Purpose::ALL) * line_bytes);
            prop_assert_eq!(hierarchy.memory_written_bytes.get(), written.get() * line_bytes);
        }
    }

    /// Fills are evictions and what is there: so the lines written back are among those evicted.
    #[test]
    fn a_line_leaves_only_full_sets_and_no_more_are_written_back_than_leave(
        config in hierarchy(1..=1, POLICIES, &[[Nine, Nine]]),
        steps in steps(1, 300),
    ) {
        let mut core = core(&config);
        let mut filled = 0;
        for step in steps {
            let before = core.lines();
            core.step(step);
            let after = core.lines();
            filled += after[1].iter().filter(|line| !before[1].contains(line)).count() as u64;
            check_full(&config.icache(), &before[0], &after[0])?;
            check_full(&config.dcache(), &before[1], &after[1])?;
            if let Some(lower) = &config.lower() {
                // Two caches' lines are told together.
                if lower.l2_kind == L2Kind::Unified {
                    check_full(&lower.l2, &before[2], &after[2])?;
                }
                if let Some(l3) = &lower.l3 {
                    check_full(l3, &before[3], &after[3])?;
                }
            }
        }
        let hierarchy = &core.stats.hierarchy;
        let filled = [
            filled,
            misses(&hierarchy.l2, &Purpose::ALL),
            misses(&hierarchy.l3, &Purpose::ALL),
        ];
        let [_, data, second, third] = core.lines().map(|lines| lines.len() as u64);
        for (level, held) in [data, second, third].into_iter().enumerate() {
            prop_assert!(held <= filled[level]);
            let evicted = filled[level] - held;
            prop_assert!(hierarchy.write_backs[level].get() <= evicted, "level {}", level + 1);
        }
    }

    /// A line that has been stored to is written back when it leaves, and only then.
    #[test]
    fn dirty_lines_are_written_back_once(
        config in hierarchy(
            1..=1,
            POLICIES,
            &[[Nine, Nine], [Nine, Exclusive], [Exclusive, Nine], [Exclusive, Exclusive]],
        ),
        steps in steps(1, 300),
    ) {
        let on_miss = WriteMiss::Allocate;
        let writes = Some(Writes { on_hit: WriteHit::Back, on_miss });
        let config = changed(&config, |parts| parts.writes = writes);
        let line_bytes = config.dcache().geometry.line_bytes();
        // From an exclusive level a line comes up dirty that went down dirty.
        let is_exclusive = config.lower().is_some_and(|lower| lower.l2_inclusion == Exclusive);
        let third_moves_lines_up = config.lower().is_some_and(|lower| lower.l3_inclusion == Exclusive);
        let (mut core, mut dirty, mut below) = (core(&config), BTreeSet::new(), BTreeSet::new());
        let (mut soiled, mut written) = (0, 0);
        for step in steps {
            // What code does to dirty lines is for the naive model.
            if step.kind == Kind::Fetch {
                continue;
            }
            let line = step.address / line_bytes;
            let missed = core.step(step).any();
            if is_exclusive && missed && below.remove(&line) {
                dirty.insert(line);
            }
            if step.kind == Kind::Store {
                soiled += u64::from(dirty.insert(line));
            }
            let [_, data, second, third] = core.lines();
            let (left, kept): (BTreeSet<_>, BTreeSet<_>) =
                dirty.iter().copied().partition(|line| !data.contains(line));
            written += left.len() as u64;
            below.extend(left);
            dirty = kept;
            if is_exclusive {
                below.retain(|line| {
                    second.contains(line) || third_moves_lines_up && third.contains(line)
                });
            }
            prop_assert_eq!(core.stats.hierarchy.write_backs[0].get(), written, "{:x?}", step);
        }
        if !is_exclusive {
            prop_assert_eq!(soiled, written + dirty.len() as u64);
        }
        prop_assert!(core.stats.hierarchy.memory_written_bytes.get() == 0 || soiled > 0);
    }

    /// What is dirty is no matter of the policies; but write-backs fill levels that are neither inclusive nor
    /// exclusive. Where the third level includes others, that shows in all of them.
    #[test]
    fn stores_that_allocate_move_lines_as_loads_do(
        config in hierarchy(
            1..=1,
            POLICIES,
            &[
                [Nine, Nine],
                [Nine, Exclusive],
                [Inclusive, Nine],
                [Inclusive, Inclusive],
                [Inclusive, Exclusive],
                [Exclusive, Nine],
                [Exclusive, Inclusive],
                [Exclusive, Exclusive],
            ],
        ),
        on_hit in prop_oneof![Just(WriteHit::Back), Just(WriteHit::Through)],
        steps in steps(1, 300),
    ) {
        let writes = Some(Writes { on_hit, on_miss: WriteMiss::Allocate });
        let [with, without] =
            [writes, None].map(|writes| changed(&config, |parts| parts.writes = writes));
        let (mut with, mut without) = (core(&with), core(&without));
        let is_nine = config
            .lower()
            .is_none_or(|lower| [lower.l2_inclusion, lower.l3_inclusion].contains(&Nine));
        for step in steps {
            let [a, b] = [&mut with, &mut without].map(|core| core.step(step));
            prop_assert_eq!(a.any(), b.any(), "the first level misses: {:x?}", step);
            let (lines, expected) = (with.lines(), without.lines());
            prop_assert_eq!(&lines[..2], &expected[..2]);
            if !is_nine {
                prop_assert_eq!(a, b);
                prop_assert_eq!(&lines[2..], &expected[2..]);
            }
        }
        let hierarchy = &without.stats.hierarchy;
        prop_assert_eq!(hierarchy.memory_written_bytes.get(), 0);
        prop_assert_eq!(hierarchy.passed_stores.get(), 0);
        prop_assert!(hierarchy.write_backs.iter().all(|count| count.get() == 0));
        for level in [&hierarchy.l2, &hierarchy.l3] {
            prop_assert_eq!(level.of(Purpose::WriteBack).accesses.get(), 0);
        }
    }

    /// They are for those who count and cut the accesses.
    #[test]
    fn counting_reads_and_writes_apart_changes_no_number(
        config in hierarchy(1..=1, POLICIES, &INCLUSIONS),
        steps in steps(1, 100),
    ) {
        let other = changed(&config, |parts| {
            parts.directions = Directions::Apart;
            parts.straddle = Straddle::Split;
        });
        let (mut one, mut other) = (core(&config), core(&other));
        for step in steps {
            prop_assert_eq!(one.step(step), other.step(step));
        }
        prop_assert_eq!(one.counts(), other.counts());
        prop_assert_eq!(one.lines(), other.lines());
    }

    #[test]
    fn trying_out_changes_nothing(
        config in hierarchy(1..=3, POLICIES, &INCLUSIONS),
        before in steps(3, 100),
        tried in steps(3, 100),
        after in steps(3, 100),
    ) {
        let cores = config.cores().get() as usize;
        let of = |steps: &[Step]| -> Vec<Step> {
            steps.iter().map(|&step| Step { core: step.core % cores, ..step }).collect()
        };
        let shared = Hierarchy::<AnyPolicy>::shared(&config);
        let mut original: Vec<Core> =
            (0..config.cores().get()).map(|number| Core::new(&config, number, &shared)).collect();
        let mut twin = Core::all(&config);
        for step in of(&before) {
            original[step.core].step(step);
            twin[step.core].step(step);
        }
        let copied = Hierarchy::<AnyPolicy>::scratch_copy(&shared);
        let mut copy: Vec<Core> = original.iter().map(|core| core.on(&copied)).collect();
        let mut tried_misses = Vec::new();
        for step in of(&tried) {
            tried_misses.push(copy[step.core].step(step));
        }
        for step in of(&after) {
            prop_assert_eq!(original[step.core].step(step), twin[step.core].step(step));
        }
        for (original, twin) in original.iter().zip(&twin) {
            prop_assert_eq!(original.counts(), twin.counts());
            prop_assert_eq!(original.lines(), twin.lines());
        }
        // And the copy did what another copy does: it is complete.
        let mut again = Core::all(&config);
        for step in of(&before) {
            again[step.core].step(step);
        }
        for (step, tried) in of(&tried).into_iter().zip(tried_misses) {
            prop_assert_eq!(again[step.core].step(step), tried);
        }
    }
}
