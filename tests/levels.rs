//! Programs and machines under several levels: what reaches a level is what missed the one before it, what is
//! asked for beside changes no number, and the options do to the levels what they say.

mod common;

use std::collections::BTreeSet;

use cachesim::policy::PolicyKind;
use common::artifacts::{Arch, Mode, Qemu, assembled, bare_guest, guest, newest, qemus};
use common::process::{Finished, Run};
use common::profile::Profile;
use common::report::{CoreRow, Counts, Report, is_of_threads};

/// Small enough that every level misses, and of no more sets than a page has lines: QEMU 10.2 gives a program
/// other pages in each run.
const L2: &str = "l2cachesize=32K,l2assoc=8";
const L3: &str = "l2cachesize=32K,l2assoc=8,l3cachesize=128K,l3assoc=32";

const LINE: u64 = 64;

fn riscv64(qemu: &Qemu, name: &str, args: &[&str]) -> Run {
    qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, name)).guest_args(args)
}

/// Pointers chased and numbers sorted: misses of each kind, in each level.
fn list(qemu: &Qemu) -> Run {
    riscv64(qemu, "list", &["2000", "3"])
}

/// The run to its end with all rows; the report, which has to be consistent and all that there is to say.
fn report(run: Run, options: &str) -> Report {
    checked(run, options).1
}

fn checked(run: Run, options: &str) -> (Finished, Report) {
    let finished = run.plugin_to_file(&with_all_rows(options)).succeed();
    let says_more = |line: &str| !is_of_threads(line);
    assert!(!finished.stderr.lines().any(says_more), "{}", finished.describe());
    let report = finished.plugin_report();
    report.check_order();
    report.check_sums();
    check_levels(&report);
    (finished, report)
}

/// As many characters whatever the options: the command line may be in the guest's memory.
fn with_all_rows(options: &str) -> String {
    let zeros = 240_usize.checked_sub(options.len()).expect("no more options");
    format!("{options},limit={:0>zeros$}", 1_000_000)
}

/// Checks that what missed a level is what the next was asked for, by core and by kind.
fn check_levels(report: &Report) {
    for row in &report.cores {
        if let Some(l2) = row.l2 {
            assert_eq!(l2.accesses, row.data.misses + row.fetch.misses, "{row:?}");
        }
        if let Some((l2, l3)) = row.l2.zip(row.l3) {
            assert_eq!(l3.accesses, l2.misses, "{row:?}");
        }
        if report.directions.is_some() {
            check_directions(report, row);
        }
    }
}

fn check_directions(report: &Report, row: &CoreRow) {
    let of = |cache, kind| report.direction(&row.label, cache, kind);
    let Some(_) = row.l2 else { return };
    assert_eq!(of("L2", "fetches").accesses, row.fetch.misses, "{row:?}");
    for kind in ["reads", "writes"] {
        assert_eq!(of("L2", kind).accesses, of("L1d", kind).misses, "{kind} {row:?}");
    }
    let Some(_) = row.l3 else { return };
    for kind in ["fetches", "reads", "writes"] {
        assert_eq!(of("L3", kind).accesses, of("L2", kind).misses, "{kind} {row:?}");
    }
}

// What is asked for beside.

#[test]
fn what_is_counted_and_written_beside_changes_no_number() {
    for qemu in qemus(Mode::User) {
        for levels in [L2, L3] {
            let plain = report(list(&qemu), levels);
            for options in [
                "rw=on",
                "summary=on",
                "profile=on",
                "json=a.json",
                "csv=a.csv,callgrind=a.callgrind,cachegrind=a.cachegrind",
                "html=a.html",
                "rw=on,summary=on,profile=on,json=a.json,html=a.html",
            ] {
                let asked = report(list(&qemu), &format!("{levels},{options}"));
                assert_eq!(asked.table, plain.table, "{options}");
                let lists = |report: Report| [report.data, report.fetch, report.l2, report.l3];
                assert!(lists(asked) == lists(plain.clone()), "{options}: other rows");
            }
        }
    }
}

