//! Tests of the options as a whole: what is accepted, what is said, and properties of both.

use super::*;
use cachesim::config::{
    Directions, Inclusion, L2Kind, Level, LowerLevels, MAX_CORES, MAX_MODEL_BYTES,
    MODEL_BYTES_PER_LINE, Parts, Straddle, WriteHit, WriteMiss, Writes,
};
use cachesim::geometry::{CacheGeometry, MAX_LINES};
use cachesim::policy::PolicyKind;
use error::policies;
use proptest::prelude::*;
use std::fmt::Write;
use std::num::NonZeroU32;

mod files;
mod foreign;
mod levels;
mod policies;

const USER: Host = Host { mode: GuestMode::User, vcpus: 1 };

const FOUR_VCPUS: Host = Host { mode: GuestMode::System, vcpus: 4 };

fn parse_on(args: &[&str], host: Host) -> Result<Request, OptionError> {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    parse(&args, &host, &no_file)
}

fn no_file(_: &str) -> Result<String, String> {
    Err("no such file".to_owned())
}

/// The settings for arguments that must be accepted, in user mode.
fn options(args: &[&str]) -> Options {
    match parse_on(args, USER) {
        Ok(Request::Run(options)) => *options,
        other => panic!("{args:?}: {other:?}"),
    }
}

/// The message for arguments that must be rejected.
fn message_on(args: &[&str], host: Host) -> String {
    match parse_on(args, host) {
        Err(error) => error.to_string(),
        Ok(request) => panic!("{args:?}: {request:?}"),
    }
}

fn message(args: &[&str]) -> String {
    message_on(args, USER)
}

fn geometry(size_bytes: u64, line_bytes: u64, ways: u32) -> CacheGeometry {
    CacheGeometry::new(size_bytes, line_bytes, ways).unwrap()
}

#[test]
fn the_defaults_are_those_of_the_reference() {
    let parts = Parts {
        icache: Level { geometry: geometry(16384, 64, 8), policy: PolicyKind::Lru },
        dcache: Level { geometry: geometry(16384, 64, 8), policy: PolicyKind::Lru },
        lower: None,
        writes: None,
        directions: Directions::Together,
        straddle: Straddle::First,
        seed: 1,
        cores: NonZeroU32::MIN,
    };
    let expected = Options {
        config: Config::new(parts).unwrap(),
        summary: None,
        preset: None,
        limit: 32,
        by: Subject::Instruction,
        output: Output::Auto,
        files: Vec::new(),
        detail: Detail::Misses,
        images: Vec::new(),
        progress: None,
    };
    assert_eq!(options(&[]), expected);
    let cores = NonZeroU32::new(4).unwrap();
    let config = Config::new(Parts { cores, ..parts }).unwrap();
    assert_eq!(
        parse_on(&[], FOUR_VCPUS),
        Ok(Request::Run(Box::new(Options { config, ..expected })))
    );
}

#[test]
fn in_user_mode_there_is_one_core_whatever_the_vcpus() {
    let host = Host { vcpus: 7, ..USER };
    assert_eq!(parse_on(&[], host), Ok(Request::Run(Box::new(options(&[])))));
}

#[test]
fn the_defaults_in_the_table_are_the_defaults() {
    let args: Vec<String> = all()
        // Others depend on something, and say in words on what.
        .filter(|spec| !spec.default.is_empty() && !spec.default.contains(' '))
        .map(|spec| format!("{}={}", spec.name, spec.default))
        .collect();
    assert_eq!(args.len(), 31);
    assert_eq!(parse(&args, &USER, &no_file), Ok(Request::Run(Box::new(options(&[])))));
}

#[test]
fn every_option_reaches_its_setting() {
    assert_eq!(
        options(&[
            "icachesize=4K",
            "iblksize=32",
            "iassoc=2",
            "dcachesize=6144",
            "dblksize=128",
            "dassoc=3",
            "evict=fifo",
            "seed=0xfF",
            "cores=3",
            "limit=0",
            "by=line",
            "out=log",
            "html=%p.html",
            "json=a.json",
            "elf=vmlinux",
            "elf=a@b.elf@0x10",
            "progress=10",
        ]),
        Options {
            config: Config::new(Parts {
                icache: Level { geometry: geometry(4096, 32, 2), policy: PolicyKind::Fifo },
                dcache: Level { geometry: geometry(6144, 128, 3), policy: PolicyKind::Fifo },
                seed: 255,
                cores: NonZeroU32::new(3).unwrap(),
                ..Parts::default()
            })
            .unwrap(),
            summary: None,
            preset: None,
            limit: 0,
            by: Subject::Line,
            output: Output::Log,
            files: vec![
                (Format::Json, PathTemplate::new("a.json").unwrap()),
                (Format::Html, PathTemplate::new("%p.html").unwrap()),
            ],
            detail: Detail::Full,
            images: vec![
                ElfImage { path: "vmlinux".to_owned(), bias: 0 },
                ElfImage { path: "a@b.elf".to_owned(), bias: 16 },
            ],
            progress: Some(Duration::from_secs(10)),
        }
    );
    assert_eq!(options(&["evict=rand"]).config.dcache().policy, PolicyKind::Random);
    assert_eq!(options(&["evict=lru"]).config.dcache().policy, PolicyKind::Lru);
    for kind in PolicyKind::ALL {
        assert_eq!(options(&[&format!("evict={}", kind.name())]).config.dcache().policy, kind);
    }
}

#[test]
fn formats_that_need_all_counts_turn_them_on() {
    for format in Format::ALL {
        let options = options(&[&format!("{}=file", format.name())]);
        assert_eq!(options.detail, format.detail(), "{format:?}");
        assert!(options.needs_locations());
    }
    assert_eq!(options(&["json=file", "profile"]).detail, Detail::Full);
    assert_eq!(options(&["profile=on", "profile=off"]).detail, Detail::Misses);
    assert!(!options(&["profile"]).needs_locations());
    assert!(options(&["by=function"]).needs_locations());
    assert!(!options(&["by=function", "limit=0"]).needs_locations());
}

#[test]
fn sizes_take_units_in_either_case() {
    for (text, size) in [
        ("8192", 8192),
        ("08192", 8192),
        ("8k", 8192),
        ("8KiB", 8192),
        ("8kib", 8192),
        ("2M", 2 << 20),
        ("2MIB", 2 << 20),
        ("1g", 1 << 30),
        ("1GiB", 1 << 30),
    ] {
        let arg = format!("dcachesize={text}");
        assert_eq!(options(&[&arg]).config.dcache().geometry.size_bytes(), size, "{arg}");
    }
    assert_eq!(options(&["dblksize=1K"]).config.dcache().geometry.line_bytes(), 1024);
}

