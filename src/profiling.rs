//! The callbacks of runs that count executions, loads and stores of every instruction.
//!
//! They do what those of [`crate::callbacks`] do, and count on the way; they take records of
//! [`cachesim::profile`] as user data. Speed matters less here: there is one form for all line sizes.

use std::ffi::c_void;
use std::ptr;

use cachesim::address::LineAddr;
use cachesim::profile::{CountedBy, Effect, ProfiledAccess, ProfiledRun, Segment};
use qemu_plugin_sys::{qemu_plugin_mem_is_store, qemu_plugin_meminfo_t};

use crate::callbacks::{
    Addressing, Alone, CallbackSet, Physical, Private, Shared, Sharing, all_translations_change,
    translation_changes,
};
use crate::vcpu::{Company, Machines, Vcpu, Writers};

impl CallbackSet {
    /// The callbacks for policy `P`, sharing `S` and addressing `A`, which count in full.
    pub const fn in_full<P: Machines, S: SharingInFull, A: Addressing>() -> Self {
        Self {
            fetch: fetch::<P, S>,
            count: count::<P, S>,
            access: access::<P, S, A>,
            access_of_two: access::<P, S, A>,
            access_uncached: access::<P, S, Physical>,
            translation_changes: translation_changes::<P>,
            all_translations_change,
        }
    }
}

/// The form of a record that QEMU carries.
pub fn pack<T>(record: &'static T) -> *mut c_void {
    ptr::from_ref(record).cast_mut().cast()
}

/// # Safety
/// `userdata` came from [`pack`] for the same `T`.
unsafe fn unpack<T>(userdata: *mut c_void) -> &'static T {
    // SAFETY: `pack` made it of a `&'static T`.
    unsafe { &*userdata.cast::<T>() }
}

/// How a kind of sharing counts in full.
pub trait SharingInFull: Sharing {
    /// Fetches from one line.
    ///
    /// # Safety
    /// In a callback of this vCPU, which this kind of sharing found.
    unsafe fn fetch_in_full<P: Machines>(vcpu: &'static Vcpu<P>, run: &'static ProfiledRun);

    /// Fetches that hit by construction.
    ///
    /// # Safety
    /// As for `fetch_in_full`.
    unsafe fn count_in_full<P: Machines>(vcpu: &'static Vcpu<P>, segment: &'static Segment);

    /// A memory access, to `line` unless it went to a device, and the fetches after it.
    ///
    /// # Safety
    /// As for `fetch_in_full`.
    unsafe fn access_in_full<P: Machines>(
        vcpu: &'static Vcpu<P>,
        line: Option<LineAddr>,
        access: &'static ProfiledAccess,
        effect: Effect,
    );
}

macro_rules! straight_to_the_core {
    ($sharing:ty, $writers:expr, $counted_by:expr) => {
        impl SharingInFull for $sharing {
            unsafe fn fetch_in_full<P: Machines>(
                vcpu: &'static Vcpu<P>,
                run: &'static ProfiledRun,
            ) {
                run.segment.count($counted_by(vcpu));
                // SAFETY: in a callback of the one vCPU of its core.
                unsafe { vcpu.core().fetch_in_full(run, $writers) };
            }

            unsafe fn count_in_full<P: Machines>(
                vcpu: &'static Vcpu<P>,
                segment: &'static Segment,
            ) {
                segment.count($counted_by(vcpu));
                // SAFETY: in a callback of the one vCPU of its core.
                unsafe { vcpu.core().count(segment.fetches()) };
            }

            unsafe fn access_in_full<P: Machines>(
                vcpu: &'static Vcpu<P>,
                line: Option<LineAddr>,
                access: &'static ProfiledAccess,
                effect: Effect,
            ) {
                let fetches = access.count(effect, $counted_by(vcpu));
                // SAFETY: in a callback of the one vCPU of its core.
                unsafe { vcpu.core().access_in_full(line, access, effect, fetches, $writers) };
            }
        }
    };
}

