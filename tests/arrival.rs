//! Reports of guests that take away what a report in the same process would use.

mod common;

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::artifacts::{Arch, Mode, Qemu, guest, qemus};
use common::process::Run;
use common::report::{Report, report_count};

#[test]
fn a_relative_file_name_is_relative_to_where_qemu_was_started() {
    for qemu in qemus(Mode::User) {
        let run = qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "wanderer"));
        let finished = run.guest_args(["chdir", "/"]).plugin("out=report.txt").succeed();
        let report =
            finished.file("report.txt").unwrap_or_else(|| panic!("{}", finished.describe()));
        Report::parse(&report).unwrap_or_else(|error| panic!("{error}: {}", finished.describe()));
    }
}

#[test]
fn a_guest_that_closes_its_standard_error_still_reports() {
    for qemu in qemus(Mode::User) {
        let run = qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "wanderer"));
        let finished = run.guest_args(["close", "2"]).plugin("limit=0").succeed();
        assert_eq!(report_count(&finished.stderr), 1, "{}", finished.describe());
    }
}

#[test]
fn a_guest_that_puts_a_file_on_its_standard_error_keeps_it_for_itself() {
    for qemu in qemus(Mode::User) {
        let run = qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "wanderer"));
        let finished = run.guest_args(["replace", "2", "own.txt"]).plugin("limit=0").succeed();
        assert_eq!(report_count(&finished.stderr), 1, "{}", finished.describe());
        assert_eq!(finished.file("own.txt").as_deref(), Some("the guest's own\n"));
    }
}

/// A program with threads, as every one under QEMU is, waits for milliseconds where that grows.
#[test]
fn the_table_of_descriptors_is_as_large_as_without_a_plugin() {
    for qemu in qemus(Mode::User) {
        let run =
            || qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "wanderer")).guest_args(["table"]);
        let alone = run().succeed();
        let observed = run().plugin("limit=0").succeed();
        assert!(alone.stdout.starts_with("FDSize:"), "{}", alone.describe());
        assert_eq!(observed.stdout, alone.stdout, "{}", observed.describe());
        assert_eq!(report_count(&observed.stderr), 1, "{}", observed.describe());
    }
}

/// Long before the test would be given up.
const PATIENCE: Duration = Duration::from_mins(1);

fn execer(qemu: &Qemu, args: &[&str]) -> Run {
    qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "execer")).guest_args(args).timeout(PATIENCE)
}

fn make_pipe(run: &Run) -> String {
    let pipe = run.directory().join("pipe").display().to_string();
    assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    pipe
}

fn is_whole_json(text: &str) -> bool {
    text.starts_with("{\n") && text.matches("\"schema\":").count() == 1 && text.ends_with("\n}\n")
}

#[test]
fn a_pipe_that_nobody_reads_holds_nobody_up() {
    for qemu in qemus(Mode::User) {
        for name in ["json", "out"] {
            let run = execer(&qemu, &["fail", "1"]);
            let pipe = make_pipe(&run);
            let finished = run.plugin(&format!("limit=0,{name}={pipe}")).succeed();
            let complaint = format!("cache: {name}={pipe}: nobody reads this pipe; ");
            assert!(finished.stderr.contains(&complaint), "{}", finished.describe());
            assert_eq!(report_count(&finished.stderr), 1, "{}", finished.describe());
        }
    }
}

#[test]
fn a_pipe_that_is_read_has_the_file_once_though_calls_of_execve_fail() {
    for qemu in qemus(Mode::User) {
        let run = execer(&qemu, &["fail", "2"]);
        let pipe = make_pipe(&run);
        // It is there before QEMU is, so it does not wait for a writer.
        let mut reader = OpenOptions::new();
        let mut reader = reader.read(true).custom_flags(libc::O_NONBLOCK).open(&pipe).unwrap();
        let done = AtomicBool::new(false);
        let (finished, read) = thread::scope(|scope| {
            let read = scope.spawn(|| {
                let mut read = Vec::new();
                loop {
                    let is_last = done.load(Ordering::Acquire);
                    // An error is that there is nothing at the moment.
                    let _ = reader.read_to_end(&mut read);
                    if is_last {
                        return String::from_utf8_lossy(&read).into_owned();
                    }
                    thread::sleep(Duration::from_millis(1));
                }
            });
            let finished = run.plugin(&format!("limit=0,json={pipe}")).finish();
            done.store(true, Ordering::Release);
            (finished.expect_status(0), read.join().unwrap())
        });
        assert!(is_whole_json(&read), "{}\n{read}", finished.describe());
    }
}
