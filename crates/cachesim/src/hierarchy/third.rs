//! The third level: of one core alone, or of all cores.
//!
//! What several cores share is cut into slices of sets, each with a lock of its own, so that cores
//! that miss at the same time seldom wait for each other. (Real last levels are sliced too, though not
//! by the lowest bits of the line number.) A core alone has one slice and no lock.
//!
//! Where this level is inclusive, a line that is evicted here has to go from the cores' own caches,
//! which only they may touch. So the slice knows which cores have read a line since it was filled, and
//! those are sent the lines to invalidate; each does it before its next access. For that core the others
//! just evict a little later, in one of the orders that threads may run in.

use std::sync::Arc;

use super::lower::{Evicted, LineState, LowerCache};
use crate::address::LineAddr;
use crate::config::{Config, Inclusion, Level};
use crate::geometry::CacheGeometry;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// The most slices of a shared cache.
const MOST_SLICES: u64 = 64;

/// Cores, one a bit; above 64 some share one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct CoreSet(u64);

impl CoreSet {
    fn of(core: usize) -> Self {
        Self(1 << (core % 64))
    }

    fn contains(self, core: usize) -> bool {
        self.0 & Self::of(core).0 != 0
    }
}

/// A part of a third level.
#[derive(Clone, Debug)]
pub struct Slice {
    cache: LowerCache,
    /// The cores that may have a line above, by index; empty where nobody asks.
    readers: Box<[CoreSet]>,
}

/// What an access to the third level has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The line was there.
    Hit,
    /// It was not, and is now; what had to go for it.
    Filled(Option<Evicted>),
}

impl Slice {
    fn access(&mut self, line: LineAddr, core: usize) -> (Found, CoreSet) {
        let hit = self.cache.access(line);
        let (line_index, evicted) = match hit {
            Some(line_index) => (line_index, None),
            None => self.cache.fill(line, LineState::Clean),
        };
        let mut readers = CoreSet::default();
        if let Some(here) = self.readers.get_mut(line_index.index()) {
            if hit.is_none() {
                readers = std::mem::take(here);
            }
            here.0 |= CoreSet::of(core).0;
        }
        (if hit.is_some() { Found::Hit } else { Found::Filled(evicted) }, readers)
    }

    /// A dirty line comes from the level above.
    fn write(&mut self, line: LineAddr) -> Found {
        if let Some(line_index) = self.cache.find(line) {
            self.cache.mark_dirty(line_index);
            return Found::Hit;
        }
        Found::Filled(self.cache.fill(line, LineState::Dirty).1)
    }
}

/// Lines that a core has to invalidate.
#[derive(Debug, Default)]
struct Mailbox {
    /// Whether there are any. The core has it at hand.
    is_full: Arc<AtomicBool>,
    lines: Mutex<Vec<LineAddr>>,
}

/// A third level that several cores share.
#[derive(Debug)]
pub struct SharedCache {
    slices: Box<[Mutex<Slice>]>,
    /// By core; empty where nothing is invalidated.
    mailboxes: Box<[Mailbox]>,
    line_shift: u32,
}

impl SharedCache {
    fn new(level: &Level, config: &Config, is_inclusive: bool) -> Self {
        let Level { geometry, policy } = *level;
        let line_shift = geometry.line_shift();
        let slices: usize = 1 << geometry.sets().trailing_zeros().min(MOST_SLICES.ilog2());
        let geometry = CacheGeometry::new(
            geometry.size_bytes() / slices as u64,
            geometry.line_bytes(),
            geometry.ways(),
        );
        let geometry = geometry.expect("the sets of a valid geometry, divided");
        let level = Level { geometry, policy };
        let seed = seed_of(config);
        let slices = (0..slices).map(|number| {
            let seed = seed.wrapping_add(number as u64);
            let mut cache = LowerCache::new(&level, seed, config.writes().is_some());
            cache.become_slice(number, slices);
            Slice { cache, readers: readers(&geometry, is_inclusive) }
        });
        let mailboxes = if is_inclusive { config.cores().get() } else { 0 };
        Self {
            slices: one_cache(slices.collect()),
            mailboxes: (0..mailboxes).map(|_| Mailbox::default()).collect(),
            line_shift,
        }
    }

    /// The slices, each with its lock. It is taken after that of a core, and before none.
    pub fn slices(&self) -> &[Mutex<Slice>] {
        &self.slices
    }

