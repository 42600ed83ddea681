//! What the page's rows are in the order of, and shaded by: stall cycles where costs are known, else misses.

use options::Options;

use super::charts::LEVELS;
use super::format::{self, Count, level};
use crate::{CoreSnapshot, Costs, InstructionCounts};

/// How much a row matters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    pub(super) costs: Option<Costs>,
}

impl Weight {
    /// That of a run with these settings.
    pub(super) fn new(options: &Options) -> Self {
        Self { costs: Costs::of(options) }
    }

    /// Of all accesses.
    pub(super) fn of(self, counts: &InstructionCounts) -> u64 {
        self.costs.map_or_else(|| counts.misses(), |costs| costs.total(counts))
    }

    /// Of all accesses of a core.
    pub(super) fn of_core(self, core: &CoreSnapshot) -> u64 {
        let misses = || [core.data.misses, core.fetch.misses];
        let each = self.costs.map_or_else(misses, |costs| costs.of_core(core));
        each.into_iter().fold(0, u64::saturating_add)
    }

    /// What it counts.
    pub(super) fn noun(self) -> &'static str {
        if self.costs.is_some() { "stall cycles" } else { "misses" }
    }

    /// What the column is called.
    pub(super) fn column(self) -> &'static str {
        if self.costs.is_some() { "Stall cycles" } else { "Misses" }
    }

    /// "1,234 stall cycles".
    pub(super) fn counted(self, weight: u64) -> String {
        match self.costs {
            Some(_) => format!("{} stall cycles", Count::from(weight)),
            None => format::misses(weight),
        }
    }

    /// How strong the shade of a line is, where `hottest` is the weight of the hottest line. A line with one
    /// miss has none, nor has one that is nothing beside the hottest.
    pub(super) fn heat(self, counts: &InstructionCounts, hottest: u64) -> u8 {
        let weight = self.of(counts);
        let is_nothing = counts.misses() <= 1 || weight.saturating_mul(100) < hottest;
        if is_nothing { 0 } else { level(weight, hottest, LEVELS) }
    }

    /// The stall cycles of a row, where costs are known.
    pub(super) fn stalls(self, counts: &InstructionCounts) -> Option<Count> {
        self.costs.map(|costs| costs.total(counts).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_matter_are_shaded_and_no_others() {
        let weight = Weight { costs: None };
        let heat = |misses, hottest| {
            let counts = InstructionCounts { data_misses: misses, ..InstructionCounts::default() };
            weight.heat(&counts, hottest)
        };
        assert_eq!([heat(0, 0), heat(1, 1), heat(1, 2)], [0, 0, 0]);
        assert_eq!([heat(2, 2), heat(2, 200), heat(2, 201)], [6, 1, 0]);
        assert_eq!([heat(10, 1000), heat(500, 1000), heat(u64::MAX, u64::MAX)], [1, 3, 6]);
    }
}
