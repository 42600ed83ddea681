//! An order of recency into which lines are inserted at either end.
//!
//! Marks count from the middle of what [`super::earliest`] can take, upwards at the most recent end and
//! downwards at the least recent one, by the time. So whatever comes is beyond all that came before, and
//! above the state of an empty way.

use super::{OnHit, TIME_END};

/// A hit: the line becomes the most recent of its set.
pub(super) const ON_HIT: OnHit = OnHit::time_after(TIME_END);

/// The state of a line that is the most recent of its set from time `now` on.
#[inline(always)]
pub(super) fn most_recent(now: u64) -> u64 {
    TIME_END + now
}

/// The state of a line that is the least recent of its set from time `now` on.
#[inline(always)]
pub(super) fn least_recent(now: u64) -> u64 {
    TIME_END - now
}
