//! What the page's template fills in.

use std::cmp::Reverse;
use std::sync::Arc;

use askama::Template;
use cachesim::geometry::CacheGeometry;
use cachesim::options::{Config, GuestMode};

use super::charts::{Chart, Colour, PALETTE, rates};
use super::format::{
    Count, Percent, clean, clean_keeping_tabs, clean_up_to, level, misses, shown_of, size,
    split_path,
};
use super::sets::{SetMaps, set_maps};
use super::source::{SourceRow, Sources};
use super::{MAX_CORES, MAX_INSTRUCTIONS, MAX_ROWS, OPEN_INSTRUCTIONS, OPEN_ROWS};
use crate::{
    CacheCounts, CoreSnapshot, Detail, Executed, Function, FunctionRow, InstructionCounts, LineRow,
    Profile, ProfiledInstruction, Rank, RunDescription, by_function, by_line, top_by,
};

/// The longest command line in the page, in characters.
const MAX_COMMAND_CHARS: usize = 4000;

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
    caches: [Cache; 2],
    settings: String,
    cores: Cores,
    hottest: [Hottest; 2],
    sources: Sources,
    instructions: Instructions,
    sets: Vec<SetMaps>,
}

/// A number that matters.
struct Tile {
    label: &'static str,
    value: String,
    note: String,
}

/// The shape of a cache.
struct Cache {
    name: &'static str,
    size: String,
    line: String,
    ways: Count,
    sets: Count,
    lines: Count,
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
    caches: [CacheRow; 2],
}

struct CacheRow {
    accesses: Count,
    misses: Count,
    rate: Percent,
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
}

/// What a row is about.
struct Name {
    /// A function, or a file and line; `None` if not known.
    main: Option<String>,
    /// The id of the line's row in the annotated source.
    target: Option<String>,
    /// The text of the line.
    code: Option<String>,
    /// What else there is to say: the function of a line, the file of a function.
    details: Vec<String>,
}

struct Instructions {
    shown: String,
    rows: Rows<InstructionRow>,
}

struct InstructionRow {
    vaddr: String,
    disassembly: String,
    function: Option<String>,
    place: Option<String>,
    executions: Count,
    accesses: Count,
    data_misses: Count,
    fetch_misses: Count,
}

impl Page {
    pub(super) fn new(profile: &Profile, source: &dyn Fn(&str) -> Option<Arc<str>>) -> Self {
        let RunDescription { version, process_id, plugin_api, .. } = profile.run;
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
        let sources = Sources::new(&lines, &hot, all_misses, source);
        Self {
            palette: &PALETTE,
            program: program(profile),
            facts: facts(&profile.run),
            command: command(&profile.run.command),
            made_by: format!(
                "libcache {version} (plugin API {plugin_api}) in process {process_id}"
            ),
            full: profile.detail == Detail::Full,
            tiles: tiles(&totals),
            caches: [
                cache("Data cache", &profile.run.config.dcache.geometry),
                cache("Instruction cache", &profile.run.config.icache.geometry),
            ],
            settings: settings(&profile.run.config),
            cores: cores(profile, &totals),
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
                        by.ranking(&totals, top, |row| row.counts, function_name)
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
                        by.ranking(&totals, top, |row| row.counts, |row| line_name(row, &sources))
                    }),
                },
            ],
            sources,
            instructions: instructions(profile),
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
}

