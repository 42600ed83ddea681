//! The accesses of one vCPU on their way to a core that several vCPUs share.
//!
//! A core that several vCPUs use needs a lock, and taking it for every access is what makes two
//! threads slower than one. So every vCPU writes its accesses into a buffer of its own, and simulates
//! them in one go, under one lock, when the buffer is full: its accesses keep their order, and those
//! of the vCPUs interleave by batches of some thousands, as they would on a real core that is
//! time-sliced between threads, only much finer.
//!
//! An access to the line that was accessed last in its set is counted, not recorded: within a batch
//! nothing comes between, so it hits and changes nothing that matters. Those are most accesses. Where
//! it would change something (the policy counts repeated hits, a store makes a line dirty) it is
//! recorded; [`Filters`] knows.
//!
//! One thread, the vCPU's, records and drains. Another may *read* what has been recorded so far with
//! [`AccessBuffer::peek`], while it holds the lock under which the buffer is drained: everything
//! below the published length stays as it is until the next drain, which needs that lock.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::address::LineAddr;
use crate::config::Config;
use crate::geometry::CacheGeometry;
use crate::policy::Repeats;
use crate::recent::RecentLines;
use crate::stats::Counter;

/// Which of a core's caches an access goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// The data cache.
    Data,
    /// The instruction cache.
    Fetch,
}

/// One recorded access: a word that says to what, and a token for whoever asked, whose lowest bit is
/// the port.
#[derive(Debug, Default)]
struct Slot {
    word: AtomicU64,
    token_and_port: AtomicU64,
}

/// What may be left out of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filters {
    /// By [`Port`]: whether repeated accesses matter.
    repeats: [Repeats; 2],
    /// Whether each store matters.
    stores: Repeats,
}

impl Filters {
    /// For the cores of `config`.
    pub fn of(config: &Config) -> Self {
        Self {
            repeats: [config.repeats(&config.dcache()), config.repeats(&config.icache())],
            stores: if config.tells_stores() { Repeats::Count } else { Repeats::ChangeNothing },
        }
    }
}

/// What has been recorded or counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// Data accesses.
    pub accesses: u64,
    /// Fetches.
    pub fetches: u64,
}

/// A vCPU's accesses that its core has not seen yet.
#[derive(Debug)]
pub struct AccessBuffer {
    /// How many of `slots` hold an access.
    len: AtomicUsize,
    /// The lines accessed last in this batch, by port.
    recent: [RecentLines; 2],
    filters: Filters,
    /// Data accesses since the last drain, the collapsed ones included.
    accesses: Counter,
    /// Fetches since the last drain, the collapsed ones included.
    fetches: Counter,
    slots: Box<[Slot]>,
}

/// Whether a buffer has room for more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Room {
    /// At least one more access fits.
    Left,
    /// The buffer has to be drained before the next access.
    Full,
}

impl AccessBuffer {
    /// An empty buffer for `capacity` accesses, at least one, to a core with these caches.
    pub fn new(
        capacity: usize,
        dcache: &CacheGeometry,
        icache: &CacheGeometry,
        filters: Filters,
    ) -> Self {
        let recent = |cache: &CacheGeometry, port: Port| {
            RecentLines::new(cache.sets(), filters.repeats[port as usize])
        };
        Self {
            len: AtomicUsize::new(0),
            recent: [recent(dcache, Port::Data), recent(icache, Port::Fetch)],
            filters,
            accesses: Counter::default(),
            fetches: Counter::default(),
            slots: (0..capacity.max(1)).map(|_| Slot::default()).collect(),
        }
    }

    /// Counts `n` fetches without recording where they went: hits by construction.
    #[inline(always)]
    pub fn count(&self, n: u64) {
        self.fetches.add(n);
    }

    /// Whether repeated accesses at this port are recorded.
    pub fn records_repeats(&self, port: Port) -> bool {
        self.filters.repeats[port as usize] == Repeats::Count
    }

    /// Records a data access to `line`. `record` gives the word that says what the model has to know, and
    /// a token, which come back if it is replayed; the token's lowest bit must be zero.
    #[inline(always)]
    pub fn record_access(
        &self,
        line: LineAddr,
        record: impl FnOnce() -> (u64, u64),
        is_store: impl FnOnce() -> bool,
    ) -> Room {
        self.accesses.add(1);
        if self.filters.stores == Repeats::Count && is_store() {
            self.recent[Port::Data as usize].remember(line);
            return self.append(Port::Data, record());
        }
        self.record(Port::Data, line, record)
    }

    /// Records `n` fetches from `line`. `token` as for [`AccessBuffer::record_access`].
    #[inline(always)]
    pub fn record_fetches(&self, line: LineAddr, n: u64, token: u64) -> Room {
        self.fetches.add(n);
        self.record(Port::Fetch, line, || (line.number(), token))
    }

    #[inline(always)]
    fn record(&self, port: Port, line: LineAddr, record: impl FnOnce() -> (u64, u64)) -> Room {
        let recent = &self.recent[port as usize];
        if recent.contains(line) {
            return Room::Left;
        }
        recent.remember(line);
        self.append(port, record())
    }

    #[inline(always)]
    fn append(&self, port: Port, (word, token): (u64, u64)) -> Room {
        let len = self.len.load(Ordering::Relaxed);
        let slot = &self.slots[len];
        slot.word.store(word, Ordering::Relaxed);
        slot.token_and_port.store(token | port as u64, Ordering::Relaxed);
        // Publishes the slot to `peek`.
        self.len.store(len + 1, Ordering::Release);
        if len + 1 == self.slots.len() { Room::Full } else { Room::Left }
    }

    /// Hands every recorded access to `access`, oldest first: of a data access its word, of a fetch the
    /// line's number, and the token. Returns what they stand for. The caller holds the lock of the core
    /// they go to.
    pub fn peek(&self, mut access: impl FnMut(Port, u64, u64)) -> Counted {
        let len = self.len.load(Ordering::Acquire);
        for slot in &self.slots[..len] {
            let token_and_port = slot.token_and_port.load(Ordering::Relaxed);
            let port = if token_and_port & 1 == 0 { Port::Data } else { Port::Fetch };
            access(port, slot.word.load(Ordering::Relaxed), token_and_port & !1);
        }
        self.counted()
    }

    /// What has been counted since the last drain.
    pub fn counted(&self) -> Counted {
        Counted { accesses: self.accesses.get(), fetches: self.fetches.get() }
    }

    /// Whether nothing has been recorded or counted since the last drain.
    pub fn is_empty(&self) -> bool {
        self.counted() == Counted::default()
    }

    /// Empties the buffer. The caller is the vCPU, and holds the lock of the core that has just seen
    /// what was in it.
    pub fn clear(&self) {
        for recent in &self.recent {
            recent.forget();
        }
        self.accesses.set(0);
        self.fetches.set(0);
        self.len.store(0, Ordering::Relaxed);
    }
}
