//! Full buffers on their way to whoever simulates them.
//!
//! A vCPU that has filled its buffer hands it over and goes on with another one, and a thread that has nothing else to
//! do simulates it: [`Simulator::work`](crate::Simulator::work). Each core has a row of full buffers, which are
//! simulated in the order in which they came, whoever does it. There is a number of buffers at most: a vCPU that finds
//! none left simulates those that have waited longest itself.

use std::collections::VecDeque;

use cachesim::buffer::AccessBuffer;
use cachesim::config::Config;
use cachesim::sync::Mutex;
use cachesim::sync::atomic::{AtomicUsize, Ordering};

/// Accesses a vCPU records before it simulates them or hands them over.
/// Few where these take long: so that buffers are drained there.
const BUFFER_CAPACITY: usize = if cfg!(any(miri, shuttle)) { 4 } else { 4096 };

/// Whether vCPUs hand over what they record, and how much may wait.
#[derive(Clone, Copy, Debug)]
pub enum Handover {
    /// They simulate it themselves.
    Off,
    /// They hand it over.
    On {
        /// So many bytes of buffers may wait at most, rounded to whole buffers, at least one.
        bytes: u64,
        /// Is called when something has been handed over, by the vCPU that did.
        announce: fn(),
    },
}

/// The buffers of a run.
#[derive(Debug)]
pub(crate) struct Queue {
    config: Config,
    /// Those that hold nothing.
    free: Mutex<Vec<&'static AccessBuffer>>,
    /// How many have been made beside those that vCPUs began with, and how many may be.
    made: AtomicUsize,
    most: usize,
    /// How many buffers their vCPUs are to simulate themselves before anything is handed over; [`usize::MAX`]: all.
    paused: AtomicUsize,
    announce: fn(),
    /// The numbers of the cores that something waits for, one for each buffer.
    ready: Mutex<VecDeque<u32>>,
}

impl Queue {
    pub(crate) fn new(config: &Config, handover: Handover) -> Self {
        let bytes_of_buffer = (BUFFER_CAPACITY * 16) as u64;
        let (most, announce): (_, fn()) = match handover {
            Handover::Off => (0, || ()),
            Handover::On { bytes, announce } => {
                let most = usize::try_from(bytes / bytes_of_buffer).unwrap_or(usize::MAX);
                (most.max(1), announce)
            }
        };
        Self {
            config: *config,
            free: Mutex::new(Vec::new()),
            made: AtomicUsize::new(0),
            most,
            paused: AtomicUsize::new(if most == 0 { usize::MAX } else { 0 }),
            announce,
            ready: Mutex::new(VecDeque::new()),
        }
    }

    /// A new buffer, which is never freed.
    pub(crate) fn make(&self) -> &'static AccessBuffer {
        Box::leak(Box::new(AccessBuffer::new(BUFFER_CAPACITY, &self.config)))
    }

    /// An empty buffer, if anything is handed over and one is left.
    pub(crate) fn spare(&self) -> Option<&'static AccessBuffer> {
        let one_less = |left| (left > 0 && left < usize::MAX).then(|| left - 1);
        let paused = self.paused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        if paused != Err(0) {
            return None;
        }
        if let Some(buffer) = self.free.lock().pop() {
            return Some(buffer);
        }
        let made = self.made.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |made| {
            (made < self.most).then_some(made + 1)
        });
        made.is_ok().then(|| self.make())
    }

    /// A buffer is empty again.
    pub(crate) fn give_back(&self, buffer: &'static AccessBuffer) {
        self.free.lock().push(buffer);
    }

    /// Something waits for core `core`.
    pub(crate) fn announce(&self, core: u32) {
        self.ready.lock().push_back(core);
        (self.announce)();
    }

    /// The number of a core that something has waited for.
    pub(crate) fn next(&self) -> Option<u32> {
        self.ready.lock().pop_front()
    }

    /// Has vCPUs simulate so many buffers themselves; `None`: all.
    pub(crate) fn pause(&self, buffers: Option<usize>) {
        self.paused.fetch_max(buffers.unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    pub(crate) fn locks(&self) -> [&cachesim::sync::RawMutex; 2] {
        // SAFETY: only references are made here; what is done to the locks is the caller's business.
        unsafe { [self.free.raw(), self.ready.raw()] }
    }
}
