//! A core with a hierarchy, driven as the callbacks drive it.

use cachesim::config::Config;
use cachesim::core::Lines;
use cachesim::hierarchy::Hierarchy;
pub use cachesim::model::Kind;
use cachesim::model::{Access, Misses, Model};
use cachesim::policy::Policy;
use cachesim::stats::CoreStats;

use super::naive::NaiveCounts;

/// What all cores of a run share.
pub type Shared = <Hierarchy<cachesim::policy::Lru> as Model>::Shared;

/// An access.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub core: usize,
    pub kind: Kind,
    pub address: u64,
    pub size_log2: u8,
}

impl Step {
    /// What the model is told.
    fn access(self, lines: Lines) -> Access {
        let extent = match self.kind {
            Kind::Fetch => 1,
            Kind::Load | Kind::Store => 1 << self.size_log2,
        };
        lines.access(self.kind, self.address, extent)
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
            model: Hierarchy::new(config, number, shared),
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
        let access = step.access(self.lines);
        let misses = if !model.has_mail() && model.hits(step.kind, access.line, 1, now) {
            Misses::NONE
        } else {
            model.simulate(access, now, stats)
        };
        let first_level = u64::from(misses.any());
        if step.kind == Kind::Fetch {
            stats.fetch_misses.add(first_level);
        } else {
            stats.data.accesses.add(1);
            stats.data.misses.add(first_level);
        }
        misses
    }

    /// As [`TimedHierarchy::step`], without the fast question.
    pub fn step_slowly(&mut self, step: Step) -> Misses {
        self.now += 1;
        self.model.simulate(step.access(self.lines), self.now, &self.stats)
    }

    /// All that is counted beyond accesses and misses of the first level.
    pub fn counts(&self) -> NaiveCounts {
        NaiveCounts::from(&*self.stats.hierarchy)
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
