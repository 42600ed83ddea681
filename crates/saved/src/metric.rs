//! What can be measured of a run, a function or a line, by names such as `l1d.misses`.
//!
//! The names are short forms of those in the JSON, which are understood too ([`Metric::from_str`]).

use std::fmt::{self, Display};
use std::str::FromStr;

use cachesim::escape::escape;
use options::Options;
use report::{
    CacheCounts, CoreSnapshot, Costs, InstructionCounts, LowerCounts, MissesByKind, Profile,
    Summary,
};

/// A cache, or one kind of its accesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Accesses {
    /// The data cache's.
    Data,
    /// Its loads.
    DataReads,
    /// Its stores.
    DataWrites,
    /// The instruction cache's.
    Fetches,
    /// A lower level's.
    Lower(Level, Kind),
}

/// A level beyond the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// The second.
    L2,
    /// The third.
    L3,
}

/// What accesses a level beyond the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// All of these.
    All,
    /// Fetches.
    Fetches,
    /// Loads.
    Reads,
    /// Stores.
    Writes,
}

/// What is measured of accesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// How many there are.
    Accesses,
    /// How many of them missed.
    Misses,
    /// Misses ÷ accesses.
    Rate,
    /// Misses for each thousand instructions.
    Mpki,
}

/// Something that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Instructions executed.
    Instructions,
    /// Of accesses.
    Of(Accesses, Measure),
    /// Dirty lines that left the data cache (0), the second (1) or the third level (2).
    WriteBacks(usize),
    /// Stores that the data cache passed on.
    PassedOn,
    /// Bytes from memory.
    MemoryRead,
    /// Bytes to memory.
    MemoryWritten,
    /// Estimated stall cycles.
    Stalls,
    /// The same for each instruction.
    StallsPerInstruction,
}

/// What a metric is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Events, bytes or cycles: a whole number.
    Count,
    /// A part of a whole, from 0 to 1.
    Rate,
    /// Any other quotient.
    Quotient,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// Of [`Unit::Count`].
    Count(u64),
    /// Of the others.
    Number(f64),
}

impl Value {
    /// As a number to calculate with.
    #[expect(clippy::cast_precision_loss, reason = "thresholds and shares need no more digits")]
    pub fn number(self) -> f64 {
        match self {
            Self::Count(count) => count as f64,
            Self::Number(number) => number,
        }
    }
}

/// What is measured: all cores of a run together.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    total: CoreSnapshot,
    options: &'a Options,
}

impl<'a> Run<'a> {
    /// That of `profile`.
    pub fn of(profile: &'a Profile) -> Self {
        let total = profile.cores.iter().map(|core| &core.counts).sum();
        Self { total, options: &profile.run.options }
    }

    /// The numbers that the summary derives, also where it was not asked for.
    fn summary(&self) -> Option<Summary> {
        let options = Options { wants_summary: true, ..self.options.clone() };
        Summary::new(&self.total, &options)
    }
}

