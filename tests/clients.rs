//! The files, read by the programs that they are for. Their formats as such are tested in `crates/report`.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use common::artifacts::{Arch, Mode, Qemu, bare_guest, guest, qemus};
use common::process::{Finished, Run};
use common::profile::Profile;
use common::report::Report;
use common::tools::{number, output_of, run, tool};

const FILES: &str =
    "json=a.json,csv=a.csv,callgrind=a.callgrind,cachegrind=a.cachegrind,html=a.html,limit=0";

/// So many that the columns' lines are all in two sets.
const N: &str = "128";

/// The inner line of `column_order` in `guests/matrix.c`.
const INNER: &str = "sum += a[i * n + k] * b[k * n + j];";

fn matrix(qemu: &Qemu, arch: Arch, n: &str) -> Run {
    qemu.user(arch, &guest(arch, "matrix")).guest_args([n])
}

/// A run with all files, and what is in two of them.
struct Written {
    finished: Finished,
    profile: Profile,
    table: Report,
}

impl Written {
    fn by(run: Run) -> Self {
        let finished = run.plugin_to_file(FILES).succeed();
        let profile = Profile::of(&finished, "a.json");
        let table = finished.plugin_report();
        profile.check_sums(&table);
        Self { finished, profile, table }
    }

    fn directory(&self) -> &Path {
        self.finished.directory()
    }

    fn valgrind(&self, program: &str, args: &[&str]) -> String {
        output_of("valgrind", program, self.directory(), args)
    }

    /// That these are the table's numbers.
    fn check_totals(&self, totals: &Totals) {
        let sum = self.table.sum();
        let of = |event: &str| totals.0.get(event).copied().unwrap_or_else(|| panic!("{totals:?}"));
        assert_eq!(of("Ir"), sum.fetch.accesses);
        assert_eq!(of("I1mr"), sum.fetch.misses);
        assert_eq!(of("Dr") + of("Dw"), sum.data.accesses);
        assert_eq!(of("D1mr") + of("D1mw"), sum.data.misses);
    }
}

/// The number of the line `INNER`.
fn inner_line() -> u32 {
    line_of(&root().join("guests/matrix.c"), INNER)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The number of the one line of a file that has `text` in it.
fn line_of(file: &Path, text: &str) -> u32 {
    let source = fs::read_to_string(file).expect("the source is there");
    let mut lines = source.lines().zip(1..).filter(|(line, _)| line.contains(text));
    let (_, number) = lines.next().unwrap_or_else(|| panic!("no {text} in {}", file.display()));
    assert_eq!(lines.next(), None);
    number
}

/// The totals that a script of Valgrind prints, by event.
#[derive(PartialEq, Eq, Debug)]
struct Totals(BTreeMap<String, u64>);

impl Totals {
    fn of(annotated: &str) -> Self {
        let events = annotated.lines().find_map(|line| line.strip_prefix("Events shown:"));
        let totals = annotated.lines().find(|line| line.ends_with("PROGRAM TOTALS"));
        let (Some(events), Some(totals)) = (events, totals) else { panic!("{annotated}") };
        let counts = counts(totals.trim_end_matches("PROGRAM TOTALS"));
        let events: Vec<&str> = events.split_whitespace().collect();
        assert_eq!(counts.len(), events.len(), "{totals}");
        Self(events.into_iter().map(str::to_owned).zip(counts).collect())
    }
}

/// The counts at the start of a line of a Valgrind script, which may have percentages behind them.
fn counts(line: &str) -> Vec<u64> {
    let words = line.replace("( ", "(");
    let words = words.split_whitespace().filter(|word| !word.starts_with('('));
    words
        .map_while(|word| {
            word.starts_with(|first: char| first == '.' || first.is_ascii_digit())
                .then(|| number(word))
        })
        .collect()
}

// Valgrind's scripts.

#[test]
fn cg_annotate_has_the_totals_of_the_table_and_the_misses_of_the_line() {
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            let written = Written::by(matrix(&qemu, arch, N));
            let annotated = written.valgrind("cg_annotate", &["a.cachegrind"]);
            written.check_totals(&Totals::of(&annotated));

            let shown = ["--show=Dr,D1mr,D1mw", "--sort=D1mr", "a.cachegrind"];
            let annotated = written.valgrind("cg_annotate", &shown);
            let line = annotated.lines().find(|line| line.ends_with(INNER));
            let line = line.unwrap_or_else(|| panic!("{annotated}"));
            let row = written.profile.line("matrix.c", inner_line());
            let [_, reads, read_misses, _, write_misses, _] = row.counts.full();
            // The numbers of the source are no counts.
            let counts = counts(line.trim_end_matches(INNER));
            assert_eq!(counts, [reads, read_misses, write_misses], "{arch}");
            // A column's numbers miss, and some of the rows'.
            let cube = 128_u64.pow(3);
            assert!((cube..cube * 9 / 8).contains(&read_misses), "{arch}: {read_misses}");
            assert_eq!(reads, 2 * cube, "{arch}");
        }
    }
}

