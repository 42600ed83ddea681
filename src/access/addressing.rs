//! How a memory access finds the address the data cache sees.

use std::cell::Cell;

use cachesim::model::Model;
use cachesim::pages::{Regime, SharedGeneration};
use machine::{Callback, Finder, OwnVcpu, Simulation};
use qemu_plugin_sys::{
    qemu_plugin_get_hwaddr, qemu_plugin_hwaddr_is_io, qemu_plugin_hwaddr_phys_addr,
    qemu_plugin_mem_is_store, qemu_plugin_meminfo_t,
};

use super::info::STORE_SHIFT;

/// Raised by instructions that change the address translation of several vCPUs, and by stores to
/// devices.
pub static SHARED_GENERATION: SharedGeneration = SharedGeneration::new();

/// A guest's memory access, in its callback. It is laid out as the callback's arguments are, so that handing it on
/// moves nothing.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct GuestAccess {
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
}

impl GuestAccess {
    /// # Safety
    /// `info` and `vaddr` are what QEMU gave to the memory callback that this happens in, and the value lives
    /// in that only.
    #[inline(always)]
    pub unsafe fn new(info: qemu_plugin_meminfo_t, vaddr: u64) -> Self {
        Self { info, vaddr }
    }

    /// How QEMU describes it.
    #[inline(always)]
    pub fn info(self) -> qemu_plugin_meminfo_t {
        self.info
    }

    /// Its first byte's virtual address.
    #[inline(always)]
    pub fn vaddr(self) -> u64 {
        self.vaddr
    }

    /// It from its byte `offset` on.
    pub fn from(self, offset: u64) -> Self {
        Self { vaddr: self.vaddr.wrapping_add(offset), ..self }
    }
}

/// How a memory access finds the address the data cache sees.
pub trait Addressing: 'static {
    /// Where the accesses of the vCPU go and the address, if that takes no call.
    fn fast<S: Simulation, F: Finder>(
        callback: &Callback<S, F>,
        access: GuestAccess,
    ) -> Option<(F::Seat<'_, S::Model>, u64)>;

    /// The same with what answers the fast question: see [`Finder::gate`].
    #[inline(always)]
    fn gate<S: Simulation, F: Finder>(
        callback: &Callback<S, F>,
        access: GuestAccess,
    ) -> Option<(F::Seat<'_, S::Model>, u64)> {
        Self::fast(callback, access)
    }

    /// The address, or `None` where the access does not count: it went to a device.
    fn look_up<M: Model>(vcpu: &OwnVcpu<'_, M>, access: GuestAccess) -> Option<u64>;
}

/// User mode: the virtual address.
#[derive(Debug)]
pub struct Virtual;

impl Addressing for Virtual {
    #[inline(always)]
    fn fast<S: Simulation, F: Finder>(
        callback: &Callback<S, F>,
        access: GuestAccess,
    ) -> Option<(F::Seat<'_, S::Model>, u64)> {
        Some((F::seat(callback)?, access.vaddr))
    }

    #[inline(always)]
    fn gate<S: Simulation, F: Finder>(
        callback: &Callback<S, F>,
        access: GuestAccess,
    ) -> Option<(F::Seat<'_, S::Model>, u64)> {
        Some((F::gate(callback)?, access.vaddr))
    }

    #[inline(always)]
    fn look_up<M: Model>(_: &OwnVcpu<'_, M>, access: GuestAccess) -> Option<u64> {
        Some(access.vaddr)
    }
}

/// System mode: the guest-physical address, from QEMU.
#[derive(Debug)]
pub struct Physical;

impl Addressing for Physical {
    #[inline(always)]
    fn fast<S: Simulation, F: Finder>(
        _: &Callback<S, F>,
        _: GuestAccess,
    ) -> Option<(F::Seat<'_, S::Model>, u64)> {
        None
    }

    #[inline(always)]
    fn look_up<M: Model>(
        _: &OwnVcpu<'_, M>,
        GuestAccess { info, vaddr }: GuestAccess,
    ) -> Option<u64> {
        // SAFETY: they are the running callback's, as `GuestAccess::new` asks for; QEMU's answer is valid until
        // that returns.
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
    fn fast<S: Simulation, F: Finder>(
        callback: &Callback<S, F>,
        GuestAccess { info, vaddr }: GuestAccess,
    ) -> Option<(F::Seat<'_, S::Model>, u64)> {
        let (vcpu, seat) = F::fast(callback)?;
        Some((seat, vcpu.translation(&SHARED_GENERATION, vaddr, Self::regime(info))?))
    }

    #[inline(always)]
    fn look_up<M: Model>(vcpu: &OwnVcpu<'_, M>, access: GuestAccess) -> Option<u64> {
        let GuestAccess { info, vaddr } = access;
        let regime = Self::regime(info);
        if let Some(known) = vcpu.translation(&SHARED_GENERATION, vaddr, regime) {
            return Some(known);
        }
        let address = Physical::look_up(vcpu, access)?;
        if VCPUS_MADE_HERE.get() <= 1 {
            vcpu.remember(&SHARED_GENERATION, vaddr, regime, address);
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