#[test]
fn numbers_reach_their_limits_unchanged() {
    let max = u64::MAX.to_string();
    assert_eq!(options(&[&format!("seed={max}")]).config.seed(), u64::MAX);
    assert_eq!(options(&["seed=0xffffffffffffffff"]).config.seed(), u64::MAX);
    let max = usize::MAX.to_string();
    assert_eq!(options(&[&format!("limit={max}")]).limit, usize::MAX);
    assert_eq!(options(&["cores=4096"]).config.cores().get(), MAX_CORES);
    assert_eq!(
        options(&["dcachesize=1", "dblksize=1", "dassoc=1"]).config.dcache().geometry,
        geometry(1, 1, 1)
    );
}

#[test]
fn of_an_option_given_twice_the_last_holds() {
    assert_eq!(options(&["limit=1", "limit=2"]).limit, 2);
    // The first breaks a rule of the second stage only, and is gone by then.
    assert_eq!(options(&["dassoc=3", "dassoc=4"]).config.dcache().geometry.ways(), 4);
    assert_eq!(message(&["limit=x", "limit=2"]), "limit=x: not a number; write a whole number");
}

#[test]
fn help_is_given_in_every_form_and_whatever_else_is_wrong() {
    for args in [
        &["help"][..],
        &["help=on"],
        &["list"],
        &["list=on"],
        &["dcachesize=16000", "help"],
        &["nonsense", "help=on", "dcachesize="],
    ] {
        assert_eq!(parse_on(args, USER), Ok(Request::Help), "{args:?}");
    }
}

#[test]
fn the_report_goes_where_it_is_told() {
    let output = |arg: &str| options(&[arg]).output;
    assert_eq!(output("out=auto"), Output::Auto);
    assert_eq!(output("out=log"), Output::Log);
    assert_eq!(output("out=stderr"), Output::Stderr);
    for path in ["./log", "./on", "a=b", "/tmp/%p,%%", "Log", " "] {
        assert_eq!(output(&format!("out={path}")), Output::File(PathTemplate::new(path).unwrap()));
    }
}

const BAD_INPUTS: &[&[&str]] = &[
    // Names.
    &["dcachsize=16K"],
    &["DCACHESIZE=16K"],
    &[" limit=3"],
    &["cachesize"],
    &["eviction=lru"],
    &["bogus=1"],
    &["l4=on"],
    &["=5"],
    &[""],
    // No value, and values where none belong.
    &["dcachesize="],
    &["dcachesize"],
    &["dcachesize=on"],
    &["evict=on"],
    &["out="],
    &["out=on"],
    &["out=off"],
    &["html=off"],
    &["help=off"],
    // Zero.
    &["dcachesize=0"],
    &["iblksize=0"],
    &["dassoc=0"],
    &["cores=0"],
    // Negative.
    &["icachesize=-16384"],
    &["dassoc=-8"],
    &["cores=-2"],
    &["limit=-1"],
    &["seed=-1"],
    // Not a number, or not only.
    &["dcachesize=big"],
    &["iassoc=eight"],
    &["limit=+5"],
    &["limit= 5"],
    &["dcachesize=0x4000"],
    &["dcachesize=1.5K"],
    &["iassoc=2.0"],
    &["dcachesize=16KB"],
    &["dcachesize=1gb"],
    &["dcachesize=16T"],
    &["dcachesize=16 K"],
    &["limit=1K"],
    &["cores=2x"],
    &["seed=0x"],
    &["seed=0xfg"],
    &["seed=0x-1"],
    &["seed=1e3"],
    // Too large.
    &["dcachesize=18446744073709551616"],
    &["dcachesize=17179869184G"],
    &["dcachesize=1024G"],
    &["dblksize=2M"],
    &["dblksize=99999999999999999999"],
    &["dassoc=4294967296"],
    &["dassoc=268435457"],
    &["cores=4097"],
    &["cores=4294967297"],
    &["limit=18446744073709551616"],
    &["seed=18446744073709551616"],
    &["seed=0x10000000000000000"],
    // Policies and files.
    &["evict=random"],
    &["evict=LRU"],
    &["evict=nmru"],
    &["evict=belady"],
    &["evict=plru"],
    &["evict=brip"],
    &["out=report-%d"],
    &["out=100%"],
    // What is told of instructions.
    &["by=functions"],
    &["by=address"],
    &["profile=yes"],
    &["json="],
    &["html=on"],
    &["csv=%s"],
    &["elf=vmlinux@0xfoo"],
    &["elf=@0x1000"],
    &["progress=0"],
    &["progress=0.5"],
    &["progress=1m"],
    // Levels.
    &["l2=yes"],
    &["l2cachesize"],
    &["l2cachesize=1000000"],
    &["l2blksize=96"],
    &["l2assoc=0"],
    &["l2split=on"],
    &["l2split=on", "l3=off"],
    &["l2evict=lru"],
    &["l3=on"],
    &["l3assoc=4"],
    &["l2=off", "l3cachesize=4M"],
    &["l2=on", "l3cachesize=100"],
    &["l2=on", "l3evict=fifo"],
    &["l2=on", "l3evict=fast"],
    &["inclusion=exclusive"],
    &["inclusion=inclusiv", "l2=on"],
    &["inclusion=victim", "l2=on"],
    &["inclusion=inclusive", "l2blksize=32"],
    &["inclusion=inclusive", "iblksize=128", "l2=on"],
    &["inclusion=inclusive", "l2blksize=128", "l3=on"],
    &["inclusion=exclusive", "l2blksize=128"],
    &["inclusion=exclusive", "iblksize=32", "l2=on"],
    &["inclusion=exclusive", "l2=on", "l3blksize=32"],
    &["l2inclusion=exclusive"],
    &["l2=on", "l3inclusion=nine"],
    &["l3inclusion=victim", "l3=on"],
    &["l2inclusion=inclusive", "l2blksize=32"],
    &["l3inclusion=inclusive", "dblksize=128", "l2=on", "l3=on"],
    &["l3inclusion=exclusive", "l2blksize=128", "l3=on"],
    // Writes and summary.
    &["rw=yes"],
    &["dwrite"],
    &["dwrite=on"],
    &["dwrite=bakc"],
    &["dalloc=back"],
    &["straddle=both"],
    &["summary=1"],
    &["l1lat=4.5"],
    &["memlat=-1"],
    &["memlat=4294967296"],
    &["l1lat=20", "l2=on"],
    &["l2=on", "l3=on", "l3lat=300"],
    // Presets and files.
    &["cpu="],
    &["cpu=a72"],
    &["cpu=zen"],
    &["cpu=zen9"],
    &["cpu=Cortex_A53"],
    &["cpu=mips"],
    &["cpu=zen3", "dassoc=3"],
    &["config"],
    &["config=none.toml"],
    // Together.
    &["json=a", "csv=a"],
    &["out=a", "html=a"],
    &["dcachesize=16000"],
    &["icachesize=100"],
    &["dassoc=3", "seed=2"],
    &["iblksize=128", "icachesize=16448"],
    &["iblksize=48"],
    &["dcachesize=512M", "dblksize=1"],
    &["cores=4096", "dcachesize=16M"],
    &["cores=4096", "l2cachesize=64M", "l3=on"],
    &["cores=4096", "l2cachesize=8M", "l2split"],
    &["l2cachesize=16G", "l3cachesize=16G", "cores=2"],
    &["l2cachesize=16G", "l3cachesize=16G", "l2split"],
    // Only the first fault is told.
    &["limit=x", "cores=y"],
    &["dcachesize=16000", "cores=y"],
];

