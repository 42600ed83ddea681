//! All cores and vCPUs of a run, and what they have counted.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ptr;

use cachesim::config::Config;
use cachesim::core::Core;
use cachesim::hierarchy::Hierarchy;
use cachesim::instructions::Instruction;
use cachesim::model::{Model, Port};
use cachesim::policy::Policy;
use cachesim::profile::VcpuCounters;
use cachesim::stats::Purpose;
use cachesim::sync::atomic::{Ordering, fence};
use cachesim::sync::{Mutex, RawMutex};
use report::{CoreProfile, CoreSnapshot};

use crate::core::{BySet, SetCounters, SimulatedCore, Times, add_counted};
use crate::counts::{Counts, PendingMisses};
use crate::directory::Directory;
use crate::event::Event;
use crate::queue::{Handover, Queue};
use crate::vcpu::{OwnVcpu, Vcpu};

/// All cores and vCPUs of the run.
#[derive(Debug)]
pub struct Machine<M: Model> {
    directory: &'static Directory,
    queue: Queue,
    cores: Box<[SimulatedCore<M>]>,
    /// See [`Directory`].
    null_core: SimulatedCore<M>,
    shared: M::Shared,
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

impl<M: Locks> Machine<M> {
    /// The cores of `config`, which callbacks find by `directory` from now on. Lives until the process ends.
    ///
    /// # Panics
    /// Where the directory has a machine already: its model may be another.
    pub fn start(
        config: &Config,
        by_set: BySet,
        handover: Handover,
        directory: &'static Directory,
    ) -> &'static Self {
        let shared = M::shared(config);
        let cores = (0..config.cores().get())
            .map(|number| SimulatedCore::new(config, number, &shared, by_set));
        let machine: &'static Self = Box::leak(Box::new(Self {
            directory,
            queue: Queue::new(config, handover),
            cores: cores.collect(),
            null_core: SimulatedCore::new(&config.one_line_each(), 0, &shared, BySet::NotCounted),
            shared,
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
        let core = index as usize % self.cores.len();
        let used_before = registry.free.get_mut(&core).and_then(Vec::pop);
        let vcpu = used_before.unwrap_or_else(|| {
            let vcpu = Vcpu::new(&self.cores[core], &self.queue);
            let vcpu: &'static Vcpu<M> = Box::leak(Box::new(vcpu));
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
    /// What has been counted so far. vCPUs may run on meanwhile; nothing is changed, so that a guest
    /// that goes on after a report loses and doubles nothing.
    fn counts(&self) -> Counts;

    /// About what all cores have counted so far, without stopping a vCPU: what is recorded and not yet
    /// simulated counts as accesses, and may be counted twice while it is being simulated.
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
    fn counts(&self) -> Counts {
        let registry = self.registry.lock();
        // The only vCPU uses its core without the lock and records nothing. It stops that before it says that there
        // may be several: who has not heard of it may not copy the core.
        let several = self.directory.several_expected();
        let mut pending = HashMap::new();
        let shared = OnceCell::new();
        let cores = self.cores.iter().map(|core| {
            let vcpus = registry.by_index.values().filter(|vcpu| several && core.is(vcpu.core));
            core.profile(
                vcpus,
                || shared.get_or_init(|| M::scratch_copy(&self.shared)),
                &mut pending,
            )
        });
        let cores = cores.collect();
        Counts { cores, pending }
    }

    fn rough_sum(&self) -> CoreSnapshot {
        // Before the cores, or what is simulated in between would be missed.
        let recorded: Vec<_> =
            self.registry.lock().all.iter().map(|vcpu| vcpu.buffer().counted()).collect();
        let waiting = self.cores.iter().flat_map(|core| {
            core.row.lock().iter().map(|buffer| buffer.counted()).collect::<Vec<_>>()
        });
        let recorded: Vec<_> = recorded.into_iter().chain(waiting).collect();
        // With that of `AccessBuffer::clear`.
        fence(Ordering::Acquire);
        let counted: Vec<_> = self.cores.iter().map(|core| core.counts(&core.stats)).collect();
        let mut sum: CoreSnapshot = counted.iter().sum();
        for counted in recorded {
            sum.data.accesses += counted.accesses;
            sum.fetch.accesses += counted.fetches;
        }
        sum
    }

    fn vcpu_counters(&'static self, visit: &mut dyn FnMut(&'static VcpuCounters)) {
        self.registry.lock().all.iter().for_each(|vcpu| visit(&vcpu.counters));
        self.cores.iter().for_each(|core| visit(&core.counters));
    }

    unsafe fn translations_changed(&'static self, index: u32) {
        OwnVcpu::new(self.register(index)).forget_translations();
    }

    fn work(&'static self) -> bool {
        let Some(number) = self.queue.next() else { return false };
        let core = &self.cores[number as usize];
        // A vCPU or a report may have done it.
        core.simulate_next(&mut core.model.lock(), &self.queue);
        true
    }

    fn settle(&'static self) {
        for core in &self.cores {
            let waiting = core.row.lock().len();
            for _ in 0..waiting {
                core.simulate_next(&mut core.model.lock(), &self.queue);
            }
        }
    }

    fn pause_handover(&self, buffers: Option<usize>) {
        self.queue.pause(buffers);
    }

    unsafe fn retire(&self, index: u32) {
        let mut registry = self.registry.lock();
        if let Some(vcpu) = registry.by_index.remove(&index) {
            self.directory.set_vcpu::<Vcpu<M>>(index, None);
            vcpu.drain();
            // Who has it next begins with other page tables.
            OwnVcpu::new(vcpu).forget_translations();
            registry.free.entry(index as usize % self.cores.len()).or_default().push(vcpu);
        }
    }

    fn every_lock(&'static self, act: &dyn Fn(&'static RawMutex)) {
        // SAFETY: only a reference is made here; what is done to the lock is the caller's business.
        act(unsafe { self.registry.raw() });
        for number in 0..2 {
            self.cores.iter().for_each(|core| act(core.locks()[number]));
        }
        M::every_shared_lock(&self.shared, act);
        self.queue.locks().into_iter().for_each(act);
    }
}

impl<M: Model> SimulatedCore<M> {
    /// What this core has counted, with what `vcpus` have recorded for it: that is tried out on a copy, which
    /// shares what `shared` says. Its misses by instruction are added to `pending`.
    fn profile<'a>(
        &self,
        vcpus: impl Iterator<Item = &'a &'static Vcpu<M>>,
        shared: impl FnOnce() -> &'a M::Shared,
        pending: &mut HashMap<*const Instruction, PendingMisses>,
    ) -> CoreProfile
    where
        M: 'a,
    {
        // Whoever wants to simulate or to hand over waits here, so what is recorded now stays where it is.
        let guard = self.model.lock();
        let row = self.row.lock();
        let mut counts = self.counts(&self.stats);
        let mut sets = self.sets.as_ref().map(SetCounters::get);
        let current = vcpus.map(|vcpu| vcpu.buffer()).filter(|buffer| !buffer.is_empty());
        let recorded: Vec<_> = row.iter().copied().chain(current).collect();
        if !recorded.is_empty() {
            let mut model = guard.on(shared());
            let stats = self.stats.clone();
            let mut times = Times::of(&stats);
            for buffer in recorded {
                let counted = buffer.peek(|port, address, token| {
                    // SAFETY: the words are from `Event::record`.
                    let event = unsafe { Event::of_record(self.lines, port, address, token) };
                    let misses = times.simulate(&mut model, &event, &stats);
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
            counts = self.counts(&stats);
        }
        CoreProfile { counts, sets }
    }
}
