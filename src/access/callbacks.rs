//! The functions that QEMU calls.
//!
//! Each asks its one fast question, and leaves everything else to a function of its own, apart and called
//! last, and `extern "C"`, which tells the compiler that it does not unwind: so the callbacks need no stack
//! frame. They exist for every [`Variant`], so that nothing is decided per access; [`CallbackSet`] picks.

#![expect(improper_ctypes_definitions, reason = "only QEMU's own take part in its ABI")]

use std::ffi::c_void;
use std::marker::PhantomData;

use cachesim::address::LineAddr;
use cachesim::config::Straddle;
use cachesim::core::Lines;
use cachesim::model::{Access, Kind, Model};
use cachesim::profile::Effect;
use machine::{Callback, Directory, Event, Finder, Seat, Simulation};
use qemu_plugin_sys::qemu_plugin_meminfo_t;

use super::addressing::GuestAccess;
use super::records::{AccessRecord, LineRunRecord, Record, SegmentRecord, UserData};
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

/// 64 bytes, known when this is compiled.
#[derive(Debug)]
pub struct Lines64;

impl Lines64 {
    /// The binary logarithm of the line size in bytes.
    pub const SHIFT: u32 = 6;
}

/// As configured.
#[derive(Debug)]
pub struct AnyLines;

impl LineSize for Lines64 {
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
    /// Fetches from one line. Takes [`Detail::LineRun`].
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

/// The callback that is running, with what it was registered with.
///
/// # Safety
/// QEMU calls the function that this happens in, for vCPU `index`, where translation registered it: see
/// [`Variant`]. `pointer` is its user data, made of an `R`.
#[inline(always)]
unsafe fn called<V: Variant, R: Record>(
    index: u32,
    pointer: *mut c_void,
) -> (Running<V>, UserData<R>) {
    // SAFETY: the caller's promise.
    unsafe { (Callback::new(index), UserData::new(pointer)) }
}

/// The simulation of this file, if its model is `M`.
struct ThisFile<M>(PhantomData<fn() -> M>);

impl<M: Model> Simulation for ThisFile<M> {
    type Model = M;

    #[inline(always)]
    fn directory() -> &'static Directory {
        &DIRECTORY
    }
}

type Running<V> = Callback<ThisFile<<V as Variant>::Model>, <V as Variant>::Finder>;
type RunOf<V> = <<V as Variant>::Detail as Detail>::LineRun;
type SegmentOf<V> = <<V as Variant>::Detail as Detail>::Segment;

/// # Safety
/// QEMU calls it where translation registered it: see [`Variant`].
unsafe extern "C" fn fetch<V: Variant>(index: u32, userdata: *mut c_void) {
    // SAFETY: registered with a record of a line run.
    let (callback, userdata) = unsafe { called::<V, RunOf<V>>(index, userdata) };
    let record = userdata.record();
    if let Some(seat) = V::Finder::gate(&callback)
        && seat.fetch_hits(record.run())
    {
        return record.count(|| seat.counted_by());
    }
    fetch_slowly::<V>(callback, userdata);
}

#[inline(never)]
extern "C" fn fetch_slowly<V: Variant>(callback: Running<V>, userdata: UserData<RunOf<V>>) {
    if let Some(seat) = V::Finder::seat(&callback) {
        return take_run(&seat, userdata.record());
    }
    fetch_finding_vcpu::<V>(callback, userdata);
}

/// The same for a vCPU that has to be looked up.
#[inline(never)]
extern "C" fn fetch_finding_vcpu<V: Variant>(callback: Running<V>, userdata: UserData<RunOf<V>>) {
    take_run(&V::Finder::find(&callback).1, userdata.record());
}

#[inline(always)]
fn take_run(seat: &impl Seat, record: impl LineRunRecord) {
    let run = record.run();
    seat.take(&Event::of_run(run));
    record.count(|| seat.counted_by());
}

/// # Safety
/// As for [`fetch`].
unsafe extern "C" fn count<V: Variant>(index: u32, userdata: *mut c_void) {
    // SAFETY: registered with a record of a segment.
    let (callback, userdata) = unsafe { called::<V, SegmentOf<V>>(index, userdata) };
    if let Some(seat) = V::Finder::seat(&callback) {
        return count_segment(&seat, userdata.record());
    }
    count_finding_vcpu::<V>(callback, userdata);
}

#[inline(never)]
extern "C" fn count_finding_vcpu<V: Variant>(
    callback: Running<V>,
    userdata: UserData<SegmentOf<V>>,
) {
    count_segment(&V::Finder::find(&callback).1, userdata.record());
}

#[inline(always)]
fn count_segment(seat: &impl Seat, record: impl SegmentRecord) {
    seat.count(record.fetches());
    record.count(|| seat.counted_by());
}

