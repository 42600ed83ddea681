//! The lists of the page: the functions, lines and instructions with the most misses.

use std::cmp::Reverse;

use ::source::{Attribution, Function};

use super::Limits;
use super::format::{
    Count, Percent, clean, clean_keeping_tabs, clean_up_to, level, shown_of, split_path,
};
use super::source::Sources;
use super::weight::Weight;
use crate::fold::fold;
use crate::settings::Lower;
use crate::{
    CacheCounts, CoreSnapshot, Costs, Executed, FunctionRow, InstructionCounts, LineRow,
    MissesByKind, Profile, ProfiledInstruction, Rank, top_by,
};

/// The longest name of a function, in characters, of which no arguments are left out.
const LONGEST_NAME: usize = 60;

/// The longest name that is shown on hover, in characters.
const MAX_WHOLE_CHARS: usize = 4000;

/// The hottest functions, or the hottest lines.
pub(super) struct Hottest {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What the lists cannot tell.
    pub(super) note: Option<String>,
    /// What a row is.
    pub(super) column: &'static str,
    pub(super) rankings: [Ranking; 2],
}

/// Functions or lines by the misses of one cache.
pub(super) struct Ranking {
    pub(super) title: &'static str,
    /// Whether the rows have stall cycles, and are in their order.
    pub(super) has_stalls: bool,
    pub(super) misses_column: &'static str,
    pub(super) accesses_column: &'static str,
    /// The names of the levels beyond the first.
    pub(super) levels: Vec<&'static str>,
    /// How many of the rows that there are.
    pub(super) shown: String,
    pub(super) rows: Rows<HotRow>,
}

/// The first rows of a table, and the others, which are folded.
pub(super) struct Rows<T> {
    pub(super) open: Vec<T>,
    pub(super) folded: Vec<T>,
}

pub(super) struct HotRow {
    pub(super) name: Name,
    /// Of the bar, in percent: the share.
    pub(super) width: u8,
    pub(super) stalls: Option<Count>,
    pub(super) misses: Count,
    pub(super) share: Percent,
    pub(super) accesses: Count,
    pub(super) rate: Percent,
    /// The misses of the levels beyond.
    pub(super) lower: Vec<Count>,
}

/// Text that may be short for something.
pub(super) struct Label {
    pub(super) text: String,
    /// What it is short for.
    pub(super) whole: Option<String>,
}

impl Label {
    /// A function's name, after `before`.
    fn function(before: &str, name: &str) -> Self {
        let folded = fold(name, LONGEST_NAME);
        Self {
            text: clean(&format!("{before}{folded}")),
            whole: (folded != name).then(|| clean_up_to(name, MAX_WHOLE_CHARS)),
        }
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Self { text, whole: None }
    }
}

/// What a row is about.
pub(super) struct Name {
    /// A function, or a file and line; `None` if not known.
    pub(super) main: Option<Label>,
    /// The id of the line's row in the annotated source.
    pub(super) target: Option<String>,
    /// The text of the line.
    pub(super) code: Option<String>,
    /// What else there is to say: the function of a line, the file of a function.
    pub(super) details: Vec<Label>,
}

pub(super) struct Instructions {
    /// What they are in the order of.
    pub(super) by: &'static str,
    pub(super) has_stalls: bool,
    pub(super) shown: String,
    pub(super) rows: Rows<InstructionRow>,
}

pub(super) struct InstructionRow {
    pub(super) vaddr: String,
    pub(super) disassembly: String,
    pub(super) function: Option<Label>,
    pub(super) place: Option<String>,
    pub(super) stalls: Option<Count>,
    pub(super) executions: Count,
    pub(super) accesses: Count,
    pub(super) data_misses: Count,
    /// Of the data accesses.
    pub(super) rate: Percent,
    pub(super) fetch_misses: Count,
    /// The misses of the levels beyond.
    pub(super) lower: Vec<Count>,
}

