//! The model of several levels beside an independent simulator, pycachesim (Hammer and others, RRZE-HPC), on
//! the same traces: every counter that it has.
//!
//! Its levels are neither inclusive nor exclusive (what it calls inclusive is never invalidated from below),
//! LRU or FIFO, of one write policy each. What it counts, in the terms of [`HierarchyStats`]:
//!
//! | pycachesim | the first level | the second and third level |
//! |---|---|---|
//! | `STORE` | stores | dirty lines and stores from the level above |
//! | `LOAD` | accesses (loads alone, if stores go through) | accesses for fetches, reads and writes, and own `STORE`s that miss |
//! | `MISS` | misses (of loads alone, if stores go through) | misses of all purposes |
//! | `HIT` | `LOAD` - `MISS` | `LOAD` - `MISS` |
//! | `EVICT` | write-backs (stores, if they go through) | write-backs |
//!
//! Three things differ, and are driven or read so that they do not:
//! - A store that hits is no use of the line there. Where the data cache writes back, each store is driven as a
//!   load and a store. Where it writes through, the level that gets the store is reached by stores alone, and so
//!   only FIFO, which knows no uses, is compared.
//! - A store that allocates is no access of its own there, but the load it makes. So `STORE`s of the second level
//!   that miss are in its `LOAD`. In the third level [`Purpose::WriteBack`] has both dirty lines of the second
//!   level and the lines that the second level reads for those of the first. Which of them missed is told access
//!   by access; where one access does both, only bounds of the third level's `LOAD` and `HIT` are known.
//! - Bytes are those asked for by the level above, not those moved. Memory's are compared by lines.
//!
//! It has no store that goes on from a cache that writes back (it puts an empty line there instead), and no
//! store that allocates in one that writes through.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;

use cachesim::config::{
    Config, Inclusion, L2Kind, Level, LowerLevels, Parts, WriteHit, WriteMiss, Writes,
};
use cachesim::core::Lines;
use cachesim::geometry::CacheGeometry;
use cachesim::hierarchy::Hierarchy;
use cachesim::model::{self, Misses, Model};
use cachesim::policy::{AnyPolicy, PolicyKind};
use cachesim::stats::{CoreStats, HierarchyStats, LowerStats, Purpose};
use common::artifacts::pycachesim;
use common::tools::run;
use serde_json::json;

/// What an access does, as the trace has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Load = 0,
    Store = 1,
    Fetch = 2,
}

type Trace = Vec<(Kind, u64)>;

