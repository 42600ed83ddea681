//! A machine's caches as the rules of [`cachesim::hierarchy`] have them in words, to compare with.
//!
//! It shares nothing with the model but the settings: it divides where that shifts, keeps lines in order
//! where that keeps times, has all caches of all cores in one table and goes from level to level by
//! recursion, and invalidates in other cores at once where the model leaves them a note.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use cachesim::options::{
    Config, Inclusion, L2Kind, Level, PolicyKind, WriteHit, WriteMiss, Writes,
};
use cachesim::stats::{BeyondStats, Counter, LowerStats, Purpose};

use super::timed::{Kind, Step};

/// The bytes from the first to the last address.
type Bytes = RangeInclusive<u64>;

fn length(bytes: &Bytes) -> u64 {
    bytes.end() - bytes.start() + 1
}

/// A line in a cache.
#[derive(Clone, Copy, Debug)]
struct Held {
    line: u64,
    is_dirty: bool,
}

/// One cache.
#[derive(Clone, Debug)]
struct NaiveCache {
    line_bytes: u64,
    ways: usize,
    policy: PolicyKind,
    /// The lines of each set; the next victim last.
    sets: Vec<Vec<Held>>,
}

impl NaiveCache {
    fn new(level: &Level) -> Self {
        let Level { geometry, policy } = *level;
        assert!(matches!(policy, PolicyKind::Lru | PolicyKind::Fifo), "{policy:?}");
        Self {
            line_bytes: geometry.line_bytes(),
            ways: geometry.ways() as usize,
            policy,
            sets: (0..geometry.sets()).map(|_| Vec::new()).collect(),
        }
    }

    fn line_of(&self, address: u64) -> u64 {
        address / self.line_bytes
    }

    fn bytes_of(&self, line: u64) -> Bytes {
        let first = line * self.line_bytes;
        first..=first + (self.line_bytes - 1)
    }

    fn lines_in(&self, bytes: &Bytes) -> RangeInclusive<u64> {
        self.line_of(*bytes.start())..=self.line_of(*bytes.end())
    }

    fn set(&mut self, line: u64) -> &mut Vec<Held> {
        let sets = self.sets.len() as u64;
        &mut self.sets[usize::try_from(line % sets).expect("few sets")]
    }

    fn find(&mut self, line: u64) -> Option<&mut Held> {
        self.set(line).iter_mut().find(|held| held.line == line)
    }

    fn take(&mut self, line: u64) -> Option<Held> {
        let set = self.set(line);
        let position = set.iter().position(|held| held.line == line)?;
        Some(set.remove(position))
    }

    /// A use of a line, if it is there.
    fn hits(&mut self, line: u64) -> bool {
        if self.policy == PolicyKind::Lru
            && let Some(held) = self.take(line)
        {
            self.set(line).insert(0, held);
        }
        self.find(line).is_some()
    }

    /// A line that is not there comes in; what goes out.
    fn put(&mut self, held: Held) -> Option<Held> {
        let ways = self.ways;
        let set = self.set(held.line);
        set.insert(0, held);
        if set.len() > ways { set.pop() } else { None }
    }

    /// Takes out all that has some of these bytes; whether any of it is dirty.
    fn take_all(&mut self, bytes: &Bytes) -> bool {
        let taken: Vec<_> = self.lines_in(bytes).filter_map(|line| self.take(line)).collect();
        taken.iter().any(|held| held.is_dirty)
    }
}

/// What a cache is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Side {
    Code,
    Data,
}

/// Which cache: its level, its core and what it is for. The third level is core 0's.
type Key = (usize, usize, Side);

/// What is counted beyond accesses and misses of the first level, for one core.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct NaiveCounts {
    /// Accesses and misses of the second and third level, by purpose.
    pub lower: [[(u64, u64); 4]; 2],
    pub passed_stores: u64,
    /// Of the three levels.
    pub write_backs: [u64; 3],
    pub memory_read_bytes: u64,
    pub memory_written_bytes: u64,
}

