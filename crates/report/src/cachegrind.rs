//! The format of Cachegrind, for `cg_annotate`, `cg_diff` and `cg_merge`.
//!
//! Source: Valgrind's manual, chapter "Cachegrind", "File Format". The events of a last level (`ILmr`,
//! `DLmr`, `DLmw`) are those of a run that has levels beyond the first, in the order that Valgrind has
//! them in. There are no objects and addresses, which the format does not have.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::valgrind::{Position, command_line, name, spaced, write_description};
use crate::{Events, FullProfile, MissesByKind};

/// Writes the whole file.
///
/// # Errors
/// Those of `out`.
pub fn write(profile: FullProfile<'_>, out: &mut dyn Write) -> io::Result<()> {
    let run = profile.run();
    write_description(out, run)?;
    writeln!(out, "cmd: {}", command_line(run))?;
    let has_lower = profile.has_lower_levels();
    out.write_all(if has_lower {
        b"events: Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw\n"
    } else {
        b"events: Ir I1mr Dr D1mr Dw D1mw\n"
    })?;
    let written = |events| spaced(&counts(events, has_lower));
    for ((file, function), lines) in sums(profile) {
        writeln!(out, "fl={file}\nfn={function}")?;
        for (line, events) in lines {
            writeln!(out, "{line} {}", written(events))?;
        }
    }
    writeln!(out, "summary: {}", written(profile.total()))
}

/// The events by file and function, then by line. What is written alike is one.
fn sums(profile: FullProfile<'_>) -> BTreeMap<(String, String), BTreeMap<u32, Events>> {
    let mut places: BTreeMap<Position<'_>, Events> = BTreeMap::new();
    for (instruction, events) in profile.instructions() {
        let sum = places.entry(Position::of(&instruction.location)).or_default();
        *sum = *sum + events;
    }
    let mut sums: BTreeMap<_, BTreeMap<_, Events>> = BTreeMap::new();
    for (place, events) in places {
        let names = (name(place.file), name(place.function.name));
        let sum = sums.entry(names).or_default().entry(place.line).or_default();
        *sum = *sum + events;
    }
    sums
}

/// In the order of the header's `events:`.
fn counts(events: Events, has_lower: bool) -> Vec<u64> {
    let Events { executions, fetch_misses, reads, read_misses, writes, write_misses, .. } = events;
    let MissesByKind { fetch, read, write } = events.last_level_misses;
    if has_lower {
        vec![executions, fetch_misses, fetch, reads, read_misses, read, writes, write_misses, write]
    } else {
        vec![executions, fetch_misses, reads, read_misses, writes, write_misses]
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
    fn instructions_of_one_line_are_added_up() {
        let text = rendered(&sample::profile());
        assert!(
            text.contains("fl=/src/matrix.c\nfn=row_order\n12 2000 1 1000 125 0 0\n"),
            "{text}"
        );
    }

    /// The sums of the count lines.
    fn count_lines(text: &str) -> [u64; 6] {
        let mut sums = [0; 6];
        for line in text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())) {
            let counts: Vec<_> = line.split(' ').skip(1).collect();
            assert_eq!(counts.len(), sums.len());
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count.parse::<u64>().unwrap();
            }
        }
        sums
    }

    #[test]
    fn count_lines_add_up_to_the_summary() {
        let text = rendered(&sample::profile());
        assert_eq!(count_lines(&text), [5021, 9, 1550, 630, 100, 100]);
        assert!(text.ends_with("\nsummary: 5021 9 1550 630 100 100\n"), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn the_structure_never_depends_on_the_guest(profile in sample::any_texts()) {
            let text = rendered(&profile);
            let lines: Vec<_> = text.lines().collect();
            for (number, line) in lines.iter().enumerate() {
                match number {
                    0..5 => prop_assert!(line.starts_with("desc: ")),
                    5 => prop_assert!(line.starts_with("cmd: ") && !line.contains("desc:")),
                    6 => prop_assert_eq!(*line, "events: Ir I1mr Dr D1mr Dw D1mw"),
                    _ if number == lines.len() - 1 => prop_assert!(line.starts_with("summary: ")),
                    _ => prop_assert!(
                        line.starts_with("fl=") && lines[number + 1].starts_with("fn=")
                            || line.starts_with("fn=") && lines[number - 1].starts_with("fl=")
                            || line.starts_with(|c: char| c.is_ascii_digit()),
                        "{:?}", line
                    ),
                }
            }
            prop_assert_eq!(count_lines(&text), [5021, 9, 1550, 630, 100, 100]);
            prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        }
    }
}
