//! Programs under both plugins in one QEMU: every number and every row is the reference's.

mod common;

use common::artifacts::{Arch, Mode, guest, qemus};
use common::differential::{Expect, Sweep, both, compare};

/// One cache geometry or another for each of the two caches; with both policies.
const GEOMETRIES: &[&str] = &[
    // The default.
    "",
    // Direct-mapped.
    "dassoc=1,iassoc=1",
    // Fully associative: one set.
    "dcachesize=4096,dassoc=64,icachesize=2048,iassoc=32",
    // Lines of other lengths than the usual.
    "dblksize=16,iblksize=16",
    "dblksize=32,iblksize=128",
    "dblksize=128,iblksize=32",
    // Lines shorter than most accesses and instructions.
    "dcachesize=512,dblksize=4,dassoc=2,icachesize=512,iblksize=2,iassoc=2",
    // More sets than a page has lines.
    "dcachesize=262144,dassoc=2,icachesize=65536,iassoc=1",
    // Lines as long as a page and longer.
    "dcachesize=65536,dblksize=8192,dassoc=4,icachesize=16384,iblksize=4096,iassoc=2",
    // As small as can be: one line, one byte.
    "dcachesize=64,dassoc=1,icachesize=64,iassoc=1",
    "dcachesize=1,dblksize=1,dassoc=1,icachesize=1,iblksize=1,iassoc=1",
    // A number of ways that is not a power of two.
    "dcachesize=12288,dassoc=6,icachesize=3072,iassoc=3",
];

/// Runs a guest on every QEMU and architecture with all geometries and both policies.
fn check(name: &str, arguments: &[&str]) {
    let mut sweep = Sweep::default();
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            let program = guest(arch, name);
            for geometry in GEOMETRIES {
                for policy in ["lru", "fifo"] {
                    let separator = if geometry.is_empty() { "" } else { "," };
                    let options = format!("{geometry}{separator}evict={policy}");
                    let run = qemu.user(arch, &program).guest_args(arguments);
                    sweep.compare(&format!("{arch}"), &qemu, run, &options, Expect::TableAndRows);
                }
            }
        }
    }
    sweep.finish();
}

#[test]
fn matrices_count_as_in_the_reference() {
    check("matrix", &["20"]);
}

#[test]
fn lists_and_sorting_count_as_in_the_reference() {
    check("list", &["1000", "3"]);
}

#[test]
fn faults_in_the_middle_of_blocks_count_as_in_the_reference() {
    check("faults", &["1000"]);
}

#[test]
fn code_that_is_rewritten_counts_as_in_the_reference() {
    check("smc", &["300"]);
}

#[test]
fn instructions_that_are_easily_misjudged_count_as_in_the_reference() {
    check("atomics", &["2"]);
}

#[test]
fn longer_runs_count_as_in_the_reference() {
    let mut sweep = Sweep::default();
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for (name, arguments) in [
                ("faults", ["20000"].as_slice()),
                ("smc", &["3000"]),
                ("atomics", &["20"]),
                ("matrix", &["64"]),
                ("list", &["8192", "10"]),
                ("forker", &["row", "3"]),
                ("execer", &["fail", "50"]),
            ] {
                let run = qemu.user(arch, &guest(arch, name)).guest_args(arguments);
                sweep.compare(&format!("{arch} {name}"), &qemu, run, "", Expect::TableAndRows);
            }
        }
    }
    sweep.finish();
}

#[test]
fn one_thread_on_several_cores_stays_on_the_first() {
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            let run = qemu.user(arch, &guest(arch, "list")).guest_args(["1000", "3"]);
            let (finished, report) = compare(&qemu, run, "cores=4", Expect::TableAndRows);
            assert_eq!(report.cores.len(), 5, "{}", finished.describe());
            assert_eq!(report.core(3).fetch.accesses, 0, "{}", finished.describe());
        }
    }
}

#[test]
fn random_replacement_makes_the_same_accesses_and_as_many_misses_but_for_chance() {
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            let run = qemu.user(arch, &guest(arch, "list")).guest_args(["2000", "10"]);
            let (finished, ours, reference) = both(&qemu, run, "evict=rand");
            let (ours, reference) = (ours.core(0), reference.core(0));
            assert_eq!(
                (ours.data.accesses, ours.fetch.accesses),
                (reference.data.accesses, reference.fetch.accesses),
                "{}",
                finished.describe()
            );
            let difference = ours.data.misses.abs_diff(reference.data.misses);
            assert!(difference < reference.data.misses / 20, "{ours:?} {reference:?}");
        }
    }
}
