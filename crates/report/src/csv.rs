//! One row an instruction, as comma-separated values.
//!
//! Source: RFC 4180. Lines end in CRLF; a field is quoted where it has to be; the text is UTF-8.
//!
//! Texts of the guest are written as they are, also those that a spreadsheet would take for a
//! formula (that begin with `=`, `+`, `-` or `@`): the file is data for programs, and any mark that
//! keeps a spreadsheet from calculating would be part of the name for all others.

use std::io::{self, Write};

use ::csv::{ErrorKind, Terminator, Writer, WriterBuilder};
use source::Attribution;

use crate::settings::Lower;
use crate::{Costs, Events, FullProfile, MissesByKind, Profile, ProfiledInstruction, hex};

/// The columns that every file begins with.
const PLACE: [&str; 9] = [
    "address",
    "bytes",
    "disassembly",
    "function",
    "inlined_into",
    "file",
    "line",
    "object",
    "object_address",
];

/// The columns that follow where executions, loads and stores were counted.
const EXECUTED: [&str; 5] = ["executions", "reads", "read_misses", "writes", "write_misses"];

/// The columns that follow them in every file.
const MISSES: [&str; 2] = ["data_misses", "fetch_misses"];

/// Writes the whole file. Without [`Detail::Full`](crate::Detail::Full) it has no columns for
/// executions, loads and stores, and only the instructions that missed.
///
/// # Errors
/// Those of `out`.
pub fn write(profile: &Profile, out: &mut dyn Write) -> io::Result<()> {
    let mut out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
    write_records(&mut out, profile).map_err(|error| match error.into_kind() {
        ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })?;
    out.flush()
}

fn write_records(out: &mut Writer<&mut dyn Write>, profile: &Profile) -> ::csv::Result<()> {
    let levels: Vec<Lower> = Lower::of(&profile.run.options.config).collect();
    let costs = Costs::of(&profile.run.options);
    let lower_columns = levels.iter().flat_map(|level| level.miss_fields());
    let lower_columns = lower_columns.chain(costs.map(|_| "stall_cycles"));
    let attribution = profile.run.options.attribution;
    let place = |instruction| place(instruction, attribution);
    let lower = |instruction: &ProfiledInstruction| -> Vec<String> {
        let misses = levels.iter().map(|level| level.misses(&instruction.counts));
        let misses = misses.flat_map(|MissesByKind { fetch, read, write }| [fetch, read, write]);
        let stall_cycles = costs.map(|costs| costs.total(&instruction.counts));
        misses.chain(stall_cycles).map(|count| count.to_string()).collect()
    };
    let Some(full) = FullProfile::new(profile) else {
        out.write_record(PLACE.into_iter().chain(MISSES).chain(lower_columns))?;
        return profile.instructions.iter().try_for_each(|instruction| {
            let (fields, lower) = (place(instruction), lower(instruction));
            out.write_record(fields.iter().chain(&misses(instruction)).chain(&lower))
        });
    };
    out.write_record(PLACE.into_iter().chain(EXECUTED).chain(MISSES).chain(lower_columns))?;
    full.instructions().try_for_each(|(instruction, events)| {
        let (fields, lower) = (place(instruction), lower(instruction));
        let misses = misses(instruction);
        out.write_record(fields.iter().chain(&executed(events)).chain(&misses).chain(&lower))
    })
}

fn place(instruction: &ProfiledInstruction, attribution: Attribution) -> [String; PLACE.len()] {
    let line = instruction.location.source_line(attribution);
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    [
        hex::address(instruction.vaddr),
        hex::bytes(&instruction.code),
        instruction.disassembly.clone(),
        text(line.function.name.as_deref()),
        text(line.function.inlined_into.as_deref()),
        text(line.file.as_deref()),
        line.line.map(|line| line.to_string()).unwrap_or_default(),
        text(line.function.object.as_deref()),
        instruction.object_address.map(hex::address).unwrap_or_default(),
    ]
}

