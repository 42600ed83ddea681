//! The JSON taken apart, and what has to hold of every one.

use serde::Deserialize;

use super::process::Finished;
use super::report::{self, Report};

/// What `json=` writes.
#[derive(Deserialize, Clone, PartialEq, Debug)]
pub struct Profile {
    pub qemu: Qemu,
    pub detail: String,
    pub cores: Vec<Core>,
    pub total: Total,
    pub instructions: Vec<Instruction>,
    pub functions: Vec<FunctionRow>,
    pub lines: Vec<LineRow>,
}

#[derive(Deserialize, Clone, PartialEq, Debug)]
pub struct Qemu {
    pub process_id: u32,
}

#[derive(Deserialize, Clone, PartialEq, Debug)]
pub struct Core {
    #[serde(flatten)]
    pub total: Total,
    pub sets: Option<Sets>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
pub struct Total {
    pub data: Cache,
    pub instruction: Cache,
    /// There in a run that has the level.
    pub l2: Option<Level>,
    pub l3: Option<Level>,
}

/// A level beyond the first.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
pub struct Level {
    #[serde(flatten)]
    pub all: Cache,
    pub fetches: Cache,
    pub reads: Cache,
    pub writes: Cache,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
pub struct Cache {
    pub accesses: u64,
    pub misses: u64,
}

#[derive(Deserialize, Clone, PartialEq, Debug)]
pub struct Sets {
    pub data_misses: Vec<u64>,
    pub fetch_misses: Vec<u64>,
}

#[derive(Deserialize, Clone, PartialEq, Debug)]
pub struct Instruction {
    pub address: String,
    pub disassembly: String,
    pub object: Option<String>,
    pub frames: Vec<Frame>,
    #[serde(flatten)]
    pub counts: Counts,
}

#[derive(Deserialize, Clone, PartialEq, Debug)]
pub struct Frame {
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
}

#[derive(Deserialize, Clone, PartialEq, Debug)]
pub struct FunctionRow {
    pub function: Option<String>,
    pub inlined_into: Option<String>,
    pub object: Option<String>,
    #[serde(flatten)]
    pub counts: Counts,
}

#[derive(Deserialize, Clone, PartialEq, Debug)]
pub struct LineRow {
    pub file: Option<String>,
    pub line: Option<u32>,
    pub function: Option<String>,
    pub inlined_into: Option<String>,
    pub object: Option<String>,
    #[serde(flatten)]
    pub counts: Counts,
}

/// What is counted of a row; without `profile=on`, misses only.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts {
    pub executions: Option<u64>,
    pub reads: Option<u64>,
    pub read_misses: Option<u64>,
    pub writes: Option<u64>,
    pub write_misses: Option<u64>,
    pub data_misses: u64,
    pub fetch_misses: u64,
    /// There in a run that has the level.
    pub l2_fetch_misses: Option<u64>,
    pub l2_read_misses: Option<u64>,
    pub l2_write_misses: Option<u64>,
    pub l3_fetch_misses: Option<u64>,
    pub l3_read_misses: Option<u64>,
    pub l3_write_misses: Option<u64>,
    /// There in a run that has levels or a summary.
    pub stall_cycles: Option<u64>,
}

/// What the counts of rows add up to, by the names of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Sum {
    fetches: u64,
    fetch_misses: u64,
    data_accesses: u64,
    data_misses: u64,
}

impl Counts {
    /// Executions, reads, read misses, writes, write misses and fetch misses of a run that counted all.
    pub fn full(&self) -> [u64; 6] {
        let Self { executions, reads, read_misses, writes, write_misses, .. } = *self;
        let known = |count: Option<u64>| count.expect("the run has profile=on");
        let [executions, reads, read_misses] = [executions, reads, read_misses].map(known);
        [executions, reads, read_misses, known(writes), known(write_misses), self.fetch_misses]
    }

    /// Fetches, reads and writes that missed L2, and those that missed L3.
    fn of_levels(&self) -> [[Option<u64>; 3]; 2] {
        [
            [self.l2_fetch_misses, self.l2_read_misses, self.l2_write_misses],
            [self.l3_fetch_misses, self.l3_read_misses, self.l3_write_misses],
        ]
    }