impl Accesses {
    /// All of them, in the order of the levels.
    fn all() -> impl Iterator<Item = Self> {
        let first = [Self::Data, Self::DataReads, Self::DataWrites, Self::Fetches];
        let kinds = [Kind::All, Kind::Fetches, Kind::Reads, Kind::Writes];
        let lower = [Level::L2, Level::L3].into_iter();
        let lower = lower
            .flat_map(move |level| kinds.into_iter().map(move |kind| Self::Lower(level, kind)));
        first.into_iter().chain(lower)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Data => "l1d",
            Self::DataReads => "l1d.reads",
            Self::DataWrites => "l1d.writes",
            Self::Fetches => "l1i",
            Self::Lower(Level::L2, Kind::All) => "l2",
            Self::Lower(Level::L2, Kind::Fetches) => "l2.fetches",
            Self::Lower(Level::L2, Kind::Reads) => "l2.reads",
            Self::Lower(Level::L2, Kind::Writes) => "l2.writes",
            Self::Lower(Level::L3, Kind::All) => "l3",
            Self::Lower(Level::L3, Kind::Fetches) => "l3.fetches",
            Self::Lower(Level::L3, Kind::Reads) => "l3.reads",
            Self::Lower(Level::L3, Kind::Writes) => "l3.writes",
        }
    }

    /// Of a run; `None` where it has no such accesses, or did not count them apart.
    fn of_run(self, Run { total, options }: &Run<'_>) -> Option<CacheCounts> {
        let tells_stores = options.config.tells_stores();
        let hierarchy = total.hierarchy;
        match self {
            Self::Data => Some(total.data),
            Self::DataReads => tells_stores.then(|| total.loads()),
            Self::DataWrites => {
                hierarchy.filter(|_| tells_stores).map(|hierarchy| hierarchy.stores)
            }
            Self::Fetches => Some(total.fetch),
            Self::Lower(level, kind) => {
                let lower = options.config.lower()?;
                let hierarchy = hierarchy.unwrap_or_default();
                let counts: LowerCounts = match level {
                    Level::L2 => hierarchy.l2.unwrap_or_default(),
                    Level::L3 => lower.l3.and(hierarchy.l3.or(Some(LowerCounts::default())))?,
                };
                Some(match kind {
                    Kind::All => counts.total(),
                    Kind::Fetches => counts.fetch,
                    Kind::Reads => counts.read,
                    Kind::Writes => counts.write,
                })
            }
        }
    }

    /// Misses of instructions, and their accesses where those are known.
    fn of_rows(self, counts: &InstructionCounts) -> Option<(Option<u64>, u64)> {
        let executed = counts.executed;
        Some(match self {
            Self::Data => {
                (executed.map(|it| it.reads.saturating_add(it.writes)), counts.data_misses)
            }
            Self::DataReads => (executed.map(|it| it.reads), counts.read_misses()?),
            Self::DataWrites => (executed.map(|it| it.writes), executed?.write_misses),
            Self::Fetches => (executed.map(|it| it.executions), counts.fetch_misses),
            Self::Lower(level, kind) => {
                let lower = counts.lower?;
                let of = |misses: MissesByKind| match kind {
                    Kind::All => misses.total(),
                    Kind::Fetches => misses.fetch,
                    Kind::Reads => misses.read,
                    Kind::Writes => misses.write,
                };
                // What a level is asked for is what the level before it missed.
                let before = match (level, kind) {
                    (Level::L3, _) => Some(of(lower.l2)),
                    (Level::L2, Kind::All) => Some(counts.misses()),
                    (Level::L2, Kind::Fetches) => Some(counts.fetch_misses),
                    (Level::L2, Kind::Reads) => counts.read_misses(),
                    (Level::L2, Kind::Writes) => executed.map(|it| it.write_misses),
                };
                (before, of(if level == Level::L2 { lower.l2 } else { lower.l3 }))
            }
        })
    }
}

impl Measure {
    const ALL: [Self; 4] = [Self::Accesses, Self::Misses, Self::Rate, Self::Mpki];

    fn name(self) -> &'static str {
        match self {
            Self::Accesses => "accesses",
            Self::Misses => "misses",
            Self::Rate => "rate",
            Self::Mpki => "mpki",
        }
    }

    fn of(self, accesses: Option<u64>, misses: u64, instructions: Option<u64>) -> Option<Value> {
        let quotient = |of: u64| CacheCounts { accesses: of, misses }.miss_rate();
        match self {
            Self::Accesses => accesses.map(Value::Count),
            Self::Misses => Some(Value::Count(misses)),
            Self::Rate => accesses.map(|accesses| Value::Number(quotient(accesses))),
            Self::Mpki => instructions.map(|all| Value::Number(1000.0 * quotient(all))),
        }
    }
}

impl Metric {
    /// All of them, in the order of the levels.
    pub fn all() -> impl Iterator<Item = Self> {
        let of = Accesses::all()
            .flat_map(|accesses| Measure::ALL.map(|measure| Self::Of(accesses, measure)));
        let first = [Self::Instructions].into_iter();
        let last = [
            Self::WriteBacks(0),
            Self::WriteBacks(1),
            Self::WriteBacks(2),
            Self::PassedOn,
            Self::MemoryRead,
            Self::MemoryWritten,
            Self::Stalls,
            Self::StallsPerInstruction,
        ];
        first.chain(of).chain(last)
    }

