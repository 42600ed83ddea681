//! The lines accessed last: most accesses of a batch need not be recorded.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::address::LineAddr;
use crate::policy::Repeats;

const ENTRIES: usize = 64;

/// The line accessed last in each set of a cache, or in each group of sets.
///
/// That line is still in its set: only a fill of the set takes a line out, and the line filled would
/// be the last one accessed. And where the policy keeps an order that hits change, its state is already
/// the latest. So accessing it again is a hit that changes nothing.
///
/// One thread uses it. It is made of atomics so that its owner can be shared; they cost nothing.
#[derive(Debug)]
pub(crate) struct RecentLines {
    /// Picks the entry from a line number. All lines of a set have the same entry.
    mask: u64,
    /// All ones where no line is to be remembered.
    forgetting: u64,
    lines: [AtomicU64; ENTRIES],
}

impl RecentLines {
    /// For a cache of `sets` sets; nothing accessed yet. Where repeated accesses count, none is ever known.
    pub(crate) fn new(sets: u64, repeats: Repeats) -> Self {
        // Only with a power of two of sets do the low bits of a line number tell the set.
        let mask = if sets.is_power_of_two() { sets.min(ENTRIES as u64) - 1 } else { 0 };
        let forgetting = match repeats {
            Repeats::ChangeNothing => 0,
            Repeats::Count => LineAddr::INVALID.number(),
        };
        let recent = Self { mask, forgetting, lines: [const { AtomicU64::new(0) }; ENTRIES] };
        recent.forget();
        recent
    }

    #[inline(always)]
    fn entry(&self, line: LineAddr) -> &AtomicU64 {
        // The remainder changes nothing, but spares the check of a bound.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of ENTRIES")]
        let entry = ((line.number() & self.mask) % ENTRIES as u64) as usize;
        &self.lines[entry]
    }

    /// Whether `line` was accessed last in its set.
    #[inline(always)]
    pub(crate) fn contains(&self, line: LineAddr) -> bool {
        self.entry(line).load(Relaxed) == line.number()
    }

    /// `line` is accessed now.
    #[inline(always)]
    pub(crate) fn remember(&self, line: LineAddr) {
        self.entry(line).store(line.number() | self.forgetting, Relaxed);
    }

    /// Nothing is known any more.
    pub(crate) fn forget(&self) {
        for line in &self.lines {
            line.store(LineAddr::INVALID.number(), Relaxed);
        }
    }
}