#[test]
fn misses_of_instructions_add_up_to_those_of_every_level() {
    for qemu in qemus(Mode::User) {
        for options in [L2, L3, &format!("{L3},l2split=on"), &format!("{L3},cores=2,dwrite=back")] {
            for guest in [&["list", "2000", "3"], &["threads", "12", "4"]] {
                let run = || riscv64(&qemu, guest[0], &guest[1..]);
                let (finished, table) =
                    checked(run(), &format!("{options},profile=on,json=a.json"));
                Profile::of(&finished, "a.json").check_sums(&table);
                let (finished, table) = checked(run(), &format!("{options},json=a.json"));
                Profile::of(&finished, "a.json").check_sums_of_misses(&table);
            }
        }
    }
}

#[test]
fn fetches_reads_and_writes_that_miss_reach_the_next_level_as_such() {
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for options in [L2, L3, &format!("{L3},l2split=on"), &format!("{L3},straddle=split")] {
                for (name, args) in [("list", ["500", "2"].as_slice()), ("atomics", &["2"])] {
                    let run = qemu.user(arch, &guest(arch, name)).guest_args(args);
                    let report = report(run, &format!("{options},rw=on"));
                    let l1 = |kind| report.direction("0", "L1d", kind);
                    assert!(l1("reads").misses > 0 && l1("writes").misses > 0, "{}", report.table);
                }
            }
        }
    }
}

// Writes.

/// Checks what writing back and through means for the levels of one core that are not exclusive: what is
/// written to each is what left the one above, and memory's bytes are the lines of the last.
fn check_writes(report: &Report, options: &str) {
    let what = |what| report.traffic("0", what);
    let of = |cache, kind| report.direction("0", cache, kind);
    let stores = of("L1d", "writes");
    let (through, allocates) = (options.contains("through"), !options.contains("dalloc=off"));
    let passed_on = match (through, allocates) {
        (true, _) => stores.accesses,
        (false, true) => 0,
        (false, false) => stores.misses,
    };
    assert_eq!(what("stores passed on"), passed_on, "{options}");
    // A store that misses and does not allocate is one of the next level's writes already.
    let apart = if allocates { passed_on } else { passed_on - stores.misses };
    assert_eq!(of("L2", "written").accesses, what("write-backs of L1d") + apart, "{options}");
    if through {
        assert_eq!(what("write-backs of L1d"), 0, "{options}");
    } else {
        assert!(what("write-backs of L1d") > 0, "{options}");
    }
    let l3 = report.core(0).l3.expect("three levels");
    let written = what("write-backs of L2") + of("L2", "written").misses;
    assert_eq!(of("L3", "written").accesses, written, "{options}");
    let lines = l3.misses + of("L3", "written").misses;
    assert_eq!(what("bytes from memory"), lines * LINE, "{options}");
    assert_eq!(what("bytes to memory"), what("write-backs of L3") * LINE, "{options}");
    assert!(what("write-backs of L2") > 0 && what("write-backs of L3") > 0, "{options}");
}

#[test]
fn what_is_written_to_a_level_is_what_left_the_one_above() {
    for qemu in qemus(Mode::User) {
        for options in [
            "dwrite=back",
            "dwrite=through",
            "dalloc=off",
            "dwrite=through,dalloc=off",
            "dwrite=back,l2split=on",
            "dwrite=back,inclusion=inclusive",
            "dwrite=back,straddle=split",
            "dwrite=back,evict=drrip,seed=5",
        ] {
            check_writes(&report(list(&qemu), &format!("{L3},rw=on,{options}")), options);
        }
    }
}

#[test]
fn writing_back_or_through_changes_nothing_in_the_first_level_but_not_to_allocate_does() {
    for qemu in qemus(Mode::User) {
        let of_first = |options: &str| {
            let report = report(list(&qemu), &format!("{L3},{options}"));
            (report.core(0).data, report.core(0).fetch)
        };
        let plain = of_first("dwrite=off");
        assert_eq!(of_first("dwrite=back"), plain);
        assert_eq!(of_first("dwrite=through"), plain);
        let (data, fetch) = of_first("dalloc=off");
        assert_eq!(fetch, plain.1);
        // Much is read that has just been written.
        assert!(data.accesses == plain.0.accesses && data.misses > plain.0.misses, "{data:?}");
    }
}

// What levels have in common.