    /// Those of which a comparison tells, in its order.
    pub fn shown() -> impl Iterator<Item = Self> {
        let caches = [
            Accesses::Data,
            Accesses::Fetches,
            Accesses::Lower(Level::L2, Kind::All),
            Accesses::Lower(Level::L3, Kind::All),
        ];
        let of = caches.into_iter().flat_map(|accesses| {
            [Measure::Accesses, Measure::Misses, Measure::Rate]
                .map(|measure| Self::Of(accesses, measure))
        });
        // Each instruction is a fetch.
        let of = of.filter(|metric| *metric != Self::Of(Accesses::Fetches, Measure::Accesses));
        let last =
            [Self::MemoryRead, Self::MemoryWritten, Self::Stalls, Self::StallsPerInstruction];
        [Self::Instructions].into_iter().chain(of).chain(last)
    }

    /// The misses of the data cache.
    pub const DATA_MISSES: Self = Self::Of(Accesses::Data, Measure::Misses);

    /// What it is measured in.
    pub fn unit(self) -> Unit {
        match self {
            Self::Of(_, Measure::Rate) => Unit::Rate,
            Self::Of(_, Measure::Mpki) | Self::StallsPerInstruction => Unit::Quotient,
            _ => Unit::Count,
        }
    }

    /// Of a whole run; `None` where the run has no such number.
    pub fn of_run(self, run: &Run<'_>) -> Option<Value> {
        let Run { total, options } = run;
        let hierarchy = || total.hierarchy.filter(|_| options.config.writes().is_some());
        match self {
            Self::Instructions => Some(Value::Count(total.fetch.accesses)),
            Self::Of(accesses, measure) => {
                let CacheCounts { accesses, misses } = accesses.of_run(run)?;
                measure.of(Some(accesses), misses, Some(total.fetch.accesses))
            }
            Self::WriteBacks(level) => {
                let lower = options.config.lower();
                let is_there = match level {
                    0 => true,
                    1 => lower.is_some(),
                    _ => lower.is_some_and(|lower| lower.l3.is_some()),
                };
                let write_backs = hierarchy().filter(|_| is_there)?.write_backs;
                write_backs.get(level).copied().map(Value::Count)
            }
            Self::PassedOn => Some(Value::Count(hierarchy()?.passed_stores)),
            Self::MemoryRead => Some(Value::Count(run.summary()?.memory.read.bytes)),
            Self::MemoryWritten => Some(Value::Count(run.summary()?.memory.written?.bytes)),
            Self::Stalls => {
                Costs::of(options)?;
                Some(Value::Count(run.summary()?.stall_cycles()))
            }
            Self::StallsPerInstruction => {
                Costs::of(options)?;
                Some(Value::Number(run.summary()?.stall_cycles_per_instruction()))
            }
        }
    }

    /// Of the instructions of a function or a line, in a run with these options; `None` where that is not known
    /// of them.
    pub fn of_rows(self, counts: &InstructionCounts, options: &Options) -> Option<Value> {
        let executions = counts.executed.map(|executed| executed.executions);
        match self {
            Self::Instructions => executions.map(Value::Count),
            Self::Of(accesses, measure) => {
                let (accesses, misses) = accesses.of_rows(counts)?;
                measure.of(accesses, misses, executions)
            }
            Self::Stalls => Costs::of(options).map(|costs| Value::Count(costs.total(counts))),
            _ => None,
        }
    }

    /// Whether functions and lines can have it.
    pub fn is_of_rows(self) -> bool {
        matches!(self, Self::Instructions | Self::Of(..) | Self::Stalls)
    }

    /// Why a run has no such number, in a few words that follow its name.
    pub fn why_not_of_run(self) -> &'static str {
        match self {
            Self::Of(Accesses::Lower(Level::L2, _), _) | Self::WriteBacks(1) => "has no L2",
            Self::Of(Accesses::Lower(Level::L3, _), _) | Self::WriteBacks(2) => "has no L3",
            Self::Of(Accesses::DataReads | Accesses::DataWrites, _) => {
                "does not tell reads from writes (rw=on)"
            }
            Self::WriteBacks(_) | Self::PassedOn | Self::MemoryWritten => {
                "does not model stores (dwrite=back)"
            }
            Self::Stalls | Self::StallsPerInstruction => {
                "has no estimate of cycles (l2=on, or summary=on)"
            }
            Self::Instructions | Self::Of(..) | Self::MemoryRead => "does not have it",
        }
    }
}

