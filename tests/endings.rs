//! Every way in which a program or a machine ends, and what a guest can do to the report on the way: one
//! report of each process arrives, and the guest ends as it would without the plugin.
//!
//! What depends on timing is run many times; a failure says how many of how many went well.

mod common;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use common::artifacts::{Arch, Mode, Qemu, bare_guest, guest, qemus};
use common::differential::{Expect, compare};
use common::launch::{End, Ended, Launch, Tally, check, kill, nobody_left};
use common::process::{Finished, Run};
use common::report::{Report, is_of_threads, only_report, report_count, reports};

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGILL: i32 = 4;
const SIGABRT: i32 = 6;
const SIGUSR1: i32 = 10;
const SIGSEGV: i32 = 11;
const SIGPIPE: i32 = 13;
const SIGTERM: i32 = 15;

/// Data accesses of the work that each of the guests does first, and again after a fork: 20,000 loads and
/// as many stores.
const WORK: u64 = 40_000;

/// A run that ended as it should, with this on the guest's standard output and one report, and nothing
/// else, on standard error; the report.
fn one_report(finished: &Finished, end: End, stdout: &str) -> Result<Report, String> {
    let described = |problem: String| format!("{problem}\n{}", finished.describe());
    end.check(finished.status).map_err(described)?;
    check(finished.stdout == stdout, || "not what the guest should print".to_owned())
        .map_err(described)?;
    only_report(&finished.stderr).map_err(described)
}

/// The reports in all files of a run's directory.
fn reports_in_files(finished: &Finished) -> Result<Vec<Report>, String> {
    let names = finished.files();
    let texts = names.iter().map(|name| finished.file(name).unwrap_or_default());
    texts
        .map(|text| Report::parse(&text))
        .collect::<Result<_, _>>()
        .map_err(|problem| format!("{problem} in one of {names:?}\n{}", finished.describe()))
}

fn riscv64(qemu: &Qemu, name: &str, args: &[&str]) -> Run {
    qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, name)).guest_args(args)
}

// Exits while others run.

#[test]
fn six_threads_in_hot_loops_do_not_lose_the_report_of_an_exit() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        for way in ["_exit", "exit", "thread"] {
            let what = format!("QEMU {}, {way}", qemu.version());
            let stdout = format!("hotexit: ok 6 threads, {way}\n");
            tally.rounds(&what, 20, || {
                let run = riscv64(&qemu, "hotexit", &["20", "42", way]).plugin("limit=2");
                one_report(&run.finish(), End::Status(42), &stdout).map(drop)
            });
        }
    }
    tally.finish();
}

#[test]
fn four_running_harts_do_not_lose_the_report_of_a_semihosting_exit() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::System) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 20, || {
            let run = qemu.bare(&bare_guest("semihost"), 4).qemu_args(["-semihosting"]);
            let finished = run.plugin("limit=2").finish();
            let report = one_report(&finished, End::Status(0), "semihost: ok harts=4\n")?;
            check(report.cores.len() == 5, || finished.describe())
        });
    }
    tally.finish();
}

#[test]
fn a_machine_that_the_monitor_quits_reports_once() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::System) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 20, || {
            let ended = Launch::forever(&qemu, "limit=2", 4).when_ready(|_, stdin, _| {
                // With -nographic, Ctrl-A C is the way from the serial line to the monitor.
                stdin.write_all(b"\x01cquit\n").expect("QEMU reads its standard input");
            });
            End::Status(0).check(ended.status)?;
            let report = Report::parse(&ended.stderr)
                .map_err(|problem| format!("{problem}\n{}", ended.describe()))?;
            check(report.sum().fetch.accesses > 0, || ended.describe())
        });
    }
    tally.finish();
}

