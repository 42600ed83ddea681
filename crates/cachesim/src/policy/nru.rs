//! Not recently used.

use super::{OnHit, Policy, PolicyKind, Repeats, earliest};
use crate::geometry::CacheGeometry;

/// Not recently used: each line has a bit, which a fill and a hit clear. The victim is the first line whose
/// bit is set; if there is none, all bits of the set are set and the search is repeated (Jaleel, Theobald,
/// Steely and Emer, "High performance cache replacement using re-reference interval prediction (RRIP)", ISCA
/// 2010, section 4.1). In that paper and in gem5, where it is `NRURP`, it is RRIP with one bit.
///
/// It differs from [`super::BitPlru`] in when accesses are forgotten: at the miss that needs a victim, and
/// then all of them. There it is at the access that would leave no victim, and that one is remembered.
///
/// The state is 2 less the bit, so that the least state is the next victim's, and 0 for an empty way.
#[derive(Clone, Debug)]
pub struct Nru;

/// The bit is set.
const NOT_RECENT: u64 = 1;
/// The bit is clear.
const RECENT: u64 = 2;

impl Policy for Nru {
    const REPEATS: Repeats = Repeats::ChangeNothing;
    const ON_HIT: OnHit = OnHit::state_of(RECENT);

    fn new(_: PolicyKind, _: &CacheGeometry, _seed: u64) -> Self {
        Self
    }

    #[inline(always)]
    fn victim(&mut self, states: &mut [u64]) -> usize {
        let victim = earliest(states);
        if states[victim] == RECENT {
            states.fill(NOT_RECENT);
        }
        victim
    }

    #[inline(always)]
    fn filled(&mut self, states: &mut [u64], way: usize, _index: usize, _now: u64) {
        states[way] = RECENT;
    }
}
