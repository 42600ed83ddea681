//! A metric over many runs: `libcache diff --history DIR`.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use askama::Template;
use cachesim::escape::escape;
use clap::ValueEnum;
use report::html::{Chart, clean, line_chart};

use crate::budget::{Budget, Outcome};
use crate::change::Change;
use crate::diff::format::{difference, relative, value};
use crate::metric::{Metric, Run, Unit, Value};
use crate::output::{tell, to_stdout, write_to};
use crate::page::head;
use crate::read::{Extent, Saved};

/// The order of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Order {
    /// That of the files' names
    #[default]
    Name,
    /// That in which the files were written
    Time,
}

/// The runs of a directory.
#[derive(Debug)]
pub struct History {
    folder: String,
    /// The names of the reports, without what their paths have in common.
    runs: Vec<String>,
    series: Vec<Series>,
    /// Of the last run, beside the one before it.
    outcomes: Vec<Outcome>,
}

/// A metric of all runs; `None` where a run has not got it.
#[derive(Debug)]
struct Series {
    metric: Metric,
    values: Vec<Option<Value>>,
}

impl History {
    /// Reads all reports in `folder`. Other files are left out, each with a line on standard error if its
    /// name ends in `.json`. With no `metrics` it is of the data misses.
    ///
    /// # Errors
    /// Where there is no report, or none with such a metric.
    pub fn read(
        folder: &Path,
        order: Order,
        metrics: &[Metric],
        budgets: &[Budget],
    ) -> anyhow::Result<Self> {
        let mut runs: Vec<Saved> = Vec::new();
        for path in reports(folder)? {
            match Saved::read(&path, Extent::Cores) {
                Ok(saved) => runs.push(saved),
                Err(error) => tell(format_args!("left out: {error}")),
            }
        }
        if runs.is_empty() {
            bail!("{}: no reports; json=FILE writes them", escape(&folder.to_string_lossy()));
        }
        match order {
            Order::Name => runs.sort_by(|one, other| one.path.cmp(&other.path)),
            Order::Time => {
                runs.sort_by(|one, other| {
                    (one.modified, &one.path).cmp(&(other.modified, &other.path))
                });
            }
        }
        let metrics = if metrics.is_empty() { &[Metric::DATA_MISSES] } else { metrics };
        let series = metrics.iter().map(|&metric| {
            let values: Vec<_> =
                runs.iter().map(|saved| metric.of_run(&Run::of(&saved.profile))).collect();
            if values.iter().all(Option::is_none) {
                bail!("--metric {metric}: each of these runs {}", metric.why_not_of_run());
            }
            Ok(Series { metric, values })
        });
        let series = series.collect::<anyhow::Result<_>>()?;
        let outcomes = match &runs[..] {
            [.., before, last] if !budgets.is_empty() => {
                let read = |saved: &Saved| Saved::read(&saved.path, Extent::Whole);
                let (before, last) = (read(before)?, read(last)?);
                budgets.iter().map(|it| it.check(&before, &last)).collect::<anyhow::Result<_>>()?
            }
            [_] if !budgets.is_empty() => {
                tell("one run only: there is nothing to hold it to");
                Vec::new()
            }
            _ => Vec::new(),
        };
        let name = |saved: &Saved| {
            let name = saved.path.file_name().unwrap_or_default().to_string_lossy();
            escape(&name).to_string()
        };
        Ok(Self {
            folder: escape(&folder.to_string_lossy()).to_string(),
            runs: runs.iter().map(name).collect(),
            series,
            outcomes,
        })
    }

