//! How a memory access finds the address the data cache sees.

use std::cell::Cell;

use cachesim::model::Model;
use cachesim::pages::{Regime, SharedGeneration};
use machine::{Finder, Vcpu};
use qemu_plugin_sys::{
    qemu_plugin_get_hwaddr, qemu_plugin_hwaddr_is_io, qemu_plugin_hwaddr_phys_addr,
    qemu_plugin_mem_is_store, qemu_plugin_meminfo_t,
};

use super::DIRECTORY;
use super::info::STORE_SHIFT;

/// Raised by instructions that change the address translation of several vCPUs, and by stores to
/// devices.
pub static SHARED_GENERATION: SharedGeneration = SharedGeneration::new();

/// How a memory access finds the address the data cache sees.
pub trait Addressing: 'static {
    /// Where the accesses of the vCPU go and the address, if that takes no call.
    ///
    /// # Safety
    /// In the memory callback of vCPU `index` for `info` and `vaddr`; and see [`Finder`].
    unsafe fn at_hand<M: Model, F: Finder>(
        index: u32,
        info: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<(F::Seat<M>, u64)>;

    /// The address, or `None` where the access does not count: it went to a device.
    ///
    /// # Safety
    /// In the memory callback of `vcpu` for `info` and `vaddr`.
    unsafe fn look_up<M: Model>(
        vcpu: &Vcpu<M>,
        info: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<u64>;
}

/// User mode: the virtual address.
#[derive(Debug)]
pub struct Virtual;

impl Addressing for Virtual {
    #[inline(always)]
    unsafe fn at_hand<M: Model, F: Finder>(
        index: u32,
        _: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<(F::Seat<M>, u64)> {
        // SAFETY: the same conditions.
        Some((unsafe { F::seat(&DIRECTORY, index)? }, vaddr))
    }

    #[inline(always)]
    unsafe fn look_up<M: Model>(_: &Vcpu<M>, _: qemu_plugin_meminfo_t, vaddr: u64) -> Option<u64> {
        Some(vaddr)
    }
}

/// System mode: the guest-physical address, from QEMU.
#[derive(Debug)]
pub struct Physical;

impl Addressing for Physical {
    #[inline(always)]
    unsafe fn at_hand<M: Model, F: Finder>(
        _: u32,
        _: qemu_plugin_meminfo_t,
        _: u64,
    ) -> Option<(F::Seat<M>, u64)> {
        None
    }

    #[inline(always)]
    unsafe fn look_up<M: Model>(
        _: &Vcpu<M>,
        info: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<u64> {
        // SAFETY: `info` and `vaddr` are this callback's, by the caller's promise; QEMU's answer is valid
        // until the callback returns.
        unsafe {
            let hwaddr = qemu_plugin_get_hwaddr(info, vaddr);
            if hwaddr.is_null() {
                // The reference takes the virtual address then.
                return Some(vaddr);
            }
            if qemu_plugin_hwaddr_is_io(hwaddr) {
                if qemu_plugin_mem_is_store(info) {
                    // A device may have remapped memory.
                    SHARED_GENERATION.raise();
                }
                return None;
            }
            Some(qemu_plugin_hwaddr_phys_addr(hwaddr))
        }
    }
}

/// System mode: the guest-physical address, from this vCPU's page cache if it is there. For guests whose
/// translation-changing instructions are known, where
/// [`memory_info_is_readable`](super::memory_info_is_readable); the index of the MMU mode has
/// `MMU_INDEX_BITS` there.
#[derive(Debug)]
pub struct CachedPhysical<const MMU_INDEX_BITS: u32>;

impl<const MMU_INDEX_BITS: u32> CachedPhysical<MMU_INDEX_BITS> {
    /// The translation regime of an access, from the index of the MMU mode that QEMU translated with, which
    /// are the lowest bits of `info`, and whether it stores.
    ///
    /// That index differs between privileges that translate differently, so that an exception into one of
    /// them, which no instruction announces, finds no translation of the other.
    #[inline(always)]
    const fn regime(info: qemu_plugin_meminfo_t) -> Regime {
        const { assert!(STORE_SHIFT == Regime::BITS - 1) };
        Regime::new(info & (1 << STORE_SHIFT | ((1 << MMU_INDEX_BITS) - 1)))
    }
}

impl<const MMU_INDEX_BITS: u32> Addressing for CachedPhysical<MMU_INDEX_BITS> {
    #[inline(always)]
    unsafe fn at_hand<M: Model, F: Finder>(
        index: u32,
        info: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<(F::Seat<M>, u64)> {
        // SAFETY: the same conditions; the reference to the pages lives within this callback.
        unsafe {
            let vcpu = F::vcpu::<M>(&DIRECTORY, index)?;
            let address = vcpu.pages().get(&SHARED_GENERATION, vaddr, Self::regime(info))?;
            Some((F::seat_of(vcpu), address))
        }
    }

    #[inline(always)]
    unsafe fn look_up<M: Model>(
        vcpu: &Vcpu<M>,
        info: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<u64> {
        // SAFETY: in this vCPU's callback, by the caller's promise; the reference lives within it.
        let pages = unsafe { vcpu.pages() };
        let regime = Self::regime(info);
        if let Some(known) = pages.get(&SHARED_GENERATION, vaddr, regime) {
            return Some(known);
        }
        // SAFETY: the same conditions.
        let address = unsafe { Physical::look_up(vcpu, info, vaddr)? };
        if VCPUS_MADE_HERE.get() <= 1 {
            pages.insert(&SHARED_GENERATION, vaddr, regime, address);
        }
        Some(address)
    }
}

thread_local! {
    /// How many vCPUs have been made on this thread. Where that is the thread that runs them by turns
    /// (`-icount`, `thread=single`), callbacks are told the vCPU for which a block was translated, whichever
    /// runs it (`gen_cpu_index` in the `plugin-gen.c` of QEMU 10.0 and later, not 7.2). So nobody knows
    /// whose a translation is.
    static VCPUS_MADE_HERE: Cell<u32> = const { Cell::new(0) };
}

/// A vCPU has been made on this thread: its own, that of all vCPUs, or (QEMU 7.2) one that runs none.
pub fn vcpu_made_here() {
    VCPUS_MADE_HERE.set(VCPUS_MADE_HERE.get() + 1);
    // The vCPU that was made here before may have remembered something.
    SHARED_GENERATION.raise();
}