#[test]
fn a_machine_that_a_signal_stops_reports_once() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::System) {
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            let what = format!("QEMU {}, signal {signal}", qemu.version());
            tally.rounds(&what, if signal == SIGTERM { 20 } else { 5 }, || {
                let ended = Launch::forever(&qemu, "limit=2", 4).signalled(signal);
                ended.ends(End::Status(0), "ready\n")?;
                // QEMU says which signal it was.
                let (_, report) = ended.stderr.split_once('\n').unwrap_or_default();
                let report = Report::parse(report)
                    .map_err(|problem| format!("{problem}\n{}", ended.describe()))?;
                check(report.sum().fetch.accesses > 0, || ended.describe())
            });
        }
    }
    tally.finish();
}

// Signals to a program.

/// `rounds` runs of `spin` for each of 1 and 6 threads, each signal sent when it is ready.
fn spin(mode: &str, signals: &[i32], rounds: usize, end: impl Fn(i32) -> End, printed: &str) {
    let mut tally = Tally::default();
    let stdout = format!("ready\n{printed}");
    for qemu in qemus(Mode::User) {
        for threads in ["1", "6"] {
            for &signal in signals {
                let what = format!("QEMU {}, {threads} threads, signal {signal}", qemu.version());
                tally.rounds(&what, rounds, || {
                    let launch = Launch::user(&qemu, "limit=2", "spin", &[mode, threads]);
                    let ended = launch.signalled(signal);
                    let report = ended.one_report(end(signal), &stdout)?;
                    check(report.sum().data.accesses > 4096, || ended.describe())
                });
            }
        }
    }
    tally.finish();
}

#[test]
fn a_signal_at_its_default_action_kills_and_the_report_arrives() {
    spin("default", &[SIGTERM, SIGINT, SIGHUP], 20, End::Signal, "");
}

#[test]
fn a_signal_whose_default_action_is_back_kills_and_the_report_arrives() {
    spin("reset", &[SIGTERM, SIGINT, SIGHUP], 5, End::Signal, "");
}

#[test]
fn a_guest_that_handles_a_signal_does_so_and_is_reported() {
    spin("handle", &[SIGTERM, SIGINT], 5, |_| End::Status(7), "handled\n");
}

#[test]
fn a_guest_that_ignores_a_signal_goes_on_and_is_reported() {
    spin("ignore", &[SIGTERM, SIGINT], 2, |_| End::Status(0), "spin: ok ignore\n");
}

#[test]
fn a_guest_that_blocks_a_signal_goes_on_and_is_reported() {
    spin("blocked", &[SIGTERM, SIGINT], 2, |_| End::Status(0), "spin: ok blocked\n");
}

#[test]
fn a_signal_that_is_unblocked_kills_and_the_report_arrives() {
    spin("unblock", &[SIGTERM, SIGINT], 2, End::Signal, "");
}

#[test]
fn a_program_that_raises_a_fatal_signal_is_reported_on_every_qemu() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for (how, signal) in [("abort", SIGABRT), ("segv", SIGSEGV), ("illegal", SIGILL)] {
                let what = format!("QEMU {}, {arch}, {how}", qemu.version());
                tally.rounds(&what, 5, || {
                    let run = qemu.user(arch, &guest(arch, "aborter")).guest_args([how]);
                    let finished = run.plugin("limit=2,out=report.txt").finish();
                    let described = |problem| format!("{problem}\n{}", finished.describe());
                    End::Signal(signal).check(finished.status).map_err(described)?;
                    check(finished.stdout == format!("aborter: {how}\n"), || finished.describe())?;
                    // QEMU has a word of its own on standard error.
                    check(report_count(&finished.stderr) == 0, || finished.describe())?;
                    let report = finished.file("report.txt").ok_or_else(|| finished.describe())?;
                    let report = Report::parse(&report).map_err(described)?;
                    check(report.sum().data.accesses > WORK, || finished.describe())
                });
            }
        }
    }
    tally.finish();
}

#[test]
fn a_program_that_dies_of_a_quiet_signal_of_its_own_is_reported_and_does_nothing_more() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        for (how, signal) in [("pipe", SIGPIPE), ("term", SIGTERM), ("usr1", SIGUSR1)] {
            let what = format!("QEMU {}, {how}", qemu.version());
            tally.rounds(&what, 20, || {
                let ended = Launch::user(&qemu, "limit=2", "aborter", &[how]).finish();
                let report = ended.one_report(End::Signal(signal), &format!("aborter: {how}\n"))?;
                check(report.sum().data.accesses > WORK, || ended.describe())
            });
        }
    }
    tally.finish();
}

