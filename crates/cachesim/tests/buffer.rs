//! A core behind buffers does what a core without them does.

mod common {
    pub mod geometry;
    pub mod timed_core;
}

use cachesim::address::LineAddr;
use cachesim::buffer::{AccessBuffer, Counted, Room};
use cachesim::cache::Outcome;
use cachesim::config::{Config, Level, Parts};
use cachesim::core::Lines;
use cachesim::geometry::CacheGeometry;
use cachesim::machines::Machines;
use cachesim::model::{Kind, Port};
use cachesim::policy::{Fifo, Lru, Policy, PolicyKind, Random};
use common::geometry::geometry;
use common::timed_core::TimedCore;
use proptest::prelude::*;

/// Small caches that differ, so that accesses to the wrong one show.
fn config(seed: u64) -> Config {
    with_caches(geometry(2, 3, 64), geometry(3, 2, 32), seed)
}

fn with_caches(dcache: CacheGeometry, icache: CacheGeometry, seed: u64) -> Config {
    let level = |geometry| Level { geometry, policy: PolicyKind::Lru };
    Config::new(Parts { icache: level(icache), dcache: level(dcache), seed, ..Parts::default() })
        .expect("the caches go together")
}

/// What a vCPU does.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A data access to a line.
    Access { line: u64 },
    /// `n` fetches from a line.
    Fetches { line: u64, n: u64 },
    /// Fetches that hit by construction.
    Count { n: u64 },
    /// The buffer is drained, full or not.
    Drain,
}

impl Event {
    /// How many data accesses and fetches it stands for.
    fn accesses(self) -> (u64, u64) {
        match self {
            Self::Access { .. } => (1, 0),
            Self::Fetches { n, .. } | Self::Count { n } => (0, n),
            Self::Drain => (0, 0),
        }
    }

    /// The access that a core has to simulate.
    fn simulated(self) -> Option<(Port, LineAddr)> {
        match self {
            Self::Access { line } => Some((Port::Data, LineAddr::from_number(line))),
            Self::Fetches { line, .. } => Some((Port::Fetch, LineAddr::from_number(line))),
            Self::Count { .. } | Self::Drain => None,
        }
    }
}

/// Any number of sets and ways, but few: one cache in three has more sets than a buffer tells apart.
fn any_config() -> impl Strategy<Value = Config> {
    let sets = || prop_oneof![Just(1_u64), 2..=8_u64, Just(128), Just(192)];
    (sets(), 1..4_u32, sets(), 1..4_u32, any::<u64>()).prop_map(
        |(data_sets, data_ways, fetch_sets, fetch_ways, seed)| {
            with_caches(
                geometry(data_sets, data_ways, 64),
                geometry(fetch_sets, fetch_ways, 64),
                seed,
            )
        },
    )
}

/// Few lines: repeats, hits and evictions, whatever the number of sets.
fn line() -> impl Strategy<Value = u64> {
    (prop_oneof![0..6_u64, Just(63)], 0..7_u64).prop_map(|(low, high)| high * 64 + low)
}

/// An empty buffer for the core of `config`.
fn empty_buffer(config: &Config, capacity: usize) -> AccessBuffer {
    AccessBuffer::new(capacity, &Machines::from(config))
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => line().prop_map(|line| Event::Access { line }),
        10 => (line(), 1..5_u64).prop_map(|(line, n)| Event::Fetches { line, n }),
        2 => (0..10_u64).prop_map(|n| Event::Count { n }),
        1 => Just(Event::Drain),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 0..400)
}

/// What a core did, as a report would have it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Tally {
    /// Data accesses and fetches.
    accesses: (u64, u64),
    /// The tokens of the accesses that missed, in order.
    data_misses: Vec<u64>,
    fetch_misses: Vec<u64>,
}

impl Tally {
    fn count(&mut self, (data, fetches): (u64, u64)) {
        self.accesses.0 += data;
        self.accesses.1 += fetches;
    }

    fn access<P: Policy>(
        &mut self,
        core: &mut TimedCore<P>,
        port: Port,
        line: LineAddr,
        token: u64,
    ) {
        let misses = match port {
            Port::Data => &mut self.data_misses,
            Port::Fetch => &mut self.fetch_misses,
        };
        if core.access(port, line) == Outcome::Miss {
            misses.push(token);
        }
    }

