//! What a callback is told, in the one pointer QEMU carries: a record, or one and a small number.
//!
//! The number sits in 16 bits below a 48-bit address, so a callback learns it without touching memory. (Not
//! above it: then the address had to be cut out with a 64-bit mask.)

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;

use cachesim::instructions::{Instruction, LineRun};
use cachesim::profile::{CountedBy, Effect, ProfiledAccess, ProfiledLineRun, Segment};

const COUNT_BITS: u32 = u16::BITS;

/// What translation made of a record `R`, and QEMU gave to a callback.
#[repr(transparent)]
pub struct UserData<R> {
    pointer: *mut c_void,
    of: PhantomData<R>,
}

impl<R: Record> UserData<R> {
    /// # Safety
    /// Translation made `pointer` of an `R`.
    #[inline(always)]
    pub unsafe fn new(pointer: *mut c_void) -> Self {
        Self { pointer, of: PhantomData }
    }

    /// The record.
    #[inline(always)]
    pub fn record(&self) -> R {
        R::unpack(self)
    }
}

/// What a record stands for. All are `Copy` and cheap: a callback has it in registers.
pub trait Record: Copy {
    /// The record that translation packed.
    fn unpack(userdata: &UserData<Self>) -> Self;
}

/// Of a memory access.
pub trait AccessRecord: Record {
    /// The instruction that makes it.
    fn instruction(self) -> &'static Instruction;

    /// How many fetches follow it if it completes.
    fn fetches(self, effect: impl FnOnce() -> Effect) -> u64;

    /// Counts it by instruction, if that is done. After the core has: so a report that is made meanwhile, which
    /// reads them in the other order, never has more of the instruction's.
    fn count<'a>(self, effect: impl FnOnce() -> Effect, by: impl FnOnce() -> CountedBy<'a>);
}

/// Of fetches from one line.
pub trait LineRunRecord: Record {
    /// The fetches.
    fn run(self) -> &'static LineRun;

    /// As [`AccessRecord::count`].
    fn count<'a>(self, by: impl FnOnce() -> CountedBy<'a>);
}

/// Of fetches that hit by construction.
pub trait SegmentRecord: Record {
    /// How many.
    fn fetches(self) -> u64;

    /// As [`AccessRecord::count`].
    fn count<'a>(self, by: impl FnOnce() -> CountedBy<'a>);
}

/// How much is counted of each instruction.
pub trait Detail: 'static {
    /// Of a memory access.
    type Access: AccessRecord;
    /// Of one of two memory accesses, a load and a store. The fetches follow the store.
    type AccessOfTwo: AccessRecord;
    /// Of fetches from one line.
    type LineRun: LineRunRecord;
    /// Of fetches that hit by construction.
    type Segment: SegmentRecord;
}

/// Misses only.
#[derive(Debug)]
pub struct Plain;

impl Detail for Plain {
    type Access = AccessData;
    type AccessOfTwo = AccessOfTwo;
    type LineRun = &'static LineRun;
    type Segment = Fetches;
}

/// Everything.
#[derive(Debug)]
pub struct Full;

impl Detail for Full {
    type Access = &'static ProfiledAccess;
    type AccessOfTwo = &'static ProfiledAccess;
    type LineRun = &'static ProfiledLineRun;
    type Segment = &'static Segment;
}

/// The form of a record alone.
pub fn pack_record<T>(record: &'static T) -> *mut c_void {
    ptr::from_ref(record).cast_mut().cast()
}

impl<T> Record for &'static T {
    #[inline(always)]
    fn unpack(userdata: &UserData<Self>) -> Self {
        // SAFETY: `pack_record` made it of a `&'static T`: see `UserData::new`.
        unsafe { &*userdata.pointer.cast::<T>() }
    }
}

/// Of a memory access.
#[derive(Clone, Copy, Debug)]
pub struct AccessData {
    /// The instruction that makes it.
    pub instruction: &'static Instruction,
    /// The fetches that follow if it completes.
    pub fetches: u16,
}

impl AccessData {
    /// The form QEMU carries. `None` where the host put the instruction above 2^48, which no host
    /// does unasked.
    pub fn pack(self) -> Option<*mut c_void> {
        let address = ptr::from_ref(self.instruction).expose_provenance() as u64;
        if address.leading_zeros() < COUNT_BITS {
            return None;
        }
        let packed = address << COUNT_BITS | u64::from(self.fetches);
        Some(ptr::without_provenance_mut(usize::try_from(packed).ok()?))
    }
}

