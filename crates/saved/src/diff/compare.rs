//! Two runs beside each other, as plain data.

use std::collections::HashMap;

use anyhow::bail;
use cachesim::config::{Config, L2Kind, Level, Straddle, WriteHit, WriteMiss};
use options::{Detail, GuestMode};
use report::Profile;
use report::html::size;

use super::matching::{Key, Paths, Place, Row, file_name, program, rows};
use crate::budget::{Budget, Outcome, check_rows};
use crate::change::Change;
use crate::metric::{Metric, Run, Unit, Value};
use crate::{Saved, Subject};

/// What is compared.
#[derive(Debug, Clone)]
pub struct Question {
    /// What the rows of the lists are, a list or more for each.
    pub by: Vec<Subject>,
    /// What is compared of the rows; empty for what most ask for.
    pub metrics: Vec<Metric>,
    /// What must hold.
    pub budgets: Vec<Budget>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The two runs.
    pub sides: [Side; 2],
    /// In what the runs differ beside their counts, a line each.
    pub differences: Vec<String>,
    /// Of whole runs, in the order of the levels.
    pub totals: Vec<Change<Metric>>,
    /// Of rows.
    pub lists: Vec<List>,
    /// What became of the budgets.
    pub budgets: Vec<Outcome>,
}

/// One of the runs.
#[derive(Debug, Clone)]
pub struct Side {
    /// The report's file.
    pub report: String,
    /// The program's name, if it is known.
    pub program: Option<String>,
    /// What else there is to say: "riscv64 program, QEMU 7.2.22, libcache 0.1.0".
    pub facts: String,
}

/// The rows of which a number changed.
#[derive(Debug, Clone)]
pub struct List {
    /// What the rows are.
    pub by: Subject,
    /// What is measured.
    pub metric: Metric,
    /// Those that changed, most first.
    pub changes: Vec<Change<Place>>,
    /// How many did not change, of those that have any.
    pub same: usize,
}

impl Comparison {
    /// Compares two runs.
    ///
    /// # Errors
    /// Where a metric or a budget is of something that a run has not.
    pub fn new(a: &Saved, b: &Saved, question: &Question) -> anyhow::Result<Self> {
        let metrics = if question.metrics.is_empty() {
            usual_metrics([a, b])
        } else {
            question.metrics.iter().try_for_each(|metric| check(*metric, [a, b]))?;
            question.metrics.clone()
        };
        let paths = Paths::between(&a.profile, &b.profile);
        let mut lists = Vec::new();
        for &by in &question.by {
            let a = Rows::of(&a.profile, by, &Paths::default());
            let b = Rows::of(&b.profile, by, &paths);
            lists.extend(metrics.iter().map(|metric| List::new(by, *metric, &a, &b)));
        }
        let runs = [Run::of(&a.profile), Run::of(&b.profile)];
        let totals = Metric::shown().filter_map(|metric| {
            let [a, b] = runs.map(|run| metric.of_run(&run));
            let change = Change { name: metric, unit: metric.unit(), a, b };
            a.or(b).map(|_| change)
        });
        let budgets = question.budgets.iter().map(|budget| budget.check(a, b));
        Ok(Self {
            sides: [a, b].map(Side::of),
            differences: differences(a, b),
            totals: totals.collect(),
            lists,
            budgets: budgets.collect::<anyhow::Result<_>>()?,
        })
    }

    /// The name of what ran, where both runs agree on it.
    pub fn program(&self) -> Option<&str> {
        let [a, b] = &self.sides;
        a.program.as_deref().filter(|_| a.program == b.program)
    }
}

/// The misses of the data cache, after what all misses cost where both runs have an estimate of that.
fn usual_metrics(runs: [&Saved; 2]) -> Vec<Metric> {
    let has = |metric: &Metric| {
        runs.iter().all(|saved| metric.of_run(&Run::of(&saved.profile)).is_some())
    };
    [Metric::Stalls].into_iter().filter(has).chain([Metric::DATA_MISSES]).collect()
}

/// Whether the rows of both runs have `metric`.
fn check(metric: Metric, runs: [&Saved; 2]) -> anyhow::Result<()> {
    if !metric.is_of_rows() {
        bail!(
            "--metric {metric}: is of whole runs, which are always compared; name one of functions and lines, such as {}",
            Metric::DATA_MISSES
        );
    }
    for saved in runs {
        check_rows(metric, saved).map_err(|why| {
            anyhow::anyhow!("--metric {metric}: the run of {} {why}", saved.name())
        })?;
    }
    Ok(())
}

/// The rows of one run.
struct Rows<'a> {
    profile: &'a Profile,
    rows: HashMap<Key, Row>,
}

impl<'a> Rows<'a> {
    fn of(profile: &'a Profile, by: Subject, paths: &Paths) -> Self {
        Self { profile, rows: rows(profile, by, paths) }
    }