    /// The lines that cores have to invalidate. A lock is taken after that of a core, and before none.
    pub fn mail(&self) -> impl Iterator<Item = &Mutex<Vec<LineAddr>>> {
        self.mailboxes.iter().map(|mailbox| &mailbox.lines)
    }

    /// A copy.
    pub(super) fn scratch_copy(&self) -> Self {
        let slices = self.slices.iter().map(|slice| slice.lock().clone());
        let mailboxes = self.mailboxes.iter().map(|mailbox| {
            let lines = mailbox.lines.lock().clone();
            Mailbox {
                is_full: Arc::new(AtomicBool::new(!lines.is_empty())),
                lines: Mutex::new(lines),
            }
        });
        Self {
            slices: one_cache(slices.collect()),
            mailboxes: mailboxes.collect(),
            line_shift: self.line_shift,
        }
    }

    /// The slice of a line, and the line's number in it.
    fn slice_of(&self, line: LineAddr) -> (&Mutex<Slice>, LineAddr) {
        let slices = self.slices.len() as u64;
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of the slices' number")]
        let slice = &self.slices[(line.number() % slices) as usize];
        (slice, LineAddr::from_number(line.number() / slices))
    }

    /// A line by its number in the slice of `in_same_slice`.
    fn line(&self, number: LineAddr, in_same_slice: LineAddr) -> LineAddr {
        let slices = self.slices.len() as u64;
        LineAddr::from_number(number.number() * slices + in_same_slice.number() % slices)
    }
}

/// Slices, each with a lock, and with what they have in common.
fn one_cache(mut slices: Vec<Slice>) -> Box<[Mutex<Slice>]> {
    if let Some((first, others)) = slices.split_first_mut() {
        for slice in others {
            slice.cache.share_selector(&first.cache);
        }
    }
    slices.into_iter().map(Mutex::new).collect()
}

fn readers(geometry: &CacheGeometry, are_needed: bool) -> Box<[CoreSet]> {
    let lines = if are_needed { geometry.lines() } else { 0 };
    let lines = usize::try_from(lines).expect("the lines are in memory");
    vec![CoreSet::default(); lines].into_boxed_slice()
}

/// Apart from those of the cores' caches.
fn seed_of(config: &Config) -> u64 {
    config.seed().wrapping_add(1 << 40)
}

/// The third level as one core has it.
#[derive(Clone, Debug)]
pub enum ThirdLevel {
    /// There is no other core.
    Own(Box<LowerCache>),
    /// All cores have it.
    Shared {
        /// The cache.
        cache: Arc<SharedCache>,
        /// The number of this core.
        core: usize,
    },
}

/// The third level that the cores of `config` share: none where there is none, or only one core.
pub(super) fn shared(config: &Config) -> Option<Arc<SharedCache>> {
    let lower = config.lower()?;
    let several = config.cores().get() > 1;
    let is_inclusive = lower.l3_inclusion == Inclusion::Inclusive;
    let level = lower.l3.filter(|_| several)?;
    Some(Arc::new(SharedCache::new(&level, config, is_inclusive)))
}

impl ThirdLevel {
    /// The one of `config`, if it has any, for core `number`.
    pub(super) fn new(
        config: &Config,
        number: u32,
        shared: Option<&Arc<SharedCache>>,
    ) -> Option<Self> {
        let level = config.lower()?.l3?;
        Some(if let Some(cache) = shared {
            Self::Shared { cache: Arc::clone(cache), core: number as usize }
        } else {
            let cache = LowerCache::new(&level, seed_of(config), config.writes().is_some());
            Self::Own(Box::new(cache))
        })
    }

    /// The binary logarithm of the length of its lines.
    pub(super) fn line_shift(&self) -> u32 {
        match self {
            Self::Own(cache) => cache.line_shift(),
            Self::Shared { cache, .. } => cache.line_shift,
        }
    }

    /// The line that holds the byte at `address`.
    pub(super) fn line_of(&self, address: u64) -> LineAddr {
        LineAddr::containing(address, self.line_shift())
    }

    /// The address of a line's first byte.
    pub(super) fn address_of(&self, line: LineAddr) -> u64 {
        line.number() << self.line_shift()
    }

    /// The length of its lines.
    pub(super) fn line_bytes(&self) -> u64 {
        1 << self.line_shift()
    }