#[test]
fn an_inclusive_level_takes_from_those_above_and_an_exclusive_one_adds_to_them() {
    for qemu in qemus(Mode::User) {
        let core = |options: &str| {
            let report = report(list(&qemu), &format!("{L3},{options}"));
            report.core(0).clone()
        };
        let nine = core("inclusion=nine");
        let inclusive = core("inclusion=inclusive");
        let exclusive = core("inclusion=exclusive");
        // Code that always hits is never seen below, and so leaves with the oldest there.
        assert!(inclusive.fetch.misses > nine.fetch.misses, "{inclusive:?} {nine:?}");
        assert!(inclusive.data.misses > nine.data.misses, "{inclusive:?} {nine:?}");
        assert_eq!((exclusive.data, exclusive.fetch), (nine.data, nine.fetch));
        let misses = |row: &CoreRow| row.l3.expect("three levels").misses;
        assert!(misses(&exclusive) < misses(&nine), "{exclusive:?} {nine:?}");
    }
}

/// As in Zen: what is fetched again leaves the L3, which so adds to the L2.
#[test]
fn an_exclusive_third_level_adds_to_an_inclusive_second_one() {
    for qemu in qemus(Mode::User) {
        let core = |options: &str| {
            let report = report(list(&qemu), &format!("{L3},l2inclusion=inclusive,{options}"));
            report.core(0).clone()
        };
        let (filled, victims) = (core("l3inclusion=nine"), core("l3inclusion=exclusive"));
        assert_eq!((victims.data, victims.fetch), (filled.data, filled.fetch));
        assert_eq!(victims.l2, filled.l2);
        let misses = |row: &CoreRow| row.l3.expect("three levels").misses;
        assert!(misses(&victims) < misses(&filled), "{victims:?} {filled:?}");
    }
}

#[test]
fn a_split_second_level_keeps_code_and_data_from_each_other() {
    for qemu in qemus(Mode::User) {
        let of = |options: &str| report(list(&qemu), &format!("{L2},rw=on,{options}"));
        let (one, split) = (of("l2split=off"), of("l2split=on"));
        let first = |report: &Report| (report.core(0).data, report.core(0).fetch);
        assert_eq!(first(&split), first(&one));
        let fetches = |report: &Report| report.direction("0", "L2", "fetches");
        assert_eq!(fetches(&split).accesses, fetches(&one).accesses);
        // Code alone fits.
        assert!(fetches(&split).misses < fetches(&one).misses, "{}\n{}", split.table, one.table);
    }
}

#[test]
fn accesses_longer_than_a_line_are_one_to_each_line_if_they_are_split() {
    for qemu in qemus(Mode::User) {
        let directory = tempfile::tempdir().expect("a directory for the guest");
        let program = assembled("strides", 0x10000, directory.path());
        // 8 laps of 16 rounds with a load and two stores of 8 bytes, to 18 places far from each other.
        for (options, data) in [
            ("dblksize=4,straddle=first", Counts { accesses: 384, misses: 18 }),
            ("dblksize=4,straddle=split", Counts { accesses: 768, misses: 36 }),
            ("dblksize=2,straddle=split", Counts { accesses: 1536, misses: 72 }),
            ("dblksize=8,straddle=split", Counts { accesses: 384, misses: 18 }),
        ] {
            let plugged = |options: &str| report(qemu.user(Arch::Riscv64, &program), options);
            let plain = plugged(options);
            assert_eq!(plain.core(0).data, data, "{options}");
            // Lines of the second level have all parts.
            let options = format!("{options},l2=on,l3=on,rw=on,profile=on");
            let levels = plugged(&options);
            assert_eq!((levels.core(0).data, levels.core(0).fetch), (data, plain.core(0).fetch));
            let reads = levels.direction("0", "L2", "reads");
            let writes = levels.direction("0", "L2", "writes");
            assert_eq!(reads.accesses + writes.accesses, data.misses, "{options}");
            assert_eq!((reads.misses, writes.misses), (16, 2), "{options}");
        }
    }
}

// Policies and presets.

#[test]
fn every_policy_runs_in_every_level_and_few_are_alike() {
    for qemu in qemus(Mode::User) {
        let mut seen = BTreeSet::new();
        for policy in PolicyKind::ALL.map(PolicyKind::name) {
            let options = format!("{L3},evict={policy}");
            let once = report(list(&qemu), &options);
            assert_eq!(
                report(list(&qemu), &options),
                once,
                "{policy}: another report with one seed"
            );
            let row = once.core(0);
            let misses = |level: Option<Counts>| level.expect("three levels").misses;
            seen.insert((row.data.misses, misses(row.l2), misses(row.l3)));
            report(list(&qemu), &format!("{options},inclusion=inclusive,dwrite=back,rw=on"));
            report(list(&qemu), &format!("{options},inclusion=exclusive,dwrite=back,rw=on"));
        }
        assert_eq!(seen.len(), PolicyKind::ALL.len(), "{seen:?}");
    }
}