    /// Checks that no more missed a level than missed the one before it.
    fn check_levels(&self) {
        let [l2, l3] = self.of_levels();
        let first = match self.read_misses.zip(self.write_misses) {
            Some((reads, writes)) => [self.fetch_misses, reads, writes],
            // Of a run that counted misses only.
            None => [self.fetch_misses, self.data_misses, self.data_misses],
        };
        let at_most =
            |misses: Option<u64>, before: u64| misses.is_none_or(|misses| misses <= before);
        for (kind, before) in first.into_iter().enumerate() {
            assert!(at_most(l2[kind], before), "{self:?}");
            assert!(at_most(l3[kind], l2[kind].unwrap_or(0)), "{self:?}");
        }
    }

    fn check(&self) {
        let [executions, reads, read_misses, writes, write_misses, fetch_misses] = self.full();
        assert_eq!(read_misses + write_misses, self.data_misses, "{self:?}");
        assert!(
            read_misses <= reads && write_misses <= writes && fetch_misses <= executions,
            "{self:?}"
        );
    }
}

fn counts(cache: Cache) -> report::Counts {
    report::Counts { accesses: cache.accesses, misses: cache.misses }
}

impl Profile {
    /// The JSON in a file of a run.
    pub fn of(finished: &Finished, name: &str) -> Self {
        let text = finished.file(name).unwrap_or_else(|| {
            panic!("no {name} in {:?}: {}", finished.files(), finished.describe())
        });
        Self::parse(&text)
            .unwrap_or_else(|error| panic!("{name}: {error}: {}", finished.describe()))
    }

    /// The JSON in `text`.
    ///
    /// # Errors
    /// Where it is none, or not all of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Checks that instructions, functions and lines of a run with `profile=on` add up to its cores, and
    /// these to `table`, to the last access.
    pub fn check_sums(&self, table: &Report) {
        assert_eq!(self.detail, "full");
        self.check_table(table);
        let total = self.total.sum();
        let all = self.all_counts();
        for (rows, counts) in &all {
            counts.iter().for_each(Counts::check);
            assert_eq!(full_sum(counts), total, "the {rows} do not add up to the cores");
        }
    }

    /// The same where misses only were counted.
    pub fn check_sums_of_misses(&self, table: &Report) {
        assert_eq!(self.detail, "misses");
        self.check_table(table);
        for (rows, counts) in &self.all_counts() {
            let [data, fetch] = sum_of_misses(counts);
            assert_eq!(data, self.total.data.misses, "{rows}");
            assert_eq!(fetch, self.total.instruction.misses, "{rows}");
            let known = |row: &Counts| row.executions.or(row.reads).or(row.writes).is_some();
            assert!(!counts.iter().any(known), "{rows}");
        }
    }

    /// Checks what holds where threads or vCPUs ran on while this was written: no instruction has more than
    /// the cores.
    pub fn check_bounds(&self) {
        let total = self.total.sum();
        for (rows, counts) in &self.all_counts() {
            let sum = full_sum(counts);
            assert!(
                sum.fetches <= total.fetches
                    && sum.fetch_misses <= total.fetch_misses
                    && sum.data_accesses <= total.data_accesses
                    && sum.data_misses <= total.data_misses,
                "{rows}: {sum:?}, cores: {total:?}"
            );
        }
    }

    /// Checks the cores against the table, and their sum: all is of one reading, also where threads or vCPUs
    /// ran on.
    pub fn check_cores(&self, table: &Report) {
        let rows = table.cores.iter().filter(|row| row.label != "sum");
        let of_table: Vec<_> = rows.map(|row| (row.data, row.fetch)).collect();
        let totals = self.cores.iter().map(|core| core.total);
        let ours: Vec<_> =
            totals.map(|total| (counts(total.data), counts(total.instruction))).collect();
        assert_eq!(ours, of_table, "the cores are not those of\n{}", table.table);
        let sum = table.sum();
        assert_eq!(
            (counts(self.total.data), counts(self.total.instruction)),
            (sum.data, sum.fetch),
            "the total is not that of\n{}",
            table.table
        );
    }

    /// Checks the cores against the table, their levels, and their sets.
    fn check_table(&self, table: &Report) {
        self.check_cores(table);
        let levels =
            |total: &Total| [total.l2, total.l3].map(|level| level.map(|level| counts(level.all)));
        let of_table = table.cores.iter().map(|row| [row.l2, row.l3]);
        let totals = self.cores.iter().map(|core| &core.total);
        // A table of one core has no sum.
        let totals = totals.chain((self.cores.len() > 1).then_some(&self.total));
        assert!(totals.map(levels).eq(of_table), "the levels are not those of\n{}", table.table);
        self.check_levels();
        for core in &self.cores {
            let Some(sets) = &core.sets else { continue };
            assert_eq!(sets.data_misses.iter().sum::<u64>(), core.total.data.misses);
            assert_eq!(sets.fetch_misses.iter().sum::<u64>(), core.total.instruction.misses);
        }
    }

