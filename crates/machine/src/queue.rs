//! Full buffers on their way to whoever simulates them.
//!
//! A vCPU that has filled its buffer hands it over and goes on with another one, and a thread that has nothing else to
//! do simulates it: [`Simulator::work`](crate::Simulator::work). Each core has a row of full buffers. Every machine of
//! the run simulates them in the order in which they came, whoever does it, and each goes at its own pace. There is a
//! number of buffers at most: a vCPU that finds none left simulates those that have waited longest itself.

use std::collections::VecDeque;
use std::ptr;

use cachesim::buffer::AccessBuffer;
use cachesim::machines::Machines;
use cachesim::sync::atomic::{AtomicUsize, Ordering};
use cachesim::sync::{Mutex, MutexGuard, RawMutex};

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
    machines: Machines,
    /// By core.
    rows: Box<[Mutex<Row>]>,
    /// Those that hold nothing.
    free: Mutex<Vec<&'static AccessBuffer>>,
    /// How many have been made beside those that vCPUs began with, and how many may be.
    made: AtomicUsize,
    most: usize,
    /// How many buffers their vCPUs are to simulate themselves before anything is handed over; [`usize::MAX`]: all.
    paused: AtomicUsize,
    announce: fn(),
    /// What there is to do: a core that something waits for, and the machine that has to simulate it. One for each
    /// buffer.
    ready: Mutex<VecDeque<(usize, usize)>>,
}

/// Full buffers of one core, in the order in which they are to be simulated.
#[derive(Debug)]
pub(crate) struct Row {
    waiting: VecDeque<Waiting>,
    /// By machine: how many of them, from the front on, it has simulated.
    done: Box<[usize]>,
}

#[derive(Debug)]
struct Waiting {
    buffer: &'static AccessBuffer,
    then: Then,
}

/// What becomes of a buffer when every machine has simulated it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Then {
    /// Any vCPU may have it.
    GiveBack,
    /// Its vCPU, which waits for that, goes on with it.
    Keep,
}

impl Row {
    pub(crate) fn push(&mut self, buffer: &'static AccessBuffer, then: Then) {
        self.waiting.push_back(Waiting { buffer, then });
    }

    /// What waits for machine `machine`, the oldest first.
    pub(crate) fn waiting_for(
        &self,
        machine: usize,
    ) -> impl ExactSizeIterator<Item = &'static AccessBuffer> {
        self.waiting.range(self.done[machine]..).map(|waiting| waiting.buffer)
    }

    /// Whether `buffer` is here, which may wait for some of the machines only.
    pub(crate) fn has(&self, buffer: &AccessBuffer) -> bool {
        self.waiting.iter().any(|waiting| ptr::eq(waiting.buffer, buffer))
    }
}

impl Queue {
    pub(crate) fn new(machines: Machines, handover: Handover) -> Self {
        let bytes_of_buffer = (BUFFER_CAPACITY * 16) as u64;
        let (most, announce): (_, fn()) = match handover {
            Handover::Off => (0, || ()),
            Handover::On { bytes, announce } => {
                let most = usize::try_from(bytes / bytes_of_buffer).unwrap_or(usize::MAX);
                (most.max(1), announce)
            }
        };
        let row =
            || Row { waiting: VecDeque::new(), done: machines.all().iter().map(|_| 0).collect() };
        let cores = machines.own().cores().get();
        Self {
            rows: (0..cores).map(|_| Mutex::new(row())).collect(),
            machines,
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
        Box::leak(Box::new(AccessBuffer::new(BUFFER_CAPACITY, &self.machines)))
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

    /// The row of core `core`. Its lock is taken after those of models.
    pub(crate) fn row(&self, core: usize) -> &Mutex<Row> {
        &self.rows[core]
    }

    /// All rows, by core. Nobody hands anything over or is done with anything meanwhile.
    pub(crate) fn every_row(&self) -> Vec<MutexGuard<'_, Row>> {
        self.rows.iter().map(Mutex::lock).collect()
    }

    /// What waits longest for machine `machine` to simulate it on core `core`. It stays in the row meanwhile, so that
    /// nobody misses what is in it.
    pub(crate) fn waiting_for(&self, machine: usize, core: usize) -> Option<&'static AccessBuffer> {
        self.row(core).lock().waiting_for(machine).next()
    }

    /// Machine `machine` has simulated that. Who says so has had its lock since then.
    pub(crate) fn simulated(&self, machine: usize, core: usize) {
        let mut row = self.row(core).lock();
        row.done[machine] += 1;
        if row.done.contains(&0) {
            return;
        }
        let Some(Waiting { buffer, then }) = row.waiting.pop_front() else { return };
        row.done.iter_mut().for_each(|done| *done -= 1);
        buffer.clear();
        if then == Then::GiveBack {
            self.free.lock().push(buffer);
        }
    }

    /// Something waits for core `core`.
    pub(crate) fn announce(&self, core: usize) {
        let machines = 0..self.machines.all().len();
        self.ready.lock().extend(machines.map(|machine| (core, machine)));
        (self.announce)();
    }

    /// A core that something has waited for, and the machine that has to simulate it.
    pub(crate) fn next(&self) -> Option<(usize, usize)> {
        self.ready.lock().pop_front()
    }

    /// Has vCPUs simulate so many buffers themselves; `None`: all.
    pub(crate) fn pause(&self, buffers: Option<usize>) {
        self.paused.fetch_max(buffers.unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// Calls `act` for the lock of each row.
    pub(crate) fn every_row_lock(&'static self, act: &dyn Fn(&'static RawMutex)) {
        // SAFETY: as below.
        self.rows.iter().for_each(|row| act(unsafe { row.raw() }));
    }

    /// The locks that are taken after all others here.
    pub(crate) fn locks(&self) -> [&RawMutex; 2] {
        // SAFETY: only references are made here; what is done to the locks is the caller's business.
        unsafe { [self.free.raw(), self.ready.raw()] }
    }
}
