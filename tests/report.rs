//! The report: its layout, what is in it, and where it goes: exactly once, whatever the logging. How it
//! arrives whatever ends the guest is in `endings.rs`.

mod common;

use common::artifacts::{Arch, Mode, Qemu, assembled, bare_guest, guest, qemus};
use common::differential::{Expect, compare};
use common::process::{Finished, Run};
use common::report::report_count;

/// A short guest with a report of a few rows.
fn small(qemu: &Qemu) -> Run {
    qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "matrix")).guest_args(["8"])
}

/// A short machine.
fn small_machine(qemu: &Qemu) -> Run {
    qemu.bare(&bare_guest("jit"), 1)
}

/// `small` and `small_machine` on every QEMU that has the mode.
fn for_each_mode(test: impl Fn(Run)) {
    qemus(Mode::User).iter().map(small).for_each(&test);
    qemus(Mode::System).iter().map(small_machine).for_each(&test);
}

/// The guest's own line, which both guests print last.
fn check_guest(finished: &Finished) {
    let last = finished.stdout.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("matrix: ok") || last.starts_with("jit: ok"),
        "{}",
        finished.describe()
    );
    assert_eq!(report_count(&finished.stdout), 0, "{}", finished.describe());
}

/// The lines of `text`, the ends of which are visible: trailing blanks count.
fn framed(text: &str) -> String {
    text.split_inclusive('\n').map(|line| line.replace('\n', "|\n")).collect()
}

#[test]
fn the_report_is_laid_out_as_the_reference_lays_it_out() {
    for qemu in qemus(Mode::User) {
        let directory = tempfile::tempdir().expect("a directory for the guest");
        let program = assembled("strides", 0x10000, directory.path());
        let run = || qemu.user(Arch::Riscv64, &program);
        // 8 laps of 16 rounds. Data, 8 sets of one line: each load meets a line that has been replaced;
        // each store misses when a load has just taken its set, twice a lap, and the second one also at
        // the start. Fetches, 4 sets of one line of 4 instructions: `walk` and the return from it share
        // a set; the lines 0x10000, 0x10010, 0x10050 and 0x10060 miss once, of which the limit takes
        // three.
        let options = "dcachesize=512,dassoc=1,icachesize=64,iblksize=16,iassoc=1,cores=2";
        let finished = run().plugin(&format!("{options},limit=5")).succeed();
        insta::allow_duplicates! {
            insta::assert_snapshot!(framed(&finished.stderr), @r"
            core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate|
            0       384            161            41.9271%  828            20              2.4155%|
            1       0              0               0.0000%  0              0               0.0000%|
            sum     384            161            41.9271%  828            20              2.4155%|
            |
            address, data misses, instruction|
            0x1004c (walk), 128, ld a2, 0(a0)|
            0x10054 (walk), 17, sd a2, 0x40(a3)|
            0x10050 (walk), 16, sd a2, 0(a3)|
            |
            address, fetch misses, instruction|
            0x10008 (_start), 8, addi s0, s0, -1|
            0x10040 (walk), 8, lui a0, 0x20|
            0x10000 (_start), 1, addi s0, zero, 8|
            0x10010 (_start), 1, mv a0, zero|
            0x10050 (walk), 1, sd a2, 0(a3)|
            ");
        }
        // Layout and numbers, as text.
        compare(&qemu, run(), options, Expect::TableAndRows);
    }
}

#[test]
fn the_demo_names_the_loop_that_misses() {
    const N: u64 = 128;
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            let finished = qemu
                .user(arch, &guest(arch, "matrix"))
                .guest_args([N.to_string()])
                .plugin_to_file("")
                .succeed();
            let report = finished.plugin_report();
            let top = &report.data_list()[0];
            assert_eq!(top.symbol.as_deref(), Some("column_order"), "{arch}: {top:?}");
            assert_eq!(top.misses, N.pow(3), "a column's lines are in two sets: {arch}");
        }
    }
}

#[test]
fn without_plugin_logging_the_report_goes_to_stderr() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2").succeed();
        check_guest(&finished);
        finished.parse(&finished.stderr);
    });
}

