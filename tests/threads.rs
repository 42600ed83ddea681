//! Guests of many threads and machines of many vCPUs: nothing crashes, hangs or gets lost.

mod common;

use common::artifacts::{Arch, Mode, bare_guest, guest, qemus};
use common::differential::{Expect, Options, Sweep};

#[test]
fn threads_that_share_a_core_lose_no_access() {
    let mut sweep = Sweep::default();
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for options in ["", "cores=1,evict=fifo", "dcachesize=1024,dassoc=1"] {
                let run = qemu.user(arch, &guest(arch, "threads")).guest_args(["12", "4"]);
                sweep.compare(&format!("{arch}"), &qemu, run, options, Expect::Accesses);
            }
        }
    }
    sweep.finish();
}

#[test]
fn threads_on_several_cores_lose_no_access() {
    let mut sweep = Sweep::default();
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for options in ["cores=2", "cores=3", "cores=8"] {
                let run = qemu.user(arch, &guest(arch, "threads")).guest_args(["12", "4"]);
                sweep.compare(&format!("{arch}"), &qemu, run, options, Expect::Accesses);
            }
        }
    }
    sweep.finish();
}

/// The threads themselves, a worker, and more of them than the queue has room for.
const WORKERS: [&str; 3] = ["workers=0", "workers=1", "workers=3,queue=64K"];

#[test]
fn threads_lose_no_access_whoever_simulates_them() {
    let mut sweep = Sweep::default();
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for both in ["", "cores=2", "l2=on,evict=fifo"] {
                for ours in WORKERS {
                    let run = qemu.user(arch, &guest(arch, "threads")).guest_args(["12", "4"]);
                    let options = Options { both, ours };
                    sweep.compare(&format!("{arch}"), &qemu, run, options, Expect::Accesses);
                }
            }
        }
    }
    sweep.finish();
}

#[test]
fn a_second_thread_that_sleeps_changes_no_access_of_the_first() {
    let mut sweep = Sweep::default();
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            let run = qemu.user(arch, &guest(arch, "atomics")).guest_args(["2", "parallel"]);
            sweep.compare(&format!("{arch}"), &qemu, run, "", Expect::Accesses);
        }
    }
    sweep.finish();
}

#[test]
fn threads_are_spread_over_the_cores() {
    for qemu in qemus(Mode::User) {
        let finished = qemu
            .user(Arch::Riscv64, &guest(Arch::Riscv64, "threads"))
            .guest_args(["12", "4"])
            .plugin("cores=2")
            .succeed();
        let report = finished.parse(&finished.stderr);
        // QEMU gives the index of a thread that has ended to the next one; 0 and 1 are always used.
        assert_eq!(report.cores.len(), 2 + 1, "{}", finished.describe());
        assert!(report.cores.iter().all(|core| core.data.accesses > 0), "{}", finished.describe());
    }
}

#[test]
fn hundreds_of_threads_come_and_go() {
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for cores in ["cores=1", "cores=4", "cores=64"] {
                let finished = qemu
                    .user(arch, &guest(arch, "threads"))
                    .guest_args(["500", "16"])
                    .plugin(&format!("{cores},limit=1000000"))
                    .succeed();
                assert!(finished.stdout.starts_with("threads: ok 500 "), "{}", finished.describe());
                let report = finished.parse(&finished.stderr);
                report.check_order();
                report.check_sums();
                // Every thread loads and stores 4,096 words in each of 4 laps, two at once if the
                // compiler takes vectors.
                let least = 500 * 4 * 4096 / 2 * 2;
                assert!(report.sum().data.accesses > least, "{}", finished.describe());
            }
        }
    }
}

#[test]
fn a_process_that_ends_while_threads_run_reports_once() {
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for way in ["_exit", "exit", "thread"] {
                for options in ["limit=5", "limit=5,cores=8", "limit=5,cores=2,evict=rand"] {
                    let finished = qemu
                        .user(arch, &guest(arch, "hotexit"))
                        .guest_args(["60", "3", way])
                        .plugin(options)
                        .finish()
                        .expect_status(3);
                    finished.parse(&finished.stderr);
                }
            }
        }
    }
}

#[test]
fn threads_and_forks_together_do_not_hang() {
    for (qemu, workers) in qemus(Mode::User)
        .into_iter()
        .flat_map(|qemu| WORKERS.map(|workers| (qemu.clone(), workers)))
    {
        let finished = qemu
            .user(Arch::Riscv64, &guest(Arch::Riscv64, "forker"))
            .guest_args(["threads", "8"])
            .plugin(&format!("limit=5,out=%p.txt,{workers}"))
            .succeed();
        assert_eq!(finished.stdout, "forker: ok threads 8\n");
        assert_eq!(finished.files().len(), 9, "{:?}", finished.files());
        for file in finished.files() {
            finished.parse(&finished.file(&file).expect("it is listed"));
        }
    }
}

#[test]
fn four_vcpus_on_cores_of_their_own_report_four_cores() {
    for qemu in qemus(Mode::System) {
        let finished = qemu.bare(&bare_guest("matrix"), 4).plugin("").succeed();
        assert_eq!(finished.stdout.lines().last(), Some("matrix: ok harts=4"));
        let report = finished.parse(&finished.stderr);
        assert_eq!(report.cores.len(), 5, "{}", finished.describe());
        for core in 0..4 {
            // Every hart multiplies 128 × 128 matrices twice.
            let counts = report.core(core);
            assert!(counts.data.accesses > 2 * 2 * 128 * 128 * 128, "{counts:?}");
            assert!(counts.data.misses > 128 * 128 * 128, "{counts:?}");
        }
    }
}

#[test]
fn four_vcpus_share_fewer_cores() {
    for qemu in qemus(Mode::System) {
        for cores in [1, 2, 3] {
            let finished = qemu
                .bare(&bare_guest("matrix"), 4)
                .plugin(&format!("cores={cores},limit=1000000"))
                .succeed();
            let report = finished.parse(&finished.stderr);
            report.check_order();
            report.check_sums();
            assert_eq!(report.cores.len(), if cores == 1 { 1 } else { cores + 1 });
            assert!(report.sum().data.accesses > 4 * 2 * 2 * 128 * 128 * 128);
        }
    }
}

#[test]
fn a_machine_that_ends_while_all_vcpus_run_reports_once() {
    for qemu in qemus(Mode::System) {
        for options in ["", "cores=1", "cores=2,evict=rand"] {
            for harts in [1, 4] {
                let finished = qemu
                    .bare(&bare_guest("semihost"), harts)
                    .qemu_args(["-semihosting"])
                    .plugin(options)
                    .succeed();
                let line = format!("semihost: ok harts={harts}");
                assert_eq!(finished.stdout.lines().last(), Some(line.as_str()));
                finished.parse(&finished.stderr);
            }
        }
    }
}
