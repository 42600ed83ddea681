//! All cores and vCPUs of a run, and what they have counted.

use std::collections::HashMap;

use cachesim::buffer::AccessBuffer;
use cachesim::machines::Machines;
use cachesim::model::Model;
use cachesim::profile::VcpuCounters;
use cachesim::sync::atomic::{Ordering, fence};
use cachesim::sync::{Mutex, RawMutex};
use report::CoreSnapshot;

use crate::core::{BySet, SimulatedCore};
use crate::counts::Counts;
use crate::directory::Directory;
use crate::processor::{Locks, Processors};
use crate::queue::Handover;
use crate::vcpu::{OwnVcpu, Vcpu};

/// All cores and vCPUs of the run.
#[derive(Debug)]
pub struct Machine<M: Model> {
    directory: &'static Directory,
    processors: Processors<M>,
    /// See [`Directory`].
    null_core: SimulatedCore<M>,
    registry: Mutex<Registry<M>>,
}

#[derive(Debug)]
struct Registry<M: Model> {
    /// Every vCPU that exists or existed, by index. One that is gone keeps its place until another
    /// takes its index: what it recorded last is still to be reported.
    by_index: HashMap<u32, &'static Vcpu<M>>,
    /// Every vCPU that was ever made: also those in `free`.
    all: Vec<&'static Vcpu<M>>,
    /// vCPUs that are gone and whose records have been simulated, to be used again, by core.
    free: HashMap<usize, Vec<&'static Vcpu<M>>>,
}

impl<M: Locks> Machine<M> {
    /// The cores of `machines`, which callbacks find by `directory` from now on. Lives until the process ends. Where
    /// there are machines to compare with, the vCPUs must record: `directory` must expect several, and the cores of `M`
    /// must tell stores from loads.
    ///
    /// # Panics
    /// Where the directory has a machine already: its model may be another.
    pub fn start(
        machines: Machines,
        by_set: BySet,
        handover: Handover,
        directory: &'static Directory,
    ) -> &'static Self {
        let own = machines.own();
        let null_core =
            SimulatedCore::new(&own.one_line_each(), [0, 0], &M::shared(own), BySet::NotCounted);
        let machine: &'static Self = Box::leak(Box::new(Self {
            directory,
            null_core,
            processors: Processors::new(machines, by_set, handover),
            registry: Mutex::new(Registry {
                by_index: HashMap::new(),
                all: Vec::new(),
                free: HashMap::new(),
            }),
        }));
        directory.set_machine(machine, &machine.null_core);
        machine
    }
}

impl<M: Model> Machine<M> {
    /// The vCPU of `index`, which is made if there is none.
    pub(crate) fn register(&'static self, index: u32) -> &'static Vcpu<M> {
        let mut registry = self.registry.lock();
        if let Some(known) = registry.by_index.get(&index) {
            return known;
        }
        let core = index as usize % self.processors.own.cores.len();
        let used_before = registry.free.get_mut(&core).and_then(Vec::pop);
        let vcpu = used_before.unwrap_or_else(|| {
            let vcpu: &'static Vcpu<M> = Box::leak(Box::new(Vcpu::new(&self.processors, core)));
            registry.all.push(vcpu);
            vcpu
        });
        registry.by_index.insert(index, vcpu);
        self.directory.set_vcpu(index, Some(vcpu));
        vcpu
    }
}

/// A machine whatever its model, for everything that is not an access.
pub trait Simulator: Sync {
    /// What each machine has counted so far, the run's own first. vCPUs may run on meanwhile; nothing is changed, so
    /// that a guest that goes on after a report loses and doubles nothing.
    fn counts(&self) -> Vec<Counts>;

    /// About what all cores of the run's own machine have counted so far, without stopping a vCPU: what is recorded
    /// and not yet simulated counts as accesses, and may be counted twice while it is being simulated.
    fn rough_sum(&self) -> CoreSnapshot;

    /// Calls `visit` with every vCPU's part in what instructions count in full.
    fn vcpu_counters(&'static self, visit: &mut dyn FnMut(&'static VcpuCounters));