#[test]
fn other_logging_does_not_take_the_report() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2").qemu_args(["-d", "unimp", "-D", "log"]).succeed();
        check_guest(&finished);
        finished.parse(&finished.stderr);
        assert_eq!(report_count(&finished.file("log").unwrap_or_default()), 0);
    });
}

#[test]
fn with_plugin_logging_the_report_goes_to_the_log() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2").log_plugins().succeed();
        check_guest(&finished);
        finished.parse(&finished.log());
        assert_eq!(finished.stderr, "", "{}", finished.describe());
    });
}

#[test]
fn plugin_logging_among_other_logging_takes_the_report() {
    for_each_mode(|run| {
        let finished = run
            .qemu_args(["-D", "log", "-d", "unimp,plugin,guest_errors"])
            .plugin("limit=2")
            .succeed();
        check_guest(&finished);
        finished.parse(&finished.file("log").expect("a log"));
        assert_eq!(finished.stderr, "", "{}", finished.describe());
    });
}

#[test]
fn a_log_without_a_file_is_stderr_and_takes_the_report_once() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2").qemu_args(["-d", "plugin"]).succeed();
        check_guest(&finished);
        finished.parse(&finished.stderr);
    });
}

#[test]
fn the_environment_turns_plugin_logging_on_in_user_mode() {
    for qemu in qemus(Mode::User) {
        let finished = small(&qemu).plugin("limit=2").env("QEMU_LOG", "plugin").succeed();
        check_guest(&finished);
        finished.parse(&finished.stderr);

        let finished = small(&qemu)
            .plugin("limit=2")
            .env("QEMU_LOG", "plugin")
            .env("QEMU_LOG_FILENAME", "log")
            .succeed();
        check_guest(&finished);
        finished.parse(&finished.file("log").expect("a log"));
        assert_eq!(finished.stderr, "", "{}", finished.describe());
    }
}

#[test]
fn the_command_line_overrides_the_environment() {
    for qemu in qemus(Mode::User) {
        let finished = small(&qemu)
            .env("QEMU_LOG", "plugin")
            .qemu_args(["-d", "unimp", "-D", "log"])
            .plugin("limit=2")
            .succeed();
        check_guest(&finished);
        finished.parse(&finished.stderr);
    }
}

#[test]
fn options_of_the_guest_are_not_taken_for_those_of_qemu() {
    for qemu in qemus(Mode::User) {
        // The guest ignores what follows its first argument.
        let finished = small(&qemu).plugin("limit=2").guest_args(["-d", "plugin"]).succeed();
        check_guest(&finished);
        finished.parse(&finished.stderr);
    }
}

#[test]
fn out_names_a_file() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2,out=report.txt").log_plugins().succeed();
        check_guest(&finished);
        finished.parse(&finished.file("report.txt").expect("a report"));
        assert_eq!(report_count(&finished.log()), 0);
        assert_eq!(finished.stderr, "", "{}", finished.describe());
    });
}

#[test]
fn a_file_of_an_earlier_run_is_replaced() {
    for_each_mode(|run| {
        std::fs::write(run.directory().join("report.txt"), "old\n".repeat(1000)).expect("a file");
        let finished = run.plugin("limit=2,out=report.txt").succeed();
        finished.parse(&finished.file("report.txt").expect("a report"));
    });
}

#[test]
fn the_process_id_in_a_file_name_is_that_of_qemu() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2,out=%p-100%%.txt").succeed();
        let name = format!("{}-100%.txt", finished.pid);
        finished.parse(&finished.file(&name).unwrap_or_else(|| {
            panic!("no {name} among {:?}: {}", finished.files(), finished.describe())
        }));
    });
}

#[test]
fn a_comma_in_a_file_name_is_written_twice() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2,out=a,,b.txt").succeed();
        finished.parse(&finished.file("a,b.txt").expect("a report"));
    });
}

#[test]
fn out_stderr_wins_over_the_log() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2,out=stderr").log_plugins().succeed();
        check_guest(&finished);
        finished.parse(&finished.stderr);
        assert_eq!(report_count(&finished.file("qemu.log").unwrap_or_default()), 0);
    });
}

