//! From the plugin's `name=value` arguments to a [`Config`], which is valid once built.
//!
//! Two stages. First every argument is read by itself, by the reader in its row of the table. Then what
//! needs several of them is decided: the geometry of each cache, which levels there are, the number of
//! cores, the memory that the model takes.
//!
//! An argument is given by the preset that `cpu` names, by the file that `config` names or on the
//! command line, and overrides those before it in this order. Within one of the three the order does not
//! matter, except that of an option given twice the last wins, as in the reference; the first must still
//! be readable.
//!
//! Deliberate differences from the reference: nothing is ever read as another number than the one
//! that was typed, where the C plugin takes 0 or truncates. And `l2=off` holds wherever it stands, where
//! the C plugin lets a size of the L2 that follows turn it on again.

mod error;
mod file;
mod output;
mod presets;
mod profile;
mod table;
#[cfg(test)]
mod tests;
mod typed;
mod value;

pub use error::{OptionError, Problem};
pub use output::{Output, PathTemplate};
pub use presets::{PRESETS, Preset, list_text};
pub use profile::{Detail, ElfImage, Format, Subject};
pub use table::{GROUPS, OptionGroup, OptionSpec, help_text, options};
pub use value::Form;

use crate::geometry::{CacheGeometry, MAX_LINES};
use crate::policy::Repeats;
use error::shown;
use std::num::NonZeroU32;
use std::time::Duration;
use table::Read;
use typed::{Layer, Source, Switch, Typed};

/// The most cores that are simulated.
pub const MAX_CORES: u32 = 4096;

/// What one line takes in the model: its number, and the mark of the replacement policy. A line beyond the
/// first level takes four bytes more, one that may be dirty one, one of an inclusive L3 eight; the limit
/// does not know.
pub const MODEL_BYTES_PER_LINE: u64 = 16;

/// The most memory, in bytes, that the model may take in all: 8 GiB. One core's first level always fits.
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
    /// What it has in common with the first level.
    pub l2_inclusion: Inclusion,
    /// The third level, one for all cores.
    pub l3: Option<Level>,
    /// What it has in common with the second level, or if it is inclusive, with all levels above.
    /// [`Inclusion::Nine`] without a third level.
    pub l3_inclusion: Inclusion,
}

/// Whether a second level is one cache or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L2Kind {
    /// One for instructions and data.
    Unified,
    /// One for instructions and one for data, both of the level's geometry.
    Split,
}

/// What a level has in common with those above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inclusion {
    /// Neither inclusive nor exclusive, as in the reference: a miss fills the level, and what it evicts
    /// stays above.
    Nine,
    /// It has all that is above: what it evicts is invalidated there.
    Inclusive,
    /// It has the victims of the level above and nothing else: a hit moves the line up.
    Exclusive,
}

impl Inclusion {
    /// The name, as users type it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nine => "nine",
            Self::Inclusive => "inclusive",
            Self::Exclusive => "exclusive",
        }
    }
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
    /// Whether accesses to the line accessed last in its set matter: to the policy of `cache`, or because
    /// the line may be gone, invalidated from below.
    pub fn repeats(&self, cache: &Level) -> Repeats {
        let has_inclusive_level = self.lower.is_some_and(|lower| {
            lower.l2_inclusion == Inclusion::Inclusive || lower.l3_inclusion == Inclusion::Inclusive
        });
        if has_inclusive_level { Repeats::Count } else { cache.policy.repeats() }
    }

    /// The same settings for caches of one line each.
    #[must_use]
    pub fn one_line_each(&self) -> Self {
        let one_line = |level: Level| Level { geometry: level.geometry.one_line(), ..level };
        let lower = |lower: LowerLevels| LowerLevels {
            l2: one_line(lower.l2),
            l3: lower.l3.map(one_line),
            ..lower
        };
        Self {
            icache: one_line(self.icache),
            dcache: one_line(self.dcache),
            lower: self.lower.map(lower),
            ..self.clone()
        }
    }

    /// Whether stores are told from loads.
    pub fn tells_stores(&self) -> bool {
        self.writes.is_some() || self.directions == Directions::Apart
    }

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
    /// [`list_text`], the presets, and no run.
    Presets,
}

