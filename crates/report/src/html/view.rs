//! What the page's template fills in.

use std::cmp::Reverse;

use ::source::Function;
use askama::Template;
use cachesim::options::{
    Config, Directions, GuestMode, Inclusion, L2Kind, Level, LowerLevels, PolicyKind, Straddle,
    WriteHit, WriteMiss, Writes,
};

use super::charts::{Chart, Colour, PALETTE, rates};
use super::format::{
    Count, Percent, clean, clean_keeping_tabs, clean_up_to, level, misses, shown_of, size,
    split_path,
};
use super::sets::{SetMaps, set_maps};
use super::source::{SourceRow, Sources};
use super::{MAX_CORES, MAX_INSTRUCTIONS, MAX_ROWS, OPEN_INSTRUCTIONS, OPEN_ROWS, Source};
use crate::fold::fold;
use crate::settings::{self, Lower, PolicyName};
use crate::{
    CacheCounts, CoreSnapshot, Detail, Executed, FunctionRow, InstructionCounts, LineRow,
    MemoryTraffic, MissesByKind, Profile, ProfiledInstruction, Rank, RunDescription, Summary,
    Traffic, by_function, by_line, top_by,
};

/// The longest command line in the page, in characters.
const MAX_COMMAND_CHARS: usize = 4000;

/// The longest name of a function, in characters, of which no arguments are left out.
const LONGEST_NAME: usize = 60;

/// The longest name that is shown on hover, in characters.
const MAX_WHOLE_CHARS: usize = 4000;

/// The page.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page {
    palette: &'static [Colour],
    program: String,
    facts: String,
    command: String,
    made_by: String,
    full: bool,
    tiles: Vec<Tile>,
    /// The names of the levels beyond the first.
    levels: Vec<&'static str>,
    caches: Vec<Cache>,
    settings: String,
    cores: Cores,
    directions: Vec<DirectionRow>,
    traffic: Vec<Fact>,
    summary: Option<SummaryView>,
    hottest: [Hottest; 2],
    sources: Sources,
    instructions: Instructions,
    sets: Vec<SetMaps>,
}

/// A number that matters.
struct Tile {
    label: String,
    value: String,
    note: String,
    is_rate: bool,
}

/// The shape of a cache.
struct Cache {
    name: String,
    size: String,
    line: String,
    ways: Count,
    sets: Count,
    lines: Count,
    policy: &'static str,
}