    fn value(&self, key: &Key, metric: Metric) -> Option<Value> {
        match self.rows.get(key) {
            Some(row) => metric.of_rows(&row.counts, &self.profile.run.options),
            // In a run that counted misses only, it may have been executed all the same.
            None if self.profile.detail == Detail::Misses && metric.unit() == Unit::Count => {
                Some(Value::Count(0))
            }
            None => None,
        }
    }
}

impl List {
    fn new(by: Subject, metric: Metric, a: &Rows<'_>, b: &Rows<'_>) -> Self {
        let mut changes = Vec::new();
        let mut same = 0;
        // The second run's places are those that the reader has at hand.
        let only_in_a = a.rows.iter().filter(|(key, _)| !b.rows.contains_key(*key));
        for (key, row) in b.rows.iter().chain(only_in_a) {
            let (a, b) = (a.value(key, metric), b.value(key, metric));
            let change = Change { name: row.place.clone(), unit: metric.unit(), a, b };
            if change.difference() != 0.0 {
                changes.push((key, change));
            } else if b.or(a).is_some_and(|value| value.number() != 0.0) {
                same += 1;
            }
        }
        let size = |change: &Change<Place>| change.difference().abs();
        changes.sort_by(|(key, change), (other_key, other)| {
            size(other).total_cmp(&size(change)).then_with(|| key.cmp(other_key))
        });
        let changes = changes.into_iter().map(|(_, change)| change).collect();
        Self { by, metric, changes, same }
    }
}

impl Side {
    fn of(saved: &Saved) -> Self {
        let run = &saved.profile.run;
        let guest = match run.mode {
            GuestMode::User => "program",
            GuestMode::System => "machine",
        };
        let qemu = run.qemu_version.as_ref().map(|version| format!(", QEMU {version}"));
        Self {
            report: saved.name(),
            program: program(&saved.profile).map(|path| file_name(&path).to_owned()),
            facts: format!(
                "{} {guest}{}, libcache {}",
                run.target,
                qemu.unwrap_or_default(),
                run.version
            ),
        }
    }
}

/// In what two runs differ that were to be alike.
fn differences(a: &Saved, b: &Saved) -> Vec<String> {
    let settings = [a, b].map(settings);
    let [a, b] = [0, 1].map(|run: usize| {
        let settings = &settings[run];
        move |name: &str| {
            let found = settings.iter().find(|setting| setting.0 == name);
            found.map_or_else(|| "none".to_owned(), |setting| setting.1.clone())
        }
    });
    let differing = SETTINGS.into_iter().filter_map(|name| {
        let (a, b) = (a(name), b(name));
        (a != b).then(|| format!("{name}: {a} → {b}"))
    });
    differing.collect()
}

/// The names of the settings, in the order in which they are told.
const SETTINGS: [&str; 9] =
    ["guest", "L1d", "L1i", "L2", "L3", "cores", "stores", "accesses to two lines", "latencies"];

/// Those of a run that it has.
fn settings(saved: &Saved) -> Vec<(&'static str, String)> {
    let run = &saved.profile.run;
    let config = &run.options.config;
    let mut settings = vec![
        ("guest", run.target.clone()),
        ("L1d", cache(&config.dcache())),
        ("L1i", cache(&config.icache())),
    ];
    if let Some(lower) = config.lower() {
        let split = if lower.l2_kind == L2Kind::Split { ", split" } else { "" };
        let text = format!("{}{split}, {}", cache(&lower.l2), lower.l2_inclusion.name());
        settings.push(("L2", text));
        settings.extend(
            lower.l3.map(|l3| ("L3", format!("{}, {}", cache(&l3), lower.l3_inclusion.name()))),
        );
    }
    settings.push(("cores", config.cores().to_string()));
    settings.push(("stores", stores(config)));
    settings.push((
        "accesses to two lines",
        match config.straddle() {
            Straddle::First => "one",
            Straddle::Split => "two",
        }
        .to_owned(),
    ));
    if report::Costs::of(&run.options).is_some() {
        let options::Latencies { l1, l2, l3, memory } = run.options.latencies;
        settings.push(("latencies", format!("{l1}, {l2}, {l3}, {memory}")));
    }
    settings
}

fn cache(level: &Level) -> String {
    let geometry = level.geometry;
    let (bytes, line) = (size(geometry.size_bytes()), size(geometry.line_bytes()));
    format!("{bytes}, {} ways, lines of {line}, {}", geometry.ways(), level.policy.title())
}

fn stores(config: &Config) -> String {
    let Some(writes) = config.writes() else { return "not modelled".to_owned() };
    let hit = match writes.on_hit {
        WriteHit::Back => "write-back",
        WriteHit::Through => "write-through",
    };
    let miss = match writes.on_miss {
        WriteMiss::Allocate => "write-allocate",
        WriteMiss::NoAllocate => "no write-allocate",
    };
    format!("{hit}, {miss}")
}
