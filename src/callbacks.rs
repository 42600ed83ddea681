//! The functions QEMU calls for executed instructions and memory accesses: cast, one call.
//!
//! Each exists for every replacement policy, for private and for shared cores, and the memory ones
//! for user and for system mode and for the usual line size, so that nothing is decided per access.
//! [`CallbackSet`] picks.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::bail;
use cachesim::address::LineAddr;
use cachesim::core::Lines;
use cachesim::instructions::Run;
use cachesim::model::{EffectLayout, Model};
use cachesim::pages::{Regime, SharedGeneration};
use qemu_plugin_sys::{
    qemu_plugin_get_hwaddr, qemu_plugin_hwaddr_is_io, qemu_plugin_hwaddr_phys_addr,
    qemu_plugin_mem_is_store, qemu_plugin_mem_size_shift, qemu_plugin_meminfo_t,
};

use crate::userdata::{AccessData, unpack_count, unpack_record};
use crate::vcpu::{
    Company, Machines, SimulatedCore, Vcpu, known_vcpu, only_core, only_core_or_nobodys, only_vcpu,
    vcpu, vcpu_and_company,
};

/// Raised by instructions that change the address translation of several vCPUs, and by stores to
/// devices.
pub static SHARED_GENERATION: SharedGeneration = SharedGeneration::new();

/// A callback of an instruction.
pub type InsnCallback = unsafe extern "C" fn(u32, *mut c_void);
/// A callback of a memory access.
pub type MemCallback = unsafe extern "C" fn(u32, qemu_plugin_meminfo_t, u64, *mut c_void);

/// The callbacks that translated code is given.
#[derive(Clone, Copy, Debug)]
pub struct CallbackSet {
    /// Fetches from one line. Takes a [`Run`]; in full, a
    /// [`ProfiledRun`](cachesim::profile::ProfiledRun).
    pub fetch: InsnCallback,
    /// Fetches that hit by construction. Takes a count; in full, a
    /// [`Segment`](cachesim::profile::Segment).
    pub count: InsnCallback,
    /// A memory access, and the fetches that follow it. Takes an [`AccessData`]; in full, a
    /// [`ProfiledAccess`](cachesim::profile::ProfiledAccess), as the next two do.
    pub access: MemCallback,
    /// One of two memory accesses, a load and a store. The fetches follow the store.
    pub access_of_two: MemCallback,
    /// As `access`, of an instruction that may change address translation.
    pub access_uncached: MemCallback,
    /// Before an instruction that may change address translation of its own vCPU.
    pub translation_changes: InsnCallback,
    /// Before an instruction that may change address translation of all vCPUs.
    pub all_translations_change: InsnCallback,
}

