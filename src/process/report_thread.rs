//! The one thread of ours: it makes and writes reports.
//!
//! A program shares its process with QEMU, and may close any descriptor, put its own files on any number,
//! change its directory, its root, its user or its limits. So this thread leaves what Linux lets a thread
//! have for itself: it has a table of descriptors and a directory of its own, and its user is that of the
//! start, since QEMU changes only that of the thread that asks. What it opens has no number that the
//! program could use or be surprised by.
//!
//! It takes no signals, and has a stack for DWARF's trees: QEMU gives the guest's threads 256 KiB.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use anyhow::{Context, anyhow};
use parking_lot::{Mutex, RawMutex};
use report::CoreSnapshot;

use super::threads;
use crate::output::held::{self, Held, Streams};
use crate::output::progress::Progress;
use crate::output::wakeup::REPORT;

/// Whom this thread works for.
pub trait Owner: Sync {
    /// Whether a program shares this process's descriptors: the thread then has others.
    fn runs_program(&self) -> bool;
    /// The streams of the start.
    fn streams(&'static self) -> &'static Streams;
    /// A signal is about to end the process.
    fn before_death(&self, held: &Held);
    /// How often to tell how far the run is.
    fn progress_interval(&self) -> Option<Duration>;
    /// How far the run is; `None` once the report is written.
    fn progress(&self) -> Option<CoreSnapshot>;
}

type Job = Box<dyn FnOnce(&Held) + Send>;

static OWNER: OnceLock<&'static dyn Owner> = OnceLock::new();

/// Whether there is a thread, in this process.
static IS_RUNNING: AtomicBool = AtomicBool::new(false);

/// One job at a time: held by who waits for it. A fork takes it, so that there is no job then.
static CALL: Mutex<()> = Mutex::new(());

static JOB: Mutex<Option<Job>> = Mutex::new(None);

const STACK_BYTES: usize = 16 << 20;

/// Starts it, when there is no other thread of ours.
///
/// # Errors
/// Where the system has no thread left.
pub fn start(owner: &'static dyn Owner) -> anyhow::Result<()> {
    OWNER.set(owner).map_err(|_| anyhow!("started twice"))?;
    start_in(Process::Started)
}

/// Starts it in a child of the guest's, where its locks are free.
///
/// # Errors
/// As for [`start`].
#[cfg(target_os = "linux")]
pub fn start_in_child() -> anyhow::Result<()> {
    IS_RUNNING.store(false, Ordering::Relaxed);
    start_in(Process::Forked)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Process {
    Started,
    /// By the guest. It tells no progress: its parent does.
    Forked,
}

fn start_in(process: Process) -> anyhow::Result<()> {
    let owner = *OWNER.get().context("no owner")?;
    // SAFETY: there is no thread of ours yet.
    unsafe { REPORT.reset() };
    let (ready, is_ready) = mpsc::sync_channel(1);
    threads::start("cache report", STACK_BYTES, move || work(owner, process, &ready))?;
    IS_RUNNING.store(true, Ordering::Relaxed);
    // The guest's next step may be to close everything.
    is_ready.recv().context("no thread")
}

/// The locks of this file and of what it keeps, in the order in which they are taken, for forks.
pub fn locks() -> [&'static RawMutex; 3] {
    // SAFETY: what is done to the locks is the caller's business.
    unsafe { [CALL.raw(), JOB.raw(), held::lock()] }
}

/// Whether there is one.
pub fn is_running() -> bool {
    IS_RUNNING.load(Ordering::Relaxed)
}

/// Has the thread do `job`, and waits for its result. Not for that thread itself.
///
/// # Errors
/// Where `job` panics, and where there is no thread and none can be had.
pub fn run<T: Send + 'static>(job: impl FnOnce(&Held) -> T + Send + 'static) -> anyhow::Result<T> {
    let _call = CALL.lock();
    let (result, received) = mpsc::sync_channel(1);
    let job = move |held: &Held| {
        // Whoever waits for it waits until it is there.
        let _ = result.send(job(held));
    };
    if is_running() {
        *JOB.lock() = Some(Box::new(job));
        REPORT.post();
    } else {
        // In a child for which there was none when it was made.
        let owner = *OWNER.get().context("no thread")?;
        threads::start("cache report", STACK_BYTES, move || {
            do_job(job, &Held::new(owner.streams()));
        })?;
    }
    received.recv().map_err(|_| anyhow!("internal error"))
}

/// A panic ends the job, not the thread.
fn do_job(job: impl FnOnce(&Held), held: &Held) {
    let _ = catch_unwind(AssertUnwindSafe(|| job(held)));
}

/// The thread.
fn work(owner: &'static dyn Owner, process: Process, ready: &SyncSender<()>) {
    let mut held = environment::own(owner);
    let _ = ready.send(());
    let mut progress = match process {
        Process::Started => owner.progress_interval().map(Progress::new),
        Process::Forked => None,
    };
    loop {
        let due = progress.as_ref().map(Progress::due_in);
        REPORT.wait(held.next_look().into_iter().chain(due).min());
        #[cfg(target_os = "linux")]
        super::signals::die_if_caught(|| {
            if let Some(progress) = &mut progress {
                progress.clear(&held);
            }
            owner.before_death(&held);
        });
        let job = JOB.lock().take();
        if let Some(job) = job {
            if let Some(progress) = &mut progress {
                progress.clear(&held);
            }
            do_job(job, &held);
        }
        held.write_complaints();
        held.let_go();
        if let Some(shown) = &mut progress {
            match owner.progress() {
                Some(counts) => shown.tell(&held, || counts),
                None => progress = None,
            }
        }
    }
}

/// What a thread may have for itself.
mod environment {
    use std::os::fd::AsRawFd;

    use super::Owner;
    use crate::output::held::Held;
    use crate::output::stream::close_all_but;

    /// Gives this thread a directory of its own, and beside a program a table of descriptors, in which it
    /// keeps those of the streams only. A machine's QEMU writes its log by descriptors of its own.
    #[cfg(target_os = "linux")]
    pub(super) fn own(owner: &'static dyn Owner) -> Held {
        /// `CLOSE_RANGE_UNSHARE`, in `linux/close_range.h`.
        const UNSHARE: libc::c_uint = 1 << 1;
        // SAFETY: nothing has this number; what is asked for is the flag's effect. Where it is forbidden, as
        // in some containers, the thread has the program's descriptors.
        let has_table = owner.runs_program()
            && unsafe { libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, UNSHARE) } == 0;
        // SAFETY: changes this thread only. Where it is forbidden, paths are the program's.
        unsafe { libc::unshare(libc::CLONE_FS) };
        let held = Held::new(owner.streams());
        if has_table {
            let mut kept: Vec<_> = held.files().map(AsRawFd::as_raw_fd).collect();
            close_all_but(&mut kept);
        }
        held
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn own(owner: &'static dyn Owner) -> Held {
        Held::new(owner.streams())
    }
}
