//! `libcache diff`: its command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::budget::{Budget, Outcome};
use crate::diff::{Comparison, Question, format, html, json, markdown, text};
use crate::metric::Metric;
use crate::output::{tell, to_stdout, write_to};
use crate::read::{Extent, Saved};
use crate::{Subject, history};

/// Compare two runs, hold them to budgets, or chart many
#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "libcache diff [OPTIONS] A.json B.json\n       \
                      libcache diff [OPTIONS] --history DIR",
    after_help = "\
Functions are matched by name and ELF file, lines by file and number, so the
builds may differ. Lists have what changed, most first. Without a format a
table is printed. A FILE of - is standard output.

A budget says when to fail: METRIC OPERATOR AMOUNT, where OPERATOR is > >= <
or <=. A signed amount is a change from A: 'l1d.misses > +2%',
'memory.read > +1000'. One without a sign stands for itself: 'l1d.rate > 20%'.
METRIC is of the run, or function(NAME).METRIC, or line(FILE:NUMBER).METRIC.

Metrics: instructions; l1d, l1i, l2, l3 with .accesses .misses .rate .mpki;
the same of l1d.reads, l1d.writes, and of l2 and l3 .fetches, .reads, .writes;
l1d.write_backs (also l2, l3), l1d.passed_on, memory.read, memory.written,
stalls, stalls.per_instruction. The names of the JSON are understood too.

Exit status: 1 if a budget is broken, with a line for each; 2: a wrong use."
)]
pub struct DiffArgs {
    /// The report of the first run, written with json=FILE
    #[arg(value_name = "A.json", required_unless_present = "history", conflicts_with = "history")]
    a: Option<PathBuf>,

    /// The report of the second run
    #[arg(value_name = "B.json", required_unless_present = "history", conflicts_with = "history")]
    b: Option<PathBuf>,

    /// What the rows of the lists are [default: function and line]
    #[arg(long, value_enum, conflicts_with = "history")]
    by: Vec<Subject>,

    /// The most rows of a list
    #[arg(long, value_name = "ROWS", default_value_t = 10, conflicts_with = "history")]
    limit: usize,

    /// What is compared of rows, or charted [default: stalls, l1d.misses]
    #[arg(long, value_name = "METRIC")]
    metric: Vec<Metric>,

    /// Fail if this is true of B, such as 'l1d.misses > +2%'; may be given again
    #[arg(long, value_name = "BUDGET")]
    fail_if: Vec<Budget>,

    /// Write a page for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write Markdown, for the comment of a pull request
    #[arg(long, value_name = "FILE", conflicts_with = "history")]
    markdown: Option<PathBuf>,

    /// Write JSON, with all rows that changed
    #[arg(long, value_name = "FILE", conflicts_with = "history")]
    json: Option<PathBuf>,

    /// Chart all reports of a directory; budgets hold the last to the one before
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,

    /// The order of the history
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["a", "b"])]
    order: history::Order,
}

impl DiffArgs {
    /// Does what was asked for; fails with status 1 if a budget is broken.
    ///
    /// # Errors
    /// In one line, where a report cannot be read or has not what was asked for, or a file cannot be written.
    pub fn execute(self) -> anyhow::Result<ExitCode> {
        if let Some(folder) = &self.history {
            let outcomes = history::History::read(folder, self.order, &self.metric, &self.fail_if)?
                .write(self.html.as_deref())?;
            return Ok(status(&outcomes));
        }
        let (Some(a), Some(b)) = (&self.a, &self.b) else { unreachable!("clap requires both") };
        let [a, b] = [Saved::read(a, Extent::Whole)?, Saved::read(b, Extent::Whole)?];
        let by = match &self.by[..] {
            [] => vec![Subject::Function, Subject::Line],
            by => by.to_vec(),
        };
        let question = Question { by, metrics: self.metric, budgets: self.fail_if };
        let comparison = Comparison::new(&a, &b, &question)?;
        if let (None, None, None) = (&self.html, &self.markdown, &self.json) {
            let text = text::render(&comparison, self.limit);
            to_stdout(|out| out.write_all(text.as_bytes()))?;
        }
        if let Some(path) = self.html {
            write_to(&path, |out| html::write(&comparison, self.limit, out))?;
        }
        if let Some(path) = self.markdown {
            let text = markdown::render(&comparison, self.limit);
            write_to(&path, |out| out.write_all(text.as_bytes()))?;
        }
        if let Some(path) = self.json {
            write_to(&path, |out| json::write(&comparison, out))?;
        }
        Ok(status(&comparison.budgets))
    }
}

/// The exit status, and a line for each budget that is broken.
fn status(outcomes: &[Outcome]) -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for outcome in outcomes.iter().filter(|outcome| outcome.is_broken) {
        tell(format_args!("budget broken: {}", format::outcome(outcome)));
        status = ExitCode::FAILURE;
    }
    status
}
