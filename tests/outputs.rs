//! The counts of every instruction, and the files they are written to: that they add up, to the table of
//! the same run and to QEMU's own plugin, that they are right where they can be worked out by hand, and
//! that every file is there, whole and alone, whatever ends the guest.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::artifacts::{Arch, Mode, Qemu, assembled, bare_guest, guest, qemus};
use common::differential::{Expect, Options, Sweep};
use common::process::{Finished, Run};
use common::profile::Profile;
use common::report::Report;
use common::tools::{self, tool};

/// Counts everything, and writes it.
const FULL: &str = "profile=on,json=profile.json";

/// Every file that there is.
const ALL_FILES: &str =
    "json=a.json,csv=a.csv,callgrind=a.callgrind,cachegrind=a.cachegrind,html=a.html";
const ALL_NAMES: [&str; 5] = ["a.cachegrind", "a.callgrind", "a.csv", "a.html", "a.json"];

fn riscv64(qemu: &Qemu, name: &str, args: &[&str]) -> Run {
    qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, name)).guest_args(args)
}

// That it adds up.

/// Compares with the reference and checks the sums; what is counted beside misses changes no number.
fn check_full(sweep: &mut Sweep, what: &str, qemu: &Qemu, run: Run, options: &str, expect: Expect) {
    let options = Options { both: options, ours: FULL };
    if let Some((finished, table)) = sweep.compare(what, qemu, run, options, expect) {
        Profile::of(&finished, "profile.json").check_sums(&table);
    }
}

fn check_programs(guests: &[(&str, &[&str])], options: &[&str], expect: Expect) {
    let mut sweep = Sweep::default();
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for (name, arguments) in guests {
                for options in options {
                    let run = qemu.user(arch, &guest(arch, name)).guest_args(*arguments);
                    check_full(&mut sweep, &format!("{arch} {name}"), &qemu, run, options, expect);
                }
            }
        }
    }
    sweep.finish();
}

#[test]
fn the_instructions_of_a_program_add_up_to_the_table_which_is_the_reference_s() {
    check_programs(
        &[
            ("list", &["1000", "3"]),
            ("matrix", &["32"]),
            // Instructions that begin and do not end.
            ("faults", &["1000"]),
            ("atomics", &["2"]),
            // Several instructions at one address.
            ("smc", &["300"]),
        ],
        &[
            "",
            // Lines shorter than most accesses and instructions.
            "dcachesize=512,dblksize=4,dassoc=2,icachesize=512,iblksize=2,iassoc=2",
            "dassoc=1,iassoc=1,iblksize=128,evict=fifo,cores=2",
        ],
        Expect::TableAndRows,
    );
}

#[test]
fn the_instructions_of_threads_add_up_to_the_table_and_lose_no_access() {
    check_programs(
        &[("threads", &["12", "4"]), ("atomics", &["2", "parallel"])],
        &["", "cores=3,dcachesize=1024,dassoc=1"],
        Expect::Accesses,
    );
}

#[test]
fn the_instructions_of_a_machine_add_up_to_the_table_which_is_the_reference_s() {
    let mut sweep = Sweep::default();
    for qemu in qemus(Mode::System) {
        for (name, harts, options, expect) in [
            ("vm", 1, "", Expect::TableAndMisses),
            ("vm", 2, "dassoc=1,iassoc=1,evict=fifo", Expect::TableAndMisses),
            ("vm", 4, "cores=2", Expect::Accesses),
            ("jit", 1, "dblksize=16,iblksize=128", Expect::Table),
        ] {
            let run = qemu.bare(&bare_guest(name), harts);
            let what = format!("{name}, {harts} harts");
            check_full(&mut sweep, &what, &qemu, run, options, expect);
        }
    }
    sweep.finish();
}

#[test]
fn random_replacement_adds_up_as_well() {
    for qemu in qemus(Mode::User) {
        let run = riscv64(&qemu, "list", &["2000", "3"]);
        let finished = run.plugin_to_file(&format!("evict=rand,{FULL}")).succeed();
        Profile::of(&finished, "profile.json").check_sums(&finished.plugin_report());
    }
}

