//! Tests of presets and of files with options.

use super::properties::{
    any_argument, any_hierarchy, any_slip, breaks_line, cases, hierarchy_arguments, levels_of,
    slipped,
};
use super::*;

const NAME: &str = "a.toml";

/// The answer to arguments beside a file [`NAME`] with this text.
pub(super) fn parse_beside(
    file: &str,
    args: &[String],
    host: Host,
) -> Result<Request, OptionError> {
    parse(args, &host, &|path| match path {
        NAME => Ok(file.to_owned()),
        _ => no_file(path),
    })
}

fn options_beside(file: &str, args: &[&str]) -> Options {
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    match parse_beside(file, &args, USER) {
        Ok(Request::Run(options)) => *options,
        other => panic!("{file} {args:?}: {other:?}"),
    }
}

/// The settings that a file alone gives.
fn options_of(file: &str) -> Options {
    options_beside(file, &["config=a.toml"])
}

fn preset(name: &str) -> &'static Preset {
    PRESETS.iter().find(|preset| preset.name == name).unwrap()
}

#[test]
fn a_preset_is_its_options() {
    for preset in PRESETS {
        let arguments: Vec<String> =
            preset.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        // A latency that is typed asks for the summary.
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.push("summary=off");
        let expected = Options { preset: Some(preset.name), ..options(&arguments) };
        assert_eq!(options(&[&format!("cpu={}", preset.name)]), expected);
    }
}

#[test]
fn options_override_a_preset_wherever_it_stands() {
    let zen3 = options(&["cpu=zen3"]);
    let three_rows = Options { limit: 3, ..zen3.clone() };
    assert_eq!(options(&["limit=3", "cpu=zen3"]), three_rows);
    assert_eq!(options(&["cpu=zen3", "limit=3"]), three_rows);
    assert_eq!(options(&["cpu=zen2", "cpu=zen3"]), zen3);
    let larger = options(&["l2cachesize=1M", "cpu=zen3"]).config.lower().unwrap();
    let LowerLevels { l2, .. } = zen3.config.lower().unwrap();
    let geometry = geometry(1 << 20, l2.geometry.line_bytes(), l2.geometry.ways());
    assert_eq!(
        larger,
        LowerLevels { l2: Level { geometry, ..l2 }, ..zen3.config.lower().unwrap() }
    );
}

#[test]
fn a_level_of_a_preset_can_be_switched_off() {
    let lower = options(&["cpu=zen3"]).config.lower().unwrap();
    assert!(lower.l3.is_some());
    let without = options(&["cpu=zen3", "l3=off"]).config.lower().unwrap();
    assert_eq!(without, LowerLevels { l3: None, l3_inclusion: Inclusion::Nine, ..lower });
    assert_eq!(options(&["cpu=zen3", "l2=off", "l3=off"]).config.lower(), None);
    assert_eq!(
        message(&["cpu=zen3", "l2=off"]),
        "l3=on (cpu=zen3): an L3 needs an L2; write l2=on or l3=off"
    );
}

#[test]
fn a_size_typed_beside_a_preset_without_the_level_turns_it_on() {
    assert_eq!(options(&["cpu=cortex-m7"]).config.lower(), None);
    assert!(options(&["cpu=cortex-m7", "l2assoc=8"]).config.lower().is_some());
    assert_eq!(
        message(&["cpu=cortex-m7", "l2evict=lru"]),
        "l2evict=lru: there is no L2; add l2=on"
    );
}

#[test]
fn one_policy_for_all_overrides_those_of_a_preset() {
    let [first, second] = [&["cpu=cortex-a53", "evict=fifo"], &["evict=fifo", "cpu=cortex-a53"]]
        .map(|args| options(args));
    assert_eq!(first, second);
    assert!(levels_of(&first).all(|level| level.policy == PolicyKind::Fifo));
    let but_one = options(&["cpu=cortex-a53", "l2evict=lfu", "evict=fifo"]);
    assert_eq!(but_one.config.lower().unwrap().l2.policy, PolicyKind::Lfu);
    assert_eq!(but_one.config.icache().policy, PolicyKind::Fifo);
}

