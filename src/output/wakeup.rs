//! What a thread of ours waits for. A signal's handler may post it.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::time::Duration;

/// What the report thread waits for. It looks itself for what there is to do.
pub static REPORT: Wakeup = Wakeup::new();

/// A semaphore. Not a descriptor: a guest's program may close all it finds.
pub struct Wakeup(UnsafeCell<MaybeUninit<libc::sem_t>>);

// SAFETY: threads use it by the functions that are made for that; `reset` says when it may be called.
unsafe impl Sync for Wakeup {}

impl Wakeup {
    /// One that has not been set up.
    pub const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::zeroed()))
    }

    /// Sets it up, with nothing posted.
    ///
    /// # Safety
    /// No other thread uses it: there is none yet, or this is the only one after a fork.
    pub unsafe fn reset(&self) {
        // SAFETY: the caller's promise; memory of this size and alignment.
        unsafe { libc::sem_init(self.0.get().cast(), 0, 0) };
    }

    /// Wakes the thread that waits, or the next that will. May be called by a signal's handler.
    pub fn post(&self) -> bool {
        // SAFETY: all zeros, or what `reset` has set up.
        unsafe { libc::sem_post(self.0.get().cast()) == 0 }
    }

    /// Waits until it is posted, or for this long.
    pub fn wait(&self, at_most: Option<Duration>) {
        let semaphore = self.0.get().cast();
        // An interruption is a wake-up without a reason, which does no harm.
        match at_most {
            // SAFETY: as in `post`.
            None => unsafe {
                libc::sem_wait(semaphore);
            },
            Some(at_most) => {
                let until = after(at_most);
                // SAFETY: as in `post`.
                unsafe { libc::sem_timedwait(semaphore, &raw const until) };
            }
        }
    }
}

/// A time of the clock that semaphores go by.
fn after(duration: Duration) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the struct it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    let nanoseconds = i64::from(duration.subsec_nanos()) + time.tv_nsec;
    time.tv_sec += duration.as_secs().cast_signed() + nanoseconds / 1_000_000_000;
    time.tv_nsec = nanoseconds % 1_000_000_000;
    time
}