#[test]
fn without_a_profile_the_misses_add_up_and_are_the_same() {
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            let profile = |options: &str| {
                let run = qemu.user(arch, &guest(arch, "matrix")).guest_args(["32"]);
                // As many characters: the command line is in the guest's memory.
                let finished = run.plugin_to_file(options).succeed();
                (Profile::of(&finished, "profile.json"), finished.plugin_report())
            };
            let (full, table) = profile("profile=on,json=profile.json");
            full.check_sums(&table);
            let (misses, table) = profile("json=profile.json,limit=32");
            misses.check_sums_of_misses(&table);
            assert_eq!(misses.total, full.total, "{arch}");
            let places = |profile: &Profile| -> Vec<_> {
                let rows = profile.instructions.iter();
                let missing =
                    rows.filter(|row| row.counts.data_misses + row.counts.fetch_misses > 0);
                missing
                    .map(|row| {
                        (row.address.clone(), row.counts.data_misses, row.counts.fetch_misses)
                    })
                    .collect()
            };
            assert_eq!(places(&misses), places(&full), "{arch}");
        }
    }
}

// That it is right.

#[test]
fn the_counts_of_a_program_of_seventeen_instructions_are_those_worked_out_by_hand() {
    for qemu in qemus(Mode::User) {
        let directory = tempfile::tempdir().expect("a directory for the guest");
        let program = assembled("strides", 0x10000, directory.path());
        // 8 laps of 16 rounds; which access misses is worked out in `report.rs`.
        let geometry = "dcachesize=512,dassoc=1,icachesize=64,iblksize=16,iassoc=1";
        // The page is what has the misses of each set counted.
        let options = format!("{geometry},{FULL},csv=profile.csv,html=profile.html");
        let finished = qemu.user(Arch::Riscv64, &program).plugin_to_file(&options).succeed();
        let profile = Profile::of(&finished, "profile.json");
        profile.check_sums(&finished.plugin_report());

        // Executions, reads, read misses, writes, write misses, fetch misses.
        for (address, counts) in [
            ("0x10000", [1, 0, 0, 0, 0, 1]),
            ("0x10004", [8, 0, 0, 0, 0, 0]),
            ("0x10008", [8, 0, 0, 0, 0, 8]),
            ("0x10010", [1, 0, 0, 0, 0, 1]),
            ("0x10018", [1, 0, 0, 0, 0, 0]),
            ("0x10040", [8, 0, 0, 0, 0, 8]),
            ("0x1004c", [128, 128, 128, 0, 0, 0]),
            ("0x10050", [128, 0, 0, 128, 16, 1]),
            ("0x10054", [128, 0, 0, 128, 17, 0]),
            ("0x10060", [128, 0, 0, 0, 0, 1]),
            ("0x10064", [8, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(profile.at(address).counts.full(), counts, "{address}");
        }
        assert_eq!(profile.instructions.len(), 17);
        assert_eq!(profile.function("walk").counts.full(), [800, 128, 128, 256, 33, 10]);
        assert_eq!(profile.function("_start").counts.full(), [28, 0, 0, 0, 0, 10]);
        // Each of the 16 loads of a lap takes its set, of 8; the stores are to the sets 0 and 1.
        let sets = profile.cores[0].sets.as_ref().expect("a page shows them");
        assert_eq!(sets.data_misses, [32, 33, 16, 16, 16, 16, 16, 16]);

        let csv = finished.file("profile.csv").expect("a CSV");
        let csv = csv.replace(&program.display().to_string(), "strides");
        insta::allow_duplicates! {
            insta::assert_snapshot!(csv.replace("\r\n", "|\n"), @r#"
            address,bytes,disassembly,function,inlined_into,file,line,object,object_address,executions,reads,read_misses,writes,write_misses,data_misses,fetch_misses|
            0x10000,13 04 80 00,"addi s0, zero, 8",_start,,,,strides,0x10000,1,0,0,0,0,0,1|
            0x10004,ef 00 c0 03,jal 0x3c,_start,,,,strides,0x10004,8,0,0,0,0,0,0|
            0x10008,13 04 f4 ff,"addi s0, s0, -1",_start,,,,strides,0x10008,8,0,0,0,0,0,8|
            0x1000c,e3 1c 04 fe,"bnez s0, -8",_start,,,,strides,0x1000c,8,0,0,0,0,0,0|
            0x10010,13 05 00 00,"mv a0, zero",_start,,,,strides,0x10010,1,0,0,0,0,0,1|
            0x10014,93 08 d0 05,"addi a7, zero, 0x5d",_start,,,,strides,0x10014,1,0,0,0,0,0,0|
            0x10018,73 00 00 00,ecall,_start,,,,strides,0x10018,1,0,0,0,0,0,0|
            0x10040,37 05 02 00,"lui a0, 0x20",walk,,,,strides,0x10040,8,0,0,0,0,0,8|
            0x10044,93 06 05 40,"addi a3, a0, 0x400",walk,,,,strides,0x10044,8,0,0,0,0,0,0|
            0x10048,93 05 00 01,"addi a1, zero, 0x10",walk,,,,strides,0x10048,8,0,0,0,0,0,0|
            0x1004c,03 36 05 00,"ld a2, 0(a0)",walk,,,,strides,0x1004c,128,128,128,0,0,128,0|
            0x10050,23 b0 c6 00,"sd a2, 0(a3)",walk,,,,strides,0x10050,128,0,0,128,16,16,1|
            0x10054,23 b0 c6 04,"sd a2, 0x40(a3)",walk,,,,strides,0x10054,128,0,0,128,17,17,0|
            0x10058,13 05 05 04,"addi a0, a0, 0x40",walk,,,,strides,0x10058,128,0,0,0,0,0,0|
            0x1005c,93 85 f5 ff,"addi a1, a1, -1",walk,,,,strides,0x1005c,128,0,0,0,0,0,0|
            0x10060,e3 96 05 fe,"bnez a1, -0x14",walk,,,,strides,0x10060,128,0,0,0,0,0,1|
            0x10064,67 80 00 00,ret,walk,,,,strides,0x10064,8,0,0,0,0,0,0|
            "#);
        }
    }
}

#[test]
fn the_counts_of_the_matrices_of_every_hart_are_those_of_their_loops() {
    const N: u64 = 128;
    for qemu in qemus(Mode::System) {
        for harts in [1, 2] {
            let kernel = bare_guest("matrix");
            let options = format!("{FULL},elf={}", kernel.display());
            let finished = qemu.bare(&kernel, harts).plugin_to_file(&options).succeed();
            let profile = Profile::of(&finished, "profile.json");
            profile.check_sums(&finished.plugin_report());
            assert_eq!(profile.cores.len(), usize::try_from(harts).expect("few"));
            let harts = u64::from(harts);
            // Of a and b each number, and a sum stored for each row and column.
            let [_, reads, read_misses, writes, ..] =
                profile.function("column_order").counts.full();
            assert_eq!((reads, writes), (harts * 2 * N.pow(3), harts * N.pow(2)));
            assert!(read_misses >= harts * N.pow(3), "{read_misses}");
            // a once for each row, then b and c, which is stored too.
            let [_, reads, _, writes, ..] = profile.function("row_order").counts.full();
            assert_eq!(reads, harts * (N.pow(2) + 2 * N.pow(3)));
            assert_eq!(writes, harts * N.pow(3));
        }
    }
}

// Files.

/// The files of a run of which nothing is known but that it ended somehow: all are there, whole, alone.
fn check_files(finished: &Finished) -> Profile {
    check_directory(finished.files().iter().map(String::as_str), finished);
    check_contents(finished)
}

fn check_directory<'a>(names: impl Iterator<Item = &'a str>, finished: &Finished) {
    let ours: Vec<&str> = names.filter(|name| *name != "libcache.txt").collect();
    assert_eq!(ours, ALL_NAMES, "{}", finished.describe());
}

fn check_contents(finished: &Finished) -> Profile {
    let profile = Profile::of(finished, "a.json");
    profile.check_bounds();
    assert_eq!(profile.qemu.process_id, finished.pid);
    let text = |name: &str| finished.file(name).unwrap_or_else(|| finished.describe());
    assert!(text("a.html").trim_end().ends_with("</html>"), "{}", finished.describe());
    assert_eq!(text("a.csv").lines().count(), profile.instructions.len() + 1);
    let fetches = profile.total.instruction.accesses.to_string();
    for name in ["a.callgrind", "a.cachegrind"] {
        let text = text(name);
        let summary = text.lines().find_map(|line| line.strip_prefix("summary: "));
        let first = summary.and_then(|summary| summary.split(' ').next());
        assert!(first.is_some(), "{name}: {}", finished.describe());
        // Threads and vCPUs may have run on between the cores' counts and the instructions'.
        let executed: u64 = profile.instructions.iter().map(|row| row.counts.full()[0]).sum();
        assert_eq!(first, Some(executed.to_string().as_str()), "{name}, cores: {fetches}");
    }
    profile
}

#[test]
fn every_process_of_a_program_that_forks_writes_its_own_files() {
    for qemu in qemus(Mode::User) {
        let options = "json=%p.json,csv=%p.csv,callgrind=%p.callgrind,cachegrind=%p.cachegrind,\
                       html=%p%%.html,out=%p.txt";
        let finished = riscv64(&qemu, "forker", &["row", "3"]).plugin(options).succeed();
        assert_eq!(finished.stderr, "", "{}", finished.describe());
        let names = finished.files();
        let processes: Vec<&str> =
            names.iter().filter_map(|name| name.strip_suffix(".json")).collect();
        assert_eq!(processes.len(), 4, "{names:?}");
        assert!(processes.contains(&finished.pid.to_string().as_str()), "{names:?}");
        assert_eq!(names.len(), 4 * 6, "{names:?}");
        for process in processes {
            let profile = Profile::of(&finished, &format!("{process}.json"));
            assert_eq!(profile.qemu.process_id.to_string(), process);
            let table = finished.file(&format!("{process}.txt")).expect("a table");
            profile.check_sums(&finished.parse(&table));
            for ending in [".csv", ".callgrind", ".cachegrind", "%.html"] {
                let name = format!("{process}{ending}");
                assert!(finished.file(&name).is_some_and(|text| !text.is_empty()), "{name}");
            }
        }
    }
}

#[test]
fn all_files_are_there_whatever_ends_a_program() {
    for qemu in qemus(Mode::User) {
        let plugged =
            |name: &str, args: &[&str]| riscv64(&qemu, name, args).plugin_to_file(ALL_FILES);
        let replaced = ["ok", "/bin/sh", "-c", "exit 5"];
        for finished in [
            plugged("matrix", &["8"]).succeed(),
            plugged("aborter", &["abort"]).finish().expect_signal(6),
            plugged("aborter", &["segv"]).finish().expect_signal(11),
            plugged("aborter", &["term"]).finish().expect_signal(15),
            plugged("execer", &replaced).finish().expect_status(5),
            plugged("execer", &["fail", "5"]).succeed(),
        ] {
            check_files(&finished).check_sums(&finished.plugin_report());
        }
        // What others count while the files are made is in all of them, with the table, or in none. A signal
        // may come between the two counters of one segment.
        for finished in [
            plugged("spin", &["default", "1"])
                .signal_after("ready", "TERM")
                .finish()
                .expect_signal(15),
            plugged("hotexit", &["20", "42", "_exit"]).finish().expect_status(42),
            plugged("hotexit", &["20", "42", "thread"]).finish().expect_status(42),
            plugged("spin", &["default", "6"])
                .signal_after("ready", "TERM")
                .finish()
                .expect_signal(15),
        ] {
            check_files(&finished).check_cores(&finished.plugin_report());
        }
    }
}

#[test]
fn all_files_are_there_whatever_ends_a_machine() {
    for qemu in qemus(Mode::System) {
        let machine =
            |name: &str, harts| qemu.bare(&bare_guest(name), harts).plugin_to_file(ALL_FILES);
        let finished = machine("jit", 1).succeed();
        check_files(&finished).check_sums(&finished.plugin_report());
        check_files(&machine("semihost", 4).qemu_args(["-semihosting"]).succeed());

        let directory = tempfile::tempdir().expect("a directory for the guest");
        let kernel = assembled("forever", 0x8000_0000, directory.path());
        for harts in [1, 4] {
            let run = qemu.bare(&kernel, harts).plugin_to_file(ALL_FILES);
            check_files(&run.signal_after("ready", "TERM").succeed());
        }
    }
}

/// Which is a matter of who is where when the counts are read, so many times.
#[test]
fn what_is_counted_while_a_report_is_made_is_in_the_cores_first() {
    for qemu in qemus(Mode::System) {
        for cores in ["cores=4", "cores=2", "cores=1"] {
            for _ in 0..6 {
                let run = qemu.bare(&bare_guest("semihost"), 4).qemu_args(["-semihosting"]);
                let finished = run.plugin(&format!("{FULL},{cores}")).succeed();
                Profile::of(&finished, "profile.json").check_bounds();
            }
        }
    }
    for qemu in qemus(Mode::User) {
        for cores in ["cores=8", "cores=1"] {
            for _ in 0..6 {
                let run = riscv64(&qemu, "hotexit", &["20", "42", "_exit"]);
                let finished = run.plugin(&format!("{FULL},{cores}")).finish().expect_status(42);
                Profile::of(&finished, "profile.json").check_bounds();
            }
        }
    }
}

#[test]
fn a_machine_that_never_ran_leaves_the_last_runs_files_alone() {
    for qemu in qemus(Mode::System) {
        let run = qemu.bare(&bare_guest("jit"), 2);
        let run = run.qemu_args(["-S", "-serial", "none", "-monitor", "stdio"]).stdin("quit\n");
        fs::write(run.directory().join("a.json"), "old\n").expect("a file");
        let finished = run.plugin_to_file(ALL_FILES).succeed();
        assert!(finished.stderr.contains("no instruction was executed"), "{}", finished.describe());
        assert_eq!(finished.files(), ["a.json"]);
        assert_eq!(finished.file("a.json").as_deref(), Some("old\n"));
    }
}

#[test]
fn a_file_that_cannot_be_written_in_the_end_does_not_take_the_others_along() {
    for qemu in qemus(Mode::User) {
        let run = || riscv64(&qemu, "matrix", &["8"]);
        for (option, name) in
            [("json", "a.json"), ("csv", "a.csv"), ("callgrind", "a.callgrind"), ("html", "a.html")]
        {
            let files = ALL_FILES.replace(name, "/dev/full");
            let finished = run().plugin_to_file(&files).succeed();
            assert_eq!(
                finished.stderr,
                format!("cache: {option}=/dev/full: No space left on device; it is not written\n")
            );
            let mut names = finished.files();
            assert!(finished.plugin_report().sum().fetch.accesses > 0);
            names.retain(|name| name != "libcache.txt");
            let others: Vec<&str> = ALL_NAMES.into_iter().filter(|other| *other != name).collect();
            assert_eq!(names, others);
        }
    }
}

#[test]
fn a_directory_that_goes_away_is_complained_of_once_for_each_file() {
    for qemu in qemus(Mode::User) {
        let run = riscv64(&qemu, "spin", &["default", "1"]);
        fs::create_dir(run.directory().join("gone")).expect("a directory");
        let gone = run.directory().join("gone");
        let files = "json=gone/a.json,csv=a.csv,cachegrind=gone/a.cachegrind";
        let at_ready = move || fs::remove_dir(&gone).expect("it is empty");
        let run =
            run.plugin_to_file(files).signal_after("ready", "TERM").act_before_signal(at_ready);
        let finished = run.finish().expect_signal(15);
        let lines: Vec<&str> = finished.stderr.lines().collect();
        let [json, cachegrind] = lines[..] else { panic!("{}", finished.describe()) };
        for (line, option, name) in
            [(json, "json", "a.json"), (cachegrind, "cachegrind", "a.cachegrind")]
        {
            assert!(line.starts_with(&format!("cache: {option}=")), "{line}");
            assert!(line.contains(&format!("gone/{name}: ")), "{line}");
            assert!(line.ends_with("; it is not written"), "{line}");
        }
        assert_eq!(finished.files(), ["a.csv", "libcache.txt"]);
        finished.plugin_report();
    }
}

#[test]
fn files_of_an_earlier_run_are_replaced_and_keep_their_mode_and_name() {
    for qemu in qemus(Mode::User) {
        let run = riscv64(&qemu, "matrix", &["8"]);
        let path = |name: &str| run.directory().join(name);
        let [target, link, old] = ["target.json", "a.json", "a.csv"].map(path);
        fs::write(&target, "old").expect("a file");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o604)).expect("its mode");
        std::os::unix::fs::symlink("target.json", &link).expect("a link");
        fs::write(&old, "old\n".repeat(1_000_000)).expect("a file");
        let finished = run.plugin_to_file("profile=on,json=a.json,csv=a.csv").succeed();
        assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
        let mode = fs::metadata(&target).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o604);
        let profile = Profile::of(&finished, "target.json");
        profile.check_sums(&finished.plugin_report());
        let csv = finished.file("a.csv").expect("a CSV");
        assert_eq!(csv.lines().count(), profile.instructions.len() + 1);
    }
}