    /// Checks the levels beyond the first: fetches, reads and writes add up, and the misses of each to those
    /// of the rows.
    fn check_levels(&self) {
        for total in self.cores.iter().map(|core| &core.total).chain([&self.total]) {
            for level in [total.l2, total.l3].into_iter().flatten() {
                let parts = [level.fetches, level.reads, level.writes];
                let sum = |of: fn(&Cache) -> u64| parts.iter().map(of).sum::<u64>();
                let sums = (sum(|part| part.accesses), sum(|part| part.misses));
                assert_eq!(sums, (level.all.accesses, level.all.misses), "{level:?}");
            }
        }
        for (rows, counts) in &self.all_counts() {
            counts.iter().for_each(Counts::check_levels);
            for (index, level) in [self.total.l2, self.total.l3].into_iter().enumerate() {
                let kinds = level.map(|level| [level.fetches, level.reads, level.writes]);
                for kind in 0..3 {
                    // Of no row where there is no level.
                    let sum = counts
                        .iter()
                        .filter_map(|row| row.of_levels()[index][kind])
                        .reduce(|sum, misses| sum + misses);
                    let expected = kinds.map(|kinds| kinds[kind].misses);
                    assert_eq!(sum, expected, "the {rows} do not add up to level {}", index + 2);
                }
            }
        }
    }

    fn all_counts(&self) -> [(&'static str, Vec<Counts>); 3] {
        [
            ("instructions", self.instructions.iter().map(|row| row.counts).collect()),
            ("functions", self.functions.iter().map(|row| row.counts).collect()),
            ("lines", self.lines.iter().map(|row| row.counts).collect()),
        ]
    }

    /// The one instruction at `address`.
    pub fn at(&self, address: &str) -> &Instruction {
        let mut found = self.instructions.iter().filter(|row| row.address == address);
        let row = found.next().unwrap_or_else(|| panic!("no instruction at {address}"));
        assert_eq!(found.next(), None, "two at {address}");
        row
    }

    /// The rows of a source line, by the end of its file's name.
    pub fn rows_of_line(&self, file: &str, line: u32) -> Vec<&LineRow> {
        let is_it = |row: &&LineRow| {
            row.line == Some(line) && row.file.as_deref().is_some_and(|name| name.ends_with(file))
        };
        self.lines.iter().filter(is_it).collect()
    }

    /// The one row of a source line.
    pub fn line(&self, file: &str, line: u32) -> &LineRow {
        let rows = self.rows_of_line(file, line);
        let [row] = rows[..] else { panic!("{file}:{line}: {rows:?}") };
        row
    }

    /// The one row of a function that is not inlined.
    pub fn function(&self, name: &str) -> &FunctionRow {
        let mut found = self
            .functions
            .iter()
            .filter(|row| row.function.as_deref() == Some(name) && row.inlined_into.is_none());
        let row = found.next().unwrap_or_else(|| panic!("no function {name}"));
        assert_eq!(found.next(), None, "two of {name}");
        row
    }
}

impl Total {
    fn sum(&self) -> Sum {
        Sum {
            fetches: self.instruction.accesses,
            fetch_misses: self.instruction.misses,
            data_accesses: self.data.accesses,
            data_misses: self.data.misses,
        }
    }
}

fn full_sum(rows: &[Counts]) -> Sum {
    let sums = rows.iter().map(Counts::full).fold([0; 6], |sums: [u64; 6], row| {
        let mut both = sums.into_iter().zip(row).map(|(sum, count)| sum + count);
        std::array::from_fn(|_| both.next().expect("as many"))
    });
    let [fetches, reads, read_misses, writes, write_misses, fetch_misses] = sums;
    Sum {
        fetches,
        fetch_misses,
        data_accesses: reads + writes,
        data_misses: read_misses + write_misses,
    }
}

fn sum_of_misses(rows: &[Counts]) -> [u64; 2] {
    [rows.iter().map(|row| row.data_misses).sum(), rows.iter().map(|row| row.fetch_misses).sum()]
}