impl From<&BeyondStats> for NaiveCounts {
    fn from(stats: &BeyondStats) -> Self {
        let by_purpose = |level: &LowerStats| {
            Purpose::ALL.map(|purpose| {
                let counts = level.of(purpose);
                (counts.accesses.get(), counts.misses.get())
            })
        };
        Self {
            lower: [by_purpose(&stats.l2), by_purpose(&stats.l3)],
            passed_stores: stats.passed_stores.get(),
            write_backs: stats.write_backs.each_ref().map(Counter::get),
            memory_read_bytes: stats.memory_read_bytes.get(),
            memory_written_bytes: stats.memory_written_bytes.get(),
        }
    }
}

/// All cores and caches of a machine.
#[derive(Clone, Debug)]
pub struct NaiveMachine {
    config: Config,
    caches: BTreeMap<Key, NaiveCache>,
    /// Of each core.
    pub counts: Vec<NaiveCounts>,
}

impl NaiveMachine {
    pub fn new(config: &Config) -> Self {
        let cores = config.cores.get() as usize;
        let mut caches = BTreeMap::new();
        for core in 0..cores {
            caches.insert((1, core, Side::Code), NaiveCache::new(&config.icache));
            caches.insert((1, core, Side::Data), NaiveCache::new(&config.dcache));
            let Some(lower) = &config.lower else { continue };
            caches.insert((2, core, Side::Data), NaiveCache::new(&lower.l2));
            if lower.l2_kind == L2Kind::Split {
                caches.insert((2, core, Side::Code), NaiveCache::new(&lower.l2));
            }
            if let Some(l3) = &lower.l3 {
                caches.insert((3, 0, Side::Data), NaiveCache::new(l3));
            }
        }
        Self { config: config.clone(), caches, counts: vec![NaiveCounts::default(); cores] }
    }

    /// The line numbers of a level as `core` has it, sorted: of the caches for code and of those for data.
    pub fn lines(&self, level: usize, core: usize) -> [Vec<u64>; 2] {
        [Side::Code, Side::Data].map(|side| {
            let core = if level == 3 { 0 } else { core };
            let cache = self.caches.get(&(level, core, side));
            let mut lines: Vec<u64> = cache
                .iter()
                .flat_map(|cache| &cache.sets)
                .flatten()
                .map(|held| held.line)
                .collect();
            lines.sort_unstable();
            lines
        })
    }

    /// Makes an access; how many levels missed.
    pub fn step(&mut self, step: Step) -> usize {
        let Step { core, kind, address, size_log2 } = step;
        match (kind, self.config.writes) {
            (Kind::Fetch, _) => self.access(core, address, Purpose::Fetch),
            (Kind::Load, _) => self.access(core, address, Purpose::Read),
            (Kind::Store, None) => self.access(core, address, Purpose::Write),
            (Kind::Store, Some(writes)) => self.store(core, address, 1 << size_log2, writes),
        }
    }

    fn access(&mut self, core: usize, address: u64, purpose: Purpose) -> usize {
        if self.is_exclusive() {
            self.swap_in(core, address, purpose)
        } else {
            self.read(core, 1, address, purpose, 0)
        }
    }

    /// A store of `size` bytes where that matters.
    fn store(&mut self, core: usize, address: u64, size: u64, writes: Writes) -> usize {
        let dcache = self.cache((1, core, Side::Data));
        let line = dcache.line_of(address);
        let is_there = dcache.find(line).is_some();
        // What is beyond the line's end is not modelled.
        let last = address.saturating_add(size - 1).min(*dcache.bytes_of(line).end());
        let stored = address..=last;
        if !is_there && writes.on_miss == WriteMiss::NoAllocate {
            self.counts[core].passed_stores += 1;
            return 1 + self.store_past(core, stored);
        }
        let missed = self.access(core, address, Purpose::Write);
        match writes.on_hit {
            WriteHit::Back => {
                let held = self.cache((1, core, Side::Data)).find(line);
                held.expect("a line just used").is_dirty = true;
            }
            WriteHit::Through => {
                self.counts[core].passed_stores += 1;
                if self.is_exclusive() {
                    self.store_where_it_is(core, &stored, Purpose::WriteBack);
                } else {
                    self.write(core, 2, &stored);
                }
            }
        }
        missed
    }

