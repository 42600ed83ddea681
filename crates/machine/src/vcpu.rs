//! What belongs to one vCPU.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ptr;

use cachesim::buffer::{AccessBuffer, Room};
use cachesim::model::{Access, Model};
use cachesim::pages::{PageCache, Regime, SharedGeneration};
use cachesim::profile::VcpuCounters;
use cachesim::sync::atomic::{AtomicPtr, Ordering};

use crate::core::SimulatedCore;
use crate::event::Event;
use crate::queue::Queue;

/// What belongs to one vCPU. Its `UnsafeCell` is for the thread that runs the vCPU alone.
#[derive(Debug)]
pub struct Vcpu<M: Model> {
    pub(crate) core: &'static SimulatedCore<M>,
    pages: UnsafeCell<PageCache>,
    /// What it records into, a `&'static AccessBuffer`.
    buffer: AtomicPtr<AccessBuffer>,
    queue: &'static Queue,
    pub(crate) counters: VcpuCounters,
}

// SAFETY: `pages` is reached through `OwnVcpu` only, in the callbacks of this vCPU; QEMU runs a vCPU, and so
// its callbacks, on one thread at a time. The rest is `Sync`.
unsafe impl<M: Model> Sync for Vcpu<M> {}

impl<M: Model> Vcpu<M> {
    pub(crate) fn new(core: &'static SimulatedCore<M>, queue: &'static Queue) -> Self {
        Self {
            core,
            pages: UnsafeCell::default(),
            buffer: AtomicPtr::new(ptr::from_ref(queue.make()).cast_mut()),
            queue,
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

    /// Has what has been recorded simulated, by others or here. The caller is this vCPU's thread.
    #[cold]
    fn hand_over(&self) {
        while !self.swap_buffer() {
            let mut model = self.core.model.lock();
            if !self.core.simulate_next(&mut model, self.queue) {
                return self.core.simulate(&mut model, self.buffer());
            }
        }
        self.queue.announce(self.core.number);
    }

    /// Puts the buffer into the core's row and goes on with another one, if one is left.
    fn swap_buffer(&self) -> bool {
        let Some(next) = self.queue.spare() else { return false };
        let mut row = self.core.row.lock();
        row.push_back(self.buffer());
        self.buffer.store(ptr::from_ref(next).cast_mut(), Ordering::Release);
        true
    }

    /// Simulates what has been recorded. The caller is this vCPU's thread.
    pub(crate) fn drain(&self) {
        let mut model = self.core.model.lock();
        while self.core.simulate_next(&mut model, self.queue) {}
        self.core.simulate(&mut model, self.buffer());
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