fn executed(events: Events) -> [String; EXECUTED.len()] {
    let Events { executions, reads, read_misses, writes, write_misses, .. } = events;
    [executions, reads, read_misses, writes, write_misses].map(|count| count.to_string())
}

fn misses(instruction: &ProfiledInstruction) -> [String; MISSES.len()] {
    let counts = instruction.counts;
    [counts.data_misses, counts.fetch_misses].map(|count| count.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use ::csv::{ReaderBuilder, StringRecord};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn render(profile: &Profile) -> String {
        sample::written(|out| write(profile, out))
    }

    /// Line ends made visible.
    fn framed(text: &str) -> String {
        text.replace('\r', "␍").replace('\u{1b}', "␛")
    }

    fn read(text: &str) -> (StringRecord, Vec<StringRecord>) {
        let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        (header, reader.records().collect::<Result<_, _>>().unwrap())
    }

    /// The sum of a column.
    fn sum(text: &str, column: &str) -> u64 {
        let (header, rows) = read(text);
        let index = header.iter().position(|name| name == column).unwrap();
        rows.iter().map(|row| row[index].parse::<u64>().unwrap()).sum()
    }

    #[test]
    fn the_sample() {
        insta::assert_snapshot!(framed(&render(&sample::profile())));
    }

    #[test]
    fn the_sample_with_misses_only() {
        insta::assert_snapshot!(framed(&render(&sample::misses())));
    }

    #[test]
    fn columns_add_up_to_the_cores() {
        let text = render(&sample::profile());
        assert_eq!(sum(&text, "executions"), 5021);
        assert_eq!(sum(&text, "reads") + sum(&text, "writes"), 1650);
        assert_eq!(sum(&text, "read_misses") + sum(&text, "write_misses"), 730);
        for text in [text, render(&sample::misses())] {
            assert_eq!(sum(&text, "data_misses"), 730);
            assert_eq!(sum(&text, "fetch_misses"), 9);
        }
    }

    #[test]
    fn the_sample_with_levels() {
        insta::assert_snapshot!(framed(&render(&sample::levels())));
    }

    #[test]
    fn columns_of_a_level_add_up_to_it() {
        for profile in [sample::levels(), sample::without_executions(sample::levels())] {
            let text = render(&profile);
            let columns = |level: Lower| level.miss_fields().map(|column| sum(&text, column));
            assert_eq!(columns(Lower::L2), [6, 430, 60]);
            assert_eq!(columns(Lower::L3), [4, 110, 10]);
            assert_eq!(sum(&text, "stall_cycles"), 39_640);
        }
        let (header, _) = read(&render(&sample::two_levels()));
        assert!(header.iter().skip(18).eq(["l2_write_misses", "stall_cycles"]), "{header:?}");
        let (header, _) = read(&render(&sample::profile()));
        assert_eq!(header.iter().next_back(), Some("fetch_misses"));
    }

    #[test]
    fn a_profile_without_instructions_is_a_header() {
        let profile = Profile { instructions: Vec::new(), ..sample::profile() };
        assert_eq!(render(&profile).matches("\r\n").count(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn any_text_is_read_back(profile in sample::any_texts()) {
            let (_, rows) = read(&render(&profile));
            prop_assert_eq!(rows.len(), profile.instructions.len());
            for (row, instruction) in rows.iter().zip(&profile.instructions) {
                let line = instruction.location.source_line(Attribution::Own);
                let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or("").to_owned();
                let expected = [
                    instruction.disassembly.clone(),
                    text(&line.function.name),
                    text(&line.function.inlined_into),
                    text(&line.file),
                    line.line.map(|line| line.to_string()).unwrap_or_default(),
                    text(&line.function.object),
                ];
                prop_assert!(row.iter().skip(2).take(6).eq(expected.iter()), "{row:?}");
            }
        }
    }
}
