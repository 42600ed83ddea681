//! The parts of the model that threads share, under the rules they are documented with: who may
//! write, and which lock a reader holds. Meant for Miri, which runs them with the weak memory of
//! the language and not only that of this host, and for `ThreadSanitizer`, as much as for plain runs.

mod common {
    pub mod geometry;
    pub mod timed_core;
}

use std::sync::atomic::{
    AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;

use cachesim::address::LineAddr;
use cachesim::buffer::{AccessBuffer, Counted, Room};
use cachesim::config::{Config, Level, Parts};
use cachesim::machines::Machines;
use cachesim::model::{Kind, Port};
use cachesim::pages::{PageCache, Regime, SharedGeneration};
use cachesim::policy::{Lru, PolicyKind};
use cachesim::stats::Counter;
use common::geometry::geometry;
use common::timed_core::TimedCore;

/// Of both caches.
fn caches() -> Level {
    Level { geometry: geometry(4, 2, 64), policy: PolicyKind::Lru }
}

fn config() -> Config {
    Config::new(Parts { icache: caches(), dcache: caches(), ..Parts::default() })
        .expect("the caches go together")
}

fn core() -> TimedCore<Lru> {
    TimedCore::new(&config(), 0)
}

/// The port of the access with this number.
fn port(number: u64) -> Port {
    if number.is_multiple_of(3) { Port::Fetch } else { Port::Data }
}

/// The line of the access with this number: no other number has it, so none collapses.
fn line(number: u64) -> LineAddr {
    LineAddr::from_number(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Access number `number`, as a buffer has it.
fn record(buffer: &AccessBuffer, number: u64) -> Room {
    let (line, token) = (line(number), number << 1);
    let kind = match port(number) {
        Port::Data => Kind::Load,
        Port::Fetch => Kind::Fetch,
    };
    match kind {
        Kind::Fetch => buffer.count(1),
        _ => buffer.count_access(kind),
    }
    assert!(!buffer.changes_nothing(kind, line));
    buffer.record(kind, line, 1, (line.number(), token))
}

/// Ends the other thread's loop, also when this one panics: a failed check must not hang the test.
struct EndsAtDrop<'a>(&'a AtomicBool);

impl Drop for EndsAtDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Release);
    }
}

/// An empty buffer for such a core.
fn empty_buffer(capacity: usize) -> AccessBuffer {
    AccessBuffer::new(capacity, &Machines::from(&config()))
}

/// One running thread less, also when it panics.
struct EndsOneAtDrop<'a>(&'a AtomicU64);

impl Drop for EndsOneAtDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Release);
    }
}

/// A core, and how many accesses it has seen.
struct Shared {
    core: TimedCore<Lru>,
    seen: u64,
}

/// Checks that a buffer holds the accesses after the first `seen`, whole and in order, and returns
/// how many.
fn check_prefix(buffer: &AccessBuffer, seen: u64, capacity: u64) -> u64 {
    let mut next = seen;
    let mut of_port = [0, 0];
    let Counted { accesses: data, fetches, .. } = buffer.peek(|at, at_line, token| {
        let number = token >> 1;
        assert_eq!(number, next);
        assert_eq!(at, port(number), "access {number}");
        assert_eq!(at_line, line(number).number(), "access {number}");
        of_port[at as usize] += 1;
        next += 1;
    });
    // An access is counted before it is published, and the writer may be ahead.
    assert!(data >= of_port[Port::Data as usize] && fetches >= of_port[Port::Fetch as usize]);
    assert!(data + fetches <= capacity, "{data} + {fetches} of {capacity}");
    next - seen
}

#[test]
fn a_reader_under_the_lock_sees_a_prefix_of_what_is_recorded() {
    let (accesses, capacity) = if cfg!(miri) { (60, 10) } else { (200_000, 100) };
    let buffer = empty_buffer(usize::try_from(capacity).unwrap());
    let shared = Mutex::new(Shared { core: core(), seen: 0 });
    let done = AtomicBool::new(false);
    // Says that the reader gets on; orders nothing, so that only the buffer's own order is tested.
    let reads = AtomicU64::new(0);
    let mut longest = 0;

    thread::scope(|scope| {
        scope.spawn(|| {
            let _end = EndsAtDrop(&done);
            for number in 0..accesses {
                if record(&buffer, number) == Room::Full {
                    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    buffer.peek(|port, line, token| {
                        assert_eq!(token >> 1, shared.seen);
                        shared.seen += 1;
                        shared.core.access(port, LineAddr::from_number(line));
                    });
                    buffer.clear();
                }
                // Once in a batch the reader gets its turn.
                if number % capacity == capacity / 2 {
                    let before = reads.load(Relaxed);
                    while reads.load(Relaxed) < before + 2 && !done.load(Relaxed) {
                        thread::yield_now();
                    }
                }
            }
        });
        let _end = EndsAtDrop(&done);
        while !done.load(Acquire) {
            let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            longest = longest.max(check_prefix(&buffer, shared.seen, capacity));
            drop(shared);
            reads.fetch_add(1, Relaxed);
            thread::yield_now();
        }
    });

    assert!(longest > 0, "the reader never saw an access");
    assert_eq!(shared.into_inner().unwrap().seen, accesses);
}