/// As with `>` in a shell: QEMU has the file open, and so may others.
#[test]
fn the_guest_s_own_output_is_written_behind_and_not_replaced() {
    for qemu in qemus(Mode::User) {
        for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
            let run = riscv64(&qemu, "matrix", &["8"]).stdout_to_file("both");
            let options = format!("out={name},limit=0,csv=a.csv");
            let finished = run.plugin(&options).succeed();
            let both = finished.file("both").expect("standard output");
            let (guest, report) = both.split_once('\n').expect("the guest's line");
            assert!(guest.starts_with("matrix: ok"), "{name}: {both}");
            finished.parse(report);
            assert_eq!((finished.stderr.as_str(), finished.files().len()), ("", 2));
        }
        let finished = riscv64(&qemu, "matrix", &["8"]).plugin("out=/dev/stdout,limit=0").succeed();
        let (guest, report) = finished.stdout.split_once('\n').expect("the guest's line");
        assert!(guest.starts_with("matrix: ok"), "{}", finished.describe());
        finished.parse(report);
    }
}

/// The file while it is replaced again and again: before each call of execve there is a report.
#[test]
fn who_reads_a_file_while_it_is_replaced_finds_a_whole_one() {
    for qemu in qemus(Mode::User) {
        let run = riscv64(&qemu, "execer", &["fail", "300"]).plugin("json=a.json,out=a.txt");
        let directory = run.directory().to_owned();
        let done = AtomicBool::new(false);
        let (finished, (reads, versions)) = thread::scope(|scope| {
            let reader = scope.spawn(|| read_again_and_again(&directory, &done));
            let finished = run.succeed();
            done.store(true, Ordering::Relaxed);
            (finished, reader.join().expect("every file is whole"))
        });
        assert!(versions > 20, "{reads} reads, {versions} versions");
        assert_eq!(finished.files(), ["a.json", "a.txt"]);
        println!("QEMU {}: {reads} reads of {versions} versions", qemu.version());
    }
}