#[test]
fn the_policy_of_one_level_changes_no_level_above() {
    for qemu in qemus(Mode::User) {
        let core = |options: &str| {
            let report = report(list(&qemu), &format!("{L3},{options}"));
            report.core(0).clone()
        };
        let lru = core("evict=lru");
        let of_l3 = core("l3evict=fifo");
        assert_eq!((of_l3.data, of_l3.fetch, of_l3.l2), (lru.data, lru.fetch, lru.l2));
        assert_ne!(of_l3.l3, lru.l3);
        let of_l2 = core("l2evict=fifo");
        assert_eq!((of_l2.data, of_l2.fetch), (lru.data, lru.fetch));
        assert_ne!(of_l2.l2, lru.l2);
        let of_data = core("devict=fifo");
        assert_eq!(of_data.fetch, lru.fetch);
        assert_ne!(of_data.data, lru.data);
        let of_code = core("ievict=rand");
        assert_eq!(of_code.data, lru.data);
        assert_ne!(of_code.fetch, lru.fetch);
    }
}

#[test]
fn every_preset_runs_and_says_nothing_but_its_report() {
    let qemu = newest(Mode::User);
    let listed = riscv64(&qemu, "matrix", &["8"]).plugin("cpu=list").succeed().stdout;
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .map(|line| line.split(' ').next().expect("a word"))
        .filter(|&name| name != "NAME")
        .collect();
    assert!(names.len() >= 14, "{listed}");
    let names: Vec<&str> = names.into_iter().chain(["host"]).collect();
    for qemu in qemus(Mode::User) {
        for name in &names {
            let options = format!("cpu={name},summary=on,rw=on");
            let report = report(riscv64(&qemu, "matrix", &["8"]), &options);
            let summary = report.summary.as_ref().expect("it was asked for");
            assert!(summary.stall_cycles > 0, "{name}");
            // One core, other sizes or none: as many accesses.
            assert!(report.core(0).data.accesses > 8 * 8 * 8 * 2, "{name}: {}", report.table);
        }
    }
}

// Threads, cores and processes.

#[test]
fn threads_lose_nothing_on_their_way_through_the_levels() {
    for qemu in qemus(Mode::User) {
        for cores in ["cores=1", "cores=2", "cores=3", "cores=8"] {
            for options in [
                L2.to_owned(),
                L3.to_owned(),
                format!("{L3},rw=on,dwrite=back,inclusion=inclusive"),
                format!("{L3},rw=on,dwrite=back,inclusion=exclusive,evict=srrip"),
                format!("{L3},l2split=on,profile=on,summary=on"),
            ] {
                let run = riscv64(&qemu, "threads", &["24", "6"]);
                let (finished, report) = checked(run, &format!("{options},{cores}"));
                assert!(finished.stdout.starts_with("threads: ok 24 "), "{}", finished.describe());
                // Every thread loads and stores 4,096 words in each of 4 laps.
                let least = 24 * 4 * 4096 * 2;
                assert!(report.sum().data.accesses > least, "{}", finished.describe());
            }
        }
    }
}

#[test]
fn four_vcpus_share_an_inclusive_third_level() {
    for qemu in qemus(Mode::System) {
        for options in ["rw=on", "rw=on,dwrite=back", "rw=on,cores=2", "rw=on,cores=1,evict=drrip"]
        {
            let run = qemu.bare(&bare_guest("vm"), 4);
            let options = format!("{L3},inclusion=inclusive,{options}");
            let finished = run.plugin_to_file(&with_all_rows(&options)).succeed();
            let report = finished.plugin_report();
            report.check_order();
            report.check_sums();
            check_levels(&report);
            for row in &report.cores {
                let l3 = row.l3.expect("three levels");
                assert!(l3.misses > 0 && l3.misses < l3.accesses, "{}", report.table);
            }
        }
    }
}

