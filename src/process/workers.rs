//! Threads of ours that simulate what vCPUs have recorded.
//!
//! They are started when the first of it is handed over, so that short programs have none. They take no signals,
//! use no descriptors and hold no lock of QEMU's. A fork has them rest first, and the child has none until it has
//! run for a while.

use std::num::NonZero;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use options::Options;

use super::threads;
use crate::output::wakeup::Wakeup;
use crate::qemu::Emulation;

/// What they do.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// How many they are.
    pub threads: usize,
    /// Does a piece of work, if there is any; what came of it.
    pub work: fn() -> Progress,
    /// There can be no such thread, for this reason.
    pub failed: fn(&anyhow::Error),
}

/// What came of looking for work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// A piece was done.
    Done,
    /// There is none at the moment.
    Idle,
    /// There will be none any more.
    Ended,
}

static TASK: OnceLock<Task> = OnceLock::new();

/// Whether they have been started, in this process.
static STARTED: AtomicBool = AtomicBool::new(false);
/// How many of them wait for [`WORK`], or are about to.
static IDLE: AtomicUsize = AtomicUsize::new(0);
/// Whether they are to rest.
static RESTING: AtomicBool = AtomicBool::new(false);
static WORK: Wakeup = Wakeup::new();

const STACK_BYTES: usize = 1 << 20;

/// How many full buffers the vCPUs of a forked child simulate themselves before there is a thread for it: most children
/// are short.
#[cfg(target_os = "linux")]
pub const NOT_IN_CHILD_BEFORE: usize = 1000;

/// How many threads are to simulate beside the vCPUs.
pub fn wanted(options: &Options, emulation: Emulation) -> usize {
    if let Some(workers) = options.workers {
        return workers as usize;
    }
    let host_cores = thread::available_parallelism().map_or(1, NonZero::get);
    let vcpus = match emulation {
        Emulation::User => 1,
        Emulation::System { max_vcpus, .. } => max_vcpus as usize,
    };
    host_cores
        .saturating_sub(vcpus)
        .min(options.config.cores().get() as usize * (1 + options.compared.len()))
}

/// Says what they will have to do.
pub fn set(task: Task) {
    // Once: there is one session.
    if TASK.set(task).is_ok() {
        // SAFETY: nobody uses it before `announce`, which needs the task.
        unsafe { WORK.reset() };
    }
}

/// There is work.
pub fn announce() {
    if !STARTED.swap(true, Ordering::AcqRel) {
        start();
    }
    wake();
}

#[cold]
fn start() {
    let Some(task) = TASK.get() else { return };
    for _ in 0..task.threads {
        if let Err(error) = threads::start("cache worker", STACK_BYTES, move || run(task)) {
            (task.failed)(&error);
        }
    }
}

/// Wakes as many as wait. One that is about to looks for work once more before it does: see `run`.
fn wake() {
    for _ in 0..IDLE.load(Ordering::SeqCst) {
        WORK.post();
    }
}

fn run(task: &Task) {
    loop {
        let mut progress = Progress::Idle;
        if !RESTING.load(Ordering::SeqCst) {
            progress = (task.work)();
        }
        if progress == Progress::Idle {
            // Who announces work after this sees it, and what was announced before is seen now.
            IDLE.fetch_add(1, Ordering::SeqCst);
            if !RESTING.load(Ordering::SeqCst) {
                progress = (task.work)();
            }
            if progress == Progress::Idle {
                WORK.wait(None);
            }
            IDLE.fetch_sub(1, Ordering::SeqCst);
        }
        if progress == Progress::Ended {
            return;
        }
    }
}

/// Has them rest as soon as they have done what they are at.
pub fn rest() {
    RESTING.store(true, Ordering::SeqCst);
}

/// Has them go on.
pub fn go_on() {
    RESTING.store(false, Ordering::SeqCst);
    wake();
}

/// In the child of a fork, which has none of them: the next [`announce`] starts new ones.
pub fn forget_in_child() {
    // SAFETY: this thread is the only one.
    unsafe { WORK.reset() };
    IDLE.store(0, Ordering::SeqCst);
    STARTED.store(false, Ordering::SeqCst);
    RESTING.store(false, Ordering::SeqCst);
}