/// A trace by its name.
type Named = (&'static str, fn() -> Trace);

/// Numbers without a pattern, the same in every run (`SplitMix64`: Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", OOPSLA 2014).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}

const DATA: u64 = 0x10_0000;
const CODE: u64 = 0x8000_0000;

/// Loads and stores anywhere in 1 MiB, and jumps anywhere in 64 KiB of code.
fn anywhere() -> Trace {
    let mut numbers = Numbers(1);
    let one = |_| match numbers.below(8) {
        0..=3 => (Kind::Load, DATA + numbers.below(1 << 20)),
        4..=5 => (Kind::Store, DATA + numbers.below(1 << 20)),
        _ => (Kind::Fetch, CODE + numbers.below(1 << 16)),
    };
    (0..80_000).map(one).collect()
}

/// Mostly a few kilobytes, seldom more: every level hits often.
fn hot_and_cold() -> Trace {
    let mut numbers = Numbers(2);
    let one = |_| {
        let bits = 7 + numbers.below(14);
        let address = DATA + numbers.below(1 << bits);
        let kind = if numbers.below(3) == 0 { Kind::Store } else { Kind::Load };
        (kind, address)
    };
    (0..80_000).map(one).collect()
}

/// c = a × b, in the order of the textbook, with the loop's instructions.
fn matrix() -> Trace {
    const N: u64 = 40;
    let at = |matrix: u64, row: u64, column: u64| DATA + (matrix * N * N + row * N + column) * 8;
    let mut trace = Trace::new();
    for (i, j, k) in (0..N).flat_map(|i| (0..N).flat_map(move |j| (0..N).map(move |k| (i, j, k)))) {
        trace.push((Kind::Fetch, CODE + k % 4 * 16));
        trace.push((Kind::Load, at(0, i, k)));
        trace.push((Kind::Load, at(1, k, j)));
        if k + 1 == N {
            trace.push((Kind::Store, at(2, i, j)));
        }
    }
    trace
}

/// A stencil, from one array into another and back, both larger than the caches.
fn stencil() -> Trace {
    const N: u64 = 6000;
    let mut trace = Trace::new();
    for round in 0..4 {
        let (from, to) = (DATA + round % 2 * N * 8, DATA + (round + 1) % 2 * N * 8);
        for i in 1..N - 1 {
            trace.extend([i - 1, i, i + 1].map(|i| (Kind::Load, from + i * 8)));
            trace.push((Kind::Store, to + i * 8));
        }
    }
    trace
}

/// Down the columns of a matrix of which a column is in few sets, reading and writing.
fn columns() -> Trace {
    let places = (0..3_u64).flat_map(|_| (0..64).flat_map(|x| (0..100).map(move |y| (x, y))));
    places
        .flat_map(|(x, y)| {
            let address = DATA + y * 4096 + x * 8;
            [(Kind::Load, address), (Kind::Store, address), (Kind::Fetch, CODE + y * 32)]
        })
        .collect()
}

const TRACES: [Named; 5] = [
    ("anywhere", anywhere),
    ("hot and cold", hot_and_cold),
    ("matrix", matrix),
    ("stencil", stencil),
    ("columns", columns),
];

/// Sets, ways and bytes of a line.
type Shape = (u64, u32, u64);

/// Caches of one policy.
#[derive(Clone, Copy, Debug)]
struct Caches {
    icache: Shape,
    dcache: Shape,
    l2: Shape,
    l3: Option<Shape>,
    policy: PolicyKind,
    on_hit: WriteHit,
}

impl Caches {
    fn level(&self, (sets, ways, line_bytes): Shape) -> Level {
        let size = sets * u64::from(ways) * line_bytes;
        let geometry = CacheGeometry::new(size, line_bytes, ways).expect("a valid geometry");
        Level { geometry, policy: self.policy }
    }

    fn config(&self) -> Config {
        let on_miss = match self.on_hit {
            WriteHit::Back => WriteMiss::Allocate,
            WriteHit::Through => WriteMiss::NoAllocate,
        };
        Config::new(Parts {
            icache: self.level(self.icache),
            dcache: self.level(self.dcache),
            lower: Some(LowerLevels {
                l2: self.level(self.l2),
                l2_kind: L2Kind::Unified,
                l3: self.l3.map(|l3| self.level(l3)),
                l2_inclusion: Inclusion::Nine,
                l3_inclusion: Inclusion::Nine,
            }),
            writes: Some(Writes { on_hit: self.on_hit, on_miss }),
            ..Parts::default()
        })
        .expect("the caches go together")
    }

    fn settings(&self) -> String {
        let mut caches =
            BTreeMap::from([("icache", self.icache), ("dcache", self.dcache), ("l2", self.l2)]);
        caches.extend(self.l3.map(|l3| ("l3", l3)));
        let caches: BTreeMap<_, _> = caches
            .into_iter()
            .map(|(name, (sets, ways, line_bytes))| {
                (name, json!({ "sets": sets, "ways": ways, "line_bytes": line_bytes }))
            })
            .collect();
        let policy = if self.policy == PolicyKind::Lru { "LRU" } else { "FIFO" };
        let stores = if self.on_hit == WriteHit::Back { "back" } else { "through" };
        json!({ "caches": caches, "policy": policy, "stores": stores }).to_string()
    }
}

/// What the model has counted.
#[derive(Debug, Default)]
struct Counted {
    fetches: u64,
    fetch_misses: u64,
    loads: u64,
    load_misses: u64,
    stores: u64,
    store_misses: u64,
    stats: CoreStats,
    /// At least and at most so many dirty lines of the second level missed the third.
    write_back_misses: (u64, u64),
}

impl Counted {
    fn of(config: &Config, trace: &Trace) -> Self {
        let shared = Hierarchy::<AnyPolicy>::shared(config);
        let mut core = Hierarchy::<AnyPolicy>::new(config, 0, &shared);
        let lines = Lines::new(config);
        let mut counted = Self::default();
        for (now, &(kind, address)) in (1..).zip(trace) {
            let before = WriteBacks::of(&counted.stats.hierarchy);
            let stats = &counted.stats;
            let kind_of_access = match kind {
                Kind::Load => model::Kind::Load,
                Kind::Store => model::Kind::Store,
                Kind::Fetch => model::Kind::Fetch,
            };
            let access = lines.access(kind_of_access, address, 1);
            let misses = if core.hits(access.kind, access.line, 1, now) {
                Misses::NONE
            } else {
                core.simulate(access, now, stats)
            };
            let (accesses, not_there) = match kind {
                Kind::Load => (&mut counted.loads, &mut counted.load_misses),
                Kind::Store => (&mut counted.stores, &mut counted.store_misses),
                Kind::Fetch => (&mut counted.fetches, &mut counted.fetch_misses),
            };
            *accesses += 1;
            *not_there += u64::from(misses.any());
            let possible = WriteBacks::of(&counted.stats.hierarchy).misses_since(&before);
            counted.write_back_misses.0 += possible.start();
            counted.write_back_misses.1 += possible.end();
        }
        counted
    }
}

/// What the third level has been asked for on account of dirty lines.
struct WriteBacks {
    /// By the second level, which reads lines to put dirty ones of the first level into.
    reads: u64,
    /// In all.
    accesses: u64,
    misses: u64,
}

impl WriteBacks {
    fn of(stats: &HierarchyStats) -> Self {
        let third = stats.l3.of(Purpose::WriteBack);
        Self {
            reads: stats.l2.of(Purpose::WriteBack).misses.get(),
            accesses: third.accesses.get(),
            misses: third.misses.get(),
        }
    }

    /// How many dirty lines have missed.
    fn misses_since(&self, before: &Self) -> RangeInclusive<u64> {
        let reads = self.reads - before.reads;
        // Without a third level nothing is read from it.
        let dirty_lines = (self.accesses - before.accesses).saturating_sub(reads);
        let misses = self.misses - before.misses;
        misses.saturating_sub(reads)..=misses.min(dirty_lines)
    }
}

fn misses(level: &LowerStats) -> u64 {
    Purpose::ALL.iter().map(|&purpose| level.of(purpose).misses.get()).sum()
}

fn accesses(level: &LowerStats, purposes: &[Purpose]) -> u64 {
    purposes.iter().map(|&purpose| level.of(purpose).accesses.get()).sum()
}

const DEMAND: [Purpose; 3] = [Purpose::Fetch, Purpose::Read, Purpose::Write];

/// What pycachesim should count of a level.
#[derive(Debug)]
struct Expected {
    stores: u64,
    loads: RangeInclusive<u64>,
    misses: u64,
    evictions: u64,
}

fn expected(caches: &Caches, counted: &Counted) -> BTreeMap<&'static str, Expected> {
    let hierarchy = &counted.stats.hierarchy;
    let exactly = |loads| loads..=loads;
    let icache = Expected {
        stores: 0,
        loads: exactly(counted.fetches),
        misses: counted.fetch_misses,
        evictions: 0,
    };
    let dcache = match caches.on_hit {
        WriteHit::Back => Expected {
            stores: counted.stores,
            loads: exactly(counted.loads + counted.stores),
            misses: counted.load_misses + counted.store_misses,
            evictions: hierarchy.write_backs[0].get(),
        },
        WriteHit::Through => Expected {
            stores: counted.stores,
            loads: exactly(counted.loads),
            misses: counted.load_misses,
            evictions: hierarchy.passed_stores.get(),
        },
    };
    let into_second = accesses(&hierarchy.l2, &[Purpose::WriteBack]);
    let into_third_for_second = hierarchy.l2.of(Purpose::WriteBack).misses.get();
    // A store that goes past the first level is one of the second, and its miss a load.
    let (stores, loads) = match caches.on_hit {
        WriteHit::Back => (into_second, accesses(&hierarchy.l2, &DEMAND)),
        WriteHit::Through => (
            into_second + accesses(&hierarchy.l2, &[Purpose::Write]),
            accesses(&hierarchy.l2, &[Purpose::Fetch, Purpose::Read])
                + hierarchy.l2.of(Purpose::Write).misses.get(),
        ),
    };
    let l2 = Expected {
        stores,
        loads: exactly(loads + into_third_for_second),
        misses: misses(&hierarchy.l2),
        evictions: hierarchy.write_backs[1].get(),
    };
    let mut levels = BTreeMap::from([("icache", icache), ("dcache", dcache), ("l2", l2)]);
    if caches.l3.is_some() {
        let loads = accesses(&hierarchy.l3, &DEMAND) + into_third_for_second;
        let (least, most) = counted.write_back_misses;
        let l3 = Expected {
            stores: accesses(&hierarchy.l3, &[Purpose::WriteBack]) - into_third_for_second,
            loads: loads + least..=loads + most,
            misses: misses(&hierarchy.l3),
            evictions: hierarchy.write_backs[2].get(),
        };
        levels.insert("l3", l3);
    }
    levels
}

