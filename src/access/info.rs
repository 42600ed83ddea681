//! The word by which QEMU describes a memory access, `qemu_plugin_meminfo_t`.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::bail;
use cachesim::model::Kind;
use qemu_plugin_sys::{
    qemu_plugin_mem_is_store, qemu_plugin_mem_size_shift, qemu_plugin_meminfo_t,
};

/// The bit that says store in QEMU 6.2 and later.
pub const STORE_SHIFT: u32 = 17;

/// The bit that says store in this QEMU, by itself: so asking takes one instruction of the host.
static ASKED_STORE_MASK: AtomicU32 = AtomicU32::new(1 << STORE_SHIFT);

/// Makes [`kind`] right for this QEMU.
///
/// # Errors
/// Where there is no bit that says store.
pub fn expect_readable_stores() -> anyhow::Result<()> {
    // SAFETY: a pure function of its argument, in every version.
    let says_store = |&bit: &u32| unsafe { qemu_plugin_mem_is_store(1 << bit) };
    let mut bits = (0..u32::BITS).filter(says_store);
    match (bits.next(), bits.next()) {
        (Some(bit), None) => ASKED_STORE_MASK.store(1 << bit, Ordering::Relaxed),
        _ => bail!("this QEMU's memory accesses do not say in a bit whether they are stores"),
    }
    Ok(())
}

/// What kind of access it is, without a call.
#[inline(always)]
pub fn kind(info: qemu_plugin_meminfo_t) -> Kind {
    if info & ASKED_STORE_MASK.load(Ordering::Relaxed) != 0 { Kind::Store } else { Kind::Load }
}

/// How many bytes it is of.
#[inline(always)]
pub fn bytes(info: qemu_plugin_meminfo_t) -> u16 {
    // SAFETY: a pure function of its argument, in every version.
    1 << (unsafe { qemu_plugin_mem_size_shift(info) } % u16::BITS)
}

/// Whether this QEMU lays the word out as [`CachedPhysical`](super::CachedPhysical) reads it: QEMU 6.2 and
/// later. Asked of QEMU itself.
pub fn memory_info_is_readable() -> bool {
    (0..u32::BITS).all(|bit| {
        // SAFETY: a pure function of its argument, in every version.
        unsafe { qemu_plugin_mem_is_store(1 << bit) == (bit == STORE_SHIFT) }
    })
}