// Forks.

/// Runs `forker` once; the reports of all processes, fewest data accesses first.
fn forked(qemu: &Qemu, shape: &str, children: usize) -> Result<Vec<Report>, String> {
    let run = riscv64(qemu, "forker", &[shape, &children.to_string()]);
    let finished = run.plugin("limit=2,out=%p.txt").finish();
    End::Status(0)
        .check(finished.status)
        .map_err(|problem| format!("{problem}\n{}", finished.describe()))?;
    check(finished.stdout.ends_with(&format!("forker: ok {shape} {children}\n")), || {
        finished.describe()
    })?;
    check(finished.stderr.lines().all(is_of_threads), || finished.describe())?;
    let mut reports = reports_in_files(&finished)?;
    check(reports.len() == children + 1, || {
        format!("{} reports in {:?}", reports.len(), finished.files())
    })?;
    reports.sort_by_key(|report| report.sum().data.accesses);
    Ok(reports)
}

/// Whether two processes differ by `times` pieces of work, give or take what the C library does.
fn apart(first: &Report, second: &Report, times: u64) -> Result<(), String> {
    let difference = second.sum().data.accesses.abs_diff(first.sum().data.accesses);
    check(difference.abs_diff(times * WORK) < WORK / 4, || {
        format!("not {times} pieces of work apart:\n{}\n{}", first.table, second.table)
    })
}

#[test]
fn parent_and_children_count_on_from_their_common_past() {
    const CHILDREN: usize = 3;
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}, row", qemu.version()), 20, || {
            let reports = forked(&qemu, "row", CHILDREN)?;
            check(reports[0].sum().data.accesses > WORK, || reports[0].table.clone())?;
            // Each child has the work of its parent before it; the parent ends with as much as the last.
            apart(&reports[0], &reports[1], 1)?;
            apart(&reports[1], &reports[2], 1)?;
            apart(&reports[2], &reports[3], 0)
        });
        tally.rounds(&format!("QEMU {}, nested", qemu.version()), 20, || {
            let reports = forked(&qemu, "nested", CHILDREN)?;
            check(reports[0].sum().data.accesses > WORK, || reports[0].table.clone())?;
            // Each has what its ancestors did as children and, but for the last, its own as a parent.
            apart(&reports[0], &reports[1], 1)?;
            apart(&reports[1], &reports[2], 1)?;
            apart(&reports[2], &reports[3], 0)
        });
    }
    tally.finish();
}

#[test]
fn children_of_a_program_with_running_threads_report() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 20, || {
            forked(&qemu, "threads", 4).map(drop)
        });
    }
    tally.finish();
}

/// A lock of QEMU's that a thread holds for a moment was held for good in the child, whose end waits for
/// it: about one child in a hundred never ended under QEMU 10.2.
#[test]
fn children_forked_while_threads_leave_translated_code_end() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 5, || {
            forked(&qemu, "calls", 100).map(drop)
        });
    }
    tally.finish();
}

#[test]
fn children_that_are_killed_report() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 20, || {
            let reports = forked(&qemu, "killed", 4)?;
            // The parent itself does no work.
            let children = reports.iter().filter(|report| report.sum().data.accesses > WORK);
            check(children.count() == 4, || "a child without its work".to_owned())
        });
    }
    tally.finish();
}

// Programs that are replaced.

#[test]
fn a_program_that_is_replaced_is_reported_and_its_successor_untouched() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 20, || {
            let args = ["ok", "/bin/sh", "-c", "echo new; echo aside >&2; exit 5"];
            let mut finished = riscv64(&qemu, "execer", &args).plugin("limit=2").finish();
            nobody_left(finished.pid)?;
            check(finished.stderr.contains("aside\n"), || finished.describe())?;
            // Which of the two comes first is up to the host.
            finished.stderr = finished.stderr.replacen("aside\n", "", 1);
            let report = one_report(&finished, End::Status(5), "new\n")?;
            check(report.sum().data.accesses > WORK, || finished.describe())
        });
    }
    tally.finish();
}

