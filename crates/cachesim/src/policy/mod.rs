//! Replacement policies.
//!
//! The protocol between a cache and its policy: each way of a set has a line, which is the cache's, and
//! the policy's state. A line keeps its way as long as it is in the set. The cache tells the policy of
//! hits and fills, with the time, and asks it for a victim; the policy keeps what it needs to know of
//! a line in the line's state, and what it needs to know beside that in itself. It never needs to know
//! which line it is.
//!
//! Most hits are in the way where the line is expected, and then the cache has the line's state at hand
//! and not its set: so a policy is shown the state first, and asks for the set if it needs it.
//!
//! [`Repeats`] says of a policy what [`crate::buffer`] and the instruction side have to know: whether a
//! hit on the line accessed last in its set changes anything but the time. [`OnHit`] is what a policy
//! makes of a hit, as data, so that one compiled cache serves them all.
//!
//! A new policy is a file, its `mod` here and a row of [`crate::policies`]. What does not know it then does
//! not compile, or fails a test.

mod any;
mod bimodal;
mod bip;
mod bit_plru;
mod brrip;
mod drrip;
mod fifo;
mod kind;
mod lfu;
mod lip;
mod lru;
mod nru;
mod random;
mod recency;
mod rrip;
mod srrip;
mod table;
mod tree_plru;

pub use any::{AnyPolicy, TimedPolicy};
pub use kind::PolicyKind;

use std::fmt::Debug;

use crate::geometry::CacheGeometry;

macro_rules! exports {
    ($($module:ident::$policy:ident $row:tt)*) => {
        $(pub use $module::$policy;)*
    };
}

crate::policies!(exports);

/// All times are below this, which a billion accesses a second take 36 years to reach.
pub const TIME_END: u64 = 1 << 60;

/// Which line of a full set makes room for a new one.
///
/// What the policy keeps of every line is its state. An empty way's is 0, which no line's is. Where the
/// policy has an order, the least state is the next victim's (of several the first way's).
pub trait Policy: Clone + Debug + Send + 'static {
    /// What a hit on the line accessed last in its set does, or at most does.
    const REPEATS: Repeats;

    /// What a hit makes of the state of its line.
    const ON_HIT: OnHit;

    /// Whether it makes random choices, which start from the seed.
    const IS_RANDOM: bool = false;

    /// The policy of one cache of this geometry. `kind` is what the user chose, which only
    /// [`AnyPolicy`] needs to be told. Caches that differ in `seed` make different random choices.
    fn new(kind: PolicyKind, geometry: &CacheGeometry, seed: u64) -> Self;

    /// The line with this state was accessed at time `now`. With [`Hit::NeedsSet`] nothing has happened
    /// yet, and [`Policy::hit_in_set`] follows.
    #[inline(always)]
    fn hit(&mut self, state: &mut u64, now: u64) -> Hit {
        Self::ON_HIT.apply(state, now)
    }

    /// The line in this way of its set, which has these states, was accessed at time `now`.
    #[inline(always)]
    fn hit_in_set(&mut self, states: &mut [u64], way: usize, now: u64) {
        self.hit(&mut states[way], now);
    }

    /// The way to fill of a set that has these states: an empty one as long as there is one. There is at
    /// least one way.
    fn victim(&mut self, states: &mut [u64]) -> usize;

    /// The line that is in this way of set `index` now was filled at time `now`; the state is still that
    /// of what was there before.
    fn filled(&mut self, states: &mut [u64], way: usize, index: usize, now: u64);
}

/// Whether a policy that was told of a hit has done what there is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hit {
    /// All is done.
    Done,
    /// It has to see the set.
    NeedsSet,
}

/// What a hit makes of the state of its line. It does nothing else, but for lines of low states with some policies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OnHit {
    /// Below it the set has to be seen.
    at_least: u64,
    /// The bits of the state that stay.
    kept: u64,
    /// The bits of the time that come in.
    timed: u64,
    /// What is added.
    added: u64,
}

impl OnHit {
    /// It changes nothing.
    pub const NOTHING: Self = Self::nothing_from(0);
    /// The state becomes the time of the access.
    pub const TIME: Self = Self::time_after(0);
    /// The state rises by one.
    pub const COUNT: Self = Self { added: 1, ..Self::NOTHING };

    /// It changes nothing of a state that is at least this one. Of others the policy has to see the set.
    pub const fn nothing_from(state: u64) -> Self {
        Self { at_least: state, kept: u64::MAX, timed: 0, added: 0 }
    }

    /// The state becomes the time of the access, counted from `begin` on.
    pub const fn time_after(begin: u64) -> Self {
        Self { at_least: 0, kept: 0, timed: u64::MAX, added: begin }
    }

    /// The state becomes this one.
    pub const fn state_of(state: u64) -> Self {
        Self { at_least: 0, kept: 0, timed: 0, added: state }
    }

    /// A hit at time `now`.
    #[inline(always)]
    fn apply(&self, state: &mut u64, now: u64) -> Hit {
        if *state < self.at_least {
            return Hit::NeedsSet;
        }
        *state = (*state & self.kept | now & self.timed).wrapping_add(self.added);
        Hit::Done
    }
}

/// Whether a hit on the line accessed last in its set matters to a policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Repeats {
    /// It changes nothing but the time of the line's state, which is the latest of its set before and
    /// after.
    ChangeNothing,
    /// It makes a difference to a line that was only filled so far, and then none any more.
    ChangeFilled,
    /// It makes a difference each time.
    Count,
}

/// The first empty way.
#[inline(always)]
fn empty_way(states: &[u64]) -> Option<usize> {
    states.iter().position(|&state| state == 0)
}

/// The way with the earliest state, an empty one if there is any; of several empty ones the first.
///
/// Marks are below 2⁶¹, twice [`TIME_END`].
#[inline(always)]
fn earliest(states: &[u64]) -> usize {
    if let Ok(states) = <&[u64; 8]>::try_from(states) {
        // The most common number of ways. The least of state and way together, found pair by pair:
        // no branch, and nothing waits for more than three comparisons.
        let key = |way: usize| states[way] << 3 | way as u64;
        let quarters =
            [key(0).min(key(1)), key(2).min(key(3)), key(4).min(key(5)), key(6).min(key(7))];
        let halves = [quarters[0].min(quarters[1]), quarters[2].min(quarters[3])];
        return (halves[0].min(halves[1]) & 7) as usize;
    }
    (1..states.len()).fold(0, |least, way| if states[way] < states[least] { way } else { least })
}
