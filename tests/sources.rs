//! Where misses are in the source: programs however they are linked, their libraries, debug information in
//! files of its own, machines and the files that are named for them; and the lists by function and line.

mod common;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use common::artifacts::{Arch, Mode, Qemu, assembled, bare_guest, guest, qemus, sysroot};
use common::process::{Finished, Run};
use common::profile::{LineRow, Profile};
use common::tools::{output_of, run, tool};
use tempfile::TempDir;

const WORDS: u64 = 1000;

/// How a program is linked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    Static,
    /// Static, at an address chosen as it starts.
    StaticPie,
    Dynamic,
    /// Dynamic, at an address chosen as it starts.
    DynamicPie,
}

impl Link {
    const ALL: [Self; 4] = [Self::Static, Self::StaticPie, Self::Dynamic, Self::DynamicPie];

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Static => &["-static", "-fno-pie", "-no-pie"],
            Self::StaticPie => &["-static-pie", "-fpie"],
            Self::Dynamic => &["-fno-pie", "-no-pie", "-DLOADS"],
            Self::DynamicPie => &["-fpie", "-pie", "-DLOADS"],
        }
    }

    fn is_static(self) -> bool {
        matches!(self, Self::Static | Self::StaticPie)
    }
}

/// The program of `tests/guests/places`, compiled.
struct Program {
    arch: Arch,
    link: Link,
    directory: TempDir,
}