#[test]
fn the_report_of_a_program_that_is_replaced_goes_where_it_should() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        let replaced = || riscv64(&qemu, "execer", &["ok", "/bin/sh", "-c", "exit 5"]);
        tally.rounds(&format!("QEMU {}, file", qemu.version()), 20, || {
            let finished = replaced().plugin("limit=2,out=report.txt").finish();
            End::Status(5).check(finished.status)?;
            let report = finished.file("report.txt").ok_or_else(|| finished.describe())?;
            let report = Report::parse(&report)?;
            check(report.sum().data.accesses > WORK, || finished.describe())?;
            check(finished.stderr.is_empty(), || finished.describe())
        });
        tally.rounds(&format!("QEMU {}, log", qemu.version()), 5, || {
            let finished = replaced().plugin("limit=2").log_plugins().finish();
            End::Status(5).check(finished.status)?;
            nobody_left(finished.pid)?;
            only_report(&finished.log())?;
            check(finished.stderr.is_empty(), || finished.describe())
        });
        tally.rounds(&format!("QEMU {}, standard error closed", qemu.version()), 5, || {
            let args = ["closed", "/bin/sh", "-c", "exit 5"];
            let finished = riscv64(&qemu, "execer", &args).plugin("limit=2").finish();
            nobody_left(finished.pid)?;
            one_report(&finished, End::Status(5), "").map(drop)
        });
    }
    tally.finish();
}

#[test]
fn a_program_in_which_several_threads_call_execve_is_reported_once() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        for option in ["limit=2", "limit=2,by=function"] {
            tally.rounds(&format!("QEMU {}, {option}", qemu.version()), 10, || {
                let args = ["threads", "/bin/sh", "-c", "echo new; exit 5"];
                let finished = riscv64(&qemu, "execer", &args).plugin(option).finish();
                nobody_left(finished.pid)?;
                End::Status(5).check(finished.status).map_err(|_| finished.describe())?;
                check(report_count(&finished.stderr) == 1, || finished.describe())
            });
        }
    }
    tally.finish();
}

#[test]
fn calls_of_execve_that_fail_change_no_count_and_leave_nothing() {
    for qemu in qemus(Mode::User) {
        // The guest checks its descriptors and children itself.
        let run = || riscv64(&qemu, "execer", &["fail", "100"]);
        let (finished, _) = compare(&qemu, run(), "", Expect::TableAndRows);
        assert_eq!(finished.stdout, "execer: ok 100 failed\n");
        // To a file the report is written at each call; to standard error a process waits with it.
        let options = "limit=1000000";
        let finished =
            run().load(&qemu.reference(), options).plugin("out=stderr,limit=1000000").log_plugins();
        let finished = finished.succeed();
        nobody_left(finished.pid).unwrap_or_else(|left| panic!("{left}"));
        assert_eq!(finished.stdout, "execer: ok 100 failed\n");
        let (ours, reference) = (&finished.stderr, finished.log());
        assert_eq!(finished.parse(ours).table, finished.parse(&reference).table);
        assert_eq!(finished.files(), ["qemu.log"]);
    }
}

/// Both the signal and the call want the report written.
#[test]
fn a_signal_amid_calls_of_execve_is_reported_once() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 20, || {
            let ended = Launch::user(&qemu, "limit=2", "execer", &["loop"]).signalled(SIGTERM);
            ended.one_report(End::Signal(SIGTERM), "ready\n").map(drop)
        });
    }
    tally.finish();
}

#[test]
fn a_search_of_the_path_that_ends_well_reports_once() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 20, || {
            let path = "/n/1:/n/2:/n/3:/n/4:/n/5:/n/6:/n/7:/n/8:/n/9:/usr/bin:/bin";
            let run = riscv64(&qemu, "execer", &["search", "sh", "-c", "exit 4"]);
            let finished = run.env("PATH", path).plugin("limit=2").finish();
            nobody_left(finished.pid)?;
            one_report(&finished, End::Status(4), "").map(drop)
        });
    }
    tally.finish();
}

