//! Programs under both plugins in one QEMU: every number and every row is the reference's.

mod common;

use std::os::unix::process::ExitStatusExt;

use common::artifacts::{Arch, Mode, guest, mips_guest, qemu_of_every_target, qemus, sysroot};
use common::differential::{Expect, Options, Sweep, both, compare};

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

/// Second levels, some beside first levels of another size.
const SECOND_LEVELS: &[&str] = &[
    // The default: all fits.
    "l2=on",
    // One as a user would write it, of few sets.
    "l2cachesize=65536,l2assoc=4",
    // No larger than one of those above.
    "l2cachesize=16384,l2assoc=1",
    // Lines longer than those above.
    "l2cachesize=32768,l2blksize=256,l2assoc=2",
    // Shorter: one line above is several here, of which only the one with the address is filled.
    "l2cachesize=32768,l2blksize=16",
    "dblksize=128,iblksize=32,l2cachesize=32768",
    // One set of many ways.
    "l2cachesize=8192,l2assoc=128",
    "l2cachesize=64,l2assoc=1",
    // A number of ways that is not a power of two.
    "l2cachesize=24576,l2assoc=12",
    // Nearly everything comes here.
    "dcachesize=64,dassoc=1,icachesize=64,iassoc=1,l2cachesize=4096,l2assoc=2",
    // Instructions and accesses of several lines.
    "dcachesize=512,dblksize=4,dassoc=2,icachesize=512,iblksize=2,iassoc=2,\
     l2cachesize=4096,l2blksize=8,l2assoc=4",
];

/// Runs a guest on every QEMU and architecture with all geometries and both policies.
fn check(name: &str, arguments: &[&str]) {
    check_with(GEOMETRIES, name, arguments);
}

/// The same with second levels.
fn check_second_levels(name: &str, arguments: &[&str]) {
    check_with(SECOND_LEVELS, name, arguments);
}

fn check_with(geometries: &[&str], name: &str, arguments: &[&str]) {
    check_on(&Arch::ALL, geometries, name, arguments);
}

