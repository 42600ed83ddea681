//! README.md says what the plugin does: its tables of options are the parser's, and its examples run.

mod common;

use common::artifacts::{Arch, Mode, command, guest, newest};
use common::process::Run;

const README: &str = include_str!("../README.md");

/// One option: name, value, default and meaning.
type Row = [String; 4];

/// Options that belong together, and their title.
type Group = (String, Vec<Row>);

fn small() -> Run {
    newest(Mode::User).user(Arch::Riscv64, &guest(Arch::Riscv64, "matrix")).guest_args(["4"])
}

/// The options in the text of `help`, by group: titles begin in column 0, entries in column 2, what they
/// mean in column 32, in the next line where the entry is that long.
fn groups_of_help(help: &str) -> Vec<Group> {
    let mut groups: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for line in help.lines() {
        let Some(line) = line.strip_prefix("  ") else {
            groups.push((line.trim_end_matches(':').to_owned(), Vec::new()));
            continue;
        };
        let (syntax, meaning) = match line.strip_prefix(&" ".repeat(30)) {
            Some(meaning) => ("", meaning),
            None => line.split_once(' ').unwrap_or((line, "")),
        };
        let entries = &mut groups.last_mut().expect("a title comes first").1;
        match (syntax, entries.last_mut()) {
            ("", Some((_, text))) => {
                text.push(' ');
                text.push_str(meaning);
            }
            (syntax, _) => entries.push((syntax.to_owned(), meaning.to_owned())),
        }
    }
    let row = |(syntax, text): (String, String)| {
        let (name, value) = syntax.split_once('=').unwrap_or((&syntax, ""));
        let text = text.trim_start();
        let (meaning, default) = text
            .strip_suffix(')')
            .and_then(|text| text.rsplit_once(" (default: "))
            .unwrap_or((text, ""));
        [name, value, default, meaning].map(str::to_owned)
    };
    // What has no entries is no title, but text around them.
    groups
        .into_iter()
        .filter(|(_, entries)| !entries.is_empty())
        .map(|(title, entries)| (title, entries.into_iter().map(row).collect()))
        .collect()
}

/// The README's tables of options, each below its title.
fn groups_of_readme() -> Vec<Group> {
    let (_, text) =
        README.split_once("\n## Options\n").expect("README.md has a section of options");
    let (section, _) = text.split_once("\n## ").expect("another section follows");
    section
        .split("\n### ")
        .filter_map(|text| {
            let (title, text) = text.split_once('\n')?;
            let (_, table) = text.split_once("| Option |")?;
            let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
            Some((title.to_owned(), rows.map(row_of_readme).collect()))
        })
        .collect()
}

fn row_of_readme(line: &str) -> Row {
    // A bar within a cell is escaped.
    let line = line.replace(r"\|", "\0");
    let cells: Vec<String> = line
        .trim_matches('|')
        .split('|')
        .map(|cell| cell.trim().trim_matches('`').replace('\0', "|"))
        .collect();
    cells.try_into().unwrap_or_else(|cells| panic!("four cells, not {cells:?}"))
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
fn the_tables_of_options_are_the_parsers() {
    let finished = small().plugin("help").succeed();
    let help = groups_of_help(&finished.stdout);
    let mut rows = help.iter().flat_map(|(_, rows)| rows);
    assert!(rows.any(|row| row[0] == "dcachesize" && row[2] == "16384"), "{help:?}");
    let tables: Vec<String> = help
        .iter()
        .map(|(title, rows)| {
            let rows: Vec<String> = rows.iter().map(markdown).collect();
            format!(
                "### {title}\n\n| Option | Value | Default | Meaning |\n|---|---|---|---|\n{}\n",
                rows.join("\n")
            )
        })
        .collect();
    assert_eq!(
        groups_of_readme(),
        help,
        "the tables in README.md are to be\n{}",
        tables.join("\n")
    );
}

/// The files that examples name, in the directory of a run.
fn add_files(run: &Run) {
    let (_, file) = README.split_once("```toml\n").expect("README.md has a file of options");
    let (file, _) = file.split_once("```").expect("the file ends");
    std::fs::copy(guest(Arch::Riscv64, "matrix"), run.directory().join("firmware.elf"))
        .expect("a file for elf=");
    std::fs::write(run.directory().join("caches.toml"), file).expect("a file for config=");
}

#[test]
fn the_options_of_all_examples_are_accepted() {
    let examples: Vec<&str> = README
        .split("libcache.so,")
        .skip(1)
        .map(|rest| rest.split([' ', '\n', '`', '"']).next().unwrap_or_default())
        .collect();
    assert!(examples.len() >= 3, "few examples: {examples:?}");
    for options in examples {
        let run = small();
        add_files(&run);
        let finished = run.plugin(options).succeed();
        // What it says of the files that it cannot use.
        assert!(!finished.stderr.contains("cache: "), "{}", finished.describe());
    }
}

#[test]
fn the_commands_of_all_examples_are_accepted() {
    let blocks = README.split("```").skip(1).step_by(2);
    let text: String = blocks.collect::<String>().replace("\\\n", " ");
    let examples: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_start_matches("$ ").strip_prefix("libcache run "))
        .collect();
    assert!(examples.len() >= 12, "few examples: {examples:?}");
    let program = guest(Arch::Riscv64, "matrix");
    for example in examples {
        let example = example.split(" #").next().unwrap_or_default();
        let is_machine = example.contains("--system");
        let qemu = newest(if is_machine { Mode::System } else { Mode::User });
        let run = command().env("LIBCACHE_QEMU", &qemu.executables().to_string_lossy());
        add_files(&run);
        let words = example.split_whitespace().map(|word| match word {
            "./program" | "matrix" => program.as_os_str().to_owned(),
            word => word.into(),
        });
        let finished = run.qemu_args(["run", "--print"]).qemu_args(words).succeed();
        assert!(finished.stdout.contains(" -plugin "), "{}", finished.describe());
        assert_eq!(finished.stderr, "", "{}", finished.describe());
    }
}
