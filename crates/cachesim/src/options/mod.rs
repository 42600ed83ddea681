//! From the plugin's `name=value` arguments to a [`Config`], which is valid once built.
//!
//! Two stages. First every argument is read by itself, by the reader in its row of [`OPTIONS`].
//! Then what needs several of them is decided: the geometry of each cache, the number of cores,
//! the memory that the model takes. So the order of the arguments does not matter, except that of
//! one given twice the last wins, as in the reference; the first must still be readable.
//!
//! Deliberate difference from the reference: nothing is ever read as another number than the one
//! that was typed. What the C plugin takes for 0 or truncates is an error here.

mod error;
mod output;
mod presets;
mod profile;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub use error::{OptionError, Problem};
pub use output::{Output, PathTemplate};
pub use presets::{PRESETS, Preset, list_text};
pub use profile::{Detail, ElfImage, Format, Subject};
pub use table::{OPTIONS, OptionSpec, help_text};
pub use value::Form;

use crate::geometry::{CacheGeometry, GeometryError, MAX_LINE_BYTES, MAX_LINES};
use error::shown;
use std::num::NonZeroU32;
use std::time::Duration;
use table::Read;

/// The most cores that are simulated.
pub const MAX_CORES: u32 = 4096;

/// What one line takes in the model: its tag.
pub const MODEL_BYTES_PER_LINE: u64 = 8;

/// The most memory, in bytes, that the model may take in all: 4 GiB. One core always fits.
pub const MAX_MODEL_BYTES: u64 = 2 * MAX_LINES * MODEL_BYTES_PER_LINE;

/// Whether QEMU runs one program or a whole machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestMode {
    /// A program: a `qemu-ARCH` binary.
    User,
    /// A machine: a `qemu-system-ARCH` binary.
    System,
}

/// What the defaults depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// What kind of guest runs.
    pub mode: GuestMode,
    /// The guest's vCPUs at the start: `smp_vcpus` in system mode, 1 in user mode.
    pub vcpus: u32,
}

/// The replacement policy: which line of a full set is the victim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// The line used least recently.
    Lru,
    /// The line filled first.
    Fifo,
    /// Any line, each as likely as the others.
    Random,
    /// About the line used least recently, as a tree of bits tells.
    TreePlru,
    /// A line not used since all others were, as a bit for each line tells.
    BitPlru,
    /// The line whose next use is the farthest, where a hit says soon and a fill says later.
    Srrip,
    /// The same, where most fills say farthest.
    Brrip,
    /// One of these two, whichever misses less.
    Drrip,
    /// The line used least often.
    Lfu,
    /// The line used least recently, or one that was filled and not used since.
    Lip,
    /// The same, where one fill in 32 counts as a use.
    Bip,
}

impl PolicyKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Lru,
        Self::Fifo,
        Self::Random,
        Self::TreePlru,
        Self::BitPlru,
        Self::Srrip,
        Self::Brrip,
        Self::Drrip,
        Self::Lfu,
        Self::Lip,
        Self::Bip,
    ];

    /// The name, as users type it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lru => "lru",
            Self::Fifo => "fifo",
            Self::Random => "rand",
            Self::TreePlru => "tree-plru",
            Self::BitPlru => "bit-plru",
            Self::Srrip => "srrip",
            Self::Brrip => "brrip",
            Self::Drrip => "drrip",
            Self::Lfu => "lfu",
            Self::Lip => "lip",
            Self::Bip => "bip",
        }
    }

    /// What a miss in a full set replaces, in a few words.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Lru => "the line used least recently (LRU)",
            Self::Fifo => "the line filled first (FIFO)",
            Self::Random => "a random line",
            Self::TreePlru => "a line not used lately, by a tree of bits (tree-PLRU)",
            Self::BitPlru => "a line not used lately, by a bit for each line (bit-PLRU)",
            Self::Srrip => "the line predicted to be used last (SRRIP)",
            Self::Brrip => "the line predicted to be used last, mostly the newest (BRRIP)",
            Self::Drrip => "the line predicted to be used last, as SRRIP or BRRIP does (DRRIP)",
            Self::Lfu => "the line used least often (LFU)",
            Self::Lip => {
                "the newest line unless it was used again, else the line used least recently (LIP)"
            }
            Self::Bip => {
                "mostly the newest line unless it was used again, else the line used least recently (BIP)"
            }
        }
    }

    /// Whether there are random choices in it, which start from the seed.
    pub const fn is_random(self) -> bool {
        match self {
            Self::Random | Self::Brrip | Self::Drrip | Self::Bip => true,
            Self::Lru
            | Self::Fifo
            | Self::TreePlru
            | Self::BitPlru
            | Self::Srrip
            | Self::Lfu
            | Self::Lip => false,
        }
    }
}

