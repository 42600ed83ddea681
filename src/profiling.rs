//! The callbacks of runs that count executions, loads and stores of every instruction.
//!
//! They do what those of [`crate::callbacks`] do in the same way, and count; they take records of
//! [`cachesim::profile`] as user data. An instruction's counts are raised after the core's, so that a report
//! that is made meanwhile, which reads them in the other order, never has more of the first.

use std::ffi::c_void;

use cachesim::profile::{CountedBy, Effect, ProfiledAccess, ProfiledRun, Segment};
use qemu_plugin_sys::qemu_plugin_meminfo_t;

use crate::callbacks::{
    Addressing, Alone, CallbackSet, LineSize, Physical, Private, Shared, Sharing,
    all_translations_change, further_lines, is_store, read_access, read_part, translation_changes,
};
use crate::userdata::unpack_record as unpack;
use crate::vcpu::{Company, Machines, SimulatedCore, Vcpu};

impl CallbackSet {
    /// The callbacks for model `M`, sharing `S`, addressing `A` and line size `L`, which count in full.
    pub const fn in_full<M: Machines, S: SharingInFull, A: Addressing, L: LineSize>() -> Self {
        Self {
            fetch: fetch::<M, S>,
            count: count::<M, S>,
            access: access::<M, S, A, L>,
            access_of_two: access::<M, S, A, L>,
            access_uncached: access::<M, S, Physical, L>,
            translation_changes: translation_changes::<M>,
            all_translations_change,
        }
    }
}

impl CallbackSet {
    /// As [`CallbackSet::in_full`], for accesses of which each line that they touch sees a part.
    pub const fn splitting_in_full<M: Machines, S: SharingInFull, A: Addressing, L: LineSize>()
    -> Self {
        Self {
            access: access_split::<M, S, A, L>,
            access_of_two: access_split::<M, S, A, L>,
            access_uncached: access_split::<M, S, Physical, L>,
            ..Self::in_full::<M, S, A, L>()
        }
    }
}