#[test]
fn callgrind_annotate_has_the_totals_of_the_table_and_the_misses_of_the_line() {
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            let written = Written::by(matrix(&qemu, arch, N));
            let annotated = written
                .valgrind("callgrind_annotate", &["--auto=yes", "--threshold=100", "a.callgrind"]);
            written.check_totals(&Totals::of(&annotated));
            let line = annotated.lines().find(|line| line.ends_with(INNER));
            let line = line.unwrap_or_else(|| panic!("{annotated}"));
            let row = written.profile.line("matrix.c", inner_line());
            let [executions, reads, read_misses, writes, write_misses, fetch_misses] =
                row.counts.full();
            assert_eq!(
                counts(line.trim_end_matches(INNER)),
                [executions, reads, writes, fetch_misses, read_misses, write_misses],
                "{arch}"
            );
            let function = annotated.lines().find(|line| line.contains(":column_order ["));
            let function = function.unwrap_or_else(|| panic!("{annotated}"));
            let [executions, reads, ..] = written.profile.function("column_order").counts.full();
            assert_eq!(counts(function)[..2], [executions, reads], "{function}");
        }
    }
}

#[test]
fn valgrind_s_scripts_read_the_files_of_a_machine() {
    for qemu in qemus(Mode::System) {
        let kernel = bare_guest("jit");
        let elf = format!("elf={}", kernel.display());
        let run = qemu.bare(&kernel, 2).plugin_to_file(&format!("{FILES},{elf}"));
        let finished = run.succeed();
        let table = finished.plugin_report();
        let written = Written { profile: Profile::of(&finished, "a.json"), table, finished };
        for (script, file) in
            [("cg_annotate", "a.cachegrind"), ("callgrind_annotate", "a.callgrind")]
        {
            let annotated = written.valgrind(script, &[file]);
            written.check_totals(&Totals::of(&annotated));
            assert!(annotated.contains("jit.c"), "{annotated}");
        }
    }
}

#[test]
fn cg_merge_adds_and_cg_diff_subtracts() {
    for qemu in qemus(Mode::User) {
        let small = Written::by(matrix(&qemu, Arch::Riscv64, "16"));
        let large = Written::by(matrix(&qemu, Arch::Riscv64, "32"));
        let other = large.directory().join("a.cachegrind").display().to_string();
        let totals = |file: &str| Totals::of(&small.valgrind("cg_annotate", &[file])).0;
        let (of_small, of_large) = (totals("a.cachegrind"), totals(&other));

        small.valgrind("cg_merge", &["-o", "sum", "a.cachegrind", &other]);
        let sum = totals("sum");
        let difference = small.valgrind("cg_diff", &["a.cachegrind", &other]);
        fs::write(small.directory().join("difference"), difference).expect("a file");
        let difference = totals("difference");
        let nothing = small.valgrind("cg_diff", &["a.cachegrind", "a.cachegrind"]);
        fs::write(small.directory().join("nothing"), nothing).expect("a file");
        let nothing = totals("nothing");
        assert_eq!(of_small.len(), 6);
        for (event, count) in of_small {
            assert_eq!(sum[&event], count + of_large[&event], "{event}");
            // A minus is not a digit: every event here is at least as frequent in the larger run.
            assert_eq!(difference[&event], of_large[&event] - count, "{event}");
            assert_eq!(nothing[&event], 0, "{event}");
        }
    }
}

