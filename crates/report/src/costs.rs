//! What misses cost, by estimate: the cycles that accesses take beyond the latency of the first level.
//!
//! The model is the summary's: an access takes the latency of the level that serves it and waits for the one
//! before. So each miss of a level adds the difference between the latencies of the next level and of its
//! own, and the stall cycles of several instructions are the sum of those of each.

use cachesim::config::Directions;
use options::{Latencies, Options};

use crate::settings::Lower;
use crate::{CoreSnapshot, InstructionCounts};

/// The cycles that misses add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Costs {
    /// Of a miss of each level, from the first on; 0 of a level that there is not.
    of_miss: [u64; 3],
}

impl Costs {
    /// Those of a run with the settings `options`; `None` where misses say as much: in a run of first-level
    /// caches only that asks for no summary.
    pub fn of(options: &Options) -> Option<Self> {
        let are_told = options.config.lower().is_some() || options.wants_summary;
        are_told.then(|| Self::from_latencies(options))
    }

    /// Those that the latencies make, also where the lists do not tell them.
    pub(crate) fn from_latencies(options: &Options) -> Self {
        let lower = options.config.lower();
        let Latencies { l1, l2, l3, memory } = options.latencies;
        let third = lower.and_then(|lower| lower.l3).map_or(memory, |_| l3);
        let second = lower.map_or(memory, |_| l2);
        let levels = [l1, second, third, memory];
        let added = |level: usize| u64::from(levels[level + 1].saturating_sub(levels[level]));
        Self { of_miss: [0, 1, 2].map(added) }
    }

    /// The same for the lists of instructions. Those of a run that QEMU's C plugin has too are that plugin's.
    pub fn of_instructions(options: &Options) -> Option<Self> {
        let config = &options.config;
        let lower = config.lower()?;
        let is_the_references = lower.l3.is_none()
            && config.writes().is_none()
            && config.directions() == Directions::Together
            && !options.wants_summary;
        if is_the_references { None } else { Self::of(options) }
    }

    /// The stall cycles of loads and stores.
    pub fn data(&self, counts: &InstructionCounts) -> u64 {
        let [l2, l3] = [Lower::L2, Lower::L3].map(|level| level.misses(counts).data());
        self.stall_cycles([counts.data_misses, l2, l3])
    }

    /// The stall cycles of fetches.
    pub fn fetch(&self, counts: &InstructionCounts) -> u64 {
        let [l2, l3] = [Lower::L2, Lower::L3].map(|level| level.misses(counts).fetch);
        self.stall_cycles([counts.fetch_misses, l2, l3])
    }

    /// All stall cycles.
    pub fn total(&self, counts: &InstructionCounts) -> u64 {
        self.data(counts).saturating_add(self.fetch(counts))
    }

    /// Those of all loads and stores that `core` has counted, and of all fetches.
    pub(crate) fn of_core(&self, core: &CoreSnapshot) -> [u64; 2] {
        let [l2, l3] = [Lower::L2, Lower::L3].map(|level| level.counts(core));
        [
            self.stall_cycles([core.data.misses, l2.data().misses, l3.data().misses]),
            self.stall_cycles([core.fetch.misses, l2.fetch.misses, l3.fetch.misses]),
        ]
    }

    /// Those of accesses that missed each level so often.
    pub(crate) fn stall_cycles(&self, misses: [u64; 3]) -> u64 {
        let each = misses.into_iter().zip(self.of_miss);
        let cycles = each.map(|(misses, cost)| u128::from(misses) * u128::from(cost));
        u64::try_from(cycles.sum::<u128>()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LowerMisses, MissesByKind, Profile, Summary, sample};

    fn costs(profile: &Profile) -> Costs {
        Costs::of(&profile.run.options).unwrap()
    }

    fn with_summary(mut profile: Profile) -> Profile {
        profile.run.options.wants_summary = true;
        profile
    }

    #[test]
    fn the_stall_cycles_of_all_instructions_are_those_of_the_summary() {
        for profile in [
            with_summary(sample::profile()),
            with_summary(sample::two_levels()),
            sample::levels(),
            sample::without_executions(sample::levels()),
        ] {
            let total: CoreSnapshot = profile.cores.iter().map(|core| &core.counts).sum();
            let summary = Summary::new(&total, &profile.run.options).unwrap();
            let costs = costs(&profile);
            let sum = |of: fn(&Costs, &InstructionCounts) -> u64| -> u64 {
                profile.instructions.iter().map(|one| of(&costs, &one.counts)).sum()
            };
            assert_eq!([sum(Costs::data), sum(Costs::fetch)], costs.of_core(&total));
            assert_eq!(sum(Costs::data), summary.data_time.stall_cycles);
            assert_eq!(sum(Costs::fetch), summary.fetch_time.stall_cycles);
            assert_eq!(sum(Costs::total), summary.stall_cycles());
            assert!(summary.stall_cycles() > 0);
        }
    }

    #[test]
    fn a_miss_that_a_level_catches_costs_less_than_one_that_goes_to_memory() {
        let counts = |misses, read| InstructionCounts {
            data_misses: misses,
            lower: Some(LowerMisses {
                l2: MissesByKind { read, ..MissesByKind::default() },
                l3: MissesByKind { read, ..MissesByKind::default() },
            }),
            ..InstructionCounts::default()
        };
        let costs = costs(&sample::levels());
        // With latencies of 4, 12, 40 and 200.
        assert_eq!(costs.total(&counts(20_000, 0)), 20_000 * 8);
        assert_eq!(costs.total(&counts(2_000, 2_000)), 2_000 * 196);
    }

    #[test]
    fn misses_of_the_only_level_need_no_cycles_beside_them() {
        assert_eq!(Costs::of(&sample::profile().run.options), None);
        let costs = costs(&with_summary(sample::profile()));
        let counts = InstructionCounts { data_misses: 3, ..InstructionCounts::default() };
        assert_eq!(costs.total(&counts), 3 * 196);
    }

    #[test]
    fn lists_of_instructions_that_the_reference_has_are_the_references() {
        let mut profile = sample::two_levels();
        profile.run.options = sample::with_parts(profile.run.options, |parts| {
            (parts.writes, parts.directions) = (None, Directions::Together);
        });
        profile.run.options.wants_summary = false;
        assert!(Costs::of(&profile.run.options).is_some());
        assert_eq!(Costs::of_instructions(&profile.run.options), None);
        assert!(Costs::of_instructions(&with_summary(profile).run.options).is_some());
        assert!(Costs::of_instructions(&sample::levels().run.options).is_some());
        assert_eq!(Costs::of_instructions(&with_summary(sample::profile()).run.options), None);
    }

    #[test]
    fn the_most_misses_do_not_overflow() {
        assert_eq!(costs(&sample::levels()).stall_cycles([u64::MAX; 3]), u64::MAX);
    }
}
