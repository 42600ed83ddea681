//! What machine is simulated: its caches, how they treat accesses, how many cores there are.
//!
//! [`Parts`] are settings, each valid by itself. A [`Config`] is parts that go together; nothing is
//! checked again once there is one.

use std::num::NonZeroU32;

use crate::geometry::{CacheGeometry, MAX_LINES};
use crate::policy::PolicyKind;

/// The most cores that are simulated.
pub const MAX_CORES: u32 = 4096;

/// What one line takes in the model: its number, and the state of the replacement policy. A line beyond the
/// first level takes four bytes more, one that may be dirty one, one of an inclusive L3 eight; the limit
/// does not know.
pub const MODEL_BYTES_PER_LINE: u64 = 16;

/// The most memory, in bytes, that the model may take in all: 8 GiB. One core's first level always fits.
pub const MAX_MODEL_BYTES: u64 = 2 * MAX_LINES * MODEL_BYTES_PER_LINE;

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

/// What a [`Config`] is made of. The default is the reference's: 16 KiB of eight ways and LRU for
/// instructions and for data, one core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
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
    /// What the choices of the policies start from that [make any](PolicyKind::is_random).
    pub seed: u64,
    /// The number of simulated cores.
    pub cores: NonZeroU32,
}

impl Default for Parts {
    fn default() -> Self {
        let geometry = CacheGeometry::new(16384, 64, 8).expect("it is valid");
        let level = Level { geometry, policy: PolicyKind::Lru };
        Self {
            icache: level,
            dcache: level,
            lower: None,
            writes: None,
            directions: Directions::Together,
            straddle: Straddle::First,
            seed: 1,
            cores: NonZeroU32::MIN,
        }
    }
}

/// One of the caches that a configuration may have, seen from a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheName {
    /// The instruction cache of the first level.
    Instruction,
    /// The data cache of the first level.
    Data,
    /// The second level.
    Second,
    /// The third level.
    Third,
}

/// The most lines that the caches of a run may have, of all its machines.
pub const MODEL_LINES: u64 = MAX_MODEL_BYTES / MODEL_BYTES_PER_LINE;

/// Why parts are not a [`Config`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// There are more than [`MAX_CORES`].
    #[error("more than {MAX_CORES} cores")]
    TooManyCores,
    /// A third level is inclusive or exclusive that is not there.
    #[error("an inclusion of a third level that is not there")]
    NoThirdLevel,
    /// Lines cannot move between two caches, as an exclusive level needs it.
    #[error("the lines of {cache:?} and {other:?} are not of one length")]
    LinesDiffer {
        /// One of the caches.
        cache: CacheName,
        /// The other.
        other: CacheName,
    },
    /// The lines of an inclusive level are too short to have those above in them.
    #[error("the lines of {cache:?} are shorter than those of {upper:?}")]
    LineShorter {
        /// The inclusive level.
        cache: CacheName,
        /// The cache above.
        upper: CacheName,
    },
    /// The model takes more than [`MAX_MODEL_BYTES`].
    #[error("the caches take too much memory")]
    TooMuchMemory(LineCount),
}

/// The lines of all caches, which take memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineCount {
    /// Those of one core's own caches.
    pub core: u64,
    /// Those of the caches that the cores share.
    pub shared: u64,
    /// The cache that has the most of them.
    pub largest: CacheName,
}

impl LineCount {
    fn of(parts: &Parts) -> Self {
        let lines = |level: &Level| level.geometry.lines();
        let second = parts.lower.map_or(0, |lower| {
            lines(&lower.l2)
                * match lower.l2_kind {
                    L2Kind::Unified => 1,
                    L2Kind::Split => 2,
                }
        });
        let third = parts.lower.and_then(|lower| lower.l3).map_or(0, |l3| lines(&l3));
        let caches = [
            (lines(&parts.icache), CacheName::Instruction),
            (lines(&parts.dcache), CacheName::Data),
            (second, CacheName::Second),
            (third, CacheName::Third),
        ];
        let (_, largest) =
            caches.into_iter().max_by_key(|(lines, _)| *lines).expect("there are four");
        Self { core: caches[..3].iter().map(|(lines, _)| lines).sum(), shared: third, largest }
    }

    /// How many cores with these caches fit into [`MAX_MODEL_BYTES`].
    pub fn most_cores(&self) -> u64 {
        MODEL_LINES.saturating_sub(self.shared) / self.core
    }
}

/// The simulated machine. Valid: its levels fit together, there are at most [`MAX_CORES`] cores, and the
/// model of all caches takes at most [`MAX_MODEL_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config(Parts);

/// That of the default parts.
impl Default for Config {
    fn default() -> Self {
        Self::new(Parts::default()).expect("the defaults are valid")
    }
}

impl Config {
    /// The configuration of these parts.
    ///
    /// # Errors
    /// The first rule that they break together.
    pub fn new(parts: Parts) -> Result<Self, ConfigError> {
        if parts.cores.get() > MAX_CORES {
            return Err(ConfigError::TooManyCores);
        }
        if let Some(lower) = &parts.lower {
            check_lines(&parts, lower)?;
        }
        let lines = LineCount::of(&parts);
        if lines.most_cores() < u64::from(parts.cores.get()) {
            return Err(ConfigError::TooMuchMemory(lines));
        }
        Ok(Self(parts))
    }

