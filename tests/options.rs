//! What is wrong on the command line ends QEMU before the guest runs, with one line that says what is
//! wrong and what to do; `help` explains the options.

mod common;

use common::artifacts::{Arch, Mode, Qemu, bare_guest, guest, qemus};
use common::process::{Finished, Run};

/// Options, what the message begins with after `cache: `, and what else is in it: rule and remedy.
const BAD: &[(&str, &str, &[&str])] = &[
    // Numbers that are none.
    ("dcachesize", "dcachesize=on: ", &["needs a value", "write dcachesize=BYTES"]),
    ("dcachesize=", "dcachesize=: ", &["needs a value", "write dcachesize=BYTES"]),
    ("limit=ten", "limit=ten: ", &["not a number", "write a whole number"]),
    ("cores=two", "cores=two: ", &["not a number", "write a whole number"]),
    ("limit=-1", "limit=-1: ", &["a negative number", "write a whole number"]),
    ("cores=-2", "cores=-2: ", &["a negative number", "write a whole number"]),
    ("dassoc=-8", "dassoc=-8: ", &["a negative number", "write a whole number"]),
    ("dassoc=1.5", "dassoc=1.5: ", &["not a whole number"]),
    ("dcachesize=16384x", "dcachesize=16384x: ", &["text after the number", "32K"]),
    ("dassoc=8 ", "dassoc=8 : ", &["text after the number"]),
    ("iblksize=0x40", "iblksize=0x40: ", &["text after the number"]),
    ("icachesize=16KB", "icachesize=16KB: ", &["may mean two things", "write K or KiB"]),
    ("seed=abc", "seed=abc: ", &["not a number", "0x2a"]),
    ("seed=18446744073709551616", "seed=18446744073709551616: ", &["too large"]),
    ("limit=99999999999999999999", "limit=99999999999999999999: ", &["too large", "the most is"]),
    // Zeros.
    ("icachesize=0", "icachesize=0: ", &["must be at least 1"]),
    ("iblksize=0", "iblksize=0: ", &["must be at least 1"]),
    ("iassoc=0", "iassoc=0: ", &["must be at least 1"]),
    ("dcachesize=0", "dcachesize=0: ", &["must be at least 1"]),
    ("dblksize=0", "dblksize=0: ", &["must be at least 1"]),
    ("dassoc=0", "dassoc=0: ", &["must be at least 1"]),
    ("cores=0", "cores=0: ", &["must be at least 1"]),
    // Geometries that there are not.
    ("dblksize=48", "dblksize=48: ", &["not a power of two", "try 32 or 64"]),
    ("iblksize=3", "iblksize=3: ", &["not a power of two", "try 2 or 4"]),
    (
        "dcachesize=16000",
        "dcachesize=16000: ",
        &["not a multiple of dblksize × dassoc (64 × 8 = 512)", "try 15872 or 16384"],
    ),
    (
        "icachesize=100",
        "icachesize=100: ",
        &["not a multiple of iblksize × iassoc (64 × 8 = 512)", "try 512"],
    ),
    ("dblksize=128,dassoc=256", "dcachesize=16384 (default): ", &["not a multiple", "try 32768"]),
    ("dassoc=4294967295", "dassoc=4294967295: ", &["too large", "the most is"]),
    ("dblksize=1073741824", "dblksize=1073741824: ", &["too large", "the most is"]),
    ("dcachesize=1024G", "dcachesize=1024G: ", &["lines", "the most is", "try"]),
    ("cores=1000000", "cores=1000000: ", &["too large", "the most is 4096"]),
    ("cores=4096,dcachesize=1G", "cores=4096: ", &["memory", "the most is", "try cores="]),
    // Words.
    ("evict=lur", "evict=lur: ", &["unknown policy", "did you mean lru?"]),
    ("evict=random", "evict=random: ", &["unknown policy", "lip and bip"]),
    ("evict=LRU", "evict=LRU: ", &["unknown policy", "lru"]),
    ("evict=", "evict=: ", &["needs a value", "write evict=lru|fifo|rand"]),
    ("evict", "evict=on: ", &["needs a value"]),
    ("dcachsize=16384", "dcachsize=16384: ", &["unknown option", "did you mean dcachesize?"]),
    ("colour=red", "colour=red: ", &["unknown option", "the option help lists all"]),
    ("verbose", "verbose=on: ", &["unknown option", "the option help lists all"]),
    ("help=me", "help=me: ", &["takes no value", "write help"]),
    // Destinations.
    ("out", "out=on: ", &["needs a value", "write out="]),
    ("out=", "out=: ", &["needs a value"]),
    ("out=off", "out=off: ", &["not a destination", "./off"]),
    ("out=%d.txt", "out=%d.txt: ", &["%p", "%%"]),
    ("out=none/such/file", "out=none/such/file: ", &["no directory", "make it first"]),
    ("out=/", "out=/: ", &["is a directory", "name a file in it"]),
    // Files.
    ("json", "json=on: ", &["needs a value", "write json=FILE"]),
    ("csv=", "csv=: ", &["needs a value", "write csv=FILE"]),
    ("json=/", "json=/: ", &["is a directory", "name a file in it"]),
    ("csv=none/such/file", "csv=none/such/file: ", &["no directory", "make it first"]),
    ("html=/dev/null/file", "html=/dev/null/file: ", &["no directory", "make it first"]),
    ("callgrind=%d.out", "callgrind=%d.out: ", &["%p", "%%"]),
    ("html=off", "html=off: ", &["leave html out", "./off"]),
    ("json=a,csv=a", "csv=a: ", &["the file of json too", "another name"]),
    ("out=a,json=a", "json=a: ", &["the file of out too", "another name"]),
    ("profile=yes", "profile=yes: ", &["on", "off"]),
    ("by=lines", "by=lines: ", &["did you mean line?"]),
    ("by", "by=on: ", &["needs a value"]),
    ("elf", "elf=on: ", &["needs a value"]),
    ("elf=none.elf", "elf=none.elf: ", &["No such file"]),
    ("elf=/dev", "elf=/dev: ", &["not a file", "name an ELF file"]),
    // What a terminal would obey is shown, not obeyed.
    ("limit=1\u{1b}[31m", "limit=1\\u{1b}[31m: ", &["text after the number"]),
    ("limit=1\ncache: fine", "limit=1\\ncache: fine: ", &["text after the number"]),
    // The first wrong one of several.
    ("limit=3,dassoc=x,evict=y", "dassoc=x: ", &["not a number"]),
];