#[test]
fn what_one_core_has_fetched_others_find_in_the_third_level() {
    for qemu in qemus(Mode::System) {
        let fetches = |harts: u32| {
            let run = qemu.bare(&bare_guest("vm"), harts);
            let options = with_all_rows("l2cachesize=16K,l2assoc=4,l3=on,rw=on");
            let report = run.plugin_to_file(&options).succeed().plugin_report();
            check_levels(&report);
            let label = &report.sum().label;
            report.direction(label, "L3", "fetches")
        };
        // All harts run the same code, and nothing ever leaves a third level of this size.
        let (one, four) = (fetches(1), fetches(4));
        assert!(four.accesses >= 3 * one.accesses, "{one:?} {four:?}");
        assert!(four.misses < 2 * one.misses, "{one:?} {four:?}");
    }
}

#[test]
fn a_machine_that_ends_while_its_vcpus_share_a_third_level_reports_once() {
    for qemu in qemus(Mode::System) {
        for options in [
            "cores=4",
            "cores=4,inclusion=inclusive,dwrite=back,rw=on",
            "cores=4,l2inclusion=inclusive,l3inclusion=exclusive,dwrite=back,rw=on",
            "cores=2",
        ] {
            for _ in 0..3 {
                let finished = qemu
                    .bare(&bare_guest("semihost"), 4)
                    .qemu_args(["-semihosting"])
                    .plugin_to_file(&format!("{L3},{options}"))
                    .succeed();
                let report = finished.plugin_report();
                assert!(report.sum().fetch.accesses > 0, "{}", finished.describe());
            }
        }
    }
}

/// Not while threads make code be translated again: a child then hangs in QEMU now and then, under any
/// plugin, which at the end queues work for threads that the child does not have.
#[test]
fn forks_while_threads_use_a_shared_third_level_do_not_hang() {
    for qemu in qemus(Mode::User) {
        for options in ["cores=4", "cores=1", "cores=4,inclusion=inclusive,dwrite=back,rw=on"] {
            for _ in 0..3 {
                let finished = riscv64(&qemu, "forker", &["memory", "8"])
                    .plugin(&format!("{L3},{options},limit=5,out=%p.txt"))
                    .succeed();
                assert_eq!(finished.stdout, "forker: ok memory 8\n");
                assert_eq!(finished.files().len(), 9, "{:?}", finished.files());
                for file in finished.files() {
                    finished.parse(&finished.file(&file).expect("it is listed"));
                }
            }
        }
    }
}

#[test]
fn processes_made_and_replaced_report_all_levels() {
    for qemu in qemus(Mode::User) {
        for options in [L2.to_owned(), format!("{L3},cores=4"), format!("{L3},rw=on,dwrite=back")] {
            let options = format!("{options},limit=1000000,out=%p.txt");
            let run = riscv64(&qemu, "forker", &["row", "3"]).plugin(&options);
            let finished = run.succeed();
            assert_eq!(finished.files().len(), 4, "{:?}", finished.files());
            for file in finished.files() {
                let report = finished.parse(&finished.file(&file).expect("it is listed"));
                report.check_sums();
                check_levels(&report);
            }
            let run = riscv64(&qemu, "execer", &["fail", "10"]).plugin(&options);
            let finished = run.succeed();
            check_only_file(&finished);
            let run = riscv64(&qemu, "execer", &["ok", "/bin/sh", "-c", "exit 5"]);
            check_only_file(&run.plugin(&options).finish().expect_status(5));
        }
    }
}

fn check_only_file(finished: &Finished) {
    let [file] = &finished.files()[..] else { panic!("{:?}", finished.files()) };
    let report = finished.parse(&finished.file(file).expect("it is listed"));
    report.check_sums();
    check_levels(&report);
}

#[test]
fn threads_that_share_a_third_level_and_call_execve_report_once() {
    for qemu in qemus(Mode::User) {
        for options in ["cores=8", "cores=3,inclusion=exclusive,dwrite=back,rw=on"] {
            for _ in 0..3 {
                let finished = riscv64(&qemu, "execer", &["threads", "/bin/sh", "-c", "exit 5"])
                    .plugin(&format!("{L3},{options},limit=2"))
                    .finish()
                    .expect_status(5);
                finished.parse(&finished.stderr);
            }
        }
    }
}