    /// What it is made of.
    pub const fn parts(&self) -> Parts {
        self.0
    }

    /// The lines of all caches of all cores.
    pub fn model_lines(&self) -> u64 {
        let lines = LineCount::of(&self.0);
        lines.core * u64::from(self.0.cores.get()) + lines.shared
    }

    /// The instruction cache of every core.
    pub const fn icache(&self) -> Level {
        self.0.icache
    }

    /// The data cache of every core.
    pub const fn dcache(&self) -> Level {
        self.0.dcache
    }

    /// What is beyond the first level.
    pub const fn lower(&self) -> Option<LowerLevels> {
        self.0.lower
    }

    /// How stores are treated; `None` where no line is ever dirty.
    pub const fn writes(&self) -> Option<Writes> {
        self.0.writes
    }

    /// Whether reads and writes are counted apart.
    pub const fn directions(&self) -> Directions {
        self.0.directions
    }

    /// What becomes of accesses to two lines.
    pub const fn straddle(&self) -> Straddle {
        self.0.straddle
    }

    /// What random choices start from.
    pub const fn seed(&self) -> u64 {
        self.0.seed
    }

    /// The number of simulated cores.
    pub const fn cores(&self) -> NonZeroU32 {
        self.0.cores
    }

    /// Whether a level invalidates lines of the levels above.
    pub fn has_inclusive_level(&self) -> bool {
        self.0.lower.is_some_and(|lower| {
            lower.l2_inclusion == Inclusion::Inclusive || lower.l3_inclusion == Inclusion::Inclusive
        })
    }

    /// The same for caches of one line each, which go together as the larger ones do.
    #[must_use]
    pub fn one_line_each(&self) -> Self {
        let one_line = |level: Level| Level { geometry: level.geometry.one_line(), ..level };
        let lower = |lower: LowerLevels| LowerLevels {
            l2: one_line(lower.l2),
            l3: lower.l3.map(one_line),
            ..lower
        };
        Self(Parts {
            icache: one_line(self.0.icache),
            dcache: one_line(self.0.dcache),
            lower: self.0.lower.map(lower),
            ..self.0
        })
    }

    /// Whether stores are told from loads.
    pub fn tells_stores(&self) -> bool {
        self.0.writes.is_some() || self.0.directions == Directions::Apart
    }

    /// Whether the first-level caches are all there is, and they need to know nothing of an access but
    /// its line.
    pub fn is_first_level_only(&self) -> bool {
        let Parts { lower, writes, directions, straddle, .. } = self.0;
        lower.is_none()
            && writes.is_none()
            && directions == Directions::Together
            && straddle == Straddle::First
    }
}

/// Whether the lines are of lengths that let the levels have them in common.
fn check_lines(parts: &Parts, lower: &LowerLevels) -> Result<(), ConfigError> {
    let instruction = (CacheName::Instruction, parts.icache);
    let data = (CacheName::Data, parts.dcache);
    let second = (CacheName::Second, lower.l2);
    // Those of the first level are compared too: no line of the second would be as long as both.
    let exclusive = [(instruction, data), (second, instruction), (second, data)];
    let inclusive = [(second, instruction), (second, data)];
    check_lines_of(lower.l2_inclusion, &inclusive, &exclusive)?;
    let Some(l3) = lower.l3 else {
        return match lower.l3_inclusion {
            Inclusion::Nine => Ok(()),
            Inclusion::Inclusive | Inclusion::Exclusive => Err(ConfigError::NoThirdLevel),
        };
    };
    let third = (CacheName::Third, l3);
    let inclusive = [(third, second), (third, instruction), (third, data)];
    check_lines_of(lower.l3_inclusion, &inclusive, &[(third, second)])
}

type NamedLevel = (CacheName, Level);

/// Of a level: each pair is of a cache and one whose lines it has to hold, or that has to have equal ones.
fn check_lines_of(
    inclusion: Inclusion,
    inclusive: &[(NamedLevel, NamedLevel)],
    exclusive: &[(NamedLevel, NamedLevel)],
) -> Result<(), ConfigError> {
    let line_bytes = |(_, level): &NamedLevel| level.geometry.line_bytes();
    match inclusion {
        Inclusion::Nine => Ok(()),
        Inclusion::Inclusive => inclusive
            .iter()
            .find(|(cache, upper)| line_bytes(cache) < line_bytes(upper))
            .map_or(Ok(()), |&((cache, _), (upper, _))| {
                Err(ConfigError::LineShorter { cache, upper })
            }),
        Inclusion::Exclusive => exclusive
            .iter()
            .find(|(cache, other)| line_bytes(cache) != line_bytes(other))
            .map_or(Ok(()), |&((cache, _), (other, _))| {
                Err(ConfigError::LinesDiffer { cache, other })
            }),
    }
}
