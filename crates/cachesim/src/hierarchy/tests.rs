//! What threads seldom do to each other, step by step.

use std::num::NonZeroU32;

use super::*;
use crate::config::{L2Kind, Level, LowerLevels, Parts};
use crate::core::Lines;
use crate::geometry::CacheGeometry;
use crate::model::Depth;
use crate::policy::{Lru, PolicyKind};
use crate::stats::Counter;

const W: u64 = 0x1000;
const X: u64 = 0x2000;
const Y: u64 = 0x3000;

/// Two cores that share a third level, each cache of one line.
fn config() -> Config {
    let geometry = CacheGeometry::new(64, 64, 1).unwrap();
    let level = Level { geometry, policy: PolicyKind::Lru };
    let l3 = Some(level);
    let [l2_inclusion, l3_inclusion] = [Inclusion::Inclusive; 2];
    Config::new(Parts {
        icache: level,
        dcache: level,
        lower: Some(LowerLevels {
            l2: level,
            l2_kind: L2Kind::Unified,
            l2_inclusion,
            l3,
            l3_inclusion,
        }),
        writes: Some(Writes { on_hit: WriteHit::Back, on_miss: WriteMiss::Allocate }),
        cores: NonZeroU32::new(2).unwrap(),
        ..Parts::default()
    })
    .expect("the caches go together")
}

fn store(core: &mut Hierarchy<Lru>, address: u64, counts: &CoreStats) -> Misses {
    core.simulate(Lines::new(&config()).access(Kind::Store, address, 8), 1, counts)
}

/// It wrote a dirty line back that another core had evicted below since its access began; the line was
/// filled there again, instead of the one that the core was about to put into its own caches.
#[test]
fn a_core_does_not_evict_below_what_it_is_reading() {
    let config = config();
    let shared = Hierarchy::<Lru>::shared(&config);
    let mut cores = [0, 1].map(|number| Hierarchy::<Lru>::new(&config, number, &shared));
    let [one, other] = &mut cores;
    let counts = [0, 1].map(|_| CoreStats::default());

    store(one, W, &counts[0]);
    store(other, Y, &counts[1]); // evicts W from the third level
    assert!(one.has_mail());
    // As if it had looked just before.
    let hierarchy = &counts[0].hierarchy;
    let (misses, _) = one.lower.read_second(X, Purpose::Read, &mut one.first, hierarchy);
    assert_eq!(misses, Depth::THIRD);

    let line = [LineAddr::containing(X, 6)];
    assert_eq!(one.second_level(), line);
    assert_eq!(one.third_level(), line);
    // W went to memory, as it would have a little earlier.
    assert_eq!(hierarchy.write_backs.each_ref().map(Counter::get), [0, 1, 1]);
    assert_eq!(hierarchy.memory_written_bytes.get(), 64);
    assert_eq!(hierarchy.l3.of(Purpose::WriteBack).misses.get(), 0);
}
