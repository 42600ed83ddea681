//! Both plugins in one QEMU: they see the same events, so they must count the same.

use std::collections::BTreeMap;

use super::artifacts::Qemu;
use super::process::{Finished, Run};
use super::report::{HEADING, MissRow, Report, by_address};

/// Prints every row of every list.
const ALL_ROWS: &str = "limit=100000000";

/// What has to be equal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// All numbers of the core table and all rows of the lists: address, symbol, misses.
    TableAndRows,
    /// All numbers of the core table, and how often each number of misses occurs in the lists: the
    /// reference's addresses of system mode are pointers of the host.
    TableAndMisses,
    /// All numbers of the core table. Code that is replaced by other code in the same place is one
    /// instruction for the reference and two for us, so the lists need not agree.
    Table,
    /// As [`Expect::Table`], but fetch misses may differ by a part in a thousand.
    TableWithFetchMissesAlmostEqual,
    /// As [`Expect::Table`], but L2 may miss a little less. Since API 5 libcache sees code at the
    /// guest-physical address that data has too, so a line with both is one line of L2 and not two.
    TableWithFewerL2Misses,
    /// The accesses of each core. Where vCPUs share a core, the order in which their accesses reach it
    /// decides over the misses.
    Accesses,
}

/// Options of a run under both plugins.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// What both of them know.
    pub both: &'a str,
    /// What libcache alone knows.
    pub ours: &'a str,
}

impl<'a, S: AsRef<str> + ?Sized> From<&'a S> for Options<'a> {
    fn from(both: &'a S) -> Self {
        Self { both: both.as_ref(), ours: "" }
    }
}

impl Options<'_> {
    fn for_both(self) -> String {
        joined(self.both, ALL_ROWS)
    }

    fn for_ours(self) -> String {
        joined(self.ours, &self.for_both())
    }
}

fn joined(options: &str, more: &str) -> String {
    let separator = if options.is_empty() { "" } else { "," };
    format!("{options}{separator}{more}")
}

/// Runs QEMU to a good end with both plugins and these options; the reports, ours first.
pub fn both<'a>(
    qemu: &Qemu,
    run: Run,
    options: impl Into<Options<'a>>,
) -> (Finished, Report, Report) {
    let options = options.into();
    let finished = run
        .load(&qemu.reference(), &options.for_both())
        .plugin_to_file(&options.for_ours())
        .log_plugins()
        .succeed();
    let ours = finished.plugin_report();
    // Forked children report before their parent, to the same log.
    let log = finished.log();
    let last = log.rfind(HEADING).unwrap_or_else(|| panic!("no report: {}", finished.describe()));
    let reference = finished.parse(&log[last..]);
    ours.check_order();
    ours.check_sums();
    (finished, ours, reference)
}

/// Runs QEMU with both plugins and compares their reports; the run and our report.
///
/// # Errors
/// What differs, if not all is equal that should be.
pub fn try_compare<'a>(
    qemu: &Qemu,
    run: Run,
    options: impl Into<Options<'a>>,
    expect: Expect,
) -> Result<(Finished, Report), String> {
    let options = options.into();
    let (finished, ours, reference) = both(qemu, run, options);
    match difference(&ours, &reference, expect) {
        None => Ok((finished, ours)),
        Some(difference) => Err(format!(
            "QEMU {}, {options:?}: libcache and the reference differ\n\n\
             libcache\n{}\n\nreference\n{}\n{difference}\n{}",
            qemu.version(),
            ours.table,
            reference.table,
            finished.describe(),
        )),
    }
}

/// The same.
///
/// # Panics
/// With what differs, if not all is equal that should be.
pub fn compare<'a>(
    qemu: &Qemu,
    run: Run,
    options: impl Into<Options<'a>>,
    expect: Expect,
) -> (Finished, Report) {
    try_compare(qemu, run, options, expect).unwrap_or_else(|difference| panic!("{difference}"))
}

/// Compares in every way of a sweep before it fails, so that one failure shows all that differ.
#[derive(Default)]
pub struct Sweep {
    runs: usize,
    differing: Vec<String>,
    first: Option<String>,
}

impl Sweep {
    /// Runs QEMU with both plugins and compares their reports; the run and our report if they agree.
    /// `what` names this way.
    pub fn compare<'a>(
        &mut self,
        what: &str,
        qemu: &Qemu,
        run: Run,
        options: impl Into<Options<'a>>,
        expect: Expect,
    ) -> Option<(Finished, Report)> {
        let options = options.into();
        self.runs += 1;
        match try_compare(qemu, run, options, expect) {
            Ok(agreed) => Some(agreed),
            Err(difference) => {
                self.differing.push(format!("QEMU {}, {what}, {options:?}", qemu.version()));
                self.first.get_or_insert(difference);
                None
            }
        }
    }

    /// Ends the sweep.
    ///
    /// # Panics
    /// If anything differed, or nothing was compared.
    pub fn finish(self) {
        assert!(self.runs > 0, "an empty sweep");
        if let Some(first) = self.first {
            panic!(
                "{} of {} runs differ:\n{}\n\nThe first of them: {first}",
                self.differing.len(),
                self.runs,
                self.differing.join("\n")
            );
        }
    }
}

