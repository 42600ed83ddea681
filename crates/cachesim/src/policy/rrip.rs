//! What SRRIP, BRRIP and DRRIP have in common: everything but the insertion.
//!
//! A line has a re-reference prediction value (RRPV) of two bits: 0 if its next access is expected soon,
//! 3 if in the distant future. The victim is the first line with 3. Where none has it, the values of all
//! rise alike until one has.
//!
//! The state is 4 less the value, so that the least state is the next victim's, and 0 for an empty way.

use super::{OnHit, earliest};

/// RRPV 0.
const SOON: u64 = 4;
/// RRPV 2.
pub(super) const LONG: u64 = 2;
/// RRPV 3.
pub(super) const DISTANT: u64 = 1;

/// A hit, by "hit priority": the next one is expected soon.
pub(super) const ON_HIT: OnHit = OnHit::state_of(SOON);

/// The first way of those with the greatest value, which then is 3; an empty one if there is any.
#[inline(always)]
pub(super) fn victim(states: &mut [u64]) -> usize {
    let victim = earliest(states);
    // How often the values have to rise.
    let rounds = states[victim].saturating_sub(DISTANT);
    if rounds > 0 {
        for state in states {
            *state -= rounds;
        }
    }
    victim
}