/// The functions and lines with the most misses of each cache, or the most stall cycles.
pub(super) struct Hot<'a> {
    weight: Weight,
    all_functions: &'a [FunctionRow],
    all_lines: &'a [LineRow],
    functions: [Top<'a, FunctionRow>; 2],
    lines: [Top<'a, LineRow>; 2],
}

impl<'a> Hot<'a> {
    pub(super) fn new(
        all_functions: &'a [FunctionRow],
        all_lines: &'a [LineRow],
        weight: Weight,
        limits: Limits,
    ) -> Self {
        let functions = BY_MISSES.map(|by| {
            let missed = all_functions.iter().filter(|row| (by.misses)(&row.counts) > 0);
            Top::new(missed, limits, |row| by.weigh(weight, &row.counts))
        });
        let lines = BY_MISSES.map(|by| {
            let missed = all_lines.iter().filter(|row| (by.misses)(&row.counts) > 0);
            let numbered = missed.filter(|row| row.line.line.is_some());
            Top::new(numbered, limits, |row| by.weigh(weight, &row.counts))
        });
        Self { weight, all_functions, all_lines, functions, lines }
    }

    /// The lines that have rows in the lists.
    pub(super) fn shown_lines(&self) -> Vec<&'a LineRow> {
        self.lines.iter().flat_map(|top| top.rows.iter().copied()).collect()
    }

    /// The lists. `sources` shows what is said of lines.
    pub(super) fn of(
        &self,
        totals: &CoreSnapshot,
        levels: &[Lower],
        sources: &Sources,
    ) -> [Hottest; 2] {
        [
            Hottest {
                id: "functions",
                title: "Hottest functions",
                note: known(
                    totals,
                    "Functions",
                    self.all_functions
                        .iter()
                        .filter(|row| row.function.name.is_some())
                        .map(|row| row.counts),
                ),
                column: "Function",
                rankings: each(&self.functions, |by, top| {
                    by.ranking(self.weight, totals, levels, top, |row| row.counts, function_name)
                }),
            },
            Hottest {
                id: "lines",
                title: "Hottest lines",
                note: known(
                    totals,
                    "Lines",
                    self.all_lines
                        .iter()
                        .filter(|row| row.line.line.is_some())
                        .map(|row| row.counts),
                ),
                column: "Line",
                rankings: each(&self.lines, |by, top| {
                    let name = |row: &LineRow| line_name(row, sources);
                    by.ranking(self.weight, totals, levels, top, |row| row.counts, name)
                }),
            },
        ]
    }
}

/// A cache, and how a list by its misses is made.
struct ByMisses {
    title: &'static str,
    /// Where it is in the order of stall cycles.
    title_with_costs: &'static str,
    misses_column: &'static str,
    accesses_column: &'static str,
    misses: fn(&InstructionCounts) -> u64,
    stall_cycles: fn(&Costs, &InstructionCounts) -> u64,
    accesses: fn(&Executed) -> u64,
    totals: fn(&CoreSnapshot) -> CacheCounts,
    /// Those that missed a level beyond too.
    lower_misses: fn(MissesByKind) -> u64,
}

const BY_MISSES: [ByMisses; 2] = [
    ByMisses {
        title: "By data misses",
        title_with_costs: "By stall cycles of data accesses",
        misses_column: "Data misses",
        accesses_column: "Data accesses",
        misses: |counts| counts.data_misses,
        stall_cycles: Costs::data,
        accesses: data_accesses,
        totals: |core| core.data,
        lower_misses: MissesByKind::data,
    },
    ByMisses {
        title: "By fetch misses",
        title_with_costs: "By stall cycles of fetches",
        misses_column: "Fetch misses",
        accesses_column: "Fetches",
        misses: |counts| counts.fetch_misses,
        stall_cycles: Costs::fetch,
        accesses: |executed| executed.executions,
        totals: |core| core.fetch,
        lower_misses: |misses| misses.fetch,
    },
];

fn data_accesses(executed: &Executed) -> u64 {
    executed.reads.saturating_add(executed.writes)
}

/// Of how many misses it is known where they are, if not of all.
fn known(
    totals: &CoreSnapshot,
    what: &str,
    known: impl Iterator<Item = InstructionCounts>,
) -> Option<String> {
    let known: InstructionCounts = known.sum();
    let (data, fetch) = (totals.data.misses, totals.fetch.misses);
    (known.data_misses < data || known.fetch_misses < fetch).then(|| {
        format!(
            "{what} are known for {} of the data misses and {} of the fetch misses.",
            Percent::new(known.data_misses, data),
            Percent::new(known.fetch_misses, fetch),
        )
    })
}