/// The name, as users type it.
impl Display for Metric {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instructions => out.write_str("instructions"),
            Self::Of(accesses, measure) => write!(out, "{}.{}", accesses.name(), measure.name()),
            Self::WriteBacks(0) => out.write_str("l1d.write_backs"),
            Self::WriteBacks(level) => write!(out, "l{}.write_backs", level + 1),
            Self::PassedOn => out.write_str("l1d.passed_on"),
            Self::MemoryRead => out.write_str("memory.read"),
            Self::MemoryWritten => out.write_str("memory.written"),
            Self::Stalls => out.write_str("stalls"),
            Self::StallsPerInstruction => out.write_str("stalls.per_instruction"),
        }
    }
}

/// A name that is none of a metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown metric {}; {}", escape(name), meant(nearest))]
pub struct UnknownMetric {
    name: String,
    nearest: Vec<String>,
}

fn meant(nearest: &[String]) -> String {
    match nearest {
        [] => "write l1d.misses, l2.rate, memory.read or instructions, for example".to_owned(),
        [one] => format!("did you mean {one}?"),
        [others @ .., last] => format!("did you mean {} or {last}?", others.join(", ")),
    }
}

/// The names of the JSON that are not made of ours.
const JSON_NAMES: [(&str, &str); 13] = [
    ("memory.read_bytes", "memory.read"),
    ("memory.written_bytes", "memory.written"),
    ("memory_read_bytes", "memory.read"),
    ("memory_written_bytes", "memory.written"),
    ("stores.passed_on", "l1d.passed_on"),
    ("stores.data_write_backs", "l1d.write_backs"),
    ("stores.l2_write_backs", "l2.write_backs"),
    ("stores.l3_write_backs", "l3.write_backs"),
    ("stall_cycles", "stalls"),
    ("stall_cycles_per_instruction", "stalls.per_instruction"),
    ("data_misses", "l1d.misses"),
    ("fetch_misses", "l1i.misses"),
    ("executions", "instructions"),
];

/// Ours for a name of the JSON: `total.data.reads.miss_rate` is `l1d.reads.rate`.
fn short(name: &str) -> String {
    let name = name.strip_prefix("total.").unwrap_or(name);
    let name = name.strip_prefix("summary.").unwrap_or(name);
    if let Some((_, short)) = JSON_NAMES.iter().find(|(json, _)| *json == name) {
        return (*short).to_owned();
    }
    let mut parts: Vec<&str> = name.split('.').collect();
    if let [first, _, ..] = &mut parts[..] {
        *first = match *first {
            "data" => "l1d",
            "instruction" => "l1i",
            other => other,
        };
    }
    if let Some(last) = parts.last_mut()
        && *last == "miss_rate"
    {
        *last = "rate";
    }
    parts.join(".")
}