/// How a kind of sharing counts in full.
pub trait SharingInFull: Sharing {
    /// Fetches from one line.
    ///
    /// # Safety
    /// In a callback of the vCPU of this seat, which this kind of sharing found.
    unsafe fn fetch_in_full<M: Machines>(seat: Self::Seat<M>, run: &'static ProfiledRun);

    /// Fetches that hit by construction.
    ///
    /// # Safety
    /// As for `fetch_in_full`.
    unsafe fn count_in_full<M: Machines>(seat: Self::Seat<M>, segment: &'static Segment);

    /// A memory access, which the data cache sees unless it went to a device, and the fetches after it.
    ///
    /// # Safety
    /// As for `fetch_in_full`.
    unsafe fn access_in_full<M: Machines>(
        seat: Self::Seat<M>,
        data: Option<M::Access>,
        access: &'static ProfiledAccess,
        effect: Effect,
    );
}

/// A core that one vCPU uses.
macro_rules! straight_to_the_core {
    ($sharing:ty, $counted_by:expr) => {
        impl SharingInFull for $sharing {
            #[inline(always)]
            unsafe fn fetch_in_full<M: Machines>(seat: Self::Seat<M>, run: &'static ProfiledRun) {
                // SAFETY: in a callback of the one vCPU of its core.
                unsafe { seat.fetch_in_full(run, $counted_by(seat)) };
            }

            #[inline(always)]
            unsafe fn count_in_full<M: Machines>(seat: Self::Seat<M>, segment: &'static Segment) {
                // SAFETY: in a callback of the one vCPU of its core.
                unsafe { seat.count(segment.fetches()) };
                segment.count($counted_by(seat));
            }

            #[inline(always)]
            unsafe fn access_in_full<M: Machines>(
                seat: Self::Seat<M>,
                data: Option<M::Access>,
                access: &'static ProfiledAccess,
                effect: Effect,
            ) {
                // SAFETY: in a callback of the one vCPU of its core.
                unsafe {
                    seat.access_in_full(data, access, effect, $counted_by(seat));
                }
            }
        }
    };
}

straight_to_the_core!(Alone, alone);
straight_to_the_core!(Private, one_of_several);

#[inline(always)]
fn alone<M: Machines>(_: &'static SimulatedCore<M>) -> CountedBy<'static> {
    CountedBy::Alone
}

#[inline(always)]
fn one_of_several<M: Machines>(core: &'static SimulatedCore<M>) -> CountedBy<'static> {
    CountedBy::OneOf(core.bank())
}

impl SharingInFull for Shared {
    #[inline(always)]
    unsafe fn fetch_in_full<M: Machines>(vcpu: &'static Vcpu<M>, run: &'static ProfiledRun) {
        vcpu.record_fetches_in_full(run);
    }

    #[inline(always)]
    unsafe fn count_in_full<M: Machines>(vcpu: &'static Vcpu<M>, segment: &'static Segment) {
        vcpu.count(segment.fetches());
        segment.count(CountedBy::OneOf(vcpu.bank()));
    }

    #[inline(always)]
    unsafe fn access_in_full<M: Machines>(
        vcpu: &'static Vcpu<M>,
        data: Option<M::Access>,
        access: &'static ProfiledAccess,
        effect: Effect,
    ) {
        vcpu.record_access_in_full(data, access, effect);
    }
}

unsafe extern "C" fn fetch<M: Machines, S: SharingInFull>(index: u32, userdata: *mut c_void) {
    // SAFETY: translation registered this with a packed `ProfiledRun`, for this model and kind of
    // sharing.
    unsafe {
        match S::seat::<M>(index) {
            Some(seat) => S::fetch_in_full(seat, unpack(userdata)),
            None => fetch_looking_further::<M, S>(index, userdata),
        }
    }
}

unsafe extern "C" fn count<M: Machines, S: SharingInFull>(index: u32, userdata: *mut c_void) {
    // SAFETY: translation registered this with a packed `Segment`, for this model and kind of sharing.
    unsafe {
        match S::seat::<M>(index) {
            Some(seat) => S::count_in_full(seat, unpack(userdata)),
            None => count_looking_further::<M, S>(index, userdata),
        }
    }
}

unsafe extern "C" fn access<M: Machines, S: SharingInFull, A: Addressing, L: LineSize>(
    index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: translation registered this with a packed `ProfiledAccess`, for this model, kind of
    // sharing and addressing; `info` and `vaddr` are this access's.
    unsafe {
        match A::at_hand::<M, S>(index, info, vaddr) {
            Some((seat, Some(address))) if S::is_somebodys(seat) => {
                let data = read_access::<M, L>(S::lines(seat), address, info);
                let effect = if is_store(info) { Effect::Store } else { Effect::Load };
                S::access_in_full(seat, Some(data), unpack(userdata), effect);
            }
            _ => access_looking_further::<M, S, A, L>(index, info, vaddr, userdata),
        }
    }
}

unsafe extern "C" fn access_split<M: Machines, S: SharingInFull, A: Addressing, L: LineSize>(
    index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: as for `access`, registered with the same; the further addresses are of the same access.
    unsafe {
        access::<M, S, A, L>(index, info, vaddr, userdata);
        let effect = if is_store(info) { Effect::StoreRest } else { Effect::LoadRest };
        for (start, bytes) in further_lines::<M>(index, info, vaddr) {
            let (vcpu, company) = match S::vcpu::<M>(index) {
                Some(vcpu) => (vcpu, Company::None),
                None => S::find_vcpu(index),
            };
            let data = read_part::<M, A, L>(vcpu, info, start, bytes);
            if data.is_none() {
                continue;
            }
            match company {
                Company::None => {
                    S::access_in_full(S::seat_of(vcpu), data, unpack(userdata), effect);
                }
                Company::Others => Shared::access_in_full(vcpu, data, unpack(userdata), effect),
            }
        }
    }
}

// The rest, apart as in `callbacks`.

/// # Safety
/// As for [`fetch`].
#[inline(never)]
unsafe extern "C" fn fetch_looking_further<M: Machines, S: SharingInFull>(
    index: u32,
    userdata: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match S::find_vcpu::<M>(index) {
            (vcpu, Company::None) => S::fetch_in_full(S::seat_of(vcpu), unpack(userdata)),
            (vcpu, Company::Others) => Shared::fetch_in_full(vcpu, unpack(userdata)),
        }
    }
}

/// # Safety
/// As for [`count`].
#[inline(never)]
unsafe extern "C" fn count_looking_further<M: Machines, S: SharingInFull>(
    index: u32,
    userdata: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match S::find_vcpu::<M>(index) {
            (vcpu, Company::None) => S::count_in_full(S::seat_of(vcpu), unpack(userdata)),
            (vcpu, Company::Others) => Shared::count_in_full(vcpu, unpack(userdata)),
        }
    }
}

/// # Safety
/// As for [`access`].
#[inline(never)]
unsafe extern "C" fn access_looking_further<
    M: Machines,
    S: SharingInFull,
    A: Addressing,
    L: LineSize,
>(
    index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (vcpu, company) = match S::vcpu::<M>(index) {
            Some(vcpu) => (vcpu, Company::None),
            None => S::find_vcpu(index),
        };
        let address = A::look_up(vcpu, info, vaddr);
        let lines = vcpu.core().lines();
        let data = address.map(|address| read_access::<M, L>(lines, address, info));
        let effect = match (data, is_store(info)) {
            (Some(_), false) => Effect::Load,
            (Some(_), true) => Effect::Store,
            (None, false) => Effect::DeviceLoad,
            (None, true) => Effect::DeviceStore,
        };
        match company {
            Company::None => S::access_in_full(S::seat_of(vcpu), data, unpack(userdata), effect),
            Company::Others => Shared::access_in_full(vcpu, data, unpack(userdata), effect),
        }
    }
}
