//! What a callback is told, in the one pointer QEMU carries: a record, or one and a small number.
//!
//! The number sits in 16 bits below a 48-bit address, so a callback learns it without touching memory. (Not
//! above it: then the address had to be cut out with a 64-bit mask.)

use std::ffi::c_void;
use std::ptr;

use cachesim::instructions::Instruction;

const COUNT_BITS: u32 = u16::BITS;

/// Of a memory access.
#[derive(Clone, Copy, Debug)]
pub struct AccessData {
    /// The instruction that makes it.
    pub instruction: &'static Instruction,
    /// The fetches that follow if it completes.
    pub fetches: u16,
}

/// The form of a record alone.
pub fn pack_record<T>(record: &'static T) -> *mut c_void {
    ptr::from_ref(record).cast_mut().cast()
}

/// The record that [`pack_record`] packed.
///
/// # Safety
/// It was a `T`.
#[inline(always)]
pub unsafe fn unpack_record<T>(userdata: *mut c_void) -> &'static T {
    // SAFETY: `pack_record` made it of a `&'static T`.
    unsafe { &*userdata.cast::<T>() }
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

    /// A packed form with its number dropped.
    #[inline(always)]
    pub fn without_fetches(userdata: *mut c_void) -> *mut c_void {
        userdata.map_addr(|packed| packed >> COUNT_BITS << COUNT_BITS)
    }

    /// # Safety
    /// `userdata` came from [`AccessData::pack`].
    #[inline(always)]
    pub unsafe fn unpack(userdata: *mut c_void) -> Self {
        let packed = userdata.addr();
        let address = packed >> COUNT_BITS;
        #[expect(clippy::cast_possible_truncation, reason = "the lowest 16 bits are the number")]
        let fetches = packed as u16;
        // SAFETY: `pack` made the address of a `&'static Instruction`.
        let instruction = unsafe { &*ptr::with_exposed_provenance(address) };
        Self { instruction, fetches }
    }
}

/// The form of a number alone.
pub fn pack_count(fetches: u16) -> *mut c_void {
    ptr::without_provenance_mut(usize::from(fetches))
}

/// The number that [`pack_count`] packed.
#[inline(always)]
pub fn unpack_count(userdata: *mut c_void) -> u64 {
    userdata.addr() as u64
}