// Python.

/// The Python that the Debian packages are for.
fn python(directory: &Path, script: &str, args: &[&str]) -> Command {
    let mut command = tool("python3", "/usr/bin/python3");
    command.arg(root().join("tests/clients").join(script)).args(args).current_dir(directory);
    command
}

fn schema() -> String {
    root().join("docs/report.schema.json").display().to_string()
}

#[test]
fn the_json_is_as_its_schema_says() {
    let check = |finished: &Finished| {
        run(&mut python(finished.directory(), "validate.py", &[&schema(), "a.json"]));
    };
    for qemu in qemus(Mode::User) {
        for (name, args) in [("matrix", ["16"]), ("threads", ["8"]), ("smc", ["10"])] {
            for options in [
                "json=a.json",
                "json=a.json,profile=on,html=a.html",
                "json=a.json,profile=on,cores=3,evict=rand,limit=0,out=stderr",
            ] {
                let program = guest(Arch::X86_64, name);
                check(
                    &qemu.user(Arch::X86_64, &program).guest_args(args).plugin(options).succeed(),
                );
            }
        }
    }
    for qemu in qemus(Mode::System) {
        for options in ["json=a.json", "json=a.json,html=a.html,icachesize=6K,evict=fifo"] {
            check(&qemu.bare(&bare_guest("jit"), 2).plugin(options).succeed());
        }
    }
}

#[test]
fn the_validator_finds_what_is_not_as_the_schema_says() {
    let qemu = &qemus(Mode::User)[0];
    let finished = matrix(qemu, Arch::Riscv64, "4").plugin("json=a.json,profile=on").succeed();
    let json = finished.file("a.json").expect("a JSON");
    for (good, bad) in [
        ("\"detail\": \"full\"", "\"detail\": \"misses\""),
        ("\"schema_version\": 3", "\"schema_version\": \"3\""),
        ("\"fetch_misses\":", "\"misses\":"),
        ("\"address\": \"0x", "\"address\": \"0X"),
        ("\"reads\":", "\"writes\":"),
    ] {
        assert!(json.contains(good), "no {good}");
        fs::write(finished.directory().join("bad.json"), json.replacen(good, bad, 1))
            .expect("a file");
        let mut command = python(finished.directory(), "validate.py", &[&schema(), "bad.json"]);
        let output = command.output().expect("python runs");
        assert_eq!(output.status.code(), Some(1), "{bad} is taken");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("Traceback"), "{output:?}");
    }
}

