//! Lines that tell how far a run is.

mod common;

use std::process::{Command, Stdio};

use common::artifacts::{Arch, Mode, guest, qemus};
use common::report::{HEADING, only_report, report_count};

/// A program that runs for three seconds, however fast the host is.
const PROGRAM: &str = "spin";
const ARGUMENTS: [&str; 3] = ["ignore", "1", "3"];

/// The instructions that a line tells, as a number.
fn instructions(line: &str) -> f64 {
    let (_, rest) = line.split_once(" s, ").unwrap_or_else(|| panic!("{line:?}"));
    let (number, rest) = rest.split_once(" instructions, ").unwrap_or_else(|| panic!("{line:?}"));
    let (rate, misses) = rest.split_once("/s, misses ").unwrap_or_else(|| panic!("{line:?}"));
    assert!(rate.ends_with('M') || rate.ends_with('G') || rate.ends_with('k'), "{line:?}");
    assert!(misses.contains("% data ") && misses.ends_with("% fetch"), "{line:?}");
    let (digits, unit) = number.split_once(' ').unwrap_or((number, ""));
    let factor = match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        _ => panic!("{line:?}"),
    };
    digits.parse::<f64>().unwrap_or_else(|_| panic!("{line:?}")) * factor
}

fn check_growth<'a>(lines: impl Iterator<Item = &'a str>, total: u64) {
    let told: Vec<f64> = lines.map(instructions).collect();
    assert!(!told.is_empty() && told[0] > 0.0, "{told:?}");
    assert!(told.is_sorted(), "{told:?}");
    #[expect(clippy::cast_precision_loss, reason = "three digits are told")]
    let total = total as f64;
    assert!(told.last().is_some_and(|&last| last <= total * 1.01), "{told:?} of {total}");
}

#[test]
fn a_line_a_second_and_then_the_report() {
    for qemu in qemus(Mode::User) {
        for cores in ["1", "2"] {
            let finished = qemu
                .user(Arch::Riscv64, &guest(Arch::Riscv64, PROGRAM))
                .guest_args(ARGUMENTS)
                .plugin(&format!("limit=0,progress=1,cores={cores}"))
                .succeed();
            assert!(finished.stdout.starts_with("ready\nspin: ok"), "{}", finished.describe());
            let (progress, report) =
                finished.stderr.split_at(finished.stderr.find(HEADING).expect("a report"));
            let report = finished.parse(report);
            let lines = progress.lines().map(|line| {
                line.strip_prefix("cache: ").unwrap_or_else(|| panic!("{}", finished.describe()))
            });
            check_growth(lines, report.cores[0].fetch.accesses);
        }
    }
}

#[test]
fn on_a_terminal_each_line_replaces_the_one_before() {
    let qemu = &qemus(Mode::User)[0];
    let program = guest(Arch::Riscv64, PROGRAM);
    let run = qemu.user(Arch::Riscv64, &program).plugin("limit=0,progress=1").guest_args(ARGUMENTS);
    // What it writes to is a terminal of its own.
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &run.command_line(), "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("script, of Debian's bsdutils");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text:?}");
    assert_eq!(report_count(&text), 1, "{text:?}");
    let (progress, report) = text.split_at(text.find(HEADING).expect("a report"));
    let report = only_report(&report.replace('\r', "")).expect("one report");
    // The last line is erased.
    let progress = progress.strip_suffix("\r\u{1b}[K").unwrap_or_else(|| panic!("{text:?}"));
    // The guest's own lines stand between those of the plugin.
    let mut of_guest = String::new();
    let lines: Vec<_> = progress.split("\rcache: ").collect();
    let (before, lines) = lines.split_first().expect("text has a first part");
    of_guest += before;
    let lines = lines.iter().map(|line| {
        let (line, rest) = line.split_once("\u{1b}[K").unwrap_or_else(|| panic!("{text:?}"));
        of_guest += rest;
        line
    });
    check_growth(lines, report.cores[0].fetch.accesses);
    assert_eq!(of_guest, "ready\r\nspin: ok ignore\r\n", "{text:?}");
}