#[test]
#[cfg_attr(miri, ignore = "insta starts processes")]
#[expect(clippy::too_many_lines, reason = "they are one text")]
fn every_bad_input_has_its_message() {
    let mut said = String::new();
    for args in BAD_INPUTS {
        // So that a new policy changes none of these.
        writeln!(said, "{}", message(args).replace(&policies(), "POLICIES")).unwrap();
    }
    insta::assert_snapshot!(said, @r#"
    dcachsize=16K: unknown option; did you mean dcachesize? the option help lists all
    DCACHESIZE=16K: unknown option; did you mean dcachesize? the option help lists all
     limit=3: unknown option; did you mean limit? the option help lists all
    cachesize: unknown option; did you mean icachesize? the option help lists all
    eviction=lru: unknown option; did you mean evict? the option help lists all
    bogus=1: unknown option; the option help lists all
    l4=on: unknown option; the option help lists all
    =5: an option without a name; write name=value (the option help lists all)
    "": an option without a name; write name=value (the option help lists all)
    dcachesize=: needs a value; write dcachesize=BYTES
    dcachesize: needs a value; write dcachesize=BYTES
    dcachesize=on: needs a value; write dcachesize=BYTES
    evict=on: needs a value; write evict=POLICY
    out=: needs a value; write out=auto|log|stderr|FILE
    out=on: needs a value; write out=auto|log|stderr|FILE
    out=off: not a destination; write ./off for a file of that name
    html=off: not a file; leave html out, or write ./off for a file of that name
    help=off: takes no value; write help
    dcachesize=0: must be at least 1
    iblksize=0: must be at least 1
    dassoc=0: must be at least 1
    cores=0: must be at least 1
    icachesize=-16384: a negative number; write a whole number of bytes, or of K, M or G, such as 32K
    dassoc=-8: a negative number; write a whole number
    cores=-2: a negative number; write a whole number
    limit=-1: a negative number; write a whole number
    seed=-1: a negative number; write a whole number, decimal or hexadecimal, such as 0x2a
    dcachesize=big: not a number; write a whole number of bytes, or of K, M or G, such as 32K
    iassoc=eight: not a number; write a whole number
    limit=+5: not a number; write a whole number
    limit= 5: not a number; write a whole number
    dcachesize=0x4000: text after the number; write a whole number of bytes, or of K, M or G, such as 32K
    dcachesize=1.5K: not a whole number; write a whole number of bytes, or of K, M or G, such as 32K
    iassoc=2.0: not a whole number; write a whole number
    dcachesize=16KB: KB may mean two things; write K or KiB for powers of 1024
    dcachesize=1gb: GB may mean two things; write G or GiB for powers of 1024
    dcachesize=16T: text after the number; write a whole number of bytes, or of K, M or G, such as 32K
    dcachesize=16 K: text after the number; write a whole number of bytes, or of K, M or G, such as 32K
    limit=1K: text after the number; write a whole number
    cores=2x: text after the number; write a whole number
    seed=0x: not a number; write a whole number, decimal or hexadecimal, such as 0x2a
    seed=0xfg: text after the number; write a whole number, decimal or hexadecimal, such as 0x2a
    seed=0x-1: text after the number; write a whole number, decimal or hexadecimal, such as 0x2a
    seed=1e3: text after the number; write a whole number, decimal or hexadecimal, such as 0x2a
    dcachesize=18446744073709551616: too large; the most is 281474976710656
    dcachesize=17179869184G: too large; the most is 281474976710656
    dcachesize=1024G: has 17179869184 lines at dblksize=64, the most is 268435456; try 17179869184 or longer lines
    dblksize=2M: too large; the most is 1048576
    dblksize=99999999999999999999: too large; the most is 1048576
    dassoc=4294967296: too large; the most is 268435456
    dassoc=268435457: too large; the most is 268435456
    cores=4097: too large; the most is 4096
    cores=4294967297: too large; the most is 4096
    limit=18446744073709551616: too large; the most is 18446744073709551615
    seed=18446744073709551616: too large; the most is 18446744073709551615
    seed=0x10000000000000000: too large; the most is 18446744073709551615
    evict=random: unknown policy; did you mean rand? the policies are POLICIES
    evict=LRU: unknown policy; did you mean lru? the policies are POLICIES
    evict=nmru: unknown policy; did you mean nru? the policies are POLICIES
    evict=belady: unknown policy; the policies are POLICIES
    evict=plru: unknown policy; did you mean lru? the policies are POLICIES
    evict=brip: unknown policy; did you mean brrip? the policies are POLICIES
    out=report-%d: % in a file name must be %p (the process id) or %% (a percent sign)
    out=100%: % in a file name must be %p (the process id) or %% (a percent sign)
    by=functions: unknown; did you mean function? lists are by instruction, function or line
    by=address: unknown; lists are by instruction, function or line
    profile=yes: neither on nor off
    json=: needs a value; write json=FILE
    html=on: needs a value; write html=FILE
    csv=%s: % in a file name must be %p (the process id) or %% (a percent sign)
    elf=vmlinux@0xfoo: text after the number; write a whole number, decimal or hexadecimal, such as 0x2a
    elf=@0x1000: names no file; write elf=FILE or elf=FILE@BIAS
    progress=0: must be at least 1
    progress=0.5: not a whole number; write a whole number
    progress=1m: text after the number; write a whole number
    l2=yes: neither on nor off
    l2cachesize: needs a value; write l2cachesize=BYTES
    l2cachesize=1000000: not a multiple of l2blksize × l2assoc (64 × 16 = 1024); try 999424 or 1000448
    l2blksize=96: not a power of two; try 64 or 128
    l2assoc=0: must be at least 1
    l2split=on: there is no L2; add l2=on
    l2split=on: there is no L2; add l2=on
    l2evict=lru: there is no L2; add l2=on
    l3=on: an L3 needs an L2; write l2=on or l3=off
    l3assoc=4: an L3 needs an L2; write l2=on or l3=off
    l3cachesize=4M: an L3 needs an L2; write l2=on or l3=off
    l3cachesize=100: not a multiple of l3blksize × l3assoc (64 × 16 = 1024); try 1024
    l3evict=fifo: there is no L3; add l3=on
    l3evict=fast: unknown policy; the policies are POLICIES
    inclusion=exclusive: there is no L2; add l2=on
    inclusion=inclusiv: unknown; did you mean inclusive? write nine, inclusive or exclusive
    inclusion=victim: unknown; write nine, inclusive or exclusive
    l2blksize=32: shorter than iblksize (64); with inclusion=inclusive a line holds those of the levels above; write l2blksize=64 or inclusion=nine
    l2blksize=64 (default): shorter than iblksize (128); with inclusion=inclusive a line holds those of the levels above; write l2blksize=128 or inclusion=nine
    l3blksize=64 (default): shorter than l2blksize (128); with inclusion=inclusive a line holds those of the levels above; write l3blksize=128 or inclusion=nine
    l2blksize=128: not iblksize (64); with inclusion=exclusive lines move between the caches; write l2blksize=64 or inclusion=nine
    iblksize=32: not dblksize (64); with inclusion=exclusive lines move between the caches; write iblksize=64 or inclusion=nine
    l3blksize=32: not l2blksize (64); with inclusion=exclusive lines move between the caches; write l3blksize=64 or inclusion=nine
    l2inclusion=exclusive: there is no L2; add l2=on
    l3inclusion=nine: there is no L3; add l3=on
    l3inclusion=victim: unknown; write nine, inclusive or exclusive
    l2blksize=32: shorter than iblksize (64); with l2inclusion=inclusive a line holds those of the levels above; write l2blksize=64 or l2inclusion=nine
    l3blksize=64 (default): shorter than dblksize (128); with l3inclusion=inclusive a line holds those of the levels above; write l3blksize=128 or l3inclusion=nine
    l3blksize=64 (default): not l2blksize (128); with l3inclusion=exclusive lines move between the caches; write l3blksize=128 or l3inclusion=nine
    rw=yes: neither on nor off
    dwrite: needs a value; write dwrite=off|back|through
    dwrite=on: needs a value; write dwrite=off|back|through
    dwrite=bakc: unknown; did you mean back? write off, back or through
    dalloc=back: neither on nor off
    straddle=both: unknown; write first or split
    summary=1: neither on nor off
    l1lat=4.5: not a whole number; write a whole number
    memlat=-1: a negative number; write a whole number
    memlat=4294967296: too large; the most is 4294967295
    l2lat=12 (default): less than l1lat (20), of the level above; write l2lat=20 or more
    memlat=200 (default): less than l3lat (300), of the level above; write memlat=300 or more
    cpu=: needs a value; write cpu=NAME|list
    cpu=a72: unknown; did you mean cortex-a72? cpu=list lists all
    cpu=zen: unknown; did you mean zen1, zen2 or zen3? cpu=list lists all
    cpu=zen9: unknown; did you mean zen1, zen2 or zen3? cpu=list lists all
    cpu=Cortex_A53: unknown; did you mean cortex-a53, cortex-a55 or cortex-a57? cpu=list lists all
    cpu=mips: unknown; cpu=list lists all
    dcachesize=32K (cpu=zen3): not a multiple of dblksize × dassoc (64 × 3 = 192); try 32640 or 32832
    config: needs a value; write config=FILE
    config=none.toml: no such file
    csv=a: the file of json too; write another name
    html=a: the file of out too; write another name
    dcachesize=16000: not a multiple of dblksize × dassoc (64 × 8 = 512); try 15872 or 16384
    icachesize=100: not a multiple of iblksize × iassoc (64 × 8 = 512); try 512
    dcachesize=16384 (default): not a multiple of dblksize × dassoc (64 × 3 = 192); try 16320 or 16512
    icachesize=16448: not a multiple of iblksize × iassoc (128 × 8 = 1024); try 16384 or 17408
    iblksize=48: not a power of two; try 32 or 64
    dcachesize=512M: has 536870912 lines at dblksize=1, the most is 268435456; try 268435456 or longer lines
    cores=4096: the caches of 4096 cores, 262400 lines each, need 16400 MiB of memory, the most is 8192 MiB; try cores=2046 or smaller caches
    cores=4096: the caches of 4096 cores, 1049088 lines each and 131072 shared, need 65570 MiB of memory, the most is 8192 MiB; try cores=511 or smaller caches
    cores=4096: the caches of 4096 cores, 262656 lines each, need 16416 MiB of memory, the most is 8192 MiB; try cores=2044 or smaller caches
    l3cachesize=16G: with the other caches 536871424 lines, which need 8193 MiB of memory, the most is 8192 MiB; try smaller caches
    l2cachesize=16G: with the other caches 805306880 lines, which need 12289 MiB of memory, the most is 8192 MiB; try smaller caches
    limit=x: not a number; write a whole number
    cores=y: not a number; write a whole number
    "#);
}

#[test]
fn every_bad_input_is_named_in_one_line() {
    // Miri need not see them all.
    for args in BAD_INPUTS.iter().step_by(if cfg!(miri) { 20 } else { 1 }) {
        let said = message(args);
        let (option, problem) = said.split_once(": ").unwrap();
        assert!(!problem.is_empty() && !said.contains('\n'), "{said}");
        // The culprit may be the default of an option that the typed ones do not fit, or a preset's.
        let is_named = option.ends_with(" (default)")
            || args
                .iter()
                .any(|arg| option == shown(arg) || option.ends_with(&format!(" ({arg})")));
        assert!(is_named, "{said}");
    }
}

#[test]
fn too_many_vcpus_are_a_fault_of_the_default_number_of_cores() {
    let vcpus = |vcpus| Host { vcpus, ..FOUR_VCPUS };
    assert_eq!(message_on(&[], vcpus(5000)), "cores=5000 (default): too large; the most is 4096");
    assert_eq!(message_on(&[], vcpus(0)), "cores=0 (default): must be at least 1");
    assert_eq!(
        message_on(&["dcachesize=4G"], vcpus(64)),
        "cores=64 (default): the caches of 64 cores, 67109120 lines each, need 65537 MiB of \
         memory, the most is 8192 MiB; try cores=7 or smaller caches"
    );
    assert!(parse_on(&["dcachesize=4G", "cores=7"], vcpus(64)).is_ok());
    assert!(parse_on(&["dcachesize=4G", "cores=8"], vcpus(64)).is_err());
}

#[test]
fn one_core_may_have_the_largest_caches_and_two_may_not() {
    let largest = ["icachesize=16G", "dcachesize=16G"];
    assert_eq!(options(&largest).config.dcache().geometry.lines(), MAX_LINES);
    assert_eq!(
        message(&[largest[0], largest[1], "cores=2"]),
        "cores=2: the caches of 2 cores, 536870912 lines each, need 16384 MiB of memory, the most \
         is 8192 MiB; try cores=1 or smaller caches"
    );
}

/// Far more characters than anyone types.
const LONG: usize = if cfg!(miri) { 1 << 10 } else { 1 << 20 };

#[test]
fn what_was_typed_is_shown_short_and_harmless() {
    let long = "x".repeat(LONG);
    assert_eq!(
        message(&[&format!("limit={long}")]),
        format!("limit={}…: not a number; write a whole number", &long[..54])
    );
    assert_eq!(
        message(&[&long]),
        format!("{}…: unknown option; the option help lists all", &long[..60])
    );
    assert_eq!(
        message(&["straddle=f\nirst\u{1b}[2J\u{202e}"]),
        "straddle=f\\nirst\\u{1b}[2J\\u{202e}: unknown; write first or split"
    );
    // A long way to write a number is still that number.
    let zeros = "0".repeat(LONG);
    assert_eq!(options(&[&format!("limit={zeros}7")]).limit, 7);
}

#[test]
#[cfg_attr(miri, ignore = "insta starts processes")]
#[expect(clippy::too_many_lines, reason = "they are one text")]
fn the_help_lists_every_option() {
    let help = help_text();
    let (help, names) = help.split_once("POLICY is one of ").unwrap();
    let names: Vec<&str> = names.split_whitespace().collect();
    assert_eq!(names.join(" "), format!("{}.", policies()));
    insta::assert_snapshot!(help, @r#"
    Options, as in -plugin FILE,name=value,name=value (of one given twice the last
    holds, but elf adds up; a comma within a value is written twice):

    Cores:
      cpu=NAME|list                 begins with the caches, policies and latencies
                                    of a real core; other options override them;
                                    list shows the cores
      cores=N                       simulated cores; vCPU v runs on core v modulo N
                                    (default: 1 in user mode, the vCPUs in system
                                    mode)

    First level, of every core:
      icachesize=BYTES              size of each instruction cache (default: 16384)
      iblksize=BYTES                its line size, a power of two (default: 64)
      iassoc=N                      its associativity, the ways of a set (default:
                                    8)
      dcachesize=BYTES              size of each data cache (default: 16384)
      dblksize=BYTES                its line size, a power of two (default: 64)
      dassoc=N                      its associativity, the ways of a set (default:
                                    8)

    Further levels:
      l2=on|off                     a second level, one for each core; any of its
                                    three sizes turns it on (default: off)
      l2cachesize=BYTES             size of each L2 (default: 2M)
      l2blksize=BYTES               its line size, a power of two (default: 64)
      l2assoc=N                     its associativity, the ways of a set (default:
                                    16)
      l2split=on|off                an L2 for instructions and one for data, each of
                                    that size (default: off)
      l3=on|off                     a third level, one for all cores, behind an L2;
                                    any of its three sizes turns it on (default:
                                    off)
      l3cachesize=BYTES             size of the L3 (default: 8M)
      l3blksize=BYTES               its line size, a power of two (default: 64)
      l3assoc=N                     its associativity, the ways of a set (default:
                                    16)
      inclusion=nine|inclusive|exclusive
                                    what each level has in common with those above:
                                    nine: it fills and evicts by itself; inclusive:
                                    what it evicts leaves those above too;
                                    exclusive: it has the victims of the one above,
                                    a hit moves a line up (default: nine)
      l2inclusion=nine|inclusive|exclusive
                                    that of the L2, with the first level (default:
                                    that of inclusion)
      l3inclusion=nine|inclusive|exclusive
                                    that of the L3, with the L2; inclusive: with the
                                    first level too (default: that of inclusion)

    Replacement:
      evict=POLICY                  replacement policy of all caches (default: lru)
      ievict=POLICY                 that of the instruction caches (default: that of
                                    evict)
      devict=POLICY                 that of the data caches (default: that of evict)
      l2evict=POLICY                that of the L2 (default: that of evict)
      l3evict=POLICY                that of the L3 (default: that of evict)
      seed=N                        start of the random choices of policies that
                                    make some, decimal or 0x hexadecimal (default:
                                    1)

    Reads and writes:
      rw=on|off                     counts reads and writes apart (default: off)
      dwrite=off|back|through       what a store does to its line in the data cache:
                                    back: it makes it dirty; through: it goes on to
                                    the next level; off: nothing, no line is ever
                                    dirty, unless dalloc is given, which means back
                                    (default: off)
      dalloc=on|off                 whether a store fills a line that is not in the
                                    data cache (default: on)
      straddle=first|split          an access across the end of a line is one, to
                                    the line of its first byte, or one to each line
                                    (default: first)

    Summary:
      summary=on|off                adds rates per level, memory traffic, and times
                                    estimated from the latencies; any latency turns
                                    it on, but not those of a preset (default: off)
      l1lat=CYCLES                  cycles of an access that the first level serves
                                    (default: 4)
      l2lat=CYCLES                  cycles of an access that the L2 serves, in all
                                    (default: 12)
      l3lat=CYCLES                  the same of the L3 (default: 40)
      memlat=CYCLES                 the same of memory (default: 200)

    Report:
      limit=N                       most rows in each list; 0 for no lists (default:
                                    32)
      by=instruction|function|line  what the lists are of (default: instruction)
      out=auto|log|stderr|FILE      where the report goes: auto is QEMU's log with
                                    -d plugin, else stderr; in a file name %p is the
                                    process id and %% a percent sign; - is standard
                                    output; a file called like one of the words is
                                    written ./log (default: auto)
      json=FILE                     writes everything, for scripts
      csv=FILE                      writes a row for each instruction, for
                                    spreadsheets
      callgrind=FILE                writes a profile for KCachegrind and
                                    callgrind_annotate
      cachegrind=FILE               writes a profile for cg_annotate, cg_diff and
                                    cg_merge
      html=FILE                     writes a page for a browser, with annotated
                                    source
      profile=on|off                also counts executions, loads and stores of
                                    every instruction, for json and csv; callgrind,
                                    cachegrind and html turn it on (default: off)
      elf=FILE[@BIAS]               an ELF file in the guest's memory, such as its
                                    kernel, for functions and lines; BIAS is added
                                    to its addresses; may be given several times
      progress=SECONDS              how often a line on stderr tells how far the run
                                    is

    Options:
      config=FILE                   further options, in a TOML file with lines such
                                    as dcachesize="32K" and l2=true; those on the
                                    command line override them
      help                          show this and do not run
      list                          the same as help

    BYTES may end in K, M or G (or KiB, MiB, GiB): powers of 1024.
    "#);
}

#[test]
fn the_help_has_80_columns() {
    for line in help_text().lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line.trim_end(), line);
    }
}