/// How a memory access finds the address the data cache sees.
pub trait Addressing: 'static {
    /// The seat of the vCPU, or one where nothing hits, if that takes no more than a load or two; and the
    /// address if that takes no call.
    ///
    /// # Safety
    /// In the memory callback of vCPU `index` for `info` and `vaddr`, for the run's model.
    unsafe fn at_hand<M: Machines, S: Sharing>(
        index: u32,
        info: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<(S::Seat<M>, Option<u64>)>;

    /// The address where [`Addressing::at_hand`] has none, or `None` where the access does not count: it
    /// went to a device.
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
    unsafe fn at_hand<M: Machines, S: Sharing>(
        index: u32,
        _: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<(S::Seat<M>, Option<u64>)> {
        // SAFETY: the caller's promise.
        Some((unsafe { S::seat_or_nobodys(index)? }, Some(vaddr)))
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
    unsafe fn at_hand<M: Machines, S: Sharing>(
        index: u32,
        _: qemu_plugin_meminfo_t,
        _: u64,
    ) -> Option<(S::Seat<M>, Option<u64>)> {
        // SAFETY: the caller's promise.
        Some((unsafe { S::seat(index)? }, None))
    }

    #[inline(always)]
    unsafe fn look_up<M: Model>(
        _: &Vcpu<M>,
        info: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<u64> {
        // SAFETY: the caller's promise; QEMU's answer is valid until the callback returns.
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

/// System mode: the guest-physical address, from this vCPU's page cache if it is there. For guests
/// whose translation-changing instructions are known, where [`memory_info_is_readable`]; the index of the MMU
/// mode has `MMU_INDEX_BITS` there.
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
    unsafe fn at_hand<M: Machines, S: Sharing>(
        index: u32,
        info: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<(S::Seat<M>, Option<u64>)> {
        // SAFETY: the caller's promise; the reference to the pages lives within this callback.
        unsafe {
            let vcpu = S::vcpu::<M>(index)?;
            let address = vcpu.pages().get(&SHARED_GENERATION, vaddr, Self::regime(info));
            Some((S::seat_of(vcpu), address))
        }
    }

    #[inline(always)]
    unsafe fn look_up<M: Model>(
        vcpu: &Vcpu<M>,
        info: qemu_plugin_meminfo_t,
        vaddr: u64,
    ) -> Option<u64> {
        // SAFETY: the caller's promise; the reference lives within this callback.
        unsafe {
            let paddr = Physical::look_up(vcpu, info, vaddr)?;
            if VCPUS_MADE_HERE.get() <= 1 {
                vcpu.pages().insert(&SHARED_GENERATION, vaddr, Self::regime(info), paddr);
            }
            Some(paddr)
        }
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

/// The bit of a `qemu_plugin_meminfo_t` that says store.
const STORE_SHIFT: u32 = 17;

/// The bit that says store, in any layout, as [`is_store`] reads it.
static ASKED_STORE_SHIFT: AtomicU32 = AtomicU32::new(STORE_SHIFT);

/// Makes [`is_store`] right for this QEMU.
///
/// # Errors
/// Where there is no bit that says store.
pub fn expect_readable_stores() -> anyhow::Result<()> {
    // SAFETY: a pure function of its argument, in every version.
    let says_store = |&bit: &u32| unsafe { qemu_plugin_mem_is_store(1 << bit) };
    let mut bits = (0..u32::BITS).filter(says_store);
    match (bits.next(), bits.next()) {
        (Some(bit), None) => ASKED_STORE_SHIFT.store(bit, Ordering::Relaxed),
        _ => bail!("this QEMU's memory accesses do not say in a bit whether they are stores"),
    }
    Ok(())
}

/// Whether an access is a store, without a call.
#[inline(always)]
pub fn is_store(info: qemu_plugin_meminfo_t) -> bool {
    info >> (ASKED_STORE_SHIFT.load(Ordering::Relaxed) % u32::BITS) & 1 != 0
}

/// Where this QEMU has what a model may want to know of an access in a `qemu_plugin_meminfo_t`.
///
/// # Errors
/// Where that is not in bits of its own.
pub fn effect_layout() -> anyhow::Result<EffectLayout> {
    expect_readable_stores()?;
    // SAFETY: a pure function of its argument, in every version.
    let size_of = |info: u32| unsafe { qemu_plugin_mem_size_shift(info) };
    let is_size = |&(shift, mask): &(u8, u8)| {
        let mask = u32::from(mask);
        (0..=mask).all(|size| size_of(size << shift) == size) && size_of(!(mask << shift)) == 0
    };
    let layouts = (0..16).flat_map(|shift| [(shift, 7), (shift, 3)]);
    let Some((size_shift, size_mask)) = layouts.into_iter().find(is_size) else {
        bail!("this QEMU's memory accesses do not say in bits how long they are");
    };
    let store_bit = ASKED_STORE_SHIFT.load(Ordering::Relaxed);
    Ok(EffectLayout { store_bit: u8::try_from(store_bit)?, size_shift, size_mask })
}

/// The access to `address` that `info` describes, as the model wants to know it.
#[inline(always)]
pub fn read_access<M: Machines, L: LineSize>(
    lines: Lines,
    address: u64,
    info: qemu_plugin_meminfo_t,
) -> M::Access {
    M::access(|| L::data_line(lines, address), address, info)
}

/// Whether this QEMU lays out `qemu_plugin_meminfo_t` as [`CachedPhysical`] reads it: QEMU 6.2 and later.
/// Asked of QEMU itself.
pub fn memory_info_is_readable() -> bool {
    (0..u32::BITS).all(|bit| {
        // SAFETY: a pure function of its argument, in every version.
        unsafe { qemu_plugin_mem_is_store(1 << bit) == (bit == STORE_SHIFT) }
    })
}

/// How long the data cache's lines are.
pub trait LineSize: 'static {
    /// The line that holds the byte at `address`.
    fn data_line(lines: Lines, address: u64) -> LineAddr;
}

/// The usual 64 bytes, known when this is compiled: worth 2 % to 3 % of a run.
#[derive(Debug)]
pub struct UsualLines;

impl UsualLines {
    /// The binary logarithm of the line size in bytes.
    pub const SHIFT: u32 = 6;
}

/// As configured.
#[derive(Debug)]
pub struct AnyLines;

impl LineSize for UsualLines {
    #[inline(always)]
    fn data_line(_: Lines, address: u64) -> LineAddr {
        LineAddr::containing(address, Self::SHIFT)
    }
}

impl LineSize for AnyLines {
    #[inline(always)]
    fn data_line(lines: Lines, address: u64) -> LineAddr {
        lines.data_line(address)
    }
}

/// Who else uses the core: how a callback finds its vCPU and reaches the model.
pub trait Sharing: 'static {
    /// Where a vCPU's accesses go: straight to its core, or into its buffer.
    type Seat<M: Machines>: Copy;

    /// The vCPU, if that takes no more than a load.
    ///
    /// # Safety
    /// In a callback of vCPU `index`, for the run's model.
    unsafe fn vcpu<M: Machines>(index: u32) -> Option<&'static Vcpu<M>>;

    /// The seat of a vCPU that this kind of sharing found.
    fn seat_of<M: Machines>(vcpu: &'static Vcpu<M>) -> Self::Seat<M>;

    /// The seat of vCPU `index`, if that takes no more than a load or two.
    ///
    /// # Safety
    /// As for `vcpu`.
    #[inline(always)]
    unsafe fn seat<M: Machines>(index: u32) -> Option<Self::Seat<M>> {
        // SAFETY: the caller's promise.
        Some(Self::seat_of(unsafe { Self::vcpu(index)? }))
    }

    /// As `seat`, but where there is none it may be one at which nothing hits.
    ///
    /// # Safety
    /// As for `vcpu`.
    #[inline(always)]
    unsafe fn seat_or_nobodys<M: Machines>(index: u32) -> Option<Self::Seat<M>> {
        // SAFETY: the caller's promise.
        unsafe { Self::seat(index) }
    }

    /// Whether it is the seat of a vCPU.
    #[inline(always)]
    fn is_somebodys<M: Machines>(_: Self::Seat<M>) -> bool {
        true
    }

    /// The vCPU in any case, and whether it may have company that this kind of sharing rules out.
    ///
    /// # Safety
    /// As for `vcpu`.
    unsafe fn find_vcpu<M: Machines>(index: u32) -> (&'static Vcpu<M>, Company) {
        (vcpu(index), Company::None)
    }

    /// How addresses become lines of the core's caches.
    fn lines<M: Machines>(seat: Self::Seat<M>) -> Lines;

    /// Fetches from one line.
    ///
    /// # Safety
    /// In a callback of the vCPU of this seat, which this kind of sharing found.
    #[inline(always)]
    unsafe fn fetch<M: Machines>(seat: Self::Seat<M>, run: &'static Run) {
        // SAFETY: the caller's promise.
        unsafe {
            if !Self::fetch_hits(seat, run) && !Self::fetch_usual(seat, run) {
                Self::fetch_unusual(seat, run);
            }
        }
    }

    /// Fetches from one line, if that takes no call. Otherwise nothing has happened.
    ///
    /// # Safety
    /// As for `fetch`, or it is nobody's seat.
    unsafe fn fetch_hits<M: Machines>(seat: Self::Seat<M>, run: &'static Run) -> bool;

    /// Fetches from one line, after `fetch_hits` has said that nothing has happened, if the cache is of a
    /// usual geometry. Otherwise still nothing has happened.
    ///
    /// # Safety
    /// As for `fetch_hits`.
    #[inline(always)]
    unsafe fn fetch_usual<M: Machines>(seat: Self::Seat<M>, run: &'static Run) -> bool {
        // SAFETY: the caller's promise.
        unsafe { Self::fetch_hits(seat, run) }
    }

    /// Fetches from one line, after `fetch_usual` has said that nothing has happened.
    ///
    /// # Safety
    /// As for `fetch`.
    unsafe fn fetch_unusual<M: Machines>(seat: Self::Seat<M>, run: &'static Run);

    /// As `fetch_hits`, for a data access that counts, and the fetches after it.
    ///
    /// # Safety
    /// As for `fetch_hits`.
    unsafe fn access_hits<M: Machines>(
        seat: Self::Seat<M>,
        access: M::Access,
        data: AccessData,
    ) -> bool;

    /// As `fetch_usual`, for the same.
    ///
    /// # Safety
    /// As for `fetch_hits`.
    #[inline(always)]
    unsafe fn access_usual<M: Machines>(
        seat: Self::Seat<M>,
        access: M::Access,
        data: AccessData,
    ) -> bool {
        // SAFETY: the caller's promise.
        unsafe { Self::access_hits(seat, access, data) }
    }

    /// As `fetch_unusual`, for the same.
    ///
    /// # Safety
    /// As for `fetch`.
    unsafe fn access_unusual<M: Machines>(seat: Self::Seat<M>, access: M::Access, data: AccessData);

    /// Fetches that hit by construction.
    ///
    /// # Safety
    /// As for `fetch`.
    unsafe fn count<M: Machines>(seat: Self::Seat<M>, fetches: u64);

    /// A data access, unless it does not count, and the fetches after it.
    ///
    /// # Safety
    /// As for `fetch`.
    unsafe fn access<M: Machines>(seat: Self::Seat<M>, access: Option<M::Access>, data: AccessData);
}

/// There is no other vCPU. Translated code that was given this goes on working when a second one comes:
/// [`expect_several`](crate::vcpu::expect_several) has its callbacks look further, and there is
/// [`Shared`].
#[derive(Debug)]
pub struct Alone;

/// Other vCPUs execute the same code, on cores of their own.
#[derive(Debug)]
pub struct Private;

/// Other vCPUs may use the core.
#[derive(Debug)]
pub struct Shared;

/// What a vCPU does that has its core to itself.
macro_rules! straight_to_the_core {
    () => {
        #[inline(always)]
        unsafe fn fetch_hits<M: Machines>(seat: Self::Seat<M>, run: &'static Run) -> bool {
            // SAFETY: in a callback of the one vCPU of its core.
            unsafe { seat.fetch_hits(run) }
        }

        #[inline(always)]
        unsafe fn fetch_usual<M: Machines>(seat: Self::Seat<M>, run: &'static Run) -> bool {
            // SAFETY: in a callback of the one vCPU of its core.
            unsafe { seat.fetch_usual(run) }
        }

        #[inline(always)]
        unsafe fn fetch_unusual<M: Machines>(seat: Self::Seat<M>, run: &'static Run) {
            // SAFETY: in a callback of the one vCPU of its core.
            unsafe { seat.fetch_unusual(run) };
        }

        #[inline(always)]
        unsafe fn access_hits<M: Machines>(
            seat: Self::Seat<M>,
            access: M::Access,
            data: AccessData,
        ) -> bool {
            // SAFETY: in a callback of the one vCPU of its core.
            unsafe { seat.access_hits(access, data) }
        }

        #[inline(always)]
        unsafe fn access_usual<M: Machines>(
            seat: Self::Seat<M>,
            access: M::Access,
            data: AccessData,
        ) -> bool {
            // SAFETY: in a callback of the one vCPU of its core.
            unsafe { seat.access_usual(access, data) }
        }

        #[inline(always)]
        unsafe fn access_unusual<M: Machines>(
            seat: Self::Seat<M>,
            access: M::Access,
            data: AccessData,
        ) {
            // SAFETY: in a callback of the one vCPU of its core.
            unsafe { seat.access_unusual(access, data) };
        }

        #[inline(always)]
        unsafe fn count<M: Machines>(seat: Self::Seat<M>, fetches: u64) {
            // SAFETY: in a callback of the one vCPU of its core.
            unsafe { seat.count(fetches) };
        }

        #[inline(always)]
        unsafe fn access<M: Machines>(
            seat: Self::Seat<M>,
            access: Option<M::Access>,
            data: AccessData,
        ) {
            // SAFETY: in a callback of the one vCPU of its core.
            unsafe { seat.access(access, data) };
        }
    };
}

impl Sharing for Alone {
    type Seat<M: Machines> = &'static SimulatedCore<M>;

    #[inline(always)]
    unsafe fn vcpu<M: Machines>(_: u32) -> Option<&'static Vcpu<M>> {
        // SAFETY: the caller's promise.
        unsafe { only_vcpu() }
    }

    #[inline(always)]
    fn seat_of<M: Machines>(vcpu: &'static Vcpu<M>) -> Self::Seat<M> {
        vcpu.core()
    }

    #[inline(always)]
    unsafe fn seat<M: Machines>(_: u32) -> Option<Self::Seat<M>> {
        // SAFETY: the caller's promise.
        unsafe { only_core() }
    }

    #[inline(always)]
    unsafe fn seat_or_nobodys<M: Machines>(_: u32) -> Option<Self::Seat<M>> {
        // SAFETY: the caller's promise.
        Some(unsafe { only_core_or_nobodys() })
    }

    #[inline(always)]
    fn is_somebodys<M: Machines>(core: Self::Seat<M>) -> bool {
        !core.is_nobodys()
    }

    unsafe fn find_vcpu<M: Machines>(index: u32) -> (&'static Vcpu<M>, Company) {
        vcpu_and_company(index)
    }

    #[inline(always)]
    fn lines<M: Machines>(seat: Self::Seat<M>) -> Lines {
        seat.lines()
    }

    straight_to_the_core!();
}

impl Sharing for Private {
    type Seat<M: Machines> = &'static SimulatedCore<M>;

    #[inline(always)]
    unsafe fn vcpu<M: Machines>(index: u32) -> Option<&'static Vcpu<M>> {
        // SAFETY: the caller's promise.
        unsafe { known_vcpu(index) }
    }

    #[inline(always)]
    fn seat_of<M: Machines>(vcpu: &'static Vcpu<M>) -> Self::Seat<M> {
        vcpu.core()
    }

    #[inline(always)]
    fn lines<M: Machines>(seat: Self::Seat<M>) -> Lines {
        seat.lines()
    }

    straight_to_the_core!();
}

impl Sharing for Shared {
    type Seat<M: Machines> = &'static Vcpu<M>;

    #[inline(always)]
    unsafe fn vcpu<M: Machines>(index: u32) -> Option<&'static Vcpu<M>> {
        // SAFETY: the caller's promise.
        unsafe { known_vcpu(index) }
    }

    #[inline(always)]
    fn seat_of<M: Machines>(vcpu: &'static Vcpu<M>) -> Self::Seat<M> {
        vcpu
    }

    #[inline(always)]
    fn lines<M: Machines>(seat: Self::Seat<M>) -> Lines {
        seat.core().lines()
    }

    #[inline(always)]
    unsafe fn fetch_hits<M: Machines>(seat: Self::Seat<M>, run: &'static Run) -> bool {
        // SAFETY: the caller's promise.
        unsafe { Self::fetch_unusual(seat, run) };
        true
    }

    #[inline(always)]
    unsafe fn fetch_unusual<M: Machines>(seat: Self::Seat<M>, run: &'static Run) {
        let &Run { line, instruction, fetches } = run;
        seat.record_fetches(line, instruction, fetches);
    }

    #[inline(always)]
    unsafe fn access_hits<M: Machines>(
        seat: Self::Seat<M>,
        access: M::Access,
        data: AccessData,
    ) -> bool {
        seat.record_access(Some(access), data);
        true
    }

    #[inline(always)]
    unsafe fn access_unusual<M: Machines>(
        seat: Self::Seat<M>,
        access: M::Access,
        data: AccessData,
    ) {
        seat.record_access(Some(access), data);
    }

    #[inline(always)]
    unsafe fn count<M: Machines>(seat: Self::Seat<M>, fetches: u64) {
        seat.count(fetches);
    }

    #[inline(always)]
    unsafe fn access<M: Machines>(
        seat: Self::Seat<M>,
        access: Option<M::Access>,
        data: AccessData,
    ) {
        seat.record_access(access, data);
    }
}

impl CallbackSet {
    /// The callbacks for model `M`, sharing `S`, addressing `A` and line size `L`.
    pub const fn of<M: Machines, S: Sharing, A: Addressing, L: LineSize>() -> Self {
        Self {
            fetch: fetch::<M, S>,
            count: count::<M, S>,
            access: access::<M, S, A, L>,
            access_of_two: access_of_two::<M, S, A, L>,
            access_uncached: access::<M, S, Physical, L>,
            translation_changes: translation_changes::<M>,
            all_translations_change,
        }
    }
}

/// Callbacks for memory accesses of which each line that they touch sees a part (`straddle=split`).
impl CallbackSet {
    /// As [`CallbackSet::of`], for the same.
    pub const fn splitting<M: Machines, S: Sharing, A: Addressing, L: LineSize>() -> Self {
        Self {
            access: access_split::<M, S, A, L>,
            access_of_two: access_of_two_split::<M, S, A, L>,
            access_uncached: access_split::<M, S, Physical, L>,
            ..Self::of::<M, S, A, L>()
        }
    }
}

/// What an access does in further lines of the data cache: addresses and lengths. Lines are no longer
/// than pages, or pages lie as their addresses do.
pub fn further_lines<M: Machines>(
    index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
) -> impl Iterator<Item = (u64, u64)> {
    let core = vcpu::<M>(index).core();
    let line_bytes = core.lines().data_line_bytes();
    let in_first = line_bytes - vaddr % line_bytes;
    let bytes = core.layout().bytes(info);
    let starts = (0..).map(move |line| in_first + line * line_bytes);
    starts
        .take_while(move |&start| start < bytes)
        .map(move |start| (vaddr.wrapping_add(start), (bytes - start).min(line_bytes)))
}

unsafe extern "C" fn access_split<M: Machines, S: Sharing, A: Addressing, L: LineSize>(
    vcpu_index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: as for `access`, registered with the same; the further addresses are of the same access.
    unsafe {
        access::<M, S, A, L>(vcpu_index, info, vaddr, userdata);
        access_further_lines::<M, S, A, L>(vcpu_index, info, vaddr, userdata);
    }
}

unsafe extern "C" fn access_of_two_split<M: Machines, S: Sharing, A: Addressing, L: LineSize>(
    vcpu_index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: as for `access_split`.
    unsafe {
        access_of_two::<M, S, A, L>(vcpu_index, info, vaddr, userdata);
        access_further_lines::<M, S, A, L>(vcpu_index, info, vaddr, userdata);
    }
}

/// # Safety
/// As for [`access_split`].
unsafe fn access_further_lines<M: Machines, S: Sharing, A: Addressing, L: LineSize>(
    vcpu_index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    for (start, bytes) in further_lines::<M>(vcpu_index, info, vaddr) {
        // SAFETY: the caller's promise.
        unsafe {
            let (vcpu, company) = match S::vcpu::<M>(vcpu_index) {
                Some(vcpu) => (vcpu, Company::None),
                None => S::find_vcpu(vcpu_index),
            };
            let Some(part) = read_part::<M, A, L>(vcpu, info, start, bytes) else { continue };
            let data = AccessData::unpack(AccessData::without_fetches(userdata));
            match company {
                Company::None => S::access(S::seat_of(vcpu), Some(part), data),
                Company::Others => Shared::access(vcpu, Some(part), data),
            }
        }
    }
}

/// The part of an access that `bytes` at `vaddr` make, unless it does not count.
///
/// # Safety
/// In the memory callback of `vcpu` for `info`, an access that touches `vaddr`.
pub unsafe fn read_part<M: Machines, A: Addressing, L: LineSize>(
    vcpu: &Vcpu<M>,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    bytes: u64,
) -> Option<M::Access> {
    // SAFETY: the caller's promise.
    let address = unsafe { A::look_up(vcpu, info, vaddr)? };
    Some(M::part(read_access::<M, L>(vcpu.core().lines(), address, info), bytes))
}

unsafe extern "C" fn fetch<M: Machines, S: Sharing>(vcpu_index: u32, userdata: *mut c_void) {
    // SAFETY: translation registered this with a packed `Run`, for this model and kind of sharing.
    unsafe {
        let run = unpack_record(userdata);
        let hits = match S::seat_or_nobodys::<M>(vcpu_index) {
            Some(seat) => S::fetch_hits(seat, run),
            None => false,
        };
        if !hits {
            fetch_unpredicted::<M, S>(vcpu_index, run);
        }
    }
}

unsafe extern "C" fn count<M: Machines, S: Sharing>(vcpu_index: u32, userdata: *mut c_void) {
    // SAFETY: translation registered this for this model and kind of sharing.
    unsafe {
        match S::seat::<M>(vcpu_index) {
            Some(seat) => S::count(seat, unpack_count(userdata)),
            None => count_looking_further::<M, S>(vcpu_index, userdata),
        }
    }
}

unsafe extern "C" fn access<M: Machines, S: Sharing, A: Addressing, L: LineSize>(
    vcpu_index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: translation registered this with a packed `AccessData`, for this model, kind of sharing
    // and addressing; `info` and `vaddr` are this access's.
    unsafe {
        match A::at_hand::<M, S>(vcpu_index, info, vaddr) {
            Some((seat, Some(address))) => {
                let access = read_access::<M, L>(S::lines(seat), address, info);
                let data = AccessData::unpack(userdata);
                if !S::access_hits(seat, access, data) {
                    access_unpredicted::<M, S>(vcpu_index, access, userdata);
                }
            }
            Some((_, None)) => access_looking_up::<M, S, A, L>(vcpu_index, info, vaddr, userdata),
            None => access_looking_further::<M, S, A, L>(vcpu_index, info, vaddr, userdata),
        }
    }
}

unsafe extern "C" fn access_of_two<M: Machines, S: Sharing, A: Addressing, L: LineSize>(
    vcpu_index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: as for `access`, registered with the same.
    unsafe {
        let is_store = qemu_plugin_mem_is_store(info);
        let userdata = if is_store { userdata } else { AccessData::without_fetches(userdata) };
        access::<M, S, A, L>(vcpu_index, info, vaddr, userdata);
    }
}

// What callbacks do more rarely: for a line that is not where it is expected, in caches of a usual geometry
// and, yet another function, in others; for a vCPU that calls back for the first time, or has no slot, or
// has got company; for an address that is not at hand. Apart and called last, and `extern "C"`, which tells
// the compiler that they do not unwind: so the callbacks above need no stack frame.

/// Fetches that are no hit where the line is expected. (The vCPU comes first, as in the callback above, which
/// then has no need to move it.)
///
/// # Safety
/// As for [`fetch`].
#[inline(never)]
unsafe extern "C" fn fetch_unpredicted<M: Machines, S: Sharing>(
    vcpu_index: u32,
    run: &'static Run,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let done = match S::seat_or_nobodys::<M>(vcpu_index) {
            Some(seat) => S::fetch_usual(seat, run),
            None => false,
        };
        if !done {
            fetch_looking_further::<M, S>(vcpu_index, run);
        }
    }
}

/// # Safety
/// As for [`fetch`].
#[inline(never)]
unsafe extern "C" fn fetch_looking_further<M: Machines, S: Sharing>(
    vcpu_index: u32,
    run: &'static Run,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(seat) = S::seat::<M>(vcpu_index) {
            return S::fetch_unusual(seat, run);
        }
        match S::find_vcpu::<M>(vcpu_index) {
            (vcpu, Company::None) => S::fetch(S::seat_of(vcpu), run),
            (vcpu, Company::Others) => Shared::fetch(vcpu, run),
        }
    }
}

/// # Safety
/// As for [`count`].
#[inline(never)]
unsafe extern "C" fn count_looking_further<M: Machines, S: Sharing>(
    vcpu_index: u32,
    userdata: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match S::find_vcpu::<M>(vcpu_index) {
            (vcpu, Company::None) => S::count(S::seat_of(vcpu), unpack_count(userdata)),
            (vcpu, Company::Others) => Shared::count(vcpu, unpack_count(userdata)),
        }
    }
}