/// The miss rates.
struct Cores {
    note: Option<String>,
    rows: Vec<CoreRow>,
    /// Where there are several cores.
    sum: Option<CoreRow>,
    charts: Vec<(&'static str, Chart)>,
}

struct CoreRow {
    name: String,
    /// The data cache, the instruction cache, and the levels beyond.
    caches: Vec<CacheRow>,
}

struct CacheRow {
    accesses: Count,
    misses: Count,
    rate: Percent,
}

/// Loads, stores or fetches of one cache.
struct DirectionRow {
    cache: &'static str,
    kind: &'static str,
    counts: CacheRow,
}

/// A number with its name.
#[derive(Clone)]
struct Fact {
    name: String,
    value: String,
}

/// The derived numbers.
struct SummaryView {
    caches: Vec<SummaryRow>,
    traffic: Vec<Fact>,
    times: Vec<Fact>,
    latencies: String,
}

struct SummaryRow {
    name: &'static str,
    misses: Count,
    mpki: String,
    hit_rate: String,
    global_hit_rate: String,
}

/// The hottest functions, or the hottest lines.
struct Hottest {
    id: &'static str,
    title: &'static str,
    /// What the lists cannot tell.
    note: Option<String>,
    /// What a row is.
    column: &'static str,
    rankings: [Ranking; 2],
}

/// Functions or lines by the misses of one cache.
struct Ranking {
    title: &'static str,
    misses_column: &'static str,
    accesses_column: &'static str,
    /// The names of the levels beyond the first.
    levels: Vec<&'static str>,
    /// How many of the rows that there are.
    shown: String,
    rows: Rows<HotRow>,
}

/// The first rows of a table, and the others, which are folded.
struct Rows<T> {
    open: Vec<T>,
    folded: Vec<T>,
}

struct HotRow {
    name: Name,
    /// Of the bar, in percent: the share.
    width: u8,
    misses: Count,
    share: Percent,
    accesses: Count,
    rate: Percent,
    /// The misses of the levels beyond.
    lower: Vec<Count>,
}

/// Text that may be short for something.
struct Label {
    text: String,
    /// What it is short for.
    whole: Option<String>,
}

impl Label {
    /// A function's name, after `before`.
    fn function(before: &str, name: &str) -> Self {
        let folded = fold(name, LONGEST_NAME);
        Self {
            text: clean(&format!("{before}{folded}")),
            whole: (folded != name).then(|| clean_up_to(name, MAX_WHOLE_CHARS)),
        }
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Self { text, whole: None }
    }
}

/// What a row is about.
struct Name {
    /// A function, or a file and line; `None` if not known.
    main: Option<Label>,
    /// The id of the line's row in the annotated source.
    target: Option<String>,
    /// The text of the line.
    code: Option<String>,
    /// What else there is to say: the function of a line, the file of a function.
    details: Vec<Label>,
}

struct Instructions {
    shown: String,
    rows: Rows<InstructionRow>,
}

struct InstructionRow {
    vaddr: String,
    disassembly: String,
    function: Option<Label>,
    place: Option<String>,
    executions: Count,
    accesses: Count,
    data_misses: Count,
    fetch_misses: Count,
    /// The misses of the levels beyond.
    lower: Vec<Count>,
}

impl Page {
    pub(super) fn new(profile: &Profile, source: &dyn Fn(&str) -> Option<Source>) -> Self {
        let RunDescription { version, process_id, plugin_api, .. } = profile.run;
        let config = &profile.run.config;
        let levels: Vec<Lower> = Lower::of(config).collect();
        let totals: CoreSnapshot = profile.cores.iter().map(|core| &core.counts).sum();
        let (functions, lines) = (by_function(profile), by_line(profile));
        let hot_functions =
            BY_MISSES.map(|by| Top::new(functions.iter(), |row| (by.misses)(&row.counts)));
        let hot_lines = BY_MISSES.map(|by| {
            let numbered = lines.iter().filter(|row| row.line.line.is_some());
            Top::new(numbered, |row| (by.misses)(&row.counts))
        });
        let hot: Vec<_> = hot_lines.iter().flat_map(|top| top.rows.iter().copied()).collect();
        let all_misses = totals.data.misses.saturating_add(totals.fetch.misses);
        let sources = Sources::new(&lines, &hot, all_misses, &levels, source);
        Self {
            palette: &PALETTE,
            program: program(profile),
            facts: facts(&profile.run),
            command: command(&profile.run.command),
            made_by: format!(
                "libcache {version} (plugin API {plugin_api}) in process {process_id}"
            ),
            full: profile.detail == Detail::Full,
            tiles: tiles(&totals, &levels),
            levels: levels.iter().map(|level| level.name()).collect(),
            caches: caches(config),
            settings: settings_of(config),
            cores: cores(profile, &totals, &levels),
            directions: match config.directions {
                Directions::Together => Vec::new(),
                Directions::Apart => directions(&totals, &levels, config),
            },
            traffic: if config.writes.is_some() { traffic(&totals, &levels) } else { Vec::new() },
            summary: Summary::new(&totals, config).map(|summary| SummaryView::new(&summary)),
            hottest: [
                Hottest {
                    id: "functions",
                    title: "Hottest functions",
                    note: known(
                        &totals,
                        "function",
                        functions
                            .iter()
                            .filter(|row| row.function.name.is_some())
                            .map(|row| row.counts),
                    ),
                    column: "Function",
                    rankings: each(&hot_functions, |by, top| {
                        by.ranking(&totals, &levels, top, |row| row.counts, function_name)
                    }),
                },
                Hottest {
                    id: "lines",
                    title: "Hottest lines",
                    note: known(
                        &totals,
                        "line",
                        lines.iter().filter(|row| row.line.line.is_some()).map(|row| row.counts),
                    ),
                    column: "Line",
                    rankings: each(&hot_lines, |by, top| {
                        by.ranking(
                            &totals,
                            &levels,
                            top,
                            |row| row.counts,
                            |row| line_name(row, &sources),
                        )
                    }),
                },
            ],
            sources,
            instructions: instructions(profile, &levels),
            sets: set_maps(profile),
        }
    }
}

/// A cache, and how a list by its misses is made.
struct ByMisses {
    title: &'static str,
    misses_column: &'static str,
    accesses_column: &'static str,
    misses: fn(&InstructionCounts) -> u64,
    accesses: fn(&Executed) -> u64,
    totals: fn(&CoreSnapshot) -> CacheCounts,
    /// Those that missed a level beyond too.
    lower_misses: fn(MissesByKind) -> u64,
}

const BY_MISSES: [ByMisses; 2] = [
    ByMisses {
        title: "By data misses",
        misses_column: "Data misses",
        accesses_column: "Data accesses",
        misses: |counts| counts.data_misses,
        accesses: data_accesses,
        totals: |core| core.data,
        lower_misses: |misses| misses.read.saturating_add(misses.write),
    },
    ByMisses {
        title: "By fetch misses",
        misses_column: "Fetch misses",
        accesses_column: "Fetches",
        misses: |counts| counts.fetch_misses,
        accesses: |executed| executed.executions,
        totals: |core| core.fetch,
        lower_misses: |misses| misses.fetch,
    },
];

fn data_accesses(executed: &Executed) -> u64 {
    executed.reads.saturating_add(executed.writes)
}

/// Of how many misses it is known where they are, if not of all.
fn known(
    totals: &CoreSnapshot,
    what: &str,
    known: impl Iterator<Item = InstructionCounts>,
) -> Option<String> {
    let known: InstructionCounts = known.sum();
    let (data, fetch) = (totals.data.misses, totals.fetch.misses);
    (known.data_misses < data || known.fetch_misses < fetch).then(|| {
        format!(
            "The {what} is known of {} of the data misses and {} of the fetch misses.",
            Percent::new(known.data_misses, data),
            Percent::new(known.fetch_misses, fetch),
        )
    })
}

/// The rankings of both caches.
fn each<T>(
    tops: &[Top<'_, T>; 2],
    ranking: impl Fn(&ByMisses, &Top<'_, T>) -> Ranking,
) -> [Ranking; 2] {
    [ranking(&BY_MISSES[0], &tops[0]), ranking(&BY_MISSES[1], &tops[1])]
}

/// The first program in the command line whose file has instructions, or else QEMU's name.
fn program(profile: &Profile) -> String {
    let objects = profile.instructions.iter().filter_map(|one| one.location.object.as_deref());
    let mut names: Vec<_> = objects.map(|object| split_path(object).1).collect();
    names.sort_unstable();
    names.dedup();
    let command = profile.run.command.iter().map(|word| split_path(word).1);
    let known = command.clone().skip(1).find(|word| names.binary_search(word).is_ok());
    clean(known.or(command.clone().next()).unwrap_or("a guest"))
}

fn facts(run: &RunDescription) -> String {
    let target = clean(&run.target);
    let guest = match (run.mode, run.vcpus) {
        (GuestMode::User, _) => format!("{target} program"),
        (GuestMode::System, 1) => format!("{target} machine with one vCPU"),
        (GuestMode::System, vcpus) => format!("{target} machine with {vcpus} vCPUs"),
    };
    let version =
        run.qemu_version.as_deref().map_or_else(String::new, |qemu| format!(" {}", clean(qemu)));
    format!("A {guest}, run by QEMU{version}, its caches simulated by libcache {}.", run.version)
}

/// The words as a shell would take them.
fn command(words: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./=,:+@%^~".contains(c))
    };
    let words = words.iter().map(|word| match &word[..] {
        word if plain(word) => word.to_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    });
    clean_up_to(&words.collect::<Vec<_>>().join(" "), MAX_COMMAND_CHARS)
}

fn tiles(totals: &CoreSnapshot, levels: &[Lower]) -> Vec<Tile> {
    let CoreSnapshot { data, fetch, .. } = *totals;
    let rate = |name: &str, cache: CacheCounts| Tile {
        label: format!("{name} miss rate"),
        value: Percent::new(cache.misses, cache.accesses).to_string(),
        note: format!("{}, {}", misses(cache.misses), per_thousand(cache.misses, fetch.accesses)),
        is_rate: true,
    };
    let count = |label: &str, count: u64, note: &str| Tile {
        label: label.to_owned(),
        value: Count::from(count).to_string(),
        note: note.to_owned(),
        is_rate: false,
    };
    let lower = levels.iter().map(|level| rate(level.name(), level.counts(totals).total()));
    let mut tiles = vec![rate("Data", data), rate("Fetch", fetch)];
    tiles.extend(lower);
    tiles.push(count("Data accesses", data.accesses, "loads and stores"));
    tiles.push(count("Instructions", fetch.accesses, "each is one fetch"));
    tiles
}

/// Misses per thousand instructions.
#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn per_thousand(misses: u64, instructions: u64) -> String {
    let rate = if instructions == 0 { 0.0 } else { misses as f64 / instructions as f64 * 1000.0 };
    if misses > 0 && rate < 0.005 { "<0.01 MPKI".to_owned() } else { format!("{rate:.2} MPKI") }
}

fn caches(config: &Config) -> Vec<Cache> {
    let cache = |name: &str, level: &Level| {
        let geometry = level.geometry;
        Cache {
            name: name.to_owned(),
            size: size(geometry.size_bytes()),
            line: size(geometry.line_bytes()),
            ways: u64::from(geometry.ways()).into(),
            sets: geometry.sets().into(),
            lines: geometry.lines().into(),
            policy: settings::policy(level.policy).title,
        }
    };
    let mut caches =
        vec![cache("Data cache", &config.dcache), cache("Instruction cache", &config.icache)];
    if let Some(LowerLevels { l2, l2_kind, l3, .. }) = &config.lower {
        caches.push(match l2_kind {
            L2Kind::Unified => cache("L2", l2),
            L2Kind::Split => cache("L2, one for data and one for instructions", l2),
        });
        caches.extend(l3.as_ref().map(|l3| cache("L3, shared by all cores", l3)));
    }
    caches
}

/// The settings beside the shapes of the caches, a sentence or two each.
fn settings_of(config: &Config) -> String {
    let mut said = Vec::new();
    if let Some(preset) = config.preset {
        said.push(format!("The settings began with those of the core {preset}."));
    }
    let of_each = if config.lower.is_some() { "caches of its own" } else { "both caches" };
    said.push(match config.cores.get() {
        1 => "One core.".to_owned(),
        cores => format!("{} cores, each with {of_each}.", Count::from(u64::from(cores))),
    });
    let caches = settings::caches(config);
    let is_random = caches.iter().any(|cache| cache.level.policy.is_random());
    let seed = is_random.then(|| format!("seed {}", config.seed));
    if let Some(kind) = settings::common_policy(config) {
        let PolicyName { title, victim, .. } = settings::policy(kind);
        // Its title says no more than "a random line" does.
        let title = (kind != PolicyKind::Random).then(|| title.to_owned());
        let notes: Vec<String> = title.into_iter().chain(seed).collect();
        said.push(format!("A miss in a full set replaces {victim} ({}).", notes.join(", ")));
    } else {
        let seed = seed.map(|seed| format!(" ({seed})")).unwrap_or_default();
        said.push(format!("Each cache replaces lines by its own policy{seed}."));
    }
    if let Some(lower) = &config.lower {
        let of_level = |name, inclusion| match inclusion {
            Inclusion::Nine => format!("The {name} is neither inclusive nor exclusive."),
            Inclusion::Inclusive => {
                format!("The {name} is inclusive: it has the lines of the levels before it.")
            }
            Inclusion::Exclusive => {
                format!("The {name} is exclusive: it has what the level before it evicted.")
            }
        };
        said.push(of_level("L2", lower.l2_inclusion));
        said.extend(lower.l3.map(|_| of_level("L3", lower.l3_inclusion)));
    }
    if let Some(Writes { on_hit, on_miss }) = config.writes {
        let on_hit = match on_hit {
            WriteHit::Back => "makes its line dirty (write-back)",
            WriteHit::Through => "goes on to the next level (write-through)",
        };
        let on_miss = match on_miss {
            WriteMiss::Allocate => "fills it first (write-allocate)",
            WriteMiss::NoAllocate => "goes on without it (no write-allocate)",
        };
        said.push(format!("A store {on_hit}; one that misses its line {on_miss}."));
    }
    if config.straddle == Straddle::Split {
        said.push("An access to two lines counts as one to each.".to_owned());
    }
    said.join(" ")
}

fn cache_row(counts: CacheCounts) -> CacheRow {
    CacheRow {
        accesses: counts.accesses.into(),
        misses: counts.misses.into(),
        rate: Percent::new(counts.misses, counts.accesses),
    }
}

fn directions(totals: &CoreSnapshot, levels: &[Lower], config: &Config) -> Vec<DirectionRow> {
    let row = |cache, kind, counts| DirectionRow { cache, kind, counts: cache_row(counts) };
    let stores = totals.beyond.unwrap_or_default().stores;
    let mut rows =
        vec![row("Data cache", "reads", totals.loads()), row("Data cache", "writes", stores)];
    for level in levels {
        let counts = level.counts(totals);
        rows.push(row(level.name(), "fetches", counts.fetch));
        rows.push(row(level.name(), "reads", counts.read));
        rows.push(row(level.name(), "writes", counts.write));
        if config.writes.is_some() {
            rows.push(row(level.name(), "written from the level before", counts.write_back));
        }
    }
    rows
}

fn traffic(totals: &CoreSnapshot, levels: &[Lower]) -> Vec<Fact> {
    let beyond = totals.beyond.unwrap_or_default();
    let fact = |name: &str, count: u64| Fact {
        name: name.to_owned(),
        value: Count::from(count).to_string(),
    };
    let mut facts = vec![fact("Write-backs of the data cache", beyond.write_backs[0])];
    facts.extend(
        levels.iter().map(|level| {
            fact(&format!("Write-backs of {}", level.name()), level.write_backs(totals))
        }),
    );
    facts.push(fact("Stores passed on by the data cache", beyond.passed_stores));
    facts.push(fact("Bytes from memory", beyond.memory_read_bytes));
    facts.push(fact("Bytes to memory", beyond.memory_written_bytes));
    facts
}

impl SummaryView {
    fn new(summary: &Summary) -> Self {
        let rate = |rate: Option<f64>| {
            rate.map_or_else(|| "–".to_owned(), |rate| format!("{:.2}%", 100.0 * rate))
        };
        let decimals = |number: Option<f64>| {
            number.map_or_else(|| "–".to_owned(), |number| format!("{number:.2}"))
        };
        let fact = |name: &str, value| Fact { name: name.to_owned(), value };
        let caches = summary.caches().map(|(name, cache)| SummaryRow {
            name,
            misses: cache.counts.misses.into(),
            mpki: format!("{:.2}", cache.mpki),
            hit_rate: rate(cache.hit_rate),
            global_hit_rate: rate(cache.global_hit_rate),
        });
        let MemoryTraffic { read, written } = summary.memory;
        let traffic = |way: &str, traffic: Option<Traffic>| {
            let bytes = Count(traffic.map(|traffic| traffic.bytes)).to_string();
            let each = decimals(traffic.map(|traffic| traffic.per_instruction));
            [fact(way, bytes), fact(&format!("{way}, per instruction"), each)]
        };
        Self {
            caches: caches.collect(),
            traffic: [traffic("Read", Some(read)), traffic("Written", written)].concat(),
            times: vec![
                fact("Per data access", decimals(summary.data_time.average())),
                fact("Per fetch", decimals(summary.fetch_time.average())),
                fact("Stalls", Count::from(summary.stall_cycles()).to_string()),
                fact(
                    "Stalls, per instruction",
                    decimals(Some(summary.stall_cycles_per_instruction())),
                ),
            ],
            latencies: summary.latencies(),
        }
    }
}

fn cores(profile: &Profile, totals: &CoreSnapshot, levels: &[Lower]) -> Cores {
    let counts = profile.cores.iter().map(|core| core.counts).enumerate();
    let mut shown: Vec<(usize, CoreSnapshot)> = counts.collect();
    let all = shown.len();
    let misses = |core: &CoreSnapshot| core.data.misses.saturating_add(core.fetch.misses);
    shown.sort_by_key(|(number, core)| (Reverse(misses(core)), *number));
    shown.truncate(MAX_CORES);
    shown.sort_by_key(|(number, _)| *number);
    let chart = |label, of: fn(&CoreSnapshot) -> CacheCounts| {
        let bars: Vec<_> =
            shown.iter().map(|(number, core)| (*number, of(core).miss_percent())).collect();
        (label, rates(&bars))
    };
    let charts = if shown.len() > 1 {
        vec![chart("Data miss rate", |core| core.data), chart("Fetch miss rate", |core| core.fetch)]
    } else {
        Vec::new()
    };
    Cores {
        note: (shown.len() < all)
            .then(|| format!("Of the cores, {}; the sum is of all.", shown_of(shown.len(), all))),
        rows: shown
            .iter()
            .map(|(number, core)| core_row(number.to_string(), core, levels))
            .collect(),
        sum: (all > 1).then(|| core_row("All".to_owned(), totals, levels)),
        charts,
    }
}

fn core_row(name: String, core: &CoreSnapshot, levels: &[Lower]) -> CoreRow {
    let lower = levels.iter().map(|level| level.counts(core).total());
    let caches = [core.data, core.fetch].into_iter().chain(lower).map(cache_row);
    CoreRow { name, caches: caches.collect() }
}

/// The rows of a list by misses, and how many rows have any.
struct Top<'a, T> {
    rows: Vec<&'a T>,
    all: usize,
}

