//! The cores of one machine, and what they share.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::{iter, ptr};

use cachesim::buffer::{AccessBuffer, Recorded};
use cachesim::config::Config;
use cachesim::core::{Core, Lines};
use cachesim::hierarchy::Hierarchy;
use cachesim::instructions::Instruction;
use cachesim::machines::Machines;
use cachesim::model::{Model, Port};
use cachesim::policy::{AnyPolicy, Policy, TimedPolicy};
use cachesim::stats::Purpose;
use cachesim::sync::{MutexGuard, RawMutex};
use report::CoreProfile;

use crate::core::{BySet, SetCounters, SimulatedCore, Times, add_counted};
use crate::counts::{Counts, PendingMisses};
use crate::event::Event;
use crate::queue::{Handover, Queue};

/// The locks of what cores share.
pub trait Locks: Model {
    /// Calls `act` for each, in the order in which they are taken, after those of the cores.
    fn every_shared_lock(shared: &'static Self::Shared, act: &dyn Fn(&'static RawMutex));
}

impl<P: Policy> Locks for Core<P> {
    fn every_shared_lock((): &'static (), _: &dyn Fn(&'static RawMutex)) {}
}

impl<P: Policy> Locks for Hierarchy<P> {
    fn every_shared_lock(shared: &'static Self::Shared, act: &dyn Fn(&'static RawMutex)) {
        let Some(cache) = shared else { return };
        // SAFETY: what is done to the locks is the caller's business.
        unsafe {
            cache.slices().iter().for_each(|slice| act(slice.raw()));
            cache.mail().for_each(|mail| act(mail.raw()));
        }
    }
}

/// What vCPUs record into at the moment, of those of a core: by the core's number.
pub(crate) type Current<'a> = &'a dyn Fn(usize) -> Vec<&'static AccessBuffer>;

/// What is recorded for a core and not yet simulated there: by the core's number.
pub(crate) type RecordedFor<'a> = &'a dyn Fn(usize) -> Vec<Recorded<'static>>;

/// The cores of one machine, which are told of accesses, and what they share.
#[derive(Debug)]
pub(crate) struct Processor<M: Model> {
    /// The machine's number.
    machine: usize,
    pub(crate) cores: Box<[SimulatedCore<M>]>,
    pub(crate) shared: M::Shared,
}

/// The cores of one machine, whatever its model.
pub(crate) trait AnyProcessor: Debug + Send + Sync {
    /// Simulates what waits longest for a core; whether there was anything.
    fn simulate_next(&self, core: usize, queue: &Queue) -> bool;

    /// Has nobody simulate anything on its cores as long as the value lives.
    fn hold(&self) -> Box<dyn Held + '_>;
}

/// A processor on which nobody simulates anything, but for vCPUs that use their cores without locks.
pub(crate) trait Held {
    /// What has been counted so far, with what `recorded` says of each core: that is tried out on copies of the cores.
    fn counts(&self, recorded: RecordedFor<'_>) -> Counts;
}

/// Their locks, which a fork takes.
pub(crate) trait LockedProcessor: AnyProcessor {
    /// Calls `act` for the lock of each core.
    fn every_core_lock(&'static self, act: &dyn Fn(&'static RawMutex));

    /// Calls `act` for the locks of what cores share.
    fn every_shared_lock(&'static self, act: &dyn Fn(&'static RawMutex));
}

/// The cores of a machine whose accesses are all recorded.
pub(crate) fn recorded(config: &Config, machine: u32, by_set: BySet) -> Box<dyn LockedProcessor> {
    if TimedPolicy::serves(config) {
        Box::new(Processor::<Hierarchy<TimedPolicy>>::new(config, machine, by_set))
    } else {
        Box::new(Processor::<Hierarchy<AnyPolicy>>::new(config, machine, by_set))
    }
}

/// Those of all machines of a run, and the buffers on their way to them.
#[derive(Debug)]
pub(crate) struct Processors<M: Model> {
    /// That of the run's own machine.
    pub(crate) own: Processor<M>,
    /// Those of the machines that this is compared with.
    compared: Box<[Box<dyn LockedProcessor>]>,
    /// Those in which vCPUs record.
    pub(crate) lines: Lines,
    pub(crate) queue: Queue,
}

impl<M: Locks> Processors<M> {
    pub(crate) fn new(machines: Machines, by_set: BySet, handover: Handover) -> Self {
        let compared = (1..).zip(machines.compared());
        Self {
            own: Processor::new(machines.own(), 0, by_set),
            compared: compared.map(|(number, config)| recorded(config, number, by_set)).collect(),
            lines: machines.lines(),
            queue: Queue::new(machines, handover),
        }
    }

    /// The locks of each, in the order of the machines.
    pub(crate) fn all_locks(&'static self) -> impl Iterator<Item = &'static dyn LockedProcessor> {
        let own: &dyn LockedProcessor = &self.own;
        iter::once(own).chain(self.compared.iter().map(|processor| &**processor))
    }
}

impl<M: Model> Processors<M> {
    /// Each, in the order of the machines.
    pub(crate) fn all(&self) -> impl Iterator<Item = &dyn AnyProcessor> {
        let own: &dyn AnyProcessor = &self.own;
        let compared = self.compared.iter().map(|processor| &**processor as &dyn AnyProcessor);
        iter::once(own).chain(compared)
    }