/// One cache of a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Its shape.
    pub geometry: CacheGeometry,
    /// Its replacement policy.
    pub policy: PolicyKind,
}

/// What is beyond the first level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LowerLevels {
    /// The second level of every core.
    pub l2: Level,
    /// Whether it is one cache or two.
    pub l2_kind: L2Kind,
    /// The third level, one for all cores.
    pub l3: Option<Level>,
    /// What the levels' contents have to do with each other.
    pub inclusion: Inclusion,
}

/// Whether a second level is one cache or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L2Kind {
    /// One for instructions and data.
    Unified,
    /// One for instructions and one for data, both of the level's geometry.
    Split,
}

/// What the levels' contents have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inclusion {
    /// Neither inclusive nor exclusive, as in the reference: a miss fills every level that it passes,
    /// an eviction is that level's affair.
    Nine,
    /// What a level holds, all levels below it hold: what is evicted there is invalidated above.
    Inclusive,
    /// A line is in one level: a hit below moves it up, a victim moves down.
    Exclusive,
}

/// How stores are treated, where it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writes {
    /// Where the data cache has the line.
    pub on_hit: WriteHit,
    /// Where it has not.
    pub on_miss: WriteMiss,
}

/// What a store does that finds its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteHit {
    /// It makes the line dirty, which is written to the next level when it is evicted.
    Back,
    /// It goes on to the next level.
    Through,
}

/// What a store does that does not find its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMiss {
    /// It fills the line first.
    Allocate,
    /// It goes on to the next level.
    NoAllocate,
}

/// Whether reads and writes are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directions {
    /// They are one number.
    Together,
    /// They are two.
    Apart,
}

/// What an access does that crosses the end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Straddle {
    /// It is one access, to the line of its first byte, as in the reference.
    First,
    /// It is an access to each of the lines.
    Split,
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

/// All settings of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The instruction cache of every core.
    pub icache: Level,
    /// The data cache of every core.
    pub dcache: Level,
    /// What is beyond them.
    pub lower: Option<LowerLevels>,
    /// How stores are treated; `None` where no line is ever dirty, as in the reference.
    pub writes: Option<Writes>,
    /// Whether reads and writes are counted apart.
    pub directions: Directions,
    /// What becomes of accesses to two lines.
    pub straddle: Straddle,
    /// The latencies for the summary, if there is to be one.
    pub summary: Option<Latencies>,
    /// The core that the settings began with.
    pub preset: Option<&'static str>,
    /// What the choices of the policies start from that [make any](PolicyKind::is_random).
    pub seed: u64,
    /// The number of simulated cores, at most [`MAX_CORES`]. The model of all their caches takes
    /// at most [`MAX_MODEL_BYTES`].
    pub cores: NonZeroU32,
    /// The most rows of a list; with 0 there are no lists.
    pub limit: usize,
    /// What the lists are of.
    pub by: Subject,
    /// Where the report goes.
    pub output: Output,
    /// What else is written, and where: each format at most once, in the order of [`Format::ALL`].
    pub files: Vec<(Format, PathTemplate)>,
    /// How much is counted for each instruction.
    pub detail: Detail,
    /// Where the names and lines of a machine's code come from.
    pub images: Vec<ElfImage>,
    /// How often a line tells how far the run is, if at all.
    pub progress: Option<Duration>,
}

/// Of a program, without any option.
impl Default for Config {
    fn default() -> Self {
        let host = Host { mode: GuestMode::User, vcpus: 1 };
        Typed::default().build(host).expect("the defaults are valid")
    }
}

impl Config {
    /// Whether the first-level caches are all there is, and they need to know nothing of an access but
    /// its line.
    pub fn is_first_level_only(&self) -> bool {
        let Self { lower, writes, directions, straddle, .. } = self;
        lower.is_none()
            && writes.is_none()
            && *directions == Directions::Together
            && *straddle == Straddle::First
    }

    /// Whether anything tells the misses of each set.
    pub fn needs_set_misses(&self) -> bool {
        self.files.iter().any(|(format, _)| *format == Format::Html)
    }