type Stats = BTreeMap<String, serde_json::Value>;

/// Runs a trace through both, and compares. [`Counted::write_back_misses`].
fn compare(caches: &Caches, name: &str, trace: &Trace) -> (u64, u64) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let words: Vec<u8> = trace
        .iter()
        .flat_map(|&(kind, address)| (address << 2 | kind as u64).to_le_bytes())
        .collect();
    fs::write(file.path(), words).expect("a trace");
    let mut python = std::process::Command::new(pycachesim());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hierarchy/run_pycachesim.py");
    let output = run(python.arg(script).arg(caches.settings()).arg(file.path()));
    let stats: BTreeMap<String, Stats> =
        serde_json::from_slice(&output.stdout).expect("the counters as JSON");

    let config = caches.config();
    let counted = Counted::of(&config, trace);
    let expected = expected(caches, &counted);
    assert_eq!(stats.len(), expected.len());
    let told = format!("{name}, {caches:?}\n{counted:#?}\n{stats:#?}");
    for (level, expected) in &expected {
        let of = |counter: &str| stats[*level][counter].as_u64().expect("a number");
        assert_eq!(of("STORE_count"), expected.stores, "stores of {level}: {told}");
        assert_eq!(of("MISS_count"), expected.misses, "misses of {level}: {told}");
        assert_eq!(of("EVICT_count"), expected.evictions, "evictions of {level}: {told}");
        let loads = of("LOAD_count");
        assert!(expected.loads.contains(&loads), "loads of {level}: {:?}: {told}", expected.loads);
        // All loads are hits or misses, in both. It does not count stores that find their line.
        assert_eq!(of("HIT_count"), loads - expected.misses, "hits of {level}: {told}");
    }
    let hierarchy = &counted.stats.hierarchy;
    let (last, line_bytes) = caches.l3.map_or(("l2", caches.l2.2), |l3| ("l3", l3.2));
    let of_last = |counter: &str| stats[last][counter].as_u64().expect("a number");
    assert_eq!(hierarchy.memory_read_bytes.get(), of_last("MISS_count") * line_bytes, "{told}");
    assert_eq!(hierarchy.memory_written_bytes.get(), of_last("EVICT_byte"), "{told}");
    counted.write_back_misses
}

