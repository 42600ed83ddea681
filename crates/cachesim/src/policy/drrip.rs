//! Dynamic re-reference interval prediction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::bimodal::Throttle;
use super::{OnHit, Policy, PolicyKind, Repeats, rrip};
use crate::geometry::CacheGeometry;

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
/// leads for SRRIP and the one half a region further on (around its end) for BRRIP. The position is another
/// one in each region, lest accesses at regular distances meet the leaders of one side only.
///
/// The slices of a cache have one duel, of the whole cache's sets.
#[derive(Clone, Debug)]
pub struct Drrip {
    throttle: Throttle,
    duel: Duel,
    /// Set `i` of this slice is set `i * slices + slice` of the cache.
    slice: usize,
    /// 1 where the cache is in one piece.
    slices: usize,
}

/// What sets are followed, and who leads.
#[derive(Debug)]
struct Duel {
    /// Below [`COUNTER_END`]. The slices of a cache share it.
    counter: Arc<AtomicU16>,
    /// The number of regions, and of leaders of each side.
    regions: usize,
    /// How many sets a region has. The last sets may be in none.
    sets_per_region: usize,
}

/// A duel of its own, which stands as this one does.
impl Clone for Duel {
    fn clone(&self) -> Self {
        let counter = AtomicU16::new(self.counter.load(Ordering::Relaxed));
        Self { counter: Arc::new(counter), ..*self }
    }
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
    const REPEATS: Repeats = Repeats::ChangeFilled;
    const ON_HIT: OnHit = rrip::ON_HIT;
    const IS_RANDOM: bool = true;

    fn new(_: PolicyKind, geometry: &CacheGeometry, seed: u64) -> Self {
        let sets = usize::try_from(geometry.sets()).expect("sets fit the address space");
        Self { throttle: Throttle::new(seed), duel: Duel::new(sets), slice: 0, slices: 1 }
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        rrip::victim(states)
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, index: usize, _now: u64) {
        states[way] = self.insertion(index);
    }
}

impl Drrip {
    /// Makes this the policy of slice `slice` of `slices`, each of `sets` sets.
    pub(super) fn become_slice(&mut self, slice: usize, slices: usize, sets: usize) {
        *self = Self { slice, slices, duel: Duel::new(sets * slices), ..self.clone() };
    }

    /// Makes the duel of `other`, another slice of the same cache, the one of this slice too.
    pub(super) fn share_selector(&mut self, other: &Self) {
        self.duel.counter = Arc::clone(&other.duel.counter);
    }

    /// Counts a fill of set `index` and returns the state of the new line.
    // One copy: it is long, and a miss is rare enough.
    #[inline(never)]
    fn insertion(&mut self, index: usize) -> u64 {
        let is_bimodal = self.duel.counts_fill(index * self.slices + self.slice);
        if is_bimodal && !self.throttle.lets_pass() { rrip::DISTANT } else { rrip::LONG }
    }
}

impl Duel {
    fn new(sets: usize) -> Self {
        let regions = LEADERS.min(sets / 4);
        Self {
            counter: Arc::new(AtomicU16::new(COUNTER_END / 2 - 1)),
            regions,
            sets_per_region: sets / regions.max(1),
        }
    }

    /// Counts a fill of a set, if it leads; whether the set inserts as BRRIP does.
    fn counts_fill(&self, set: usize) -> bool {
        // Slices have locks of their own, so several may count at once. The counter guards nothing else.
        let count = |step: fn(u16) -> u16| {
            let _ = self
                .counter
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |counter| Some(step(counter)));
        };
        match self.role(set) {
            Role::LeadsSrrip => {
                count(|counter| (counter + 1).min(COUNTER_END - 1));
                false
            }
            Role::LeadsBrrip => {
                count(|counter| counter.saturating_sub(1));
                true
            }
            Role::Follows => self.counter.load(Ordering::Relaxed) >= COUNTER_END / 2,
        }
    }

    fn role(&self, set: usize) -> Role {
        let region = set / self.sets_per_region;
        let line_index = set % self.sets_per_region;
        if region >= self.regions {
            return Role::Follows;
        }
        let srrip = region % self.sets_per_region;
        let brrip = (region + self.sets_per_region / 2) % self.sets_per_region;
        if line_index == srrip {
            Role::LeadsSrrip
        } else if line_index == brrip {
            Role::LeadsBrrip
        } else {
            Role::Follows
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNTER_END, Drrip, LEADERS, Role};
    use crate::geometry::CacheGeometry;
    use crate::policy::{Policy, PolicyKind};
    use std::sync::atomic::Ordering;

    fn of_sets(sets: u64) -> Drrip {
        let geometry = CacheGeometry::new(sets * 64, 64, 1).unwrap();
        Drrip::new(PolicyKind::Drrip, &geometry, 1)
    }

    fn slices(sets: usize, slices: usize) -> Vec<Drrip> {
        let per_slice = sets / slices;
        let mut policies: Vec<Drrip> = (0..slices)
            .map(|slice| {
                let mut policy = of_sets(per_slice as u64);
                policy.become_slice(slice, slices, per_slice);
                policy
            })
            .collect();
        let (first, others) = policies.split_first_mut().unwrap();
        for other in others {
            other.share_selector(first);
        }
        policies
    }

    /// Each slice chose its own: of slices with 128 sets half led.
    #[test]
    fn slices_choose_the_leaders_of_one_cache_of_the_whole_size() {
        for (sets, number) in [(8192, 64), (192, 64), (64, 64), (96, 32), (4, 2)] {
            let whole = of_sets(sets as u64);
            let parts = slices(sets, number);
            let mut leaders = 0;
            for set in 0..sets {
                let part = &parts[set % number];
                let role = part.duel.role(set / number * part.slices + part.slice);
                assert_eq!(role, whole.duel.role(set), "set {set} of {sets}");
                leaders += usize::from(role != Role::Follows);
            }
            assert_eq!(leaders, 2 * LEADERS.min(sets / 4));
        }
    }

    /// Misses of leaders in one slice have the followers of another insert as BRRIP does.
    #[test]
    fn slices_have_one_duel() {
        let mut parts = slices(8192, 64);
        let follows = |part: &Drrip| part.duel.counter.load(Ordering::Relaxed) >= COUNTER_END / 2;
        assert!(!follows(&parts[5]));
        let leader = (0..8192).find(|&set| parts[0].duel.role(set) == Role::LeadsSrrip).unwrap();
        parts[leader % 64].filled(&mut [0], 0, leader / 64, 1);
        assert!(parts.iter().all(follows));
        // A copy, made to try accesses out, has a duel of its own.
        let copy = parts[0].clone();
        copy.duel.counter.store(0, Ordering::Relaxed);
        assert!(follows(&parts[0]));
    }
}