/// Far longer than any name.
const MAX_TYPED: usize = 64;

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(name: &str) -> Result<Self, UnknownMetric> {
        let name = name.trim();
        let typed = short(&name.to_lowercase());
        let all: Vec<(String, Self)> =
            Self::all().map(|metric| (metric.to_string(), metric)).collect();
        if let Some((_, metric)) = all.iter().find(|(known, _)| *known == typed) {
            return Ok(*metric);
        }
        let mut nearest: Vec<(f64, String)> = Vec::new();
        if typed.len() <= MAX_TYPED {
            let similar = |known: &str| {
                // Who writes a part of a name may mean all that have it.
                if known.starts_with(&typed) && !typed.is_empty() {
                    1.0
                } else {
                    strsim::normalized_damerau_levenshtein(&typed, known)
                }
            };
            nearest = all.into_iter().map(|(known, _)| (similar(&known), known)).collect();
            nearest.retain(|(similar, _)| *similar > 0.5);
            nearest.sort_by(|one, other| other.0.total_cmp(&one.0));
            nearest.truncate(3);
        }
        let nearest = nearest.into_iter().map(|(_, known)| known).collect();
        Err(UnknownMetric { name: name.chars().take(MAX_TYPED).collect(), nearest })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::sample;

    #[test]
    fn every_metric_has_a_name_of_its_own_that_is_understood() {
        let mut names = HashSet::new();
        for metric in Metric::all() {
            assert!(names.insert(metric.to_string()), "{metric}");
            assert_eq!(metric.to_string().parse(), Ok(metric));
        }
        assert!(Metric::shown().all(|metric| names.contains(&metric.to_string())));
    }

    #[test]
    fn names_of_the_json_are_understood() {
        for (json, ours) in [
            ("total.data.misses", "l1d.misses"),
            ("data.miss_rate", "l1d.rate"),
            ("data.reads.miss_rate", "l1d.reads.rate"),
            ("instruction.accesses", "l1i.accesses"),
            ("L2.fetches.misses", "l2.fetches.misses"),
            ("summary.data.mpki", "l1d.mpki"),
            ("memory.read_bytes", "memory.read"),
            ("summary.stall_cycles", "stalls"),
            ("executions", "instructions"),
        ] {
            assert_eq!(
                json.parse::<Metric>().map(|metric| metric.to_string()).as_deref(),
                Ok(ours)
            );
        }
    }

    #[test]
    fn an_unknown_metric_names_those_that_may_be_meant() {
        let error = |name: &str| name.parse::<Metric>().unwrap_err().to_string();
        assert_eq!(
            error("l1d.miss"),
            "unknown metric l1d.miss; did you mean l1d.misses, l1i.misses or l1d.mpki?"
        );
        assert_eq!(error("instrucions"), "unknown metric instrucions; did you mean instructions?");
        assert_eq!(
            error("?"),
            "unknown metric ?; write l1d.misses, l2.rate, memory.read or instructions, for example"
        );
        assert!(error(&"l1d.".repeat(1000)).len() < 300);
        assert!(error("a\nb").starts_with("unknown metric a\\nb; "));
    }

    #[test]
    fn the_totals_of_the_sample() {
        let value = |name: &str| {
            let metric: Metric = name.parse().unwrap();
            metric.of_run(&Run::of(&sample::levels()))
        };
        for (name, count) in [
            ("instructions", 5021),
            ("l1d.accesses", 1650),
            ("l1d.writes.misses", 100),
            ("l1i.misses", 9),
            ("l2.misses", 496),
            ("l3.reads.misses", 110),
            ("l1d.write_backs", 90),
            ("l3.write_backs", 8),
            ("memory.read", 7936),
            ("memory.written", 512),
            ("stalls", 39640),
        ] {
            assert_eq!(value(name), Some(Value::Count(count)), "{name}");
        }
        assert_eq!(value("l3.rate"), Some(Value::Number(0.25)));
    }

    #[test]
    fn what_a_run_has_not_is_none() {
        let profile = sample::profile();
        for metric in Metric::all() {
            let name = metric.to_string();
            let first_level = ["l1d.reads", "l1d.writes", "l2", "l3", "l1d.write_b", "l1d.passed"];
            let others = ["memory.written", "stalls"];
            let is_there = !first_level.iter().chain(&others).any(|it| name.starts_with(it));
            assert_eq!(metric.of_run(&Run::of(&profile)).is_some(), is_there, "{name}");
        }
        // A line for each miss.
        let read = Metric::MemoryRead.of_run(&Run::of(&profile));
        assert_eq!(read, Some(Value::Count((730 + 9) * 64)));
    }

    #[test]
    fn rows_add_up_to_the_run() {
        let profile = sample::levels();
        let sum = profile.instructions.iter().map(|one| one.counts).sum();
        for metric in Metric::all().filter(|metric| metric.is_of_rows()) {
            let of_run = metric.of_run(&Run::of(&profile));
            assert_eq!(metric.of_rows(&sum, &profile.run.options), of_run, "{metric}");
        }
    }
}
