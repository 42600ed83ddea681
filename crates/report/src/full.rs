//! A profile in which the executions, loads and stores of every instruction are known.

use std::iter::Sum;
use std::ops::Add;

use crate::settings::Lower;
use crate::{Detail, MissesByKind, Profile, ProfiledInstruction, RunDescription};

/// A [`Profile`] with [`Detail::Full`], for the formats that have no way to say "not counted".
#[derive(Debug, Clone, Copy)]
pub struct FullProfile<'a>(&'a Profile);

/// What one instruction did, or several together, by kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events {
    /// Executions, which are fetches.
    pub executions: u64,
    /// Those that missed the instruction cache.
    pub fetch_misses: u64,
    /// Data accesses that load.
    pub reads: u64,
    /// Those that missed the data cache.
    pub read_misses: u64,
    /// Data accesses that store.
    pub writes: u64,
    /// Those that missed the data cache.
    pub write_misses: u64,
    /// What missed the last level, in a run with levels beyond the first.
    pub last_level_misses: MissesByKind,
}

impl<'a> FullProfile<'a> {
    /// `None` if the run counted misses only.
    pub fn new(profile: &'a Profile) -> Option<Self> {
        let counted = |instruction: &ProfiledInstruction| instruction.counts.executed.is_some();
        let full = profile.detail == Detail::Full && profile.instructions.iter().all(counted);
        full.then_some(Self(profile))
    }

    /// What ran, where, with which settings.
    pub fn run(self) -> &'a RunDescription {
        &self.0.run
    }

    /// The instructions that were executed, in the profile's order.
    pub fn instructions(self) -> impl Iterator<Item = (&'a ProfiledInstruction, Events)> {
        let last = Lower::last(&self.0.run.options.config);
        self.0.instructions.iter().filter_map(move |instruction| {
            let counts = instruction.counts;
            let executed = counts.executed?;
            let events = Events {
                executions: executed.executions,
                fetch_misses: counts.fetch_misses,
                reads: executed.reads,
                read_misses: counts.read_misses()?,
                writes: executed.writes,
                write_misses: executed.write_misses,
                last_level_misses: last
                    .map_or_else(MissesByKind::default, |level| level.misses(&counts)),
            };
            Some((instruction, events))
        })
    }

    /// Whether there are levels beyond the first.
    pub fn has_lower_levels(self) -> bool {
        self.0.run.options.config.lower().is_some()
    }

    /// The events of all instructions.
    pub fn total(self) -> Events {
        self.instructions().map(|(_, events)| events).sum()
    }
}

/// Saturates: a report never panics.
impl Add for Events {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            executions: self.executions.saturating_add(other.executions),
            fetch_misses: self.fetch_misses.saturating_add(other.fetch_misses),
            reads: self.reads.saturating_add(other.reads),
            read_misses: self.read_misses.saturating_add(other.read_misses),
            writes: self.writes.saturating_add(other.writes),
            write_misses: self.write_misses.saturating_add(other.write_misses),
            last_level_misses: self.last_level_misses + other.last_level_misses,
        }
    }
}

impl Sum for Events {
    fn sum<I: Iterator<Item = Self>>(events: I) -> Self {
        events.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CoreSnapshot, sample};

    #[test]
    fn the_total_is_that_of_the_cores() {
        let profile = sample::profile();
        let cores: CoreSnapshot = profile.cores.iter().map(|core| &core.counts).sum();
        let total = FullProfile::new(&profile).unwrap().total();
        assert_eq!(total.executions, cores.fetch.accesses);
        assert_eq!(total.fetch_misses, cores.fetch.misses);
        assert_eq!(total.reads + total.writes, cores.data.accesses);
        assert_eq!(total.read_misses + total.write_misses, cores.data.misses);
    }

    #[test]
    fn the_last_level_is_the_one_before_memory() {
        let last = |profile| FullProfile::new(&profile).unwrap().total().last_level_misses;
        assert_eq!(last(sample::profile()), MissesByKind::default());
        assert_eq!(last(sample::two_levels()), MissesByKind { fetch: 6, read: 430, write: 60 });
        assert_eq!(last(sample::levels()), MissesByKind { fetch: 4, read: 110, write: 10 });
    }

    #[test]
    fn a_profile_of_misses_is_not_full() {
        let misses = Profile { detail: Detail::Misses, ..sample::profile() };
        assert!(FullProfile::new(&misses).is_none());
        let mut one_unknown = sample::profile();
        one_unknown.instructions[3].counts.executed = None;
        assert!(FullProfile::new(&one_unknown).is_none());
    }
}
