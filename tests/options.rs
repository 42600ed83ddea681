//! What is wrong on the command line ends QEMU before the guest runs, with one line that says what is
//! wrong and what to do; `help` explains the options.

mod common;

use common::artifacts::{Arch, Mode, Qemu, bare_guest, guest, qemus};
use common::process::{Finished, Run};
use serde_json::Value;

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
    ("evict=", "evict=: ", &["needs a value", "write evict=POLICY"]),
    ("evict", "evict=on: ", &["needs a value"]),
    ("evict=plru", "evict=plru: ", &["did you mean tree-plru or bit-plru?"]),
    ("l2size=1M", "l2size=1M: ", &["unknown option", "did you mean l2cachesize?"]),
    ("dcachsize=16384", "dcachsize=16384: ", &["unknown option", "did you mean dcachesize?"]),
    ("colour=red", "colour=red: ", &["unknown option", "the option help lists all"]),
    ("verbose", "verbose=on: ", &["unknown option", "the option help lists all"]),
    ("help=me", "help=me: ", &["takes no value", "write help"]),
    // Levels, and what there is without them.
    ("l2=yes", "l2=yes: ", &["neither on nor off"]),
    ("l2cachesize", "l2cachesize=on: ", &["needs a value", "write l2cachesize=BYTES"]),
    ("l2assoc=0", "l2assoc=0: ", &["must be at least 1"]),
    ("l2blksize=96", "l2blksize=96: ", &["not a power of two", "try 64 or 128"]),
    (
        "l2cachesize=1000000",
        "l2cachesize=1000000: ",
        &["not a multiple of l2blksize × l2assoc (64 × 16 = 1024)", "try 999424 or 1000448"],
    ),
    ("l2split", "l2split=on: ", &["there is no L2", "add l2=on"]),
    ("l2evict=fifo", "l2evict=fifo: ", &["there is no L2", "add l2=on"]),
    ("l3", "l3=on: ", &["needs an L2", "write l2=on"]),
    ("l2=off,l3cachesize=4M", "l3cachesize=4M: ", &["needs an L2", "l3=off"]),
    ("l2,l3evict=fifo", "l3evict=fifo: ", &["there is no L3", "add l3=on"]),
    ("l2lat=10", "l2lat=10: ", &["there is no L2", "add l2=on"]),
    ("l2,l2evict=lur", "l2evict=lur: ", &["unknown policy", "did you mean lru?"]),
    ("inclusion=inclusive", "inclusion=inclusive: ", &["there is no L2", "add l2=on"]),
    ("l2,inclusion=strict", "inclusion=strict: ", &["write nine, inclusive or exclusive"]),
    ("l2,l3inclusion=exclusive", "l3inclusion=exclusive: ", &["there is no L3", "add l3=on"]),
    (
        "l2,l3blksize=128,l3inclusion=exclusive",
        "l3blksize=128: ",
        &["not l2blksize (64)", "write l3blksize=64 or l3inclusion=nine"],
    ),
    (
        "l2blksize=32,inclusion=inclusive",
        "l2blksize=32: ",
        &["shorter than iblksize (64)", "write l2blksize=64 or inclusion=nine"],
    ),
    (
        "dblksize=128,l2,inclusion=inclusive",
        "l2blksize=64 (default): ",
        &["shorter than dblksize (128)", "write l2blksize=128 or inclusion=nine"],
    ),
    (
        "l2,l3blksize=128,inclusion=exclusive",
        "l3blksize=128: ",
        &["not l2blksize (64)", "write l3blksize=64 or inclusion=nine"],
    ),
    ("cores=4096,l2cachesize=64M,l3", "cores=4096: ", &["131072 shared", "try cores=511"]),
    ("l2cachesize=16G,l3cachesize=16G", "l3cachesize=16G: ", &["the most is", "smaller caches"]),
    // Reads, writes and the summary.
    ("rw=apart", "rw=apart: ", &["neither on nor off"]),
    ("dwrite", "dwrite=on: ", &["needs a value", "write dwrite=off|back|through"]),
    ("dwrite=throuhg", "dwrite=throuhg: ", &["did you mean through?"]),
    ("dalloc=no", "dalloc=no: ", &["neither on nor off"]),
    ("straddle=both", "straddle=both: ", &["write first or split"]),
    ("summary=yes", "summary=yes: ", &["neither on nor off"]),
    ("memlat=fast", "memlat=fast: ", &["not a number", "write a whole number"]),
    ("memlat=2", "memlat=2: ", &["less than l1lat (4)", "write memlat=4 or more"]),
    // Presets and files of options.
    ("cpu", "cpu=on: ", &["needs a value", "write cpu=NAME|host|list"]),
    ("cpu=cortex-a71", "cpu=cortex-a71: ", &["did you mean cortex-a", "cpu=list lists all"]),
    ("cpu=zen", "cpu=zen: ", &["did you mean zen1, zen2 or zen3?"]),
    ("cpu=z80", "cpu=z80: ", &["unknown; cpu=list lists all"]),
    ("cpu=zen3,l2=off", "l3=on (cpu=zen3): ", &["needs an L2", "l3=off"]),
    (
        "cpu=cortex-a72,iassoc=5",
        "icachesize=48K (cpu=cortex-a72): ",
        &["not a multiple of iblksize × iassoc (64 × 5 = 320)"],
    ),
    ("config", "config=on: ", &["needs a value", "write config=FILE"]),
    ("config=none.toml", "config=none.toml: ", &["No such file"]),
    ("config=/dev", "config=/dev: ", &["directory"]),
    ("config=/dev/zero", "config=/dev/zero: ", &["longer than 1 MiB"]),
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
    ("elf=/etc/passwd", "elf=/etc/passwd: ", &["not an ELF file"]),
    ("elf=/etc/passwd@zz", "elf=/etc/passwd@zz: ", &["no such file", "elf=/etc/passwd@0x1000"]),
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