/// Runs the guests of both modes; what they print begins with their names.
fn user(qemu: &Qemu) -> Run {
    qemu.user(Arch::Riscv64, &guest(Arch::Riscv64, "matrix")).guest_args(["4"])
}

fn machine(qemu: &Qemu) -> Run {
    qemu.bare(&bare_guest("jit"), 1)
}

fn check_refused(finished: &Finished, begin: &str, fragments: &[&str]) {
    // A signal has no code.
    assert_eq!(finished.status.code(), Some(1), "{}", finished.describe());
    assert_eq!(finished.stdout, "", "the guest ran: {}", finished.describe());
    let (ours, others): (Vec<&str>, Vec<&str>) =
        finished.stderr.lines().partition(|line| line.starts_with("cache: "));
    let [message] = ours[..] else { panic!("not one line: {}", finished.describe()) };
    let rest = message.strip_prefix("cache: ").and_then(|rest| rest.strip_prefix(begin));
    let rest = rest.unwrap_or_else(|| panic!("not {begin:?}: {}", finished.describe()));
    for fragment in fragments {
        assert!(rest.contains(fragment), "no {fragment:?}: {}", finished.describe());
    }
    let refusals = others.iter().filter(|line| line.contains("Could not load plugin"));
    assert_eq!(refusals.count(), 1, "not QEMU's one line: {}", finished.describe());
    assert!(others.iter().all(|line| is_of_qemu(line)), "{}", finished.describe());
}

/// Whether QEMU wrote this line to stderr: that it could not load the plugin, or that an option without
/// a value is deprecated, in two lines.
fn is_of_qemu(line: &str) -> bool {
    line.starts_with("qemu-") || line.starts_with("Please use ")
}

#[test]
fn every_wrong_option_is_refused_before_a_program_runs() {
    for qemu in qemus(Mode::User) {
        for (options, begin, fragments) in BAD {
            check_refused(&user(&qemu).plugin(options).finish(), begin, fragments);
        }
    }
}

#[test]
fn every_wrong_option_is_refused_before_a_machine_runs() {
    for qemu in qemus(Mode::System) {
        for (options, begin, fragments) in BAD {
            check_refused(&machine(&qemu).plugin(options).finish(), begin, fragments);
        }
    }
}

#[test]
fn a_wrong_option_is_refused_on_stderr_whatever_the_logging() {
    for qemu in qemus(Mode::User) {
        let finished = user(&qemu).plugin("dassoc=0").log_plugins().finish();
        check_refused(&finished, "dassoc=0: ", &["must be at least 1"]);
        assert_eq!(finished.file("qemu.log").unwrap_or_default(), "");
    }
}

#[test]
fn of_an_option_given_twice_the_last_holds() {
    for qemu in qemus(Mode::User) {
        let finished = user(&qemu).plugin("cores=2,limit=5,cores=3,limit=0").succeed();
        let report = finished.parse(&finished.stderr);
        assert_eq!(report.cores.len(), 3 + 1, "{}", finished.describe());
        assert_eq!(report.data, None);
    }
}

#[test]
fn sizes_may_have_units() {
    for qemu in qemus(Mode::User) {
        let report = |options| user(&qemu).plugin(options).succeed().stderr;
        let expected = report("icachesize=32768,dcachesize=1048576");
        for same in ["icachesize=32K,dcachesize=1M", "icachesize=32KiB,dcachesize=1024kib"] {
            assert_eq!(report(same), expected, "{same}");
        }
    }
}

#[test]
fn help_prints_all_options_and_runs_nothing() {
    for qemu in qemus(Mode::User) {
        for options in ["help", "help=on", "list", "dassoc=0,help"] {
            check_help(&user(&qemu).plugin(options).succeed());
        }
    }
    for qemu in qemus(Mode::System) {
        check_help(&machine(&qemu).plugin("help").succeed());
    }
}

fn check_help(finished: &Finished) {
    for option in [
        "icachesize=",
        "iblksize=",
        "iassoc=",
        "dcachesize=",
        "dblksize=",
        "dassoc=",
        "evict=",
        "seed=",
        "cores=",
        "limit=",
        "out=",
        "help",
    ] {
        let rows = finished.stdout.lines().filter(|line| line.trim_start().starts_with(option));
        assert_eq!(rows.count(), 1, "{option}: {}", finished.describe());
    }
    assert!(!finished.stdout.contains(": ok"), "the guest ran: {}", finished.describe());
    assert!(finished.stderr.lines().all(is_of_qemu), "{}", finished.describe());
}