    /// Simulates what a buffer holds.
    fn peek<P: Policy>(&mut self, core: &mut TimedCore<P>, buffer: &AccessBuffer) {
        let Counted { accesses, fetches, .. } = buffer.peek(|port, line, token| {
            self.access(core, port, LineAddr::from_number(line), token);
        });
        self.count((accesses, fetches));
    }

    /// Simulates an event without any buffer.
    fn event<P: Policy>(&mut self, core: &mut TimedCore<P>, event: Event, token: u64) {
        if let Some((port, line)) = event.simulated() {
            self.access(core, port, line, token);
        }
        self.count(event.accesses());
    }

    fn drain<P: Policy>(&mut self, core: &mut TimedCore<P>, buffer: &AccessBuffer) {
        self.peek(core, buffer);
        buffer.clear();
    }
}

/// Tokens: every access has its own, and the lowest bit is zero.
fn token(number: usize) -> u64 {
    number as u64 * 2
}

/// Without any buffer.
fn directly<P: Policy>(core: &mut TimedCore<P>, events: &[Event]) -> Tally {
    let mut tally = Tally::default();
    for (number, &event) in events.iter().enumerate() {
        tally.event(core, event, token(number));
    }
    tally
}

/// Records an event, and drains the buffer where it has to be.
fn record<P: Policy>(
    tally: &mut Tally,
    core: &mut TimedCore<P>,
    buffer: &AccessBuffer,
    event: Event,
    token: u64,
) {
    let room = match event {
        Event::Access { line } => data(buffer, line, token),
        Event::Fetches { line, n } => fetch(buffer, line, n, token),
        Event::Count { n } => {
            buffer.count(n);
            Room::Left
        }
        Event::Drain => Room::Full,
    };
    if room == Room::Full {
        tally.drain(core, buffer);
    }
}

/// Through a buffer.
fn buffered<P: Policy>(core: &mut TimedCore<P>, buffer: &AccessBuffer, events: &[Event]) -> Tally {
    let mut tally = Tally::default();
    for (number, &event) in events.iter().enumerate() {
        record(&mut tally, core, buffer, event, token(number));
    }
    tally.drain(core, buffer);
    assert!(buffer.is_empty());
    tally
}