#[test]
fn a_child_that_is_replaced_and_its_parent_report_once_each() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        for how in ["fork", "vfork", "spawn"] {
            let run = || riscv64(&qemu, "execer", &[how, "/bin/sh", "-c", "echo new; exit 9"]);
            tally.rounds(&format!("QEMU {}, {how}", qemu.version()), 10, || {
                let finished = run().plugin("limit=2").finish();
                nobody_left(finished.pid)?;
                End::Status(9).check(finished.status).map_err(|_| finished.describe())?;
                check(finished.stdout == "new\n", || finished.describe())?;
                let both = reports(&finished.stderr)?;
                check(both.len() == 2, || finished.describe())
            });
            tally.rounds(&format!("QEMU {}, {how}, files", qemu.version()), 10, || {
                let finished = run().plugin("limit=2,out=%p.txt").finish();
                End::Status(9).check(finished.status).map_err(|_| finished.describe())?;
                check(finished.stderr.lines().all(is_of_threads), || finished.describe())?;
                let both = reports_in_files(&finished)?;
                check(both.len() == 2, || format!("{:?}", finished.files()))
            });
        }
        for how in ["fork", "vfork"] {
            tally.rounds(&format!("QEMU {}, {how} in vain", qemu.version()), 10, || {
                let run = riscv64(&qemu, "execer", &[how, "/nonexistent/program"]);
                let finished = run.plugin("limit=2").finish();
                nobody_left(finished.pid)?;
                End::Status(127).check(finished.status).map_err(|_| finished.describe())?;
                let both = reports(&finished.stderr)?;
                check(both.len() == 2, || finished.describe())
            });
        }
    }
    tally.finish();
}

// Many, and for long.

#[test]
fn two_thousand_threads_come_and_go_and_need_no_memory_of_ours() {
    for qemu in qemus(Mode::User) {
        // QEMU itself needs some for each thread, for good.
        let plain = growth("200", "2000", |threads| {
            Launch::plain(&qemu, "qemu-riscv64").guest("threads", &[threads, "16"]).finish()
        });
        for cores in ["cores=1", "cores=4"] {
            let ours = growth("200", "2000", |threads| {
                let options = format!("limit=2,{cores}");
                let ended = Launch::user(&qemu, &options, "threads", &[threads, "16"]).finish();
                let report = only_report(&ended.stderr);
                let report = report.unwrap_or_else(|e| panic!("{e}: {}", ended.describe()));
                // Every thread loads and stores 4,096 words in each of 4 laps.
                let least = threads.parse::<u64>().expect("a number") * 4 * 4096 * 2;
                assert!(report.sum().data.accesses > least, "{}", ended.describe());
                ended
            });
            check_growth(&format!("QEMU {}, {cores}", qemu.version()), ours, plain);
        }
    }
}

#[test]
fn sixty_four_vcpus_report_as_many_cores() {
    for qemu in qemus(Mode::System) {
        let ended = Launch::forever(&qemu, "limit=2", 64).signalled(SIGTERM);
        ended.ends(End::Status(0), "ready\n").unwrap_or_else(|problem| panic!("{problem}"));
        let (_, report) = ended.stderr.split_once('\n').expect("QEMU's word and the report");
        let report = Report::parse(report).unwrap_or_else(|e| panic!("{e}: {}", ended.describe()));
        assert_eq!(report.cores.len(), 65, "{}", ended.describe());

        let finished = qemu.bare(&bare_guest("matrix"), 64).plugin("limit=2").succeed();
        assert_eq!(finished.stdout, "matrix: ok harts=8\n");
        let report = finished.parse(&finished.stderr);
        assert_eq!(report.cores.len(), 65, "{}", finished.describe());
        // The others sleep, but each has come that far.
        assert!(report.cores.iter().all(|core| core.fetch.accesses > 0), "{}", finished.describe());
    }
}

