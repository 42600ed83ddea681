//! A comparison as JSON, for other programs: all that changed.

use std::io::{self, Write};

use serde::Serialize;

use super::format::subject;
use super::matching::Place;
use super::{Comparison, List, compare};
use crate::budget;
use crate::change::Change;
use crate::metric::Value;

/// The version of what is written; it rises when a field goes or changes its meaning.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    schema_version: u32,
    a: Side<'a>,
    b: Side<'a>,
    differences: &'a [String],
    totals: Vec<Total>,
    lists: Vec<Rows<'a>>,
    budgets: Vec<Outcome<'a>>,
}

#[derive(Serialize)]
struct Side<'a> {
    report: &'a str,
    program: Option<&'a str>,
}

#[derive(Serialize)]
struct Total {
    metric: String,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Serialize)]
struct Rows<'a> {
    by: &'static str,
    metric: String,
    same: usize,
    changed: Vec<RowView<'a>>,
}

#[derive(Serialize)]
struct RowView<'a> {
    function: Option<&'a str>,
    object: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disassembly: Option<&'a str>,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Serialize)]
struct Numbers {
    a: Option<Number>,
    b: Option<Number>,
    change: f64,
    relative: Option<f64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Count(u64),
    Number(f64),
}

#[derive(Serialize)]
struct Outcome<'a> {
    budget: &'a str,
    a: Number,
    b: Number,
    limit: f64,
    broken: bool,
}

/// Writes the whole file.
///
/// # Errors
/// Those of `out`.
pub fn write(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let [a, b] = &comparison.sides;
    let total = |change: &Change<crate::metric::Metric>| Total {
        metric: change.name.to_string(),
        numbers: Numbers::of(change),
    };
    let document = Document {
        schema: "libcache-diff",
        schema_version: SCHEMA_VERSION,
        a: Side::of(a),
        b: Side::of(b),
        differences: &comparison.differences,
        totals: comparison.totals.iter().map(total).collect(),
        lists: comparison.lists.iter().map(Rows::of).collect(),
        budgets: comparison.budgets.iter().map(Outcome::of).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

impl<'a> Side<'a> {
    fn of(side: &'a compare::Side) -> Self {
        Self { report: &side.report, program: side.program.as_deref() }
    }
}

impl<'a> Outcome<'a> {
    fn of(outcome: &'a budget::Outcome) -> Self {
        let budget::Outcome { budget, a, b, limit, is_broken, .. } = outcome;
        Self { budget, a: (*a).into(), b: (*b).into(), limit: *limit, broken: *is_broken }
    }
}

impl<'a> Rows<'a> {
    fn of(list: &'a List) -> Self {
        let List { by, metric, changes, same } = list;
        let changed = changes.iter().map(RowView::of).collect();
        Self { by: subject(*by), metric: metric.to_string(), same: *same, changed }
    }
}

impl<'a> RowView<'a> {
    fn of(change: &'a Change<Place>) -> Self {
        let Place { function, object, file, line, instruction } = &change.name;
        Self {
            function: function.as_deref(),
            object: object.as_deref(),
            file: file.as_deref(),
            line: *line,
            address: instruction.as_ref().map(|(address, _)| format!("{address:#x}")),
            disassembly: instruction.as_ref().map(|(_, text)| &text[..]),
            numbers: Numbers::of(change),
        }
    }
}

impl Numbers {
    fn of<N>(change: &Change<N>) -> Self {
        Self {
            a: change.a.map(Number::from),
            b: change.b.map(Number::from),
            change: change.difference(),
            relative: change.relative(),
        }
    }
}

impl From<Value> for Number {
    fn from(value: Value) -> Self {
        match value {
            Value::Count(count) => Self::Count(count),
            Value::Number(number) => Self::Number(number),
        }
    }
}
