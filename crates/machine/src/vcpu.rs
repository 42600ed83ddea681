//! What belongs to one vCPU.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ptr;

use cachesim::buffer::{AccessBuffer, Room};
use cachesim::core::Lines;
use cachesim::model::{Access, Model};
use cachesim::pages::{PageCache, Regime, SharedGeneration};
use cachesim::profile::VcpuCounters;
use cachesim::sync::atomic::{AtomicPtr, Ordering};

use crate::core::SimulatedCore;
use crate::event::Event;
use crate::processor::Processors;
use crate::queue::Then;

/// What belongs to one vCPU. Its `UnsafeCell` is for the thread that runs the vCPU alone.
#[derive(Debug)]
pub struct Vcpu<M: Model> {
    pub(crate) core: &'static SimulatedCore<M>,
    /// Those in which it records.
    pub(crate) lines: Lines,
    pages: UnsafeCell<PageCache>,
    /// What it records into, a `&'static AccessBuffer`.
    buffer: AtomicPtr<AccessBuffer>,
    processors: &'static Processors<M>,
    pub(crate) counters: VcpuCounters,
}

// SAFETY: `pages` is reached through `OwnVcpu` only, in the callbacks of this vCPU; QEMU runs a vCPU, and so
// its callbacks, on one thread at a time. The rest is `Sync`.
unsafe impl<M: Model> Sync for Vcpu<M> {}

impl<M: Model> Vcpu<M> {
    /// One on core `core`.
    pub(crate) fn new(processors: &'static Processors<M>, core: usize) -> Self {
        Self {
            core: &processors.own.cores[core],
            lines: processors.lines,
            pages: UnsafeCell::default(),
            buffer: AtomicPtr::new(ptr::from_ref(processors.queue.make()).cast_mut()),
            processors,
            counters: VcpuCounters::default(),
        }
    }

    /// What it records into. It stays the vCPU's while its core's row is locked.
    #[inline(always)]
    pub(crate) fn buffer(&self) -> &'static AccessBuffer {
        // SAFETY: it was made of a `&'static AccessBuffer`, as is all that is stored there, and only shared
        // references are made of it.
        unsafe { &*self.buffer.load(Ordering::Acquire) }
    }

    /// Records an event that has been counted.
    #[inline(always)]
    pub(crate) fn record(&self, event: &Event) {
        let Access { kind, line, extent, .. } = event.access;
        if self.buffer().record(kind, line, extent, event.record()) == Room::Full {
            self.hand_over();
        }
    }

    fn core_number(&self) -> usize {
        self.core.number as usize
    }

    /// Has what has been recorded simulated, by others or here. The caller is this vCPU's thread.
    #[cold]
    fn hand_over(&self) {
        let Self { processors, .. } = *self;
        while !self.swap_buffer() {
            if !processors.simulate_some(self.core_number()) {
                return self.drain();
            }
        }
        processors.queue.announce(self.core_number());
    }

    /// Puts the buffer into the core's row and goes on with another one, if one is left.
    fn swap_buffer(&self) -> bool {
        let queue = &self.processors.queue;
        let Some(next) = queue.spare() else { return false };
        let mut row = queue.row(self.core_number()).lock();
        row.push(self.buffer(), Then::GiveBack);
        self.buffer.store(ptr::from_ref(next).cast_mut(), Ordering::Release);
        true
    }

    /// Simulates what has been recorded. The caller is this vCPU's thread.
    pub(crate) fn drain(&self) {
        let core = self.core_number();
        self.processors.queue.row(core).lock().push(self.buffer(), Then::Keep);
        self.processors.simulate_all(core);
    }
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

    /// The length of the data cache's lines, in bytes; of several machines' that of the shortest.
    pub fn data_line_bytes(&self) -> u64 {
        self.vcpu.lines.data_line_bytes()
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
