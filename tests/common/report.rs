//! A report taken apart. Strict: what is not laid out as the reference's reports are, or as libcache lays
//! out what the reference does not have, is an error.

use std::collections::BTreeMap;
use std::iter::Peekable;

mod summary;

pub use summary::Summary;
use summary::{cache_summary, summary};

/// What the first line of a report begins with; without levels beyond the first, it is all of it.
pub const HEADING: &str =
    "core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate";
const DATA_HEADING: &str = "address, data misses, instruction";
const FETCH_HEADING: &str = "address, fetch misses, instruction";
const L2_HEADING: &str = "address, L2 misses, instruction";
const L3_HEADING: &str = "address, L3 misses, instruction";
const STALLS_HEADING: &str = "address, stall cycles, instruction";
const LEVELS_HEADING: &str = "core #, cache, accesses, misses, miss rate";
const DIRECTIONS_HEADING: &str = "core #, cache, kind, accesses, misses, miss rate";
const TRAFFIC_HEADING: &str = "core #, traffic, count";
const SUMMARY_HEADING: &str = "summary, misses, MPKI, hit rate, global hit rate";

/// How many reports `text` holds.
pub fn report_count(text: &str) -> usize {
    text.matches(HEADING).count()
}

/// What is counted of one cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    pub accesses: u64,
    pub misses: u64,
}

/// A line of the core table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoreRow {
    /// The core's number, or `sum`.
    pub label: String,
    pub data: Counts,
    pub fetch: Counts,
    /// Of the levels beyond. From QEMU 10.0 on the reference leaves them out of the line of a core that
    /// has not missed its second level; then there is none here.
    pub l2: Option<Counts>,
    pub l3: Option<Counts>,
}

/// A line of the table of reads and writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirectionRow {
    /// The core's number, or `sum`.
    pub label: String,
    /// `L1d`, `L2` or `L3`.
    pub cache: String,
    /// `fetches`, `reads` or `writes`, and where stores are modelled `written`, which is not among the
    /// accesses of the core table.
    pub kind: String,
    pub counts: Counts,
}

/// A line of the table of what stores cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrafficRow {
    /// The core's number, or `sum`.
    pub label: String,
    /// Such as `write-backs of L1d` or `bytes to memory`.
    pub what: String,
    pub count: u64,
}

/// A line of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissRow {
    pub address: u64,
    pub symbol: Option<String>,
    /// Or stall cycles.
    pub misses: u64,
    pub disassembly: String,
}

/// One report.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// The core table as text: heading, cores, sum.
    pub table: String,
    pub cores: Vec<CoreRow>,
    /// There with `rw=on`.
    pub directions: Option<Vec<DirectionRow>>,
    /// There where stores are modelled.
    pub traffic: Option<Vec<TrafficRow>>,
    /// There with `summary=on`.
    pub summary: Option<Summary>,
    /// There in a run with levels that QEMU's own plugin does not have, unless with `limit=0`.
    pub stalls: Option<Vec<MissRow>>,
    /// Not there with `limit=0`.
    pub data: Option<Vec<MissRow>>,
    pub fetch: Option<Vec<MissRow>>,
    /// Not there without the level either.
    pub l2: Option<Vec<MissRow>>,
    pub l3: Option<Vec<MissRow>>,
}

/// What the line begins with that tells whose report follows, where there may be several.
const SIGNATURE: &str = "cache: process ";

/// Whether the line is what is said before the report where threads share a core.
pub fn is_of_threads(line: &str) -> bool {
    line.starts_with("cache: ") && line.contains(" threads ran on one simulated core; cores=")
}

/// The reports in `text`, which holds nothing else, each with the process that its line names.
pub fn reports(text: &str) -> Result<Vec<(Option<u32>, Report)>, String> {
    let text: String = text.split_inclusive('\n').filter(|line| !is_of_threads(line)).collect();
    let begins = |start: usize| {
        let before = text[..start].strip_suffix('\n').unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        if before[line..].starts_with(SIGNATURE) { line } else { start }
    };
    let starts: Vec<_> = text.match_indices(HEADING).map(|(start, _)| begins(start)).collect();
    if starts.first().copied().unwrap_or(text.len()) != 0 {
        return Err(format!("more than reports:\n{text}"));
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(&start, end)| signed(&text[start..end])).collect()
}

/// The one report in `text`, which holds nothing else, whoever's it is.
pub fn only_report(text: &str) -> Result<Report, String> {
    let mut reports = reports(text)?;
    match reports.pop() {
        Some((_, report)) if reports.is_empty() => Ok(report),
        _ => Err("not one report".to_owned()),
    }
}