/// What a file of options says, what the message begins with after `cache: `, and what else is in it.
const BAD_FILES: &[(&str, &str, &[&str])] = &[
    ("limit = 1\ndcachesize = 32K", "config=a.toml: ", &["line 2 is not TOML", "must be quoted"]),
    ("limit = 1\nlimit = 2", "config=a.toml: ", &["line 2 is not TOML", "duplicate key"]),
    ("# L2\nl2cachsize = \"1M\"", "l2cachsize=1M (a.toml, line 2): ", &["mean l2cachesize?"]),
    ("\n\ndcachesize = 16000", "dcachesize=16000 (a.toml, line 3): ", &["try 15872 or 16384"]),
    ("limit = true", "limit=on (a.toml, line 1): ", &["needs a value", "write limit=N"]),
    ("limit = [1, 2]", "limit=[1, 2] (a.toml, line 1): ", &["only compare and elf take an array"]),
    ("limit = 0.5", "limit=0.5 (a.toml, line 1): ", &["write a string, a whole number"]),
    ("[l2]\nsize = 1", "l2 (a.toml, line 1): ", &["a table, and options are in none", "[l2]"]),
    ("config = \"b.toml\"", "config=b.toml (a.toml, line 1): ", &["only for the command line"]),
    ("help = true", "help=on (a.toml, line 1): ", &["only for the command line"]),
    ("l3 = true", "l3=on (a.toml, line 1): ", &["needs an L2", "l2=on"]),
];

#[test]
fn every_wrong_file_of_options_is_refused_before_a_program_runs() {
    for qemu in qemus(Mode::User) {
        for (file, begin, fragments) in BAD_FILES {
            let run = user(&qemu);
            std::fs::write(run.directory().join("a.toml"), file).expect("a file of options");
            check_refused(&run.plugin("config=a.toml").finish(), begin, fragments);
        }
    }
}

// What the runs count is not compared: newer QEMUs place the guest's stack where the host's address
// randomisation leaves room, and with it move lines to other sets.
#[test]
fn a_file_of_options_is_as_good_as_the_command_line_which_overrides_it() {
    let configuration = |run: Run, options: &str| {
        let finished = run.plugin(&format!("{options},json=a.json")).succeed();
        finished.parse(&finished.stderr);
        let json = finished.file("a.json").unwrap_or_else(|| panic!("{}", finished.describe()));
        let json: Value = serde_json::from_str(&json).expect("JSON");
        json["configuration"].clone()
    };
    for qemu in qemus(Mode::User) {
        let run = user(&qemu);
        let file = "dcachesize = \"32K\"\ndassoc = 4\nlimit = 3\nevict = \"fifo\"\n";
        std::fs::write(run.directory().join("a.toml"), file).expect("a file of options");
        let ours = configuration(run, "dassoc=2,config=a.toml");
        let spelt_out = "dcachesize=32K,dassoc=2,limit=3,evict=fifo";
        assert_eq!(ours, configuration(user(&qemu), spelt_out));
        assert_ne!(ours, configuration(user(&qemu), "dassoc=2"));
        assert_eq!(ours["data_cache"]["ways"], 2);
    }
}

#[test]
fn the_presets_are_listed_and_nothing_runs() {
    for qemu in qemus(Mode::User) {
        for options in ["cpu=list", "dassoc=0,cpu=list,config=none.toml"] {
            let finished = user(&qemu).plugin(options).succeed();
            for name in ["cortex-m7", "zen3", "rpi5"] {
                assert!(finished.stdout.contains(name), "{name}: {}", finished.describe());
            }
            assert!(!finished.stdout.contains(": ok"), "the guest ran: {}", finished.describe());
            assert!(finished.stderr.lines().all(is_of_qemu), "{}", finished.describe());
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
        "cpu=",
        "icachesize=",
        "iblksize=",
        "iassoc=",
        "dcachesize=",
        "dblksize=",
        "dassoc=",
        "l2=",
        "l3cachesize=",
        "inclusion=",
        "l2inclusion=",
        "l3inclusion=",
        "evict=",
        "dwrite=",
        "straddle=",
        "summary=",
        "memlat=",
        "config=",
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
