//! A program's memory: whether it may access a place, without its doing so; and what is there.
//!
//! In user mode the guest's memory is the host process's own, at a fixed distance, with the protection
//! that the guest asked for. (QEMU takes the right to write away from pages whose code it has translated;
//! a store gives it back.) So the host's kernel is asked to copy the bytes, which does not fault.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where the guest's address 0 is in the host's memory.
static GUEST_BASE: AtomicU64 = AtomicU64::new(0);

/// Whether the program may handle faults of memory accesses, and go on after them.
static FAULTS_ARE_HANDLED: AtomicBool = AtomicBool::new(false);

/// The guest's `vaddr` is the host's `address`.
pub fn note_place(vaddr: u64, address: u64) {
    GUEST_BASE.store(address.wrapping_sub(vaddr), Ordering::Relaxed);
}

/// The program may handle faults of memory accesses from now on.
pub fn faults_are_handled_now() {
    FAULTS_ARE_HANDLED.store(true, Ordering::Relaxed);
}

/// Whether the program may handle faults of memory accesses.
pub fn faults_are_handled() -> bool {
    FAULTS_ARE_HANDLED.load(Ordering::Relaxed)
}

/// Whether the program can load, or store, `bytes` (at most 16) at `vaddr`. The caller is a callback of
/// the program's only thread; a place that can be stored to is written, with what is there. Where the
/// host forbids to ask, the answer is yes.
pub fn is_accessible(vaddr: u64, bytes: u8, is_store: bool) -> bool {
    let address = GUEST_BASE.load(Ordering::Relaxed).wrapping_add(vaddr);
    let mut copy = [0; 16];
    let copy = &mut copy[..usize::from(bytes).min(16)];
    let is_possible = |direction, copy: &mut [u8]| copied(copy, address, direction) != Copied::No;
    is_possible(Direction::Here, copy) && (!is_store || is_possible(Direction::There, copy))
}

/// The eight bytes at `vaddr`, if they can be read, as a number of a little-endian guest. The caller is as
/// for [`is_accessible`].
pub fn read(vaddr: u64) -> Option<u64> {
    let address = GUEST_BASE.load(Ordering::Relaxed).wrapping_add(vaddr);
    let mut bytes = [0; 8];
    let copied = copied(&mut bytes, address, Direction::Here);
    (copied == Copied::Yes).then(|| u64::from_le_bytes(bytes))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Here,
    There,
}

/// Whether bytes have been copied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copied {
    Yes,
    No,
    /// The host forbids to ask.
    Unknown,
}

/// Copies bytes between `copy` and `address`.
#[cfg(target_os = "linux")]
fn copied(copy: &mut [u8], address: u64, direction: Direction) -> Copied {
    use std::{io, ptr};

    let Ok(address) = usize::try_from(address) else { return Copied::No };
    let here = libc::iovec { iov_base: copy.as_mut_ptr().cast(), iov_len: copy.len() };
    let there =
        libc::iovec { iov_base: ptr::with_exposed_provenance_mut(address), iov_len: copy.len() };
    let (here, there) = (&raw const here, &raw const there);
    // SAFETY: `here` is `copy`. The kernel checks the place `there`, which is the guest's memory or
    // nothing: what is written to it has just been read from it, by the only thread that runs guest code.
    let bytes = unsafe {
        match direction {
            Direction::Here => libc::process_vm_readv(libc::getpid(), here, 1, there, 1, 0),
            Direction::There => libc::process_vm_writev(libc::getpid(), here, 1, there, 1, 0),
        }
    };
    match usize::try_from(bytes) {
        Ok(bytes) if bytes == copy.len() => Copied::Yes,
        Ok(_) => Copied::No,
        Err(_) if io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT) => Copied::No,
        Err(_) => Copied::Unknown,
    }
}

/// Programs run on Linux only.
#[cfg(not(target_os = "linux"))]
fn copied(_: &mut [u8], _: u64, _: Direction) -> Copied {
    Copied::Unknown
}