#[test]
fn no_two_options_have_the_same_name() {
    for (index, spec) in all().enumerate() {
        assert!(all().take(index).all(|other| other.name != spec.name));
    }
}

/// One way to write a number of bytes.
fn bytes_text(bytes: u64) -> impl Strategy<Value = String> {
    let mut texts = vec![bytes.to_string(), format!("000{bytes}")];
    for (shift, units) in [
        (10, ["K", "k", "KiB", "kIb"]),
        (20, ["M", "m", "MiB", "mib"]),
        (30, ["G", "g", "GiB", "GIB"]),
    ] {
        if bytes.is_multiple_of(1 << shift) {
            texts.extend(units.map(|unit| format!("{}{unit}", bytes >> shift)));
        }
    }
    prop::sample::select(texts)
}

fn any_geometry() -> impl Strategy<Value = CacheGeometry> {
    let sets = prop_oneof![1..=100_u64, (0..=12_u32).prop_map(|shift| 1 << shift)];
    (sets, 0..=20_u32, 1..=40_u32).prop_map(|(sets, line_shift, ways)| {
        let line_bytes = 1 << line_shift;
        geometry(sets * line_bytes * u64::from(ways), line_bytes, ways)
    })
}

fn any_level() -> impl Strategy<Value = Level> {
    let policy = prop::sample::select(PolicyKind::ALL.to_vec());
    (any_geometry(), policy).prop_map(|(geometry, policy)| Level { geometry, policy })
}

