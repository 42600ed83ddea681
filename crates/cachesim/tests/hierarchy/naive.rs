//! A machine's caches as the rules of [`cachesim::hierarchy`] have them in words, to compare with.
//!
//! It shares nothing with the model but the settings: it divides where that shifts, keeps lines in order
//! where that keeps times, has all caches of all cores in one table and goes from level to level by
//! recursion, and invalidates in other cores at once where the model leaves them a note.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use cachesim::address::LineAddr;
use cachesim::cache::Cache;
use cachesim::config::{Config, Inclusion, L2Kind, Level, WriteHit, WriteMiss, Writes};
use cachesim::policy::{AnyPolicy, PolicyKind};
use cachesim::stats::{Counter, HierarchyStats, LowerStats, Purpose};

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
    contents: Contents,
}

/// What is in a cache.
#[derive(Clone, Debug)]
enum Contents {
    /// LRU or FIFO, of so many ways: the lines of each set, the next victim last.
    InOrder { policy: PolicyKind, ways: usize, sets: Vec<Vec<Held>> },
    /// The lines by their numbers, and a policy that has tests of its own to say which has to go.
    Chosen { held: BTreeMap<u64, Held>, chooser: Box<Cache<AnyPolicy>>, now: u64 },
}

impl NaiveCache {
    fn in_order(level: &Level) -> Self {
        let Level { geometry, policy } = *level;
        assert!(matches!(policy, PolicyKind::Lru | PolicyKind::Fifo), "{policy:?}");
        let sets = (0..geometry.sets()).map(|_| Vec::new()).collect();
        let contents = Contents::InOrder { policy, ways: geometry.ways() as usize, sets };
        Self { line_bytes: geometry.line_bytes(), contents }
    }