    /// Whether anything names functions and lines.
    pub fn needs_locations(&self) -> bool {
        !self.files.is_empty() || self.by != Subject::Instruction && self.limit > 0
    }
}

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A run with these settings.
    Run(Box<Config>),
    /// [`help_text`], and no run.
    Help,
}

/// Reads the plugin's arguments.
///
/// QEMU rewrites a bare `name` into `name=on`; both forms are understood, and mean the same. A
/// request for help is granted whatever else is wrong.
///
/// # Errors
/// The first argument that cannot be read, else the first rule that the settings break together.
pub fn parse(args: &[String], host: &Host) -> Result<Request, OptionError> {
    let mut typed = Typed::default();
    let mut first_error = None;
    for arg in args {
        if let Err(error) = read_argument(arg, &mut typed) {
            first_error.get_or_insert(error);
        }
    }
    match first_error {
        _ if typed.help => Ok(Request::Help),
        Some(error) => Err(error),
        None => typed.build(*host).map(Box::new).map(Request::Run),
    }
}

/// A setting as read, with the text to show in messages.
#[derive(Debug, Clone)]
struct Given<T> {
    value: T,
    text: String,
}

impl<T: ToString> Given<T> {
    fn default(value: T) -> Self {
        let text = format!("{} (default)", value.to_string());
        Self { value, text }
    }

    fn typed(value: T, text: &str) -> Self {
        let text = shown(text);
        Self { value, text }
    }

    /// The error that this setting, which the option called `name` gave, causes.
    fn error(&self, name: &str, problem: Problem) -> OptionError {
        OptionError::new(format!("{name}={}", self.text), problem)
    }
}

/// The settings of one cache as read.
#[derive(Debug, Clone)]
struct TypedCache {
    names: CacheOptions,
    size: Given<u64>,
    line: Given<u64>,
    ways: Given<u32>,
}

/// The names of the options of one cache.
#[derive(Debug, Clone, Copy)]
struct CacheOptions {
    size: &'static str,
    line: &'static str,
    ways: &'static str,
}

/// All settings as read: the result of the first stage.
#[derive(Debug, Clone)]
struct Typed {
    help: bool,
    icache: TypedCache,
    dcache: TypedCache,
    policy: PolicyKind,
    seed: u64,
    /// `None`: the default, which depends on the [`Host`].
    cores: Option<Given<u32>>,
    limit: usize,
    by: Subject,
    output: Output,
    /// By [`Format::index`].
    files: [Option<Given<PathTemplate>>; Format::ALL.len()],
    profile: Switch,
    images: Vec<ElfImage>,
    progress: Option<Given<u32>>,
}

/// The value of an option that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    On,
    Off,
}

impl Default for Typed {
    fn default() -> Self {
        let cache = |size, line, ways| TypedCache {
            names: CacheOptions { size, line, ways },
            size: Given::default(16384),
            line: Given::default(64),
            ways: Given::default(8),
        };
        Self {
            help: false,
            icache: cache("icachesize", "iblksize", "iassoc"),
            dcache: cache("dcachesize", "dblksize", "dassoc"),
            policy: PolicyKind::Lru,
            seed: 1,
            cores: None,
            limit: 32,
            by: Subject::Instruction,
            output: Output::Auto,
            files: [const { None }; Format::ALL.len()],
            profile: Switch::Off,
            images: Vec::new(),
            progress: None,
        }
    }
}

/// The first stage, for one argument.
fn read_argument(arg: &str, typed: &mut Typed) -> Result<(), OptionError> {
    let (name, value) = match arg.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (arg, None),
    };
    let result = match OPTIONS.iter().find(|spec| spec.name == name) {
        None if name.is_empty() => Err(Problem::NoName),
        None => Err(Problem::UnknownOption {
            nearest: value::nearest(name, OPTIONS.iter().map(|spec| spec.name)),
        }),
        Some(spec) => match (spec.read, value) {
            (Read::Switch(read), None | Some("on")) => {
                read(typed);
                Ok(())
            }
            (Read::Switch(_), Some(_)) => Err(Problem::UnexpectedValue { name: spec.name }),
            (Read::OnOff(read), None | Some("on")) => {
                read(typed, Switch::On);
                Ok(())
            }
            (Read::OnOff(read), Some("off")) => {
                read(typed, Switch::Off);
                Ok(())
            }
            (Read::OnOff(_), Some(_)) => Err(Problem::NeitherOnNorOff),
            (Read::Value(_), None | Some("" | "on")) => {
                Err(Problem::NoValue { name: spec.name, syntax: spec.value })
            }
            (Read::Value(read), Some(value)) => read(typed, value),
        },
    };
    result.map_err(|problem| OptionError::new(shown(arg), problem))
}

