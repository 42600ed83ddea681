//! Where callbacks find what they need: the vCPUs and the only core, without a lock.

use std::ptr;

use cachesim::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// vCPU indices with a slot of their own; higher ones take a map and a lock.
const SLOTS: usize = if cfg!(any(miri, shuttle)) { 8 } else { 4096 };

/// Where callbacks find vCPUs and cores. One for each [`Machine`](crate::Machine), whose model is that of all pointers.
#[derive(Debug)]
pub struct Directory {
    /// The machine, a `*const Machine<M>`; null until it is there.
    pub(crate) machine: AtomicPtr<()>,
    /// The only vCPU there is, a `*const Vcpu<M>`; null when there is none yet, and for good as soon as there
    /// may be two.
    pub(crate) only_vcpu: AtomicPtr<()>,
    /// The core of the only vCPU, a `*const SimulatedCore<M>`. While `only_vcpu` is null it is the null core,
    /// which has no line of anything: so whoever asks for a hit is told no. Null until the machine is there.
    pub(crate) only_core: AtomicPtr<()>,
    /// The null core.
    null_core: AtomicPtr<()>,
    /// Whether there may be several vCPUs.
    several: AtomicBool,
    /// The vCPU of each index, a `*const Vcpu<M>`.
    pub(crate) slots: [AtomicPtr<()>; SLOTS],
}

impl Directory {
    /// A directory of nothing.
    #[allow(clippy::large_stack_arrays, reason = "for statics; not as large for tests")]
    pub const fn new() -> Self {
        Self {
            machine: AtomicPtr::new(ptr::null_mut()),
            only_vcpu: AtomicPtr::new(ptr::null_mut()),
            only_core: AtomicPtr::new(ptr::null_mut()),
            null_core: AtomicPtr::new(ptr::null_mut()),
            several: AtomicBool::new(false),
            slots: [const { AtomicPtr::new(ptr::null_mut()) }; SLOTS],
        }
    }

    /// Says that from now on there may be several vCPUs. Called before the second one runs, by the thread of
    /// the first or before that runs.
    pub fn expect_several(&self) {
        self.several.store(true, Ordering::Release);
        self.only_vcpu.store(ptr::null_mut(), Ordering::Release);
        self.only_core.store(self.null_core.load(Ordering::Acquire), Ordering::Release);
    }

    /// Whether there may be several vCPUs.
    pub fn several_expected(&self) -> bool {
        self.several.load(Ordering::Acquire)
    }

    pub(crate) fn set_machine<T, C>(&self, machine: &'static T, null_core: &'static C) {
        let before = self.machine.swap(address_of(machine), Ordering::Release);
        assert!(before.is_null(), "a directory has one machine");
        self.null_core.store(address_of(null_core), Ordering::Release);
        self.only_core.store(address_of(null_core), Ordering::Release);
    }

    pub(crate) fn set_vcpu<T>(&self, index: u32, vcpu: Option<&'static T>) {
        if let Some(slot) = self.slots.get(index as usize) {
            slot.store(vcpu.map_or(ptr::null_mut(), address_of), Ordering::Release);
        }
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) fn address_of<T>(thing: &'static T) -> *mut () {
    ptr::from_ref(thing).cast_mut().cast()
}