impl Record for AccessData {
    #[inline(always)]
    fn unpack(userdata: &UserData<Self>) -> Self {
        let packed = userdata.pointer.addr();
        let address = packed >> COUNT_BITS;
        #[expect(clippy::cast_possible_truncation, reason = "the lowest 16 bits are the number")]
        let fetches = packed as u16;
        // SAFETY: `pack` made the address of a `&'static Instruction`: see `UserData::new`.
        let instruction = unsafe { &*ptr::with_exposed_provenance(address) };
        Self { instruction, fetches }
    }
}

impl AccessRecord for AccessData {
    #[inline(always)]
    fn instruction(self) -> &'static Instruction {
        self.instruction
    }

    #[inline(always)]
    fn fetches(self, _: impl FnOnce() -> Effect) -> u64 {
        self.fetches.into()
    }

    #[inline(always)]
    fn count<'a>(self, _: impl FnOnce() -> Effect, _: impl FnOnce() -> CountedBy<'a>) {}
}

/// As [`AccessData`], of one of two accesses.
#[derive(Clone, Copy, Debug)]
pub struct AccessOfTwo(AccessData);

impl Record for AccessOfTwo {
    #[inline(always)]
    fn unpack(userdata: &UserData<Self>) -> Self {
        Self(AccessData::unpack(&UserData { pointer: userdata.pointer, of: PhantomData }))
    }
}

impl AccessRecord for AccessOfTwo {
    #[inline(always)]
    fn instruction(self) -> &'static Instruction {
        self.0.instruction
    }

    #[inline(always)]
    fn fetches(self, effect: impl FnOnce() -> Effect) -> u64 {
        if effect().is_store() { self.0.fetches.into() } else { 0 }
    }

    #[inline(always)]
    fn count<'a>(self, _: impl FnOnce() -> Effect, _: impl FnOnce() -> CountedBy<'a>) {}
}

impl AccessRecord for &'static ProfiledAccess {
    #[inline(always)]
    fn instruction(self) -> &'static Instruction {
        self.instruction
    }

    #[inline(always)]
    fn fetches(self, effect: impl FnOnce() -> Effect) -> u64 {
        ProfiledAccess::fetches(self, effect())
    }

    #[inline(always)]
    fn count<'a>(self, effect: impl FnOnce() -> Effect, by: impl FnOnce() -> CountedBy<'a>) {
        ProfiledAccess::count(self, effect(), by());
    }
}

impl LineRunRecord for &'static LineRun {
    #[inline(always)]
    fn run(self) -> &'static LineRun {
        self
    }

    #[inline(always)]
    fn count<'a>(self, _: impl FnOnce() -> CountedBy<'a>) {}
}

impl LineRunRecord for &'static ProfiledLineRun {
    #[inline(always)]
    fn run(self) -> &'static LineRun {
        &self.run
    }

    #[inline(always)]
    fn count<'a>(self, by: impl FnOnce() -> CountedBy<'a>) {
        ProfiledLineRun::count(self, by());
    }
}

/// A number of fetches.
#[derive(Clone, Copy, Debug)]
pub struct Fetches(u64);

/// The form of a number alone.
pub fn pack_count(fetches: u16) -> *mut c_void {
    ptr::without_provenance_mut(usize::from(fetches))
}

impl Record for Fetches {
    #[inline(always)]
    fn unpack(userdata: &UserData<Self>) -> Self {
        Self(userdata.pointer.addr() as u64)
    }
}

impl SegmentRecord for Fetches {
    #[inline(always)]
    fn fetches(self) -> u64 {
        self.0
    }

    #[inline(always)]
    fn count<'a>(self, _: impl FnOnce() -> CountedBy<'a>) {}
}

impl SegmentRecord for &'static Segment {
    #[inline(always)]
    fn fetches(self) -> u64 {
        Segment::fetches(self)
    }

    #[inline(always)]
    fn count<'a>(self, by: impl FnOnce() -> CountedBy<'a>) {
        Segment::count(self, by());
    }
}