/// By how many KiB the peak of a run of `long` is above that of a run of `short`.
fn growth(short: &str, long: &str, run: impl Fn(&str) -> Ended) -> u64 {
    let [short, long] = [short, long].map(|rounds| {
        let ended = run(rounds);
        assert_eq!(ended.status.code(), Some(0), "{}", ended.describe());
        assert!(ended.stdout.contains(rounds), "{}", ended.describe());
        assert!(ended.peak_kib > 8 << 10, "{} KiB are no QEMU", ended.peak_kib);
        ended.peak_kib
    });
    long.saturating_sub(short)
}

/// That we need no more than a few MiB more when the run is ten times as long, beside `others`.
fn check_growth(what: &str, ours: u64, others: u64) {
    println!("{what}: {ours} KiB more, without libcache {others} KiB");
    assert!(ours < others + (6 << 10), "{what}: {ours} KiB more, without libcache {others} KiB");
}

// All code that these two guests write has been there once after 3,072 rounds. QEMU keeps what it translated
// until its buffer is full.

#[test]
fn code_that_is_written_again_and_again_needs_no_more_memory_than_under_the_reference() {
    for qemu in qemus(Mode::User) {
        let ours = growth("4000", "40000", |rounds| {
            Launch::user(&qemu, "limit=2", "smc", &[rounds]).finish()
        });
        let reference = growth("4000", "40000", |rounds| {
            let launch = Launch::plain(&qemu, "qemu-riscv64").load(&qemu.reference(), "limit=2");
            launch.guest("smc", &[rounds]).finish()
        });
        check_growth(&format!("QEMU {}", qemu.version()), ours, reference);
    }
}

#[test]
fn code_that_is_written_again_and_again_on_bare_metal_needs_no_more_memory() {
    for qemu in qemus(Mode::System) {
        let ours = growth("10000", "100000", |rounds| {
            let device = format!("loader,addr=0x80500000,data={rounds},data-len=4");
            let launch = Launch::bare(&qemu, "limit=2", "jit");
            launch.args(&["-device", &device, "-accel", "tcg,tb-size=2"]).finish()
        });
        check_growth(&format!("QEMU {}", qemu.version()), ours, 0);
    }
}

// Outputs that fail.

#[test]
fn a_directory_that_goes_away_does_not_take_the_report_along() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 3, || {
            let launch = Launch::user(&qemu, "limit=2,out=gone/report.txt", "spin", &["handle"]);
            fs::create_dir(launch.directory.path().join("gone")).expect("a directory");
            let ended = launch.when_ready(|pid, _, directory| {
                fs::remove_dir(directory.join("gone")).expect("it is empty");
                kill(SIGTERM, &pid.to_string());
            });
            ended.ends(End::Status(7), "ready\nhandled\n")?;
            let path = ended.directory.path().join("gone/report.txt");
            ended.complaint_and_report(&format!("cache: out={}: ", path.display()))
        });
    }
    for qemu in qemus(Mode::System) {
        tally.rounds(&format!("QEMU {}, machine", qemu.version()), 3, || {
            let launch = Launch::forever(&qemu, "limit=2,out=gone/report.txt", 2);
            fs::create_dir(launch.directory.path().join("gone")).expect("a directory");
            let mut ended = launch.when_ready(|pid, _, directory| {
                fs::remove_dir(directory.join("gone")).expect("it is empty");
                kill(SIGTERM, &pid.to_string());
            });
            ended.ends(End::Status(0), "ready\n")?;
            // QEMU says which signal it was.
            let (_, rest) = ended.stderr.split_once('\n').unwrap_or_default();
            ended.stderr = rest.to_owned();
            let path = ended.directory.path().join("gone/report.txt");
            ended.complaint_and_report(&format!("cache: out={}: ", path.display()))
        });
    }
    tally.finish();
}

