//! Counters of long runs.

use cachesim::stats::Counter;

/// Adds with one of the two ways to add.
type Add = fn(&Counter, u64);

const WAYS_TO_ADD: [Add; 2] = [|counter, n| _ = counter.add(n), Counter::add_shared];

#[test]
fn a_counter_starts_at_zero() {
    assert_eq!(Counter::default().get(), 0);
}

#[test]
fn a_counter_counts_past_every_power_of_two() {
    for add in WAYS_TO_ADD {
        for bit in [8, 15, 16, 31, 32, 33, 52, 53, 63] {
            let counter = Counter::default();
            let limit = 1 << bit;
            counter.set(limit - 2);
            for expected in limit - 1..limit + 3 {
                add(&counter, 1);
                assert_eq!(counter.get(), expected, "2^{bit}");
            }
            add(&counter, limit - 3);
            assert_eq!(counter.get(), limit - 1 + limit, "2^{bit}");
        }
    }
}

#[test]
fn a_counter_adds_more_than_32_bits_at_once() {
    for add in WAYS_TO_ADD {
        let counter = Counter::default();
        add(&counter, (1 << 33) + 5);
        add(&counter, 1 << 32);
        add(&counter, 0);
        assert_eq!(counter.get(), 3 * (1 << 32) + 5);
    }
}

/// At 2⁶⁴, which takes centuries, a counter starts again. It does not panic into QEMU, in a build
/// with overflow checks either.
#[test]
fn a_counter_wraps_at_its_end() {
    for add in WAYS_TO_ADD {
        let counter = Counter::default();
        counter.set(u64::MAX);
        add(&counter, 3);
        assert_eq!(counter.get(), 2);
    }
}

/// Those who add use it as the time.
#[test]
fn an_addition_returns_the_sum() {
    let counter = Counter::default();
    let mut expected = 0_u64;
    for n in [1, 0, 1, 5, 1 << 31, 1 << 32, u64::MAX - (1 << 32), 3] {
        expected = expected.wrapping_add(n);
        assert_eq!(counter.add(n), expected);
        assert_eq!(counter.get(), expected);
    }
}
