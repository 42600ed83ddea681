//! Threads of ours in QEMU's process.

use std::mem;
use std::ptr;
use std::thread;

use anyhow::Context;

/// Starts a thread that takes no signals: those are the guest's and QEMU's.
///
/// # Errors
/// Where the system has no thread left.
pub fn start(
    name: &str,
    stack_bytes: usize,
    body: impl FnOnce() + Send + 'static,
) -> anyhow::Result<()> {
    let builder = thread::Builder::new().name(name.to_owned()).stack_size(stack_bytes);
    // SAFETY: all zeros is a value of these types; the mask is put back as it was.
    let started = unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        let mut before: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        // The thread has the mask of this one.
        let started = builder.spawn(body);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
        started
    };
    started.map(drop).context("no thread")
}

/// Has this thread take no signals any more, where the process is about to end.
pub fn take_no_signals() {
    // SAFETY: all zeros is a value of this type.
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut());
    }
}
