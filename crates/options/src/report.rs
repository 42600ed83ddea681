//! What is told of a run, and in which formats.

/// A format that is written to a file of its own, beside the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// For scripts: everything.
    Json,
    /// For spreadsheets: a row for each instruction.
    Csv,
    /// For `KCachegrind` and `callgrind_annotate`.
    Callgrind,
    /// For `cg_annotate` and `cg_diff`.
    Cachegrind,
    /// A page for a browser.
    Html,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] =
        [Self::Json, Self::Csv, Self::Callgrind, Self::Cachegrind, Self::Html];

    /// The option that asks for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Callgrind => "callgrind",
            Self::Cachegrind => "cachegrind",
            Self::Html => "html",
        }
    }

    /// Its place in [`Format::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Whether a file of it has all machines of a run in it.
    pub const fn has_all_machines(self) -> bool {
        match self {
            Self::Json | Self::Html => true,
            Self::Csv | Self::Callgrind | Self::Cachegrind => false,
        }
    }

    /// What has to be counted for it.
    pub const fn detail(self) -> Detail {
        match self {
            Self::Json | Self::Csv => Detail::Misses,
            Self::Callgrind | Self::Cachegrind | Self::Html => Detail::Full,
        }
    }
}

/// How much is counted for each instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// Its misses.
    #[default]
    Misses,
    /// Also its executions, loads and stores (`profile=on`).
    Full,
}

/// What the rows of the report's lists are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Instructions, as in the reference.
    Instruction,
    /// Functions.
    Function,
    /// Lines of source.
    Line,
}

/// An ELF file that is in the guest's memory: a kernel, firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfImage {
    /// The file's name.
    pub path: String,
    /// What to add to the file's addresses to get those in memory; wraps at 2⁶⁴.
    pub bias: u64,
}

/// How many cycles an access takes that is served by a level, from the first on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latencies {
    /// The first level.
    pub l1: u32,
    /// The second level.
    pub l2: u32,
    /// The third level.
    pub l3: u32,
    /// Memory.
    pub memory: u32,
}
