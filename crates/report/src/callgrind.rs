//! The format of Callgrind, for `KCachegrind`, `QCachegrind` and `callgrind_annotate`.
//!
//! Source: Valgrind's manual, "Callgrind Format Specification", version 1.
//!
//! One cost line an instruction, in the order of addresses; a line that says what function, file or
//! object follows stands where that changes. Every name is written once and given a number
//! ("name compression"). Costs of 0 at the end of a line are left out, which the format allows.
//! `ILmr`, `DLmr` and `DLmw` are the misses of the last level, in a run that has levels beyond the first.
//!
//! Calls are not counted, so there are no call lines and inclusive costs equal the function's own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::io::{self, Write};

use crate::valgrind::{PhysicalFunction, Position, command_line, name, spaced, write_description};
use crate::{Events, FullProfile, MissesByKind};

/// Writes the whole file.
///
/// # Errors
/// Those of `out`.
pub fn write(profile: FullProfile<'_>, out: &mut dyn Write) -> io::Result<()> {
    let run = profile.run();
    let has_lower = profile.has_lower_levels();
    let total = spaced(&costs(profile.total(), has_lower));
    out.write_all(b"# callgrind format\nversion: 1\n")?;
    writeln!(out, "creator: libcache {}", run.version)?;
    writeln!(out, "pid: {}", run.process_id)?;
    writeln!(out, "cmd: {}", command_line(run))?;
    out.write_all(b"part: 1\n\n")?;
    write_description(out, run)?;
    let lower = if has_lower { " ILmr DLmr DLmw" } else { "" };
    writeln!(out, "\npositions: instr line\nevents: Ir Dr Dw I1mr D1mr D1mw{lower}")?;
    writeln!(out, "summary: {total}\n")?;
    let mut names = Names::default();
    let mut previous = None;
    for (instruction, events) in profile.instructions() {
        let place = Position::of(&instruction.location);
        names.write_change(out, previous, place)?;
        previous = Some(place);
        let costs = costs(events, has_lower);
        let written = costs.iter().rposition(|&cost| cost > 0).map_or(1, |last| last + 1);
        // Whoever shows machine code reads it from the file.
        let address = instruction.object_address.unwrap_or(instruction.vaddr);
        writeln!(out, "{address:#x} {} {}", place.line, spaced(&costs[..written]))?;
    }
    writeln!(out, "\ntotals: {total}")
}

/// In the order of the header's `events:`.
fn costs(events: Events, has_lower: bool) -> Vec<u64> {
    let Events { executions, fetch_misses, reads, read_misses, writes, write_misses, .. } = events;
    let MissesByKind { fetch, read, write } = events.last_level_misses;
    let first = [executions, reads, writes, fetch_misses, read_misses, write_misses];
    let lower = has_lower.then_some([fetch, read, write]);
    first.into_iter().chain(lower.into_iter().flatten()).collect()
}

/// The numbers of the names that were written.
#[derive(Default)]
struct Names<'a> {
    objects: Numbers<Option<&'a str>>,
    files: Numbers<Option<&'a str>>,
    /// `KCachegrind` binds a number to a function of one file and object, not only to its name.
    functions: Numbers<PhysicalFunction<'a>>,
}

impl<'a> Names<'a> {
    /// What leads from the place of one cost line to that of the next.
    fn write_change(
        &mut self,
        out: &mut dyn Write,
        from: Option<Position<'a>>,
        to: Position<'a>,
    ) -> io::Result<()> {
        let function = to.function;
        let mut file = from.map(|place| place.file);
        if from.map(|place| place.function) != Some(function) {
            out.write_all(b"\n")?;
            if from.map(|place| place.function.object) != Some(function.object) {
                self.objects.write(out, "ob", function.object, function.object)?;
            }
            // Also where it is the same file: readers differ on whether a function begins in the
            // file that was inlined last.
            self.files.write(out, "fl", function.file, function.file)?;
            self.functions.write(out, "fn", function, function.name)?;
            file = Some(function.file);
        }
        if file == Some(to.file) {
            return Ok(());
        }
        let change = if to.file == function.file { "fe" } else { "fi" };
        self.files.write(out, change, to.file, to.file)
    }
}