/// The second stage.
impl Typed {
    fn build(self, host: Host) -> Result<Config, OptionError> {
        let icache = self.icache.geometry()?;
        let dcache = self.dcache.geometry()?;
        let cores = self.cores.clone().unwrap_or_else(|| {
            Given::default(match host.mode {
                GuestMode::User => 1,
                GuestMode::System => host.vcpus,
            })
        });
        let number =
            number_of_cores(cores.value).map_err(|problem| cores.error("cores", problem))?;
        let lines = icache.lines() + dcache.lines();
        if lines * u64::from(number.get()) * MODEL_BYTES_PER_LINE > MAX_MODEL_BYTES {
            let problem = Problem::TooMuchMemory { cores: number.get(), lines };
            return Err(cores.error("cores", problem));
        }
        let files = self.files()?;
        let detail = match self.profile {
            Switch::On => Detail::Full,
            Switch::Off => {
                files.iter().map(|(format, _)| format.detail()).max().unwrap_or_default()
            }
        };
        let progress = match self.progress {
            Some(seconds) if seconds.value == 0 => {
                return Err(seconds.error("progress", Problem::Zero));
            }
            seconds => seconds.map(|seconds| Duration::from_secs(seconds.value.into())),
        };
        Ok(Config {
            icache: Level { geometry: icache, policy: self.policy },
            dcache: Level { geometry: dcache, policy: self.policy },
            lower: None,
            writes: None,
            directions: Directions::Together,
            straddle: Straddle::First,
            summary: None,
            preset: None,
            seed: self.seed,
            cores: number,
            limit: self.limit,
            by: self.by,
            output: self.output,
            files,
            detail,
            images: self.images,
            progress,
        })
    }

    /// The files, no two of which are the same.
    fn files(&self) -> Result<Vec<(Format, PathTemplate)>, OptionError> {
        let mut names: Vec<(&'static str, &PathTemplate)> = Vec::new();
        if let Output::File(report) = &self.output {
            names.push(("out", report));
        }
        let mut files = Vec::new();
        for (format, given) in Format::ALL.into_iter().zip(&self.files) {
            let Some(given) = given else { continue };
            if let Some(&(other, _)) = names.iter().find(|(_, name)| **name == given.value) {
                return Err(given.error(format.name(), Problem::SameFile { other }));
            }
            names.push((format.name(), &given.value));
            files.push((format, given.value.clone()));
        }
        Ok(files)
    }
}

fn number_of_cores(cores: u32) -> Result<NonZeroU32, Problem> {
    match NonZeroU32::new(cores) {
        None => Err(Problem::Zero),
        Some(cores) if cores.get() > MAX_CORES => Err(Problem::TooLarge { max: MAX_CORES.into() }),
        Some(cores) => Ok(cores),
    }
}

impl TypedCache {
    fn geometry(&self) -> Result<CacheGeometry, OptionError> {
        let Self { names, size, line, ways } = self;
        CacheGeometry::new(size.value, line.value, ways.value).map_err(|error| match error {
            GeometryError::ZeroSize => size.error(names.size, Problem::Zero),
            GeometryError::ZeroLine => line.error(names.line, Problem::Zero),
            GeometryError::ZeroWays => ways.error(names.ways, Problem::Zero),
            GeometryError::LineTooLong { .. } => {
                line.error(names.line, Problem::TooLarge { max: MAX_LINE_BYTES })
            }
            GeometryError::LineNotPowerOfTwo { smaller, larger, .. } => {
                line.error(names.line, Problem::LineNotPowerOfTwo { smaller, larger })
            }
            GeometryError::TooManyWays { .. } => {
                ways.error(names.ways, Problem::TooLarge { max: MAX_LINES })
            }
            GeometryError::TooManyLines { lines, largest_size_bytes } => size.error(
                names.size,
                Problem::TooManyLines {
                    lines,
                    line_name: names.line,
                    line_bytes: line.value,
                    largest_size_bytes,
                },
            ),
            GeometryError::SizeNotMultiple { line_bytes, ways, nearest, .. } => size.error(
                names.size,
                Problem::SizeNotMultiple {
                    line_name: names.line,
                    ways_name: names.ways,
                    line_bytes,
                    ways,
                    nearest,
                },
            ),
        })
    }
}