fn check_on(archs: &[Arch], geometries: &[&str], name: &str, arguments: &[&str]) {
    let mut sweep = Sweep::default();
    for qemu in qemus(Mode::User) {
        for &arch in archs {
            let program = guest(arch, name);
            for geometry in geometries {
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
fn structures_around_the_border_of_two_pages_count_as_in_the_reference() {
    check("straddler", &["walk", "1"]);
}

#[test]
fn faults_between_two_accesses_of_a_structure_count_as_in_the_reference() {
    check("straddler", &["escape", "1"]);
}

/// The faulting access is made again.
#[test]
fn faults_that_a_handler_clears_away_count_as_in_the_reference() {
    check("straddler", &["resume", "1"]);
}

/// What is counted in full is counted one by one. Not every reference reports such an end.
#[track_caller]
fn check_death(name: &str, arguments: &[&str], signal: i32) {
    for qemu in qemus(Mode::User) {
        let counts = ["limit=0", "limit=0,profile=on"].map(|options| {
            let run = qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, name)).guest_args(arguments);
            let finished = run.plugin_to_file(options).finish();
            assert_eq!(finished.status.signal(), Some(signal), "{}", finished.describe());
            let report = finished.plugin_report();
            let sum = report.sum();
            (sum.data.accesses, sum.fetch.accesses)
        });
        assert_eq!(counts[0], counts[1], "QEMU {}, {name} {arguments:?}", qemu.version());
    }
}

#[test]
fn a_death_between_two_accesses_of_a_structure_counts_those_before_it() {
    for how in ["die", "die-storing"] {
        for access in 0..8 {
            check_death("straddler", &[how, &access.to_string()], 11);
        }
    }
}

#[test]
fn rounding_modes_that_only_registers_know_count_as_in_the_reference() {
    check_on(&[Arch::Riscv64], GEOMETRIES, "rounding", &["2"]);
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
fn a_second_level_under_matrices_counts_as_in_the_reference() {
    check_second_levels("matrix", &["20"]);
}

#[test]
fn a_second_level_under_lists_and_sorting_counts_as_in_the_reference() {
    check_second_levels("list", &["1000", "3"]);
}

#[test]
fn a_second_level_under_faults_in_the_middle_of_blocks_counts_as_in_the_reference() {
    check_second_levels("faults", &["1000"]);
}

#[test]
fn a_second_level_under_code_that_is_rewritten_counts_as_in_the_reference() {
    check_second_levels("smc", &["300"]);
}

#[test]
fn a_second_level_under_instructions_that_are_easily_misjudged_counts_as_in_the_reference() {
    check_second_levels("atomics", &["2"]);
}

#[test]
fn a_second_level_under_a_program_of_debian_counts_as_in_the_reference() {
    let mut sweep = Sweep::default();
    let program = sysroot().join("usr/bin/sqlite3");
    let query = "with recursive n(x) as (select 1 union all select x + 1 from n where x < 300) \
                 select sum(x), group_concat(hex(x * 7919)) from n order by x % 17;";
    for qemu in qemus(Mode::User) {
        for options in ["l2=on", "l2cachesize=65536,l2blksize=128,l2assoc=4,evict=fifo"] {
            let run = qemu.user(Arch::Riscv64, &program).guest_args([":memory:", query]);
            let run = run.qemu_args(["-L".as_ref(), sysroot().as_os_str()]);
            let agreed = sweep.compare("sqlite3", &qemu, run, options, Expect::TableAndRows);
            let Some((finished, report)) = agreed else { continue };
            assert!(finished.stdout.starts_with("45150|"), "{}", finished.describe());
            assert!(report.sum().data.accesses > 100_000, "{}", report.table);
        }
    }
    sweep.finish();
}

/// What libcache writes and counts beside it takes other ways through it.
#[test]
fn a_second_level_counts_as_in_the_reference_whatever_else_is_asked_for() {
    let mut sweep = Sweep::default();
    let l2 = "l2cachesize=32768,l2assoc=4";
    for qemu in qemus(Mode::User) {
        for arch in Arch::ALL {
            for ours in [
                "rw=on",
                "summary=on",
                "profile=on,json=a.json",
                "rw=on,profile=on,csv=a.csv,callgrind=a.callgrind,html=a.html",
                "rw=on,summary=on,json=a.json,inclusion=nine,straddle=first,dwrite=off",
            ] {
                let run = qemu.user(arch, &guest(arch, "list")).guest_args(["1000", "3"]);
                let options = Options { both: l2, ours };
                sweep.compare(&format!("{arch}"), &qemu, run, options, Expect::TableAndRows);
            }
        }
    }
    sweep.finish();
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

/// Of each ABI that has a compiler: its blocks are left by faults, overflows, traps, and by branches that
/// skip their delay slot.
#[test]
fn mips_programs_count_as_in_the_reference() {
    let mut sweep = Sweep::default();
    let qemu = qemu_of_every_target();
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (target, triplet) in [
        ("mips", "mips-linux-gnu"),
        ("mipsel", "mipsel-linux-gnu"),
        ("mips64", "mips64-linux-gnuabi64"),
        ("mips64el", "mips64el-linux-gnuabi64"),
    ] {
        for (source, arguments) in [
            ("tests/guests/mips.c", [].as_slice()),
            ("guests/faults.c", &["1000"]),
            ("guests/matrix.c", &["20"]),
            ("guests/list.c", &["1000", "3"]),
        ] {
            let program = mips_guest(triplet, source, directory.path());
            for options in ["", "evict=fifo,dblksize=16,iblksize=16", "dassoc=1,iassoc=1"] {
                let run = qemu.user_of(target, &program).guest_args(arguments);
                let what = format!("{target} {source}");
                sweep.compare(&what, &qemu, run, options, Expect::TableAndRows);
            }
        }
    }
    sweep.finish();
}