fn any_options() -> impl Strategy<Value = Options> {
    let output = prop_oneof![
        Just(Output::Auto),
        Just(Output::Log),
        Just(Output::Stderr),
        r"\./([^%]|%p|%%){0,9}".prop_map(|path| Output::File(PathTemplate::new(&path).unwrap())),
    ];
    let cores = (1..=1000_u32).prop_map(|cores| NonZeroU32::new(cores).unwrap());
    (any_hierarchy(), any::<u64>(), cores, any::<usize>(), output, any_telling()).prop_filter_map(
        "within the memory limit",
        |(hierarchy, seed, cores, limit, output, telling)| {
            let config = Config::new(Parts { seed, cores, ..hierarchy.config.parts() }).ok()?;
            let Options { by, files, detail, images, progress, .. } = telling;
            let summary = hierarchy.summary;
            let preset = None;
            Some(Options {
                config,
                preset,
                summary,
                limit,
                by,
                output,
                files,
                detail,
                images,
                progress,
            })
        },
    )
}

/// The settings of the caches and of what is counted, the others as they are.
fn any_hierarchy() -> impl Strategy<Value = Options> {
    let lower = prop::option::weighted(0.7, any_lower());
    let writes = prop::option::of(any_writes());
    let directions = prop::sample::select(vec![Directions::Together, Directions::Apart]);
    let straddle = prop::sample::select(vec![Straddle::First, Straddle::Split]);
    let summary = prop::option::of(any_latencies());
    (any_level(), any_level(), lower, writes, directions, straddle, summary).prop_map(
        |(icache, dcache, lower, writes, directions, straddle, summary)| {
            let lower = lower.map(|lower| with_lines_that_fit(lower, &icache, &dcache));
            let rest = Parts::default();
            let parts = Parts { icache, dcache, lower, writes, directions, straddle, ..rest };
            Options { config: Config::new(parts).unwrap(), summary, ..Options::default() }
        },
    )
}

