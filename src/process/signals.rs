//! Signals that end QEMU before it knows of them.
//!
//! Since 8.1 a user-mode QEMU leaves the default action to the kernel for most signals that the guest neither
//! handles nor ignores, and a machine's QEMU always did. Those are caught here, as long as their action is
//! the default one; where the guest sets another, QEMU's takes the place of ours.
//!
//! The handler does nothing but tell the report thread, which has the report written and then the process
//! die of the signal. The interrupted thread waits a moment, so that the guest does not go on beyond its
//! death; only a moment, for it may hold what the report needs.

use std::ffi::c_int;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use crate::output::wakeup;
use crate::qemu::Emulation;

/// Signals whose default action does not end a process.
pub const HARMLESS: [c_int; 8] = [
    libc::SIGCHLD,
    libc::SIGCONT,
    libc::SIGSTOP,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGURG,
    libc::SIGWINCH,
];

/// The signals that end a process by default and are not sent by the process's own faults, which QEMU
/// handles itself. Those of the C library's own cannot be had; [`catch_defaults`] leaves them out.
fn fatal_signals() -> impl Iterator<Item = c_int> {
    const FAULTS: [c_int; 5] =
        [libc::SIGILL, libc::SIGTRAP, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV];
    (1..=libc::SIGRTMAX()).filter(|signal| {
        *signal != libc::SIGKILL && !HARMLESS.contains(signal) && !FAULTS.contains(signal)
    })
}

/// How long an interrupted thread waits for the process to die, at most.
const WAIT_MILLISECONDS: c_int = 300;

/// After that long another signal ends the process whether the report is written or not: whoever should
/// read it may never do so.
const PATIENCE_SECONDS: i64 = 2;

/// The signal that was caught; 0 before, and negative where there is no thread to tell.
static CAUGHT: AtomicI32 = AtomicI32::new(-1);

/// When that was.
static CAUGHT_AT_SECONDS: AtomicI64 = AtomicI64::new(i64::MAX);

/// Catches signals from now on. There is a report thread.
pub fn begin(emulation: Emulation) {
    CAUGHT.store(0, Ordering::Relaxed);
    match emulation {
        Emulation::User => catch_defaults(),
        // A machine's QEMU waits for these itself, and does nothing where their action is the default one.
        Emulation::System { .. } => {
            catch(fatal_signals().filter(|signal| ![libc::SIGALRM, libc::SIGIO].contains(signal)));
        }
    }
}

/// Catches the signals that have their default action now: it may have been set again.
pub fn catch_defaults() {
    if CAUGHT.load(Ordering::Relaxed) < 0 {
        return;
    }
    catch(fatal_signals());
}

/// Catches `signal`, of which the process is about to die: another one of it waits for the report.
pub fn catch_once_more(signal: c_int) {
    catch([signal].into_iter());
}

/// Restores the default action of `signal`.
pub fn leave_to_kernel(signal: c_int) {
    // SAFETY: all zeros is a value of this type.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

/// Catches those of `signals` that have their default action.
fn catch(signals: impl Iterator<Item = c_int>) {
    for signal in signals {
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

/// In a child of the guest's, which has the handlers of its parent: nobody is to be told until there is a
/// report thread.
pub fn pause_in_child() {
    CAUGHT.store(-1, Ordering::Relaxed);
}

/// In a child of the guest's that has a report thread now.
pub fn go_on_in_child() {
    CAUGHT.store(0, Ordering::Relaxed);
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
                wakeup::REPORT.post()
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

/// Has the process die of the signal that was caught, if one was, after `before`. For the report thread.
pub fn die_if_caught(before: impl FnOnce()) {
    let signal = CAUGHT.load(Ordering::Relaxed);
    if signal <= 0 {
        return;
    }
    before();
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
    leave_to_kernel(signal);
    // SAFETY: a call that a handler may make.
    unsafe { libc::kill(libc::getpid(), signal) };
}