const BY_MISSES: [ByMisses; 2] = [
    ByMisses {
        title: "By data misses",
        misses_column: "Data misses",
        accesses_column: "Data accesses",
        misses: |counts| counts.data_misses,
        accesses: data_accesses,
        totals: |core| core.data,
    },
    ByMisses {
        title: "By fetch misses",
        misses_column: "Fetch misses",
        accesses_column: "Fetches",
        misses: |counts| counts.fetch_misses,
        accesses: |executed| executed.executions,
        totals: |core| core.fetch,
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

fn tiles(totals: &CoreSnapshot) -> Vec<Tile> {
    let CoreSnapshot { data, fetch, .. } = *totals;
    let tile = |label, value: String, note| Tile { label, value, note };
    let note = |cache: CacheCounts| {
        format!("{}, {}", misses(cache.misses), per_thousand(cache.misses, fetch.accesses))
    };
    let rate = |cache: CacheCounts| Percent::new(cache.misses, cache.accesses).to_string();
    vec![
        tile("Data miss rate", rate(data), note(data)),
        tile("Fetch miss rate", rate(fetch), note(fetch)),
        tile(
            "Data accesses",
            Count::from(data.accesses).to_string(),
            "loads and stores".to_owned(),
        ),
        tile(
            "Instructions",
            Count::from(fetch.accesses).to_string(),
            "each is one fetch".to_owned(),
        ),
    ]
}

/// Misses per thousand instructions.
#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn per_thousand(misses: u64, instructions: u64) -> String {
    let rate = if instructions == 0 { 0.0 } else { misses as f64 / instructions as f64 * 1000.0 };
    if misses > 0 && rate < 0.005 { "<0.01 MPKI".to_owned() } else { format!("{rate:.2} MPKI") }
}

fn cache(name: &'static str, geometry: &CacheGeometry) -> Cache {
    Cache {
        name,
        size: size(geometry.size_bytes()),
        line: size(geometry.line_bytes()),
        ways: u64::from(geometry.ways()).into(),
        sets: geometry.sets().into(),
        lines: geometry.lines().into(),
    }
}

fn settings(config: &Config) -> String {
    let cores = match config.cores.get() {
        1 => "One core".to_owned(),
        cores => format!("{} cores, each with both caches", Count::from(u64::from(cores))),
    };
    let policy = config.dcache.policy;
    let seed = if policy.is_random() { format!(" (seed {})", config.seed) } else { String::new() };
    format!("{cores}. A miss in a full set replaces {}{seed}.", policy.description())
}

fn cores(profile: &Profile, totals: &CoreSnapshot) -> Cores {
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
        rows: shown.iter().map(|(number, core)| core_row(number.to_string(), core)).collect(),
        sum: (all > 1).then(|| core_row("All".to_owned(), totals)),
        charts,
    }
}

fn core_row(name: String, core: &CoreSnapshot) -> CoreRow {
    let caches = [core.data, core.fetch].map(|cache| CacheRow {
        accesses: cache.accesses.into(),
        misses: cache.misses.into(),
        rate: Percent::new(cache.misses, cache.accesses),
    });
    CoreRow { name, caches }
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
            }
        });
        Ranking {
            title: self.title,
            misses_column: self.misses_column,
            accesses_column: self.accesses_column,
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

fn inlined(function: &Function) -> Option<String> {
    let into = function.inlined_into.as_deref()?;
    Some(format!("inlined in {}", clean(into)))
}

fn object(function: &Function) -> Option<String> {
    Some(clean(split_path(function.object.as_deref()?).1))
}

fn function_name(row: &FunctionRow) -> Name {
    let file = row.file.as_deref().map(|file| clean(split_path(file).1));
    Name {
        main: row.function.name.as_deref().map(clean),
        target: None,
        code: None,
        details: [inlined(&row.function), file, object(&row.function)]
            .into_iter()
            .flatten()
            .collect(),
    }
}

fn line_name(row: &LineRow, sources: &Sources) -> Name {
    let (code, target) = sources.line(row).unzip();
    let function = row.line.function.name.as_deref().map(|name| format!("in {}", clean(name)));
    Name {
        main: place(row.line.file.as_deref(), row.line.line),
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

fn instructions(profile: &Profile) -> Instructions {
    let missed = profile.instructions.iter().filter(|one| one.counts.misses() > 0);
    let all = missed.clone().count();
    let rows = top_by(missed, MAX_INSTRUCTIONS, |one| Rank {
        misses: one.counts.misses(),
        vaddr: one.vaddr,
        code: one.code,
    });
    let rows: Vec<_> = rows.into_iter().map(instruction_row).collect();
    Instructions { shown: shown_of(rows.len(), all), rows: Rows::split(rows, OPEN_INSTRUCTIONS) }
}

fn instruction_row(one: &ProfiledInstruction) -> InstructionRow {
    let line = one.location.source_line();
    let executed = one.counts.executed;
    InstructionRow {
        vaddr: format!("{:#x}", one.vaddr),
        disassembly: clean_keeping_tabs(&one.disassembly),
        function: line.function.name.as_deref().map(clean),
        place: place(line.file.as_deref(), line.line).or_else(|| object(&line.function)),
        executions: Count(executed.map(|executed| executed.executions)),
        accesses: Count(executed.as_ref().map(data_accesses)),
        data_misses: one.counts.data_misses.into(),
        fetch_misses: one.counts.fetch_misses.into(),
    }
}