fn any_lower() -> impl Strategy<Value = LowerLevels> {
    let l2_kind = prop::sample::select(vec![L2Kind::Unified, L2Kind::Split]);
    let inclusion =
        || prop::sample::select(vec![Inclusion::Nine, Inclusion::Inclusive, Inclusion::Exclusive]);
    let l3 = prop::option::of((any_level(), inclusion()));
    (any_level(), l2_kind, inclusion(), l3).prop_map(|(l2, l2_kind, l2_inclusion, l3)| {
        let l3_inclusion = l3.map_or(Inclusion::Nine, |(_, inclusion)| inclusion);
        LowerLevels { l2, l2_kind, l2_inclusion, l3: l3.map(|(l3, _)| l3), l3_inclusion }
    })
}

/// Changes lines that the inclusion does not allow; where those of the first level are in the way, the
/// inclusion.
fn with_lines_that_fit(mut lower: LowerLevels, icache: &Level, dcache: &Level) -> LowerLevels {
    let with_line = |level: Level, bytes| {
        let (sets, ways) = (level.geometry.sets(), level.geometry.ways());
        Level { geometry: geometry(sets * bytes * u64::from(ways), bytes, ways), ..level }
    };
    let line = |level: &Level| level.geometry.line_bytes();
    let first = line(icache).max(line(dcache));
    match lower.l2_inclusion {
        Inclusion::Nine => {}
        Inclusion::Inclusive => lower.l2 = with_line(lower.l2, line(&lower.l2).max(first)),
        Inclusion::Exclusive if line(icache) != line(dcache) => {
            lower.l2_inclusion = Inclusion::Nine;
        }
        Inclusion::Exclusive => lower.l2 = with_line(lower.l2, first),
    }
    let second = line(&lower.l2);
    lower.l3 = lower.l3.map(|l3| match lower.l3_inclusion {
        Inclusion::Nine => l3,
        Inclusion::Inclusive => with_line(l3, line(&l3).max(second).max(first)),
        Inclusion::Exclusive => with_line(l3, second),
    });
    lower
}

fn any_writes() -> impl Strategy<Value = Writes> {
    let on_hit = prop::sample::select(vec![WriteHit::Back, WriteHit::Through]);
    let on_miss = prop::sample::select(vec![WriteMiss::Allocate, WriteMiss::NoAllocate]);
    (on_hit, on_miss).prop_map(|(on_hit, on_miss)| Writes { on_hit, on_miss })
}

fn any_latencies() -> impl Strategy<Value = Latencies> {
    any::<[u32; 4]>().prop_map(|mut cycles| {
        cycles.sort_unstable();
        let [l1, l2, l3, memory] = cycles;
        Latencies { l1, l2, l3, memory }
    })
}

/// The settings of what is told of instructions, the others as they are.
fn any_telling() -> impl Strategy<Value = Options> {
    let by = vec![Subject::Instruction, Subject::Function, Subject::Line];
    let formats = prop::sample::subsequence(Format::ALL.to_vec(), 0..=Format::ALL.len());
    let detail = prop::sample::select(vec![Detail::Misses, Detail::Full]);
    let image = (r"[a-z/.@]{1,9}", any::<u64>()).prop_map(|(path, bias)| ElfImage { path, bias });
    let progress = prop::option::of((1..=u32::MAX).prop_map(|n| Duration::from_secs(n.into())));
    let images = prop::collection::vec(image, 0..=1);
    (prop::sample::select(by), formats, detail, images, progress).prop_map(
        |(by, formats, detail, images, progress)| Options {
            by,
            detail: formats.iter().map(|format| format.detail()).fold(detail, Ord::max),
            files: formats.into_iter().map(|format| (format, file_of(format))).collect(),
            images,
            progress,
            ..options(&[])
        },
    )
}

/// A file name that no other format has.
fn file_of(format: Format) -> PathTemplate {
    PathTemplate::new(&format!("%p.{}", format.name())).unwrap()
}

