//! What is made of a run's JSON when the run is over: the formats that the run itself has written, byte for byte, and
//! comparisons that name what a change of the program or of the caches has changed.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Parser;
use common::artifacts::{Arch, Mode, Qemu, bare_guest, guest, qemus};
use common::process::{Finished, Run};
use saved::{DiffArgs, Extent, ReportArgs, Saved, Subject};

/// Every file that there is, and the table.
const ALL_FILES: &str =
    "out=a.txt,json=a.json,csv=a.csv,callgrind=a.callgrind,cachegrind=a.cachegrind,html=a.html";

#[derive(Parser)]
enum Libcache {
    Report(ReportArgs),
    Diff(DiffArgs),
}

/// Does what `libcache` does with these words; `@` in them is the directory of a run.
fn libcache(finished: &Finished, words: &[&str]) -> anyhow::Result<ExitCode> {
    let folder = format!("{}/", finished.directory().display());
    let words = ["libcache"].iter().chain(words).map(|word| word.replace('@', &folder));
    match Libcache::try_parse_from(words)? {
        Libcache::Report(args) => args.execute(),
        Libcache::Diff(args) => args.execute(),
    }
}

/// Whether the files of a run are those that are made of its JSON.
fn check_formats(finished: &Finished) {
    let formats = ["html", "csv", "callgrind", "cachegrind"];
    let options = formats.map(|format| format!("--{format}=@b.{format}"));
    let words = ["report", "@a.json"].into_iter().chain(options.iter().map(String::as_str));
    libcache(finished, &words.collect::<Vec<_>>()).expect("a report");
    for format in formats {
        let [of_the_run, of_the_json] =
            ["a", "b"].map(|name| finished.file(&format!("{name}.{format}")).expect("a file"));
        assert!(of_the_run == of_the_json, "{format}: {}", finished.describe());
    }
}

fn matrix(qemu: &Qemu) -> Run {
    qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "matrix")).guest_args(["32"])
}

#[test]
fn the_formats_of_a_run_are_those_of_its_json() {
    for qemu in qemus(Mode::User) {
        for options in [
            "",
            ",cpu=cortex-a72,rw=on",
            ",cores=2,dwrite=back,evict=drrip",
            ",compare=zen3,compare=cortex-m7",
        ] {
            check_formats(&matrix(&qemu).plugin(&format!("{ALL_FILES}{options}")).succeed());
        }
    }
    for qemu in qemus(Mode::System) {
        let run = qemu.bare(&bare_guest("semihost"), 2).qemu_args(["-semihosting"]);
        check_formats(&run.plugin(ALL_FILES).succeed());
    }
}

/// But for the names in lists of instructions: the run has those of QEMU's symbols, of which there may be several.
#[test]
fn the_table_of_a_run_is_that_of_its_json() {
    let without_names = |table: &str| -> Vec<String> {
        let name = |line: &str| {
            line.split_once(" (")
                .and_then(|(_, rest)| rest.split_once("), "))
                .map(|(name, _)| format!(" ({name})"))
        };
        table
            .lines()
            .map(|line| name(line).map_or(line.to_owned(), |name| line.replace(&name, "")))
            .collect()
    };
    for qemu in qemus(Mode::User) {
        for options in ["", ",l2=on,summary=on,rw=on", ",limit=3", ",compare=zen3"] {
            for (by, subject) in [
                ("instruction", Subject::Instruction),
                ("function", Subject::Function),
                ("line", Subject::Line),
            ] {
                let options = format!("out=a.txt,json=a.json{options},by={by}");
                let finished = matrix(&qemu).plugin(&options).succeed();
                let path = finished.directory().join("a.json");
                let profile = Saved::read(&path, Extent::Whole).expect("a report").profile;
                let of_the_json = saved::table(&profile, subject);
                let of_the_run = finished.file("a.txt").expect("a table");
                if by == "instruction" {
                    assert_eq!(without_names(&of_the_run), without_names(&of_the_json));
                } else {
                    assert_eq!(of_the_run, of_the_json);
                }
            }
        }
    }
}

/// The program is built twice, in two directories, one of them with the loops exchanged.
#[test]
fn a_change_of_the_program_is_named_by_function_and_line() {
    const SOURCE: &str = "
        int cells[512][512];
        __attribute__((noinline)) long sum(void) {
            long sum = 0;
            for (int i = 0; i < 512; i++)
                for (int j = 0; j < 512; j++)
                    sum += cells[ROW][COLUMN];
            return sum;
        }
        int main(void) { return sum() == 1; }
    ";
    for qemu in qemus(Mode::User) {
        let build = |folder: &Path, row: &str, column: &str| {
            fs::write(folder.join("cells.c"), SOURCE).expect("a source file");
            let program = folder.join(format!("cells-{row}"));
            let built = Command::new("riscv64-linux-gnu-gcc")
                .args([
                    "-g",
                    "-O1",
                    "-static",
                    &format!("-DROW={row}"),
                    &format!("-DCOLUMN={column}"),
                ])
                .arg("-o")
                .arg(&program)
                .arg(folder.join("cells.c"))
                .status();
            assert!(built.expect("a compiler").success());
            program
        };
        let folders = [(), ()].map(|()| tempfile::tempdir().expect("a directory"));
        let run = |program: &Path| {
            qemu.user(Arch::Riscv64, program).plugin("json=a.json,profile=on").succeed()
        };
        let a = run(&build(folders[0].path(), "i", "j"));
        let b = run(&build(folders[1].path(), "j", "i"));
        fs::copy(b.directory().join("a.json"), a.directory().join("b.json")).expect("a copy");
        let json = format!("--json={}", a.directory().join("diff.json").display());
        let diff = |budget: &str| {
            libcache(&a, &["diff", "@a.json", "@b.json", &json, "--fail-if", budget])
                .expect("a diff")
        };
        let exit = |code: ExitCode| format!("{code:?}");
        assert_eq!(exit(diff("function(sum).l1d.misses > +900%")), exit(ExitCode::FAILURE));
        assert_eq!(exit(diff("instructions > +1%")), exit(ExitCode::SUCCESS));
        let diff: serde_json::Value =
            serde_json::from_str(&a.file("diff.json").expect("a file")).expect("JSON");
        let first = |list: usize| &diff["lists"][list]["changed"][0];
        assert_eq!(first(0)["function"], "sum");
        assert_eq!(first(1)["line"], 7);
        for list in [0, 1] {
            // A line has 16 of them: one miss in 16, or 16.
            assert!(
                first(list)["a"].as_u64().expect("a count") < 20_000,
                "{first:?}",
                first = first(list)
            );
            assert!(first(list)["b"].as_u64().expect("a count") > 200_000);
        }
    }
}