/// A report, maybe with a line before it that names its process.
fn signed(text: &str) -> Result<(Option<u32>, Report), String> {
    let Some(rest) = text.strip_prefix(SIGNATURE) else { return Ok((None, Report::parse(text)?)) };
    let (line, report) = rest.split_once('\n').unwrap_or_default();
    let process = line.split_once(' ').filter(|(_, program)| program.starts_with('('));
    let process = process.and_then(|(process, _)| process.parse().ok());
    let process = process.ok_or_else(|| format!("{line:?} names no process"))?;
    Ok((Some(process), Report::parse(report)?))
}

impl Report {
    /// Takes exactly one report apart, with nothing before or after it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("no end of line at the end of the report".to_owned());
        }
        let mut lines = text.lines().peekable();
        let in_table = levels(lines.next().unwrap_or_default())?;
        let mut cores: Vec<CoreRow> = block(&mut lines, |line| core_row(line, in_table))?;
        check_labels(&cores)?;
        let levels = match next_block(&mut lines, LEVELS_HEADING, level_row)? {
            Some(rows) if in_table == 0 => {
                add_levels(&mut cores, &rows)?;
                2
            }
            Some(_) => return Err("levels in the table and below it".to_owned()),
            None => in_table,
        };
        let labels: Vec<&str> = cores.iter().map(|row| row.label.as_str()).collect();
        let directions = next_block(&mut lines, DIRECTIONS_HEADING, direction_row)?;
        let traffic = next_block(&mut lines, TRAFFIC_HEADING, traffic_row)?;
        if let Some(rows) = &directions {
            check_directions(rows, &labels, levels, traffic.is_some())?;
        }
        if let Some(rows) = &traffic {
            check_traffic(rows, &labels, levels)?;
        }
        let summary = match next_block(&mut lines, SUMMARY_HEADING, cache_summary)? {
            None => None,
            Some(caches) => Some(summary(caches, &mut lines, levels)?),
        };
        let stalls = next_block(&mut lines, STALLS_HEADING, miss_row)?;
        let data = next_block(&mut lines, DATA_HEADING, miss_row)?;
        let fetch = next_block(&mut lines, FETCH_HEADING, miss_row)?;
        let l2 = next_block(&mut lines, L2_HEADING, miss_row)?;
        let l3 = next_block(&mut lines, L3_HEADING, miss_row)?;
        if let Some(line) = lines.next() {
            return Err(format!("{line:?} does not belong there"));
        }
        let expected = [true, levels >= 1, levels >= 2].map(|list| list && data.is_some());
        if [fetch.is_some(), l2.is_some(), l3.is_some()] != expected {
            return Err("one list without another".to_owned());
        }
        let is_the_references =
            levels < 2 && directions.is_none() && traffic.is_none() && summary.is_none();
        if stalls.is_some() != (levels > 0 && !is_the_references && data.is_some()) {
            return Err("stall cycles of instructions too many or too few".to_owned());
        }
        let table = text.split("\n\n").next().unwrap_or_default().to_owned();
        // The table ends in an empty line, the last list does not.
        if text.ends_with("\n\n") != data.is_none() {
            return Err("a wrong end of the report".to_owned());
        }
        Ok(Self { table, cores, directions, traffic, summary, stalls, data, fetch, l2, l3 })
    }

    /// Row `index` of the table, which must be a core's.
    pub fn core(&self, index: usize) -> &CoreRow {
        let row = &self.cores[index];
        assert_eq!(row.label, index.to_string());
        row
    }

    /// The counts of all cores together.
    pub fn sum(&self) -> &CoreRow {
        self.cores.last().expect("a table has a row")
    }

    /// The list of data misses.
    pub fn data_list(&self) -> &[MissRow] {
        self.data.as_deref().expect("the report was made with limit=0")
    }

    /// The list of fetch misses.
    pub fn fetch_list(&self) -> &[MissRow] {
        self.fetch.as_deref().expect("the report was made with limit=0")
    }

    /// The list of misses of the second level.
    pub fn l2_list(&self) -> &[MissRow] {
        self.l2.as_deref().expect("the report was made with limit=0 or l2=off")
    }

    /// The list of misses of the third level.
    pub fn l3_list(&self) -> &[MissRow] {
        self.l3.as_deref().expect("the report was made with limit=0 or l3=off")
    }

    /// The counts of reads, writes or fetches of a cache, of a core or `sum`.
    pub fn direction(&self, label: &str, cache: &str, kind: &str) -> Counts {
        let rows = self.directions.as_ref().expect("the report was made with rw=off");
        let row =
            rows.iter().find(|row| (&*row.label, &*row.cache, &*row.kind) == (label, cache, kind));
        row.unwrap_or_else(|| panic!("no {kind} of {cache} of {label}")).counts
    }

    /// The count of what stores cause, such as `write-backs of L1d`, of a core or `sum`.
    pub fn traffic(&self, label: &str, what: &str) -> u64 {
        let rows = self.traffic.as_ref().expect("the report was made without stores modelled");
        let row = rows.iter().find(|row| (&*row.label, &*row.what) == (label, what));
        row.unwrap_or_else(|| panic!("no {what} of {label}")).count
    }

    /// Whether the core tables are equal to the last character; but where the reference leaves out the
    /// columns of a second level that a core has not missed, ours has it without a miss.
    pub fn table_is_that_of(&self, reference: &Self) -> bool {
        let mut rows = self.cores.iter().zip(&reference.cores);
        let mut lines = self.table.lines().zip(reference.table.lines());
        self.table.lines().count() == reference.table.lines().count()
            && lines.next().is_some_and(|(ours, theirs)| ours == theirs)
            && lines.all(|(ours, theirs)| match rows.next() {
                Some((CoreRow { l2: Some(counts), .. }, CoreRow { l2: None, .. })) => {
                    counts.misses == 0 && ours.starts_with(theirs)
                }
                _ => ours == theirs,
            })
    }

    /// Checks what holds of every list: most misses first, of equals the lower address first, and no
    /// row without a miss. The reference keeps none but the first of these rules.
    pub fn check_order(&self) {
        let lists = [&self.stalls, &self.data, &self.fetch, &self.l2, &self.l3];
        for list in lists.into_iter().flatten() {
            for pair in list.windows(2) {
                let [first, second] = pair else { continue };
                assert!(
                    first.misses > second.misses
                        || first.misses == second.misses && first.address <= second.address,
                    "out of order: {first:?} {second:?}"
                );
            }
            assert!(list.iter().all(|row| row.misses > 0), "a row without a miss: {list:?}");
        }
    }

    /// Checks that a list of all rows adds up to the misses of the table, and reads and writes to the
    /// counts of their cache.
    pub fn check_sums(&self) {
        let sum = |list: &[MissRow]| -> u64 { list.iter().map(|row| row.misses).sum() };
        let total = self.sum();
        assert_eq!(
            (sum(self.data_list()), sum(self.fetch_list())),
            (total.data.misses, total.fetch.misses),
            "the lists do not add up to\n{}",
            self.table
        );
        for (list, counts) in [(&self.l2, total.l2), (&self.l3, total.l3)] {
            let sum = list.as_deref().map(sum);
            assert_eq!(sum, counts.map(|counts| counts.misses), "not the sum\n{}", self.table);
        }
        if let (Some(stalls), Some(summary)) = (&self.stalls, &self.summary) {
            assert_eq!(sum(stalls), summary.stall_cycles, "not the stalls of the summary");
        }
        self.check_directions();
    }

    /// Checks that reads, writes and fetches of every core add up to the counts of their cache.
    pub fn check_directions(&self) {
        if self.directions.is_none() {
            return;
        }
        for row in &self.cores {
            let sum = |cache: &str, kinds: &[&str]| {
                let parts = kinds.iter().map(|kind| self.direction(&row.label, cache, kind));
                parts.fold(Counts { accesses: 0, misses: 0 }, |sum, part| Counts {
                    accesses: sum.accesses + part.accesses,
                    misses: sum.misses + part.misses,
                })
            };
            assert_eq!(sum("L1d", &["reads", "writes"]), row.data, "{row:?}");
            for (level, counts) in [("L2", row.l2), ("L3", row.l3)] {
                let Some(counts) = counts else { continue };
                assert_eq!(sum(level, &["fetches", "reads", "writes"]), counts, "{row:?}");
            }
        }
    }
}