/// Two vCPUs share a core, and a report is made all the while: what it says of accesses only grows,
/// and is everything in the end.
#[test]
fn reports_of_a_shared_core_grow_up_to_everything() {
    let (accesses, capacity) = if cfg!(miri) { (40, 7) } else { (100_000, 64) };
    let buffers = [empty_buffer(capacity), empty_buffer(capacity)];
    let drained = [Counter::default(), Counter::default()];
    let core = Mutex::new(core());
    let running = AtomicU64::new(2);

    let drain = |core: &mut TimedCore<Lru>, buffer: &AccessBuffer| {
        let Counted { accesses: data, fetches, .. } = buffer.peek(|port, line, _| {
            core.access(port, LineAddr::from_number(line));
        });
        drained[0].add(data);
        drained[1].add(fetches);
        buffer.clear();
    };
    let report = || {
        let _core = core.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = (drained[0].get(), drained[1].get());
        for buffer in &buffers {
            let Counted { accesses: data, fetches, .. } = buffer.peek(|_, _, _| ());
            sum = (sum.0 + data, sum.1 + fetches);
        }
        sum
    };

    thread::scope(|scope| {
        for buffer in &buffers {
            let (drain, core, running) = (&drain, &core, &running);
            scope.spawn(move || {
                let _end = EndsOneAtDrop(running);
                for number in 0..accesses {
                    if record(buffer, number) == Room::Full {
                        drain(&mut core.lock().unwrap_or_else(PoisonError::into_inner), buffer);
                    }
                    // In between, accesses that are only counted.
                    buffer.count(2);
                }
            });
        }
        let mut last = (0, 0);
        while running.load(Acquire) > 0 {
            let now = report();
            assert!(now.0 >= last.0 && now.1 >= last.1, "{now:?} after {last:?}");
            last = now;
            thread::yield_now();
        }
    });

    let fetches = accesses.div_ceil(3);
    let everything = (2 * (accesses - fetches), 2 * (fetches + 2 * accesses));
    assert_eq!(report(), everything);
    for buffer in &buffers {
        drain(&mut core.lock().unwrap(), buffer);
    }
    assert_eq!((drained[0].get(), drained[1].get()), everything);
}

#[test]
fn a_counter_never_falls_while_its_writer_adds() {
    let adds = if cfg!(miri) { 50 } else { 200_000 };
    // Past 2³², where a counter of two halves would tear.
    let start = (1 << 32) - adds / 2;
    let counter = Counter::default();
    counter.set(start);
    thread::scope(|scope| {
        let writer = scope.spawn(|| (0..adds).for_each(|_| _ = counter.add(1)));
        let mut last = start;
        while !writer.is_finished() {
            let now = counter.get();
            assert!((last..=start + adds).contains(&now), "{now} after {last}");
            last = now;
            thread::yield_now();
        }
    });
    assert_eq!(counter.get(), start + adds);
}

/// Runs `step` so many times on each of some threads, which start together.
fn at_once(threads: usize, steps: u64, step: impl Fn() + Sync) {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                start.wait();
                (0..steps).for_each(|_| step());
            });
        }
    });
}

#[test]
fn shared_additions_lose_nothing() {
    let adds = if cfg!(miri) { 20 } else { 1_000_000 };
    let counter = Counter::default();
    at_once(3, adds, || counter.add_shared(3));
    assert_eq!(counter.get(), 3 * adds * 3);
}

/// The raise and what tells of it are in this order for the vCPU that is told.
#[test]
fn a_translation_is_stale_for_whoever_knows_of_the_raise() {
    let rounds = if cfg!(miri) { 10 } else { 1000 };
    let shared = SharedGeneration::new();
    let (asked, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    let done = AtomicBool::new(false);
    let regime = Regime::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=rounds {
                while asked.load(Acquire) < round {
                    if done.load(Acquire) {
                        return;
                    }
                    thread::yield_now();
                }
                shared.raise();
                answered.store(round, Release);
            }
        });
        let _end = EndsAtDrop(&done);
        let mut cache = PageCache::default();
        for round in 1..=rounds {
            cache.insert(&shared, 0x1000, regime, 0x5000);
            asked.store(round, Release);
            while answered.load(Acquire) < round {
                thread::yield_now();
            }
            assert_eq!(cache.get(&shared, 0x1000, regime), None, "round {round}");
        }
    });
}

/// Were one of two raises at the same time lost, a translation remembered between them would outlive
/// the second.
#[test]
fn raises_of_several_threads_all_count() {
    let raises = if cfg!(miri) { 20 } else { 1_000_000 };
    let (one_by_one, together) = (SharedGeneration::new(), SharedGeneration::new());
    (0..3 * raises).for_each(|_| one_by_one.raise());
    at_once(3, raises, || together.raise());
    // Whether the two are the same generation now is what a translation tells.
    let mut cache = PageCache::default();
    cache.insert(&one_by_one, 0x1000, Regime::new(0), 0x5000);
    assert_eq!(cache.get(&together, 0x1000, Regime::new(0)), Some(0x5000));
    together.raise();
    assert_eq!(cache.get(&together, 0x1000, Regime::new(0)), None);
}