impl Program {
    fn new(arch: Arch, link: Link) -> Self {
        let program = Self { arch, link, directory: tempfile::tempdir().expect("a directory") };
        let mut sources = vec![source("main.c")];
        if link.is_static() {
            sources.push(source("library.c"));
        } else {
            program.compile(&["-shared", "-fpic"], &[source("loaded.c")], "libloaded.so");
            program.compile(&["-shared", "-fpic"], &[source("library.c")], "liblibrary.so");
            sources.push(program.path("liblibrary.so"));
        }
        program.compile(link.flags(), &sources, "main");
        program
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn compile(&self, flags: &[&str], sources: &[PathBuf], name: &str) {
        let (package, compiler) = self.binutil("gcc", "gcc");
        let mut command = tool(&package, &compiler);
        command.args(["-std=gnu11", "-O2", "-g", "-Wl,--build-id=none"]).args(flags);
        if !self.link.is_static() {
            command.arg(format!("-Wl,-rpath,{}", self.directory.path().display()));
        }
        // The loading of libraries is in one of its own before glibc 2.34.
        run(command.args(sources).arg("-ldl").arg("-o").arg(self.path(name)));
    }

    /// The package and the name of a tool for its architecture.
    fn binutil(&self, package: &str, name: &str) -> (String, String) {
        match self.arch {
            Arch::X86_64 => (package.to_owned(), name.to_owned()),
            arch => (format!("{package}-{arch}-linux-gnu"), format!("{arch}-linux-gnu-{name}")),
        }
    }

    /// Moves the debug information of a file to one beside it, with a link to it.
    fn split_off_debug_information(&self, name: &str) {
        let run = |tool: &str, args: &[&str]| {
            let (package, tool) = self.binutil("binutils", tool);
            output_of(&package, &tool, self.directory.path(), args);
        };
        let debug = format!("{name}.debug");
        run("objcopy", &["--only-keep-debug", name, &debug]);
        run("strip", &["--strip-all", name]);
        run("objcopy", &[&format!("--add-gnu-debuglink={debug}"), name]);
    }

    fn run(&self, qemu: &Qemu) -> Run {
        let run = qemu.user(self.arch, &self.path("main"));
        if self.link.is_static() {
            return run;
        }
        let run = run.guest_args([self.path("libloaded.so")]);
        // A program of the host's architecture finds the host's libraries.
        if self.arch == Arch::X86_64 {
            run
        } else {
            run.qemu_args(["-L".as_ref(), sysroot().as_os_str()])
        }
    }

    fn profile(&self, qemu: &Qemu) -> (Finished, Profile) {
        let run = self.run(qemu);
        let finished = run.plugin_to_file("profile=on,json=a.json").succeed();
        assert_eq!(finished.stderr, "", "{}", finished.describe());
        assert!(finished.stdout.starts_with("main: ok "), "{}", finished.describe());
        let profile = Profile::of(&finished, "a.json");
        profile.check_sums(&finished.plugin_report());
        (finished, profile)
    }

    /// Checks the loads of all marked lines, and where they are said to be.
    fn check(&self, profile: &Profile) {
        let what = format!("{} {:?}", self.arch, self.link);
        let check = |mark: Mark, object: &str| {
            let row = mark.row(profile);
            assert_eq!(row.counts.reads, Some(mark.loads), "{what}: {row:?}");
            assert_eq!(row.function.as_deref(), Some(mark.function), "{what}: {row:?}");
            assert_eq!(row.inlined_into.as_deref(), mark.inlined_into, "{what}: {row:?}");
            let object = self.path(object).display().to_string();
            assert_eq!(row.object.as_deref(), Some(&*object), "{what}: {row:?}");
            assert_eq!(row.file.as_deref(), Some(&*mark.path().display().to_string()), "{what}");
        };
        check(INLINED, "main");
        check(OF_PROGRAM, "main");
        if self.link.is_static() {
            check(OF_LIBRARY, "main");
        } else {
            check(OF_LIBRARY, "liblibrary.so");
            check(OF_LOADED, "libloaded.so");
        }
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/places").join(name)
}

/// A line of the guest with a comment.
#[derive(Clone, Copy)]
struct Mark {
    file: &'static str,
    comment: &'static str,
    function: &'static str,
    inlined_into: Option<&'static str>,
    loads: u64,
}

const INLINED: Mark = Mark {
    file: "main.c",
    comment: "// inlined",
    function: "inlined_sum",
    inlined_into: Some("sum_of_program"),
    loads: WORDS,
};
const OF_PROGRAM: Mark = Mark {
    file: "main.c",
    comment: "// of the program",
    function: "sum_of_program",
    inlined_into: None,
    loads: 2 * WORDS,
};
const OF_LIBRARY: Mark = Mark {
    file: "library.c",
    comment: "// of the library",
    function: "sum_of_library",
    inlined_into: None,
    loads: 3 * WORDS,
};
const OF_LOADED: Mark = Mark {
    file: "loaded.c",
    comment: "// of the loaded library",
    function: "sum_of_loaded",
    inlined_into: None,
    loads: 4 * WORDS,
};

impl Mark {
    fn path(self) -> PathBuf {
        source(self.file)
    }

    fn line(self) -> u32 {
        let text = fs::read_to_string(self.path()).expect("the source is there");
        let line = text.lines().zip(1..).find(|(line, _)| line.ends_with(self.comment));
        line.unwrap_or_else(|| panic!("no {} in {}", self.comment, self.file)).1
    }

    /// The row of the line.
    fn row(self, profile: &Profile) -> &LineRow {
        profile.line(&format!("places/{}", self.file), self.line())
    }
}

// Programs.

#[test]
fn lines_of_programs_are_found_however_they_are_linked() {
    for qemu in qemus(Mode::User) {
        for (arch, links) in [
            (Arch::X86_64, Link::ALL.as_slice()),
            // Debian's cross compiler has nothing to start a static program anywhere with.
            (Arch::Riscv64, &[Link::Static, Link::Dynamic, Link::DynamicPie]),
            (Arch::Aarch64, &[Link::Static, Link::StaticPie]),
        ] {
            for link in links {
                let program = Program::new(arch, *link);
                program.check(&program.profile(&qemu).1);
            }
        }
    }
}

#[test]
fn debug_information_in_files_of_its_own_is_found() {
    for qemu in qemus(Mode::User) {
        for (arch, link) in [(Arch::X86_64, Link::DynamicPie), (Arch::Riscv64, Link::Dynamic)] {
            let program = Program::new(arch, link);
            for name in ["main", "liblibrary.so", "libloaded.so"] {
                program.split_off_debug_information(name);
            }
            program.check(&program.profile(&qemu).1);
        }
    }
}

#[test]
fn without_debug_information_a_program_has_no_lines_and_a_library_its_exported_names() {
    for qemu in qemus(Mode::User) {
        let program = Program::new(Arch::X86_64, Link::DynamicPie);
        for name in ["main", "liblibrary.so", "libloaded.so"] {
            program.split_off_debug_information(name);
            fs::remove_file(program.path(&format!("{name}.debug"))).expect("it is there");
        }
        let (_, profile) = program.profile(&qemu);
        // Those of the C library may be installed.
        let sources = source("").display().to_string();
        let is_ours =
            |file: &Option<String>| file.as_ref().is_some_and(|file| file.starts_with(&sources));
        assert!(!profile.lines.iter().any(|row| is_ours(&row.file)));
        let named =
            |name: &str| profile.functions.iter().find(|row| row.function.as_deref() == Some(name));
        assert!(named("sum_of_program").is_none() && named("inlined_sum").is_none());
        for (name, object, loads) in [
            ("sum_of_library", "liblibrary.so", OF_LIBRARY.loads),
            ("sum_of_loaded", "libloaded.so", OF_LOADED.loads),
        ] {
            let row = named(name).unwrap_or_else(|| panic!("no {name}"));
            // And one of the return address.
            assert_eq!(row.counts.reads, Some(loads + 1), "{row:?}");
            assert!(row.object.as_deref().is_some_and(|path| path.ends_with(object)), "{row:?}");
        }
        // The rest of the program is still known to be of it.
        let main = program.path("main").display().to_string();
        let of_main = profile.functions.iter().filter(|row| row.object.as_deref() == Some(&*main));
        let loads: u64 = of_main.filter_map(|row| row.counts.reads).sum();
        assert!(loads >= INLINED.loads + OF_PROGRAM.loads, "{loads}");
    }
}

/// The profile of `spin`, and what libcache said of it, where `act` is done to the program while it runs.
fn changed_while_it_runs(qemu: &Qemu, act: fn(&Path)) -> (Profile, Vec<String>) {
    let directory = tempfile::tempdir().expect("a directory for the guest");
    let program = directory.path().join("spin");
    fs::copy(guest(Arch::Riscv64, "spin"), &program).expect("it can be copied");
    let run = qemu.user(Arch::Riscv64, &program).guest_args(["default", "1"]);
    let run = run.plugin_to_file("json=a.json,by=function").signal_after("ready", "TERM");
    let finished = run.act_before_signal(move || act(&program)).finish().expect_signal(15);
    let ours = finished.stderr.lines().filter(|line| line.starts_with("cache: "));
    (Profile::of(&finished, "a.json"), ours.map(str::to_owned).collect())
}

fn is_named(profile: &Profile, name: &str) -> bool {
    profile.functions.iter().any(|row| row.function.as_deref() == Some(name))
}

#[test]
fn a_program_that_is_removed_while_it_runs_keeps_its_names() {
    for qemu in qemus(Mode::User) {
        let (profile, ours) =
            changed_while_it_runs(&qemu, |program| fs::remove_file(program).expect("it is there"));
        assert_eq!(ours, [""; 0]);
        let spin = profile.function("main");
        assert!(spin.object.as_deref().is_some_and(|object| object.ends_with("/spin")), "{spin:?}");
    }
}

/// As a linker does: the names were those that the new file has at the same places.
#[test]
fn a_program_that_is_built_anew_while_it_runs_keeps_its_names() {
    for qemu in qemus(Mode::User) {
        let (profile, ours) = changed_while_it_runs(&qemu, |program| {
            let new = program.with_file_name("new");
            fs::copy(guest(Arch::Riscv64, "matrix"), &new).expect("it can be copied");
            fs::rename(new, program).expect("it can be renamed");
        });
        assert_eq!(ours, [""; 0]);
        assert!(is_named(&profile, "main") && !is_named(&profile, "column_order"));
    }
}

#[test]
fn a_program_that_is_written_to_while_it_runs_has_no_files_names_and_a_warning() {
    for qemu in qemus(Mode::User) {
        let (profile, ours) = changed_while_it_runs(&qemu, |program| {
            // Another build-id, and no byte that the program goes by.
            let mut new = fs::read(program).expect("it is there");
            let note = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
            let place = new.windows(note.len()).position(|bytes| bytes == note);
            new[place.expect("a build-id") + note.len()] ^= 0xff;
            write_in_place(program, &new);
        });
        let [warning] = &ours[..] else { panic!("not one line: {ours:?}") };
        assert!(warning.contains("/spin: changed or replaced while the guest ran"), "{warning}");
        assert!(profile.lines.iter().all(|row| row.line.is_none()));
    }
}

/// Not by making the file empty first, of which the program would die. QEMU reads its file as data, so the
/// system lets it be written.
fn write_in_place(program: &Path, bytes: &[u8]) {
    let mut file = fs::File::options().write(true).open(program).expect("it is there");
    file.write_all(bytes).expect("it can be written");
}

#[test]
fn a_program_that_is_touched_or_copied_over_itself_while_it_runs_keeps_its_names() {
    let touch = |program: &Path| {
        let file = fs::File::options().write(true).open(program).expect("it is there");
        file.set_modified(std::time::SystemTime::now()).expect("it can be touched");
    };
    let copy_over = |program: &Path| {
        let same = fs::read(program).expect("it is there");
        write_in_place(program, &same);
    };
    let replace = |program: &Path| {
        let same = fs::read(program).expect("it is there");
        fs::remove_file(program).expect("it is there");
        fs::write(program, same).expect("it can be written");
    };
    for qemu in qemus(Mode::User) {
        for act in [touch, copy_over, replace] {
            let (profile, ours) = changed_while_it_runs(&qemu, act);
            assert_eq!(ours, [""; 0]);
            let spin = profile.function("main");
            assert!(spin.object.as_deref().is_some_and(|it| it.ends_with("/spin")), "{spin:?}");
        }
    }
}

#[test]
fn a_source_that_is_newer_than_its_program_is_named_in_a_line_and_in_the_page() {
    const NOTE: &str = "This file is newer than the program";
    for qemu in qemus(Mode::User) {
        let directory = tempfile::tempdir().expect("a directory for the guest");
        let (program, copy) = (directory.path().join("jit"), directory.path().join("jit.c"));
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/jit.c"), &copy)
            .expect("it can be copied");
        run(tool("gcc", "gcc").args(["-g", "-O1", "-static", "-o"]).args([&program, &copy]));
        let finish = || {
            let run = qemu.user(Arch::X86_64, &program).guest_args(["10"]);
            let finished = run.plugin_to_file("html=a.html").succeed();
            let page = fs::read_to_string(finished.directory().join("a.html")).expect("the page");
            (finished.stderr, page.contains(NOTE))
        };
        assert_eq!(finish(), (String::new(), false));
        let file = fs::File::options().write(true).open(&copy).expect("it is there");
        let later = std::time::SystemTime::now() + std::time::Duration::from_mins(1);
        file.set_modified(later).expect("it can be touched");
        let name = copy.display();
        let line = format!("cache: symbols: changed since the program was built: {name}\n");
        assert_eq!(finish(), (line, true));
    }
}

#[test]
fn a_path_that_is_not_utf_8_costs_no_names() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    for qemu in qemus(Mode::User) {
        for name in [&b"caf\xe9"[..], b"two\nlines", br"back\012slash", b"a (deleted)"] {
            let directory = tempfile::tempdir().expect("a directory for the guest");
            let program = directory.path().join(OsStr::from_bytes(name));
            fs::copy(guest(Arch::Riscv64, "matrix"), &program).expect("it can be copied");
            let run = qemu.user(Arch::Riscv64, &program).plugin_to_file("json=a.json");
            let finished = run.succeed();
            assert_eq!(finished.stderr, "", "{}", finished.describe());
            let profile = Profile::of(&finished, "a.json");
            let object = profile.function("column_order").object.as_deref();
            assert_eq!(object, Some(&*program.to_string_lossy()), "{}", finished.describe());
        }
    }
}

#[test]
fn code_that_a_program_maps_and_writes_takes_no_look_at_all_mappings_each_time() {
    for qemu in qemus(Mode::User) {
        let directory = tempfile::tempdir().expect("a directory for the guest");
        let program = directory.path().join("jit");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/jit.c");
        run(tool("gcc", "gcc").args(["-O1", "-static", "-o"]).args([&program, &source]));
        let finish = |options: &str| {
            let run = qemu.user(Arch::X86_64, &program).guest_args(["8000"]);
            let start = std::time::Instant::now();
            let finished = run.plugin_to_file(options).succeed();
            (finished, start.elapsed())
        };
        let (_, usual) = finish("limit=0");
        let (finished, named) = finish("json=a.json");
        // Thirty times as long with a look after each of 8,000 calls.
        assert!(named < 6 * usual, "{named:?} and not {usual:?}");
        let place = finished.stdout.lines().nth(1).expect("the place of the last code");
        let profile = Profile::of(&finished, "a.json");
        let last = profile.instructions.iter().find(|insn| insn.address == place);
        assert_eq!(last.expect("it missed").object, None, "{}", finished.describe());
        assert!(profile.functions.iter().any(|row| row.function.as_deref() == Some("compiled")));
    }
}

#[test]
fn instructions_that_capstone_does_not_know_have_qemus_text() {
    for qemu in qemus(Mode::User) {
        let directory = tempfile::tempdir().expect("a directory for the guest");
        let program = assembled("vectors", 0x10000, directory.path());
        let run = qemu.user(Arch::Riscv64, &program).qemu_args(["-cpu", "rv64,v=true,zba=true"]);
        let finished = run.plugin_to_file("profile=on,json=a.json").succeed();
        let profile = Profile::of(&finished, "a.json");
        let texts: Vec<_> =
            profile.instructions.iter().map(|insn| insn.disassembly.as_str()).collect();
        for text in ["vle8.v v0,(a4)", "sh1add a5,a3,a4", "sub a3, a3, t0"] {
            assert!(texts.contains(&text), "no {text}: {texts:?}");
        }
    }
}

// Lists.

#[test]
fn a_list_by_function_names_functions_and_shares() {
    for qemu in qemus(Mode::User) {
        let directory = tempfile::tempdir().expect("a directory for the guest");
        let program = assembled("strides", 0x10000, directory.path());
        let options = "dcachesize=512,dassoc=1,icachesize=64,iblksize=16,iassoc=1";
        let list = |by: &str| {
            let options = format!("{options},by={by}");
            qemu.user(Arch::Riscv64, &program).plugin(&options).succeed().stderr
        };
        insta::allow_duplicates! {
            insta::assert_snapshot!(list("function"), @r"
            core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate
            0       384            161            41.9271%  828            20              2.4155%

            data misses, share, function
            161          100.00%  walk

            fetch misses, share, function
            10            50.00%  _start
            10            50.00%  walk
            ");
            // It has no debug information, and a line says so.
            let list = list("line");
            let (hint, list) = list.split_once('\n').expect("a hint");
            assert!(hint.ends_with("/strides, with 100.00% of the misses, has no line numbers: compile it with -g, or \
                install its debug information"), "{hint}");
            insta::assert_snapshot!(list, @r"
            core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate
            0       384            161            41.9271%  828            20              2.4155%

            data misses, share, line
            161          100.00%  ??? (walk)

            fetch misses, share, line
            10            50.00%  ??? (_start)
            10            50.00%  ??? (walk)
            ");
        }
    }
}

/// A row of a list by function or line; those with one miss each may be together in the last.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Debug)]
struct ListRow {
    misses: u64,
    name: String,
    share: String,
}

/// The lists of a report by function or line.
fn lists(finished: &Finished) -> [Vec<ListRow>; 2] {
    let mut parts = finished.stderr.split("\n\n").skip(1);
    let mut list = |heading: &str| {
        let list = parts.next().unwrap_or_else(|| panic!("{}", finished.describe()));
        let rows = list.trim_end().strip_prefix(heading).unwrap_or_else(|| panic!("{list}"));
        let row = |row: &str| {
            let (misses, rest) = row.split_once(' ').unwrap_or_else(|| panic!("{row}"));
            let count: u64 = misses.parse().expect("a number");
            let (share, name) = rest.trim_start().split_once("  ").unwrap_or_default();
            let (name, share) = (name.to_owned(), share.to_owned());
            if rest.ends_with("with one miss each") {
                vec![ListRow { misses: 1, name, share }; usize::try_from(count).expect("a few")]
            } else {
                vec![ListRow { misses: count, name, share }]
            }
        };
        rows.lines().skip(1).flat_map(row).collect()
    };
    let kind = if finished.stderr.contains(" share, line\n") { "line" } else { "function" };
    let lists = [format!("data misses, share, {kind}"), format!("fetch misses, share, {kind}")];
    let lists = lists.map(|heading| list(&heading));
    assert_eq!(parts.next(), None, "{}", finished.describe());
    lists
}

#[test]
fn lists_by_function_and_line_are_the_rows_of_the_json_with_the_most_misses() {
    let inlined =
        |function: &Option<String>, inlined_into: &Option<String>| match (function, inlined_into) {
            (Some(function), Some(outer)) => format!("{function} (inlined in {outer})"),
            (Some(function), None) => function.clone(),
            _ => panic!("a guest without names"),
        };
    for qemu in qemus(Mode::User) {
        let program = Program::new(Arch::Riscv64, Link::Static);
        let finish = |by: &str, limit: &str| {
            let options = format!("by={by},limit={limit},json=a.json,dcachesize=1K,icachesize=1K");
            program.run(&qemu).plugin(&options).succeed()
        };
        for (by, mark) in [("function", "inlined_sum (inlined in sum_of_program)".to_owned()), {
            let line = format!("{}:{} ", INLINED.path().display(), INLINED.line());
            ("line", line + "(inlined_sum inlined in sum_of_program)")
        }] {
            let finished = finish(by, "1000000");
            let profile = Profile::of(&finished, "a.json");
            let [data, fetch] = lists(&finished);
            let row = data.iter().find(|row| row.name == mark);
            let row = row.unwrap_or_else(|| panic!("no {mark}: {}", finished.describe()));
            // One miss a line, but for what is left of the lap before.
            assert!((WORDS / 8..WORDS / 8 + 4).contains(&row.misses), "{row:?}");

            let total = profile.total;
            let counts: Vec<_> = match by {
                "function" => profile
                    .functions
                    .iter()
                    .map(|row| (inlined(&row.function, &row.inlined_into), row.counts))
                    .collect(),
                _ => profile.lines.iter().map(|row| (String::new(), row.counts)).collect(),
            };
            for (list, all, of) in [
                (
                    &data,
                    total.data.misses,
                    (|counts| counts.data_misses) as fn(&common::profile::Counts) -> u64,
                ),
                (&fetch, total.instruction.misses, |counts| counts.fetch_misses),
            ] {
                assert_eq!(list.iter().map(|row| row.misses).sum::<u64>(), all);
                assert!(list.windows(2).all(|pair| pair[0].misses >= pair[1].misses));
                let mut misses: Vec<u64> = counts
                    .iter()
                    .map(|(_, counts)| of(counts))
                    .filter(|misses| *misses > 0)
                    .collect();
                misses.sort_unstable_by(|first, second| second.cmp(first));
                assert_eq!(list.iter().map(|row| row.misses).collect::<Vec<_>>(), misses);
                for row in list.iter().filter(|row| !row.name.is_empty()) {
                    assert_eq!(row.share, percent(row.misses, all), "{row:?}");
                    let named = |(name, counts): &&(String, _)| {
                        *name == row.name && of(counts) == row.misses
                    };
                    assert!(by == "line" || counts.iter().any(|row| named(&row)), "{row:?}");
                }
            }

            let [short_data, short_fetch] = lists(&finish(by, "3"));
            assert_eq!((short_data.as_slice(), short_fetch.as_slice()), (&data[..3], &fetch[..3]));
            let none = finish(by, "0");
            none.parse(&none.stderr);
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "as it is defined")]
fn percent(part: u64, all: u64) -> String {
    format!("{:.2}%", part as f64 / all as f64 * 100.0)
}

// Machines.

/// The inner line of `column_order` in `guests/bare/matrix.c`, where each hart has loads as said in
/// `outputs.rs`.
const INNER: &str = "sum += a[i * N + k] * b[k * N + j];";

fn inner_line() -> u32 {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/bare/matrix.c");
    let text = fs::read_to_string(file).expect("the source is there");
    text.lines().zip(1..).find(|(line, _)| line.contains(INNER)).expect("the line is there").1
}

fn machine_profile(run: Run, options: &str) -> Profile {
    let finished = run.plugin_to_file(&format!("profile=on,json=a.json{options}")).succeed();
    // There may be files of which no code runs.
    let is_hint = |line: &str| line.contains(": no code that missed is at its addresses; ");
    assert!(finished.stderr.lines().all(is_hint), "{}", finished.describe());
    let profile = Profile::of(&finished, "a.json");
    profile.check_sums(&finished.plugin_report());
    profile
}

#[test]
fn a_machine_has_the_lines_of_the_file_that_is_named() {
    for qemu in qemus(Mode::System) {
        let kernel = bare_guest("matrix");
        let name = kernel.display();
        let profile = |options: &str| machine_profile(qemu.bare(&kernel, 1), options);
        let row = |profile: &Profile| {
            let row = profile.line("bare/matrix.c", inner_line());
            assert_eq!(row.counts.reads, Some(2 * 128_u64.pow(3)), "{row:?}");
            assert_eq!(row.function.as_deref(), Some("column_order"), "{row:?}");
            assert_eq!(row.object.as_deref(), Some(&*name.to_string()), "{row:?}");
        };
        row(&profile(&format!(",elf={name}")));
        row(&profile(&format!(",elf={name}@0x0")));
        // The second of two.
        let other = guest(Arch::Riscv64, "matrix");
        row(&profile(&format!(",elf={},elf={name}", other.display())));
        // Without one QEMU's symbols are left, and with a bias that does not fit too.
        for options in [String::new(), format!(",elf={name}@0x10000000")] {
            let profile = profile(&options);
            assert!(profile.lines.iter().all(|row| row.line.is_none() && row.object.is_none()));
            let [_, reads, ..] = profile.function("column_order").counts.full();
            assert_eq!(reads, 2 * 128_u64.pow(3));
        }
    }
}

/// Code of which QEMU knows nothing, at another place than it is linked for.
#[test]
fn a_bias_is_added_to_the_addresses_of_a_file() {
    for qemu in qemus(Mode::System) {
        let kernel = bare_guest("matrix");
        let directory = tempfile::tempdir().expect("a directory for the guest");
        let image = directory.path().join("matrix.bin").display().to_string();
        let args = ["-O", "binary", &kernel.display().to_string(), &image];
        let objcopy = "riscv64-linux-gnu-objcopy";
        output_of("binutils-riscv64-linux-gnu", objcopy, directory.path(), args);
        let run = || {
            let device = format!("loader,file={image},addr=0x80080000,force-raw=on,cpu-num=0");
            qemu.machine_of_riscv64(1).qemu_args(["-device", &device])
        };
        let name = kernel.display();
        for bias in ["0x80000", "524288"] {
            let profile = machine_profile(run(), &format!(",elf={name}@{bias}"));
            let row = profile.line("bare/matrix.c", inner_line());
            assert_eq!(row.counts.reads, Some(2 * 128_u64.pow(3)), "{row:?}");
            assert_eq!(row.function.as_deref(), Some("column_order"), "{row:?}");
        }
        let unknown = machine_profile(run(), "");
        assert!(
            unknown.functions.iter().all(|row| row.function.is_none()),
            "{:?}",
            unknown.functions
        );
        // A little off: other lines, or none, but no such loads in that line.
        let wrong = machine_profile(run(), &format!(",elf={name}@0x80100"));
        let rows = wrong.rows_of_line("bare/matrix.c", inner_line());
        assert!(rows.iter().all(|row| row.counts.reads < Some(128_u64.pow(3))), "{rows:?}");
    }
}

#[test]
fn a_file_that_is_named_for_a_machine_and_built_anew_while_it_runs_keeps_its_names() {
    for qemu in qemus(Mode::System) {
        let directory = tempfile::tempdir().expect("a directory for the guest");
        let kernel = assembled("forever", 0x8000_0000, directory.path());
        let named = directory.path().join("named");
        let profile = |act: fn(&Path)| {
            fs::copy(&kernel, &named).expect("it can be copied");
            let options = format!("json=a.json,elf={}", named.display());
            let run = qemu.bare(&kernel, 1).plugin_to_file(&options).signal_after("ready", "TERM");
            let named = named.clone();
            let finished = run.act_before_signal(move || act(&named)).succeed();
            let ours = finished.stderr.lines().filter(|line| line.starts_with("cache: "));
            (Profile::of(&finished, "a.json"), ours.map(str::to_owned).collect::<Vec<_>>())
        };
        let (replaced, ours) = profile(|named| {
            let new = named.with_file_name("new");
            fs::copy(bare_guest("matrix"), &new).expect("it can be copied");
            fs::rename(new, named).expect("it can be renamed");
        });
        assert_eq!(ours, [""; 0]);
        let object = replaced.function("_start").object.as_deref();
        assert_eq!(object, Some(&*named.display().to_string()));
        let (written, ours) = profile(|named| {
            let new = fs::read(bare_guest("matrix")).expect("it is there");
            fs::write(named, new).expect("it can be written");
        });
        let [warning] = &ours[..] else { panic!("not one line: {ours:?}") };
        assert!(warning.contains("/named: changed or replaced while the guest ran"), "{warning}");
        assert!(written.functions.iter().all(|row| row.object.is_none()));
    }
}

#[test]
fn a_broken_file_of_symbols_is_complained_of_once_and_the_report_comes() {
    for qemu in qemus(Mode::System) {
        let directory = tempfile::tempdir().expect("a directory for files");
        let good = fs::read(bare_guest("jit")).expect("it is there");
        let mut scrambled = good.clone();
        for (index, byte) in scrambled.iter_mut().enumerate().skip(32) {
            *byte ^= u8::try_from(index % 251).expect("less than 256");
        }
        for (what, bytes) in [
            ("its first bytes only", good[..40].to_vec()),
            ("its first half only", good[..good.len() / 2].to_vec()),
            ("scrambled", scrambled),
        ] {
            let file = directory.path().join("broken");
            fs::write(&file, &bytes).expect("a file");
            let run = qemu.bare(&bare_guest("jit"), 1);
            let options = format!("elf={},json=a.json,by=line,profile=on", file.display());
            let finished = run.plugin(&options).succeed();
            let (warning, report) = finished.stderr.split_once('\n').expect("two lines at least");
            assert!(warning.starts_with("cache: "), "{what}: {}", finished.describe());
            assert!(warning.contains(&file.display().to_string()), "{what}: {warning}");
            assert!(report.starts_with(common::report::HEADING), "{what}: {}", finished.describe());
            assert!(!report.contains("cache: "), "{what}: {}", finished.describe());
            assert!(!Profile::of(&finished, "a.json").instructions.is_empty());
            println!("{what}: {warning}");
        }
    }
}
