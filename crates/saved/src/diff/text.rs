//! A comparison for a terminal of 80 columns: numbers first in the lists, since names have any length.

use std::fmt::Write as _;

use super::format::{Length, difference, extent, name, outcome, relative, subject, value};
use super::{Comparison, List};
use crate::change::Change;
use crate::metric::Unit;

/// The columns of a terminal.
const COLUMNS: usize = 80;
/// The room that a name has in any case.
const LEAST_NAME: usize = 24;

/// The whole text; of each list `limit` rows at most.
pub fn render(comparison: &Comparison, limit: usize) -> String {
    let mut out = String::new();
    for (letter, side) in ["A", "B"].into_iter().zip(&comparison.sides) {
        let program = side.program.as_ref().map(|program| format!("{program}, "));
        let text =
            format!("{letter}  {}: {}{}", side.report, program.unwrap_or_default(), side.facts);
        let _ = writeln!(out, "{}", cachesim::escape::escape(&text));
    }
    for difference in &comparison.differences {
        let _ = writeln!(out, "differs in {difference}");
    }
    out.push('\n');
    let rows = comparison.totals.iter().map(|change| {
        let [a, b, difference, relative] = numbers(change);
        [change.name.to_string(), a, b, difference, relative]
    });
    let head = ["total", "A", "B", "change", "relative"].map(str::to_owned);
    table(&mut out, &[head].into_iter().chain(rows).collect::<Vec<_>>(), First::Left);
    for list in &comparison.lists {
        out.push('\n');
        write_list(&mut out, list, comparison, limit);
    }
    if !comparison.budgets.is_empty() {
        out.push_str("\nbudgets\n");
        for it in &comparison.budgets {
            let _ = writeln!(
                out,
                "{}  {}",
                if it.is_broken { "broken" } else { "kept  " },
                outcome(it)
            );
        }
    }
    out
}

fn write_list(out: &mut String, list: &List, comparison: &Comparison, limit: usize) {
    let shown = &list.changes[..list.changes.len().min(limit)];
    let what = subject(list.by);
    let extent = extent(list.changes.len(), list.same, shown.len());
    let _ = writeln!(out, "{} by {what}: {extent}", list.metric);
    if shown.is_empty() {
        return;
    }
    let columns = |change| {
        let [a, b, difference, relative] = numbers(change);
        [difference, relative, a, b]
    };
    let rows: Vec<_> = shown.iter().map(columns).collect();
    let head = ["change", "relative", "A", "B"].map(str::to_owned);
    let rows: Vec<_> = [head].into_iter().chain(rows).collect();
    let mut numbers = String::new();
    table(&mut numbers, &rows, First::Right);
    let mut names = vec![what.to_owned()];
    let taken = numbers.lines().map(|line| line.chars().count()).max().unwrap_or(0) + 2;
    let room = Length::Characters(COLUMNS.saturating_sub(taken).max(LEAST_NAME));
    let program = comparison.sides[1].program.as_deref();
    names.extend(shown.iter().map(|change| name(&change.name, list.by, program, room)));
    for (numbers, name) in numbers.lines().zip(names) {
        let _ = writeln!(out, "{numbers}  {name}");
    }
}

fn numbers<N>(change: &Change<N>) -> [String; 4] {
    // Of a row, what is not there is nothing.
    let none = |text: String| {
        if text == "–" && change.unit == Unit::Count { "-".to_owned() } else { text }
    };
    let [a, b] = [change.a, change.b].map(|it| none(value(it, change.unit)));
    [a, b, difference(change), relative(change)]
}

/// On which side the first column is even.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Left,
    Right,
}

/// Rows in columns, two blanks apart; all but the first are of numbers.
fn table<const N: usize>(out: &mut String, rows: &[[String; N]], first: First) {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in rows {
        for (column, text) in row.iter().enumerate() {
            let width = widths[column];
            let gap = if column > 0 { "  " } else { "" };
            let _ = match (column, first) {
                (0, First::Left) => write!(out, "{gap}{text:<width$}"),
                _ => write!(out, "{gap}{text:>width$}"),
            };
        }
        out.push('\n');
    }
}
