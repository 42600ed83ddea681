//! A simulated core: its caches and what is counted of them.

use cachesim::address::LineAddr;
use cachesim::buffer::{AccessBuffer, Counted};
use cachesim::config::Config;
use cachesim::core::Lines;
use cachesim::geometry::CacheGeometry;
use cachesim::instructions::MissCounters;
use cachesim::model::{Misses, Model, Port};
use cachesim::profile::VcpuCounters;
use cachesim::stats::{CoreStats, Counter, Purpose};
use cachesim::sync::atomic::{Ordering, fence};
use cachesim::sync::{Mutex, RawMutex};
use report::SetMisses;

use crate::event::Event;

/// A simulated core. What callbacks need comes first: so they reach it with short instructions.
#[derive(Debug)]
#[repr(C)]
pub struct SimulatedCore<M: Model> {
    pub(crate) stats: CoreStats,
    /// Whoever holds the lock may use the model. A core of one vCPU is used without it: see
    /// [`OwnCore`](crate::OwnCore).
    pub(crate) model: Mutex<M>,
    pub(crate) lines: Lines,
    pub(crate) sets: Option<SetCounters>,
    pub(crate) counters: VcpuCounters,
    pub(crate) number: u32,
    /// The number of the machine that it is a core of, as
    /// [`Instruction::misses_in`](cachesim::instructions::Instruction::misses_in) wants to have it.
    pub(crate) machine: usize,
    pub(crate) is_first_level_only: bool,
    pub(crate) tells_stores: bool,
    pub(crate) has_l2: bool,
    pub(crate) has_l3: bool,
    writers: Writers,
    /// Whether one writer counts, by set nothing is counted, and the machine is the run's own.
    counts_plainly: bool,
}

/// Whether misses are also counted by the set that they are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BySet {
    /// They are.
    Counted,
    /// They are not.
    NotCounted,
}

/// Who counts misses on an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Writers {
    /// One at a time: the only vCPU, or whoever has the lock of the only core.
    One,
    /// Several cores at once.
    Many,
}

impl Writers {
    #[inline(always)]
    fn count(self, counter: &Counter) {
        match self {
            Self::One => _ = counter.add(1),
            Self::Many => counter.add_shared(1),
        }
    }
}

/// Misses by set, where they are wanted. Who writes them is who may use the core.
#[derive(Debug)]
pub(crate) struct SetCounters {
    dcache: CacheGeometry,
    icache: CacheGeometry,
    data: Box<[Counter]>,
    fetch: Box<[Counter]>,
}

impl SetCounters {
    fn new(config: &Config) -> Self {
        let (icache, dcache) = (config.icache().geometry, config.dcache().geometry);
        let counters = |cache: CacheGeometry| (0..cache.sets()).map(|_| Counter::default());
        Self { dcache, icache, data: counters(dcache).collect(), fetch: counters(icache).collect() }
    }

    fn count(&self, port: Port, line: LineAddr) {
        match port {
            Port::Data => self.data[self.dcache.set_of(line)].add(1),
            Port::Fetch => self.fetch[self.icache.set_of(line)].add(1),
        };
    }

    /// Adds a miss to what [`SetCounters::get`] returned.
    pub(crate) fn add_to(&self, misses: &mut SetMisses, port: Port, line: LineAddr) {
        match port {
            Port::Data => misses.data[self.dcache.set_of(line)] += 1,
            Port::Fetch => misses.fetch[self.icache.set_of(line)] += 1,
        }
    }

    pub(crate) fn get(&self) -> SetMisses {
        let counts = |counters: &[Counter]| counters.iter().map(Counter::get).collect();
        SetMisses { data: counts(&self.data), fetch: counts(&self.fetch) }
    }
}

impl<M: Model> SimulatedCore<M> {
    /// Core `number` of machine `machine`.
    pub(crate) fn new(
        config: &Config,
        [machine, number]: [u32; 2],
        shared: &M::Shared,
        by_set: BySet,
    ) -> Self {
        let writers = if config.cores().get() == 1 { Writers::One } else { Writers::Many };
        Self {
            stats: CoreStats::default(),
            model: Mutex::new(M::new(config, number, shared)),
            lines: Lines::new(config),
            sets: (by_set == BySet::Counted).then(|| SetCounters::new(config)),
            counters: VcpuCounters::default(),
            number,
            machine: machine as usize,
            is_first_level_only: config.is_first_level_only(),
            tells_stores: config.tells_stores(),
            has_l2: config.lower().is_some(),
            has_l3: config.lower().is_some_and(|lower| lower.l3.is_some()),
            writers,
            counts_plainly: writers == Writers::One && by_set == BySet::NotCounted && machine == 0,
        }
    }

