//! Any hierarchy, and any accesses to it.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use cachesim::config::Inclusion::{Exclusive, Inclusive, Nine};
use cachesim::config::{
    Config, Inclusion, L2Kind, Level, LowerLevels, Parts, WriteHit, WriteMiss, Writes,
};
use cachesim::policy::PolicyKind;
use proptest::prelude::*;

use super::geometry::geometry;
use super::timed::{Kind, Step};

/// All policies.
pub const POLICIES: &[PolicyKind] = &PolicyKind::ALL;

/// What the second and the third level have in common with those above.
pub type Inclusions = [Inclusion; 2];

/// All of them.
pub const INCLUSIONS: [Inclusions; 9] = [
    [Nine, Nine],
    [Nine, Inclusive],
    [Nine, Exclusive],
    [Inclusive, Nine],
    [Inclusive, Inclusive],
    [Inclusive, Exclusive],
    [Exclusive, Nine],
    [Exclusive, Inclusive],
    [Exclusive, Exclusive],
];

/// A cache without the length of its lines, so small that all of it is full soon.
#[derive(Clone, Copy, Debug)]
struct Shape {
    sets: u64,
    ways: u32,
    policy: PolicyKind,
}

impl Shape {
    fn level(self, line_shift: u32) -> Level {
        let Self { sets, ways, policy } = self;
        Level { geometry: geometry(sets, ways, 1 << line_shift), policy }
    }
}

fn shape(policies: &'static [PolicyKind], most_sets: u64) -> impl Strategy<Value = Shape> {
    let sets = prop_oneof![3 => Just(1), 2 => Just(2), 3 => 1..=most_sets];
    (sets, 1..=4_u32, prop::sample::select(policies)).prop_map(|(sets, ways, policy)| Shape {
        sets,
        ways,
        policy,
    })
}

/// The binary logarithms of the lines' lengths: of code, data, second and third level; any that go with
/// these inclusions.
fn line_shifts([l2, l3]: Inclusions, any: [u32; 4]) -> [u32; 4] {
    let [mut code, mut data, mut second, mut third] = any.map(|shift| 4 + shift);
    match l2 {
        Nine => {}
        Inclusive => {
            (code, data) = (4 + code % 2, 4 + data % 2);
            second = code.max(data) + second % 2;
        }
        Exclusive => (data, second) = (code, code),
    }
    match l3 {
        Nine => {}
        Inclusive => third = code.max(data).max(second) + third % 2,
        Exclusive => third = second,
    }
    [code, data, second, third]
}

fn writes() -> impl Strategy<Value = Writes> {
    let on_hit = prop_oneof![2 => Just(WriteHit::Back), 1 => Just(WriteHit::Through)];
    let on_miss = prop_oneof![2 => Just(WriteMiss::Allocate), 1 => Just(WriteMiss::NoAllocate)];
    (on_hit, on_miss).prop_map(|(on_hit, on_miss)| Writes { on_hit, on_miss })
}

/// Any hierarchy of so many cores, its policies and its inclusions some of these.
pub fn hierarchy(
    cores: RangeInclusive<u32>,
    policies: &'static [PolicyKind],
    inclusions: &'static [Inclusions],
) -> impl Strategy<Value = Config> {
    let shapes = (
        shape(policies, 3),
        shape(policies, 3),
        shape(policies, 6),
        prop::option::weighted(0.7, shape(policies, 12)),
    );
    let kind = prop_oneof![2 => Just(L2Kind::Unified), 1 => Just(L2Kind::Split)];
    let writes = prop::option::weighted(0.8, writes());
    let has_lower = prop::bool::weighted(0.9);
    let inclusions = prop::sample::select(inclusions);
    let shifts = [0..=3_u32, 0..=3, 0..=3, 0..=3];
    (shapes, kind, inclusions, shifts, has_lower, writes, cores, any::<u64>()).prop_map(
        |(
            (icache, dcache, l2, l3),
            l2_kind,
            inclusions,
            shifts,
            has_lower,
            writes,
            cores,
            seed,
        )| {
            let [code, data, second, third] = line_shifts(inclusions, shifts);
            let l2 = l2.level(second);
            let l3 = l3.map(|l3| l3.level(third));
            let [l2_inclusion, l3_inclusion] = inclusions;
            let l3_inclusion = l3.map_or(Nine, |_| l3_inclusion);
            let lower = LowerLevels { l2, l2_kind, l2_inclusion, l3, l3_inclusion };
            Config::new(Parts {
                icache: icache.level(code),
                dcache: dcache.level(data),
                lower: has_lower.then_some(lower),
                writes,
                cores: NonZeroU32::new(cores).expect("at least one"),
                seed,
                ..Parts::default()
            })
            .expect("the caches go together")
        },
    )
}

/// `config` with other parts.
pub fn changed(config: &Config, change: impl FnOnce(&mut Parts)) -> Config {
    let mut parts = config.parts();
    change(&mut parts);
    Config::new(parts).expect("the caches go together")
}

/// Up to `most` accesses of `cores` cores, near each other, so that they meet in the caches: a few bytes
/// or some kilobytes, at the start, somewhere or at the end of the address space. Now and then some of them
/// are far off: by so many bytes that they differ in the highest bits of an address only.
pub fn steps(cores: usize, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![3 => Just(Kind::Load), 3 => Just(Kind::Store), 2 => Just(Kind::Fetch)];
    let base = prop_oneof![4 => Just(0), 1 => any::<u64>(), 1 => Just(u64::MAX - 0xfff)];
    let bytes = prop_oneof![Just(0x80_u64), Just(0x200), Just(0x400), Just(0x1000)];
    let far = prop_oneof![2 => Just(0), 1 => Just(1_u64 << 48), 1 => Just(1 << 36)];
    let step = (0..cores, kind, any::<u16>(), 0..=5_u8, prop::bool::weighted(0.2));
    (base, bytes, far, prop::collection::vec(step, 1..most)).prop_map(
        |(base, bytes, far, steps)| {
            steps
                .into_iter()
                .map(|(core, kind, pick, size_log2, is_far)| {
                    let near = base.wrapping_add(u64::from(pick) % bytes);
                    let address = if is_far { near ^ far } else { near };
                    Step { core, kind, address, size_log2 }
                })
                .collect()
        },
    )
}

/// Loads of lines that are nowhere yet, so many that LRU or FIFO keep nothing else in any [`hierarchy`].
pub fn flush(core: usize) -> impl Iterator<Item = Step> {
    (0..0x1000).map(move |line| Step {
        core,
        kind: Kind::Load,
        address: (1 << 40) + line * 16,
        size_log2: 0,
    })
}

/// So many cases.
pub fn cases(usual: u32) -> ProptestConfig {
    ProptestConfig { cases: usual, failure_persistence: None, ..ProptestConfig::default() }
}