#[test]
fn a_file_that_nobody_may_write_any_more_does_not_take_the_report_along() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 3, || {
            let launch = Launch::user(&qemu, "limit=2,out=report.txt", "spin", &["default"]);
            // Root may write any file, but no directory.
            let ended = launch.when_ready(|pid, _, directory| {
                fs::create_dir(directory.join("report.txt")).expect("a directory");
                kill(SIGTERM, &pid.to_string());
            });
            ended.ends(End::Signal(SIGTERM), "ready\n")?;
            let path = ended.directory.path().join("report.txt");
            ended.complaint_and_report(&format!("cache: out={}: ", path.display()))
        });
    }
    tally.finish();
}

#[test]
fn a_program_that_is_replaced_is_reported_where_its_file_cannot_be_written() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 3, || {
            let args = ["ok", "/bin/sh", "-c", "exit 5"];
            let ended = Launch::user(&qemu, "limit=2,out=/dev/full", "execer", &args).finish();
            ended.ends(End::Status(5), "")?;
            ended.complaint_and_report("cache: out=/dev/full: ")
        });
    }
    tally.finish();
}

#[test]
fn a_pipe_whose_reader_has_gone_is_no_signal_of_the_guests() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        // The guest goes on after the calls that fail, so a signal would reach it.
        let shell = r#"exec 9> >(exec true); sleep 0.2; exec "$@""#;
        for option in ["json", "out"] {
            tally.rounds(&format!("QEMU {}, {option}", qemu.version()), 3, || {
                let options = format!("limit=2,{option}=/dev/fd/9");
                let launch = Launch::user(&qemu, &options, "execer", &["fail", "3"]).shell(shell);
                let ended = launch.finish();
                ended.ends(End::Status(0), "execer: ok 3 failed\n")?;
                check(report_count(&ended.stderr) == 1, || ended.describe())
            });
        }
    }
    tally.finish();
}

#[test]
fn a_limit_of_the_size_of_files_is_no_signal_of_the_guests() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 3, || {
            let launch = Launch::user(&qemu, "limit=2,json=report.json", "execer", &["fail", "3"]);
            let ended = launch.shell(r#"ulimit -f 1; exec "$@""#).finish();
            ended.ends(End::Status(0), "execer: ok 3 failed\n")?;
            check(report_count(&ended.stderr) == 1, || ended.describe())?;
            let left = fs::read_dir(ended.directory.path()).map_or(0, Iterator::count);
            check(left == 0, || format!("{left} files are left"))
        });
    }
    tally.finish();
}

#[test]
fn a_file_that_is_standard_output_keeps_what_the_guest_has_written() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        for option in ["out=/dev/stdout", "out=printed"] {
            tally.rounds(&format!("QEMU {}, {option}", qemu.version()), 3, || {
                let options = format!("limit=2,{option}");
                let launch = Launch::user(&qemu, &options, "execer", &["fail", "3"]);
                let ended = launch.shell(r#"exec "$@" > printed"#).finish();
                ended.ends(End::Status(0), "")?;
                let printed = fs::read_to_string(ended.directory.path().join("printed"));
                let printed = printed.map_err(|error| error.to_string())?;
                let report = printed.replacen("execer: ok 3 failed\n", "", 1);
                check(report != printed, || format!("the guest's line is missing:\n{printed}"))?;
                Report::parse(&report).map(drop)
            });
        }
    }
    tally.finish();
}

#[test]
fn a_line_of_progress_that_nobody_reads_does_not_keep_the_report() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 1, || {
            // Standard error is a pipe that is full.
            let shell = r#"exec 2> >(exec sleep 20 >/dev/null 2>&1)
                head -c 65536 /dev/zero >&2
                exec "$@""#;
            let options = "limit=2,progress=1,out=report.txt";
            let launch = Launch::user(&qemu, options, "spin", &["default"]).shell(shell);
            let start = Instant::now();
            let ended = launch.when_ready(|pid, _, _| {
                thread::sleep(Duration::from_secs(3));
                kill(SIGTERM, &pid.to_string());
            });
            ended.ends(End::Signal(SIGTERM), "ready\n")?;
            check(start.elapsed() < Duration::from_secs(15), || "waited for a reader".to_owned())?;
            let report = fs::read_to_string(ended.directory.path().join("report.txt"));
            Report::parse(&report.map_err(|error| error.to_string())?).map(drop)
        });
    }
    tally.finish();
}