straight_to_the_core!(Alone, Writers::One, alone);
straight_to_the_core!(Private, Writers::Many, one_of_several);

fn alone<P: Machines>(_: &'static Vcpu<P>) -> CountedBy<'static> {
    CountedBy::Alone
}

fn one_of_several<P: Machines>(vcpu: &'static Vcpu<P>) -> CountedBy<'static> {
    CountedBy::OneOf(vcpu.bank())
}

impl SharingInFull for Shared {
    unsafe fn fetch_in_full<P: Machines>(vcpu: &'static Vcpu<P>, run: &'static ProfiledRun) {
        run.segment.count(one_of_several(vcpu));
        vcpu.record_fetches(run.run, run.segment.fetches());
    }

    unsafe fn count_in_full<P: Machines>(vcpu: &'static Vcpu<P>, segment: &'static Segment) {
        segment.count(one_of_several(vcpu));
        vcpu.count(segment.fetches());
    }

    unsafe fn access_in_full<P: Machines>(
        vcpu: &'static Vcpu<P>,
        line: Option<LineAddr>,
        access: &'static ProfiledAccess,
        effect: Effect,
    ) {
        let fetches = access.count(effect, one_of_several(vcpu));
        vcpu.record_access_in_full(line, access, effect, fetches);
    }
}

/// The vCPU of a callback, and whether it has company that `S` rules out.
///
/// # Safety
/// In a callback of vCPU `index`, for the run's policy.
unsafe fn vcpu_of<P: Machines, S: Sharing>(index: u32) -> (&'static Vcpu<P>, Company) {
    // SAFETY: the caller's promise.
    unsafe {
        match S::vcpu::<P>(index) {
            Some(vcpu) => (vcpu, Company::None),
            None => S::find_vcpu(index),
        }
    }
}

unsafe extern "C" fn fetch<P: Machines, S: SharingInFull>(index: u32, userdata: *mut c_void) {
    // SAFETY: translation registered this with a packed `ProfiledRun`, for this policy and kind of
    // sharing.
    unsafe {
        let run = unpack(userdata);
        match vcpu_of::<P, S>(index) {
            (vcpu, Company::None) => S::fetch_in_full(vcpu, run),
            (vcpu, Company::Others) => Shared::fetch_in_full(vcpu, run),
        }
    }
}

unsafe extern "C" fn count<P: Machines, S: SharingInFull>(index: u32, userdata: *mut c_void) {
    // SAFETY: translation registered this with a packed `Segment`, for this policy and kind of sharing.
    unsafe {
        let segment = unpack(userdata);
        match vcpu_of::<P, S>(index) {
            (vcpu, Company::None) => S::count_in_full(vcpu, segment),
            (vcpu, Company::Others) => Shared::count_in_full(vcpu, segment),
        }
    }
}

unsafe extern "C" fn access<P: Machines, S: SharingInFull, A: Addressing>(
    index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: translation registered this with a packed `ProfiledAccess`, for this policy, kind of
    // sharing and addressing; `info` and `vaddr` are this access's.
    unsafe {
        let access = unpack(userdata);
        let (vcpu, company) = vcpu_of::<P, S>(index);
        let known = A::remembered(vcpu, info, vaddr);
        let address = known.or_else(|| A::look_up(vcpu, info, vaddr));
        let line = address.map(|address| vcpu.core().lines().data_line(address));
        let effect = match (line, qemu_plugin_mem_is_store(info)) {
            (Some(_), false) => Effect::Load,
            (Some(_), true) => Effect::Store,
            (None, false) => Effect::DeviceLoad,
            (None, true) => Effect::DeviceStore,
        };
        match company {
            Company::None => S::access_in_full(vcpu, line, access, effect),
            Company::Others => Shared::access_in_full(vcpu, line, access, effect),
        }
    }
}