/// The misses of each address, with its symbol.
pub fn by_address(list: &[MissRow]) -> BTreeMap<u64, (Option<&str>, u64)> {
    let mut misses = BTreeMap::new();
    for row in list.iter().filter(|row| row.misses > 0) {
        let symbol = row.symbol.as_deref();
        let entry = misses.entry(row.address).or_insert((symbol, 0));
        assert_eq!(entry.0, symbol, "two symbols at {:#x}", row.address);
        entry.1 += row.misses;
    }
    misses
}

fn check_labels(cores: &[CoreRow]) -> Result<(), String> {
    let labels: Vec<&str> = cores.iter().map(|row| row.label.as_str()).collect();
    let number = if labels.len() > 1 { labels.len() - 1 } else { 1 };
    let mut expected: Vec<String> = (0..number).map(|index| index.to_string()).collect();
    if number > 1 {
        expected.push("sum".to_owned());
    }
    if labels == expected { Ok(()) } else { Err(format!("wrong core labels {labels:?}")) }
}

/// How many levels beyond the first the heading of the core table has.
fn levels(heading: &str) -> Result<usize, String> {
    let l2 = format!("{HEADING}, l2 accesses, l2 misses, l2 miss rate");
    let headings = [HEADING, &l2];
    let levels = headings.iter().position(|known| *known == heading);
    levels.ok_or_else(|| "the report does not begin with the heading of the core table".to_owned())
}