#[test]
fn a_preset_gives_latencies_but_no_summary() {
    let memory = preset("cortex-a53").option("memlat").unwrap().parse().unwrap();
    for (args, wants_summary, l1) in [
        (&["cpu=cortex-a53"][..], false, 3),
        (&["cpu=cortex-a53", "summary=on"], true, 3),
        (&["cpu=cortex-a53", "l1lat=1"], true, 1),
    ] {
        let Options { latencies, wants_summary: wanted, .. } = options(args);
        assert_eq!((wanted, latencies.l1, latencies.memory), (wants_summary, l1, memory));
    }
}

#[test]
fn writes_of_a_preset_can_be_switched_off() {
    assert!(options(&["cpu=cortex-a72"]).config.writes().is_some());
    assert_eq!(options(&["cpu=cortex-a72", "dwrite=off"]).config.writes(), None);
    let through = options(&["cpu=cortex-a72", "dwrite=through"]).config.writes().unwrap();
    assert_eq!(through.on_hit, WriteHit::Through);
}

#[test]
fn a_size_that_no_longer_fits_a_preset_is_explained() {
    assert_eq!(
        message(&["cpu=cortex-a72", "icachesize=32K"]),
        "icachesize=32K: not a multiple of iblksize × iassoc (64 × 3 = 192); try 32640 or 32832"
    );
    assert_eq!(
        message(&["cpu=cortex-a72", "iassoc=5"]),
        "icachesize=48K (cpu=cortex-a72): not a multiple of iblksize × iassoc (64 × 5 = 320); \
         try 48960 or 49280"
    );
}

#[test]
fn presets_are_listed_whatever_else_is_wrong() {
    for args in [&["cpu=list"][..], &["cpu=zen3", "cpu=list"], &["cpu=list", "limit=x"]] {
        assert_eq!(parse_on(args, USER), Ok(Request::Presets), "{args:?}");
    }
    assert_eq!(parse_on(&["cpu=list", "help"], USER), Ok(Request::Help));
}

#[test]
fn a_file_gives_options_of_every_kind() {
    assert_eq!(
        options_of(
            "# Two cores\n\
             cores = 2\n\
             dcachesize = \"32K\"   # of each\n\
             dassoc = \"4\"\n\
             l2 = true\n\
             profile = false\n\
             'evict' = 'fifo'\n\
             seed = 0x2A\n\
             limit = 1_000\n\
             rw = \"on\"\n\
             elf = [\"vmlinux\", \"b.elf@0x10\"]\n\
             json = \"50%%.json\"\n"
        ),
        options(&[
            "cores=2",
            "dcachesize=32K",
            "dassoc=4",
            "l2=on",
            "evict=fifo",
            "seed=42",
            "limit=1000",
            "rw=on",
            "elf=vmlinux",
            "elf=b.elf@0x10",
            "json=50%%.json",
        ])
    );
    assert_eq!(options_of(""), options(&[]));
    assert_eq!(options_of("elf = \"a\"\r\n"), options(&["elf=a"]));
    assert_eq!(options_of("elf = []"), options(&[]));
}

