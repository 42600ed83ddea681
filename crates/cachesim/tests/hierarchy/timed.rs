//! A core with a hierarchy, driven as the callbacks drive it.

use cachesim::buffer::Port;
use cachesim::config::Config;
use cachesim::core::Lines;
use cachesim::hierarchy::{DataAccess, Hierarchy};
use cachesim::model::{DataEffect, EffectLayout, Fetch, Misses, Model, RECORD_BITS};
use cachesim::policy::Policy;
use cachesim::stats::CoreStats;

use super::naive::NaiveCounts;

/// How accesses are described.
pub const LAYOUT: EffectLayout = EffectLayout { store_bit: 17, size_shift: 4, size_mask: 7 };

/// What all cores of a run share.
pub type Shared = <Hierarchy<cachesim::policy::Lru> as Model>::Shared;

/// What an access does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Load,
    Store,
    Fetch,
}

/// An access.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub core: usize,
    pub kind: Kind,
    pub address: u64,
    pub size_log2: u8,
}

impl Step {
    /// What the model is told of a load or store.
    pub fn access(self) -> DataAccess {
        let effect = DataEffect { is_store: self.kind == Kind::Store, size_log2: self.size_log2 };
        DataAccess::new(self.address, LAYOUT.info(effect))
    }
}

/// A core with a time of its own.
#[derive(Clone, Debug)]
pub struct TimedHierarchy<P: Policy> {
    pub model: Hierarchy<P>,
    pub stats: CoreStats,
    lines: Lines,
    now: u64,
}

impl<P: Policy> TimedHierarchy<P> {
    /// As [`Model::new`].
    pub fn new(config: &Config, number: u32, shared: &Shared) -> Self {
        Self {
            model: Hierarchy::new(config, number, shared, LAYOUT),
            stats: CoreStats::default(),
            lines: Lines::new(config),
            now: 0,
        }
    }

    /// The cores of a run, all empty.
    pub fn all(config: &Config) -> Vec<Self> {
        let shared = Hierarchy::<P>::shared(config);
        (0..config.cores().get()).map(|number| Self::new(config, number, &shared)).collect()
    }

    /// A copy to try accesses on, as [`Model::on`].
    pub fn on(&self, shared: &Shared) -> Self {
        Self { model: self.model.on(shared), ..self.clone() }
    }

    /// Makes the access, and counts what its caller has to.
    pub fn step(&mut self, step: Step) -> Misses {
        self.now += 1;
        let (model, now, stats) = (&mut self.model, self.now, &self.stats);
        match step.kind {
            Kind::Load | Kind::Store => {
                let access = step.access();
                let misses = if model.access_hits(access, now) {
                    Misses::NONE
                } else {
                    model
                        .access_usual(access, now, stats)
                        .unwrap_or_else(|| model.access_rest(access, now, stats))
                };
                stats.data.accesses.add(1);
                stats.data.misses.add(u64::from(misses.any()));
                misses
            }
            Kind::Fetch => {
                let fetch =
                    Fetch { line: self.lines.fetch_line(step.address), address: step.address };
                let misses = if model.fetch_hits(fetch.line, now) {
                    Misses::NONE
                } else {
                    model
                        .fetch_usual(fetch, now, stats)
                        .unwrap_or_else(|| model.fetch_rest(fetch, now, stats))
                };
                stats.fetch_misses.add(u64::from(misses.any()));
                misses
            }
        }
    }

    /// As [`TimedHierarchy::step`], by way of what a buffer keeps of the access.
    pub fn replay(&mut self, step: Step) -> Misses {
        self.now += 1;
        let (port, (word, bits)) = match step.kind {
            Kind::Load | Kind::Store => (Port::Data, Hierarchy::<P>::record(step.access(), LAYOUT)),
            Kind::Fetch => (Port::Fetch, (self.lines.fetch_line(step.address).number(), 0)),
        };
        assert_eq!(bits & !RECORD_BITS, 0);
        self.model.replay(port, word, bits, || step.address, self.now, &self.stats)
    }

    /// All that is counted beyond accesses and misses of the first level.
    pub fn counts(&self) -> NaiveCounts {
        NaiveCounts::from(&*self.stats.beyond)
    }

    /// The line numbers of the levels, each sorted: the instruction cache, the data cache, the second and
    /// the third level.
    pub fn lines(&self) -> [Vec<u64>; 4] {
        let (icache, dcache) = self.model.first_level();
        [icache, dcache, self.model.second_level(), self.model.third_level()].map(|lines| {
            let mut numbers: Vec<u64> = lines.iter().map(|line| line.number()).collect();
            numbers.sort_unstable();
            numbers
        })
    }
}

/// How many levels missed.
pub fn number(misses: Misses) -> usize {
    misses.levels()
}