/// # Safety
/// As for [`fetch`]; `info` and `vaddr` are the access's.
unsafe extern "C" fn access<V: Variant>(
    index: u32,
    info: qemu_plugin_meminfo_t,
    vaddr: u64,
    userdata: *mut c_void,
) {
    // SAFETY: registered with a record of an access, which this is.
    let (callback, userdata) = unsafe { called::<V, V::Access>(index, userdata) };
    // SAFETY: this callback's.
    let access = unsafe { GuestAccess::new(info, vaddr) };
    if let Some((seat, address)) = V::Addressing::gate(&callback, access) {
        let record = userdata.record();
        let line = V::Lines::data_line(seat.lines(), address);
        // Where the first level is all, stores are like loads.
        let kind = if V::Model::IS_HIERARCHY { info::kind(info) } else { Kind::Load };
        if seat.access_hits(kind, line, record.fetches(|| effect(info))) {
            return record.count(|| effect(info), || seat.counted_by());
        }
    }
    access_slowly::<V>(callback, access, userdata);
}

#[inline(never)]
extern "C" fn access_slowly<V: Variant>(
    callback: Running<V>,
    access: GuestAccess,
    userdata: UserData<V::Access>,
) {
    if let Some((seat, address)) = V::Addressing::fast(&callback, access) {
        return take::<V>(&seat, access.info(), Some(address), userdata.record());
    }
    access_finding_vcpu::<V>(callback, access, userdata);
}

/// The same for a vCPU or an address that has to be looked up.
#[inline(never)]
extern "C" fn access_finding_vcpu<V: Variant>(
    callback: Running<V>,
    access: GuestAccess,
    userdata: UserData<V::Access>,
) {
    let (vcpu, seat) = V::Finder::find(&callback);
    let address = V::Addressing::look_up(&vcpu, access);
    take::<V>(&seat, access.info(), address, userdata.record());
}

/// Takes an access, which without an address went to a device.
#[inline(always)]
fn take<V: Variant>(
    seat: &impl Seat,
    info: qemu_plugin_meminfo_t,
    address: Option<u64>,
    record: V::Access,
) {
    let kind = info::kind(info);
    let effect = effect_of(kind);
    if let Some(address) = address {
        let line = V::Lines::data_line(seat.lines(), address);
        let extent = if V::Model::IS_HIERARCHY { info::bytes(info) } else { 1 };
        let access = Access { kind, line, address, extent };
        let following_fetches = record.fetches(|| effect);
        let instruction = record.instruction();
        seat.take(&Event { instruction, access, following_fetches });
        if V::Model::IS_HIERARCHY
            && following_fetches > 0
            && let Some(run) = instruction.then()
        {
            seat.refetch(run);
        }
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
    // SAFETY: as for `access`, registered with the same.
    let (callback, userdata) = unsafe {
        access::<V>(index, info, vaddr, userdata);
        called::<V, V::Access>(index, userdata)
    };
    // SAFETY: this callback's.
    let access = unsafe { GuestAccess::new(info, vaddr) };
    let record = userdata.record();
    let (vcpu, seat) = V::Finder::find(&callback);
    let effect = effect(info).in_next_line();
    for (offset, extent) in further_lines(vcpu.data_line_bytes(), access) {
        let Some(address) = V::Addressing::look_up(&vcpu, access.from(offset)) else { continue };
        let access = seat.lines().access(info::kind(info), address, extent);
        seat.take(&Event { instruction: record.instruction(), access, following_fetches: 0 });
        record.count(|| effect, || seat.counted_by());
    }
}

/// What an access does in lines after the first: how far from its first byte, and how much. Lines are no longer
/// than pages, or pages lie as their addresses do.
fn further_lines(line_bytes: u64, access: GuestAccess) -> impl Iterator<Item = (u64, u16)> {
    let in_first = line_bytes - access.vaddr() % line_bytes;
    let bytes = u64::from(info::bytes(access.info()));
    let starts = (0..).map(move |line| in_first + line * line_bytes);
    starts.take_while(move |&start| start < bytes).map(move |start| {
        #[expect(clippy::cast_possible_truncation, reason = "no more than all bytes")]
        let here = (bytes - start).min(line_bytes) as u16;
        (start, here)
    })
}

/// What the data cache sees of an access.
#[inline(always)]
fn effect(info: qemu_plugin_meminfo_t) -> Effect {
    effect_of(info::kind(info))
}

#[inline(always)]
fn effect_of(kind: Kind) -> Effect {
    match kind {
        Kind::Store => Effect::Store,
        Kind::Load | Kind::Fetch => Effect::Load,
    }
}

/// # Safety
/// As for [`fetch`].
unsafe extern "C" fn translation_changes<V: Variant>(index: u32, _: *mut c_void) {
    // SAFETY: QEMU calls this for that vCPU, where translation registered it.
    let callback: Running<V> = unsafe { Callback::new(index) };
    V::Finder::find(&callback).0.forget_translations();
}

extern "C" fn all_translations_change(_: u32, _: *mut c_void) {
    SHARED_GENERATION.raise();
}