/// Reads the plugin's arguments, and with `read_file` the text of the file that they may name; what that
/// cannot do it says in one line.
///
/// QEMU rewrites a bare `name` into `name=on`; both forms are understood, and mean the same. A
/// request for help is granted whatever else is wrong.
///
/// # Errors
/// The first argument that cannot be read, then the first fault of the file, else the first rule that the
/// settings break together.
pub fn parse(
    args: &[String],
    host: &Host,
    read_file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Request, OptionError> {
    let mut arguments: Vec<Argument> = args.iter().map(|arg| Argument::typed(arg)).collect();
    let (typed, result) = read_all(&arguments);
    if typed.help {
        return Ok(Request::Help);
    }
    if typed.presets {
        return Ok(Request::Presets);
    }
    result?;
    if let Some(file) = typed.file {
        arguments.splice(0..0, file::arguments(&file, read_file)?);
    }
    let (mut typed, mut result) = read_all(&arguments);
    if let Some(preset) = typed.preset {
        arguments.splice(0..0, preset.options.iter().map(|it| Argument::of_preset(preset, it)));
        (typed, result) = read_all(&arguments);
    }
    result?;
    typed.build(*host).map(Box::new).map(Request::Run)
}

/// An option as it is given.
#[derive(Debug, Clone)]
struct Argument {
    name: String,
    value: Option<String>,
    layer: Layer,
    /// Where it is given, for messages: empty on the command line.
    note: String,
}

impl Argument {
    fn typed(text: &str) -> Self {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        Self { name: name.to_owned(), value, layer: Layer::CommandLine, note: String::new() }
    }

    fn of_preset(preset: &Preset, (name, value): &(&str, &str)) -> Self {
        Self {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            layer: Layer::Preset,
            note: format!(" (cpu={})", preset.name),
        }
    }

    fn error(&self, problem: Problem) -> OptionError {
        let text = match &self.value {
            Some(value) => format!("{}={value}", self.name),
            None => self.name.clone(),
        };
        OptionError::new(shown(&text) + &self.note, problem)
    }

    /// The first stage.
    fn read(&self, typed: &mut Typed) -> Result<(), Problem> {
        let Some(spec) = options().find(|spec| spec.name == self.name) else {
            return Err(match self.name.as_str() {
                "" => Problem::NoName,
                name => Problem::UnknownOption {
                    nearest: value::nearest(name, options().map(|spec| spec.name)),
                },
            });
        };
        let source = |text| Source { name: spec.name, text, layer: self.layer, note: &self.note };
        match (spec.read, self.value.as_deref()) {
            (Read::Switch(read), None | Some("on")) => {
                read(typed);
                Ok(())
            }
            (Read::Switch(_), Some(_)) => Err(Problem::UnexpectedValue { name: spec.name }),
            (Read::OnOff(read), None | Some("on")) => {
                read(typed, source("on").given(Switch::On));
                Ok(())
            }
            (Read::OnOff(read), Some("off")) => {
                read(typed, source("off").given(Switch::Off));
                Ok(())
            }
            (Read::OnOff(_), Some(_)) => Err(Problem::NeitherOnNorOff),
            (Read::Value(_), None | Some("" | "on")) => {
                Err(Problem::NoValue { name: spec.name, syntax: spec.value })
            }
            (Read::Value(read), Some(text)) => read(typed, source(text)),
        }
    }
}

/// The first stage for all arguments, and the first of them that cannot be read.
fn read_all(arguments: &[Argument]) -> (Typed, Result<(), OptionError>) {
    let mut typed = Typed::default();
    let mut result = Ok(());
    for argument in arguments {
        let read = argument.read(&mut typed).map_err(|problem| argument.error(problem));
        result = result.and(read);
    }
    (typed, result)
}
