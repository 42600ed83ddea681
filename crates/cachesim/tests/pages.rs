//! The cache of translations against a map that forgets everything whenever anything changes.

use std::collections::HashMap;

use cachesim::pages::{PAGE_SHIFT, PageCache, Regime, SharedGeneration};
use proptest::prelude::*;

const PAGE_BYTES: u64 = 1 << PAGE_SHIFT;

/// vCPUs that share one generation, and have one each.
const VCPUS: usize = 2;

/// What the vCPUs do.
#[derive(Clone, Debug)]
enum Step {
    /// An access: a look-up, and if it finds nothing, a translation that is remembered.
    Access { vcpu: usize, vaddr: u64, regime: u32, frame: u64 },
    /// A translation that replaces what may be there.
    Insert { vcpu: usize, vaddr: u64, regime: u32, frame: u64 },
    /// An instruction that changes this vCPU's translations.
    Raise { vcpu: usize },
    /// An instruction that changes those of all vCPUs.
    RaiseShared,
}

/// Few pages, most of which differ in one bit: neighbours, those that share a slot, and those that
/// only the highest bits tell apart.
fn vaddr() -> impl Strategy<Value = u64> + Clone {
    let page = prop_oneof![
        0..4_u64,
        (0..52_u32).prop_map(|bit| 1 << bit),
        Just((1 << 52) - 1),
        any::<u64>().prop_map(|page| page >> PAGE_SHIFT),
    ];
    (page, 0..PAGE_BYTES).prop_map(|(page, offset)| page << PAGE_SHIFT | offset)
}

/// Few, so that they meet: loads and stores of two privileges.
fn regime() -> impl Strategy<Value = u32> + Clone {
    (0..2_u32, 0..2_u32).prop_map(|(privilege, store)| store << (Regime::BITS - 1) | privilege)
}

/// None, all, and each one of the bits of a regime.
fn regimes_that_differ() -> impl Iterator<Item = Regime> {
    [0, u32::MAX].into_iter().chain((0..Regime::BITS).map(|bit| 1 << bit)).map(Regime::new)
}

fn step() -> impl Strategy<Value = Step> {
    let access = (0..VCPUS, vaddr(), regime(), any::<u64>());
    let frame = |number: u64| number >> PAGE_SHIFT << PAGE_SHIFT;
    prop_oneof![
        12 => access.clone().prop_map(move |(vcpu, vaddr, regime, any)|
            Step::Access { vcpu, vaddr, regime, frame: frame(any) }),
        2 => access.prop_map(move |(vcpu, vaddr, regime, any)|
            Step::Insert { vcpu, vaddr, regime, frame: frame(any) }),
        1 => (0..VCPUS).prop_map(|vcpu| Step::Raise { vcpu }),
        1 => Just(Step::RaiseShared),
    ]
}

/// All that holds now: by page and regime, the frame.
type Known = HashMap<(u64, u32), u64>;

/// Checks the steps, and returns how many look-ups found something.
fn check(steps: Vec<Step>) -> Result<usize, TestCaseError> {
    let shared = SharedGeneration::new();
    let mut caches: [PageCache; VCPUS] = Default::default();
    let mut known: [Known; VCPUS] = Default::default();
    let mut found = 0;
    for step in steps {
        match step {
            Step::Access { vcpu, vaddr, regime, frame } => {
                let key = (vaddr / PAGE_BYTES, regime);
                let got = caches[vcpu].get(&shared, vaddr, Regime::new(regime));
                if let Some(paddr) = got {
                    // Not stale, not of another page, regime or vCPU.
                    let held = known[vcpu].get(&key).map(|frame| frame + vaddr % PAGE_BYTES);
                    prop_assert_eq!(Some(paddr), held, "{:#x}", vaddr);
                    found += 1;
                } else {
                    let paddr = frame + vaddr % PAGE_BYTES;
                    caches[vcpu].insert(&shared, vaddr, Regime::new(regime), paddr);
                    known[vcpu].insert(key, frame);
                }
            }
            Step::Insert { vcpu, vaddr, regime, frame } => {
                let paddr = frame + vaddr % PAGE_BYTES;
                caches[vcpu].insert(&shared, vaddr, Regime::new(regime), paddr);
                known[vcpu].insert((vaddr / PAGE_BYTES, regime), frame);
                // The last byte of the page follows from any other.
                let last = caches[vcpu].get(&shared, vaddr | (PAGE_BYTES - 1), Regime::new(regime));
                prop_assert_eq!(last, Some(frame + PAGE_BYTES - 1));
            }
            Step::Raise { vcpu } => {
                caches[vcpu].raise_generation();
                known[vcpu].clear();
            }
            Step::RaiseShared => {
                shared.raise();
                known.iter_mut().for_each(HashMap::clear);
            }
        }
    }
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_translation_is_never_stale_nor_that_of_another_page(
        steps in prop::collection::vec(step(), 1..300),
    ) {
        check(steps)?;
    }
}

