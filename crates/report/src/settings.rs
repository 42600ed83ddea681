//! The names of a run's settings, and which levels it has.

use cachesim::config::{Config, Inclusion, Level, LowerLevels};
use cachesim::policy::PolicyKind;

use crate::{CoreSnapshot, InstructionCounts, LowerCounts, MissesByKind};

/// A level beyond the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lower {
    L2,
    L3,
}

impl Lower {
    /// Those that a run has, from the first-level caches on.
    pub fn of(config: &Config) -> impl Iterator<Item = Self> + Clone + use<> {
        let l2 = config.lower().map(|_| Self::L2);
        let l3 = config.lower().and_then(|lower| lower.l3).map(|_| Self::L3);
        l2.into_iter().chain(l3)
    }

    /// The one before memory.
    pub fn last(config: &Config) -> Option<Self> {
        Self::of(config).last()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::L2 => "L2",
            Self::L3 => "L3",
        }
    }

    /// What formats for programs call its misses: of fetches, loads and stores.
    pub fn miss_fields(self) -> [&'static str; 3] {
        match self {
            Self::L2 => ["l2_fetch_misses", "l2_read_misses", "l2_write_misses"],
            Self::L3 => ["l3_fetch_misses", "l3_read_misses", "l3_write_misses"],
        }
    }

    /// What `core` has counted of it.
    pub fn counts(self, core: &CoreSnapshot) -> LowerCounts {
        let hierarchy = core.hierarchy.unwrap_or_default();
        match self {
            Self::L2 => hierarchy.l2,
            Self::L3 => hierarchy.l3,
        }
        .unwrap_or_default()
    }

    /// The dirty lines of `core` that left it for the next one.
    pub fn write_backs(self, core: &CoreSnapshot) -> u64 {
        let [_, l2, l3] = core.hierarchy.unwrap_or_default().write_backs;
        match self {
            Self::L2 => l2,
            Self::L3 => l3,
        }
    }

    /// What instructions missed in it.
    pub fn misses(self, counts: &InstructionCounts) -> MissesByKind {
        let lower = counts.lower.unwrap_or_default();
        match self {
            Self::L2 => lower.l2,
            Self::L3 => lower.l3,
        }
    }
}

/// One of a core's caches, with its name.
pub(crate) struct Cache {
    pub name: &'static str,
    pub level: Level,
}

/// The caches of a core, the data cache first, as the table has them; a level that is split is one.
pub(crate) fn caches(config: &Config) -> Vec<Cache> {
    let first = [("L1d", config.dcache()), ("L1i", config.icache())];
    let lower = config.lower().into_iter();
    let lower =
        lower.flat_map(|lower| [Some(("L2", lower.l2)), lower.l3.map(|level| ("L3", level))]);
    let caches = first.into_iter().chain(lower.flatten());
    caches.map(|(name, level)| Cache { name, level }).collect()
}

/// The policy of all caches, if it is one.
pub(crate) fn common_policy(config: &Config) -> Option<PolicyKind> {
    let caches = caches(config);
    let policy = config.dcache().policy;
    caches.iter().all(|cache| cache.level.policy == policy).then_some(policy)
}

/// What the levels have in common, as the options say it: in one word where it is the same of all.
pub(crate) fn inclusion(lower: &LowerLevels) -> String {
    let [l2, l3] = [lower.l2_inclusion, lower.l3_inclusion].map(Inclusion::name);
    match lower.l3 {
        Some(_) if l2 != l3 => format!("L2 {l2}, L3 {l3}"),
        _ => l2.to_owned(),
    }
}
