//! A report taken apart. Strict: what is not laid out as the reference's reports are is an error.

use std::collections::BTreeMap;

/// The first line of a report.
pub const HEADING: &str =
    "core #, data accesses, data misses, dmiss rate, insn accesses, insn misses, imiss rate";
const DATA_HEADING: &str = "address, data misses, instruction";
const FETCH_HEADING: &str = "address, fetch misses, instruction";

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
}

/// A line of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissRow {
    pub address: u64,
    pub symbol: Option<String>,
    pub misses: u64,
    pub disassembly: String,
}

/// One report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The core table as text: heading, cores, sum.
    pub table: String,
    pub cores: Vec<CoreRow>,
    /// Not there with `limit=0`.
    pub data: Option<Vec<MissRow>>,
    pub fetch: Option<Vec<MissRow>>,
}

impl Report {
    /// Takes exactly one report apart, with nothing before or after it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("no end of line at the end of the report".to_owned());
        }
        let mut lines = text.lines();
        if lines.next() != Some(HEADING) {
            return Err("the report does not begin with the heading of the core table".to_owned());
        }
        let cores = lines.by_ref().take_while(|line| !line.is_empty()).map(core_row);
        let cores: Vec<CoreRow> = cores.collect::<Result<_, _>>()?;
        check_labels(&cores)?;
        let data = list(&mut lines, DATA_HEADING, Some(""))?;
        let fetch = list(&mut lines, FETCH_HEADING, None)?;
        if data.is_some() != fetch.is_some() {
            return Err("one list without the other".to_owned());
        }
        let table = text.split("\n\n").next().unwrap_or_default().to_owned();
        Ok(Self { table, cores, data, fetch })
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

    /// Checks what holds of every list: most misses first, of equals the lower address first, and no
    /// row without a miss. The reference keeps none but the first of these rules.
    pub fn check_order(&self) {
        for list in [&self.data, &self.fetch].into_iter().flatten() {
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

    /// Checks that a list of all rows adds up to the misses of the table.
    pub fn check_sums(&self) {
        let sum = |list: &[MissRow]| -> u64 { list.iter().map(|row| row.misses).sum() };
        let total = self.sum();
        assert_eq!(
            (sum(self.data_list()), sum(self.fetch_list())),
            (total.data.misses, total.fetch.misses),
            "the lists do not add up to\n{}",
            self.table
        );
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

fn core_row(line: &str) -> Result<CoreRow, String> {
    let bad = || format!("bad core line {line:?}");
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[label, accesses, misses, rate, fetches, fetch_misses, fetch_rate] = words.as_slice()
    else {
        return Err(bad());
    };
    let number = |word: &str| word.parse::<u64>().map_err(|_| bad());
    let data = Counts { accesses: number(accesses)?, misses: number(misses)? };
    let fetch = Counts { accesses: number(fetches)?, misses: number(fetch_misses)? };
    // As the reference's "%-8s%-14lu %-12lu %9.4lf%%  %-14lu %-12lu %9.4lf%%" lays it out.
    let laid_out = format!(
        "{label:<8}{accesses:<14} {misses:<12} {rate:>10}  {fetches:<14} {fetch_misses:<12} {fetch_rate:>10}"
    );
    for (counts, rate) in [(data, rate), (fetch, fetch_rate)] {
        if rate != format!("{:.4}%", counts.miss_percent()) {
            return Err(format!("wrong rate {rate} of {counts:?}"));
        }
    }
    if laid_out != line {
        return Err(bad());
    }
    Ok(CoreRow { label: label.to_owned(), data, fetch })
}

impl Counts {
    #[allow(clippy::cast_precision_loss, reason = "as the reference computes it")]
    fn miss_percent(self) -> f64 {
        if self.accesses == 0 { 0.0 } else { self.misses as f64 / self.accesses as f64 * 100.0 }
    }
}

/// The list under `heading`, up to a line that is `end` or the end of the text. `None` where the text
/// ends before it.
fn list<'text>(
    lines: &mut impl Iterator<Item = &'text str>,
    heading: &str,
    end: Option<&str>,
) -> Result<Option<Vec<MissRow>>, String> {
    match lines.next() {
        None => return Ok(None),
        Some(line) if line == heading => {}
        Some(line) => return Err(format!("{line:?} in place of {heading:?}")),
    }
    lines.take_while(|&line| Some(line) != end).map(miss_row).collect::<Result<_, _>>().map(Some)
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
