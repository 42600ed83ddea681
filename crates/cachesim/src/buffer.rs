//! The accesses of one vCPU on their way to a core that several vCPUs share, or to the cores of several machines.
//!
//! A core that several vCPUs use needs a lock, and taking it for every access is what makes two
//! threads slower than one. So every vCPU writes its accesses into a buffer, and what a full buffer
//! holds is simulated in one go, under one lock: its accesses keep their order, and those of the vCPUs
//! interleave by batches of some thousands, as they would on a real core that is time-sliced between
//! threads, only much finer.
//!
//! An access that changes nothing, as [`Filter`] knows, is counted, not recorded. Those are most accesses.
//!
//! One thread at a time records or empties: the vCPU's, or whoever it has handed a full buffer to. Others
//! may *read* what has been recorded so far with [`AccessBuffer::peek`], and see to it that nobody empties the
//! buffer meanwhile: until then everything below the published length stays as it is.

use crate::address::LineAddr;
use crate::filter::Filter;
use crate::machines::Machines;
use crate::model::{Kind, Port};
use crate::stats::Counter;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// One recorded access: a word that says to what, and a token for whoever asked, whose lowest bit is
/// the port.
#[derive(Debug, Default)]
struct Slot {
    word: AtomicU64,
    token_and_port: AtomicU64,
}

/// What has been recorded or counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// Data accesses.
    pub accesses: u64,
    /// Those of them that store.
    pub stores: u64,
    /// Fetches.
    pub fetches: u64,
}

/// A vCPU's accesses that its core has not seen yet.
#[derive(Debug)]
pub struct AccessBuffer {
    /// How many of `slots` hold an access.
    len: AtomicUsize,
    /// What is known of the accesses of this batch.
    filter: Filter,
    /// Data accesses since the last drain, those not recorded included.
    accesses: Counter,
    /// The stores among them.
    stores: Counter,
    /// Fetches since the last drain, those not recorded included.
    fetches: Counter,
    slots: Box<[Slot]>,
}

/// What a buffer held at one moment. Nobody empties it meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    slots: &'a [Slot],
    counted: Counted,
}

impl Recorded<'_> {
    /// As [`AccessBuffer::peek`].
    pub fn peek(&self, mut access: impl FnMut(Port, u64, u64)) -> Counted {
        for slot in self.slots {
            let token_and_port = slot.token_and_port.load(Ordering::Relaxed);
            let port = if token_and_port & 1 == 0 { Port::Data } else { Port::Fetch };
            access(port, slot.word.load(Ordering::Relaxed), token_and_port & !1);
        }
        self.counted
    }
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
    /// An empty buffer for `capacity` accesses, at least one, to a core of `machines`.
    pub fn new(capacity: usize, machines: &Machines) -> Self {
        Self {
            len: AtomicUsize::new(0),
            filter: Filter::new(machines),
            accesses: Counter::default(),
            stores: Counter::default(),
            fetches: Counter::default(),
            slots: (0..capacity.max(1)).map(|_| Slot::default()).collect(),
        }
    }

    /// Counts `n` fetches without recording where they went: hits by construction.
    #[inline(always)]
    pub fn count(&self, n: u64) {
        self.fetches.add(n);
    }

    /// Counts a data access.
    #[inline(always)]
    pub fn count_access(&self, kind: Kind) {
        self.accesses.add(1);
        if kind == Kind::Store {
            self.stores.add(1);
        }
    }

    /// Whether an access changes nothing, so that counting it is enough.
    #[inline(always)]
    pub fn changes_nothing(&self, kind: Kind, line: LineAddr) -> bool {
        self.filter.changes_nothing(kind, line)
    }

    /// Records an access to `line`, of fetches so many at once, that has been counted and may change something: a
    /// word and a token, whose lowest bit must be zero, which come back if it is simulated.
    #[inline(always)]
    pub fn record(&self, kind: Kind, line: LineAddr, fetches: u16, record: (u64, u64)) -> Room {
        self.filter.remember(kind, line, fetches);
        self.append(kind.port(), record)
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
    /// line's number, and the token. Returns what they stand for. The caller sees to it that
    /// nobody empties the buffer meanwhile.
    pub fn peek(&self, access: impl FnMut(Port, u64, u64)) -> Counted {
        self.now().peek(access)
    }

    /// What is in it at this moment, whatever is recorded after it.
    pub fn now(&self) -> Recorded<'_> {
        // In this order: what has been recorded has been counted.
        let slots = &self.slots[..self.len.load(Ordering::Acquire)];
        Recorded { slots, counted: self.counted() }
    }

    /// What has been counted since the last drain.
    pub fn counted(&self) -> Counted {
        Counted {
            accesses: self.accesses.get(),
            stores: self.stores.get(),
            fetches: self.fetches.get(),
        }
    }

    /// Whether nothing has been recorded or counted since the last drain.
    pub fn is_empty(&self) -> bool {
        self.counted() == Counted::default()
    }

    /// Empties the buffer. Every core that is told of it has seen what was in it, and nobody records or peeks
    /// meanwhile.
    pub fn clear(&self) {
        self.filter.forget();
        // Whoever reads that nothing is here any more reads after that what the core has counted.
        fence(Ordering::Release);
        self.accesses.set(0);
        self.stores.set(0);
        self.fetches.set(0);
        self.len.store(0, Ordering::Relaxed);
    }
}
