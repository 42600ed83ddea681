//! Source files, with what their lines did.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::format::{Count, Percent, clean, clean_keeping_tabs, shown_of, split_path};
use super::weight::Weight;
use super::{MAX_FILES, OPEN_FILES, Source, SourceState};
use crate::settings::Lower;
use crate::{InstructionCounts, LineRow};

/// The lines shown before and after a hot one.
const CONTEXT: usize = 3;
/// A gap that is not worth a fold: its mark takes the room of a line.
const SMALLEST_GAP: usize = 3;

/// The source files with hot lines.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) files: Vec<SourceFile>,
    /// Those that cannot be read.
    pub(super) unreadable: Vec<Unreadable>,
    /// How many of the files with hot lines these are; `None` if there is none.
    pub(super) shown: Option<String>,
    /// The index in `files` and the text of the files that can be read, by path.
    texts: HashMap<Arc<str>, (usize, Arc<str>)>,
}

/// A file with some of its lines.
pub(super) struct SourceFile {
    pub(super) name: String,
    pub(super) folder: String,
    /// Its misses or stall cycles.
    pub(super) weight: String,
    pub(super) share: Percent,
    pub(super) open: bool,
    pub(super) rows: Vec<SourceRow>,
    /// The last of the hot lines, if the file is too short to have it.
    pub(super) past_end: Option<u32>,
    /// Why its lines may not be those that were compiled.
    pub(super) note: Option<&'static str>,
}

/// A row of a file.
pub(super) enum SourceRow {
    Line(AnnotatedLine),
    /// Lines left out: the first and the last.
    Gap(usize, usize),
}

/// A line of a file.
pub(super) struct AnnotatedLine {
    pub(super) id: String,
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) heat: u8,
    /// `None` where the line has no instruction that was counted.
    pub(super) counts: Option<LineCounts>,
}

/// The counts of a line, of all functions that it is in.
#[derive(Clone)]
pub(super) struct LineCounts {
    pub(super) executions: Count,
    pub(super) reads: Count,
    pub(super) writes: Count,
    pub(super) data_misses: Count,
    pub(super) fetch_misses: Count,
    /// The misses of the levels beyond.
    pub(super) lower: Vec<Count>,
    pub(super) stalls: Option<Count>,
}

/// A file that cannot be read.
pub(super) struct Unreadable {
    pub(super) path: String,
    /// Its misses or stall cycles.
    pub(super) weight: Count,
    pub(super) share: Percent,
}

impl Sources {
    /// The files of the lines `hot`, which are some of `lines`; `all` is the weight of the run.
    pub(super) fn new(
        lines: &[LineRow],
        hot: &[&LineRow],
        all: u64,
        levels: &[Lower],
        weight: Weight,
        source: &dyn Fn(&str) -> Option<Source>,
    ) -> Self {
        let mut hot_lines: HashMap<&Arc<str>, BTreeSet<u32>> = HashMap::new();
        for row in hot {
            if let (Some(file), Some(line)) = (&row.line.file, row.line.line) {
                hot_lines.entry(file).or_default().insert(line);
            }
        }
        let mut counted: HashMap<&Arc<str>, HashMap<u32, InstructionCounts>> = HashMap::new();
        for row in lines {
            if let (Some(file), Some(line)) = (&row.line.file, row.line.line)
                && hot_lines.contains_key(file)
            {
                let sum = counted.entry(file).or_default().entry(line).or_default();
                *sum = *sum + row.counts;
            }
        }
        let mut files: Vec<_> = counted
            .iter()
            .map(|(file, lines)| (*file, lines, lines.values().copied().sum::<InstructionCounts>()))
            .collect();
        files.sort_by(|(file, _, counts), (other, _, others)| {
            (Reverse(weight.of(counts)), file).cmp(&(Reverse(weight.of(others)), other))
        });
        let hottest = counted.values().flat_map(HashMap::values).map(|line| weight.of(line));
        let hottest = hottest.max().unwrap_or(0);

        let shown = shown_of(files.len().min(MAX_FILES), files.len(), weight.noun());
        let shown = (!files.is_empty()).then_some(shown);
        let mut sources = Self { shown, ..Self::default() };
        for (path, counts, sum) in files.into_iter().take(MAX_FILES) {
            let sum = weight.of(&sum);
            let share = Percent::new(sum, all);
            let Some(Source { text, state }) = source(path) else {
                sources.unreadable.push(Unreadable {
                    path: clean(path),
                    weight: sum.into(),
                    share,
                });
                continue;
            };
            let index = sources.files.len();
            let (folder, name) = split_path(path);
            let (rows, past_end) =
                annotate(index, &text, &hot_lines[path], counts, hottest, levels, weight);
            sources.files.push(SourceFile {
                name: clean(name),
                folder: clean(folder),
                weight: weight.counted(sum),
                share,
                open: index < OPEN_FILES,
                rows,
                past_end,
                note: match state {
                    SourceState::AsCompiled => None,
                    SourceState::Newer => Some("This file is newer than the program"),
                    SourceState::Changed => Some("This file was changed after it was compiled"),
                    SourceState::NewerThanReport => Some("This file is newer than the report"),
                },
            });
            sources.texts.insert(Arc::clone(path), (index, text));
        }
        sources
    }

