//! A comparison as a page, in the style of a run's: one file, no script, no network.

use std::io::{self, Write};

use askama::Template;
use report::html::clean;

use super::format::{Length, difference, extent, name, outcome, relative, subject, value};
use super::{Comparison, List};
use crate::change::Change;
use crate::metric::{Measure, Metric};
use crate::page::head;

/// The page.
#[derive(Template)]
#[template(path = "diff.html")]
struct Page {
    head: String,
    title: String,
    sides: [(&'static str, String, String); 2],
    differences: Vec<String>,
    budgets: Vec<BudgetRow>,
    tiles: Vec<Tile>,
    totals: Vec<Row>,
    lists: Vec<ListView>,
    made_by: String,
}

struct BudgetRow {
    is_broken: bool,
    text: String,
}

struct Tile {
    label: String,
    value: String,
    note: String,
}

/// A row of numbers.
struct Row {
    name: String,
    /// Whether there is more of it, or less.
    class: &'static str,
    a: String,
    b: String,
    difference: String,
    relative: String,
    /// How long its bar is, in percent of the longest.
    width: u8,
}

struct ListView {
    id: String,
    title: String,
    what: &'static str,
    extent: String,
    rows: Vec<Row>,
}

/// Writes the whole page; of each list `limit` rows at most.
///
/// # Errors
/// Those of `out`.
pub fn write(comparison: &Comparison, limit: usize, out: &mut dyn Write) -> io::Result<()> {
    let title = match comparison.program() {
        Some(program) => format!("Cache misses of {}, compared", clean(program)),
        None => "Cache misses, compared".to_owned(),
    };
    let side = |letter, side: &super::compare::Side| {
        let program = side.program.as_ref().map(|program| format!("{program}, "));
        let facts = format!("{}{}", program.unwrap_or_default(), side.facts);
        (letter, clean(&side.report), clean(&facts))
    };
    let [a, b] = &comparison.sides;
    let page = Page {
        head: head(&title),
        title,
        sides: [side("A", a), side("B", b)],
        differences: comparison.differences.iter().map(|text| clean(text)).collect(),
        budgets: comparison
            .budgets
            .iter()
            .map(|it| BudgetRow { is_broken: it.is_broken, text: clean(&outcome(it)) })
            .collect(),
        tiles: tiles(comparison),
        totals: comparison.totals.iter().map(|it| Row::of(it, &it.name.to_string(), 0.0)).collect(),
        lists: comparison.lists.iter().map(|list| ListView::of(list, comparison, limit)).collect(),
        made_by: format!("libcache {}", env!("CARGO_PKG_VERSION")),
    };
    page.write_into(out)
}

/// The rates.
fn tiles(comparison: &Comparison) -> Vec<Tile> {
    let rates = comparison.totals.iter().filter(|change| match change.name {
        Metric::Instructions => true,
        Metric::Of(_, measure) => measure == Measure::Rate,
        _ => false,
    });
    let tile = |change: &Change<Metric>| Tile {
        label: change.name.to_string(),
        value: value(change.b, change.unit),
        note: format!("{}, from {}", relative(change), value(change.a, change.unit)),
    };
    rates.map(tile).collect()
}

impl Row {
    /// `longest` is the difference of the longest bar; 0 where there are no bars.
    fn of<N>(change: &Change<N>, name: &str, longest: f64) -> Self {
        let by = change.difference();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 100"
        )]
        let width = if longest > 0.0 { (100.0 * by.abs() / longest) as u8 } else { 0 };
        Self {
            name: clean(name),
            class: match by.total_cmp(&0.0) {
                _ if by == 0.0 => "same",
                std::cmp::Ordering::Less => "less",
                _ => "more",
            },
            a: value(change.a, change.unit),
            b: value(change.b, change.unit),
            difference: difference(change),
            relative: relative(change),
            width,
        }
    }
}

impl ListView {
    fn of(list: &List, comparison: &Comparison, limit: usize) -> Self {
        let shown = &list.changes[..list.changes.len().min(limit)];
        let what = subject(list.by);
        let longest = list.changes.first().map_or(0.0, |change| change.difference().abs());
        let program = comparison.sides[1].program.as_deref();
        let row = |change: &Change<_>| {
            Row::of(change, &name(&change.name, list.by, program, Length::Whole), longest)
        };
        Self {
            id: format!("{what}-{}", list.metric).replace('.', "-"),
            title: format!("{} by {what}", list.metric),
            what,
            extent: extent(list.changes.len(), list.same, shown.len()),
            rows: shown.iter().map(row).collect(),
        }
    }
}
