//! Tests of the further levels, of writes and of the summary.

use super::*;

fn lower(args: &[&str]) -> LowerLevels {
    options(args).config.lower().unwrap_or_else(|| panic!("{args:?}: no L2"))
}

fn level(size_bytes: u64, line_bytes: u64, ways: u32, policy: PolicyKind) -> Level {
    Level { geometry: geometry(size_bytes, line_bytes, ways), policy }
}

/// Of L1I, L1D, L2 and L3.
fn policies(args: &[&str]) -> [PolicyKind; 4] {
    let args = [&["l2=on", "l3=on"], args].concat();
    let lower = lower(&args);
    let Parts { icache, dcache, .. } = options(&args).config.parts();
    [icache.policy, dcache.policy, lower.l2.policy, lower.l3.unwrap().policy]
}

#[test]
fn every_option_of_further_levels_reaches_its_setting() {
    assert_eq!(
        lower(&[
            "l2=on",
            "l2cachesize=96K",
            "l2blksize=128",
            "l2assoc=3",
            "l2evict=fifo",
            "l2split=on",
            "l3=on",
            "l3cachesize=1M",
            "l3blksize=256",
            "l3assoc=4",
            "l3evict=rand",
            "inclusion=nine",
            "l2inclusion=nine",
            "l3inclusion=inclusive",
        ]),
        LowerLevels {
            l2: level(96 << 10, 128, 3, PolicyKind::Fifo),
            l2_kind: L2Kind::Split,
            l2_inclusion: Inclusion::Nine,
            l3: Some(level(1 << 20, 256, 4, PolicyKind::Random)),
            l3_inclusion: Inclusion::Inclusive,
        }
    );
}

/// Of L2 and L3.
fn inclusions(args: &[&str]) -> [Inclusion; 2] {
    let lower = lower(&[&["l2=on", "l3=on"], args].concat());
    [lower.l2_inclusion, lower.l3_inclusion]
}

#[test]
fn inclusion_of_one_level_overrides_that_of_all_in_any_order() {
    use Inclusion::{Exclusive, Inclusive, Nine};
    assert_eq!(inclusions(&[]), [Nine, Nine]);
    assert_eq!(inclusions(&["inclusion=inclusive"]), [Inclusive, Inclusive]);
    assert_eq!(inclusions(&["l3inclusion=exclusive"]), [Nine, Exclusive]);
    assert_eq!(inclusions(&["l2inclusion=exclusive"]), [Exclusive, Nine]);
    for args in [
        ["inclusion=inclusive", "l3inclusion=exclusive"],
        ["l3inclusion=exclusive", "inclusion=inclusive"],
    ] {
        assert_eq!(inclusions(&args), [Inclusive, Exclusive]);
    }
    // It overrides what a preset says of one level.
    assert_eq!(inclusions(&["cpu=zen3"]), [Inclusive, Exclusive]);
    assert_eq!(inclusions(&["cpu=zen3", "inclusion=nine"]), [Nine, Nine]);
    assert_eq!(inclusions(&["cpu=zen3", "l3inclusion=nine"]), [Inclusive, Nine]);
}

#[test]
fn a_further_level_has_the_defaults_of_the_reference_or_of_a_desktop() {
    let l2 = level(2 << 20, 64, 16, PolicyKind::Lru);
    let expected = LowerLevels {
        l2,
        l2_kind: L2Kind::Unified,
        l2_inclusion: Inclusion::Nine,
        l3: None,
        l3_inclusion: Inclusion::Nine,
    };
    assert_eq!(lower(&["l2=on"]), expected);
    assert_eq!(lower(&["l2"]), expected);
    let l3 = Some(level(8 << 20, 64, 16, PolicyKind::Lru));
    assert_eq!(lower(&["l2=on", "l3=on"]), LowerLevels { l3, ..expected });
}

#[test]
fn any_size_turns_a_level_on() {
    for size in ["l2cachesize=4M", "l2blksize=32", "l2assoc=8"] {
        assert_eq!(lower(&[size]).l3, None, "{size}");
    }
    for size in ["l3cachesize=4M", "l3blksize=32", "l3assoc=8"] {
        assert!(lower(&["l2=on", size]).l3.is_some(), "{size}");
        assert!(lower(&["l2assoc=4", size]).l3.is_some(), "{size}");
    }
}

#[test]
fn a_level_switched_off_is_off_in_any_order_and_nothing_said_of_it_matters() {
    for args in [
        &["l2=off"][..],
        &["l2=off", "l2cachesize=1M"],
        &["l2cachesize=1M", "l2=off"],
        &["l2=on", "l2cachesize=1M", "l2=off"],
        // These are no geometry.
        &["l2=off", "l2cachesize=100"],
        &["l2=off", "l2evict=fifo", "l2split=on", "inclusion=exclusive", "iblksize=32"],
        &["l2=off", "l2inclusion=exclusive"],
        &["l3=off", "l3evict=fifo", "l3inclusion=exclusive", "l3assoc=4"],
    ] {
        let lower = options(args).config.lower();
        assert_eq!(lower, None, "{args:?}");
    }
    assert_eq!(lower(&["l2=on", "l3assoc=4", "l3=off", "l3evict=fifo"]).l3, None);
    assert!(options(&["l2=off", "l2=on"]).config.lower().is_some());
}