/// The rankings of both caches.
fn each<T>(
    tops: &[Top<'_, T>; 2],
    ranking: impl Fn(&ByMisses, &Top<'_, T>) -> Ranking,
) -> [Ranking; 2] {
    [ranking(&BY_MISSES[0], &tops[0]), ranking(&BY_MISSES[1], &tops[1])]
}

/// The rows of a list, how many of them are not folded, and how many rows have misses.
struct Top<'a, T> {
    rows: Vec<&'a T>,
    open: usize,
    all: usize,
}

impl<'a, T> Top<'a, T> {
    /// Rows of equal weight stay in their order.
    fn new(rows: impl Iterator<Item = &'a T>, limits: Limits, weight: impl Fn(&T) -> u64) -> Self {
        let mut rows: Vec<_> = rows.collect();
        let all = rows.len();
        rows.sort_by_key(|row| Reverse(weight(row)));
        rows.truncate(limits.rows);
        Self { rows, open: limits.open_rows, all }
    }
}

impl ByMisses {
    /// What a row's place is decided by.
    fn weigh(&self, weight: Weight, counts: &InstructionCounts) -> u64 {
        match &weight.costs {
            Some(costs) => (self.stall_cycles)(costs, counts),
            None => (self.misses)(counts),
        }
    }

    fn ranking<T>(
        &self,
        weight: Weight,
        totals: &CoreSnapshot,
        levels: &[Lower],
        top: &Top<'_, T>,
        counts: impl Fn(&T) -> InstructionCounts,
        name: impl Fn(&T) -> Name,
    ) -> Ranking {
        let all = match weight.costs {
            // Of both caches, so that the two lists can be compared.
            Some(_) => weight.of_core(totals),
            None => (self.totals)(totals).misses,
        };
        let rows = top.rows.iter().map(|row| {
            let counts = counts(row);
            let (misses, count) = ((self.misses)(&counts), self.weigh(weight, &counts));
            let accesses = Count(counts.executed.as_ref().map(self.accesses));
            HotRow {
                name: name(row),
                width: level(count, all, 100),
                stalls: weight.costs.map(|_| count.into()),
                misses: misses.into(),
                share: Percent::new(count, all),
                accesses,
                rate: Percent::rate(misses, accesses),
                lower: levels
                    .iter()
                    .map(|level| (self.lower_misses)(level.misses(&counts)).into())
                    .collect(),
            }
        });
        Ranking {
            title: if weight.costs.is_some() { self.title_with_costs } else { self.title },
            has_stalls: weight.costs.is_some(),
            misses_column: self.misses_column,
            accesses_column: self.accesses_column,
            levels: levels.iter().map(|level| level.name()).collect(),
            shown: shown_of(top.rows.len(), top.all, weight.noun()),
            rows: Rows::split(rows.collect(), top.open),
        }
    }
}

impl<T> Rows<T> {
    /// Folds what follows the first `open` rows, if that is more than a few.
    fn split(mut rows: Vec<T>, open: usize) -> Self {
        let folded = if rows.len() > open + open / 4 { rows.split_off(open) } else { Vec::new() };
        Self { open: rows, folded }
    }
}

fn inlined(function: &Function) -> Option<Label> {
    Some(Label::function("inlined in ", function.inlined_into.as_deref()?))
}

fn object(function: &Function) -> Option<String> {
    Some(clean(split_path(function.object.as_deref()?).1))
}

fn function_name(row: &FunctionRow) -> Name {
    let file = row.file.as_deref().map(|file| clean(split_path(file).1).into());
    let object = object(&row.function).map(Label::from);
    Name {
        main: row.function.name.as_deref().map(|name| Label::function("", name)),
        target: None,
        code: None,
        details: [inlined(&row.function), file, object].into_iter().flatten().collect(),
    }
}

fn line_name(row: &LineRow, sources: &Sources) -> Name {
    let (code, target) = sources.line(row).unzip();
    let function = row.line.function.name.as_deref().map(|name| Label::function("in ", name));
    Name {
        main: place(row.line.file.as_deref(), row.line.line).map(Label::from),
        target,
        code,
        details: [function, inlined(&row.line.function)].into_iter().flatten().collect(),
    }
}

/// "matrix.c:12".
fn place(file: Option<&str>, line: Option<u32>) -> Option<String> {
    let name = clean(split_path(file?).1);
    Some(line.map_or_else(|| name.clone(), |line| format!("{name}:{line}")))
}

pub(super) fn instructions(
    profile: &Profile,
    levels: &[Lower],
    weight: Weight,
    limits: Limits,
) -> Instructions {
    let missed = profile.instructions.iter().filter(|one| one.counts.misses() > 0);
    let all = missed.clone().count();
    let rows = top_by(missed, limits.instructions, |one| Rank {
        count: weight.of(&one.counts),
        vaddr: one.vaddr,
        code: one.code,
    });
    let attribution = profile.run.options.attribution;
    let rows = rows.into_iter().map(|one| instruction_row(one, attribution, levels, weight));
    let rows: Vec<_> = rows.collect();
    Instructions {
        by: if weight.costs.is_some() { "stall cycles" } else { "misses of either cache" },
        has_stalls: weight.costs.is_some(),
        shown: shown_of(rows.len(), all, weight.noun()),
        rows: Rows::split(rows, limits.open_instructions),
    }
}

fn instruction_row(
    one: &ProfiledInstruction,
    attribution: Attribution,
    levels: &[Lower],
    weight: Weight,
) -> InstructionRow {
    let line = one.location.source_line(attribution);
    let executed = one.counts.executed;
    let accesses = Count(executed.as_ref().map(data_accesses));
    InstructionRow {
        vaddr: format!("{:#x}", one.vaddr),
        disassembly: clean_keeping_tabs(&one.disassembly),
        function: line.function.name.as_deref().map(|name| Label::function("", name)),
        place: place(line.file.as_deref(), line.line).or_else(|| object(&line.function)),
        stalls: weight.stalls(&one.counts),
        executions: Count(executed.map(|executed| executed.executions)),
        accesses,
        data_misses: one.counts.data_misses.into(),
        rate: Percent::rate(one.counts.data_misses, accesses),
        fetch_misses: one.counts.fetch_misses.into(),
        lower: levels.iter().map(|level| level.misses(&one.counts).total().into()).collect(),
    }
}