/// Arguments, in any order, that give `options`, whatever a preset or a file says of its settings.
fn arguments_for(options: &Options) -> impl Strategy<Value = Vec<String>> + use<> {
    let text = |text: String| Just(text).boxed();
    let out = match &options.output {
        Output::Auto => "auto".to_owned(),
        Output::Log => "log".to_owned(),
        Output::Stderr => "stderr".to_owned(),
        Output::File(path) => path.to_string(),
    };
    let seed = options.config.seed();
    let mut arguments = hierarchy_arguments(options);
    arguments.extend([
        prop_oneof![
            Just(format!("seed={seed}")),
            Just(format!("seed={seed:#x}")),
            Just(format!("seed=0X{seed:X}")),
        ]
        .boxed(),
        text(format!("cores={}", options.config.cores())),
        text(format!("limit={}", options.limit)),
        text(format!("out={out}")),
        text(format!("by={}", format!("{:?}", options.by).to_lowercase())),
    ]);
    let files = options.files.iter().map(|(format, path)| format!("{}={path}", format.name()));
    let images = options.images.iter().map(|ElfImage { path, bias }| format!("elf={path}@{bias}"));
    let progress = options.progress.map(|time| format!("progress={}", time.as_secs()));
    let profile = (options.detail == Detail::Full).then(|| "profile".to_owned());
    arguments.extend(files.chain(images).chain(progress).chain(profile).map(text));
    arguments.prop_shuffle()
}

/// The arguments for the caches and for what is counted.
fn hierarchy_arguments(options: &Options) -> Vec<BoxedStrategy<String>> {
    let one = |text: String| vec![Just(text).boxed()];
    let level = |[size, line, ways, evict]: [&'static str; 4], level: &Level| {
        let bytes =
            |name, value| bytes_text(value).prop_map(move |text| format!("{name}={text}")).boxed();
        vec![
            bytes(size, level.geometry.size_bytes()),
            bytes(line, level.geometry.line_bytes()),
            Just(format!("{ways}={}", level.geometry.ways())).boxed(),
            Just(format!("{evict}={}", level.policy.name())).boxed(),
        ]
    };
    let on_off = |is_on| if is_on { "on" } else { "off" };
    let lower = options.config.lower();
    let mut arguments = [
        level(["icachesize", "iblksize", "iassoc", "ievict"], &options.config.icache()),
        level(["dcachesize", "dblksize", "dassoc", "devict"], &options.config.dcache()),
        one(format!("l2={}", on_off(lower.is_some()))),
        one(format!("l3={}", on_off(lower.is_some_and(|lower| lower.l3.is_some())))),
        one(format!("rw={}", on_off(options.config.directions() == Directions::Apart))),
        one(format!("straddle={}", format!("{:?}", options.config.straddle()).to_lowercase())),
        one(format!("summary={}", on_off(options.summary.is_some()))),
    ]
    .concat();
    if let Some(lower) = lower {
        arguments.extend(level(["l2cachesize", "l2blksize", "l2assoc", "l2evict"], &lower.l2));
        arguments.extend(one(format!("l2split={}", on_off(lower.l2_kind == L2Kind::Split))));
        arguments.extend(one(format!("l2inclusion={}", lower.l2_inclusion.name())));
        if let Some(l3) = &lower.l3 {
            arguments.extend(level(["l3cachesize", "l3blksize", "l3assoc", "l3evict"], l3));
            arguments.extend(one(format!("l3inclusion={}", lower.l3_inclusion.name())));
        }
    }
    if let Some(Latencies { l1, l2, l3, memory }) = options.summary {
        let cycles = [("l1lat", l1), ("l2lat", l2), ("l3lat", l3), ("memlat", memory)];
        arguments.extend(cycles.iter().flat_map(|(name, cycles)| one(format!("{name}={cycles}"))));
    }
    if let Some(Writes { on_hit, on_miss }) = options.config.writes() {
        arguments.extend(one(format!("dwrite={}", format!("{on_hit:?}").to_lowercase())));
        arguments.extend(one(format!("dalloc={}", on_off(on_miss == WriteMiss::Allocate))));
    } else {
        arguments.extend(one("dwrite=off".to_owned()));
    }
    arguments
}

