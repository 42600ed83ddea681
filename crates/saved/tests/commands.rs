//! The commands as they are typed: files in, files and exit status out, and every wrong use in one line.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use saved::{DiffArgs, ReportArgs};
use tempfile::TempDir;

#[derive(Parser)]
#[command(name = "libcache")]
enum Libcache {
    Report(ReportArgs),
    Diff(DiffArgs),
}

/// What `libcache` ends with in `folder`, whose files are `@NAME`: its status, or an error.
fn libcache(folder: &Path, words: &str) -> Result<String, String> {
    let folder = format!("{}/", folder.display());
    let words = ["libcache"].into_iter().chain(words.split(' ')).map(|word| {
        // A blank of a budget.
        word.replace('@', &folder).replace('~', " ")
    });
    let command = Libcache::try_parse_from(words).map_err(|error| error.to_string())?;
    let status = match command {
        Libcache::Report(args) => args.execute(),
        Libcache::Diff(args) => args.execute(),
    };
    let status = status.map_err(|error| format!("{error:#}").replace(&folder, "@"))?;
    Ok(if format!("{status:?}") == format!("{:?}", ExitCode::SUCCESS) { "kept" } else { "broken" }
        .to_owned())
}

/// A directory with reports: `full.json`, `levels.json`, `misses.json`, `compared.json`, and files that are none.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../report/src/json/snapshots");
    for (name, snapshot) in [
        ("full.json", "the_sample"),
        ("levels.json", "the_sample_with_levels"),
        ("misses.json", "the_sample_with_misses_only"),
        ("compared.json", "the_sample_with_several_machines"),
    ] {
        let text =
            fs::read_to_string(snapshots.join(format!("report__json__tests__{snapshot}.snap")));
        let text = text.unwrap();
        fs::write(folder.path().join(name), text.splitn(3, "---\n").nth(2).unwrap()).unwrap();
    }
    fs::write(folder.path().join("page.html"), "<!DOCTYPE html>\n").unwrap();
    folder
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap()
}

#[test]
fn a_report_is_written_in_every_format() {
    let folder = folder();
    let words = "report @full.json --html @a.html --csv @a.csv --callgrind @a.callgrind --cachegrind @a.cachegrind";
    assert_eq!(libcache(folder.path(), words).as_deref(), Ok("kept"));
    assert!(read(&folder, "a.html").starts_with("<!DOCTYPE html>"));
    assert!(read(&folder, "a.csv").starts_with("address,bytes,disassembly,"));
    assert!(read(&folder, "a.callgrind").starts_with("# callgrind format\n"));
    assert!(read(&folder, "a.cachegrind").starts_with("desc: "));
}

#[test]
fn a_report_of_several_machines_is_written_as_that_of_the_runs_own_where_a_format_has_one() {
    let folder = folder();
    let formats = ["csv", "callgrind", "cachegrind", "html"];
    for name in ["levels", "compared"] {
        let options = formats.map(|format| format!("--{format} @{name}.{format}")).join(" ");
        let words = format!("report @{name}.json {options}");
        assert_eq!(libcache(folder.path(), &words).as_deref(), Ok("kept"));
    }
    for format in formats {
        let [own, all] =
            ["levels", "compared"].map(|name| read(&folder, &format!("{name}.{format}")));
        assert_eq!(own == all, format != "html", "{format}");
    }
    assert!(
        read(&folder, "compared.html")
            .contains("<details class=\"file machine\" id=\"machine-2\">")
    );
    let diff = "diff @levels.json @compared.json --fail-if l1d.misses~>~+0";
    assert_eq!(libcache(folder.path(), diff).as_deref(), Ok("kept"));
}

#[test]
fn every_wrong_use_is_one_line() {
    let folder = folder();
    for (words, message) in [
        ("report @none.json", "@none.json: No such file or directory (os error 2)"),
        (
            "report @page.html",
            "@page.html: not JSON (expected value at line 1 column 1); name a file that json=FILE has written",
        ),
        (
            "report @misses.json --callgrind @a",
            "@misses.json: has misses only, and callgrind needs the counts of every instruction; run it again with \
             profile=on",
        ),
        (
            "report @full.json --html @no/a.html",
            "cannot write @no/a.html: No such file or directory (os error 2)",
        ),
        (
            "diff @full.json @page.html",
            "@page.html: not JSON (expected value at line 1 column 1); name a file that json=FILE has written",
        ),
        (
            "diff @full.json @levels.json --fail-if l2.misses>+1%",
            "--fail-if 'l2.misses>+1%': the run of @full.json has no L2",
        ),
        (
            "diff @full.json @levels.json --metric l3.misses",
            "--metric l3.misses: the run of @full.json has no L3",
        ),
        ("diff --history @none", "@none: No such file or directory (os error 2)"),
    ] {
        assert_eq!(libcache(folder.path(), words).unwrap_err(), message, "{words}");
    }
    // What clap says has lines of help after it.
    for (words, message) in [
        ("diff @full.json", "the following required arguments were not provided"),
        (
            "diff @full.json @full.json --fail-if l1d.mises>3",
            "unknown metric l1d.mises; did you mean l1d.misses",
        ),
        ("diff @full.json @full.json --metric l1d", "unknown metric l1d; did you mean"),
        ("diff @full.json @full.json --history @", "cannot be used with"),
        ("diff @full.json @full.json --order time", "cannot be used with"),
    ] {
        let error = libcache(folder.path(), words).unwrap_err();
        assert!(error.contains(message), "{words}: {error}");
    }
}

#[test]
fn the_status_says_whether_a_budget_is_broken() {
    let folder = folder();
    for (budget, status) in [
        ("memory.read~<~-50%", "broken"),
        ("l1d.misses~>~+0", "kept"),
        ("l1d.misses~>=~+0", "broken"),
        ("function(dot<T>).l1d.misses~>=~500", "broken"),
    ] {
        let words = format!("diff @full.json @levels.json --html @d.html --fail-if {budget}");
        assert_eq!(libcache(folder.path(), &words).as_deref(), Ok(status), "{budget}");
        assert!(read(&folder, "d.html").contains(if status == "kept" { "Kept" } else { "Broken" }));
    }
}

#[test]
fn a_history_has_all_reports_of_a_directory() {
    let folder = folder();
    fs::write(folder.path().join("other.json"), "{}").unwrap();
    let words = "diff --history @ --metric l1d.misses --metric l2.misses --html @h.html --fail-if l1d.misses~>~+0";
    assert_eq!(libcache(folder.path(), words).as_deref(), Ok("kept"));
    let page = read(&folder, "h.html");
    for text in
        ["Cache misses of 4 runs", "full.json", "misses.json", "<svg class=\"chart\"", "496"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("other.json"), "{page}");
}
