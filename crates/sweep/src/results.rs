//! The reports of a sweep, as one table and one page.

use std::io::{self, Write};

use anyhow::Context as _;
use askama::Template;
use cachesim::escape::escape;
use csv::{Terminator, WriterBuilder};
use indexmap::IndexMap;
use report::html::clean;
use saved::change::Change;
use saved::diff::format::{relative, value};
use saved::metric::{Measure, Metric, Run, Value};
use saved::output::write_to;
use saved::page::head;
use saved::read::Fault;
use saved::{Extent, Saved};

use crate::plan::{Job, UNNAMED};
use crate::workflow::Place;

/// What the runs of a sweep have counted.
#[derive(Debug)]
pub struct Results {
    /// The runs that have a report.
    pub runs: Vec<Measured>,
    /// The names of those that have not, each with what is wrong.
    pub missing: Vec<(Job, String)>,
}

/// A run with its numbers.
#[derive(Debug)]
pub struct Measured {
    job: Job,
    /// Those that it has.
    values: IndexMap<String, (Metric, Value)>,
}

impl Results {
    /// Reads the reports of `jobs`.
    pub fn read(jobs: &[Job], place: &Place) -> Self {
        let mut results = Self { runs: Vec::new(), missing: Vec::new() };
        for job in jobs {
            match Saved::read(&place.report_path(job), Extent::Cores) {
                Ok(saved) => {
                    let run = Run::of(&saved.profile);
                    let values = Metric::all().filter_map(|metric| {
                        Some((metric.to_string(), (metric, metric.of_run(&run)?)))
                    });
                    results.runs.push(Measured { job: job.clone(), values: values.collect() });
                }
                Err(error) => {
                    let why = match &error.fault {
                        Fault::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                            format!("logs/{}.log has what it said", job.name())
                        }
                        fault => fault.to_string(),
                    };
                    results.missing.push((job.clone(), why));
                }
            }
        }
        results
    }

    /// Writes `results.csv` and `results.html`.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn write(&self, place: &Place) -> anyhow::Result<()> {
        let results = place.results_path();
        write_to(&results.join("results.csv"), |out| self.csv(out))?;
        write_to(&results.join("results.html"), |out| self.page(out)).context("the page")
    }

    /// "23 of 24 runs; results in …; failed: …".
    pub fn summary(&self, place: &Place) -> String {
        let all = self.runs.len() + self.missing.len();
        let results = place.results_path();
        let results = escape(&results.to_string_lossy()).to_string();
        let failed = match self.missing.first() {
            None => String::new(),
            Some((job, _)) => {
                let log = place.log_path(job);
                format!("; see {} for one that failed", escape(&log.to_string_lossy()))
            }
        };
        format!(
            "{} of {all} runs; results.csv and results.html are in {results}{failed}",
            self.runs.len()
        )
    }

    /// The metrics that any run has.
    fn metrics(&self) -> Vec<Metric> {
        let has = |metric: &Metric| {
            self.runs.iter().any(|run| run.values.contains_key(&metric.to_string()))
        };
        Metric::all().filter(has).collect()
    }

    fn csv(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut out = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out);
        let metrics: Vec<String> = self.metrics().iter().map(ToString::to_string).collect();
        let head = ["program", "input", "machine", "options"].map(str::to_owned);
        out.write_record(head.iter().chain(&metrics))?;
        for run in &self.runs {
            let names = run.job.names.iter().map(|name| match &name[..] {
                UNNAMED => String::new(),
                name => name.to_owned(),
            });
            let values = metrics.iter().map(|metric| match run.values.get(metric) {
                Some((_, Value::Count(count))) => count.to_string(),
                Some((_, Value::Number(number))) => number.to_string(),
                None => String::new(),
            });
            out.write_record(names.chain(values))?;
        }
        out.flush()
    }

    fn page(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut groups: IndexMap<[&str; 2], Vec<&Measured>> = IndexMap::new();
        for run in &self.runs {
            let [program, input, ..] = &run.job.names;
            groups.entry([program, input]).or_default().push(run);
        }
        let groups = groups.into_iter().map(|([program, input], runs)| Group {
            title: label(&[program, input]),
            metrics: shown().filter_map(|metric| MetricView::of(metric, &runs)).collect(),
            names: runs.iter().map(|run| label(&[&run.job.names[2], &run.job.names[3]])).collect(),
        });
        let title = "Cache misses side by side";
        let page = Page {
            head: head(title),
            title,
            runs: self.runs.len(),
            missing: self
                .missing
                .iter()
                .map(|(job, why)| (clean(&job.name()), clean(why)))
                .collect(),
            groups: groups.collect(),
            made_by: format!("libcache {}", env!("CARGO_PKG_VERSION")),
        };
        page.write_into(out)
    }
}

/// What the page tells of: not what is the same of all machines, and of costs what they come to.
fn shown() -> impl Iterator<Item = Metric> {
    Metric::shown().filter(|metric| match metric {
        Metric::Of(_, measure) => *measure != Measure::Accesses,
        Metric::Instructions | Metric::StallsPerInstruction => false,
        _ => true,
    })
}

/// "sort, small"; what has no name is left out.
fn label(names: &[&str]) -> String {
    let told: Vec<_> = names.iter().copied().filter(|name| *name != UNNAMED).collect();
    if told.is_empty() { "default".to_owned() } else { told.join(", ") }
}

/// The page.
#[derive(Template)]
#[template(path = "results.html")]
struct Page {
    head: String,
    title: &'static str,
    runs: usize,
    missing: Vec<(String, String)>,
    groups: Vec<Group>,
    made_by: String,
}

/// The runs of one program on one input.
struct Group {
    title: String,
    /// The machines and options.
    names: Vec<String>,
    metrics: Vec<MetricView>,
}

/// One number of all runs of a group.
struct MetricView {
    name: String,
    cells: Vec<Cell>,
}

struct Cell {
    value: String,
    /// Beside the first run; empty for that.
    relative: String,
    class: &'static str,
    is_least: bool,
}

impl MetricView {
    /// `None` where no run of the group has the metric, or any of it.
    fn of(metric: Metric, runs: &[&Measured]) -> Option<Self> {
        let name = metric.to_string();
        let values: Vec<Option<Value>> =
            runs.iter().map(|run| run.values.get(&name).map(|(_, value)| *value)).collect();
        let numbers = || values.iter().flatten().map(|value| value.number());
        let least = numbers().fold(f64::INFINITY, f64::min);
        let is_even = numbers().all(|number| number.total_cmp(&least).is_eq());
        numbers().any(|number| number > 0.0).then(|| {
            let cells = values.iter().enumerate().map(|(index, &it)| {
                let change = Change { name: (), unit: metric.unit(), a: values[0], b: it };
                let is_beside = index > 0 && it.is_some() && values[0].is_some();
                Cell {
                    value: value(it, metric.unit()),
                    relative: if is_beside { relative(&change) } else { String::new() },
                    class: match change.difference() {
                        by if is_beside && by > 0.0 => "more",
                        by if is_beside && by < 0.0 => "less",
                        _ => "same",
                    },
                    is_least: !is_even
                        && it.is_some_and(|it| it.number().total_cmp(&least).is_eq()),
                }
            });
            Self { cells: cells.collect(), name }
        })
    }
}