/// Reads both files until it is done; how often, and how many different reports it found.
fn read_again_and_again(directory: &Path, done: &AtomicBool) -> (u64, u64) {
    let (mut reads, mut versions, mut last) = (0, 0, 0);
    while !done.load(Ordering::Relaxed) {
        if let Ok(json) = fs::read_to_string(directory.join("a.json")) {
            let profile = Profile::parse(&json).unwrap_or_else(|error| panic!("{error}:\n{json}"));
            let now = profile.total.instruction.accesses;
            assert!(now >= last, "an older report after a newer one");
            versions += u64::from(now > last);
            last = now;
            reads += 1;
        }
        if let Ok(table) = fs::read_to_string(directory.join("a.txt")) {
            Report::parse(&table).unwrap_or_else(|error| panic!("{error}:\n{table}"));
        }
    }
    (reads, versions)
}

#[test]
fn sigkill_leaves_a_whole_file_or_none() {
    for qemu in qemus(Mode::User) {
        for _ in 0..20 {
            let run = riscv64(&qemu, "execer", &["loop"]).plugin("json=a.json,out=a.txt");
            let file = run.directory().join("a.json");
            let finished = thread::scope(|scope| {
                scope.spawn(|| kill_who_wrote(&file));
                run.finish().expect_signal(9)
            });
            Profile::of(&finished, "a.json");
            finished.parse(&finished.file("a.txt").expect("a table"));
        }
    }
}

/// Waits for the file, and kills the process that it names, which is about to replace it.
fn kill_who_wrote(file: &Path) {
    let text = loop {
        match fs::read_to_string(file) {
            Ok(text) => break text,
            Err(_) => thread::yield_now(),
        }
    };
    let process = Profile::parse(&text).expect("a whole file").qemu.process_id;
    tools::run(tool("coreutils", "sh").args(["-c", &format!("kill -9 {process}")]));
}