/// A known name or none, then a value that is often nearly right.
fn any_argument() -> impl Strategy<Value = String> {
    let names: Vec<&str> = all().map(|spec| spec.name).collect();
    let name = prop::sample::select(names);
    let value = prop_oneof![
        any::<String>(),
        any::<i64>().prop_map(|number| number.to_string()),
        r"[-+ ]?(0x)?[0-9a-f]{0,21}(\.5)?[kmgtKMGT]?(i?[bB])?",
        (0..4096_u32).prop_map(|number| number.to_string()),
        (0..70_u32).prop_map(|shift| (1_u128 << shift).to_string()),
        prop::sample::select(vec![
            "lru",
            "fifo",
            "rand",
            "line",
            "on",
            "off",
            "a@0x",
            "",
            "back",
            "nine",
            "exclusive",
            "zen3",
            "split"
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        1 => any::<String>(),
        1 => prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        6 => (name, value).prop_map(|(name, value)| format!("{name}={value}")),
    ]
}

fn any_host() -> impl Strategy<Value = Host> {
    let mode = prop::sample::select(vec![GuestMode::User, GuestMode::System]);
    let vcpus = prop_oneof![1..9_u32, any::<u32>()];
    (mode, vcpus).prop_map(|(mode, vcpus)| Host { mode, vcpus })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_config_written_as_options_is_read_back(
        (options, args) in any_options()
            .prop_flat_map(|options| (Just(options.clone()), arguments_for(&options))),
        host in any_host(),
    ) {
        prop_assert_eq!(parse(&args, &host, &no_file), Ok(Request::Run(Box::new(options))));
    }

    #[test]
    fn whatever_is_typed_is_accepted_as_it_is_or_explained_in_one_line(
        args in prop::collection::vec(any_argument(), 0..4),
        host in any_host(),
    ) {
        check_answer(&args, host)?;
    }

    #[test]
    fn a_slip_in_good_options_is_accepted_as_it_is_or_explained_in_one_line(
        args in arguments_with_slips(),
        host in any_host(),
    ) {
        check_answer(&args, host)?;
    }
}

/// Cases of each property, as many as proptest's own variable says if it is set.
fn cases() -> u32 {
    if cfg!(miri) {
        2
    } else if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default().cases
    } else {
        3000
    }
}

/// Checks what is true of the answer to any arguments at all.
fn check_answer(args: &[String], host: Host) -> Result<(), TestCaseError> {
    match parse(args, &host, &no_file) {
        Ok(Request::Help) => {
            prop_assert!(args.iter().any(|arg| arg.starts_with("help") || arg.starts_with("list")));
        }
        Ok(Request::Presets) => prop_assert!(args.iter().any(|arg| arg == "cpu=list")),
        Ok(Request::Run(options)) => check_accepted(args, &options)?,
        Err(error) => {
            let text = error.to_string();
            prop_assert!(text.chars().count() < 500, "{text}");
            prop_assert!(!text.chars().any(breaks_line), "{text:?}");
            let (option, problem) = text.split_once(": ").unwrap();
            prop_assert!(!problem.trim().is_empty());
            let is_named = option.ends_with(" (default)")
                || option.contains(" (cpu=")
                || args.iter().any(|arg| text.starts_with(&shown(arg)));
            prop_assert!(is_named, "{text}");
        }
    }
    Ok(())
}

/// Checks that `options` can be simulated and is what was typed.
fn check_accepted(args: &[String], options: &Options) -> Result<(), TestCaseError> {
    prop_assert!(options.config.cores().get() <= MAX_CORES);
    prop_assert!(model_bytes(options) <= MAX_MODEL_BYTES);
    for cache in levels(options).map(|level| level.geometry) {
        let (bytes, line, ways) = (cache.size_bytes(), cache.line_bytes(), cache.ways());
        prop_assert!(line.is_power_of_two() && ways > 0 && bytes > 0, "{cache:?}");
        prop_assert!(bytes.is_multiple_of(line * u64::from(ways)), "{cache:?}");
        prop_assert_eq!(cache.lines(), bytes / line);
        prop_assert!(cache.lines() <= MAX_LINES, "{cache:?}");
    }
    for arg in args {
        let Some((name, typed)) = arg.split_once('=') else { continue };
        let prefix = format!("{name}=");
        let is_last = args.iter().rev().find(|arg| arg.starts_with(&prefix)) == Some(arg);
        if let Some(number) = number_in(options, name)
            && is_last
        {
            prop_assert_eq!(Some(number), naive_number(typed), "{}", arg);
        }
    }
    Ok(())
}

/// Whether a character would end a line, or make a terminal do anything but show it.
fn breaks_line(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What fingers do to a word. Places are taken modulo the number of characters.
#[derive(Clone, Debug)]
enum Slip {
    Drop(usize),
    Double(usize),
    Swap(usize),
    Insert(usize, char),
    Replace(usize, char),
    Cut(usize),
}

fn any_slip() -> impl Strategy<Value = Slip> {
    let character = prop_oneof![
        4 => prop::sample::select("0123456789-+.xKMGiBb=,%/ \t\n".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    let place = 0..64_usize;
    prop_oneof![
        place.clone().prop_map(Slip::Drop),
        place.clone().prop_map(Slip::Double),
        place.clone().prop_map(Slip::Swap),
        (place.clone(), character.clone()).prop_map(|(place, new)| Slip::Insert(place, new)),
        (place.clone(), character).prop_map(|(place, new)| Slip::Replace(place, new)),
        place.prop_map(Slip::Cut),
    ]
}

fn slipped(text: &str, slip: &Slip) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let length = chars.len();
    if length == 0 {
        return String::new();
    }
    match *slip {
        Slip::Drop(place) => _ = chars.remove(place % length),
        Slip::Double(place) => chars.insert(place % length, chars[place % length]),
        Slip::Swap(place) => chars.swap(place % length, (place + 1) % length),
        Slip::Insert(place, new) => chars.insert(place % (length + 1), new),
        Slip::Replace(place, new) => chars[place % length] = new,
        Slip::Cut(place) => chars.truncate(place % length),
    }
    chars.into_iter().collect()
}

/// Options that are good, but for a few slips in one or two of them.
fn arguments_with_slips() -> impl Strategy<Value = Vec<String>> {
    let slips = prop::collection::vec((any::<prop::sample::Index>(), any_slip()), 1..4);
    let good = any_options().prop_flat_map(|options| arguments_for(&options));
    (good, slips).prop_map(|(mut args, slips)| {
        for (at, slip) in slips {
            let arg = at.get_mut(&mut args);
            *arg = slipped(arg, &slip);
        }
        args
    })
}

/// All levels that there are, those of a core once.
fn levels(options: &Options) -> impl Iterator<Item = Level> {
    let second = options.config.lower().map(|lower| lower.l2);
    let third = options.config.lower().and_then(|lower| lower.l3);
    [options.config.icache(), options.config.dcache()].into_iter().chain(second).chain(third)
}

fn model_bytes(options: &Options) -> u64 {
    let cores = u64::from(options.config.cores().get());
    let mut lines = cores
        * (options.config.icache().geometry.lines() + options.config.dcache().geometry.lines());
    if let Some(LowerLevels { l2, l2_kind, l3, .. }) = &options.config.lower() {
        let caches = if *l2_kind == L2Kind::Split { 2 } else { 1 };
        lines += caches * cores * l2.geometry.lines();
        lines += l3.map_or(0, |l3| l3.geometry.lines());
    }
    lines * MODEL_BYTES_PER_LINE
}

/// The number that `options` has where the option `name` puts it.
fn number_in(options: &Options, name: &str) -> Option<u128> {
    let second = options.config.lower().map(|lower| lower.l2.geometry);
    let third = options.config.lower().and_then(|lower| lower.l3).map(|level| level.geometry);
    Some(match name {
        "icachesize" => options.config.icache().geometry.size_bytes().into(),
        "iblksize" => options.config.icache().geometry.line_bytes().into(),
        "iassoc" => options.config.icache().geometry.ways().into(),
        "dcachesize" => options.config.dcache().geometry.size_bytes().into(),
        "dblksize" => options.config.dcache().geometry.line_bytes().into(),
        "dassoc" => options.config.dcache().geometry.ways().into(),
        "l2cachesize" => second?.size_bytes().into(),
        "l2blksize" => second?.line_bytes().into(),
        "l2assoc" => second?.ways().into(),
        "l3cachesize" => third?.size_bytes().into(),
        "l3blksize" => third?.line_bytes().into(),
        "l3assoc" => third?.ways().into(),
        "l1lat" => options.summary?.l1.into(),
        "l2lat" => options.summary?.l2.into(),
        "l3lat" => options.summary?.l3.into(),
        "memlat" => options.summary?.memory.into(),
        "seed" => options.config.seed().into(),
        "cores" => options.config.cores().get().into(),
        "limit" => options.limit as u128,
        _ => return None,
    })
}

/// The number that a reader with unlimited numbers sees.
fn naive_number(text: &str) -> Option<u128> {
    let text = text.to_ascii_lowercase();
    if let Some(digits) = text.strip_prefix("0x") {
        return u128::from_str_radix(digits, 16).ok();
    }
    let text = text.strip_suffix("ib").unwrap_or(&text);
    for (unit, factor) in [("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30)] {
        if let Some(digits) = text.strip_suffix(unit) {
            return digits.parse::<u128>().ok().map(|number| number * factor);
        }
    }
    text.parse().ok()
}