    fn chosen(level: &Level, seed: u64) -> Self {
        let chooser = Box::new(Cache::of(level, seed));
        let contents = Contents::Chosen { held: BTreeMap::new(), chooser, now: 0 };
        Self { line_bytes: level.geometry.line_bytes(), contents }
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

    fn lines(&self) -> Vec<u64> {
        let mut lines: Vec<u64> = match &self.contents {
            Contents::InOrder { sets, .. } => sets.iter().flatten().map(|held| held.line).collect(),
            Contents::Chosen { held, .. } => held.keys().copied().collect(),
        };
        lines.sort_unstable();
        lines
    }

    fn find(&mut self, line: u64) -> Option<&mut Held> {
        match &mut self.contents {
            Contents::InOrder { sets, .. } => {
                set_of(sets, line).iter_mut().find(|held| held.line == line)
            }
            Contents::Chosen { held, .. } => held.get_mut(&line),
        }
    }

    fn take(&mut self, line: u64) -> Option<Held> {
        match &mut self.contents {
            Contents::InOrder { sets, .. } => {
                let set = set_of(sets, line);
                let position = set.iter().position(|held| held.line == line)?;
                Some(set.remove(position))
            }
            Contents::Chosen { held, chooser, .. } => {
                chooser.remove(LineAddr::from_number(line));
                held.remove(&line)
            }
        }
    }

    /// A use of a line, if it is there.
    fn hits(&mut self, line: u64) -> bool {
        match &mut self.contents {
            Contents::InOrder { policy: PolicyKind::Lru, sets, .. } => {
                let set = set_of(sets, line);
                if let Some(position) = set.iter().position(|held| held.line == line) {
                    set[..=position].rotate_right(1);
                }
            }
            Contents::InOrder { .. } => {}
            Contents::Chosen { chooser, now, .. } => {
                *now += 1;
                chooser.hit(LineAddr::from_number(line), *now);
            }
        }
        self.find(line).is_some()
    }

    /// A line that is not there comes in; what goes out.
    fn put(&mut self, coming: Held) -> Option<Held> {
        match &mut self.contents {
            Contents::InOrder { ways, sets, .. } => {
                let set = set_of(sets, coming.line);
                set.insert(0, coming);
                if set.len() > *ways { set.pop() } else { None }
            }
            Contents::Chosen { held, chooser, now } => {
                *now += 1;
                let (_, victim) = chooser.fill(LineAddr::from_number(coming.line), *now);
                held.insert(coming.line, coming);
                held.remove(&victim?.number())
            }
        }
    }

    /// Takes out all that has some of these bytes; whether any of it is dirty.
    fn take_all(&mut self, bytes: &Bytes) -> bool {
        let taken: Vec<_> = self.lines_in(bytes).filter_map(|line| self.take(line)).collect();
        taken.iter().any(|held| held.is_dirty)
    }
}

fn set_of(sets: &mut [Vec<Held>], line: u64) -> &mut Vec<Held> {
    let number = line % sets.len() as u64;
    &mut sets[usize::try_from(number).expect("few sets")]
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

impl From<&HierarchyStats> for NaiveCounts {
    fn from(stats: &HierarchyStats) -> Self {
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
    /// With lists, of LRU or FIFO.
    pub fn new(config: &Config) -> Self {
        Self::of(config, |level, _| NaiveCache::in_order(level))
    }

    /// With policies as they are, whose choices start where those of the model start; of one core.
    pub fn with_policies(config: &Config) -> Self {
        assert_eq!(config.cores().get(), 1);
        Self::of(config, |level, (number, _, side)| {
            let start = match (number, side) {
                (1, Side::Code) => 0,
                (1, Side::Data) => 1,
                (2, Side::Data) => 1 << 20,
                (2, Side::Code) => (1 << 20) + 1,
                _ => 1 << 40,
            };
            NaiveCache::chosen(level, config.seed().wrapping_add(start))
        })
    }

    fn of(config: &Config, cache: impl Fn(&Level, Key) -> NaiveCache) -> Self {
        let mut levels = Vec::new();
        for core in 0..config.cores().get() as usize {
            levels.push(((1, core, Side::Code), config.icache()));
            levels.push(((1, core, Side::Data), config.dcache()));
            let Some(lower) = config.lower() else { continue };
            levels.push(((2, core, Side::Data), lower.l2));
            levels.extend(
                (lower.l2_kind == L2Kind::Split).then_some(((2, core, Side::Code), lower.l2)),
            );
            levels.extend(lower.l3.map(|l3| ((3, 0, Side::Data), l3)));
        }
        let caches = levels.into_iter().map(|(key, level)| (key, cache(&level, key))).collect();
        let counts = vec![NaiveCounts::default(); config.cores().get() as usize];
        Self { config: *config, caches, counts }
    }

    /// The line numbers of a level as `core` has it, sorted: of its cache for code and of that for data.
    pub fn lines(&self, level: usize, core: usize) -> [Vec<u64>; 2] {
        [Side::Code, Side::Data].map(|side| {
            let core = if level == 3 { 0 } else { core };
            self.caches.get(&(level, core, side)).map(NaiveCache::lines).unwrap_or_default()
        })
    }

    /// Makes an access; how many levels missed.
    pub fn step(&mut self, step: Step) -> usize {
        let Step { core, kind, address, size_log2 } = step;
        match (kind, self.config.writes()) {
            (Kind::Fetch, _) => self.access(core, address, Purpose::Fetch),
            (Kind::Load, _) => self.access(core, address, Purpose::Read),
            (Kind::Store, None) => self.access(core, address, Purpose::Write),
            (Kind::Store, Some(writes)) => self.store(core, address, 1 << size_log2, writes),
        }
    }

    fn access(&mut self, core: usize, address: u64, purpose: Purpose) -> usize {
        self.read(core, 1, address, purpose, 0).0
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
                self.write(core, 2, &stored);
            }
        }
        missed
    }

    /// Whether this level is there and set to this.
    fn is(&self, level: usize, inclusion: Inclusion) -> bool {
        self.config.lower().is_some_and(|lower| match level {
            2 => lower.l2_inclusion == inclusion,
            3 => lower.l3.is_some() && lower.l3_inclusion == inclusion,
            _ => false,
        })
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

    /// Reads at a level, for `wanted_bytes` of the level before; how many levels missed from there on, and
    /// whether the line comes up dirty.
    fn read(
        &mut self,
        core: usize,
        level: usize,
        address: u64,
        purpose: Purpose,
        wanted_bytes: u64,
    ) -> (usize, bool) {
        let Some(key) = self.key(core, level, purpose) else {
            self.counts[core].memory_read_bytes += wanted_bytes;
            return (0, false);
        };
        let moves = self.is(level, Inclusion::Exclusive);
        let cache = self.cache(key);
        let (line, line_bytes) = (cache.line_of(address), cache.line_bytes);
        let bytes = cache.bytes_of(line);
        let found = if moves {
            cache.take(line).map(|held| held.is_dirty)
        } else {
            cache.hits(line).then_some(false)
        };
        self.count(core, level, purpose, found.is_none());
        if let Some(is_dirty) = found {
            return (0, is_dirty);
        }
        let (missed, mut is_dirty) = self.read(core, level + 1, address, purpose, line_bytes);
        if moves {
            return (1 + missed, is_dirty);
        }
        if is_dirty && key.2 == Side::Code && level == 1 {
            self.write_past_exclusive(core, &bytes);
            is_dirty = false;
        }
        self.fill(core, key, Held { line, is_dirty }, purpose);
        (1 + missed, false)
    }

    fn fill(&mut self, core: usize, key: Key, held: Held, purpose: Purpose) {
        if let Some(victim) = self.cache(key).put(held) {
            self.leave(core, key, victim, purpose);
        }
    }

    /// A line has left its cache.
    fn leave(&mut self, core: usize, key: Key, victim: Held, purpose: Purpose) {
        let level = key.0;
        let bytes = self.cache(key).bytes_of(victim.line);
        let mut is_dirty = victim.is_dirty;
        if self.is(level, Inclusion::Inclusive) {
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
        }
        if !self.is(level + 1, Inclusion::Exclusive) {
            if is_dirty {
                self.write(core, level + 1, &bytes);
            }
            return;
        }
        let is_still_there = level == 1
            && [Side::Code, Side::Data]
                .into_iter()
                .any(|side| self.cache((1, core, side)).find(victim.line).is_some());
        if is_still_there {
            if is_dirty {
                self.write_past_exclusive(core, &bytes);
            }
            return;
        }
        let next = self.key(core, level + 1, purpose).expect("an exclusive level");
        let cache = self.cache(next);
        if cache.hits(victim.line) {
            cache.find(victim.line).expect("a hit").is_dirty |= is_dirty;
        } else {
            self.fill(core, next, Held { line: victim.line, is_dirty }, purpose);
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
            if is_there {
                continue;
            }
            if self.is(level, Inclusion::Exclusive) {
                self.write(core, level + 1, bytes);
            } else {
                self.read(core, level + 1, address, Purpose::WriteBack, line_bytes);
                self.fill(core, key, Held { line, is_dirty: true }, Purpose::WriteBack);
            }
        }
    }

    /// Dirty bytes of a line that stays in the first level: it is not to be in an exclusive one.
    fn write_past_exclusive(&mut self, core: usize, bytes: &Bytes) {
        let level = if self.is(3, Inclusion::Exclusive) { 4 } else { 3 };
        self.write(core, level, bytes);
    }

    /// A store that does not fill the first level: one access, to the line of its first byte, in the nearest
    /// level that fills or has it.
    fn store_past(&mut self, core: usize, stored: Bytes) -> usize {
        let mut passed = 0;
        while let Some(key) = self.key(core, 2 + passed, Purpose::Write) {
            let cache = self.cache(key);
            let line = cache.line_of(*stored.start());
            if !self.is(2 + passed, Inclusion::Exclusive) {
                let (missed, _) = self.read(core, 2 + passed, *stored.start(), Purpose::Write, 0);
                self.cache(key).find(line).expect("a line just used").is_dirty = true;
                return passed + missed;
            }
            let is_there = self.cache(key).find(line).map(|held| held.is_dirty = true).is_some();
            self.count(core, 2 + passed, Purpose::Write, !is_there);
            if is_there {
                return passed;
            }
            passed += 1;
        }
        self.counts[core].memory_written_bytes += length(&stored);
        passed
    }
}
