//! Signals that end QEMU before it knows of them.
//!
//! Since 8.1 a user-mode QEMU leaves the default action to the kernel for signals that the guest neither
//! handles nor ignores, unless they dump core: SIGTERM, SIGINT, SIGHUP. Those are caught here, as long as
//! their action is the default one; where the guest sets another, QEMU's takes the place of ours.
//!
//! The handler does nothing but tell a thread, which has the report written and then the process die of
//! the signal. That thread takes no signals itself. The interrupted one waits a moment, so that the
//! guest does not go on beyond its death; only a moment, for it may hold what the report needs.

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use anyhow::{Context, anyhow};

use crate::output::duplicate_high;

/// The signals whose default action ends a process without a core dump.
const FATAL: [c_int; 12] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGPIPE,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
];

/// How long an interrupted thread waits for the process to die, at most.
const WAIT_MILLISECONDS: c_int = 300;

/// Where the handler writes the signal's number; negative when there is nobody to read it.
static TELL: AtomicI32 = AtomicI32::new(-1);

/// What is done before the process dies.
static BEFORE: OnceLock<fn()> = OnceLock::new();

/// Calls `before` when one of these signals is about to end the process.
///
/// # Errors
/// Where the system has no thread or descriptors left.
pub fn before_death(before: fn()) -> anyhow::Result<()> {
    BEFORE.set(before).map_err(|_| anyhow!("asked for twice"))?;
    start_thread()?;
    catch_defaults();
    Ok(())
}

/// Catches the signals that have their default action now: it may have been set again.
pub fn catch_defaults() {
    if TELL.load(Ordering::Relaxed) < 0 {
        return;
    }
    for signal in FATAL {
        // SAFETY: all zeros is a value of this type; the handler does only what a handler may.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            let known = libc::sigaction(signal, ptr::null(), &raw mut action) == 0;
            if known && action.sa_sigaction == libc::SIG_DFL {
                action.sa_sigaction = caught as *const () as libc::sighandler_t;
                action.sa_flags = libc::SA_RESTART;
                libc::sigfillset(&raw mut action.sa_mask);
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
    }
}

/// In a child of the guest's: it has the handlers of its parent, but no thread of its own yet.
///
/// # Errors
/// As for [`before_death`].
pub fn go_on_in_child() -> anyhow::Result<()> {
    let parents = TELL.swap(-1, Ordering::Relaxed);
    if parents < 0 {
        return Ok(());
    }
    // SAFETY: this copy of the descriptor is the child's, and nobody else's.
    drop(unsafe { File::from_raw_fd(parents) });
    start_thread()
}

fn start_thread() -> anyhow::Result<()> {
    let (read, write) = io::pipe().context("no pipe")?;
    let high = |low: c_int| duplicate_high(low).context("no descriptor");
    let (read, write) = (high(read.as_raw_fd())?, high(write.as_raw_fd())?);
    // SAFETY: all zeros is a value of this type; the mask is put back as it was.
    let (spawned, _) = unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        let mut before: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        // It has the mask of this thread.
        let spawned = thread::Builder::new()
            .name("cache report".to_owned())
            .stack_size(1 << 20)
            .spawn(|| die_when_told(read));
        (spawned, libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut()))
    };
    spawned.context("no thread")?;
    TELL.store(write.into_raw_fd(), Ordering::Relaxed);
    Ok(())
}

/// The handler.
extern "C" fn caught(signal: c_int) {
    let byte = u8::try_from(signal).unwrap_or_default();
    // SAFETY: calls that a handler may make; the place of `errno` is this thread's.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(TELL.load(Ordering::Relaxed), (&raw const byte).cast(), 1);
        libc::poll(ptr::null_mut(), 0, WAIT_MILLISECONDS);
        *errno = before;
    }
}

/// The thread.
fn die_when_told(mut read: File) {
    let mut byte = [0];
    if read.read_exact(&mut byte).is_err() {
        return;
    }
    if let Some(before) = BEFORE.get() {
        before();
    }
    let signal = c_int::from(byte[0]);
    // SAFETY: all zeros is a value of these types; ends the process.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const action, ptr::null_mut());
        let mut only: libc::sigset_t = mem::zeroed();
        libc::sigaddset(&raw mut only, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const only, ptr::null_mut());
        libc::kill(libc::getpid(), signal);
    }
}