#[test]
fn out_log_goes_to_the_log() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2,out=log").log_plugins().succeed();
        finished.parse(&finished.log());
        assert_eq!(finished.stderr, "", "{}", finished.describe());
    });
}

#[test]
fn out_log_without_logging_says_so_and_the_report_is_not_lost() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2,out=log").succeed();
        check_guest(&finished);
        let (message, report) = finished.stderr.split_once('\n').expect("a message and a report");
        assert!(message.starts_with("cache: out=log: "), "{}", finished.describe());
        assert!(message.contains("-d plugin"), "{}", finished.describe());
        finished.parse(report);
    });
}

#[test]
fn a_file_that_cannot_be_written_in_the_end_does_not_lose_the_report() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=2,out=/dev/full").succeed();
        check_guest(&finished);
        let (message, report) = finished.stderr.split_once('\n').expect("a message and a report");
        assert!(message.starts_with("cache: out=/dev/full: "), "{}", finished.describe());
        finished.parse(report);
    });
}

#[test]
fn a_limit_of_zero_prints_no_lists() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=0").succeed();
        let report = finished.parse(&finished.stderr);
        assert_eq!((report.data, report.fetch), (None, None), "{}", finished.describe());
    });
}

#[test]
fn lists_hold_at_most_the_limit_and_32_rows_without_one() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=3").succeed();
        let report = finished.parse(&finished.stderr);
        assert_eq!((report.data_list().len(), report.fetch_list().len()), (3, 3));
    });
    for qemu in qemus(Mode::User) {
        let finished = small(&qemu).plugin("").succeed();
        let report = finished.parse(&finished.stderr);
        assert_eq!((report.data_list().len(), report.fetch_list().len()), (32, 32));
    }
}

#[test]
fn a_short_list_is_the_head_of_the_long_one() {
    for qemu in qemus(Mode::User) {
        let rows = |limit: &str| {
            let finished = small(&qemu).plugin(&format!("limit={limit}")).succeed();
            let report = finished.parse(&finished.stderr);
            report.check_order();
            (report.data_list().to_vec(), report.fetch_list().to_vec())
        };
        let (data, fetch) = rows("1000000");
        let (short_data, short_fetch) = rows("20");
        assert!(data.len() > 20 && fetch.len() > 20, "{} {}", data.len(), fetch.len());
        assert_eq!((short_data.as_slice(), short_fetch.as_slice()), (&data[..20], &fetch[..20]));
    }
}

#[test]
fn rows_are_sorted_have_misses_and_add_up() {
    for_each_mode(|run| {
        let finished = run.plugin("limit=1000000").succeed();
        let report = finished.parse(&finished.stderr);
        report.check_order();
        report.check_sums();
    });
}

#[test]
fn a_machine_that_never_ran_says_so_in_place_of_a_report() {
    for qemu in qemus(Mode::System) {
        let finished = qemu
            .bare(&bare_guest("jit"), 2)
            .qemu_args(["-S", "-serial", "none", "-monitor", "stdio"])
            .stdin("quit\n")
            .plugin("")
            .succeed();
        let line = "cache: no instruction was executed, so there is no report\n";
        assert_eq!(finished.stderr, line, "{}", finished.describe());
    }
}

#[test]
fn the_same_seed_makes_random_replacement_repeat_itself() {
    fn check(run: impl Fn() -> Run) {
        let report = |seed: &str| {
            let options =
                format!("evict=rand,dcachesize=256,dassoc=4,icachesize=256,iassoc=4{seed}");
            run().plugin(&options).succeed().stderr
        };
        let default = report("");
        assert_eq!(default, report(""));
        assert_eq!(default, report(",seed=1"));
        let other = report(",seed=2");
        assert_ne!(default, other);
        assert_eq!(other, report(",seed=0x2"));
    }
    for qemu in qemus(Mode::User) {
        check(|| small(&qemu));
    }
    for qemu in qemus(Mode::System) {
        // This one ends at once; a machine that switches itself off runs on for a moment.
        check(|| qemu.bare(&bare_guest("semihost"), 1).qemu_args(["-semihosting"]));
    }
}