fn compare_all(caches: &Caches) {
    for (name, trace) in TRACES {
        compare(caches, name, &trace());
    }
}

/// 2 KiB, 8 KiB and 32 KiB, in the second level as many ways as sets, in the third more of both.
const THREE: Caches = Caches {
    icache: (8, 4, 64),
    dcache: (8, 4, 64),
    l2: (16, 8, 64),
    l3: Some((64, 16, 64)),
    policy: PolicyKind::Lru,
    on_hit: WriteHit::Back,
};

#[test]
fn three_levels_with_lru_count_what_pycachesim_counts() {
    for (name, trace) in TRACES {
        let (least, most) = compare(&THREE, name, &trace());
        assert_eq!(least, most, "{name}: the loads of the third level have been compared exactly");
    }
}

#[test]
fn three_levels_with_fifo_count_what_pycachesim_counts() {
    compare_all(&Caches { policy: PolicyKind::Fifo, ..THREE });
}

/// The levels hold much that the next one does not hold.
#[test]
fn levels_as_large_as_the_next_count_what_pycachesim_counts() {
    let caches = Caches { dcache: (4, 8, 64), l2: (32, 1, 64), l3: Some((7, 6, 64)), ..THREE };
    compare_all(&caches);
    compare_all(&Caches { policy: PolicyKind::Fifo, ..caches });
}

#[test]
fn longer_lines_below_count_what_pycachesim_counts() {
    let caches =
        Caches { icache: (16, 2, 32), dcache: (16, 4, 16), l3: Some((32, 8, 128)), ..THREE };
    compare_all(&caches);
    compare_all(&Caches { policy: PolicyKind::Fifo, ..caches });
}

#[test]
fn two_levels_count_what_pycachesim_counts() {
    compare_all(&Caches { l3: None, ..THREE });
    compare_all(&Caches { l3: None, policy: PolicyKind::Fifo, ..THREE });
}

#[test]
fn stores_that_go_through_count_what_pycachesim_counts() {
    let caches = Caches { policy: PolicyKind::Fifo, on_hit: WriteHit::Through, ..THREE };
    compare_all(&caches);
    compare_all(&Caches { l3: None, ..caches });
}