    /// The translations of vCPU `index` may have changed.
    ///
    /// # Safety
    /// The caller is a callback of that vCPU.
    unsafe fn translations_changed(&'static self, index: u32);

    /// Simulates what has been handed over and waits longest, on this thread; whether there was anything.
    fn work(&'static self) -> bool;

    /// Simulates all that has been handed over so far.
    fn settle(&'static self);

    /// Has vCPUs simulate the next so many full buffers themselves; `None`: all from now on.
    fn pause_handover(&self, buffers: Option<usize>);

    /// The vCPU of `index` is gone. Its record is simulated and it can be used for another.
    ///
    /// # Safety
    /// No callback of that vCPU runs any more, nor will: its thread calls this, or has ended.
    unsafe fn retire(&self, index: u32);

    /// Calls `act` for every lock, in the order in which they are taken.
    fn every_lock(&'static self, act: &dyn Fn(&'static RawMutex));
}

impl<M: Locks> Simulator for Machine<M> {
    fn counts(&self) -> Vec<Counts> {
        let registry = self.registry.lock();
        // The only vCPU uses its core without the lock and records nothing. It stops that before it says that there
        // may be several: who has not heard of it may not copy the core.
        let several = self.directory.several_expected();
        let current = |core: usize| {
            let of_core = |vcpu: &&Vcpu<M>| several && vcpu.core.number as usize == core;
            let vcpus = registry.by_index.values().copied().filter(of_core);
            vcpus.map(Vcpu::buffer).filter(|buffer| !buffer.is_empty()).collect()
        };
        self.processors.counts(&current)
    }

    fn rough_sum(&self) -> CoreSnapshot {
        // Before the cores, or what is simulated in between would be missed.
        let recorded: Vec<_> = {
            let registry = self.registry.lock();
            let rows = (0..self.processors.own.cores.len())
                .map(|core| self.processors.queue.row(core).lock());
            let waiting = rows.flat_map(|row| {
                let waiting = row.waiting_for(0).map(AccessBuffer::counted);
                waiting.collect::<Vec<_>>()
            });
            registry.all.iter().map(|vcpu| vcpu.buffer().counted()).chain(waiting).collect()
        };
        // With that of `AccessBuffer::clear`.
        fence(Ordering::Acquire);
        let counted: Vec<_> =
            self.processors.own.cores.iter().map(|core| core.counts(&core.stats)).collect();
        let mut sum: CoreSnapshot = counted.iter().sum();
        for counted in recorded {
            sum.data.accesses += counted.accesses;
            sum.fetch.accesses += counted.fetches;
        }
        sum
    }

    fn vcpu_counters(&'static self, visit: &mut dyn FnMut(&'static VcpuCounters)) {
        self.registry.lock().all.iter().for_each(|vcpu| visit(&vcpu.counters));
        self.processors.own.cores.iter().for_each(|core| visit(&core.counters));
    }

    unsafe fn translations_changed(&'static self, index: u32) {
        OwnVcpu::new(self.register(index)).forget_translations();
    }

    fn work(&'static self) -> bool {
        let Some((core, machine)) = self.processors.queue.next() else { return false };
        // A vCPU or a report may have done it.
        if let Some(processor) = self.processors.all().nth(machine) {
            processor.simulate_next(core, &self.processors.queue);
        }
        true
    }

    fn settle(&'static self) {
        for core in 0..self.processors.own.cores.len() {
            for (machine, processor) in self.processors.all().enumerate() {
                let waiting = self.processors.queue.row(core).lock().waiting_for(machine).len();
                for _ in 0..waiting {
                    processor.simulate_next(core, &self.processors.queue);
                }
            }
        }
    }

    fn pause_handover(&self, buffers: Option<usize>) {
        self.processors.queue.pause(buffers);
    }

    unsafe fn retire(&self, index: u32) {
        let mut registry = self.registry.lock();
        if let Some(vcpu) = registry.by_index.remove(&index) {
            self.directory.set_vcpu::<Vcpu<M>>(index, None);
            vcpu.drain();
            // Who has it next begins with other page tables.
            OwnVcpu::new(vcpu).forget_translations();
            registry.free.entry(vcpu.core.number as usize).or_default().push(vcpu);
        }
    }

    fn every_lock(&'static self, act: &dyn Fn(&'static RawMutex)) {
        // SAFETY: only a reference is made here; what is done to the lock is the caller's business.
        act(unsafe { self.registry.raw() });
        self.processors.all_locks().for_each(|processor| processor.every_core_lock(act));
        self.processors.queue.every_row_lock(act);
        self.processors.all_locks().for_each(|processor| processor.every_shared_lock(act));
        self.processors.queue.locks().into_iter().for_each(act);
    }
}