fn check_one_vcpu<P: Policy>(
    config: &Config,
    events: &[Event],
    capacity: usize,
) -> Result<(), TestCaseError> {
    let core = TimedCore::<P>::new(config, 0);
    let expected = directly(&mut core.clone(), events);
    let buffer = empty_buffer(config, capacity);
    prop_assert_eq!(buffered(&mut core.clone(), &buffer, events), expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn one_vcpu_behind_a_buffer_is_as_without(
        config in any_config(),
        events in events(),
        capacity in prop_oneof![Just(1), 1..20_usize, Just(1000)],
    ) {
        check_one_vcpu::<Lru>(&config, &events, capacity)?;
        check_one_vcpu::<Fifo>(&config, &events, capacity)?;
        check_one_vcpu::<Random>(&config, &events, capacity)?;
    }

    /// The vCPUs of one core, whatever the moments of their drains: nothing is lost or counted
    /// twice, and the core sees just the accesses of the drained batches, one batch after the other.
    #[test]
    fn two_vcpus_on_a_core_interleave_by_batches(
        config in any_config(),
        schedule in prop::collection::vec((0..2_usize, event()), 0..300),
        capacities in [1..20_usize, 1..20_usize],
    ) {
        let mut core = TimedCore::<Lru>::new(&config, 0);
        let mut expected_core = core.clone();
        let buffers = capacities.map(|capacity| empty_buffer(&config, capacity));
        let mut tally = Tally::default();
        // What the buffers stand for, every access in full, and what the core was to do with it.
        let mut pending: [Vec<(Event, u64)>; 2] = Default::default();
        let mut expected = Tally::default();
        let mut all = (0, 0);

        for (number, &(vcpu, event)) in schedule.iter().enumerate() {
            pending[vcpu].push((event, token(number)));
            let before = tally.clone();
            record(&mut tally, &mut core, &buffers[vcpu], event, token(number));
            let (data, fetches) = event.accesses();
            all = (all.0 + data, all.1 + fetches);
            if matches!(event, Event::Drain) || tally != before {
                prop_assert!(buffers[vcpu].is_empty());
                for (event, token) in pending[vcpu].drain(..) {
                    expected.event(&mut expected_core, event, token);
                }
                prop_assert_eq!(&tally, &expected);
            }
        }
        for buffer in &buffers {
            tally.drain(&mut core, buffer);
        }
        prop_assert_eq!(tally.accesses, all);
    }

    /// A report in the middle of a run simulates what is pending on a copy of the core.
    #[test]
    fn a_peek_is_repeatable_and_changes_nothing(
        config in any_config(),
        events in events(),
        capacity in 1..50_usize,
    ) {
        let mut core = TimedCore::<Lru>::new(&config, 0);
        let mut direct_core = core.clone();
        let buffer = empty_buffer(&config, capacity);
        let (mut tally, mut expected) = (Tally::default(), Tally::default());
        for (number, &event) in events.iter().enumerate() {
            record(&mut tally, &mut core, &buffer, event, token(number));
            expected.event(&mut direct_core, event, token(number));
            for _ in 0..2 {
                let mut report = tally.clone();
                report.peek(&mut core.clone(), &buffer);
                prop_assert_eq!(&report, &expected);
            }
        }
        tally.drain(&mut core, &buffer);
        prop_assert_eq!(tally, expected);
    }
}

/// All that a buffer holds.
fn recorded(buffer: &AccessBuffer) -> Vec<(Port, u64, u64)> {
    let mut recorded = Vec::new();
    buffer.peek(|port, line, token| recorded.push((port, line, token)));
    recorded
}

/// Data accesses and fetches.
fn counted(buffer: &AccessBuffer) -> (u64, u64) {
    let Counted { accesses, fetches, .. } = buffer.peek(|_, _, _| ());
    (accesses, fetches)
}

fn data(buffer: &AccessBuffer, line: u64, token: u64) -> Room {
    buffer.count_access(Kind::Load);
    record_unless_repeated(buffer, Kind::Load, line, token)
}

fn fetch(buffer: &AccessBuffer, line: u64, n: u64, token: u64) -> Room {
    buffer.count(n);
    record_unless_repeated(buffer, Kind::Fetch, line, token)
}

fn record_unless_repeated(buffer: &AccessBuffer, kind: Kind, number: u64, token: u64) -> Room {
    let line = LineAddr::from_number(number);
    if buffer.changes_nothing(kind, line) {
        return Room::Left;
    }
    buffer.record(kind, line, 1, (number, token))
}

#[test]
fn a_buffer_is_full_when_its_last_slot_is() {
    let buffer = empty_buffer(&config(0), 3);
    assert_eq!(data(&buffer, 1, 2), Room::Left);
    assert_eq!(data(&buffer, 2, 4), Room::Left);
    assert_eq!(data(&buffer, 3, 6), Room::Full);
    assert_eq!(recorded(&buffer), [(Port::Data, 1, 2), (Port::Data, 2, 4), (Port::Data, 3, 6)]);
}

#[test]
fn a_buffer_has_room_for_one_access_at_least() {
    for capacity in [0, 1] {
        let buffer = empty_buffer(&config(0), capacity);
        assert_eq!(data(&buffer, 1, 2), Room::Full);
        assert_eq!(recorded(&buffer), [(Port::Data, 1, 2)]);
    }
}

#[test]
fn repeats_of_a_line_take_no_room_but_count() {
    let buffer = empty_buffer(&config(0), 2);
    for token in [2, 4, 6, 8] {
        assert_eq!(data(&buffer, 7, token), Room::Left);
    }
    assert_eq!(recorded(&buffer), [(Port::Data, 7, 2)]);
    assert_eq!(counted(&buffer), (4, 0));
}

#[test]
fn an_access_to_another_set_between_repeats_does_not_part_them() {
    let buffer = empty_buffer(&config(0), 8);
    for (line, token) in [(7, 2), (8, 4), (7, 6), (8, 8), (10, 10), (7, 12), (8, 14)] {
        assert_eq!(data(&buffer, line, token), Room::Left);
    }
    let expected = [(7, 2), (8, 4), (10, 10), (8, 14)];
    assert_eq!(recorded(&buffer), expected.map(|(line, token)| (Port::Data, line, token)));
    assert_eq!(counted(&buffer), (7, 0));
}

#[test]
fn a_fetch_between_two_data_accesses_to_a_line_does_not_part_them() {
    let buffer = empty_buffer(&config(0), 8);
    assert_eq!(data(&buffer, 7, 2), Room::Left);
    assert_eq!(fetch(&buffer, 7, 5, 4), Room::Left);
    assert_eq!(data(&buffer, 7, 6), Room::Left);
    assert_eq!(fetch(&buffer, 7, 5, 8), Room::Left);
    // In the same set.
    assert_eq!(data(&buffer, 9, 10), Room::Left);
    assert_eq!(data(&buffer, 7, 12), Room::Left);
    assert_eq!(
        recorded(&buffer),
        [(Port::Data, 7, 2), (Port::Fetch, 7, 4), (Port::Data, 9, 10), (Port::Data, 7, 12)]
    );
    assert_eq!(counted(&buffer), (4, 10));
}

#[test]
fn a_line_is_recorded_again_after_a_drain() {
    // Between the batches another vCPU may have evicted it.
    let caches = with_caches(geometry(128, 1, 64), geometry(128, 1, 64), 0);
    let buffer = empty_buffer(&caches, 1000);
    for batch in 0..2 {
        for line in 0..64 {
            assert_eq!(data(&buffer, line, 2 * batch), Room::Left);
            assert_eq!(fetch(&buffer, line, 1, 2 * batch), Room::Left);
        }
        assert_eq!(recorded(&buffer).len(), 128);
        buffer.clear();
        assert_eq!(recorded(&buffer), []);
    }
}

#[test]
fn line_zero_is_recorded_like_any_other() {
    let buffer = empty_buffer(&config(0), 8);
    assert_eq!(data(&buffer, 0, 0), Room::Left);
    assert_eq!(recorded(&buffer), [(Port::Data, 0, 0)]);
}

#[test]
fn a_buffer_is_empty_until_something_is_counted_and_again_after_a_drain() {
    let buffer = empty_buffer(&config(0), 8);
    assert!(buffer.is_empty());
    let fill: [fn(&AccessBuffer); 3] = [
        |buffer| buffer.count(3),
        |buffer| assert_eq!(data(buffer, 1, 2), Room::Left),
        |buffer| assert_eq!(fetch(buffer, 1, 3, 2), Room::Left),
    ];
    for fill in fill {
        fill(&buffer);
        assert!(!buffer.is_empty());
        buffer.clear();
        assert!(buffer.is_empty());
        assert_eq!(counted(&buffer), (0, 0));
    }
}

#[test]
fn tokens_and_lines_come_back_whole() {
    let buffer = empty_buffer(&config(0), 8);
    let large = u64::MAX - 1;
    assert_eq!(data(&buffer, large, large), Room::Left);
    assert_eq!(fetch(&buffer, large, (1 << 32) + 1, large), Room::Left);
    assert_eq!(recorded(&buffer), [(Port::Data, large, large), (Port::Fetch, large, large)]);
    assert_eq!(counted(&buffer), (1, (1 << 32) + 1));
}

/// The instruction cache of the configuration has lines of 32 bytes, the data cache of 64.
#[test]
fn every_cache_of_a_core_has_its_own_line_size() {
    let lines = Lines::new(&config(0));
    for (address, data, fetch) in
        [(0, 0, 0), (31, 0, 0), (32, 0, 1), (63, 0, 1), (64, 1, 2), (u64::MAX, !0 >> 6, !0 >> 5)]
    {
        assert_eq!(lines.data_line(address).number(), data);
        assert_eq!(lines.fetch_line(address).number(), fetch);
    }
}

/// The outcomes of `accesses` accesses to lines of one set of each cache, more than it has room for.
fn draws(seed: u64, core: u32) -> [Vec<Outcome>; 2] {
    let one_set = geometry(1, 4, 64);
    let mut core = TimedCore::<Random>::new(&with_caches(one_set, one_set, seed), core);
    let lines = || (0..100).map(|number| LineAddr::from_number(number % 6));
    [Port::Data, Port::Fetch].map(|port| lines().map(|line| core.access(port, line)).collect())
}

#[test]
fn every_cache_of_a_run_draws_victims_of_its_own() {
    for seed in [0, 1, u64::MAX] {
        let all: Vec<_> = (0..4).flat_map(|core| draws(seed, core)).collect();
        for (number, one) in all.iter().enumerate() {
            for other in &all[..number] {
                assert_ne!(one, other, "seed {seed}");
            }
        }
    }
}

#[test]
fn a_core_repeats_with_the_seed_whatever_its_other_cache_does() {
    assert_eq!(draws(7, 3), draws(7, 3));
    assert_ne!(draws(7, 3), draws(70, 3));
    let mut alone = TimedCore::<Random>::new(&config(7), 0);
    let mut busy = alone.clone();
    for number in 0..100 {
        let line = LineAddr::from_number(number % 17);
        busy.access(Port::Fetch, LineAddr::from_number(number % 13));
        assert_eq!(alone.access(Port::Data, line), busy.access(Port::Data, line));
    }
}
