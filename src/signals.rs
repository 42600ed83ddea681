//! Signals that end QEMU before it knows of them.
//!
//! Since 8.1 a user-mode QEMU leaves the default action to the kernel for signals that the guest neither
//! handles nor ignores, unless they dump core: SIGTERM, SIGINT, SIGHUP. Those are caught here, as long as
//! their action is the default one; where the guest sets another, QEMU's takes the place of ours.
//!
//! The handler does nothing but tell a thread, which has the report written and then the process die of
//! the signal. That thread takes no signals itself. The interrupted one waits a moment, so that the
//! guest does not go on beyond its death; only a moment, for it may hold what the report needs.

use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use anyhow::anyhow;

use crate::threads;

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

/// After that long another signal ends the process whether the report is written or not: whoever should
/// read it may never do so.
const PATIENCE_SECONDS: i64 = 2;

/// What the thread waits for. Not a descriptor: a guest's program may close all it finds.
static WAKE: Semaphore = Semaphore(UnsafeCell::new(MaybeUninit::zeroed()));

struct Semaphore(UnsafeCell<MaybeUninit<libc::sem_t>>);

// SAFETY: threads use it by the functions that are made for that; it is set up before there are two.
unsafe impl Sync for Semaphore {}

/// The signal that was caught; 0 before, and negative where there is no thread to tell.
static CAUGHT: AtomicI32 = AtomicI32::new(-1);

/// When that was.
static CAUGHT_AT_SECONDS: AtomicI64 = AtomicI64::new(i64::MAX);

/// What is done before the process dies.
static BEFORE: OnceLock<fn()> = OnceLock::new();

/// Calls `before` when one of these signals is about to end the process.
///
/// # Errors
/// Where the system has no thread left.
pub fn before_death(before: fn()) -> anyhow::Result<()> {
    BEFORE.set(before).map_err(|_| anyhow!("asked for twice"))?;
    start_thread()?;
    catch_defaults();
    Ok(())
}

/// Catches the signals that have their default action now: it may have been set again.
pub fn catch_defaults() {
    if CAUGHT.load(Ordering::Relaxed) < 0 {
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
    if CAUGHT.swap(-1, Ordering::Relaxed) < 0 {
        return Ok(());
    }
    start_thread()
}

/// Starts the one thread that waits.
fn start_thread() -> anyhow::Result<()> {
    // SAFETY: nobody uses the semaphore yet.
    unsafe { libc::sem_init(WAKE.0.get().cast(), 0, 0) };
    threads::start("cache report", die_when_told)?;
    CAUGHT.store(0, Ordering::Relaxed);
    Ok(())
}

/// The handler.
extern "C" fn caught(signal: c_int) {
    // SAFETY: calls that a handler may make; the place of `errno` is this thread's.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let told = match CAUGHT.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                CAUGHT_AT_SECONDS.store(uptime_seconds(), Ordering::Relaxed);
                libc::sem_post(WAKE.0.get().cast()) == 0
            }
            Err(nobody) if nobody < 0 => false,
            Err(_) => {
                let since = CAUGHT_AT_SECONDS.load(Ordering::Relaxed);
                uptime_seconds().saturating_sub(since) < PATIENCE_SECONDS
            }
        };
        if told {
            libc::poll(ptr::null_mut(), 0, WAIT_MILLISECONDS);
        } else {
            // It is blocked here, and comes when this returns.
            die_of(signal);
        }
        *errno = before;
    }
}

fn uptime_seconds() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a call that a handler may make.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec
}

/// The thread.
fn die_when_told() {
    // SAFETY: set up by `start_thread`.
    while unsafe { libc::sem_wait(WAKE.0.get().cast()) } != 0 {}
    if let Some(before) = BEFORE.get() {
        before();
    }
    let signal = CAUGHT.load(Ordering::Relaxed);
    // SAFETY: all zeros is a value of this type.
    unsafe {
        let mut only: libc::sigset_t = mem::zeroed();
        libc::sigaddset(&raw mut only, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const only, ptr::null_mut());
    }
    die_of(signal);
}

/// Sends this process `signal` with its default action.
fn die_of(signal: c_int) {
    // SAFETY: all zeros is a value of this type; calls that a handler may make.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const action, ptr::null_mut());
        libc::kill(libc::getpid(), signal);
    }
}