/// An access to an address that is at hand, but no hit where the line is expected.
///
/// # Safety
/// As for [`access`].
#[inline(never)]
unsafe extern "C" fn access_unpredicted<M: Machines, S: Sharing>(
    vcpu_index: u32,
    access: M::Access,
    userdata: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let done = match S::seat_or_nobodys::<M>(vcpu_index) {
            Some(seat) => S::access_usual(seat, access, AccessData::unpack(userdata)),
            None => false,
        };
        if !done {
            known_access_looking_further::<M, S>(vcpu_index, access, userdata);
        }
    }
}

/// # Safety
/// As for [`access_unpredicted`].
#[inline(never)]
unsafe extern "C" fn known_access_looking_further<M: Machines, S: Sharing>(
    vcpu_index: u32,
    access: M::Access,
    userdata: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let data = AccessData::unpack(userdata);
        if let Some(seat) = S::seat::<M>(vcpu_index) {
            return S::access_unusual(seat, access, data);
        }
        match S::find_vcpu::<M>(vcpu_index) {
            (vcpu, Company::None) => S::access(S::seat_of(vcpu), Some(access), data),
            (vcpu, Company::Others) => Shared::access(vcpu, Some(access), data),
        }
    }
}

/// # Safety
/// As for [`access`].
#[inline(never)]
unsafe extern "C" fn access_looking_further<M: Machines, S: Sharing, A: Addressing, L: LineSize>(
    vcpu_index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let data = AccessData::unpack(userdata);
        let (vcpu, company) = S::find_vcpu::<M>(vcpu_index);
        let address = A::look_up(vcpu, info, vaddr);
        let lines = vcpu.core().lines();
        let access = address.map(|address| read_access::<M, L>(lines, address, info));
        match company {
            Company::None => S::access(S::seat_of(vcpu), access, data),
            Company::Others => Shared::access(vcpu, access, data),
        }
    }
}

/// # Safety
/// As for [`access`].
#[inline(never)]
unsafe extern "C" fn access_looking_up<M: Machines, S: Sharing, A: Addressing, L: LineSize>(
    vcpu_index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(vcpu) = S::vcpu::<M>(vcpu_index) else {
            return access_looking_further::<M, S, A, L>(vcpu_index, info, vaddr, userdata);
        };
        let address = A::look_up(vcpu, info, vaddr);
        let lines = vcpu.core().lines();
        let access = address.map(|address| read_access::<M, L>(lines, address, info));
        S::access(S::seat_of(vcpu), access, AccessData::unpack(userdata));
    }
}

pub(crate) unsafe extern "C" fn translation_changes<M: Machines>(vcpu_index: u32, _: *mut c_void) {
    // SAFETY: registered for this model; in a callback of this vCPU.
    unsafe { vcpu::<M>(vcpu_index).pages() }.raise_generation();
}

pub(crate) unsafe extern "C" fn all_translations_change(_: u32, _: *mut c_void) {
    SHARED_GENERATION.raise();
}
