//! Reports of guests that take away what a report in the same process would use.

mod common;

use common::artifacts::{Arch, Mode, guest, qemus};
use common::report::{Report, report_count};

#[test]
fn a_relative_file_name_is_relative_to_where_qemu_was_started() {
    for qemu in qemus(Mode::User) {
        let run = qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "wanderer"));
        let finished = run.guest_args(["directory"]).plugin("out=report.txt").succeed();
        let report =
            finished.file("report.txt").unwrap_or_else(|| panic!("{}", finished.describe()));
        Report::parse(&report).unwrap_or_else(|error| panic!("{error}: {}", finished.describe()));
    }
}

#[test]
fn a_guest_that_closes_its_standard_error_still_reports() {
    for qemu in qemus(Mode::User) {
        let run = qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "wanderer"));
        let finished = run.guest_args(["close"]).plugin("limit=0").succeed();
        assert_eq!(report_count(&finished.stderr), 1, "{}", finished.describe());
    }
}

#[test]
fn a_guest_that_puts_a_file_on_its_standard_error_keeps_it_for_itself() {
    for qemu in qemus(Mode::User) {
        let run = qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "wanderer"));
        let finished = run.guest_args(["replace", "own.txt"]).plugin("limit=0").succeed();
        assert_eq!(report_count(&finished.stderr), 1, "{}", finished.describe());
        assert_eq!(finished.file("own.txt").as_deref(), Some("the guest's own\n"));
    }
}
