//! Properties of all options there may be: good ones, slips, and anything that may be typed.

use super::*;

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
            let Options { latencies, wants_summary, .. } = hierarchy;
            Some(Options { config, latencies, wants_summary, limit, output, ..telling })
        },
    )
}

/// The settings of the caches and of what is counted, the others as they are.
pub(super) fn any_hierarchy() -> impl Strategy<Value = Options> {
    let lower = prop::option::weighted(0.7, any_lower());
    let writes = prop::option::of(any_writes());
    let directions = prop::sample::select(vec![Directions::Together, Directions::Apart]);
    let straddle = prop::sample::select(vec![Straddle::First, Straddle::Split]);
    let summary = (any_latencies(), any::<bool>());
    (any_level(), any_level(), lower, writes, directions, straddle, summary).prop_map(
        |(icache, dcache, lower, writes, directions, straddle, (latencies, wants_summary))| {
            let lower = lower.map(|lower| with_lines_that_fit(lower, &icache, &dcache));
            let rest = Parts::default();
            let parts = Parts { icache, dcache, lower, writes, directions, straddle, ..rest };
            let config = Config::new(parts).unwrap();
            Options { config, latencies, wants_summary, ..Options::default() }
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
    let attributions = vec![Attribution::Own, Attribution::Innermost, Attribution::Outermost];
    let subject = (prop::sample::select(by), prop::sample::select(attributions));
    (subject, formats, detail, images, progress).prop_map(
        |((by, attribution), formats, detail, images, progress)| Options {
            by,
            attribution,
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
        text(format!("attribution={}", format!("{:?}", options.attribution).to_lowercase())),
    ]);
    let files = options.files.iter().map(|(format, path)| format!("{}={path}", format.name()));
    let images = options.images.iter().map(|ElfImage { path, bias }| format!("elf={path}@{bias}"));
    let progress = options.progress.map(|time| format!("progress={}", time.as_secs()));
    let profile = (options.detail == Detail::Full).then(|| "profile".to_owned());
    arguments.extend(files.chain(images).chain(progress).chain(profile).map(text));
    arguments.prop_shuffle()
}

/// The arguments for the caches and for what is counted.
pub(super) fn hierarchy_arguments(options: &Options) -> Vec<BoxedStrategy<String>> {
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
        one(format!("summary={}", on_off(options.wants_summary))),
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
    let Latencies { l1, l2, l3, memory } = options.latencies;
    let cycles = [("l1lat", l1), ("l2lat", l2), ("l3lat", l3), ("memlat", memory)];
    arguments.extend(cycles.iter().flat_map(|(name, cycles)| one(format!("{name}={cycles}"))));
    if let Some(Writes { on_hit, on_miss }) = options.config.writes() {
        arguments.extend(one(format!("dwrite={}", format!("{on_hit:?}").to_lowercase())));
        arguments.extend(one(format!("dalloc={}", on_off(on_miss == WriteMiss::Allocate))));
    } else {
        arguments.extend(one("dwrite=off".to_owned()));
    }
    arguments
}

/// A known name or none, then a value that is often nearly right.
pub(super) fn any_argument() -> impl Strategy<Value = String> {
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
pub(super) fn cases() -> u32 {
    if std::env::var_os("PROPTEST_CASES").is_some() {
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
pub(super) fn check_accepted(args: &[String], options: &Options) -> Result<(), TestCaseError> {
    prop_assert!(options.config.cores().get() <= MAX_CORES);
    prop_assert!(model_bytes(options) <= MAX_MODEL_BYTES);
    for cache in levels_of(options).map(|level| level.geometry) {
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
pub(super) fn breaks_line(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What fingers do to a word. Places are taken modulo the number of characters.
#[derive(Clone, Debug)]
pub(super) enum Slip {
    Drop(usize),
    Double(usize),
    Swap(usize),
    Insert(usize, char),
    Replace(usize, char),
    Cut(usize),
}

pub(super) fn any_slip() -> impl Strategy<Value = Slip> {
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

pub(super) fn slipped(text: &str, slip: &Slip) -> String {
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
pub(super) fn levels_of(options: &Options) -> impl Iterator<Item = Level> {
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
        "l1lat" => options.latencies.l1.into(),
        "l2lat" => options.latencies.l2.into(),
        "l3lat" => options.latencies.l3.into(),
        "memlat" => options.latencies.memory.into(),
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
