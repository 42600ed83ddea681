//! Forks of a guest whose threads may hold locks of ours at that moment.
//!
//! Only the thread that forks exists in the child; a lock that another one held there would be held for
//! good, and the child's report would wait for it. So that thread takes all locks before the fork. In
//! the parent it releases them; in the child, where nobody else can hold or want one, they are made
//! new, because releasing one wakes threads that wait for it, and there are none.
//!
//! QEMU has such a lock too, that of a vCPU's list of work, which its thread takes for a moment after it
//! has left translated code. QEMU 10.2 for one takes it of every vCPU that its parent ever had when the
//! child of a program with a plugin ends, whatever the plugin, and waits for ever for one that was
//! taken. A fork begins when no thread is in translated code, and none comes back there before it is
//! over; so it waits until the others have come to rest, behind that lock.

use std::fs;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use parking_lot::RawMutex;
use parking_lot::lock_api::{GuardNoSend, RawMutex as _};

use super::workers;
use crate::output;

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

/// How long a fork waits at most for the other threads, which may be in a long system call that does not
/// sleep.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Waits until every other thread of this process has been seen at rest.
fn wait_for_other_threads() {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return };
    // SAFETY: has no preconditions.
    let own = unsafe { libc::gettid() }.to_string();
    let begin = Instant::now();
    for other in threads.flatten().filter(|thread| thread.file_name() != own.as_str()) {
        while !is_at_rest(&other.path()) && begin.elapsed() < LONGEST_WAIT {
            thread::sleep(Duration::from_micros(50));
        }
    }
}

/// Whether the thread of this folder sleeps or is no more: neither running, nor ready to, nor waiting for
/// the kernel to bring it a page.
fn is_at_rest(folder: &Path) -> bool {
    // The state is the letter after the name, which is in parentheses: proc_pid_stat(5).
    fs::read_to_string(folder.join("stat")).map_or(true, |stat| {
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        matches!(state, Some('S' | 'Z' | 'X'))
    })
}

extern "C" fn prepare() {
    output::expect_other_reports();
    workers::rest();
    wait_for_other_threads();
    each(&|lock| {
        lock.lock();
    });
}

/// # Safety
/// `prepare` has been called on this thread, and neither this nor `child` since.
unsafe extern "C" fn parent() {
    // SAFETY: `prepare` took it on this thread.
    each(&|lock| unsafe { lock.unlock(GuardNoSend::new()) });
    workers::go_on();
}

/// # Safety
/// In the child of a fork before which `prepare` was called.
unsafe extern "C" fn child() {
    // SAFETY: a lock is an atomic, which may be written through a shared reference, and this is the
    // only thread.
    each(&|lock| unsafe { ptr::from_ref(lock).cast_mut().write(RawMutex::INIT) });
    if let Some(in_child) = IN_CHILD.get() {
        in_child();
    }
}