/// A vCPU's look-ups are worth having only if they find something.
#[test]
fn a_loop_over_64_pages_is_translated_once() {
    let access = |page| Step::Access { vcpu: 0, vaddr: page << PAGE_SHIFT, regime: 1, frame: 0 };
    let steps = (0..10).flat_map(|_| 5..69_u64).map(access).collect();
    assert_eq!(check(steps).expect("right translations"), 9 * 64);
}

#[test]
fn a_new_cache_knows_nothing() {
    let (cache, shared) = (PageCache::default(), SharedGeneration::new());
    for page in 0..130 {
        for regime in regimes_that_differ() {
            assert_eq!(cache.get(&shared, page << PAGE_SHIFT, regime), None);
        }
    }
}

#[test]
fn a_translation_is_forgotten_when_any_generation_rises() {
    let shared = SharedGeneration::new();
    let mut cache = PageCache::default();
    let regime = Regime::new(0);
    for raise_shared in [false, true, false, true, true, false, false] {
        cache.insert(&shared, 0x1234, regime, 0x8_0234);
        assert_eq!(cache.get(&shared, 0x1ff8, regime), Some(0x8_0ff8));
        if raise_shared {
            shared.raise();
        } else {
            cache.raise_generation();
        }
        assert_eq!(cache.get(&shared, 0x1234, regime), None);
    }
}

#[test]
fn a_raise_of_one_vcpu_leaves_the_others_translations() {
    let shared = SharedGeneration::new();
    let [mut one, mut other] = [PageCache::default(), PageCache::default()];
    let regime = Regime::new(0);
    one.insert(&shared, 0x1000, regime, 0x5000);
    other.insert(&shared, 0x1000, regime, 0x6000);
    one.raise_generation();
    assert_eq!(one.get(&shared, 0x1008, regime), None);
    assert_eq!(other.get(&shared, 0x1008, regime), Some(0x6008));
}

#[test]
fn every_bit_of_a_regime_tells_translations_apart() {
    let shared = SharedGeneration::new();
    for regime in regimes_that_differ() {
        let mut cache = PageCache::default();
        cache.insert(&shared, 0x1000, regime, 0x5000);
        for other in regimes_that_differ() {
            let expected = (other == regime).then_some(0x5000);
            assert_eq!(cache.get(&shared, 0x1000, other), expected);
        }
    }
}

/// They are added to the generation.
#[test]
fn no_regime_of_a_generation_is_one_of_the_next() {
    let shared = SharedGeneration::new();
    let mut cache = PageCache::default();
    let all = (1 << Regime::BITS) - 1;
    cache.insert(&shared, 0x1000, Regime::new(all), 0x5000);
    cache.raise_generation();
    for regime in [0, 1, all - 1, all] {
        assert_eq!(cache.get(&shared, 0x1000, Regime::new(regime)), None);
    }
}

#[test]
fn loads_and_stores_of_a_page_have_places_of_their_own() {
    let shared = SharedGeneration::new();
    let mut cache = PageCache::default();
    let [load, store] = [0, 1 << (Regime::BITS - 1)].map(Regime::new);
    cache.insert(&shared, 0x1000, load, 0x5000);
    cache.insert(&shared, 0x1000, store, 0x6000);
    assert_eq!(cache.get(&shared, 0x1000, load), Some(0x5000));
    assert_eq!(cache.get(&shared, 0x1000, store), Some(0x6000));
}

#[test]
fn bits_beyond_a_regime_do_not_reach_the_generation() {
    for bits in [0, 1, 0x1234_5678, u32::MAX] {
        assert_eq!(Regime::new(bits), Regime::new(bits & ((1 << Regime::BITS) - 1)));
    }
}

/// The distance from a page to its frame is any 64-bit number.
#[test]
fn a_page_may_be_above_or_below_its_frame() {
    let shared = SharedGeneration::new();
    let mut cache = PageCache::default();
    let regime = Regime::new(3);
    for (vaddr, paddr) in [(0xffff_ffff_ffff_f123, 0x123), (0x123, 0xffff_ffff_ffff_f123)] {
        cache.insert(&shared, vaddr, regime, paddr);
        assert_eq!(cache.get(&shared, vaddr, regime), Some(paddr));
        assert_eq!(cache.get(&shared, vaddr | 0xfff, regime), Some(paddr | 0xfff));
    }
}