#[test]
fn python_reads_the_same_rows_from_the_csv_as_from_the_json() {
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for profile in ["off", "on"] {
                let options =
                    format!("json=a.json,csv=a.csv,attribution=innermost,profile={profile}");
                let finished = matrix(&qemu, arch, "16").plugin(&options).succeed();
                let mut command = python(finished.directory(), "read_csv.py", &["a.csv", "a.json"]);
                let rows = String::from_utf8(run(&mut command).stdout).expect("a number");
                let instructions = Profile::of(&finished, "a.json").instructions.len();
                assert_eq!(rows.trim_end(), instructions.to_string());
                assert!(instructions > 200, "{instructions}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "install the Debian package no-such-package")]
fn a_tool_that_is_missing_is_named_with_its_package() {
    output_of("no-such-package", "no-such-program", Path::new("/"), [""; 0]);
}

// A browser.

/// What a page is once it is loaded, and what the browser had to say.
struct Loaded {
    dom: String,
    console: Vec<String>,
}

impl Loaded {
    fn of(page: &Path) -> Self {
        let home = tempfile::tempdir().expect("a directory for the browser");
        let mut command = tool("chromium", "chromium");
        command
            // Root has no sandbox, and the page is ours.
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"])
            .arg(format!("--user-data-dir={}", home.path().join("data").display()))
            .arg("--dump-dom")
            .arg(format!("file://{}", page.display()))
            .env("HOME", home.path());
        let output = run(&mut command);
        let log = String::from_utf8_lossy(&output.stderr);
        Self {
            dom: String::from_utf8_lossy(&output.stdout).into_owned(),
            console: log
                .lines()
                .filter(|line| line.contains(":CONSOLE"))
                .map(str::to_owned)
                .collect(),
        }
    }

    /// The line of the page that has all of these in it.
    fn line(&self, parts: &[&str]) -> &str {
        let mut lines = self.dom.lines();
        let line = lines.find(|line| parts.iter().all(|part| line.contains(part)));
        line.unwrap_or_else(|| panic!("no line with {parts:?} in\n{}", self.dom))
    }
}

#[test]
fn a_browser_loads_the_page_without_a_word_and_finds_function_line_and_sets() {
    for qemu in qemus(Mode::User) {
        let written = Written::by(matrix(&qemu, Arch::Riscv64, N));
        let page = Loaded::of(&written.directory().join("a.html"));
        assert_eq!(page.console, [""; 0]);
        assert!(page.dom.contains("<title>Cache misses of matrix</title>"));

        let grouped = |count: u64| {
            let digits = count.to_string();
            let groups: Vec<&str> = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .map(|group| std::str::from_utf8(group).expect("digits"))
                .collect();
            format!("<td>{}</td>", groups.join(","))
        };
        let misses = written.profile.function("column_order").counts.data_misses;
        assert!(misses > 128_u64.pow(3));
        page.line(&["class=\"name strong\">column_order<", &grouped(misses)]);
        // The first row of the first list.
        let rows = page.dom.lines().find(|line| line.contains("class=\"name strong\">"));
        assert!(rows.is_some_and(|row| row.contains(">column_order<")), "{rows:?}");

        let number = inner_line();
        let [executions, reads, read_misses, ..] =
            written.profile.line("matrix.c", number).counts.full();
        page.line(&[
            &format!("-line-{number}\""),
            &format!("<code>                {INNER}</code>"),
            &grouped(executions),
            &grouped(reads),
            &grouped(read_misses),
        ]);

        let sets = written.profile.cores[0].sets.as_ref().expect("a page shows them");
        assert_eq!(sets.data_misses.len(), 32);
        assert!(page.dom.contains("aria-label=\"Data cache, Core 0: misses of each set."));
        assert!(page.dom.contains("aria-label=\"Instruction cache, Core 0: misses of each set."));
    }
}

/// That [`Loaded`] would notice.
#[test]
fn what_a_browser_complains_of_is_noticed() {
    let directory = tempfile::tempdir().expect("a directory for pages");
    let load = |page: &str| {
        let file = directory.path().join("page.html");
        fs::write(&file, format!("<!doctype html>\n<title>page</title>\n{page}\n"))
            .expect("a file");
        Loaded::of(&file)
    };
    for (page, message) in [
        ("<script>not_there();</script>", "not_there is not defined"),
        ("<script>console.log('a word');</script>", "a word"),
        (
            "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">\n\
             <p style='color: red'>red",
            "Content Security Policy",
        ),
    ] {
        let loaded = load(page);
        assert_eq!(loaded.console.len(), 1, "{:?}", loaded.console);
        assert!(loaded.console[0].contains(message), "{:?}", loaded.console);
    }
    let fine = load("<p>fine");
    assert_eq!((fine.console.len(), fine.dom.contains("<p>fine")), (0, true));
}

// KCachegrind.

/// A program that [`tool`] has started in the background, until it is dropped.
struct Background {
    child: Child,
    /// What it has said on stderr.
    said: NamedTempFile,
}

impl Background {
    fn start(command: &mut Command) -> Self {
        let said = NamedTempFile::new().expect("a temporary file");
        let stderr = said.reopen().expect("it was just made");
        let command = command.stdin(Stdio::null()).stderr(stderr);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, said }
    }

    /// How it has ended and what it said, if it has.
    fn end(&mut self) -> Option<String> {
        let status = self.child.try_wait().expect("a child can be waited for")?;
        let said = fs::read(self.said.path()).expect("it is still there");
        Some(format!("{status}: {}", String::from_utf8_lossy(&said)))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended. `timeout` hands the signal on.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// A screen that nobody sees.
struct Screen {
    _server: Background,
    display: String,
}

impl Screen {
    fn new() -> Self {
        let mut command = tool("xvfb", "Xvfb");
        // Without the last one it starts anew whenever its last client goes, `xwininfo`, and refuses those
        // that come meanwhile.
        let screen = ["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"];
        command.args(screen).arg("-noreset");
        let mut server = Background::start(command.stdout(Stdio::piped()));
        let stdout = server.child.stdout.as_mut().expect("it is piped");
        let mut number = String::new();
        BufReader::new(stdout).read_line(&mut number).expect("a display");
        assert!(!number.is_empty(), "Xvfb has no display");
        Self { _server: server, display: format!(":{}", number.trim_end()) }
    }

    /// The titles of all windows.
    fn titles(&self) -> Vec<String> {
        let mut command = tool("x11-utils", "xwininfo");
        let tree = run(command.args(["-root", "-tree"]).env("DISPLAY", &self.display));
        let tree = String::from_utf8_lossy(&tree.stdout);
        // 0x200006 "a.callgrind [...] — KCachegrind": ("kcachegrind" "kcachegrind")  640x480+0+0  +0+0
        let title = |line: &str| Some(line.split_once(" \"")?.1.rsplit_once("\": (")?.0.to_owned());
        tree.lines().filter_map(title).collect()
    }
}

/// What `kcachegrind` makes of a file: the title of its window, or that of an error.
fn opened_by_kcachegrind(file: &Path) -> String {
    let screen = Screen::new();
    let home = tempfile::tempdir().expect("a home directory");
    // To be missed by its own name.
    drop(tool("kcachegrind", "kcachegrind"));
    // It wants a message bus to itself.
    let mut command = tool("dbus-daemon", "dbus-run-session");
    command
        .args(["--", "kcachegrind"])
        .arg(file)
        .env("DISPLAY", &screen.display)
        .env("HOME", home.path())
        .env("XDG_RUNTIME_DIR", home.path())
        .env("QT_QPA_PLATFORM", "xcb")
        .stdout(Stdio::null());
    let mut program = Background::start(&mut command);
    let opened = format!("{} [", file.display());
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let titles = screen.titles();
        let mut answers = titles.iter();
        let answer =
            answers.find(|title| title.starts_with(&opened) || title.starts_with("Error "));
        if let Some(end) = program.end() {
            panic!("KCachegrind has ended: {titles:?}: {end}");
        }
        if let Some(title) = answer {
            return title.clone();
        }
        assert!(Instant::now() < deadline, "KCachegrind does not open {opened}: {titles:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn kcachegrind_opens_the_profile() {
    for qemu in qemus(Mode::User) {
        let written = Written::by(matrix(&qemu, Arch::Riscv64, "16"));
        let title = opened_by_kcachegrind(&written.directory().join("a.callgrind"));
        // The file and what ran.
        assert!(title.contains("a.callgrind [") && title.contains("qemu-riscv64"), "{title}");
        assert!(title.ends_with(" — KCachegrind"), "{title}");
    }
    // And what is none is told apart.
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("none.callgrind");
    fs::write(&file, "no profile\n").expect("a file");
    assert_eq!(opened_by_kcachegrind(&file), "Error — KCachegrind");
}

// Cachegrind itself, with the same caches.

/// The data side of a file in Cachegrind's format.
struct DataSide {
    /// Accesses and misses of each line with a number.
    lines: BTreeMap<(String, u32), [u64; 2]>,
    total: [u64; 2],
}

impl DataSide {
    fn read(text: &str) -> Self {
        let events = text.lines().find_map(|line| line.strip_prefix("events: "));
        let events: Vec<&str> = events.expect("there are events").split_whitespace().collect();
        let column = |name: &str| events.iter().position(|event| *event == name).expect("an event");
        let [reads, read_misses, writes, write_misses] = ["Dr", "D1mr", "Dw", "D1mw"].map(column);
        let mut read = Self { lines: BTreeMap::new(), total: [0; 2] };
        let mut file = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fl=") {
                file = name;
            }
            if !line.starts_with(|first: char| first.is_ascii_digit()) {
                continue;
            }
            let mut numbers = line.split_whitespace().map(number);
            let line =
                u32::try_from(numbers.next().expect("a line number")).expect("a line number");
            let counts: Vec<u64> = numbers.collect();
            let count = |column: usize| counts.get(column).copied().unwrap_or(0);
            let counts = [count(reads) + count(writes), count(read_misses) + count(write_misses)];
            let row = read.lines.entry((file.to_owned(), line)).or_default();
            for (sum, count) in row.iter_mut().chain(&mut read.total).zip(counts.repeat(2)) {
                *sum += count;
            }
        }
        read.lines.retain(|(_, line), _| *line > 0);
        read
    }

    /// At most three lines with the most misses, none with less than a hundredth of all.
    fn hottest(&self) -> Vec<&(String, u32)> {
        let mut lines: Vec<_> =
            self.lines.iter().filter(|(_, counts)| counts[1] * 100 > self.total[1]).collect();
        lines.sort_by_key(|(_, counts)| std::cmp::Reverse(counts[1]));
        lines.into_iter().map(|(line, _)| line).take(3).collect()
    }

    /// Accesses and misses of the lines of one source file.
    fn of_file(&self, name: &str) -> [u64; 2] {
        let lines = self.lines.iter().filter(|((file, _), _)| file.ends_with(name));
        lines.fold([0; 2], |sum, (_, counts)| [sum[0] + counts[0], sum[1] + counts[1]])
    }
}

/// Runs a program of the host under our plugin and under Cachegrind, with caches of one geometry.
fn ours_and_cachegrind_s(qemu: &Qemu, name: &str, args: &[&str]) -> (DataSide, DataSide) {
    let program: PathBuf = guest(Arch::X86_64, name);
    let options = "cachegrind=ours,dcachesize=16K,dassoc=8,icachesize=16K,iassoc=8,limit=0";
    let finished = qemu.user(Arch::X86_64, &program).guest_args(args).plugin(options).succeed();
    let directory = finished.directory();
    let cachegrind = [
        "--tool=cachegrind",
        "--cache-sim=yes",
        "--I1=16384,8,64",
        "--D1=16384,8,64",
        // Which it must have, and which changes nothing in the first level.
        "--LL=8388608,16,64",
        "--cachegrind-out-file=theirs",
    ];
    let program = program.display().to_string();
    output_of(
        "valgrind",
        "valgrind",
        directory,
        cachegrind.into_iter().chain([&*program]).chain(args.iter().copied()),
    );
    let read = |name: &str| DataSide::read(&finished.file(name).expect("it is written"));
    (read("ours"), read("theirs"))
}

/// That two counts differ by a fiftieth at most.
fn assert_close(what: &str, ours: u64, theirs: u64) {
    println!("{what}: {ours}, Cachegrind {theirs}");
    assert!(
        theirs > 0 && ours.abs_diff(theirs) * 50 <= theirs,
        "{what}: {ours}, Cachegrind {theirs}"
    );
}

#[test]
fn cachegrind_counts_the_same_accesses_and_misses_of_the_same_program() {
    for qemu in qemus(Mode::User) {
        let (ours, theirs) = ours_and_cachegrind_s(&qemu, "matrix", &[N]);
        assert_close("data accesses", ours.total[0], theirs.total[0]);
        assert_close("data misses", ours.total[1], theirs.total[1]);
        assert_eq!(ours.hottest(), theirs.hottest());
        assert_eq!(ours.hottest()[0].1, inner_line());
        assert!(ours.hottest().len() > 1);
    }
}

/// The C library copies what this program sorts, with vectors of 32 bytes or with `rep movsb`, as the
/// processor says that it can. A vector is one access for Cachegrind and several for QEMU, and what QEMU's
/// processor says differs between releases. So not all accesses can be compared; all misses can, since the
/// further accesses are to lines that have just been accessed.
#[test]
fn cachegrind_counts_the_same_accesses_in_the_program_s_own_lines_and_the_same_misses_in_all() {
    for qemu in qemus(Mode::User) {
        let (ours, theirs) = ours_and_cachegrind_s(&qemu, "list", &["4096", "5"]);
        assert_close(
            "data accesses of the program",
            ours.of_file("list.c")[0],
            theirs.of_file("list.c")[0],
        );
        assert_close(
            "data misses of the program",
            ours.of_file("list.c")[1],
            theirs.of_file("list.c")[1],
        );
        assert_close("data misses", ours.total[1], theirs.total[1]);
        assert_eq!(ours.hottest(), theirs.hottest());
        assert_eq!(ours.hottest().len(), 3);
    }
}