    fn is_exclusive(&self) -> bool {
        self.config.lower.is_some_and(|lower| lower.inclusion == Inclusion::Exclusive)
    }

    fn is_inclusive(&self) -> bool {
        self.config.lower.is_some_and(|lower| lower.inclusion == Inclusion::Inclusive)
    }

    fn cache(&mut self, key: Key) -> &mut NaiveCache {
        self.caches.get_mut(&key).expect("a cache of this machine")
    }

    /// The cache of a level that an access is to, if there is such a level.
    fn key(&self, core: usize, level: usize, purpose: Purpose) -> Option<Key> {
        let core = if level == 3 { 0 } else { core };
        let side = if purpose == Purpose::Fetch { Side::Code } else { Side::Data };
        let keys = [(level, core, side), (level, core, Side::Data)];
        keys.into_iter().find(|key| self.caches.contains_key(key))
    }

    fn count(&mut self, core: usize, level: usize, purpose: Purpose, is_miss: bool) {
        if level > 1 {
            let (accesses, misses) = &mut self.counts[core].lower[level - 2][purpose as usize];
            *accesses += 1;
            *misses += u64::from(is_miss);
        }
    }

    // Levels that are not exclusive.

    /// Reads at a level, for `wanted_bytes` of the level before; how many levels missed from there on.
    fn read(
        &mut self,
        core: usize,
        level: usize,
        address: u64,
        purpose: Purpose,
        wanted_bytes: u64,
    ) -> usize {
        let Some(key) = self.key(core, level, purpose) else {
            self.counts[core].memory_read_bytes += wanted_bytes;
            return 0;
        };
        let cache = self.cache(key);
        let (line, line_bytes) = (cache.line_of(address), cache.line_bytes);
        let hits = cache.hits(line);
        self.count(core, level, purpose, !hits);
        if hits {
            return 0;
        }
        let missed = self.read(core, level + 1, address, purpose, line_bytes);
        self.fill(core, key, Held { line, is_dirty: false });
        1 + missed
    }

    fn fill(&mut self, core: usize, key: Key, held: Held) {
        let level = key.0;
        let cache = self.cache(key);
        let Some(victim) = cache.put(held) else { return };
        let bytes = cache.bytes_of(victim.line);
        let mut is_dirty = victim.is_dirty;
        if self.is_inclusive() {
            let mut dirty_in = vec![false; self.counts.len()];
            for (&(above, owner, _), cache) in &mut self.caches {
                if above < level && (owner == core || level == 3) {
                    dirty_in[owner] |= cache.take_all(&bytes);
                }
            }
            is_dirty |= dirty_in[core];
            dirty_in[core] = false;
            // What other cores have written goes to memory from them.
            for (owner, _) in dirty_in.iter().enumerate().filter(|(_, is_dirty)| **is_dirty) {
                self.counts[owner].write_backs[level - 1] += 1;
                self.counts[owner].memory_written_bytes += length(&bytes);
            }
        }
        if is_dirty {
            self.counts[core].write_backs[level - 1] += 1;
            self.write(core, level + 1, &bytes);
        }
    }

    /// Dirty bytes arrive at a level.
    fn write(&mut self, core: usize, level: usize, bytes: &Bytes) {
        let Some(key) = self.key(core, level, Purpose::WriteBack) else {
            self.counts[core].memory_written_bytes += length(bytes);
            return;
        };
        for line in self.cache(key).lines_in(bytes) {
            let cache = self.cache(key);
            let (address, line_bytes) = (*cache.bytes_of(line).start(), cache.line_bytes);
            let is_there = cache.find(line).map(|held| held.is_dirty = true).is_some();
            self.count(core, level, Purpose::WriteBack, !is_there);
            if !is_there {
                self.read(core, level + 1, address, Purpose::WriteBack, line_bytes);
                self.fill(core, key, Held { line, is_dirty: true });
            }
        }
    }

