//! What belongs to one vCPU.

use std::cell::UnsafeCell;
use std::marker::PhantomData;

use cachesim::buffer::{AccessBuffer, Counted, Room};
use cachesim::model::{Access, Misses, Model, Port};
use cachesim::pages::{PageCache, Regime, SharedGeneration};
use cachesim::profile::VcpuCounters;
use cachesim::stats::CoreStats;

use crate::core::SimulatedCore;
use crate::event::Event;

/// What belongs to one vCPU. Its `UnsafeCell` is for the thread that runs the vCPU alone.
#[derive(Debug)]
pub struct Vcpu<M: Model> {
    pub(crate) core: &'static SimulatedCore<M>,
    pages: UnsafeCell<PageCache>,
    pub(crate) buffer: AccessBuffer,
    pub(crate) counters: VcpuCounters,
}

// SAFETY: `pages` is reached through `OwnVcpu` only, in the callbacks of this vCPU; QEMU runs a vCPU, and so
// its callbacks, on one thread at a time. The rest is `Sync`.
unsafe impl<M: Model> Sync for Vcpu<M> {}

impl<M: Model> Vcpu<M> {
    pub(crate) fn new(core: &'static SimulatedCore<M>, buffer: AccessBuffer) -> Self {
        Self { core, pages: UnsafeCell::default(), buffer, counters: VcpuCounters::default() }
    }

    /// Records an event that has been counted.
    #[inline(always)]
    pub(crate) fn record(&self, event: &Event) {
        let Access { kind, line, extent, .. } = event.access;
        if self.buffer.record(kind, line, extent, event.record()) == Room::Full {
            self.drain();
        }
    }

    /// Simulates what has been recorded. The caller is this vCPU's thread.
    #[cold]
    pub(crate) fn drain(&self) {
        let core = self.core;
        let mut model = core.model.lock();
        let mut times = Times::of(&core.stats);
        let counted = self.buffer.peek(|port, address, token| {
            // SAFETY: the words are from `record`.
            let event = unsafe { Event::of_record(core.lines, port, address, token) };
            let misses = times.simulate(&mut *model, &event, &core.stats);
            if misses.any() {
                core.count_miss(misses, &event);
            }
        });
        add_counted(&core.stats, counted);
        self.buffer.clear();
    }
}

/// Counts what has been recorded or counted.
pub(crate) fn add_counted(stats: &CoreStats, counted: Counted) {
    let Counted { accesses, stores, fetches } = counted;
    stats.data.accesses.add(accesses);
    stats.stores.accesses.add(stores);
    stats.fetches.add(fetches);
}

/// A vCPU, in a callback of it.
#[derive(Debug)]
pub struct OwnVcpu<'a, M: Model> {
    vcpu: &'a Vcpu<M>,
    /// Not to be sent to another thread.
    here: PhantomData<*const ()>,
}

impl<'a, M: Model> OwnVcpu<'a, M> {
    /// The vCPU of the callback that this happens in.
    #[inline(always)]
    pub(crate) fn new(vcpu: &'a Vcpu<M>) -> Self {
        Self { vcpu, here: PhantomData }
    }

    /// The length of the data cache's lines, in bytes.
    pub fn data_line_bytes(&self) -> u64 {
        self.vcpu.core.lines.data_line_bytes()
    }

    /// Calls `act` with the translations that the vCPU remembers.
    #[inline(always)]
    fn with_pages<T>(&self, act: impl FnOnce(&mut PageCache) -> T) -> T {
        // SAFETY: callbacks of one vCPU do not overlap, this is the only way to `pages`, and nobody here calls
        // it within `act`.
        act(unsafe { &mut *self.vcpu.pages.get() })
    }

    /// See [`PageCache::get`].
    #[inline(always)]
    pub fn translation(
        &self,
        shared: &SharedGeneration,
        vaddr: u64,
        regime: Regime,
    ) -> Option<u64> {
        self.with_pages(|pages| pages.get(shared, vaddr, regime))
    }

    /// See [`PageCache::insert`].
    #[inline(always)]
    pub fn remember(&self, shared: &SharedGeneration, vaddr: u64, regime: Regime, paddr: u64) {
        self.with_pages(|pages| pages.insert(shared, vaddr, regime, paddr));
    }

    /// The vCPU's translations may have changed.
    pub fn forget_translations(&self) {
        self.with_pages(PageCache::raise_generation);
    }
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
        if model.hits(access.kind, access.line, access.extent.into(), *time) {
            return Misses::NONE;
        }
        model.simulate(access, *time, stats)
    }
}
