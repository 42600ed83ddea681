//! Dynamic re-reference interval prediction.

use super::bimodal::Throttle;
use super::{Hit, Policy, rrip};
use crate::geometry::CacheGeometry;
use crate::options::PolicyKind;

/// Dynamic re-reference interval prediction (DRRIP; Jaleel et al., ISCA 2010, see [`super::Srrip`]): a few
/// leader sets always insert as SRRIP does, a few others as BRRIP does, and all others, the followers, as
/// those leaders do that miss less: set dueling (Qureshi et al., ISCA 2007, see [`super::Bip`]).
///
/// A counter of 10 bits tells who does: it rises at a fill of a leader for SRRIP, and falls at one of a
/// leader for BRRIP. From 512 on BRRIP is followed. It starts at 511, in the middle.
///
/// Each side has 32 leaders, but no more than a quarter of the sets, so that half of all are followers at
/// least; with fewer than four sets there are none, and DRRIP is SRRIP. The papers' caches have thousands
/// of sets. Where the leaders are is a choice of ours in the spirit of the papers' "complement select":
/// the sets are cut into as many regions of equal size as a side has leaders, and in each region one set
/// leads for SRRIP and the one half a region further on (around its end) for BRRIP. The place is another
/// one in each region, lest accesses at regular distances meet the leaders of one side only.
#[derive(Clone, Debug)]
pub struct Drrip {
    throttle: Throttle,
    /// Below [`COUNTER_END`].
    counter: u16,
    /// The number of regions, and of leaders of each side.
    regions: usize,
    /// How many sets a region has. The last sets may be in none.
    sets_per_region: usize,
}

/// The most leaders of each side.
const LEADERS: usize = 32;

const COUNTER_END: u16 = 1 << 10;

/// How a set inserts lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    LeadsSrrip,
    LeadsBrrip,
    Follows,
}

impl Policy for Drrip {
    fn new(_: PolicyKind, geometry: &CacheGeometry, seed: u64) -> Self {
        let sets = usize::try_from(geometry.sets()).expect("sets fit the address space");
        let regions = LEADERS.min(sets / 4);
        Self {
            throttle: Throttle::new(seed),
            counter: COUNTER_END / 2 - 1,
            regions,
            sets_per_region: sets / regions.max(1),
        }
    }

    #[inline(always)]
    fn hit(&mut self, mark: &mut u64, _now: u64) -> Hit {
        rrip::hit(mark);
        Hit::Done
    }

    #[inline(always)]
    fn victim(&mut self, marks: &mut [u64]) -> usize {
        rrip::victim(marks)
    }

    #[inline(always)]
    fn filled(&mut self, marks: &mut [u64], way: usize, index: usize, _now: u64) {
        marks[way] = self.insertion(index);
    }
}

impl Drrip {
    /// Counts a fill of set `index` and returns the mark of the new line.
    // One copy: it is long, and a miss is rare enough.
    #[inline(never)]
    fn insertion(&mut self, index: usize) -> u64 {
        let is_bimodal = match self.role(index) {
            Role::LeadsSrrip => {
                self.counter = (self.counter + 1).min(COUNTER_END - 1);
                false
            }
            Role::LeadsBrrip => {
                self.counter = self.counter.saturating_sub(1);
                true
            }
            Role::Follows => self.counter >= COUNTER_END / 2,
        };
        if is_bimodal && !self.throttle.lets_pass() { rrip::DISTANT } else { rrip::LONG }
    }

    fn role(&self, index: usize) -> Role {
        let region = index / self.sets_per_region;
        let place = index % self.sets_per_region;
        if region >= self.regions {
            return Role::Follows;
        }
        let srrip = region % self.sets_per_region;
        let brrip = (region + self.sets_per_region / 2) % self.sets_per_region;
        if place == srrip {
            Role::LeadsSrrip
        } else if place == brrip {
            Role::LeadsBrrip
        } else {
            Role::Follows
        }
    }
}