    /// Makes `line` dirty, if it is there; whether it is.
    pub(super) fn mark_dirty(&mut self, line: LineAddr) -> bool {
        match self {
            Self::Own(cache) => cache.mark_line_dirty(line),
            Self::Shared { cache, .. } => {
                let (slice, number) = cache.slice_of(line);
                slice.lock().cache.mark_line_dirty(number)
            }
        }
    }

    /// Reads `line` for this core.
    pub(super) fn access(&mut self, line: LineAddr) -> Found {
        match self {
            Self::Own(cache) => match cache.access(line) {
                Some(_) => Found::Hit,
                None => Found::Filled(cache.fill(line, LineState::Clean).1),
            },
            Self::Shared { cache, core } => {
                let (slice, number) = cache.slice_of(line);
                let (found, readers) = slice.lock().access(number, *core);
                cache.evict(found, readers, line, *core)
            }
        }
    }

    /// Takes a dirty line from the level above; where this one is inclusive, [`ThirdLevel::mark_dirty`] does.
    pub(super) fn write(&mut self, line: LineAddr) -> Found {
        match self {
            Self::Own(cache) => match cache.find(line) {
                Some(line_index) => {
                    cache.mark_dirty(line_index);
                    Found::Hit
                }
                None => Found::Filled(cache.fill(line, LineState::Dirty).1),
            },
            Self::Shared { cache, core } => {
                let (slice, number) = cache.slice_of(line);
                let found = slice.lock().write(number);
                cache.evict(found, CoreSet::default(), line, *core)
            }
        }
    }

    /// Takes `line` out, if it is there.
    pub(super) fn remove(&mut self, line: LineAddr) -> Option<LineState> {
        match self {
            Self::Own(cache) => cache.remove(line),
            Self::Shared { cache, .. } => {
                let (slice, number) = cache.slice_of(line);
                slice.lock().cache.remove(number)
            }
        }
    }

    /// Takes a victim of the level above; what had to go for it.
    pub(super) fn insert(&mut self, line: LineAddr, state: LineState) -> Option<Evicted> {
        match self {
            Self::Own(cache) => cache.insert(line, state),
            Self::Shared { cache, .. } => {
                let (slice, number) = cache.slice_of(line);
                let evicted = slice.lock().cache.insert(number, state);
                evicted.map(|Evicted { line: old, state }| Evicted {
                    line: cache.line(old, line),
                    state,
                })
            }
        }
    }

    /// What says whether other cores have evicted lines that this one has to invalidate, if any ever do.
    pub(super) fn mail(&self) -> Option<Arc<AtomicBool>> {
        let Self::Shared { cache, core } = self else { return None };
        Some(Arc::clone(&cache.mailboxes.get(*core)?.is_full))
    }

    /// Those lines.
    pub(super) fn take_mail(&mut self) -> Vec<LineAddr> {
        let Self::Shared { cache, core } = self else { return Vec::new() };
        let Some(mailbox) = cache.mailboxes.get(*core) else { return Vec::new() };
        let mut lines = mailbox.lines.lock();
        mailbox.is_full.store(false, Ordering::Release);
        std::mem::take(&mut lines)
    }

    /// All lines that are there, in no particular order.
    pub fn lines(&self) -> Vec<LineAddr> {
        match self {
            Self::Own(cache) => cache.lines().collect(),
            Self::Shared { cache, .. } => (0..)
                .zip(&cache.slices)
                .flat_map(|(number, slice)| {
                    let lines: Vec<_> = slice.lock().cache.lines().collect();
                    let slice = LineAddr::from_number(number);
                    lines.into_iter().map(move |line| cache.line(line, slice))
                })
                .collect(),
        }
    }
}

impl SharedCache {
    /// Has the other cores that may hold an evicted line invalidate it.
    fn evict(&self, found: Found, readers: CoreSet, in_same_slice: LineAddr, core: usize) -> Found {
        let Found::Filled(Some(Evicted { line, state })) = found else { return found };
        let line = self.line(line, in_same_slice);
        for (other, mailbox) in self.mailboxes.iter().enumerate() {
            if other != core && readers.contains(other) {
                let mut lines = mailbox.lines.lock();
                lines.push(line);
                mailbox.is_full.store(true, Ordering::Release);
            }
        }
        Found::Filled(Some(Evicted { line, state }))
    }
}
