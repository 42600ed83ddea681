//! What the page's template fills in.

use std::cmp::Reverse;

use ::source::Attribution;
use askama::Template;
use cachesim::config::{Config, Directions};
use options::GuestMode;

use super::charts::{Chart, Colour, PALETTE, rates};
use super::configuration::{Cache, caches, settings_of};
use super::format::{Count, Percent, clean, clean_up_to, shown_of, split_path};
use super::lists::{Hot, Hottest, Instructions, instructions};
use super::machines::{ComparisonView, MachinePart, machine_parts};
use super::sets::{SetMaps, set_maps};
use super::source::{SourceRow, Sources};
use super::tiles::{Tile, tiles};
use super::weight::Weight;
use super::{MAX_CORES, OWN, Source};
use crate::settings::Lower;
use crate::{
    CacheCounts, CoreSnapshot, Detail, MemoryTraffic, Profile, RunDescription, Summary, Traffic,
    by_function, by_line,
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
    is_machine: bool,
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
    weight: Weight,
    /// A sentence on what inlined code counts for, if there is something to say.
    attribution: &'static str,
    /// The run's own machine and those that it compares, side by side.
    comparison: Option<ComparisonView>,
    /// What each of those has counted.
    machines: Vec<MachinePart>,
    /// The most rows of their lists.
    rows_of_machines: usize,
}

/// The style sheet alone.
#[derive(Template)]
#[template(path = "report.css", escape = "none")]
pub(super) struct Style {
    pub(super) palette: &'static [Colour],
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

impl Page {
    pub(super) fn new(profile: &Profile, source: &dyn Fn(&str) -> Option<Source>) -> Self {
        let RunDescription { version, process_id, plugin_api, .. } = &profile.run;
        let config = &profile.run.options.config;
        let levels: Vec<Lower> = Lower::of(config).collect();
        let totals: CoreSnapshot = profile.cores.iter().map(|core| &core.counts).sum();
        let (functions, lines) = (by_function(profile), by_line(profile));
        let weight = Weight::new(&profile.run.options);
        let hottest = Hot::new(&functions, &lines, weight, OWN);
        let (machines, rows_of_machines) = machine_parts(profile);
        let (hot_lines, all) = (hottest.shown_lines(), weight.of_core(&totals));
        let sources = Sources::new(&lines, &hot_lines, all, &levels, weight, source);
        Self {
            palette: &PALETTE,
            program: program(profile),
            facts: facts(&profile.run),
            command: command(&profile.run.command),
            made_by: format!(
                "libcache {version} (plugin API {plugin_api}) in process {process_id}"
            ),
            full: profile.detail == Detail::Full,
            is_machine: profile.run.mode == GuestMode::System,
            tiles: tiles(&totals, &levels),
            levels: levels.iter().map(|level| level.name()).collect(),
            caches: caches(config),
            settings: settings_of(&profile.run),
            cores: cores(profile, &totals, &levels),
            directions: match config.directions() {
                Directions::Together => Vec::new(),
                Directions::Apart => directions(&totals, &levels, config),
            },
            traffic: if config.writes().is_some() { traffic(&totals, &levels) } else { Vec::new() },
            summary: Summary::new(&totals, &profile.run.options)
                .map(|summary| SummaryView::new(&summary)),
            hottest: hottest.of(&totals, &levels, &sources),
            sources,
            instructions: instructions(profile, &levels, weight, OWN),
            weight,
            attribution: attribution(profile.run.options.attribution),
            sets: set_maps(profile, OWN),
            comparison: ComparisonView::of(profile),
            machines,
            rows_of_machines,
        }
    }
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
        (GuestMode::User, 1) => format!("program for {target}"),
        (GuestMode::User, threads) => format!("program of {threads} threads for {target}"),
        (GuestMode::System, 1) => format!("machine with one vCPU of {target}"),
        (GuestMode::System, vcpus) => format!("machine with {vcpus} vCPUs of {target}"),
    };
    let version =
        run.qemu_version.as_deref().map_or_else(String::new, |qemu| format!(" {}", clean(qemu)));
    format!("A {guest}, run by QEMU{version}, its caches simulated by libcache {}.", run.version)
}

fn attribution(attribution: Attribution) -> &'static str {
    match attribution {
        Attribution::Own => {
            " What is inlined from the sources of the toolchain, the system or a dependency counts for \
             the function of your own that it is inlined into."
        }
        Attribution::Innermost => "",
        Attribution::Outermost => {
            " All code counts for the function whose machine code it is part of."
        }
    }
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

fn cache_row(counts: CacheCounts) -> CacheRow {
    CacheRow {
        accesses: counts.accesses.into(),
        misses: counts.misses.into(),
        rate: Percent::new(counts.misses, counts.accesses),
    }
}

fn directions(totals: &CoreSnapshot, levels: &[Lower], config: &Config) -> Vec<DirectionRow> {
    let row = |cache, kind, counts| DirectionRow { cache, kind, counts: cache_row(counts) };
    let stores = totals.hierarchy.unwrap_or_default().stores;
    let mut rows =
        vec![row("Data cache", "reads", totals.loads()), row("Data cache", "writes", stores)];
    for level in levels {
        let counts = level.counts(totals);
        rows.push(row(level.name(), "fetches", counts.fetch));
        rows.push(row(level.name(), "reads", counts.read));
        rows.push(row(level.name(), "writes", counts.write));
        if config.writes().is_some() {
            rows.push(row(level.name(), "written from the level before", counts.write_back));
        }
    }
    rows
}

fn traffic(totals: &CoreSnapshot, levels: &[Lower]) -> Vec<Fact> {
    let hierarchy = totals.hierarchy.unwrap_or_default();
    let fact = |name: &str, count: u64| Fact {
        name: name.to_owned(),
        value: Count::from(count).to_string(),
    };
    let mut facts = vec![fact("Write-backs of the data cache", hierarchy.write_backs[0])];
    facts.extend(
        levels.iter().map(|level| {
            fact(&format!("Write-backs of {}", level.name()), level.write_backs(totals))
        }),
    );
    facts.push(fact("Stores passed on by the data cache", hierarchy.passed_stores));
    facts.push(fact("Bytes from memory", hierarchy.memory_read_bytes));
    facts.push(fact("Bytes to memory", hierarchy.memory_written_bytes));
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
        note: (shown.len() < all).then(|| {
            format!("Cores: {}; the sum is of all.", shown_of(shown.len(), all, "misses"))
        }),
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
