//! The choice of the rows of a list.
//!
//! Deliberate differences from the reference: rows with equal misses are in the order of their
//! addresses (there: in hash order), and a row without a miss is never listed (there: such rows
//! fill the list up to the limit).

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use cachesim::instructions::Code;

/// What decides the place of an instruction in a list: more misses (or stall cycles, where the list is of
/// these) rank higher, and of equals the lower address does. Of code that was rewritten at one address, the
/// lower bytes do, so that a report repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// The number that the list is about.
    pub count: u64,
    /// The virtual address of the instruction.
    pub vaddr: u64,
    /// The instruction.
    pub code: Code,
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |rank: &Self| (rank.count, Reverse((rank.vaddr, rank.code)));
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The (at most) `limit` rows of the highest [`Rank`] that count at all, the highest first.
///
/// For n rows it takes O(n log `limit`) time and O(`limit`) memory, so that the rows may be cheap
/// stand-ins (an index, a reference) for millions of instructions. The order of rows of the same
/// rank is not specified.
pub fn top_by<T>(
    rows: impl IntoIterator<Item = T>,
    limit: usize,
    rank: impl Fn(&T) -> Rank,
) -> Vec<T> {
    if limit == 0 {
        return Vec::new();
    }
    // The lowest of the rows kept is on top, ready to be replaced.
    let mut kept = BinaryHeap::new();
    for row in rows {
        let rank = rank(&row);
        if rank.count == 0 {
            continue;
        }
        let ranked = Reverse(Ranked { rank, row });
        if kept.len() < limit {
            kept.push(ranked);
        } else if let Some(mut lowest) = kept.peek_mut()
            && ranked < *lowest
        {
            *lowest = ranked;
        }
    }
    // Ascending in `Reverse` is descending in rank.
    kept.into_sorted_vec().into_iter().map(|Reverse(ranked)| ranked.row).collect()
}

/// A row, compared by its rank alone.
struct Ranked<T> {
    rank: Rank,
    row: T,
}

impl<T> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl<T> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl<T> Eq for Ranked<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `top_by` on (misses, address) pairs.
    fn top(rows: &[(u64, u64)], limit: usize) -> Vec<(u64, u64)> {
        top_by(rows.iter().copied(), limit, |&(count, vaddr)| Rank {
            count,
            vaddr,
            code: Code::default(),
        })
    }

    #[test]
    fn most_misses_come_first_and_ties_by_address() {
        assert_eq!(
            top(&[(1, 0x10), (5, 0x30), (5, 0x20), (9, 0x40)], 3),
            [(9, 0x40), (5, 0x20), (5, 0x30)]
        );
    }

    #[test]
    fn rows_without_a_miss_are_left_out() {
        assert_eq!(top(&[(0, 0x10), (1, 0x20), (0, 0x30)], 32), [(1, 0x20)]);
    }

    #[test]
    fn a_limit_of_zero_keeps_nothing() {
        assert!(top(&[(1, 0x10)], 0).is_empty());
    }

    #[test]
    fn a_limit_without_end_keeps_every_row_that_missed() {
        assert_eq!(top(&[(1, 0x10), (2, 0x20)], usize::MAX), [(2, 0x20), (1, 0x10)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 1000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn it_equals_sorting_everything(
            rows in prop::collection::vec((0..5_u64, 0..40_u64), 0..60),
            limit in 0..70_usize,
        ) {
            let mut sorted = rows.clone();
            sorted.retain(|row| row.0 > 0);
            sorted.sort_by_key(|&(misses, vaddr)| (Reverse(misses), vaddr));
            sorted.truncate(limit);
            prop_assert_eq!(top(&rows, limit), sorted);
        }
    }
}
