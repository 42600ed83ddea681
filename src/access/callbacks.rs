//! The functions that QEMU calls.
//!
//! Each asks its one fast question, and leaves everything else to a function of its own, apart and called
//! last, and `extern "C"`, which tells the compiler that it does not unwind: so the callbacks need no stack
//! frame. They exist for every [`Variant`], so that nothing is decided per access; [`CallbackSet`] picks.

use std::ffi::c_void;
use std::marker::PhantomData;

use cachesim::address::LineAddr;
use cachesim::config::Straddle;
use cachesim::core::Lines;
use cachesim::model::{Kind, Model};
use cachesim::profile::Effect;
use machine::{Event, Finder, Seat};
use qemu_plugin_sys::qemu_plugin_meminfo_t;

use super::records::{AccessRecord, Record, RunRecord, SegmentRecord};
use super::{Addressing, DIRECTORY, Detail, Physical, SHARED_GENERATION, info};

/// A callback of an instruction.
pub type InsnCallback = unsafe extern "C" fn(u32, *mut c_void);
/// A callback of a memory access.
pub type MemCallback = unsafe extern "C" fn(u32, qemu_plugin_meminfo_t, u64, *mut c_void);

/// What callbacks are made for.
///
/// Translation registers a callback of a variant where its [`Finder`] may be used, for the model of the run,
/// with user data of the record that the variant's [`Detail`] names. That is what callbacks rely on.
pub trait Variant: 'static {
    /// The caches of a core.
    type Model: Model;
    /// How the core is found.
    type Finder: Finder;
    /// How addresses are found.
    type Addressing: Addressing;
    /// How long the data cache's lines are.
    type Lines: LineSize;
    /// How much is counted of each instruction.
    type Detail: Detail;
    /// What a memory access is told by.
    type Access: AccessRecord;
}

/// The variant of these.
#[derive(Debug)]
pub struct Of<M, F, A, L, D>(PhantomData<(M, F, A, L, D)>);

impl<M: Model, F: Finder, A: Addressing, L: LineSize, D: Detail> Variant for Of<M, F, A, L, D> {
    type Model = M;
    type Finder = F;
    type Addressing = A;
    type Lines = L;
    type Detail = D;
    type Access = D::Access;
}

/// `V` for one of two accesses.
struct OfTwo<V>(PhantomData<V>);

impl<V: Variant> Variant for OfTwo<V> {
    type Model = V::Model;
    type Finder = V::Finder;
    type Addressing = V::Addressing;
    type Lines = V::Lines;
    type Detail = V::Detail;
    type Access = <V::Detail as Detail>::AccessOfTwo;
}

/// `V` where no address is remembered.
struct Uncached<V>(PhantomData<V>);