fn difference(ours: &Report, reference: &Report, expect: Expect) -> Option<String> {
    match expect {
        Expect::TableAndRows => {
            table(ours, reference).or_else(|| lists(ours, reference).find_map(rows))
        }
        Expect::TableAndMisses => {
            table(ours, reference).or_else(|| lists(ours, reference).find_map(misses))
        }
        Expect::Table => table(ours, reference),
        Expect::TableWithFetchMissesAlmostEqual => almost(ours, reference),
        Expect::TableWithFewerL2Misses => fewer_l2_misses(ours, reference),
        Expect::Accesses => accesses(ours, reference),
    }
}

/// A list of both.
struct Pair<'a> {
    kind: &'static str,
    ours: &'a [MissRow],
    reference: &'a [MissRow],
}

fn lists<'a>(ours: &'a Report, reference: &'a Report) -> impl Iterator<Item = Pair<'a>> {
    let l2 = match (&ours.l2, &reference.l2) {
        (Some(ours), Some(reference)) => Some(Pair { kind: "L2", ours, reference }),
        (None, None) => None,
        _ => panic!("a list of L2 misses in one report only"),
    };
    let data = Pair { kind: "data", ours: ours.data_list(), reference: reference.data_list() };
    let fetch = Pair { kind: "fetch", ours: ours.fetch_list(), reference: reference.fetch_list() };
    [data, fetch].into_iter().chain(l2)
}

/// The whole text, so that its layout is compared too.
fn table(ours: &Report, reference: &Report) -> Option<String> {
    (!ours.table_is_that_of(reference)).then(|| "the core tables differ".to_owned())
}

fn almost(ours: &Report, reference: &Report) -> Option<String> {
    if ours.cores.len() != reference.cores.len() {
        return Some("not the same number of cores".to_owned());
    }
    ours.cores.iter().zip(&reference.cores).find_map(|(ours, reference)| {
        let (mine, theirs) = (ours.fetch.misses, reference.fetch.misses);
        let equal = ours.data == reference.data
            && ours.fetch.accesses == reference.fetch.accesses
            && mine.abs_diff(theirs) <= theirs / 1000;
        (!equal).then(|| format!("core {} differs by more than fetch misses may", ours.label))
    })
}

fn fewer_l2_misses(ours: &Report, reference: &Report) -> Option<String> {
    const FEW: u64 = 16;
    if ours.cores.len() != reference.cores.len() {
        return Some("not the same number of cores".to_owned());
    }
    ours.cores.iter().zip(&reference.cores).find_map(|(ours, reference)| {
        // The reference has no columns of a core without a miss.
        let equal = (ours.data, ours.fetch) == (reference.data, reference.fetch)
            && ours.l2.zip(reference.l2).is_none_or(|(mine, theirs)| {
                let least = theirs.misses.saturating_sub(FEW + theirs.misses / 1000);
                mine.accesses == theirs.accesses && (least..=theirs.misses).contains(&mine.misses)
            });
        (!equal).then(|| format!("core {} differs by more than L2 misses may", ours.label))
    })
}

fn accesses(ours: &Report, reference: &Report) -> Option<String> {
    let accesses = |report: &Report| -> Vec<(u64, u64)> {
        report.cores.iter().map(|row| (row.data.accesses, row.fetch.accesses)).collect()
    };
    (accesses(ours) != accesses(reference)).then(|| "the accesses differ".to_owned())
}

fn rows(Pair { kind, ours, reference }: Pair<'_>) -> Option<String> {
    let (ours, reference) = (by_address(ours), by_address(reference));
    let differing: Vec<String> = ours
        .keys()
        .chain(reference.keys().filter(|address| !ours.contains_key(address)))
        .filter(|address| ours.get(address) != reference.get(address))
        .map(|address| {
            format!(
                "{address:#x}: libcache {:?}, reference {:?}",
                ours.get(address),
                reference.get(address)
            )
        })
        .collect();
    few(kind, &differing)
}

fn misses(Pair { kind, ours, reference }: Pair<'_>) -> Option<String> {
    let count = |list: &[MissRow]| -> BTreeMap<u64, usize> {
        let mut rows = BTreeMap::new();
        for row in list.iter().filter(|row| row.misses > 0) {
            *rows.entry(row.misses).or_default() += 1;
        }
        rows
    };
    let (ours, reference) = (count(ours), count(reference));
    let differing: Vec<String> = ours
        .keys()
        .chain(reference.keys().filter(|misses| !ours.contains_key(misses)))
        .filter(|misses| ours.get(misses) != reference.get(misses))
        .map(|misses| {
            format!(
                "rows with {misses} misses: libcache {:?}, reference {:?}",
                ours.get(misses),
                reference.get(misses)
            )
        })
        .collect();
    few(kind, &differing)
}

fn few(kind: &str, differing: &[String]) -> Option<String> {
    const SHOWN: usize = 20;
    if differing.is_empty() {
        return None;
    }
    let shown = differing[..differing.len().min(SHOWN)].join("\n");
    Some(format!("{} rows of {kind} misses differ, the first are\n{shown}", differing.len()))
}