/// The numbers of the names of one kind, from 1.
struct Numbers<K>(HashMap<K, usize>);

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Numbers<K> {
    fn write(
        &mut self,
        out: &mut dyn Write,
        specification: &str,
        key: K,
        text: Option<&str>,
    ) -> io::Result<()> {
        let next = self.0.len() + 1;
        match self.0.entry(key) {
            Entry::Occupied(number) => writeln!(out, "{specification}=({})", number.get()),
            Entry::Vacant(vacant) => {
                vacant.insert(next);
                writeln!(out, "{specification}=({next}) {}", name(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Profile, sample};
    use proptest::prelude::*;

    fn rendered(profile: &Profile) -> String {
        sample::written(|out| write(FullProfile::new(profile).unwrap(), out))
    }

    #[test]
    fn the_sample() {
        insta::assert_snapshot!(rendered(&sample::profile()));
    }

    #[test]
    fn the_sample_with_levels() {
        insta::assert_snapshot!(rendered(&sample::levels()));
    }

    #[test]
    fn without_a_third_level_the_second_is_the_last() {
        let text = rendered(&sample::two_levels());
        assert!(text.contains("\nevents: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw\n"), "{text}");
        assert!(text.contains("\ntotals: 5021 1550 100 9 630 100 6 430 60\n"), "{text}");
        assert!(text.contains("\ndesc: LL cache: 16384 B, 64 B, 8-way associative\n"), "{text}");
    }

    #[test]
    fn a_function_that_was_left_is_named_by_its_number() {
        let mut profile = sample::profile();
        let again = profile.instructions[0].clone();
        profile.instructions.push(again);
        let text = rendered(&profile);
        assert!(
            text.contains("\nob=(1)\nfl=(1)\nfn=(1)\n0x10782 12 1000 1000 0 1 125\n"),
            "{text}"
        );
    }

    #[test]
    fn functions_of_one_name_in_two_objects_have_two_numbers() {
        let mut profile = sample::profile();
        let mut other = profile.instructions[0].clone();
        let mut location = (*other.location).clone();
        location.object = Some("/opt/other".into());
        other.location = location.into();
        profile.instructions.push(other);
        let text = rendered(&profile);
        assert!(text.contains("fn=(1) row_order\n"), "{text}");
        assert!(text.contains("\nob=(5) /opt/other\nfl=(1)\nfn=(6) row_order\n"), "{text}");
    }

    #[test]
    fn an_instruction_that_was_never_executed_keeps_one_cost() {
        let mut profile = sample::profile();
        profile.instructions.truncate(1);
        profile.instructions[0].counts = sample::counts(0, 0, [0, 0], [0, 0]);
        assert!(rendered(&profile).contains("\n0x10782 12 0\n"));
    }

    /// The sums of the cost lines, read by the rules of the specification.
    fn cost_lines(text: &str) -> (usize, [u64; 6]) {
        let body = text.split_once("\nsummary: ").unwrap().1.split_once('\n').unwrap().1;
        let mut sums = [0; 6];
        let mut lines = 0;
        for line in body.lines().filter(|line| line.starts_with("0x")) {
            lines += 1;
            for (sum, cost) in sums.iter_mut().zip(line.split(' ').skip(2)) {
                *sum += cost.parse::<u64>().unwrap();
            }
        }
        (lines, sums)
    }

    #[test]
    fn cost_lines_add_up_to_the_totals() {
        let profile = sample::profile();
        let text = rendered(&profile);
        let (lines, sums) = cost_lines(&text);
        assert_eq!(lines, profile.instructions.len());
        assert_eq!(sums, [5021, 1550, 100, 9, 630, 100]);
        let totals = spaced(&sums);
        assert!(text.contains(&format!("\nsummary: {totals}\n")), "{text}");
        assert!(text.ends_with(&format!("\ntotals: {totals}\n")), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_structure_never_depends_on_the_guest(profile in sample::any_texts()) {
            let text = rendered(&profile);
            let header = text.lines().position(|line| line.starts_with("summary: "));
            prop_assert_eq!(header, Some(15));
            for line in text.lines().skip(16).filter(|line| !line.is_empty()) {
                let known = ["ob=(", "fl=(", "fn=(", "fi=(", "fe=(", "0x", "totals: "];
                prop_assert!(known.iter().any(|word| line.starts_with(word)), "{line:?}");
                if let Some((_, name)) = line.split_once(") ") {
                    prop_assert!(!name.trim().is_empty(), "{line:?}");
                }
            }
            let (lines, sums) = cost_lines(&text);
            prop_assert_eq!(lines, profile.instructions.len());
            prop_assert_eq!(sums, [5021, 1550, 100, 9, 630, 100]);
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