    /// Counts a miss wherever it is counted.
    #[inline(always)]
    pub(crate) fn count_miss(&self, misses: Misses, event: &Event) {
        // Whoever reads that it missed reads after that that it was.
        fence(Ordering::Release);
        match port_of(misses) {
            Port::Data => self.stats.data.misses.add(1),
            Port::Fetch => self.stats.fetch_misses.add(1),
        };
        if self.counts_plainly {
            self.count_at_instruction(Writers::One, misses, &event.instruction.misses);
        } else {
            self.count_elsewhere(misses, event);
        }
    }

    #[inline(never)]
    fn count_elsewhere(&self, misses: Misses, event: &Event) {
        let counters = event.instruction.misses_in(self.machine);
        self.count_at_instruction(self.writers, misses, counters);
        if let Some(sets) = &self.sets {
            sets.count(port_of(misses), event.access.line);
        }
    }

    /// Counts a miss at its instruction, and a store's among those of stores.
    #[inline(always)]
    fn count_at_instruction(&self, writers: Writers, misses: Misses, counters: &MissCounters) {
        match misses.purpose() {
            Purpose::Fetch => writers.count(&counters.fetch),
            Purpose::Read => writers.count(&counters.data),
            Purpose::Write | Purpose::WriteBack => {
                writers.count(&counters.data);
                writers.count(&counters.write);
            }
        }
        if M::IS_HIERARCHY {
            if misses.purpose() == Purpose::Write {
                self.stats.stores.misses.add(1);
            }
            for counter in counters.lower.iter().flat_map(|lower| lower.missed(misses)) {
                writers.count(counter);
            }
        }
    }

    /// Simulates what a buffer holds. Who calls it has the lock of the model, `model`.
    pub(crate) fn simulate(&self, model: &mut M, buffer: &AccessBuffer) {
        let mut times = Times::of(&self.stats);
        let counted = buffer.peek(|port, address, token| {
            // SAFETY: the words are from `Event::record`.
            let event = unsafe { Event::of_record(self.lines, port, address, token) };
            let misses = times.simulate(&mut *model, &event, &self.stats);
            if misses.any() {
                self.count_miss(misses, &event);
            }
        });
        add_counted(&self.stats, counted);
    }

    /// The lock of its model.
    pub(crate) fn lock(&self) -> &RawMutex {
        // SAFETY: only a reference is made here; who locks or unlocks by it has to see to the rest.
        unsafe { self.model.raw() }
    }
}

/// Counts what has been recorded or counted.
pub(crate) fn add_counted(stats: &CoreStats, counted: Counted) {
    let Counted { accesses, stores, fetches } = counted;
    stats.data.accesses.add(accesses);
    stats.stores.accesses.add(stores);
    stats.fetches.add(fetches);
}

/// The times of accesses that come out of buffers: they go on where the counters are, and stay behind
/// what these will be when all accesses of the buffer have been added, also those not recorded.
pub(crate) struct Times {
    data: u64,
    fetch: u64,
}

impl Times {
    pub(crate) fn of(stats: &CoreStats) -> Self {
        Self { data: stats.data.accesses.get(), fetch: stats.fetches.get() }
    }

    /// The next access that was recorded. Counts what a model counts of what is beyond
    /// the first level.
    #[inline(always)]
    pub(crate) fn simulate<M: Model>(
        &mut self,
        model: &mut M,
        event: &Event,
        stats: &CoreStats,
    ) -> Misses {
        let access = event.access;
        let time = match access.kind.port() {
            Port::Data => &mut self.data,
            Port::Fetch => &mut self.fetch,
        };
        *time += 1;
        if !model.has_mail() && model.hits(access.kind, access.line, access.extent.into(), *time) {
            return Misses::NONE;
        }
        model.simulate(access, *time, stats)
    }
}

/// The cache that an access went to.
#[inline(always)]
pub(crate) fn port_of(misses: Misses) -> Port {
    match misses.purpose() {
        Purpose::Fetch => Port::Fetch,
        Purpose::Read | Purpose::Write | Purpose::WriteBack => Port::Data,
    }
}
