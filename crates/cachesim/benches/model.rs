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
use cachesim::policy::{self, AnyPolicy, Policy, PolicyKind};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

const SIZE_BYTES: u64 = 16 * 1024;
const LINE_BYTES: u64 = 64;

/// Lines whose numbers differ by a multiple of this share a prediction of the cache's.
const PREDICTIONS: u64 = 4096;

/// A kind of access.
#[derive(Clone, Copy)]
enum Pattern {
    /// The same line every time.
    Repeat,
    /// The line accessed last in its set, another set every time.
    Recent,
    /// A cyclic walk over as many lines as the cache has: with LRU always a hit on the least recent line
    /// of a full set.
    Deep,
    /// Hits whose prediction was taken by another line of their set, another set every time.
    Unpredicted,
    /// A cyclic walk over one line more than each set has ways: with LRU and FIFO all misses, with others
    /// some.
    Thrash,
    /// Words of 8 bytes one after the other, through more memory than the cache holds: one access
    /// to a new line, then seven repeats.
    Stream,
}

impl Pattern {
    const ALL: [Self; 6] =
        [Self::Repeat, Self::Recent, Self::Deep, Self::Unpredicted, Self::Thrash, Self::Stream];

    /// Those whose cost may depend on the number of ways.
    const BY_WAYS: [Self; 3] = [Self::Deep, Self::Unpredicted, Self::Thrash];

    fn name(self) -> &'static str {
        match self {
            Self::Repeat => "repeat",
            Self::Recent => "recent",
            Self::Deep => "deep hit",
            Self::Unpredicted => "unpredicted",
            Self::Thrash => "thrash",
            Self::Stream => "stream",
        }
    }

    /// Accesses that can be replayed any number of times with the same outcomes from the second time on
    /// (nearly the same ones with random replacement).
    fn accesses(self, geometry: &CacheGeometry) -> Vec<LineAddr> {
        let line = LineAddr::from_number;
        let (sets, ways) = (geometry.sets(), u64::from(geometry.ways()));
        match self {
            Self::Repeat => vec![line(0); 256],
            Self::Recent => (0..sets).map(line).collect(),
            Self::Deep => (0..sets * ways).map(line).collect(),
            // Every set goes through its lines in the same order, but starts with another one, so that
            // accesses that follow each other are not to the same way.
            Self::Unpredicted => (0..ways)
                .flat_map(|round| (0..sets).map(move |set| (set, (round + set * set / 3) % ways)))
                .map(|(set, way)| line(way * PREDICTIONS + set))
                .collect(),
            Self::Thrash => (0..sets * (ways + 1)).map(line).collect(),
            Self::Stream => {
                (0..4 * SIZE_BYTES / 8).map(|word| line(word * 8 / LINE_BYTES)).collect()
            }
        }
    }

    /// Panics where a round of the accesses is not what it is to be.
    fn check(self, kind: PolicyKind, Round { accesses, predicted, misses }: Round) {
        let is_right = match self {
            // A hit that sets a bit has to see the set, and the walk goes on setting those it cleared.
            Self::Deep if kind == PolicyKind::BitPlru => misses == 0,
            Self::Repeat | Self::Recent | Self::Deep => predicted == accesses,
            Self::Unpredicted => predicted == 0 && misses == 0,
            // How many depends on the policy.
            Self::Thrash => misses > 0,
            Self::Stream => predicted >= accesses / 8 * 7 && misses > 0,
        };
        assert!(is_right, "{}: {predicted} predicted, {misses} missed", self.name());
    }
}

/// What a number of accesses did.
#[derive(Clone, Copy, Default)]
struct Round {
    accesses: usize,
    predicted: usize,
    misses: usize,
}

/// Makes the accesses from time `now` on.
fn round<P: Policy>(cache: &mut Cache<P>, lines: &[LineAddr], now: u64) -> Round {
    let mut round = Round::default();
    for (&line, now) in lines.iter().zip(now..) {
        round.accesses += 1;
        if cache.hits_as_predicted(line, now) {
            round.predicted += 1;
        } else if cache.access_unpredicted(line, now) == Outcome::Miss {
            round.misses += 1;
        }
    }
    round
}

fn pattern<P: Policy>(
    group: &mut BenchmarkGroup<WallTime>,
    kind: PolicyKind,
    ways: u32,
    pattern: Pattern,
) {
    let geometry = CacheGeometry::new(SIZE_BYTES, LINE_BYTES, ways).expect("a valid geometry");
    let mut cache = Cache::<P>::new(&geometry, kind, 1);
    let accesses = pattern.accesses(&geometry);
    let mut now = 1;
    for _ in 0..2 {
        round(&mut cache, &accesses, now);
        now += accesses.len() as u64;
    }
    pattern.check(kind, round(&mut cache.clone(), &accesses, now));
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
                    misses += u64::from(cache.access(line, now) == Outcome::Miss);
                    now += 1;
                }
            }
            let elapsed = start.elapsed().as_nanos();
            black_box(misses);
            let nanos = elapsed * u128::from(iterations) / u128::from(rounds * per_round);
            Duration::from_nanos(u64::try_from(nanos).expect("less than centuries"))
        });
    });
}

fn run<P: Policy>(criterion: &mut Criterion, kind: PolicyKind, name: &str) {
    let mut group = criterion.benchmark_group(name);
    for what in Pattern::ALL {
        pattern::<P>(&mut group, kind, 8, what);
    }
    for ways in [2, 4, 16] {
        for what in Pattern::BY_WAYS {
            pattern::<P>(&mut group, kind, ways, what);
        }
    }
    group.finish();
}

macro_rules! each_as_itself {
    ($criterion:ident; $($module:ident::$policy:ident $row:tt)*) => {
        $(run::<policy::$policy>($criterion, PolicyKind::$policy, PolicyKind::$policy.name());)*
    };
}

/// The policies, each as itself.
fn policies(criterion: &mut Criterion) {
    cachesim::policies!(each_as_itself, criterion;);
}

/// The same, as a cache has them whose policy is not known when it is compiled.
fn any_policy(criterion: &mut Criterion) {
    for kind in PolicyKind::ALL {
        run::<AnyPolicy>(criterion, kind, &format!("any {}", kind.name()));
    }
}

criterion_group! {
    name = model;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(30)
        .nresamples(5000);
    targets = policies, any_policy
}
criterion_main!(model);
