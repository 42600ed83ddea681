//! Forks of a guest whose threads may hold locks of ours at that moment.
//!
//! Only the thread that forks exists in the child; a lock that another one held there would be held for
//! good, and the child's report would wait for it. So that thread takes all locks before the fork. In
//! the parent it releases them; in the child, where nobody else can hold or want one, they are made
//! new, because releasing one wakes threads that wait for it, and there are none.

use std::ptr;
use std::sync::OnceLock;

use anyhow::{anyhow, bail};
use parking_lot::RawMutex;
use parking_lot::lock_api::{GuardNoSend, RawMutex as _};

/// Calls a function for every lock, always in the same order: that in which they are taken together.
pub type EveryLock = fn(&dyn Fn(&'static RawMutex));

static LOCKS: OnceLock<EveryLock> = OnceLock::new();

/// What a child does when its locks are free.
static IN_CHILD: OnceLock<fn()> = OnceLock::new();

/// From now on forks of this process take `locks` with them as free ones, and call `in_child` there.
///
/// # Errors
/// Where the C library has no memory for that.
pub fn follow(locks: EveryLock, in_child: fn()) -> anyhow::Result<()> {
    LOCKS.set(locks).map_err(|_| anyhow!("asked for twice"))?;
    IN_CHILD.get_or_init(|| in_child);
    // SAFETY: three functions that are there as long as the process.
    let status = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    if status != 0 {
        bail!("no memory for the handlers of forks");
    }
    Ok(())
}

fn each(act: &dyn Fn(&'static RawMutex)) {
    if let Some(locks) = LOCKS.get() {
        locks(act);
    }
}

unsafe extern "C" fn prepare() {
    each(&|lock| {
        lock.lock();
    });
}

unsafe extern "C" fn parent() {
    // SAFETY: `prepare` took it on this thread.
    each(&|lock| unsafe { lock.unlock(GuardNoSend::new()) });
}

unsafe extern "C" fn child() {
    // SAFETY: a lock is an atomic, which may be written through a shared reference, and this is the
    // only thread.
    each(&|lock| unsafe { ptr::from_ref(lock).cast_mut().write(RawMutex::INIT) });
    if let Some(in_child) = IN_CHILD.get() {
        in_child();
    }
}