    /// A store that does not fill the first level: one access, to the line of its first byte.
    fn store_past(&mut self, core: usize, stored: Bytes) -> usize {
        if self.is_exclusive() {
            return self.store_where_it_is(core, &stored, Purpose::Write);
        }
        let Some(key) = self.key(core, 2, Purpose::Write) else {
            self.counts[core].memory_written_bytes += length(&stored);
            return 0;
        };
        let missed = self.read(core, 2, *stored.start(), Purpose::Write, 0);
        let cache = self.cache(key);
        let line = cache.line_of(*stored.start());
        cache.find(line).expect("a line just used").is_dirty = true;
        missed
    }

    // Exclusive levels.

    /// A line comes to the first level, from wherever it is; how many levels missed.
    fn swap_in(&mut self, core: usize, address: u64, purpose: Purpose) -> usize {
        let first = self.key(core, 1, purpose).expect("a first level");
        let cache = self.cache(first);
        let (line, line_bytes) = (cache.line_of(address), cache.line_bytes);
        if cache.hits(line) {
            return 0;
        }
        let mut missed = 1;
        let mut is_dirty = None;
        while let Some(key) = self.key(core, missed + 1, purpose)
            && is_dirty.is_none()
        {
            is_dirty = self.cache(key).take(line).map(|held| held.is_dirty);
            self.count(core, missed + 1, purpose, is_dirty.is_none());
            missed += usize::from(is_dirty.is_none());
        }
        if is_dirty.is_none() {
            self.counts[core].memory_read_bytes += line_bytes;
        }
        let mut is_dirty = is_dirty.unwrap_or_default();
        if is_dirty && purpose == Purpose::Fetch {
            self.counts[core].memory_written_bytes += line_bytes;
            is_dirty = false;
        }
        if let Some(victim) = self.cache(first).put(Held { line, is_dirty }) {
            self.spill(core, victim, purpose, line_bytes);
        }
        missed
    }

    /// What has left the first level moves down, and what that pushes out after it.
    fn spill(&mut self, core: usize, mut moving: Held, purpose: Purpose, line_bytes: u64) {
        let is_still_there = [Side::Code, Side::Data]
            .into_iter()
            .any(|side| self.cache((1, core, side)).find(moving.line).is_some());
        for level in 1.. {
            if moving.is_dirty {
                self.counts[core].write_backs[level - 1] += 1;
            }
            let next = self.key(core, level + 1, purpose).filter(|_| !is_still_there);
            let Some(next) = next else { break };
            let cache = self.cache(next);
            if cache.hits(moving.line) {
                let held = cache.find(moving.line).expect("a hit");
                held.is_dirty |= moving.is_dirty;
                return;
            }
            match cache.put(moving) {
                Some(victim) => moving = victim,
                None => return,
            }
        }
        if moving.is_dirty {
            self.counts[core].memory_written_bytes += line_bytes;
        }
    }

    /// Stored bytes go to the nearest level below the first that has their line; how many had it not.
    fn store_where_it_is(&mut self, core: usize, stored: &Bytes, purpose: Purpose) -> usize {
        let mut missed = 0;
        while let Some(key) = self.key(core, missed + 2, purpose) {
            let cache = self.cache(key);
            let line = cache.line_of(*stored.start());
            let is_there = cache.find(line).map(|held| held.is_dirty = true).is_some();
            self.count(core, missed + 2, purpose, !is_there);
            if is_there {
                return missed;
            }
            missed += 1;
        }
        self.counts[core].memory_written_bytes += length(stored);
        missed
    }
}
