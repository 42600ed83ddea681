//! What a callback is told: an instruction or a run, and a small number, in the one pointer QEMU carries.
//!
//! The number sits in 16 bits below a 48-bit address, so a callback learns it without touching memory. (Not
//! above it: then the address had to be cut out with a 64-bit mask.)

use std::ffi::c_void;
use std::ptr;

use cachesim::groups::AccessGroup;
use cachesim::instructions::{Instruction, Run};

use crate::rounding::Rounding;

const COUNT_BITS: u32 = u16::BITS;

/// Something that lives until the process ends, and a number of fetches.
#[derive(Debug)]
pub struct UserData<T: 'static> {
    /// An instruction, or a run of them, or a group of accesses, or one of the first two whose last fetches are
    /// late.
    pub subject: &'static T,
    /// The fetches the callback stands for.
    pub fetches: u16,
}

impl<T> Clone for UserData<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for UserData<T> {}

/// Of a memory access.
pub type AccessData = UserData<Instruction>;

/// Of fetches from one line.
pub type FetchData = UserData<Run>;

/// Of a group of memory accesses: all fetches that follow them.
pub type GroupData = UserData<AccessGroup>;

/// Of fetches from one line, the last of which are late.
pub type RoundingFetchData = UserData<Rounding<Run>>;

/// Of a memory access, the last of whose fetches are late.
pub type RoundingAccessData = UserData<Rounding<&'static Instruction>>;

impl<T> UserData<T> {
    /// The form QEMU carries. `None` where the host put the subject above 2^48, which no host
    /// does unasked.
    pub fn pack(self) -> Option<*mut c_void> {
        let address = ptr::from_ref(self.subject).expose_provenance() as u64;
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
    /// `userdata` came from [`UserData::pack`] for the same `T`.
    #[inline(always)]
    pub unsafe fn unpack(userdata: *mut c_void) -> Self {
        let packed = userdata.addr();
        let address = packed >> COUNT_BITS;
        #[expect(clippy::cast_possible_truncation, reason = "the lowest 16 bits are the number")]
        let fetches = packed as u16;
        // SAFETY: `pack` made the address of a `&'static T`.
        let subject = unsafe { &*ptr::with_exposed_provenance(address) };
        Self { subject, fetches }
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