impl<'a, T> Top<'a, T> {
    /// Rows with equal misses stay in their order.
    fn new(rows: impl Iterator<Item = &'a T>, misses: impl Fn(&T) -> u64) -> Self {
        let mut rows: Vec<_> = rows.filter(|row| misses(row) > 0).collect();
        let all = rows.len();
        rows.sort_by_key(|row| Reverse(misses(row)));
        rows.truncate(MAX_ROWS);
        Self { rows, all }
    }
}

impl ByMisses {
    fn ranking<T>(
        &self,
        totals: &CoreSnapshot,
        levels: &[Lower],
        top: &Top<'_, T>,
        counts: impl Fn(&T) -> InstructionCounts,
        name: impl Fn(&T) -> Name,
    ) -> Ranking {
        let all_misses = (self.totals)(totals).misses;
        let rows = top.rows.iter().map(|row| {
            let counts = counts(row);
            let misses = (self.misses)(&counts);
            let accesses = Count(counts.executed.as_ref().map(self.accesses));
            HotRow {
                name: name(row),
                width: level(misses, all_misses, 100),
                misses: misses.into(),
                share: Percent::new(misses, all_misses),
                accesses,
                rate: Percent::rate(misses, accesses),
                lower: levels
                    .iter()
                    .map(|level| (self.lower_misses)(level.misses(&counts)).into())
                    .collect(),
            }
        });
        Ranking {
            title: self.title,
            misses_column: self.misses_column,
            accesses_column: self.accesses_column,
            levels: levels.iter().map(|level| level.name()).collect(),
            shown: shown_of(top.rows.len(), top.all),
            rows: Rows::split(rows.collect(), OPEN_ROWS),
        }
    }
}

