//! Threads of ours in QEMU's process.

use std::mem;
use std::ptr;
use std::thread;

use anyhow::{Context, anyhow};

/// Starts a thread that takes no signals: those are the guest's and QEMU's.
///
/// # Errors
/// Where the system has no thread left.
pub fn start(name: &str, body: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let builder = thread::Builder::new().name(name.to_owned()).stack_size(1 << 20);
    with_signals_blocked(|| builder.spawn(body)).map(drop).context("no thread")
}

/// Runs `body` on a thread that takes no signals and has a stack of `stack_bytes`, and waits for it.
///
/// # Errors
/// Where the system has no thread left, or `body` panics.
pub fn run<T: Send>(
    name: &str,
    stack_bytes: usize,
    body: impl FnOnce() -> T + Send,
) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name(name.to_owned()).stack_size(stack_bytes);
        let thread =
            with_signals_blocked(|| builder.spawn_scoped(scope, body)).context("no thread")?;
        thread.join().map_err(|_| anyhow!("internal error"))
    })
}

/// Runs `start` with all signals blocked: the thread it starts has the mask of this one.
fn with_signals_blocked<T>(start: impl FnOnce() -> T) -> T {
    // SAFETY: all zeros is a value of these types; the mask is put back as it was.
    unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        let mut before: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let started = start();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
        started
    }
}
