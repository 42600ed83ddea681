//! Signals that end a guest's program, and QEMU with it.
//!
//! A user-mode QEMU catches them all, and where the guest neither handles nor ignores one, it restores the
//! default action and sends itself the signal with libc's `kill` (`linux-user/signal.c`). 7.2 calls no exit
//! callback before; 10.2 calls one for signals that dump core, but does not say which it is. So the
//! executable's own reference to `kill` is redirected to a function here, which has the report written first: on the
//! thread that is about to die, outside of any signal handler, and only when QEMU has already decided. The
//! guest's own `kill` is a system call and does not come this way.

use std::ffi::c_int;
use std::io;
use std::ptr;
use std::sync::OnceLock;

use anyhow::{Context, anyhow, bail};
use plt_rs::{DynamicLibrary, LoadedLibrary};

use super::signals;

/// What is done before QEMU dies of a signal.
static BEFORE: OnceLock<fn()> = OnceLock::new();

/// Calls `before` when QEMU is about to die of a signal.
///
/// # Errors
/// Where the executable has no reference to `kill` that can be found and redirected.
pub fn before_death(before: fn()) -> anyhow::Result<()> {
    BEFORE.set(before).map_err(|_| anyhow!("asked for twice"))?;
    let modules = plt_rs::collect_modules();
    // The first object is the executable.
    let executable = modules.into_iter().next().context("no executable")?;
    let relro = relro(&executable);
    let executable =
        DynamicLibrary::initialize(executable).map_err(|error| anyhow!("{error:?}"))?;
    let reference = executable.try_find_function("kill").context("it does not refer to kill")?;
    let slot = executable.base_addr() + usize::try_from(reference.r_offset)?;
    // SAFETY: the executable's slot for the address of `kill`, which has the type of ours.
    unsafe { redirect(ptr::with_exposed_provenance_mut(slot), relro.contains(&slot))? };
    Ok(())
}

/// The addresses that the linker has made read-only after it relocated them.
fn relro(library: &LoadedLibrary<'_>) -> std::ops::Range<usize> {
    let headers: Vec<_> = library.program_headers().collect();
    let relro = headers.iter().find(|header| header.header_type() == libc::PT_GNU_RELRO);
    relro.map_or(0..0, |header| {
        let start = library.addr() + header.virtual_addr();
        start..start + header.memory_size()
    })
}

type Kill = unsafe extern "C" fn(libc::pid_t, c_int) -> c_int;

/// Stores the address of [`kill`] in `slot`.
///
/// # Safety
/// `slot` holds the address of a `Kill` that may be another one at any time.
unsafe fn redirect(slot: *mut Kill, is_read_only: bool) -> anyhow::Result<()> {
    // SAFETY: asks for a number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) })?;
    let start = slot.map_addr(|address| address & !(page - 1));
    let protect = |protection| {
        // SAFETY: a page of the executable's data; nothing there is code.
        if unsafe { libc::mprotect(start.cast(), page, protection) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    if !slot.is_aligned() {
        bail!("its reference to kill is not aligned");
    }
    if is_read_only {
        protect(libc::PROT_READ | libc::PROT_WRITE)?;
    }
    // SAFETY: the caller's promise; the page is writable. The guest does not run yet.
    unsafe { slot.write_volatile(kill) };
    if is_read_only {
        protect(libc::PROT_READ)?;
    }
    Ok(())
}

/// In the place of libc's `kill`, for QEMU's executable.
extern "C" fn kill(process: libc::pid_t, signal: c_int) -> c_int {
    // SAFETY: asks for a number.
    if process == unsafe { libc::getpid() }
        && is_fatal(signal)
        && let Some(before) = BEFORE.get()
    {
        // QEMU has set the default action, by which a second signal would end the process amid the report.
        signals::catch_once_more(signal);
        before();
        signals::leave_to_kernel(signal);
    }
    // SAFETY: takes numbers.
    unsafe { libc::kill(process, signal) }
}

/// Whether this process dies of `signal` as things are.
fn is_fatal(signal: c_int) -> bool {
    // SAFETY: all zeros is a value of this type; `sigaction` overwrites it.
    let action = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, ptr::null(), &raw mut action) != 0 {
            return false;
        }
        action.sa_sigaction
    };
    action == libc::SIG_DFL && signal != 0 && !signals::HARMLESS.contains(&signal)
}