impl<T> Rows<T> {
    /// Folds what follows the first `open` rows, if that is more than a few.
    fn split(mut rows: Vec<T>, open: usize) -> Self {
        let folded = if rows.len() > open + open / 4 { rows.split_off(open) } else { Vec::new() };
        Self { open: rows, folded }
    }
}

fn inlined(function: &Function) -> Option<Label> {
    Some(Label::function("inlined in ", function.inlined_into.as_deref()?))
}

fn object(function: &Function) -> Option<String> {
    Some(clean(split_path(function.object.as_deref()?).1))
}

fn function_name(row: &FunctionRow) -> Name {
    let file = row.file.as_deref().map(|file| clean(split_path(file).1).into());
    let object = object(&row.function).map(Label::from);
    Name {
        main: row.function.name.as_deref().map(|name| Label::function("", name)),
        target: None,
        code: None,
        details: [inlined(&row.function), file, object].into_iter().flatten().collect(),
    }
}

fn line_name(row: &LineRow, sources: &Sources) -> Name {
    let (code, target) = sources.line(row).unzip();
    let function = row.line.function.name.as_deref().map(|name| Label::function("in ", name));
    Name {
        main: place(row.line.file.as_deref(), row.line.line).map(Label::from),
        target,
        code,
        details: [function, inlined(&row.line.function)].into_iter().flatten().collect(),
    }
}

