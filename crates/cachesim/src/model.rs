//! What the callbacks simulate: the caches as one core sees them.
//!
//! A model is reached by one thread at a time. Most accesses are hits where the line is expected, and
//! are made by the functions that end in `hits`; they are small enough to become part of a callback.
//! The others follow with the function that ends in `rest`.

use std::fmt::Debug;

use crate::address::LineAddr;
use crate::core::Lines;
use crate::options::Config;
use crate::stats::CoreStats;

/// The caches of one core, and what it shares with others.
pub trait Model: Clone + Debug + Send + Sized + 'static {
    /// What has to be known of a data access.
    type Access: Copy;

    /// What all cores of a run share.
    type Shared: Debug + Send + Sync;

    /// Whether anything is beyond the first level, or stores are told from loads.
    const GOES_BEYOND: bool;

    /// Whether [`Model::repeat_fetches`] may do anything.
    const MAY_COUNT_REPEATS: bool;

    /// What the cores of `config` share, empty.
    fn shared(config: &Config) -> Self::Shared;

    /// The caches of core `number`, empty.
    fn new(config: &Config, number: u32, shared: &Self::Shared) -> Self;

    /// A copy of what is shared, to try accesses on.
    fn try_out(shared: &Self::Shared) -> Self::Shared;

    /// A copy of the core, to try accesses on, which shares `shared`.
    #[must_use]
    fn on(&self, shared: &Self::Shared) -> Self;

    /// The access that `store` describes, to `address`, which is in `line` of the data cache.
    fn access(
        line: impl FnOnce() -> LineAddr,
        address: u64,
        effect: impl FnOnce() -> DataEffect,
    ) -> Self::Access;

    /// A data access at time `now`, a number that is greater at each, if it is a hit where the line is
    /// expected. Otherwise nothing has happened, and [`Model::access_usual`] must follow.
    fn access_hits(&mut self, access: Self::Access, now: u64) -> bool;

    /// The access, wherever its line is, if the data cache is of a usual geometry. `None` in others:
    /// nothing has happened, and [`Model::access_rest`] must follow.
    fn access_usual(&mut self, access: Self::Access, now: u64, stats: &CoreStats)
    -> Option<Misses>;

    /// The access, wherever its line is.
    fn access_rest(&mut self, access: Self::Access, now: u64, stats: &CoreStats) -> Misses;

    /// As [`Model::access_hits`], for a fetch.
    fn fetch_hits(&mut self, line: LineAddr, now: u64) -> bool;

    /// As [`Model::access_usual`], for a fetch from `address`, which is in `line`.
    fn fetch_usual(&mut self, fetch: Fetch, now: u64, stats: &CoreStats) -> Option<Misses>;

    /// As [`Model::access_rest`], for a fetch.
    fn fetch_rest(&mut self, fetch: Fetch, now: u64, stats: &CoreStats) -> Misses;

    /// Fetches `n` more times from the line that was fetched from last, if that matters to the policy.
    fn repeat_fetches(&mut self, line: LineAddr, n: u64, now: u64);

    /// The line of the data cache that an access is to.
    fn line_of(access: Self::Access, lines: Lines) -> LineAddr;

    /// Whether an access stores, if the model has to know.
    fn is_store(access: Self::Access) -> bool;

    /// What a buffer keeps of an access to `line`.
    fn record(line: LineAddr, access: Self::Access) -> Recorded;

    /// The access of which [`Model::record`] gave `word` and `bits`.
    fn recorded(word: u64, bits: u64) -> Self::Access;
}

/// A fetch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fetch {
    /// The line of the instruction cache.
    pub line: LineAddr,
    /// The address of the instruction.
    pub address: u64,
}

/// What a data access does, beside being one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataEffect {
    /// Whether it stores.
    pub is_store: bool,
    /// The binary logarithm of its length in bytes.
    pub size_log2: u8,
}

/// What a buffer keeps of an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// The line of the data cache.
    pub line: LineAddr,
    /// What cannot be lost.
    pub word: u64,
    /// Bits to keep beside it: none but those of [`RECORD_BITS`].
    pub bits: u64,
}

/// The bits of a buffer's token that are a [`Model`]'s: those above the addresses of the host.
pub const RECORD_BITS: u64 = 0xffff << 48;

/// How many levels did not have the line: 0 for a hit in the first level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Misses(u8);

impl Misses {
    /// A hit in the first level.
    pub const NONE: Self = Self(0);
    /// A miss of the first level.
    pub const FIRST: Self = Self(1);
    /// Of the first and the second.
    pub const SECOND: Self = Self(2);
    /// Of all three.
    pub const THIRD: Self = Self(3);

    /// How many levels after the first missed.
    #[inline(always)]
    pub fn beyond_first(self) -> usize {
        usize::from(self.0.saturating_sub(1))
    }

    /// Whether the first level missed.
    #[inline(always)]
    pub fn any(self) -> bool {
        self.0 > 0
    }
}