#[test]
fn a_policy_for_one_cache_overrides_that_for_all_in_any_order() {
    use PolicyKind::{Fifo, Lru, Random};
    assert_eq!(policies(&[]), [Lru; 4]);
    assert_eq!(policies(&["evict=fifo"]), [Fifo; 4]);
    assert_eq!(policies(&["evict=fifo", "ievict=rand"]), [Random, Fifo, Fifo, Fifo]);
    assert_eq!(policies(&["devict=rand", "evict=fifo"]), [Fifo, Random, Fifo, Fifo]);
    assert_eq!(policies(&["l2evict=rand", "evict=fifo"]), [Fifo, Fifo, Random, Fifo]);
    assert_eq!(policies(&["l3evict=rand"]), [Lru, Lru, Lru, Random]);
    // One for all says nothing of which levels there are.
    assert_eq!(options(&["evict=fifo"]).config.lower(), None);
}

#[test]
fn lines_may_get_longer_downwards_but_not_where_they_move() {
    for args in [
        &["inclusion=inclusive", "iblksize=32", "l2blksize=64", "l3blksize=128"][..],
        &["inclusion=exclusive", "iblksize=32", "dblksize=32", "l2blksize=32", "l3blksize=32"],
        &["inclusion=nine", "dblksize=128", "l2blksize=32", "l3blksize=64"],
        &["l2=on", "l2inclusion=exclusive", "l3blksize=32"],
        &["l3inclusion=exclusive", "dblksize=128", "l2blksize=32", "l3blksize=32"],
        &["l3inclusion=inclusive", "dblksize=128", "l2blksize=32", "l3blksize=128"],
    ] {
        assert!(lower(args).l3.is_some(), "{args:?}");
    }
}

#[test]
fn an_inclusive_level_may_be_smaller_than_those_above() {
    let lower = lower(&["inclusion=inclusive", "l2cachesize=8K", "l2assoc=2"]);
    assert_eq!(lower.l2.geometry.size_bytes(), 8192);
}

#[test]
fn dirty_lines_are_modelled_if_either_option_of_writes_is_given() {
    let writes = |args: &[&str]| options(args).config.writes();
    let some = |on_hit, on_miss| Some(Writes { on_hit, on_miss });
    assert_eq!(writes(&["dwrite=back"]), some(WriteHit::Back, WriteMiss::Allocate));
    assert_eq!(writes(&["dwrite=through"]), some(WriteHit::Through, WriteMiss::Allocate));
    assert_eq!(writes(&["dalloc=on"]), some(WriteHit::Back, WriteMiss::Allocate));
    assert_eq!(writes(&["dalloc"]), some(WriteHit::Back, WriteMiss::Allocate));
    assert_eq!(writes(&["dalloc=off"]), some(WriteHit::Back, WriteMiss::NoAllocate));
    assert_eq!(
        writes(&["dalloc=off", "dwrite=through"]),
        some(WriteHit::Through, WriteMiss::NoAllocate)
    );
    assert_eq!(writes(&["dalloc=off", "dwrite=off"]), None);
    // Where lines move between the levels, either is as good as elsewhere.
    let exclusive = ["inclusion=exclusive", "l2=on", "dwrite=through", "dalloc=off"];
    assert_eq!(writes(&exclusive), some(WriteHit::Through, WriteMiss::NoAllocate));
}

#[test]
fn reads_and_writes_are_counted_apart_when_asked() {
    assert_eq!(options(&["rw=on"]).config.directions(), Directions::Apart);
    assert_eq!(options(&["rw"]).config.directions(), Directions::Apart);
    assert_eq!(options(&["rw=on", "rw=off"]).config.directions(), Directions::Together);
    assert_eq!(options(&["straddle=split"]).config.straddle(), Straddle::Split);
    assert_eq!(options(&["straddle=first"]).config.straddle(), Straddle::First);
}

#[test]
fn a_latency_asks_for_the_summary_unless_that_is_off() {
    let summary = |args: &[&str]| {
        let Options { latencies, wants_summary, .. } = options(args);
        wants_summary.then_some(latencies)
    };
    assert_eq!(summary(&["summary=on"]), Some(LATENCIES));
    assert_eq!(summary(&["memlat=300"]), Some(Latencies { memory: 300, ..LATENCIES }));
    assert_eq!(
        summary(&["l2=on", "l3=on", "l1lat=1", "l2lat=2", "l3lat=3", "memlat=4"]),
        Some(Latencies { l1: 1, l2: 2, l3: 3, memory: 4 })
    );
    assert_eq!(summary(&["memlat=300", "summary=off"]), None);
    assert_eq!(summary(&["summary=off", "l1lat=300"]), None);
}

#[test]
fn only_levels_that_there_are_have_to_get_slower_downwards() {
    assert_eq!(options(&["l1lat=200"]).latencies.l1, 200);
    assert_eq!(options(&["l2=on", "l2lat=200"]).latencies.l2, 200);
    assert!(message(&["l2=on", "l3=on", "l2lat=200"]).starts_with("l3lat=40 (default): less than"));
    // Levels have costs without a summary too.
    assert!(message(&["l2=on", "memlat=2", "summary=off"]).starts_with("memlat=2: less than"));
    assert!(message(&["l1lat=201"]).starts_with("memlat=200 (default): less than l1lat (201)"));
}

#[test]
fn first_level_settings_alone_keep_a_first_level_only() {
    for args in [&["summary=on"][..], &["ievict=rand"], &["cpu=cortex-m7", "dwrite=off"]] {
        assert!(options(args).config.is_first_level_only(), "{args:?}");
    }
    for arg in ["l2=on", "rw=on", "dwrite=back", "straddle=split", "cpu=zen2"] {
        assert!(!options(&[arg]).config.is_first_level_only(), "{arg}");
    }
}