/// Takes root's right to write everywhere.
const NO_RIGHTS: &str = r#"exec setpriv --bounding-set=-all --inh-caps=-all "$@""#;

#[test]
fn a_file_in_a_directory_that_may_not_be_written_is_written_if_it_is_there() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        tally.rounds(&format!("QEMU {}", qemu.version()), 3, || {
            let options = "limit=2,out=fixed/report.txt";
            let launch = Launch::user(&qemu, options, "execer", &["fail", "1"]);
            let fixed = launch.directory.path().join("fixed");
            fs::create_dir(&fixed).expect("a directory");
            fs::write(fixed.join("report.txt"), "old\n").expect("a file");
            fs::set_permissions(&fixed, Permissions::from_mode(0o555)).expect("it is ours");
            let ended = launch.shell(NO_RIGHTS).finish();
            ended.ends(End::Status(0), "execer: ok 1 failed\n")?;
            let report = fs::read_to_string(fixed.join("report.txt"));
            Report::parse(&report.map_err(|error| error.to_string())?).map(drop)
        });
    }
    tally.finish();
}

#[test]
fn a_file_that_cannot_be_made_is_known_before_the_program_runs() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        let too_long = "x".repeat(256);
        for name in ["fixed/report.json", &too_long] {
            tally.rounds(&format!("QEMU {}, {name}", qemu.version()), 1, || {
                let options = format!("json={name}");
                let launch = Launch::user(&qemu, &options, "execer", &["fail", "1"]);
                let fixed = launch.directory.path().join("fixed");
                fs::create_dir(&fixed).expect("a directory");
                fs::set_permissions(&fixed, Permissions::from_mode(0o555)).expect("it is ours");
                let ended = launch.shell(NO_RIGHTS).finish();
                ended.ends(End::Status(1), "")?;
                let complaint = format!("cache: json={name}: cannot be written: ");
                check(ended.stderr.starts_with(&complaint), || ended.describe())
            });
        }
    }
    tally.finish();
}

#[test]
fn without_a_standard_error_the_guest_ends_as_ever_and_a_file_is_written() {
    let mut tally = Tally::default();
    for qemu in qemus(Mode::User) {
        for (name, shell) in [
            ("closed", r#"exec "$@" 2>&-"#),
            ("full", r#"exec "$@" 2>/dev/full"#),
            ("without a reader", r#"exec 2> >(exec true); sleep 0.2; exec "$@""#),
        ] {
            let what = format!("QEMU {}, standard error {name}", qemu.version());
            let launch = |options: &str, guest: &str, args: &[&str]| {
                Launch::user(&qemu, options, guest, args).shell(shell).finish()
            };
            let exit = ["20", "42", "exit"];
            let stdout = "hotexit: ok 6 threads, exit\n";
            tally.rounds(&format!("{what}, out=auto"), 3, || {
                launch("limit=2", "hotexit", &exit).ends(End::Status(42), stdout)
            });
            tally.rounds(&format!("{what}, out=/dev/full"), 3, || {
                launch("limit=2,out=/dev/full", "hotexit", &exit).ends(End::Status(42), stdout)
            });
            tally.rounds(&format!("{what}, out=report.txt"), 3, || {
                let ended = launch("limit=2,out=report.txt", "hotexit", &exit);
                ended.ends(End::Status(42), stdout)?;
                let report = fs::read_to_string(ended.directory.path().join("report.txt"));
                Report::parse(&report.map_err(|error| error.to_string())?).map(drop)
            });
            tally.rounds(&format!("{what}, killed"), 3, || {
                let launch = Launch::user(&qemu, "limit=2", "spin", &["default"]).shell(shell);
                launch.signalled(SIGTERM).ends(End::Signal(SIGTERM), "ready\n")
            });
            tally.rounds(&format!("{what}, replaced"), 3, || {
                launch("limit=2", "execer", &["ok", "/bin/sh", "-c", "exit 5"])
                    .ends(End::Status(5), "")
            });
        }
    }
    tally.finish();
}