    /// Writes the page to `html`, or else the table to standard output. Gives what became of the budgets.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(self, html: Option<&Path>) -> anyhow::Result<Vec<Outcome>> {
        match html {
            Some(path) => write_to(path, |out| self.page(out))?,
            None => to_stdout(|out| out.write_all(self.text().as_bytes()))?,
        }
        Ok(self.outcomes)
    }

    /// The table.
    fn text(&self) -> String {
        let mut out = String::new();
        for Series { metric, values } in &self.series {
            let _ = writeln!(out, "{metric} of {} runs: {}\n", values.len(), sparkline(values));
            let rows = changes(*metric, values);
            let head = [metric.to_string(), "change".to_owned(), "relative".to_owned()];
            let columns: Vec<[String; 3]> =
                [head].into_iter().chain(rows.iter().map(Row::columns)).collect();
            let width = |column: usize| {
                columns.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
            };
            let [first, second, third] = [width(0), width(1), width(2)];
            let names = ["run"].into_iter().chain(self.runs.iter().map(String::as_str));
            for ([value, change, relative], name) in columns.iter().zip(names) {
                let _ =
                    writeln!(out, "{value:>first$}  {change:>second$}  {relative:>third$}  {name}");
            }
            out.push('\n');
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    fn page(&self, out: &mut dyn Write) -> io::Result<()> {
        let charts = self.series.iter().map(|Series { metric, values }| {
            let rows = changes(*metric, values).into_iter();
            let (factor, unit) = match metric.unit() {
                Unit::Rate => (100.0, "%"),
                Unit::Count | Unit::Quotient => (1.0, ""),
            };
            let points: Vec<_> =
                values.iter().map(|value| value.map(|value| factor * value.number())).collect();
            let rows = (1..).zip(&self.runs).zip(rows);
            ChartView {
                metric: metric.to_string(),
                drawing: line_chart(&points, unit),
                rows: rows.map(|((number, run), row)| (number, clean(run), row)).collect(),
            }
        });
        let title = format!("Cache misses of {} runs", self.runs.len());
        let page = Page {
            head: head(&title),
            title,
            folder: clean(&self.folder),
            charts: charts.collect(),
            made_by: format!("libcache {}", env!("CARGO_PKG_VERSION")),
        };
        page.write_into(out)
    }
}

/// A run beside the one before it.
struct Row {
    value: String,
    change: String,
    relative: String,
    class: &'static str,
}

impl Row {
    fn columns(&self) -> [String; 3] {
        [self.value.clone(), self.change.clone(), self.relative.clone()]
    }
}

fn changes(metric: Metric, values: &[Option<Value>]) -> Vec<Row> {
    let before = [None].into_iter().chain(values.iter().copied());
    let rows = before.zip(values).map(|(a, &b)| {
        let change = Change { name: (), unit: metric.unit(), a, b };
        let is_known = a.is_some() && b.is_some();
        let shown = |text: String| if is_known { text } else { String::new() };
        Row {
            value: value(b, metric.unit()),
            change: shown(difference(&change)),
            relative: shown(relative(&change)),
            class: match change.difference() {
                _ if !is_known => "same",
                by if by > 0.0 => "more",
                by if by < 0.0 => "less",
                _ => "same",
            },
        }
    });
    rows.collect()
}

/// The page.
#[derive(Template)]
#[template(path = "history.html")]
struct Page {
    head: String,
    title: String,
    folder: String,
    charts: Vec<ChartView>,
    made_by: String,
}

struct ChartView {
    metric: String,
    drawing: Chart,
    /// With the number of the run in the chart.
    rows: Vec<(usize, String, Row)>,
}

/// The files that may be reports.
fn reports(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = || escape(&folder.to_string_lossy()).to_string();
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(shown)? {
        let path = entry.with_context(shown)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// One character a run, the higher the more; a blank where it is not known. The lowest is on the ground.
fn sparkline(values: &[Option<Value>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let numbers = || values.iter().flatten().map(|value| value.number());
    let (lowest, highest) =
        (numbers().fold(f64::INFINITY, f64::min), numbers().fold(0.0, f64::max));
    let bar = |value: &Option<Value>| {
        let Some(value) = value else { return ' ' };
        let height = (value.number() - lowest) / (highest - lowest).max(f64::MIN_POSITIVE);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 7")]
        let index = (height * 7.0).round() as usize;
        BARS[index.min(7)]
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[u64]) -> Vec<Option<Value>> {
        counts.iter().map(|&count| Some(Value::Count(count))).collect()
    }

    #[test]
    fn a_sparkline_goes_from_the_lowest_to_the_highest() {
        assert_eq!(sparkline(&counts(&[10, 17, 12, 10])), "▁█▃▁");
        assert_eq!(sparkline(&counts(&[5, 5, 5])), "▁▁▁");
        assert_eq!(sparkline(&[None, Some(Value::Number(0.5)), None]), " ▁ ");
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn each_run_is_beside_the_one_before_it() {
        let history = History {
            folder: "runs".to_owned(),
            runs: ["one", "two", "three", "four"].map(str::to_owned).into(),
            series: vec![Series {
                metric: Metric::DATA_MISSES,
                values: [counts(&[1000, 1100]), vec![None], counts(&[900])].concat(),
            }],
            outcomes: Vec::new(),
        };
        insta::assert_snapshot!(history.text(), @r"
        l1d.misses of 4 runs: ▅█ ▁

        l1d.misses  change  relative  run
             1,000                    one
             1,100    +100   +10.00%  two
                 –                    three
               900                    four
        ");
    }
}
