//! The model alone, told of one access after the other.

use cachesim::config::Config;
use cachesim::core::Lines;
use cachesim::model::{Access, Kind, Misses, Model};
use cachesim::stats::{CacheStats, CoreStats, Counter, LowerStats, Purpose};
use machine::PendingMisses;
use report::{
    CacheCounts, CoreProfile, CoreSnapshot, HierarchyCounts, LowerCounts, MissesByKind, SetMisses,
};

use super::{INSTRUCTIONS, Step, Told, run_fetches};

/// A core, and all that is counted of it.
pub struct Reference<M: Model> {
    config: Config,
    model: M,
    /// As [`Guest::refetch`](super::Guest::refetch).
    pub refetches: bool,
    /// How far instructions are from each other.
    pub instruction_bytes: u64,
    lines: Lines,
    now: u64,
    data: CacheCounts,
    fetch: CacheCounts,
    stores: CacheCounts,
    stats: CoreStats,
    sets: SetMisses,
    instructions: Vec<PendingMisses>,
}

impl<M: Model> Reference<M> {
    /// The cores of `config`.
    pub fn all(config: &Config) -> Vec<Self> {
        let shared = M::shared(config);
        let none = |sets: u64| vec![0; usize::try_from(sets).expect("few")];
        (0..config.cores().get())
            .map(|number| Self {
                config: *config,
                model: M::new(config, number, &shared),
                refetches: false,
                instruction_bytes: config.icache().geometry.line_bytes(),
                lines: Lines::new(config),
                now: 0,
                data: CacheCounts::default(),
                fetch: CacheCounts::default(),
                stores: CacheCounts::default(),
                stats: CoreStats::default(),
                sets: SetMisses {
                    data: none(config.dcache().geometry.sets()),
                    fetch: none(config.icache().geometry.sets()),
                },
                instructions: vec![PendingMisses::default(); INSTRUCTIONS],
            })
            .collect()
    }

    /// What [`Guest::told`](super::Guest::told) has to say of these cores.
    pub fn told(cores: &[Self]) -> Told {
        let mut instructions = vec![PendingMisses::default(); INSTRUCTIONS];
        for core in cores {
            for (sum, misses) in instructions.iter_mut().zip(&core.instructions) {
                sum.data += misses.data;
                sum.write += misses.write;
                sum.fetch += misses.fetch;
                sum.lower = sum.lower + misses.lower;
            }
        }
        Told { cores: cores.iter().map(Self::profile).collect(), instructions }
    }

    pub fn step(&mut self, step: Step) {
        match step {
            Step::Data { kind, address, bytes, then, instruction } => {
                self.fetch.accesses += then;
                self.data.accesses += 1;
                self.stores.accesses += u64::from(kind == Kind::Store);
                self.simulate(self.lines.access(kind, address, bytes), instruction);
                if self.refetches && then > 0 {
                    self.fetch(instruction, 1);
                }
            }
            Step::Run { instruction } => {
                let fetches = run_fetches(instruction);
                self.fetch.accesses += u64::from(fetches);
                self.fetch(instruction, fetches);
            }
            Step::Count { fetches } => self.fetch.accesses += fetches,
        }
    }

    pub fn steps(&mut self, steps: impl IntoIterator<Item = Step>) {
        steps.into_iter().for_each(|step| self.step(step));
    }

    fn fetch(&mut self, instruction: usize, fetches: u16) {
        let place = instruction as u64 * self.instruction_bytes;
        self.simulate(self.lines.access(Kind::Fetch, place, fetches), instruction);
    }

    fn simulate(&mut self, access: Access, instruction: usize) {
        self.now += 1;
        let kind = access.kind;
        if !self.model.has_mail()
            && self.model.hits(kind, access.line, access.extent.into(), self.now)
        {
            return;
        }
        let misses = self.model.simulate(access, self.now, &self.stats);
        if misses.any() {
            self.count(misses, access, instruction);
        }
    }

    fn count(&mut self, misses: Misses, access: Access, instruction: usize) {
        let set = |sets: u64| usize::try_from(access.line.number() % sets).expect("few");
        let of = &mut self.instructions[instruction];
        let purpose = match access.kind {
            Kind::Fetch => {
                self.fetch.misses += 1;
                self.sets.fetch[set(self.config.icache().geometry.sets())] += 1;
                of.fetch += 1;
                |level: &mut MissesByKind| level.fetch += 1
            }
            Kind::Load => |level: &mut MissesByKind| level.read += 1,
            Kind::Store => |level: &mut MissesByKind| level.write += 1,
        };
        if access.kind != Kind::Fetch {
            self.data.misses += 1;
            self.sets.data[set(self.config.dcache().geometry.sets())] += 1;
            of.data += 1;
        }
        if access.kind == Kind::Store {
            of.write += 1;
            self.stores.misses += 1;
        }
        if M::IS_HIERARCHY && self.config.lower().is_some() {
            if misses.levels() >= 2 {
                purpose(&mut of.lower.l2);
            }
            if misses.levels() >= 3 {
                purpose(&mut of.lower.l3);
            }
        }
    }

    fn profile(&self) -> CoreProfile {
        let lower = self.config.lower();
        let hierarchy = &self.stats.hierarchy;
        let tells_more = M::IS_HIERARCHY && !self.config.is_first_level_only();
        let hierarchy = tells_more.then(|| HierarchyCounts {
            stores: if self.config.tells_stores() { self.stores } else { CacheCounts::default() },
            l2: lower.map(|_| lower_counts(&hierarchy.l2)),
            l3: lower.and_then(|lower| lower.l3).map(|_| lower_counts(&hierarchy.l3)),
            passed_stores: hierarchy.passed_stores.get(),
            write_backs: hierarchy.write_backs.each_ref().map(Counter::get),
            memory_read_bytes: hierarchy.memory_read_bytes.get(),
            memory_written_bytes: hierarchy.memory_written_bytes.get(),
        });
        let counts = CoreSnapshot { data: self.data, fetch: self.fetch, hierarchy };
        CoreProfile { counts, sets: Some(self.sets.clone()) }
    }
}

fn lower_counts(stats: &LowerStats) -> LowerCounts {
    let of = |purpose| {
        let CacheStats { accesses, misses } = stats.of(purpose);
        CacheCounts { accesses: accesses.get(), misses: misses.get() }
    };
    LowerCounts {
        fetch: of(Purpose::Fetch),
        read: of(Purpose::Read),
        write: of(Purpose::Write),
        write_back: of(Purpose::WriteBack),
    }
}