#[test]
fn the_command_line_overrides_a_file_and_a_file_its_preset() {
    let file = "cpu = \"zen3\"\nlimit = 5\nl1lat = 1\nicachesize = \"16K\"\n";
    let expected = options(&["cpu=zen3", "limit=5", "l1lat=1", "icachesize=16K"]);
    assert_eq!(options_of(file), expected);
    assert_eq!(options_beside(file, &["limit=6", "config=a.toml"]).limit, 6);
    // The file's options override the preset that the command line names instead of its own.
    assert_eq!(
        options_beside(file, &["config=a.toml", "cpu=zen2"]),
        options(&["cpu=zen2", "limit=5", "l1lat=1", "icachesize=16K"])
    );
    let evict = options_beside("ievict = \"rand\"", &["evict=fifo", "config=a.toml"]);
    assert_eq!(evict.config.icache().policy, PolicyKind::Fifo);
    assert!(options_beside("l2 = false", &["l2assoc=4", "config=a.toml"]).config.lower().is_some());
    assert!(options_beside("l2assoc = 4", &["l2=off", "config=a.toml"]).config.lower().is_none());
    let images = options_beside("elf = \"a\"", &["elf=b", "config=a.toml"]).images;
    assert_eq!(images.iter().map(|image| image.path.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn of_two_files_the_last_is_read() {
    let args = ["config=none.toml".to_owned(), "config=a.toml".to_owned()];
    assert_eq!(parse_beside("limit = 1", &args, USER), parse_on(&["limit=1"], USER));
}

#[test]
fn no_file_is_read_for_help_or_beside_a_wrong_argument() {
    let read = |args: &[&str]| {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        parse(&args, &USER, &|path| panic!("{path} was read"))
    };
    assert_eq!(read(&["config=a.toml", "help"]), Ok(Request::Help));
    assert_eq!(read(&["config=a.toml", "cpu=list"]), Ok(Request::Presets));
    assert!(read(&["config=a.toml", "limit=x"]).is_err());
    assert!(read(&[]).is_ok());
}

const BAD_FILES: &[&str] = &[
    "limit = x",
    "limit = 1\ndcachesize = 32K",
    "limit = 1\nlimit = 2",
    "limit 5",
    "limit = \"",
    "l2 = yes",
    "\nelf = [\"a\"",
    "limit = \"x\"",
    "limit = true",
    "limit = -1",
    "seed = 99999999999999999999",
    "seed = 0xffffffffffffffffffffffffffffffffffff",
    "limit = 1.5",
    "limit = 2026-01-01",
    "limit = [1, 2]",
    "elf = [1.5]",
    "elf = [[\"a\"]]",
    "elf = [\"a\", \"b@0x\"]",
    "[l2]\ncachesize = 3",
    "l2 = true\n[cache]\nl2cachesize = \"1M\"",
    "l2.cachesize = 3",
    "# none\nl2cachsize = \"1M\"",
    "\"\" = 1",
    "\"a\\nb\" = \"c\\u001b\"",
    "config = \"b.toml\"",
    "help = true",
    "list = false",
    "cpu = \"list\"",
    "cpu = \"zen33\"",
    "l3 = true",
    "\n\ndcachesize = 16000",
    "dassoc = 3",
    "cores = 4096\nl2cachesize = \"64M\"",
];

#[test]
fn every_bad_file_has_its_message() {
    let mut said = String::new();
    for file in BAD_FILES {
        match parse_beside(file, &["config=a.toml".to_owned()], USER) {
            Err(error) => writeln!(said, "{error}").unwrap(),
            Ok(request) => panic!("{file}: {request:?}"),
        }
    }
    insta::assert_snapshot!(said, @r#"
    config=a.toml: line 1 is not TOML: string values must be quoted, expected literal string (lines are such as dcachesize="32K" or l2=true)
    config=a.toml: line 2 is not TOML: string values must be quoted, expected literal string (lines are such as dcachesize="32K" or l2=true)
    config=a.toml: line 2 is not TOML: duplicate key (lines are such as dcachesize="32K" or l2=true)
    config=a.toml: line 1 is not TOML: key with no value, expected `=` (lines are such as dcachesize="32K" or l2=true)
    config=a.toml: line 1 is not TOML: invalid basic string, expected `"` (lines are such as dcachesize="32K" or l2=true)
    config=a.toml: line 1 is not TOML: string values must be quoted, expected literal string (lines are such as dcachesize="32K" or l2=true)
    config=a.toml: line 2 is not TOML: unclosed array, expected `]` (lines are such as dcachesize="32K" or l2=true)
    limit=x (a.toml, line 1): not a number; write a whole number
    limit=on (a.toml, line 1): needs a value; write limit=N
    limit=-1 (a.toml, line 1): a negative number; write a whole number
    seed=99999999999999999999 (a.toml, line 1): too large; the most is 18446744073709551615
    seed=0xffffffffffffffffffffffffffffffffffff (a.toml, line 1): too large; the most is 18446744073709551615
    limit=1.5 (a.toml, line 1): write a string, a whole number, true or false
    limit=2026-01-01 (a.toml, line 1): write a string, a whole number, true or false
    limit=[1, 2] (a.toml, line 1): several values; only compare and elf take an array
    elf=[1.5] (a.toml, line 1): write a string, a whole number, true or false
    elf=[["a"]] (a.toml, line 1): write a string, a whole number, true or false
    elf=b@0x (a.toml, line 1): not a number; write a whole number, decimal or hexadecimal, such as 0x2a
    l2 (a.toml, line 1): a table, and options are in none; write them without a line such as [l2] above
    cache (a.toml, line 2): a table, and options are in none; write them without a line such as [cache] above
    l2 (a.toml, line 1): a table, and options are in none; write them without a line such as [l2] above
    l2cachsize=1M (a.toml, line 2): unknown option; did you mean l2cachesize? the option help lists all
    =1 (a.toml, line 1): an option without a name; write name=value (the option help lists all)
    a\nb=c\u{1b} (a.toml, line 1): unknown option; the option help lists all
    config=b.toml (a.toml, line 1): only for the command line
    help=on (a.toml, line 1): only for the command line
    list=off (a.toml, line 1): only for the command line
    cpu=list (a.toml, line 1): only for the command line
    cpu=zen33 (a.toml, line 1): unknown; did you mean zen3, zen1 or zen2? cpu=list lists all
    l3=on (a.toml, line 1): an L3 needs an L2; write l2=on or l3=off
    dcachesize=16000 (a.toml, line 3): not a multiple of dblksize × dassoc (64 × 8 = 512); try 15872 or 16384
    dcachesize=16384 (default): not a multiple of dblksize × dassoc (64 × 3 = 192); try 16320 or 16512
    cores=4096 (a.toml, line 1): the caches of 4096 cores, 1049088 lines each, need 65568 MiB of memory, the most is 8192 MiB; try cores=511 or smaller caches
    "#);
}

#[test]
fn what_cannot_be_read_is_named_harmlessly() {
    let read = |_: &str| Err("a\nb\u{1b}".to_owned());
    let error = parse(&["config=x".to_owned()], &USER, &read).unwrap_err();
    assert_eq!(error.to_string(), "config=x: a\\nb\\u{1b}");
}

/// Arguments as the lines of a file.
fn toml_of(args: &[String]) -> String {
    args.iter().fold(String::new(), |mut file, arg| {
        let (name, value) = arg.split_once('=').unwrap_or((arg, "on"));
        writeln!(file, "{name} = '{value}'").unwrap();
        file
    })
}

/// A hierarchy, and one way to write it.
fn written_hierarchy() -> impl Strategy<Value = (Options, Vec<String>)> {
    any_hierarchy().prop_flat_map(|options| {
        let args = hierarchy_arguments(&options);
        (Just(options), args)
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases().div_ceil(3),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn options_override_every_setting_of_presets_and_files(
        (options, mut args) in written_hierarchy(),
        (_, below) in written_hierarchy(),
        of_file in prop::option::of(prop::sample::select(PRESETS)),
        of_command_line in prop::option::of(prop::sample::select(PRESETS)),
    ) {
        let cpu = |preset: &Preset| format!("cpu={}", preset.name);
        let file = toml_of(&below.into_iter().chain(of_file.as_ref().map(cpu)).collect::<Vec<_>>());
        args.insert(0, "config=a.toml".to_owned());
        args.extend(of_command_line.as_ref().map(cpu));
        let preset = of_command_line.or(of_file).map(|preset| preset.name);
        let expected = Options { preset, ..options };
        prop_assert_eq!(parse_beside(&file, &args, USER), Ok(Request::Run(Box::new(expected))));
    }

    #[test]
    fn a_file_says_what_the_command_line_would((options, args) in written_hierarchy()) {
        let answer = parse_beside(&toml_of(&args), &["config=a.toml".to_owned()], USER);
        prop_assert_eq!(answer, Ok(Request::Run(Box::new(options))));
    }

    #[test]
    fn any_file_is_accepted_or_explained_in_one_line(file in any_file()) {
        if let Err(error) = parse_beside(&file, &["config=a.toml".to_owned()], USER) {
            let text = error.to_string();
            prop_assert!(text.chars().count() < 500, "{text}");
            prop_assert!(!text.chars().any(breaks_line), "{text:?}");
            prop_assert!(text.contains("a.toml") || text.contains("(default)") || text.contains("(cpu="), "{text}");
        }
    }
}

/// Something like a file of options.
fn any_file() -> impl Strategy<Value = String> {
    let slips = prop::collection::vec((any::<prop::sample::Index>(), any_slip()), 1..4);
    prop_oneof![
        1 => any::<String>(),
        1 => prop::collection::vec(any_argument(), 0..4).prop_map(|args| toml_of(&args)),
        4 => (written_hierarchy(), slips).prop_map(|((_, args), slips)| {
            let mut lines: Vec<String> = toml_of(&args).lines().map(str::to_owned).collect();
            for (at, slip) in slips {
                let line = at.get_mut(&mut lines);
                *line = slipped(line, &slip);
            }
            lines.join("\n")
        }),
    ]
}