    /// The text of a line that is shown, and the id of its row.
    pub(super) fn line(&self, row: &LineRow) -> Option<(String, String)> {
        let (index, text) = self.texts.get(row.line.file.as_ref()?)?;
        let number = usize::try_from(row.line.line?).ok()?;
        let text = text.lines().nth(number.checked_sub(1)?)?;
        Some((clean(text.trim()), line_id(*index, number)))
    }
}

fn line_id(file: usize, line: usize) -> String {
    format!("file-{file}-line-{line}")
}

/// The rows of a file, and the last hot line if it is beyond the end.
fn annotate(
    file: usize,
    text: &str,
    hot: &BTreeSet<u32>,
    counts: &HashMap<u32, InstructionCounts>,
    hottest: u64,
    levels: &[Lower],
    weight: Weight,
) -> (Vec<SourceRow>, Option<u32>) {
    let mut rows = Vec::new();
    let hot_lines = hot.iter().filter_map(|&line| usize::try_from(line).ok());
    let mut hot_from_here = hot_lines.filter(|&line| line > 0).peekable();
    let mut last_shown = 0;
    let mut until = 0;
    let lines: Vec<&str> = text.lines().collect();
    let mut number = 1;
    while number <= lines.len() {
        while let Some(next) = hot_from_here.next_if(|&line| line <= number + CONTEXT) {
            until = until.max(next + CONTEXT);
        }
        if number > until {
            // Nothing to show before the context of the next hot line.
            let Some(&next) = hot_from_here.peek() else { break };
            if next - CONTEXT - number > SMALLEST_GAP {
                number = next - CONTEXT;
            } else {
                until = next + CONTEXT;
            }
            continue;
        }
        if last_shown + 1 < number {
            rows.push(SourceRow::Gap(last_shown + 1, number - 1));
        }
        let line_counts = u32::try_from(number).ok().and_then(|number| counts.get(&number));
        rows.push(SourceRow::Line(AnnotatedLine {
            id: line_id(file, number),
            number,
            text: clean_keeping_tabs(lines[number - 1]),
            heat: line_counts.map_or(0, |counts| weight.heat(counts, hottest)),
            counts: line_counts.map(|counts| LineCounts::new(counts, levels, weight)),
        }));
        last_shown = number;
        number += 1;
    }
    if !rows.is_empty() && last_shown < lines.len() {
        rows.push(SourceRow::Gap(last_shown + 1, lines.len()));
    }
    let last = hot.last().copied();
    let past_end = last.filter(|&line| usize::try_from(line).is_ok_and(|line| line > lines.len()));
    (rows, past_end)
}

impl LineCounts {
    fn new(counts: &InstructionCounts, levels: &[Lower], weight: Weight) -> Self {
        let executed = counts.executed;
        Self {
            executions: Count(executed.map(|executed| executed.executions)),
            reads: Count(executed.map(|executed| executed.reads)),
            writes: Count(executed.map(|executed| executed.writes)),
            data_misses: counts.data_misses.into(),
            fetch_misses: counts.fetch_misses.into(),
            lower: levels.iter().map(|level| level.misses(counts).total().into()).collect(),
            stalls: weight.stalls(counts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a file of `length` lines: numbers of lines, gaps in brackets.
    fn rows(length: usize, hot: &[u32]) -> String {
        let text = "text\n".repeat(length);
        let counts = hot.iter().map(|&line| (line, InstructionCounts::default())).collect();
        let hot = hot.iter().copied().collect();
        let (rows, past_end) = annotate(0, &text, &hot, &counts, 0, &[], Weight { costs: None });
        let rows = rows.iter().map(|row| match row {
            SourceRow::Line(line) => line.number.to_string(),
            SourceRow::Gap(from, to) => format!("[{from}-{to}]"),
        });
        let past_end = past_end.map(|line| format!("beyond: {line}"));
        rows.chain(past_end).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn hot_lines_have_context_and_the_rest_is_left_out() {
        assert_eq!(rows(20, &[10]), "[1-6] 7 8 9 10 11 12 13 [14-20]");
        assert_eq!(rows(20, &[1, 20]), "1 2 3 4 [5-16] 17 18 19 20");
        assert_eq!(rows(5, &[3]), "1 2 3 4 5");
    }

    #[test]
    fn small_gaps_are_filled() {
        assert_eq!(rows(12, &[1, 11]), "1 2 3 4 5 6 7 8 9 10 11 12");
        assert_eq!(rows(13, &[1, 12]), "1 2 3 4 [5-8] 9 10 11 12 13");
    }

    #[test]
    fn a_line_that_the_file_does_not_have_is_named() {
        assert_eq!(rows(5, &[2, 300]), "1 2 3 4 5 beyond: 300");
        assert_eq!(rows(9, &[300]), "beyond: 300");
        assert_eq!(rows(0, &[u32::MAX]), "beyond: 4294967295");
        assert_eq!(rows(9, &[0]), "");
    }
}