impl<V: Variant> Variant for Uncached<V> {
    type Model = V::Model;
    type Finder = V::Finder;
    type Addressing = Physical;
    type Lines = V::Lines;
    type Detail = V::Detail;
    type Access = V::Access;
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

/// The callbacks that translated code is given.
#[derive(Clone, Copy, Debug)]
pub struct CallbackSet {
    /// Fetches from one line. Takes [`Detail::Run`].
    pub fetch: InsnCallback,
    /// Fetches that hit by construction. Takes [`Detail::Segment`].
    pub count: InsnCallback,
    /// A memory access, and the fetches that follow it. Takes [`Detail::Access`], as the next two do.
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

impl CallbackSet {
    /// The callbacks of variant `V`.
    pub fn of<V: Variant>(straddle: Straddle) -> Self {
        let [access, access_of_two, access_uncached]: [MemCallback; 3] = match straddle {
            Straddle::First => [access::<V>, access::<OfTwo<V>>, access::<Uncached<V>>],
            Straddle::Split => {
                [access_split::<V>, access_split::<OfTwo<V>>, access_split::<Uncached<V>>]
            }
        };
        Self {
            fetch: fetch::<V>,
            count: count::<V>,
            access,
            access_of_two,
            access_uncached,
            translation_changes: translation_changes::<V>,
            all_translations_change,
        }
    }
}

/// # Safety
/// QEMU calls it, on vCPU `index`'s thread, where translation registered it: see [`Variant`].
unsafe extern "C" fn fetch<V: Variant>(index: u32, userdata: *mut c_void) {
    // SAFETY: see `Variant`.
    unsafe {
        let record = <V::Detail as Detail>::Run::unpack(userdata);
        match V::Finder::seat::<V::Model>(&DIRECTORY, index) {
            Some(seat) if seat.fetch_hits(record.run()) => record.count(|| seat.counted_by()),
            _ => fetch_slowly::<V>(index, userdata),
        }
    }
}

/// # Safety
/// As for [`fetch`].
#[inline(never)]
unsafe extern "C" fn fetch_slowly<V: Variant>(index: u32, userdata: *mut c_void) {
    // SAFETY: see `Variant`.
    unsafe {
        match V::Finder::seat::<V::Model>(&DIRECTORY, index) {
            Some(seat) => take_run::<V, _>(&seat, userdata),
            None => fetch_looking_further::<V>(index, userdata),
        }
    }
}

/// The same for a vCPU that is not at hand.
///
/// # Safety
/// As for [`fetch`].
#[inline(never)]
unsafe extern "C" fn fetch_looking_further<V: Variant>(index: u32, userdata: *mut c_void) {
    // SAFETY: see `Variant`.
    unsafe {
        let (_, seat) = V::Finder::find::<V::Model>(&DIRECTORY, index);
        take_run::<V, _>(&seat, userdata);
    }
}

/// # Safety
/// As for [`fetch`].
#[inline(always)]
unsafe fn take_run<V: Variant, S: Seat>(seat: &S, userdata: *mut c_void) {
    // SAFETY: see `Variant`.
    let record = unsafe { <V::Detail as Detail>::Run::unpack(userdata) };
    let run = record.run();
    seat.take(&Event { instruction: run.instruction, access: run.access(), then: 0 });
    record.count(|| seat.counted_by());
}

/// # Safety
/// As for [`fetch`].
unsafe extern "C" fn count<V: Variant>(index: u32, userdata: *mut c_void) {
    // SAFETY: see `Variant`.
    unsafe {
        let Some(seat) = V::Finder::seat::<V::Model>(&DIRECTORY, index) else {
            return count_slowly::<V>(index, userdata);
        };
        let record = <V::Detail as Detail>::Segment::unpack(userdata);
        seat.count(record.fetches());
        record.count(|| seat.counted_by());
    }
}

/// # Safety
/// As for [`count`].
#[inline(never)]
unsafe extern "C" fn count_slowly<V: Variant>(index: u32, userdata: *mut c_void) {
    // SAFETY: see `Variant`.
    unsafe {
        let record = <V::Detail as Detail>::Segment::unpack(userdata);
        let (_, seat) = V::Finder::find::<V::Model>(&DIRECTORY, index);
        seat.count(record.fetches());
        record.count(|| seat.counted_by());
    }
}

/// # Safety
/// As for [`fetch`]; `info` and `vaddr` are the access's.
unsafe extern "C" fn access<V: Variant>(
    index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: see `Variant`; `info` and `vaddr` are this access's.
    unsafe {
        if let Some((seat, address)) =
            V::Addressing::at_hand::<V::Model, V::Finder>(index, info, vaddr)
        {
            let record = V::Access::unpack(userdata);
            let line = V::Lines::data_line(seat.lines(), address);
            // Where nothing is beyond the first level, stores are like loads.
            let kind = if V::Model::GOES_BEYOND { info::kind(info) } else { Kind::Load };
            if seat.access_hits(kind, line, record.fetches(|| effect(info))) {
                return record.count(|| effect(info), || seat.counted_by());
            }
        }
        access_slowly::<V>(index, info, vaddr, userdata);
    }
}

/// # Safety
/// As for [`access`].
#[inline(never)]
unsafe extern "C" fn access_slowly<V: Variant>(
    index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: see `Variant`; `info` and `vaddr` are this access's.
    unsafe {
        match V::Addressing::at_hand::<V::Model, V::Finder>(index, info, vaddr) {
            Some((seat, address)) => take::<V, _>(&seat, info, Some(address), userdata),
            None => access_looking_further::<V>(index, info, vaddr, userdata),
        }
    }
}

/// The same for a vCPU or an address that is not at hand.
///
/// # Safety
/// As for [`access`].
#[inline(never)]
unsafe extern "C" fn access_looking_further<V: Variant>(
    index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: see `Variant`; `info` and `vaddr` are this access's.
    unsafe {
        let (vcpu, seat) = V::Finder::find::<V::Model>(&DIRECTORY, index);
        let address = V::Addressing::look_up(vcpu, info, vaddr);
        take::<V, _>(&seat, info, address, userdata);
    }
}

/// Takes an access, which without an address went to a device.
///
/// # Safety
/// As for [`access`], `info` being this access's.
#[inline(always)]
unsafe fn take<V: Variant, S: Seat>(
    seat: &S,
    info: qemu_plugin_meminfo_t,
    address: Option<u64>,
    userdata: *mut c_void,
) {
    // SAFETY: see `Variant`.
    let record = unsafe { V::Access::unpack(userdata) };
    let (kind, effect) = (info::kind(info), effect(info));
    if let Some(address) = address {
        let extent = if V::Model::GOES_BEYOND { info::bytes(info) } else { 1 };
        let access = seat.lines().access(kind, address, extent);
        let then = record.fetches(|| effect);
        seat.take(&Event { instruction: record.instruction(), access, then });
        record.count(|| effect, || seat.counted_by());
    } else {
        let effect = effect.on_device();
        seat.count(record.fetches(|| effect));
        record.count(|| effect, || seat.counted_by());
    }
}

/// As [`access`], where each line that an access touches sees a part of it (`straddle=split`).
///
/// # Safety
/// As for [`access`].
unsafe extern "C" fn access_split<V: Variant>(
    index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: as for `access`, registered with the same; the further addresses are of the same access.
    unsafe {
        access::<V>(index, info, vaddr, userdata);
        let record = V::Access::unpack(userdata);
        let (vcpu, seat) = V::Finder::find::<V::Model>(&DIRECTORY, index);
        let effect = effect(info).of_the_rest();
        for (start, extent) in further_lines(vcpu.data_line_bytes(), info, vaddr) {
            let Some(address) = V::Addressing::look_up(vcpu, info, start) else { continue };
            let access = seat.lines().access(info::kind(info), address, extent);
            seat.take(&Event { instruction: record.instruction(), access, then: 0 });
            record.count(|| effect, || seat.counted_by());
        }
    }
}

/// What an access does in lines after the first: addresses and lengths. Lines are no longer than pages, or
/// pages lie as their addresses do.
fn further_lines(
    line_bytes: u64,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
) -> impl Iterator<Item = (u64, u16)> {
    let in_first = line_bytes - vaddr % line_bytes;
    let bytes = u64::from(info::bytes(info));
    let starts = (0..).map(move |line| in_first + line * line_bytes);
    starts.take_while(move |&start| start < bytes).map(move |start| {
        #[expect(clippy::cast_possible_truncation, reason = "no more than all bytes")]
        let here = (bytes - start).min(line_bytes) as u16;
        (vaddr.wrapping_add(start), here)
    })
}

/// What the data cache sees of an access.
#[inline(always)]
fn effect(info: qemu_plugin_meminfo_t) -> Effect {
    match info::kind(info) {
        Kind::Store => Effect::Store,
        Kind::Load | Kind::Fetch => Effect::Load,
    }
}

/// # Safety
/// As for [`fetch`].
unsafe extern "C" fn translation_changes<V: Variant>(index: u32, _: *mut c_void) {
    // SAFETY: registered for this model; in a callback of this vCPU.
    unsafe { DIRECTORY.vcpu::<V::Model>(index).pages() }.raise_generation();
}

extern "C" fn all_translations_change(_: u32, _: *mut c_void) {
    SHARED_GENERATION.raise();
}