fn core_row(line: &str, levels: usize) -> Result<CoreRow, String> {
    let bad = || format!("bad core line {line:?}");
    let words: Vec<&str> = line.split_whitespace().collect();
    let (label, caches) = words.split_first().ok_or_else(bad)?;
    let mut laid_out = vec![format!("{label:<8}")];
    let mut counted = Vec::new();
    for (index, cache) in caches.chunks(3).enumerate() {
        let &[accesses, misses, rate] = cache else { return Err(bad()) };
        let counts = Counts { accesses: number(accesses)?, misses: number(misses)? };
        check_rate(counts, rate)?;
        counted.push(counts);
        // As the reference lays it out: "%-8s%-14lu %-12lu %9.4lf%%  %-14lu %-12lu %9.4lf%%", and for
        // each level more "  %-12lu %-11lu %10.4lf%%".
        laid_out.push(match index {
            0 => format!("{accesses:<14} {misses:<12} {rate:>10}"),
            1 => format!("  {accesses:<14} {misses:<12} {rate:>10}"),
            _ => format!("  {accesses:<12} {misses:<11} {rate:>11}"),
        });
    }
    let [data, fetch, lower @ ..] = &counted[..] else { return Err(bad()) };
    let left_out = levels == 1 && lower.is_empty();
    if laid_out.concat() != line || lower.len() != levels && !left_out {
        return Err(bad());
    }
    Ok(CoreRow {
        label: (*label).to_owned(),
        data: *data,
        fetch: *fetch,
        l2: lower.first().copied(),
        l3: None,
    })
}

/// A core's number or `sum`, a level, and what is counted of it.
type LevelRow = (String, String, Counts);

fn level_row(line: &str) -> Result<LevelRow, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[label, level, accesses, misses, rate] = &words[..] else {
        return Err(format!("bad line of levels {line:?}"));
    };
    let counts = Counts { accesses: number(accesses)?, misses: number(misses)? };
    check_rate(counts, rate)?;
    check_layout(line, &format!("{label:<8}{level:<7}{accesses:<14} {misses:<12} {rate:>10}"))?;
    Ok((label.to_owned(), level.to_owned(), counts))
}

/// Gives each core its L2 and L3.
fn add_levels(cores: &mut [CoreRow], rows: &[LevelRow]) -> Result<(), String> {
    if rows.len() != 2 * cores.len() {
        return Err(format!("{} lines of levels", rows.len()));
    }
    for (core, rows) in cores.iter_mut().zip(rows.chunks(2)) {
        let names = rows.iter().map(|(label, level, _)| [&**label, &**level]);
        if !names.eq([[&*core.label, "L2"], [&*core.label, "L3"]]) {
            return Err(format!("wrong levels {rows:?}"));
        }
        (core.l2, core.l3) = (Some(rows[0].2), Some(rows[1].2));
    }
    Ok(())
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{word:?} is no count"))
}

fn check_rate(counts: Counts, rate: &str) -> Result<(), String> {
    if rate == format!("{:.4}%", counts.miss_percent()) {
        Ok(())
    } else {
        Err(format!("wrong rate {rate} of {counts:?}"))
    }
}

fn direction_row(line: &str) -> Result<DirectionRow, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[label, cache, kind, accesses, misses, rate] = &words[..] else {
        return Err(format!("bad line of reads and writes {line:?}"));
    };
    let counts = Counts { accesses: number(accesses)?, misses: number(misses)? };
    check_rate(counts, rate)?;
    check_layout(
        line,
        &format!("{label:<8}{cache:<7}{kind:<9}{accesses:<14} {misses:<12} {rate:>10}"),
    )?;
    Ok(DirectionRow {
        label: label.to_owned(),
        cache: cache.to_owned(),
        kind: kind.to_owned(),
        counts,
    })
}

