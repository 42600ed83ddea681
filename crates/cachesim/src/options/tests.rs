//! Tests of the options as a whole: what is accepted, what is said, and properties of both.

use super::*;
use proptest::prelude::*;
use std::fmt::Write;

const USER: Host = Host { mode: GuestMode::User, vcpus: 1 };

const FOUR_VCPUS: Host = Host { mode: GuestMode::System, vcpus: 4 };

fn parse_on(args: &[&str], host: Host) -> Result<Request, OptionError> {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    parse(&args, &host)
}

/// The settings for arguments that must be accepted, in user mode.
fn config(args: &[&str]) -> Config {
    match parse_on(args, USER) {
        Ok(Request::Run(config)) => *config,
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
    let expected = Config {
        icache: Level { geometry: geometry(16384, 64, 8), policy: PolicyKind::Lru },
        dcache: Level { geometry: geometry(16384, 64, 8), policy: PolicyKind::Lru },
        lower: None,
        writes: None,
        directions: Directions::Together,
        straddle: Straddle::First,
        summary: None,
        preset: None,
        seed: 1,
        cores: NonZeroU32::MIN,
        limit: 32,
        by: Subject::Instruction,
        output: Output::Auto,
        files: Vec::new(),
        detail: Detail::Misses,
        images: Vec::new(),
        progress: None,
    };
    assert_eq!(config(&[]), expected);
    let cores = NonZeroU32::new(4).unwrap();
    assert_eq!(parse_on(&[], FOUR_VCPUS), Ok(Request::Run(Box::new(Config { cores, ..expected }))));
}

#[test]
fn in_user_mode_there_is_one_core_whatever_the_vcpus() {
    let host = Host { vcpus: 7, ..USER };
    assert_eq!(parse_on(&[], host), Ok(Request::Run(Box::new(config(&[])))));
}

#[test]
fn the_defaults_in_the_table_are_the_defaults() {
    let args: Vec<String> = OPTIONS
        .iter()
        .filter(|spec| !spec.default.is_empty() && spec.name != "cores")
        .map(|spec| format!("{}={}", spec.name, spec.default))
        .collect();
    assert_eq!(args.len(), 12);
    assert_eq!(parse(&args, &USER), Ok(Request::Run(Box::new(config(&[])))));
}

#[test]
fn every_option_reaches_its_setting() {
    assert_eq!(
        config(&[
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
        Config {
            icache: Level { geometry: geometry(4096, 32, 2), policy: PolicyKind::Fifo },
            dcache: Level { geometry: geometry(6144, 128, 3), policy: PolicyKind::Fifo },
            lower: None,
            writes: None,
            directions: Directions::Together,
            straddle: Straddle::First,
            summary: None,
            preset: None,
            seed: 255,
            cores: NonZeroU32::new(3).unwrap(),
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
    assert_eq!(config(&["evict=rand"]).dcache.policy, PolicyKind::Random);
    assert_eq!(config(&["evict=lru"]).dcache.policy, PolicyKind::Lru);
    assert_eq!(config(&["evict=nru"]).dcache.policy, PolicyKind::BitPlru);
    for kind in PolicyKind::ALL {
        assert_eq!(config(&[&format!("evict={}", kind.name())]).dcache.policy, kind);
    }
}

#[test]
fn formats_that_need_all_counts_turn_them_on() {
    for format in Format::ALL {
        let config = config(&[&format!("{}=file", format.name())]);
        assert_eq!(config.detail, format.detail(), "{format:?}");
        assert!(config.needs_locations());
    }
    assert_eq!(config(&["json=file", "profile"]).detail, Detail::Full);
    assert_eq!(config(&["profile=on", "profile=off"]).detail, Detail::Misses);
    assert!(!config(&["profile"]).needs_locations());
    assert!(config(&["by=function"]).needs_locations());
    assert!(!config(&["by=function", "limit=0"]).needs_locations());
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
        assert_eq!(config(&[&arg]).dcache.geometry.size_bytes(), size, "{arg}");
    }
    assert_eq!(config(&["dblksize=1K"]).dcache.geometry.line_bytes(), 1024);
}

#[test]
fn numbers_reach_their_limits_unchanged() {
    let max = u64::MAX.to_string();
    assert_eq!(config(&[&format!("seed={max}")]).seed, u64::MAX);
    assert_eq!(config(&["seed=0xffffffffffffffff"]).seed, u64::MAX);
    let max = usize::MAX.to_string();
    assert_eq!(config(&[&format!("limit={max}")]).limit, usize::MAX);
    assert_eq!(config(&["cores=4096"]).cores.get(), MAX_CORES);
    assert_eq!(
        config(&["dcachesize=1", "dblksize=1", "dassoc=1"]).dcache.geometry,
        geometry(1, 1, 1)
    );
}

#[test]
fn of_an_option_given_twice_the_last_holds() {
    assert_eq!(config(&["limit=1", "limit=2"]).limit, 2);
    // The first breaks a rule of the second stage only, and is gone by then.
    assert_eq!(config(&["dassoc=3", "dassoc=4"]).dcache.geometry.ways(), 4);
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
    let output = |arg: &str| config(&[arg]).output;
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
    &["l2=on"],
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
    // Only the first fault is told.
    &["limit=x", "cores=y"],
    &["dcachesize=16000", "cores=y"],
];

#[test]
#[cfg_attr(miri, ignore = "insta starts processes")]
fn every_bad_input_has_its_message() {
    let mut said = String::new();
    for args in BAD_INPUTS {
        writeln!(said, "{}", message(args)).unwrap();
    }
    insta::assert_snapshot!(said, @r#"
    dcachsize=16K: unknown option; did you mean dcachesize? the option help lists all
    DCACHESIZE=16K: unknown option; did you mean dcachesize? the option help lists all
     limit=3: unknown option; did you mean limit? the option help lists all
    cachesize: unknown option; did you mean icachesize? the option help lists all
    eviction=lru: unknown option; did you mean evict? the option help lists all
    bogus=1: unknown option; the option help lists all
    l2=on: unknown option; the option help lists all
    =5: an option without a name; write name=value (the option help lists all)
    "": an option without a name; write name=value (the option help lists all)
    dcachesize=: needs a value; write dcachesize=BYTES
    dcachesize: needs a value; write dcachesize=BYTES
    dcachesize=on: needs a value; write dcachesize=BYTES
    evict=on: needs a value; write evict=lru|fifo|rand
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
    evict=random: unknown policy; did you mean rand? the policies are lru, fifo, rand, tree-plru, bit-plru (nru), srrip, brrip, drrip, lfu, lip and bip
    evict=LRU: unknown policy; did you mean lru? the policies are lru, fifo, rand, tree-plru, bit-plru (nru), srrip, brrip, drrip, lfu, lip and bip
    evict=nmru: unknown policy; did you mean nru? the policies are lru, fifo, rand, tree-plru, bit-plru (nru), srrip, brrip, drrip, lfu, lip and bip
    evict=belady: unknown policy; the policies are lru, fifo, rand, tree-plru, bit-plru (nru), srrip, brrip, drrip, lfu, lip and bip
    evict=plru: unknown policy; did you mean lru? the policies are lru, fifo, rand, tree-plru, bit-plru (nru), srrip, brrip, drrip, lfu, lip and bip
    evict=brip: unknown policy; did you mean brrip? the policies are lru, fifo, rand, tree-plru, bit-plru (nru), srrip, brrip, drrip, lfu, lip and bip
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
    csv=a: the file of json too; write another name
    html=a: the file of out too; write another name
    dcachesize=16000: not a multiple of dblksize × dassoc (64 × 8 = 512); try 15872 or 16384
    icachesize=100: not a multiple of iblksize × iassoc (64 × 8 = 512); try 512
    dcachesize=16384 (default): not a multiple of dblksize × dassoc (64 × 3 = 192); try 16320 or 16512
    icachesize=16448: not a multiple of iblksize × iassoc (128 × 8 = 1024); try 16384 or 17408
    iblksize=48: not a power of two; try 32 or 64
    dcachesize=512M: has 536870912 lines at dblksize=1, the most is 268435456; try 268435456 or longer lines
    cores=4096: the caches of 4096 cores, 262400 lines each, need 8200 MiB of memory, the most is 4096 MiB; try cores=2046 or smaller caches
    limit=x: not a number; write a whole number
    cores=y: not a number; write a whole number
    "#);
}

#[test]
fn every_bad_input_is_named_in_one_line() {
    for args in BAD_INPUTS {
        let said = message(args);
        let (option, problem) = said.split_once(": ").unwrap();
        assert!(!problem.is_empty() && !said.contains('\n'), "{said}");
        // The culprit may be the default of an option that the typed ones do not fit.
        let is_named =
            option.ends_with(" (default)") || args.iter().any(|arg| option == shown(arg));
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
        "cores=64 (default): the caches of 64 cores, 67109120 lines each, need 32769 MiB of \
         memory, the most is 4096 MiB; try cores=7 or smaller caches"
    );
    assert!(parse_on(&["dcachesize=4G", "cores=7"], vcpus(64)).is_ok());
    assert!(parse_on(&["dcachesize=4G", "cores=8"], vcpus(64)).is_err());
}

#[test]
fn one_core_may_have_the_largest_caches_and_two_may_not() {
    let largest = ["icachesize=16G", "dcachesize=16G"];
    assert_eq!(config(&largest).dcache.geometry.lines(), MAX_LINES);
    assert_eq!(
        message(&[largest[0], largest[1], "cores=2"]),
        "cores=2: the caches of 2 cores, 536870912 lines each, need 8192 MiB of memory, the most \
         is 4096 MiB; try cores=1 or smaller caches"
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
        message(&["evict=l\nru\u{1b}[2J\u{202e}"]),
        "evict=l\\nru\\u{1b}[2J\\u{202e}: unknown policy; the policies are \
         lru, fifo, rand, tree-plru, bit-plru (nru), srrip, brrip, drrip, lfu, lip and bip"
    );
    // A long way to write a number is still that number.
    let zeros = "0".repeat(LONG);
    assert_eq!(config(&[&format!("limit={zeros}7")]).limit, 7);
}

#[test]
#[cfg_attr(miri, ignore = "insta starts processes")]
fn the_help_lists_every_option() {
    insta::assert_snapshot!(help_text(), @r"
    Options, as in -plugin FILE,name=value,name=value (of one given twice the last
    holds, but elf adds up; a comma within a value is written twice):

      icachesize=BYTES              size of each instruction cache (default: 16384)
      iblksize=BYTES                its line size, a power of two (default: 64)
      iassoc=N                      its associativity, the ways of a set (default:
                                    8)
      dcachesize=BYTES              size of each data cache (default: 16384)
      dblksize=BYTES                its line size, a power of two (default: 64)
      dassoc=N                      its associativity, the ways of a set (default:
                                    8)
      evict=lru|fifo|rand           replacement policy of all caches (default: lru)
      seed=N                        start of the random choices of evict=rand,
                                    decimal or 0x hexadecimal (default: 1)
      cores=N                       simulated cores; vCPU v runs on core v modulo N
                                    (default: 1 in user mode, the vCPUs in system
                                    mode)
      limit=N                       most rows in each list; 0 for no lists (default:
                                    32)
      by=instruction|function|line  what the lists are of (default: instruction)
      out=auto|log|stderr|FILE      where the report goes: auto is QEMU's log with
                                    -d plugin, else stderr; in a file name %p is the
                                    process id and %% a percent sign; a file called
                                    like one of the words is written ./log (default:
                                    auto)
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
      help                          show this and do not run
      list                          the same as help

    BYTES may end in K, M or G (or KiB, MiB, GiB): powers of 1024.
    ");
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
    for (index, spec) in OPTIONS.iter().enumerate() {
        assert!(OPTIONS[..index].iter().all(|other| other.name != spec.name));
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

fn any_config() -> impl Strategy<Value = Config> {
    let policy = prop::sample::select(PolicyKind::ALL.to_vec());
    let output = prop_oneof![
        Just(Output::Auto),
        Just(Output::Log),
        Just(Output::Stderr),
        r"\./([^%]|%p|%%){0,9}".prop_map(|path| Output::File(PathTemplate::new(&path).unwrap())),
    ];
    let cores = (1..=1000_u32).prop_map(|cores| NonZeroU32::new(cores).unwrap());
    let caches =
        (any_geometry(), any_geometry(), policy, any::<u64>(), cores, any::<usize>(), output);
    (caches, any_telling()).prop_map(
        |((icache, dcache, policy, seed, cores, limit, output), telling)| Config {
            icache: Level { geometry: icache, policy },
            dcache: Level { geometry: dcache, policy },
            seed,
            cores,
            limit,
            output,
            ..telling
        },
    )
}

/// The settings of what is told of instructions, the others as they are.
fn any_telling() -> impl Strategy<Value = Config> {
    let by = vec![Subject::Instruction, Subject::Function, Subject::Line];
    let formats = prop::sample::subsequence(Format::ALL.to_vec(), 0..=Format::ALL.len());
    let detail = prop::sample::select(vec![Detail::Misses, Detail::Full]);
    let image = (r"[a-z/.@]{1,9}", any::<u64>()).prop_map(|(path, bias)| ElfImage { path, bias });
    let progress = prop::option::of((1..=u32::MAX).prop_map(|n| Duration::from_secs(n.into())));
    let images = prop::collection::vec(image, 0..=1);
    (prop::sample::select(by), formats, detail, images, progress).prop_map(
        |(by, formats, detail, images, progress)| Config {
            by,
            detail: formats.iter().map(|format| format.detail()).fold(detail, Ord::max),
            files: formats.into_iter().map(|format| (format, file_of(format))).collect(),
            images,
            progress,
            ..config(&[])
        },
    )
}

/// A file name that no other format has.
fn file_of(format: Format) -> PathTemplate {
    PathTemplate::new(&format!("%p.{}", format.name())).unwrap()
}

/// Arguments, in any order, that give `config`.
fn arguments_for(config: &Config) -> impl Strategy<Value = Vec<String>> + use<> {
    let bytes =
        |name, value| bytes_text(value).prop_map(move |text| format!("{name}={text}")).boxed();
    let text = |text: String| Just(text).boxed();
    let policy = config.dcache.policy.name();
    let out = match &config.output {
        Output::Auto => "auto".to_owned(),
        Output::Log => "log".to_owned(),
        Output::Stderr => "stderr".to_owned(),
        Output::File(path) => path.to_string(),
    };
    let seed = config.seed;
    let mut arguments = vec![
        bytes("icachesize", config.icache.geometry.size_bytes()),
        bytes("iblksize", config.icache.geometry.line_bytes()),
        text(format!("iassoc={}", config.icache.geometry.ways())),
        bytes("dcachesize", config.dcache.geometry.size_bytes()),
        bytes("dblksize", config.dcache.geometry.line_bytes()),
        text(format!("dassoc={}", config.dcache.geometry.ways())),
        text(format!("evict={policy}")),
        prop_oneof![
            Just(format!("seed={seed}")),
            Just(format!("seed={seed:#x}")),
            Just(format!("seed=0X{seed:X}")),
        ]
        .boxed(),
        text(format!("cores={}", config.cores)),
        text(format!("limit={}", config.limit)),
        text(format!("out={out}")),
        text(format!("by={}", format!("{:?}", config.by).to_lowercase())),
    ];
    let files = config.files.iter().map(|(format, path)| format!("{}={path}", format.name()));
    let images = config.images.iter().map(|ElfImage { path, bias }| format!("elf={path}@{bias}"));
    let progress = config.progress.map(|time| format!("progress={}", time.as_secs()));
    let profile = (config.detail == Detail::Full).then(|| "profile".to_owned());
    arguments.extend(files.chain(images).chain(progress).chain(profile).map(text));
    arguments.prop_shuffle()
}

/// A known name or none, then a value that is often nearly right.
fn any_argument() -> impl Strategy<Value = String> {
    let names: Vec<&str> = OPTIONS.iter().map(|spec| spec.name).collect();
    let name = prop::sample::select(names);
    let value = prop_oneof![
        any::<String>(),
        any::<i64>().prop_map(|number| number.to_string()),
        r"[-+ ]?(0x)?[0-9a-f]{0,21}(\.5)?[kmgtKMGT]?(i?[bB])?",
        (0..4096_u32).prop_map(|number| number.to_string()),
        (0..70_u32).prop_map(|shift| (1_u128 << shift).to_string()),
        prop::sample::select(vec!["lru", "fifo", "rand", "line", "on", "off", "a@0x", ""])
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
        (config, args) in any_config()
            .prop_filter("within the memory limit", |config| {
                model_bytes(config) <= MAX_MODEL_BYTES
            })
            .prop_flat_map(|config| (Just(config.clone()), arguments_for(&config))),
        host in any_host(),
    ) {
        prop_assert_eq!(parse(&args, &host), Ok(Request::Run(Box::new(config))));
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
        6
    } else if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default().cases
    } else {
        3000
    }
}

/// Checks what is true of the answer to any arguments at all.
fn check_answer(args: &[String], host: Host) -> Result<(), TestCaseError> {
    match parse(args, &host) {
        Ok(Request::Help) => {
            prop_assert!(args.iter().any(|arg| arg.starts_with("help") || arg.starts_with("list")));
        }
        Ok(Request::Run(config)) => check_accepted(args, &config)?,
        Err(error) => {
            let text = error.to_string();
            prop_assert!(text.chars().count() < 500, "{text}");
            prop_assert!(!text.chars().any(breaks_line), "{text:?}");
            let (option, problem) = text.split_once(": ").unwrap();
            prop_assert!(!problem.trim().is_empty());
            let is_named = option.ends_with("(default)")
                || args.iter().any(|arg| text.starts_with(&shown(arg)));
            prop_assert!(is_named, "{text}");
        }
    }
    Ok(())
}

/// Checks that `config` can be simulated and is what was typed.
fn check_accepted(args: &[String], config: &Config) -> Result<(), TestCaseError> {
    prop_assert!(config.cores.get() <= MAX_CORES);
    prop_assert!(model_bytes(config) <= MAX_MODEL_BYTES);
    for cache in [&config.icache.geometry, &config.dcache.geometry] {
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
        if let Some(number) = number_in(config, name)
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
    let good = any_config().prop_flat_map(|config| arguments_for(&config));
    (good, slips).prop_map(|(mut args, slips)| {
        for (at, slip) in slips {
            let arg = at.get_mut(&mut args);
            *arg = slipped(arg, &slip);
        }
        args
    })
}

fn model_bytes(config: &Config) -> u64 {
    let lines = config.icache.geometry.lines() + config.dcache.geometry.lines();
    lines * u64::from(config.cores.get()) * MODEL_BYTES_PER_LINE
}

/// The number that `config` has where the option `name` puts it.
fn number_in(config: &Config, name: &str) -> Option<u128> {
    Some(match name {
        "icachesize" => config.icache.geometry.size_bytes().into(),
        "iblksize" => config.icache.geometry.line_bytes().into(),
        "iassoc" => config.icache.geometry.ways().into(),
        "dcachesize" => config.dcache.geometry.size_bytes().into(),
        "dblksize" => config.dcache.geometry.line_bytes().into(),
        "dassoc" => config.dcache.geometry.ways().into(),
        "seed" => config.seed.into(),
        "cores" => config.cores.get().into(),
        "limit" => config.limit as u128,
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
