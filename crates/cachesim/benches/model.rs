//! What an access costs in the model alone, per policy and kind of access. Times are of one access.
//!
//! Every benchmark replays a list of accesses made beforehand, and counts the misses as a core does.
//! The list is read along with the model, which is in every figure: compare `repeat`, which does
//! little else.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cachesim::address::LineAddr;
use cachesim::cache::{Cache, Outcome};
use cachesim::geometry::CacheGeometry;
use cachesim::policy::{Fifo, Lru, Policy, Random};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

const SIZE_BYTES: u64 = 16 * 1024;
const LINE_BYTES: u64 = 64;

/// A kind of access.
#[derive(Clone, Copy)]
enum Pattern {
    /// The same line every time.
    Repeat,
    /// The line accessed last in its set, another set every time.
    Recent,
    /// Hits in the last way of a full set (with LRU the least recent line), another set every time.
    /// Where the last way would be the line accessed last in its set, in the way before it.
    Deep,
    /// A cyclic walk over one line more than each set has ways: with LRU and FIFO all misses.
    Thrash,
    /// Words of 8 bytes one after the other, through more memory than the cache holds: one access
    /// to a new line, then seven repeats.
    Stream,
}

impl Pattern {
    const ALL: [Self; 5] = [Self::Repeat, Self::Recent, Self::Deep, Self::Thrash, Self::Stream];

    /// Those whose cost depends on the number of ways.
    const BY_WAYS: [Self; 2] = [Self::Deep, Self::Thrash];

    fn name(self) -> &'static str {
        match self {
            Self::Repeat => "repeat",
            Self::Recent => "recent",
            Self::Deep => "deep hit",
            Self::Thrash => "thrash",
            Self::Stream => "stream",
        }
    }

    /// Accesses to a cache whose lines are the first ones of memory. They can be replayed any number
    /// of times with the same outcomes (nearly the same ones with random replacement).
    fn accesses<P: Policy>(self, mut cache: Cache<P>, geometry: &CacheGeometry) -> Vec<LineAddr> {
        let line = LineAddr::from_number;
        let (sets, ways) = (geometry.sets(), u64::from(geometry.ways()));
        match self {
            Self::Repeat => vec![line(0); 256],
            Self::Recent => (0..sets).map(line).collect(),
            // After as many rounds as there are ways, an even number, all is as it was.
            Self::Deep => (0..ways)
                .flat_map(|_| 0..sets)
                .map(|set| {
                    let deepest = cache.set_of(line(set)).iter().rev();
                    let hit = deepest.copied().find(|&line| !cache.is_recent(line));
                    let hit = hit.expect("two ways at least");
                    cache.access(hit);
                    hit
                })
                .collect(),
            Self::Thrash => (0..sets * (ways + 1)).map(line).collect(),
            Self::Stream => {
                (0..4 * SIZE_BYTES / 8).map(|word| line(word * 8 / LINE_BYTES)).collect()
            }
        }
    }
}

fn pattern<P: Policy>(group: &mut BenchmarkGroup<WallTime>, ways: u32, pattern: Pattern) {
    let geometry = CacheGeometry::new(SIZE_BYTES, LINE_BYTES, ways).expect("a valid geometry");
    let mut cache = Cache::<P>::new(&geometry, 1);
    for number in 0..geometry.lines() {
        cache.access(LineAddr::from_number(number));
    }
    let accesses = pattern.accesses(cache.clone(), &geometry);
    group.bench_function(format!("{ways} ways/{}", pattern.name()), |bencher| {
        // Whole rounds, as many as have at least `iterations` accesses; the time is then scaled to
        // these, for criterion to report the time of one.
        bencher.iter_custom(|iterations| {
            let per_round = accesses.len() as u64;
            let rounds = iterations.div_ceil(per_round);
            let mut misses = 0_u64;
            let start = Instant::now();
            for _ in 0..rounds {
                for &line in black_box(accesses.as_slice()) {
                    misses += u64::from(cache.access(line) == Outcome::Miss);
                }
            }
            let elapsed = start.elapsed().as_nanos();
            black_box(misses);
            let nanos = elapsed * u128::from(iterations) / u128::from(rounds * per_round);
            Duration::from_nanos(u64::try_from(nanos).expect("less than centuries"))
        });
    });
}

fn policy<P: Policy>(criterion: &mut Criterion, name: &str) {
    let mut group = criterion.benchmark_group(name);
    for kind in Pattern::ALL {
        pattern::<P>(&mut group, 8, kind);
    }
    for ways in [2, 4, 16] {
        for kind in Pattern::BY_WAYS {
            pattern::<P>(&mut group, ways, kind);
        }
    }
    group.finish();
}

fn policies(criterion: &mut Criterion) {
    policy::<Lru>(criterion, "lru");
    policy::<Fifo>(criterion, "fifo");
    policy::<Random>(criterion, "random");
}

criterion_group! {
    name = model;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(30)
        .nresamples(5000);
    targets = policies
}
criterion_main!(model);