fn traffic_row(line: &str) -> Result<TrafficRow, String> {
    let bad = || format!("bad line of traffic {line:?}");
    let (label, rest) = line.split_once(' ').ok_or_else(bad)?;
    let (what, count) = rest.trim_start().rsplit_once(' ').ok_or_else(bad)?;
    let what = what.trim_end();
    check_layout(line, &format!("{label:<8}{what:<21}{count}"))?;
    Ok(TrafficRow { label: label.to_owned(), what: what.to_owned(), count: number(count)? })
}

fn check_layout(line: &str, laid_out: &str) -> Result<(), String> {
    if line == laid_out { Ok(()) } else { Err(format!("{line:?} is not laid out as {laid_out:?}")) }
}

fn check_directions(
    rows: &[DirectionRow],
    labels: &[&str],
    levels: usize,
    has_traffic: bool,
) -> Result<(), String> {
    let kinds = ["fetches", "reads", "writes", "written"];
    let kinds = if has_traffic { &kinds[..] } else { &kinds[..3] };
    let lower = ["L2", "L3"].into_iter().take(levels);
    let lower = lower.flat_map(|cache| kinds.iter().map(move |&kind| (cache, kind)));
    let of_core: Vec<_> = [("L1d", "reads"), ("L1d", "writes")].into_iter().chain(lower).collect();
    let expected = labels
        .iter()
        .flat_map(|label| of_core.iter().map(move |&(cache, kind)| [*label, cache, kind]));
    let rows = rows.iter().map(|row| [&*row.label, &*row.cache, &*row.kind]);
    if rows.eq(expected) { Ok(()) } else { Err("wrong rows of reads and writes".to_owned()) }
}

fn check_traffic(rows: &[TrafficRow], labels: &[&str], levels: usize) -> Result<(), String> {
    let write_backs = ["write-backs of L1d", "write-backs of L2", "write-backs of L3"];
    let others = ["stores passed on", "bytes from memory", "bytes to memory"];
    let of_core = [&write_backs[..=levels], &others].concat();
    let expected = labels.iter().flat_map(|label| of_core.iter().map(move |what| [*label, what]));
    let rows = rows.iter().map(|row| [&*row.label, &*row.what]);
    if rows.eq(expected) { Ok(()) } else { Err("wrong rows of traffic".to_owned()) }
}

impl Counts {
    #[allow(clippy::cast_precision_loss, reason = "as the reference computes it")]
    fn miss_percent(self) -> f64 {
        if self.accesses == 0 { 0.0 } else { self.misses as f64 / self.accesses as f64 * 100.0 }
    }
}

/// The rows up to an empty line or the end of the text.
fn block<'text, T>(
    lines: &mut Peekable<impl Iterator<Item = &'text str>>,
    row: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    lines.by_ref().take_while(|line| !line.is_empty()).map(row).collect()
}

/// The rows of the block that `heading` begins, if that is what comes next.
fn next_block<'text, T>(
    lines: &mut Peekable<impl Iterator<Item = &'text str>>,
    heading: &str,
    row: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<Vec<T>>, String> {
    match lines.next_if_eq(&heading) {
        None => Ok(None),
        Some(_) => block(lines, row).map(Some),
    }
}

fn miss_row(line: &str) -> Result<MissRow, String> {
    let bad = || format!("bad list line {line:?}");
    let rest = line.strip_prefix("0x").ok_or_else(bad)?;
    let digits = rest.find([' ', ',']).ok_or_else(bad)?;
    let (address, rest) = rest.split_at(digits);
    let (symbol, rest) = match rest.strip_prefix(" (") {
        Some(rest) => {
            let (symbol, rest) = rest.split_once("), ").ok_or_else(bad)?;
            (Some(symbol.to_owned()), rest)
        }
        None => (None, rest.strip_prefix(", ").ok_or_else(bad)?),
    };
    let (misses, disassembly) = rest.split_once(", ").ok_or_else(bad)?;
    Ok(MissRow {
        address: u64::from_str_radix(address, 16).map_err(|_| bad())?,
        symbol,
        misses: misses.parse().map_err(|_| bad())?,
        disassembly: disassembly.to_owned(),
    })
}
