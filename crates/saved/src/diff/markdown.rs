//! A comparison as Markdown, for the comment of a pull request (GitHub's, which has tables).

use std::fmt::Write as _;

use cachesim::escape::escape;

use super::format::{Length, difference, extent, name, outcome, relative, subject, value};
use super::{Comparison, List};
use crate::change::Change;

/// The longest name in a table, in characters.
const NAME: usize = 100;

/// The whole text; of each list `limit` rows at most.
pub fn render(comparison: &Comparison, limit: usize) -> String {
    let mut out = String::new();
    let program = comparison.program().map(|program| format!(" of {}", code(program)));
    let _ = writeln!(out, "### Cache misses{}\n", program.unwrap_or_default());
    for it in &comparison.budgets {
        let state = if it.is_broken { "**Broken**" } else { "Kept" };
        let _ = writeln!(out, "- {state}: {}", code(&outcome(it)));
    }
    if !comparison.budgets.is_empty() {
        out.push('\n');
    }
    for difference in &comparison.differences {
        let _ = writeln!(out, "- The runs differ in {}", plain(difference));
    }
    if !comparison.differences.is_empty() {
        out.push('\n');
    }
    out.push_str("| total | A | B | change | relative |\n|:--|--:|--:|--:|--:|\n");
    for change in &comparison.totals {
        let _ = writeln!(out, "| {} |{}", change.name, numbers(change));
    }
    for list in &comparison.lists {
        write_list(&mut out, list, comparison, limit);
    }
    let [a, b] = &comparison.sides;
    let _ = writeln!(
        out,
        "\n<sub>A: {} ({}). B: {} ({}).</sub>",
        code(&a.report),
        plain(&a.facts),
        code(&b.report),
        plain(&b.facts)
    );
    out
}

fn write_list(out: &mut String, list: &List, comparison: &Comparison, limit: usize) {
    let shown = &list.changes[..list.changes.len().min(limit)];
    let what = subject(list.by);
    let extent = extent(list.changes.len(), list.same, shown.len());
    let _ = writeln!(out, "\n<details><summary>{} by {what}: {extent}</summary>\n", list.metric);
    if !shown.is_empty() {
        let _ = writeln!(out, "| {what} | A | B | change | relative |\n|:--|--:|--:|--:|--:|");
    }
    let program = comparison.sides[1].program.as_deref();
    for change in shown {
        let name = name(&change.name, list.by, program, Length::Characters(NAME));
        let _ = writeln!(out, "| {} |{}", code(&name), numbers(change));
    }
    out.push_str("\n</details>\n");
}

fn numbers<N>(change: &Change<N>) -> String {
    let [a, b] = [change.a, change.b].map(|it| value(it, change.unit));
    format!(" {a} | {b} | {} | {} |", difference(change), relative(change))
}

/// Any text as code in a table's cell: its fence is longer than any row of backticks in it, and a bar is
/// escaped, which tables ask for also in code.
fn code(text: &str) -> String {
    let text = escape(text).to_string();
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', r"\|"))
}

/// Text without markup.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for character in escape(text).to_string().chars() {
        match character {
            '<' => plain.push_str("&lt;"),
            '&' => plain.push_str("&amp;"),
            // Also `@`, which would call somebody.
            '*' | '_' | '`' | '[' | ']' | '|' | '#' | '\\' | '~' | '!' => {
                plain.extend(['\\', character]);
            }
            '@' => plain.push_str("@\u{200b}"),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_ends_where_it_ends() {
        assert_eq!(code("f<T>"), "`f<T>`");
        assert_eq!(code("a`b``c|d\n"), r"``` a`b``c\|d\n ```");
        assert_eq!(code(""), "``");
    }

    #[test]
    fn plain_text_is_no_markup() {
        assert_eq!(plain("<b> *x* @me"), "&lt;b> \\*x\\* @\u{200b}me");
    }
}