    /// What each machine has counted so far, with what waits for it and what is recorded at the moment, the same for all:
    /// vCPUs may run on meanwhile, but whoever wants to simulate or to hand over waits.
    pub(crate) fn counts(&self, current: Current<'_>) -> Vec<Counts> {
        let held: Vec<_> = self.all().map(AnyProcessor::hold).collect();
        let rows = self.queue.every_row();
        let current = rows.iter().enumerate().map(|(core, row)| {
            let buffers = current(core).into_iter().filter(|buffer| !row.has(buffer));
            buffers.map(AccessBuffer::now).collect::<Vec<_>>()
        });
        let current: Vec<_> = current.collect();
        let counts = held.iter().enumerate().map(|(machine, held)| {
            held.counts(&|core| {
                let waiting = rows[core].waiting_for(machine).map(AccessBuffer::now);
                waiting.chain(current[core].iter().copied()).collect()
            })
        });
        counts.collect()
    }

    /// Has each simulate what waits longest for a core; whether there was anything.
    pub(crate) fn simulate_some(&self, core: usize) -> bool {
        let simulated = self.all().map(|processor| processor.simulate_next(core, &self.queue));
        simulated.fold(false, |any, one| any | one)
    }

    /// Has all simulate what waits for a core.
    pub(crate) fn simulate_all(&self, core: usize) {
        self.all().for_each(|processor| while processor.simulate_next(core, &self.queue) {});
    }
}

impl<M: Model> Processor<M> {
    pub(crate) fn new(config: &Config, machine: u32, by_set: BySet) -> Self {
        let shared = M::shared(config);
        let cores = (0..config.cores().get())
            .map(|number| SimulatedCore::new(config, [machine, number], &shared, by_set));
        Self { machine: machine as usize, cores: cores.collect(), shared }
    }
}

impl<M: Model> AnyProcessor for Processor<M> {
    fn simulate_next(&self, core: usize, queue: &Queue) -> bool {
        let simulated = &self.cores[core];
        let mut model = simulated.model.lock();
        let Some(buffer) = queue.waiting_for(self.machine, core) else { return false };
        simulated.simulate(&mut model, buffer);
        queue.simulated(self.machine, core);
        true
    }

    fn hold(&self) -> Box<dyn Held + '_> {
        let models = self.cores.iter().map(|core| core.model.lock()).collect();
        Box::new(HeldProcessor { processor: self, models })
    }
}

struct HeldProcessor<'a, M: Model> {
    processor: &'a Processor<M>,
    /// By core.
    models: Vec<MutexGuard<'a, M>>,
}

impl<M: Model> Held for HeldProcessor<'_, M> {
    fn counts(&self, recorded: RecordedFor<'_>) -> Counts {
        let Processor { cores, shared, .. } = self.processor;
        let mut pending = HashMap::new();
        let copy_of_shared = OnceCell::new();
        let cores = cores.iter().zip(&self.models).enumerate().map(|(number, (core, model))| {
            let recorded = recorded(number);
            if recorded.is_empty() {
                let sets = core.sets.as_ref().map(SetCounters::get);
                return CoreProfile { counts: core.counts(&core.stats), sets };
            }
            let mut copy = model.on(copy_of_shared.get_or_init(|| M::scratch_copy(shared)));
            core.try_out(&mut copy, &recorded, &mut pending)
        });
        let cores = cores.collect();
        Counts { cores, pending }
    }
}

impl<M: Locks> LockedProcessor for Processor<M> {
    fn every_core_lock(&'static self, act: &dyn Fn(&'static RawMutex)) {
        self.cores.iter().for_each(|core| act(core.lock()));
    }

    fn every_shared_lock(&'static self, act: &dyn Fn(&'static RawMutex)) {
        M::every_shared_lock(&self.shared, act);
    }
}

impl<M: Model> SimulatedCore<M> {
    /// What this core will have counted when it has simulated `recorded`, which is tried out on `copy`, a copy of its
    /// model. Its misses by instruction are added to `pending`.
    fn try_out(
        &self,
        copy: &mut M,
        recorded: &[Recorded<'_>],
        pending: &mut HashMap<*const Instruction, PendingMisses>,
    ) -> CoreProfile {
        let mut sets = self.sets.as_ref().map(SetCounters::get);
        let stats = self.stats.clone();
        let mut times = Times::of(&stats);
        for buffer in recorded {
            let counted = buffer.peek(|port, address, token| {
                // SAFETY: the words are from `Event::record`.
                let event = unsafe { Event::of_record(self.lines, port, address, token) };
                let misses = times.simulate(copy, &event, &stats);
                if !misses.any() {
                    return;
                }
                pending.entry(ptr::from_ref(event.instruction)).or_default().add(misses);
                match port {
                    Port::Data => stats.data.misses.add(1),
                    Port::Fetch => stats.fetch_misses.add(1),
                };
                if misses.purpose() == Purpose::Write {
                    stats.stores.misses.add(1);
                }
                if let Some((misses, counters)) = sets.as_mut().zip(self.sets.as_ref()) {
                    counters.add_to(misses, port, event.access.line);
                }
            });
            add_counted(&stats, counted);
        }
        CoreProfile { counts: self.counts(&stats), sets }
    }
}
