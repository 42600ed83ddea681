//! Where callbacks find what they need: the vCPUs and the only core, without a lock.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use cachesim::model::Model;

use crate::core::SimulatedCore;
use crate::registry::Machine;
use crate::vcpu::Vcpu;

/// vCPU indices with a slot of their own; higher ones take a map and a lock.
const SLOTS: usize = 4096;

/// Where callbacks find vCPUs and cores. One for each [`Machine`], whose model is that of all pointers.
#[derive(Debug)]
pub struct Directory {
    /// The machine, a `*const Machine<M>`; null until it is there.
    machine: AtomicPtr<()>,
    /// The only vCPU there is, a `*const Vcpu<M>`; null when there is none yet, and for good as soon as there
    /// may be two.
    only_vcpu: AtomicPtr<()>,
    /// The core of the only vCPU, a `*const SimulatedCore<M>`, or null with it.
    only_core: AtomicPtr<()>,
    /// Whether there may be several vCPUs.
    several: AtomicBool,
    /// The vCPU of each index, a `*const Vcpu<M>`.
    slots: [AtomicPtr<()>; SLOTS],
}

impl Directory {
    /// A directory of nothing.
    #[expect(clippy::large_stack_arrays, reason = "for statics")]
    pub const fn new() -> Self {
        Self {
            machine: AtomicPtr::new(ptr::null_mut()),
            only_vcpu: AtomicPtr::new(ptr::null_mut()),
            only_core: AtomicPtr::new(ptr::null_mut()),
            several: AtomicBool::new(false),
            slots: [const { AtomicPtr::new(ptr::null_mut()) }; SLOTS],
        }
    }

    /// Says that from now on there may be several vCPUs. Called before the second one runs, by the thread of
    /// the first or before that runs.
    pub fn expect_several(&self) {
        self.several.store(true, Ordering::Release);
        self.only_vcpu.store(ptr::null_mut(), Ordering::Release);
        self.only_core.store(ptr::null_mut(), Ordering::Release);
    }

    /// Whether there may be several vCPUs.
    pub fn several_expected(&self) -> bool {
        self.several.load(Ordering::Acquire)
    }

    pub(crate) fn set_machine<M: Model>(&self, machine: &'static Machine<M>) {
        self.machine.store(ptr::from_ref(machine).cast_mut().cast(), Ordering::Release);
    }

    pub(crate) fn set_vcpu<M: Model>(&self, index: u32, vcpu: Option<&'static Vcpu<M>>) {
        if let Some(slot) = self.slots.get(index as usize) {
            let vcpu = vcpu.map_or(ptr::null_mut(), |vcpu| ptr::from_ref(vcpu).cast_mut().cast());
            slot.store(vcpu, Ordering::Release);
        }
    }

    /// Makes `vcpu` known as the only one, unless there may be others; whether it is. The caller is a
    /// callback of that vCPU.
    pub(crate) fn is_only<M: Model>(&self, vcpu: &'static Vcpu<M>) -> bool {
        if self.several_expected() {
            return false;
        }
        // The one thread that runs guest code is here, so nobody can start another meanwhile.
        self.only_vcpu.store(ptr::from_ref(vcpu).cast_mut().cast(), Ordering::Release);
        self.only_core.store(ptr::from_ref(vcpu.core).cast_mut().cast(), Ordering::Release);
        true
    }

    /// The only vCPU, if it has called back before and there is still no other.
    ///
    /// # Safety
    /// `M` is the model of the directory's machine.
    #[inline(always)]
    pub(crate) unsafe fn only_vcpu<M: Model>(&self) -> Option<&'static Vcpu<M>> {
        // SAFETY: null or what `is_only` stored, a leaked `Vcpu` of the one machine, hence of `M`.
        unsafe { self.only_vcpu.load(Ordering::Acquire).cast::<Vcpu<M>>().as_ref() }
    }

    /// The core of the only vCPU.
    ///
    /// # Safety
    /// `M` is the model of the directory's machine.
    #[inline(always)]
    pub(crate) unsafe fn only_core<M: Model>(&self) -> Option<&'static SimulatedCore<M>> {
        // SAFETY: null or what `is_only` stored, a core of the one machine, which is never freed.
        unsafe { self.only_core.load(Ordering::Acquire).cast::<SimulatedCore<M>>().as_ref() }
    }

    /// The vCPU of `index`, if it has a slot and has called back before.
    ///
    /// # Safety
    /// `M` is the model of the directory's machine.
    #[inline(always)]
    pub(crate) unsafe fn known_vcpu<M: Model>(&self, index: u32) -> Option<&'static Vcpu<M>> {
        let vcpu = self.slots.get(index as usize)?.load(Ordering::Acquire);
        // SAFETY: null or what `set_vcpu` stored: a leaked `Vcpu` of the one machine, hence of `M`.
        unsafe { vcpu.cast::<Vcpu<M>>().as_ref() }
    }

    /// The vCPU of `index`, which is made at its first callback.
    ///
    /// # Safety
    /// `M` is the model of the directory's machine, which has been started.
    pub unsafe fn vcpu<M: Model>(&self, index: u32) -> &'static Vcpu<M> {
        // SAFETY: the caller's promise.
        if let Some(known) = unsafe { self.known_vcpu(index) } {
            return known;
        }
        // SAFETY: `Machine::start` stored it before there were callbacks, leaked, and of `M`.
        let machine = unsafe { &*self.machine.load(Ordering::Acquire).cast::<Machine<M>>() };
        machine.register(index)
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}
