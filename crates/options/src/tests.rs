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
use source::Attribution;
use std::fmt::Write;
use std::num::NonZeroU32;

mod compared;
mod files;
mod foreign;
mod help;
mod host;
mod levels;
mod messages;
mod policies;
mod properties;

const USER: Host = Host { mode: GuestMode::User, vcpus: 1 };

const LATENCIES: Latencies = Latencies { l1: 4, l2: 12, l3: 40, memory: 200 };

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
        latencies: LATENCIES,
        wants_summary: false,
        preset: None,
        compared: Vec::new(),
        limit: 32,
        by: Subject::Instruction,
        attribution: Attribution::Own,
        output: Output::Auto,
        files: Vec::new(),
        detail: Detail::Misses,
        images: Vec::new(),
        progress: None,
        workers: None,
        queue_bytes: 64 << 20,
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
    assert_eq!(args.len(), 34);
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
            "attribution=outermost",
            "out=log",
            "html=%p.html",
            "json=a.json",
            "elf=vmlinux",
            "elf=a@b.elf@0x10",
            "progress=10",
            "workers=3",
            "queue=128K",
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
            latencies: LATENCIES,
            wants_summary: false,
            preset: None,
            compared: Vec::new(),
            limit: 0,
            by: Subject::Line,
            attribution: Attribution::Outermost,
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
            workers: Some(3),
            queue_bytes: 128 << 10,
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
fn two_formats_may_go_nowhere() {
    let files = options(&["json=/dev/null", "csv=/dev/null", "html=/dev/null"]).files;
    assert_eq!(files.len(), 3);
    assert!(message(&["json=-", "csv=-"]).contains("the file of json too"));
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
