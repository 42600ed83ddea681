//! README.md says what the plugin does: its table of options is the parser's, and its examples run.

mod common;

use common::artifacts::{Arch, Mode, guest, newest};
use common::process::Run;

const README: &str = include_str!("../README.md");

/// One option: name, value, default and meaning.
type Row = [String; 4];

fn small() -> Run {
    newest(Mode::User).user(Arch::Riscv64, &guest(Arch::Riscv64, "matrix")).guest_args(["4"])
}

/// The options in the text of `help`: entries begin in column 2, what they mean in column 32.
fn options_of_help(help: &str) -> Vec<Row> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for line in help.lines() {
        let Some(line) = line.strip_prefix("  ") else { continue };
        let (syntax, meaning) = line.split_at(30);
        match (syntax.trim(), entries.last_mut()) {
            ("", Some((_, text))) => {
                text.push(' ');
                text.push_str(meaning);
            }
            (syntax, _) => entries.push((syntax.to_owned(), meaning.to_owned())),
        }
    }
    let row = |(syntax, text): (String, String)| {
        let (name, value) = syntax.split_once('=').unwrap_or((&syntax, ""));
        let (meaning, default) = text
            .strip_suffix(')')
            .and_then(|text| text.rsplit_once(" (default: "))
            .unwrap_or((&text, ""));
        [name, value, default, meaning].map(str::to_owned)
    };
    entries.into_iter().map(row).collect()
}

/// The rows of the README's table of options, which is the one whose heading begins so.
fn options_of_readme() -> Vec<Row> {
    let table = README
        .split_once("\n| Option |")
        .expect("README.md has a table of options")
        .1
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    table
        .map(|line| {
            // A bar within a cell is escaped.
            let line = line.replace(r"\|", "\0");
            let cells: Vec<String> = line
                .trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().trim_matches('`').replace('\0', "|"))
                .collect();
            cells.try_into().unwrap_or_else(|cells| panic!("four cells, not {cells:?}"))
        })
        .collect()
}

fn markdown(row: &Row) -> String {
    let [name, value, default, meaning] = row;
    let code = |text: &str| {
        if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', r"\|")) }
    };
    // A default in words is no code.
    let default = if default.contains(' ') { default.clone() } else { code(default) };
    format!("| {} | {} | {default} | {meaning} |", code(name), code(value))
}

#[test]
fn the_table_of_options_is_the_parsers() {
    let finished = small().plugin("help").succeed();
    let help = options_of_help(&finished.stdout);
    assert!(help.iter().any(|row| row[0] == "dcachesize" && row[2] == "16384"), "{help:?}");
    let expected: Vec<String> = help.iter().map(markdown).collect();
    assert_eq!(
        options_of_readme(),
        help,
        "the table in README.md is to be\n{}\n",
        expected.join("\n")
    );
}

#[test]
fn the_options_of_all_examples_are_accepted() {
    let examples: Vec<&str> = README
        .split("libcache.so,")
        .skip(1)
        .map(|rest| rest.split([' ', '\n', '`', '"']).next().unwrap_or_default())
        .collect();
    assert!(examples.len() >= 4, "few examples: {examples:?}");
    for options in examples {
        let run = small();
        std::fs::copy(guest(Arch::Riscv64, "matrix"), run.directory().join("firmware.elf"))
            .expect("a file for elf=");
        let finished = run.plugin(options).succeed();
        // What it says of the files that it cannot use.
        assert!(!finished.stderr.contains("cache: "), "{}", finished.describe());
    }
}