/// "matrix.c:12".
fn place(file: Option<&str>, line: Option<u32>) -> Option<String> {
    let name = clean(split_path(file?).1);
    Some(line.map_or_else(|| name.clone(), |line| format!("{name}:{line}")))
}

fn instructions(profile: &Profile, levels: &[Lower]) -> Instructions {
    let missed = profile.instructions.iter().filter(|one| one.counts.misses() > 0);
    let all = missed.clone().count();
    let rows = top_by(missed, MAX_INSTRUCTIONS, |one| Rank {
        misses: one.counts.misses(),
        vaddr: one.vaddr,
        code: one.code,
    });
    let rows: Vec<_> = rows.into_iter().map(|one| instruction_row(one, levels)).collect();
    Instructions { shown: shown_of(rows.len(), all), rows: Rows::split(rows, OPEN_INSTRUCTIONS) }
}

fn instruction_row(one: &ProfiledInstruction, levels: &[Lower]) -> InstructionRow {
    let line = one.location.source_line();
    let executed = one.counts.executed;
    InstructionRow {
        vaddr: format!("{:#x}", one.vaddr),
        disassembly: clean_keeping_tabs(&one.disassembly),
        function: line.function.name.as_deref().map(|name| Label::function("", name)),
        place: place(line.file.as_deref(), line.line).or_else(|| object(&line.function)),
        executions: Count(executed.map(|executed| executed.executions)),
        accesses: Count(executed.as_ref().map(data_accesses)),
        data_misses: one.counts.data_misses.into(),
        fetch_misses: one.counts.fetch_misses.into(),
        lower: levels.iter().map(|level| level.misses(&one.counts).total().into()).collect(),
    }
}
